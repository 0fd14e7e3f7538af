//! What goes wrong by plan: failing calls, short and interrupted calls, a disk that is full.

use crate::counters::{Counters, count};
use crate::medium::HurtKind;
use crate::rng::Rng;
use crate::text::{UnknownText, serde_as_text, words};
use rustix::io::Errno;
use std::fmt;
use std::str::FromStr;

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
    /// `punch`.
    Punch,
    /// `len`.
    Len,
    /// `evict`.
    Evict,
}

words!("kind of call", Operation {
    Open = "open",
    Create = "create",
    Rename = "rename",
    Remove = "remove",
    List = "list",
    SyncDir = "sync-dir",
    Lock = "lock",
    Read = "read",
    Write = "write",
    SyncData = "sync-data",
    SyncAll = "sync-all",
    Allocate = "allocate",
    SetLen = "set-len",
    Punch = "punch",
    Len = "len",
    Evict = "evict",
});

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
    lands: bool,
}

impl FaultPlan {
    /// The next call of this kind fails with this errno, once.
    #[must_use]
    pub const fn new(operation: Operation, errno: i32) -> Self {
        Self { operation, errno, suffix: String::new(), after: 0, times: 1, lands: false }
    }

    /// A write reaches the file whole, and the error comes afterwards: the caller cannot know. A
    /// write that fails otherwise leaves a part of its bytes, drawn at random. Calls of other kinds
    /// fail as they do without this.
    #[must_use]
    pub const fn lands(mut self) -> Self {
        self.lands = true;
        self
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

const ERRNOS: [(i32, &str); 4] =
    [(EIO, "eio"), (ENOSPC, "enospc"), (EDQUOT, "edquot"), (EINTR, "eintr")];

/// `sync-data:eio:after=2:times=1:on=.seg`, or `write:eio:after=2:times=1:lands:on=.seg`; an errno
/// without a word is its number.
impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.operation)?;
        match ERRNOS.iter().find(|(errno, _)| *errno == self.errno) {
            Some((_, word)) => f.write_str(word)?,
            None => write!(f, "{}", self.errno)?,
        }
        let lands = if self.lands { ":lands" } else { "" };
        write!(f, ":after={}:times={}{lands}:on={}", self.after, self.times, self.suffix)
    }
}

impl FromStr for FaultPlan {
    type Err = UnknownText;

    fn from_str(text: &str) -> Result<Self, UnknownText> {
        let plan = || {
            let (text, suffix) = text.split_once(":on=")?;
            let mut parts = text.split(':');
            let operation = parts.next()?.parse().ok()?;
            let errno = parts.next()?;
            let known = ERRNOS.iter().find(|(_, word)| *word == errno).map(|(errno, _)| *errno);
            let errno = known.or_else(|| errno.parse().ok())?;
            let after = parts.next()?.strip_prefix("after=")?.parse().ok()?;
            let times = parts.next()?.strip_prefix("times=")?.parse().ok()?;
            let plan = Self::new(operation, errno).suffix(suffix).after(after).times(times);
            match (parts.next(), parts.next()) {
                (None, _) => Some(plan),
                (Some("lands"), None) => Some(plan.lands()),
                _ => None,
            }
        };
        plan().ok_or_else(|| UnknownText::new("fault plan", text))
    }
}

serde_as_text!(FaultPlan);

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

/// `short-reads=10,short-writes=0,interrupted=50`.
impl fmt::Display for CallNoise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { short_reads, short_writes, interrupted } = self;
        write!(f, "short-reads={short_reads},short-writes={short_writes},interrupted={interrupted}")
    }
}

impl FromStr for CallNoise {
    type Err = UnknownText;

    fn from_str(text: &str) -> Result<Self, UnknownText> {
        let noise = || {
            let mut parts = text.split(',');
            let mut rate = |key: &str| -> Option<u16> {
                parts.next()?.strip_prefix(key)?.strip_prefix('=')?.parse().ok()
            };
            let noise = Self {
                short_reads: rate("short-reads")?,
                short_writes: rate("short-writes")?,
                interrupted: rate("interrupted")?,
            };
            parts.next().is_none().then_some(noise)
        };
        noise().ok_or_else(|| UnknownText::new("call noise", text))
    }
}

serde_as_text!(CallNoise);

/// How much there may be, and what is said when there is more.
///
/// ```
/// use seawall_sim::Limits;
///
/// // A quota that is lifted when three calls were refused, and that only syncs notice.
/// let limits = Limits::bytes(64 << 10).quota().found_late().lifted_after(3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    pub(crate) bytes: u64,
    pub(crate) files: usize,
    pub(crate) errno: i32,
    pub(crate) late: bool,
    pub(crate) copies: bool,
    refusals: Option<u64>,
}

impl Limits {
    /// So many bytes in all files that have names, any number of files; `ENOSPC` beyond. What
    /// is there already stays, even if it is more.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self { bytes, files: usize::MAX, errno: ENOSPC, late: false, copies: false, refusals: None }
    }

    /// And so many names: a create beyond is refused.
    #[must_use]
    pub const fn files(mut self, files: usize) -> Self {
        self.files = files;
        self
    }

    /// Says `EDQUOT` instead.
    #[must_use]
    pub const fn quota(mut self) -> Self {
        self.errno = EDQUOT;
        self
    }

    /// Writes that lengthen a file are taken, and the sync finds that there is no room: the
    /// way of file systems that allocate late. Reservations are refused at once all the same.
    #[must_use]
    pub const fn found_late(mut self) -> Self {
        self.late = true;
        self
    }

    /// A write into bytes that are there needs room of its own for each block, as where a file system
    /// copies on write; the room of what was there first stays taken, until it is punched or removed.
    #[must_use]
    pub const fn copying_on_write(mut self) -> Self {
        self.copies = true;
        self
    }

    /// Somebody makes room after so many refusals: the limit is gone then.
    #[must_use]
    pub const fn lifted_after(mut self, refusals: u64) -> Self {
        self.refusals = Some(refusals);
        self
    }
}

/// A damage that will be done to a write or a read.
#[derive(Clone, Debug)]
struct MediumPlan {
    kind: HurtKind,
    suffix: String,
    after: u64,
}

/// The plans, and what became of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    plans: Vec<FaultPlan>,
    medium: Vec<MediumPlan>,
    pub(crate) noise: CallNoise,
    limits: Option<Limits>,
    pub(crate) counters: Counters,
}

impl Faults {
    pub(crate) fn add(&mut self, plan: FaultPlan) {
        self.plans.push(plan);
    }

    pub(crate) fn clear(&mut self) {
        self.plans.clear();
        self.medium.clear();
    }

    pub(crate) fn add_to_medium(&mut self, kind: HurtKind, suffix: &str, after: u64) {
        self.medium.push(MediumPlan { kind, suffix: suffix.to_owned(), after });
    }

    pub(crate) fn has_medium_plans(&self) -> bool {
        !self.medium.is_empty()
    }

    /// The damage to what is being synced of this file, if its turn has come.
    pub(crate) fn take_from_medium(&mut self, name: &str) -> Option<HurtKind> {
        let mut found = None;
        for (nth, plan) in self.medium.iter_mut().enumerate() {
            if !name.ends_with(&plan.suffix) {
                continue;
            }
            if plan.after > 0 {
                plan.after = plan.after.saturating_sub(1);
            } else if found.is_none() {
                found = Some((nth, plan.kind));
            }
        }
        let (nth, kind) = found?;
        self.medium.remove(nth);
        Some(kind)
    }

    pub(crate) fn limits(&self) -> Option<Limits> {
        self.limits
    }

    pub(crate) fn set_limits(&mut self, limits: Option<Limits>) {
        if self.limits.is_some() && limits.is_none() {
            count(&mut self.counters.room_returned);
        }
        self.limits = limits;
    }

    /// A call finds no room: counts it, and says with which errno.
    pub(crate) fn no_room(&mut self) -> i32 {
        let Some(limits) = &mut self.limits else {
            return ENOSPC;
        };
        let errno = limits.errno;
        count(if errno == EDQUOT {
            &mut self.counters.over_quota
        } else {
            &mut self.counters.no_space
        });
        if let Some(left) = &mut limits.refusals {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.set_limits(None);
            }
        }
        errno
    }

    /// What outlives a crash: the room there is and the noise, but no plan and no count.
    pub(crate) fn after_crash(&self) -> Self {
        Self { noise: self.noise, limits: self.limits, ..Self::default() }
    }

    /// The error of this call, if a plan has one, and whether the call is made all the same. Every
    /// plan counts the call; the first whose turn it is fails it.
    pub(crate) fn take(&mut self, operation: Operation, names: [&str; 2]) -> Option<(i32, bool)> {
        let mut failure = None;
        for plan in self.plans.iter_mut().filter(|plan| plan.concerns(operation, names)) {
            if plan.after > 0 {
                plan.after = plan.after.saturating_sub(1);
            } else if plan.times > 0 && failure.is_none() {
                plan.times = plan.times.saturating_sub(1);
                failure = Some((plan.errno, plan.lands && operation == Operation::Write));
            }
        }
        if let Some((errno, _)) = failure {
            self.plans.retain(|plan| plan.times > 0);
            count(self.counters.planned.entry(operation).or_default());
            match errno {
                EIO => self.count_eio(operation),
                ENOSPC => count(&mut self.counters.enospc),
                EDQUOT => count(&mut self.counters.edquot),
                EINTR => count(&mut self.counters.eintr),
                _ => {}
            }
        }
        failure
    }

    fn count_eio(&mut self, operation: Operation) {
        count(&mut self.counters.eio);
        match operation {
            Operation::Read => count(&mut self.counters.eio_on_read),
            Operation::Write => count(&mut self.counters.eio_on_write),
            Operation::SyncData | Operation::SyncAll | Operation::SyncDir => {
                count(&mut self.counters.eio_on_sync);
            }
            _ => {}
        }
    }
}
