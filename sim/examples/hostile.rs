//! Writes the directories that inputs of the fuzz target `recover_directory` describe into real
//! directories, for readers that are not ours.
//!
//! ```text
//! cargo run --release -p seawall-sim --example hostile -- DIR [INPUTS]
//! ```
//!
//! makes `DIR/NAME` for each input `NAME` in the directory `INPUTS`, which is `fuzz/corpus/recover_directory`
//! if it is not given; another is `target/fuzz/corpus/recover_directory`, where a fuzzer keeps what it found.
//! Inputs that describe the same files are written once, and those with a link or directory in it not
//! at all. How many there are stands on standard output.

#![expect(clippy::disallowed_methods, reason = "writes directories that others read")]
#![allow(clippy::panic, reason = "the targets fail by it; none runs here")]

#[path = "../../fuzz/src/lib.rs"]
pub mod checks;

use checks::directory::Files;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/recover_directory");

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (dir, inputs) = match arguments.as_slice() {
        [dir] => (dir.as_str(), COMMITTED),
        [dir, inputs] => (dir.as_str(), inputs.as_str()),
        _ => {
            eprintln!("usage: hostile DIR [INPUTS]");
            return ExitCode::FAILURE;
        }
    };
    match write_all(Path::new(dir), Path::new(inputs)) {
        Ok((written, read)) => {
            println!("{written} directories of {read} inputs");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {inputs}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(dir: &Path, inputs: &Path) -> io::Result<(usize, usize)> {
    let mut entries = fs::read_dir(inputs)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut written = BTreeSet::new();
    for entry in &entries {
        let described = Files::described_by(&fs::read(entry.path())?);
        if !described.others.is_empty() || !written.insert(described.files.clone()) {
            continue;
        }
        let into = dir.join(entry.file_name());
        fs::create_dir_all(&into)?;
        for (name, bytes) in &described.files {
            fs::write(into.join(name), bytes)?;
        }
    }
    Ok((written.len(), entries.len()))
}
