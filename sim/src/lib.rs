//! A simulated disk that tears, reorders, forgets and fails, from one seed.
//!
//! Storage code that goes through [`seawall::storage::Storage`] runs on it unchanged. A test
//! makes calls, cuts the power at one of them, and opens what is left, in as many ways as the
//! storage contract allows.
//!
//! | To | look at |
//! |---|---|
//! | make a disk, crash it, damage it, look at it | [`SimDisk`], [`DiskOptions`] |
//! | say what a crash takes | [`CrashPolicy`], [`CrashKind`], [`InFlight`] |
//! | make calls fail or come up short | [`FaultPlan`], [`CallNoise`], [`Counters`] |
//! | draw numbers | [`Seed`], [`Rng`], [`Concern`] |
//! | open a log on it | [`environment()`], [`SimClock`], [`SimEntropy`] |
//! | prove that a test notices broken promises | [`BUGS`], [`Sabotage`], [`Sabotaged`] |
//! | make a program of a campaign | [`main_for`] |
//! | show what a campaign did, to a browser or a terminal | [`Report`], [`render`] |
//!
//! Nothing here reads a clock, starts a thread or asks the operating system for a number: a
//! run is a function of its seed.

// These panic where the stream cannot be written.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod binary;
mod blocks;
mod bugs;
mod calls;
mod campaign;
mod counters;
mod crash;
mod damage;
mod device;
mod directory;
mod disk;
mod environment;
pub mod exhaustive;
mod faulted;
mod faults;
mod figures;
mod file;
mod hash;
mod image;
mod latency;
mod medium;
mod model;
mod options;
mod oracle;
mod plan;
mod play;
mod report;
mod rng;
mod sabotage;
mod scenario;
mod scene;
#[cfg(seawall_shuttle)]
pub mod schedules;
mod shrink;
mod silence;
mod state;
mod story;
mod subdirectory;
mod subject;
mod sweep;
#[cfg(test)]
mod testing;
mod text;
mod trace;
mod workload;

pub use binary::{main_for, parse_seeds};
pub use bugs::{BUGS, Judge, PlantedBug, Way};
pub use campaign::{Campaign, Failure};
pub use counters::Counters;
pub use crash::{CrashKind, CrashPolicy, InFlight};
pub use damage::Hurt;
pub use disk::{DiskOptions, EvictionBehaviour, SectorSize, SimDisk};
pub use environment::{EPOCH, SimClock, SimEntropy, environment};
pub use exhaustive::{Exhaustive, ExhaustiveReport};
pub use faulted::run_with_fault;
pub use faults::{CallNoise, EDQUOT, EINTR, EIO, ENOSPC, FaultPlan, Limits, Operation};
pub use figures::Figures;
pub use latency::Latency;
pub use medium::HurtKind;
pub use options::Preset;
pub use oracle::{Model, Promise, Shown, Violation};
pub use plan::Draw;
pub use play::play;
pub use report::{
    CallKind, FailureStory, PendingUnit, Report, Survived, Table, Timeline, TimelineCall,
    TimelineEnd, TimelineLife, TimelineOp, render,
};
pub use rng::{Concern, Rng, Seed};
pub use sabotage::{Sabotage, Sabotaged};
pub use scenario::{End, Harm, HarmKind, Harmed, Life, Mishap, Place, Room, Scenario, Setup};
pub use scene::UnitFate;
pub use shrink::{Shrunk, shrink};
pub use silence::Check;
#[cfg(seawall_planted)]
pub use silence::silence;
pub use story::{Story, tell};
pub use subdirectory::Subdirectory;
pub use subject::seawall_log::{Level, LogOptions, Op as LogOp, SeawallLog, Tags, Turn, What};
pub use subject::{Before, Class, Opened, Stop, Subject, World};
pub use sweep::{Sweep, SweepFailure, SweepOptions, SweepReport};
pub use text::UnknownText;
pub use trace::Event;
pub use workload::{Ending, Op, Run, Workload};

/// The examples of the project's first page: the one for the library too, which this crate sees.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeExamples;
