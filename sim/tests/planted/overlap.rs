//! Work that overlaps: two syncs at once, if the log allows them, where one thread is held inside of a
//! sync that failed; and an append while early write-back is under way.

use parking_lot::{Condvar, Mutex};
use seawall::log::stepped::{Answer, Lane, Stepped};
use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, OpenMode, Storage, StorageFile,
};
use seawall::{Durability, Log, Options};
use seawall_sim::{EIO, FaultPlan, Operation, Seed, SimDisk, environment};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;

/// Who goes through it with an error waits there.
#[derive(Debug, Default)]
struct Gate {
    /// Whether somebody stands there, and whether it is open.
    state: Mutex<(bool, bool)>,
    moved: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock();
        state.0 = true;
        self.moved.notify_all();
        while !state.1 {
            self.moved.wait(&mut state);
        }
    }

    fn await_somebody(&self) {
        let mut state = self.state.lock();
        while !state.0 {
            self.moved.wait(&mut state);
        }
    }

    fn open(&self) {
        self.state.lock().1 = true;
        self.moved.notify_all();
    }
}

#[derive(Debug)]
struct Gated(SimDisk, Arc<Gate>);

impl Storage for Gated {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(GatedFile(self.0.open(name, mode)?, Arc::clone(&self.1))))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename_new(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn list(&self) -> io::Result<Vec<Entry>> {
        self.0.list()
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.0.sync_dir()
    }
    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.0.lock()
    }
    fn state(&self) -> io::Result<Option<DirState>> {
        self.0.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.0.identity()
    }

    fn place(&self) -> String {
        self.0.place()
    }
}

#[derive(Debug)]
struct GatedFile(Arc<dyn StorageFile>, Arc<Gate>);

impl StorageFile for GatedFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_at(offset, bytes)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data().inspect_err(|_| self.1.pass())
    }
    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.0.allocate(offset, len)
    }
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.0.punch(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn state(&self) -> io::Result<FileState> {
        self.0.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.0.identity()
    }
    fn evict(&self) -> io::Result<Eviction> {
        self.0.evict()
    }
}

/// Whether an append is acknowledged while another's sync has failed and not yet said so.
pub(crate) fn acknowledged_beside_a_failing_sync() -> Option<String> {
    let (disk, gate) = (SimDisk::new(Seed::new(1)), Arc::new(Gate::default()));
    let mut around = environment(&disk, 1);
    around.storage = Arc::new(Gated(disk.clone(), Arc::clone(&gate)));
    // At a level at which writes and syncs are actions of their own.
    let options = Options::new().durability(Durability::Os).segment_len(16 << 10);
    let options = options.idle_mark(None).prepare_ahead(false);
    let log = Log::open_in(around, options).unwrap();
    log.append_at(b"first", Durability::Sync).unwrap();
    // Written before it is synced: a sync that rides on its write is no action of its own.
    log.append_at(b"lost", Durability::Os).unwrap();
    disk.fail(FaultPlan::new(Operation::SyncData, EIO));
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| log.sync());
        gate.await_somebody();
        let before = log.watermarks().accepted;
        let other = scope.spawn(|| log.append_at(b"behind it", Durability::Sync));
        while log.watermarks().accepted == before {
            std::thread::yield_now();
        }
        // A sound log lets it wait for the first: there is no event to wait for here.
        for _ in 0..100_000 {
            if other.is_finished() {
                break;
            }
            std::thread::yield_now();
        }
        gate.open();
        let _told = failing.join().unwrap();
        let acknowledged = other.join().unwrap().is_ok();
        acknowledged.then(|| "G7: acknowledged by a second sync of the same bytes".to_owned())
    })
}

/// A record is written while early write-back is under way.
pub(crate) fn written_beside_an_early_write_back() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let options = Options::new().durability(Durability::Os).segment_len(64 << 10);
    let options = options.write_back(Some(4 << 10)).idle_mark(None);
    let log = Stepped::new(Log::open_in(environment(&disk, 1), options).unwrap());
    let append = |record: &[u8]| {
        let mut call = log.begin_append(record.to_vec(), Durability::Os);
        loop {
            match log.poll(&mut call) {
                Some(Ok(Answer::Appended(receipt))) => return receipt,
                Some(other) => panic!("an append on a sound disk: {other:?}"),
                None => log.give_back(log.take(Lane::Commit).unwrap().perform()),
            }
        }
    };
    append(&[7; 5000]);
    let done = log.take(Lane::Upkeep).unwrap().perform();
    let receipt = append(b"beside it");
    log.give_back(done);
    let durable = log.log().watermarks().durable;
    (durable >= receipt.end).then(|| "G1: durable, and no sync covers it".to_owned())
}
