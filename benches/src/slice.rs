//! Work for a time: one thread or many, all beginning at once, and what came of it.

use crate::failure::{Failure, Result};
use crate::records::Records;
use hdrhistogram::Histogram;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long each of many operations took, in nanoseconds, to three digits.
pub type Latencies = Histogram<u64>;

/// One side of a comparison: works for about this long. Setting up is not in the time it tells.
pub type Side = Box<dyn FnMut(Duration) -> Result<Slice>>;

/// What was done in a slice of time.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// Records, reads or opens.
    pub operations: u64,
    /// How long they took in all.
    pub took: Duration,
    /// How long each took, where that was looked at.
    pub latencies: Option<Latencies>,
}

impl Slice {
    /// Operations in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        real(self.operations) / self.took.as_secs_f64().max(1e-9)
    }

    /// How long this many operations would take.
    #[must_use]
    pub fn time_of(&self, operations: u64) -> Duration {
        Duration::from_secs_f64(real(operations) / self.rate().max(1e-9))
    }

    /// Seconds below which this part of the operations stayed; of all, without latencies.
    #[must_use]
    pub fn quantile(&self, part: f64) -> f64 {
        self.latencies.as_ref().map_or_else(
            || self.took.as_secs_f64() / real(self.operations.max(1)),
            |latencies| real(latencies.value_at_quantile(part)) / 1e9,
        )
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.took += other.took;
        match (&mut self.latencies, other.latencies) {
            (Some(all), Some(more)) => all.add(&more).unwrap_or_default(),
            (all @ None, more) => *all = more,
            (Some(_), None) => {}
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure is for reading, not for counting")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// The longest that is told from longer ones: a minute.
const LONGEST: u64 = 60_000_000_000;

/// An empty histogram.
pub(crate) fn latencies() -> Latencies {
    // Bounds and three digits are such as the crate allows: it cannot refuse.
    Histogram::new_with_max(LONGEST, 3).unwrap_or_else(|_| unreachable!("bounds are allowed"))
}

pub(crate) fn note(into: &mut Latencies, took: Duration) {
    into.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
}

/// How the threads of a workload go about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gang {
    pub(crate) threads: usize,
    /// Length of a record.
    pub(crate) len: usize,
    /// Records of one call.
    pub(crate) batch: usize,
    /// Calls between two looks at the clock.
    pub(crate) stride: u64,
    /// Whether the time of each call is noted.
    pub(crate) noted: bool,
}

impl Gang {
    /// Calls `append` in all threads until `time` is over, or until one of them made its share of
    /// `calls`: from the moment the first begins until the last is done.
    pub(crate) fn work(
        self,
        time: Duration,
        calls: u64,
        append: impl Fn(&mut Records) -> Result<()> + Sync,
    ) -> Result<Slice> {
        let share = (calls / self.threads as u64).max(1);
        let (ready, stop) = (Barrier::new(self.threads), AtomicBool::new(false));
        let one = |number: usize| {
            let mut records = Records::new(self.len, number);
            if self.batch > 1 {
                records = records.in_batches(self.batch);
            }
            ready.wait();
            let start = Instant::now();
            let done = self.toil(start, time, share, &stop, || append(&mut records));
            stop.store(true, Ordering::Relaxed);
            let (calls, noted) = done?;
            Ok::<_, Failure>((start, Instant::now(), calls, noted))
        };
        let done = if self.threads == 1 {
            vec![one(0)?]
        } else {
            std::thread::scope(|scope| {
                let one = &one;
                let handles: Vec<_> =
                    (0..self.threads).map(|n| scope.spawn(move || one(n))).collect();
                let joined = handles.into_iter().map(|handle| {
                    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                });
                joined.collect::<Result<Vec<_>>>()
            })?
        };
        let start = done.iter().map(|&(start, ..)| start).min();
        let end = done.iter().map(|&(_, end, ..)| end).max();
        let took = start.zip(end).map_or(Duration::ZERO, |(start, end)| end - start);
        let mut slice = Slice { took, ..Slice::default() };
        for (.., calls, noted) in done {
            let operations = calls * self.batch as u64;
            slice.add(Slice { operations, took: Duration::ZERO, latencies: noted });
        }
        Ok(slice)
    }

    fn toil(
        self,
        start: Instant,
        time: Duration,
        share: u64,
        stop: &AtomicBool,
        mut call: impl FnMut() -> Result<()>,
    ) -> Result<(u64, Option<Latencies>)> {
        let mut noted = self.noted.then(latencies);
        let mut done = 0;
        loop {
            if let Some(noted) = &mut noted {
                let mut before = Instant::now();
                for _ in 0..self.stride {
                    call()?;
                    let now = Instant::now();
                    note(noted, now - before);
                    before = now;
                }
            } else {
                for _ in 0..self.stride {
                    call()?;
                }
            }
            done += self.stride;
            if done >= share || stop.load(Ordering::Relaxed) || start.elapsed() >= time {
                return Ok((done, noted));
            }
        }
    }
}

/// Repeats `work` until `time` is over. It tells how many operations it did and how long they took.
pub(crate) fn repeated(
    time: Duration,
    mut work: impl FnMut() -> Result<(u64, Duration)>,
) -> Result<Slice> {
    let mut slice = Slice::default();
    while slice.took < time {
        let (operations, took) = work()?;
        slice.add(Slice { operations, took, latencies: None });
    }
    Ok(slice)
}

/// How long `work` takes, and what it gives.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let given = std::hint::black_box(work());
    (given, start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gang(threads: usize, batch: usize) -> Gang {
        Gang { threads, len: 100, batch, stride: 4, noted: true }
    }

    #[test]
    fn quantiles_are_in_seconds_and_to_three_digits() {
        let mut noted = latencies();
        for micros in 1..=1000 {
            note(&mut noted, Duration::from_micros(micros));
        }
        let slice = Slice { operations: 1000, latencies: Some(noted), ..Slice::default() };
        assert!((slice.quantile(0.5) - 500e-6).abs() < 1e-6, "{}", slice.quantile(0.5));
        assert!((slice.quantile(0.99) - 990e-6).abs() < 2e-6, "{}", slice.quantile(0.99));
    }

    #[test]
    fn threads_end_at_their_share_of_calls_and_count_every_record() {
        for (threads, batch) in [(1, 1), (1, 10), (4, 1)] {
            let slice = gang(threads, batch).work(Duration::MAX, 400, |_| Ok(())).unwrap();
            // The first to reach its share ends the others, after whole strides.
            assert!(slice.operations <= 400 * batch as u64);
            assert!(slice.operations >= (400 / threads * batch) as u64);
            let noted = slice.latencies.unwrap().len();
            assert_eq!(noted * batch as u64, slice.operations);
        }
    }

    #[test]
    fn failure_of_one_thread_ends_all_and_is_told() {
        let told = gang(4, 1).work(Duration::MAX, u64::MAX, |_| Err(Failure::Stopped));
        assert!(matches!(told, Err(Failure::Stopped)));
    }
}
