//! What the bytes that are left on a hurt disk prove about records, by `docs/FORMAT.md` alone: found
//! without the log's recovery, so that what that overlooks shows.
//!
//! ```text
//!   the last file with a good header   what its header, its marks and its close record state was durable;
//!                                      its seal says that a successor was begun
//!   no good header, next number        begun, if it is no file that may wait: another length, a byte in its
//!                                      first frame block; a byte anywhere where nothing was ever trimmed; else
//!                                      a mark or a trailer of its own
//!   a higher number                    a segment before it is lost
//! ```
//!
//! The salts and the headers of what is lost are known here, from the sound disk. Pure: it judges bytes.

use seawall::format::checksum::FrameSeed;
use seawall::format::frame::{FrameHeader, MARKED_HEADER_LEN};
use seawall::format::header::{HEADER_LEN, SegmentHeader};
use seawall::format::layout::{self, BLOCK, FRAMES_START};
use seawall::format::name::FileName;
use seawall::format::trailer::{Trailer, TrailerKind};
use seawall::{Lsn, SegmentId};
use std::collections::BTreeMap;

/// Files by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Something that is left, and proves that records were acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    /// All that was acknowledged before here is proven. Where a whole segment is proven to be lost: the
    /// highest address.
    pub(super) before: Lsn,
    /// What it is.
    pub(super) what: String,
}

const ALL: Lsn = Lsn::new(u64::MAX);

/// A segment of the sound log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) header: SegmentHeader,
    /// Neither it nor its predecessor is hurt but for this one loss.
    pub(super) follows_sound: bool,
}

/// What is left, that proves most.
pub(super) fn left(files: &Files, known: &[Known], trimmed: bool) -> Option<Evidence> {
    let numbered = files.iter().filter_map(|(name, bytes)| match FileName::parse(name) {
        Some(FileName::Segment(id)) => Some((id, bytes.as_slice())),
        _ => None,
    });
    let segments: BTreeMap<SegmentId, &[u8]> = numbered.collect();
    let newest_first = segments.iter().rev();
    let mut with_header =
        newest_first.filter_map(|(&id, &bytes)| Some((header_of(bytes, id)?, bytes)));
    let last = with_header.next();
    let mut found = Vec::new();
    if let Some((header, bytes)) = &last {
        found.extend(stated(header, bytes));
        // The newest headers may vouch for nothing: what those before them state counts as well.
        let mut vouched = header.vouches();
        while !vouched && let Some((header, bytes)) = with_header.next() {
            found.extend(stated_before(&header, bytes));
            vouched = header.vouches();
        }
    }
    let next = last.as_ref().map_or(SegmentId::FIRST, |(header, _)| header.number.next());
    let closed = last.as_ref().is_some_and(|(header, bytes)| is_closed(header, bytes));
    for (&id, bytes) in segments.range(next..) {
        let lost = known.iter().find(|known| known.header.number == id);
        let begun = match lost {
            _ if closed || has_header(bytes) => None,
            _ if id > next => {
                Some("it was made ready after the one before it had begun".to_owned())
            }
            Some(lost) => begun(bytes, lost, trimmed && last.is_some()),
            None => None,
        };
        let name = FileName::Segment(id).text();
        found.extend(begun.map(|why| Evidence { before: ALL, what: format!("{name}: {why}") }));
    }
    found.into_iter().max_by_key(|evidence| evidence.before)
}

fn copies(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let copy = |at: u64| bytes.get(usize::try_from(at).ok()?..)?.get(..HEADER_LEN);
    [0, BLOCK].into_iter().filter_map(copy)
}

pub(super) fn header_of(bytes: &[u8], number: SegmentId) -> Option<SegmentHeader> {
    let decoded = copies(bytes).filter_map(|copy| SegmentHeader::decode(copy).ok());
    decoded.into_iter().find(|header| header.number == number)
}

/// Whether any header stands there, be it another file's.
fn has_header(bytes: &[u8]) -> bool {
    copies(bytes).any(|copy| SegmentHeader::decode(copy).is_ok())
}

fn trailer_at(bytes: &[u8], file_len: u64) -> Option<Trailer> {
    let at = usize::try_from(layout::trailer_offset(file_len)).ok()?;
    Trailer::decode(bytes.get(at..)?).ok()
}

fn is_closed(header: &SegmentHeader, bytes: &[u8]) -> bool {
    // Of a file that was cut at the close it ends the file.
    trailer_at(bytes, header.file_len.min(bytes.len() as u64))
        .is_some_and(|record| record.kind == TrailerKind::Close && record.salt == header.salt)
}

/// What a segment states in its header and its marks.
fn stated_before(header: &SegmentHeader, bytes: &[u8]) -> Vec<Evidence> {
    let name = FileName::Segment(header.number).text();
    let says = |before: Lsn, what: &str| Evidence { before, what: format!("{name}: {what}") };
    let seed = FrameSeed::new(header.log, header.salt);
    let marks = marks(bytes, FRAMES_START, header, seed).map(|(_, durable)| durable);
    let mut found = vec![says(header.durable(), "its header")];
    found.extend(marks.max().map(|durable| says(durable, "a mark")));
    found
}

/// What the last segment itself states.
fn stated(header: &SegmentHeader, bytes: &[u8]) -> Vec<Evidence> {
    let name = FileName::Segment(header.number).text();
    let says = |before: Lsn, what: &str| Evidence { before, what: format!("{name}: {what}") };
    let mut found = stated_before(header, bytes);
    let len = bytes.len() as u64;
    for end in [len, header.file_len] {
        let Some(trailer) = trailer_at(bytes, end).filter(|it| it.salt == header.salt) else {
            continue;
        };
        let room = layout::trailer_offset(end).saturating_sub(FRAMES_START);
        let in_room = trailer.end.since(header.base).filter(|&frames| frames <= room);
        match (trailer.kind, in_room) {
            (TrailerKind::Seal { .. }, Some(_)) => found.push(says(ALL, "its seal")),
            (TrailerKind::Close, Some(frames)) if frames >= CLOSE_MARK_LEN => {
                let before = Lsn::new(trailer.end.get() - CLOSE_MARK_LEN);
                found.push(says(before, "its close record"));
            }
            _ => {}
        }
    }
    found
}

const CLOSE_MARK_LEN: u64 = 40;

/// Every mark from this byte on that holds: where, and what was durable.
fn marks(
    bytes: &[u8],
    from: u64,
    header: &SegmentHeader,
    seed: FrameSeed,
) -> impl Iterator<Item = (Lsn, Lsn)> {
    let limit = layout::trailer_offset(header.file_len).min(bytes.len() as u64);
    let base = header.base;
    (from..limit).step_by(8).filter_map(move |at| {
        let head = bytes.get(usize::try_from(at).ok()?..)?;
        let first = head.get(..8)?;
        if first == [0; 8] || head.len() < MARKED_HEADER_LEN {
            return None;
        }
        let lsn = base.checked_add(at - FRAMES_START)?;
        Some((lsn, FrameHeader::decode(head, seed, lsn).ok()?.mark?))
    })
}

/// Why this file without a header is none that waits.
fn begun(bytes: &[u8], lost: &Known, trimmed: bool) -> Option<String> {
    let len = bytes.len() as u64;
    let whole = len.is_multiple_of(BLOCK)
        && (layout::SEGMENT_LEN_MIN..=layout::FILE_LEN_MAX).contains(&len);
    if !whole {
        return Some(format!("no file that waits has {len} bytes"));
    }
    let from = FRAMES_START + BLOCK;
    let (first, rest) = bytes.split_at(usize::try_from(from).ok()?);
    // A header that was being written when the power went may have left anything in the blocks before.
    if first.iter().skip(usize::try_from(FRAMES_START).ok()?).any(|&byte| byte != 0) {
        return Some("a byte in its first frame block".to_owned());
    }
    if !trimmed {
        let at = rest.iter().position(|&byte| byte != 0)?;
        return Some(format!("a byte at {}, and nothing was ever trimmed", from + at as u64));
    }
    if !lost.follows_sound {
        return None;
    }
    let header = &lost.header;
    let of_its_own = |it: &Trailer| it.salt == header.salt && it.end > header.prev_end;
    if trailer_at(bytes, len).is_some_and(|trailer| of_its_own(&trailer)) {
        return Some("a trailer of its own".to_owned());
    }
    let seed = FrameSeed::new(header.log, header.salt);
    let mark = marks(bytes, from, header, seed).find(|&(_, durable)| durable >= header.base);
    mark.map(|(lsn, _)| format!("a mark of its own at {lsn}"))
}
