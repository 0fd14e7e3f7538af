//! A directory within that of a simulated disk, such as the quarantine of a repair: a crash is one
//! moment for both. It stands for a directory of the same file system, made durable before.
//!
//! ```text
//!   "a" in the directory "q"       "q-a" on the disk
//! ```

use crate::disk::SimDisk;
use crate::trace::name_print;
use seawall::storage::{DirLock, Entry, OpenMode, Storage, StorageFile};
use std::io;
use std::sync::Arc;

/// A directory beside the files of a disk, which sees its own names alone.
#[derive(Clone, Debug)]
pub struct Subdirectory {
    disk: SimDisk,
    prefix: String,
}

impl Subdirectory {
    /// The directory of this name.
    #[must_use]
    pub fn new(disk: &SimDisk, name: &str) -> Self {
        Self { disk: disk.clone(), prefix: format!("{name}-") }
    }

    /// The name by which the disk has a file of this directory.
    #[must_use]
    pub fn on_disk(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl Storage for Subdirectory {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        self.disk.open(&self.on_disk(name), mode)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(&self.on_disk(from), &self.on_disk(to))
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename_new(&self.on_disk(from), &self.on_disk(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(&self.on_disk(name))
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let ours = |entry: Entry| {
            let name = entry.name.strip_prefix(&self.prefix)?.to_owned();
            Some(Entry { name, ..entry })
        };
        Ok(self.disk.list()?.into_iter().filter_map(ours).collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.disk.lock_directory(&self.prefix)
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.disk.identity_of(name_print(&self.prefix))
    }

    fn copies_on_write(&self) -> bool {
        self.disk.copies_on_write()
    }

    fn free(&self) -> Option<u64> {
        self.disk.free()
    }

    fn place(&self) -> String {
        self.prefix.trim_end_matches('-').to_owned()
    }
}
