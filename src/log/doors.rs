//! Where threads sleep until their group is written or durable, and how they are woken.
//!
//! ```text
//!   a door     for each goal (written, durable) and for groups of even and of odd number
//!   sleep      under the lock: counted at the door, and the door's count looked at; then without it
//!   wake       under the lock: the door's count moves on; the call to the kernel comes without it
//! ```
//!
//! Whoever wakes up reads the published watermark and returns, mostly without the lock: a group
//! that had to take it one by one would keep the next one waiting. Two doors for each goal are
//! enough, since at most one group is under way while one fills. Knows nothing of the machine; who
//! has to be woken is decided in `shared`.

use super::action::Event;
use super::machine::{Goal, Watermarks};
use crate::position::Lsn;
use crate::storage::latch::{AtomicU64, EventCount, Ordering, execution_is_over};

const COUNT: usize = 4;

/// One of the places to sleep at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Door(usize);

/// Doors that are opened at once.
pub(crate) type Opened = [Option<Door>; 2];

impl Door {
    /// Where those of this group sleep who want its frames written.
    pub(crate) const fn written(group: u64) -> Self {
        Self(if group.is_multiple_of(2) { 0 } else { 1 })
    }

    /// Where those of this group sleep who want its frames durable.
    pub(crate) const fn durable(group: u64) -> Self {
        Self(if group.is_multiple_of(2) { 2 } else { 3 })
    }

    /// The doors that an event opens, where `group` is the last that was taken; `None` for an event
    /// that may concern anybody. `settled`: what was synced before it was durable. Otherwise a sync was not
    /// enough for those who waited for it, and they still sleep at the door of an older group.
    pub(crate) fn opened_by(event: &Event, group: u64, settled: bool) -> Option<Opened> {
        match event {
            Event::Wrote { synced: Some(_), .. } | Event::Synced { .. }
                if !settled && !planted!("left-synced-opens-one-door") =>
            {
                None
            }
            Event::Wrote { synced: None, .. } => Some([Some(Self::written(group)), None]),
            Event::Wrote { synced: Some(_), .. }
                if planted!("sync-behind-a-write-opens-one-door") =>
            {
                Some([Some(Self::written(group)), None])
            }
            Event::Wrote { synced: Some(_), .. } => {
                Some([Some(Self::written(group)), Some(Self::durable(group))])
            }
            Event::Synced { .. } => Some([None, Some(Self::durable(group))]),
            _ => None,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..COUNT).map(Self)
    }

    const fn bit(self) -> u8 {
        1 << self.0
    }
}

/// The doors, and what is written over them.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    counts: [EventCount; COUNT],
    written: AtomicU64,
    durable: AtomicU64,
    failures: AtomicU64,
}

impl Doors {
    /// Doors of a log that has come as far as this.
    pub(crate) fn new(marks: Watermarks) -> Self {
        let doors = Self::default();
        doors.publish(marks, 0);
        doors
    }

    /// What there is to know for who wakes up; before the doors' counts move.
    pub(crate) fn publish(&self, marks: Watermarks, failures: u64) {
        // First: who sees a watermark that went on behind a failure must see the failure.
        self.failures.store(failures, Ordering::Release);
        self.written.store(marks.written.get(), Ordering::Release);
        self.durable.store(marks.durable.get(), Ordering::Release);
    }

    /// Whether `goal` of an append is known to be reached. A failure since `failures` were counted
    /// may be its own: then only the machine knows.
    pub(crate) fn tell(&self, goal: Goal, failures: u64) -> bool {
        let (mark, end) = match goal {
            Goal::Written { end, .. } => (&self.written, end),
            Goal::Durable { end, .. } => (&self.durable, end),
        };
        let reached = Lsn::new(mark.load(Ordering::Acquire)) >= end;
        let alone = planted!("told-by-watermark-alone");
        reached && (alone || self.failures.load(Ordering::Acquire) == failures)
    }

    /// Whether everything before `end` is known to be durable, and no append ever failed that might
    /// end there.
    pub(crate) fn is_durable(&self, end: Lsn) -> bool {
        self.tell(Goal::Durable { lsn: end, end }, 0)
    }

    /// The durable watermark, as it was published.
    pub(crate) fn durable(&self) -> Lsn {
        Lsn::new(self.durable.load(Ordering::Acquire))
    }

    /// The count of failures, as it was published.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// The written watermark, as it was published.
    pub(crate) fn written(&self) -> Lsn {
        Lsn::new(self.written.load(Ordering::Acquire))
    }

    /// The count to sleep with.
    pub(crate) fn now(&self, door: Door) -> u32 {
        self.count(door).now()
    }

    /// Sleeps while the count is `seen`, or until it pleases.
    pub(crate) fn sleep(&self, door: Door, seen: u32) {
        self.count(door).wait(seen);
    }

    fn count(&self, door: Door) -> &EventCount {
        self.counts.get(door.0).expect("invariant: a door is one of four")
    }
}

/// How many sleep at each door: never fewer than really do. Kept under the lock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asleep([u32; COUNT]);

impl Asleep {
    /// One more goes to sleep.
    pub(crate) fn add(&mut self, door: Door) {
        *self.at(door) += 1;
    }

    fn at(&mut self, door: Door) -> &mut u32 {
        self.0.get_mut(door.0).expect("invariant: a door is one of four")
    }
}

/// Calls to the kernel that are due once the lock is free; made when this is dropped.
#[derive(Debug)]
pub(crate) struct Wakes<'a> {
    doors: &'a Doors,
    /// A bit for each door.
    one: u8,
    all: u8,
}

impl<'a> Wakes<'a> {
    pub(crate) const fn none(doors: &'a Doors) -> Self {
        Self { doors, one: 0, all: 0 }
    }

    /// As [`Doors::publish`].
    pub(crate) fn publish(&self, marks: Watermarks, failures: u64) {
        self.doors.publish(marks, failures);
    }

    /// All at this door.
    pub(crate) fn all_at(&mut self, asleep: &mut Asleep, door: Door) {
        if std::mem::take(asleep.at(door)) > 0 {
            self.doors.count(door).advance();
            self.all |= door.bit();
        }
    }

    /// All at every door.
    pub(crate) fn everybody(&mut self, asleep: &mut Asleep) {
        Door::all().for_each(|door| self.all_at(asleep, door));
    }

    /// One at every door where somebody sleeps.
    pub(crate) fn one_each(&mut self, asleep: &mut Asleep) {
        for door in Door::all() {
            let count = asleep.at(door);
            if *count > 0 {
                *count -= 1;
                self.doors.count(door).advance();
                self.one |= door.bit();
            }
        }
    }

    /// Makes the calls that are due.
    pub(crate) fn send(&mut self) {
        if self.one | self.all != 0 {
            self.send_some();
        }
    }

    #[cold]
    fn send_some(&mut self) {
        let (one, all) = (std::mem::take(&mut self.one), std::mem::take(&mut self.all));
        // Who is to lead the next group first: the disk waits for it.
        for door in Door::all().filter(|door| one & !all & door.bit() != 0) {
            self.doors.count(door).wake_one();
        }
        for door in Door::all().filter(|door| all & door.bit() != 0) {
            self.doors.count(door).wake_all();
        }
    }
}

impl Drop for Wakes<'_> {
    fn drop(&mut self) {
        if !execution_is_over() {
            self.send();
        }
    }
}
