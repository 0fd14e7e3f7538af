//! The locks, counters and threads of this crate, behind one door.
//!
//! A simulated scheduler replaces what is here and nothing else, under `--cfg seawall_shuttle`; so
//! nobody imports a lock, a condition variable, an atomic or a thread from elsewhere.

/// A lock for what belongs to the whole process, and so to no execution of a scheduler. Held for a
/// few instructions, and never while another lock is taken.
pub(crate) use parking_lot::Mutex as ProcessMutex;
#[cfg(not(seawall_shuttle))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(seawall_shuttle))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(seawall_shuttle))]
pub(crate) use std::thread::{JoinHandle, ThreadId, yield_now};

#[cfg(seawall_shuttle)]
mod scheduled;
#[cfg(seawall_shuttle)]
pub(crate) use scheduled::{
    AtomicU64, Condvar, JoinHandle, Mutex, MutexGuard, Ordering, ThreadId, current_id,
    execution_is_over, spawn, yield_now,
};

#[cfg(any(seawall_shuttle, not(target_os = "linux")))]
mod counted;
#[cfg(any(seawall_shuttle, not(target_os = "linux")))]
pub(crate) use counted::EventCount;

#[cfg(all(not(seawall_shuttle), target_os = "linux"))]
mod futex;
#[cfg(all(not(seawall_shuttle), target_os = "linux"))]
pub(crate) use futex::EventCount;

/// Whether nobody may be told anything any more: never, but where a scheduler gave up.
#[cfg(not(seawall_shuttle))]
pub(crate) const fn execution_is_over() -> bool {
    false
}

/// Which thread this is.
#[cfg(not(seawall_shuttle))]
pub(crate) fn current_id() -> ThreadId {
    std::thread::current().id()
}

/// Whether this thread is that one, which could not wait for itself to end.
pub(crate) fn is_current(thread: &JoinHandle<()>) -> bool {
    thread.thread().id() == current_id()
}

/// Starts a named thread.
///
/// # Errors
/// What the operating system says when it cannot.
#[cfg(not(seawall_shuttle))]
pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}
