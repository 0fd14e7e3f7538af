//! Watches that a directory and the files in it are still what this log made of them.
//!
//! The lock keeps a second writer out that comes by the same mount. It stops no person or program
//! that removes, cuts or copies over files, and no writer that comes by another path: a FUSE view and
//! its source, an overlay and its upper directory have locks of their own. What they do shows on
//! disk, and is looked for before more is acknowledged.
//!
//! ```text
//!   before a synced write    the last frame is the one that was written; no frame stands yet where
//!                            the next one goes
//!   after a sync             directory and file have a name and their length; no name changed
//!   now and then, at an idle mark, a rotation, a close
//!                            the same by name, through a new descriptor: header, last frame, the
//!                            header of the next file; where names changed, the list of segments
//!   after a seal, now and then the list of segments, beside the appends
//!   before a name, a header, a close record is written or erased
//!                            what stands in its place is what is expected there
//! ```
//!
//! A log that is alone never alarms itself: each look asks for bytes, names or lengths that this
//! run made or read, and that it changes only in the same lane. Where a call of its own failed, and
//! may have been done all the same, what that call would have left is expected, too. An error of a
//! look is no finding: it cannot tell. A finding is final, as a failed sync is.

mod after;
mod before;
mod last;
mod ledger;
mod looks;

use super::action::Removal;
use super::machine::{Origin, Start};
use super::survey::SegmentEnd;
use crate::error::Disturbed;
use crate::format::checksum::FrameSeed;
use crate::format::frame::{FrameHeader, FrameKind, MARKED_HEADER_LEN, decode_frame, frame_len};
use crate::format::header::SegmentHeader;
use crate::format::layout;
use crate::format::trailer::{Trailer, TrailerKind};
use crate::position::SegmentId;
use crate::storage::latch::Mutex;
use crate::storage::{DirState, OpenMode, Storage, read_full};
use last::LastWrite;
use ledger::{Ledger, Tail, skipped};
use looks::{read, segment_name};
use std::sync::Arc;

/// What a look finds.
type Look = Result<(), Disturbed>;

/// More of one frame is not read to see whether all of it is there.
const GROWN_MAX: u64 = 2 << 20;

/// What this log knows of its own files, and the looks at them.
#[derive(Debug)]
pub(crate) struct Watch {
    storage: Arc<dyn Storage>,
    ledger: Mutex<Ledger>,
    last: LastWrite,
}

impl Watch {
    /// Watches what recovery handed over; `before`: the state of the directory when recovery began.
    pub(crate) fn new(storage: Arc<dyn Storage>, start: &Start, before: Option<DirState>) -> Self {
        let mut ledger = Ledger {
            // One without a link in the beginning is one whose links are not counted.
            counts_directories: before.is_some_and(|state| state.linked),
            names: before.map(|state| state.names),
            ..Ledger::default()
        };
        if let Some((first, last)) = start.segments.first().zip(start.segments.last()) {
            let header = last.header;
            ledger.numbers = Some((first.number(), last.number()));
            ledger.skipped = start.segments.iter().filter_map(|s| skipped(&s.header)).collect();
            match start.origin {
                Origin::Clean { end } | Origin::Short { end } => {
                    let clean = matches!(start.origin, Origin::Clean { .. });
                    ledger.own = Some(header).filter(|_| clean);
                    let record = Trailer {
                        kind: TrailerKind::Close,
                        salt: header.salt,
                        end: end.lsn,
                        last_check: end.check,
                    };
                    ledger.close_record = Some((header.number, record));
                }
                Origin::Unclean { end } => ledger.tail = found_after(&*storage, &header, end),
                Origin::Fresh | Origin::Older { .. } => {}
            }
        }
        ledger.dropped = start.dropped.last().copied();
        let last = ledger.numbers.map(|(_, last)| last).max(ledger.dropped);
        let next = last.map_or(SegmentId::FIRST, SegmentId::next);
        ledger.coming = start.unborn.map(|_| next);
        Self { storage, ledger: Mutex::new(ledger), last: LastWrite::default() }
    }

    /// Makes a change of the names, which is known to be this log's own.
    pub(crate) fn own_change<R>(&self, body: impl FnOnce() -> R) -> R {
        let names = || self.storage.state().ok().flatten().map(|state| state.names);
        let before = names();
        self.ledger.lock().change_begins(before);
        let answer = body();
        let after = names();
        self.ledger.lock().change_ends(after);
        answer
    }

    /// The newest segment that was begun.
    pub(crate) fn newest(&self) -> Option<SegmentId> {
        self.ledger.lock().numbers.map(|(_, last)| last)
    }

    /// Whether this run writes to the newest segment: not after an unclean end, until the next one begins.
    pub(crate) fn writes_to_newest(&self) -> bool {
        self.ledger.lock().own.is_some()
    }

    /// Segments are about to be removed, or kept as spares.
    pub(crate) fn forget(&self, files: &[Removal]) {
        let mut ledger = self.ledger.lock();
        let trimmed = files.iter().filter(|removal| !removal.dropped);
        if let (Some((first, _)), Some(last)) =
            (ledger.numbers.as_mut(), trimmed.map(|removal| removal.segment).max())
        {
            *first = (*first).max(last.next());
        }
    }
}

/// What stands after the end that recovery found: no whole frame that goes on there, but for the
/// first ones of a batch whose last is missing. Any other came since recovery read the place, which is
/// shown to [`Watch`] as bytes that changed.
fn found_after(storage: &dyn Storage, header: &SegmentHeader, end: SegmentEnd) -> Option<Tail> {
    let offset = layout::FRAMES_START + end.lsn.since(header.base)?;
    let file = storage.open(&segment_name(header.number), OpenMode::Read).ok()?;
    let bytes: [u8; MARKED_HEADER_LEN] = read(&*file, offset)?;
    let seed = FrameSeed::new(header.log, header.salt);
    // A header alone is what a crash leaves of a frame whose body did not get there.
    let whole = |frame: FrameHeader| -> Option<bool> {
        let len = frame_len(frame.body_len.into(), frame.mark.is_some());
        let mut all = vec![0; usize::try_from(len.min(GROWN_MAX)).ok()?];
        let count = read_full(&*file, offset, &mut all).ok()?;
        Some(decode_frame(all.get(..count)?, seed, end.lsn).is_ok())
    };
    let frame = FrameHeader::decode(&bytes, seed, end.lsn).ok();
    // No writer writes a gap: repairs do, which recovery believes under conditions of its own.
    let goes_on = frame.filter(|frame| {
        frame.prev == end.check && !frame.continues && frame.kind != FrameKind::Gap
    });
    let grew = goes_on.and_then(whole).unwrap_or(false);
    let bytes = if grew { [0; MARKED_HEADER_LEN] } else { bytes };
    Some(Tail { segment: header.number, offset, bytes })
}
