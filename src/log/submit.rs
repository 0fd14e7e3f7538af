//! Appends that never wait: a batch is taken at once, or refused with what to wait for.

use super::attempts::try_admit;
use super::encoded::Encoded;
use super::handle::Log;
use super::machine::{Accepted, Machine, Refusal};
use super::options::Durability;
use super::placed::{self, Placed};
use super::record::Receipt;
use super::shared::Shared;
use super::ticket::{Taken, Ticket};
use super::wakers::Place;
use crate::error::{Error, Result};
use crate::format::frame::frame_len;
use crate::format::tag::{Part, Tag};
use crate::position::Lsn;
use crate::storage::latch;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Records that are submitted together, and survive together or not at all. Each may be given in parts,
/// for instance a header and a payload, which become one record. Borrows their bytes.
///
/// ```
/// use seawall::Batch;
///
/// let mut batch = Batch::new();
/// batch.push(b"one record").push_parts(&[b"header, ", b"payload"]);
/// assert_eq!(batch.len(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch<'a> {
    parts: Vec<&'a [u8]>,
    /// Where the parts of each record end, and its tag.
    ends: Vec<(usize, Tag)>,
}

/// A record whose parts are joined.
type Tagged<'a> = (Tag, Cow<'a, [u8]>);

impl<'a> Batch<'a> {
    /// A batch without records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record.
    pub fn push(&mut self, record: &'a [u8]) -> &mut Self {
        self.push_parts(&[record])
    }

    /// Adds a record that is these parts, one behind the other.
    pub fn push_parts(&mut self, parts: &[&'a [u8]]) -> &mut Self {
        self.push_tagged(Tag::NONE, parts)
    }

    /// The same, of a record with a tag. Where the tag changes within a batch a new frame begins, which
    /// counts 28 bytes against [`BATCH_LEN_MAX`](crate::BATCH_LEN_MAX).
    pub fn push_tagged(&mut self, tag: Tag, parts: &[&'a [u8]]) -> &mut Self {
        self.parts.extend_from_slice(parts);
        self.ends.push((self.parts.len(), tag));
        self
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Takes all records out, and keeps the memory.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.ends.clear();
    }

    fn records(&self) -> Vec<Tagged<'a>> {
        let mut from = 0;
        let record = |&(end, tag): &(usize, Tag)| {
            let parts = self.parts.get(from..end).unwrap_or_default();
            from = end;
            match parts {
                [one] => (tag, Cow::Borrowed(*one)),
                parts => (tag, Cow::Owned(parts.concat())),
            }
        };
        self.ends.iter().map(record).collect()
    }
}

impl<'a, R: AsRef<[u8]> + ?Sized> FromIterator<&'a R> for Batch<'a> {
    fn from_iter<I: IntoIterator<Item = &'a R>>(records: I) -> Self {
        let mut batch = Self::new();
        for record in records {
            batch.push(record.as_ref());
        }
        batch
    }
}

/// What is known of the writes that failed: everything up to an LSN. What a program that builds on its
/// earlier appends hands to [`Log::submit`], so that nothing is placed behind a failure that it has not
/// looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Failures(Lsn);

impl Failures {
    /// Whatever failed, it does not matter.
    pub const ANY: Self = Self(Lsn::new(u64::MAX));
}

/// Why a submit took nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no room in the buffer, or the next segment is not ready: both are being made. Wait for it
    /// with [`Log::wait_room`] or [`Log::room`], and submit again.
    #[error("there is no room for {need} bytes yet; wait for it and submit again")]
    Busy {
        /// So many bytes are needed.
        need: u64,
    },
    /// Writes failed that the caller has not seen. Look at what was lost, and submit again with
    /// [`Log::failures`] of now.
    #[error(
        "what was appended from LSN {from} to {to} failed meanwhile; see what it was, and submit again"
    )]
    Stale {
        /// Where the first of them begins.
        from: Lsn,
        /// Where the last of them ends.
        to: Lsn,
    },
    /// It cannot be taken.
    #[error(transparent)]
    Never(#[from] Error),
}

impl Log {
    /// Takes a batch and returns at once, with a ticket that tells what becomes of it. Neither waits nor
    /// performs any I/O: what is submitted is written once somebody waits for the ticket or polls it, or
    /// by a thread of the log about a millisecond later.
    ///
    /// The records are at least as safe as `level` and the log's own level say, once the ticket says
    /// so. One record is a record; more are a batch. The count of failures is compared with `seen`, and
    /// the frames are placed, in one step: no other append comes between. Above
    /// [`Durability::Buffered`] a failed write takes all that was accepted and not written then.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = std::env::temp_dir().join(format!("seawall-submit-{}", std::process::id()));
    /// use seawall::{Batch, Durability, Failures, Log, Options, Refused};
    ///
    /// let log = Log::open(&dir, Options::new())?;
    /// let mut batch = Batch::new();
    /// batch.push(b"debit").push(b"credit");
    /// let ticket = loop {
    ///     match log.submit(&batch, Durability::Sync, Failures::ANY) {
    ///         Ok(ticket) => break ticket,
    ///         Err(Refused::Busy { need }) => log.wait_room(need)?,
    ///         Err(refused) => return Err(refused.into()),
    ///     }
    /// };
    /// // Other work goes on here.
    /// ticket.wait(Durability::Sync)?;
    /// let (lsn, index) = ticket.place(1).expect("there are two");
    /// assert_eq!(log.read_at(lsn, index)?.bytes, "credit");
    /// # log.close()?;
    /// # std::fs::remove_dir_all(&dir).ok();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Refused`]; nothing was taken then.
    pub fn submit(
        &self,
        batch: &Batch<'_>,
        level: Durability,
        seen: Failures,
    ) -> Result<Ticket, Refused> {
        let shared = self.shared();
        let level = self.level(level);
        let records = batch.records();
        let mut encoded = match records.as_slice() {
            [record] => self.encoded_record(record),
            records => self.encoded_batch(records),
        };
        let body_max = shared.options.batch_frame_max;
        let mut state = shared.lock();
        if let Some(error) = state.machine.poisoned() {
            return Err(error.into());
        }
        let stale = state.machine.failed_since(seen.0);
        if let Some(Range { start, end }) = stale.filter(|_| !planted!("stale-submit-accepted")) {
            return Err(Refused::Stale { from: start, to: end });
        }
        let failures = state.machine.failures();
        let accepted = match take(&mut state.machine, &records, encoded.as_mut(), level) {
            Ok(accepted) => accepted,
            Err(Refusal::Never(error)) => return Err(error.into()),
            Err(Refusal::Wait) => {
                state.handed_over = true;
                shared.wake_threads(&mut state);
                return Err(Refused::Busy { need: need(&records, body_max) });
            }
        };
        let Accepted { lsn, end, goal, arms, due } = accepted;
        if let (true, Durability::Interval(interval)) = (arms, shared.options.durability) {
            shared.arm(&mut state, interval);
        }
        if let Some(goal) = goal {
            state.tickets.note(goal, || shared.clock.now());
        } else {
            shared.call_followers(&mut state);
            state.handed_over |= due;
        }
        shared.wake_threads(&mut state);
        drop(state);
        let placed = Placed::new(&records, body_max, Receipt { lsn, end });
        let taken = Taken { placed, level, failures };
        Ok(Ticket::new(Arc::clone(shared), taken))
    }

    /// Waits until a submit of so many bytes would be taken; [`Refused::Busy`] says how many. Another
    /// caller may take the room first.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn wait_room(&self, need: u64) -> Result<()> {
        let shared = self.shared();
        shared.admit(&mut shared.lock(), |machine| machine.room_for(need))
    }

    /// As [`wait_room`](Self::wait_room), as a future, for which a thread of the log makes the room.
    pub fn room(&self, need: u64) -> Room {
        let shared = Arc::clone(self.shared());
        let failures = shared.lock().machine.failures();
        Room { shared, need, failures, place: None }
    }

    /// What there is to know of failed writes now.
    #[must_use]
    pub fn failures(&self) -> Failures {
        Failures(self.shared().lock().machine.failed_end())
    }

    /// What failed since this log was opened: ranges of LSNs, in order, that hold no record. A log that
    /// failed in more than 16,384 places says the oldest of them as one range, which may hold records
    /// that did not fail.
    #[must_use]
    pub fn failed(&self) -> Vec<Range<Lsn>> {
        self.shared().lock().machine.failed_ranges()
    }

    /// Whether the append at this address failed, since this log was opened.
    #[must_use]
    pub fn is_failed(&self, lsn: Lsn) -> bool {
        self.shared().lock().machine.is_failed(lsn)
    }

    /// The durable trim point: a crash takes nothing back of what was trimmed before it.
    #[must_use]
    pub fn first(&self) -> Lsn {
        self.shared().lock().machine.durable_trim_point()
    }

    /// Ranges of LSNs between two segments that name nothing, in order: where a run did not end cleanly,
    /// the next one went on beyond a jump. Those before the first segment that is left are not
    /// known any more.
    #[must_use]
    pub fn gaps(&self) -> Vec<Range<Lsn>> {
        let segments = self.segments();
        let jump = |header: &crate::format::header::SegmentHeader| header.prev_end..header.base;
        segments.iter().map(|segment| jump(&segment.header)).filter(|gap| !gap.is_empty()).collect()
    }
}

fn take(
    machine: &mut Machine,
    records: &[Tagged<'_>],
    encoded: Option<&mut Encoded>,
    level: Durability,
) -> Result<Accepted, Refusal> {
    match (records, encoded) {
        (_, Some(encoded)) => machine.append_encoded(encoded, level),
        ([], None) => {
            machine.room_for(0)?;
            let end = machine.watermarks().accepted;
            Ok(Accepted { lsn: end, end, goal: None, arms: false, due: false })
        }
        ([(tag, record)], None) => machine.append((*tag, record), level),
        (records, None) => machine.append_batch(records, level),
    }
}

/// Bytes that the frames of these records take at most, with a mark in a frame of its own: less would be
/// found while the submit still finds no room.
fn need(records: &[Tagged<'_>], body_max: u64) -> u64 {
    let mark = frame_len(0, true);
    match records {
        [record] => mark + frame_len(record.len(), false),
        _ => mark + placed::frames_len(records, body_max),
    }
}

/// Waits for room without a thread: what [`Log::room`] returns.
#[must_use = "a future does nothing unless it is polled"]
pub struct Room {
    shared: Arc<Shared>,
    need: u64,
    /// Failures there were when it was asked for.
    failures: u64,
    place: Option<Place>,
}

impl Future for Room {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let room = self.get_mut();
        let waker = context.waker().clone();
        let shared = Arc::clone(&room.shared);
        let mut state = shared.lock();
        let mut ask = |machine: &mut Machine| machine.room_for(room.need);
        if let Some(outcome) = try_admit(&mut state.machine, room.failures, &mut ask) {
            drop(state);
            return Poll::Ready(outcome);
        }
        let old = state.tickets.wakers.enter_room(&mut room.place, waker);
        state.handed_over = true;
        shared.wake_threads(&mut state);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(place) = self.place.take()
            && !latch::execution_is_over()
        {
            let old = self.shared.lock().tickets.wakers.withdraw(place);
            drop(old);
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("need", &self.need).finish_non_exhaustive()
    }
}
