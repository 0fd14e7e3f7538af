//! The simulated disk: making one, planning its end, resolving it, damaging it, looking at it.

use crate::counters::Counters;
use crate::crash::{CrashKind, CrashPolicy, InFlight};
use crate::faults::{CallNoise, FaultPlan, Limits};
use crate::file::FileId;
use crate::hash::Fingerprint;
use crate::image::wide;
use crate::latency::Timer;
use crate::options::Preset;
use crate::rng::{Concern, Rng, Seed};
use crate::scene::UnitFate;
use crate::state::{State, Way};
use crate::trace::{Event, Trace};
use parking_lot::{Mutex, MutexGuard};
use rustix::io::Errno;
use seawall::storage::EntryKind;
use std::fmt;
use std::io;
use std::sync::Arc;

pub use crate::options::{DiskOptions, EvictionBehaviour, SectorSize};

/// One flat directory on a disk that tears, reorders, forgets and fails.
///
/// Clones are the same disk. It is a [`Storage`](seawall::storage::Storage): open files through
/// that trait, plan what goes wrong through the methods here.
///
/// A crash leaves this disk dead, with every descriptor of it, and makes nothing else of it:
/// [`after_power_cut`](Self::after_power_cut) and [`after_kill`](Self::after_kill) build new
/// disks and leave it as it is, so that one crash can be resolved in many ways.
///
/// ```
/// use seawall::storage::{OpenMode, Storage, write_full};
/// use seawall_sim::{Concern, CrashKind, CrashPolicy, Seed, SimDisk};
///
/// # fn main() -> std::io::Result<()> {
/// let disk = SimDisk::new(Seed::new(1));
/// let file = disk.open("a", OpenMode::Create)?;
/// write_full(&*file, 0, &[b"synced"])?;
/// file.sync_data()?;
/// let mut rng = Seed::new(1).rng(Concern::CrashResolution);
/// let after = disk.after_power_cut(&CrashPolicy::AllLost, &mut rng);
/// assert!(after.names().is_empty(), "syncing a file does not make its name stable");
///
/// disk.sync_dir()?;
/// let after = disk.after_power_cut(&CrashPolicy::AllLost, &mut rng);
/// assert_eq!(after.read_durable("a").unwrap(), b"synced");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<Inner>>);

/// The state, and the steps made on it.
pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) steps: u64,
    pub(crate) dead: Option<CrashKind>,
    /// What became of the call in which it ended.
    pub(crate) cut: Option<InFlight>,
    planned: Option<(u64, CrashKind, Option<InFlight>)>,
    pub(crate) crashes: Rng,
    pub(crate) trace: Trace,
    pub(crate) timer: Option<Box<Timer>>,
}

impl Inner {
    fn around(state: State, crashes: Rng, timer: Option<Box<Timer>>) -> Self {
        let (dead, cut, planned) = (None, None, None);
        Self { state, steps: 0, dead, cut, planned, crashes, trace: Trace::new(), timer }
    }

    /// The disk that comes after this one.
    fn next(&self, state: State) -> SimDisk {
        let next = Self::around(state, self.crashes.clone(), self.timer.clone());
        SimDisk(Arc::new(Mutex::new(next)))
    }

    pub(crate) fn crash_due(&self, step: u64) -> Option<(CrashKind, Option<InFlight>)> {
        let (at, kind, in_flight) = self.planned?;
        (step >= at).then_some((kind, in_flight))
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock_inner();
        f.debug_struct("SimDisk")
            .field("steps", &inner.steps)
            .field("dead", &inner.dead)
            .field("names", &inner.state.directory.current.keys())
            .finish_non_exhaustive()
    }
}

/// Life and death.
impl SimDisk {
    /// An empty, sound disk with the usual [`DiskOptions`].
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self::with_options(DiskOptions::new(seed))
    }

    /// An empty, sound disk.
    #[must_use]
    pub fn with_options(options: DiskOptions) -> Self {
        let crashes = options.seed.rng(Concern::CrashPolicy);
        Self(Arc::new(Mutex::new(Inner::around(State::new(options), crashes, None))))
    }

    pub(crate) fn lock_inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock()
    }

    /// How many calls were made: the number the next one gets.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lock_inner().steps
    }

    /// Plans the end for the call with this number, or the next one if that is past. What
    /// becomes of that call is drawn. A later plan replaces an earlier one.
    pub fn crash_at(&self, step: u64, kind: CrashKind) {
        self.lock_inner().planned = Some((step, kind, None));
    }

    /// As [`crash_at`](Self::crash_at), and says what becomes of the call.
    pub fn crash_inside(&self, step: u64, kind: CrashKind, in_flight: InFlight) {
        self.lock_inner().planned = Some((step, kind, Some(in_flight)));
    }

    /// Ends it between two calls.
    pub fn crash_now(&self, kind: CrashKind) {
        self.lock_inner().dead.get_or_insert(kind);
    }

    /// Whether it crashed: every call answers `EIO` then, and changes nothing.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock_inner().dead.is_some()
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn crashed_by(&self) -> Option<CrashKind> {
        self.lock_inner().dead
    }

    /// What became of the call in which it crashed, if it crashed in one.
    #[must_use]
    pub fn cut_call(&self) -> Option<InFlight> {
        self.lock_inner().cut
    }

    /// How many units a power cut would take or keep now.
    #[must_use]
    pub fn pending_units(&self) -> usize {
        self.lock_inner().state.scene().unit_count()
    }

    /// A new disk as the machine finds it after a power cut. This one stays as it is, dead or
    /// running. Limits, noise and the clock go along; fault plans, counters and steps do not.
    #[must_use]
    pub fn after_power_cut(&self, policy: &CrashPolicy, rng: &mut Rng) -> Self {
        let inner = self.lock_inner();
        let mut counters = Counters::default();
        let fallen = inner.state.device.fall_back(policy, rng, &mut counters);
        let (names, media) = match fallen {
            Some(earlier) => {
                let units = wide(inner.state.scene().unit_count());
                counters.lost = counters.lost.saturating_add(units);
                earlier
            }
            None => inner.state.scene().resolve(policy, rng, &mut counters),
        };
        let mut state = inner.state.restarted(names, media);
        state.faults.counters = counters;
        inner.next(state)
    }

    /// A new disk as the next process finds it: page cache, pending and stale-clean pages are
    /// still there; descriptors with their errors, and the lock, are gone. This one stays as
    /// it is.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let inner = self.lock_inner();
        inner.next(inner.state.without_process())
    }
}

/// What goes wrong while it lives.
impl SimDisk {
    /// Plans failing calls. Plans add up.
    pub fn fail(&self, plan: FaultPlan) {
        self.lock_inner().state.faults.add(plan);
    }

    /// Forgets every fault plan.
    pub fn stop_failing(&self) {
        self.lock_inner().state.faults.clear();
    }

    /// Limits the bytes of all files that have names, or lifts the limit. What is there stays,
    /// even if it is more.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.set_limits(bytes.map(Limits::bytes));
    }

    /// Limits what there may be, or lifts the limits.
    pub fn set_limits(&self, limits: Option<Limits>) {
        self.lock_inner().state.faults.set_limits(limits);
    }

    /// Another directory from now on, with the same files in it, or with `None` one of a system
    /// that tells neither directories nor files apart. At first the seed of the disk is what tells
    /// its directory.
    pub fn set_identity(&self, identity: Option<u64>) {
        self.lock_inner().state.identity = identity;
    }

    /// Puts a name there that was always there, durable, and belongs to somebody else.
    ///
    /// # Errors
    /// `EEXIST`; `EINVAL` and `ENAMETOOLONG` for what is no name.
    pub fn put_foreign(&self, name: &str, kind: EntryKind) -> io::Result<()> {
        self.lock_inner().state.put_foreign(name, kind)
    }

    /// Somebody removes the directory with all that is in it. What is open goes on; no name can be
    /// made any more.
    pub fn remove_directory(&self) {
        self.lock_inner().state.remove_directory();
    }

    /// Somebody removes a file. What is open goes on.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        self.lock_inner().state.remove(name, Way::Normal)
    }

    /// Makes calls short or interrupted from now on.
    pub fn set_call_noise(&self, noise: CallNoise) {
        self.lock_inner().state.faults.noise = noise;
    }

    /// Changes what `evict` does from now on.
    pub fn set_eviction(&self, behaviour: EvictionBehaviour) {
        self.lock_inner().state.options.eviction = behaviour;
    }

    /// The system writes the pending bytes of a file back by itself, and fails: they are marked
    /// clean, and every descriptor open now is told at its next sync.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn fail_write_back(&self, name: &str, errno: i32) -> io::Result<()> {
        let mut inner = self.lock_inner();
        let id = *inner.state.directory.current.get(name).ok_or(Errno::NOENT)?;
        inner.state.fail_write_back(id, errno);
        Ok(())
    }

    /// The system writes all pending bytes and lengths of a file back by itself. Nobody is
    /// told; names are not among them.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn write_back(&self, name: &str) -> io::Result<()> {
        let mut inner = self.lock_inner();
        let state = &mut inner.state;
        let id = *state.directory.current.get(name).ok_or(Errno::NOENT)?;
        state.files.get_mut(&id).ok_or(Errno::IO)?.sync_all();
        Ok(())
    }

    /// The system writes some of what is pending back by itself: sectors as they are now,
    /// lengths and names. Nobody is told.
    pub fn write_back_some(&self, rng: &mut Rng) {
        self.lock_inner().state.write_back_some(rng);
    }
}

/// Looking at it. None of this is a step, and a dead disk answers too.
impl SimDisk {
    /// What the device holds of a file for certain, `None` if there is no such name.
    #[must_use]
    pub fn read_durable(&self, name: &str) -> Option<Vec<u8>> {
        let inner = self.lock_inner();
        let id = inner.state.named(name)?;
        inner.state.files.get(&id).map(|file| file.durable.image().to_vec())
    }

    /// What kind of disk it is.
    #[must_use]
    pub fn preset(&self) -> Preset {
        self.lock_inner().state.options.preset
    }

    /// The bytes that the files which have names take.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock_inner().state.used()
    }

    /// The names there are, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock_inner().state.directory.current.keys().cloned().collect()
    }

    /// The names that survive every power cut, or are removed but not durably so, sorted.
    #[must_use]
    pub fn durable_names(&self) -> Vec<String> {
        self.lock_inner().state.directory.durable.keys().cloned().collect()
    }

    /// A fingerprint of all that a fresh reader sees who evicts first: names, lengths, bytes.
    /// It is for finding images that were seen already; it guards against chance only.
    #[must_use]
    pub fn image_hash(&self) -> u64 {
        self.lock_inner().state.print(true)
    }

    /// As [`image_hash`](Self::image_hash), but for damage that a mere read uses up: what nothing
    /// changes that only looks.
    pub(crate) fn content_hash(&self) -> u64 {
        self.lock_inner().state.print(false)
    }

    /// A fingerprint of every call made so far, with its answer.
    #[must_use]
    pub fn event_hash(&self) -> u64 {
        self.lock_inner().trace.hash()
    }

    /// A fingerprint of the image and of how far each stream of numbers was drawn: with
    /// [`event_hash`](Self::event_hash) all that a run can differ in.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let mut print = Fingerprint::new();
        print.word(self.image_hash());
        let inner = self.lock_inner();
        for position in inner.state.drawn().into_iter().chain([inner.crashes.position()]) {
            print.bytes(&position.to_le_bytes());
        }
        print.value()
    }

    /// What is pending, in the order it was asked for, and what becomes of each by
    /// [`after_power_cut`](Self::after_power_cut) with this policy and numbers from the same
    /// place of the stream.
    #[must_use]
    pub fn fates(&self, policy: &CrashPolicy, rng: &mut Rng) -> Vec<UnitFate> {
        let inner = self.lock_inner();
        let fallen = inner.state.device.fall_back(policy, rng, &mut Counters::default());
        // A device that forgets whole syncs forgets what came later, too.
        let policy = if fallen.is_some() { &CrashPolicy::AllLost } else { policy };
        inner.state.scene().told(policy, rng)
    }

    /// Starts (afresh) or stops recording calls.
    pub fn record_events(&self, wanted: bool) {
        self.lock_inner().trace.record(wanted);
    }

    /// The calls recorded.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.lock_inner().trace.events()
    }

    /// How often each fault really happened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.lock_inner().state.faults.counters.clone()
    }
}

impl State {
    /// A fingerprint of names, lengths, bytes and, if that is asked for, what is hurt.
    fn print(&self, wounds: bool) -> u64 {
        let mut print = Fingerprint::new();
        for (name, id) in &self.directory.current {
            print.bytes(name.as_bytes());
            let Some(file) = self.files.get(id) else { continue };
            if file.pending.is_empty() {
                file.durable.image().fingerprint(&mut print);
            } else {
                file.view().fingerprint(&mut print);
            }
            for hurt in file.durable.wounds().into_iter().filter(|_| wounds) {
                print.word(hurt.offset);
                print.word(hurt.len);
            }
        }
        print.value()
    }

    /// By the name it has, or else durably had.
    pub(crate) fn named(&self, name: &str) -> Option<FileId> {
        let directory = &self.directory;
        directory.current.get(name).or_else(|| directory.durable.get(name)).copied()
    }
}

#[cfg(test)]
mod tests;
