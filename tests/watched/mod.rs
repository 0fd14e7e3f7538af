//! A disk that is watched: counts every call by what it was made on, holds calls back until it is
//! told to let them go, and fails a sync when asked to.

#![allow(dead_code, reason = "each test binary uses its part")]

use parking_lot::{Condvar, Mutex};
use seawall::Environment;
use seawall::format::name::FileName;
use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, OpenMode, Posix, Storage, StorageFile,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice, IoSliceMut};
use std::path::Path;
use std::sync::Arc;

/// What a call was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum On {
    Directory,
    Segment,
    /// Where the next segment is prepared.
    Spare,
    Other,
}

impl On {
    fn named(name: &str) -> Self {
        match FileName::parse(name) {
            Some(FileName::Segment(_)) => Self::Segment,
            Some(FileName::Spare(_)) => Self::Spare,
            None => Self::Other,
        }
    }
}

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Open,
    Rename,
    Remove,
    SyncDir,
    Read,
    Write,
    SyncData,
    SyncAll,
    Allocate,
    SetLen,
}

/// Calls so far, and the bytes of the reads and writes among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    calls: BTreeMap<(On, Call), u64>,
    read: BTreeMap<On, u64>,
    written: BTreeMap<On, u64>,
    longest_write: BTreeMap<On, u64>,
}

impl Counts {
    pub(crate) fn of(&self, on: On, call: Call) -> u64 {
        self.calls.get(&(on, call)).copied().unwrap_or(0)
    }

    /// Calls of this kind, whatever they were made on.
    pub(crate) fn all(&self, call: Call) -> u64 {
        self.calls.iter().filter(|((_, made), _)| *made == call).map(|(_, count)| count).sum()
    }

    /// Bytes that reads asked for.
    pub(crate) fn read(&self, on: On) -> u64 {
        self.read.get(&on).copied().unwrap_or(0)
    }

    pub(crate) fn written(&self, on: On) -> u64 {
        self.written.get(&on).copied().unwrap_or(0)
    }

    pub(crate) fn longest_write(&self, on: On) -> u64 {
        self.longest_write.get(&on).copied().unwrap_or(0)
    }
}

#[derive(Debug, Default)]
struct Rules {
    counts: Counts,
    held: BTreeSet<(On, Call)>,
    waiting: BTreeMap<(On, Call), u64>,
    /// How many held calls may go although their kind is held.
    let_go: u64,
    failing: Option<(On, Call, i32)>,
}

/// Tells a [`Watched`] disk what to do, and what it did. Clones watch the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watcher {
    rules: Arc<(Mutex<Rules>, Condvar)>,
}

impl Watcher {
    /// The real directory, watched.
    pub(crate) fn environment(dir: &Path) -> (Environment, Self) {
        let watcher = Self::default();
        let disk = Watched { disk: Posix::create(dir).unwrap(), watcher: watcher.clone() };
        let mut environment = Environment::existing(dir).unwrap();
        environment.storage = Arc::new(disk);
        (environment, watcher)
    }

    /// What was called since the last time somebody asked.
    pub(crate) fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.rules.0.lock().counts)
    }

    /// From now on, such calls wait before they do anything.
    pub(crate) fn hold(&self, on: On, call: Call) {
        self.rules.0.lock().held.insert((on, call));
    }

    /// Returns once such a call waits.
    pub(crate) fn wait_for_held(&self, on: On, call: Call) {
        let (rules, changed) = &*self.rules;
        let mut rules = rules.lock();
        while !rules.waiting.contains_key(&(on, call)) {
            changed.wait(&mut rules);
        }
    }

    /// Whether such a call waits now.
    pub(crate) fn is_waiting(&self, on: On, call: Call) -> bool {
        self.rules.0.lock().waiting.contains_key(&(on, call))
    }

    /// Lets one of the calls go that wait; the others are still held.
    pub(crate) fn let_one_go(&self) {
        let (rules, changed) = &*self.rules;
        let mut rules = rules.lock();
        assert!(!rules.waiting.is_empty(), "a call waits");
        rules.let_go += 1;
        changed.notify_all();
        while rules.let_go > 0 {
            changed.wait(&mut rules);
        }
    }

    /// Holds such calls no more.
    pub(crate) fn release(&self, on: On, call: Call) {
        let (rules, changed) = &*self.rules;
        rules.lock().held.remove(&(on, call));
        changed.notify_all();
    }

    /// Such calls fail from now on, with this error number.
    pub(crate) fn fail(&self, on: On, call: Call, errno: i32) {
        self.rules.0.lock().failing = Some((on, call, errno));
    }

    pub(crate) fn stop_failing(&self) {
        self.rules.0.lock().failing = None;
    }

    fn passes(&self, on: On, call: Call, bytes: u64) -> io::Result<()> {
        let (rules, changed) = &*self.rules;
        let mut rules = rules.lock();
        *rules.counts.calls.entry((on, call)).or_default() += 1;
        if call == Call::Read {
            *rules.counts.read.entry(on).or_default() += bytes;
        }
        if call == Call::Write {
            *rules.counts.written.entry(on).or_default() += bytes;
            let longest = rules.counts.longest_write.entry(on).or_default();
            *longest = bytes.max(*longest);
        }
        if rules.held.contains(&(on, call)) {
            *rules.waiting.entry((on, call)).or_default() += 1;
            changed.notify_all();
            while rules.held.contains(&(on, call)) && rules.let_go == 0 {
                changed.wait(&mut rules);
            }
            let waiting = rules.waiting.entry((on, call)).or_default();
            *waiting -= 1;
            if *waiting == 0 {
                rules.waiting.remove(&(on, call));
            }
            rules.let_go = rules.let_go.saturating_sub(1);
            changed.notify_all();
        }
        match rules.failing {
            Some((failing_on, failing, errno)) if (failing_on, failing) == (on, call) => {
                Err(io::Error::from_raw_os_error(errno))
            }
            _ => Ok(()),
        }
    }
}

/// A directory of the real disk, watched.
#[derive(Debug)]
struct Watched {
    disk: Posix,
    watcher: Watcher,
}

impl Storage for Watched {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let on = On::named(name);
        self.watcher.passes(on, Call::Open, 0)?;
        let file = self.disk.open(name, mode)?;
        Ok(Arc::new(WatchedFile { on, file, watcher: self.watcher.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.watcher.passes(On::named(from), Call::Rename, 0)?;
        self.disk.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.watcher.passes(On::named(from), Call::Rename, 0)?;
        self.disk.rename_new(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.watcher.passes(On::named(name), Call::Remove, 0)?;
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.disk.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.watcher.passes(On::Directory, Call::SyncDir, 0)?;
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
struct WatchedFile {
    on: On,
    file: Arc<dyn StorageFile>,
    watcher: Watcher,
}

impl StorageFile for WatchedFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let len = into.iter().map(|slice| slice.len() as u64).sum();
        self.watcher.passes(self.on, Call::Read, len)?;
        self.file.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = bytes.iter().map(|slice| slice.len() as u64).sum();
        self.watcher.passes(self.on, Call::Write, len)?;
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.watcher.passes(self.on, Call::SyncData, 0)?;
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.watcher.passes(self.on, Call::SyncAll, 0)?;
        self.file.sync_all()
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.watcher.passes(self.on, Call::Allocate, 0)?;
        self.file.allocate(offset, len)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.watcher.passes(self.on, Call::SetLen, 0)?;
        self.file.punch(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.watcher.passes(self.on, Call::SetLen, 0)?;
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
