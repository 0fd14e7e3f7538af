//! Where a trim may go, and what would go with it.

use super::super::holds::Holds;
use super::super::survey::Segment;
use super::{Closing, Live, Machine};
use crate::error::{Error, Result};
use crate::observer::SegmentSpan;
use crate::position::Lsn;

impl Machine {
    pub(crate) const fn holds(&self) -> &Holds {
        &self.holds
    }

    pub(crate) const fn holds_mut(&mut self) -> &mut Holds {
        &mut self.holds
    }

    /// Enters a holder, which nothing that is stated or under way passes; returns its number.
    ///
    /// # Errors
    /// [`Error::Trimmed`], [`Error::Beyond`], [`Error::Closed`].
    pub(crate) fn hold(&mut self, name: String, lsn: Lsn) -> Result<u64> {
        self.readable()?;
        let trim = self.trim_under_way();
        let lsn = if lsn == Lsn::FIRST { trim } else { lsn };
        if lsn < trim {
            return Err(Error::Trimmed { lsn, trim });
        }
        self.reached(lsn)?;
        Ok(self.holds.enter(name, lsn))
    }

    /// Moves a holder on.
    ///
    /// # Errors
    /// [`Error::Beyond`], [`Error::Closed`].
    pub(crate) fn advance_hold(&mut self, number: u64, to: Lsn) -> Result<()> {
        self.readable()?;
        self.reached(to)?;
        self.holds.advance(number, to);
        Ok(())
    }

    /// The trim point that holds leave of `point`. One that the log has not reached stays as it is, to
    /// be refused.
    pub(crate) fn held_to(&self, point: Lsn) -> Lsn {
        match self.holds.first() {
            Some(held) if aligned(point) <= self.marks.accepted => point.min(held),
            _ => point,
        }
    }

    /// The furthest trim point that is stated, or that nothing but a failure keeps from being stated. A
    /// header that was drawn for a trim is written as it is, whatever became of that trim.
    fn trim_under_way(&self) -> Lsn {
        let queued = self.trims.iter().map(|&(_, point)| point);
        let drawn = self.drawn.map(|header| header.trim);
        queued.chain(self.trim_wanted).chain(drawn).fold(self.trim.max(self.trim_durable), Ord::max)
    }

    /// Whether a trim to this point could be asked for.
    ///
    /// # Errors
    /// As the trim itself says.
    pub(crate) fn may_trim(&self, point: Lsn) -> Result<()> {
        if let Some(error) = self.poisoned() {
            return Err(error);
        }
        if self.closing != Closing::Open {
            return Err(Error::Closed);
        }
        self.reached(aligned(point))
    }

    fn reached(&self, lsn: Lsn) -> Result<()> {
        let end = self.marks.accepted;
        if lsn > end { Err(Error::Beyond { lsn, end }) } else { Ok(()) }
    }

    /// The segments that a trim to `point` removes, oldest first.
    pub(crate) fn before(&self, point: Lsn) -> impl Iterator<Item = &Live> {
        let point = aligned(point);
        let next = self.live.iter().skip(1);
        self.live
            .iter()
            .zip(next)
            .take_while(move |(_, next)| next.segment.header.prev_end <= point)
            .map(|(live, _)| live)
    }

    /// The segment that holds what is at `lsn`.
    pub(crate) fn segment_of(&self, lsn: Lsn) -> Option<Segment> {
        let begun = self.live.partition_point(|live| live.segment.base() <= lsn);
        let segment = self.live.get(begun.checked_sub(1)?)?.segment;
        (lsn < self.span(&segment).end).then_some(segment)
    }

    /// A segment in numbers.
    pub(crate) fn span(&self, segment: &Segment) -> SegmentSpan {
        let end = segment.closed.map_or(self.marks.accepted, |closed| closed.lsn);
        SegmentSpan::new(segment.number(), segment.base(), end, segment.file_len)
    }

    /// How many files were removed, or kept as spares, since the log was opened, and their bytes.
    pub(crate) const fn removed_since_open(&self) -> (u64, u64) {
        (self.removed, self.removed_bytes)
    }
}

/// Trim points are where frames are.
const fn aligned(point: Lsn) -> Lsn {
    Lsn::new(point.get() / Lsn::ALIGN * Lsn::ALIGN)
}
