//! One workload after the other: run to each crash point of its last operation, resolved in every
//! way, recovered, cut off again.

use super::units::Units;
use super::{Broken, Exhaustive, ExhaustiveReport, Known};
use crate::crash::{CrashKind, CrashPolicy, InFlight};
use crate::disk::{EvictionBehaviour, SectorSize, SimDisk};
use crate::faults::{CallNoise, Operation};
use crate::hash::Fingerprint;
use crate::image::wide;
use crate::options::Preset;
use crate::oracle::Violation;
use crate::rng::{Concern, Rng, Seed};
use crate::scenario::{End, Life, Place, Scenario, Setup};
use crate::subject::seawall_log::{Level, LogOptions, Op, SeawallLog, Turn, What};
use crate::subject::{Before, Class, Stop, Subject, World};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Log ids and salts come from here.
const SEED: u64 = 1;

/// Where the end comes: in the how many-th call of the last operation, and what becomes of it;
/// `None`: behind it.
type Cut = Option<(u64, InFlight)>;

/// Walks workloads of one length at one level.
pub(super) struct Walker<'a> {
    search: &'a Exhaustive,
    options: LogOptions,
    setup: Setup,
    depth: usize,
    seen: &'a Known,
    report: ExhaustiveReport,
    /// Where the present state comes from: the ends of its lives.
    trail: Vec<End>,
    rng: Rng,
    probe: Op,
}

/// A log that was cut off.
struct Ended {
    memory: SeawallLog,
    disk: SimDisk,
    /// In an open that was not done, whose process came after this.
    in_open: Option<Before>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(
        search: &'a Exhaustive,
        options: LogOptions,
        depth: usize,
        seen: &'a Known,
    ) -> Self {
        let setup = Setup {
            seed: SEED,
            class: Class::Crash,
            preset: Preset::Posix,
            sector: SectorSize::Small,
            eviction: EvictionBehaviour::Seen,
            noise: CallNoise::NONE,
            slow: false,
        };
        let what = What::Append(40, Level::Sync);
        Self {
            search,
            options,
            setup,
            depth,
            seen,
            report: ExhaustiveReport::default(),
            trail: Vec::new(),
            rng: Seed::new(SEED).rng(Concern::CrashResolution),
            probe: Op { client: 0, what, turns: vec![Turn::Drive] },
        }
    }

    pub(super) fn report(&self) -> &ExhaustiveReport {
        &self.report
    }

    /// All crash points of the last operation.
    pub(super) fn workload(&mut self, number: u64, ops: &[Op]) -> Result<(), Box<Broken>> {
        self.report.workloads += 1;
        self.trail.clear();
        self.walk(ops).map_err(|violation| {
            let scenario = self.scenario(ops);
            let life = self.trail.len();
            Box::new(Broken { seed: number, scenario, life, violation })
        })
    }

    fn walk(&mut self, ops: &[Op]) -> Result<(), Violation> {
        let (whole, cuts) = self.run(ops, None, true)?;
        self.ended(&whole, Self::end(ops.len(), None), self.depth)?;
        for cut in cuts {
            let (ended, _) = self.run(ops, Some(cut), false)?;
            self.ended(&ended, Self::end(ops.len(), Some(cut)), self.depth)?;
        }
        Ok(())
    }

    fn end(op: usize, cut: Cut) -> End {
        let in_flight = cut.map_or(InFlight::NotBegun, |(_, in_flight)| in_flight);
        End {
            kind: CrashKind::Power,
            place: Place { op, call: cut.map(|(call, _)| call) },
            in_flight,
            policy: CrashPolicy::AllLost,
            seed: 0,
            harm: Vec::new(),
        }
    }

    fn world(&self, disk: &SimDisk, before: Before) -> World {
        // As a scenario's lives are numbered.
        let entropy = SEED.wrapping_mul(1000).wrapping_add(wide(self.trail.len()));
        World::new(disk.clone(), Class::Crash, before, entropy).sabotaged(self.search.sabotage)
    }

    /// Runs a workload until its end, or its cut; where it could be cut.
    fn run(
        &self,
        ops: &[Op],
        cut: Cut,
        record: bool,
    ) -> Result<(Ended, Vec<(u64, InFlight)>), Violation> {
        let disk = self.setup.disk();
        let world = self.world(&disk, Before::Nothing);
        let mut memory = SeawallLog::new(&self.options);
        let Some((last, first)) = ops.split_last() else {
            return self.open_until(memory, disk, Before::Nothing, cut, record);
        };
        let begun = guarded(memory, |log| {
            log.open(&world)?;
            first.iter().try_for_each(|op| log.make(&world, op))
        })?;
        if begun.1.is_err() {
            return broken_open();
        }
        memory = begun.0;
        let from = prepare(&disk, cut, record);
        let (mut memory, _) = guarded(memory, |log| log.make(&world, last))?;
        disk.crash_now(CrashKind::Power);
        memory.abandon();
        let cuts = if record { cuts_of(&disk, from) } else { Vec::new() };
        Ok((Ended { memory, disk, in_open: None }, cuts))
    }

    /// Opens, until that is done, or cut off.
    fn open_until(
        &self,
        memory: SeawallLog,
        disk: SimDisk,
        before: Before,
        cut: Cut,
        record: bool,
    ) -> Result<(Ended, Vec<(u64, InFlight)>), Violation> {
        let world = self.world(&disk, before);
        let from = prepare(&disk, cut, record);
        let (mut memory, opened) = guarded(memory, |log| log.open(&world))?;
        disk.crash_now(CrashKind::Power);
        memory.abandon();
        let cuts = if record { cuts_of(&disk, from) } else { Vec::new() };
        let in_open = opened.is_err().then_some(before);
        Ok((Ended { memory, disk, in_open }, cuts))
    }

    /// All that can be left of a log that was cut off: by a power cut, by a kill.
    fn ended(&mut self, ended: &Ended, end: End, depth: usize) -> Result<(), Violation> {
        let memory = print_of(&ended.memory);
        let (units, disk) = (ended.disk.units(), ended.disk.state_print());
        self.trail.push(end);
        self.power_cut(ended, &units, (disk, memory), depth)?;
        // What a power cut took stays taken until an open has shown what is left.
        let before = match ended.in_open {
            Some(Before::PowerCut) => Before::PowerCut,
            _ => Before::Kill,
        };
        if let Some(end) = self.trail.last_mut() {
            end.kind = CrashKind::Kill;
        }
        self.count_point(1);
        let image = ended.disk.after_kill();
        self.state(&image, disk, (&ended.memory, memory), before, depth)?;
        self.trail.pop();
        Ok(())
    }

    fn power_cut(
        &mut self,
        ended: &Ended,
        units: &Units,
        (disk, memory): (u64, u64),
        depth: usize,
    ) -> Result<(), Violation> {
        let (sets, all) = units.sets(self.search.cap);
        let count = wide(sets.len());
        self.count_point(count);
        if !all {
            self.report.sampled_points += 1;
            self.report.sampled_states += count;
        }
        self.report.units_max = self.report.units_max.max(wide(units.telling()));
        if !self.seen.points.insert(print_all([disk, memory, wide(depth), 0])) {
            self.report.repeated_points += 1;
            self.report.repeated_states += count;
            return Ok(());
        }
        for set in sets {
            let policy = CrashPolicy::Units(set);
            let image = ended.disk.after_power_cut(&policy, &mut self.rng);
            if let Some(end) = self.trail.last_mut() {
                end.policy = policy;
            }
            let print = image.state_print();
            self.state(&image, print, (&ended.memory, memory), Before::PowerCut, depth)?;
        }
        Ok(())
    }

    fn count_point(&mut self, states: u64) {
        self.report.crash_points += 1;
        self.report.states += states;
        if self.trail.len() > 1 {
            self.report.nested_points += 1;
            self.report.nested_states += states;
        }
    }

    /// One state: recovered if it is new, and its recovery cut off if that is wanted.
    fn state(
        &mut self,
        image: &SimDisk,
        print: u64,
        (memory, memory_print): (&SeawallLog, u64),
        before: Before,
        depth: usize,
    ) -> Result<(), Violation> {
        let power = u64::from(before == Before::PowerCut);
        let new_image = self.seen.images.insert(print);
        let new = self.seen.states.insert(print_all([print, memory_print, power, 0]));
        self.report.recovered += u64::from(new);
        if new || new_image {
            self.recover(image, memory, before, new_image)?;
        }
        let key = print_all([print, memory_print, power, wide(depth)]);
        if depth > 1 && self.seen.expanded.insert(key) {
            let (whole, cuts) =
                self.open_until(memory.fork(), image.after_kill(), before, None, true)?;
            self.ended(&whole, Self::end(0, None), depth - 1)?;
            for cut in cuts {
                let again = image.after_kill();
                let (ended, _) = self.open_until(memory.fork(), again, before, Some(cut), false)?;
                self.ended(&ended, Self::end(0, Some(cut)), depth - 1)?;
            }
        }
        Ok(())
    }

    /// Opens and compares. Once for each image also appends, cuts the power, and opens again: what
    /// was shown once is shown again.
    fn recover(
        &mut self,
        image: &SimDisk,
        memory: &SeawallLog,
        before: Before,
        twice: bool,
    ) -> Result<(), Violation> {
        let disk = image.after_kill();
        let world = self.world(&disk, before);
        let probe = &self.probe;
        let (mut log, opened) = guarded(memory.fork(), |log| {
            log.open(&world)?;
            if twice { log.make(&world, probe) } else { Ok(()) }
        })?;
        disk.crash_now(CrashKind::Power);
        log.abandon();
        if opened.is_err() {
            return broken_open();
        }
        if twice {
            let after = disk.after_power_cut(&CrashPolicy::AllLost, &mut self.rng);
            self.trail.push(Self::end(1, None));
            let world = self.world(&after, Before::PowerCut);
            let (mut log, opened) = guarded(log, |log| log.open(&world))?;
            after.crash_now(CrashKind::Power);
            log.abandon();
            if opened.is_err() {
                return broken_open();
            }
            self.trail.pop();
        }
        Ok(())
    }

    /// The run that leads to the present state.
    fn scenario(&self, ops: &[Op]) -> Scenario<SeawallLog> {
        let mut lives: Vec<Life<Op>> = Vec::new();
        for (nth, end) in self.trail.iter().enumerate() {
            let ops = match (nth, end.place.op) {
                (0, _) => ops.to_vec(),
                (_, 0) => Vec::new(),
                (_, _) => vec![self.probe.clone()],
            };
            lives.push(Life { mishaps: Vec::new(), ops, end: Some(end.clone()) });
        }
        if lives.is_empty() {
            lives.push(Life { mishaps: Vec::new(), ops: ops.to_vec(), end: None });
        } else {
            // Where the probe itself fails, it is part of the last life.
            lives.push(Life { ops: vec![self.probe.clone()], ..Life::last() });
        }
        let setup = self.setup.clone();
        Scenario { setup, options: self.options.clone(), lives }
    }
}

fn broken_open<T>() -> Result<T, Violation> {
    let what = "a call failed as if the disk were dead, and it is not".to_owned();
    Err(Violation { promise: "progress", what })
}

/// Plans the cut, or notes the calls from now on; the number of the next call.
fn prepare(disk: &SimDisk, cut: Cut, record: bool) -> u64 {
    let from = disk.steps();
    if let Some((call, in_flight)) = cut {
        disk.crash_inside(from.saturating_add(call), CrashKind::Power, in_flight);
    }
    if record {
        disk.record_events(true);
    }
    from
}

/// Where the calls since then can be cut off.
fn cuts_of(disk: &SimDisk, from: u64) -> Vec<(u64, InFlight)> {
    let mut cuts = Vec::new();
    for event in disk.events() {
        if event.operation.leaves_traces() {
            let call = event.step.saturating_sub(from);
            cuts.push((call, InFlight::NotBegun));
            cuts.push((call, InFlight::Whole));
            if event.operation == Operation::Write {
                cuts.push((call, InFlight::Prefix));
            }
        }
    }
    cuts
}

/// Lets a log do something. One that panics is leaked: its lock and its buffers may be in any state.
fn guarded<T>(
    mut log: SeawallLog,
    does: impl FnOnce(&mut SeawallLog) -> Result<T, Stop>,
) -> Result<(SeawallLog, Result<T, ()>), Violation> {
    match catch_unwind(AssertUnwindSafe(|| does(&mut log))) {
        Ok(Ok(done)) => Ok((log, Ok(done))),
        Ok(Err(Stop::Down)) => Ok((log, Err(()))),
        Ok(Err(Stop::Broken(violation))) => {
            // Its work may be out, on a disk that lives: nobody waits for it.
            std::mem::forget(log);
            Err(violation)
        }
        Err(panic) => {
            std::mem::forget(log);
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(Violation { promise: "panic", what: said.unwrap_or_default() })
        }
    }
}

/// A fingerprint of what the oracle was told, and of the options.
fn print_of(memory: &SeawallLog) -> u64 {
    let mut print = Fingerprint::new();
    print.bytes(format!("{:?}", memory.fork()).as_bytes());
    print.value()
}

fn print_all(words: [u64; 4]) -> u64 {
    let mut print = Fingerprint::new();
    words.into_iter().for_each(|word| print.word(word));
    print.value()
}
