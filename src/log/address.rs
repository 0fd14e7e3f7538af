//! Reads single records by address.
//!
//! The quick way looks up under the lock where the frame stands, lets go, and reads it without
//! keeping the file from being recycled meanwhile. It believes nothing but what verifies: the
//! checks are seeded with log, salt and LSN, so the bytes of another place, or of another use of
//! the file, do not. For everything else there is the thorough way, which holds on to the segment
//! and tells what stands there: damage, a frame without records, nothing.
//!
//! One frame is read at a time, and no more of a batch than what is asked for.

use super::guess::{self, Guess};
use super::machine::Machine;
use super::near::{Standing, stands_at};
use super::picked::{Body, Part, Picked, Which};
use super::record::Record;
use super::scan::{FrameScan, ScanError, Span};
use super::shared::Shared;
use super::source::Source;
use super::walk::{Extent, Extents};
use crate::error::{Damage, Error, Result};
use crate::format::checksum::FrameSeed;
use crate::format::frame::{FrameHeader, FrameKind};
use crate::format::frame_writer::PlacedFrame;
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

    /// What is asked for of the frame with records that stands here, of which `bytes` is the
    /// beginning; `None` if it does not verify, or is for the thorough way. `before` is the check
    /// of the frame before, if that is known.
    fn pick(
        &self,
        span: &Span,
        file: &dyn StorageFile,
        bytes: &[u8],
        (which, before): (Which, Option<u32>),
    ) -> Option<Part> {
        self.verified(span, file, (bytes, before), |header, body| {
            Part::of(self.lsn, header, body, which)
        })
    }

    /// What `take` makes of the frame itself, on the same terms.
    #[inline]
    pub(super) fn verified<T>(
        &self,
        span: &Span,
        file: &dyn StorageFile,
        (bytes, before): (&[u8], Option<u32>),
        take: impl FnOnce(&FrameHeader, Body<'_>) -> Option<T>,
    ) -> Option<T> {
        let header = FrameHeader::decode(bytes, span.seed, self.lsn);
        let header =
            planted!("quick-read-unseeded", header => FrameHeader::unchecked(bytes)).ok()?;
        let left = span.limit.since(self.lsn)?;
        if !header.kind.holds_records() || header.frame_len() > left {
            return None;
        }
        if let Some(before) = before {
            header.verify_chain(before).ok()?;
        }
        let from = header.header_len();
        let to = usize::try_from(header.unpadded_len()).ok()?;
        match bytes.get(from..to) {
            Some(body) => {
                header.verify_body(body).ok()?;
                take(&header, Body::Shared(body))
            }
            None if to - from <= QUICK_MAX => {
                let here = bytes.get(from..)?;
                let mut body = vec![0; to - from];
                let (begun, rest) = body.split_at_mut_checked(here.len())?;
                begun.copy_from_slice(here);
                let after = span.offset(self.lsn) + bytes.len() as u64;
                let count = read_full(file, after, rest).ok()?;
                if count < rest.len() {
                    return None;
                }
                header.verify_body(&body).ok()?;
                take(&header, Body::Own(Bytes::from(body)))
            }
            None => None,
        }
    }

    /// Reads the frame with one call, or two if it is long.
    fn read(&self, shared: &Shared, guess: &Guess, asked: (Which, Option<u32>)) -> Option<Part> {
        let file = shared.files.get(self.number).ok()?;
        // Taken out and put back, not borrowed: a disk may do anything within a read, even read.
        let mut block = BLOCK.take();
        block.resize(LEAD + guess::LONGEST_OF_BATCH, 0);
        let len = self.room(guess.len());
        let into = block.get_mut(LEAD..LEAD + len)?;
        let span = self.span();
        let count = read_full(&*file, span.offset(self.lsn), into).ok();
        let part = count.and_then(|count| self.pick(&span, &*file, into.get(..count)?, asked));
        BLOCK.set(block);
        guess.learn(part.as_ref()?.needed);
        part
    }
}

thread_local! {
    /// What the quick way reads into: a record is copied out, so that none keeps a block.
    static BLOCK: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Where a frame was found by looking up its address.
enum Found {
    /// In memory.
    Here(Part),
    /// In a file; for the thorough way without a place.
    File(Option<Place>),
}

/// Whose records an index counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Among {
    /// Those of the frame.
    Frame,
    /// Those of the batch, from the frame on.
    Batch,
}

/// The record `index` places after the first one of the frame at `lsn`, in the same frame or batch.
pub(crate) fn read_one(shared: &Arc<Shared>, lsn: Lsn, index: u32, among: Among) -> Result<Record> {
    let files = &shared.files;
    let guess = if index == 0 { &files.guess } else { &files.batch_guess };
    let mut at = At::first(lsn);
    let mut passed = 0;
    loop {
        let part = read_part(shared, guess, &at, Which::Nth(index - passed))?;
        let count = match part.picked {
            Picked::One(record) => return Ok(record),
            Picked::Fewer(records) if among == Among::Frame => {
                return Err(Error::NoIndex { lsn, index, records });
            }
            Picked::Fewer(count) => count,
            Picked::All(_) => 0,
        };
        let Some(next) = part.goes_on else {
            return Err(Error::NoRecord { lsn });
        };
        passed += count;
        at = at.then(next);
        files.batches.learn(lsn, passed, next.0);
        if let Some((records, frame)) = files.batches.before(lsn, index)
            && records > passed
        {
            (passed, at) = (records, at.then((frame, None)));
        }
    }
}

/// The records of the batch or record at `lsn`; at least one.
pub(crate) fn read_all(shared: &Arc<Shared>, lsn: Lsn) -> Result<Vec<Record>> {
    let mut at = At::first(lsn);
    let mut records = Vec::new();
    loop {
        let part = read_part(shared, &shared.files.batch_guess, &at, Which::All)?;
        match part.picked {
            Picked::One(record) => records.push(record),
            Picked::All(all) => records.extend(all),
            Picked::Fewer(_) => {}
        }
        match part.goes_on {
            Some(next) => at = at.then(next),
            None if records.is_empty() => return Err(Error::NoRecord { lsn }),
            None => break,
        }
    }
    records.shrink_to_fit();
    Ok(records)
}

/// A frame that is to be read.
#[derive(Clone, Copy)]
struct At {
    lsn: Lsn,
    /// Check of the frame before, if that was read from a file.
    before: Option<u32>,
    /// It goes on with a batch that was read up to here: a frame does begin there.
    follows: bool,
}

impl At {
    const fn first(lsn: Lsn) -> Self {
        Self { lsn, before: None, follows: false }
    }

    const fn then(self, (lsn, before): (Lsn, Option<u32>)) -> Self {
        Self { lsn, before, follows: true }
    }
}

fn read_part(shared: &Arc<Shared>, guess: &Guess, at: &At, which: Which) -> Result<Part> {
    match look_up(shared, at.lsn, which)? {
        Found::Here(part) => Ok(part),
        Found::File(place) => {
            match place.and_then(|place| place.read(shared, guess, (which, at.before))) {
                Some(part) => Ok(part),
                None => read_thoroughly(shared, at, which).map_err(|e| shared.told_reader(e)),
            }
        }
    }
}

fn look_up(shared: &Shared, lsn: Lsn, which: Which) -> Result<Found> {
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
        if let Some(frame) = state.machine.unwritten(lsn) {
            return from_memory(frame, lsn, which).map(Found::Here);
        }
        // Nobody writes it any more.
        if !state.machine.is_busy()
            && let Some(error) = state.machine.poisoned()
        {
            return Err(error);
        }
        // It is on its way to the disk: whoever writes it will say so.
        state.wait(&shared.progress);
    }
}

fn from_memory(frame: Option<PlacedFrame<'_>>, lsn: Lsn, which: Which) -> Result<Part> {
    let of = |kind: FrameKind| frame.filter(|frame| frame.kind == kind.byte());
    let frame = of(FrameKind::Batch).or_else(|| of(FrameKind::Record));
    let part = frame.and_then(|frame| {
        let batch = frame.kind == FrameKind::Batch.byte();
        let picked = Picked::of(lsn, (batch, frame.tag), Body::Shared(frame.body), which)?;
        let next = lsn.checked_add(frame.len as u64)?;
        let goes_on = frame.continues.then_some((next, None));
        Some(Part { picked, goes_on, needed: 0 })
    });
    part.ok_or(Error::NoRecord { lsn })
}

/// Reads with the segment held in place, and tells what is wrong. What is there is in a file.
fn read_thoroughly(shared: &Arc<Shared>, at: &At, which: Which) -> Result<Part> {
    let lsn = at.lsn;
    let end = shared.state.lock().machine.watermarks().written;
    let mut source = Source::new(Arc::clone(shared), end, false);
    let no_record = Error::NoRecord { lsn };
    let Some(extent) = source.extent(lsn)? else {
        return Err(no_record);
    };
    if extent.base > lsn {
        return Err(gap_after_jump(extent, lsn)?.unwrap_or(no_record));
    }
    if !lsn.is_aligned() {
        return Err(no_record);
    }
    let (number, span) = (extent.number, extent.span);
    let offset = span.offset(lsn);
    let mut scan = FrameScan::new(extent.file, span, lsn, at.before).reading(guess::LONGEST);
    match scan.next() {
        Ok(Some((lsn, header))) if header.kind.holds_records() => {
            // A small record shall not keep the block; a large one is nearly all of it.
            let body = match scan.body() {
                body if body.len() <= QUICK_MAX => Body::Shared(body),
                body => Body::Own(scan.body_bytes(0..body.len())),
            };
            let header = planted!("tag-lost-when-read-thoroughly", header => {
                FrameHeader { tag: Default::default(), ..header }
            });
            Part::of(lsn, &header, body, which).ok_or(no_record)
        }
        Ok(Some((from, header))) if header.kind == FrameKind::Gap => {
            let (to, cause) = (scan.position(), Damage::Gap);
            Err(Error::Damaged { segment: number, offset, from, to, cause })
        }
        Ok(_) => Err(no_record),
        Err(ScanError::Io(error)) => {
            let unread = || Error::io("read", FileName::Segment(number).text(), error);
            Err(source.trimmed(lsn).unwrap_or_else(unread))
        }
        Err(ScanError::Frame(cause)) => {
            // An address that no append returned looks like this as well: only the frames
            // around it tell.
            let standing = if at.follows { Standing::Frame } else { stands_at(shared, end, lsn)? };
            let (to, cause) = match standing {
                Standing::Nothing => return Err(no_record),
                Standing::Frame => (end.min(span.limit), Damage::Frame(cause)),
                Standing::Gap { to } => (to, Damage::Gap),
            };
            Err(Error::Damaged { segment: number, offset, from: lsn, to, cause })
        }
    }
}

/// The gap that is all a segment holds: it stands for the jump before it, too.
fn gap_after_jump(extent: Extent, lsn: Lsn) -> Result<Option<Error>> {
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
