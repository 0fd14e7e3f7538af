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

/// What happened to a segment. A segment that goes on after a clean close is not begun again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SegmentEvent {
    /// Its header is durable: it is part of the log, and what is appended next goes into it.
    Begun(SegmentSpan),
    /// The next segment began: its end can no longer change.
    Closed(SegmentSpan),
    /// It is closed, and its file has its final length.
    Sealed(SegmentSpan),
    /// It was trimmed away.
    Removed {
        /// What it was.
        span: SegmentSpan,
        /// Whether its file is kept, to be used again.
        recycled: bool,
    },
}

impl SegmentEvent {
    /// The segment.
    #[must_use]
    pub const fn span(&self) -> SegmentSpan {
        match self {
            Self::Begun(span) | Self::Closed(span) | Self::Sealed(span) => *span,
            Self::Removed { span, .. } => *span,
        }
    }
}
