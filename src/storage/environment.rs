//! Everything a log takes from outside itself: its directory, the time, randomness, threads.
//!
//! Nothing above this floor reads a clock, draws a number or starts a thread by other means, so
//! that a run in a simulated environment is a function of its seed.

use super::threads::Threads;
use super::{Posix, Storage};
use crate::observer::Observer;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A clock that says how much time went by, and perhaps which time it is.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Time since some fixed moment. Never used for order, only to state durations.
    fn now(&self) -> Duration;

    /// Time since the beginning of 1970 (UTC), or `None` where nobody keeps it, as by default. Set by
    /// people, so it may step back. The log itself never asks; it is for what stands on the log and
    /// keeps records by their age.
    fn wall(&self) -> Option<Duration> {
        None
    }
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

    #[expect(clippy::disallowed_methods, reason = "this is the file that owns the clock")]
    fn wall(&self) -> Option<Duration> {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()
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
///
/// Made by [`real`](Self::real), [`existing`](Self::existing) or [`new`](Self::new), and then changed;
/// more may be added to it, so a program that names every field stops compiling one day.
///
/// ```
/// use seawall::observer::{Observer, SegmentEvent};
/// use seawall::{Environment, Log, Options};
/// use std::sync::Arc;
///
/// #[derive(Debug)]
/// struct Shipper;
///
/// impl Observer for Shipper {
///     fn segment(&self, event: SegmentEvent) {
///         if let SegmentEvent::Sealed(span) = event {
///             println!("segment {} may be copied: {} bytes", span.number, span.bytes);
///         }
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = std::env::temp_dir().join(format!("seawall-around-{}", std::process::id()));
/// let environment = Environment::real(&dir)?.observer(Arc::new(Shipper));
/// let log = Log::open_in(environment, Options::new())?;
/// # log.close()?;
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok(())
/// # }
/// ```
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
    /// Threads that do this in place of its own, if it may have any: see [`Threads`].
    pub shared_threads: Option<Threads>,
    /// Who learns what the log does.
    pub observers: Vec<Arc<dyn Observer>>,
}

impl Environment {
    /// The real machine: `dir` on its disk (made if it is missing), its clock, its randomness,
    /// its threads.
    ///
    /// # Errors
    /// What making or opening the directory says.
    pub fn real(dir: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::new(Arc::new(Posix::create(dir)?)))
    }

    /// As [`real`](Self::real), but the directory must exist and nothing is made.
    ///
    /// # Errors
    /// What opening the directory says.
    pub fn existing(dir: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::new(Arc::new(Posix::open(dir)?)))
    }

    /// This directory, with the machine's clock, randomness and threads.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(SystemEntropy),
            threads: true,
            shared_threads: None,
            observers: Vec::new(),
        }
    }

    /// Sets the directory.
    #[must_use]
    pub fn storage(self, storage: Arc<dyn Storage>) -> Self {
        Self { storage, ..self }
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Sets the randomness.
    #[must_use]
    pub fn entropy(self, entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, ..self }
    }

    /// Sets whether the log may start threads.
    #[must_use]
    pub fn threads(self, threads: bool) -> Self {
        Self { threads, ..self }
    }

    /// Sets threads that the log shares with others.
    #[must_use]
    pub fn shared_threads(self, threads: Threads) -> Self {
        Self { shared_threads: Some(threads), ..self }
    }

    /// Adds an observer to those that there are.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }
}
