//! Every crash point of many short workloads, resolved in every way: promises G1 to G9.
//!
//! `SEAWALL_SWEEP=FIRST..END` sweeps other seeds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall_sim::{CallNoise, SectorSize, Sweep, SweepFailure, SweepOptions, SweepReport};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Seeds of the default run, found to make more than 100,000 distinct images.
const SEEDS: std::ops::Range<u64> = 0..130;
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
