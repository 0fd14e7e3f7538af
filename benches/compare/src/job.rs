//! What a process is started for, and the doing of it, for any peer.
//!
//! Every job runs in a process of its own: what a peer leaves behind in it (threads, maps, a panic)
//! touches no other, and an open after a restart is one.

use crate::peer::{Address, Outcome, Peer, Promise};
use crate::record::{RECORD_LEN, record};
use crate::slice;
use crate::workload::Work;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Records in a batch that fills a log.
const FILL_BATCH: usize = 100;

/// What is to be done, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The name of the peer.
    pub peer: String,
    /// A directory for this job, and for those that go on with what it left.
    pub dir: PathBuf,
    /// What.
    pub task: Task,
}

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Measures once.
    Slice {
        /// What.
        work: Work,
        /// For how long, about.
        seconds: f64,
        /// Records in a log that is to be read.
        filled: u64,
    },
    /// Appends `count` numbered records, in batches of `batch` unless it is 0.
    Fill {
        /// At which promise.
        promise: Promise,
        /// How many records.
        count: u64,
        /// How many of them in one call; 0 calls for each, and tells the addresses.
        batch: usize,
        /// Whether the log is closed then; else the process stays until it is killed.
        close: bool,
    },
    /// Appends under the eyes of `strace`: what it sees between two marks is of the appends.
    Watched {
        /// At which promise.
        promise: Promise,
        /// How many calls.
        calls: u64,
        /// How many records in one; 0 for one that is no batch.
        batch: usize,
    },
    /// Reads what [`Fill`](Self::Fill) appended.
    Check {
        /// The promise that it had.
        promise: Promise,
        /// How many records there were.
        count: u64,
        /// Where they are, for peers that cannot scan.
        addresses: Vec<Address>,
    },
    /// Measures one open, to the end of the first append.
    Open {
        /// The promise that the log had.
        promise: Promise,
    },
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A measurement.
    Sample(Sample),
    /// The log is filled.
    Filled(Vec<Address>),
    /// The appends are done.
    Watched,
    /// So many records are there, the first ones and as they were written.
    Checked(u64),
}

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Records, or opens.
    pub operations: u64,
    /// Seconds for all of them.
    pub seconds: f64,
    /// Seconds within which 99 of 100 calls returned, where that was asked.
    pub p99: Option<f64>,
}

/// What stands on standard error in front of and behind watched appends.
pub const MARKS: [&str; 2] = ["seawall-compare: appends begin", "seawall-compare: appends end"];

/// Where the log of a job lies.
#[must_use]
pub fn log_dir(job_dir: &Path) -> PathBuf {
    job_dir.join("log")
}

/// Does a job.
///
/// # Errors
/// What the peer says, or that it shows other records than were written.
pub fn run<P: Peer>(job: &Job) -> Outcome<Answer> {
    let dir = log_dir(&job.dir);
    std::fs::create_dir_all(&dir)?;
    match &job.task {
        Task::Slice { work, seconds, filled } => {
            slice::measure::<P>(*work, &job.dir, *seconds, *filled).map(Answer::Sample)
        }
        Task::Fill { promise, count, batch, close } => {
            let log = P::open(&dir, *promise)?;
            let addresses = fill(&log, *count, *batch)?;
            if *close {
                log.close()?;
            } else {
                // Whoever asked for no close kills this process; nothing may tidy up before.
                std::mem::forget(log);
            }
            Ok(Answer::Filled(addresses))
        }
        Task::Watched { promise, calls, batch } => {
            watched::<P>(&dir, *promise, *calls, *batch)?;
            Ok(Answer::Watched)
        }
        Task::Check { promise, count, addresses } => {
            let log = P::open(&dir, *promise)?;
            let there = there(&log, *count, addresses)?;
            log.close()?;
            Ok(Answer::Checked(there))
        }
        Task::Open { promise } => {
            let bytes = record(0);
            let start = Instant::now();
            let log = P::open(&dir, *promise)?;
            log.append(0, &bytes)?;
            let seconds = start.elapsed().as_secs_f64();
            std::mem::forget(log);
            Ok(Answer::Sample(Sample { operations: 1, seconds, p99: None }))
        }
    }
}

/// Appends the first `count` records, and says where they are if they go one by one.
pub(crate) fn fill<P: Peer>(log: &P, count: u64, batch: usize) -> Outcome<Vec<Address>> {
    if batch == 0 {
        return (0..count).map(|number| log.append(0, &record(number))).collect();
    }
    let batch = batch.min(FILL_BATCH) as u64;
    for first in (0..count).step_by(usize::try_from(batch)?) {
        let numbers = first..count.min(first + batch);
        log.append_batch(&numbers.map(record).collect::<Vec<_>>())?;
    }
    Ok(Vec::new())
}

fn watched<P: Peer>(dir: &Path, promise: Promise, calls: u64, batch: usize) -> Outcome<()> {
    let log = P::open(dir, promise)?;
    let bytes = record(0);
    let records = vec![record(1); batch];
    // The first one may make files.
    log.append(0, &bytes)?;
    eprintln!("{}", MARKS[0]);
    for _ in 0..calls {
        if batch == 0 {
            log.append(0, &bytes)?;
        } else {
            log.append_batch(&records)?;
        }
    }
    eprintln!("{}", MARKS[1]);
    std::mem::forget(log);
    Ok(())
}

/// How many of the first `count` records are there, equal and in order; fails if one differs.
fn there<P: Peer>(log: &P, count: u64, addresses: &[Address]) -> Outcome<u64> {
    let (mut there, mut wrong) = (0, 0);
    let mut show = |bytes: &[u8]| {
        if bytes.len() != RECORD_LEN || bytes != record(there) {
            wrong += 1;
        }
        there += 1;
    };
    if P::abilities().scan.lack().is_none() {
        log.scan(&mut show)?;
    } else {
        for &address in addresses {
            // What a kill took is the end, not a failure.
            if log.read(address, &mut show).is_err() {
                break;
            }
        }
    }
    if wrong > 0 || there > count {
        return Err(format!("{wrong} of {there} records are not those that were written").into());
    }
    Ok(there)
}
