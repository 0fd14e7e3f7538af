//! Follows an open log: a scan that waits at the end.

#[cfg(seawall_planted)]
use super::options::Durability;
use super::record::Record;
use super::shared::Shared;
use super::source::Source;
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::position::Lsn;
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
    /// # Errors
    /// [`Error::Damaged`], [`Error::Trimmed`] if a trim overtook the follower, [`Error::Poisoned`]
    /// once everything visible was read, [`Error::Closed`] if the log was closed before that and its
    /// files are no longer its own, [`Error::Io`].
    #[expect(clippy::should_implement_trait, reason = "it blocks, which an iterator should not")]
    pub fn next(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.try_next()? {
                return Ok(Some(record));
            }
            if !self.wait()? {
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
        let state = self.shared.state.lock();
        let level = self.shared.options.durability;
        let level = planted!("follower-waits-for-a-sync", level => Durability::Sync);
        state.machine.visible(level).min(state.machine.watermarks().written)
    }

    /// Waits for more; `false` once there will be none.
    fn wait(&mut self) -> Result<bool> {
        let mut state = self.shared.lock();
        let level = self.shared.options.durability;
        state.watchers += 1;
        let outcome = loop {
            let visible = state.machine.visible(level);
            if visible.min(state.machine.watermarks().written) > self.looked_to {
                break Ok(true);
            }
            if state.machine.is_closed() {
                break Ok(false);
            }
            if let Some(error) = state.machine.poisoned() {
                break Err(error);
            }
            // Buffered records are visible before the kernel has them: hand them over.
            if visible > state.machine.watermarks().written {
                let end = visible;
                let goal = super::machine::Goal::Written { lsn: super::shared::NOBODY, end };
                match self.shared.reach_all(&mut state, goal) {
                    // Closed meanwhile: looked at above.
                    Ok(()) | Err(Error::Closed) => continue,
                    Err(error) => break Err(error),
                }
            }
            state.wait(&self.shared.progress);
        };
        state.watchers -= 1;
        outcome
    }
}
