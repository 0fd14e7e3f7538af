//! Walks the frames of one segment, verified one after the other.
//!
//! Knows one file and where its frames may stand; what an end means is decided elsewhere.

use super::window::{READ_AHEAD, Window};
use crate::format::checksum::FrameSeed;
use crate::format::frame::{FrameError, FrameHeader, MARKED_HEADER_LEN, PlainRecord, PlainRecords};
use crate::format::layout;
use crate::format::tag::Tag;
use crate::position::Lsn;
use crate::storage::StorageFile;
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Where the frames of one segment stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) base: Lsn,
    pub(crate) seed: FrameSeed,
    /// No frame ends beyond: the end of the room for frames, or of the closed segment.
    pub(crate) limit: Lsn,
}

impl Span {
    /// Byte in the file where the frame with this LSN stands.
    pub(crate) fn offset(&self, lsn: Lsn) -> u64 {
        layout::FRAMES_START + lsn.since(self.base).unwrap_or(0)
    }
}

/// What the scan stopped at.
#[derive(Debug)]
pub(crate) enum ScanError {
    Io(io::Error),
    Frame(FrameError),
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FrameError> for ScanError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// A walk over frames. After an error it stands where the bad frame does.
#[derive(Debug)]
pub(crate) struct FrameScan {
    file: Arc<dyn StorageFile>,
    span: Span,
    plain: PlainRecords,
    at: Lsn,
    /// Check of the frame before, or `None` right after a seek.
    before: Option<u32>,
    window: Window,
    /// Where in the window the next frame stands, if that is known.
    here: usize,
    /// Where in the window the body of the last frame stands.
    body: Range<usize>,
    /// Bytes of bodies that were looked at.
    looked_at: u64,
}

impl FrameScan {
    /// No place in any window.
    const NOWHERE: usize = usize::MAX;

    /// Starts at `at`, behind a frame with check `before`, or alone if that is not known.
    pub(crate) fn new(
        file: Arc<dyn StorageFile>,
        span: Span,
        at: Lsn,
        before: Option<u32>,
    ) -> Self {
        // Nothing behind the limit is looked at: no block needs to be longer than what is left.
        let left = usize::try_from(span.limit.since(at).unwrap_or(0)).unwrap_or(usize::MAX);
        let window = Window::new(left.min(READ_AHEAD));
        let (plain, here) = (PlainRecords::new(span.seed), Self::NOWHERE);
        Self { file, span, plain, at, before, window, here, body: 0..0, looked_at: 0 }
    }

    /// The same with another block size.
    pub(crate) fn reading(mut self, read_ahead: usize) -> Self {
        self.window = Window::new(read_ahead);
        self
    }

    /// Where the next frame stands.
    #[inline]
    pub(crate) fn position(&self) -> Lsn {
        self.at
    }

    /// Check of the last frame, if one was read or given.
    pub(crate) fn last_check(&self) -> Option<u32> {
        self.before
    }

    /// Bytes of bodies that [`next`](Self::next) looked at, also of those that do not verify.
    pub(crate) fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// Goes on at `at`, where the check of the frame before is not known. Keeps what was read.
    pub(crate) fn seek(&mut self, at: Lsn) {
        self.at = at;
        self.here = Self::NOWHERE;
        self.before = None;
    }

    /// Reads and verifies the next frame, or `None` at the limit.
    ///
    /// # Errors
    /// [`ScanError`]; the scan does not move.
    pub(crate) fn next(&mut self) -> Result<Option<(Lsn, FrameHeader)>, ScanError> {
        self.body = 0..0;
        self.here = Self::NOWHERE;
        let left = self.span.limit.since(self.at).unwrap_or(0);
        if left == 0 {
            return Ok(None);
        }
        let (lsn, offset) = (self.at, self.span.offset(self.at));
        let bytes = self.window.ahead(&*self.file, offset, MARKED_HEADER_LEN)?;
        let header = FrameHeader::decode(bytes, self.span.seed, lsn)?;
        let (needed, frame_len) = (header.unpadded_len(), header.frame_len());
        if frame_len > left {
            return Err(FrameError::Short { needed: frame_len, have: left }.into());
        }
        if let Some(before) = self.before {
            header.verify_chain(before)?;
        }
        if !header.kind.is_hollow() {
            let short = FrameError::Short { needed, have: left };
            let len = usize::try_from(needed).map_err(|_| short)?;
            let bytes = if bytes.len() < len {
                self.window.ahead(&*self.file, offset, len)?
            } else {
                bytes
            };
            self.looked_at += bytes.len().min(len) as u64;
            let have = bytes.len() as u64;
            let within = header.header_len()..len;
            let body = bytes.get(within.clone()).ok_or(FrameError::Short { needed, have })?;
            header.verify_body(body)?;
            let start = self.window.index(offset);
            self.body = start + within.start..start + within.end;
        }
        self.before = Some(header.check);
        self.at = lsn.checked_add(frame_len).ok_or(FrameError::Content)?;
        self.here = self.window.index(self.span.offset(self.at));
        Ok(Some((lsn, header)))
    }

    /// Whether a frame verifies here; steps over it if one does.
    ///
    /// # Errors
    /// What the device says.
    pub(crate) fn verifies(&mut self) -> io::Result<bool> {
        match self.next() {
            Ok(frame) => Ok(frame.is_some()),
            Err(ScanError::Frame(_)) => Ok(false),
            Err(ScanError::Io(error)) => Err(error),
        }
    }

    /// The next frame, if it is a record in order, without a mark, that was read ahead already;
    /// otherwise, whatever the reason, `None`, and [`next`](Self::next) tells.
    #[inline(always)]
    pub(crate) fn next_plain(&mut self) -> Option<(Lsn, Tag)> {
        let record = self.plain.at(self.window.from(self.here)?, self.at, self.before?)?;
        self.step_over(record)
    }

    /// The same for one with a mark.
    pub(crate) fn next_marked(&mut self) -> Option<(Lsn, Tag)> {
        let record = self.plain.marked_at(self.window.from(self.here)?, self.at, self.before?)?;
        self.step_over(record)
    }

    #[inline(always)]
    fn step_over(&mut self, record: PlainRecord) -> Option<(Lsn, Tag)> {
        let PlainRecord { check, header_len, unpadded_len, tag } = record;
        let (lsn, here) = (self.at, self.here);
        let frame_len = layout::frame_aligned(unpadded_len as u64);
        self.at = lsn.checked_add(frame_len).filter(|end| *end <= self.span.limit)?;
        self.before = Some(check);
        self.body = here + header_len..here + unpadded_len;
        self.here = here + usize::try_from(frame_len).ok()?;
        Some((lsn, tag))
    }

    /// The body of the frame that was read last; empty for a hollow one.
    #[inline]
    pub(crate) fn body(&self) -> &[u8] {
        self.window.bytes(self.body.clone())
    }

    /// A part of it, to be kept: shares the whole block it was read in.
    #[inline]
    pub(crate) fn body_bytes(&self, part: Range<usize>) -> Bytes {
        let start = self.body.start;
        self.window.slice(start + part.start..start + part.end)
    }
}
