//! `seawall sim meta`: whether a run is a function of its seed. Each seed is run twice, and what
//! the two did is compared by a hash over every call with its answer, every image that a crash
//! left, and how far every stream of numbers was drawn.

use super::draw::Drawn;
use super::host;
use super::unless_unread;
use crate::exit::{self, Failure, Status};
use crate::progress;
use crate::render;
use crate::stop;
use indicatif::ProgressBar;
use seawall_sim::{Campaign, SeawallLog, parse_seeds};
use serde_json::json;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Run each seed twice and compare: every call, every image, every draw.
///
/// The combined hash is the same in every build, on every machine and with any number of threads.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::sim_help(
    "  seawall sim meta 0..100\n  \
       seawall sim meta 4711 --json | jq .hash",
))]
pub(crate) struct Meta {
    /// One seed, or a range of them.
    #[arg(value_name = "SEED|FIRST..END", value_parser = seeds)]
    seeds: Range<u64>,
    #[command(flatten)]
    drawn: Drawn,
    /// Threads [default: one for each processor].
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the seeds of one thread, or of all, came to.
#[derive(Clone, Copy, Debug, Default)]
struct Compared {
    seeds: u64,
    hash: u64,
    /// The first seed whose two runs differ, and both hashes.
    differs: Option<(u64, u64, u64)>,
}

impl Meta {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let stop = stop::flag()?;
        let mut campaign = self.drawn.campaign();
        campaign.deep = true;
        let bar = progress::counter(Some(self.seeds.end.saturating_sub(self.seeds.start)));
        let jobs = host::jobs(self.jobs);
        let compared = compare(&campaign, &self.seeds, jobs, &stop, &bar);
        bar.finish_and_clear();
        let status = match compared.differs {
            Some(_) => Status::Broken,
            None if stop.load(Ordering::Relaxed) => Status::Interrupted,
            None => Status::Clean,
        };
        let shown = if self.json { compared.show_json() } else { compared.show() };
        unless_unread(shown, status)
    }
}

impl Compared {
    fn add(self, other: Self) -> Self {
        let differs = [self.differs, other.differs].into_iter().flatten().min();
        // A sum does not depend on who came first.
        let hash = self.hash.wrapping_add(other.hash);
        Self { seeds: self.seeds + other.seeds, hash, differs }
    }

    fn show(&self) -> Result<(), Failure> {
        let Self { seeds, hash, .. } = self;
        render::text(&match self.differs {
            None => format!("{seeds} seeds, each run twice and the same\nhash {hash:016x}\n"),
            Some((seed, first, second)) => {
                format!("seed {seed} differs between two runs: {first:016x} and {second:016x}\n")
            }
        })
    }

    fn show_json(&self) -> Result<(), Failure> {
        let differs = self.differs.map(|(seed, first, second)| {
            let hashes = [first, second].map(|hash| format!("{hash:016x}"));
            json!({ "seed": seed, "hashes": hashes })
        });
        render::document(&json!({
            "seeds": self.seeds,
            "hash": format!("{:016x}", self.hash),
            "differs": differs,
        }))
    }
}

/// The hash of one run of a seed.
pub(crate) fn hash(campaign: &Campaign<SeawallLog>, seed: u64) -> u64 {
    let seeds = seed..seed.saturating_add(1);
    // A promise that breaks is no difference: it breaks in both runs, or their hashes differ.
    let (figures, _) = campaign.run_while(seeds, NonZeroUsize::MIN, |_| true);
    figures.hash
}

fn compare(
    campaign: &Campaign<SeawallLog>,
    seeds: &Range<u64>,
    jobs: NonZeroUsize,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Compared {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut compared = Compared::default();
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let (first, second) = (hash(campaign, seed), hash(campaign, seed));
            let differs = (first != second).then_some((seed, first, second));
            compared = compared.add(Compared { seeds: 1, hash: first, differs });
            bar.inc(1);
        }
        compared
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..jobs.get()).map(|_| scope.spawn(work)).collect();
        let mine = work();
        // A panic of a run is caught in it; one of this loop ends the process with its message.
        let theirs = others.into_iter().filter_map(|thread| thread.join().ok());
        theirs.fold(mine, Compared::add)
    })
}

/// Reads one seed or a range.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    match text.parse::<u64>() {
        Ok(seed) => Ok(seed..seed.saturating_add(1)),
        Err(_) => parse_seeds(text),
    }
}
