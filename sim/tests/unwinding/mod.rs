//! Storage that panics in one of its calls, under a log.

use seawall::log::stepped::Stepped;
use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, OpenMode, Storage, StorageFile,
};
use seawall::{Durability, Environment, Error, Log, Lsn, Options};
use seawall_sim::{Seed, SimDisk, environment};
use std::io::{self, IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The count of a storage that panics in no call.
const NEVER: u64 = u64::MAX;

/// A disk, and after how many calls one of them panics: no other does.
#[derive(Clone, Debug)]
pub(crate) struct Panicking {
    pub(crate) disk: SimDisk,
    left: Arc<AtomicU64>,
}

impl Panicking {
    pub(crate) fn new() -> Self {
        Self { disk: SimDisk::new(Seed::new(1)), left: Arc::new(AtomicU64::new(NEVER)) }
    }

    pub(crate) fn panic_after(&self, calls: u64) {
        self.left.store(calls, Ordering::SeqCst);
    }

    pub(crate) fn environment(&self, entropy: u64) -> Environment {
        Environment { storage: Arc::new(self.clone()), ..environment(&self.disk, entropy) }
    }

    #[allow(clippy::panic, reason = "that is what this storage does")]
    fn call(&self) {
        let one_less = |left: u64| (left != NEVER).then(|| left.checked_sub(1).unwrap_or(NEVER));
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) == Ok(0) {
            panic!("a storage that panics");
        }
    }
}

impl Storage for Panicking {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        // What a reader does with the disk is its own affair.
        if mode != OpenMode::Read {
            self.call();
        }
        Ok(Arc::new(PanickingFile { file: self.disk.open(name, mode)?, storage: self.clone() }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call();
        self.disk.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.call();
        self.disk.rename_new(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.call();
        self.disk.remove(name)
    }
    fn list(&self) -> io::Result<Vec<Entry>> {
        self.disk.list()
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.call();
        self.disk.sync_dir()
    }
    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.disk.lock()
    }
    fn state(&self) -> io::Result<Option<DirState>> {
        self.call();
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
struct PanickingFile {
    file: Arc<dyn StorageFile>,
    storage: Panicking,
}

impl StorageFile for PanickingFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.storage.call();
        self.file.write_at(offset, bytes)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.storage.call();
        self.file.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.storage.call();
        self.file.sync_all()
    }
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.storage.call();
        self.file.allocate(offset, len)
    }
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.storage.call();
        self.file.punch(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.storage.call();
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

pub(crate) fn options(level: Durability) -> Options {
    let options = Options::new().segment_len(16 << 10).durability(level).spares_max(1);
    options.idle_mark(None).prepare_ahead(true)
}

/// What every kind of call does to the log: those that may not wait for another thread.
fn calls(log: &Log, appended: &mut Vec<(Lsn, Vec<u8>)>) -> Result<(), Error> {
    for nth in 0..20_u8 {
        let record = vec![nth; 1500];
        let receipt = log.append(&record)?;
        appended.push((receipt.lsn, record));
        if nth % 5 == 4 {
            log.append_batch(&[[nth; 30], [nth; 30]])?;
            log.tend()?;
        }
    }
    log.sync()?;
    log.tend()?;
    log.close()
}

/// Every call of a storage panics in turn. Says what goes wrong then, if not that everybody is told
/// that the log is poisoned, that what was acknowledged is there, and that the directory is free.
pub(crate) fn search() -> Option<String> {
    let levels = [Durability::Buffered, Durability::Os, Durability::Sync];
    levels.into_iter().find_map(|level| {
        let mut nth = 0;
        loop {
            match panicking_in_call(level, nth) {
                Ok(true) => nth += 1,
                Ok(false) => return None,
                Err(how) => return Some(format!("{level:?}, a panic in call {nth}: {how}")),
            }
        }
    })
}

fn panicking_in_call(level: Durability, nth: u64) -> Result<bool, String> {
    let storage = Panicking::new();
    let log = Log::open_in(storage.environment(1), options(level)).unwrap();
    let mut appended = Vec::new();
    storage.panic_after(nth);
    let outcome = catch_unwind(AssertUnwindSafe(|| calls(&log, &mut appended)));
    if let Ok(outcome) = outcome {
        storage.panic_after(NEVER);
        return outcome.map(|()| false).map_err(|error| format!("{error:?}"));
    }
    let told = |what: &str, error: Option<Error>| match error {
        Some(Error::Poisoned { .. }) => Ok(()),
        other => Err(format!("{what} is told {other:?}")),
    };
    // First what waits for nothing: a log that was left half way would let it wait for ever.
    let stepped = Stepped::new(log);
    let answer = stepped.poll(&mut stepped.begin_append(Vec::new(), level));
    if let Err(how) = told("an append", answer.and_then(Result::err)) {
        std::mem::forget(stepped);
        return Err(how);
    }
    let log = stepped.log().clone();
    drop(stepped);
    let marks = log.watermarks();
    if marks.durable < marks.accepted {
        told("a sync", log.sync().err())?;
    }
    told("a batch", log.append_batch(&[b"1"]).err())?;
    told("a trim", log.trim(Lsn::new(64)).err())?;
    let _shown_or_told = appended.iter().filter(|(lsn, _)| log.read(*lsn).is_ok()).count();
    let _shown_or_told = log.scan_at(Lsn::FIRST, Durability::Buffered).map(Iterator::count);
    told("a close", log.close().err())?;
    drop(log);

    let log = Log::open_in(environment(&storage.disk, 2), options(level));
    let log = log.map_err(|error| format!("the next open says {error:?}"))?;
    if level > Durability::Buffered {
        for (lsn, record) in &appended {
            if log.read(*lsn).is_ok_and(|found| found.bytes == *record) {
                continue;
            }
            return Err(format!("the record at {lsn} is gone"));
        }
    }
    Ok(true)
}
