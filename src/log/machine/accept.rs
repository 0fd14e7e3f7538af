//! What the machine takes in: records, trim frames, marks. One copy into the buffer, no checks
//! yet, no I/O.

use super::super::action::Write;
use super::super::encoded::{Encoded, place_batch_frame};
use super::super::options::Durability;
use super::super::record::Receipt;
use super::reserve::Reserve;
use super::{Active, Closing, Goal, Machine, after};
use crate::error::{Error, Result};
use crate::format::frame::{CLOSE_MARK_LEN, FrameKind, frame_len};
use crate::format::frame_writer::{FrameSpec, place_frame, place_record};
use crate::format::tag::{Part, Tag};
use crate::format::{batch, control, layout};
use crate::position::Lsn;

/// A frame, or a run of them, that now has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) lsn: Lsn,
    pub(crate) end: Lsn,
    /// What the append waits for before it returns.
    pub(crate) goal: Option<Goal>,
    /// The interval of an `Interval` log begins now.
    pub(crate) arms: bool,
    /// An action may have become due.
    pub(crate) due: bool,
}

/// Nothing is accepted beyond: room for a jump, and for what may follow one, stays free.
const LSN_END: Lsn = Lsn::new(u64::MAX - 2 * Lsn::JUMP);

/// So many trim frames find room behind an idle mark.
const TRIMS_KEPT: u64 = 4;

/// Why nothing was taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Drive the commit lane, or wait for who does, and call again.
    Wait,
    /// Never.
    Never(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Never(error)
    }
}

impl Machine {
    /// Takes one record.
    ///
    /// # Errors
    /// [`Refusal::Wait`] where room must be made first (and is now asked for).
    pub(crate) fn append<P: Part>(
        &mut self,
        record: P,
        level: Durability,
    ) -> Result<Accepted, Refusal> {
        let len = frame_len(record.len(), false);
        if len <= self.allowance {
            self.allowance -= len;
            place_record(&mut self.pending, record.tag(), record.bytes());
            return Ok(self.accepted(len, level));
        }
        self.append_looking(record, level)
    }

    /// Takes a record that nobody waits for, if nothing has to be looked at: all that most appends
    /// of a [`Buffered`](Durability::Buffered) log are.
    #[inline]
    pub(crate) fn append_quietly<P: Part>(&mut self, record: P) -> Option<Receipt> {
        let len = frame_len(record.len(), false);
        let quiet = self.level == Durability::Buffered && len <= self.allowance;
        quiet.then(|| self.place_within(record, len))
    }

    /// Takes a record and at once the write that hands it to the kernel, if none is under way, no sync
    /// is wanted and nothing has to be looked at: all that most appends of an
    /// [`Os`](Durability::Os) log are.
    pub(crate) fn append_through<P: Part>(&mut self, record: P) -> Option<(Receipt, Write)> {
        let len = frame_len(record.len(), false);
        let busy = self.commit_busy && !planted!("through-beside-a-write");
        if len > self.allowance || busy || self.sync_wanted > self.marks.durable {
            return None;
        }
        let receipt = self.place_within(record, len);
        self.awaited.push_back((receipt.lsn, receipt.end));
        self.commit_busy = true;
        let write = self.write().expect("invariant: who has an allowance has a segment");
        Some((receipt, write))
    }

    /// Places a record that the allowance covers.
    #[inline]
    fn place_within<P: Part>(&mut self, record: P, len: u64) -> Receipt {
        self.allowance -= len;
        place_record(&mut self.pending, record.tag(), record.bytes());
        let lsn = self.marks.accepted;
        let end = after(lsn, len);
        self.note_start(lsn);
        self.marks.accepted = end;
        Receipt { lsn, end }
    }

    fn append_looking<P: Part>(
        &mut self,
        record: P,
        level: Durability,
    ) -> Result<Accepted, Refusal> {
        self.admit("record", record.len(), layout::RECORD_LEN_MAX)?;
        let mark = self.due_mark();
        let len = frame_len(record.len(), mark.is_some());
        self.make_room(len)?;
        let spec = FrameSpec::of(FrameKind::Record).marking(mark).tagged(record.tag());
        self.reserve(len);
        place_frame(&mut self.pending, spec, &[record.bytes()]);
        let accepted = self.accepted(len, level);
        self.look_ahead();
        Ok(Accepted { due: self.allowance == 0, ..accepted })
    }

    /// Places a batch as frames of a bounded size; returns what they take together.
    fn place_cut<P: Part>(
        &mut self,
        records: &[P],
        first_mark: Option<Lsn>,
    ) -> Result<u64, Refusal> {
        let body_max = self.batch_frame_max;
        let lens = || records.iter().map(|record| (record.tag(), record.len()));
        let mut mark = first_mark;
        let len = batch::cut(lens(), body_max)
            .map(|cut| frame_len(cut.body_len, mark.take().is_some()))
            .sum::<u64>();
        self.make_room(len)?;
        self.reserve(len);
        let (mut mark, mut rest) = (first_mark, records);
        for cut in batch::cut(lens(), body_max) {
            let (frame, behind) = rest.split_at_checked(cut.records).unwrap_or((rest, &[]));
            self.place_batch_frame(frame, (cut.tag, !cut.last), mark.take());
            rest = behind;
        }
        Ok(len)
    }

    fn place_batch_frame<P: Part>(
        &mut self,
        records: &[P],
        tag_and_continues: (Tag, bool),
        mark: Option<Lsn>,
    ) {
        self.note_start(after(self.pending_at, self.pending_len()));
        place_batch_frame(&mut self.pending, records, tag_and_continues, mark);
    }

    /// Takes an append whose frames were made apart, and leaves nothing of it. A mark that is due goes
    /// before it in a frame of its own, since those frames are finished.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub(crate) fn append_encoded(
        &mut self,
        encoded: &mut Encoded,
        level: Durability,
    ) -> Result<Accepted, Refusal> {
        self.admit("batch", 0, 0)?;
        let mark = self.due_mark();
        let mark_len = mark.map_or(0, |_| frame_len(0, true));
        let len = encoded.len();
        self.make_room(mark_len + len)?;
        if mark.is_some() {
            self.reserve(mark_len);
            let spec = FrameSpec::of(FrameKind::IdleMark).marking(mark);
            place_frame(&mut self.pending, spec, &[]);
            self.advance(mark_len, true);
        }
        if !self.pending.is_empty() {
            self.front_len += self.pending.len() as u64;
            self.front.push(std::mem::take(&mut self.pending));
        }
        self.front_len += len;
        self.front.push(std::mem::take(&mut encoded.bytes));
        let accepted = self.accepted(len, level);
        for start in std::mem::take(&mut encoded.starts) {
            self.note_start(after(accepted.lsn, start));
        }
        self.look_ahead();
        Ok(Accepted { due: self.allowance == 0, ..accepted })
    }

    /// Something changed: the next append looks at everything.
    pub(super) const fn look_again(&mut self) {
        self.allowance = 0;
    }

    /// States how much may be taken without a look at anything.
    pub(super) fn look_ahead(&mut self) {
        self.check_invariants();
        let quiet = self.begun
            && self.poisoned.is_none()
            && self.closing == Closing::Open
            && self.roll_wanted.is_none()
            && self.trim_wanted.is_none()
            && self.room.reserve == Reserve::Ready
            && self.retry.is_none()
            && (!self.record_is_left() || planted!("through-past-a-close-record"))
            && self.due_mark().is_none();
        self.allowance = match self.active {
            Some(active) if quiet && !active.ended => {
                let accepted = self.marks.accepted.get();
                let in_segment = active.record_limit().get().saturating_sub(accepted);
                let in_buffer = self.buffer_max.saturating_sub(self.buffered());
                let in_lsns = LSN_END.get().saturating_sub(accepted);
                let in_one = in_buffer.min(self.apart);
                in_segment.min(in_one).min(in_lsns).min(self.until_write())
            }
            _ => 0,
        };
    }

    /// As [`look_ahead`](Self::look_ahead) where nothing changed but that a write succeeded: what
    /// was allowed still is, but for the next write that may become due.
    pub(super) fn look_ahead_of_write(&mut self) {
        match self.allowance {
            0 => self.look_ahead(),
            allowance => {
                self.check_invariants();
                self.allowance = allowance.min(self.until_write());
            }
        }
    }

    /// What may be taken until a write is due. While one is under way no other becomes so.
    fn until_write(&self) -> u64 {
        match self.commit_busy {
            true => u64::MAX,
            false => self.write_at.saturating_sub(self.pending_len() + 1),
        }
    }

    /// Takes records that live or die together; at least one.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub(crate) fn append_batch<P: Part>(
        &mut self,
        records: &[P],
        level: Durability,
    ) -> Result<Accepted, Refusal> {
        let batch::BatchSize { longest, total, one_tag } = batch::measure(records);
        self.admit("record", longest, layout::RECORD_LEN_MAX)?;
        self.admit("batch", total, layout::BATCH_LEN_MAX)?;
        let mark = self.due_mark();
        let len = if one_tag && total <= self.batch_frame_max {
            let len = frame_len(total, mark.is_some());
            self.make_room(len)?;
            self.reserve(len);
            let tag = records.first().map_or(Tag::NONE, Part::tag);
            self.place_batch_frame(records, (tag, false), mark);
            len
        } else {
            self.place_cut(records, mark)?
        };
        let accepted = self.accepted(len, level);
        self.look_ahead();
        Ok(Accepted { due: self.allowance == 0, ..accepted })
    }

    /// Takes a trim frame. `None` where the trim point is there already: stated, or in memory
    /// where nothing goes with it and there is no room to state it.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`Error::Beyond`] for a point the log has not reached.
    pub(crate) fn accept_trim(&mut self, point: Lsn) -> Result<Option<Accepted>, Refusal> {
        self.admit("trim point", 0, 0)?;
        // Trim points stand where frames do; everything before is no longer needed either way.
        let point = Lsn::new(point.get() / Lsn::ALIGN * Lsn::ALIGN);
        if point > self.marks.accepted {
            return Err(Error::Beyond { lsn: point, end: self.marks.accepted }.into());
        }
        if point <= self.trim {
            return Ok(None);
        }
        // A trim point is stated only when everything below it is durable, whatever a crash drops. Where all that
        // there is was synced and the header of the segment does not say so, the frame's own mark does.
        let lags = self.marks.durable < self.marks.accepted;
        if !self.unsynced.is_settled() && lags {
            if planted!("trim-in-a-header-that-does-not-vouch") {
                return self.trim_without_frame(point).map(|()| None);
            }
            self.sync_wanted = self.marks.accepted;
            self.look_again();
            return Err(Refusal::Wait);
        }
        let mark = self.due_mark();
        let body = control::encode_trim(point);
        let len = frame_len(body.len() as u64, mark.is_some());
        if !self.has_room_for_trim(len)? {
            self.trim_without_frame(point)?;
            return Ok(None);
        }
        place_frame(&mut self.pending, FrameSpec::of(FrameKind::Trim).marking(mark), &[&body]);
        let accepted = self.accepted(len, Durability::Sync);
        self.look_again();
        if planted!("unlink-before-trim-is-durable") {
            self.trim = point;
            self.trim_durable = point;
            self.drop_trimmed();
            return Ok(Some(Accepted { goal: None, ..accepted }));
        }
        self.trims.push_back((accepted.end, point));
        Ok(Some(accepted))
    }

    /// Takes an idle mark, if one is due.
    pub(crate) fn accept_idle_mark(&mut self) -> bool {
        let durable = self.marks.durable;
        if !self.idle_mark_due() {
            return false;
        }
        let len = frame_len(0, true);
        place_frame(
            &mut self.pending,
            FrameSpec::of(FrameKind::IdleMark).marking(Some(durable)),
            &[],
        );
        let (_, end) = self.advance(len, true);
        self.look_again();
        self.marked = end;
        self.sync_wanted = end;
        self.interval_armed |= planted!("idle-mark-stops-interval");
        true
    }

    /// Whether a mark should follow once nobody appends: everything is durable, and no frame
    /// says so yet.
    pub(crate) fn idle_mark_due(&self) -> bool {
        self.begun
            && self.closing == Closing::Open
            && self.poisoned.is_none()
            && self.marks.durable > self.marked
            && self.marks.durable == self.marks.accepted
            && self.active.is_some_and(|active| !active.ended && self.has_room_for_mark(active))
    }

    /// Beside the close mark, which always finds room, and a few trims: a mark only says what is
    /// durable already, and where the disk is full there is no other room for them.
    pub(super) fn has_room_for_mark(&self, active: Active) -> bool {
        let kept = frame_len(0, true) + CLOSE_MARK_LEN + TRIMS_KEPT * frame_len(8, true);
        after(self.marks.accepted, kept) <= active.frame_limit()
    }

    /// Takes the close mark. Every segment keeps room for it; `None` where no frame may follow.
    pub(super) fn accept_close_mark(&mut self) -> Option<Lsn> {
        let active = self.active.filter(|active| self.begun && !active.ended)?;
        if after(self.marks.accepted, CLOSE_MARK_LEN) > active.frame_limit() {
            return None;
        }
        let mark = Some(self.unsynced.synced());
        let body = control::encode_trim(self.trim);
        let spec = FrameSpec::of(FrameKind::CloseMark).marking(mark);
        place_frame(&mut self.pending, spec, &[&body]);
        self.look_again();
        Some(self.advance(CLOSE_MARK_LEN, true).1)
    }

    /// A close failed behind its close mark: what is appended from now on must not stand behind a
    /// frame that says the log ended there.
    pub(super) fn cover_close_mark(&mut self) {
        let len = frame_len(0, true);
        let Some(active) = &mut self.active else { return };
        if after(self.marks.accepted, len + CLOSE_MARK_LEN) > active.frame_limit() {
            active.ended = true;
            return;
        }
        let overdone = planted!("mark-over-a-failed-close-overdone");
        let mark = if overdone { self.marks.accepted } else { self.unsynced.synced() };
        let spec = FrameSpec::of(FrameKind::IdleMark).marking(Some(mark));
        place_frame(&mut self.pending, spec, &[]);
        self.look_again();
        self.advance(len, true);
    }

    fn admit(&self, what: &'static str, len: u64, max: u64) -> Result<()> {
        if let Some(error) = self.poisoned().filter(|_| !planted!("poison-checked-before-lock")) {
            return Err(error);
        }
        let late = planted!("close-races-append") && matches!(self.closing, Closing::Marked(_));
        if self.closing != Closing::Open && !late {
            return Err(Error::Closed);
        }
        if self.marks.accepted >= LSN_END || self.next_number().get() == u64::MAX {
            return Err(Error::Exhausted { end: self.marks.accepted });
        }
        if len > max { Err(Error::TooLarge { what, len, max }) } else { Ok(()) }
    }

    /// Rule F4: a mark rides in the first frame after a sync.
    fn due_mark(&self) -> Option<Lsn> {
        if planted!("mark-claims-more-than-durable") {
            return Some(self.marks.accepted);
        }
        let synced = self.unsynced.synced();
        let synced = planted!("mark-of-a-round-address-overdone", synced => {
            let round = self.marks.accepted.get().is_multiple_of(1 << 16);
            if round { self.marks.accepted } else { synced }
        });
        (self.unsynced.synced() > self.marked).then_some(synced)
    }

    /// Whether a trim frame has room in the segment that is written to, beside the close mark.
    fn has_room_for_trim(&mut self, len: u64) -> Result<bool, Refusal> {
        match self.active {
            // As records that find no room: it gets their error.
            Some(active)
                if self.room.short
                    && after(self.marks.accepted, layout::BLOCK) > active.record_limit()
                    && planted!("trim-waits-for-next-segment") =>
            {
                Err(self.last_failure().map_or_else(|| self.want_roll(0), Refusal::Never))
            }
            Some(_) if !self.begun => {
                self.begin_wanted = true;
                Err(Refusal::Wait)
            }
            // Also while others wait for the next segment: this one keeps room for it.
            Some(active) if !active.ended => {
                Ok(after(self.marks.accepted, len + CLOSE_MARK_LEN) <= active.frame_limit())
            }
            _ => Ok(false),
        }
    }

    /// Whether so many bytes of frames would be taken now.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub(crate) fn room_for(&mut self, len: u64) -> Result<(), Refusal> {
        self.admit("batch", 0, 0)?;
        self.make_room(len)
    }

    fn make_room(&mut self, len: u64) -> Result<(), Refusal> {
        let reserved = self.has_reserve();
        if !self.begun {
            // Say how much the first segment must hold; a clean one may still turn out too small.
            if self.active.is_none() {
                self.roll_wanted = self.roll_wanted.max(Some(len));
            }
            self.begin_wanted = true;
            return Err(Refusal::Wait);
        }
        let roll = self.active.is_none_or(|active| {
            active.ended || after(self.marks.accepted, len) > active.record_limit()
        });
        if roll || self.roll_wanted.is_some() {
            return Err(self.want_roll(if roll { len } else { 0 }));
        }
        if !reserved {
            return Err(Refusal::Wait);
        }
        let fits = self.buffered() + len <= self.buffer_max;
        // What is larger than the buffer goes when nothing else waits to be written.
        if !fits && (len <= self.buffer_max || self.waiting() > 0) {
            self.write_wanted = self.marks.accepted;
            return Err(Refusal::Wait);
        }
        Ok(())
    }

    fn want_roll(&mut self, len: u64) -> Refusal {
        self.look_again();
        self.roll_wanted = self.roll_wanted.max(Some(len));
        Refusal::Wait
    }

    fn reserve(&mut self, len: u64) {
        if self.pending.is_empty() && self.pending.capacity() == 0 {
            self.pending = std::mem::take(&mut self.empty);
        }
        let len = usize::try_from(len).expect("a batch that is in memory fits there twice");
        self.pending.reserve(len);
    }

    fn accepted(&mut self, len: u64, level: Durability) -> Accepted {
        let (lsn, end) = self.advance(len, false);
        let level = level.max(self.level);
        let goal = match level {
            Durability::Buffered => None,
            Durability::Os | Durability::Interval(_) => Some(Goal::Written { lsn, end }),
            Durability::Sync => Some(Goal::Durable { lsn, end }),
        };
        if goal.is_some() {
            self.awaited.push_back((lsn, end));
        }
        if level == Durability::Sync {
            self.arrivals.joined();
        }
        let arms = matches!(level, Durability::Interval(_)) && !self.interval_armed;
        self.interval_armed |= arms;
        Accepted { lsn, end, goal, arms, due: false }
    }

    /// The frame that was just placed counts from now on. A mark that nobody appended, which stands
    /// alone, has no level: it arms no interval, and nobody waits for it.
    pub(super) fn advance(&mut self, len: u64, alone: bool) -> (Lsn, Lsn) {
        let lsn = self.marks.accepted;
        let end = after(lsn, len);
        self.note_start(lsn);
        self.marks.accepted = end;
        // The mark that rode along, if one was due.
        let synced = self.unsynced.synced();
        if synced > self.marked
            && let Some(active) = self.active
        {
            self.unsynced.marked(active.base, end, alone);
            self.marked = synced;
        }
        (lsn, end)
    }
}
