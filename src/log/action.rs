//! What the state machine asks of the disk, and what comes back: its whole vocabulary.
//!
//! An action is performed once, as a whole, in the order of its description; its event is given
//! back to the machine that issued it. Two lanes, at most one action of each under way: *commit*
//! (what appends wait for) and *upkeep* (what can be done beside them).

use crate::format::checksum::FrameSeed;
use crate::format::header::SegmentHeader;
use crate::format::trailer::Trailer;
use crate::observer::SegmentSpan;
use crate::position::{Home, Lsn, Salt, SegmentId};
use crate::storage::WriteFailure;
use std::io;

/// Which of the two kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What appends and syncs wait for.
    Commit,
    /// What can be done beside them: preparing, sealing, shortening, removing files.
    Upkeep,
}

/// Whole frames on their way to the disk.
#[derive(Debug)]
pub(crate) struct Run {
    /// Frames that go before `bytes`, where long ones were made apart.
    pub(crate) front: Vec<Vec<u8>>,
    pub(crate) bytes: Vec<u8>,
    /// Of all of it. The front is let go of once it is written.
    pub(crate) len: u64,
    pub(crate) lsn: Lsn,
    pub(crate) seed: FrameSeed,
    /// Check of the frame before the first.
    pub(crate) prev: u32,
}

impl Run {
    /// The part that begins with its first frame.
    pub(crate) fn first(&self) -> &[u8] {
        self.front.first().unwrap_or(&self.bytes)
    }
}

/// A run on its way to the disk.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) segment: SegmentId,
    pub(crate) offset: u64,
    pub(crate) run: Run,
    pub(crate) sync: bool,
}

/// Where the file of the next segment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It already has the segment's name.
    Named,
    /// A spare waits.
    Spare(u64),
    /// A new file, under this spare number until it is whole.
    New(u64),
    /// The reserve. Only a segment that begins for a trim takes it.
    Reserve,
}

/// How the next segment's file is made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preparation {
    pub(crate) number: SegmentId,
    pub(crate) source: Source,
    pub(crate) file_len: u64,
    /// Whether all of a new file is written with zeros, so that syncing a commit moves data only.
    pub(crate) written: bool,
    /// Whether the room is asked for before anything is written: a disk that was found full may
    /// say no before megabytes of zeros were written in vain.
    pub(crate) asked: bool,
    /// A spare that is longer stays so, up to this.
    pub(crate) file_len_max: u64,
    /// Whether appends go on meanwhile, which it must not keep waiting; so many bytes of them, until the
    /// file is needed.
    pub(crate) beside: Option<u64>,
    /// Whether it is for the record of a close, which gives all others up.
    pub(crate) closing: bool,
}

/// A file that is no longer part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) segment: SegmentId,
    /// What it was.
    pub(crate) span: SegmentSpan,
    /// Kept under this spare number instead of removed.
    pub(crate) keep_as: Option<u64>,
    /// No reader holds it, and it is long enough to become the reserve.
    pub(crate) fits_reserve: bool,
    /// It stood behind a tail that was cut, and not below the trim point.
    pub(crate) dropped: bool,
}

impl Removal {
    /// A file behind a tail that was cut. What it holds was never proven.
    pub(crate) const fn of_dropped(segment: SegmentId) -> Self {
        let span = SegmentSpan::new(segment, Lsn::FIRST, Lsn::FIRST, 0);
        Self { segment, span, keep_as: None, fits_reserve: false, dropped: true }
    }
}

#[derive(Debug)]
pub(crate) enum Action {
    /// Overwrite the close record with zeros, sync.
    EraseCloseRecord { segment: SegmentId, offset: u64 },
    /// Finish the run's checks, write it; sync what is written then, if that is asked for.
    Write(Write),
    /// Sync the segment's data, which is written up to here.
    Sync { segment: SegmentId, upto: Lsn },
    /// Sync the data of a segment that was left before it was synced.
    SyncLeft { segment: SegmentId, upkeep: bool },
    /// Length, zeroed header blocks and first frame block, sync, rename, sync the directory; draw
    /// a salt.
    Prepare(Preparation),
    /// The first segment of a log, which comes after no other: the reserve as by `MakeReserve`, and a new
    /// file with its length, zeros and both copies of the header, for which a salt is drawn; sync each, rename the file, sync the
    /// directory for both.
    First { preparation: Preparation, header: SegmentHeader },
    /// Write the reserve with zeros, in place or anew or in place of the spare of this number; sync
    /// it, sync the directory.
    MakeReserve { from: Option<u64> },
    /// Write both copies of the header, sync.
    Begin { header: SegmentHeader },
    /// Write the close record, sync; this makes the close mark before it durable, too.
    WriteCloseRecord { segment: SegmentId, offset: u64, record: Trailer },
    /// Write the close record where a shorter file will end, sync, and then shorten the file. Not synced: the
    /// log is closed with either length.
    CutAtClose { segment: SegmentId, file_len: u64, record: Trailer },
    /// Write a seal over the close record that ends a short file, sync.
    SealShort { segment: SegmentId, offset: u64, seal: Trailer },
    /// Write the trailer, if one is due, and shorten the file. Not synced.
    Retire { segment: SegmentId, file_len: u64, trailer: Option<Trailer> },
    /// Sync the segment's data through a descriptor of its own: an error is told to every
    /// descriptor once, so this can hide none from the commit lane. It proves nothing to anybody.
    WriteBack { segment: SegmentId },
    /// Remove or keep as spares, oldest first; make the reserve if that is asked for, of the file
    /// that is kept as such, or anew; then sync the directory.
    Remove { files: Vec<Removal>, make_reserve: bool },
}

impl Action {
    /// The outcome of an action that was not performed: it failed, and left no trace on the disk. Of a sync that
    /// is final, as ever.
    pub(crate) fn undone(self) -> Event {
        let error = || io::Error::other("the work was taken from the log and not done");
        let failed = || Err(Trouble::Failed(error()));
        match self {
            Self::EraseCloseRecord { .. } => Event::Erased(failed()),
            Self::Write(Write { run, .. }) => {
                let outcome = Err(WriteFailure { written: 0, error: error() });
                Event::Wrote { run, outcome, synced: None }
            }
            Self::Sync { upto, .. } => Event::Synced { upto, outcome: Err(error()) },
            Self::SyncLeft { upkeep, .. } => Event::SyncedLeft { upkeep, outcome: Err(error()) },
            Self::Prepare(_) => Event::Prepared(Err(Trouble::Failed(error()))),
            Self::First { .. } => Event::First(Err(Trouble::Failed(error()))),
            Self::MakeReserve { .. } => Event::ReserveMade(failed()),
            Self::Begin { header } => Event::Began { header, outcome: failed() },
            Self::WriteCloseRecord { .. } => Event::CloseRecorded(failed()),
            Self::CutAtClose { .. } => Event::CutAtClose(failed()),
            Self::SealShort { .. } => Event::Erased(failed()),
            Self::Retire { segment, file_len, .. } => {
                Event::Retired { segment, file_len, outcome: failed() }
            }
            Self::WriteBack { .. } => Event::WroteBack(failed()),
            Self::Remove { files, make_reserve } => {
                let reserve = make_reserve.then(failed);
                Event::Removed { done: Vec::new(), left: files, reserve, outcome: failed() }
            }
        }
    }
}

/// Why something failed, by what can be made of it.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nothing is promised, and it may be tried again.
    Failed(io::Error),
    /// A sync failed: final.
    SyncFailed(io::Error),
}

pub(crate) type Outcome<T = ()> = Result<T, Trouble>;

/// What a run became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) last_check: u32,
    pub(crate) frames: u64,
}

#[derive(Debug)]
pub(crate) enum Event {
    Erased(Outcome),
    /// `synced`: what the sync behind it said, if there was one.
    Wrote {
        run: Run,
        outcome: Result<Finished, WriteFailure>,
        synced: Option<Result<(), io::Error>>,
    },
    Synced {
        upto: Lsn,
        outcome: Result<(), io::Error>,
    },
    /// Of the oldest segment that was left.
    SyncedLeft {
        upkeep: bool,
        outcome: Result<(), io::Error>,
    },
    Prepared(Outcome<Prepared>),
    /// The first segment began, with this header; the reserve is there.
    First(Outcome<SegmentHeader>),
    ReserveMade(Outcome),
    Began {
        header: SegmentHeader,
        outcome: Outcome,
    },
    CloseRecorded(Outcome),
    CutAtClose(Outcome),
    Retired {
        segment: SegmentId,
        file_len: u64,
        outcome: Outcome,
    },
    WroteBack(Outcome),
    Removed {
        done: Vec<Removal>,
        left: Vec<Removal>,
        /// Whether the reserve was made, where that was asked for.
        reserve: Option<Outcome>,
        outcome: Outcome,
    },
}

/// A file that is ready to become a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) file_len: u64,
    pub(crate) salt: Salt,
    /// Where the file is.
    pub(crate) home: Home,
}
