//! What is done to a log in a simulated run: operations from a seed, and the run that makes them
//! while the oracle listens.

use crate::crash::CrashKind;
use crate::disk::SimDisk;
use crate::environment::environment;
use crate::oracle::{Model, Promise, Shown, Violation};
use crate::rng::{Concern, Rng, Seed};
use seawall::format::frame::frame_len;
use seawall::storage::{Environment, Storage};
use seawall::{Durability, Error, Log, LogView, Lsn, Options, Receipt, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Append one record of this length, at least this durable.
    Append(usize, Durability),
    /// Append records of these lengths as one batch.
    Batch(Vec<usize>, Durability),
    /// Sync.
    Sync,
    /// Trim to the address of the record at this share (of 256) of those known.
    Trim(u8),
    /// Let the log's deadlines pass.
    Tend,
    /// Read everything and compare.
    Read,
    /// Close, and open again.
    Reopen,
    /// Kill the process, and open again.
    Kill,
}

/// Options of a log, and what is done to it.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The options.
    pub options: Options,
    /// The operations.
    pub ops: Vec<Op>,
    /// Whether the log is closed at the end.
    pub close: bool,
}

impl Workload {
    /// Up to `ops_max` operations and the options of the log, from a seed. Small segments, so that
    /// rotations happen.
    #[must_use]
    pub fn drawn(seed: Seed, ops_max: usize) -> Self {
        let mut rng = seed.rng(Concern::Workload);
        let durability = *rng
            .pick(&[
                Durability::Sync,
                Durability::Sync,
                Durability::Os,
                Durability::Buffered,
                Durability::Interval(Duration::from_millis(5)),
            ])
            .unwrap_or(&Durability::Sync);
        let options = Options::new()
            .durability(durability)
            .segment_len(if rng.chance(3, 4) { 16 << 10 } else { 20 << 10 })
            .buffer_max(8 << 10)
            .write_at(if rng.chance(1, 2) { 2 << 10 } else { 8 << 10 })
            .batch_frame_max(if rng.chance(1, 2) { 1 << 10 } else { 1 << 20 })
            .spares_max(rng.index(3))
            .prepare_ahead(rng.chance(1, 2))
            .idle_mark(rng.chance(3, 4).then_some(Duration::from_millis(10)));
        let count = 1 + rng.index(ops_max);
        let ops = (0..count).map(|_| draw_op(&mut rng)).collect();
        Self { options, ops, close: rng.chance(1, 2) }
    }
}

fn draw_len(rng: &mut Rng) -> usize {
    match rng.below(8) {
        0 => 0,
        1..=3 => rng.index(200),
        4..=6 => 500 + rng.index(2500),
        _ => 3000 + rng.index(4000),
    }
}

fn draw_op(rng: &mut Rng) -> Op {
    let level = *rng
        .pick(&[Durability::Buffered, Durability::Buffered, Durability::Os, Durability::Sync])
        .unwrap_or(&Durability::Buffered);
    match rng.below(16) {
        0..=6 => Op::Append(draw_len(rng), level),
        7..=9 => {
            // Now and then one that no segment holds but its own.
            let len = |rng: &mut Rng| if rng.chance(1, 8) { 9000 } else { draw_len(rng) };
            let count = 1 + rng.index(5);
            Op::Batch((0..count).map(|_| len(rng)).collect(), level)
        }
        10 => Op::Sync,
        11 | 12 => Op::Trim(u8::try_from(rng.below(256)).unwrap_or(0)),
        13 => Op::Tend,
        14 => Op::Read,
        _ => {
            if rng.chance(2, 3) {
                Op::Reopen
            } else {
                Op::Kill
            }
        }
    }
}

/// How a run went.
#[derive(Debug)]
pub enum Ending {
    /// To the end.
    Done,
    /// The disk died.
    Crashed,
}

/// A log under a workload, with the oracle beside it.
#[derive(Debug)]
pub struct Run {
    /// What must be shown.
    pub model: Model,
    disk: SimDisk,
    storage: Arc<dyn Storage>,
    entropy: u64,
    options: Options,
    log: Option<Log>,
    /// Numbers the records, so that each is like no other.
    records: u32,
    /// How the disk's last user ended.
    ended: CrashKind,
    /// An open has shown what that end left.
    judged: bool,
    closed: bool,
    /// The disk's calls may fail: errors are answers then, and not broken promises.
    faulty: bool,
}

impl Run {
    /// A run on a fresh disk. The same `entropy` draws the same log id and salts.
    #[must_use]
    pub fn new(disk: SimDisk, options: Options, entropy: u64) -> Self {
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        Self::with_storage(disk, storage, options, entropy)
    }

    /// A run that reaches the disk through another storage, for instance one that cheats.
    #[must_use]
    pub fn with_storage(
        disk: SimDisk,
        storage: Arc<dyn Storage>,
        options: Options,
        entropy: u64,
    ) -> Self {
        Self {
            model: Model::new(),
            disk,
            storage,
            entropy,
            options,
            log: None,
            records: 0,
            ended: CrashKind::Power,
            judged: true,
            closed: false,
            faulty: false,
        }
    }

    /// The same history on the disk that a crash left.
    #[must_use]
    pub fn continued(
        &self,
        disk: SimDisk,
        storage: Arc<dyn Storage>,
        ended: CrashKind,
        entropy: u64,
    ) -> Self {
        Self {
            model: self.model.clone(),
            disk,
            storage,
            entropy,
            options: self.options.clone(),
            log: None,
            records: self.records + 1_000_000,
            // What a power cut took is not judged before an open has shown what is left: a kill of that open
            // gives nothing back.
            ended: if self.judged || ended == CrashKind::Power { ended } else { self.ended },
            judged: false,
            closed: false,
            faulty: false,
        }
    }

    /// From now on calls of the disk may fail, and errors are answers.
    pub fn expect_errors(&mut self) {
        self.faulty = true;
    }

    /// The disk.
    #[must_use]
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn environment(&self) -> Environment {
        Environment { storage: Arc::clone(&self.storage), ..environment(&self.disk, self.entropy) }
    }

    /// Opens the log and holds what it shows to the oracle.
    ///
    /// # Errors
    /// A broken promise; a sound disk's refusal is one.
    pub fn open(&mut self) -> Result<Ending, Violation> {
        self.look()?;
        self.entropy = self.entropy.wrapping_add(1);
        match Log::open_in(self.environment(), self.options.clone()) {
            Ok(log) => self.log = Some(log),
            // What failed once may be tried again: the plans of these runs are used up.
            Err(Error::Io { .. } | Error::Full { .. }) if self.faulty && !self.disk.is_dead() => {
                self.ended = CrashKind::Power;
                match Log::open_in(self.environment(), self.options.clone()) {
                    Ok(log) => self.log = Some(log),
                    Err(error) => return self.refuse("G5", "open", &error),
                }
            }
            Err(error) => return self.excuse("G5", "open", &error),
        }
        let shown = match self.shown() {
            Ok(shown) => shown,
            Err(error) => return self.excuse("G5", "scan after open", &error),
        };
        if self.closed {
            self.model.observe_all(&shown)?;
        } else {
            self.model.observe(self.ended, &shown)?;
        }
        self.closed = false;
        self.judged = true;
        self.read_addresses()
    }

    /// A reader without the lock raises no alarm, and shows nothing that the oracle would not.
    fn look(&self) -> Result<Ending, Violation> {
        let seen = LogView::open_in(&self.environment()).and_then(|mut view| view.verify(|_| {}));
        match seen {
            Ok(found) if found.verdict == Verdict::Damaged => Err(Violation {
                promise: "G5",
                what: format!("a crash alone is reported as damage: {:?}", found.damage),
            }),
            Ok(_) => Ok(Ending::Done),
            Err(error) => self.excuse("G5", "look", &error),
        }
    }

    /// An error on a dead disk is none of ours.
    fn excuse(
        &self,
        promise: &'static str,
        what: &str,
        error: &Error,
    ) -> Result<Ending, Violation> {
        if self.disk.is_dead() {
            return Ok(Ending::Crashed);
        }
        // No failed call makes damage, or somebody else's log, or an address that is none.
        let answer =
            matches!(error, Error::Io { .. } | Error::Full { .. } | Error::Poisoned { .. });
        if self.faulty && answer {
            return Ok(Ending::Done);
        }
        self.refuse(promise, what, error)
    }

    fn refuse(
        &self,
        promise: &'static str,
        what: &str,
        error: &Error,
    ) -> Result<Ending, Violation> {
        Err(Violation { promise, what: format!("{what} failed on a sound disk: {error:?}") })
    }

    /// Whether a log is open: a close that failed leaves it so.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.log.is_some()
    }

    fn log(&self) -> &Log {
        self.log.as_ref().expect("a run is opened before it is used")
    }

    fn shown(&self) -> Result<Vec<Shown>, Error> {
        self.log()
            .scan_at(Lsn::FIRST, Durability::Buffered)?
            .map(|record| {
                let record = record?;
                let bytes = record.bytes.to_vec();
                Ok(Shown { lsn: record.lsn, index: record.index, bytes })
            })
            .collect()
    }

    fn read_addresses(&self) -> Result<Ending, Violation> {
        for lsn in self.model.addresses() {
            let read = match self.log().read_batch(lsn) {
                Ok(read) => read,
                Err(Error::Trimmed { .. }) => continue,
                Err(error) => return self.excuse("G1", "reading by address", &error),
            };
            let expected = self.model.records_at(lsn).unwrap_or_default();
            let same = read.len() == expected.len()
                && read.iter().zip(expected).all(|(read, expected)| read.bytes == *expected);
            if !same {
                let what = format!("the address {lsn} gives other bytes than were appended");
                return Err(Violation { promise: "G1", what });
            }
        }
        Ok(Ending::Done)
    }

    fn record(&mut self, len: usize) -> Vec<u8> {
        self.records += 1;
        let tag = self.records.to_le_bytes();
        // Never empty: the oracle tells records by their bytes.
        tag.iter().copied().cycle().take(len.max(4)).collect()
    }

    fn promise_of(&self, level: Durability) -> Promise {
        match level.max(self.options.durability) {
            Durability::Buffered => Promise::Nothing,
            Durability::Os | Durability::Interval(_) => Promise::Kill,
            Durability::Sync => Promise::Power,
        }
    }

    /// Makes one operation.
    ///
    /// # Errors
    /// A broken promise.
    pub fn make(&mut self, op: &Op) -> Result<Ending, Violation> {
        match op {
            Op::Append(len, level) => {
                let record = self.record(*len);
                self.model.begin(vec![record.clone()]);
                let before = self.log().watermarks().accepted;
                let receipt = self.log().append_at(&record, *level);
                self.ask_again(before, receipt.as_ref())?;
                self.appended(receipt.map(|receipt| receipt.lsn), *level)
            }
            Op::Batch(lens, level) => {
                let records: Vec<_> = lens.iter().map(|&len| self.record(len)).collect();
                self.model.begin(records.clone());
                let before = self.log().watermarks().accepted;
                let receipt = self.log().append_batch_at(&records, *level);
                self.ask_again(before, receipt.as_ref())?;
                self.appended(receipt.map(|receipt| receipt.lsn), *level)
            }
            Op::Sync => match self.log().sync() {
                Ok(_) => {
                    self.model.promise_all(Promise::Power);
                    Ok(Ending::Done)
                }
                Err(error) => self.excuse("progress", "sync", &error),
            },
            Op::Trim(share) => self.trim(*share),
            Op::Tend => match self.log().tend() {
                Ok(()) => {
                    let marks = self.log().watermarks();
                    if marks.durable == marks.accepted {
                        self.model.promise_all(Promise::Power);
                    }
                    Ok(Ending::Done)
                }
                Err(error) => self.excuse("progress", "tend", &error),
            },
            Op::Read => match self.shown() {
                // A scan ends where the disk takes nothing any more.
                Ok(_) if self.disk.is_dead() => Ok(Ending::Crashed),
                Ok(shown) => {
                    self.model.compare(&shown)?;
                    self.read_addresses()
                }
                Err(error) => self.excuse("G1", "scan", &error),
            },
            Op::Reopen => {
                if let Ending::Crashed = self.close()? {
                    return Ok(Ending::Crashed);
                }
                self.log = None;
                self.open()
            }
            Op::Kill => {
                // The handle must not close the log as it is dropped: its disk dies first.
                let successor = {
                    self.disk.crash_now(CrashKind::Kill);
                    self.disk.after_kill()
                };
                self.log = None;
                self.storage = Arc::new(successor.clone());
                self.disk = successor;
                // After a failed sync a kill is as bad as a power cut.
                self.ended = if self.faulty { CrashKind::Power } else { CrashKind::Kill };
                self.open()
            }
        }
    }

    /// An append that had its place and could not be written failed for everyone who asks.
    fn ask_again(&self, before: Lsn, outcome: Result<&Receipt, &Error>) -> Result<(), Violation> {
        let end = self.log().watermarks().accepted;
        let Err(told @ (Error::Io { .. } | Error::Full { .. })) = outcome else { return Ok(()) };
        // A mark has no append, and may be placed while one waits.
        let alone = end.since(before) == Some(frame_len(0, true));
        if end == before || alone || self.disk.is_dead() {
            return Ok(());
        }
        for _ in 0..2 {
            let again = self.log().wait_durable(end);
            let same = again.as_ref().is_err_and(|again| again.to_string() == told.to_string());
            if !same {
                let what =
                    format!("an append was told {told:?}; asked again the log says {again:?}");
                return Err(Violation { promise: "G2", what });
            }
        }
        Ok(())
    }

    fn appended(
        &mut self,
        outcome: Result<Lsn, Error>,
        level: Durability,
    ) -> Result<Ending, Violation> {
        match outcome {
            Ok(lsn) => {
                let promise = self.promise_of(level);
                self.model.acknowledge(lsn, promise)?;
                Ok(Ending::Done)
            }
            Err(error) => {
                if !self.disk.is_dead() {
                    self.model.failed();
                }
                self.excuse("progress", "append", &error)
            }
        }
    }

    fn trim(&mut self, share: u8) -> Result<Ending, Violation> {
        let known = self.model.addresses();
        let Some(&to) = known.get(known.len() * usize::from(share) / 256) else {
            return Ok(Ending::Done);
        };
        self.model.begin_trim(to);
        match self.log().trim(to) {
            Ok(_) => {
                // A trim that moves the trim point is durable when it returns, and with it what
                // came before.
                if to > self.model.trim_point() {
                    self.model.promise_all(Promise::Power);
                }
                self.model.trimmed(to);
                Ok(Ending::Done)
            }
            Err(error) => self.excuse("progress", "trim", &error),
        }
    }

    /// Closes the log.
    ///
    /// # Errors
    /// A broken promise.
    pub fn close(&mut self) -> Result<Ending, Violation> {
        match self.log().close() {
            Ok(()) => {
                self.log = None;
                self.model.promise_all(Promise::Power);
                self.closed = true;
                Ok(Ending::Done)
            }
            Err(error) => {
                self.ended = CrashKind::Power;
                self.excuse("progress", "close", &error)
            }
        }
    }

    /// Opens, makes every operation, and closes if the workload says so.
    ///
    /// # Errors
    /// A broken promise.
    pub fn through(&mut self, workload: &Workload) -> Result<Ending, Violation> {
        if let Ending::Crashed = self.open()? {
            return Ok(Ending::Crashed);
        }
        for op in &workload.ops {
            if let Ending::Crashed = self.make(op)? {
                return Ok(Ending::Crashed);
            }
        }
        if workload.close {
            return self.close();
        }
        Ok(Ending::Done)
    }

    /// The disk is dead, or about to be left: nothing of the log may touch it any more.
    pub fn abandon(&mut self) {
        self.disk.crash_now(CrashKind::Kill);
        self.log = None;
    }
}
