//! Who is measured when, and what the measurements amount to.
//!
//! In a round of a workload all peers take turns, and the next round begins with the next of them.
//! Rounds in which the reference was three times slower than in its best do not count: the machine
//! did something else then. They are repeated, up to twice as many as were asked for. What is told
//! is the median of those that count, and the median of the ratios to Seawall within each.

use crate::child::{Fresh, Starter, Then};
use crate::job::{Answer, Job, Sample, Task};
use crate::peer::{Can, Outcome, Promise};
use crate::peers::{Known, OURS, REFERENCE};
use crate::proof::Proof;
use crate::record::RECORD_LEN;
use crate::workload::{Unit, Work, Workload};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The reference is so many times slower than in its best round: the round does not count.
const NOISE: f64 = 3.0;

/// So many times the rounds that were asked for are run at most.
const PATIENCE: usize = 3;

/// Records in one call where a log is filled to be opened.
const FILL_BATCH: usize = 100;

/// What is to be measured.
#[derive(Debug)]
pub struct Plan {
    /// Who.
    pub peers: Vec<Known>,
    /// What.
    pub workloads: Vec<Workload>,
    /// How many rounds shall count.
    pub rounds: usize,
    /// How long each time.
    pub seconds: f64,
    /// Records in logs that are read or opened.
    pub filled: u64,
    /// Where.
    pub dir: PathBuf,
}

/// What a workload came to.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Its name.
    pub workload: &'static str,
    /// What speeds are.
    pub unit: Unit,
    /// Rounds that count.
    pub rounds_kept: usize,
    /// Rounds that were run.
    pub rounds: usize,
    /// A row for each peer.
    pub rows: Vec<Row>,
}

/// What a peer came to in a workload.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The peer.
    pub peer: &'static str,
    /// What it does instead, where it does more than was asked.
    pub more: Option<&'static str>,
    /// Its figures, or why it has none.
    #[serde(flatten)]
    pub came_to: CameTo,
}

/// What a peer came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CameTo {
    /// It was measured.
    Figures(Figures),
    /// It cannot, is not compared, or failed.
    NotCompared(String),
}

/// Medians of the rounds that count.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// Records, bytes or opens a second.
    pub speed: f64,
    /// Its speed to Seawall's in the same round.
    pub ratio: Option<f64>,
    /// Seconds within which 99 of 100 calls returned.
    pub p99: Option<f64>,
}

/// Measures a workload; tells `progress` what comes next.
pub fn measure(
    plan: &Plan,
    workload: Workload,
    starter: &Starter,
    proofs: &[Proof],
    mut progress: impl FnMut(&str),
) -> Table {
    let mut excluded: BTreeMap<&str, String> = BTreeMap::new();
    for known in &plan.peers {
        let refused = proofs.iter().find_map(|proof| proof.refuses(known.name, workload.work));
        if let Some(reason) = workload.work.of(&known.abilities).lack().or(refused) {
            excluded.insert(known.name, reason.to_owned());
        }
    }
    let mut rounds: Vec<BTreeMap<&str, Sample>> = Vec::new();
    for round in 0..plan.rounds * PATIENCE {
        let counting = kept(&rounds, workload.work).len();
        if counting >= plan.rounds {
            break;
        }
        let mut samples = BTreeMap::new();
        for turn in 0..plan.peers.len() {
            let Some(known) = plan.peers.get((turn + round) % plan.peers.len()) else { continue };
            if excluded.contains_key(known.name) {
                continue;
            }
            let (next, all, peer) = (counting + 1, plan.rounds, known.name);
            progress(&format!("{}: round {next} of {all}, {peer}", workload.name));
            match slice(plan, workload.work, starter, known) {
                Ok(sample) => drop(samples.insert(known.name, sample)),
                Err(failure) => drop(excluded.insert(known.name, format!("fails: {failure}"))),
            }
        }
        rounds.push(samples);
    }
    let kept = kept(&rounds, workload.work);
    let row = |known: &Known| Row {
        peer: known.name,
        more: match workload.work.of(&known.abilities) {
            Can::More(words) => Some(words),
            Can::Yes(_) | Can::No(_) => None,
        },
        came_to: match excluded.get(known.name) {
            Some(reason) => CameTo::NotCompared(reason.clone()),
            None => figures(&kept, known.name, workload.work)
                .map_or_else(|| CameTo::NotCompared("no round counts".to_owned()), CameTo::Figures),
        },
    };
    Table {
        workload: workload.name,
        unit: workload.work.unit(),
        rounds_kept: kept.len(),
        rounds: rounds.len(),
        rows: plan.peers.iter().map(row).collect(),
    }
}

fn slice(plan: &Plan, work: Work, starter: &Starter, known: &Known) -> Outcome<Sample> {
    let fresh = Fresh::below(&plan.dir, "slice")?;
    let job = |task| Job { peer: known.name.to_owned(), dir: fresh.path().to_owned(), task };
    let task = match work {
        Work::Open { clean } => {
            let promises = [Promise::Os, Promise::Durable].into_iter();
            let promise = promises
                .into_iter()
                .find(|&promise| known.abilities.append(promise).lack().is_none());
            let promise = promise.ok_or("it appends at no promise")?;
            let task = Task::Fill { promise, count: plan.filled, batch: FILL_BATCH, close: clean };
            starter.run(&job(task), if clean { Then::Ends } else { Then::Killed })?;
            settle(fresh.path())?;
            Task::Open { promise }
        }
        _ => Task::Slice { work, seconds: plan.seconds, filled: plan.filled },
    };
    match starter.run(&job(task), Then::Ends)? {
        Answer::Sample(sample) => Ok(sample),
        _ => Err("an answer to something else".into()),
    }
}

/// Syncs every file: by the time of a restart the kernel has written what it held, so that no open
/// pays for it that syncs.
fn settle(dir: &Path) -> Outcome<()> {
    for entry in dir.read_dir()? {
        let path = entry?.path();
        if path.is_dir() {
            settle(&path)?;
        } else if path.is_file() {
            File::open(&path)?.sync_all()?;
        }
    }
    Ok(())
}

fn speed(sample: &Sample, work: Work) -> f64 {
    let rate = sample.operations as f64 / sample.seconds;
    if work.unit() == Unit::Bytes { rate * RECORD_LEN as f64 } else { rate }
}

type Round<'a> = BTreeMap<&'a str, Sample>;

fn kept<'a>(rounds: &'a [Round<'a>], work: Work) -> Vec<&'a Round<'a>> {
    let reference = |round: &Round<'_>| round.get(REFERENCE).map(|sample| speed(sample, work));
    let best = rounds.iter().filter_map(reference).fold(0.0, f64::max);
    let quiet = |round: &&Round<'_>| reference(round).is_none_or(|speed| speed * NOISE > best);
    rounds.iter().filter(quiet).collect()
}

fn figures(kept: &[&Round<'_>], peer: &str, work: Work) -> Option<Figures> {
    let samples = || kept.iter().filter_map(|round| round.get(peer));
    let ratios = kept
        .iter()
        .filter_map(|round| Some(speed(round.get(peer)?, work) / speed(round.get(OURS)?, work)));
    Some(Figures {
        speed: median(samples().map(|sample| speed(sample, work)))?,
        ratio: median(ratios),
        p99: median(samples().filter_map(|sample| sample.p99)),
    })
}

/// The median; of an even number the mean of the two in the middle.
fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = figures.get(middle).copied()?;
    if figures.len().is_multiple_of(2) {
        let lower = figures.get(middle - 1).copied()?;
        return Some(f64::midpoint(lower, upper));
    }
    Some(upper)
}

#[cfg(test)]
mod tests {
    use super::{OURS, REFERENCE, Round, figures, kept, median};
    use crate::job::Sample;
    use crate::workload::Work;

    fn round(reference: f64, ours: f64, peer: f64) -> Round<'static> {
        let sample =
            |speed: f64| Sample { operations: 1_000_000, seconds: 1_000_000.0 / speed, p99: None };
        [(REFERENCE, sample(reference)), (OURS, sample(ours)), ("peer", sample(peer))].into()
    }

    #[test]
    fn a_round_whose_reference_is_three_times_slower_than_its_best_does_not_count() {
        let rounds = [round(100.0, 10.0, 5.0), round(30.0, 9.0, 9.0), round(90.0, 10.0, 5.0)];
        let work = Work::Read { threads: 1 };
        let kept = kept(&rounds, work);
        assert_eq!(kept.len(), 2);
        let figures = figures(&kept, "peer", work).unwrap();
        assert!((figures.ratio.unwrap() - 0.5).abs() < 1e-9, "{figures:?}");
    }

    #[test]
    fn the_median_of_nothing_is_nothing_and_of_two_their_middle() {
        assert_eq!(median(std::iter::empty()), None);
        assert_eq!(median([3.0, 1.0].into_iter()), Some(2.0));
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), Some(2.0));
    }
}
