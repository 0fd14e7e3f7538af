//! Brings the file of the next segment to its length, with zeros where they are asked for, and
//! keeps the appends beside it from waiting.
//!
//! Knows one file; what it is for, and its name, are decided elsewhere.
//!
//! Syncing 64 MiB of zeros at once keeps a device busy for some twenty milliseconds, and every
//! commit meanwhile waits in line. So zeros that are written beside appends go out in pieces, each
//! synced before the next is written, and a commit waits for one of them at most. The smaller
//! they are, the more syncs a file takes: it must be ready before the appends need it, so the
//! pieces grow as the appends come near. Reserving the room first was tried and gains nothing:
//! each sync then moves the bounds of what is written, where else it moves the length.

use super::action::{Outcome, Trouble};
use crate::format::layout;
use crate::storage::latch::{AtomicU64, Ordering};
use crate::storage::{StorageFile, write_full};
use std::io;

/// Bytes of zeros written by one call, at most. A page cache may keep a file in pages as large as the
/// writes that made it, and looks at all blocks of a page for each small write into it: behind zeros of
/// 1 MiB a write of 280 bytes took 1.9 us, behind these 0.9 (ext4, Linux 6.18); behind 64 KiB it is
/// 0.8, but large batches get slower.
const ZEROS: usize = 256 << 10;

/// The smallest piece. Each sync of a file that grew commits the file system's journal, and appends
/// that meet this wait as well: on a quiet disk pieces of 128 KiB were better still, on one that
/// others keep busy they were worse than none.
const PIECE_MIN: u64 = 1 << 20;

/// Bytes of zeros for each byte appended meanwhile, at least: where half a segment is left for the
/// whole of the next, two would be just enough.
const ZEROS_PER_BYTE: u64 = 4;

/// How much may be written between two syncs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace<'a> {
    /// Everything: whoever appends waits for the file.
    AtOnce,
    /// Appends go on, and count the bytes that they wrote.
    Beside { appended: &'a AtomicU64, before: u64, per_byte: u64 },
}

impl<'a> Pace<'a> {
    /// A file of `file_len` is ready once half of what is `left` was appended.
    pub(super) fn beside(appended: &'a AtomicU64, file_len: u64, left: u64) -> Self {
        let per_byte = (2 * file_len).div_ceil(left.max(1)).max(ZEROS_PER_BYTE);
        Self::Beside { appended, before: appended.load(Ordering::Relaxed), per_byte }
    }

    /// The length of the next piece, after this many bytes. Once the appends have come near it is
    /// all that is left, so that nobody who waits at last waits for pieces.
    fn piece(self, done: u64) -> u64 {
        match self {
            Self::AtOnce => u64::MAX,
            Self::Beside { appended, before, per_byte } => {
                let appended = appended.load(Ordering::Relaxed).wrapping_sub(before);
                appended.saturating_mul(per_byte).saturating_sub(done).max(PIECE_MIN)
            }
        }
    }
}

/// Whether files are still needed. A log that closes needs none that was begun, and does not wait for
/// more than the call that is under way.
#[derive(Debug, Default)]
pub(super) struct Needed(AtomicU64);

impl Needed {
    const STOPPED: u64 = 1;

    /// What is being filled ends unfinished, with an error.
    pub(super) fn stop(&self) {
        self.0.store(Self::STOPPED, Ordering::Relaxed);
    }

    pub(super) fn resume(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn look(&self) -> Outcome {
        if self.0.load(Ordering::Relaxed) == Self::STOPPED {
            return Err(Trouble::Failed(io::Error::other(
                "the log closes and needs no other file",
            )));
        }
        Ok(())
    }
}

/// Brings a file to its length, with header blocks and first frame block zero; with `written` all
/// that it grows by. What was written last is not synced.
pub(super) fn fill(
    file: &dyn StorageFile,
    file_len: u64,
    written: bool,
    asked: bool,
    pace: Pace<'_>,
    needed: &Needed,
) -> Outcome {
    let there = file.len().map_err(Trouble::Failed)?;
    if there > file_len {
        file.set_len(file_len).map_err(Trouble::Failed)?;
    }
    // A file that was used before may have holes, where it gave its room back: it is whole again
    // before it is relied on, or refused here and not by the write of a record.
    let whole = there > 0 && !planted!("holes-taken-for-room");
    if whole || asked && there < file_len {
        let from = if whole { 0 } else { there };
        file.allocate(from, file_len - from).map_err(Trouble::Failed)?;
    }
    let cleared = layout::FRAMES_START + layout::BLOCK;
    if !planted!("stale-spare-not-zeroed") {
        zero(file, 0, cleared, needed)?;
    }
    let mut at = there.clamp(cleared, file_len);
    if at < file_len && !written {
        return file.allocate(at, file_len - at).map_err(Trouble::Failed);
    }
    let from = at;
    while at < file_len {
        let piece = pace.piece(at - from).min(file_len - at);
        zero(file, at, at + piece, needed)?;
        at += piece;
        if at < file_len {
            // Nothing of the log is in the file: it is thrown away, and nothing else was covered.
            file.sync_data().map_err(Trouble::Failed)?;
        }
    }
    // What is left is a sync, and the longest of all calls where nothing was synced before.
    needed.look()
}

/// Brings the reserve to its length, and writes all of it, so that its room is really there. A
/// sync that failed is made good by the next call, which writes every byte again.
pub(super) fn fill_reserve(file: &dyn StorageFile) -> Outcome {
    if file.len().map_err(Trouble::Failed)? > layout::SEGMENT_LEN_MIN {
        file.set_len(layout::SEGMENT_LEN_MIN).map_err(Trouble::Failed)?;
    }
    zero(file, 0, layout::SEGMENT_LEN_MIN, &Needed::default())?;
    file.sync_all().map_err(Trouble::Failed)
}

fn zero(file: &dyn StorageFile, from: u64, to: u64, needed: &Needed) -> Outcome {
    static BLOCK: [u8; ZEROS] = [0; ZEROS];
    let mut at = from;
    while at < to {
        needed.look()?;
        let len = usize::try_from(to - at).unwrap_or(ZEROS).min(ZEROS);
        write_full(file, at, &[BLOCK.get(..len).unwrap_or_default()])
            .map_err(|failure| Trouble::Failed(failure.error))?;
        at += len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
