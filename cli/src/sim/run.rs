//! `seawall sim run`: a campaign, for a time or over a range of seeds.

use super::draw::Drawn;
use super::host::{self, Watch};
use super::summary::Summary;
use super::unless_unread;
use crate::exit::{self, Failure, Status};
use crate::progress;
use crate::render;
use crate::stop;
use indicatif::ProgressBar;
use seawall_sim::{Figures, parse_seeds, render as page, tell};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Without a time and without a range.
const SECONDS: u64 = 10;
/// Of a second: what the bar over a time counts.
const TICKS: u64 = 10;

/// Run campaigns: crashes, failing calls and damage drawn from seeds, until a promise breaks.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::sim_help(
    "  seawall sim run\n  \
       seawall sim run --seconds 60 --report report.html\n  \
       seawall sim run --seeds 0..1000 --class errors --json | jq .faults",
))]
pub(crate) struct Run {
    /// Run exactly these seeds.
    #[arg(long, value_name = "FIRST..END", value_parser = parse_seeds)]
    #[arg(conflicts_with_all = ["seconds", "first"])]
    seeds: Option<Range<u64>>,
    /// Run for so many seconds [default: 10]; the seeds under way are brought to their end.
    #[arg(long)]
    seconds: Option<u64>,
    /// Begin with this seed.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    first: u64,
    /// Threads [default: one for each processor]. They change nothing but the time it takes.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    drawn: Drawn,
    /// Write an HTML page with the figures, and the timeline of a failure.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let stop = stop::flag()?;
        let watch = Watch::start();
        let limit = match self.seeds {
            Some(_) => None,
            None => Some(Duration::from_secs(self.seconds.unwrap_or(SECONDS))),
        };
        let seeds = self.seeds.clone().unwrap_or(self.first..u64::MAX);
        let bar = self.bar(limit);
        let (figures, failure) =
            self.drawn.campaign().run_while(seeds, host::jobs(self.jobs), |figures| {
                let time = watch.elapsed();
                show(&bar, figures, time, limit);
                !stop.load(Ordering::Relaxed) && limit.is_none_or(|limit| time < limit)
            });
        let time = watch.elapsed();
        bar.finish_and_clear();
        let status = match &failure {
            Some(_) => Status::Broken,
            None if stop.load(Ordering::Relaxed) => Status::Interrupted,
            None => Status::Clean,
        };
        let replay = failure.as_ref().map(|failure| self.drawn.replay(failure.seed));
        let summary = Summary { figures: &figures, time, failure: failure.as_deref(), replay };
        if let Some(file) = &self.report {
            let mut report = summary.report();
            report.failure = failure.as_ref().map(|failure| {
                let replay = self.drawn.replay(failure.seed);
                tell(&failure.scenario, None).into_page(replay, failure.scenario.to_json())
            });
            host::write(file, &page(&report))?;
        }
        let shown = if self.json {
            render::document(&summary.json())
        } else {
            render::text(&summary.text())
        };
        unless_unread(shown, status)
    }

    fn bar(&self, limit: Option<Duration>) -> ProgressBar {
        let seeds = self.seeds.as_ref().map(|seeds| seeds.end.saturating_sub(seeds.start));
        progress::counter(limit.map(|limit| limit.as_secs().saturating_mul(TICKS)).or(seeds))
    }
}

fn show(bar: &ProgressBar, figures: &Figures, time: Duration, limit: Option<Duration>) {
    if bar.is_hidden() {
        return;
    }
    bar.set_position(match limit {
        Some(_) => u64::try_from(time.as_millis()).unwrap_or(u64::MAX) * TICKS / 1000,
        None => figures.seeds,
    });
    let faults: u64 = figures.faults.values().sum();
    let rate = host::per_second(figures.seeds, time);
    let (seeds, crashes) = (figures.seeds, figures.crash_cycles);
    bar.set_message(format!("{seeds} seeds ({rate:.0}/s), {crashes} crashes, {faults} faults"));
}
