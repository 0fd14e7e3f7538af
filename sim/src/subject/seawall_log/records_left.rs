//! A close record says that nothing follows. So when the first frame of a segment is written, no segment
//! before it may end in a clean close: should the files behind that be lost, nobody would know that they were there.
//!
//! Knows the bytes in the page cache, and not who wrote them.

use super::marks::{header_of, segments};
use crate::file::File;
use crate::state::State;
use seawall::Lsn;
use seawall::format::checksum::FrameSeed;
use seawall::format::frame::{CLOSE_MARK_LEN, FrameHeader, FrameKind, MARKED_HEADER_LEN};
use seawall::format::header::SegmentHeader;
use seawall::format::layout::{FRAMES_START, trailer_offset};
use seawall::format::trailer::{TRAILER_LEN, Trailer, TrailerKind};

/// The close record that is left although frames of this segment are written.
pub(super) fn left_before(state: &State, writes: &SegmentHeader) -> Option<String> {
    segments(state).find_map(|(name, id)| {
        let file = state.files.get(id)?;
        let header = header_of(file).filter(|header| header.log == writes.log)?;
        let record = record_of(file, &header)?;
        let (number, end) = (header.number, record.end);
        // What is below the trim point is no part of the log.
        let goes_on = number < writes.number && end > writes.trim;
        goes_on.then(|| {
            let base = writes.base;
            format!("a frame is written at {base}, and {name} ends in a close record of {end}")
        })
    })
}

fn record_of(file: &File, header: &SegmentHeader) -> Option<Trailer> {
    let mut bytes = [0; TRAILER_LEN];
    let file_len = file.cache.len().min(header.file_len);
    let count = file.cache.read(trailer_offset(file_len), &mut bytes);
    let record = Trailer::decode(bytes.get(..count)?).ok()?;
    let ours = record.kind == TrailerKind::Close && record.salt == header.salt;
    (ours && has_its_mark(file, header, &record)).then_some(record)
}

/// Without its mark a record says nothing: a close whose sync failed may leave it so.
fn has_its_mark(file: &File, header: &SegmentHeader, record: &Trailer) -> bool {
    let at = record.end.get().checked_sub(CLOSE_MARK_LEN).map(Lsn::new);
    let Some((at, len)) = at.and_then(|at| Some((at, at.since(header.base)?))) else {
        return false;
    };
    let mut bytes = [0; MARKED_HEADER_LEN];
    file.cache.read(FRAMES_START.saturating_add(len), &mut bytes);
    let mark = FrameHeader::decode(&bytes, FrameSeed::new(header.log, header.salt), at);
    mark.is_ok_and(|mark| mark.kind == FrameKind::CloseMark && mark.check == record.last_check)
}
