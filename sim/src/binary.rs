//! A campaign as a program of its own, for whoever tests a store of theirs: three commands, no
//! options to speak of. Knows nothing of the store but that it is a [`Subject`].

use crate::campaign::{Campaign, Failure};
use crate::figures::Figures;
use crate::play::play;
use crate::scenario::Scenario;
use crate::shrink::shrink;
use crate::subject::Subject;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::process::ExitCode;

/// Exit code of a run in which a promise broke.
const BROKEN: u8 = 1;
/// Exit code of a command line that says nothing.
const USAGE: u8 = 2;

/// Runs a campaign from the arguments of a program (without its name). `command` is what a user
/// types before them; a failure prints it again, with the arguments that replay it.
///
/// ```text
///   run FIRST..END        runs these seeds, on all processors
///   replay SEED|FILE      the run of a seed again, or a stored scenario
///   shrink SEED|FILE      makes it small and prints it
/// ```
#[must_use]
pub fn main_for<S: Subject>(arguments: &[String], command: &str) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *words.as_slice() {
        ["run", seeds] => parse_seeds(seeds).map(|seeds| run::<S>(seeds, command)),
        ["replay", what] => load::<S>(what).map(|loaded| replay(&loaded)),
        ["shrink", what] => load::<S>(what).map(|loaded| make_small(&loaded)),
        _ => Err(format!("usage: {command} run FIRST..END | replay SEED|FILE | shrink SEED|FILE")),
    };
    outcome.unwrap_or_else(|what| {
        eprintln!("{what}");
        ExitCode::from(USAGE)
    })
}

/// Reads `FIRST..END`.
///
/// # Errors
/// A sentence about what is wrong.
pub fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let odd = || format!("{text:?} is no range of seeds: say FIRST..END, for instance 0..1000");
    let (first, end) = text.split_once("..").ok_or_else(odd)?;
    let (first, end) = (first.parse().map_err(|_| odd())?, end.parse().map_err(|_| odd())?);
    if first < end { Ok(first..end) } else { Err(odd()) }
}

fn run<S: Subject>(seeds: Range<u64>, command: &str) -> ExitCode {
    let jobs = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let (figures, failure) = Campaign::<S>::new().run_while(seeds, jobs, |_| true);
    println!("{figures}");
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("{failure}\nagain: {command} replay {}", failure.seed);
            ExitCode::from(BROKEN)
        }
    }
}

fn load<S: Subject>(what: &str) -> Result<Scenario<S>, String> {
    if let Ok(seed) = what.parse::<u64>() {
        let failed = Campaign::<S>::new().run(seed..seed.saturating_add(1)).err();
        let scenario = failed.map(|failure: Box<Failure<S>>| failure.scenario);
        return scenario.ok_or_else(|| format!("seed {seed} breaks no promise"));
    }
    let text = std::fs::read_to_string(what).map_err(|error| format!("{what}: {error}"))?;
    Scenario::from_json(&text).map_err(|error| format!("{what} is no scenario: {error}"))
}

fn replay<S: Subject>(scenario: &Scenario<S>) -> ExitCode {
    match play(scenario, None) {
        Ok(figures) => {
            println!("{scenario}: no promise breaks\n{figures}");
            ExitCode::SUCCESS
        }
        Err((life, violation)) => {
            println!("{scenario}, life {life}: {violation}");
            ExitCode::from(BROKEN)
        }
    }
}

fn make_small<S: Subject>(scenario: &Scenario<S>) -> ExitCode {
    match shrink(scenario, None, |_| true) {
        None => {
            println!("{scenario}: no promise breaks");
            ExitCode::SUCCESS
        }
        Some(small) => {
            println!("{}", small.scenario.to_json());
            eprintln!("{} runs; {}: {}", small.played, small.scenario, small.violation);
            ExitCode::from(BROKEN)
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} seeds, {} operations, {} crash-and-recover cycles (median {} operations; {:.0} % of \
             {} power cuts took something)",
            self.seeds,
            self.operations,
            self.crash_cycles,
            self.operations_median(),
            100.0 * self.lossy_crash_share(),
            self.power_cuts,
        )
    }
}
