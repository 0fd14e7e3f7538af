//! A run written down: every decision that a seed drew, as data. Whatever becomes of the way
//! seeds are turned into runs, a scenario that was stored once means the same.
//!
//! ```text
//!   setup      the disk, the class, the store's options
//!   lives      the lifetimes of the store's process, one after the other:
//!                mishaps   what goes wrong before which operation
//!                ops       what is done
//!                end       where it is cut off, how, what survives, what is hurt afterwards
//! ```
//!
//! A life without operations whose end lies in its open is a crash inside recovery.

use crate::crash::{CrashKind, CrashPolicy, InFlight};
use crate::damage::Hurt;
use crate::disk::{DiskOptions, EvictionBehaviour, SectorSize, SimDisk};
use crate::faults::{CallNoise, FaultPlan, Limits};
use crate::medium::HurtKind;
use crate::options::Preset;
use crate::rng::{Concern, Rng, Seed};
use crate::scene::UnitFate;
use crate::subject::{Class, Subject};
use seawall::storage::Storage;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// The disk and the class of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Draws what the disk draws by itself.
    pub seed: u64,
    /// What may go wrong.
    pub class: Class,
    /// What the disk promises.
    pub preset: Preset,
    /// The unit in which a crash takes and keeps.
    pub sector: SectorSize,
    /// What `evict` does.
    pub eviction: EvictionBehaviour,
    /// Short and interrupted calls.
    pub noise: CallNoise,
    /// Calls take their time, some very long.
    #[serde(default)]
    pub slow: bool,
}

impl Setup {
    /// A fresh disk.
    #[must_use]
    pub fn disk(&self) -> SimDisk {
        let mut options = DiskOptions::new(Seed::new(self.seed));
        options.sector_size = self.sector;
        options.eviction = self.eviction;
        options.preset = self.preset;

        let disk = SimDisk::with_options(options);
        disk.set_call_noise(self.noise);
        disk
    }
}

/// Something that goes wrong, or happens, while a store runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// Calls fail.
    Fail(FaultPlan),
    /// The planned failures are over.
    StopFailing,
    /// The disk is nearly full.
    Full(Room),
    /// Room comes back.
    RoomAgain,
    /// The system writes some of what is pending back by itself.
    WriteBack(u64),
    /// It tries to, and fails, with the file of this number (modulo the files there are).
    FailWriteBack(usize),
    /// The clock moves by so many milliseconds, perhaps back.
    Clock(i64),
}

/// How little room is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Bytes that the files may grow by.
    pub bytes: u64,
    /// It is a quota that is used up.
    pub quota: bool,
    /// Only a sync finds out.
    pub late: bool,
    /// Files that may be added, if that is limited.
    pub files: Option<usize>,
    /// Writes are copies, as on a file system that never writes in place.
    #[serde(default)]
    pub copies: bool,
}

impl Room {
    pub(crate) fn limits(self, disk: &SimDisk) -> Limits {
        let mut limits = Limits::bytes(disk.used().saturating_add(self.bytes));
        if self.quota {
            limits = limits.quota();
        }
        if self.late {
            limits = limits.found_late();
        }
        if self.copies {
            limits = limits.copying_on_write();
        }
        match self.files {
            Some(files) => limits.files(disk.names().len().saturating_add(files)),
            None => limits,
        }
    }
}

/// Where in a life, by operations, counted from 1, the open being 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The operation.
    pub op: usize,
    /// In the how many-th call of the disk from its beginning on, or behind the last operation if
    /// so many are not made; `None`: behind the operation.
    pub call: Option<u64>,
}

/// Damage that is done between two lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harm {
    /// What kind.
    pub kind: HarmKind,
    /// Which file, modulo those there are.
    pub file: usize,
    /// Where in it, in 65,536ths of its length.
    pub at: u16,
    /// Draws the rest.
    pub seed: u64,
}

/// What is done to data at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HarmKind {
    /// One bit turns over.
    Rot,
    /// A sector turns to garbage.
    Garbage,
    /// A sector gives an error until it is written again.
    Latent,
    /// A write went elsewhere: its place has the old bytes, another place has its.
    MisdirectedWrite,
    /// A write that was acknowledged and synced never happened.
    LostWrite,
    /// Reads of a sector return another one.
    MisdirectedRead,
    /// The file lost its end.
    Shortened,
    /// The file is gone.
    Removed,
    /// A range at the head, in the middle or at the tail of the file reads as zeros: a hole was punched.
    Hole,
    /// The file was cut to zero bytes, as rotation by copying and truncating does.
    Emptied,
    /// The newest file or files with this one's ending are missing, three at most.
    Newest,
    /// Somebody tampered with the store's files, in a way only the store's subject knows.
    Tampered,
}

impl HarmKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Rot,
        Self::Garbage,
        Self::Latent,
        Self::MisdirectedWrite,
        Self::LostWrite,
        Self::MisdirectedRead,
        Self::Shortened,
        Self::Removed,
        Self::Hole,
        Self::Emptied,
        Self::Newest,
        Self::Tampered,
    ];
}

/// How a life ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Power cut or kill.
    pub kind: CrashKind,
    /// Where.
    pub place: Place,
    /// What becomes of the call it comes in.
    pub in_flight: InFlight,
    /// What a power cut keeps. Numbers of units count modulo those there are.
    pub policy: CrashPolicy,
    /// Draws what the policy leaves open.
    pub seed: u64,
    /// What is hurt afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub harm: Vec<Harm>,
}

impl End {
    /// The policy, with a unit that there is, and what it draws from.
    fn on(&self, disk: &SimDisk) -> (CrashPolicy, Rng) {
        let units = disk.pending_units().max(1);
        let policy = match &self.policy {
            CrashPolicy::MissingOne(unit) => CrashPolicy::MissingOne(unit % units),
            CrashPolicy::OnlyOne(unit) => CrashPolicy::OnlyOne(unit % units),
            other => other.clone(),
        };
        (policy, Seed::new(self.seed).rng(Concern::CrashResolution))
    }

    /// What is pending on this disk, and what becomes of it.
    pub(crate) fn fates(&self, disk: &SimDisk) -> Vec<UnitFate> {
        let (policy, mut rng) = self.on(disk);
        match self.kind {
            CrashKind::Power => disk.fates(&policy, &mut rng),
            CrashKind::Kill => disk.fates(&CrashPolicy::AllKept, &mut rng),
        }
    }

    /// The disk that the next life finds.
    pub(crate) fn resolve<S: Subject>(&self, disk: &SimDisk) -> Resolved {
        let next = match self.kind {
            CrashKind::Kill => disk.after_kill(),
            CrashKind::Power => {
                let (policy, mut rng) = self.on(disk);
                disk.after_power_cut(&policy, &mut rng)
            }
        };
        if self.harm.is_empty() {
            return Resolved { disk: next, hurt: None };
        }
        let sound = next.after_kill();
        let mut gone = Vec::new();
        for harm in &self.harm {
            gone.extend(harm.inflict::<S>(&next));
        }
        let mut all = next.hurt();
        all.extend(gone);
        let hurt = (!all.is_empty()).then_some(Harmed { count: self.harm.len(), all, sound });
        Resolved { disk: next, hurt }
    }
}

/// A disk after a crash.
pub(crate) struct Resolved {
    pub(crate) disk: SimDisk,
    pub(crate) hurt: Option<Harmed>,
}

/// What is hurt on a disk, and the same disk as it would be if nothing were.
#[derive(Clone, Debug)]
pub struct Harmed {
    /// How many harms were done.
    pub count: usize,
    /// What is not as it was written.
    pub all: Vec<Hurt>,
    /// The sound disk.
    pub sound: SimDisk,
}

impl Harm {
    /// Does it, if there is anything to do it to; returns what the disk does not know of.
    fn inflict<S: Subject>(&self, disk: &SimDisk) -> Vec<Hurt> {
        let mut rng = Seed::new(self.seed).rng(Concern::Rot);
        if self.kind == HarmKind::Tampered {
            return S::tamper(disk, &mut rng).into_iter().collect();
        }
        let names = disk.names();
        let Some(name) = names.get(self.file % names.len().max(1)) else { return Vec::new() };
        let len = len_of(disk, name);
        let offset = len.saturating_mul(self.at.into()) >> 16;
        let kind = match self.kind {
            HarmKind::Rot => HurtKind::BitRot,
            HarmKind::Garbage => HurtKind::Garbage,
            HarmKind::Latent => HurtKind::Unreadable,
            HarmKind::MisdirectedWrite => HurtKind::MisdirectedWrite,
            HarmKind::LostWrite => HurtKind::LostWrite,
            HarmKind::MisdirectedRead => HurtKind::MisdirectedRead,
            HarmKind::Shortened => return known_to(disk.truncate_durably(name, offset)),
            HarmKind::Emptied => return known_to(disk.truncate_durably(name, 0)),
            HarmKind::Hole => {
                let Range { start, end } = drawn_hole(len, offset, &mut rng);
                return known_to(disk.punch_durably(name, start, end.saturating_sub(start)));
            }
            HarmKind::Removed => return removed(disk, std::slice::from_ref(name)),
            HarmKind::Newest => {
                let ending = |name: &str| name.rsplit('.').next().map(str::to_owned);
                let same = names.iter().filter(|other| ending(other) == ending(name)).cloned();
                let same: Vec<String> = same.collect();
                let gone = same.len().min(1 + rng.index(3));
                return removed(disk, same.split_at(same.len() - gone).1);
            }
            HarmKind::Tampered => return Vec::new(),
        };
        known_to(disk.hurt_at(name, offset, kind, &mut rng))
    }
}

/// What the disk itself tells of. Where there is no such byte there is nothing to hurt.
fn known_to(_done: std::io::Result<()>) -> Vec<Hurt> {
    Vec::new()
}

fn len_of(disk: &SimDisk, name: &str) -> u64 {
    disk.read_durable(name).map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}

/// These files are gone, which the disk does not tell.
fn removed(disk: &SimDisk, names: &[String]) -> Vec<Hurt> {
    let mut gone = Vec::new();
    for name in names {
        let len = len_of(disk, name);
        if disk.remove(name).and_then(|()| disk.sync_dir()).is_ok() {
            gone.push(Hurt { name: name.clone(), offset: 0, len, kind: HurtKind::Truncated });
        }
    }
    gone
}

/// Where a hole is: at the head, around `at`, or at the tail; mostly of whole blocks.
fn drawn_hole(len: u64, at: u64, rng: &mut Rng) -> Range<u64> {
    let unit = if rng.chance(3, 4) { 4096 } else { 512 };
    let hole = (unit * (1 + rng.below(6))).min(len);
    let (from, to) = match rng.below(3) {
        0 => (0, hole),
        1 => (at - at % unit, (at - at % unit + hole).min(len)),
        _ => (len - hole, len),
    };
    from..to
}

/// One lifetime of the store's process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life<Op> {
    /// What goes wrong, each before the operation of its number (0: before the open).
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub mishaps: Vec<(usize, Mishap)>,
    /// What is done.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub ops: Vec<Op>,
    /// How it ends; `None`: the faults stop, the store must work, and the run is over.
    pub end: Option<End>,
}

impl<Op> Life<Op> {
    /// Opens, and is over.
    #[must_use]
    pub const fn last() -> Self {
        Self { mishaps: Vec::new(), ops: Vec::new(), end: None }
    }
}

/// A whole run.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Scenario<S: Subject> {
    /// The disk and the class.
    pub setup: Setup,
    /// The store's options.
    pub options: S::Options,
    /// Its lives.
    pub lives: Vec<Life<S::Op>>,
}

// Derived, these would ask the same of the subject.
impl<S: Subject> Clone for Scenario<S> {
    fn clone(&self) -> Self {
        let Self { setup, options, lives } = self;
        Self { setup: setup.clone(), options: options.clone(), lives: lives.clone() }
    }
}

impl<S: Subject> PartialEq for Scenario<S> {
    fn eq(&self, other: &Self) -> bool {
        let Self { setup, options, lives } = self;
        *setup == other.setup && *options == other.options && *lives == other.lives
    }
}

impl<S: Subject> fmt::Debug for Scenario<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl<S: Subject> Scenario<S> {
    /// The text form, in which scenarios are stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// How many operations are done in all.
    #[must_use]
    pub fn op_count(&self) -> usize {
        self.lives.iter().map(|life| life.ops.len()).sum()
    }

    /// How often the store is cut off.
    #[must_use]
    pub fn crash_count(&self) -> usize {
        self.lives.iter().filter(|life| life.end.is_some()).count()
    }
}

impl<S: Subject> fmt::Display for Scenario<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ops, crashes) = (self.op_count(), self.crash_count());
        write!(f, "class {}, {ops} operations, {crashes} crashes", self.setup.class)
    }
}
