//! `seawall sim`: the simulation that tests the log, from the command line.
//!
//! One file for each command:
//!
//! - [`run`]: campaigns, told by [`summary`] with the faults of [`faults`];
//! - [`replay`]: one run again; [`shrink`]: made small;
//! - [`meta`]: whether a run is a function of its seed;
//! - [`exhaustive`]: everything short, without a seed;
//! - [`bugs`]: whether bugs planted on purpose are found.
//!
//! What they share: [`draw`] (what is drawn, and the command line that draws it again), [`source`]
//! (a run from a seed or a file), [`host`] (clock and files of the real machine).

mod bugs;
mod draw;
mod exhaustive;
mod faults;
mod host;
#[cfg(seawall_planted)]
mod hunt;
mod meta;
mod replay;
mod run;
mod shrink;
mod source;
mod summary;

use crate::exit::{self, Failure, Status};

/// Crash a simulated machine in thousands of ways, and hold the log to its promises.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::sim_help(
    "  seawall sim run\n  \
       seawall sim run --seconds 60 --report report.html\n  \
       seawall sim replay 4711 --timeline timeline.html",
))]
pub(crate) struct Sim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Run(run::Run),
    Replay(replay::Replay),
    Shrink(shrink::Shrink),
    Meta(meta::Meta),
    Exhaustive(exhaustive::Exhaustive),
    Bugs(bugs::Bugs),
    #[cfg(seawall_planted)]
    #[command(hide = true)]
    Hunt(hunt::Hunt),
}

impl Sim {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        match &self.command {
            Command::Run(run) => run.run(),
            Command::Replay(replay) => replay.run(),
            Command::Shrink(shrink) => shrink.run(),
            Command::Meta(meta) => meta.run(),
            Command::Exhaustive(exhaustive) => exhaustive.run(),
            Command::Bugs(bugs) => bugs.run(),
            #[cfg(seawall_planted)]
            Command::Hunt(hunt) => hunt.run(),
        }
    }
}

/// What was printed was printed in vain if nobody reads it; the exit code still says how it went.
fn unless_unread(shown: Result<(), Failure>, status: Status) -> Result<Status, Failure> {
    match shown {
        Ok(()) | Err(Failure::Unread) => Ok(status),
        Err(failure) => Err(failure),
    }
}
