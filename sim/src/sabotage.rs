//! Storage that breaks one promise: what a test suite must notice, or it proves nothing.

use parking_lot::Mutex;
use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, OpenMode, Storage, StorageFile, read_full,
    write_full,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;

/// The promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sabotage {
    /// A sync of a file returns `Ok` and does nothing.
    SyncDoesNothing,
    /// A sync of the directory returns `Ok` and does nothing.
    SyncDirDoesNothing,
    /// A failed sync returns `Ok`.
    SyncErrorSwallowed,
    /// A failed sync is tried again, and the second answer is given.
    SyncErrorRetried,
    /// The last write before a sync reaches the disk only after that sync.
    WritesReorderedAcrossSync,
    /// A short write claims to have taken everything.
    ShortWriteReportedFull,
    /// `evict` claims to have seen pages leave, and does nothing.
    EvictDoesNothing,
    /// Everyone gets the lock.
    LockIgnored,
    /// The first sync of each file that is made does nothing.
    HeaderSyncSkipped,
    /// A sync of the directory does nothing when a file was made since the last one.
    SyncDirSkippedAfterCreate,
    /// A sync of the directory does nothing when a file that was there got another name.
    SyncDirSkippedAfterRename,
    /// The first full sync of each file that is made happens behind the next sync of the directory.
    DirSyncedBeforeContent,
    /// When another file is synced than last time, the one of last time is synced once more instead.
    OldDescriptorSynced,
}

impl Sabotage {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::SyncDoesNothing,
        Self::SyncDirDoesNothing,
        Self::SyncErrorSwallowed,
        Self::SyncErrorRetried,
        Self::WritesReorderedAcrossSync,
        Self::ShortWriteReportedFull,
        Self::EvictDoesNothing,
        Self::LockIgnored,
        Self::HeaderSyncSkipped,
        Self::SyncDirSkippedAfterCreate,
        Self::SyncDirSkippedAfterRename,
        Self::DirSyncedBeforeContent,
        Self::OldDescriptorSynced,
    ];
}

/// Another storage, with one promise broken.
#[derive(Clone, Debug)]
pub struct Sabotaged {
    inner: Arc<dyn Storage>,
    sabotage: Sabotage,
    memory: Arc<Mutex<Memory>>,
}

/// What is known of the files, by name.
#[derive(Debug, Default)]
struct Memory {
    /// Made, and never synced.
    fresh: BTreeSet<String>,
    /// The last write since the last sync.
    last_writes: BTreeMap<String, LastWrite>,
    /// The present name of each file that was renamed, by the name it was opened under.
    renamed: BTreeMap<String, String>,
    /// Made since the last sync of the directory.
    created: BTreeSet<String>,
    /// A file that was there got another name since the last sync of the directory.
    moved: bool,
    /// To be synced behind the next sync of the directory.
    owed: Vec<Arc<dyn StorageFile>>,
    /// The file of the last data sync.
    last_synced: Option<(String, Arc<dyn StorageFile>)>,
}

/// Enough to take a write back.
#[derive(Debug)]
struct LastWrite {
    offset: u64,
    new: Vec<u8>,
    old: Vec<u8>,
    old_len: u64,
}

impl Sabotaged {
    /// `inner`, with this promise broken.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, sabotage: Sabotage) -> Self {
        Self { inner, sabotage, memory: Arc::default() }
    }
}

impl Storage for Sabotaged {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let inner = self.inner.open(name, mode)?;
        if mode == OpenMode::Create {
            let mut memory = self.memory.lock();
            memory.fresh.insert(name.to_owned());
            memory.created.insert(name.to_owned());
            memory.renamed.remove(name);
        }
        let (sabotage, memory) = (self.sabotage, Arc::clone(&self.memory));
        Ok(Arc::new(SabotagedFile { inner, sabotage, memory, name: name.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)?;
        self.memory.lock().rename(from, to);
        Ok(())
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename_new(from, to)?;
        self.memory.lock().rename(from, to);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)?;
        self.memory.lock().last_writes.remove(name);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.inner.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        let (created, moved, owed) = {
            let mut memory = self.memory.lock();
            let created = !std::mem::take(&mut memory.created).is_empty();
            (created, std::mem::take(&mut memory.moved), std::mem::take(&mut memory.owed))
        };
        match self.sabotage {
            Sabotage::SyncDirDoesNothing => Ok(()),
            Sabotage::SyncDirSkippedAfterCreate if created => Ok(()),
            Sabotage::SyncDirSkippedAfterRename if moved => Ok(()),
            _ => {
                self.inner.sync_dir()?;
                owed.iter().try_for_each(|file| file.sync_all())
            }
        }
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        match self.sabotage {
            Sabotage::LockIgnored => Ok(Box::new(NoLock)),
            _ => self.inner.lock(),
        }
    }

    fn state(&self) -> io::Result<Option<DirState>> {
        self.inner.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.inner.identity()
    }

    fn copies_on_write(&self) -> bool {
        self.inner.copies_on_write()
    }

    fn free(&self) -> Option<u64> {
        self.inner.free()
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}

impl Memory {
    fn rename(&mut self, from: &str, to: &str) {
        self.moved |= !self.created.contains(from);
        if self.fresh.remove(from) {
            self.fresh.insert(to.to_owned());
        }
        if let Some(last) = self.last_writes.remove(from) {
            self.last_writes.insert(to.to_owned(), last);
        }
        for now in self.renamed.values_mut().filter(|now| *now == from) {
            to.clone_into(now);
        }
        self.renamed.insert(from.to_owned(), to.to_owned());
    }

    fn present(&self, opened_as: &str) -> String {
        self.renamed.get(opened_as).map_or(opened_as, String::as_str).to_owned()
    }
}

#[derive(Debug)]
struct NoLock;

impl DirLock for NoLock {}

#[derive(Debug)]
struct SabotagedFile {
    inner: Arc<dyn StorageFile>,
    sabotage: Sabotage,
    memory: Arc<Mutex<Memory>>,
    name: String,
}

impl SabotagedFile {
    fn sync(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match self.sabotage {
            Sabotage::SyncDoesNothing => Ok(()),
            Sabotage::SyncErrorSwallowed => sync().or(Ok(())),
            Sabotage::SyncErrorRetried => sync().or_else(|_| sync()),
            Sabotage::WritesReorderedAcrossSync => self.sync_without_last_write(sync),
            Sabotage::HeaderSyncSkipped => {
                let mut memory = self.memory.lock();
                let name = memory.present(&self.name);
                if memory.fresh.remove(&name) { Ok(()) } else { sync() }
            }
            _ => sync(),
        }
    }

    /// Syncs the file of the last time instead, if that was another.
    fn sync_old(&self) -> io::Result<()> {
        let mut memory = self.memory.lock();
        let name = memory.present(&self.name);
        let last = memory.last_synced.replace((name.clone(), Arc::clone(&self.inner)));
        drop(memory);
        let old = last.filter(|(other, _)| *other != name);
        old.map_or_else(|| self.inner.sync_data(), |(_, file)| file.sync_data())
    }

    /// Puts the sync of a new file off; `false` if it is none.
    fn put_off(&self) -> bool {
        let mut memory = self.memory.lock();
        let name = memory.present(&self.name);
        let fresh = memory.fresh.remove(&name);
        if fresh {
            memory.owed.push(Arc::clone(&self.inner));
        }
        fresh
    }

    /// Takes the last write back, syncs, and makes it again. A cut or a sync in between has
    /// already forgotten it.
    fn sync_without_last_write(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let last = {
            let mut memory = self.memory.lock();
            let name = memory.present(&self.name);
            memory.last_writes.remove(&name)
        };
        let Some(last) = last else { return sync() };
        write_full(&*self.inner, last.offset, &[&last.old])?;
        if last.old_len < self.inner.len()? {
            self.inner.set_len(last.old_len)?;
        }
        sync()?;
        write_full(&*self.inner, last.offset, &[&last.new])?;
        Ok(())
    }

    fn remember_write(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let new: Vec<u8> = bytes.iter().flat_map(|slice| slice.iter().copied()).collect();
        let old_len = self.inner.len()?;
        let mut old = vec![0; new.len()];
        let kept = read_full(&*self.inner, offset, &mut old)?;
        old.truncate(kept);
        let count = self.inner.write_at(offset, bytes)?;
        let new = new.get(..count).unwrap_or(&new).to_vec();
        old.truncate(count);
        let mut memory = self.memory.lock();
        let name = memory.present(&self.name);
        memory.last_writes.insert(name, LastWrite { offset, new, old, old_len });
        Ok(count)
    }

    fn forget_write(&self) {
        let mut memory = self.memory.lock();
        let name = memory.present(&self.name);
        memory.last_writes.remove(&name);
    }
}

impl StorageFile for SabotagedFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.inner.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.sabotage {
            Sabotage::WritesReorderedAcrossSync => self.remember_write(offset, bytes),
            Sabotage::ShortWriteReportedFull => {
                self.inner.write_at(offset, bytes)?;
                Ok(bytes.iter().map(|slice| slice.len()).sum())
            }
            _ => self.inner.write_at(offset, bytes),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.sabotage == Sabotage::OldDescriptorSynced {
            return self.sync_old();
        }
        self.sync(|| self.inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        if self.sabotage == Sabotage::DirSyncedBeforeContent && self.put_off() {
            return Ok(());
        }
        self.sync(|| self.inner.sync_all())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.forget_write();
        self.inner.allocate(offset, len)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.forget_write();
        self.inner.punch(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.forget_write();
        self.inner.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn state(&self) -> io::Result<FileState> {
        self.inner.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.inner.identity()
    }

    fn evict(&self) -> io::Result<Eviction> {
        match self.sabotage {
            Sabotage::EvictDoesNothing => Ok(Eviction::Seen),
            _ => self.inner.evict(),
        }
    }
}

#[cfg(test)]
mod tests;
