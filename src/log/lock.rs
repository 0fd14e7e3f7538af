//! Takes the lock of a directory, and tells that somebody else has it from what the disk says.

use crate::error::{Error, Result};
use crate::storage::{DirLock, Storage};
use std::io;

/// Takes the lock; it is held until this is dropped.
///
/// # Errors
/// [`Error::Locked`] where somebody else has it; [`Error::Io`].
pub(super) fn locked(storage: &dyn Storage) -> Result<Box<dyn DirLock>> {
    storage.lock().map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => Error::Locked { dir: storage.place() },
        _ => Error::io("lock", storage.place(), e),
    })
}
