//! One small log on one small disk, threads that use it, and its end: a close, a drop, or a crash
//! at any point; then what is left is opened and held against the book.

use super::book::{Book, Reader};
use super::following::How;
use super::stepped::{SteppedDisk, Ticking, point};
use crate::crash::{CrashKind, CrashPolicy};
use crate::disk::SimDisk;
use crate::environment::environment;
use crate::faults::FaultPlan;
use crate::oracle::Shown;
use crate::rng::{Concern, Rng, Seed};
use parking_lot::Mutex;
use seawall::{Durability, Environment, Error, Log, LogView, Lsn, Options, Receipt, Threads};
use shuttle::thread::{self, JoinHandle};
use std::sync::Arc;
use std::time::Duration;

/// A handle that is not dropped while a failed execution is taken apart: its drop would drive the
/// log, which may be in no state to be driven.
#[derive(Clone, Debug)]
pub(super) struct Handle(Option<Log>);

impl Handle {
    fn log(&self) -> &Log {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::forget(self.0.take());
        }
    }
}

impl std::ops::Deref for Handle {
    type Target = Log;

    fn deref(&self) -> &Log {
        self.log()
    }
}

/// How a log is followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pub(super) level: Durability,
    pub(super) how: How,
}

/// What a harness wants.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) options: Options,
    /// Threads do the log's work in the background: its own, or those that it shares with another log.
    pub(super) threads: bool,
    pub(super) shared: bool,
    /// Every disk call is a scheduling point.
    pub(super) stepped: bool,
    /// It may crash; every other execution does.
    pub(super) crashes: bool,
    /// Records are in it before the threads start, so that they need not make the first segment.
    pub(super) begun: bool,
    /// If it is begun: now and then by an earlier run, which closed it, or crashed.
    pub(super) reopened: bool,
    pub(super) fault: Option<FaultPlan>,
}

/// The log, while threads use it.
#[derive(Debug)]
pub(super) struct Stage {
    seed: u64,
    pub(super) rng: Rng,
    disk: SimDisk,
    stepped: SteppedDisk,
    book: Arc<Book>,
    /// Shared with those who must not keep the log open.
    slot: Arc<Mutex<Option<Handle>>>,
    level: Durability,
    /// The threads that it shares with a neighbour.
    shared: Option<Threads>,
    pub(super) sound: bool,
    actors: u8,
    /// Records of an earlier run.
    earlier: usize,
    crasher: Option<(u64, CrashKind)>,
    pub(super) threads: Vec<JoinHandle<()>>,
    /// They end when the log does.
    watchers: Vec<JoinHandle<()>>,
}

/// The options of every harness: small segments, small buffers, nothing written ahead.
pub(super) fn small(level: Durability) -> Options {
    Options::new()
        .durability(level)
        .segment_len(16 << 10)
        .buffer_max(16 << 10)
        .write_at(4 << 10)
        .idle_mark(None)
        .zeros_ahead(Some(false))
        .spares_max(1)
}

impl Stage {
    pub(super) fn open(seed: u64, rng: Rng, plan: Plan) -> Self {
        let mut rng = rng;
        let mut disk = SimDisk::new(Seed::new(seed));
        let book = Arc::new(Book::default());
        let ran = plan.begun && plan.reopened && rng.chance(1, 2);
        if ran {
            disk = earlier_run(seed, disk, &book, &mut rng);
        }
        let stepped = SteppedDisk::new(disk.clone());
        let tick = [200, 1000, 2000][rng.index(3)];
        let shared = plan.shared.then(|| {
            let clock = Ticking::new(Duration::from_micros(tick));
            Threads::on(2, Arc::new(clock)).expect("a scheduler has threads without end")
        });
        let environment = Environment {
            storage: Arc::new(stepped.clone()),
            clock: Arc::new(Ticking::new(Duration::from_micros(tick))),
            threads: plan.threads,
            shared_threads: shared.clone(),
            ..environment(&disk, seed)
        };
        let level = plan.options.durability;
        let log = Log::open_in(environment, plan.options).expect("an empty directory");
        let slot = Arc::new(Mutex::new(Some(Handle(Some(log)))));
        let mut stage = Self {
            seed,
            sound: plan.fault.is_none(),
            rng,
            disk,
            stepped,
            book,
            slot,
            level,
            shared,
            actors: u8::from(ran),
            earlier: usize::from(ran),
            crasher: None,
            threads: Vec::new(),
            watchers: Vec::new(),
        };
        if plan.begun && !ran {
            stage.actor().append(40);
        }
        if let Some(fault) = plan.fault {
            stage.disk.fail(fault);
        }
        if plan.crashes {
            stage.plan_crash();
        }
        stage.stepped.step(plan.stepped);
        stage
    }

    fn plan_crash(&mut self) {
        let kind = if self.rng.chance(1, 5) { CrashKind::Kill } else { CrashKind::Power };
        match self.rng.below(4) {
            0 => {
                let within = 1 << self.rng.below(7);
                self.crasher = Some((self.rng.below(within), kind));
            }
            1 => {
                let step = self.disk.steps() + self.rng.below(50);
                self.disk.crash_at(step, kind);
            }
            _ => return,
        }
        self.sound = false;
    }

    /// Somebody who uses the log.
    pub(super) fn actor(&mut self) -> Actor {
        let handle = self.slot.lock().clone();
        self.actors += 1;
        Actor {
            handle: handle.expect("the log is open"),
            book: Arc::clone(&self.book),
            level: self.level,
            sound: self.sound,
            thread: self.actors,
            nth: 0,
            last: None,
        }
    }

    /// Starts a thread.
    pub(super) fn run(&mut self, body: impl FnOnce(Actor) + Send + 'static) {
        let actor = self.actor();
        self.threads.push(thread::spawn(move || body(actor)));
    }

    /// The log.
    pub(super) fn log(&self) -> impl std::ops::Deref<Target = Log> + use<> {
        self.slot.lock().clone().expect("the log is open")
    }

    pub(super) fn book(&self) -> Arc<Book> {
        Arc::clone(&self.book)
    }

    /// Starts a thread that follows the log to its end, at its own level.
    pub(super) fn follow(&mut self) {
        let level = match self.level {
            Durability::Interval(_) => Durability::Sync,
            level => level,
        };
        self.watch(Watch { level, how: How::Blocks });
    }

    /// The same at any level and by any way.
    pub(super) fn watch(&mut self, watch: Watch) {
        let follower = match self.actor().handle.log().follow_at(Lsn::FIRST, watch.level) {
            Ok(follower) => follower,
            // Another thread closed it first.
            Err(Error::Closed) => return,
            Err(error) => unreachable!("nothing was trimmed: {error:?}"),
        };
        let (book, slot) = (Arc::clone(&self.book), Arc::clone(&self.slot));
        let sound = self.sound;
        self.watchers.push(thread::spawn(move || {
            let (mut follower, mut reader, mut count) = (follower, Reader::default(), 0);
            let durable = watch.level == Durability::Sync;
            loop {
                match watch.how.next(&mut follower) {
                    Ok(Some(record)) => {
                        count += 1;
                        book.shown(&mut reader, record.lsn, &record.bytes, durable);
                        let handle = slot.lock().clone();
                        if let Some(handle) = handle {
                            let marks = handle.log().watermarks();
                            let mark = match watch.level {
                                Durability::Buffered => marks.accepted,
                                Durability::Os => marks.written,
                                _ => marks.durable,
                            };
                            assert!(mark > record.lsn, "shown before it is so safe: {watch:?}");
                            let failed = durable && handle.log().is_failed(record.lsn);
                            assert!(!failed, "what failed is shown");
                        }
                    }
                    Ok(None) => break,
                    Err(Error::Poisoned { .. }) => return book.poisoned(),
                    // Once the log is closed it is told that, whatever stopped it.
                    Err(Error::Trimmed { .. } | Error::Closed) if book.trim_point().is_some() => {
                        return;
                    }
                    Err(error) => {
                        assert!(!sound, "a follower is told {error:?}");
                        return;
                    }
                }
            }
            let all = book.trim_point().is_some() || count >= book.acknowledged();
            assert!(all || !sound, "a follower ended after {count} records: {watch:?}");
        }));
    }

    /// Starts a thread that has a log of its own on the same threads: it appends, and closes.
    pub(super) fn neighbour(&mut self, appends: u8) {
        let disk = SimDisk::new(Seed::new(self.seed ^ 3));
        let clock = Arc::new(Ticking::new(Duration::from_millis(1)));
        let around = Environment {
            threads: self.shared.is_some(),
            shared_threads: self.shared.clone(),
            ..environment(&disk, self.seed ^ 3).clock(clock)
        };
        let options = small(self.level).idle_mark(Some(Duration::from_millis(2)));
        self.threads.push(thread::spawn(move || {
            let log = Handle(Some(Log::open_in(around, options).expect("an empty directory")));
            let mut last = None;
            for nth in 0..appends {
                last = Some(log.append(&[nth; 40]).expect("nothing fails"));
            }
            log.close().expect("nothing fails");
            let durable = log.watermarks().durable;
            assert!(last.is_none_or(|last| last.end <= durable), "a close makes all durable");
        }));
    }

    /// Starts a thread that looks at the log from outside, without its lock.
    pub(super) fn view(&mut self, looks: u32) {
        let storage = Arc::new(self.stepped.clone());
        let environment = Environment { storage, ..environment(&self.disk, self.seed) };
        let (book, sound) = (Arc::clone(&self.book), self.sound);
        self.threads.push(thread::spawn(move || {
            for look in 0..looks {
                match look_once(&environment, &book, look % 2 == 0) {
                    Ok(()) => {}
                    Err(Error::Trimmed { .. }) if book.trim_point().is_some() => {}
                    Err(error) => assert!(!sound, "a view is told {error:?}"),
                }
            }
        }));
    }

    /// As [`finish`](Self::finish), but the last handle is that of the last actor.
    pub(super) fn finish_early(self) {
        drop(self.slot.lock().take());
        self.finish();
    }

    /// Ends it, opens what is left, and compares.
    pub(super) fn finish(mut self) {
        if let Some((steps, kind)) = self.crasher {
            let disk = self.disk.clone();
            self.threads.push(thread::spawn(move || {
                (0..steps).for_each(|_| point());
                disk.crash_now(kind);
            }));
        }
        // Now and then the last actor's handle is the last there is.
        let early = self.rng.chance(1, 4).then(|| self.slot.lock().take());
        drop(early);
        for thread in self.threads.drain(..) {
            thread.join().expect("a panic ends the execution");
        }
        let handle = self.slot.lock().take();
        let mut closed = None;
        if let Some(handle) = handle {
            if self.rng.chance(3, 4) {
                closed = Some(handle.log().close());
            }
            drop(handle);
        }
        for watcher in self.watchers.drain(..) {
            watcher.join().expect("a panic ends the execution");
        }
        // They end with the last log, and what is left is opened without them.
        drop(self.shared.take());
        self.stepped.step(false);
        match &closed {
            None => {}
            Some(Ok(())) => {
                assert!(!self.book.is_poisoned(), "a poisoned log says so at its close")
            }
            Some(Err(error)) => assert!(!self.sound, "a close is told {error:?}"),
        }
        let whole = self.sound || (matches!(closed, Some(Ok(()))) && !self.disk.is_dead());
        self.settle(whole);
    }

    fn settle(mut self, whole: bool) {
        let (after, disk) = match self.disk.crashed_by() {
            // Whatever was closed survives anything.
            None if whole => (None, self.cut(&CrashPolicy::AllLost)),
            Some(CrashKind::Kill) => (Some(CrashKind::Kill), self.disk.after_kill()),
            Some(CrashKind::Power) | None => {
                let policy = CrashPolicy::drawn(self.disk.pending_units(), &mut self.rng);
                (Some(CrashKind::Power), self.cut(&policy))
            }
        };
        let options = small(Durability::Sync);
        let log = Log::open_in(environment(&disk, self.seed ^ 1), options).expect("it opens");
        let log = Handle(Some(log));
        let shown: Vec<Shown> = log
            .log()
            .scan(Lsn::FIRST)
            .expect("the beginning")
            .map(|record| record.expect("nothing is damaged"))
            .map(|record| Shown {
                lsn: record.lsn,
                index: record.index,
                bytes: record.bytes.to_vec(),
            })
            .collect();
        self.book.settle(after, &shown);
        // A run that hands out no address writes nothing, its close neither.
        if after.is_none() && self.book.acknowledged() > self.earlier {
            assert!(log.log().report().clean, "{}", log.log().report());
        }
        if self.rng.chance(1, 8) {
            let receipt = log.log().append(b"behind").expect("the disk is sound");
            assert!(shown.last().is_none_or(|last| last.lsn < receipt.lsn), "G4");
            let told = self.book.addresses();
            assert!(told.iter().all(|&(lsn, _)| lsn != receipt.lsn), "G4: told before");
        }
    }

    fn cut(&self, policy: &CrashPolicy) -> SimDisk {
        let mut rng = Seed::new(self.seed).rng(Concern::CrashResolution);
        self.disk.after_power_cut(policy, &mut rng)
    }
}

/// What an earlier run left: one record, behind which the next run begins in one of two ways.
fn earlier_run(seed: u64, disk: SimDisk, book: &Arc<Book>, rng: &mut Rng) -> SimDisk {
    let level = Durability::Sync;
    let log = Log::open_in(environment(&disk, seed ^ 2), small(level)).expect("it is empty");
    let mut actor = Actor {
        handle: Handle(Some(log)),
        book: Arc::clone(book),
        level,
        sound: true,
        thread: 1,
        nth: 0,
        last: None,
    };
    actor.append(40);
    if rng.chance(1, 2) {
        actor.close();
        return disk;
    }
    disk.crash_now(CrashKind::Power);
    drop(actor);
    disk.after_power_cut(&CrashPolicy::AllLost, rng)
}

fn look_once(environment: &Environment, book: &Book, proven: bool) -> seawall::Result<()> {
    let view = LogView::open_in(environment)?;
    let mut reader = Reader::default();
    let scan = if proven { view.scan_proven(Lsn::FIRST)? } else { view.scan(Lsn::FIRST)? };
    for record in scan {
        let record = record?;
        book.shown(&mut reader, record.lsn, &record.bytes, proven);
    }
    Ok(())
}

/// One thread's way to the log.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) handle: Handle,
    pub(super) book: Arc<Book>,
    pub(super) level: Durability,
    /// Nothing fails and nothing crashes.
    pub(super) sound: bool,
    pub(super) thread: u8,
    pub(super) nth: u8,
    last: Option<Receipt>,
}

impl Actor {
    pub(super) fn log(&self) -> &Log {
        self.handle.log()
    }

    pub(super) fn appending(
        &mut self,
        (records, len): (u8, usize),
        level: Durability,
        append: impl FnOnce(&Log, &[Vec<u8>]) -> seawall::Result<Receipt>,
    ) -> bool {
        let name = (self.thread, self.nth);
        self.nth += 1;
        let bytes = self.book.begin(name, records, len);
        let poisoned = self.book.is_poisoned();
        let result = append(self.log(), &bytes);
        let sure = match level.max(self.level) {
            // The interval is kept, but not yet over.
            Durability::Interval(_) => Durability::Os,
            level => level,
        };
        self.book.appended(name, sure, &result);
        match &result {
            Ok(receipt) => {
                assert!(!poisoned, "{name:?}: appended after somebody was told that a sync failed");
                self.last = Some(*receipt);
                let marks = self.log().watermarks();
                let reached = match sure {
                    Durability::Buffered => marks.accepted,
                    Durability::Os | Durability::Interval(_) => marks.written,
                    Durability::Sync => marks.durable,
                };
                assert!(reached >= receipt.end, "{name:?}: {marks:?} at {sure:?}");
                self.book.durable(marks.durable);
            }
            Err(Error::Poisoned { .. }) => self.book.poisoned(),
            Err(Error::Closed | Error::Busy) => {}
            Err(error) => assert!(!self.sound, "{name:?}: {error:?}"),
        }
        result.is_ok()
    }

    /// Appends one record at the log's level.
    pub(super) fn append(&mut self, len: usize) -> bool {
        self.append_at(len, Durability::Buffered)
    }

    pub(super) fn append_at(&mut self, len: usize, level: Durability) -> bool {
        self.appending((1, len), level, |log, records| {
            log.append_at(records.first().map_or(&[], Vec::as_slice), level)
        })
    }

    /// Appends unless it would have to wait.
    pub(super) fn try_append(&mut self, len: usize) -> bool {
        self.appending((1, len), Durability::Buffered, |log, records| {
            log.try_append(records.first().map_or(&[], Vec::as_slice))
        })
    }

    pub(super) fn batch(&mut self, records: u8, len: usize) -> bool {
        self.appending((records, len), Durability::Buffered, Log::append_batch)
    }

    /// Makes everything durable.
    pub(super) fn sync(&self) {
        match self.log().sync() {
            Ok(durable) => {
                assert!(self.last.is_none_or(|last| durable >= last.end), "durable: {durable}");
                self.book.durable(durable);
            }
            Err(error) => self.refused(&error),
        }
    }

    /// Waits until its last append is durable.
    pub(super) fn wait_durable(&self) {
        let Some(last) = self.last else { return };
        match self.log().wait_durable(last.end) {
            Ok(()) => self.book.durable(last.end),
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&self, error: &Error) {
        match error {
            Error::Poisoned { .. } => self.book.poisoned(),
            Error::Closed => {}
            error => assert!(!self.sound, "{error:?}"),
        }
    }

    /// Reads what stands at an address that was told to anybody.
    pub(super) fn read(&self, choice: usize) {
        let addresses = self.book.addresses();
        if addresses.is_empty() {
            return;
        }
        let Some(&(lsn, name)) = addresses.get(choice % addresses.len()) else { return };
        match self.log().read(lsn) {
            Ok(record) => Book::read(name, &record.bytes),
            Err(Error::Trimmed { .. }) => {
                let trim = self.book.trim_point();
                assert!(trim.is_some_and(|trim| lsn < trim), "{name:?} at {lsn} is trimmed");
            }
            Err(Error::Closed) => self.refused(&Error::Closed),
            Err(error) => assert!(!self.sound, "{name:?} at {lsn}: {error:?}"),
        }
    }

    /// Reads all there is.
    pub(super) fn scan(&self) {
        let level = self.level;
        let mut reader = Reader::default();
        let scan = match self.log().scan(Lsn::FIRST) {
            Ok(scan) => scan,
            Err(error) => return self.refused(&error),
        };
        for record in scan {
            match record {
                Ok(record) => {
                    let durable = !matches!(level, Durability::Buffered | Durability::Os);
                    self.book.shown(&mut reader, record.lsn, &record.bytes, durable);
                }
                Err(Error::Trimmed { .. }) if self.book.trim_point().is_some() => return,
                Err(error) => return self.refused(&error),
            }
        }
    }

    /// Forgets what stands before an address that was told to anybody.
    pub(super) fn trim(&self, choice: usize) {
        let addresses = self.book.addresses();
        if addresses.is_empty() {
            return;
        }
        let Some(&(lsn, _)) = addresses.get(choice % addresses.len()) else { return };
        self.book.trim_asked(lsn);
        match self.log().trim(lsn) {
            Ok(trimmed) => {
                assert!(trimmed.trim >= lsn, "{trimmed:?}");
                self.book.trimmed(lsn);
            }
            Err(error) => self.refused(&error),
        }
    }

    pub(super) fn close(&self) {
        match self.log().close() {
            Ok(()) => {}
            Err(error) => self.refused(&error),
        }
    }
}
