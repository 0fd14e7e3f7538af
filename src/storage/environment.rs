//! Everything a log takes from outside itself: its directory, the time, randomness, threads.
//!
//! Nothing above this floor reads a clock, draws a number or starts a thread by other means, so
//! that a run in a simulated environment is a function of its seed.

use super::{Posix, Storage};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A clock that only says how much time went by.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Time since some fixed moment. Never used for order, only to state durations.
    fn now(&self) -> Duration;
}

/// A source of numbers nobody can guess, for log ids and salts.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `into`.
    ///
    /// # Errors
    /// What the operating system says when it has no randomness to give.
    fn fill(&self, into: &mut [u8]) -> io::Result<()>;
}

/// The machine's monotonic clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the file that owns the clock")]
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The operating system's randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the file that owns randomness")]
    fn fill(&self, into: &mut [u8]) -> io::Result<()> {
        let mut rest = into;
        while !rest.is_empty() {
            match rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty()) {
                Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// What a log is opened in.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The directory.
    pub storage: Arc<dyn Storage>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Whether the log may start its threads (deadlines, idle marks, preparing segments).
    /// Without it those are done when [`Log::tend`](crate::Log::tend) is called, and a segment
    /// that is not prepared in time is prepared by the append that needs it.
    pub threads: bool,
}

impl Environment {
    /// The real machine: `dir` on its disk (made if it is missing), its clock, its randomness,
    /// its threads.
    ///
    /// # Errors
    /// What making or opening the directory says.
    pub fn real(dir: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::around(Arc::new(Posix::create(dir)?)))
    }

    /// As [`real`](Self::real), but the directory must exist and nothing is made.
    ///
    /// # Errors
    /// What opening the directory says.
    pub fn existing(dir: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::around(Arc::new(Posix::open(dir)?)))
    }

    fn around(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(SystemEntropy),
            threads: true,
        }
    }
}
