//! Mistakes that are made on purpose, one at a time, to see that the tests notice them. Compiled
//! only under `--cfg seawall_planted`; without it `planted!` is the constant `false`.

/// Whether the mistake of this name is made now.
macro_rules! planted {
    ($name:literal) => {{
        #[cfg(seawall_planted)]
        {
            $crate::planted::is($name)
        }
        #[cfg(not(seawall_planted))]
        {
            false
        }
    }};
}

#[cfg(seawall_planted)]
pub use chosen::{NAMES, plant};

#[cfg(seawall_planted)]
pub(crate) use chosen::is;

#[cfg(seawall_planted)]
mod chosen {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Every mistake that can be made.
    pub const NAMES: [&str; 8] = [
        "lost-wakeup",
        "two-leaders",
        "follower-told-ok",
        "rotation-races-batch",
        "close-races-append",
        "reader-before-bytes",
        "cancelled-waiter",
        "abandoned-waiter",
    ];

    /// One more than the place in [`NAMES`]; 0 for none.
    static CURRENT: AtomicUsize = AtomicUsize::new(0);

    fn number(name: &str) -> Option<usize> {
        NAMES.iter().position(|known| *known == name).map(|at| at + 1)
    }

    /// Makes this mistake from now on, in the whole process, and no other; `""` for none.
    /// `false`, and nothing changes, where there is no such mistake.
    pub fn plant(name: &str) -> bool {
        let wanted = if name.is_empty() { Some(0) } else { number(name) };
        if let Some(wanted) = wanted {
            CURRENT.store(wanted, Ordering::Relaxed);
        }
        wanted.is_some()
    }

    pub(crate) fn is(name: &str) -> bool {
        let current = CURRENT.load(Ordering::Relaxed);
        current != 0 && number(name) == Some(current)
    }
}
