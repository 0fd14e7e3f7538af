//! Checks of the campaign that can be kept silent, to show what no other check finds.
//!
//! In a normal build no check can be silent.

use crate::text::words;

/// A check that can be kept silent, in a build with `--cfg seawall_planted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Every mark, every header and the chain are held to what the disk knows as they are written.
    Marks,
    /// An open that is refused leaves everything as it was.
    Refused,
    /// A follower is shown everything below its bound.
    Follower,
    /// An open says whether what it judged came from the device.
    Device,
}

words!("check", Check {
    Marks = "marks",
    Refused = "refused",
    Follower = "follower",
    Device = "device",
});

/// Whether a check says nothing.
#[cfg(not(seawall_planted))]
pub(crate) const fn is_silent(_: Check) -> bool {
    false
}

#[cfg(seawall_planted)]
pub(crate) use planted::is_silent;
#[cfg(seawall_planted)]
pub use planted::silence;

#[cfg(seawall_planted)]
mod planted {
    use super::Check;
    use std::sync::OnceLock;

    static SILENT: OnceLock<Check> = OnceLock::new();

    /// Keeps this check silent, for the rest of the process. Whether none was before.
    #[must_use]
    pub fn silence(check: Check) -> bool {
        SILENT.set(check).is_ok()
    }

    pub(crate) fn is_silent(check: Check) -> bool {
        SILENT.get() == Some(&check)
    }
}
