//! Who must find a bug is asked whether it does: one function for each judge.

use super::super::host::Watch;
use super::build;
use super::child::{self, Ended};
use super::results::{Row, Small};
use crate::exit::Failure;
use seawall_sim::{Judge, PlantedBug};
use serde_json::Value;
use std::cell::OnceCell;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

/// After this time a process is taken to hang.
const LIMIT: Duration = Duration::from_secs(120);
/// Seeds in which a bug that needs a crash must do no harm without one.
const HARMLESS_SEEDS: u64 = 1000;
/// Letters of what a failing schedule says that are enough to know it by.
const NOTE_MAX: usize = 80;
/// Seeds whose two runs are compared.
const META_SEEDS: u64 = 500;

/// What all judges need.
#[derive(Debug)]
pub(super) struct Court<'a> {
    /// The binary with the bugs in it.
    pub(super) binary: &'a Path,
    /// Seeds after which a bug is given up.
    pub(super) seeds: u64,
    pub(super) jobs: NonZeroUsize,
    pub(super) shrink: bool,
    /// What the search over the orders of threads said, once it was asked.
    pub(super) schedules: OnceCell<String>,
}

/// `name: found by harness (scheduler) in schedule 3 after 0.1 s: how it failed`.
#[derive(Debug, PartialEq)]
struct Schedule<'a> {
    number: u64,
    seconds: f64,
    how: &'a str,
}

impl<'a> Schedule<'a> {
    fn of(line: &'a str, bug: &str) -> Option<Self> {
        let (_, found) =
            line.strip_prefix(bug)?.strip_prefix(": found by ")?.split_once(" in schedule ")?;
        let (number, rest) = found.split_once(" after ")?;
        let (seconds, how) = rest.split_once(" s: ")?;
        Some(Self { number: number.parse().ok()?, seconds: seconds.parse().ok()?, how })
    }
}

impl Court<'_> {
    /// Asks the judge of this bug.
    pub(super) fn judge(&self, bug: &PlantedBug, master: u64) -> Result<Row, Failure> {
        let watch = Watch::start();
        let mut row = Row::of(bug, master);
        match bug.judge {
            Judge::Campaign | Judge::Exhaustive => self.campaign(bug, &mut row)?,
            Judge::Meta => self.meta(bug, &mut row)?,
            Judge::Shuttle => self.shuttle(&mut row)?,
            Judge::Process | Judge::Scene => scene(&mut row)?,
        }
        // What a judge measured by itself is nearer to the truth than the life of its process; and
        // the search over schedules is one for all of its bugs, with its build.
        if row.seconds == 0.0 && bug.judge != Judge::Shuttle {
            row.seconds = watch.elapsed().as_secs_f64();
        }
        Ok(row)
    }

    /// Random runs, or everything small without a seed, until a promise breaks.
    fn campaign(&self, bug: &PlantedBug, row: &mut Row) -> Result<(), Failure> {
        let max = self.seeds.to_string();
        let mut arguments = vec!["--max", &max];
        if self.shrink {
            arguments.push("--shrink");
        }
        match self.hunt(row, &arguments)? {
            Ended::Said(said) => row.take(&said),
            Ended::Hung => {
                // A run that never ends breaks the promise of progress, and no other.
                row.found = row.expected == "progress";
                row.promise = Some("progress".to_owned());
                row.note = Some(format!("no end after {} s", LIMIT.as_secs()));
            }
            Ended::Died(why) => {
                row.found = true;
                row.promise = Some("abort".to_owned());
                row.note = Some(why);
            }
        }
        if bug.needs_crash && row.master == 0 {
            let max = self.seeds.min(HARMLESS_SEEDS).to_string();
            let ended = self.hunt(row, &["--no-crashes", "--max", &max])?;
            let calm = matches!(&ended, Ended::Said(said) if !is_found(said));
            row.harmless_without_crash = Some(calm);
            if !calm {
                row.note = Some(format!("harmful without a crash: {}", tell(&ended)));
            }
        }
        Ok(())
    }

    /// The same seeds in two processes: what they did must differ.
    fn meta(&self, _bug: &PlantedBug, row: &mut Row) -> Result<(), Failure> {
        let max = self.seeds.min(META_SEEDS).to_string();
        let arguments = ["--hashes", "--max", &max];
        let hashes = |ended: &Ended| match ended {
            Ended::Said(said) => said.get("hashes").and_then(Value::as_array).cloned(),
            Ended::Hung | Ended::Died(_) => None,
        };
        let (first, second) = (self.hunt(row, &arguments)?, self.hunt(row, &arguments)?);
        let (Some(one), Some(other)) = (hashes(&first), hashes(&second)) else {
            row.note = Some(format!("no hashes: {}", tell(&first)));
            return Ok(());
        };
        let differs = one.iter().zip(&other).position(|(one, other)| one != other);
        row.found = differs.is_some();
        row.seeds = u64::try_from(differs.map_or(one.len(), |nth| nth + 1)).ok();
        row.promise = differs.map(|_| "order".to_owned());
        Ok(())
    }

    /// A search over the orders of threads: one for all of its bugs, the first time one is asked
    /// for. It has seeds of its own, the same for every master.
    fn shuttle(&self, row: &mut Row) -> Result<(), Failure> {
        let said = match self.schedules.get() {
            Some(said) => said,
            None => {
                let said = build::schedules()?;
                self.schedules.get_or_init(|| said)
            }
        };
        match said.lines().find_map(|line| Schedule::of(line, &row.bug)) {
            Some(schedule) => {
                row.found = true;
                row.seeds = Some(schedule.number);
                row.seconds = schedule.seconds;
                row.note = Some(schedule.how.chars().take(NOTE_MAX).collect());
            }
            None => row.note = Some("the search over schedules does not tell of it".to_owned()),
        }
        Ok(())
    }

    fn hunt(&self, row: &Row, options: &[&str]) -> Result<Ended, Failure> {
        let (master, jobs) = (row.master.to_string(), self.jobs.to_string());
        let mut arguments: Vec<OsString> =
            ["sim", "hunt", &row.bug, "--master", &master, "--jobs", &jobs]
                .map(OsString::from)
                .into();
        arguments.extend(options.iter().map(OsString::from));
        child::run(self.binary, &arguments, LIMIT)
    }
}

impl Row {
    /// Fills in what a hunt said.
    fn take(&mut self, said: &Value) {
        self.found = is_found(said);
        self.promise = said.get("promise").and_then(Value::as_str).map(str::to_owned);
        self.seed = said.get("seed").and_then(Value::as_u64);
        self.seeds = said.get("seeds").and_then(Value::as_u64);
        self.seconds = said.get("seconds").and_then(Value::as_f64).unwrap_or_default();
        self.life = said.get("life").and_then(Value::as_u64);
        let unsound = said.get("unsound").and_then(Value::as_array);
        self.unsound = unsound.into_iter().flatten().filter_map(Value::as_u64).collect();
        if !self.unsound.is_empty() {
            self.note = Some(format!("these seeds break without the bug, too: {:?}", self.unsound));
        }
        self.small = said.get("small").and_then(|small| {
            Some(Small {
                operations: small.get("operations")?.as_u64()?,
                crashes: small.get("crashes")?.as_u64()?,
                seconds: small.get("seconds")?.as_f64()?,
            })
        });
    }
}

fn is_found(said: &Value) -> bool {
    said.get("found") == Some(&Value::Bool(true))
}

fn tell(ended: &Ended) -> String {
    match ended {
        Ended::Said(said) => {
            let what = said.get("what").and_then(Value::as_str);
            what.unwrap_or("nothing is said").to_owned()
        }
        Ended::Hung => "it hangs".to_owned(),
        Ended::Died(why) => format!("it died: {why}"),
    }
}

/// A run made for this bug, which may start processes of its own. It has no seed.
fn scene(row: &mut Row) -> Result<(), Failure> {
    let said = build::scene(&row.bug)?;
    let line = said.lines().find_map(|line| line.strip_prefix(&format!("{}: ", row.bug)));
    row.found = line.is_some_and(|how| how != "NOT FOUND");
    row.note = line.map(|how| how.chars().take(NOTE_MAX).collect());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_schedule_is_read() {
        let line = "two-leaders: found by two_threads (pct) in schedule 12 after 0.250 s: they met";
        let schedule = Schedule { number: 12, seconds: 0.25, how: "they met" };
        assert_eq!(Schedule::of(line, "two-leaders"), Some(schedule));
        assert_eq!(Schedule::of(line, "two"), None);
        assert_eq!(Schedule::of("test two-leaders ... ok", "two-leaders"), None);
    }
}
