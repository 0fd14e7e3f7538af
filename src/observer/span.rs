//! A segment in four numbers.

use crate::position::{Lsn, SegmentId};

/// A segment: which, the addresses it holds, and what its file takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SegmentSpan {
    /// Its number.
    pub number: SegmentId,
    /// LSN of its first frame.
    pub base: Lsn,
    /// Where its frames end: for good if it is closed, or by now if it is written to.
    pub end: Lsn,
    /// Bytes of its file.
    pub bytes: u64,
}

impl SegmentSpan {
    /// A segment with these frames.
    #[must_use]
    pub const fn new(number: SegmentId, base: Lsn, end: Lsn, bytes: u64) -> Self {
        Self { number, base, end, bytes }
    }
}
