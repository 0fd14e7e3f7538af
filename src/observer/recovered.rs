//! The opening of a log, in figures.

use crate::position::{LogId, Lsn};
use std::time::Duration;

/// What opening a log found and did; [`Log::report`](crate::Log::report) has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The log.
    pub log: LogId,
    /// Whether it was new.
    pub created: bool,
    /// Whether the last run closed it.
    pub clean: bool,
    /// Segments that are part of the log.
    pub segments: u64,
    /// The trim point.
    pub trim: Lsn,
    /// Where the log ends.
    pub end: Lsn,
    /// Bytes read from the last segment.
    pub bytes_scanned: u64,
    /// Bytes of a torn tail that were cut.
    pub bytes_cut: u64,
    /// Whether the cut might be damage to the newest commit.
    pub tail_ambiguous: bool,
    /// How long it took.
    pub took: Duration,
}

impl Recovered {
    /// A log that was opened in no time, and has nothing in it.
    #[must_use]
    pub const fn new(log: LogId) -> Self {
        Self {
            log,
            created: true,
            clean: false,
            segments: 0,
            trim: Lsn::FIRST,
            end: Lsn::FIRST,
            bytes_scanned: 0,
            bytes_cut: 0,
            tail_ambiguous: false,
            took: Duration::ZERO,
        }
    }
}
