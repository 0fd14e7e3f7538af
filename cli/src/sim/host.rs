//! The real machine around the simulation: its clock, its files, its processors. Nothing of it
//! reaches a run.

use crate::exit::Failure;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

/// Measures how long something took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch(Instant);

impl Watch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// As many threads as were asked for, or as there are processors.
pub(crate) fn jobs(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

/// How many of something in a second.
#[expect(clippy::cast_precision_loss, reason = "a rate is for reading, not for counting")]
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// # Errors
/// [`Failure::Input`], with the name of the file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::Input {
        what: format!("cannot read {}: {error}", path.display()),
        hint: "give a seed, or the file of a stored scenario",
    })
}

/// # Errors
/// [`Failure::Input`], with the name of the file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::Input {
        what: format!("cannot write {}: {error}", path.display()),
        hint: "name a file in a directory that is there and may be written",
    })
}
