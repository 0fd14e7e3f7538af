//! Reads a log without its lock: beside a live writer, after a crash, on damaged files. Changes
//! no byte, takes and probes no lock.
//!
//! What such a reader sees may be in motion. So nothing counts as damage before a second look
//! confirms it; what changed meanwhile is read again, or reported as what it became: trimmed,
//! or ended elsewhere.

use super::header_blocks;
use super::lineage::lineages;
use super::record::{Record, RecordRef};
use super::seen::{Limit, Seen, look};
use super::sparing::Sparing;
use super::survey::{Access, Finding, Segment, SegmentEnd, survey};
use super::tail::open_span;
use super::walk::{Extent, Extents, Walk};
use crate::error::{Damage, Error, Result};
use crate::format::content::Content;
use crate::format::header::SegmentHeader;
use crate::format::name::FileName;
use crate::position::{Lineage, LogId, Lsn, SegmentId};
use crate::storage::{Environment, OpenMode, Storage};
use std::path::Path;
use std::sync::Arc;

/// A log, read without its lock.
///
/// It is a snapshot: [`refresh`](Self::refresh) looks again. It opens damaged logs too (this is
/// how they are salvaged): [`damage`](Self::damage) tells, and every scan that crosses a damaged
/// range says so there and goes on behind it.
#[derive(Debug)]
pub struct LogView {
    storage: Arc<dyn Storage>,
    seen: Arc<Seen>,
}

impl LogView {
    /// Looks at the log in `dir`, which must exist. Cost: the number of segments, and the
    /// unclosed tail.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Foreign`]; [`Error::Io`]. Damage is no error here.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let environment = Environment::existing(dir)
            .map_err(|e| Error::io("open the directory", dir.display().to_string(), e))?;
        Self::open_in(&environment)
    }

    /// Looks at the log of any environment.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(environment: &Environment) -> Result<Self> {
        let storage = Sparing::over(&environment.storage);
        let seen = Arc::new(look(&*storage, None)?);
        Ok(Self { storage, seen })
    }

    /// What the recovery table says of the directory, also where a view cannot be opened: every
    /// row met, and the first reason to refuse. One look, unconfirmed: beside a live writer use
    /// [`open_in`](Self::open_in).
    ///
    /// # Errors
    /// What listing the directory or opening a file says.
    pub fn diagnose(environment: &Environment) -> Result<(Vec<Finding>, Option<Error>)> {
        let survey = survey(&*Sparing::over(&environment.storage), Access::Reader)?;
        Ok((survey.findings, survey.fatal))
    }

    /// Looks again.
    ///
    /// # Errors
    /// As [`open`](Self::open); the view stays as it was.
    pub fn refresh(&mut self) -> Result<()> {
        self.seen = Arc::new(look(&*self.storage, self.seen.waiting)?);
        Ok(())
    }

    /// What there is now, beside this view.
    pub(super) fn again(&self) -> Result<Self> {
        let storage = Arc::clone(&self.storage);
        let seen = Arc::new(look(&*storage, self.seen.waiting)?);
        Ok(Self { storage, seen })
    }

    /// Reads the records from `from` on, in order, up to [`end`](Self::end); as
    /// [`Log::scan`](crate::Log::scan) does.
    ///
    /// # Errors
    /// [`Error::Trimmed`]; [`Error::Beyond`] for a place beyond the end, unless the log is damaged:
    /// then nobody knows where it ended.
    pub fn scan(&self, from: Lsn) -> Result<ViewScan> {
        self.scan_until(from, Lsn::new(u64::MAX))
    }

    /// As [`scan`](Self::scan), but no further than what is proven durable: it is still there
    /// after any crash of the writer.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn scan_proven(&self, from: Lsn) -> Result<ViewScan> {
        self.scan_until(from, self.seen.proven)
    }

    fn scan_until(&self, from: Lsn, end: Lsn) -> Result<ViewScan> {
        let trim = self.seen.trim;
        if from < trim && from != Lsn::FIRST {
            return Err(Error::Trimmed { lsn: from, trim });
        }
        if from > self.seen.end && self.seen.damage.is_none() {
            return Err(Error::Beyond { lsn: from, end: self.seen.end });
        }
        let source = ViewSource {
            storage: Arc::clone(&self.storage),
            seen: Arc::clone(&self.seen),
            end,
            told_missing: None,
            read_twice: None,
            durable: None,
        };
        Ok(ViewScan { walk: Walk::new(source, from.max(trim)), done: false })
    }

    /// The log, unless there is none.
    #[must_use]
    pub fn id(&self) -> Option<LogId> {
        self.seen.log
    }

    /// What its records mean, unless there is no log. Readers need not know.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        self.seen.segments.first().map(|segment| segment.header.extension.content)
    }

    /// The lineage of the newest segment: log id, lineage and LSN together name one record for
    /// ever, also where copies of the log go on.
    #[must_use]
    pub fn lineage(&self) -> Option<Lineage> {
        self.seen.segments.last().map(|segment| segment.header.extension.lineage)
    }

    /// The lineages of the segments, oldest first, each with the first LSN that is of it.
    #[must_use]
    pub fn lineages(&self) -> Vec<(Lineage, Lsn)> {
        lineages(&self.seen.segments)
    }

    /// Where the log begins: at the trim point, or behind the jump that the segment before it was
    /// trimmed up to.
    #[must_use]
    pub fn first(&self) -> Lsn {
        let trim = self.seen.trim;
        match self.seen.segments.first() {
            Some(segment) if segment.header.prev_end == trim => segment.base(),
            // Inside a jump it lies only where a repair did not know of it: what is gone begins there.
            _ => trim,
        }
    }

    /// The trim point.
    #[must_use]
    pub fn trim_point(&self) -> Lsn {
        self.seen.trim
    }

    /// Where the valid frames end.
    #[must_use]
    pub fn end(&self) -> Lsn {
        self.seen.end
    }

    /// How far the log is proven durable: by marks, by headers, by a close record.
    #[must_use]
    pub fn proven(&self) -> Lsn {
        self.seen.proven
    }

    /// Whether the last run closed the log.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.seen.clean
    }

    /// Whether bytes behind the end would be cut, of which nothing proves that they were
    /// acknowledged.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.seen.torn
    }

    /// The segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.seen.segments
    }

    /// Every row of the recovery table that was met.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.seen.findings
    }

    /// Why [`Log::open`](crate::Log::open) would refuse this log, if it would: damage met so
    /// far. Closed segments are not read for this.
    #[must_use]
    pub fn damage(&self) -> Option<&Error> {
        self.seen.damage.as_ref()
    }

    /// Check of the last frame of a closed segment, if anything states it.
    pub(super) fn closing_check(&self, segment: &Segment) -> Option<u32> {
        segment.closed.and_then(|end| self.seen.check_of(segment, end))
    }

    /// Every damage that was met so far.
    pub(super) fn all_damage(&self) -> &[Error] {
        &self.seen.all_damage
    }

    /// How far the last segment is read.
    pub(super) fn limit(&self) -> Lsn {
        self.seen.limit
    }

    /// W: the largest durable LSN that anything states, where it lies behind the end, too.
    pub(super) fn stated(&self) -> Lsn {
        self.seen.stated
    }

    /// Where the valid run of the last segment ends.
    pub(super) fn last_end(&self) -> SegmentEnd {
        self.seen.last_end
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// Bytes of frames: what a scan from the beginning reads.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        let end = |segment: &Segment| segment.closed.map_or(self.seen.limit, |closed| closed.lsn);
        let lens = self.seen.segments.iter().filter_map(|s| end(s).since(s.base()));
        // Headers may state anything.
        lens.fold(0, u64::saturating_add)
    }
}

#[derive(Debug)]
pub(crate) struct ViewSource {
    storage: Arc<dyn Storage>,
    seen: Arc<Seen>,
    end: Lsn,
    told_missing: Option<Lsn>,
    read_twice: Option<Lsn>,
    /// Of the segment that is being read: its header, and how far its frames are durable.
    durable: Option<(SegmentHeader, Lsn)>,
}

impl Extents for ViewSource {
    fn extent(&mut self, at: Lsn) -> Result<Option<Extent>> {
        let seen = Arc::clone(&self.seen);
        let Some((nth, Limit { end: limit, check, .. })) = seen.holding(at) else {
            return Ok(None);
        };
        let (before, rest) = seen.segments.split_at(nth);
        let Some(segment) = rest.first() else {
            return Ok(None);
        };
        // One without frames ends where it begins, and its successor may contradict it.
        let whole = segment.closed.is_some_and(|closed| closed.lsn <= self.end);
        if segment.base().max(at) >= self.end && !whole {
            return Ok(None);
        }
        // Segments before this one that are gone leave a hole between their predecessor's end
        // and what this header says of its own.
        let hole = segment.header.prev_end;
        if at < hole && at >= seen.trim && self.told_missing != Some(at) {
            self.told_missing = Some(at);
            let number = before.last().map_or_else(
                || SegmentId::new(segment.number().get().saturating_sub(1)),
                |before| before.number().next(),
            );
            let cause = Damage::Missing;
            return Err(Error::Damaged { segment: number, offset: 0, from: at, to: hole, cause });
        }
        let name = FileName::Segment(segment.number()).text();
        let file = match self.storage.open(&name, OpenMode::Read) {
            Ok(file) => file,
            Err(error) => {
                self.look_again(at)?;
                return Err(Error::io("open", name, error));
            }
        };
        let all = Lsn::new(u64::MAX);
        // One that is closed and not proven may still go with the tail of one before it.
        let proven = segment.closed.is_some_and(|end| end.lsn <= seen.settled);
        let durable = if proven { all } else { seen.settled };
        self.durable = Some((segment.header, durable));
        let whole = limit <= self.end;
        let mut span = open_span(&segment.header);
        span.limit = limit.min(self.end);
        Ok(Some(Extent {
            number: segment.number(),
            file,
            base: segment.base(),
            span,
            prev_check: segment.header.prev_check,
            end_check: check.filter(|_| whole),
            fluid: segment.closed.is_none(),
        }))
    }

    fn changed(&mut self, at: Lsn) -> Result<bool> {
        // What is durable is never written again; only a trim takes it away, with its name.
        if self.read_twice == Some(at) || self.durable_is_there(at) {
            return Ok(false);
        }
        self.look_again(at)?;
        self.read_twice = Some(at);
        Ok(true)
    }
}

impl ViewSource {
    /// Whether what is at `at` is durable, and its file still has its name and header: no look at the
    /// whole directory, which would be one for each of any number of damaged ranges.
    fn durable_is_there(&self, at: Lsn) -> bool {
        let Some((header, _)) = self.durable.filter(|&(_, durable)| at < durable) else {
            return false;
        };
        let name = FileName::Segment(header.number).text();
        let file = self.storage.open(&name, OpenMode::Read);
        file.is_ok_and(|file| header_blocks::states(&*file, &header))
    }

    /// What became of the place `at`, where something could not be read.
    fn look_again(&mut self, at: Lsn) -> Result<()> {
        let now = look(&*self.storage, self.seen.waiting)?;
        if at < now.trim {
            return Err(Error::Trimmed { lsn: at, trim: now.trim });
        }
        // Where the segment that held `at` ends now, and with which check.
        let held = |segment: &&Segment| segment.base() <= at;
        let then = self.seen.segments.iter().rev().find(held);
        let here = now.segments.iter().rev().find(held);
        if let (Some(then), Some(here)) = (then, here)
            && then.number() == here.number()
        {
            let end_of = |seen: &Seen, segment: &Segment| {
                segment.closed.map_or((seen.limit, seen.end_check), |end| {
                    (end.lsn, seen.check_of(segment, end))
                })
            };
            let (before, after) = (end_of(&self.seen, then), end_of(&now, here));
            let other = before.0 == after.0 && before.1 != after.1;
            let moved = after.0 < before.0 || other;
            if moved && !planted!("view-calls-unacknowledged-damage") {
                return Err(Error::Diverged { lsn: at, end: after.0 });
            }
        }
        Ok(())
    }
}

/// Reads the records of a [`LogView`] in order. See [`LogScan`](crate::LogScan) for memory and
/// damage.
#[derive(Debug)]
pub struct ViewScan {
    walk: Walk<ViewSource>,
    done: bool,
}

impl ViewScan {
    /// The next record, borrowed from the scan; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Damaged`] once for each damaged range, after which the scan goes on;
    /// [`Error::Trimmed`], [`Error::Diverged`] if the writer overtook it; [`Error::Io`].
    #[inline]
    pub fn next_ref(&mut self) -> Result<Option<RecordRef<'_>>> {
        self.walk.next_ref()
    }

    /// Everything before this LSN was read.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.walk.position()
    }

    /// Frames read so far, of all kinds.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.walk.frames()
    }
}

impl Iterator for ViewScan {
    type Item = Result<Record>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let error = match self.walk.next_record() {
            Ok(Some(record)) => return Some(Ok(record)),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        self.done = error.as_ref().is_none_or(|error| !error.is_damage());
        error.map(Err)
    }
}
