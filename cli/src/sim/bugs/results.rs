//! What was said about each bug: kept in a file from run to run, and shown.

use super::super::host;
use crate::exit::Failure;
use seawall_sim::{Judge, PlantedBug, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// One bug, looked for with the seeds of one master.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    pub(super) bug: String,
    pub(super) judge: String,
    pub(super) master: u64,
    pub(super) found: bool,
    /// The promise that broke.
    pub(super) promise: Option<String>,
    /// The promise that is to break.
    pub(super) expected: String,
    /// The seed in which it broke.
    pub(super) seed: Option<u64>,
    /// How many seeds were run.
    pub(super) seeds: Option<u64>,
    pub(super) seconds: f64,
    /// In which life.
    pub(super) life: Option<u64>,
    pub(super) small: Option<Small>,
    /// Of a bug that needs a crash: nothing breaks without one.
    pub(super) harmless_without_crash: Option<bool>,
    /// Seeds that break a promise without the bug, too: they say nothing about it.
    pub(super) unsound: Vec<u64>,
    pub(super) note: Option<String>,
}

/// How small the failing run became.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Small {
    pub(super) operations: u64,
    pub(super) crashes: u64,
    pub(super) seconds: f64,
}

impl Row {
    pub(super) fn of(bug: &PlantedBug, master: u64) -> Self {
        Self {
            bug: bug.name.to_owned(),
            judge: judge_name(bug.judge).to_owned(),
            master,
            expected: bug.promise.to_owned(),
            ..Self::default()
        }
    }

    /// Found, and harmless where it is to be.
    pub(super) fn is_good(&self) -> bool {
        self.found && self.harmless_without_crash != Some(false)
    }

    /// As one line of JSON.
    pub(super) fn line(&self) -> Result<String, Failure> {
        line(self)
    }

    fn cells(&self) -> Vec<String> {
        let promise = match &self.promise {
            Some(promise) if *promise != self.expected => {
                format!("{promise} (not {})", self.expected)
            }
            Some(promise) => promise.clone(),
            None => String::new(),
        };
        let small = self.small.map(|small| {
            format!("{} ops, {} crashes, {:.1} s", small.operations, small.crashes, small.seconds)
        });
        let harmless = match self.harmless_without_crash {
            None => "",
            Some(true) => "harmless",
            Some(false) => "HARMFUL",
        };
        vec![
            self.bug.clone(),
            self.judge.clone(),
            if self.found { "yes" } else { "NO" }.to_owned(),
            promise,
            self.seeds.map(|seeds| seeds.to_string()).unwrap_or_default(),
            format!("{:.2}", self.seconds),
            harmless.to_owned(),
            small.unwrap_or_default(),
            self.note.clone().unwrap_or_default(),
        ]
    }
}

fn line(value: &impl Serialize) -> Result<String, Failure> {
    let line = serde_json::to_string(value);
    let line = line.map_err(|error| Failure::Io { action: "write JSON", source: error.into() })?;
    Ok(line + "\n")
}

const fn judge_name(judge: Judge) -> &'static str {
    match judge {
        Judge::Campaign => "campaign",
        Judge::Exhaustive => "exhaustive",
        Judge::Shuttle => "shuttle",
        Judge::Process => "process",
        Judge::Scene => "scene",
        Judge::Meta => "meta",
    }
}

/// The rows of one master.
pub(super) fn table(rows: &[Row]) -> Table {
    let head = ["bug", "judge", "found", "promise", "seeds", "seconds", "no crash", "small", ""];
    Table {
        title: "Each bug, and who found it".to_owned(),
        note: String::new(),
        head: head.map(str::to_owned).into(),
        rows: rows.iter().map(Row::cells).collect(),
    }
}

/// One bug over all masters.
#[derive(Debug, Serialize)]
pub(super) struct Sum {
    bug: &'static str,
    judge: &'static str,
    masters: usize,
    found: usize,
    seeds_median: Option<u64>,
    seeds_worst: Option<u64>,
    seconds_median: Option<f64>,
    seconds_worst: Option<f64>,
}

/// The rows of all masters, put together for each bug.
pub(super) fn sums(bugs: &[&PlantedBug], rows: &[Row]) -> Vec<Sum> {
    let sum = |bug: &&PlantedBug| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.bug == bug.name).collect();
        let mut seeds: Vec<u64> =
            rows.iter().filter(|row| row.found).filter_map(|row| row.seeds).collect();
        seeds.sort_unstable();
        let mut seconds: Vec<f64> =
            rows.iter().filter(|row| row.found).map(|row| row.seconds).collect();
        seconds.sort_unstable_by(f64::total_cmp);
        Sum {
            bug: bug.name,
            judge: judge_name(bug.judge),
            masters: rows.len(),
            found: rows.iter().filter(|row| row.is_good()).count(),
            seeds_median: median(&seeds),
            seeds_worst: seeds.last().copied(),
            seconds_median: median(&seconds),
            seconds_worst: seconds.last().copied(),
        }
    };
    bugs.iter().map(sum).collect()
}

fn median<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

pub(super) fn sum_lines(sums: &[Sum]) -> Result<String, Failure> {
    sums.iter().map(line).collect()
}

pub(super) fn sum_table(sums: &[Sum]) -> Table {
    let number = |seeds: Option<u64>| seeds.map(|seeds| seeds.to_string()).unwrap_or_default();
    let time = |time: Option<f64>| time.map(|time| format!("{time:.2}")).unwrap_or_default();
    let row = |sum: &Sum| {
        vec![
            sum.bug.to_owned(),
            sum.judge.to_owned(),
            format!("{} of {}", sum.found, sum.masters),
            number(sum.seeds_median),
            number(sum.seeds_worst),
            time(sum.seconds_median),
            time(sum.seconds_worst),
        ]
    };
    let head = ["bug", "judge", "found", "seeds, median", "worst", "seconds, median", "worst"];
    Table {
        title: "Each bug over all masters".to_owned(),
        note: String::new(),
        head: head.map(str::to_owned).into(),
        rows: sums.iter().map(row).collect(),
    }
}

/// The rows of earlier runs, and the file that gets those of this one.
#[derive(Debug)]
pub(super) struct Results {
    known: BTreeMap<(String, u64), Row>,
    file: Option<File>,
}

impl Results {
    /// What is there, if there is a file. A line that a run could not finish counts as not there.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self { known: BTreeMap::new(), file: None }) };
        let text = if path.exists() { host::read(path)? } else { Vec::new() };
        let text = String::from_utf8_lossy(&text);
        let rows = text.lines().filter_map(|line| serde_json::from_str::<Row>(line).ok());
        let known = rows.map(|row| ((row.bug.clone(), row.master), row)).collect();
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let mut file = opened.map_err(|error| Failure::Input {
            what: format!("cannot write {}: {error}", path.display()),
            hint: "name a file in a directory that is there and may be written",
        })?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").map_err(writing)?;
        }
        Ok(Self { known, file: Some(file) })
    }

    /// The row of an earlier run; one whose judge was not available is asked for again.
    pub(super) fn find(&self, bug: &str, master: u64) -> Option<Row> {
        let row = self.known.get(&(bug.to_owned(), master))?;
        (row.found || row.promise.is_some() || row.seeds.is_some()).then(|| row.clone())
    }

    pub(super) fn add(&mut self, row: &Row) -> Result<(), Failure> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(row.line()?.as_bytes()).map_err(writing)
    }
}

fn writing(source: std::io::Error) -> Failure {
    Failure::Io { action: "write the results", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_found_again_behind_a_line_that_was_cut_off() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("results");
        let row =
            |bug: &str| Row { bug: bug.to_owned(), found: true, seeds: Some(3), ..Row::default() };
        Results::open(Some(&path)).unwrap().add(&row("one")).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"bug\":\"tw").unwrap();
        Results::open(Some(&path)).unwrap().add(&row("three")).unwrap();
        let results = Results::open(Some(&path)).unwrap();
        assert_eq!(results.find("three", 0), Some(row("three")));
        assert_eq!(results.find("one", 0), Some(row("one")));
        assert_eq!(results.find("one", 1), None);
        assert_eq!(results.known.len(), 2);
    }

    #[test]
    fn the_median_is_the_lower_of_two_in_the_middle() {
        assert_eq!(median(&[1, 2, 3]), Some(2));
        assert_eq!(median(&[1, 2, 3, 4]), Some(2));
        assert_eq!(median::<u64>(&[]), None);
    }
}
