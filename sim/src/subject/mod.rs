//! What a campaign needs to know of a store: how to open it, what to do to it, and what it must
//! show. Knows no disk faults and no crashes; those are the campaign's.
//!
//! A [`Subject`] is a store *with its oracle*: a model of what it was told and what it answered,
//! which shares no code with the store and says after every open whether a promise is broken.

pub(crate) mod seawall_log;

use crate::damage::Hurt;
use crate::disk::SimDisk;
use crate::environment::{SimClock, SimEntropy};
use crate::oracle::Violation;
use crate::rng::Rng;
use crate::sabotage::{Sabotage, Sabotaged};
use crate::scenario::Harmed;
use seawall::storage::{Environment, Storage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What may go wrong in a run, and so what its oracle may accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Power cuts and kills, short and interrupted calls. Recovery must succeed and raise no
    /// alarm.
    Crash,
    /// Also calls that fail, full disks, failed write-back. Errors are answers; promises stay.
    Errors,
    /// Also damage to data at rest and devices that lie. It must be detected, exactly there; the
    /// store may refuse.
    Media,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Crash, Self::Errors, Self::Media];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crash => "crash",
            Self::Errors => "errors",
            Self::Media => "media",
        })
    }
}

impl FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|class| class.to_string() == text);
        named.ok_or_else(|| format!("{text:?} is no class: crash, errors or media"))
    }
}

/// How the process before this open ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// There was none: the disk is empty.
    Nothing,
    /// The power was cut, or a sync failed and a kill followed: only what is promised against a
    /// power cut must be there.
    PowerCut,
    /// It was killed: what the kernel had is there.
    Kill,
}

/// Why a run stops.
#[derive(Clone, Debug)]
pub enum Stop {
    /// A promise is broken.
    Broken(Violation),
    /// The disk died under the store: the planned end.
    Down,
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

/// The machine a store runs on, for one lifetime of its process.
#[derive(Clone, Debug)]
pub struct World {
    /// The disk, for looking at it. Calls go through [`storage`](Self::storage).
    pub disk: SimDisk,
    /// The disk as the store gets it: perhaps it cheats.
    pub storage: Arc<dyn Storage>,
    /// Time, which stands still unless the campaign moves it.
    pub clock: SimClock,
    /// What may go wrong.
    pub class: Class,
    /// How the last process ended.
    pub before: Before,
    /// Draws the store's randomness.
    pub entropy: u64,
    /// What is hurt, if anything is.
    pub hurt: Option<Harmed>,
    /// How often something was opened in it: two opens that drew the same would give two uses of one file
    /// the same salt.
    opened: Arc<AtomicU64>,
}

impl World {
    /// A world around a disk.
    #[must_use]
    pub fn new(disk: SimDisk, class: Class, before: Before, entropy: u64) -> Self {
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let (clock, opened) = (SimClock::new(), Arc::default());
        Self { disk, storage, clock, class, before, entropy, hurt: None, opened }
    }

    /// The same, with a storage that breaks a promise of its own.
    #[must_use]
    pub fn sabotaged(mut self, sabotage: Option<Sabotage>) -> Self {
        if let Some(sabotage) = sabotage {
            self.storage = Arc::new(Sabotaged::new(Arc::clone(&self.storage), sabotage));
        }
        self
    }

    pub(crate) fn hurt(mut self, hurt: Option<Harmed>) -> Self {
        self.hurt = hurt;
        self
    }

    /// What a log is opened in.
    #[must_use]
    pub fn environment(&self) -> Environment {
        let before = self.opened.fetch_add(1, Ordering::Relaxed);
        let entropy = self.entropy.wrapping_add(before << 40);
        Environment::new(Arc::clone(&self.storage))
            .clock(Arc::new(self.clock.clone()))
            .entropy(Arc::new(SimEntropy::new(entropy)))
            .threads(false)
    }
}

/// What an open met, for the campaign's figures.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// Of how many parts (segments, files) the store consists.
    pub parts: usize,
    /// Which of [`Subject::CELLS`] it met.
    pub cells: Vec<usize>,
    /// It refused, with a typed error, because its disk is hurt.
    pub refused: bool,
    /// What else was done on the way, each counted under its name among the faults.
    pub done: Vec<&'static str>,
}

/// A store with its oracle.
///
/// A campaign makes one with [`new`](Self::new), and then for each lifetime of its process:
/// [`open`](Self::open), [`make`](Self::make) for each operation, and an end that the disk draws.
/// At any moment it may [`fork`](Self::fork) the oracle's memory and open it on another disk: that
/// is one way the crash can have gone.
pub trait Subject: Sized {
    /// One thing that is done to the store. Its serialized form is the trace that replays a
    /// failure, so it must not depend on how operations are drawn.
    type Op: Clone + fmt::Debug + PartialEq + Send + Serialize + DeserializeOwned;
    /// How the store is configured.
    type Options: Clone + fmt::Debug + PartialEq + Send + Serialize + DeserializeOwned;

    /// What may go wrong in its campaigns, if no one class is asked for
    /// ([`Draw::class`](crate::Draw::class), `--class`). By default power cuts and kills alone: a store
    /// that names [`Class::Errors`] must answer every failing call with an error or a kept promise, and
    /// one that names [`Class::Media`] must detect damage; its oracle then has to know both.
    const CLASSES: &'static [Class] = &[Class::Crash];

    /// Situations worth counting: a coverage table has a line for each.
    const CELLS: &'static [&'static str] = &[];

    /// Draws a configuration.
    fn draw_options(class: Class, rng: &mut Rng) -> Self::Options;

    /// Draws what was added to the configuration later, from numbers of its own, so that seeds keep
    /// their other draws. By default: nothing.
    fn draw_more_options(_options: &mut Self::Options, _rng: &mut Rng) {}

    /// Draws an operation.
    fn draw_op(options: &Self::Options, rng: &mut Rng) -> Self::Op;

    /// Whether a write that fails in this operation deserves more than a blind draw.
    fn is_delicate(_op: &Self::Op) -> bool {
        false
    }

    /// Smaller forms of an operation, the smallest first, for shrinking.
    fn simpler_op(_op: &Self::Op) -> Vec<Self::Op> {
        Vec::new()
    }

    /// Simpler forms of a configuration, the simplest first.
    fn simpler_options(_options: &Self::Options) -> Vec<Self::Options> {
        Vec::new()
    }

    /// Does to the store's files what no disk does but people do; says what is no longer as it was
    /// written.
    fn tamper(_disk: &SimDisk, _rng: &mut Rng) -> Option<Hurt> {
        None
    }

    /// Who does this operation, and in a few words what it is: for pictures.
    fn describe(op: &Self::Op) -> (usize, String) {
        (0, format!("{op:?}"))
    }

    /// A store that was never opened, and an oracle that was told nothing.
    fn new(options: &Self::Options) -> Self;

    /// Opens the store, reads *everything* and holds it to the oracle. From then on what it shows
    /// is durable, and what it does not show is gone.
    ///
    /// # Errors
    /// [`Stop::Down`] if the disk died meanwhile, [`Stop::Broken`] if a promise is broken.
    fn open(&mut self, world: &World) -> Result<Opened, Stop>;

    /// Does one thing, and holds the answer to the oracle.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn make(&mut self, world: &World, op: &Self::Op) -> Result<(), Stop>;

    /// The faults are off: the store must work again. Called at the end of a lifetime that is not
    /// cut off.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn finish(&mut self, world: &World) -> Result<(), Stop>;

    /// Lets go of the store, whose disk is dead: its process is no more. The memory of the oracle
    /// stays.
    fn abandon(&mut self);

    /// The oracle's memory, without the store.
    #[must_use]
    fn fork(&self) -> Self;
}
