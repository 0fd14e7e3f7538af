//! Whether a file that has a segment's name and no header was begun: looks for what is left of its
//! frames.
//!
//! A file is made ready with zeros in its first three blocks, and gets its header before any frame.
//! So one whose first three blocks are zeros waits to be begun, or was begun and lost its beginning:
//! nothing in those blocks tells one from the other. What stands behind them does.
//!
//! - Until a log is first trimmed it uses no file a second time. Then the rest of a file that waits is
//!   zeros as well, and anything else was written after it was begun.
//! - Later it may hold what an earlier use left, which a crash of no kind turns into damage. What is of
//!   *this* use speaks of LSNs behind the end of the segment before, and no other can: files are used
//!   again when the log was trimmed beyond them.
//!   - A trailer or close record has a check of its own, and states an end.
//!   - A mark is written twice over in effect: its frame's check and its own start from the same log id
//!     and salt. The salt went with the header, but the first check gives what both must have started
//!     from, and the second one holds that to it, for the LSN that stands at this place of the file if
//!     the segment begins where it must: at the end of the one before, or one jump behind.
//!
//! Pure but for reads. Decides nothing.

use super::tail::likely_places;
use super::window::{READ_AHEAD, Window};
use crate::format::checksum::FrameSeed;
use crate::format::frame::{FrameHeader, MARKED_HEADER_LEN};
use crate::format::layout;
use crate::format::trailer::{TRAILER_LEN, Trailer};
use crate::position::Lsn;
use crate::storage::{StorageFile, read_full};
use std::io;

/// All that is read is behind this: the blocks before are zeros, or a header that does not verify.
const FROM: u64 = layout::FRAMES_START + layout::BLOCK;

/// What is known of the log before the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before {
    /// No file was ever used twice.
    Untrimmed,
    /// The segment before ends at `end`; the log at `cut`, if that segment goes with a tail that is cut.
    Ends { end: Lsn, cut: Option<Lsn> },
}

/// Whether anything in the file proves that it was begun. Reads all of it, unless it was.
///
/// # Errors
/// What reading says.
pub(super) fn prove(file: &dyn StorageFile, file_len: u64, before: Before) -> io::Result<bool> {
    match before {
        Before::Untrimmed => Ok(!is_zero(file, FROM, file_len)?),
        Before::Ends { end, cut } => {
            let jumped = |lsn: Lsn| lsn.checked_add(Lsn::JUMP);
            let bases = [Some(end), jumped(end), cut.and_then(jumped)];
            let bases = bases.map(|base| base.unwrap_or(end));
            Ok(trailer_proves(file, file_len, bases)? || mark_proves(file, file_len, bases)?)
        }
    }
}

/// Whether a stretch of a file holds nothing but zeros.
///
/// # Errors
/// What reading says.
pub(super) fn is_zero(file: &dyn StorageFile, from: u64, to: u64) -> io::Result<bool> {
    let mut window = Window::new(READ_AHEAD);
    let mut at = from;
    while at < to {
        let wanted = usize::try_from(to - at).unwrap_or(READ_AHEAD).min(READ_AHEAD);
        let bytes = window.look(file, at, wanted)?;
        if bytes.is_empty() {
            break;
        }
        // Piece by piece, each without a branch.
        let mut pieces = bytes.chunks(4096);
        if pieces.any(|piece| piece.iter().fold(0, |any, byte| any | byte) != 0) {
            return Ok(false);
        }
        at += bytes.len() as u64;
    }
    Ok(true)
}

fn trailer_proves(file: &dyn StorageFile, file_len: u64, bases: [Lsn; 3]) -> io::Result<bool> {
    let mut bytes = [0; TRAILER_LEN];
    let count = read_full(file, layout::trailer_offset(file_len), &mut bytes)?;
    let trailer = Trailer::decode(bytes.get(..count).unwrap_or_default());
    let room = layout::frame_room(file_len);
    let ends_here =
        |end: Lsn| bases.iter().any(|&base| end.since(base).is_some_and(|len| len <= room));
    // Where nothing of it stands behind the end of the one before, it may be that one's predecessor.
    let [end_before, ..] = bases;
    Ok(trailer.is_ok_and(|trailer| trailer.end > end_before && ends_here(trailer.end)))
}

fn mark_proves(file: &dyn StorageFile, file_len: u64, bases: [Lsn; 3]) -> io::Result<bool> {
    let limit = layout::trailer_offset(file_len);
    let mut window = Window::new(READ_AHEAD);
    let mut at = FROM;
    let mut proven = false;
    while at < limit && !proven {
        let wanted = usize::try_from(limit - at).unwrap_or(READ_AHEAD).min(READ_AHEAD);
        let bytes = window.look(file, at, wanted)?;
        if bytes.is_empty() {
            break;
        }
        // A header may straddle two blocks: the next look starts at the last whole one.
        let is_last = at + bytes.len() as u64 >= limit || bytes.len() < wanted;
        let usable = if is_last { bytes.len() } else { bytes.len() - MARKED_HEADER_LEN };
        likely_places(bytes, usable, |place| {
            let head = bytes.get(place..).unwrap_or_default();
            let offset = at + place as u64 - layout::FRAMES_START;
            proven |= bases.iter().any(|&base| is_mark_of(head, base, offset));
        });
        at += usable.next_multiple_of(8) as u64;
    }
    Ok(proven)
}

/// Whether a marked frame of the segment with this base begins here, so far behind it.
fn is_mark_of(head: &[u8], base: Lsn, offset: u64) -> bool {
    let Some(lsn) = base.checked_add(offset) else { return false };
    let stated = head.get(MARKED_HEADER_LEN - 12..).and_then(|rest| rest.first_chunk());
    // What an earlier use left says less, and most other bytes say anything: so no check is computed
    // for them.
    let is_behind = stated
        .is_some_and(|durable| (base..=lsn).contains(&Lsn::new(u64::from_le_bytes(*durable))));
    is_behind
        && FrameSeed::of_header(lsn, head).is_some_and(|seed| {
            matches!(FrameHeader::decode(head, seed, lsn), Ok(FrameHeader { mark: Some(_), .. }))
        })
}

#[cfg(test)]
mod tests;
