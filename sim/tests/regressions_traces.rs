//! Runs in which a promise once broke, as they were stored: each file of `regressions` is played
//! again. Their stories are in its `README.md`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "the stored runs are files of the project")]

use seawall_sim::{Life, Scenario, SeawallLog, play};
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

/// Every stored run with its name, in the order of their names.
fn stored() -> Vec<(String, Scenario<SeawallLog>)> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut runs: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let scenario = Scenario::from_json(&fs::read_to_string(&file).unwrap());
            let scenario = scenario.unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, scenario)
        })
        .collect();
    runs.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!runs.is_empty(), "no file is there");
    runs
}

#[test]
fn no_promise_breaks_in_a_run_in_which_one_once_did() {
    let mut broken = Vec::new();
    for (name, scenario) in stored() {
        match play(&scenario, None) {
            Ok(figures) => println!("{name}: {} operations", figures.operations),
            Err((life, violation)) => broken.push(format!("{name}, life {life}: {violation}")),
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A run that ends before what it is about proves nothing.
#[test]
fn each_stored_run_is_played_to_its_end_and_looks_at_what_a_crash_left() {
    for (name, scenario) in stored() {
        let figures = play(&scenario, None).unwrap_or_else(|broken| panic!("{name}: {broken:?}"));
        // An operation in which a crash comes is not counted as done.
        let cut = |life: &&Life<_>| life.end.as_ref().is_some_and(|end| end.place.call.is_some());
        let cut = scenario.lives.iter().filter(cut).count();
        let done = u64::try_from(scenario.op_count() - cut).unwrap();
        assert!(figures.operations >= done, "{name}: {} of {done}", figures.operations);
        let crashes = u64::try_from(scenario.lives.len() - 1).unwrap();
        assert_eq!(figures.crash_cycles, crashes, "{name}");
    }
}

#[test]
fn each_stored_run_has_its_story() {
    let stories = fs::read_to_string(folder().join("README.md")).unwrap();
    let told: Vec<_> = stories.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let names: Vec<_> = stored().into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, names, "one heading for each file, in the order of their names");
}
