//! What the promises of a peer are worth: the system calls of its appends, and what a kill leaves.
//!
//! A peer that does not do what it says is not compared at that promise.

use crate::child::{Fresh, Starter, Then};
use crate::job::{Answer, Job, Task, log_dir};
use crate::peer::{Can, Outcome, Promise};
use crate::peers::Known;
use crate::strace;
use crate::workload::Work;
use serde::Serialize;
use std::path::Path;

/// Appends that are looked at.
const CALLS: u64 = 200;

/// Records in a batch that is looked at.
const BATCH: usize = 10;

/// Records of which a kill should leave all.
pub const KILLED_AFTER: u64 = 1000;

/// What was seen of a peer at a promise.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// The peer.
    pub peer: &'static str,
    /// The promise.
    pub promise: Promise,
    /// How it is kept, in the peer's terms.
    pub how: &'static str,
    /// Writes for each append by one thread; `None` where `strace` does not work.
    pub writes: Option<f64>,
    /// Syncs for each append by one thread.
    pub syncs: Option<f64>,
    /// Syncs for each batch of ten.
    pub batch_syncs: Option<f64>,
    /// Of [`KILLED_AFTER`] records, how many are there when the process was killed behind the last.
    pub left: Option<u64>,
    /// Why it is not compared at this promise.
    pub refused: Option<String>,
    /// Why its batches are not.
    pub batch_refused: Option<String>,
}

impl Proof {
    /// Why this work is not compared, if the proof is of its promise.
    #[must_use]
    pub fn refuses(&self, peer: &str, work: Work) -> Option<&str> {
        if self.peer != peer || work.promise() != Some(self.promise) {
            return None;
        }
        match work {
            Work::Batch { .. } => self.batch_refused.as_deref().or(self.refused.as_deref()),
            _ => self.refused.as_deref(),
        }
    }
}

/// Looks at a peer at a promise that it gives.
#[must_use]
pub fn prove(starter: &Starter, dir: &Path, known: &Known, promise: Promise) -> Option<Proof> {
    let Can::Yes(how) = known.abilities.append(promise) else { return None };
    let mut proof = Proof {
        peer: known.name,
        promise,
        how,
        writes: None,
        syncs: None,
        batch_syncs: None,
        left: None,
        refused: None,
        batch_refused: None,
    };
    match watched(starter, dir, known, promise, 0) {
        Ok(seen) => (proof.writes, proof.syncs) = seen.unzip(),
        Err(failure) => proof.refused = Some(failure.to_string()),
    }
    let batches = if promise == Promise::Durable {
        known.abilities.batch_durable
    } else {
        known.abilities.batch_os
    };
    if batches.lack().is_none() {
        match watched(starter, dir, known, promise, BATCH) {
            Ok(seen) => proof.batch_syncs = seen.map(|(_, syncs)| syncs),
            Err(failure) => proof.batch_refused = Some(failure.to_string()),
        }
    }
    match left(starter, dir, known, promise) {
        Ok(left) => proof.left = Some(left),
        Err(failure) => proof.refused = Some(failure.to_string()),
    }
    judge(&mut proof);
    Some(proof)
}

fn judge(proof: &mut Proof) {
    let missing = |syncs: Option<f64>| syncs.filter(|&syncs| syncs < 1.0);
    if proof.promise == Promise::Durable {
        if let Some(syncs) = missing(proof.syncs) {
            proof.refused = Some(format!("says durable, and syncs {syncs:.2} times an append"));
        }
        if let Some(syncs) = missing(proof.batch_syncs) {
            proof.batch_refused = Some(format!("says durable, and syncs {syncs:.2} times a batch"));
        }
    }
    if let Some(left) = proof.left
        && proof.promise > Promise::Buffered
        && left < KILLED_AFTER
    {
        proof.refused = Some(format!("a kill left {left} of {KILLED_AFTER} records"));
    }
}

/// Writes and syncs for each call; `None` where nobody can look.
fn watched(
    starter: &Starter,
    dir: &Path,
    known: &Known,
    promise: Promise,
    batch: usize,
) -> Outcome<Option<(f64, f64)>> {
    let fresh = Fresh::below(dir, "watched")?;
    let task = Task::Watched { promise, calls: CALLS, batch };
    let job = Job { peer: known.name.to_owned(), dir: fresh.path().to_owned(), task };
    if !strace::works() {
        starter.run(&job, Then::Ends)?;
        return Ok(None);
    }
    let file = fresh.path().join("trace");
    let words = [&strace::WORDS.map(Into::into)[..], &["-o".into(), file.clone().into()]].concat();
    starter.run_under(&words, &job, Then::Ends)?;
    let trace = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
    let seen = strace::count(&trace, &log_dir(fresh.path()));
    let each = |count: u64| count as f64 / CALLS as f64;
    Ok(Some((each(seen.writes), each(seen.syncs))))
}

/// How many records a kill leaves.
fn left(starter: &Starter, dir: &Path, known: &Known, promise: Promise) -> Outcome<u64> {
    written_and_read(starter, dir, known, promise, Then::Killed)
}

/// Writes [`KILLED_AFTER`] records in one process and reads them in another: how many are there.
///
/// # Errors
/// What the peer says, or that other records are there.
pub fn written_and_read(
    starter: &Starter,
    dir: &Path,
    known: &Known,
    promise: Promise,
    then: Then,
) -> Outcome<u64> {
    let fresh = Fresh::below(dir, "written")?;
    let job = |task| Job { peer: known.name.to_owned(), dir: fresh.path().to_owned(), task };
    let close = then == Then::Ends;
    let task = Task::Fill { promise, count: KILLED_AFTER, batch: 0, close };
    let Answer::Filled(addresses) = starter.run(&job(task), then)? else {
        return Err("an answer to something else".into());
    };
    let task = Task::Check { promise, count: KILLED_AFTER, addresses };
    match starter.run(&job(task), Then::Ends)? {
        Answer::Checked(there) => Ok(there),
        _ => Err("an answer to something else".into()),
    }
}
