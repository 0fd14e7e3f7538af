//! Plays lives: opens the store, does what is to be done, lets go wrong what is to go wrong, ends
//! it where it is to end. A campaign and the replay of one scenario both come through here, so
//! what the one found the other shows.

use crate::counters::Counters;
use crate::crash::{CrashKind, InFlight};
use crate::disk::SimDisk;
use crate::figures::Figures;
use crate::hash::Fingerprint;
use crate::latency::Latency;
use crate::options::Preset;
use crate::oracle::Violation;
use crate::rng::{Concern, Seed};
use crate::sabotage::Sabotage;
use crate::scenario::{End, Harmed, Life, Mishap, Resolved, Scenario, Setup};
use crate::subject::{Before, Class, Stop, Subject, World};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What came between a life and the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) before: Before,
    /// A call failed in some life before.
    pub(crate) failed: bool,
    /// A sync or a write-back did: pages may be clean that never were written.
    pub(crate) lost_pages: bool,
    /// How many crashes inside recovery came right before this.
    pub(crate) nested: usize,
    /// Operations made in the life before.
    pub(crate) ops: usize,
    /// The number of the life in its run.
    pub(crate) number: u64,
}

impl Passage {
    pub(crate) const FIRST: Self = Self {
        before: Before::Nothing,
        failed: false,
        lost_pages: false,
        nested: 0,
        ops: 0,
        number: 0,
    };
}

/// A store on its disk, between two lives.
pub(crate) struct Stage<S> {
    pub(crate) subject: S,
    pub(crate) disk: SimDisk,
    pub(crate) passage: Passage,
    /// The open of the present life was completed.
    pub(crate) opened: bool,
    pub(crate) hurt: Option<Harmed>,
}

/// Counts what happens, and hashes it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) figures: Figures,
    counters: Counters,
    cells: BTreeMap<(usize, &'static str), u64>,
    /// What the disk does not count, since it is the campaign that does it.
    done: BTreeMap<&'static str, u64>,
    print: Option<Fingerprint>,
    /// Images and random streams go into the hash too, which costs time.
    deep: bool,
}

impl Tally {
    pub(crate) fn new(deep: bool) -> Self {
        Self { deep, ..Self::default() }
    }

    fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// The figures so far; begins anew.
    pub(crate) fn take(&mut self) -> Figures {
        let mut figures = std::mem::take(&mut self.figures);
        for (name, count) in std::mem::take(&mut self.counters).list() {
            if count > 0 {
                figures.faults.insert(name.to_string(), count);
            }
        }
        for (name, count) in std::mem::take(&mut self.done) {
            figures.faults.insert(name.to_owned(), count);
        }
        for ((cell, cause), count) in std::mem::take(&mut self.cells) {
            figures.cells.insert((cell, cause.to_owned()), count);
        }
        figures
    }

    pub(crate) fn begin_seed(&mut self, seed: u64) {
        let mut print = Fingerprint::new();
        print.word(seed);
        self.print = Some(print);
    }

    pub(crate) fn end_seed(&mut self) {
        self.figures.seeds += 1;
        if let Some(print) = self.print.take() {
            self.figures.hash = self.figures.hash.wrapping_add(print.value());
        }
    }

    fn leave(&mut self, disk: &SimDisk) {
        self.counters.add(&disk.counters());
        self.figures.disk_calls += disk.steps();
        if let Some(print) = &mut self.print {
            print.word(disk.event_hash());
        }
        self.look(disk);
    }

    fn look(&mut self, disk: &SimDisk) {
        if let Some(print) = self.print.as_mut().filter(|_| self.deep) {
            print.word(disk.state_hash());
        }
    }
}

/// How a life went.
pub(crate) enum Fate {
    /// It was cut off.
    CutOff,
    /// It came to its own end.
    Over,
}

/// Plays lives of one setup.
pub(crate) struct Player<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) tally: &'a mut Tally,
}

impl Player<'_> {
    /// A store that was never opened, on a fresh disk.
    pub(crate) fn stage<S: Subject>(&self, options: &S::Options) -> Stage<S> {
        Stage {
            subject: S::new(options),
            disk: self.setup.disk(),
            passage: Passage::FIRST,
            opened: false,
            hurt: None,
        }
    }

    /// Plays one life. `behind` is called behind the open and each operation, with its number.
    ///
    /// # Errors
    /// The promise that broke; the store is leaked then if it panicked.
    pub(crate) fn life<S: Subject>(
        &mut self,
        stage: &mut Stage<S>,
        life: &Life<S::Op>,
        behind: impl FnMut(&mut Self, &Stage<S>, usize) -> Result<(), Violation>,
    ) -> Result<Fate, Violation> {
        // Its lock and its buffers may be in any state after a panic: nothing of it is touched.
        let played = catch_unwind(AssertUnwindSafe(|| self.play(stage, life, behind)));
        played.unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(Violation { promise: "panic", what: said.unwrap_or_default() })
        })
    }

    fn play<S: Subject>(
        &mut self,
        stage: &mut Stage<S>,
        life: &Life<S::Op>,
        mut behind: impl FnMut(&mut Self, &Stage<S>, usize) -> Result<(), Violation>,
    ) -> Result<Fate, Violation> {
        let entropy = self.setup.seed.wrapping_mul(1000).wrapping_add(stage.passage.number);
        let world = World::new(stage.disk.clone(), self.setup.class, stage.passage.before, entropy)
            .sabotaged(self.sabotage)
            .hurt(stage.hurt.clone());
        if self.setup.slow {
            stage.disk.set_clock(&world.clock, Latency::default());
        }
        stage.opened = false;
        let ended = self.through(stage, life, &world, &mut behind);
        stage.disk.crash_now(life.end.as_ref().map_or(CrashKind::Kill, |end| end.kind));
        stage.subject.abandon();
        self.tally.leave(&stage.disk);
        match ended {
            Ok(()) => Ok(Fate::Over),
            Err(Stop::Down) => Ok(Fate::CutOff),
            Err(Stop::Broken(violation)) => Err(violation),
        }
    }

    fn through<S: Subject>(
        &mut self,
        stage: &mut Stage<S>,
        life: &Life<S::Op>,
        world: &World,
        behind: &mut impl FnMut(&mut Self, &Stage<S>, usize) -> Result<(), Violation>,
    ) -> Result<(), Stop> {
        let disk = stage.disk.clone();
        let passage = stage.passage;
        stage.passage.ops = 0;
        self.go_wrong(&disk, world, life, 0);
        plan_end(&disk, life, 0);
        // What the system failed to write back before the open is lost as if the power had been.
        let mut found = world.clone();
        if found.before == Before::Kill && disk.counters().lost_pages() {
            found.before = Before::PowerCut;
        }
        let opened = stage.subject.open(&found)?;
        stage.opened = true;
        self.count_open(&passage, &opened);
        meet_end(&disk, life, 0)?;
        behind(self, stage, 0)?;
        for (nth, op) in life.ops.iter().enumerate() {
            let number = nth + 1;
            self.go_wrong(&disk, world, life, number);
            plan_end(&disk, life, number);
            stage.subject.make(world, op)?;
            stage.passage.ops = number;
            self.tally.figures.operations += 1;
            meet_end(&disk, life, number)?;
            behind(self, stage, number)?;
        }
        match &life.end {
            Some(end) => {
                disk.crash_now(end.kind);
                Err(Stop::Down)
            }
            None => {
                disk.stop_failing();
                disk.set_limits(None);
                stage.subject.finish(world)
            }
        }
    }

    fn count_open(&mut self, passage: &Passage, opened: &crate::subject::Opened) {
        let figures = &mut self.tally.figures;
        let cause = match passage.before {
            Before::Nothing => return,
            _ if self.setup.class == Class::Media => "damage",
            _ if passage.nested > 0 => "crash in recovery",
            _ if passage.failed => "failed calls",
            Before::Kill => "kill",
            Before::PowerCut => "power cut",
        };
        figures.count_cycle(self.setup.class, passage.ops);
        figures.multi_part_cycles += u64::from(opened.parts >= 2);
        figures.refused += u64::from(opened.refused);
        if let Some(count) = passage.nested.checked_sub(1).and_then(|n| figures.nested.get_mut(n)) {
            *count += 1;
        }
        for &what in &opened.done {
            self.tally.count(what);
        }
        for &cell in &opened.cells {
            *self.tally.cells.entry((cell, cause)).or_default() += 1;
        }
    }

    fn go_wrong<Op>(&mut self, disk: &SimDisk, world: &World, life: &Life<Op>, before_op: usize) {
        for (_, mishap) in life.mishaps.iter().filter(|(at, _)| *at == before_op) {
            match mishap {
                Mishap::Fail(plan) => disk.fail(plan.clone()),
                Mishap::StopFailing => disk.stop_failing(),
                Mishap::Full(room) => disk.set_limits(Some(room.limits(disk))),
                Mishap::RoomAgain => disk.set_limits(None),
                Mishap::WriteBack(seed) => {
                    disk.write_back_some(&mut Seed::new(*seed).rng(Concern::Errors));
                }
                Mishap::FailWriteBack(file) => {
                    let names = disk.names();
                    if let Some(name) = names.get(file % names.len().max(1)) {
                        // The name was listed a moment ago, and nobody else is here.
                        let _there = disk.fail_write_back(name, crate::faults::EIO);
                    }
                }
                Mishap::Clock(millis) => {
                    self.tally.count("clock_jumps");
                    let now = seawall::storage::Clock::now(&world.clock);
                    let by = Duration::from_millis(millis.unsigned_abs());
                    let to = if *millis < 0 { now.saturating_sub(by) } else { now + by };
                    world.clock.set(to);
                }
            }
        }
    }

    /// Resolves the end of a life that was cut off: the stage of the next.
    pub(crate) fn pass<S: Subject>(&mut self, stage: &Stage<S>, end: &End) -> Stage<S> {
        let in_open = !stage.opened;
        let Resolved { disk, hurt } = end.resolve::<S>(&stage.disk);
        let lost = took_anything(&disk.counters());
        self.tally.look(&disk);
        self.tally.count(moment_of(stage.disk.cut_call()));
        if end.kind == CrashKind::Power {
            self.tally.count(match self.setup.preset {
                Preset::Posix => "power_cuts_posix",
                Preset::Journalled => "power_cuts_journalled",
                Preset::Lying => "power_cuts_lying",
                Preset::PowerSafe => "power_cuts_power_safe",
            });
        }
        let figures = &mut self.tally.figures;
        match end.kind {
            CrashKind::Kill => figures.kills += 1,
            CrashKind::Power => {
                figures.power_cuts += 1;
                figures.lossy_power_cuts += u64::from(lost);
            }
        }
        let failed = stage.passage.failed || failed_anything(&stage.disk.counters());
        let lost_pages = stage.passage.lost_pages || stage.disk.counters().lost_pages();
        // After a failed sync a kill is as bad as a power cut; and what a power cut took stays
        // taken until an open has shown what is left.
        let unseen = in_open && stage.passage.before == Before::PowerCut;
        let before = match end.kind {
            CrashKind::Kill if !lost_pages && !unseen => Before::Kill,
            CrashKind::Kill | CrashKind::Power => Before::PowerCut,
        };
        let old = stage.passage;
        let nested = if in_open { old.nested + 1 } else { 0 };
        let (ops, number) = (old.ops, old.number + 1);
        let passage = Passage { before, failed, lost_pages, nested, ops, number };
        Stage { subject: stage.subject.fork(), disk, passage, opened: false, hurt }
    }
}

/// Where a crash came, as a counter.
const fn moment_of(cut: Option<InFlight>) -> &'static str {
    match cut {
        None => "crashes_between_calls",
        Some(InFlight::NotBegun) => "crashes_in_a_call_not_begun",
        Some(InFlight::Whole) => "crashes_in_a_call_done",
        Some(InFlight::Prefix) => "crashes_in_a_call_half_done",
    }
}

/// Whether the crash before this disk took something that was not synced.
fn took_anything(counters: &Counters) -> bool {
    counters.lost + counters.torn + counters.names_lost + counters.flushes_lost > 0
}

/// Whether any call failed.
fn failed_anything(counters: &Counters) -> bool {
    !counters.planned.is_empty() || counters.failed_write_backs + counters.no_room_in_sync > 0
}

/// Plans the end of the life, if it lies in a call of this operation.
fn plan_end<Op>(disk: &SimDisk, life: &Life<Op>, op: usize) {
    if let Some(end) = &life.end
        && end.place.op == op
        && let Some(call) = end.place.call
    {
        disk.crash_inside(disk.steps().saturating_add(call), end.kind, end.in_flight);
    }
}

/// The operation is over, and with it the life, if that was to end behind it.
fn meet_end<Op>(disk: &SimDisk, life: &Life<Op>, op: usize) -> Result<(), Stop> {
    match &life.end {
        Some(end) if end.place.op == op && end.place.call.is_none() => {
            disk.crash_now(end.kind);
            Err(Stop::Down)
        }
        _ if disk.is_dead() => Err(Stop::Down),
        _ => Ok(()),
    }
}

/// Plays a scenario from its beginning to its end.
///
/// # Errors
/// The promise that breaks, and in which life.
pub fn play<S: Subject>(
    scenario: &Scenario<S>,
    sabotage: Option<Sabotage>,
) -> Result<Figures, (usize, Violation)> {
    let mut tally = Tally::default();
    tally.begin_seed(scenario.setup.seed);
    let mut player = Player { setup: &scenario.setup, sabotage, tally: &mut tally };
    let stage = player.stage::<S>(&scenario.options);
    follow(&mut player, stage, &scenario.lives)?;
    tally.end_seed();
    Ok(tally.take())
}

/// Plays lives one after the other.
///
/// # Errors
/// In which of them a promise broke, and which.
pub(crate) fn follow<S: Subject>(
    player: &mut Player<'_>,
    mut stage: Stage<S>,
    lives: &[Life<S::Op>],
) -> Result<(), (usize, Violation)> {
    for (nth, life) in lives.iter().enumerate() {
        match player.life(&mut stage, life, |_, _, _| Ok(())) {
            Ok(Fate::CutOff) => {}
            Ok(Fate::Over) => break,
            Err(violation) => {
                if violation.promise == "panic" {
                    std::mem::forget(stage);
                }
                return Err((nth, violation));
            }
        }
        let Some(end) = &life.end else { break };
        if nth + 1 < lives.len() {
            stage = player.pass(&stage, end);
        }
    }
    Ok(())
}
