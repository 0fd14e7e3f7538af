//! Reads an open log in order, up to a watermark.
//!
//! The segment being read is pinned: a trim may remove its name meanwhile, but its file is not
//! recycled. It can be read on as long as it stays open, which is not for ever: readers hold no
//! files, they ask a bounded set of them for each block.

use super::machine::Goal;
use super::options::Durability;
use super::record::{Record, RecordRef};
use super::scan::Span;
use super::shared::{Guard, NOBODY, Shared};
use super::tail::open_span;
use super::walk::{Extent, Extents, Walk};
use crate::error::{Error, Result};
use crate::position::{Lsn, SegmentId};
use std::sync::Arc;

/// The segments of an open log, up to a watermark.
#[derive(Debug)]
pub(crate) struct Source {
    shared: Arc<Shared>,
    end: Lsn,
    pinned: Option<SegmentId>,
    /// The walk began at the log's beginning, wherever that is by now.
    from_first: bool,
    /// The reader was told that the log is closed.
    closed: bool,
}

impl Source {
    pub(crate) fn new(shared: Arc<Shared>, end: Lsn, from_first: bool) -> Self {
        Self { shared, end, pinned: None, from_first, closed: false }
    }

    fn unpin(&mut self, state: &mut Guard<'_>) {
        if let Some(live) = self.pinned.take().and_then(|number| state.machine.live_of(number)) {
            live.pins -= 1;
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
        if self.closed {
            return Err(Error::Closed);
        }
        if at >= self.end && self.pinned.is_none() && !self.from_first {
            // Nothing to hand out and nothing to let go of: no reason to ask for the lock.
            return Ok(None);
        }
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
        let Some(live) = live.get_mut(behind) else {
            return Ok(None);
        };
        let segment = live.segment;
        let whole = segment.closed.filter(|closed| closed.lsn <= end);
        // One without frames ends where it begins, and its successor may contradict it.
        if segment.base() >= end && whole.is_none() {
            return Ok(None);
        }
        let span = open_span(&segment.header);
        // No frame ends behind the room there is: whatever the end, no scan runs away.
        let limit = whole.map_or(end, |closed| closed.lsn).min(span.limit);
        if at >= limit && at > segment.base() {
            return Ok(None);
        }
        live.pins += 1;
        self.pinned = Some(segment.number());
        drop(state);
        let file = shared.files.pinned(segment.number());
        if let Err(error) = shared.files.get(segment.number()) {
            return Err(self.trimmed(at).unwrap_or(error));
        }
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

    fn told(&mut self, error: Error) -> Error {
        let error = self.shared.told_reader(error);
        self.closed |= matches!(error, Error::Closed);
        error
    }

    fn trimmed(&self, at: Lsn) -> Option<Error> {
        let trim = self.shared.lock().machine.first_lsn();
        (at < trim).then_some(Error::Trimmed { lsn: at, trim })
    }
}

/// Reads the records of an open log in order, up to where it stood when the scan began.
///
/// As an iterator it yields records to keep; [`next_ref`](Self::next_ref) borrows them from the
/// block they were read in, which costs nothing per record. Memory: one block of 260 KiB, or one
/// frame where that is larger (a record, or a frame of a batch that an option made longer).
///
/// After [`Error::Damaged`] the scan goes on behind the damaged range; each is told once. Records
/// of a batch that lost its beginning are part of the range.
///
/// When the log is closed the scan goes on as long as the files are what they were. Once another
/// open removed or recycled them, it ends with [`Error::Closed`].
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
            state.machine.readable()?;
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
            state.machine.within(from)?;
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
    /// [`Error::Trimmed`] if a trim overtook it; [`Error::Closed`] if the log was closed and its
    /// files are no longer its own; [`Error::Io`]. Where the disk did not take what was buffered,
    /// what it said comes once, at the end.
    #[inline]
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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let error = match self.walk.next_record() {
            Ok(Some(record)) => return Some(Ok(record)),
            Ok(None) => self.withheld.take(),
            Err(error) => Some(error),
        };
        self.done = error.as_ref().is_none_or(|error| !error.is_damage());
        error.map(Err)
    }
}
