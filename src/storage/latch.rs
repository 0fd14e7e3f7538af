//! The locks and threads of this crate, behind one door.
//!
//! A simulated scheduler replaces this file and nothing else; so nobody imports a lock, a
//! condition variable or a thread from elsewhere.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

use std::io;
use std::thread::JoinHandle;

/// Starts a named thread.
///
/// # Errors
/// What the operating system says when it cannot.
pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}
