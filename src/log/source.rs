//! Reads an open log: scans up to a watermark, and single records by address.
//!
//! The segment being read is pinned: a trim may remove its name meanwhile, but its file is not
//! recycled.

use super::machine::Goal;
use super::options::Durability;
use super::record::{Record, RecordRef};
use super::scan::{FrameScan, ScanError, Span};
use super::shared::{Guard, NOBODY, Shared};
use super::survey::Segment;
use super::walk::{Extent, Extents, Walk};
use crate::error::{Damage, Error, Result};
use crate::format::batch::BatchRecords;
use crate::format::checksum::FrameSeed;
use crate::format::frame::FrameKind;
use crate::format::frame_writer::placed_at;
use crate::format::layout;
use crate::format::name::FileName;
use crate::position::{Lsn, SegmentId};
use bytes::Bytes;
use std::sync::Arc;

/// A random read asks for this much at once; larger records take a second read.
const GUESS: usize = 4096;

/// The segments of an open log, up to a watermark.
#[derive(Debug)]
pub(crate) struct Source {
    shared: Arc<Shared>,
    end: Lsn,
    pinned: Option<SegmentId>,
    /// The walk began at the log's beginning, wherever that is by now.
    from_first: bool,
}

impl Source {
    pub(crate) fn new(shared: Arc<Shared>, end: Lsn, from_first: bool) -> Self {
        Self { shared, end, pinned: None, from_first }
    }

    /// Reads on to here.
    pub(crate) fn extend(&mut self, end: Lsn) {
        self.end = end;
    }

    fn unpin(&mut self, state: &mut Guard<'_>) {
        if let Some(number) = self.pinned.take() {
            let live = state.machine.live_mut().iter_mut();
            if let Some(live) = live.into_iter().find(|live| live.segment.number() == number) {
                live.pins -= 1;
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        self.unpin(&mut shared.lock());
    }
}

impl Extents for Source {
    fn extent(&mut self, at: Lsn) -> Result<Option<Extent>> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        self.unpin(&mut state);
        let trim = state.machine.first_lsn();
        if at < trim && !self.from_first {
            return Err(Error::Trimmed { lsn: at, trim });
        }
        self.from_first = false;
        if at >= self.end {
            return Ok(None);
        }
        let live = state.machine.live_mut();
        let behind = live.partition_point(|live| match live.segment.closed {
            Some(end) => end.lsn <= at,
            None => false,
        });
        let end = self.end;
        let Some(live) = live.get_mut(behind).filter(|live| live.segment.base() < end) else {
            return Ok(None);
        };
        let segment = live.segment;
        let whole = segment.closed.filter(|closed| closed.lsn <= self.end);
        let span = span_of(&segment);
        // No frame ends behind the room there is: whatever the end, no scan runs away.
        let limit = whole.map_or(self.end, |closed| closed.lsn).min(span.limit);
        if at >= limit && at > segment.base() {
            return Ok(None);
        }
        live.pins += 1;
        self.pinned = Some(segment.number());
        drop(state);
        let file = match shared.files.get(segment.number()) {
            Ok(file) => file,
            Err(error) => return Err(self.trimmed_meanwhile(at).unwrap_or(error)),
        };
        let span = Span { limit, ..span };
        Ok(Some(Extent {
            number: segment.number(),
            file,
            base: segment.base(),
            span,
            prev_check: segment.header.prev_check,
            end_check: whole.map(|closed| closed.check),
            fluid: false,
        }))
    }

    fn changed(&mut self, _at: Lsn) -> Result<bool> {
        Ok(false)
    }
}

impl Source {
    fn trimmed_meanwhile(&self, at: Lsn) -> Option<Error> {
        let trim = self.shared.lock().machine.first_lsn();
        (at < trim).then_some(Error::Trimmed { lsn: at, trim })
    }
}

fn span_of(segment: &Segment) -> Span {
    let header = &segment.header;
    let room = layout::frame_room(header.file_len);
    Span {
        base: header.base,
        seed: FrameSeed::new(header.log, header.salt),
        limit: header.base.checked_add(room).unwrap_or(header.base),
    }
}

/// Reads the records of an open log in order, up to where it stood when the scan began.
///
/// As an iterator it yields records to keep; [`next_ref`](Self::next_ref) borrows them from the
/// block they were read in, which costs nothing per record. Memory: one block of 256 KiB, or one
/// frame where that is larger (a record, or about 1 MiB of a batch).
///
/// After [`Error::Damaged`] the scan goes on behind the damaged range; each is told once. Records
/// of a batch that lost its beginning are part of the range.
#[derive(Debug)]
pub struct LogScan {
    walk: Walk<Source>,
    /// What kept accepted records out of the files: told at the end.
    withheld: Option<Error>,
    done: bool,
}

impl LogScan {
    pub(crate) fn new(shared: Arc<Shared>, from: Lsn, level: Durability) -> Result<Self> {
        let mut withheld = None;
        let (end, trim) = {
            let mut state = shared.lock();
            let mut end = state.machine.visible(level);
            if end > state.machine.watermarks().written {
                withheld = shared.reach_all(&mut state, Goal::Written { lsn: NOBODY, end }).err();
            }
            if planted!("scan-hides-what-was-withheld") && withheld.take().is_some() {
                end = state.machine.watermarks().written;
            }
            if withheld.is_some() {
                // The disk takes nothing now: what is in files can still be read.
                end = state.machine.watermarks().written;
            }
            (end, state.machine.first_lsn())
        };
        let from_first = from == Lsn::FIRST;
        if from < trim && !from_first {
            return Err(Error::Trimmed { lsn: from, trim });
        }
        let from = from.max(trim);
        let walk = Walk::new(Source::new(shared, end, from_first), from);
        Ok(Self { walk, withheld, done: false })
    }

    /// The next record, borrowed from the scan; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Damaged`] once for each damaged range, after which the scan goes on;
    /// [`Error::Trimmed`] if a trim overtook it; [`Error::Io`]. Where the disk did not take what
    /// was buffered, what it said comes once, at the end.
    pub fn next_ref(&mut self) -> Result<Option<RecordRef<'_>>> {
        match self.walk.next_ref()? {
            Some(record) => Ok(Some(record)),
            None => self.withheld.take().map_or(Ok(None), Err),
        }
    }

    /// Everything before this LSN was read.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.walk.position()
    }
}

impl Iterator for LogScan {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = match self.walk.next_record() {
            Ok(None) => self.withheld.take().map_or(Ok(None), Err),
            next => next,
        };
        self.done = match &next {
            Ok(record) => record.is_none(),
            Err(error) => !error.is_damage(),
        };
        next.transpose()
    }
}

/// The records of the batch or record at `lsn`.
pub(crate) fn read_at(shared: &Arc<Shared>, lsn: Lsn) -> Result<Vec<Record>> {
    let end = {
        let mut state = shared.lock();
        loop {
            let marks = state.machine.watermarks();
            let trim = state.machine.first_lsn();
            if lsn < trim {
                return Err(Error::Trimmed { lsn, trim });
            }
            if lsn >= marks.accepted {
                return Err(Error::Beyond { lsn, end: marks.accepted });
            }
            if lsn < marks.written {
                break marks.written;
            }
            if let Some((run, at)) = state.machine.unwritten(lsn) {
                return from_memory(run, at, lsn);
            }
            // It is on its way to the disk: whoever writes it will say so.
            state.wait(&shared.progress);
        }
    };
    let mut source = Source::new(Arc::clone(shared), end, false);
    let no_record = Error::NoRecord { lsn };
    let Some(extent) = source.extent(lsn)?.filter(|extent| extent.base <= lsn) else {
        return Err(no_record);
    };
    if !lsn.is_aligned() {
        return Err(no_record);
    }
    let offset = extent.span.offset(lsn);
    let number = extent.number;
    let mut scan = FrameScan::new(extent.file, extent.span, lsn, None).reading(GUESS);
    let mut records = Vec::new();
    loop {
        let from = scan.position();
        match scan.next() {
            Ok(Some((at, header))) if header.kind.holds_records() => {
                let body = scan.body_bytes();
                push_records(&mut records, at, header.kind == FrameKind::Batch, &body);
                if !header.continues {
                    return Ok(records);
                }
            }
            Ok(_) => return Err(no_record),
            Err(ScanError::Io(error)) => {
                return Err(Error::io("read", FileName::Segment(number).text(), error));
            }
            Err(ScanError::Frame(cause)) => {
                // An address that no append returned looks like this as well: only a walk
                // over the frames before tells.
                if records.is_empty() && !stands_at(&source, lsn)? {
                    return Err(no_record);
                }
                let to = end.min(extent.span.limit);
                let cause = Damage::Frame(cause);
                return Err(Error::Damaged { segment: number, offset, from, to, cause });
            }
        }
    }
}

/// Whether a frame begins at `lsn`, as far as the frames before it tell.
fn stands_at(source: &Source, lsn: Lsn) -> Result<bool> {
    let mut source = Source::new(Arc::clone(&source.shared), source.end, false);
    let Some(extent) = source.extent(lsn)? else {
        return Ok(false);
    };
    let Extent { file, span, base, prev_check, .. } = extent;
    let mut scan = FrameScan::new(file, span, base, Some(prev_check));
    while scan.position() < lsn {
        match scan.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(false),
            // Damage before it: the address may well be right.
            Err(_) => return Ok(true),
        }
    }
    Ok(scan.position() == lsn)
}

fn from_memory(run: &[u8], at: usize, lsn: Lsn) -> Result<Vec<Record>> {
    let (mut records, mut at, mut lsn_at) = (Vec::new(), at, lsn);
    while let Some(frame) = placed_at(run, at) {
        let batch = frame.kind == FrameKind::Batch as u8;
        if !batch && frame.kind != FrameKind::Record as u8 {
            break;
        }
        push_records(&mut records, lsn_at, batch, &Bytes::copy_from_slice(frame.body));
        if !frame.continues {
            return Ok(records);
        }
        at += frame.len;
        lsn_at = lsn_at.checked_add(frame.len as u64).unwrap_or(lsn_at);
    }
    Err(Error::NoRecord { lsn })
}

fn push_records(records: &mut Vec<Record>, lsn: Lsn, batch: bool, body: &Bytes) {
    if !batch {
        records.push(Record { lsn, index: 0, bytes: body.clone() });
        return;
    }
    for (index, record) in (0..).zip(BatchRecords::new(body).flatten()) {
        records.push(Record { lsn, index, bytes: body.slice_ref(record) });
    }
}
