//! The upkeep lane: what can be done beside the appends. Preparing the next segment before it is
//! needed, retiring the one before, removing what was trimmed, early write-back.

use super::super::action::{Action, Event, Lane, Removal, Source, Trouble};
use super::super::survey::{Segment, SegmentEnd};
use super::reserve::Reserve;
use super::{Closing, Machine, Next};
use crate::format::layout;
use crate::format::name::RESERVE;
use crate::format::trailer::{Trailer, TrailerKind};
use crate::position::Lsn;
use std::io;

/// At most so many files are removed by one action: what else the lane has to do comes between,
/// and the directory is synced often enough that the sync of an append, which waits for what the
/// file system has gathered, is a short one.
const REMOVED_AT_ONCE: usize = 256;

impl Machine {
    /// The next action of the lane, or `None` while one is under way or nothing is to be done.
    pub(crate) fn poll_upkeep(&mut self) -> Option<Action> {
        if self.upkeep_busy || self.poisoned.is_some() || self.closing == Closing::Closed {
            return None;
        }
        let action = self.next_upkeep();
        self.upkeep_busy = action.is_some();
        action
    }

    /// Whether a poll would bring an action.
    pub(crate) fn upkeep_due(&self) -> bool {
        !self.upkeep_busy
            && self.poisoned.is_none()
            && self.closing != Closing::Closed
            && (!self.retire.is_empty()
                || !self.remove.is_empty()
                || self.prepare_due()
                || self.left_is_due()
                || self.write_back_due())
    }

    fn next_upkeep(&mut self) -> Option<Action> {
        if let Some(action) = self.retire.pop_front() {
            return Some(action);
        }
        // Between two pieces of a long removal the next segment is prepared, if it is time.
        let others_turn = std::mem::take(&mut self.removed_last) && self.prepare_due();
        if !self.remove.is_empty() && !others_turn {
            (self.removing, self.removed_last) = (true, true);
            return Some(self.remove_files());
        }
        if self.prepare_due() {
            let source = self.source();
            return Some(self.prepare(source, self.room.file_len(), true));
        }
        // Behind the next file: appends wait for that, and for this only once much is not synced.
        if self.left_is_due() {
            return self.sync_left(true);
        }
        let segment = self.active.filter(|_| self.write_back_due())?.number;
        self.written_back = self.marks.written;
        Some(Action::WriteBack { segment })
    }

    /// Where there is no reserve, it is made of the first file that goes and may become one.
    fn remove_files(&mut self) -> Action {
        let count = self.remove.len().min(REMOVED_AT_ONCE);
        let mut files: Vec<_> = self.remove.drain(..count).collect();
        let make_reserve = self.room.reserve == Reserve::Absent && Self::makes_reserve_again();
        if make_reserve {
            self.room.reserve = Reserve::Making;
            if let Some(first) = files.iter_mut().find(|removal| removal.fits_reserve) {
                first.keep_as = Some(RESERVE);
            }
        }
        Action::Remove { files, make_reserve }
    }

    /// A segment is synced before the next begins, at every level. What the kernel starts to write
    /// early does not keep the appends waiting then.
    fn write_back_due(&self) -> bool {
        let unstarted = || self.marks.written.since(self.written_back.max(self.unsynced.synced()));
        self.begun
            && self.closing == Closing::Open
            && self.write_back.is_some_and(|bytes| unstarted().is_some_and(|u| u >= bytes))
    }

    /// Half a segment before it is needed, which is early enough for most. While segments grow, the next
    /// one takes longer than this one: then soon after its first records, and still never for a small log.
    fn prepare_due(&self) -> bool {
        self.prepare_ahead
            && self.begun
            && !self.prepare_failed
            && self.closing == Closing::Open
            && self.next == Next::Absent
            && self.roll_wanted.is_none()
            && self.trim_wanted.is_none()
            && self.room.reserve == Reserve::Ready
            && self.active.is_some_and(|active| {
                let used = self.marks.written.since(active.base).unwrap_or(0);
                let grows = active.header.file_len < self.segment_len && !self.room.short;
                used >= layout::record_room(active.header.file_len) / if grows { 8 } else { 2 }
            })
    }

    /// The interval of an `Interval` log is over: everything accepted so far is to be synced.
    pub(crate) fn interval_over(&mut self) {
        self.interval_armed = false;
        self.sync_wanted = self.sync_wanted.max(self.marks.accepted);
    }

    /// Arms the interval again, if anything is left to sync.
    pub(crate) fn arm_interval(&mut self) -> bool {
        let left = self.poisoned.is_none() && self.marks.durable < self.marks.accepted;
        self.interval_armed |= left;
        left
    }

    /// A closed segment gets its trailer, if this run wrote it, and gives back what it does not
    /// use.
    pub(super) fn retirement(&self, segment: &Segment, end: SegmentEnd) -> Action {
        let used = layout::FRAMES_START + end.lsn.since(segment.base()).unwrap_or(0);
        let sealed = self.active.filter(|active| active.number == segment.number());
        let trailer = sealed.and_then(|active| active.frames).map(|frames| Trailer {
            kind: TrailerKind::Seal { frames },
            salt: segment.header.salt,
            end: end.lsn,
            last_check: end.check,
        });
        let room = if trailer.is_some() { layout::TRAILER_LEN } else { 0 };
        // Not below the shortest segment: when it is trimmed it may have to become the reserve.
        let kept = layout::block_aligned(used + room).max(layout::SEGMENT_LEN_MIN);
        let file_len = kept.min(segment.file_len);
        Action::Retire { segment: segment.number(), file_len, trailer }
    }

    /// Forgets segments that lie wholly below the trim point, which is durable. Never the active
    /// one.
    pub(super) fn drop_trimmed(&mut self) {
        let mut kept =
            self.spares.len() + self.remove.iter().filter(|r| r.keep_as.is_some()).count();
        while self.live.len() > 1
            && self
                .live
                .get(1)
                .is_some_and(|next| next.segment.header.prev_end <= self.trim_durable)
            && let Some(live) = self.live.pop_front()
        {
            let segment = live.segment.number();
            self.forget_seal_of(segment);
            let unread = live.pins == 0 || planted!("recycled-while-read");
            // What the file of the next segment holds in a log that was never trimmed tells whether it was
            // begun. A first segment without frames goes without a trim.
            let unread = unread && self.trim_durable > Lsn::FIRST;
            let reusable = unread && live.segment.header.file_len == self.segment_len;
            let keep = reusable && kept < self.spares_max && !self.is_spare(segment.get());
            kept += usize::from(keep);
            let keep_as = keep.then_some(segment.get());
            let fits_reserve = unread && live.segment.file_len >= layout::SEGMENT_LEN_MIN;
            let span = self.span(&live.segment);
            let dropped = false;
            self.remove.push_back(Removal { segment, span, keep_as, fits_reserve, dropped });
        }
    }

    /// Whether a file has this spare number, or is being made ready under it: a crash may have left
    /// one that was to become the very segment that is trimmed now.
    fn is_spare(&self, number: u64) -> bool {
        let preparing = self.preparing.is_some_and(|preparing| match preparing.source {
            Source::Spare(spare) | Source::New(spare) => spare == number,
            Source::Named | Source::Reserve => false,
        });
        preparing || self.spares.contains(&number)
    }

    /// Whether files wait to be removed, by a machine that still acts: a trim is done when none
    /// does.
    pub(crate) fn removal_pending(&self) -> bool {
        let acts = self.poisoned.is_none() && self.closing != Closing::Closed;
        self.removing || (acts && !self.remove.is_empty())
    }

    /// What the last removal said if it failed, until it is tried again.
    pub(crate) fn remove_failure(&self) -> Option<crate::error::Error> {
        self.remove_failure.as_ref().map(super::Failure::told)
    }

    pub(super) fn on_upkeep(&mut self, event: Event) {
        self.upkeep_busy = false;
        match event {
            Event::Retired { segment, file_len, outcome } => {
                match outcome {
                    Ok(()) => {
                        if let Some(live) = self.live_of(segment) {
                            live.segment.file_len = file_len;
                        }
                    }
                    // A seal is a hint, and length that is not given back is only length.
                    Err(Trouble::Failed(_)) => self.upkeep_failures += 1,
                    Err(Trouble::SyncFailed(cause)) => self.poison(cause),
                }
            }
            Event::WroteBack(outcome) => match outcome {
                // It proves nothing: what was written meanwhile is not in it.
                Ok(()) if planted!("write-back-taken-for-a-sync") => {
                    self.unsynced.synced_to(self.marks.written);
                    self.marks.durable = self.marks.written;
                }
                Ok(()) => {}
                Err(Trouble::Failed(_)) => self.upkeep_failures += 1,
                Err(Trouble::SyncFailed(cause)) => self.poison(cause),
            },
            Event::Removed { done, left, reserve, outcome } => {
                self.removing = false;
                let trimmed = || done.iter().filter(|removal| !removal.dropped);
                self.removed += trimmed().count() as u64;
                self.removed_bytes += trimmed().map(|removal| removal.span.bytes).sum::<u64>();
                let kept = || done.iter().filter_map(|removal| removal.keep_as);
                self.spares.extend(kept().filter(|&spare| spare != RESERVE));
                if let Some(outcome) = reserve {
                    self.on_reserve_recycled(outcome, kept().any(|spare| spare == RESERVE));
                }
                if !done.is_empty() {
                    self.on_room_freed();
                }
                match outcome {
                    Ok(()) => {}
                    Err(Trouble::Failed(error)) => {
                        self.upkeep_failures += 1;
                        self.left_over.extend(left);
                        // Oldest first: none goes before one that is older.
                        self.left_over.extend(self.remove.drain(..));
                        let name = self
                            .left_over
                            .first()
                            .map_or_else(String::new, |r| super::segment_name(r.segment));
                        let error = std::sync::Arc::new(error);
                        self.remove_failure =
                            Some(super::Failure { action: "remove", name, error });
                    }
                    Err(Trouble::SyncFailed(cause)) => self.poison(cause),
                }
            }
            _ => {}
        }
    }

    /// Puts files that could not be removed up for removal again.
    pub(crate) fn retry_removals(&mut self) {
        self.remove_failure = None;
        let mut again = std::mem::take(&mut self.left_over);
        again.extend(self.remove.drain(..));
        again.sort_by_key(|removal| removal.segment);
        let again = planted!("wall-clock-order", again => crate::planted::by_clock(again));
        self.remove = again.into();
    }

    /// The trim point that readers are held to.
    pub(crate) const fn first_lsn(&self) -> Lsn {
        self.trim
    }
}

impl Machine {
    /// Who drove the machine unwinds, perhaps with an action of this lane that it performed: what
    /// became of it is not known, so nothing is done any more.
    pub(crate) fn forsake(&mut self, lane: Option<Lane>) {
        self.look_again();
        match lane {
            Some(Lane::Commit) => self.commit_busy = false,
            Some(Lane::Upkeep) => (self.upkeep_busy, self.removing) = (false, false),
            None => {}
        }
        self.poison(io::Error::other(
            "a thread panicked while it did the log's work: what became of it is not known",
        ));
    }

    /// Nothing happens any more: the handle is gone, or a sync failed.
    pub(crate) fn abandon(&mut self) {
        self.look_again();
        self.closing = Closing::Closed;
    }
}
