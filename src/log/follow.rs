//! Follows an open log: reads on, and waits at the end, as a thread or by a waker.
//!
//! ```text
//!   at the end     nothing is held: no block, no file, no segment
//!   something new  in memory, if it was written or accepted a short time ago (`machine/recent`); else in
//!                  files, by a walk that ends where nothing more is visible
//!   waits          in the audience of its level: a thread in its place of a round, a poll by its waker
//! ```
//!
//! Whether there is something new is looked at, and the place to wait taken, under one lock: what comes
//! between is not missed. Followers ask for nothing to be written, but for what is too long to be copied.

use super::audience::Level;
use super::machine::{Goal, Newest};
use super::options::Durability;
use super::piece::PieceWalk;
use super::record::Record;
use super::rounds::Place;
use super::seat::Seat;
use super::shared::{Guard, NOBODY, Shared};
use super::source::Source;
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::position::Lsn;
use crate::storage::latch;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Records up to this length are copied out of the block they were read in.
const COPIED_MAX: usize = 16 << 10;

/// Reads records as they become visible at one level, for ever: across segments, until the
/// log is closed. Waits without polling, as a thread ([`next`](Self::next)) or without one
/// ([`poll_next`](Self::poll_next)), and can be [cancelled](Self::canceller).
///
/// Memory: one that has read everything holds less than 1 KiB. Those that are near the end read what the log
/// keeps in memory, once for all of them: the newest records, as many bytes as may be
/// [buffered](crate::Options::buffer_max), at most 1 MiB. A record that they keep holds on to about 16 KiB
/// of that. One that catches up from further back has a block of 260 KiB, as a [`LogScan`](crate::LogScan)
/// does.
pub struct Follower {
    shared: Arc<Shared>,
    level: Level,
    /// Everything before is read, or is known to hold nothing.
    at: Lsn,
    /// It began at the log's beginning, wherever that is by now.
    from_first: bool,
    reading: Reading,
    seat: Arc<Seat>,
    /// Where its poll waits.
    place: Option<(Level, Place)>,
}

/// Where the next record comes from.
#[derive(Debug)]
enum Reading {
    Nothing,
    /// In memory, as it was when so many failures were counted.
    Memory(PieceWalk, u64),
    /// In files, up to here.
    Files(Box<Walk<Source>>, Lsn),
}

/// What [`Follower::next_timeout`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Followed {
    /// The next record.
    Record(Record),
    /// The time is over, and there is no record yet. None is lost: the next call goes on here.
    NothingYet,
    /// The log is closed, and everything was read.
    End,
}

/// Ends the waits of one follower, from any thread. Clones are for the same follower.
///
/// ```
/// # fn main() -> seawall::Result<()> {
/// # let dir = std::env::temp_dir().join(format!("seawall-cancel-{}", std::process::id()));
/// use seawall::{Error, Log, Lsn, Options};
///
/// let log = Log::open(&dir, Options::new())?;
/// let mut follower = log.follow(Lsn::FIRST)?;
/// let canceller = follower.canceller();
/// let follows = std::thread::spawn(move || follower.next());
/// canceller.cancel();
/// assert!(matches!(follows.join().expect("no panic"), Err(Error::Cancelled)));
/// # log.close()?;
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Canceller(Arc<Seat>);

impl Canceller {
    /// From now on the follower waits no more: it still shows what is visible, and where it would wait it
    /// returns [`Error::Cancelled`]. A call that waits ends at once.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether somebody did.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Canceller").field(&self.is_cancelled()).finish()
    }
}

/// What a thread that waited is to do.
enum Waited {
    Look,
    /// The log is closed.
    End,
    TimedOut,
}

impl Follower {
    pub(crate) fn new(shared: Arc<Shared>, from: Lsn, level: Durability) -> Result<Self> {
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
        let (level, at) = (Level::of(level), from.max(trim));
        let (reading, seat) = (Reading::Nothing, Arc::new(Seat::new()));
        Ok(Self { shared, level, at, from_first, reading, seat, place: None })
    }

    /// The next record; waits for it. `None` once the log is closed and everything was read.
    ///
    /// Where more than 8 threads follow a log at one level, and wait, they are woken one after the other,
    /// and after each of them had its turn there is a pause of up to 100 ms, so that appends are not kept
    /// waiting: what is appended meanwhile they get together.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Trimmed`] if a trim overtook the follower, [`Error::Poisoned`]
    /// once everything visible was read, [`Error::Closed`] if the log was closed before that and its
    /// files are no longer its own, [`Error::Cancelled`], [`Error::Io`].
    #[expect(clippy::should_implement_trait, reason = "it blocks, which an iterator should not")]
    pub fn next(&mut self) -> Result<Option<Record>> {
        match self.next_before(None)? {
            Followed::Record(record) => Ok(Some(record)),
            Followed::NothingYet | Followed::End => Ok(None),
        }
    }

    /// As [`next`](Self::next), but waits no longer than this.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Followed> {
        // Most of the time there is something, and no reason to look at the clock.
        if let Some(record) = self.try_next()? {
            return Ok(Followed::Record(record));
        }
        let deadline = self.shared.clock.now().saturating_add(timeout);
        self.next_before(Some(deadline))
    }

    fn next_before(&mut self, deadline: Option<Duration>) -> Result<Followed> {
        // Passed on however this ends.
        let mut turn = None;
        loop {
            if let Some(record) = self.try_next()? {
                return Ok(Followed::Record(record));
            }
            let otherwise = match self.wait(&mut turn, deadline)? {
                Waited::Look => continue,
                Waited::End => Followed::End,
                Waited::TimedOut => Followed::NothingYet,
            };
            // It may have come at the last moment.
            let last = self.try_next()?;
            let last = planted!("timeout-drops-a-record", last => None);
            return Ok(last.map_or(otherwise, Followed::Record));
        }
    }

    /// The next record, if there is one now.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.read()? {
                return Ok(Some(record));
            }
            if self.is_known_to_be_at_the_end() {
                return Ok(None);
            }
            let shared = Arc::clone(&self.shared);
            if !self.look(&mut shared.lock()) {
                return Ok(None);
            }
        }
    }

    /// The next record, without waiting: where there is none, `waker` is called once it is worth asking again,
    /// and is as good as forgotten after that. Of several polls the last waker counts. `None` once the log is
    /// closed and everything was read.
    ///
    /// Costs no thread, and no block of memory: thousands of followers may wait on one thread. Where more
    /// than 8 wait by wakers at one level, a thread of the log calls them, all at once, and then not for 9
    /// microseconds for each of them, at most 100 ms.
    ///
    /// ```
    /// # fn main() -> seawall::Result<()> {
    /// # let dir = std::env::temp_dir().join(format!("seawall-poll-{}", std::process::id()));
    /// use seawall::{Durability, Log, Lsn, Options};
    /// use std::future::poll_fn;
    ///
    /// let log = Log::open(&dir, Options::new())?;
    /// let mut follower = log.follow_at(Lsn::FIRST, Durability::Os)?;
    /// let follows = async {
    ///     poll_fn(|context| follower.poll_next(context.waker())).await
    /// };
    /// # drop(follows);
    /// # log.close()?;
    /// # std::fs::remove_dir_all(&dir).ok();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn poll_next(&mut self, waker: &Waker) -> Poll<Result<Option<Record>>> {
        loop {
            match self.try_next() {
                Ok(None) => {}
                found => return Poll::Ready(found),
            }
            // Code of the caller, as its drop is: not under the lock.
            drop(self.seat.put(Some(waker.clone())));
            let shared = Arc::clone(&self.shared);
            let mut state = shared.lock();
            if self.look(&mut state) {
                continue;
            }
            if planted!("follower-enters-after-it-looked") {
                drop(state);
                state = shared.lock();
            }
            let outcome = self.outcome(&state);
            let old = self.withdraw(&mut state);
            if outcome.is_none() {
                let level = self.waits_at(&state);
                let seat = Waker::from(Arc::clone(&self.seat));
                let place = state.audience.enter_poll(level, self.at, seat);
                self.place = Some((level, place));
                self.ask_for_what_is_too_long(&mut state);
            }
            drop(state);
            drop(old);
            return match outcome {
                Some(outcome) => {
                    drop(self.seat.put(None));
                    Poll::Ready(outcome.map(|()| None))
                }
                None => Poll::Pending,
            };
        }
    }

    /// Everything before this LSN was read.
    #[must_use]
    pub fn position(&self) -> Lsn {
        match &self.reading {
            Reading::Files(walk, _) => walk.position(),
            Reading::Memory(..) | Reading::Nothing => self.at,
        }
    }

    /// What has to be true of a record before it is shown.
    #[must_use]
    pub const fn level(&self) -> Durability {
        self.level.durability()
    }

    /// A handle that ends its waits.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.seat))
    }

    /// The next record of what it reads from.
    fn read(&mut self) -> Result<Option<Record>> {
        match &mut self.reading {
            Reading::Nothing => Ok(None),
            Reading::Memory(walk, failures) => {
                // What became void meanwhile is not shown any more.
                let now = self.shared.doors.failures();
                let failed = std::mem::replace(failures, now) != now;
                if failed && self.level == Level::Accepted {
                    walk.end_here();
                    let void = |lsn| self.shared.state.lock().machine.is_failed(lsn);
                    if walk.inside().is_some_and(void) {
                        self.reading = Reading::Nothing;
                        return Ok(None);
                    }
                }
                let record = walk.next(&mut self.at);
                if record.is_none() {
                    self.reading = Reading::Nothing;
                }
                Ok(record)
            }
            Reading::Files(walk, end) => {
                let Some(mut record) = walk.next_record()? else {
                    // Nothing of the block, the file or the segment is held on to.
                    self.at = walk.position().max(*end);
                    self.reading = Reading::Nothing;
                    return Ok(None);
                };
                // Nor by a record that a caller keeps.
                if record.bytes.len() <= COPIED_MAX {
                    record.bytes = Bytes::copy_from_slice(&record.bytes);
                }
                Ok(Some(record))
            }
        }
    }

    /// Whether what was published says that nothing is new. What is only accepted is not published.
    fn is_known_to_be_at_the_end(&self) -> bool {
        let doors = &self.shared.doors;
        match self.sees() {
            Level::Accepted => false,
            Level::Written => doors.written() <= self.at,
            Level::Durable => doors.durable() <= self.at && !planted!("reader-before-bytes"),
        }
    }

    /// Looks for something behind what was read, and begins to read it, if there is something. What was begun
    /// before must have been read.
    fn look(&mut self, state: &mut Guard<'_>) -> bool {
        self.reading = match self.newest(state) {
            Newest::Here { piece, end } => {
                self.from_first = false;
                Reading::Memory(PieceWalk::new(piece, end), state.machine.failures())
            }
            Newest::InFiles { end } => {
                let from_first = std::mem::take(&mut self.from_first);
                let source = Source::new(Arc::clone(&self.shared), end, from_first);
                Reading::Files(Box::new(Walk::new(source, self.at)), end)
            }
            Newest::Nothing | Newest::OnItsWay | Newest::TooLong { .. } => return false,
        };
        true
    }

    fn newest(&self, state: &mut Guard<'_>) -> Newest {
        let visible = state.machine.visible(self.sees().durability());
        state.machine.newest(self.at, visible)
    }

    /// The level it goes by.
    fn sees(&self) -> Level {
        let level = self.level;
        let level = planted!("follower-waits-for-a-write", level => level.max(Level::Written));
        let level =
            planted!("follower-shown-what-is-not-synced", level => level.min(Level::Written));
        let level = planted!("follower-shown-what-is-on-its-way", level => match level {
            Level::Written => Level::Accepted,
            level => level,
        });
        planted!("follower-waits-for-a-sync", level => match level {
            Level::Written => Level::Durable,
            level => level,
        })
    }

    /// What a follower is told in place of a record where nothing is new and it would have to wait; `None`
    /// where it may.
    fn outcome(&self, state: &Guard<'_>) -> Option<Result<()>> {
        if state.machine.is_closed() {
            return Some(Ok(()));
        }
        if let Some(error) = state.machine.poisoned() {
            return Some(Err(error));
        }
        self.seat.is_cancelled().then_some(Err(Error::Cancelled))
    }

    /// What it waits for: mostly that it is shown more; what is on its way has to be written.
    fn waits_at(&self, state: &Guard<'_>) -> Level {
        let accepted = self.level == Level::Accepted;
        if accepted && state.machine.watermarks().accepted > self.at {
            Level::Written
        } else {
            self.level
        }
    }

    fn ask_for_what_is_too_long(&self, state: &mut Guard<'_>) {
        if let Newest::TooLong { end } = self.newest(state) {
            state.machine.request(Goal::Written { lsn: NOBODY, end });
            state.handed_over = true;
            self.shared.wake_threads(state);
        }
    }

    /// Its poll waits no more.
    fn withdraw(&mut self, state: &mut Guard<'_>) -> Option<Waker> {
        let (level, place) = self.place.take()?;
        state.audience.withdraw_poll(level, place)
    }

    /// Waits for more, as a thread. `turn` is this follower's to wake the next one, if it was woken.
    fn wait(&mut self, turn: &mut Option<Turn>, deadline: Option<Duration>) -> Result<Waited> {
        let shared = Arc::clone(&self.shared);
        // No poll of before is called any more.
        drop(self.seat.put(None));
        loop {
            let mut state = shared.lock();
            let old = self.withdraw(&mut state);
            if self.look(&mut state) {
                return Ok(Waited::Look);
            }
            let seat = Arc::clone(&self.seat);
            // Before the flag is looked at: a cancel sets that, and then moves the count.
            let seen = seat.now();
            match self.outcome(&state) {
                None => {}
                Some(Ok(())) => return Ok(Waited::End),
                Some(Err(error)) => return Err(error),
            }
            let seen = planted!("cancel-looked-at-before-the-count", seen => seat.now());
            if let Newest::TooLong { end } = self.newest(&mut state) {
                match shared.reach_all(&mut state, Goal::Written { lsn: NOBODY, end }) {
                    // Closed meanwhile: looked at above.
                    Ok(()) | Err(Error::Closed) => continue,
                    Err(error) => return Err(error),
                }
            }
            let limit = deadline.map(|deadline| deadline.saturating_sub(shared.clock.now()));
            if let Some(turn) = turn.take() {
                turn.leave(&mut state);
            }
            let level = self.waits_at(&state);
            let place = state.audience.enter(level, self.at, Arc::clone(&seat));
            drop(state);
            drop(old);
            let seen = planted!("follower-looks-at-the-count-too-late", seen => seat.now());
            seat.sleep(seen, limit);
            *turn = Some(Turn { shared: Arc::clone(&shared), at: Some((level, place)) });
            let left = deadline.map(|deadline| deadline.saturating_sub(shared.clock.now()));
            // Where the clock stands still, having slept is all there is to go by.
            let stands_still = limit.is_some() && left == limit && seat.now() == seen;
            if stands_still || left.is_some_and(|left| left.is_zero()) {
                if planted!("timed-out-follower-keeps-its-turn") {
                    turn.iter_mut().for_each(|turn| turn.at = None);
                }
                return Ok(Waited::TimedOut);
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if self.place.is_some() && !latch::execution_is_over() {
            let shared = Arc::clone(&self.shared);
            let mut state = shared.lock();
            let old = self.withdraw(&mut state);
            drop(state);
            drop(old);
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("level", &self.level())
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

/// A follower woke up in this place. When it is done with what it was woken for, or unwinds, the next
/// one is woken.
struct Turn {
    shared: Arc<Shared>,
    /// `None` once it was passed on.
    at: Option<(Level, Place)>,
}

impl Turn {
    /// Passes it on; the lock is held.
    fn leave(mut self, state: &mut Guard<'_>) {
        if let Some((level, place)) = self.at.take()
            && !planted!("turn-kept-by-who-sleeps-again")
        {
            self.shared.leave_round(state, level, place);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((level, place)) = self.at.take()
            && !latch::execution_is_over()
        {
            self.shared.leave_round(&mut self.shared.lock(), level, place);
        }
    }
}

const _: fn() = || {
    fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<Canceller>();
    shared_between_threads::<Followed>();
    fn moves<T: Send + Unpin>() {}
    moves::<Follower>();
};
