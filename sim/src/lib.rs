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
//! | prove that a test notices broken promises | [`Sabotage`], [`Sabotaged`] |
//!
//! Nothing here reads a clock, starts a thread or asks the operating system for a number: a
//! run is a function of its seed.

mod calls;
mod crash;
mod directory;
mod disk;
mod environment;
mod faulted;
mod faults;
mod file;
mod hash;
mod image;
mod oracle;
mod rng;
mod sabotage;
#[cfg(seawall_shuttle)]
pub mod schedules;
mod state;
mod sweep;
#[cfg(test)]
mod testing;
mod trace;
mod workload;

pub use crash::{CrashKind, CrashPolicy, InFlight};
pub use disk::{DiskOptions, EvictionBehaviour, SectorSize, SimDisk};
pub use environment::{SimClock, SimEntropy, environment};
pub use faulted::run_with_fault;
pub use faults::{CallNoise, Counters, EDQUOT, EINTR, EIO, ENOSPC, FaultPlan, Operation};
pub use oracle::{Model, Promise, Shown, Violation};
pub use rng::{Concern, Rng, Seed};
pub use sabotage::{Sabotage, Sabotaged};
pub use sweep::{Sweep, SweepFailure, SweepOptions, SweepReport};
pub use trace::Event;
pub use workload::{Ending, Op, Run, Workload};

/// The examples of the project's first page: the one for the library too, which this crate sees.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeExamples;
