//! One workload, so many times, and nothing else: for a counter of instructions around it.
//!
//! ```text
//! cargo run --release -p seawall-bench --example counted -- NAME COUNT DIR
//! ```
//!
//! `benches/instructions` runs it twice, with a lower and a higher count, and divides the
//! difference: so what is done once is in no figure. For that to be true everything that depends on
//! time is off, and nothing rotates. Without arguments it prints the workloads, each with its two
//! counts. DIR must be empty.

use seawall::{Durability, Log, Lsn, Options};
use seawall_bench::Records;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;

type Outcome = Result<(), Box<dyn Error>>;

/// Records in the log that is read from; counts of scanned records are multiples of it.
const READ_FROM: u64 = 8192;

struct Workload {
    name: &'static str,
    /// A lower and a higher count: near enough to be quick, far enough that a part of a write
    /// more or less does not matter.
    counts: (u64, u64),
    /// One operation: for people.
    what: &'static str,
    run: fn(&Path, u64) -> Outcome,
}

const WORKLOADS: [Workload; 8] = [
    Workload {
        name: "buffered-100",
        counts: (50_000, 250_000),
        what: "buffered append, 100 B, written",
        run: |dir, count| appends(dir, Durability::Buffered, 100, count),
    },
    Workload {
        name: "buffered-256",
        counts: (50_000, 250_000),
        what: "buffered append, 256 B, written",
        run: |dir, count| appends(dir, Durability::Buffered, 256, count),
    },
    Workload {
        name: "os-256",
        counts: (10_000, 60_000),
        what: "Os append, 256 B",
        run: |dir, count| appends(dir, Durability::Os, 256, count),
    },
    Workload {
        name: "batch-100",
        counts: (200, 1_700),
        what: "Os batch of 100 x 256 B",
        run: batches,
    },
    Workload {
        name: "durable-256",
        counts: (2_000, 12_000),
        what: "durable append, 256 B, 1 thread",
        run: |dir, count| appends(dir, Durability::Sync, 256, count),
    },
    Workload {
        name: "scan-256",
        counts: (4 * READ_FROM, 24 * READ_FROM),
        what: "scanned record, 256 B, borrowed",
        run: |dir, count| scans(dir, 256, count),
    },
    Workload {
        name: "scan-4096",
        counts: (READ_FROM, 6 * READ_FROM),
        what: "scanned record, 4 KiB, borrowed",
        run: |dir, count| scans(dir, 4096, count),
    },
    Workload { name: "read-256", counts: (10_000, 60_000), what: "random read, 256 B", run: reads },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match *words.as_slice() {
        [] => {
            for Workload { name, counts: (low, high), what, .. } in &WORKLOADS {
                println!("{name}\t{low}\t{high}\t{what}");
            }
            Ok(())
        }
        [name, count, dir] => run(name, count, Path::new(dir)),
        _ => Err("NAME COUNT DIR, or nothing".into()),
    };
    if let Err(error) = outcome {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run(name: &str, count: &str, dir: &Path) -> Outcome {
    let workload = WORKLOADS.iter().find(|workload| workload.name == name);
    let workload = workload.ok_or(format!("{name} is no workload"))?;
    (workload.run)(dir, count.parse()?)
}

/// A log in one segment, on which nothing happens by time.
fn log(dir: &Path, durability: Durability) -> seawall::Result<Log> {
    let options =
        Options::new().durability(durability).segment_len(256 << 20).first_segment_len(256 << 20);
    // Zeros would have to be written for all of the segment; where they are, a commit is the same.
    Log::open(dir, options.prepare_ahead(false).idle_mark(None).zeros_ahead(Some(false)))
}

fn appends(dir: &Path, durability: Durability, len: usize, count: u64) -> Outcome {
    let log = log(dir, durability)?;
    let mut records = Records::new(len, 0);
    for _ in 0..count {
        black_box(log.append(records.record())?);
    }
    // The checks of a frame are made when it is written: what is still buffered must be, too.
    log.sync()?;
    Ok(log.close()?)
}

fn batches(dir: &Path, count: u64) -> Outcome {
    let log = log(dir, Durability::Os)?;
    let mut records = Records::new(256, 0).in_batches(100);
    for _ in 0..count {
        black_box(log.append_batch(records.batch())?);
    }
    Ok(log.close()?)
}

/// A log of [`READ_FROM`] records, and where they are.
fn filled(dir: &Path, len: usize) -> seawall::Result<(Log, Vec<Lsn>)> {
    let log = log(dir, Durability::Buffered)?;
    let mut records = Records::new(len, 0);
    let places = (0..READ_FROM).map(|_| log.append(records.record()).map(|receipt| receipt.lsn));
    let places = places.collect::<seawall::Result<_>>()?;
    log.sync()?;
    Ok((log, places))
}

fn scans(dir: &Path, len: usize, count: u64) -> Outcome {
    let (log, _) = filled(dir, len)?;
    for _ in 0..count / READ_FROM {
        let (mut scan, mut seen) = (log.scan(Lsn::FIRST)?, 0);
        while let Some(record) = scan.next_ref()? {
            black_box(record.bytes);
            seen += 1;
        }
        if seen != READ_FROM {
            return Err(format!("a scan saw {seen} records of {READ_FROM}").into());
        }
    }
    Ok(log.close()?)
}

fn reads(dir: &Path, count: u64) -> Outcome {
    let (log, places) = filled(dir, 256)?;
    // Jumps by a number that shares no factor with the length: every place comes up.
    let jumps = places.iter().cycle().step_by(2741);
    for place in jumps.take(usize::try_from(count)?) {
        black_box(log.read(*place)?);
    }
    Ok(log.close()?)
}
