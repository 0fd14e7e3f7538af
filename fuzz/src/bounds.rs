//! What an input may cost: the limits, and how they are counted while a target runs.
//!
//! Memory is counted by the allocator, of this thread alone; work by what is read through the
//! storage. Both limits are multiples of the input, with room for the blocks that are read ahead.

use seawall::storage::{DirLock, Entry, Eviction, OpenMode, Storage, StorageFile};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs what must not allocate at all.
///
/// # Panics
/// If it does.
pub fn without_memory<T>(work: impl FnOnce() -> T) -> T {
    let (result, counted) = measured(work);
    assert_eq!(counted, 0, "{counted} bytes were allocated to decode");
    result
}

/// Runs something, and says how many bytes it held at most at any one time.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(work()));
    (result.expect("what was measured ran"), counted.bytes_max)
}

/// What was asked of a storage.
#[derive(Debug, Default)]
pub struct Tally {
    read: AtomicU64,
    calls: AtomicU64,
}

impl Tally {
    /// Bytes that were read.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Calls of every kind.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// A storage that counts what is asked of it.
#[derive(Debug)]
pub struct Counted {
    inner: Arc<dyn Storage>,
    tally: Arc<Tally>,
}

impl Counted {
    /// In front of another storage.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, tally: Arc<Tally>) -> Self {
        Self { inner, tally }
    }
}

impl Storage for Counted {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        self.tally.call();
        let (inner, tally) = (self.inner.open(name, mode)?, Arc::clone(&self.tally));
        Ok(Arc::new(CountedFile { inner, tally }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.tally.call();
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.tally.call();
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.tally.call();
        self.inner.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.tally.call();
        self.inner.sync_dir()
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.tally.call();
        self.inner.lock()
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}

#[derive(Debug)]
struct CountedFile {
    inner: Arc<dyn StorageFile>,
    tally: Arc<Tally>,
}

impl StorageFile for CountedFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.tally.call();
        let count = self.inner.read_at(offset, into)?;
        self.tally.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.tally.call();
        self.inner.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.tally.call();
        self.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.tally.call();
        self.inner.sync_all()
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.tally.call();
        self.inner.allocate(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.tally.call();
        self.inner.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.tally.call();
        self.inner.len()
    }

    fn evict(&self) -> io::Result<Eviction> {
        self.tally.call();
        self.inner.evict()
    }
}
