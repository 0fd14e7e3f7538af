//! What of the log may go, and who keeps it: holds, trims and their preview.

use super::handle::Log;
use super::holds::Holder;
use super::machine::Machine;
use super::shared::Shared;
use super::survey::Segment;
use crate::error::Result;
use crate::observer::SegmentSpan;
use crate::position::Lsn;
use crate::storage::latch;
use std::fmt;
use std::sync::Arc;

/// The result of a trim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trimmed {
    /// What was asked for.
    pub asked: Lsn,
    /// The trim point. Readers are held to it.
    pub trim: Lsn,
    /// The trim point that a crash leaves at least. It is less than `trim` only where the disk is
    /// full and no file lies wholly before `trim`: then the trim stays in memory until the next
    /// segment, trim or clean close states it.
    pub durable: Lsn,
    /// Segment files that were removed, or kept to be recycled, by this call or others meanwhile.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Where the log now really begins: a segment is kept as long as anything in it is.
    pub first: Lsn,
    /// Who kept the trim from going as far as was asked, by where they hold: the first one is where it
    /// ended.
    pub held_by: Vec<Holder>,
}

impl Trimmed {
    /// `before`: files and bytes that were removed before the call.
    pub(crate) fn now(
        machine: &Machine,
        (asked, held_by): (Lsn, Vec<Holder>),
        before: (u64, u64),
    ) -> Self {
        let (files, bytes) = machine.removed_since_open();
        Self {
            asked,
            trim: machine.trim_point(),
            durable: machine.durable_trim_point(),
            files: files - before.0,
            bytes: bytes - before.1,
            first: machine.first_lsn(),
            held_by,
        }
    }
}

/// What a trim would do: [`Log::preview_trim`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrimPreview {
    /// What was asked about.
    pub asked: Lsn,
    /// The trim point there would be.
    pub trim: Lsn,
    /// The segments that would go, oldest first.
    pub removed: Vec<SegmentSpan>,
    /// Those that would go too if nobody held them.
    pub held: Vec<SegmentSpan>,
    /// Who keeps the trim from going as far as is asked, by where they hold.
    pub held_by: Vec<Holder>,
}

impl TrimPreview {
    /// Bytes of the files that would go. A segment that was closed a moment ago gives back what it does
    /// not use, so the trim itself may find less.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.removed.iter().map(|span| span.bytes).sum()
    }

    /// Bytes of the files that holders keep.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held.iter().map(|span| span.bytes).sum()
    }
}

/// Keeps the log from an LSN on, until it is dropped: what [`Log::hold`] returns.
///
/// In memory, for as long as the log is open. A log that is opened again has no holds: whoever needs
/// its head takes the hold before anybody trims.
#[must_use = "a hold that is dropped holds nothing"]
pub struct Hold {
    shared: Arc<Shared>,
    number: u64,
}

impl Hold {
    /// From here on the log stays.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        let holds = self.shared.state.lock();
        holds.machine.holds().lsn(self.number).unwrap_or(Lsn::FIRST)
    }

    /// Lets go of everything before `to`, of which the next trim may take what no other holds. A hold
    /// never goes back: it stays where it is if that is further on.
    ///
    /// # Errors
    /// [`Error::Beyond`](crate::Error::Beyond) for a point that the log has not reached;
    /// [`Error::Closed`](crate::Error::Closed). The hold stays where it was.
    pub fn advance(&self, to: Lsn) -> Result<()> {
        self.shared.state.lock().machine.advance_hold(self.number, to)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !latch::execution_is_over() {
            self.shared.state.lock().machine.holds_mut().release(self.number);
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Log {
    /// Keeps everything from `lsn` on: no trim goes past it until the hold is dropped or
    /// [advanced](Hold::advance). [`Lsn::FIRST`] means the beginning, wherever it is by now. `name` is for
    /// people, and for [`Trimmed::held_by`]; it need not be the only one of its kind.
    ///
    /// The hold and the trims of other threads meet under one lock. Either the hold comes first, and
    /// the trim ends where it begins; or the trim does, and the hold is refused, also while that trim is
    /// still on its way to the disk. So what a hold was given for is there, and stays.
    ///
    /// ```
    /// # fn main() -> seawall::Result<()> {
    /// # let dir = std::env::temp_dir().join(format!("seawall-hold-{}", std::process::id()));
    /// use seawall::{Log, Lsn, Options};
    ///
    /// let log = Log::open(&dir, Options::new())?;
    /// let one = log.append(b"in the snapshot")?;
    /// let two = log.append(b"not yet in it")?;
    /// let snapshot = log.hold("snapshot", two.lsn)?;
    /// let trimmed = log.trim(two.end)?;
    /// assert_eq!((trimmed.trim, &*trimmed.held_by[0].name), (two.lsn, "snapshot"));
    /// assert_eq!(log.read(two.lsn)?.bytes, "not yet in it");
    /// snapshot.advance(two.end)?;
    /// assert_eq!(log.trim(two.end)?.trim, two.end);
    /// # log.close()?;
    /// # std::fs::remove_dir_all(&dir).ok();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Trimmed`](crate::Error::Trimmed) if a trim has passed `lsn` or is about to;
    /// [`Error::Beyond`](crate::Error::Beyond) for a point that the log has not reached;
    /// [`Error::Closed`](crate::Error::Closed).
    pub fn hold(&self, name: impl Into<String>, lsn: Lsn) -> Result<Hold> {
        let (shared, name) = (Arc::clone(self.shared()), name.into());
        let number = shared.state.lock().machine.hold(name, lsn)?;
        Ok(Hold { shared, number })
    }

    /// Who holds the head of the log, by where they hold.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        self.shared().state.lock().machine.holds().all()
    }

    /// What [`trim`](Self::trim) to `before` would do now. Changes nothing.
    ///
    /// Cost: the segments that would go or are held.
    ///
    /// # Errors
    /// As the trim: [`Error::Beyond`](crate::Error::Beyond);
    /// [`Error::Closed`](crate::Error::Closed); [`Error::Poisoned`](crate::Error::Poisoned),
    /// [`Error::Disturbed`](crate::Error::Disturbed).
    pub fn preview_trim(&self, before: Lsn) -> Result<TrimPreview> {
        let state = self.shared().state.lock();
        let machine = &state.machine;
        machine.may_trim(before)?;
        let trim = machine.held_to(before);
        let spans = |point: Lsn| machine.before(point).map(|live| machine.span(&live.segment));
        let removed: Vec<_> = spans(trim.max(machine.durable_trim_point())).collect();
        let held = spans(before).skip(removed.len()).collect();
        let trim = Lsn::new(trim.get() / Lsn::ALIGN * Lsn::ALIGN).max(machine.trim_point());
        let held_by = machine.holds().before(before);
        Ok(TrimPreview { asked: before, trim, removed, held, held_by })
    }

    /// The segment that holds what is at `lsn`; `None` if it is gone, in the jump between two segments,
    /// or past the end. What is before the trim point is still in a segment that holds anything after it.
    ///
    /// Cost: a binary search.
    #[must_use]
    pub fn segment_of(&self, lsn: Lsn) -> Option<Segment> {
        self.shared().state.lock().machine.segment_of(lsn)
    }
}
