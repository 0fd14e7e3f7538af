//! Walks the records of a log across its segments.
//!
//! Knows where frames stand, not who keeps the segments: an owner of extents says which file
//! holds an LSN and how far it may be read; the writer's own log and a reader without the lock
//! are two of them.

use super::record::{Record, RecordRef};
use super::scan::{FrameScan, ScanError, Span};
use crate::error::{Damage, Error, Result};
use crate::format::batch::BatchRecords;
use crate::format::frame::{FrameError, FrameHeader, FrameKind, MARKED_HEADER_LEN};
use crate::format::name::FileName;
use crate::format::tag::Tag;
use crate::position::{Lsn, SegmentId};
use crate::storage::{StorageFile, read_full};
use bytes::Bytes;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A part of the log in one file.
#[derive(Debug)]
pub(crate) struct Extent {
    pub(crate) number: SegmentId,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) base: Lsn,
    /// `limit` is how far it may be read.
    pub(crate) span: Span,
    /// What the first frame chains to.
    pub(crate) prev_check: u32,
    /// Check of the last frame before the limit, where it is known.
    pub(crate) end_check: Option<u32>,
    /// Whether that end was read from the frames themselves, and may have been written over
    /// since: no header states it.
    pub(crate) fluid: bool,
}

/// Who keeps the segments.
pub(crate) trait Extents: fmt::Debug + Send {
    /// The extent that holds `at`, or else the first behind it; `None` at the end. What the
    /// last call returned may be recycled from now on.
    ///
    /// # Errors
    /// [`Error::Trimmed`], and what opening a file says.
    fn extent(&mut self, at: Lsn) -> Result<Option<Extent>>;

    /// The frame at `at` does not verify: whether to read it once more, since the world changed.
    ///
    /// # Errors
    /// What the change means for a reader there.
    fn changed(&mut self, at: Lsn) -> Result<bool>;

    /// What a reader is told in place of `error`. After [`Error::Closed`] it gets nothing else.
    fn told(&mut self, error: Error) -> Error {
        error
    }

    /// Whether what is at `at` was trimmed, where its file cannot be read: no reader holds one open.
    fn trimmed(&self, _at: Lsn) -> Option<Error> {
        None
    }
}

/// A walk over records, in order.
#[derive(Debug)]
pub(crate) struct Walk<E> {
    extents: E,
    at: Lsn,
    current: Option<Current>,
    batch: Option<Batch>,
    /// Behind damage: records of batch frames are skipped up to the next batch end, since
    /// they may be the rest of a batch whose beginning is gone.
    skip_batch: bool,
    /// Where the walk enters a segment anew that it had left in the middle, and the check that
    /// the frame there must follow.
    resumed: Option<(Lsn, u32)>,
    frames: u64,
}

#[derive(Debug)]
struct Current {
    number: SegmentId,
    base: Lsn,
    /// Where the walk stood before it entered.
    came_from: Lsn,
    span: Span,
    prev_check: u32,
    end_check: Option<u32>,
    fluid: bool,
    file: Arc<dyn StorageFile>,
    scan: FrameScan,
    /// Bytes of bodies that searches for a frame behind damage looked at.
    searched: u64,
}

/// A batch frame whose records are being handed out.
#[derive(Clone, Copy, Debug)]
struct Batch {
    lsn: Lsn,
    tag: Tag,
    index: u32,
    /// Where in the body the next record begins.
    at: usize,
}

/// A record, and which part of the body of the current frame it is.
struct Found {
    lsn: Lsn,
    index: u32,
    tag: Tag,
    part: Range<usize>,
}

impl<E: Extents> Walk<E> {
    pub(crate) fn new(extents: E, from: Lsn) -> Self {
        let (current, batch, resumed) = (None, None, None);
        Self { extents, at: from, current, batch, skip_batch: false, resumed, frames: 0 }
    }

    /// Everything before is read.
    pub(crate) fn position(&self) -> Lsn {
        self.at
    }

    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// The next record, borrowed.
    ///
    /// # Errors
    /// [`Error::Damaged`] once for each damaged range; the walk goes on behind it.
    #[inline]
    pub(crate) fn next_ref(&mut self) -> Result<Option<RecordRef<'_>>> {
        match self.next_plain() {
            Some((lsn, tag)) => Ok(Some(RecordRef { lsn, index: 0, tag, bytes: self.body() })),
            None => self.next_ref_of_any(),
        }
    }

    /// The next record, to be kept.
    ///
    /// # Errors
    /// As [`next_ref`](Self::next_ref).
    #[inline]
    pub(crate) fn next_record(&mut self) -> Result<Option<Record>> {
        match self.next_plain() {
            Some((lsn, tag)) => {
                let part = 0..self.body().len();
                Ok(Some(Record { lsn, index: 0, tag, bytes: self.kept(part) }))
            }
            None => self.next_record_of_any(),
        }
    }

    /// Where the next frame stands, if it is a record in order, without a mark, that was read
    /// ahead already, and nothing else is to be handed out before.
    #[inline(always)]
    fn next_plain(&mut self) -> Option<(Lsn, Tag)> {
        if self.batch.is_some() {
            return None;
        }
        let found = self.current.as_mut()?.scan.next_plain()?;
        self.passed_record();
        Some(found)
    }

    /// The same for one with a mark.
    fn next_marked(&mut self) -> Option<Found> {
        if self.batch.is_some() {
            return None;
        }
        let (lsn, tag) = self.current.as_mut()?.scan.next_marked()?;
        self.passed_record();
        Some(Found { lsn, index: 0, tag, part: 0..self.body().len() })
    }

    #[inline(always)]
    fn passed_record(&mut self) {
        self.at = self.current.as_ref().map_or(self.at, |current| current.scan.position());
        self.frames += 1;
        self.skip_batch = false;
    }

    #[inline(never)]
    fn next_ref_of_any(&mut self) -> Result<Option<RecordRef<'_>>> {
        let Some(Found { lsn, index, tag, part }) = self.go_on()? else {
            return Ok(None);
        };
        let bytes = self.body().get(part).unwrap_or_default();
        Ok(Some(RecordRef { lsn, index, tag, bytes }))
    }

    #[inline(never)]
    fn next_record_of_any(&mut self) -> Result<Option<Record>> {
        let Some(Found { lsn, index, tag, part }) = self.go_on()? else {
            return Ok(None);
        };
        Ok(Some(Record { lsn, index, tag, bytes: self.kept(part) }))
    }

    /// The body of the current frame.
    #[inline]
    fn body(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |current| current.scan.body())
    }

    /// A part of it, to be kept.
    #[inline]
    fn kept(&self, part: Range<usize>) -> Bytes {
        self.current.as_ref().map_or_else(Bytes::new, |current| current.scan.body_bytes(part))
    }

    /// Goes on to the next record, as long as there are extents to go on in.
    fn go_on(&mut self) -> Result<Option<Found>> {
        self.advance().map_err(|error| {
            let error = self.extents.told(error);
            if matches!(error, Error::Closed) {
                (self.current, self.batch) = (None, None);
            }
            error
        })
    }

    /// Goes on to the next record, over frames of every kind, good and bad.
    fn advance(&mut self) -> Result<Option<Found>> {
        if let Some(found) = self.next_marked() {
            return Ok(Some(found));
        }
        loop {
            if self.batch.is_some()
                && let Some(found) = self.next_of_batch()
            {
                return Ok(Some(found));
            }
            let Some(current) = &mut self.current else {
                if self.enter()? {
                    continue;
                }
                return Ok(None);
            };
            match current.scan.next() {
                Ok(Some((lsn, header))) => {
                    self.at = current.scan.position();
                    self.frames += 1;
                    if header.kind == FrameKind::Record {
                        self.skip_batch = false;
                        let part = 0..current.scan.body().len();
                        return Ok(Some(Found { lsn, index: 0, tag: header.tag, part }));
                    }
                    self.take(lsn, &header)?;
                }
                Ok(None) => self.leave()?,
                Err(error) => self.stumble(error)?,
            }
        }
    }

    /// The next record of the batch frame that is being handed out.
    fn next_of_batch(&mut self) -> Option<Found> {
        let Batch { lsn, tag, index, at } = self.batch.take()?;
        let rest = self.current.as_ref()?.scan.body().get(at..)?;
        let record = BatchRecords::new(rest).next()?.ok()?;
        let part = at + 4..at + 4 + record.len();
        self.batch = Some(Batch { lsn, tag, index: index.saturating_add(1), at: part.end });
        Some(Found { lsn, index, tag, part })
    }

    /// Takes a frame that is no record.
    fn take(&mut self, lsn: Lsn, header: &FrameHeader) -> Result<()> {
        if header.kind == FrameKind::Gap {
            // A repair lets a gap end where a batch begins.
            self.skip_batch = false;
            // Where it is all that a segment holds it stands for the jump before it, too.
            let all = self
                .current
                .as_ref()
                .filter(|current| current.base == lsn && current.span.limit == self.at);
            let from = all.map_or(lsn, |current| current.came_from.min(lsn));
            return Err(self.damaged(from, self.at, Damage::Gap));
        }
        if std::mem::take(&mut self.skip_batch)
            && header.kind == FrameKind::Batch
            && !planted!("half-batch-visible")
        {
            // Perhaps the rest of a batch whose beginning is gone: told, not shown.
            self.skip_batch = header.continues;
            return Err(self.damaged(lsn, self.at, Damage::Batch));
        }
        if header.kind == FrameKind::Batch {
            self.batch = Some(Batch { lsn, tag: header.tag, index: 0, at: 0 });
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<bool> {
        let Some(extent) = self.extents.extent(self.at)? else {
            return Ok(false);
        };
        let Extent { number, file, base, span, prev_check, end_check, fluid } = extent;
        let came_from = self.at;
        self.at = self.at.max(base);
        // No batch spans two segments: what a segment begins with is whole.
        self.skip_batch &= self.at != base;
        let resumed = self.resumed.take().filter(|&(at, _)| at == self.at);
        let before =
            if self.at == base { Some(prev_check) } else { resumed.map(|(_, check)| check) };
        let scan = FrameScan::new(Arc::clone(&file), span, self.at, before);
        self.current = Some(Current {
            number,
            base,
            came_from,
            span,
            prev_check,
            end_check,
            fluid,
            file,
            scan,
            searched: 0,
        });
        Ok(true)
    }

    /// At the limit of an extent: of a closed one the last check must be what its successor says.
    fn leave(&mut self) -> Result<()> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        self.at = current.span.limit;
        if let (Some(expected), Some(found)) = (current.end_check, current.scan.last_check())
            && expected != found
            && !planted!("chain-ends-with-its-segment")
        {
            let at = self.at;
            if current.fluid {
                return Err(Error::Diverged { lsn: at, end: at });
            }
            self.extents.changed(at)?;
            self.current = Some(current);
            let error = self.damaged(at, at, Damage::End);
            self.current = None;
            return Err(error);
        }
        Ok(())
    }

    /// A frame does not verify.
    fn stumble(&mut self, error: ScanError) -> Result<()> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let number = current.number;
        let name = || FileName::Segment(number).text();
        let cause = match error {
            ScanError::Io(error) => {
                let trimmed = self.extents.trimmed(self.at);
                return Err(trimmed.unwrap_or_else(|| Error::io("read", name(), error)));
            }
            ScanError::Frame(cause) if cause.is_unknown() => {
                return Err(Error::Unknown { name: name(), what: cause.to_string() });
            }
            ScanError::Frame(cause) => cause,
        };
        if self.extents.changed(self.at)? {
            self.resumed = current.scan.last_check().map(|check| (self.at, check));
            self.current = None;
            return Ok(());
        }
        if matches!(cause, FrameError::Chain { .. }) {
            let follows = current.follows_anew(self.at);
            if follows.map_err(|error| Error::io("read", name(), error))? {
                return Ok(());
            }
        }
        // The walk may have been started between two frames: find the first one behind.
        if current.scan.last_check().is_none() {
            return self.align(cause);
        }
        let told = self.skip_damage(cause);
        if planted!("bad-record-skipped") { Ok(()) } else { Err(told) }
    }

    /// Walks from the segment's base to the first frame at or behind the place asked for.
    fn align(&mut self, cause: FrameError) -> Result<()> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let (file, span, base) = (Arc::clone(&current.file), current.span, current.base);
        let mut scan = FrameScan::new(file, span, base, Some(current.prev_check));
        let mut in_gap = false;
        while scan.position() < self.at {
            match scan.next() {
                Ok(Some((_, header))) => in_gap = header.kind == FrameKind::Gap,
                Ok(None) => break,
                Err(ScanError::Io(error)) => {
                    let name = FileName::Segment(current.number).text();
                    return Err(Error::io("read", name, error));
                }
                Err(ScanError::Frame(_)) => return Err(self.skip_damage(cause)),
            }
        }
        let from = self.at;
        self.at = scan.position();
        current.scan = scan;
        if from == self.at {
            return Err(self.skip_damage(cause));
        }
        if in_gap {
            return Err(self.damaged(from, self.at, Damage::Gap));
        }
        Ok(())
    }

    /// Finds the next frame that verifies together with its follower, and says what lies before. What
    /// the device does not give is no damage: then its error is what is said.
    fn skip_damage(&mut self, cause: FrameError) -> Error {
        let from = self.at;
        let Some(current) = &mut self.current else {
            return Error::NoRecord { lsn: from };
        };
        let (span, limit) = (current.span, current.span.limit);
        let before = current.scan.last_check();
        let looked = current
            .resync(from)
            .and_then(|found| Ok((found, batch_end(&current.file, span, from)?)));
        let (found, batch_end) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                // Whom the frame here must follow is not forgotten by that.
                current.scan = FrameScan::new(Arc::clone(&current.file), span, from, before);
                return Error::io("read", FileName::Segment(current.number).text(), error);
            }
        };
        // Behind a frame whose header still says that it ends its batch, another begins.
        self.skip_batch = found.is_none() || found != batch_end;
        let error = match found {
            Some(lsn) => {
                self.at = lsn;
                current.scan.seek(lsn);
                self.damaged(from, lsn, cause.into())
            }
            None => {
                self.at = limit;
                let error = self.damaged(from, limit, cause.into());
                self.current = None;
                error
            }
        };
        self.batch = None;
        error
    }

    fn damaged(&self, from: Lsn, to: Lsn, cause: Damage) -> Error {
        let current = self.current.as_ref();
        Error::Damaged {
            segment: current.map_or(SegmentId::FIRST, |current| current.number),
            offset: current.map_or(0, |current| current.span.offset(from)),
            from,
            to,
            cause,
        }
    }
}

/// Where the frame at `from` ends, if its header verifies and its batch ends with it.
fn batch_end(file: &Arc<dyn StorageFile>, span: Span, from: Lsn) -> io::Result<Option<Lsn>> {
    let mut bytes = [0; MARKED_HEADER_LEN];
    let count = read_full(&**file, span.offset(from), &mut bytes)?;
    let header = FrameHeader::decode(bytes.get(..count).unwrap_or_default(), span.seed, from);
    let ends = header.ok().filter(|header| !header.continues);
    Ok(ends.and_then(|header| from.checked_add(header.frame_len())))
}

impl Current {
    /// Whether the frame at `at` follows what is *now* before it: a frame that was read and failed
    /// may have been written over since. Goes on there if it does.
    ///
    /// Counts as a search: breaks that are made on purpose are as many as there are frames.
    fn follows_anew(&mut self, at: Lsn) -> io::Result<bool> {
        if self.searched >= self.file.len()?.saturating_mul(2) {
            return Ok(false);
        }
        self.searched += at.since(self.base).unwrap_or(0);
        let file = Arc::clone(&self.file);
        let mut scan = FrameScan::new(file, self.span, self.base, Some(self.prev_check));
        while scan.position() < at {
            if !scan.verifies()? {
                return Ok(false);
            }
        }
        let last = scan.last_check();
        let follows = scan.position() == at && scan.verifies()?;
        if follows {
            self.scan = FrameScan::new(Arc::clone(&self.file), self.span, at, last);
        }
        Ok(follows)
    }

    /// The first place behind `from` where a frame verifies and the next one chains to it, or the
    /// extent ends with it: 64 bits of checks at least.
    ///
    /// Headers that hold over bodies that do not are made on purpose, and can be made at every
    /// multiple of 8. So all searches of an extent look at no more than twice its bytes for bodies.
    fn resync(&mut self, from: Lsn) -> io::Result<Option<Lsn>> {
        let (span, scan) = (self.span, &mut self.scan);
        // A successor may say that the frames go on far behind the end of a file.
        let file_len = self.file.len()?;
        let search_end = from.checked_add(file_len.saturating_sub(span.offset(from)));
        let search_end = search_end.map_or(span.limit, |end| end.min(span.limit));
        let searched_max = file_len.saturating_mul(2);
        let mut next = from.checked_add(Lsn::ALIGN);
        while let Some(at) = next.filter(|&at| at < search_end)
            && self.searched < searched_max
        {
            scan.seek(at);
            let looked_at = scan.looked_at();
            let found = scan.verifies()? && (scan.position() == span.limit || scan.verifies()?);
            self.searched += scan.looked_at() - looked_at;
            if found {
                return Ok(Some(at));
            }
            next = at.checked_add(Lsn::ALIGN);
        }
        Ok(None)
    }
}
