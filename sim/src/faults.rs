//! What goes wrong by plan: failing calls, short and interrupted calls, and how often each was.

use crate::rng::Rng;
use rustix::io::Errno;
use std::collections::BTreeMap;

/// An input or output error.
pub const EIO: i32 = Errno::IO.raw_os_error();
/// No space left.
pub const ENOSPC: i32 = Errno::NOSPC.raw_os_error();
/// The quota is used up.
pub const EDQUOT: i32 = Errno::DQUOT.raw_os_error();
/// Interrupted by a signal.
pub const EINTR: i32 = Errno::INTR.raw_os_error();

/// The kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `open` of an existing file.
    Open,
    /// `open` of a new file.
    Create,
    /// `rename`.
    Rename,
    /// `remove`.
    Remove,
    /// `list`.
    List,
    /// `sync_dir`.
    SyncDir,
    /// `lock`.
    Lock,
    /// `read_at`.
    Read,
    /// `write_at`.
    Write,
    /// `sync_data`.
    SyncData,
    /// `sync_all`.
    SyncAll,
    /// `allocate`.
    Allocate,
    /// `set_len`.
    SetLen,
    /// `len`.
    Len,
    /// `evict`.
    Evict,
}

impl Operation {
    /// Whether it can change what a crash leaves: a crash around any other call is the crash
    /// around the last one that did.
    #[must_use]
    pub const fn leaves_traces(self) -> bool {
        !matches!(self, Self::Open | Self::List | Self::Lock | Self::Read | Self::Len)
    }
}

/// Which calls fail, and how.
///
/// ```
/// use seawall_sim::{EIO, FaultPlan, Operation};
///
/// // The third and fourth sync of any file named `….seg`.
/// let plan = FaultPlan::new(Operation::SyncData, EIO).suffix(".seg").after(2).times(2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    operation: Operation,
    errno: i32,
    suffix: String,
    after: u64,
    times: u64,
}

impl FaultPlan {
    /// The next call of this kind fails with this errno, once.
    #[must_use]
    pub const fn new(operation: Operation, errno: i32) -> Self {
        Self { operation, errno, suffix: String::new(), after: 0, times: 1 }
    }

    /// Only calls on names that end like this count. A descriptor has the name it was opened
    /// under; a rename has both of its names.
    #[must_use]
    pub fn suffix(mut self, suffix: &str) -> Self {
        suffix.clone_into(&mut self.suffix);
        self
    }

    /// So many calls go well first.
    #[must_use]
    pub const fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// So many calls fail, one after the other.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    fn concerns(&self, operation: Operation, names: [&str; 2]) -> bool {
        self.operation == operation && names.iter().any(|name| name.ends_with(&self.suffix))
    }
}

/// How many calls in a thousand are short or interrupted, on a disk that is otherwise sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallNoise {
    /// Reads that return less than there is.
    pub short_reads: u16,
    /// Writes that take less than they are given.
    pub short_writes: u16,
    /// Reads and writes that end with `EINTR`. At most 900 happen, so that retrying ends.
    pub interrupted: u16,
}

impl CallNoise {
    /// Every call does what it can.
    pub const NONE: Self = Self { short_reads: 0, short_writes: 0, interrupted: 0 };

    /// The same rate for all three.
    #[must_use]
    pub const fn even(per_mille: u16) -> Self {
        Self { short_reads: per_mille, short_writes: per_mille, interrupted: per_mille }
    }

    /// Each rate none, rare or frequent.
    #[must_use]
    pub fn drawn(rng: &mut Rng) -> Self {
        let mut rate = || rng.pick(&[0, 0, 10, 50, 300]).copied().unwrap_or_default();
        Self { short_reads: rate(), short_writes: rate(), interrupted: rate() }
    }
}

/// How often each fault really happened: a run in which nothing went wrong proves little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Calls failed by a [`FaultPlan`].
    pub planned: BTreeMap<Operation, u64>,
    /// Reads cut short.
    pub short_reads: u64,
    /// Writes cut short, by noise or for want of room.
    pub short_writes: u64,
    /// Reads and writes interrupted by noise.
    pub interrupted: u64,
    /// Calls refused for want of room.
    pub no_space: u64,
    /// Files whose write-back failed, in a sync or in the background.
    pub failed_write_backs: u64,
    /// Syncs that told a write-back error of an earlier moment.
    pub late_errors: u64,
    /// Damages done to data at rest.
    pub damages: u64,
    /// Sector writes and lengths that the crash before this disk kept whole.
    pub kept: u64,
    /// Sector writes and lengths that it took.
    pub lost: u64,
    /// Sector writes that it mixed with what was there.
    pub torn: u64,
    /// Changes of names that it kept.
    pub names_kept: u64,
    /// Changes of names that it took.
    pub names_lost: u64,
    /// Sectors in which it left stale bytes.
    pub stale: u64,
}

/// The plans, and what became of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    plans: Vec<FaultPlan>,
    pub(crate) noise: CallNoise,
    pub(crate) capacity: Option<u64>,
    pub(crate) counters: Counters,
}

impl Faults {
    pub(crate) fn add(&mut self, plan: FaultPlan) {
        self.plans.push(plan);
    }

    pub(crate) fn clear(&mut self) {
        self.plans.clear();
    }

    /// What outlives a crash: the room there is and the noise, but no plan and no count.
    pub(crate) fn after_crash(&self) -> Self {
        Self { noise: self.noise, capacity: self.capacity, ..Self::default() }
    }

    /// The error of this call, if a plan has one. Every plan counts the call; the first whose
    /// turn it is fails it.
    pub(crate) fn take(&mut self, operation: Operation, names: [&str; 2]) -> Option<i32> {
        let mut errno = None;
        for plan in self.plans.iter_mut().filter(|plan| plan.concerns(operation, names)) {
            if plan.after > 0 {
                plan.after = plan.after.saturating_sub(1);
            } else if plan.times > 0 && errno.is_none() {
                plan.times = plan.times.saturating_sub(1);
                errno = Some(plan.errno);
            }
        }
        if errno.is_some() {
            self.plans.retain(|plan| plan.times > 0);
            count(self.counters.planned.entry(operation).or_default());
        }
        errno
    }
}

/// One more.
pub(crate) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
