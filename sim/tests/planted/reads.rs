//! Reads by address, where they are overtaken, and where one of many cannot be answered.

use super::media::settled;
use parking_lot::Mutex;
use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, OpenMode, Storage, StorageFile,
};
use seawall::{Durability, Error, Log, Lsn, Options};
use seawall_sim::{CrashKind, Seed, SimDisk, environment};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;

/// What is done in between, once.
type Played = Box<dyn FnOnce() + Send>;

/// What happens before the next read of a file.
#[derive(Clone, Default)]
struct Interlude(Arc<Mutex<Option<Played>>>);

impl Interlude {
    fn set(&self, what: impl FnOnce() + Send + 'static) {
        *self.0.lock() = Some(Box::new(what));
    }

    fn happen(&self) {
        let what = self.0.lock().take();
        if let Some(what) = what {
            what();
        }
    }
}

impl fmt::Debug for Interlude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interlude")
    }
}

/// A disk on which something happens between the beginning of a read and its bytes.
#[derive(Debug)]
struct Interrupted<D> {
    below: D,
    interlude: Interlude,
}

impl Storage for Interrupted<Arc<dyn Storage>> {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let below = self.below.open(name, mode)?;
        Ok(Arc::new(Interrupted { below, interlude: self.interlude.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.below.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.below.rename_new(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.below.remove(name)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.below.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.below.sync_dir()
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.below.lock()
    }

    fn state(&self) -> io::Result<Option<DirState>> {
        self.below.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.below.identity()
    }

    fn place(&self) -> String {
        self.below.place()
    }
}

impl StorageFile for Interrupted<Arc<dyn StorageFile>> {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.interlude.happen();
        self.below.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.below.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.below.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.below.sync_all()
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.below.allocate(offset, len)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.below.punch(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.below.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn state(&self) -> io::Result<FileState> {
        self.below.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.below.identity()
    }

    fn evict(&self) -> io::Result<Eviction> {
        self.below.evict()
    }
}

fn small() -> Options {
    Options::new().segment_len(16 << 10).spares_max(4).idle_mark(None).prepare_ahead(false)
}

/// Appends until there is another segment; returns the addresses in the one before.
fn filled(log: &Log, byte: u8) -> Vec<Lsn> {
    let mut told_of = vec![log.append(&[byte; 500]).unwrap().lsn];
    let last = log.segments().last().unwrap().number();
    while log.segments().last().unwrap().number() == last {
        told_of.push(log.append(&[byte; 500]).unwrap().lsn);
    }
    told_of
}

/// Between the look-up of a read and its bytes a trim takes the segment, and appends fill its file
/// with other records at the same places.
pub(crate) fn read_overtaken_by_a_recycling() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let interlude = Interlude::default();
    let mut environment = environment(&disk, 1);
    environment.storage =
        Arc::new(Interrupted { below: environment.storage, interlude: interlude.clone() });
    let log = Log::open_in(environment, small().durability(Durability::Os)).unwrap();
    filled(&log, 1);
    let told_of = filled(&log, 1);
    // The first frame of a segment may carry a mark: those behind it stand at the same places in
    // every segment.
    let lsn = told_of[3];
    let writer = log.clone();
    interlude.set(move || {
        writer.trim(writer.watermarks().written).unwrap();
        for _ in 0..6 {
            filled(&writer, 2);
        }
    });
    match log.read(lsn) {
        Ok(read) if *read.bytes == [1; 500] => None,
        Err(Error::Trimmed { .. }) => None,
        Ok(_) => Some("G1: a read gets the bytes of another record at its place".to_owned()),
        Err(error) => Some(format!("G1: a read that was overtaken is told {error:?}")),
    }
}

/// One of many records lost a bit.
pub(crate) fn damaged_one_of_many() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), small()).unwrap();
    let told_of = filled(&log, 1);
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = settled(&disk);
    disk.flip_bit(&format!("{:020}.seg", 1), 8192 + told_of[5].get() + 100, 1).unwrap();
    let log = Log::open_in(environment(&disk, 2), small()).unwrap();
    let answers = log.read_many(&told_of);
    let wrong = (0..).zip(answers).find_map(|(nth, answer)| match answer {
        Ok(read) if nth != 5 && read.lsn == told_of[nth] && *read.bytes == [1; 500] => None,
        Err(error) if nth == 5 && error.is_damage() => None,
        answer => Some(format!("{nth}: {answer:?}")),
    });
    wrong.map(|wrong| format!("G1: one of many reads gets {wrong:.80}"))
}

/// Readers that kept a position which the log has lost, or never had.
pub(super) fn begun_beyond_the_end() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let options = small().durability(Durability::Buffered);
    let log = Log::open_in(environment(&disk, 1), options.clone()).unwrap();
    let kept = log.append_at(b"kept", Durability::Sync).unwrap().end;
    log.append(b"lost").unwrap();
    let position = log.append(b"lost as well").unwrap().end;
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let log = Log::open_in(environment(&settled(&disk), 2), options).unwrap();
    let told = [log.scan(position).err(), log.follow(position).err()];
    let beyond = |error: &Option<Error>| matches!(error, Some(Error::Beyond { lsn, end }) if *lsn == position && *end == kept);
    let silent = !told.iter().all(beyond);
    silent.then(|| format!("G4: a reader that begins beyond the end is told {told:?}"))
}
