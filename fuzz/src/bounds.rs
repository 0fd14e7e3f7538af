//! What an input may cost: the limits, and how they are counted while a target runs.
//!
//! Memory is counted by the allocator, of this thread alone; work by what is read through the
//! storage. Both limits are multiples of the input, with room for the blocks that are read ahead.

use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, OpenMode, Storage, StorageFile,
};
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

/// What it cost to open a directory in one way, and to read it.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Bytes of memory held at most.
    pub memory: u64,
    /// Bytes read from files.
    pub read: u64,
    /// Calls of the storage.
    pub calls: u64,
}

impl Cost {
    /// Memory that any directory may take: blocks that are read ahead, up to 4 MiB each.
    pub const MEMORY_MAX: u64 = 12 << 20;
    /// And for each byte of all files.
    pub const MEMORY_PER_BYTE: u64 = 8;
    /// Bytes that may be read for each file: its headers and first frame block, a few times.
    pub const READ_PER_FILE: u64 = 128 << 10;
    /// And for each byte of all files: surveys read the tail, and so do scans, a few times; a damaged
    /// range of some 24 bytes has its header looked at again.
    pub const READ_PER_BYTE: u64 = 48;
    /// Calls for each file.
    pub const CALLS_PER_FILE: u64 = 128;

    /// Holds it against the limits for so many bytes in so many files.
    ///
    /// # Panics
    /// Where it is more.
    pub fn hold(self, bytes: u64, files: u64) {
        let memory = Self::MEMORY_MAX + Self::MEMORY_PER_BYTE * bytes;
        assert!(self.memory <= memory, "{} bytes of memory, {memory} allowed", self.memory);
        let read = Self::READ_PER_BYTE * bytes + Self::READ_PER_FILE * files;
        assert!(self.read <= read, "{} bytes read, {read} allowed", self.read);
        // The smallest damaged range takes no more calls than it has bytes.
        let calls = bytes + Self::CALLS_PER_FILE * (files + 1);
        assert!(self.calls <= calls, "{} calls, {calls} allowed", self.calls);
    }
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

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.tally.call();
        self.inner.rename_new(from, to)
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

    fn state(&self) -> io::Result<Option<DirState>> {
        self.inner.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.inner.identity()
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

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.tally.call();
        self.inner.punch(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.tally.call();
        self.inner.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.tally.call();
        self.inner.len()
    }

    fn state(&self) -> io::Result<FileState> {
        self.inner.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.inner.identity()
    }

    fn evict(&self) -> io::Result<Eviction> {
        self.tally.call();
        self.inner.evict()
    }
}
