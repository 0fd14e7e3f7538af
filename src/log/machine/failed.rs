//! What could not be written and became void, kept for the run: whoever asks gets the same answer,
//! however often.
//!
//! Ranges that touch and failed alike are one, so a disk that takes nothing for a long time costs
//! one range. At most [`RANGES_MAX`] are kept, about 1 MiB. Beyond that the two oldest become one with
//! what lies between them: an append that asks so late is answered with a failure, which at worst
//! makes it come twice; forgetting would acknowledge what is not there.

use super::Failure;
use crate::position::Lsn;
use std::collections::VecDeque;
use std::sync::Arc;

/// The most ranges that are kept.
const RANGES_MAX: usize = 16 << 10;

#[derive(Debug)]
struct Range {
    start: Lsn,
    end: Lsn,
    failure: Arc<Failure>,
}

/// The ranges that failed, in order.
#[derive(Debug, Default)]
pub(super) struct Failed {
    ranges: VecDeque<Range>,
    /// Before this, what did not fail may count as failed.
    exact_from: Lsn,
}

impl Failed {
    /// What takes `start..end` failed: behind everything that failed before.
    pub(super) fn add(&mut self, start: Lsn, end: Lsn, failure: &Arc<Failure>) {
        match self.ranges.back_mut() {
            Some(last) if last.end == start && last.failure.is_like(failure) => last.end = end,
            _ => {
                self.ranges.push_back(Range { start, end, failure: Arc::clone(failure) });
                self.bound();
            }
        }
    }

    fn bound(&mut self) {
        if self.ranges.len() > RANGES_MAX
            && let Some(oldest) = self.ranges.pop_front()
            && let Some(next) = self.ranges.front_mut()
        {
            next.start = oldest.start;
            self.exact_from = next.end;
        }
    }

    /// Where the last of them ends; `Lsn::FIRST` where nothing failed.
    pub(super) fn end(&self) -> Lsn {
        self.ranges.back().map_or(Lsn::FIRST, |last| last.end)
    }

    /// The ranges, in order.
    pub(super) fn ranges(&self) -> impl Iterator<Item = std::ops::Range<Lsn>> + '_ {
        self.ranges.iter().map(|range| range.start..range.end)
    }

    /// From where to where what lies behind `seen` failed, if any of it did.
    pub(super) fn since(&self, seen: Lsn) -> Option<std::ops::Range<Lsn>> {
        let nth = self.ranges.partition_point(|range| range.end <= seen);
        let first = self.ranges.get(nth)?;
        Some(first.start.max(seen)..self.end())
    }

    /// Why what begins at `lsn` failed, if it did.
    pub(super) fn of(&self, lsn: Lsn) -> Option<&Failure> {
        let behind = self.ranges.partition_point(|range| range.end <= lsn);
        let range = self.ranges.get(behind).filter(|range| range.start <= lsn)?;
        Some(&range.failure)
    }

    /// Why what holds the byte before `end` failed, if it is known to have failed.
    pub(super) fn before(&self, end: Lsn) -> Option<&Failure> {
        let last = Lsn::new(end.get().checked_sub(1)?);
        self.of(last).filter(|_| last >= self.exact_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn failure(errno: i32) -> Arc<Failure> {
        let error = Arc::new(io::Error::from_raw_os_error(errno));
        Arc::new(Failure { action: "write", name: "1.seg".to_owned(), error })
    }

    fn errno(failure: Option<&Failure>) -> Option<i32> {
        failure.and_then(|failure| failure.error.raw_os_error())
    }

    #[test]
    fn what_failed_is_told_by_its_range_and_nothing_else_is() {
        let mut failed = Failed::default();
        failed.add(Lsn::new(64), Lsn::new(128), &failure(5));
        failed.add(Lsn::new(256), Lsn::new(320), &failure(28));
        for _ in 0..3 {
            for (lsn, told) in [(0, None), (64, Some(5)), (120, Some(5)), (128, None)] {
                assert_eq!(errno(failed.of(Lsn::new(lsn))), told, "from {lsn}");
            }
            for (end, told) in [(0, None), (64, None), (72, Some(5)), (128, Some(5)), (136, None)] {
                assert_eq!(errno(failed.before(Lsn::new(end))), told, "up to {end}");
            }
            assert_eq!(errno(failed.of(Lsn::new(256))), Some(28));
            assert_eq!(errno(failed.of(Lsn::new(u64::MAX))), None);
        }
    }

    #[test]
    fn what_failed_since_is_one_range() {
        let mut failed = Failed::default();
        assert_eq!((failed.end(), failed.since(Lsn::FIRST)), (Lsn::FIRST, None));
        failed.add(Lsn::new(64), Lsn::new(128), &failure(5));
        assert_eq!(failed.since(Lsn::FIRST), Some(Lsn::new(64)..Lsn::new(128)));
        let seen = failed.end();
        assert_eq!(failed.since(seen), None);
        failed.add(Lsn::new(128), Lsn::new(192), &failure(5));
        assert_eq!(failed.since(seen), Some(Lsn::new(128)..Lsn::new(192)), "they are one range");
        failed.add(Lsn::new(256), Lsn::new(320), &failure(28));
        assert_eq!(failed.since(seen), Some(Lsn::new(128)..Lsn::new(320)));
        let ranges: Vec<_> = failed.ranges().collect();
        assert_eq!(ranges, [Lsn::new(64)..Lsn::new(192), Lsn::new(256)..Lsn::new(320)]);
    }

    #[test]
    fn a_disk_that_takes_nothing_costs_one_range() {
        let mut failed = Failed::default();
        let mut at = 0;
        for _ in 0..1_000_000 {
            failed.add(Lsn::new(at), Lsn::new(at + 64), &failure(28));
            at += 64;
        }
        assert_eq!(failed.ranges.len(), 1);
        failed.add(Lsn::new(at), Lsn::new(at + 64), &failure(5));
        assert_eq!(failed.ranges.len(), 2, "another cause");
        assert_eq!(errno(failed.of(Lsn::new(at - 64))), Some(28));
        assert_eq!(errno(failed.of(Lsn::new(at))), Some(5));
    }

    #[test]
    fn failures_without_end_are_bounded_and_none_is_forgotten() {
        let mut failed = Failed::default();
        let count = RANGES_MAX as u64 + 1000;
        for nth in 0..count {
            failed.add(Lsn::new(nth * 128), Lsn::new(nth * 128 + 64), &failure(5));
        }
        assert_eq!(failed.ranges.len(), RANGES_MAX);
        for nth in 0..count {
            assert_eq!(errno(failed.of(Lsn::new(nth * 128))), Some(5), "failure {nth}");
        }
        assert_eq!(errno(failed.of(Lsn::new(64))), Some(5), "so old that it is not told apart");
        assert_eq!(errno(failed.before(Lsn::new(128))), None, "what is durable is not denied");
        let newest = (count - 1) * 128;
        assert_eq!(errno(failed.of(Lsn::new(newest - 64))), None);
        assert_eq!(errno(failed.before(Lsn::new(newest + 64))), Some(5));
    }
}
