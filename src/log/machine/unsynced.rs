//! Segments that are full before they are synced, at levels that do not wait for the disk.
//!
//! ```text
//!   the next segment begins   where less than the option is accepted and not synced, and no caller waits for a
//!                             sync: its header does not vouch for the end of the one before
//!   the one before            is synced beside the appends, or at once where somebody waits; it is sealed
//!                             and shortened only then
//!   synced                    moves over whole segments in order, and never past one that is not
//!   durable                   what is reported to callers: follows `synced` once the segment that is written to
//!                             has a mark, synced with it, that everything before it was durable; or a
//!                             header that vouches
//! ```
//!
//! Without that mark a segment of which acknowledged records are gone could not be distinguished from one that a
//! crash cut short: a crash drops what follows it, a header that does not vouch with it.

use super::super::action::Action;
use super::super::options::Durability;
use super::{Closing, Machine, Next};
use crate::format::frame::{FrameKind, frame_len};
use crate::format::frame_writer::{FrameSpec, place_frame};
use crate::format::layout;
use crate::position::{Lsn, SegmentId};
use std::collections::VecDeque;
use std::io;

/// A segment that was left before it was synced.
#[derive(Debug)]
struct Left {
    number: SegmentId,
    /// Where its frames end.
    end: Lsn,
    /// Seals and shortens it, once it is synced.
    retire: Action,
}

/// How far the segments are synced.
#[derive(Debug)]
pub(super) struct Unsynced {
    /// Oldest first; the segment that is written to is behind them.
    left: VecDeque<Left>,
    /// A lane syncs the oldest of them.
    syncing: bool,
    /// No more bytes than these are accepted and not synced behind a rotation that does not wait.
    max: u64,
    /// Everything before this is synced.
    synced: Lsn,
    /// How far a write may have failed whose bytes are on the disk all the same: others were written over them.
    rewritten: Lsn,
    /// The header of the segment that is written to vouches, or a synced mark in it does.
    vouched: bool,
    /// Where the frame ends whose mark will do.
    vouched_by: Option<Vouching>,
}

/// A frame whose mark states what the header did not.
#[derive(Clone, Copy, Debug)]
struct Vouching {
    end: Lsn,
    /// It holds no record, and so stays where a write fails.
    alone: bool,
}

impl Unsynced {
    /// Everything before `end` is synced.
    pub(super) const fn new(end: Lsn, max: u64) -> Self {
        let left = VecDeque::new();
        let rewritten = Lsn::FIRST;
        Self { left, syncing: false, max, synced: end, rewritten, vouched: true, vouched_by: None }
    }

    pub(super) const fn synced(&self) -> Lsn {
        self.synced
    }

    pub(super) fn nothing_left(&self) -> bool {
        self.left.is_empty()
    }

    /// Whether what is synced may be called durable.
    pub(super) fn is_settled(&self) -> bool {
        self.left.is_empty() && self.vouched
    }

    /// A segment begins behind everything that is synced.
    pub(super) fn began_vouched(&mut self, base: Lsn) {
        (self.synced, self.vouched, self.vouched_by) = (base, true, None);
    }

    /// A segment begins whose header does not vouch for the one before. Whether that one is synced all the
    /// same: where the write of a header fails, it is written once more as it was, and the segment may have
    /// been synced meanwhile. Left is what is still to be synced, since who waits for a sync of all that is
    /// written asks for none where there is nothing to sync.
    pub(super) fn began_unvouched(
        &mut self,
        number: SegmentId,
        end: Lsn,
        retire: Action,
    ) -> Option<Action> {
        let vouched = planted!("acknowledged-before-a-mark-vouches");
        (self.vouched, self.vouched_by) = (vouched, None);
        if end <= self.synced {
            return Some(retire);
        }
        self.left.push_back(Left { number, end, retire });
        None
    }

    /// A mark that everything synced is durable was placed in a frame that ends here.
    pub(super) fn marked(&mut self, base: Lsn, end: Lsn, alone: bool) {
        if !self.vouched && self.synced >= base {
            self.vouched_by.get_or_insert(Vouching { end, alone });
        }
    }

    /// A write failed that ends here, and what comes in its place may be something else. A crash may bring the
    /// first back for as long as the second is not synced.
    pub(super) fn rewritten_before(&mut self, end: Lsn) {
        self.rewritten = self.rewritten.max(end);
    }

    /// Whether nothing but what was written last can be on the disk.
    fn is_written_once(&self) -> bool {
        self.rewritten <= self.synced || planted!("rewritten-and-left")
    }

    /// A write failed: frames with records may have become void.
    pub(super) fn write_failed(&mut self) {
        self.vouched_by = self.vouched_by.filter(|vouching| vouching.alone);
    }

    /// Everything before `upto` in the segment that is written to is synced.
    pub(super) fn synced_to(&mut self, upto: Lsn) {
        self.synced = self.synced.max(upto);
        self.vouched |= self.vouched_by.is_some_and(|vouching| vouching.end <= self.synced);
    }
}

impl Machine {
    /// Whether what is synced is durable.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsynced.is_settled()
    }

    /// Whether the next segment begins although this one is not synced. Not while it holds a trim frame that no
    /// later header states, since a recovery that has no need to walk the segment does not find it; nor while
    /// its last frame may be another than the next header names.
    pub(super) fn leaves_unsynced(&self) -> bool {
        let next = match self.next {
            Next::Named { file_len } => file_len,
            Next::Ready(prepared) => prepared.file_len,
            Next::Absent | Next::Preparing => self.room.file_len(),
        };
        let next = next.max(layout::file_len_for(self.roll_wanted.unwrap_or(0)));
        let accepted = self.marks.accepted.since(self.unsynced.synced).unwrap_or(u64::MAX);
        self.level != Durability::Sync
            && self.begun
            && self.active.is_some()
            && self.closing == Closing::Open
            && (self.trim_wanted.is_none() || planted!("trim-in-a-header-that-does-not-vouch"))
            && (self.roll_wanted.is_some() || self.trim_wanted.is_some())
            && self.sync_wanted <= self.marks.durable
            && (self.trims.is_empty() || planted!("trim-frame-left"))
            && self.unsynced.is_written_once()
            && accepted.saturating_add(next) <= self.unsynced.max
    }

    /// Whether a segment waits to be synced that no lane syncs.
    pub(super) fn left_is_due(&self) -> bool {
        let closes = self.closing != Closing::Open;
        let forgotten = planted!("close-syncs-its-segment-alone") && closes;
        !self.unsynced.syncing && !self.unsynced.nothing_left() && !forgotten
    }

    /// Syncs the oldest segment that was left. `None` while the other lane does.
    pub(super) fn sync_left(&mut self, upkeep: bool) -> Option<Action> {
        if self.unsynced.syncing {
            return None;
        }
        let segment = self.unsynced.left.front()?.number;
        self.unsynced.syncing = true;
        Some(Action::SyncLeft { segment, upkeep })
    }

    pub(super) fn on_left_synced(&mut self, upkeep: bool, outcome: Result<(), io::Error>) {
        match upkeep {
            true => self.upkeep_busy = false,
            false => self.commit_busy = false,
        }
        self.unsynced.syncing = false;
        match outcome {
            Err(cause) => self.poison(cause),
            // Another sync failed meanwhile: nothing counts any more.
            Ok(()) if self.poisoned.is_some() => {}
            Ok(()) => {
                let all = planted!("left-counted-with-the-one-before");
                while let Some(left) = self.unsynced.left.pop_front() {
                    self.unsynced.synced = self.unsynced.synced.max(left.end);
                    self.retire.push_back(left.retire);
                    if !all {
                        break;
                    }
                }
            }
        }
    }

    /// A caller waits for a sync, and what is synced cannot be called durable before a mark says so in
    /// the segment that is written to.
    pub(super) fn vouch(&mut self) {
        let Some(active) = self.active else { return };
        let due = self.begun
            && self.closing == Closing::Open
            && self.sync_wanted > self.marks.durable
            && !self.unsynced.vouched
            && self.unsynced.synced >= active.base;
        if !due {
            return;
        }
        if let Some(vouching) = self.unsynced.vouched_by {
            // No other caller may want its frame synced.
            self.sync_wanted = self.sync_wanted.max(vouching.end);
            return;
        }
        let len = frame_len(0, true);
        if active.ended || !self.has_room_for_mark(active) {
            // The header of the next segment vouches, or a mark in it does.
            self.roll_wanted.get_or_insert(0);
            return;
        }
        let mark = Some(self.unsynced.synced);
        place_frame(&mut self.pending, FrameSpec::of(FrameKind::IdleMark).marking(mark), &[]);
        let (_, end) = self.advance(len, true);
        self.sync_wanted = self.sync_wanted.max(end);
        self.look_again();
    }

    /// What is synced is durable, where a mark or a header says so of everything before.
    pub(super) fn settle(&mut self) {
        let ahead = planted!("synced-over-a-segment-that-is-not") && self.unsynced.vouched;
        if !self.unsynced.is_settled() && !ahead {
            return;
        }
        self.marks.durable = self.marks.durable.max(self.unsynced.synced);
        while let Some(&(end, point)) = self.trims.front()
            && end <= self.marks.durable
        {
            self.trims.pop_front();
            self.trim = self.trim.max(point);
            self.trim_durable = self.trim_durable.max(point);
        }
        self.drop_trimmed();
    }
}
