//! What a log must do to be compared: one small trait. Knows no peer and no workload.

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt;
use std::path::Path;

/// What an append promises once it has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// The record is in a buffer of the process, which a kill takes with it.
    Buffered,
    /// The kernel has it: it survives a kill of the process, not a power cut.
    Os,
    /// It is on stable storage.
    Durable,
}

impl Promise {
    /// All, weakest first.
    pub const ALL: [Self; 3] = [Self::Buffered, Self::Os, Self::Durable];
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Buffered => "buffered",
            Self::Os => "os",
            Self::Durable => "durable",
        })
    }
}

/// Whether a peer can do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Can {
    /// It can, in this way.
    Yes(&'static str),
    /// It cannot do as little: it does this, which is more, and is compared with it.
    More(&'static str),
    /// It cannot, for this reason, and is not compared.
    No(&'static str),
}

impl Can {
    /// Why not.
    #[must_use]
    pub const fn lack(self) -> Option<&'static str> {
        match self {
            Self::No(reason) => Some(reason),
            Self::Yes(_) | Self::More(_) => None,
        }
    }

    /// What is done, or why nothing is.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Yes(words) | Self::More(words) | Self::No(words) => words,
        }
    }
}

/// All that a peer can and cannot do.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// Appends at [`Promise::Buffered`].
    pub buffered: Can,
    /// Appends at [`Promise::Os`].
    pub os: Can,
    /// Appends at [`Promise::Durable`].
    pub durable: Can,
    /// Batches, of one write each, at [`Promise::Os`].
    pub batch_os: Can,
    /// Batches at [`Promise::Durable`].
    pub batch_durable: Can,
    /// Reading all records in order.
    pub scan: Can,
    /// Reading one record by its address.
    pub read: Can,
}

impl Abilities {
    /// Appends, one by one, at a promise.
    #[must_use]
    pub const fn append(&self, promise: Promise) -> Can {
        match promise {
            Promise::Buffered => self.buffered,
            Promise::Os => self.os,
            Promise::Durable => self.durable,
        }
    }

    /// The weakest promise at which it appends: to fill a log that is to be read.
    #[must_use]
    pub fn weakest(&self) -> Option<Promise> {
        Promise::ALL.into_iter().find(|&promise| self.append(promise).lack().is_none())
    }
}

/// Where a record is found again, also after a restart. What the numbers mean is the peer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address(pub u64, pub u64);

/// What went wrong, in the peer's words.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What a peer answers.
pub type Outcome<T> = Result<T, Failure>;

/// A log, or a store that is used as one, in its best configuration for the promise.
pub trait Peer: Sized + Send + Sync + 'static {
    /// Its name in tables and on the command line.
    const NAME: &'static str;

    /// The version that is compared.
    const VERSION: &'static str;

    /// What one should know beside the figures.
    const NOTE: &'static str;

    /// What it can do.
    fn abilities() -> Abilities;

    /// Opens the log in `dir`, which exists, or makes one there.
    ///
    /// # Errors
    /// The peer's.
    fn open(dir: &Path, promise: Promise) -> Outcome<Self>;

    /// As [`open`](Self::open), for a log that is filled and then read at random, where other options
    /// are better for that.
    ///
    /// # Errors
    /// The peer's.
    fn open_for_random_reads(dir: &Path, promise: Promise) -> Outcome<Self> {
        Self::open(dir, promise)
    }

    /// Appends a record at the promise of [`open`](Self::open). No two threads give the same
    /// number at the same time, and numbers are small.
    ///
    /// # Errors
    /// The peer's.
    fn append(&self, thread: usize, record: &[u8]) -> Outcome<Address>;

    /// Appends records by one call. Only one thread does.
    ///
    /// # Errors
    /// The peer's, or that it cannot.
    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()>;

    /// Shows every record, in order.
    ///
    /// # Errors
    /// The peer's, or that it cannot.
    fn scan(&self, each: impl FnMut(&[u8])) -> Outcome<()>;

    /// Shows the record at this address.
    ///
    /// # Errors
    /// The peer's, or that it cannot.
    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()>;

    /// Ends well, with everything on disk as far as the peer does that.
    ///
    /// # Errors
    /// The peer's.
    fn close(self) -> Outcome<()>;
}

/// What a call answers that the peer's [`Abilities`] exclude.
///
/// # Errors
/// Always.
pub fn cannot<T>(can: Can) -> Outcome<T> {
    Err(can.words().into())
}
