//! Runs in which somebody else has his hands in the directory of an open log: files that are
//! removed, and a second writer whom no lock keeps out. Each says what was lost in silence.

#![allow(clippy::unwrap_used, reason = "a run that cannot go on fails")]

use parking_lot::Mutex;
use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, OpenMode, Storage, StorageFile,
};
use seawall::{Durability, Environment, Error, Log, LogView, Lsn, Options};
use seawall_sim::{Concern, Rng, Sabotage, Sabotaged, Seed, SimDisk, environment};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn small() -> Options {
    Options::new().segment_len(16 << 10).prepare_ahead(false)
}

fn segment(number: u64) -> String {
    format!("{number:020}.seg")
}

/// What is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    Active,
    Sealed,
    Directory,
    /// The end of the active segment's file alone.
    Tail,
}

/// One drawn run of one writer, under which something is removed; `None` where all went as it
/// must.
pub(crate) fn removed_under_a_writer(seed: u64, victim: Victim) -> Option<String> {
    let mut rng = Seed::new(seed).rng(Concern::Workload);
    let disk = SimDisk::new(Seed::new(seed));
    let level = [
        Durability::Sync,
        Durability::Os,
        Durability::Buffered,
        Durability::Interval(Duration::from_millis(5)),
    ][rng.index(4)];
    let options = small().durability(level).prepare_ahead(rng.chance(1, 2));
    let log = Log::open_in(environment(&disk, seed), options).unwrap();
    let record = |rng: &mut Rng| vec![7; rng.index(900)];
    for _ in 0..20 + rng.index(60) {
        log.append(&record(&mut rng)).unwrap();
        if rng.chance(1, 5) {
            log.tend().unwrap();
        }
    }
    if log.segments().len() < 2 && victim == Victim::Sealed {
        return None;
    }
    let numbers: Vec<u64> = log.segments().iter().map(|one| one.number().get()).collect();
    let (last, sealed) = numbers.split_last().unwrap();
    let name = match victim {
        Victim::Active | Victim::Tail => segment(*last),
        Victim::Sealed => segment(*rng.pick(sealed).unwrap()),
        Victim::Directory => disk.place(),
    };
    match victim {
        Victim::Active | Victim::Sealed => disk.remove_file(&name).unwrap(),
        Victim::Directory => disk.remove_directory(),
        Victim::Tail => {
            let file = disk.open(&name, OpenMode::Write).unwrap();
            let len = file.len().unwrap();
            file.set_len(1 + rng.below(len - 1)).unwrap();
        }
    }
    let outcome = match rng.below(3) {
        // The next sync.
        0 => log.append_at(&record(&mut rng), Durability::Sync).map(drop),
        // The next idle mark, where one is due.
        1 => log
            .append_at(b"moves the watermark", Durability::Buffered)
            .and_then(|_| log.sync().map(drop))
            .and_then(|()| log.tend()),
        _ => log.close(),
    };
    let reported = matches!(&outcome, Err(Error::Disturbed { name: of, .. }) if *of == name);
    if !reported {
        return Some(format!("seed {seed}, {level:?}: {victim:?} removed, then {outcome:?}"));
    }
    for outcome in [log.append(b"later").map(drop), log.sync().map(drop), log.close()] {
        if !matches!(outcome, Err(Error::Disturbed { .. } | Error::Closed) | Ok(())) {
            return Some(format!("seed {seed}: afterwards {outcome:?}"));
        }
    }
    log.append(b"later").is_ok().then(|| format!("seed {seed}: an append later is taken"))
}

/// A sealed segment is removed where the state of the directory tells of no change. What the log says
/// from the removal on until it has sealed one more segment; no close, which lists the names anyway.
#[allow(dead_code, reason = "not every test that has this module asks")]
pub(crate) fn removed_without_a_trace(level: Durability, victim: Option<u64>) -> Result<(), Error> {
    let disk = SimDisk::new(Seed::new(1));
    let script = Script { calls: 0, due: Vec::new(), other: None };
    let shared = Shared {
        disk: Arc::new(disk.clone()),
        script: Arc::new(Mutex::new(script)),
        tells_changes: false,
    };
    let mut around = environment(&disk, 1);
    around.storage = Arc::new(shared);
    let log = Log::open_in(around, small().durability(level)).unwrap();
    let until = |segments: usize| -> Result<(), Error> {
        while log.segments().len() < segments {
            log.append(&[7; 500])?;
            log.tend()?;
        }
        // One more, behind what the new segment calls for.
        log.append(&[7; 500]).and_then(|_| log.tend())
    };
    until(4).unwrap();
    if let Some(number) = victim {
        disk.remove_file(&segment(number)).unwrap();
    }
    until(5)
}

/// What one writer does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Open,
    /// So many records of this length, each durable.
    Append(u64, usize),
    Tend,
    Close,
}

/// One of two writers on a disk: what it did, and what the log answered.
pub(crate) struct Writer {
    environment: Environment,
    options: Options,
    letter: u8,
    log: Option<Log>,
    acknowledged: Vec<(Lsn, Vec<u8>)>,
    error: Option<Error>,
    closed: bool,
    count: u64,
}

impl Writer {
    fn new(environment: Environment, options: Options, letter: u8) -> Self {
        let acknowledged = Vec::new();
        let (log, error, closed, count) = (None, None, false, 0);
        Self { environment, options, letter, log, acknowledged, error, closed, count }
    }

    /// After its first error a writer stops.
    fn go(&mut self, piece: Piece) {
        if self.error.is_none()
            && let Err(error) = self.make(piece)
        {
            self.error = Some(error);
            self.die();
        }
    }

    fn make(&mut self, piece: Piece) -> Result<(), Error> {
        match (piece, &self.log) {
            (Piece::Open, _) => {
                self.log = Some(Log::open_in(self.environment.clone(), self.options.clone())?);
            }
            (Piece::Append(count, len), Some(log)) => {
                for _ in 0..count {
                    let mut record = vec![self.letter; len.max(8)];
                    record[..8].copy_from_slice(&self.count.to_le_bytes());
                    self.count += 1;
                    let receipt = log.append_at(&record, Durability::Sync)?;
                    self.acknowledged.push((receipt.lsn, record));
                }
            }
            (Piece::Tend, Some(log)) => log.tend()?,
            (Piece::Close, Some(log)) => {
                log.close()?;
                self.log = None;
                self.closed = true;
            }
            (_, None) => {}
        }
        Ok(())
    }

    /// A process that dies writes nothing more: its log is never dropped.
    fn die(&mut self) {
        std::mem::forget(self.log.take());
    }
}

/// A disk without a lock, on which another acts between any two calls.
#[derive(Clone)]
struct Shared {
    disk: Arc<dyn Storage>,
    script: Arc<Mutex<Script>>,
    /// The state of the directory is another once a name has changed.
    tells_changes: bool,
}

struct Script {
    calls: u64,
    /// Before which calls, in order; what.
    due: Vec<(u64, Piece)>,
    other: Option<Writer>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a disk that is shared")
    }
}

impl Shared {
    fn called(&self) {
        let due = {
            let mut script = self.script.lock();
            script.calls += 1;
            let calls = script.calls;
            let now = script.due.iter().take_while(|(at, _)| *at <= calls).count();
            let due: Vec<_> = script.due.drain(..now).map(|(_, piece)| piece).collect();
            if due.is_empty() { None } else { script.other.take().map(|other| (other, due)) }
        };
        if let Some((mut other, due)) = due {
            due.into_iter().for_each(|piece| other.go(piece));
            self.script.lock().other = Some(other);
        }
    }
}

#[derive(Debug)]
struct SharedFile {
    file: Arc<dyn StorageFile>,
    with: Shared,
}

impl Storage for Shared {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        self.called();
        let file = self.disk.open(name, mode)?;
        Ok(Arc::new(SharedFile { file, with: self.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.called();
        self.disk.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.called();
        self.disk.rename_new(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.called();
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.called();
        self.disk.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.called();
        self.disk.sync_dir()
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.disk.lock()
    }

    fn state(&self) -> io::Result<Option<DirState>> {
        self.called();
        let state = self.disk.state()?;
        Ok(state
            .map(|state| if self.tells_changes { state } else { DirState { names: 0, ..state } }))
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.disk.identity()
    }

    fn place(&self) -> String {
        self.disk.place()
    }
}

impl StorageFile for SharedFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.with.called();
        self.file.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.with.called();
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with.called();
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.with.called();
        self.file.sync_all()
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.with.called();
        self.file.allocate(offset, len)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.with.called();
        self.file.punch(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with.called();
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.with.called();
        self.file.len()
    }

    fn state(&self) -> io::Result<FileState> {
        self.with.called();
        self.file.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.file.identity()
    }

    fn evict(&self) -> io::Result<Eviction> {
        self.with.called();
        self.file.evict()
    }
}

/// What stood there before the two came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    Closed,
    Killed,
}

impl Before {
    fn disk(self) -> SimDisk {
        let disk = SimDisk::new(Seed::new(1));
        if self != Self::Nothing {
            let log = Log::open_in(environment(&disk, 1), small()).unwrap();
            log.append(&[1; 500]).unwrap();
            log.append(&[2; 500]).unwrap();
            if self == Self::Closed {
                log.close().unwrap();
            } else {
                std::mem::forget(log);
                return disk.after_kill();
            }
        }
        disk
    }
}

/// What two writers came to.
#[derive(Debug, Default)]
pub(crate) struct Collision {
    /// Calls of the first.
    pub(crate) calls: u64,
    /// Records that were acknowledged and are not there.
    #[allow(dead_code, reason = "not every test that has this module asks")]
    pub(crate) lost: usize,
    /// What was lost without a word.
    pub(crate) silent: Option<String>,
}

/// Two writers on one disk that no lock keeps apart: the pieces of the second come before these
/// calls of the first, whatever is left of them at the end.
pub(crate) fn two_writers(before: Before, first: &[Piece], second: &[(u64, Piece)]) -> Collision {
    let disk = before.disk();
    let without_lock: Arc<dyn Storage> =
        Arc::new(Sabotaged::new(Arc::new(disk.clone()), Sabotage::LockIgnored));
    let idle = small().idle_mark(Some(Duration::from_millis(10)));
    let mut other = environment(&disk, 77);
    other.storage = Arc::clone(&without_lock);
    let other = Writer::new(other, idle.clone(), b'b');
    let script = Script { calls: 0, due: second.to_vec(), other: Some(other) };
    let script = Arc::new(Mutex::new(script));
    let shared = Shared { disk: without_lock, script, tells_changes: true };
    let mut mine = environment(&disk, 78);
    mine.storage = Arc::new(shared.clone());
    let mut one = Writer::new(mine, idle, b'a');
    first.iter().for_each(|&piece| one.go(piece));
    let (calls, due, other) = {
        let mut script = shared.script.lock();
        (script.calls, std::mem::take(&mut script.due), script.other.take())
    };
    let mut other = other.unwrap();
    due.into_iter().for_each(|(_, piece)| other.go(piece));
    one.die();
    other.die();
    let found = disk.after_kill();
    let mut there = Vec::new();
    if let Ok(view) = LogView::open_in(&environment(&found, 1))
        && let Ok(scan) = view.scan(Lsn::FIRST)
    {
        there.extend(scan.filter_map(Result::ok).map(|record| (record.lsn, record.bytes.to_vec())));
    }
    let lost = |writer: &Writer| {
        writer.acknowledged.iter().filter(|record| !there.contains(record)).count()
    };
    let lost_by = [lost(&one), lost(&other)];
    let quiet = one.error.is_none() && other.error.is_none();
    let silent = (lost_by != [0, 0] && quiet)
        .then(|| format!("{before:?}, second at {second:?}: {lost_by:?} records lost in silence"));
    Collision { calls, lost: lost_by[0] + lost_by[1], silent }
}
