//! A last segment whose file a clean close cut: most of a long one that holds little is given back.
//!
//! ```text
//!   close record durable at the end of the whole file     closed
//!   the same record where the file will end, synced       closed, by the first
//!   the file is cut there; not synced                     closed, by either
//!   the next run begins the next segment                  its header is the end of the log
//!   the record becomes a seal, synced                     only now anything is written behind it
//! ```
//!
//! A short file is never gone on in: what it lacks would have to grow under its name.

use super::super::action::{Action, Outcome, Trouble};
use super::super::survey::{Segment, SegmentEnd};
use super::{Closing, Machine};
use crate::format::layout;
use crate::format::trailer::{Trailer, TrailerKind};
use crate::position::SegmentId;

/// A seal that is to stand in place of a close record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WantedSeal {
    segment: SegmentId,
    offset: u64,
    seal: Trailer,
}

impl WantedSeal {
    /// For a short segment that ends here.
    pub(super) const fn over_the_record_of(segment: &Segment, end: SegmentEnd) -> Self {
        // Its frames were not counted: recovery reads the last one alone.
        let kind = TrailerKind::Seal { frames: 0 };
        let seal = Trailer { kind, salt: segment.header.salt, end: end.lsn, last_check: end.check };
        let offset = layout::trailer_offset(segment.file_len);
        Self { segment: segment.number(), offset, seal }
    }
}

impl Machine {
    /// Whether a close record may be on the disk that must go before anything else is written.
    pub(super) const fn record_is_left(&self) -> bool {
        self.close_record_left || self.seal_wanted.is_some()
    }

    /// The action that is due before anything is written behind a short file.
    pub(super) fn seal_short(&self) -> Option<Action> {
        let WantedSeal { segment, offset, seal } = self.seal_wanted?;
        if planted!("short-end-keeps-its-record") {
            return None;
        }
        Some(Action::SealShort { segment, offset, seal })
    }

    /// The segment is below the trim point: nothing depends on what it ends in.
    pub(super) fn forget_seal_of(&mut self, segment: SegmentId) {
        self.seal_wanted = self.seal_wanted.filter(|wanted| wanted.segment != segment);
    }

    /// What is left of a close whose record is durable, if the file is worth cutting.
    pub(super) fn cut(&self) -> Option<Closing> {
        let active = self.active?;
        let used = active.offset(self.marks.written);
        let file_len = cut_len(used, active.header.file_len, self.cut_at_close?)?;
        let record = Trailer {
            kind: TrailerKind::Close,
            salt: active.header.salt,
            end: self.marks.written,
            last_check: self.chain,
        };
        Some(Closing::Recorded { file_len, record })
    }

    pub(super) fn on_cut_at_close(&mut self, outcome: Outcome) {
        self.commit_busy = false;
        match outcome {
            Ok(()) => self.closing = Closing::Closed,
            // The log is closed, with the length that it has.
            Err(Trouble::Failed(_)) => {
                self.upkeep_failures += 1;
                self.closing = Closing::Closed;
            }
            Err(Trouble::SyncFailed(cause)) => self.poison(cause),
        }
    }
}

/// The length to which a file of `file_len` bytes is cut whose frames end at byte `used`, if that gives
/// back at least so many bytes.
fn cut_len(used: u64, file_len: u64, at_least: u64) -> Option<u64> {
    let kept = layout::cut_len(used);
    file_len.checked_sub(kept).is_some_and(|left| left >= at_least.max(1)).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_where_that_gives_back_enough() {
        let (kib, mib) = (1 << 10, 1 << 20);
        for (used, file_len, at_least, expected) in [
            (9000, 64 * mib, mib, Some(16 * kib)),
            // The record stands behind the frames, and not in them.
            (20 * kib - 64, 64 * mib, mib, Some(20 * kib)),
            (20 * kib - 56, 64 * mib, mib, Some(24 * kib)),
            (9000, mib + 16 * kib, mib, Some(16 * kib)),
            (9000, mib + 12 * kib, mib, None),
            (64 * mib - 64, 64 * mib, 0, None),
            (9000, 16 * kib, 0, None),
        ] {
            assert_eq!(cut_len(used, file_len, at_least), expected, "{used} of {file_len}");
        }
    }
}
