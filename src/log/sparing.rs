//! A disk whose calls that need a descriptor take one from the readers' caches when the process
//! has none left, and try once more.

use super::files::give_up_all;
use crate::storage::{DirLock, DirState, Entry, Identity, OpenMode, Storage, StorageFile};
use std::io;
use std::sync::Arc;

/// Too many open files: in this process, or in the whole system.
const NONE_LEFT: [i32; 2] = [24, 23];

#[derive(Debug)]
pub(super) struct Sparing(Arc<dyn Storage>);

impl Sparing {
    pub(super) fn over(storage: &Arc<dyn Storage>) -> Arc<dyn Storage> {
        Arc::new(Self(Arc::clone(storage)))
    }
}

/// Calls, and once more where there was no descriptor left and readers may have had some.
fn with_descriptor<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match call() {
        Err(error) if error.raw_os_error().is_some_and(|errno| NONE_LEFT.contains(&errno)) => {
            give_up_all();
            call()
        }
        outcome => outcome,
    }
}

impl Storage for Sparing {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        with_descriptor(|| self.0.open(name, mode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename_new(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        with_descriptor(|| self.0.list())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.sync_dir()
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        with_descriptor(|| self.0.lock())
    }

    fn state(&self) -> io::Result<Option<DirState>> {
        self.0.state()
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        self.0.identity()
    }

    fn prefer_in_place(&self) {
        self.0.prefer_in_place();
    }

    fn copies_on_write(&self) -> bool {
        self.0.copies_on_write()
    }

    fn free(&self) -> Option<u64> {
        self.0.free()
    }

    fn place(&self) -> String {
        self.0.place()
    }
}
