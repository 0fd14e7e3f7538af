//! Damage of all kinds to a log that was closed: each record is printed with its bytes, or lies
//! in a range that is told. Never silence, never invention; but for the one stated limit, rot in
//! the newest commit that looks like a torn tail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{Draw, copy, feed, run};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const TRIALS: u64 = 300;
const SEED: u64 = 0xDA_4A6E;

/// Harms one file; says how.
fn harm(dir: &Path, draw: &mut Draw) -> String {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    let below = |draw: &mut Draw, bound: usize| {
        usize::try_from(draw.below(u64::try_from(bound).unwrap())).unwrap()
    };
    let file = &names[below(draw, names.len())];
    let mut bytes = fs::read(file).unwrap();
    let at = below(draw, bytes.len());
    let how = match draw.below(12) {
        // Behind the newest segment, and the file prepared to follow it, nothing vouches.
        0 if !names[names.len() - 2..].contains(file) => {
            fs::remove_file(file).unwrap();
            return format!("{} removed", file.display());
        }
        1 => {
            bytes.truncate(at);
            "truncated"
        }
        2 | 3 => {
            let sector = at / 512 * 512;
            let end = bytes.len().min(sector + 512);
            bytes[sector..end].fill(0);
            "sector of zeros"
        }
        4 => {
            let block = at / 4096 * 4096;
            let end = bytes.len().min(block + 4096);
            let garbage = draw.bytes(end - block);
            bytes[block..end].copy_from_slice(&garbage);
            "block of garbage"
        }
        _ => {
            bytes[at] ^= 1 << draw.below(8);
            "flipped bit"
        }
    };
    fs::write(file, bytes).unwrap();
    format!("{}: {how} at {at}", file.display())
}

/// The ranges that `cat` told on standard error; some have no known end.
fn told(stderr: &str) -> Vec<(u64, u64)> {
    let ranges = stderr.lines().filter_map(|line| line.strip_prefix("damage: LSN "));
    ranges
        .map(|range| {
            let (range, _) = range.split_once(',').unwrap();
            match range.split_once(" to ") {
                Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
                None => {
                    let from = range.strip_suffix(" and whatever came after it").unwrap();
                    (from.parse().unwrap(), u64::MAX)
                }
            }
        })
        .collect()
}

#[test]
fn every_record_of_a_damaged_log_is_printed_or_told() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    let mut draw = Draw::new(SEED);
    for run in 0..3 {
        let mut input = Vec::new();
        for line in 0..150 {
            let len = usize::try_from(1 + draw.below(900)).unwrap();
            input.extend_from_slice(format!("{run} {line} {:x>len$}\n", "").as_bytes());
        }
        feed("append", &whole, &["--segment-len", "32768"], &input).expect(0);
    }
    let records: BTreeMap<u64, String> = run("cat", &whole, &["--json"])
        .json_lines()
        .iter()
        .map(|line| (line["lsn"].as_u64().unwrap(), line["text"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(records.len(), 450);

    let (mut harmed, mut unharmed, mut newest) = (0, 0, 0);
    for trial in 0..TRIALS {
        let dir = scratch.path().join("harmed");
        fs::remove_dir_all(&dir).ok();
        copy(&whole, &dir);
        let how = harm(&dir, &mut draw);
        let cat = run("cat", &dir, &["--json"]);
        let verify = run("verify", &dir, &[]);
        let case = format!("trial {trial}: {how}\n{}{}", cat.stderr, verify.text());
        assert!(matches!(verify.code, Some(0 | 2 | 3 | 5)), "{:?} {case}", verify.code);
        let ranges = told(&cat.stderr);
        let mut printed = BTreeMap::new();
        for line in cat.json_lines() {
            let lsn = line["lsn"].as_u64().unwrap();
            let text = line["text"].as_str().unwrap().to_owned();
            assert_eq!(records.get(&lsn), Some(&text), "invented: {case}");
            assert_eq!(printed.insert(lsn, text), None, "doubled: {case}");
        }
        if verify.code == Some(5) {
            assert!(printed.is_empty(), "{case}");
        } else {
            if verify.code == Some(2) {
                // The limit that is stated: rot in the newest commit looks like a torn tail.
                let kept = records.keys().take(printed.len());
                assert!(kept.eq(printed.keys()), "not only the newest are gone: {case}");
                newest += 1;
                continue;
            }
            for lsn in records.keys().filter(|lsn| !printed.contains_key(lsn)) {
                let is_told = ranges.iter().any(|&(from, to)| (from..to).contains(lsn));
                assert!(is_told, "silence about LSN {lsn}, {case}");
            }
            let lost = printed.len() < records.len();
            assert!(!lost || verify.code == Some(3), "{:?} {case}", verify.code);
            assert!(ranges.is_empty() || verify.code == Some(3), "{:?} {case}", verify.code);
            harmed += u64::from(lost);
            unharmed += u64::from(!lost);
        }
    }
    println!("{TRIALS} trials: {harmed} lost records, {unharmed} lost none, {newest} look torn");
    assert!(harmed > TRIALS / 4);
}
