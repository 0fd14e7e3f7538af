//! Why a measurement could not go on.

use std::io;

/// What a measurement returns.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a measurement could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The log refused.
    #[error(transparent)]
    Log(#[from] seawall::Error),
    /// The operating system refused something outside the log.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Both sides did not do the same.
    #[error("the measurement of {what} is wrong: {saw} and not {expected}")]
    Differs {
        /// Which workload.
        what: &'static str,
        /// What it did.
        saw: u64,
        /// What it should have done.
        expected: u64,
    },
    /// Somebody asked to stop.
    #[error("the measurement was stopped")]
    Stopped,
}

impl From<rustix::io::Errno> for Failure {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

/// Insists that a side did what it was asked for.
pub(crate) fn same(what: &'static str, saw: u64, expected: u64) -> Result<()> {
    if saw == expected { Ok(()) } else { Err(Failure::Differs { what, saw, expected }) }
}
