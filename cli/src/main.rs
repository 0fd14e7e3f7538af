//! `seawall`: a write-ahead log on the command line.
//!
//! One file for each command:
//!
//! - [`append`]: standard input into the log; [`input`] cuts it into records, [`level`] says
//!   how durable they are to be;
//! - [`cat`] and [`follow`]: records to standard output, in the shapes of [`render`];
//! - [`inspect`]: what the directory holds; [`verify`]: what it is worth, with the ranges of
//!   [`damage`]; [`repair`]: what is done about it; [`copy`]: the log into another directory;
//! - [`sim`]: the simulation that tests all of it; [`bench`]: how fast it is on a disk, and how
//!   fast it could be.
//!
//! What they share: [`exit`] (how a command ends, and what it says then), [`output`] (standard
//! output, which may go away), [`stop`] (Ctrl-C), [`progress`] (bars for people).

mod append;
mod bench;
mod cat;
mod copy;
mod damage;
mod exit;
mod follow;
mod input;
mod inspect;
mod level;
mod output;
mod progress;
mod render;
mod repair;
mod sim;
mod stop;
mod verify;

use clap::{Parser, Subcommand};
use exit::Status;
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
    Sim(sim::Sim),
    Bench(bench::Bench),
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
        Command::Sim(sim) => sim.run(),
        Command::Bench(bench) => bench.run(),
    };
    let status: Status = outcome.unwrap_or_else(|failure| failure.tell());
    status.into()
}
