//! `seawall sim exhaustive`: every short workload, every crash point, everything a crash can leave;
//! and every bit of a few small logs at rest.

use super::host::{self, Watch};
use super::unless_unread;
use crate::exit::{self, Failure, Status};
use crate::progress;
use crate::render;
use crate::stop;
use seawall_sim::exhaustive::{BytesReport, bytes};
use seawall_sim::{Exhaustive as Search, ExhaustiveReport, SeawallLog, Violation};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Try every short workload, cut off at every call, with everything a crash can leave of it.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::sim_help(
    "  seawall sim exhaustive\n  \
       seawall sim exhaustive --ops 3 --json | jq .states\n  \
       seawall sim exhaustive --out found.json || seawall sim replay found.json",
))]
pub(crate) struct Exhaustive {
    /// Operations of the longest workloads; each more takes about twelve times as long.
    #[arg(long, default_value_t = 4)]
    ops: usize,
    /// Threads [default: one for each processor]. They change nothing but the time it takes.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Write the run that breaks a promise to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What both searches came to.
struct Told {
    report: ExhaustiveReport,
    at_rest: Result<BytesReport, Violation>,
    failure: Option<Box<seawall_sim::Failure<SeawallLog>>>,
    interrupted: bool,
    time: Duration,
}

impl Exhaustive {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let stop = stop::flag()?;
        let (watch, jobs) = (Watch::start(), host::jobs(self.jobs));
        let at_rest = bytes(jobs);
        let search = Search::new(self.ops);
        let bar = progress::counter(Some(search.workloads()));
        let (report, failure) = search.run(jobs, &|done, total| {
            if !bar.is_hidden() {
                bar.set_position(done);
                bar.set_message(format!("{done} of {total} workloads"));
            }
            !stop.load(Ordering::Relaxed)
        });
        bar.finish_and_clear();
        if let (Some(file), Some(failure)) = (&self.out, &failure) {
            host::write(file, &failure.scenario.to_json())?;
        }
        let interrupted = stop.load(Ordering::Relaxed);
        let told = Told { report, at_rest, failure, interrupted, time: watch.elapsed() };
        let shown =
            if self.json { render::document(&told.json()) } else { render::text(&told.text()) };
        unless_unread(shown, told.status())
    }
}

impl Told {
    fn status(&self) -> Status {
        match (&self.failure, &self.at_rest) {
            (None, Ok(_)) if self.interrupted => Status::Interrupted,
            (None, Ok(_)) => Status::Clean,
            _ => Status::Broken,
        }
    }

    fn text(&self) -> String {
        let at_rest = match &self.at_rest {
            Ok(report) => report.to_string(),
            Err(violation) => violation.to_string(),
        };
        let end = match &self.failure {
            None if self.interrupted => "interrupted: no promise broke so far\n".to_owned(),
            None => "no promise broke\n".to_owned(),
            Some(failure) => format!("{failure}\n{:?}\n", failure.scenario),
        };
        let seconds = self.time.as_secs_f64();
        format!("{}\nat rest        {at_rest}\ntime           {seconds:.1} s\n{end}", self.report)
    }

    fn json(&self) -> serde_json::Value {
        let broken = self.failure.as_ref().map(|failure| {
            json!({
                "promise": failure.violation.promise,
                "what": failure.violation.what,
                "life": failure.life,
                "scenario": failure.scenario,
            })
        });
        let mut value = json!(self.report);
        if let Some(fields) = value.as_object_mut() {
            let at_rest = match &self.at_rest {
                Ok(report) => json!(report),
                Err(violation) => json!({ "broken": violation.to_string() }),
            };
            fields.insert("at_rest".to_owned(), at_rest);
            fields.insert("seconds".to_owned(), json!(self.time.as_secs_f64()));
            fields.insert("interrupted".to_owned(), json!(self.interrupted));
            fields.insert("broken".to_owned(), json!(broken));
        }
        value
    }
}
