//! The log in the hands of one thread: calls that return at once, disk work that is taken, done
//! and given back piece by piece, in any order the caller likes.
//!
//! ```text
//!   begin a call --> poll it, and again, until it answers
//!   take work --> do it --> give it back         one piece of each lane out at a time
//! ```
//!
//! For simulators, which have dozens of clients in one thread and must be able to stop between any
//! two steps, and for event loops. The waiting calls of [`Log`] ask the same questions of the same
//! machine; they only wait between them.

use super::action::{Action, Event};
use super::attempts::{try_admit, try_admit_trim, try_reach, try_reach_all};
use super::encoded::Encoded;
use super::handle::Log;
use super::holds::Holder;
use super::machine::{Accepted, Goal, Machine};
use super::options::Durability;
use super::record::Receipt;
use super::retention::Trimmed;
use super::shared::{NOBODY, Shared};
use crate::error::{Error, Result};
use crate::format::tag::Tag;
use crate::position::Lsn;
use std::fmt;
use std::sync::Arc;

pub use super::action::Lane;

/// A log that waits for nothing. While a piece of work is out, no call of [`Log`] that waits may
/// be made by the same thread: it would wait for itself.
///
/// ```
/// # fn main() -> seawall::Result<()> {
/// # let dir = std::env::temp_dir().join(format!("seawall-stepped-{}", std::process::id()));
/// use seawall::log::stepped::{Answer, Lane, Stepped};
/// use seawall::{Durability, Environment, Log, Options};
///
/// let environment = Environment { threads: false, ..Environment::real(&dir).unwrap() };
/// let log = Stepped::new(Log::open_in(environment, Options::new())?);
/// let mut call = log.begin_append(b"one".to_vec(), Durability::Sync);
/// let answer = loop {
///     if let Some(answer) = log.poll(&mut call) {
///         break answer?;
///     }
///     let work = log.take(Lane::Commit).expect("what is asked for can be done");
///     log.give_back(work.perform());
/// };
/// assert!(matches!(answer, Answer::Appended(_)));
/// # log.log().close()?;
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Stepped {
    log: Log,
}

/// A call under way.
#[derive(Debug)]
pub struct Call {
    kind: Kind,
    /// Failures there were when it was first polled: later ones may end it.
    failures: Option<u64>,
    accepted: Option<Accepted>,
    /// What is to be appended, where that is long.
    encoded: Option<Encoded>,
}

#[derive(Debug)]
enum Kind {
    Append {
        record: (Tag, Vec<u8>),
        level: Durability,
    },
    Batch {
        records: Vec<(Tag, Vec<u8>)>,
        level: Durability,
    },
    Sync {
        end: Lsn,
    },
    /// `settled`: the trim point is durable, the files are next.
    Trim {
        before: Lsn,
        removed: (u64, u64),
        held_by: Vec<Holder>,
        settled: bool,
    },
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// An append.
    Appended(Receipt),
    /// A sync: the durable watermark.
    Durable(Lsn),
    /// A trim.
    Trimmed(Trimmed),
}

/// A piece of disk work, taken and not done.
///
/// Dropped, it counts as failed: what waited for it gets an error, of a write or a file the log goes on,
/// of a sync it is poisoned. The log waits for no work that was dropped.
#[must_use = "work that is dropped has failed"]
pub struct Work {
    lane: Lane,
    shared: Arc<Shared>,
    stage: Stage,
}

/// How far a piece of work has come.
enum Stage {
    Taken(Action),
    /// What becomes of it is not known.
    Performing,
    Performed(Event),
    GivenBack,
}

/// A piece of disk work, done and not given back. Dropped, it is given back.
pub struct Done(Work);

impl Work {
    /// Does it; blocks as long as the disk does. Should the storage panic, the log is poisoned.
    #[must_use]
    pub fn perform(mut self) -> Done {
        if let Stage::Taken(action) = std::mem::replace(&mut self.stage, Stage::Performing) {
            self.stage = Stage::Performed(self.shared.performer.perform(action));
        }
        Done(self)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let event = match std::mem::replace(&mut self.stage, Stage::GivenBack) {
            Stage::GivenBack => return,
            Stage::Taken(action) => action.undone(),
            Stage::Performed(event) => event,
            Stage::Performing => return self.shared.lock().lose(self.lane),
        };
        let mut state = self.shared.lock();
        self.shared.take_back(&mut state, event, self.lane);
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Stage::Taken(action) => action.fmt(f),
            Stage::Performed(event) => event.fmt(f),
            Stage::Performing | Stage::GivenBack => self.lane.fmt(f),
        }
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Stepped {
    /// Takes a log by the hand; open it in an [`Environment`](crate::Environment) without threads,
    /// or they do the work first.
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self { log }
    }

    /// The log itself.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Begins [`Log::append_at`].
    #[must_use]
    pub fn begin_append(&self, record: Vec<u8>, durability: Durability) -> Call {
        self.begin_append_tagged(Tag::NONE, record, durability)
    }

    /// Begins [`Log::append_tagged_at`].
    #[must_use]
    pub fn begin_append_tagged(&self, tag: Tag, record: Vec<u8>, durability: Durability) -> Call {
        let record = (tag, record);
        let level = self.log.level(durability);
        let encoded = self.log.encoded_record(&record);
        Call { encoded, ..self.begin(Kind::Append { record, level }) }
    }

    /// Begins [`Log::append_batch_at`].
    #[must_use]
    pub fn begin_batch(&self, records: Vec<Vec<u8>>, durability: Durability) -> Call {
        let records = records.into_iter().map(|record| (Tag::NONE, record)).collect();
        self.begin_batch_tagged(records, durability)
    }

    /// Begins [`Log::append_batch_tagged_at`].
    #[must_use]
    pub fn begin_batch_tagged(&self, records: Vec<(Tag, Vec<u8>)>, durability: Durability) -> Call {
        let level = self.log.level(durability);
        let encoded = self.log.encoded_batch(&records);
        Call { encoded, ..self.begin(Kind::Batch { records, level }) }
    }

    /// Begins [`Log::sync`], of what was accepted up to now.
    #[must_use]
    pub fn begin_sync(&self) -> Call {
        let end = self.log.watermarks().accepted;
        self.begin(Kind::Sync { end })
    }

    /// Begins [`Log::trim`].
    #[must_use]
    pub fn begin_trim(&self, before: Lsn) -> Call {
        let removed = self.log.shared().lock().machine.removed_since_open();
        self.begin(Kind::Trim { before, removed, held_by: Vec::new(), settled: false })
    }

    fn begin(&self, kind: Kind) -> Call {
        Call { kind, failures: None, accepted: None, encoded: None }
    }

    /// What the call came to, once that is settled; do not poll it again then. An append whose
    /// write failed would only get the same answer.
    ///
    /// # Errors
    /// The answer is that of the call it stands for.
    pub fn poll(&self, call: &mut Call) -> Option<Result<Answer>> {
        let shared = self.log.shared();
        let mut state = shared.lock();
        let now = match call.kind {
            Kind::Append { .. } | Kind::Batch { .. } => state.machine.failures(),
            Kind::Sync { .. } | Kind::Trim { .. } => state.machine.grave_failures(),
        };
        let failures = *call.failures.get_or_insert(now);
        if let Kind::Sync { end } = call.kind {
            let goal = Goal::Durable { lsn: NOBODY, end };
            let outcome = try_reach_all(&mut state.machine, goal, failures)?;
            return Some(outcome.map(|()| Answer::Durable(state.machine.watermarks().durable)));
        }
        if call.accepted.is_none() && !matches!(call.kind, Kind::Trim { settled: true, .. }) {
            let machine = &mut state.machine;
            let encoded = &mut call.encoded;
            let mut append = |machine: &mut Machine| match (&call.kind, encoded.as_mut()) {
                (Kind::Append { level, .. } | Kind::Batch { level, .. }, Some(encoded)) => {
                    machine.append_encoded(encoded, *level).map(Some)
                }
                (Kind::Append { record: (tag, bytes), level }, None) => {
                    machine.append((*tag, bytes), *level).map(Some)
                }
                (Kind::Batch { records, .. }, None) if records.is_empty() => {
                    let end = machine.watermarks().accepted;
                    Ok(Some(Accepted { lsn: end, end, goal: None, arms: false, due: false }))
                }
                (Kind::Batch { records, level }, None) => {
                    machine.append_batch(records, *level).map(Some)
                }
                (Kind::Trim { .. } | Kind::Sync { .. }, _) => Ok(None),
            };
            let taken = match call.kind {
                Kind::Trim { before, .. } => try_admit_trim(machine, failures, before),
                _ => try_admit(machine, failures, &mut append)
                    .map(|taken| taken.map(|accepted| (accepted, Vec::new()))),
            }?;
            match taken {
                Ok((accepted, holders)) => {
                    call.accepted = accepted;
                    if let Kind::Trim { held_by, .. } = &mut call.kind {
                        *held_by = holders;
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
        if let Some(accepted) = &mut call.accepted {
            if let (true, Durability::Interval(interval)) =
                (std::mem::take(&mut accepted.arms), shared.options.durability)
            {
                shared.arm(&mut state, interval);
            }
            let goal = match accepted.goal {
                Some(Goal::Durable { lsn, end }) if planted!("ack-before-sync") => {
                    Some(Goal::Written { lsn, end })
                }
                goal => goal,
            };
            if let Some(goal) = goal
                && let Err(error) = try_reach(&mut state.machine, goal)?
            {
                return Some(Err(error));
            }
        }
        if let Kind::Trim { before, removed, held_by, settled } = &mut call.kind {
            if !std::mem::replace(settled, true) {
                call.accepted = None;
                state.machine.retry_removals();
            }
            if state.machine.removal_pending() {
                return None;
            }
            let failed = state.machine.poisoned();
            let failed = failed.or_else(|| state.machine.remove_failure());
            return Some(failed.map_or_else(
                || {
                    let asked = (*before, std::mem::take(held_by));
                    Ok(Answer::Trimmed(Trimmed::now(&state.machine, asked, *removed)))
                },
                Err::<Answer, Error>,
            ));
        }
        call.accepted.map(|Accepted { lsn, end, .. }| Ok(Answer::Appended(Receipt { lsn, end })))
    }

    /// The next piece of work of a lane, if there is one and none of that lane is out.
    #[must_use]
    pub fn take(&self, lane: Lane) -> Option<Work> {
        let shared = self.log.shared();
        let mut state = shared.lock();
        let action = match lane {
            Lane::Commit => state.machine.poll_commit(),
            Lane::Upkeep => state.machine.poll_upkeep(),
        }?;
        Some(Work { lane, shared: Arc::clone(shared), stage: Stage::Taken(action) })
    }

    /// Tells the log what became of a piece of work, as its drop does.
    pub fn give_back(&self, done: Done) {
        drop(done);
    }
}
