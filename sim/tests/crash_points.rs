//! Every crash point of many short workloads, resolved in every way: promises G1 to G9.
//!
//! `SEAWALL_SWEEP=FIRST..END` sweeps other seeds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall::{Durability, Options};
use seawall_sim::{
    CallNoise, Op, SectorSize, Sweep, SweepFailure, SweepOptions, SweepReport, Workload,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Seeds of the default run, found to make more than 100,000 distinct images.
const SEEDS: std::ops::Range<u64> = 0..120;
const OPS_MAX: usize = 12;
const WORKERS: usize = 2;

fn seeds() -> (std::ops::Range<u64>, bool) {
    let Ok(asked) = std::env::var("SEAWALL_SWEEP") else { return (SEEDS, false) };
    let (first, end) = asked.split_once("..").expect("SEAWALL_SWEEP is FIRST..END");
    let number = |text: &str| text.parse().expect("SEAWALL_SWEEP is FIRST..END");
    (number(first)..number(end), true)
}

fn sweep(next: &AtomicU64, end: u64) -> Result<SweepReport, Box<SweepFailure>> {
    let mut report = SweepReport::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(report);
        }
        let sector = if seed % 4 == 3 { SectorSize::Large } else { SectorSize::Small };
        let noise = if seed % 3 == 1 { CallNoise::even(100) } else { CallNoise::NONE };
        let mut sweep = Sweep::new(SweepOptions { sector, noise, ..SweepOptions::default() });
        sweep.seed(seed, OPS_MAX)?;
        report.add(sweep.into_report());
    }
}

#[test]
fn promises_hold_at_every_crash_point_of_every_workload() {
    let (seeds, chosen) = seeds();
    let mut total = SweepReport::default();
    let next = AtomicU64::new(seeds.start);
    let reports = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..WORKERS).map(|_| scope.spawn(|| sweep(&next, seeds.end))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    for report in reports {
        match report {
            Ok(report) => total.add(report),
            Err(failure) => {
                panic!("{failure}\nagain: SEAWALL_SWEEP={0}..{1}", failure.seed, failure.seed + 1)
            }
        }
    }
    println!("{total}");
    assert!(chosen || total.workloads >= 50, "{total}");
    assert!(chosen || total.distinct.len() >= 100_000, "{total}");
}

/// LSNs that were handed out and never written: the next run must not hand them out again,
/// whether the run before ended well or not.
#[test]
fn lsns_of_runs_that_wrote_nothing_are_never_handed_out_again() {
    let append = |len| Op::Append(len, Durability::Buffered);
    let options = Options::new()
        .durability(Durability::Buffered)
        .segment_len(16 << 10)
        .buffer_max(8 << 10)
        .prepare_ahead(false)
        .idle_mark(None);
    let unclean = vec![append(100), append(50), Op::Kill, append(30), Op::Kill, append(70)];
    let clean = vec![
        Op::Append(100, Durability::Sync),
        Op::Reopen,
        append(60),
        append(40),
        Op::Kill,
        append(20),
        Op::Reopen,
        append(10),
    ];
    for ops in [unclean, clean] {
        let workload = Workload { options: options.clone(), ops, close: false };
        if let Err(failure) = Sweep::new(SweepOptions::default()).workload(1, &workload) {
            panic!("{failure}");
        }
    }
}
