//! Where the last frame of the active segment stands, and where a write failed.
//!
//! Written by each commit, also of levels that sync nothing: so it costs a few plain stores. One
//! lane writes and reads it; the atomics stand for that alone.

use super::Look;
use super::looks::{overwritten, read};
use crate::position::SegmentId;
use crate::storage::StorageFile;
use crate::storage::latch::{AtomicU64, Ordering};

/// No frame stands at this byte of a file.
const NOWHERE: u64 = 0;

#[derive(Debug, Default)]
pub(super) struct LastWrite {
    at: AtomicU64,
    check: AtomicU64,
    failed_at: AtomicU64,
}

/// The frame that was written last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastFrame {
    /// Where it stands in the file of the active segment.
    pub(super) offset: u64,
    /// Its check, which is its first four bytes.
    check: [u8; 4],
}

impl LastWrite {
    pub(super) fn wrote(&self, offset: u64, check: u32) {
        self.at.store(offset, Ordering::Relaxed);
        self.check.store(check.into(), Ordering::Relaxed);
    }

    /// A write to this place failed, and may have left some of its bytes. It is made again there.
    pub(super) fn failed(&self, offset: u64) {
        self.failed_at.store(offset, Ordering::Relaxed);
    }

    /// A segment begins.
    pub(super) fn clear(&self) {
        self.at.store(NOWHERE, Ordering::Relaxed);
        self.failed_at.store(NOWHERE, Ordering::Relaxed);
    }

    /// The last frame that this run wrote to the segment, if it wrote one.
    pub(super) fn frame(&self) -> Option<LastFrame> {
        let offset = Some(self.at.load(Ordering::Relaxed)).filter(|&at| at != NOWHERE)?;
        let [a, b, c, d, ..] = self.check.load(Ordering::Relaxed).to_le_bytes();
        Some(LastFrame { offset, check: [a, b, c, d] })
    }

    /// Whether the last write to this place failed.
    pub(super) fn has_failed_at(&self, offset: u64) -> bool {
        self.failed_at.load(Ordering::Relaxed) == offset
    }
}

impl LastFrame {
    /// Whether it is still there.
    pub(super) fn still_stands(self, file: &dyn StorageFile, segment: SegmentId) -> Look {
        match read(file, self.offset) {
            Some(head) if !self.begins(&head) => overwritten(segment),
            _ => Ok(()),
        }
    }

    pub(super) fn begins(self, head: &[u8; 4]) -> bool {
        *head == self.check
    }
}
