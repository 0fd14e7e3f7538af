//! What one append, one read and one open cost as a log grows, by bytes and by segments. Draws
//! nothing and knows no target.

use crate::failure::{Result, same};
use crate::ground::{Ground, Plot};
use crate::ratio::Estimate;
use crate::records::{Records, xorshift};
use crate::slice::{real, timed};
use seawall::{Durability, Log, Lsn, Options};
use std::hint::black_box;
use std::time::Duration;

/// The record that is appended and read.
const LEN: usize = 256;
/// What a log is filled with: batches of this many records of [`FILL_LEN`] bytes.
const FILL_BATCH: usize = 4;
const FILL_LEN: usize = 4096;
/// Segments of the logs that grow by bytes.
const LARGE: u64 = 64 << 20;
/// Segments of those that grow by segments: the shortest that there are.
const SMALL: u64 = 16 << 10;
/// Bytes that are handed to the kernel with one call: less than a log does by itself, so that
/// each round has such a call in it, and is still short.
const WRITE_AT: u64 = 64 << 10;
/// Appends of one round: one of these calls, now and then two. All rounds of a step together make
/// its log some MiB longer.
const APPENDS: u64 = 256;
/// Reads of one round, and places at most that they choose from: so the pages that are read stay
/// in memory however long the log is.
const READS: u64 = 4096;
/// What a step appends beyond the length it is named by, with room for files made ahead.
const BESIDE: u64 = 512 << 20;

/// How the steps are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// Rounds of each figure.
    pub count: usize,
    /// Files that the log may hold open for reading; what it does by itself if not said.
    pub open_files_max: Option<usize>,
}

/// A log of one length, and what work on it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Bytes of records and their frames.
    pub bytes: u64,
    /// Segments they are in.
    pub segments: u64,
    /// Seconds of one buffered append of 256 B, its part of the writes included.
    pub append: Estimate,
    /// Seconds of one read of 256 B by address, anywhere in the log, out of the page cache.
    pub read: Estimate,
    /// Seconds of one open after a clean close.
    pub open: Estimate,
}

/// Room on the disk, in bytes, that a log grown to `bytes` takes while it is measured.
#[must_use]
pub const fn room(bytes: u64) -> u64 {
    bytes + bytes / 50 + BESIDE
}

/// Room on the disk, in bytes, that a log grown to this many segments takes.
#[must_use]
pub const fn room_of_segments(count: u64) -> u64 {
    // Each file has an entry, and a node, beside its bytes.
    count * (SMALL + 4096) + BESIDE
}

/// One log, grown from step to step; `done` is told each step as it is measured.
///
/// # Errors
/// What the log says, for instance that there is no room.
pub fn by_bytes(
    ground: &Ground,
    sizes: &[u64],
    rounds: Rounds,
    mut done: impl FnMut(&Step),
) -> Result<Vec<Step>> {
    let plot = ground.plot()?;
    let mut places = Vec::new();
    let mut filling = Records::new(FILL_LEN, 0).in_batches(FILL_BATCH);
    let mut single = Records::new(LEN, 1);
    let mut steps = Vec::new();
    for size in sizes {
        let log = Log::open(plot.path(), rounds.options(LARGE))?;
        while log.watermarks().accepted.get() < *size {
            places.push(log.append(single.record())?.lsn);
            log.append_batch(filling.batch())?;
        }
        log.close()?;
        drop(log);
        let step = rounds.step(&plot, &places)?;
        done(&step);
        steps.push(step);
    }
    Ok(steps)
}

/// A log of its own for each of these counts of segments: short ones, but the last, which has room
/// for the appends.
///
/// # Errors
/// What the log says.
pub fn by_segments(
    ground: &Ground,
    counts: &[u64],
    rounds: Rounds,
    mut done: impl FnMut(&Step),
) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for count in counts {
        let plot = ground.plot()?;
        let mut places = Vec::new();
        let mut records = Records::new(LEN, 0);
        let mut grow = |options: Options, count: u64, beyond: u64| -> Result<()> {
            let log = Log::open(plot.path(), options)?;
            while (log.stats().segments as u64) < count {
                places.push(log.append(records.record())?.lsn);
            }
            for _ in 0..beyond {
                places.push(log.append(records.record())?.lsn);
            }
            Ok(log.close()?)
        };
        if *count > 1 {
            // A file made ahead would become the last one, and is too short for that.
            grow(rounds.options(SMALL).prepare_ahead(false), count - 1, 0)?;
        }
        grow(rounds.options(LARGE), *count, 64)?;
        let step = rounds.step(&plot, &places)?;
        same("a log grown by segments", step.segments, *count)?;
        done(&step);
        steps.push(step);
    }
    Ok(steps)
}

/// Seconds that each segment adds to an open, from the first of these steps to the last.
#[must_use]
pub fn open_per_segment(steps: &[Step]) -> Option<f64> {
    let (first, last) = (steps.first()?, steps.last()?);
    let more = last.segments.checked_sub(first.segments).filter(|more| *more > 0)?;
    Some((last.open.median - first.open.median) / real(more))
}

impl Rounds {
    fn options(self, segment_len: u64) -> Options {
        // A log that is opened again goes on in its segment, so that one is counted once.
        let options = Options::new()
            .cut_at_close(None)
            .durability(Durability::Buffered)
            .segment_len(segment_len)
            .first_segment_len(segment_len)
            .write_at(WRITE_AT)
            // What a log does by itself while nobody asks would meet some rounds and not others.
            .idle_mark(None);
        match self.open_files_max {
            Some(count) => options.open_files_max(count),
            None => options,
        }
    }

    /// Measures a log that was closed cleanly; its open comes first, then reads, then appends.
    fn step(self, plot: &Plot, places: &[Lsn]) -> Result<Step> {
        let open = self.median(|| {
            let (log, took) = timed(|| Log::open(plot.path(), self.options(LARGE)));
            // It is dropped outside the time, and leaves the directory as it was.
            same("an open", u64::from(log?.report().clean), 1)?;
            Ok((took, 1))
        })?;
        let log = Log::open(plot.path(), self.options(LARGE))?;
        let (bytes, segments) = (log.watermarks().accepted.get(), log.stats().segments as u64);
        let read = self.reads(&log, places)?;
        let append = self.appends(&log)?;
        same("a log that is appended to", log.stats().segments as u64, segments)?;
        log.close()?;
        Ok(Step { bytes, segments, append, read, open })
    }

    fn reads(self, log: &Log, places: &[Lsn]) -> Result<Estimate> {
        let every = places.len().div_ceil(usize::try_from(READS).unwrap_or(usize::MAX)).max(1);
        let places: Vec<Lsn> = places.iter().step_by(every).copied().collect();
        for place in &places {
            log.read(*place)?;
        }
        let (mut state, count) = (0x9e37_79b9_7f4a_7c15, places.len().max(1) as u64);
        self.median(|| {
            let (bytes, took) = timed(|| {
                (0..READS).try_fold(0, |bytes, _| {
                    let nth = usize::try_from(xorshift(&mut state) % count).unwrap_or(0);
                    let place = places.get(nth).copied().unwrap_or(Lsn::FIRST);
                    Ok(bytes + black_box(log.read(place)?.bytes).len() as u64)
                })
            });
            let bytes: seawall::Result<u64> = bytes;
            same("a read", bytes?, READS * LEN as u64)?;
            Ok((took, READS))
        })
    }

    fn appends(self, log: &Log) -> Result<Estimate> {
        let mut records = Records::new(LEN, 2);
        // The first append of a run writes more than a record.
        log.append(records.record())?;
        log.sync()?;
        self.median(|| {
            let (appended, took) =
                timed(|| (0..APPENDS).try_for_each(|_| log.append(records.record()).map(drop)));
            appended?;
            Ok((took, APPENDS))
        })
    }

    /// The median of the rounds, of seconds for one operation. The round before them, in which
    /// caches get warm, does not count.
    fn median(self, mut round: impl FnMut() -> Result<(Duration, u64)>) -> Result<Estimate> {
        round()?;
        let rounds = (0..self.count.max(1)).map(|_| {
            let (took, count) = round()?;
            Ok(took.as_secs_f64() / real(count))
        });
        let rounds = rounds.collect::<Result<Vec<f64>>>()?;
        Ok(Estimate::of(rounds).unwrap_or(Estimate::exactly(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: Rounds = Rounds { count: 1, open_files_max: None };

    #[test]
    fn a_log_grows_to_its_sizes_and_segments() {
        let ground = Ground::below(&std::env::temp_dir()).unwrap();
        let sizes = [1 << 20, 4 << 20];
        let steps = by_bytes(&ground, &sizes, ONCE, |_| ()).unwrap();
        assert_eq!(steps.iter().map(|step| step.segments).collect::<Vec<_>>(), [1, 1]);
        for (step, size) in steps.iter().zip(sizes) {
            assert!((size..size + (1 << 20)).contains(&step.bytes), "{} of {size}", step.bytes);
        }
        let mut told = Vec::new();
        let steps = by_segments(&ground, &[1, 10], ONCE, |step| told.push(*step)).unwrap();
        assert_eq!(steps.iter().map(|step| step.segments).collect::<Vec<_>>(), [1, 10]);
        assert_eq!(told, steps);
    }

    #[test]
    fn cost_of_a_segment_is_the_slope_of_open() {
        let step = |segments, open| Step {
            bytes: 0,
            segments,
            append: Estimate::exactly(0.0),
            read: Estimate::exactly(0.0),
            open: Estimate::exactly(open),
        };
        let slope = open_per_segment(&[step(1, 0.5), step(10, 9.0), step(11, 5.5)]);
        assert!((slope.unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(open_per_segment(&[step(3, 0.5)]), None);
    }
}
