//! `seawall sim bugs`: whether each planted bug is found by whoever must find it. What the tests
//! are worth is the share of bugs that they notice.
//!
//! [`build`] makes the binary that has the bugs in it, [`child`] runs it with a time limit,
//! [`judge`] asks the judge of each bug, [`results`] keeps what was said.

mod build;
mod child;
mod judge;
mod results;

use super::host;
use super::unless_unread;
use crate::exit::{self, Failure, Status};
use crate::progress;
use crate::render;
use crate::stop;
use judge::Court;
use results::{Results, Row};
use seawall_sim::{BUGS, PlantedBug, Report};
use std::cell::OnceCell;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Plant every bug, one at a time, and say who finds it and how fast.
///
/// Builds the command once more with the bugs in it (into target/planted, from the sources of the
/// workspace), and runs each bug in a process of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::sim_help(
    "  seawall sim bugs\n  \
       seawall sim bugs --only ack-before-sync --shrink\n  \
       seawall sim bugs --masters 20 --results bugs.jsonl",
))]
pub(crate) struct Bugs {
    /// Look for each bug again with other seeds, so many times in all.
    #[arg(long, default_value_t = 1)]
    masters: u64,
    /// Only this bug; may be given more than once.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Add each result to this file, one JSON object a line, and do not do again what is there.
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Give a bug up after so many seeds.
    #[arg(long, value_name = "MAX", default_value_t = 20_000)]
    seeds: u64,
    /// Threads in each process [default: one for each processor].
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Make each failing run small, and say how small.
    #[arg(long)]
    shrink: bool,
    /// Use this binary, built with the bugs in it.
    #[arg(long, value_name = "FILE", hide = true)]
    built: Option<PathBuf>,
    /// Print JSON: one object for each bug and master, and with several masters one for each bug.
    #[arg(long)]
    json: bool,
}

impl Bugs {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let chosen = self.chosen()?;
        let stop = stop::flag()?;
        let mut results = Results::open(self.results.as_deref())?;
        let binary = match &self.built {
            Some(file) => file.clone(),
            None => build::planted()?,
        };
        let jobs = host::jobs(self.jobs);
        let court = Court {
            binary: &binary,
            seeds: self.seeds,
            jobs,
            shrink: self.shrink,
            schedules: OnceCell::new(),
        };
        let total = u64::try_from(chosen.len()).unwrap_or(u64::MAX);
        let bar = progress::counter(Some(total.saturating_mul(self.masters)));
        let mut rows = Vec::new();
        'all: for master in 0..self.masters {
            for bug in &chosen {
                bar.set_message(format!("{} (master {master})", bug.name));
                let row = match results.find(bug.name, master) {
                    Some(row) => row,
                    None => {
                        let row = court.judge(bug, master)?;
                        // A child that was interrupted along with us says nothing about its bug.
                        if stop.load(Ordering::Relaxed) {
                            break 'all;
                        }
                        results.add(&row)?;
                        row
                    }
                };
                if self.json {
                    bar.suspend(|| unread_is_fine(render::text(&row.line()?)))?;
                }
                rows.push(row);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let shown = self.show(&chosen, &rows);
        let status = if rows.iter().any(|row| !row.is_good()) {
            Status::Broken
        } else if stop.load(Ordering::Relaxed) {
            Status::Interrupted
        } else {
            Status::Clean
        };
        unless_unread(shown, status)
    }

    fn chosen(&self) -> Result<Vec<&'static PlantedBug>, Failure> {
        let unknown = self.only.iter().find(|name| !BUGS.iter().any(|bug| bug.name == **name));
        if let Some(name) = unknown {
            return Err(Failure::Input {
                what: format!("{name:?} is no planted bug"),
                hint: "`seawall sim bugs --json --seeds 1` prints the name of every bug",
            });
        }
        let wanted = |bug: &&PlantedBug| {
            self.only.is_empty() || self.only.iter().any(|name| name == bug.name)
        };
        Ok(BUGS.iter().filter(wanted).collect())
    }

    fn show(&self, chosen: &[&PlantedBug], rows: &[Row]) -> Result<(), Failure> {
        let table = if self.masters == 1 {
            results::table(rows)
        } else {
            let sums = results::sums(chosen, rows);
            if self.json {
                return render::text(&results::sum_lines(&sums)?);
            }
            results::sum_table(&sums)
        };
        if self.json {
            return Ok(());
        }
        let good = rows.iter().filter(|row| row.is_good()).count();
        let title = format!("Planted bugs: {good} of {} found", rows.len());
        render::text(&Report { title, tables: vec![table], ..Report::default() }.text())
    }
}

fn unread_is_fine(shown: Result<(), Failure>) -> Result<(), Failure> {
    unless_unread(shown, Status::Clean).map(|_| ())
}
