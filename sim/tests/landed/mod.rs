//! Writes that fail although their bytes are on the disk, under [`Log`] itself, and kills.

use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, OpenMode, Storage, StorageFile,
};
use seawall::{Durability, Environment, Log, Lsn, Options};
use seawall_sim::{CrashKind, EIO, Op, Run, Seed, SimDisk, Violation, Workload, environment};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A disk of which one write reports an error once it has done all that it was asked for.
#[derive(Debug)]
struct Landing {
    disk: SimDisk,
    /// So many writes go well first; then one fails, and no other.
    left: Arc<AtomicU64>,
}

/// The count of a disk whose writes all go well.
const NEVER: u64 = u64::MAX;

impl Landing {
    fn new(disk: &SimDisk, after: u64) -> Self {
        Self { disk: disk.clone(), left: Arc::new(AtomicU64::new(after)) }
    }
}

impl Storage for Landing {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.disk.open(name, mode)?;
        Ok(Arc::new(LandingFile { file, left: Arc::clone(&self.left) }))
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

    fn place(&self) -> String {
        self.disk.place()
    }
}

#[derive(Debug)]
struct LandingFile {
    file: Arc<dyn StorageFile>,
    left: Arc<AtomicU64>,
}

impl StorageFile for LandingFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.file.write_at(offset, bytes)?;
        let left = self.left.load(Ordering::Relaxed);
        if left != NEVER {
            self.left.store(left.wrapping_sub(1), Ordering::Relaxed);
        }
        if left == 0 { Err(io::Error::from_raw_os_error(EIO)) } else { Ok(written) }
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
        self.file.len()
    }

    fn state(&self) -> io::Result<FileState> {
        self.file.state()
    }
    fn evict(&self) -> io::Result<Eviction> {
        self.file.evict()
    }
}

/// Runs a drawn workload, a close and another workload while the `nth` write of all fails with its
/// bytes on the disk; kills the process, and holds what the next one shows to the oracle. Says
/// whether there was such a write.
pub(crate) fn run_with_landed_error(seed: Seed, nth: u64) -> Result<bool, Violation> {
    let drawn = |seed: Seed| {
        let mut workload = Workload::drawn(seed, 8);
        workload.ops.retain(|op| !matches!(op, Op::Kill | Op::Reopen));
        workload
    };
    let (before, behind) = (drawn(seed), drawn(seed.child(1)));
    let disk = SimDisk::new(seed);
    let landing = Landing::new(&disk, nth);
    let left = Arc::clone(&landing.left);
    let mut run = Run::with_storage(disk.clone(), Arc::new(landing), before.options.clone(), 1);
    run.expect_errors();
    run.open()?;
    before.ops.iter().try_for_each(|op| run.make(op).map(drop))?;
    run.close()?;
    if !run.is_open() {
        run.open()?;
    }
    behind.ops.iter().try_for_each(|op| run.make(op).map(drop))?;
    let happened = left.load(Ordering::Relaxed) > nth;
    disk.crash_now(CrashKind::Kill);
    let found = disk.after_kill();
    let mut after = run.continued(found.clone(), Arc::new(found.clone()), CrashKind::Kill, 100);
    run.abandon();
    after.open()?;
    after.make(&Op::Append(100, Durability::Sync))?;
    after.make(&Op::Read)?;
    after.abandon();
    Ok(happened)
}

/// Every write of drawn workloads fails in turn.
pub(crate) fn search(seeds: u64) -> Option<String> {
    (0..seeds).find_map(|seed| {
        let mut nth = 0;
        loop {
            match run_with_landed_error(Seed::new(seed), nth) {
                Ok(true) => nth += 1,
                Ok(false) => return None,
                Err(violation) => {
                    return Some(format!("seed {seed}, write {nth} lands and fails: {violation}"));
                }
            }
        }
    })
}

/// The case that was reported: the write of the close record fails with its bytes on the disk, the
/// log goes on, and its process is killed. Says what the next run loses or uses twice.
pub(crate) fn appends_behind_a_close_that_failed() -> Option<String> {
    let options = || {
        let options = Options::new().durability(Durability::Os).segment_len(16 << 10);
        options.idle_mark(None).prepare_ahead(false)
    };
    let disk = SimDisk::new(Seed::new(1));
    let landing = Landing::new(&disk, NEVER);
    let left = Arc::clone(&landing.left);
    let around = Environment { storage: Arc::new(landing), ..environment(&disk, 1) };
    let log = Log::open_in(around, options()).unwrap();
    let append = |log: &Log, nth: u8| (log.append(&[nth; 40]).unwrap().lsn, vec![nth; 40]);
    let mut appended = vec![append(&log, 0)];
    // The close mark goes well; the next write is that of the close record.
    left.store(1, Ordering::Relaxed);
    log.close().unwrap_err();
    left.store(NEVER, Ordering::Relaxed);
    appended.extend((1..4).map(|nth| append(&log, nth)));
    disk.crash_now(CrashKind::Kill);
    drop(log);

    let disk = disk.after_kill();
    let log = Log::open_in(environment(&disk, 2), options()).unwrap();
    let shown: Vec<_> = log
        .scan(Lsn::FIRST)
        .unwrap()
        .map(Result::unwrap)
        .map(|record| (record.lsn, record.bytes.to_vec()))
        .collect();
    if shown != appended {
        return Some(format!("G1: {} records of {}", shown.len(), appended.len()));
    }
    let (next, _) = append(&log, 9);
    let twice = appended.iter().any(|(lsn, _)| *lsn >= next);
    twice.then(|| format!("G4: the address {next} is used twice"))
}
