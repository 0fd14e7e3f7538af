//! What the programs that measure have in common: where their data lies, and how they end.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// The directory in which data shall lie: what `SEAWALL_BENCH_DIR` names, or else this one.
#[must_use]
pub fn place(or_else: &str) -> PathBuf {
    std::env::var_os("SEAWALL_BENCH_DIR").map_or_else(|| PathBuf::from(or_else), PathBuf::from)
}

/// Does what was asked for on the command line, or says what is wrong with it and how to ask.
#[must_use]
pub fn run<A>(
    asked: Result<A, String>,
    usage: &str,
    work: impl FnOnce(&A) -> Result<(), Box<dyn Error>>,
) -> ExitCode {
    match asked {
        Ok(asked) => end(work(&asked)),
        Err(what) => {
            eprintln!("{what}\n\n{usage}");
            ExitCode::FAILURE
        }
    }
}

/// Ends a program with what its work came to.
#[must_use]
pub fn end(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
