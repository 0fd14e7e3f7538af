//! What a close that cuts its file may leave if it ends half way, or the run after it does: an open makes up
//! for it before it goes on.
//!
//! ```text
//!   the file has its whole length, and a record      the record is erased, synced: a file that is shortened
//!   stands where it would have been cut              there later would end in it
//!   the file was cut, a segment was begun behind     the record becomes a seal, synced: it says that
//!   it, and the record is still a record             nothing follows
//! ```
//!
//! Knows nothing of who wrote the record.

use super::survey::{Segment, SegmentEnd, Survey};
use crate::error::{Error, Result};
use crate::format::layout;
use crate::format::name::FileName;
use crate::format::trailer::{TRAILER_LEN, Trailer, TrailerKind};
use crate::storage::{OpenMode, Storage, StorageFile, read_full, write_full};
use std::io;

/// Erases the record of a cut that was not made. The log is closed by the record at the end of the whole file, before
/// and after.
///
/// # Errors
/// What the disk says.
pub(super) fn erase_an_unfinished_cut(storage: &dyn Storage, survey: &Survey) -> Result<()> {
    let Some((tail, last)) = survey.tail.as_ref().zip(survey.segments.last()) else {
        return Ok(());
    };
    let used = layout::FRAMES_START + tail.end.since(last.base()).unwrap_or(0);
    let offset = layout::trailer_offset(layout::cut_len(used));
    let may_be_there = tail.clean && !tail.short && layout::cut_len(used) < last.header.file_len;
    if !may_be_there || planted!("unfinished-cut-left") {
        return Ok(());
    }
    let name = FileName::Segment(last.number()).text();
    let failed = |e| Error::io("erase what a close left in", &*name, e);
    let file = storage.open(&name, OpenMode::Read).map_err(failed)?;
    if !ends_in_a_record(&*file, offset, last).map_err(failed)? {
        return Ok(());
    }
    let file = storage.open(&name, OpenMode::Write).map_err(failed)?;
    write_full(&*file, offset, &[&[0; TRAILER_LEN]]).map_err(|failure| failed(failure.error))?;
    file.sync_data().map_err(failed)
}

/// Writes the seal, if the record is there. Only a last segment in which nothing stands can have been
/// begun so: the seal comes before its first frame.
///
/// # Errors
/// What the disk says.
pub(super) fn seal_what_a_crash_left(storage: &dyn Storage, survey: &Survey) -> Result<()> {
    let Some((before, end)) = left(survey) else { return Ok(()) };
    let name = FileName::Segment(before.number()).text();
    let failed = |e| Error::io("seal", &*name, e);
    let file = storage.open(&name, OpenMode::Write).map_err(failed)?;
    // The sync of a seal may have failed: then the page cache shows a seal that the device does not have.
    if !planted!("seal-believed-from-the-cache") {
        file.sync_all().map_err(failed)?;
        file.evict().map_err(failed)?;
    }
    let offset = layout::trailer_offset(before.file_len);
    if !ends_in_a_record(&*file, offset, &before).map_err(failed)? {
        return Ok(());
    }
    let seal = Trailer {
        kind: TrailerKind::Seal { frames: 0 },
        salt: before.header.salt,
        end: end.lsn,
        last_check: end.check,
    };
    write_full(&*file, offset, &[&seal.encode()]).map_err(|failure| failed(failure.error))?;
    file.sync_data().map_err(failed)
}

/// The segment whose record it may be, and how the header behind it says that it ends.
fn left(survey: &Survey) -> Option<(Segment, SegmentEnd)> {
    let (last, before) = match survey.segments.as_slice() {
        [.., before, last] => (last, before),
        _ => return None,
    };
    let tail = survey.tail.as_ref()?;
    let nothing_there = !tail.clean && tail.end == last.base();
    let short = before.file_len < before.header.file_len;
    (nothing_there && short && !planted!("record-of-a-short-end-left-by-recovery"))
        .then_some((*before, before.closed?))
}

fn ends_in_a_record(file: &dyn StorageFile, offset: u64, of: &Segment) -> io::Result<bool> {
    let mut bytes = [0; TRAILER_LEN];
    let count = read_full(file, offset, &mut bytes)?;
    let record = Trailer::decode(bytes.get(..count).unwrap_or_default());
    Ok(record.is_ok_and(|it| it.kind == TrailerKind::Close && it.salt == of.header.salt))
}
