//! Gives back room that a segment's file has and no frame stands in yet.
//!
//! Where a file system copies on write, zeros that were written ahead reserve nothing: each write into
//! them needs room of its own, and on a full disk there is none, not even for a trim. The rest of
//! the last segment is such room, and often the only one that a log alone on its disk can give. Where
//! writes are made in place, a segment that is written to keeps its room: another could take it. But a
//! segment that an unclean end left is written to no more, so a full log of an older build, which
//! kept nothing in reserve, is helped by it on any file system.

use crate::format::layout::{self, BLOCK, FRAMES_START};
use crate::storage::{StorageFile, read_full};

/// Bytes that are looked at together.
const PIECE: usize = 256 << 10;

/// Makes a hole after the end of what stands in the file, up to the block of the trailer; whether
/// there was anything to make it of. Where the end is not known, from where only zeros stand.
///
/// What is read from the file stays the same, but for the leftovers of an earlier use behind an end
/// that is known.
pub(super) fn give_back(file: &dyn StorageFile, end: Option<u64>) -> bool {
    if planted!("room-not-given-back") {
        return false;
    }
    let until = file.len().ok().and_then(|len| len.checked_sub(BLOCK));
    let Some(until) = until else {
        return false;
    };
    let from = end.or_else(|| end_of_bytes(file, until)).map(layout::block_aligned);
    from.is_some_and(|from| from < until && file.punch(from, until - from).is_ok())
}

/// Where the last byte before `until` ends that is not zero.
fn end_of_bytes(file: &dyn StorageFile, until: u64) -> Option<u64> {
    let mut bytes = vec![0; PIECE];
    let mut end = until;
    while end > FRAMES_START {
        let from = end.saturating_sub(PIECE as u64).max(FRAMES_START);
        let piece = bytes.get_mut(..usize::try_from(end - from).ok()?)?;
        let count = read_full(file, from, piece).ok()?;
        if let Some(last) = piece.get(..count)?.iter().rposition(|&byte| byte != 0) {
            return Some(from + last as u64 + 1);
        }
        end = from;
    }
    Some(FRAMES_START)
}
