//! The locks and threads of this crate, behind one door.
//!
//! A simulated scheduler replaces what is here and nothing else, under `--cfg seawall_shuttle`; so
//! nobody imports a lock, a condition variable or a thread from elsewhere.

#[cfg(not(seawall_shuttle))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(seawall_shuttle))]
pub(crate) use std::thread::JoinHandle;

#[cfg(seawall_shuttle)]
mod scheduled;
#[cfg(seawall_shuttle)]
pub(crate) use scheduled::{Condvar, JoinHandle, Mutex, MutexGuard, spawn};

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
