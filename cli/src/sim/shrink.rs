//! `seawall sim shrink`: a failing run made small, so that a person can read it.

use super::host::{self, Watch};
use super::source::{Source, Which};
use super::unless_unread;
use crate::exit::{self, Failure, Status};
use crate::output::say;
use crate::progress;
use crate::render;
use crate::stop;
use seawall_sim::shrink;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Make a failing run as small as possible: the same promise still breaks in it.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::sim_help(
    "  seawall sim shrink 4711 --out small.json\n  \
       seawall sim replay small.json --timeline timeline.html",
))]
pub(crate) struct Shrink {
    #[command(flatten)]
    which: Which,
    /// Write the small scenario here and not to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Stop after so many seconds with what was reached.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

impl Shrink {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let stop = stop::flag()?;
        let watch = Watch::start();
        let limit = Duration::from_secs(self.seconds);
        let source = Source::play(&self.which)?;
        let bar = progress::counter(None);
        let small = shrink(&source.scenario, None, |played| {
            bar.set_message(format!("{played} plays"));
            bar.tick();
            !stop.load(Ordering::Relaxed) && watch.elapsed() < limit
        });
        bar.finish_and_clear();
        let Some(small) = small.filter(|_| source.broken.is_some()) else {
            let said =
                format!("{}: no promise breaks, there is nothing to shrink\n", self.which.what);
            return unless_unread(render::text(&said), Status::Clean);
        };
        // Beside the scenario, which may go into a pipe.
        say!(
            "{} became {}: {} plays, {} edits kept, {:.1} s\nlife {}: {}",
            sizes(source.scenario.op_count(), source.scenario.crash_count()),
            sizes(small.scenario.op_count(), small.scenario.crash_count()),
            small.played,
            small.kept,
            watch.elapsed().as_secs_f64(),
            small.scenario.lives.len().saturating_sub(1),
            small.violation,
        );
        let mut text = small.scenario.to_json();
        text.push('\n');
        let Some(file) = &self.out else {
            return unless_unread(render::text(&text), Status::Broken);
        };
        host::write(file, &text)?;
        let said = format!("cargo run --release -- sim replay {}\n", file.display());
        unless_unread(render::text(&said), Status::Broken)
    }
}

fn sizes(ops: usize, crashes: usize) -> String {
    format!("{ops} operations and {crashes} crashes")
}
