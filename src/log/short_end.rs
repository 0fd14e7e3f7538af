//! A crash after a segment was begun behind a short file, and before the close record that ends the file
//! became a seal: an open makes up for it, since the record says that nothing follows. Knows nothing of
//! who wrote the record.

use super::survey::{Segment, SegmentEnd, Survey};
use crate::error::{Error, Result};
use crate::format::layout;
use crate::format::name::FileName;
use crate::format::trailer::{TRAILER_LEN, Trailer, TrailerKind};
use crate::storage::{OpenMode, Storage, StorageFile, read_full, write_full};
use std::io;

/// Writes the seal, if the record is there. Only a last segment in which nothing stands can have been
/// begun so: the seal comes before its first frame.
///
/// # Errors
/// What the disk says.
pub(super) fn seal_what_a_crash_left(storage: &dyn Storage, survey: &Survey) -> Result<()> {
    let Some((before, end)) = left(survey) else { return Ok(()) };
    let name = FileName::Segment(before.number()).text();
    let failed = |e| Error::io("seal", &*name, e);
    let file = storage.open(&name, OpenMode::Read).map_err(failed)?;
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
    let file = storage.open(&name, OpenMode::Write).map_err(failed)?;
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
