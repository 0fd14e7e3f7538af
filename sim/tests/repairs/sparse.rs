//! A disk on which a file states another length than it has, as a sparse one does; nothing is held for it.

use seawall::storage::{DirLock, Entry, Eviction, OpenMode, Storage, StorageFile};
use seawall_sim::{SimDisk, environment};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;

/// The disk, on which one file states another length than it has.
pub(crate) fn stating(disk: &SimDisk, name: &str, len: u64) -> seawall::Environment {
    let mut environment = environment(disk, 1);
    let storage = Arc::clone(&environment.storage);
    environment.storage = Arc::new(Stating { storage, name: name.to_owned(), len });
    environment
}

#[derive(Debug)]
struct Stating {
    storage: Arc<dyn Storage>,
    name: String,
    len: u64,
}

impl Storage for Stating {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.storage.open(name, mode)?;
        let len = self.len;
        Ok(if name == self.name { Arc::new(Sparse { file, len }) } else { file })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(name)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.storage.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.storage.sync_dir()
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.storage.lock()
    }

    fn place(&self) -> String {
        self.storage.place()
    }
}

/// A file with a hole behind its end.
#[derive(Debug)]
struct Sparse {
    file: Arc<dyn StorageFile>,
    len: u64,
}

impl StorageFile for Sparse {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self.file.read_at(offset, into)? {
            0 => {
                let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
                let Some(first) = into.first_mut() else { return Ok(0) };
                let count = first.len().min(left);
                first[..count].fill(0);
                Ok(count)
            }
            count => Ok(count),
        }
    }

    fn write_at(&self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<usize> {
        self.file.write_at(offset, from)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.allocate(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn evict(&self) -> io::Result<Eviction> {
        self.file.evict()
    }
}
