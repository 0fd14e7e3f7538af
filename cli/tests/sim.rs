//! The simulation from the command line: what it prints, what it writes, how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{Ran, ended};
use seawall_sim::{Campaign, SeawallLog};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Seeds that are enough for a run to have something to tell, in a class without damage.
const SEEDS: &str = "0..24";

fn sim(arguments: &[&str]) -> Ran {
    let child = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .arg("sim")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    ended(child.unwrap())
}

fn stored(dir: &Path) -> String {
    let path = dir.join("scenario.json");
    let scenario = Campaign::<SeawallLog>::new().trunk(5);
    fs::write(&path, scenario.to_json()).unwrap();
    path.into_os_string().into_string().unwrap()
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key}: {}", value[key]))
}

#[test]
fn a_run_tells_every_figure_as_json() {
    let told = sim(&["run", "--seeds", SEEDS, "--class", "crash", "--json"]).expect(0).json();
    assert_eq!(number(&told, "seeds"), 24);
    for key in ["crash_cycles", "operations", "operations_median", "power_cuts", "disk_calls"] {
        assert!(number(&told, key) > 0, "{key}");
    }
    assert!(number(&told, "kills") > 0 && number(&told, "refused") == 0);
    for key in ["seconds", "cycles_per_second", "lossy_crash_share", "multi_segment_share"] {
        assert!(told[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert_eq!(told["nested"].as_array().unwrap().len(), 3);
    assert_eq!(told["cycles_by_class"]["crash"], told["crash_cycles"]);
    assert_eq!(told["hash"].as_str().unwrap().len(), 16);
    assert_eq!(told["failure"], Value::Null);
    let faults = told["faults"].as_object().unwrap();
    for key in ["power_cut", "process_kill", "crash_between_steps", "crash_inside_a_call"] {
        assert!(faults[key].as_u64().unwrap() > 0, "{key}");
    }
    // In this class nothing fails and nothing is hurt.
    for key in ["eio_on_sync", "enospc", "bit_rot", "lying_flush"] {
        assert_eq!(faults[key], 0, "{key}");
    }
    let table = told["table"].as_array().unwrap();
    assert_eq!(table.len(), 32);
    let zeros = table.iter().find(|row| row["row"] == "zeros, W<=E").unwrap();
    assert_eq!(zeros["reached"], true);
    assert!(number(&zeros["by"], "power_cut") > 0);
}

#[test]
fn a_run_for_people_has_its_tables_and_writes_its_page() {
    let scratch = tempfile::tempdir().unwrap();
    let page = scratch.path().join("report.html");
    let page_arg = page.to_str().unwrap();
    let ran = sim(&["run", "--seeds", SEEDS, "--class", "crash", "--report", page_arg]).expect(0);
    for part in ["no promise broke", "crash in recovery", "recovery table", "never"] {
        assert!(ran.text().contains(part), "{part}");
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("zeros, W&lt;=E"));
    assert!(page.ends_with("</html>\n"));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let run = |jobs| {
        let arguments = ["run", "--seeds", SEEDS, "--class", "errors", "--json", "--jobs", jobs];
        let mut told = sim(&arguments).expect(0).json();
        for time in ["seconds", "cycles_per_second"] {
            told.as_object_mut().unwrap().remove(time);
        }
        told
    };
    assert_eq!(run("1"), run("2"));
    let meta = |jobs| sim(&["meta", SEEDS, "--jobs", jobs, "--json"]).expect(0).json();
    let told = meta("1");
    assert_eq!(told, meta("2"));
    assert_eq!((number(&told, "seeds"), &told["differs"]), (24, &Value::Null));
    assert_ne!(told["hash"], sim(&["meta", "0..23", "--json"]).expect(0).json()["hash"]);
}

#[test]
fn a_campaign_stops_by_the_clock_and_goes_on_from_any_seed() {
    let told = sim(&["run", "--seconds", "1", "--first", "100", "--class", "crash", "--json"]);
    let told = told.expect(0).json();
    assert!(number(&told, "seeds") >= 8 && told["seconds"].as_f64().unwrap() >= 1.0);
}

#[test]
fn one_run_is_replayed_from_its_seed_and_from_a_file_and_drawn() {
    let scratch = tempfile::tempdir().unwrap();
    let (file, page) = (stored(scratch.path()), scratch.path().join("timeline.html"));
    let page_arg = page.to_str().unwrap();
    let ran = sim(&["replay", "5", "--class", "crash", "--timeline", page_arg]).expect(0);
    assert!(ran.text().contains("no promise breaks"), "{}", ran.text());
    assert!(fs::read_to_string(&page).unwrap().contains("Life 1, after a"));
    let told = sim(&["replay", &file, "--json", "--timeline", page_arg]).expect(0).json();
    assert_eq!((&told["broken"], &told["seed"]), (&Value::Null, &Value::Null));
    assert!(number(&told, "crash_cycles") > 0);
    let told = sim(&["replay", "5", "--json"]).expect(0).json();
    assert_eq!(told["seed"], 5);
    assert_eq!(told["replay"], "cargo run --release -- sim replay 5");
    let narrow = sim(&["replay", "5", "--class", "errors", "--preset", "journalled", "--json"]);
    let line = "cargo run --release -- sim replay 5 --class errors --preset journalled";
    assert_eq!(narrow.expect(0).json()["replay"], line);
}

#[test]
fn what_a_fuzzer_decided_is_replayed_from_its_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("decisions");
    fs::write(&file, [0xa5; 700]).unwrap();
    let (file, page) = (file.to_str().unwrap(), scratch.path().join("timeline.html"));
    let page = page.to_str().unwrap();
    let ran = sim(&["replay", file, "--decisions", "--timeline", page, "--json"]).expect(0);
    let told = ran.json();
    assert_eq!((&told["broken"], &told["seed"]), (&Value::Null, &Value::Null));
    assert!(number(&told, "crash_cycles") > 0);
    assert_eq!(told["replay"], format!("cargo run --release -- sim replay {file} --decisions"));
    assert!(fs::read_to_string(page).unwrap().contains("Life 1, after a"));
    let ran = sim(&["replay", file]).expect(1);
    assert!(ran.stderr.contains("--decisions"), "{}", ran.stderr);
}

#[test]
fn what_breaks_no_promise_is_not_made_smaller() {
    let scratch = tempfile::tempdir().unwrap();
    let ran = sim(&["shrink", &stored(scratch.path())]).expect(0);
    assert!(ran.text().contains("nothing to shrink"));
}

#[test]
fn a_command_line_or_a_file_that_says_nothing_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let file = stored(scratch.path());
    let broken = scratch.path().join("broken.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&broken, &text[..text.len() / 2]).unwrap();
    let broken = broken.to_str().unwrap();
    for (arguments, said) in [
        (vec!["replay", broken], "holds no scenario"),
        (vec!["shrink", broken], "holds no scenario"),
        (vec!["replay", "no/such/file"], "cannot read no/such/file"),
        (vec!["replay", &file, "--class", "crash"], "a stored run has its own"),
        (vec!["run", "--seeds", "9..3"], "no range of seeds"),
        (vec!["run", "--seeds", "0..3", "--seconds", "1"], "cannot be used with"),
        (vec!["run", "--class", "weather"], "no class"),
        (vec!["run", "--preset", "tape"], "no preset"),
        (vec!["run", "--seeds", "0..1", "--report", "no/such/dir/r.html"], "cannot write"),
        (vec!["meta", "all"], "no range of seeds"),
        (vec!["bugs", "--only", "no-such-bug"], "no planted bug"),
        (vec!["hunt", "ack-before-sync"], "unrecognized subcommand"),
        (vec!["bugs", "--only", "ack-before-sync", "--built", "no/such/binary"], "cannot run"),
    ] {
        let ran = sim(&arguments).expect(1);
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn every_help_has_examples_and_exit_codes() {
    for command in ["run", "replay", "shrink", "meta", "bugs"] {
        let ran = sim(&[command, "--help"]).expect(0);
        let example = format!("  seawall sim {command}");
        for part in ["Examples:", "Exit codes:", "130", &*example] {
            assert!(ran.text().contains(part), "{command}: {part}");
        }
    }
}
