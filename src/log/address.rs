//! Reads single records by address.
//!
//! The quick way looks up under the lock where the frame stands, lets go, and reads it without
//! keeping the file from being recycled meanwhile. It believes nothing but what verifies: the
//! checks are seeded with log, salt and LSN, so the bytes of another place, or of another use of
//! the file, do not. For everything else there is the thorough way, which holds on to the segment
//! and tells what stands there: damage, a frame without records, nothing.

use super::guess;
use super::machine::Machine;
use super::record::Record;
use super::scan::{FrameScan, ScanError, Span};
use super::shared::Shared;
use super::source::Source;
use super::walk::{Extent, Extents};
use crate::error::{Damage, Error, Result};
use crate::format::batch::BatchRecords;
use crate::format::checksum::FrameSeed;
use crate::format::frame::{FrameHeader, FrameKind, MARKED_HEADER_LEN};
use crate::format::frame_writer::placed_at;
use crate::format::layout;
use crate::format::name::FileName;
use crate::position::{LogId, Lsn, Salt, SegmentId};
use crate::storage::{StorageFile, read_full};
use bytes::Bytes;
use std::cell::Cell;
use std::sync::Arc;

/// With so many bytes before it in the block, the body of a frame without a mark begins at a
/// multiple of 8, where its check costs less.
const LEAD: usize = 4;

/// The longest body that the quick way reads: it is allocated in one piece.
const QUICK_MAX: usize = 1 << 20;

/// Where a frame stands that is in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) number: SegmentId,
    pub(super) lsn: Lsn,
    base: Lsn,
    limit: Lsn,
    log: LogId,
    salt: Salt,
}

impl Place {
    /// The place of the frame at `lsn`, if it is one for the quick way.
    pub(super) fn of(machine: &Machine, lsn: Lsn) -> Option<Self> {
        let written = machine.watermarks().written;
        let out = lsn < machine.first_lsn() || lsn >= written || !lsn.is_aligned();
        if out || machine.readable().is_err() {
            return None;
        }
        let live = machine.live();
        let begun = live.partition_point(|live| live.segment.base() <= lsn);
        let segment = &live.get(begun.checked_sub(1)?)?.segment;
        let header = &segment.header;
        let end = segment.closed.map_or(written, |closed| closed.lsn);
        let limit = end.min(header.base.checked_add(layout::frame_room(header.file_len))?);
        let (number, base) = (header.number, header.base);
        let place = Self { number, lsn, base, limit, log: header.log, salt: header.salt };
        (lsn < limit).then_some(place)
    }

    /// The frames of its segment: computed when the lock is free again.
    pub(super) fn span(&self) -> Span {
        let seed = FrameSeed::new(self.log, self.salt);
        Span { base: self.base, seed, limit: self.limit }
    }

    /// How many bytes may be read here, of at most `max`.
    pub(super) fn room(&self, max: usize) -> usize {
        let left = self.limit.since(self.lsn).unwrap_or(0);
        usize::try_from(left).unwrap_or(usize::MAX).min(max)
    }

    /// The frame with records that stands here, of which `bytes` is the beginning; `None` if it
    /// does not verify, or is for the thorough way.
    pub(super) fn frame(&self, span: &Span, file: &dyn StorageFile, bytes: &[u8]) -> Option<Frame> {
        let header = FrameHeader::decode(bytes, span.seed, self.lsn);
        let header =
            planted!("quick-read-unseeded", header => FrameHeader::unchecked(bytes)).ok()?;
        let left = span.limit.since(self.lsn)?;
        if !header.kind.holds_records() || header.continues || header.frame_len() > left {
            return None;
        }
        let from = header.header_len();
        let to = usize::try_from(header.unpadded_len()).ok()?;
        let body = match bytes.get(from..to) {
            Some(body) => {
                header.verify_body(body).ok()?;
                Bytes::copy_from_slice(body)
            }
            None if to - from <= QUICK_MAX => {
                let here = bytes.get(from..)?;
                let mut body = vec![0; to - from];
                let (begun, rest) = body.split_at_mut_checked(here.len())?;
                begun.copy_from_slice(here);
                let behind = span.offset(self.lsn) + bytes.len() as u64;
                let count = read_full(file, behind, rest).ok()?;
                if count < rest.len() {
                    return None;
                }
                header.verify_body(&body).ok()?;
                Bytes::from(body)
            }
            None => return None,
        };
        Some(Frame { lsn: self.lsn, batch: header.kind == FrameKind::Batch, body })
    }

    /// Reads the frame with one call, or two if it is long.
    fn read(&self, shared: &Shared) -> Option<Frame> {
        let file = shared.files.get(self.number).ok()?;
        // Taken out and put back, not borrowed: a disk may do anything within a read, even read.
        let mut block = BLOCK.take();
        block.resize(LEAD + guess::LONGEST, 0);
        let len = self.room(shared.files.guess.len());
        let into = block.get_mut(LEAD..LEAD + len)?;
        let span = self.span();
        let count = read_full(&*file, span.offset(self.lsn), into).ok();
        let frame = count.and_then(|count| self.frame(&span, &*file, into.get(..count)?));
        BLOCK.set(block);
        shared.files.guess.learn(frame.as_ref()?.needed());
        frame
    }
}

thread_local! {
    /// What the quick way reads into: a record is copied out, so that none keeps a block.
    static BLOCK: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A verified frame that holds a record, or a whole batch.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    lsn: Lsn,
    batch: bool,
    /// Nobody else's memory.
    body: Bytes,
}

impl Frame {
    /// How many bytes had to be read for it, at most.
    pub(super) fn needed(&self) -> usize {
        MARKED_HEADER_LEN + self.body.len()
    }

    pub(super) fn first(self) -> Option<Record> {
        if !self.batch {
            return Some(Record { lsn: self.lsn, index: 0, bytes: self.body });
        }
        let first = BatchRecords::new(&self.body).next()?.ok()?;
        Some(Record { lsn: self.lsn, index: 0, bytes: Bytes::copy_from_slice(first) })
    }

    fn push_to(self, records: &mut Vec<Record>) {
        let Self { lsn, batch, body } = self;
        if !batch {
            records.push(Record { lsn, index: 0, bytes: body });
            return;
        }
        for (index, record) in (0..).zip(BatchRecords::new(&body).flatten()) {
            records.push(Record { lsn, index, bytes: body.slice_ref(record) });
        }
    }
}

/// Where a record was found by looking up its address.
enum Found {
    /// In memory.
    Here(Vec<Record>),
    /// In a file; for the thorough way without a place.
    File(Option<Place>),
}

/// The record at `lsn`; of a batch, the first.
pub(crate) fn read_first(shared: &Arc<Shared>, lsn: Lsn) -> Result<Record> {
    let records = match look_up(shared, lsn)? {
        Found::Here(records) => records,
        Found::File(place) => {
            match place.and_then(|place| place.read(shared)).and_then(Frame::first) {
                Some(record) => return Ok(record),
                None => read_thoroughly(shared, lsn).map_err(|error| shared.told_reader(error))?,
            }
        }
    };
    records.into_iter().next().ok_or(Error::NoRecord { lsn })
}

/// The records of the batch or record at `lsn`; at least one.
pub(crate) fn read_all(shared: &Arc<Shared>, lsn: Lsn) -> Result<Vec<Record>> {
    let mut records = match look_up(shared, lsn)? {
        Found::Here(records) => records,
        Found::File(place) => match place.and_then(|place| place.read(shared)) {
            Some(frame) => {
                let mut records = Vec::new();
                frame.push_to(&mut records);
                records
            }
            None => read_thoroughly(shared, lsn).map_err(|error| shared.told_reader(error))?,
        },
    };
    if records.is_empty() {
        return Err(Error::NoRecord { lsn });
    }
    records.shrink_to_fit();
    Ok(records)
}

fn look_up(shared: &Shared, lsn: Lsn) -> Result<Found> {
    let mut state = shared.lock();
    loop {
        state.machine.readable()?;
        let marks = state.machine.watermarks();
        let trim = state.machine.first_lsn();
        if lsn < trim {
            return Err(Error::Trimmed { lsn, trim });
        }
        if lsn >= marks.accepted {
            return Err(Error::Beyond { lsn, end: marks.accepted });
        }
        if lsn < marks.written {
            return Ok(Found::File(Place::of(&state.machine, lsn)));
        }
        if let Some((run, at)) = state.machine.unwritten(lsn) {
            return from_memory(run, at, lsn).map(Found::Here);
        }
        // It is on its way to the disk: whoever writes it will say so.
        state.wait(&shared.progress);
    }
}

/// Reads with the segment held in place, and tells what is wrong. What is at `lsn` is in a file.
fn read_thoroughly(shared: &Arc<Shared>, lsn: Lsn) -> Result<Vec<Record>> {
    let end = shared.state.lock().machine.watermarks().written;
    let mut source = Source::new(Arc::clone(shared), end, false);
    let no_record = Error::NoRecord { lsn };
    let Some(extent) = source.extent(lsn)? else {
        return Err(no_record);
    };
    if extent.base > lsn {
        return Err(gap_behind_jump(extent, lsn)?.unwrap_or(no_record));
    }
    if !lsn.is_aligned() {
        return Err(no_record);
    }
    let offset = extent.span.offset(lsn);
    let number = extent.number;
    let mut scan = FrameScan::new(extent.file, extent.span, lsn, None).reading(guess::LONGEST);
    let mut records = Vec::new();
    loop {
        let from = scan.position();
        match scan.next() {
            Ok(Some((at, header))) if header.kind.holds_records() => {
                // A small record shall not keep the block; a large one is nearly all of it.
                let body = match scan.body() {
                    body if body.len() <= QUICK_MAX => Bytes::copy_from_slice(body),
                    body => scan.body_bytes(0..body.len()),
                };
                let batch = header.kind == FrameKind::Batch;
                Frame { lsn: at, batch, body }.push_to(&mut records);
                if !header.continues {
                    return Ok(records);
                }
            }
            Ok(Some((_, header))) if header.kind == FrameKind::Gap => {
                let (to, cause) = (scan.position(), Damage::Gap);
                return Err(Error::Damaged { segment: number, offset, from, to, cause });
            }
            Ok(_) => return Err(no_record),
            Err(ScanError::Io(error)) => {
                return Err(Error::io("read", FileName::Segment(number).text(), error));
            }
            Err(ScanError::Frame(cause)) => {
                // An address that no append returned looks like this as well: only a walk
                // over the frames before tells.
                let standing =
                    if records.is_empty() { stands_at(shared, end, lsn)? } else { Standing::Frame };
                let (to, cause) = match standing {
                    Standing::Nothing => return Err(no_record),
                    Standing::Frame => (end.min(extent.span.limit), Damage::Frame(cause)),
                    Standing::Gap { to } => (to, Damage::Gap),
                };
                return Err(Error::Damaged { segment: number, offset, from, to, cause });
            }
        }
    }
}

/// The gap that is all a segment holds: it stands for the jump before it, too.
fn gap_behind_jump(extent: Extent, lsn: Lsn) -> Result<Option<Error>> {
    let Extent { number, file, span, base, prev_check, .. } = extent;
    let mut scan = FrameScan::new(file, span, base, Some(prev_check)).reading(guess::LONGEST);
    match scan.next() {
        Ok(Some((_, header))) if header.kind == FrameKind::Gap && scan.position() == span.limit => {
            let (offset, to, cause) = (span.offset(base), scan.position(), Damage::Gap);
            Ok(Some(Error::Damaged { segment: number, offset, from: lsn, to, cause }))
        }
        Err(ScanError::Io(error)) => {
            Err(Error::io("read", FileName::Segment(number).text(), error))
        }
        _ => Ok(None),
    }
}

/// What is at an address.
enum Standing {
    /// A frame begins there, or perhaps.
    Frame,
    /// It lies inside a gap that ends here: any frame may have begun there.
    Gap { to: Lsn },
    /// None begins there.
    Nothing,
}

/// What is at `lsn`, as far as the frames before it tell.
fn stands_at(shared: &Arc<Shared>, end: Lsn, lsn: Lsn) -> Result<Standing> {
    let mut source = Source::new(Arc::clone(shared), end, false);
    let Some(extent) = source.extent(lsn)? else {
        return Ok(Standing::Nothing);
    };
    let Extent { file, span, base, prev_check, .. } = extent;
    let mut scan = FrameScan::new(file, span, base, Some(prev_check));
    let mut in_gap = false;
    while scan.position() < lsn {
        match scan.next() {
            Ok(Some((_, header))) => in_gap = header.kind == FrameKind::Gap,
            Ok(None) => return Ok(Standing::Nothing),
            // Damage before it: the address may well be right.
            Err(_) => return Ok(Standing::Frame),
        }
    }
    let to = scan.position();
    Ok(if to == lsn {
        Standing::Frame
    } else if in_gap {
        Standing::Gap { to }
    } else {
        Standing::Nothing
    })
}

fn from_memory(run: &[u8], at: usize, lsn: Lsn) -> Result<Vec<Record>> {
    let (mut records, mut at, mut lsn_at) = (Vec::new(), at, lsn);
    while let Some(frame) = placed_at(run, at) {
        let batch = frame.kind == FrameKind::Batch as u8;
        if !batch && frame.kind != FrameKind::Record as u8 {
            break;
        }
        let (body, continues, len) =
            (Bytes::copy_from_slice(frame.body), frame.continues, frame.len);
        Frame { lsn: lsn_at, batch, body }.push_to(&mut records);
        if !continues {
            return Ok(records);
        }
        at += len;
        lsn_at = lsn_at.checked_add(len as u64).unwrap_or(lsn_at);
    }
    Err(Error::NoRecord { lsn })
}
