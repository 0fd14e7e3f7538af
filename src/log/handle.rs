//! The log as its users hold it.

use super::address::{Among, read_all, read_one};
use super::doors::Doors;
use super::encoded::Encoded;
use super::follow::Follower;
use super::lineage::lineages;
use super::lock::locked;
use super::machine::{Accepted, Goal, Machine, Refusal, Watermarks};
use super::many::read_many;
use super::observing::Observing;
use super::options::{Durability, Options};
use super::perform::Performer;
use super::record::{Receipt, Record};
use super::recover::recover;
use super::report::RecoveryReport;
use super::retention::Trimmed;
use super::shared::{Guard, Shared, State};
use super::source::LogScan;
use super::sparing::Sparing;
use super::survey::Segment;
use super::tender::Tending;
use super::watch::Watch;
use super::{files::Files, tender};
use crate::error::{Error, Result};
use crate::format::content::Content;
use crate::format::tag::Part;
use crate::format::{batch, layout};
use crate::position::{Lineage, LogId, Lsn};
use crate::storage::Environment;
use crate::storage::latch::{Condvar, Mutex};
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An open log, for appending and reading. Cheap to clone; all clones are the same log, which
/// is closed by [`close`](Self::close), or as well as it can be when the last one is dropped.
///
/// All methods may be called from any number of threads at once.
///
/// ```
/// # fn main() -> seawall::Result<()> {
/// # let dir = std::env::temp_dir().join(format!("seawall-doc-{}", std::process::id()));
/// use seawall::{Log, Lsn, Options};
///
/// let log = Log::open(&dir, Options::new())?;
/// let receipt = log.append(b"the only copy")?; // durable: it survives a power cut from here on
/// assert_eq!(log.read(receipt.lsn)?.bytes, "the only copy");
/// for record in log.scan(Lsn::FIRST)? {
///     println!("{}", record?.bytes.len());
/// }
/// log.close()?;
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Log {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    report: RecoveryReport,
    /// Held by who ends the threads and gives the lock back.
    ending: Mutex<()>,
}

/// Figures of an open log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Segments that are part of the log.
    pub segments: usize,
    /// Bytes of their files.
    pub bytes: u64,
    /// Files that wait to be recycled.
    pub spares: usize,
    /// Segments that were trimmed away since the log was opened.
    pub removed: u64,
    /// Bytes of their files.
    pub removed_bytes: u64,
    /// Things that could wait and failed: preparing a segment ahead, sealing, shortening,
    /// removing. Each is tried again when it matters, and then whoever needs it is told.
    pub upkeep_failures: u64,
}

/// So many segments are copied at once, while appends wait.
const SEGMENTS_AT_ONCE: usize = 512;

impl Log {
    /// Opens the log in `dir` for writing, or makes one there. Recovers whatever a crash left;
    /// cost: the number of segments, and the unclosed tail; after a clean close one frame.
    ///
    /// # Errors
    /// [`Error::Locked`] while another writer has it; [`Error::Damaged`] where acknowledged
    /// records are gone; [`Error::Unknown`], [`Error::Foreign`] for files that are not for this
    /// program or log; [`Error::Content`] where its records mean something else;
    /// [`Error::AmbiguousTail`] if that is to be refused; [`Error::NoLog`] if one must exist;
    /// [`Error::Option`]; [`Error::Io`]. Nothing is changed then.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self> {
        options.validate()?;
        let dir = dir.as_ref();
        let opened =
            if options.must_exist { Environment::existing(dir) } else { Environment::real(dir) };
        let environment = opened.map_err(|error| {
            let name = dir.display().to_string();
            if options.must_exist && error.kind() == io::ErrorKind::NotFound {
                Error::NoLog { dir: name }
            } else {
                Error::io("open the directory", name, error)
            }
        })?;
        Self::open_in(environment, options)
    }

    /// Opens the log of any environment, for instance a simulated disk.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(environment: Environment, options: Options) -> Result<Self> {
        options.validate()?;
        let storage = Sparing::over(&environment.storage);
        let environment = Environment { storage: Arc::clone(&storage), ..environment };
        let place = storage.place();
        let lock = locked(&*storage)?;
        // Before the names are listed. Where that is not known, they are listed once more.
        let before = storage.state().ok().flatten();
        let (start, report) = recover(&environment, &options)?;
        if start.segments.is_empty() {
            storage.prefer_in_place();
        }
        let watch = Watch::new(Arc::clone(&storage), &start, before);
        let observing = Observing::of(&environment);
        let machine = Machine::new(start, &options);
        let shared = Arc::new(Shared {
            doors: Doors::new(machine.watermarks()),
            state: Mutex::new(State::new(machine, &options, environment.threads)),
            progress: Condvar::new(),
            tending: Tending::of(&environment),
            performer: Performer::new(Arc::clone(&storage), environment.entropy, watch)
                .observed(observing.clone()),
            files: Arc::new(Files::new(storage, options.open_files_max)),
            clock: environment.clock,
            observing,
            lock: Mutex::new(Some(lock)),
            place,
            options,
        });
        if let Some(observing) = &shared.observing {
            observing.opened(&report);
        }
        let owner = Owner { shared, report, ending: Mutex::new(()) };
        // Should the second thread not start, dropping the owner ends the first.
        tender::start(&owner.shared)
            .map_err(|e| Error::io("start the threads of", owner.shared.place.clone(), e))?;
        Ok(Self { owner: Arc::new(owner) })
    }

    /// Appends one record and returns once it is as durable as the log's level says.
    ///
    /// Records appended by one thread keep their order. Blocks while the buffer is full or the
    /// next segment is not ready.
    ///
    /// # Errors
    /// [`Error::TooLarge`] (nothing was written); [`Error::Full`], [`Error::Io`]: the record is
    /// not in the log, and the log goes on; [`Error::Poisoned`]: after the next open it is there
    /// whole, or not at all; [`Error::Disturbed`]: others removed or overwrote files of the log,
    /// which is noticed by the next sync; [`Error::Closed`].
    pub fn append(&self, record: &[u8]) -> Result<Receipt> {
        self.append_at(record, Durability::Buffered)
    }

    /// As [`append`](Self::append), but at least as durable as `durability`. On a log without an
    /// interval, [`Durability::Interval`] asks for [`Durability::Sync`].
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_at(&self, record: &[u8], durability: Durability) -> Result<Receipt> {
        self.append_part(record, durability)
    }

    /// Appends one record, with a tag or without.
    #[inline]
    pub(crate) fn append_part<P: Part + Copy>(
        &self,
        record: P,
        durability: Durability,
    ) -> Result<Receipt> {
        let mut state = self.shared().lock();
        if durability == Durability::Buffered
            && !state.audience.listens_to_appends()
            && let Some(receipt) = state.machine.append_quietly(record)
        {
            drop(state);
            return Ok(planted!("address-outside-the-lock", receipt => self.last_of(receipt)));
        }
        let level = self.level(durability);
        if level == Durability::Os
            && let Some(outcome) = self.shared().write_through(&mut state, record)
        {
            return outcome;
        }
        if self.is_long(record.len()) {
            return self.append_long(state, record, level);
        }
        let accepted = match state.machine.append(record, level) {
            Ok(accepted) => accepted,
            Err(Refusal::Never(error)) => return Err(error),
            Err(Refusal::Wait) => {
                self.shared().admit(&mut state, |machine| machine.append(record, level))?
            }
        };
        self.settle(state, accepted)
    }

    /// As [`append`](Self::append), but says [`Error::Busy`] instead of waiting for room in the
    /// buffer or for the next segment, which are then made in the background. It still waits for
    /// the durability of the log's level, and the first append of a run for its beginning.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`Error::Busy`] (nothing was appended).
    pub fn try_append(&self, record: &[u8]) -> Result<Receipt> {
        let level = self.level(Durability::Buffered);
        let mut encoded = self.encoded_record(&record);
        let mut state = self.shared().lock();
        if !state.machine.has_begun() {
            drop(state);
            return self.append(record);
        }
        let accepted = match &mut encoded {
            Some(encoded) => state.machine.append_encoded(encoded, level),
            None => state.machine.append(record, level),
        };
        match accepted {
            Ok(accepted) => self.settle(state, accepted),
            Err(Refusal::Never(error)) => Err(error),
            Err(Refusal::Wait) => {
                state.handed_over = true;
                self.shared().wake_threads(&mut state);
                Err(Error::Busy)
            }
        }
    }

    /// Appends records that survive together or not at all, one behind the other, whatever their
    /// size up to [`BATCH_LEN_MAX`](crate::BATCH_LEN_MAX). An empty batch writes nothing.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_batch<R: AsRef<[u8]>>(&self, records: &[R]) -> Result<Receipt> {
        self.append_batch_at(records, Durability::Buffered)
    }

    /// As [`append_batch`](Self::append_batch), but at least as durable as `durability`.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_batch_at<R: AsRef<[u8]>>(
        &self,
        records: &[R],
        durability: Durability,
    ) -> Result<Receipt> {
        // Each is asked for its bytes once, and before the lock is taken: what the caller's code does
        // then, be it a panic, concerns nobody else.
        let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
        self.append_parts(&records, durability)
    }

    /// Appends a batch of records, with tags or without.
    pub(crate) fn append_parts<P: Part>(
        &self,
        records: &[P],
        durability: Durability,
    ) -> Result<Receipt> {
        let level = self.level(durability);
        if let Some(encoded) = self.encoded_batch(records) {
            return self.append_encoded(encoded, level);
        }
        let mut state = self.shared().lock();
        if records.is_empty() {
            let end = state.machine.watermarks().accepted;
            return Ok(Receipt { lsn: end, end });
        }
        let accepted =
            self.shared().admit(&mut state, |machine| machine.append_batch(records, level))?;
        self.settle(state, accepted)
    }

    /// Whether records of this length together are to be made into frames before the lock is taken:
    /// unless they are too long to be taken at all.
    fn is_long(&self, len: u64) -> bool {
        (self.shared().options.apart() + 1..=layout::RECORD_LEN_MAX).contains(&len)
    }

    /// The frames of a batch that is long, and that the log may take.
    pub(crate) fn encoded_batch<P: Part>(&self, records: &[P]) -> Option<Encoded> {
        let options = &self.shared().options;
        let size = batch::measure(records);
        let fits = size.total <= layout::BATCH_LEN_MAX && size.longest <= layout::RECORD_LEN_MAX;
        let long = fits && size.total > options.apart();
        long.then(|| Encoded::of_batch(records, options.batch_frame_max))
    }

    pub(crate) fn encoded_record(&self, record: &impl Part) -> Option<Encoded> {
        self.is_long(record.len()).then(|| Encoded::of_record(record))
    }

    /// Apart from those that most appends take: what it needs on the stack costs these nothing.
    #[cold]
    #[inline(never)]
    fn append_long<P: Part>(
        &self,
        state: Guard<'_>,
        record: P,
        level: Durability,
    ) -> Result<Receipt> {
        drop(state);
        self.append_encoded(Encoded::of_record(&record), level)
    }

    #[inline(never)]
    fn append_encoded(&self, mut encoded: Encoded, level: Durability) -> Result<Receipt> {
        let mut state = self.shared().lock();
        let accepted = self
            .shared()
            .admit(&mut state, |machine| machine.append_encoded(&mut encoded, level))?;
        self.settle(state, accepted)
    }

    pub(crate) fn level(&self, asked: Durability) -> Durability {
        let log = self.shared().options.durability;
        match (log, asked) {
            (Durability::Interval(_), Durability::Interval(_)) => log,
            (_, Durability::Interval(_)) => Durability::Sync,
            _ => asked.max(log),
        }
    }

    /// A planted bug: as if the record of this length were the last one in the log.
    #[cfg(seawall_planted)]
    fn last_of(&self, receipt: Receipt) -> Receipt {
        let end = self.shared().lock().machine.watermarks().accepted;
        let len = receipt.end.since(receipt.lsn).unwrap_or(0);
        Receipt { lsn: Lsn::new(end.get().saturating_sub(len)), end }
    }

    fn settle(&self, mut state: Guard<'_>, accepted: Accepted) -> Result<Receipt> {
        let shared = self.shared();
        let Accepted { lsn, end, goal, arms, due } = accepted;
        if let (true, Durability::Interval(interval)) = (arms, shared.options.durability) {
            shared.arm(&mut state, interval);
        }
        match goal {
            Some(Goal::Durable { lsn, end }) if planted!("ack-before-sync") => {
                shared.settle(state, Goal::Written { lsn, end })?;
            }
            Some(goal) => shared.settle(state, goal)?,
            None => {
                shared.call_followers(&mut state);
                // Hands the buffer to the kernel once it is worth a call, if nobody does already.
                if due {
                    shared.step(&mut state);
                }
            }
        }
        Ok(Receipt { lsn, end })
    }

    /// Makes everything appended so far durable; returns the durable watermark.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if the sync failed, now or earlier; [`Error::Disturbed`] if others
    /// removed or overwrote files of the log; [`Error::Full`], [`Error::Io`] if
    /// buffered records could not be written: they stay buffered.
    pub fn sync(&self) -> Result<Lsn> {
        let shared = self.shared();
        let state = shared.lock();
        let end = state.machine.watermarks().accepted;
        shared.settle_all(state, end, None)?;
        Ok(shared.doors.durable())
    }

    /// Waits until everything before `end` ([`Receipt::end`]) is durable. Starts the sync; never
    /// waits for a timer or for somebody else's append.
    ///
    /// An append that failed is not in the log. If it is what `end` ends, the answer is its error,
    /// however often it is asked for; if it lies before, its caller has the error, and it does not
    /// count.
    ///
    /// # Errors
    /// As [`sync`](Self::sync); [`Error::Beyond`] for what was not appended; what an append said
    /// that ends at `end` and failed.
    pub fn wait_durable(&self, end: Lsn) -> Result<()> {
        let shared = self.shared();
        if shared.doors.is_durable(end) {
            return Ok(());
        }
        let state = shared.lock();
        let accepted = state.machine.watermarks().accepted;
        if end > accepted {
            return Err(Error::Beyond { lsn: end, end: accepted });
        }
        shared.settle_all(state, end, Some(end))
    }

    /// How far the log has come.
    #[must_use]
    pub fn watermarks(&self) -> Watermarks {
        self.shared().state.lock().machine.watermarks()
    }

    /// The record at the address that its append returned, durable or not; of a batch, the first.
    ///
    /// Cost: one frame is read, which is the record, or about
    /// [`batch_frame_max`](crate::Options::batch_frame_max) bytes of a batch. An address that no
    /// append returned costs about the frame that it lies in, both ways; only where the frames
    /// around it do not tell, because they are damaged or longer than 1 MiB, the segment is read
    /// up to there.
    ///
    /// # Errors
    /// [`Error::NoRecord`] if no frame with records begins there; [`Error::Trimmed`];
    /// [`Error::Beyond`]; [`Error::Damaged`]; [`Error::Closed`]; [`Error::Io`].
    pub fn read(&self, lsn: Lsn) -> Result<Record> {
        read_one(self.shared(), lsn, 0, Among::Batch)
    }

    /// One record of a batch: the one that stands `index` places after the first record of the
    /// frame at `lsn`.
    ///
    /// [`Record::lsn`] and [`Record::index`] are such an address, and so are the LSN that
    /// [`append_batch`](Self::append_batch) returned and the place of the record in the batch.
    /// Cost: the frames of the batch from `lsn` up to the record are read, one after the other.
    /// So the first kind of address costs one frame, about
    /// [`batch_frame_max`](crate::Options::batch_frame_max) bytes, wherever the record stands;
    /// the second kind costs the part of the batch before it, and two frames where that was read
    /// before: the log remembers where 65,536 frames of batches stand, in 1 MiB. No more than one
    /// frame is held in memory.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`Error::NoRecord`] too if the batch has no such record.
    pub fn read_in_batch(&self, lsn: Lsn, index: u32) -> Result<Record> {
        read_one(self.shared(), lsn, index, Among::Batch)
    }

    /// All records of the batch, or the one record, at this address. Of a batch in several
    /// frames each frame is an address: then its records are those from that frame on.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_batch(&self, lsn: Lsn) -> Result<Vec<Record>> {
        read_all(self.shared(), lsn)
    }

    /// The records at many addresses: for each what [`read`](Self::read) says, in the order of
    /// `lsns`, which may be any, with repetitions.
    ///
    /// Cost: one call of the disk for each run of neighbours, which are addresses of one segment
    /// at most 16 KiB apart and 256 KiB in all; a record of more than 4 KiB at the end of a run
    /// takes one more. What is wrong at one address is told there and harms no other.
    #[must_use]
    pub fn read_many(&self, lsns: &[Lsn]) -> Vec<Result<Record>> {
        read_many(self.shared(), lsns)
    }

    /// Reads the records from `from` on, in order, up to where the log stands now at its level
    /// (durable records of a [`Durability::Sync`] or `Interval` log). `from` need not be the
    /// address of a record: the scan begins with the first one at or after it.
    ///
    /// # Errors
    /// [`Error::Trimmed`] if `from` lies below the trim point, unless it is [`Lsn::FIRST`],
    /// which means the beginning. [`Error::Beyond`] if `from` lies beyond everything that was
    /// accepted: a reader that kept a position from before the log lost its end, or was replaced
    /// by an older copy, learns it here. The end itself is a place to begin at, and so is one in
    /// the jump after a crash: nothing stands there, the next record follows. [`Error::Closed`].
    pub fn scan(&self, from: Lsn) -> Result<LogScan> {
        self.scan_at(from, self.shared().options.durability)
    }

    /// As [`scan`](Self::scan), up to where the log stands at another level.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn scan_at(&self, from: Lsn, level: Durability) -> Result<LogScan> {
        LogScan::new(Arc::clone(self.shared()), from, level)
    }

    /// Reads on for ever: as [`scan`](Self::scan), but waits at the end for what is appended
    /// next, without polling. Records come once they are as safe as the log's own level says.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn follow(&self, from: Lsn) -> Result<Follower> {
        self.follow_at(from, self.shared().options.durability)
    }

    /// As [`follow`](Self::follow), but shows records as soon as they are as safe as `level` says, and no
    /// sooner: at [`Durability::Buffered`] once they are accepted, at [`Durability::Os`] once the system has
    /// them, at [`Durability::Sync`] and [`Durability::Interval`] once they are durable. It asks for no
    /// write and no sync: who waits at a level that nobody asks for waits long.
    ///
    /// What is shown at `Buffered` may be lost: by a crash of the process, by a power cut, and by a write
    /// that fails, which takes the appends that wait for it out of the log. A void stands at their place
    /// then: [`failed`](Self::failed) names it, [`is_failed`](Self::is_failed) answers for one address, and
    /// [`failures`](Self::failures) tells whether there is something new. What is shown at `Os` is lost by
    /// a power cut at most, at `Sync` by nothing.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn follow_at(&self, from: Lsn, level: Durability) -> Result<Follower> {
        Follower::new(Arc::clone(self.shared()), from, level)
    }

    /// Forgets the head of the log: everything before `before` may go. Durable before the first
    /// file is removed; whole segments go, oldest first, never the active one. Where somebody
    /// [holds](Self::hold) an LSN before it, the trim ends there, and [`Trimmed::held_by`] names the
    /// holders; [`preview_trim`](Self::preview_trim) shows that before anything goes.
    ///
    /// Works on a full disk, as often as it is called, in every state of the log: 16 KiB are kept in
    /// reserve for it. Where no file lies wholly before `before` and there is no room to state it, the
    /// trim stays in memory for a while: see [`Trimmed::durable`].
    ///
    /// # Errors
    /// [`Error::Beyond`] for a point the log has not reached; otherwise as
    /// [`sync`](Self::sync). A file that cannot be removed is an [`Error::Io`]; the next trim
    /// tries again.
    pub fn trim(&self, before: Lsn) -> Result<Trimmed> {
        let shared = self.shared();
        let mut state = shared.lock();
        let removed = state.machine.removed_since_open();
        let (accepted, held_by) = shared.admit_trim(&mut state, before)?;
        if let Some(Accepted { goal: Some(goal), .. }) = accepted {
            shared.reach(&mut state, goal)?;
        }
        state.machine.retry_removals();
        while state.machine.removal_pending() {
            if !shared.tend_step(&mut state) {
                state.wait(&shared.progress);
            }
        }
        let poisoned = state.machine.poisoned();
        if let Some(error) = poisoned.or_else(|| state.machine.remove_failure()) {
            return Err(error);
        }
        Ok(Trimmed::now(&state.machine, (before, held_by), removed))
    }

    /// What the last open found and did.
    #[must_use]
    pub fn report(&self) -> &RecoveryReport {
        &self.owner.report
    }

    /// The id of the log.
    #[must_use]
    pub fn id(&self) -> LogId {
        self.shared().state.lock().machine.log_id()
    }

    /// The time of day by the clock of the log's [`Environment`], since 1970 (UTC), if that keeps it:
    /// for what stands on the log and gives its records an age. People set it, so it may step back.
    #[must_use]
    pub fn wall_clock(&self) -> Option<Duration> {
        self.shared().clock.wall()
    }

    /// What its records mean: what [`Options::content`] said when the log began.
    #[must_use]
    pub fn content(&self) -> Content {
        self.shared().options.content
    }

    /// The lineage of what this run appends. Log id, lineage and LSN together name one record for
    /// ever, also where copies of the log go on. It is durable with the first record.
    #[must_use]
    pub fn lineage(&self) -> Lineage {
        self.shared().state.lock().machine.extension().lineage
    }

    /// The lineages of the segments that are there, oldest first, each with the first LSN that is
    /// of it.
    ///
    /// Cost: as [`segments`](Self::segments).
    #[must_use]
    pub fn lineages(&self) -> Vec<(Lineage, Lsn)> {
        lineages(&self.segments())
    }

    /// The segments, oldest first; the last is the one written to.
    ///
    /// Cost: about 150 bytes of memory for each. Appends go on meanwhile.
    #[must_use]
    pub fn segments(&self) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        loop {
            let state = self.shared().state.lock();
            let live = state.machine.live();
            let next = segments.last().map_or(0, |last| {
                live.partition_point(|live| live.segment.number() <= last.number())
            });
            // Only the last one can still change, and that one is copied in the last piece.
            segments.extend(live.iter().skip(next).take(SEGMENTS_AT_ONCE).map(|l| l.segment));
            if next + SEGMENTS_AT_ONCE >= live.len() {
                let first = live.front().map(|live| live.segment.number());
                drop(state);
                // What a trim took away meanwhile.
                let gone = segments.partition_point(|segment| Some(segment.number()) < first);
                segments.drain(..gone);
                return segments;
            }
        }
    }

    /// Figures.
    ///
    /// Cost: as [`segments`](Self::segments).
    #[must_use]
    pub fn stats(&self) -> Stats {
        let segments = self.segments();
        let state = self.shared().state.lock();
        let (removed, removed_bytes) = state.machine.removed_since_open();
        Stats {
            segments: segments.len(),
            bytes: segments.iter().map(|segment| segment.file_len).sum(),
            spares: state.machine.spares().len(),
            removed,
            removed_bytes,
            upkeep_failures: state.machine.upkeep_failures(),
        }
    }

    /// Does what the log's own threads would do by now: ends the interval, marks an idle log,
    /// prepares and removes files. Only of use in an [`Environment`] without threads.
    ///
    /// # Errors
    /// What the disk says.
    pub fn tend(&self) -> Result<()> {
        let shared = self.shared();
        let mut state = shared.lock();
        let handed_over = std::mem::take(&mut state.handed_over);
        if shared.request_tickets(&mut state) || handed_over {
            shared.step_for_others(&mut state);
        }
        while shared.tend_step(&mut state) {}
        if state.interval_ends.is_some() {
            shared.end_interval(&mut state)?;
        }
        if shared.options.idle_mark.is_some() {
            shared.mark_idle(&mut state)?;
        }
        while shared.tend_step(&mut state) {}
        Ok(())
    }

    /// Closes the log: everything accepted is made durable, and a record of the clean end spares
    /// the next open the scan. Other clones get [`Error::Closed`] from then on, also when they read.
    /// Scans and followers that are under way go on to the end, which is where the log stood, as
    /// long as no other open removes or recycles what they read: they get [`Error::Closed`] then.
    ///
    /// The file of a next segment that is being prepared is given up: a close waits for the call of the
    /// disk that is under way, and not for the rest of 64 MiB of zeros.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Disturbed`]: the log is closed all the same, nothing more was
    /// written.
    /// [`Error::Full`], [`Error::Io`]: it is still open, and may be closed again.
    pub fn close(&self) -> Result<()> {
        self.owner.close()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.owner.shared
    }
}

impl Owner {
    fn close(&self) -> Result<()> {
        let shared = &self.shared;
        let mut state = shared.lock();
        let before = state.machine.grave_failures();
        // From here on nothing is prepared any more; what was trimmed still goes.
        state.machine.request_close();
        shared.performer.stop_preparing();
        while shared.tend_step(&mut state) {}
        let outcome = shared.drive(&mut state, |machine| {
            machine.close_outcome(before).or_else(|| {
                machine.request_close();
                machine.close_outcome(before)
            })
        });
        shared.tell_everybody(&mut state);
        let closed = outcome.as_ref().err().is_none_or(Error::is_poisoned);
        if !closed {
            shared.performer.prepare_again();
        }
        drop(state);
        if closed {
            self.release();
        }
        outcome
    }

    /// Ends the threads, then gives the lock back: last, when nothing writes any more.
    fn release(&self) {
        // Held to the end: a second caller waits here until the first is done.
        let ending = self.ending.lock();
        let mut state = self.shared.lock();
        state.threads_stop = true;
        state.machine.abandon();
        self.shared.tell_everybody(&mut state);
        // Another caller may be performing an action still.
        while state.machine.is_busy() {
            state.wait(&self.shared.progress);
        }
        drop(state);
        tender::stop(&self.shared);
        self.shared.lock.lock().take();
        drop(ending);
        // A thread that unwound left its reason in the machine, and reported nothing.
        if let Some(observing) = &self.shared.observing {
            observing.look(&self.shared.state.lock().machine);
            observing.deliver();
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Best effort, as documented: who wants to know calls `close`. Whatever a storage does, the
        // threads end and the directory is given back.
        let closed = panic::catch_unwind(AssertUnwindSafe(|| self.close()));
        self.release();
        if let Err(panic) = closed
            && !std::thread::panicking()
        {
            panic::resume_unwind(panic);
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("place", &self.shared().place)
            .field("watermarks", &self.watermarks())
            .finish_non_exhaustive()
    }
}
