//! Draws a run from a seed, or from the bytes of a fuzzer: which disk, which options, which
//! operations, what goes wrong, where it is cut off and in how many ways that can have gone. Knows
//! nothing of what comes of it.
//!
//! ```text
//!   trunk   life --end--> life --end--> life
//!             |  |          |
//!           tails: the same moment cut off and resolved otherwise, each to its own end
//! ```
//!
//! Each seed draws its own mix (which operations at all, which faults, at which rates), since a
//! mix of everything seldom goes deep anywhere.

use crate::crash::{CrashKind, CrashPolicy, InFlight};
use crate::disk::{EvictionBehaviour, SectorSize};
use crate::faults::{CallNoise, EDQUOT, EIO, ENOSPC, FaultPlan, Operation};
use crate::options::Preset;
use crate::rng::{Concern, Rng, Seed};
use crate::scenario::{End, Harm, HarmKind, Life, Mishap, Place, Room, Scenario, Setup};
use crate::subject::{Class, Subject};

/// Numbers of units for "all but one" and "only one": more than are usually pending.
const UNITS: usize = 48;
/// A crash inside an operation comes in one of its first calls.
const CALLS_IN_OP: u64 = 10;
/// A crash inside an open comes in one of its first calls.
const CALLS_IN_OPEN: u64 = 40;
/// The nested crashes of a recovery, at most.
const DEPTH: usize = 3;

/// The runs a campaign draws.
#[derive(Clone, Debug, Default)]
pub struct Draw {
    /// Only this class.
    pub class: Option<Class>,
    /// Only this kind of disk.
    pub preset: Option<Preset>,
    /// No crash at all: every life ends well. What is harmless without a crash must pass.
    pub no_crashes: bool,
}

/// Another way the trunk could have gone on from some moment.
#[derive(Clone, Debug)]
pub(crate) struct Branch<Op> {
    /// Behind this operation of this life.
    pub(crate) life: usize,
    pub(crate) op: usize,
    /// Or behind the next one that leaves something pending.
    pub(crate) patient: bool,
    pub(crate) end: End,
    pub(crate) tail: Vec<Life<Op>>,
}

/// All that a seed draws.
pub(crate) struct Plan<S: Subject> {
    pub(crate) setup: Setup,
    pub(crate) options: S::Options,
    pub(crate) trunk: Vec<Life<S::Op>>,
    pub(crate) branches: Vec<Branch<S::Op>>,
}

/// Who decides: a seed, which has a stream for everything; or given bytes, which are asked in turn.
struct Decider {
    root: Option<Seed>,
    mix: Rng,
}

impl Decider {
    /// Decides something that is to move nothing else.
    fn apart<T>(&mut self, path: &[u64], concern: Concern, draw: impl FnOnce(&mut Rng) -> T) -> T {
        match self.root {
            Some(root) => {
                let seed = path.iter().fold(root, |seed, &index| seed.child(index));
                draw(&mut seed.rng(concern))
            }
            None => draw(&mut self.mix),
        }
    }
}

impl<S: Subject> Plan<S> {
    /// Draws the run of a seed.
    pub(crate) fn draw(seed: u64, draw: &Draw) -> Self {
        let root = Seed::new(seed);
        let mix = root.child(1).rng(Concern::Workload);
        Self::by(Decider { root: Some(root), mix }, seed, draw)
    }

    /// The run that these bytes decide.
    pub(crate) fn decided(decisions: &[u8], draw: &Draw) -> Self {
        let mut mix = Rng::from_decisions(decisions);
        let seed = mix.next_u64();
        Self::by(Decider { root: None, mix }, seed, draw)
    }

    fn by(mut decider: Decider, seed: u64, draw: &Draw) -> Self {
        let mix = &mut decider.mix;
        let class = draw.class.unwrap_or_else(|| *mix.pick(S::CLASSES).unwrap_or(&Class::Crash));
        let preset = draw.preset.unwrap_or_else(|| draw_preset(class, mix));
        let setup = Setup {
            seed,
            class,
            preset,
            sector: if mix.chance(1, 4) { SectorSize::Large } else { SectorSize::Small },
            eviction: if mix.chance(1, 8) {
                EvictionBehaviour::Unverified
            } else {
                EvictionBehaviour::Seen
            },
            noise: if mix.chance(1, 3) { CallNoise::drawn(mix) } else { CallNoise::NONE },
            slow: mix.chance(1, 4),
        };
        let options = decider.apart(&[2], Concern::Workload, |rng| S::draw_options(class, rng));
        let mut plan = Self { setup, options, trunk: Vec::new(), branches: Vec::new() };
        if draw.no_crashes {
            let (mut life, _) = plan.life(100, &mut decider);
            life.end = None;
            plan.trunk.push(life);
            return plan.with_later_draws(&mut decider);
        }
        let lives = 1 + decider.mix.index(4);
        let twigs = 3 + decider.mix.below(6);
        for nth in 0..lives {
            let branch = 100 + nth as u64;
            let (life, delicate) = plan.life(branch, &mut decider);
            let drawn: Vec<_> = decider.apart(&[branch, 1], Concern::CrashPolicy, |twig| {
                let twigs = (0..twigs).map(|_| plan.twig(nth, &life, twig));
                let mut twigs: Vec<_> = twigs.collect();
                twigs.extend(delicate.map(|op| plan.soon_after(op, nth, &life, twig)));
                twigs.extend(plan.at_rest(nth, &life, twig));
                twigs
            });
            plan.branches.extend(drawn);
            plan.trunk.push(life);
        }
        plan.trunk.push(Life::last());
        plan.with_later_draws(&mut decider)
    }

    /// What was thought of when seeds had their meaning: last, and from streams of its own.
    fn with_later_draws(mut self, decider: &mut Decider) -> Self {
        let options = self.options;
        self.options =
            decider.apart(&[2], Concern::Tags, |rng| S::draw_later_options(options, rng));
        self
    }

    /// A life, and the operation in which a write fails that was aimed at, if one was.
    fn life(&self, branch: u64, decider: &mut Decider) -> (Life<S::Op>, Option<usize>) {
        let mix = &mut decider.mix;
        let count = if mix.chance(1, 6) { 1 + mix.index(20) } else { 28 + mix.index(28) };
        let ops: Vec<S::Op> = decider.apart(&[branch], Concern::Workload, |rng| {
            (0..count).map(|_| S::draw_op(&self.options, rng)).collect()
        });
        let (mishaps, delicate) = decider.apart(&[branch], Concern::Errors, |rng| {
            let mut mishaps = self.mishaps(count, rng);
            let aimed = self.aimed(&ops, rng);
            let delicate = aimed.as_ref().map(|(op, _)| *op);
            mishaps.extend(aimed);
            (mishaps, delicate)
        });
        let end = decider.apart(&[branch], Concern::CrashPolicy, |crash| {
            let call = crash.chance(3, 4).then(|| crash.below(CALLS_IN_OP));
            let op = if call.is_some() { count - crash.index(count / 3 + 1) } else { count };
            draw_end(Place { op, call }, crash)
        });
        (Life { mishaps, ops, end: Some(end) }, delicate)
    }

    fn mishaps(&self, ops: usize, rng: &mut Rng) -> Vec<(usize, Mishap)> {
        let mut mishaps = Vec::new();
        let at = |rng: &mut Rng| rng.index(ops + 1);
        if rng.chance(1, 3) {
            for _ in 0..=rng.index(3) {
                mishaps.push((at(rng), Mishap::WriteBack(rng.next_u64())));
            }
        }
        if rng.chance(1, 8) {
            let millis = i64::try_from(rng.below(4000)).unwrap_or(0) - 2000;
            mishaps.push((at(rng), Mishap::Clock(millis)));
        }
        if self.setup.class == Class::Media && rng.chance(1, 4) {
            let plan = FaultPlan::new(Operation::Write, EIO).after(rng.below(24));
            mishaps.push((at(rng), Mishap::Fail(plan)));
        }
        if self.setup.class == Class::Errors {
            for _ in 0..=rng.index(2) {
                match rng.below(8) {
                    0..=4 => mishaps.push((at(rng), Mishap::Fail(draw_failure(rng)))),
                    5 => mishaps.push((at(rng), Mishap::FailWriteBack(rng.index(8)))),
                    _ => {
                        let from = at(rng);
                        let room = Room {
                            bytes: *rng.pick(&[0, 0, 512, 4096, 9000, 20_000]).unwrap_or(&0),
                            quota: rng.chance(1, 2),
                            late: rng.chance(1, 4),
                            files: rng.chance(1, 4).then(|| rng.index(2)),
                            // Scenes and stored scenarios have such disks.
                            copies: false,
                        };
                        mishaps.push((from, Mishap::Full(room)));
                        // Or never: the next life finds the disk as full.
                        if rng.chance(1, 2) {
                            let until = from + 1 + rng.index(8);
                            mishaps.push((until, Mishap::RoomAgain));
                        }
                    }
                }
            }
        }
        mishaps
    }

    /// Where a failing write matters most, and a blind draw seldom hits: one of the first writes of
    /// such an operation fails although it lands.
    fn aimed(&self, ops: &[S::Op], rng: &mut Rng) -> Option<(usize, Mishap)> {
        if self.setup.class != Class::Errors || !rng.chance(1, 4) {
            return None;
        }
        let numbered = (1..).zip(ops).filter(|(_, op)| S::is_delicate(op));
        let delicate: Vec<usize> = numbered.map(|(number, _)| number).collect();
        let number = *rng.pick(&delicate)?;
        let plan = FaultPlan::new(Operation::Write, EIO).after(rng.below(3)).lands();
        Some((number, Mishap::Fail(plan)))
    }

    /// Behind some operation of a life, mostly a late one, one more end and what follows it.
    fn twig(&self, life: usize, trunk: &Life<S::Op>, rng: &mut Rng) -> Branch<S::Op> {
        let count = trunk.ops.len();
        let op = if rng.chance(1, 8) { rng.index(count) } else { count - rng.index(count / 2 + 1) };
        let patient = !rng.chance(1, 8);
        let mut end = draw_end(Place { op, call: None }, rng);
        if self.setup.class == Class::Media && self.setup.preset != Preset::Lying {
            let harms = if rng.chance(1, 5) { 2 } else { 1 };
            end.harm = (0..harms).map(|_| draw_harm(rng)).collect();
            return Branch { life, op, patient, end, tail: vec![Life::last()] };
        }
        let mut tail = Vec::new();
        if rng.chance(1, 5) {
            for _ in 0..=rng.index(DEPTH) {
                let place = Place { op: 0, call: Some(rng.below(CALLS_IN_OPEN)) };
                tail.push(Life { end: Some(draw_end(place, rng)), ..Life::last() });
            }
        }
        // Most only look; some go on.
        let mut look = Life::last();
        if rng.chance(3, 4) {
            look.end = Some(draw_end(Place { op: 0, call: None }, rng));
        }
        tail.push(look);
        Branch { life, op, patient, end, tail }
    }

    /// An end a few operations after one in which a write failed, mostly of the process alone: what
    /// was acknowledged meanwhile must be there.
    fn soon_after(
        &self,
        op: usize,
        life: usize,
        trunk: &Life<S::Op>,
        rng: &mut Rng,
    ) -> Branch<S::Op> {
        let op = (op + 1 + rng.index(3)).min(trunk.ops.len());
        let mut end = draw_end(Place { op, call: None }, rng);
        if rng.chance(3, 4) {
            end.kind = CrashKind::Kill;
        }
        Branch { life, op, patient: false, end, tail: vec![Life::last()] }
    }

    /// Harm to what was closed and opened again, with nothing written since: few moments are like that.
    fn at_rest(&self, life: usize, trunk: &Life<S::Op>, rng: &mut Rng) -> Option<Branch<S::Op>> {
        if self.setup.class != Class::Media || self.setup.preset == Preset::Lying {
            return None;
        }
        let numbered = (1..).zip(&trunk.ops).filter(|(_, op)| S::is_delicate(op));
        let closed: Vec<usize> = numbered.map(|(number, _)| number).collect();
        let op = *rng.pick(&closed)?;
        let mut end = draw_end(Place { op, call: None }, rng);
        end.harm = vec![draw_harm(rng)];
        Some(Branch { life, op, patient: false, end, tail: vec![Life::last()] })
    }

    /// The branches of a life, by number.
    pub(crate) fn branches_of(&self, life: usize) -> impl Iterator<Item = usize> {
        let numbered = self.branches.iter().enumerate();
        numbered.filter(move |(_, branch)| branch.life == life).map(|(nth, _)| nth)
    }

    /// The one line of lives that leads through a branch, which left the trunk behind an operation.
    pub(crate) fn line(self, branch: Option<(usize, usize)>, lives: usize) -> Scenario<S> {
        let Self { setup, options, mut trunk, branches } = self;
        if let Some((nth, op)) = branch
            && let Some(branch) = branches.into_iter().nth(nth)
        {
            trunk.truncate(branch.life + 1);
            if let Some(life) = trunk.last_mut() {
                life.ops.truncate(op);
                life.mishaps.retain(|(at, _)| *at <= op);
                life.end = Some(End { place: Place { op, call: None }, ..branch.end });
            }
            trunk.extend(branch.tail);
        }
        trunk.truncate(lives);
        Scenario { setup, options, lives: trunk }
    }
}

fn draw_preset(class: Class, rng: &mut Rng) -> Preset {
    match (rng.below(16), class) {
        (0, Class::Crash | Class::Errors) => Preset::PowerSafe,
        (1 | 2, _) => Preset::Journalled,
        (3..=5, Class::Media) => Preset::Lying,
        _ => Preset::Posix,
    }
}

fn draw_end(place: Place, rng: &mut Rng) -> End {
    let kind = if rng.chance(1, 8) { CrashKind::Kill } else { CrashKind::Power };
    let in_flight = *rng
        .pick(&[InFlight::NotBegun, InFlight::Whole, InFlight::Prefix])
        .unwrap_or(&InFlight::NotBegun);
    // A crash inside a call is the chance for lengths and names to part from their data.
    let parted = place.call.is_some() && rng.chance(2, 3);
    let policy = if parted {
        let policies = [
            CrashPolicy::DataWithoutSize,
            CrashPolicy::DataWithoutSize,
            CrashPolicy::DataWithoutSize,
            CrashPolicy::SizeWithoutData,
            CrashPolicy::StaleBytes,
            CrashPolicy::NamesLost,
        ];
        rng.pick(&policies).cloned().unwrap_or(CrashPolicy::DataWithoutSize)
    } else if rng.chance(1, 3) {
        CrashPolicy::AllLost
    } else {
        CrashPolicy::drawn(UNITS, rng)
    };
    End { kind, place, in_flight, policy, seed: rng.next_u64(), harm: Vec::new() }
}

fn draw_failure(rng: &mut Rng) -> FaultPlan {
    let operation = *rng
        .pick(&[
            Operation::SyncData,
            Operation::SyncData,
            Operation::SyncData,
            Operation::SyncAll,
            Operation::SyncDir,
            Operation::Write,
            Operation::Write,
            Operation::Write,
            Operation::Read,
            Operation::Create,
            Operation::Rename,
            Operation::Remove,
            Operation::List,
            Operation::Allocate,
            Operation::SetLen,
            Operation::Open,
            Operation::Len,
            Operation::Evict,
        ])
        .unwrap_or(&Operation::Write);
    let full = matches!(
        operation,
        Operation::Write
            | Operation::Create
            | Operation::Allocate
            | Operation::SyncData
            | Operation::SyncAll
            | Operation::SyncDir
    );
    let errno = *rng.pick(if full { &[EIO, ENOSPC, EDQUOT] } else { &[EIO] }).unwrap_or(&EIO);
    let times = if rng.chance(1, 4) { 1 + rng.below(4) } else { 1 };
    let plan = FaultPlan::new(operation, errno).after(rng.below(12)).times(times);
    if operation == Operation::Write && rng.chance(1, 3) { plan.lands() } else { plan }
}

fn draw_harm(rng: &mut Rng) -> Harm {
    let kind = *rng.pick(&HarmKind::ALL).unwrap_or(&HarmKind::Rot);
    let at = u16::try_from(rng.below(1 << 16)).unwrap_or(0);
    Harm { kind, file: rng.index(64), at, seed: rng.next_u64() }
}
