//! The one error type of the crate: what happened in fields, what to do in the doc.

use crate::format::content::Content;
use crate::format::frame::FrameError;
use crate::format::header::HeaderError;
use crate::position::{LogId, Lsn, SegmentId};
use std::fmt;
use std::io;
use std::sync::Arc;

/// What this crate's calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong with a log. Match on it, or ask [`is_damage`](Self::is_damage),
/// [`is_full`](Self::is_full), [`is_poisoned`](Self::is_poisoned); the text is for people.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something. Nothing was changed by recovery; a later call may
    /// succeed.
    #[error("cannot {action} {name}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        name: String,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The disk or the quota is full. Nothing acknowledged is lost, reading and trimming go on;
    /// make room and append again, without reopening.
    #[error("there is no room left to {action} {name}")]
    Full {
        /// What was tried.
        action: &'static str,
        /// On which file.
        name: String,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A sync failed, now or earlier; what was not yet durable may be lost. Final for this open
    /// log: reopen it, and see what is there.
    #[error("the log stopped when a sync failed; reopen it to go on")]
    Poisoned {
        /// What the failed sync said.
        #[source]
        cause: Arc<io::Error>,
    },
    /// Something outside this log removed, cut or overwrote what is the log's own, while it was open:
    /// a person or a program that deleted files, or another writer that came to the same directory
    /// by another path (another mount of it), where the lock does not reach. Final for this open
    /// log, as a failed sync is: nothing is acknowledged any more, and what was acknowledged may be
    /// gone. End the other writer, then reopen the log and see what is there.
    #[error("the log stopped: {name} {how}")]
    Disturbed {
        /// The file or the directory.
        name: String,
        /// What became of it.
        how: Disturbance,
    },
    /// Another opener writes to this directory.
    #[error("{dir} is locked: another writer has it open")]
    Locked {
        /// The directory.
        dir: String,
    },
    /// Acknowledged bytes cannot be read back. Restore from a copy, or see `repair`; retrying
    /// cannot help.
    #[error(
        "segment {segment} is damaged at byte {offset}: what was acknowledged from LSN {from} \
         to {to} cannot be read back"
    )]
    Damaged {
        /// The segment.
        segment: SegmentId,
        /// Byte in its file.
        offset: u64,
        /// First LSN that is lost.
        from: Lsn,
        /// Where the loss is known to end.
        to: Lsn,
        /// What is wrong there.
        #[source]
        cause: Damage,
    },
    /// A file belongs to another version of the format. Use the program that wrote it.
    #[error("{name} is of another format: {what}")]
    Unknown {
        /// The file.
        name: String,
        /// What is unknown.
        what: String,
    },
    /// Segments of two logs lie in one directory. Move the foreign ones away.
    #[error("{name} belongs to log {found}, the directory to log {expected}")]
    Foreign {
        /// The file.
        name: String,
        /// The log of the directory.
        expected: LogId,
        /// The log the file names.
        found: LogId,
    },
    /// The records of the log mean something else than the opener expects. Open it with the program
    /// whose records they are, or with this content in
    /// [`Options::content`](crate::Options::content); readers need neither. Nothing was changed.
    #[error(
        "this log holds {found}, not {expected}: only the program they belong to may change it"
    )]
    Content {
        /// What the opener expects.
        expected: Content,
        /// What the headers of the log state.
        found: Content,
    },
    /// The tail was cut where bytes stood, and
    /// [`refuse_ambiguous_tail`](crate::Options::refuse_ambiguous_tail) is set. Nothing was
    /// changed.
    #[error("the tail of segment {segment} at LSN {end} is torn or damaged, nothing tells which")]
    AmbiguousTail {
        /// The segment.
        segment: SegmentId,
        /// Where the valid frames end.
        end: Lsn,
    },
    /// The record or batch is larger than the format holds. Nothing was written.
    #[error("{len} bytes are too many: a {what} holds at most {max}")]
    TooLarge {
        /// Record or batch.
        what: &'static str,
        /// Bytes that were given.
        len: u64,
        /// Bytes that are allowed.
        max: u64,
    },
    /// `try_append` would have had to wait for room in the buffer or for the next segment.
    #[error("the log is busy: an append would have to wait")]
    Busy,
    /// A follower would have to wait, and was [cancelled](crate::Canceller).
    #[error("the follower was cancelled")]
    Cancelled,
    /// The log was closed. Of a reader that was under way: and its files may be another's by now.
    #[error("the log is closed")]
    Closed,
    /// The addresses of the log are used up. No log that was only appended to lives to see this;
    /// start a new one.
    #[error("the addresses of the log are used up at {end}")]
    Exhausted {
        /// Where the log ends.
        end: Lsn,
    },
    /// What was asked for was trimmed.
    #[error("LSN {lsn} was trimmed: the log begins at {trim}")]
    Trimmed {
        /// What was asked for.
        lsn: Lsn,
        /// The trim point.
        trim: Lsn,
    },
    /// Nothing was appended there: not the LSN of a frame with records.
    #[error("no record has LSN {lsn}")]
    NoRecord {
        /// What was asked for.
        lsn: Lsn,
    },
    /// A frame with records begins there, and has none at this index. Of a batch in several frames,
    /// each has its own LSN and indices of its own, from 0.
    #[error("the frame at LSN {lsn} has {records} records, none of them at index {index}")]
    NoIndex {
        /// The frame.
        lsn: Lsn,
        /// What was asked for.
        index: u32,
        /// How many records it has.
        records: u32,
    },
    /// The LSN lies beyond the end of the log.
    #[error("LSN {lsn} is beyond the end of the log at {end}")]
    Beyond {
        /// What was asked for.
        lsn: Lsn,
        /// The end.
        end: Lsn,
    },
    /// A reader without the lock had read on where the log then ended differently.
    #[error("what was read before LSN {lsn} is no longer part of the log, which ended at {end}")]
    Diverged {
        /// Where the reader stood.
        lsn: Lsn,
        /// Where the successor says the segment ended.
        end: Lsn,
    },
    /// A repair cannot say with a gap what is gone here. Restore the file from a copy. Nothing was
    /// changed.
    #[error("{name} cannot be repaired: {why}")]
    Unrepairable {
        /// The file.
        name: String,
        /// What stands in the way.
        why: &'static str,
    },
    /// There is no log, and [`must_exist`](crate::Options::must_exist) is set. Mount what is not
    /// mounted, or name the right directory. Nothing was made or changed.
    #[error("there is no log in {dir}")]
    NoLog {
        /// The directory, which may be missing itself.
        dir: String,
    },
    /// A copy was to go where something is already. Name another directory, or an empty one.
    /// Nothing was changed.
    #[error("{dir} is not empty: a copy goes into a directory of its own")]
    NotEmpty {
        /// The directory.
        dir: String,
    },
    /// An option has a value it cannot have.
    #[error("the option {option} cannot be {value}: {rule}")]
    Option {
        /// Its name.
        option: &'static str,
        /// The value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
}

/// What is wrong where acknowledged bytes cannot be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A frame does not verify.
    #[error("a frame does not verify")]
    Frame(#[from] FrameError),
    /// Neither copy of a header verifies.
    #[error("neither copy of the header verifies")]
    Header(#[from] HeaderError),
    /// A batch lacks its end.
    #[error("a batch lacks its end")]
    Batch,
    /// The bytes end too early.
    #[error("the file has {found} bytes, {expected} were written")]
    Short {
        /// Bytes that were written.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The frames do not end where the next segment says, or not with that check.
    #[error("the frames end otherwise than the next segment says")]
    End,
    /// The header contradicts the segment before it.
    #[error("the header contradicts the segment before it")]
    Discontinuous,
    /// A segment is gone.
    #[error("the segment is missing")]
    Missing,
    /// A repair found the records gone and said so with a gap frame.
    #[error("a repair left a gap here")]
    Gap,
}

/// What became of a file or directory of an open log, by somebody else's hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disturbance {
    /// It was removed, or another has its name: what is written to it has no name any more.
    Removed,
    /// It is shorter than this log made it.
    Shortened,
    /// It holds other bytes than this log wrote, or is there although this log did not make it.
    Overwritten,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "was removed or replaced while the log had it open",
            Self::Shortened => "was cut short while the log had it open",
            Self::Overwritten => {
                "holds what this log did not write: another writer has the directory by another \
                 path, or a program or the disk changed the file"
            }
        })
    }
}

/// The same on its way through an [`io::Error`], as every cause for which a log stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {how}")]
pub(crate) struct Disturbed {
    pub(crate) name: String,
    pub(crate) how: Disturbance,
}

impl Disturbed {
    /// What is in `error`, if it is one.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Disturbed> for io::Error {
    fn from(disturbed: Disturbed) -> Self {
        Self::other(disturbed)
    }
}

impl Error {
    /// Whether acknowledged data cannot be read back.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether the disk or the quota is full.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether the log stopped for good, at a failed sync or because it was
    /// [`Disturbed`](Self::Disturbed).
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        matches!(self, Self::Poisoned { .. } | Self::Disturbed { .. })
    }

    /// Why a log stopped.
    pub(crate) fn stopped(cause: &Arc<io::Error>) -> Self {
        match Disturbed::of(cause) {
            Some(Disturbed { name, how }) => Self::Disturbed { name: name.clone(), how: *how },
            None => Self::Poisoned { cause: Arc::clone(cause) },
        }
    }

    pub(crate) fn io(action: &'static str, name: impl Into<String>, source: io::Error) -> Self {
        Self::shared_io(action, name, Arc::new(source))
    }

    pub(crate) fn shared_io(
        action: &'static str,
        name: impl Into<String>,
        source: Arc<io::Error>,
    ) -> Self {
        let name = name.into();
        if is_full(&source) {
            Self::Full { action, name, source }
        } else {
            Self::Io { action, name, source }
        }
    }
}

/// Whether the operating system says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
