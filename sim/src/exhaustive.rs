//! Bounded model checking of the log: every workload of a few operations, every moment at which it
//! can be cut off, everything that can be left of it then.
//!
//! ```text
//!   workloads      all rows of up to `ops` operations of an alphabet, for each kind of log
//!   crash points   behind the last operation; in each of its calls of the disk that leave traces:
//!                  not begun, done as a whole, of a write a first part; power cut and kill
//!   states         of what is pending all subsets, up to `cap` units; beyond that each single
//!                  deviation from "all" and from "none", all first and all last parts
//!   each state     is opened through the public API, read as a whole and held to the oracle; each
//!                  image also gets one more durable append, a power cut that takes all it can,
//!                  and another open
//!   nested         recovery is cut off in the same way at each of its calls, to the depth asked for
//! ```
//!
//! The beginning of a workload is a workload itself, so only the crash points of the last operation
//! are looked at; the empty workload stands for the first open. A state that another workload led to
//! already, with the same pending units and the same promises to keep, is counted and not opened
//! again: an open depends on nothing else. Log ids and salts are the same in every run.
//!
//! The oracle and the log are those of the campaigns ([`SeawallLog`]), and what is found is one of
//! their scenarios, which [`play`](crate::play()) repeats.

mod alphabet;
mod at_rest;
mod report;
mod seen;
mod units;
mod walk;

pub use alphabet::{Kind, alphabet, options};
pub use at_rest::{BytesReport, bytes};
pub use report::ExhaustiveReport;

use crate::campaign::Failure;
use crate::oracle::Violation;
use crate::sabotage::Sabotage;
use crate::scenario::Scenario;
use crate::subject::seawall_log::{Op, SeawallLog};
use parking_lot::Mutex;
use seen::Seen;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use walk::Walker;

/// What is searched.
///
/// ```
/// use seawall_sim::Exhaustive;
/// use std::num::NonZeroUsize;
///
/// let (report, failure) = Exhaustive::new(1).run(NonZeroUsize::MIN, &|_, _| true);
/// assert!(failure.is_none());
/// assert!(report.states > 1000);
/// ```
#[derive(Clone, Debug)]
pub struct Exhaustive {
    /// The longest workloads.
    pub ops: usize,
    /// In workloads of up to so many operations recovery is cut off too; of one less where segments are
    /// left unsynced.
    pub nested_ops: usize,
    /// In workloads of up to so many operations the recovery from that is cut off too, and so of one less.
    pub deep_ops: usize,
    /// Of so many pending units all subsets are tried.
    pub cap: usize,
    /// The kinds of logs: each has all workloads of its alphabet.
    pub kinds: Vec<Kind>,
    /// The disk cheats like this.
    pub sabotage: Option<Sabotage>,
}

/// A promise that broke; its seed is the number of the workload among those of its length.
type Broken = Failure<SeawallLog>;

/// What all threads know.
struct Shared {
    seen: Known,
    next: AtomicU64,
    done: AtomicU64,
    stop: AtomicBool,
    result: Mutex<(ExhaustiveReport, Option<Box<Broken>>)>,
}

/// What was met before.
#[derive(Debug)]
struct Known {
    /// Crash points, by what is pending, what must be shown, and how deep recovery is cut off.
    points: Seen,
    /// States, by the disk and what must be shown.
    states: Seen,
    /// Disks.
    images: Seen,
    /// States whose recovery was cut off everywhere.
    expanded: Seen,
}

impl Exhaustive {
    /// All workloads of up to so many operations, on three kinds of logs; recovery is cut off too in those
    /// of up to four, and the recovery from that in those of up to three.
    #[must_use]
    pub fn new(ops: usize) -> Self {
        Self {
            ops,
            nested_ops: 4,
            deep_ops: 3,
            cap: 8,
            kinds: vec![Kind::Sync, Kind::Buffered, Kind::Unsynced],
            sabotage: None,
        }
    }

    /// How many workloads there are.
    #[must_use]
    pub fn workloads(&self) -> u64 {
        self.phases().iter().map(|(kind, len)| count_of(*kind, *len)).sum()
    }

    /// Shorter workloads come first: where one state is met twice it is met first where recovery is
    /// cut off more often.
    fn phases(&self) -> Vec<(Kind, usize)> {
        let lens = 0..=self.ops;
        lens.flat_map(|len| self.kinds.iter().map(move |kind| (*kind, len))).collect()
    }

    /// What is left unsynced is many more units: there the same depth is for workloads one shorter.
    fn depth(&self, kind: Kind, len: usize) -> usize {
        let len = len + usize::from(kind == Kind::Unsynced);
        1 + usize::from(len <= self.nested_ops) + usize::from(len <= self.deep_ops)
    }

    /// Searches on `jobs` threads; `progress` hears how many workloads are done, of how many, and
    /// says whether to go on. Where a promise breaks, the search ends early.
    ///
    /// With one job the report is the same each time. With more, which of two workloads comes first
    /// to a state decides where the first part of a write ends that is cut off inside recovery (the
    /// disk draws that from its history): some figures may differ by a few in a million.
    pub fn run(
        &self,
        jobs: NonZeroUsize,
        progress: &(dyn Fn(u64, u64) -> bool + Sync),
    ) -> (ExhaustiveReport, Option<Box<Failure<SeawallLog>>>) {
        let known = Known {
            points: Seen::new(),
            states: Seen::new(),
            images: Seen::new(),
            expanded: Seen::new(),
        };
        let shared = Shared {
            seen: known,
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            result: Mutex::default(),
        };
        let total = self.workloads();
        for (kind, len) in self.phases() {
            shared.next.store(0, Ordering::Relaxed);
            let work = || self.work(kind, len, &shared, &|done| progress(done, total));
            std::thread::scope(|scope| {
                for _ in 1..jobs.get() {
                    scope.spawn(work);
                }
                work();
            });
        }
        let (mut report, failure) = shared.result.into_inner();
        report.images = shared.seen.images.len();
        (report, failure)
    }

    fn work(&self, kind: Kind, len: usize, shared: &Shared, progress: &dyn Fn(u64) -> bool) {
        let (ops, end) = (alphabet(kind), count_of(kind, len));
        let mut walker = Walker::new(self, options(kind), self.depth(kind, len), &shared.seen);
        while !shared.stop.load(Ordering::Relaxed) {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                break;
            }
            let workload = workload(&ops, len, number);
            if let Err(failure) = walker.workload(number, &workload) {
                shared.stop.store(true, Ordering::Relaxed);
                let mut result = shared.result.lock();
                if result.1.as_ref().is_none_or(|other| number < other.seed) {
                    result.1 = Some(failure);
                }
                break;
            }
            if !progress(shared.done.fetch_add(1, Ordering::Relaxed) + 1) {
                shared.stop.store(true, Ordering::Relaxed);
            }
        }
        shared.result.lock().0.add(walker.report());
    }
}

/// What this mode finds in a few seconds, for a bug that was planted: first by bits and records at
/// rest, then by crashes in workloads of two operations, and of three where they leave segments unsynced,
/// with the run that shows it.
#[must_use]
pub fn hunt(
    jobs: NonZeroUsize,
    sabotage: Option<Sabotage>,
) -> Option<(Violation, Option<Scenario<SeawallLog>>)> {
    if sabotage.is_none()
        && let Err(violation) = bytes(jobs)
    {
        return Some((violation, None));
    }
    let short = Exhaustive { sabotage, nested_ops: 1, deep_ops: 0, ..Exhaustive::new(2) };
    let kinds = vec![Kind::Unsynced];
    let left = Exhaustive { nested_ops: 0, kinds, ..Exhaustive { ops: 3, ..short.clone() } };
    let failure = [short, left].iter().find_map(|search| search.run(jobs, &|_, _| true).1)?;
    Some((failure.violation, Some(failure.scenario)))
}

fn count_of(kind: Kind, len: usize) -> u64 {
    let letters = crate::image::wide(alphabet(kind).len());
    letters.saturating_pow(u32::try_from(len).unwrap_or(u32::MAX))
}

/// The workload of a number: its digits are the operations.
fn workload(ops: &[Op], len: usize, number: u64) -> Vec<Op> {
    let (letters, mut rest) = (crate::image::wide(ops.len()).max(1), number);
    let mut workload: Vec<Op> = Vec::with_capacity(len);
    for _ in 0..len {
        let digit = crate::image::index(rest % letters);
        workload.extend(ops.get(digit).cloned());
        rest /= letters;
    }
    workload.reverse();
    workload
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_workload_has_a_number_of_its_own() {
        let ops = alphabet(Kind::Buffered);
        let all: BTreeSet<String> = (0..count_of(Kind::Buffered, 2))
            .map(|number| format!("{:?}", workload(&ops, 2, number)))
            .collect();
        assert_eq!(all.len(), ops.len() * ops.len());
    }
}
