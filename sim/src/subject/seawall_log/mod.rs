//! Our own log as a campaign's subject: dozens of virtual clients on one thread drive the very
//! machine that the threaded shell drives, and the oracle listens.
//!
//! Each client has at most one call under way and one follower. A piece of disk work that was
//! taken may lie about undone, or done and not given back, while other clients go on: so the order
//! in which threads would meet is drawn step by step, and a crash can come between any two.

mod clients;
mod copies;
mod damage;
mod evidence;
mod marks;
mod op;
mod open_hurt;
mod records_left;
mod rescue;
mod tamper;

pub(crate) use op::KINDS;
pub use op::{Level, LogOptions, Op, Tags, Turn, What};

use crate::damage::Hurt;
use crate::disk::{EvictionBehaviour, SimDisk};
use crate::model::{EntryId, Model, Sure, broken};
use crate::options::Preset;
use crate::oracle::Violation;
use crate::rng::Rng;
use crate::silence::{Check, is_silent};
use crate::subject::{Before, Class, Opened, Stop, Subject, World};
use seawall::format::name::FileName;
use seawall::log::stepped::{Answer, Call, Done, Lane, Stepped, Work};
use seawall::{Durability, Error, Finding, Follower, Log, Lsn, Row, Segment, Trimmed, ViewScan};

/// A call of a client.
#[derive(Debug)]
struct Pending {
    call: Call,
    asked: Asked,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Append(EntryId, Sure),
    Sync(Lsn),
    Trim(Lsn),
}

/// Where a lane's piece of work is.
#[derive(Debug, Default)]
enum Out {
    #[default]
    Nowhere,
    Taken(Work),
    Performed(Done),
}

/// The log, its clients, and what they were told.
#[derive(Debug)]
pub struct SeawallLog {
    options: LogOptions,
    model: Model,
    log: Option<Stepped>,
    commit: Out,
    upkeep: Out,
    clients: Vec<Option<Pending>>,
    /// Of each client one at each level that it followed at.
    followers: Vec<[Option<Follower>; 3]>,
    /// The marks that are written.
    marks: marks::Shared,
    /// A call said that a sync failed: nothing more may be acknowledged as durable beyond here.
    poisoned_at: Option<Lsn>,
    /// A reader without the lock that stopped on its way.
    held: Option<ViewScan>,
    /// Copies that go on beside the log.
    copies: copies::Copies,
}

/// A call that failed is made again; after so many times no call fails any more.
const TRIES: u32 = 8;
const TRIES_MAX: u32 = 20;

/// Whether a call was made to fail on this disk.
fn fails(disk: &SimDisk) -> bool {
    let counters = disk.counters();
    // A sync that finds no room fails the write-back as well, and is the full disk's.
    !counters.planned.is_empty() || counters.failed_write_backs > counters.no_room_in_sync
}

/// Whether anything was refused on this disk for want of room, by its limits or by a plan.
fn lacked_room(disk: &SimDisk) -> bool {
    let counters = disk.counters();
    counters.no_space + counters.over_quota + counters.enospc + counters.edquot > 0
}

/// A segment's file that lies before this one.
fn left_below(disk: &SimDisk, first: &Segment) -> Option<String> {
    let name = FileName::Segment(first.header.number).text();
    disk.names().into_iter().find(|other| other.ends_with(".seg") && *other < name)
}

/// Whether an error is an answer. Where damage is what is looked for a write may fail too, so that
/// what it leaves gets hurt.
fn may_fail(world: &World) -> bool {
    world.class == Class::Errors || world.class == Class::Media && fails(&world.disk)
}

/// An open that was refused left everything as it was, `before`; one that a call failed may have
/// done some of its repairs.
fn unchanged(world: &World, before: u64, error: &Error) -> Result<(), Violation> {
    let failed = matches!(error, Error::Io { .. } | Error::Full { .. });
    let holds = world.disk.content_hash() == before || is_silent(Check::Refused);
    if failed || world.disk.is_dead() || holds {
        return Ok(());
    }
    broken("G5", format_args!("an open is refused, and has changed something: {error:?}"))
}

/// One line of the coverage table for each row of the recovery table and each column.
const CELLS: [&str; 32] = [
    "trimmed, W<=E",
    "trimmed, W>E",
    "zeros, W<=E",
    "zeros, W>E",
    "closed, W<=E",
    "closed, W>E",
    "undecodable, W<=E",
    "undecodable, W>E",
    "half batch, W<=E",
    "half batch, W>E",
    "shortened, W<=E",
    "shortened, W>E",
    "unreadable, W<=E",
    "unreadable, W>E",
    "unknown, W<=E",
    "unknown, W>E",
    "contradiction, W<=E",
    "contradiction, W>E",
    "not log, W<=E",
    "not log, W>E",
    "unborn, W<=E",
    "unborn, W>E",
    "header lost, W<=E",
    "header lost, W>E",
    "one copy, W<=E",
    "one copy, W>E",
    "missing, W<=E",
    "missing, W>E",
    "torn, W<=E",
    "torn, W>E",
    "dropped, W<=E",
    "dropped, W>E",
];

fn cells_of(findings: &[Finding]) -> Vec<usize> {
    let cell = |finding: &Finding| {
        let row = Row::ALL.iter().position(|row| *row == finding.row)?;
        Some(row * 2 + usize::from(finding.proven_beyond))
    };
    findings.iter().filter_map(cell).collect()
}

impl Subject for SeawallLog {
    type Op = Op;
    type Options = LogOptions;

    // Most cycles belong to the class in which nothing may be excused.
    const CLASSES: &'static [Class] = &[
        Class::Crash,
        Class::Crash,
        Class::Crash,
        Class::Crash,
        Class::Crash,
        Class::Errors,
        Class::Errors,
        Class::Media,
    ];
    const CELLS: &'static [&'static str] = &CELLS;

    fn draw_options(_: Class, rng: &mut Rng) -> LogOptions {
        LogOptions::draw(rng)
    }

    fn draw_more_options(options: &mut LogOptions, rng: &mut Rng) {
        options.draw_growth(rng);
        options.draw_later(rng);
    }

    fn draw_op(options: &LogOptions, rng: &mut Rng) -> Op {
        Op::draw(options, rng)
    }

    fn is_delicate(op: &Op) -> bool {
        op.what == What::Reopen
    }

    fn simpler_op(op: &Op) -> Vec<Op> {
        op.simpler()
    }

    fn simpler_options(options: &LogOptions) -> Vec<LogOptions> {
        options.simpler()
    }

    fn tamper(disk: &SimDisk, rng: &mut Rng) -> Option<Hurt> {
        tamper::tamper(disk, rng)
    }

    fn describe(op: &Op) -> (usize, String) {
        let what = match &op.what {
            What::Append(len, level) => format!("append {len} B, {level:?}"),
            What::Batch(lens, level) => format!("batch of {}, {level:?}", lens.len()),
            other => format!("{other:?}"),
        };
        (op.client.into(), what.to_lowercase())
    }

    fn new(options: &LogOptions) -> Self {
        Self {
            options: options.clone(),
            model: Model::of(options.tags),
            log: None,
            commit: Out::Nowhere,
            upkeep: Out::Nowhere,
            clients: Vec::new(),
            followers: Vec::new(),
            marks: marks::Shared::default(),
            poisoned_at: None,
            held: None,
            copies: copies::Copies::default(),
        }
    }

    fn fork(&self) -> Self {
        let (model, copies) = (self.model.clone(), self.copies.fork());
        Self { model, copies, ..Self::new(&self.options) }
    }

    fn open(&mut self, world: &World) -> Result<Opened, Stop> {
        self.model.lying |= world.disk.preset() == Preset::Lying;
        if let Some(harmed) = &world.hurt {
            return self.open_hurt(world, harmed);
        }
        self.open_log(world)?;
        let needed = match world.before {
            Before::Nothing => Sure::Accepted,
            // What the system failed to write back while the log was being opened is lost.
            Before::Kill if world.disk.counters().lost_pages() => Sure::Power,
            Before::Kill => Sure::Kill,
            Before::PowerCut => Sure::Power,
        };
        self.settle(world, needed)?;
        self.marks_hold()?;
        let log = self.log()?;
        let report = log.log().report();
        if report.raised {
            let what = format_args!("a log that was never copied is of lineage {}", report.lineage);
            broken::<()>("G4", what)?;
        }
        let (parts, cells) = (log.log().segments().len(), cells_of(&report.findings));
        self.go_on_with_copies(world, false)?;
        Ok(Opened { parts, cells, done: self.copies.done(), ..Opened::default() })
    }

    fn make(&mut self, world: &World, op: &Op) -> Result<(), Stop> {
        if self.log.is_none() {
            return Ok(());
        }
        let outcome = self.act(world, op).and_then(|()| self.turns(world, &op.turns));
        self.marks_hold()?;
        outcome?;
        if world.disk.is_dead() { Err(Stop::Down) } else { Ok(()) }
    }

    fn finish(&mut self, world: &World) -> Result<(), Stop> {
        if self.log.is_none() {
            return Ok(());
        }
        self.drive(world)?;
        self.copy_live(world)?;
        self.go_on_with_copies(world, true)?;
        // The faults are over: what the log refuses now it refuses for good.
        let poisoned = self.poisoned_at.is_some();
        let lens = [40];
        let id = self.model.begin_untagged(&lens);
        let record = self.model.records(id).pop().unwrap_or_default();
        let appended = self.log()?.log().append_at(&record, Durability::Sync);
        match appended {
            Ok(receipt) => self.model.acknowledge(id, receipt.lsn, Sure::Power)?,
            Err(Error::Poisoned { .. }) if poisoned || world.class != Class::Crash => {
                self.model.failed(id);
                return Ok(());
            }
            Err(error) => return self.refuse("progress", "append, all faults over,", &error),
        }
        self.names_hold()?;
        self.compare(world, Sure::Accepted, false)?;
        self.log()?
            .log()
            .close()
            .or_else(|error| self.excuse(world, "progress", "close", &error))?;
        self.marks_hold()?;
        self.log = None;
        Ok(())
    }

    fn abandon(&mut self) {
        // The disk is dead: what is done now changes nothing, and a log that is let go while its
        // work is out would wait for it.
        self.bring_back();
        self.clients.clear();
        self.followers.clear();
        self.held = None;
        self.log = None;
        self.poisoned_at = None;
    }
}

/// The engine.
impl SeawallLog {
    /// How far the log reports to be durable, while it is open.
    pub(crate) fn durable(&self) -> Option<Lsn> {
        self.log.as_ref().map(|log| log.log().watermarks().durable)
    }

    fn log(&self) -> Result<Stepped, Stop> {
        self.log.clone().ok_or(Stop::Down)
    }

    fn open_log(&mut self, world: &World) -> Result<(), Stop> {
        let mut tries = 0;
        let log = loop {
            let before = world.disk.content_hash();
            let environment = marks::watched(world, &self.marks, self.options.own_blocks);
            match Log::open_in(environment, self.options.options()) {
                Ok(log) => break log,
                Err(_) if world.disk.is_dead() => return Err(Stop::Down),
                // A failed call fails the open, and the next one goes on from there: plans end.
                Err(error @ Error::Full { .. }) if !fails(&world.disk) => {
                    return self.refuse("G8", "an open of a full disk", &error);
                }
                Err(Error::Io { .. } | Error::Full { .. })
                    if may_fail(world) && tries < TRIES_MAX =>
                {
                    tries += 1;
                    if tries == TRIES {
                        world.disk.set_capacity(None);
                        world.disk.stop_failing();
                    }
                }
                Err(error) => {
                    unchanged(world, before, &error)?;
                    return self.refuse("G5", "open", &error);
                }
            }
        };
        self.says_whether_it_looked(world, &log)?;
        self.log = Some(Stepped::new(log));
        self.poisoned_at = None;
        let clients = usize::from(self.options.clients.max(1));
        self.clients = (0..clients).map(|_| None).collect();
        self.followers = (0..clients).map(|_| Default::default()).collect();
        Ok(())
    }

    /// What an open judged came from the device, or it says that this is not known.
    fn says_whether_it_looked(&self, world: &World, log: &Log) -> Result<(), Violation> {
        let seen = world.disk.lock_inner().state.options.eviction == EvictionBehaviour::Seen;
        let said = log.report().verified_against_device;
        // Where there is no segment there was nothing to look at.
        if said == seen || log.segments().is_empty() || is_silent(Check::Device) {
            return Ok(());
        }
        broken("G7", format_args!("evictions seen: {seen}; verified against the device: {said}"))
    }

    fn lane(&mut self, lane: Lane) -> &mut Out {
        match lane {
            Lane::Commit => &mut self.commit,
            Lane::Upkeep => &mut self.upkeep,
        }
    }

    fn turn(&mut self, lane: Lane) {
        let Some(log) = self.log.clone() else { return };
        let out = std::mem::take(self.lane(lane));
        *self.lane(lane) = match out {
            Out::Nowhere => log.take(lane).map_or(Out::Nowhere, Out::Taken),
            Out::Taken(work) => Out::Performed(work.perform()),
            Out::Performed(done) => {
                log.give_back(done);
                Out::Nowhere
            }
        };
    }

    fn turns(&mut self, world: &World, turns: &[Turn]) -> Result<(), Stop> {
        for turn in turns {
            match turn {
                Turn::Commit => self.turn_of(Lane::Commit),
                Turn::Upkeep => self.turn_of(Lane::Upkeep),
                Turn::Poll => self.poll_all(world)?,
                Turn::Drive => self.drive(world)?,
            }
        }
        Ok(())
    }

    fn marks_hold(&self) -> Result<(), Violation> {
        let found = marks::broken(&self.marks).filter(|_| !is_silent(Check::Marks));
        found.map_or(Ok(()), |what| broken("G5", what))
    }

    /// A lane goes on by one step; by a whole piece of work where a call must not find one out,
    /// since it would wait for it. The commit lane is driven by the calls alone there.
    fn turn_of(&mut self, lane: Lane) {
        if !self.options.direct {
            self.turn(lane);
        } else if lane == Lane::Upkeep {
            self.turn(lane);
            self.bring_back();
        }
    }

    /// Nothing is out any more.
    fn bring_back(&mut self) {
        for lane in [Lane::Commit, Lane::Upkeep] {
            while !matches!(self.lane(lane), Out::Nowhere) {
                self.turn(lane);
            }
        }
    }

    /// The upkeep lane, until it has nothing left.
    fn keep_up(&mut self, world: &World) -> Result<(), Stop> {
        for _ in 0..1000 {
            self.turn(Lane::Upkeep);
            if world.disk.is_dead() {
                self.bring_back();
                return Err(Stop::Down);
            }
            if matches!(self.upkeep, Out::Nowhere) {
                return Ok(());
            }
            self.bring_back();
        }
        broken("progress", "1000 pieces of upkeep, and there is still one left")
            .map_err(Stop::Broken)
    }

    /// The clients' calls and the engine in turn, until nothing moves.
    fn drive(&mut self, world: &World) -> Result<(), Stop> {
        self.go_on(world, false)
    }

    /// The same, until all calls are answered: what the engine has left to do stays.
    fn answer(&mut self, world: &World) -> Result<(), Stop> {
        self.go_on(world, true)
    }

    fn go_on(&mut self, world: &World, calls_alone: bool) -> Result<(), Stop> {
        self.bring_back();
        // A call that waits is answered when it returns.
        if self.options.direct {
            return if calls_alone { Ok(()) } else { self.keep_up(world) };
        }
        for _ in 0..1000 {
            self.poll_all(world)?;
            if calls_alone && self.clients.iter().all(Option::is_none) {
                return Ok(());
            }
            let mut moved = false;
            for lane in [Lane::Commit, Lane::Upkeep] {
                self.turn(lane);
                moved |= !matches!(self.lane(lane), Out::Nowhere);
                self.bring_back();
            }
            if world.disk.is_dead() {
                return Err(Stop::Down);
            }
            if !moved {
                let waiting = self.clients.iter().flatten().count();
                if waiting > 0 {
                    let what = format!("{waiting} calls wait for ever: nothing is left to do");
                    return Err(Violation { promise: "progress", what }.into());
                }
                return Ok(());
            }
        }
        broken("progress", "1000 steps of the engine, and there is still something to do")
            .map_err(Stop::Broken)
    }

    fn poll_all(&mut self, world: &World) -> Result<(), Stop> {
        let Some(log) = self.log.clone() else { return Ok(()) };
        for nth in 0..self.clients.len() {
            let Some(pending) = self.clients.get_mut(nth).and_then(Option::as_mut) else {
                continue;
            };
            if let Some(answer) = log.poll(&mut pending.call) {
                let asked = pending.asked;
                if let Some(client) = self.clients.get_mut(nth) {
                    *client = None;
                }
                self.answered(world, asked, answer)?;
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        world: &World,
        asked: Asked,
        answer: seawall::Result<Answer>,
    ) -> Result<(), Stop> {
        if world.disk.is_dead() {
            // Its process is no more: nobody was told.
            return Err(Stop::Down);
        }
        match (asked, answer) {
            (Asked::Append(id, sure), Ok(Answer::Appended(receipt))) => {
                if sure == Sure::Power {
                    self.not_after_poison(receipt.end)?;
                }
                Ok(self.model.acknowledge(id, receipt.lsn, sure)?)
            }
            (Asked::Sync(end), Ok(Answer::Durable(durable))) => {
                if durable < end {
                    let what = format!("a sync up to {end} returned at {durable}");
                    return Err(Violation { promise: "G1", what }.into());
                }
                self.not_after_poison(end)?;
                self.model.sure_before(durable, Sure::Power);
                Ok(())
            }
            (Asked::Trim(to), Ok(Answer::Trimmed(trimmed))) => self.trimmed(world, to, trimmed),
            (_, Ok(other)) => broken("G1", format_args!("{asked:?} was answered with {other:?}"))
                .map_err(Stop::Broken),
            (asked, Err(error)) => {
                match (asked, &error) {
                    // It is not in the log, and the log goes on.
                    (Asked::Append(id, _), Error::Full { .. } | Error::Io { .. }) => {
                        self.model.refused(id);
                    }
                    (Asked::Append(id, _), _) => self.model.failed(id),
                    (Asked::Trim(to), _) if !fails(&world.disk) => {
                        let what = format!("no trim to {to}: {error:?}");
                        return Err(Violation { promise: "G8", what }.into());
                    }
                    _ => {}
                }
                self.excuse(world, "progress", "a call", &error)
            }
        }
    }

    /// On a full disk, too, files go that lie wholly below the point; only where there are none may
    /// the point wait in memory.
    fn trimmed(&mut self, world: &World, to: Lsn, trimmed: Trimmed) -> Result<(), Stop> {
        let segments = self.log()?.log().segments();
        let goes = |end: Option<&Segment>, point| end.is_some_and(|s| s.header.prev_end <= point);
        let in_memory = trimmed.durable < to;
        let what = if trimmed.trim < to {
            format!("a trim to {to} left the trim point at {}", trimmed.trim)
        } else if in_memory && !lacked_room(&world.disk) {
            format!("a trim to {to} is not durable, and no room was refused")
        } else if goes(segments.get(1), trimmed.durable.max(to)) {
            format!("a trim to {to} left {:?}", segments.first())
        } else if !fails(&world.disk)
            && let Some(name) = segments.first().and_then(|first| left_below(&world.disk, first))
        {
            format!("a trim to {to} left the file {name}")
        } else {
            // What waits in memory happened, or did not, once there was a crash.
            if !in_memory {
                self.model.trimmed(to);
            }
            return Ok(());
        };
        Err(Violation { promise: "G8", what }.into())
    }

    fn not_after_poison(&self, end: Lsn) -> Result<(), Violation> {
        match self.poisoned_at {
            Some(last) if end > last => {
                broken("G7", format_args!("{end} is durable, though a sync failed at {last}"))
            }
            _ => Ok(()),
        }
    }

    /// An error on a dead disk is none of ours; one of a failing disk is an answer.
    fn excuse(
        &mut self,
        world: &World,
        promise: &'static str,
        what: &str,
        error: &Error,
    ) -> Result<(), Stop> {
        if world.disk.is_dead() {
            return Err(Stop::Down);
        }
        if let Error::Poisoned { .. } = error
            && let Some(log) = &self.log
        {
            let durable = log.log().watermarks().durable;
            self.poisoned_at.get_or_insert(durable);
        }
        let answer =
            matches!(error, Error::Io { .. } | Error::Full { .. } | Error::Poisoned { .. });
        if may_fail(world) && answer {
            return Ok(());
        }
        self.refuse(promise, what, error)
    }

    fn refuse<T>(&self, promise: &'static str, what: &str, error: &Error) -> Result<T, Stop> {
        let what = format!("{what} failed on a sound disk: {error:?}");
        Err(Violation { promise, what }.into())
    }
}
