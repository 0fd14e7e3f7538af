//! Follows an open log: a scan that waits at the end.

use super::machine::Goal;
use super::record::Record;
use super::rounds::Round;
use super::shared::{Guard, NOBODY, Shared};
use super::source::Source;
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::position::Lsn;
use crate::storage::latch;
use bytes::Bytes;
use std::sync::Arc;

/// Records up to this length are copied out of the block they were read in.
const COPIED_MAX: usize = 16 << 10;

/// Reads records as they become visible at the log's level, for ever: across segments, until the
/// log is closed. Waits without polling.
///
/// Memory: one that has read everything holds less than 1 KiB. While it catches up it has a block
/// of 260 KiB, as a [`LogScan`](crate::LogScan) does.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    walk: Walk<Source>,
    /// Everything before is read, or is known to hold nothing.
    looked_to: Lsn,
}

impl Follower {
    pub(crate) fn new(shared: Arc<Shared>, from: Lsn) -> Result<Self> {
        let trim = {
            let state = shared.state.lock();
            state.machine.readable()?;
            state.machine.within(from)?;
            state.machine.first_lsn()
        };
        let from_first = from == Lsn::FIRST;
        if from < trim && !from_first {
            return Err(Error::Trimmed { lsn: from, trim });
        }
        let from = from.max(trim);
        let source = Source::new(Arc::clone(&shared), from, from_first);
        Ok(Self { walk: Walk::new(source, from), looked_to: from, shared })
    }

    /// The next record; waits for it. `None` once the log is closed and everything was read.
    ///
    /// Where more than 8 followers of a log wait they are woken one after the other, and after each of
    /// them had its turn there is a pause of up to 100 ms, so that appends are not kept waiting: what
    /// is appended meanwhile they get together.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Trimmed`] if a trim overtook the follower, [`Error::Poisoned`]
    /// once everything visible was read, [`Error::Closed`] if the log was closed before that and its
    /// files are no longer its own, [`Error::Io`].
    #[expect(clippy::should_implement_trait, reason = "it blocks, which an iterator should not")]
    pub fn next(&mut self) -> Result<Option<Record>> {
        // Passed on however this ends.
        let mut turn = None;
        loop {
            if let Some(record) = self.try_next()? {
                return Ok(Some(record));
            }
            if !self.wait(&mut turn)? {
                return self.try_next();
            }
        }
    }

    /// The next record, if there is one now.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<Record>> {
        if let Some(record) = self.walk.next_record()? {
            return Ok(Some(self.handed_out(record)));
        }
        let end = self.visible();
        if end <= self.looked_to {
            return Ok(None);
        }
        self.looked_to = end;
        self.walk.extents().extend(end);
        let record = self.walk.next_record()?;
        Ok(record.map(|record| self.handed_out(record)))
    }

    /// A record as the caller gets it. Followers wait for long: neither the record that a caller
    /// keeps meanwhile nor the follower itself holds on to the block that was read.
    fn handed_out(&mut self, mut record: Record) -> Record {
        if record.bytes.len() <= COPIED_MAX {
            record.bytes = Bytes::copy_from_slice(&record.bytes);
        }
        if self.walk.position() >= self.looked_to {
            self.walk.rest();
        }
        record
    }

    /// Everything before this LSN was read.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.walk.position()
    }

    /// What may be read: visible, and in a file.
    fn visible(&self) -> Lsn {
        let readable = self.shared.doors.readable();
        planted!("follower-waits-for-a-sync", readable => self.shared.doors.durable())
    }

    /// Waits for more; `false` once there will be none. `turn` is this follower's to wake the next one,
    /// if it was woken.
    fn wait(&self, turn: &mut Option<Turn>) -> Result<bool> {
        loop {
            if self.visible() > self.looked_to {
                return Ok(true);
            }
            let mut state = self.shared.lock();
            let level = self.shared.options.durability;
            if state.machine.readable_to(level) > self.looked_to {
                return Ok(true);
            }
            if state.machine.is_closed() {
                return Ok(false);
            }
            if let Some(error) = state.machine.poisoned() {
                return Err(error);
            }
            // Buffered records are visible before the kernel has them: hand them over.
            let end = state.machine.visible(level);
            if end > self.looked_to {
                let goal = Goal::Written { lsn: NOBODY, end };
                match self.shared.reach_all(&mut state, goal) {
                    // Closed meanwhile: looked at above.
                    Ok(()) | Err(Error::Closed) => continue,
                    Err(error) => return Err(error),
                }
            }
            if let Some(turn) = turn.take() {
                turn.leave(&mut state);
            }
            let round = state.rounds.enter(self.looked_to);
            let (door, doors) = (round.door(), &self.shared.doors);
            let seen = doors.now(door);
            drop(state);
            let seen = planted!("follower-looks-at-the-count-too-late", seen => doors.now(door));
            doors.sleep(door, seen);
            *turn = Some(Turn { shared: Arc::clone(&self.shared), round: Some(round) });
        }
    }
}

/// A follower woke up in this round. When it is done with what it was woken for, or unwinds, the next
/// one is woken.
#[derive(Debug)]
struct Turn {
    shared: Arc<Shared>,
    /// `None` once it was passed on.
    round: Option<Round>,
}

impl Turn {
    /// Passes it on; the lock is held.
    fn leave(mut self, state: &mut Guard<'_>) {
        if let Some(round) = self.round.take()
            && !planted!("turn-kept-by-who-sleeps-again")
        {
            self.shared.leave_round(state, round);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(round) = self.round.take()
            && !latch::execution_is_over()
        {
            self.shared.leave_round(&mut self.shared.lock(), round);
        }
    }
}
