//! `seawall`: a write-ahead log on the command line.
//!
//! One file for each command:
//!
//! - [`append`]: standard input into the log; [`input`] cuts it into records, [`level`] says
//!   how durable they are to be;
//! - [`cat`] and [`follow`]: records to standard output, in the shapes of [`render`]; [`idle`] says
//!   when there is nothing new;
//! - [`inspect`]: what the directory holds; [`verify`]: what it is worth, with the ranges of
//!   [`damage`], and whether the [`device`] answers; [`repair`]: what is done about it; [`copy`]: the log into another directory;
//!   [`trim`]: its head forgotten;
//! - [`sim`]: the simulation that tests all of it; [`bench`]: how fast it is on a disk, and how
//!   fast it could be.
//!
//! What they share: [`exit`] (how a command ends, and what it says then), [`hint`] (what to do about
//! an error of the operating system), [`output`] (standard
//! output, which may go away, and notes on standard error), [`stop`] (Ctrl-C), [`progress`] (bars
//! for people).

// These panic where the stream cannot be written: `say!` and `Output` do not.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod append;
mod bench;
mod cat;
mod copy;
mod damage;
mod device;
mod exit;
mod follow;
mod hint;
mod idle;
mod input;
mod inspect;
mod level;
mod output;
mod progress;
mod render;
mod repair;
mod sim;
mod size;
mod stop;
mod trim;
mod verify;

use clap::{Parser, Subcommand};
use exit::Status;
use std::path::Path;
use std::process::ExitCode;

/// Append to a write-ahead log, read it, and find out what it is worth.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, max_term_width = 100)]
#[command(after_help = exit::help(
    "  seawall append log < events.txt\n  \
       seawall cat log --limit 10\n  \
       seawall verify log && echo all there",
))]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Append(append::Append),
    Cat(cat::Cat),
    Follow(follow::Follow),
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    Repair(repair::Repair),
    Copy(copy::Copy),
    Trim(trim::Trim),
    Sim(sim::Sim),
    Bench(bench::Bench),
}

impl Command {
    /// The directory that the command writes to, or else reads.
    fn place(&self) -> Option<&Path> {
        match self {
            Self::Append(append) => Some(append.dir()),
            Self::Cat(cat) => Some(cat.dir()),
            Self::Follow(follow) => Some(follow.dir()),
            Self::Inspect(inspect) => Some(inspect.dir()),
            Self::Verify(verify) => Some(verify.dir()),
            Self::Repair(repair) => Some(repair.dir()),
            Self::Copy(copy) => Some(copy.dest()),
            Self::Trim(trim) => Some(trim.dir()),
            Self::Sim(_) | Self::Bench(_) => None,
        }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => return exit::usage(&told).into(),
    };
    let outcome = match &arguments.command {
        Command::Append(append) => append.run(),
        Command::Cat(cat) => cat.run(),
        Command::Follow(follow) => follow.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Verify(verify) => verify.run(),
        Command::Repair(repair) => repair.run(),
        Command::Copy(copy) => copy.run(),
        Command::Trim(trim) => trim.run(),
        Command::Sim(sim) => sim.run(),
        Command::Bench(bench) => bench.run(),
    };
    let status: Status = outcome.unwrap_or_else(|failure| failure.tell(arguments.command.place()));
    status.into()
}
