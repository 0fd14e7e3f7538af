//! A clock that steps back panics nothing and holds nothing up.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "the clock of this test runs")]

use seawall::storage::Clock;
use seawall::{Durability, Environment, Log, Lsn, Options};
use seawall_sim::{EPOCH, Seed, SimClock, SimDisk, environment};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Runs, and can be set back by hours.
#[derive(Debug)]
struct Jumping {
    began: Instant,
    hours: AtomicU64,
    /// Whether it goes back each time that it is looked at.
    always: bool,
}

impl Jumping {
    fn new(always: bool) -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), hours: AtomicU64::new(1000), always })
    }

    fn back(&self) {
        self.hours.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Clock for Jumping {
    fn now(&self) -> Duration {
        if self.always && self.hours.load(Ordering::SeqCst) > 0 {
            self.back();
        }
        Duration::from_secs(3600 * self.hours.load(Ordering::SeqCst)) + self.began.elapsed()
    }
}

fn options(interval: Duration) -> Options {
    Options::new().durability(Durability::Interval(interval)).segment_len(16 << 10)
}

#[test]
fn an_open_survives_a_clock_that_steps_back() {
    let disk = SimDisk::new(Seed::new(1));
    for run in 1..4 {
        let around = Environment { clock: Jumping::new(true), ..environment(&disk, run) };
        let log = Log::open_in(around, options(Duration::from_millis(1))).unwrap();
        log.append(b"a record").unwrap();
        log.tend().unwrap();
        log.close().unwrap();
    }
}

/// A follower of this log is shown what is durable: without the end of the interval it waits for ever.
#[test]
fn an_interval_ends_although_the_clock_steps_back() {
    let disk = SimDisk::new(Seed::new(1));
    let clock = Jumping::new(false);
    let around =
        Environment { clock: Arc::clone(&clock) as _, threads: true, ..environment(&disk, 1) };
    let log = Log::open_in(around, options(Duration::from_millis(20))).unwrap();
    let mut follower = log.follow(Lsn::FIRST).unwrap();
    for nth in 0..5_u8 {
        log.append(&[nth; 10]).unwrap();
        clock.back();
        assert_eq!(follower.next().unwrap().unwrap().bytes, [nth; 10].as_slice());
    }
    log.close().unwrap();
}

/// What stands on a log and keeps records by their age takes the time of day from it, so that a
/// simulation of years takes a moment.
#[test]
fn the_time_of_day_is_that_of_the_environment() {
    let disk = SimDisk::new(Seed::new(1));
    let clock = SimClock::new();
    let around = environment(&disk, 1).clock(Arc::new(clock.clone()));
    let log = Log::open_in(around, options(Duration::from_millis(1))).unwrap();
    assert_eq!(log.wall_clock(), Some(EPOCH));
    let years = Duration::from_secs(10 * 365 * 24 * 3600);
    clock.advance(years);
    assert_eq!(log.wall_clock(), Some(EPOCH + years));
    log.close().unwrap();
    // A clock that only counts knows no such time.
    let around = environment(&disk, 1).clock(Jumping::new(false));
    let log = Log::open_in(around, options(Duration::from_millis(1))).unwrap();
    assert_eq!(log.wall_clock(), None);
    log.close().unwrap();
}
