//! Many threads append durably; one sync serves all that wait. Prints appends per sync.
//!
//! `cargo run --release --example group_commit [THREADS]`, 32 unless told.

use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, OpenMode, Posix, Storage, StorageFile,
};
use seawall::{Environment, Log, Options};
use std::error::Error;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const EACH: u64 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let threads: u64 = std::env::args().nth(1).map_or(Ok(32), |count| count.parse())?;
    let scratch = tempfile::tempdir()?;
    let syncs = Arc::new(AtomicU64::new(0));
    let mut environment = Environment::real(scratch.path())?;
    environment.storage = Arc::new(Counted::new(scratch.path(), &syncs)?);
    let log = Log::open_in(environment, Options::new().idle_mark(None))?;
    log.append(b"the first append prepares the segment")?;

    syncs.store(0, Ordering::Relaxed);
    thread::scope(|scope| -> seawall::Result<()> {
        let append = || (0..EACH).try_for_each(|_| log.append(&[7; 256]).map(drop));
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(append)).collect();
        handles.into_iter().try_for_each(|handle| handle.join().expect("no thread panics"))
    })?;

    let (appends, syncs) = (threads * EACH, syncs.load(Ordering::Relaxed));
    let tenths = appends * 10 / syncs.max(1);
    println!(
        "{threads} threads: {appends} durable appends, {syncs} syncs, {}.{} appends per sync",
        tenths / 10,
        tenths % 10
    );
    log.close()?;
    Ok(())
}

/// The real disk, with a counter: any [`Storage`] can be put under a log.
#[derive(Debug)]
struct Counted {
    disk: Posix,
    syncs: Arc<AtomicU64>,
}

impl Counted {
    fn new(dir: &Path, syncs: &Arc<AtomicU64>) -> io::Result<Self> {
        Ok(Self { disk: Posix::open(dir)?, syncs: Arc::clone(syncs) })
    }
}

impl Storage for Counted {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.disk.open(name, mode)?;
        Ok(Arc::new(CountedFile { file, syncs: Arc::clone(&self.syncs) }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename_new(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn list(&self) -> io::Result<Vec<Entry>> {
        self.disk.list()
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.disk.lock()
    }
    fn state(&self) -> io::Result<Option<DirState>> {
        self.disk.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.disk.identity()
    }

    fn place(&self) -> String {
        self.disk.place()
    }
}

#[derive(Debug)]
struct CountedFile {
    file: Arc<dyn StorageFile>,
    syncs: Arc<AtomicU64>,
}

impl StorageFile for CountedFile {
    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.file.write_at(offset, bytes)
    }
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.allocate(offset, len)
    }
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.punch(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn state(&self) -> io::Result<FileState> {
        self.file.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.file.identity()
    }
    fn evict(&self) -> io::Result<Eviction> {
        self.file.evict()
    }
}
