//! A disk on which every call is a point where another thread may go on, and a clock that moves
//! by being looked at.

use crate::disk::SimDisk;
use parking_lot::Mutex;
use seawall::storage::{
    Clock, DirLock, DirState, Entry, Eviction, FileState, OpenMode, Storage, StorageFile,
};
use shuttle::thread;
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A scheduling point.
pub(super) fn point() {
    // To this scheduler time does not exist: it is a switch, and no hint as a yield would be.
    thread::sleep(Duration::ZERO);
}

/// What the calls under way share.
#[derive(Debug, Default)]
struct Traffic {
    /// Whether calls are scheduling points.
    stepped: AtomicBool,
    /// Writes and syncs under way, by file: through which descriptor, and what.
    busy: Mutex<BTreeMap<String, Vec<(u64, &'static str)>>>,
    /// Descriptors made.
    opened: AtomicU64,
}

impl Traffic {
    fn around<T>(&self, call: impl FnOnce() -> T) -> T {
        let stepped = self.stepped.load(Ordering::Relaxed);
        if stepped {
            point();
        }
        let answer = call();
        if stepped {
            point();
        }
        answer
    }

    /// As [`around`](Self::around), for a call that must have its descriptor for itself, and its
    /// file too, but for a sync through another descriptor: that hides no error from anybody.
    fn alone<T>(&self, file: &SteppedFile, what: &'static str, call: impl FnOnce() -> T) -> T {
        if !self.stepped.load(Ordering::Relaxed) {
            return call();
        }
        let (name, descriptor) = (&file.name, file.descriptor);
        {
            let mut busy = self.busy.lock();
            let others = busy.entry(name.clone()).or_default();
            for &(other, does) in others.iter() {
                let apart = other != descriptor && (what == SYNC || does == SYNC);
                assert!(apart, "{name}: a {what} overlaps a {does}");
            }
            others.push((descriptor, what));
        }
        let answer = self.around(call);
        if let Some(others) = self.busy.lock().get_mut(name) {
            others.retain(|&(other, _)| other != descriptor);
        }
        answer
    }
}

const SYNC: &str = "sync";

/// A simulated disk, stepped.
#[derive(Clone, Debug)]
pub(super) struct SteppedDisk {
    inner: SimDisk,
    traffic: Arc<Traffic>,
}

impl SteppedDisk {
    pub(super) fn new(inner: SimDisk) -> Self {
        Self { inner, traffic: Arc::default() }
    }

    /// From here on every call is a scheduling point, or none is.
    pub(super) fn step(&self, stepped: bool) {
        self.traffic.stepped.store(stepped, Ordering::Relaxed);
    }
}

impl Storage for SteppedDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let inner = self.traffic.around(|| self.inner.open(name, mode))?;
        let traffic = Arc::clone(&self.traffic);
        let descriptor = traffic.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(SteppedFile { inner, traffic, descriptor, name: name.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.traffic.around(|| self.inner.rename(from, to))
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.traffic.around(|| self.inner.rename_new(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.traffic.around(|| self.inner.remove(name))
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.traffic.around(|| self.inner.list())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.traffic.around(|| self.inner.sync_dir())
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.inner.lock()
    }

    fn state(&self) -> io::Result<Option<DirState>> {
        self.traffic.around(|| self.inner.state())
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.traffic.around(|| self.inner.identity())
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}

/// One descriptor.
#[derive(Debug)]
struct SteppedFile {
    inner: Arc<dyn StorageFile>,
    traffic: Arc<Traffic>,
    descriptor: u64,
    name: String,
}

impl StorageFile for SteppedFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.traffic.around(|| self.inner.read_at(offset, into))
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.traffic.alone(self, "write", || self.inner.write_at(offset, bytes))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.traffic.alone(self, SYNC, || self.inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.traffic.alone(self, SYNC, || self.inner.sync_all())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.traffic.alone(self, "reservation", || self.inner.allocate(offset, len))
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.traffic.alone(self, "change of length", || self.inner.punch(offset, len))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.traffic.alone(self, "change of length", || self.inner.set_len(len))
    }

    fn len(&self) -> io::Result<u64> {
        self.traffic.around(|| self.inner.len())
    }

    fn state(&self) -> io::Result<FileState> {
        self.traffic.around(|| self.inner.state())
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.traffic.around(|| self.inner.identity())
    }

    fn evict(&self) -> io::Result<Eviction> {
        self.traffic.around(|| self.inner.evict())
    }
}

/// A clock that goes on a little whenever somebody looks: so every deadline is over before long.
#[derive(Debug)]
pub(super) struct Ticking {
    nanos: AtomicU64,
    tick: u64,
}

impl Ticking {
    pub(super) fn new(tick: Duration) -> Self {
        let tick = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
        Self { nanos: AtomicU64::new(0), tick }
    }
}

impl Clock for Ticking {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.fetch_add(self.tick, Ordering::Relaxed))
    }
}
