//! Orders of threads: the real log, its own threads and those of its users, under schedulers that
//! decide who goes on. See `docs/TESTING.md`, "Thread schedules", for the command.

#![cfg(seawall_shuttle)]
#![expect(clippy::disallowed_methods, reason = "schedules are counted per second")]

use seawall_sim::schedules::{HARNESSES, explore, named, replay};
use std::time::Instant;

fn wanted() -> u64 {
    let wanted = std::env::var("SEAWALL_SCHEDULES").ok();
    wanted.map_or(2000, |text| text.parse().expect("SEAWALL_SCHEDULES is a number"))
}

fn rate(count: u64, seconds: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds
}

/// A planted mistake is one of the whole process: who plants holds it alone.
static PLANTING: parking_lot::RwLock<()> = parking_lot::RwLock::new(());

#[test]
fn every_order_of_threads_that_is_tried_keeps_every_promise() {
    let _unplanted = PLANTING.read();
    let only = std::env::var("SEAWALL_HARNESS").ok();
    let seed = std::env::var("SEAWALL_SEED").ok().map_or(1, |text| text.parse().unwrap());
    let (mut schedules, mut distinct, mut failed) = (0, 0, Vec::new());
    for &harness in HARNESSES {
        if only.as_ref().is_some_and(|only| only != harness.name) {
            continue;
        }
        let begun = Instant::now();
        let report = explore(harness, wanted(), seed);
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{:18} {:8} schedules, {:8} distinct, {:5} steps each, {:6.0} per second{}",
            report.harness,
            report.schedules,
            report.distinct,
            report.steps / report.schedules.max(1),
            rate(report.schedules, seconds),
            if report.exhausted { ", depth first to its end" } else { "" },
        );
        schedules += report.schedules;
        distinct += report.distinct;
        failed.extend(report.failure);
    }
    println!("{schedules} schedules, {distinct} distinct");
    for failure in &failed {
        println!("{failure}");
        let again = replay(named(failure.harness).unwrap(), &failure.schedule).unwrap();
        println!("replayed: {again:?}");
    }
    assert!(failed.is_empty(), "{} harnesses failed", failed.len());
    assert!(only.is_some() || schedules < 20_000 || distinct >= 10_000, "{distinct} distinct");
}

#[cfg(seawall_planted)]
#[test]
fn every_planted_mistake_is_found() {
    let _planting = PLANTING.write();
    let only = std::env::var("SEAWALL_BUG").ok();
    let seed = std::env::var("SEAWALL_SEED").ok().map(|text| text.parse().unwrap());
    let count = wanted().max(40_000);
    let mut missed = Vec::new();
    for mistake in seawall_sim::schedules::PLANTED {
        let (name, harness) = (mistake.name, mistake.harness);
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let seed = seed.unwrap_or(mistake.seed);
        assert!(seawall::planted::plant(name), "no such mistake: {name}");
        let harness = named(harness).expect("a harness of that name");
        let begun = Instant::now();
        let report = explore(harness, count, seed);
        let seconds = begun.elapsed().as_secs_f64();
        match report.failure {
            Some(failure) => {
                let line = failure.message.lines().next().unwrap_or_default();
                println!(
                    "{name}: found by {} ({}) in schedule {} after {seconds:.3} s: {line}",
                    failure.harness, failure.scheduler, failure.after
                );
                let again = replay(harness, &failure.schedule).unwrap();
                assert_eq!(again.as_deref(), Some(failure.message.as_str()), "its replay");
            }
            None => missed.push(name),
        }
        assert!(seawall::planted::plant(""));
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// `SEAWALL_HARNESS=close SEAWALL_REPLAY="1f 0x3 r 1"` repeats the schedule that a failure names.
#[test]
fn a_schedule_that_is_given_passes() {
    let (Ok(harness), Ok(schedule)) =
        (std::env::var("SEAWALL_HARNESS"), std::env::var("SEAWALL_REPLAY"))
    else {
        return;
    };
    let _unplanted = PLANTING.read();
    let harness = named(&harness).expect("a harness of that name");
    assert_eq!(replay(harness, &schedule).expect("a schedule"), None);
}
