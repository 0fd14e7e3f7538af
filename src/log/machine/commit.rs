//! The commit lane: what appends and syncs wait for, one action at a time.
//!
//! ```text
//!   wanted                         next action
//!   begin, after a clean close; a close record may be left of a close that failed
//!                                  EraseCloseRecord
//!   a segment was begun behind a short file that a close record ends   SealShort
//!   unwritten frames, and somebody waits or much is buffered      Write
//!   a sync, all it covers written  Sync
//!   the first record of a log      First; where that fails, the three actions that do the same in turn
//!   a record, and no reserve       MakeReserve
//!   a sync, and segments before this one are not synced            SyncLeft, oldest first
//!   roll: all written and synced   Prepare (unless done), then Begin; also for a trim without room
//!   roll that does not wait        the same with all written, see `unsynced`
//!   close: all written and synced  Write the close mark, WriteCloseRecord, which syncs both; after an
//!                                  unclean end Prepare and Begin first, if there is room; then CutAtClose,
//!                                  if the file is much longer than what it holds
//! ```
//!
//! A sync follows each write that somebody wants durable, in the same action unless somebody else
//! waits for the write alone; meanwhile the next group fills. A sync covers what was written when it
//! was issued, nothing later.

use super::super::action::{
    Action, Event, Finished, Outcome, Preparation, Prepared, Removal, Run, Source, Trouble, Write,
};
use super::super::options::Durability;
use super::super::survey::{Segment, SegmentEnd};
use super::short::WantedSeal;
use super::{
    Active, Closing, Failure, Live, Machine, Next, Origin, Preparing, after, segment_name,
};
use crate::error::{Disturbed, Error};
use crate::format::extension::Extension;
use crate::format::frame_writer::void_batch;
use crate::format::header::{SegmentHeader, VERSION};
use crate::format::layout;
use crate::format::trailer::{Trailer, TrailerKind};
use crate::position::{Lsn, SegmentId};
use crate::storage::WriteFailure;
use std::io;
use std::sync::Arc;

impl Machine {
    /// The next action of the lane, or `None` while one is under way or nothing is wanted.
    pub(crate) fn poll_commit(&mut self) -> Option<Action> {
        if planted!("rotation-races-batch")
            && self.commit_busy
            && let (Some(len), Next::Ready(_), None) = (self.roll_wanted, self.next, self.drawn)
        {
            return self.roll(len);
        }
        let busy = self.commit_busy && !planted!("two-leaders");
        if busy || self.poisoned.is_some() || self.closing == Closing::Closed {
            return None;
        }
        self.look_again();
        let action = self.next_commit();
        self.commit_busy = action.is_some();
        if let Some(Action::Sync { upto, .. }) = action
            && planted!("watermark-at-submission")
        {
            self.unsynced.synced_to(upto);
            self.marks.durable = upto;
        }
        action
    }

    /// Whether anything is wanted that this lane does.
    pub(crate) fn commit_wanted(&self) -> bool {
        self.begin_wanted
            || self.record_is_left()
            || self.room.reserve_wanted
            || self.roll_wanted.is_some()
            || self.trim_wanted.is_some()
            || self.closing != Closing::Open
            || self.write_wanted > self.marks.written
            || self.sync_wanted > self.marks.durable
    }

    fn next_commit(&mut self) -> Option<Action> {
        if let Some(action) = self.first() {
            return Some(action);
        }
        if self.room.reserve_wanted
            && let Some(action) = self.make_reserve()
        {
            return Some(action);
        }
        if self.begin_wanted && !self.begun {
            if let Some(active) = self.active {
                let offset = layout::trailer_offset(active.header.file_len);
                return Some(Action::EraseCloseRecord { segment: active.number, offset });
            }
            self.roll_wanted.get_or_insert(0);
        }
        if self.close_record_left
            && let Some(active) = self.active
        {
            let offset = layout::trailer_offset(active.header.file_len);
            return Some(Action::EraseCloseRecord { segment: active.number, offset });
        }
        if let Some(action) = self.seal_short() {
            return Some(action);
        }
        self.vouch();
        let marks = self.marks;
        let rolls = self.roll_wanted.is_some() || self.trim_wanted.is_some();
        let closes = self.closing != Closing::Open;
        let hurry = rolls || closes;
        let leaves = self.leaves_unsynced();
        let unwritten = marks.accepted > marks.written;
        let write = unwritten
            && (hurry
                || self.write_wanted > marks.written
                || self.sync_wanted > marks.written
                || self.much_is_new());
        // A close mark is synced with the close record.
        let sync = marks.written > self.unsynced.synced()
            && (closes || rolls && !leaves || self.sync_wanted > marks.durable)
            && !matches!(self.closing, Closing::Marked(_));
        if write && !(sync && self.wrote_last) {
            return self.write().map(Action::Write);
        }
        if sync && rolls && planted!("header-before-predecessor-synced") {
            self.unsynced.synced_to(marks.written);
            self.marks.durable = marks.written;
        } else if sync && !self.unsynced.nothing_left() && !self.forgets_what_is_left() {
            return self.sync_left(false);
        } else if sync {
            let segment = self.active.map(|active| active.number)?;
            return Some(Action::Sync { segment, upto: marks.written });
        }
        if let Some(len) = self.roll_wanted
            && self.has_reserve()
            && let Some(action) = self.roll(len)
        {
            return Some(action);
        }
        if let Some(point) = self.trim_wanted {
            return self.roll_for_trim(point);
        }
        if rolls { None } else { self.close_step() }
    }

    /// Whether the segments before the one that is written to are taken for synced.
    fn forgets_what_is_left(&self) -> bool {
        let of_a_close = self.closing != Closing::Open && planted!("close-syncs-its-segment-alone");
        of_a_close || planted!("synced-over-a-segment-that-is-not")
    }

    /// So much waits to be written that it is written without a request. A write that failed is not
    /// made again for its own size: a caller has to ask, or as many bytes are accepted after it.
    fn much_is_new(&self) -> bool {
        let tried = self.tried.max(self.marks.written);
        let tried =
            if planted!("failed-write-tried-for-ever") { self.marks.written } else { tried };
        self.marks.accepted.since(tried).is_some_and(|new| new >= self.write_at)
    }

    pub(super) fn write(&mut self) -> Option<Write> {
        let active = self.active?;
        if planted!("appends-behind-half-written")
            && let Some(run) = self.retry.take()
        {
            self.marks.written = after(run.lsn, run.len);
        }
        if self.own_blocks && self.retry.is_none() {
            self.pad();
        }
        let run = self.retry.take().unwrap_or_else(|| {
            let empty = std::mem::take(&mut self.empty);
            let bytes = std::mem::replace(&mut self.pending, empty);
            let front = std::mem::take(&mut self.front);
            let len = std::mem::take(&mut self.front_len) + bytes.len() as u64;
            let lsn = self.pending_at;
            self.pending_at = after(lsn, len);
            self.group += 1;
            self.arrivals.sealed();
            Run { front, bytes, len, lsn, seed: active.seed, prev: 0 }
        });
        let run = Run { prev: self.chain, ..run };
        self.recent.take(&run);
        self.in_flight = run.len;
        let (segment, offset) = (active.number, active.offset(run.lsn));
        // Where no caller waits for the write alone, none is kept waiting by the sync; and the device is
        // not, while appends of the next group hold the lock.
        let sync_only = self.sync_wanted > run.lsn && self.write_wanted <= run.lsn;
        let sync = (self.level == Durability::Sync || sync_only)
            && self.unsynced.nothing_left()
            && !matches!(self.closing, Closing::Marked(_));
        Some(Write { segment, offset, run, sync })
    }

    fn roll(&mut self, len: u64) -> Option<Action> {
        let needed = layout::file_len_for(len);
        match self.next {
            Next::Preparing => None,
            // Once a header was drawn a part of it may be on disk: it is finished first, whatever
            // the next append needs.
            Next::Ready(prepared) if prepared.file_len >= needed || self.drawn.is_some() => {
                self.begin()
            }
            Next::Named { file_len } if file_len >= needed => {
                Some(self.prepare(Source::Named, file_len, false))
            }
            // What has the name is too short, and may not grow under it (rule F1): a longer one
            // takes its place.
            Next::Ready(_) | Next::Named { .. } => {
                let in_place = planted!("prepared-file-grows-in-place");
                let source = if in_place { Source::Named } else { self.source() };
                Some(self.prepare(source, self.len_for(needed), false))
            }
            Next::Absent
                if self.room.short
                    && self.may_use_reserve()
                    && planted!("reserve-used-for-records") =>
            {
                Some(self.prepare_reserve())
            }
            Next::Absent => {
                let source = self.source();
                Some(self.prepare(source, self.len_for(needed), false))
            }
        }
    }

    /// Writes the header of the segment whose file is ready.
    pub(super) fn begin(&mut self) -> Option<Action> {
        let Next::Ready(prepared) = self.next else { return None };
        let header = self.draw(prepared);
        if let Some(active) = &mut self.active {
            active.ended = true;
        }
        Some(Action::Begin { header })
    }

    /// The header of the next segment, the same ever again until it is durable.
    fn draw(&mut self, prepared: Prepared) -> SegmentHeader {
        let header = self.next_header(prepared);
        *self.drawn.get_or_insert(header)
    }

    pub(super) fn next_header(&self, prepared: Prepared) -> SegmentHeader {
        let Prepared { file_len, salt, home } = prepared;
        let prev_end = self.marks.accepted;
        let base = match (self.active, self.origin) {
            (None, Origin::Unclean { .. }) if !planted!("lsn-reused-after-cut") => {
                after(prev_end, Lsn::JUMP)
            }
            _ => prev_end,
        };
        let number = self.next_number();
        let before = self.live.back().map_or(0, |live| live.segment.number().get());
        let skipped = number.get().saturating_sub(before).saturating_sub(1);
        let unproven = prev_end.since(self.unsynced.synced()).unwrap_or(0);
        let unproven = if planted!("header-always-vouches") { 0 } else { unproven };
        let wanted = self.trim.max(self.trim_wanted.unwrap_or(self.trim));
        // No trim point lies beyond what is accepted. What is stated in a header that a crash may drop is stated
        // before it, too: files are gone on its word.
        let states = unproven == 0 || planted!("trim-in-a-header-that-does-not-vouch");
        let trim = if states { wanted } else { self.trim_durable };
        let in_header = !planted!("trim-not-in-the-header-it-began");
        SegmentHeader {
            version: VERSION,
            log: self.log,
            number,
            base,
            salt,
            file_len,
            prev_end,
            prev_check: if planted!("header-names-no-frame") { 0 } else { self.chain },
            skipped: u32::try_from(skipped).unwrap_or(u32::MAX),
            unproven: u32::try_from(unproven).unwrap_or(u32::MAX),
            trim: if in_header { trim } else { trim.min(self.trim) },
            extension: Extension { home, ..self.extension },
        }
    }

    pub(super) fn next_number(&self) -> SegmentId {
        let last = self.live.back().map(|live| live.segment.number());
        let dropped = self.dropped.last().copied();
        let dropped = dropped.filter(|_| !planted!("dropped-number-used-again"));
        last.max(dropped).map_or(SegmentId::FIRST, SegmentId::next)
    }

    /// Makes the next segment's file ready, in either lane.
    pub(super) fn prepare(&mut self, source: Source, file_len: u64, upkeep: bool) -> Action {
        self.next = Next::Preparing;
        let closing = self.closing != Closing::Open;
        self.preparing = Some(Preparing { upkeep, closing, source, file_len });
        Action::Prepare(self.preparation(source, file_len, upkeep))
    }

    pub(super) fn preparation(&self, source: Source, file_len: u64, upkeep: bool) -> Preparation {
        let left = |active: Active| active.record_limit().since(self.marks.written);
        Preparation {
            number: self.next_number(),
            source,
            file_len,
            // On a full disk another may need what a long one has beyond.
            file_len_max: if self.room.short { file_len } else { self.segment_len },
            written: self.zeros_ahead,
            asked: self.room.short,
            beside: upkeep.then(|| self.active.and_then(left).unwrap_or(0)),
            closing: self.closing != Closing::Open,
        }
    }

    pub(super) fn source(&mut self) -> Source {
        let reused = self.spares.last().copied().filter(|_| planted!("spare-used-twice"));
        match reused.or_else(|| self.spares.pop()) {
            Some(spare) => Source::Spare(spare),
            None => Source::New(self.next_number().get()),
        }
    }

    fn close_step(&mut self) -> Option<Action> {
        match self.closing {
            Closing::Open | Closing::Closed => None,
            Closing::Draining if self.closes_by_beginning() => self.roll_for_close(),
            Closing::Draining => {
                // A run that handed out no LSN writes nothing.
                let Some(end) = self.accept_close_mark() else {
                    self.closing = Closing::Closed;
                    return None;
                };
                self.closing = Closing::Marked(end);
                self.write().map(Action::Write)
            }
            Closing::Marked(end) => {
                assert!(self.marks.written == end, "invariant: the close mark is the last frame");
                let active = self.active?;
                let record = Trailer {
                    kind: TrailerKind::Close,
                    salt: active.header.salt,
                    end,
                    last_check: self.chain,
                };
                let offset = layout::trailer_offset(active.header.file_len);
                Some(Action::WriteCloseRecord { segment: active.number, offset, record })
            }
            Closing::Recorded { file_len, record } => {
                let segment = self.active?.number;
                Some(Action::CutAtClose { segment, file_len, record })
            }
        }
    }

    /// Begins a clean close. Idempotent.
    pub(crate) fn request_close(&mut self) {
        self.look_again();
        if self.closing == Closing::Open {
            self.closing = Closing::Draining;
            self.roll_wanted = None;
            self.trim_wanted = None;
            self.begin_wanted = false;
            self.room.reserve_wanted = false;
        }
        let begins = self.closes_by_beginning();
        if self.closing == Closing::Draining && !self.begun && !self.commit_busy && !begins {
            self.closing = Closing::Closed;
        }
    }

    /// Takes back what an action of either lane became.
    pub(crate) fn on_event(&mut self, event: Event) {
        if let Event::Wrote { run, outcome: Ok(finished), synced: None } = event {
            self.on_written(run, finished);
            return self.look_ahead_of_write();
        }
        self.look_again();
        match event {
            Event::Erased(outcome) => self.on_erased(outcome),
            Event::Wrote { run, outcome, synced } => {
                self.on_wrote(run, outcome);
                if let Some(outcome) = synced {
                    self.on_synced(self.marks.written, outcome);
                }
            }
            Event::Synced { upto, outcome } => self.on_synced(upto, outcome),
            Event::Prepared(outcome) => self.on_prepared(outcome),
            Event::SyncedLeft { upkeep, outcome } => {
                self.on_left_synced(upkeep, outcome);
                self.settle();
            }
            Event::First(outcome) => self.on_first(outcome),
            Event::ReserveMade(outcome) => self.on_reserve_made(outcome),
            Event::Began { header, outcome } => {
                self.commit_busy = false;
                let number = header.number;
                if self.named_outcome("write the header of", number, outcome) {
                    self.on_began(header);
                }
            }
            Event::CloseRecorded(outcome) => {
                self.commit_busy = false;
                let outcome = planted!("failed-sync-of-a-close-forgiven", outcome => {
                    outcome.map_err(|trouble| match trouble {
                        Trouble::SyncFailed(error) | Trouble::Failed(error) => {
                            Trouble::Failed(error)
                        }
                    })
                });
                let written = self.accepted_outcome("write the close record of", outcome);
                self.close_record_left = !written;
                if written {
                    self.unsynced.synced_to(self.marks.written);
                    self.marks.durable = self.marks.written;
                    self.closing = self.cut().unwrap_or(Closing::Closed);
                }
            }
            Event::CutAtClose(outcome) => self.on_cut_at_close(outcome),
            Event::Retired { .. } | Event::WroteBack(_) | Event::Removed { .. } => {
                self.on_upkeep(event);
            }
        }
        self.look_ahead();
    }

    fn on_erased(&mut self, outcome: Outcome) {
        self.commit_busy = false;
        match outcome {
            // Nothing goes to the disk while the record may be there: appends that wait to be
            // written are told, as if their own write had failed.
            Err(Trouble::Failed(error)) if self.record_is_left() => {
                let failure = self.failure("erase the close record of", error);
                self.void_awaited(&failure);
                self.mark_again();
                self.fail(&failure);
            }
            outcome => {
                if self.accepted_outcome("erase the close record of", outcome) {
                    self.begun = true;
                    self.begin_wanted = false;
                    self.close_record_left = false;
                    self.seal_wanted = None;
                }
            }
        }
    }

    /// What went wrong with the active segment.
    fn failure(&self, action: &'static str, error: io::Error) -> Arc<Failure> {
        Arc::new(Failure { action, name: self.active_name(), error: Arc::new(error) })
    }

    fn on_written(&mut self, mut run: Run, finished: Finished) {
        self.commit_busy = false;
        self.in_flight = 0;
        self.marks.written = after(run.lsn, run.len);
        self.chain = finished.last_check;
        if let Some(frames) = self.active.as_mut().and_then(|active| active.frames.as_mut()) {
            *frames += finished.frames;
        }
        while self.awaited.front().is_some_and(|&(lsn, _)| lsn < self.marks.written) {
            self.awaited.pop_front();
        }
        let written = self.starts.partition_point(|start| *start < self.marks.written);
        self.starts.drain(..written);
        run.bytes.clear();
        let kept = usize::try_from(self.buffer_max).unwrap_or(usize::MAX);
        if run.bytes.capacity() <= kept && self.empty.capacity() < run.bytes.capacity() {
            self.empty = run.bytes;
        }
        self.wrote_last = true;
    }

    fn on_wrote(&mut self, run: Run, outcome: Result<Finished, WriteFailure>) {
        match outcome {
            Ok(finished) => self.on_written(run, finished),
            // Nothing was written, and nothing more will be.
            Err(failure) if Disturbed::of(&failure.error).is_some() => {
                self.commit_busy = false;
                self.in_flight = 0;
                self.retry = Some(run);
                self.poison(failure.error);
            }
            Err(failure) => {
                self.commit_busy = false;
                self.in_flight = 0;
                self.unsynced.rewritten_before(after(run.lsn, run.len));
                self.retry = Some(run);
                self.tried = self.marks.accepted;
                let failure = self.failure("write", failure.error);
                if !planted!("void-shown-from-memory") {
                    self.recent.clear();
                }
                self.void_awaited(&failure);
                if !planted!("mark-lost-with-voided-frame") {
                    self.mark_again();
                }
                self.fail(&failure);
            }
        }
    }

    /// A mark may have gone with the frame it rode in: the next one says it again. What the header states
    /// is left.
    fn mark_again(&mut self) {
        let stated = self.active.map_or(self.marked, |active| active.header.durable());
        self.marked = self.marked.min(stated);
        self.unsynced.write_failed();
    }

    /// Rule F7: what failed becomes void at the same place and length, before anything behind it
    /// is written. Appends that returned already (buffered ones) keep their frames: those are
    /// written again.
    fn void_awaited(&mut self, failure: &Arc<Failure>) {
        while let Some((lsn, end)) = self.awaited.pop_front() {
            let place = |start: Lsn, len: usize| {
                usize::try_from(lsn.since(start)?).ok().filter(|&at| at < len)
            };
            let retry = self.retry.as_mut().map(|run| (run.lsn, &mut run.front, &mut run.bytes));
            let pending = (self.pending_at, &mut self.front, &mut self.pending);
            let runs = retry.into_iter().chain([pending]);
            let parts = runs.flat_map(|(lsn, front, last)| {
                front.iter_mut().chain([last]).scan(lsn, |at, bytes| {
                    let begin = *at;
                    *at = after(begin, bytes.len() as u64);
                    Some((begin, bytes))
                })
            });
            for (start, bytes) in parts {
                if let Some(at) = place(start, bytes.len())
                    && let Some(frames) = bytes.get_mut(at..)
                {
                    if !planted!("failed-append-not-voided") {
                        void_batch(frames);
                    }
                    self.failed.add(lsn, end, failure);
                    break;
                }
            }
            self.trims.retain(|&(end, _)| end <= lsn || self.failed.of(lsn).is_none());
        }
    }

    fn on_synced(&mut self, upto: Lsn, outcome: Result<(), io::Error>) {
        self.commit_busy = false;
        self.wrote_last = false;
        match outcome {
            // Another sync failed while this one was under way: nothing is acknowledged any more.
            Ok(()) if self.poisoned.is_some() && !planted!("durable-behind-a-failed-sync") => {}
            Ok(()) => {
                self.arrivals.settled();
                let counted = planted!("accepted-during-sync-counted");
                if counted {
                    self.marks.written = self.marks.accepted;
                }
                self.unsynced.synced_to(if counted { self.marks.accepted } else { upto });
                self.settle();
            }
            Err(cause) => self.poison(cause),
        }
    }

    fn on_prepared(&mut self, outcome: Outcome<Prepared>) {
        let preparing = self.preparing.take().expect("invariant: what is prepared was asked for");
        if preparing.upkeep {
            self.upkeep_busy = false;
        } else {
            self.commit_busy = false;
        }
        match outcome {
            Ok(prepared) => self.next = Next::Ready(prepared),
            Err(trouble) => self.on_preparation_failed(preparing, trouble),
        }
    }

    pub(super) fn on_began(&mut self, header: SegmentHeader) {
        let end = SegmentEnd { lsn: header.prev_end, check: header.prev_check };
        let vouched = header.vouches();
        if let Some(live) = self.live.back_mut() {
            live.segment.closed = Some(end);
            let before = live.segment;
            let retire = self.retirement(&before, end);
            if let (Origin::Short { .. }, false) = (self.origin, self.begun) {
                self.seal_wanted = Some(WantedSeal::over_the_record_of(&before, end));
            } else if vouched {
                self.retire.push_back(retire);
            } else {
                if planted!("shortened-before-it-is-synced") {
                    let early = self.retirement(&before, end);
                    self.retire.push_back(early);
                }
                let synced = self.unsynced.began_unvouched(before.number(), end.lsn, retire);
                self.retire.extend(synced);
            }
        }
        let segment = Segment { header, closed: None, file_len: header.file_len };
        self.live.push_back(Live { segment, pins: 0 });
        self.active = Some(Active::new(header, Some(0)));
        let base = header.base;
        (self.marks.accepted, self.marks.written) = (base, base);
        self.pending_at = base;
        self.written_back = base;
        self.write_wanted = base;
        if vouched {
            self.unsynced.began_vouched(base);
            self.marks.durable = base;
            self.sync_wanted = base;
            // The header states where the predecessor ended: that is a mark.
            self.marked = base;
        } else {
            self.marked = self.marked.max(header.durable());
        }
        self.begun = true;
        self.begin_wanted = false;
        self.roll_wanted = None;
        self.next = Next::Absent;
        self.drawn = None;
        self.on_room_found(header.file_len);
        self.trim = self.trim.max(header.trim);
        self.trim_durable = self.trim_durable.max(header.trim);
        self.trim_wanted = self.trim_wanted.filter(|&point| point > self.trim);
        let dropped = std::mem::take(&mut self.dropped).into_iter();
        self.remove.extend(dropped.map(Removal::of_dropped));
        self.drop_trimmed();
    }

    fn accepted_outcome(&mut self, action: &'static str, outcome: Outcome) -> bool {
        let number = self.active.map_or(SegmentId::FIRST, |active| active.number);
        self.named_outcome(action, number, outcome)
    }

    fn named_outcome(&mut self, action: &'static str, number: SegmentId, outcome: Outcome) -> bool {
        match outcome {
            Ok(()) => true,
            Err(Trouble::Failed(error)) => {
                let (name, error) = (segment_name(number), Arc::new(error));
                self.fail(&Arc::new(Failure { action, name, error }));
                false
            }
            Err(Trouble::SyncFailed(cause)) => {
                self.poison(cause);
                false
            }
        }
    }

    /// What a close that could not finish says.
    pub(crate) fn close_outcome(&self, failures_before: u64) -> Option<Result<(), Error>> {
        if let Some(error) = self.poisoned() {
            return Some(Err(error));
        }
        if self.closing == Closing::Closed {
            return Some(Ok(()));
        }
        (self.grave_failures > failures_before)
            .then(|| Err(self.last_grave_failure().unwrap_or(Error::Closed)))
    }
}

pub(super) fn is_missing(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Failed(error) if error.kind() == io::ErrorKind::NotFound)
}

pub(super) fn is_full(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Failed(error) if crate::error::is_full(error))
}
