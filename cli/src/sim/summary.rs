//! What a campaign did: for people, as a page, as JSON. One place decides which figures matter.

use super::{faults, host};
use seawall_sim::{Failure, FailureStory, Figures, Report, SeawallLog, Subject, Table, Timeline};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What went wrong before an open, in the order of the columns.
const CAUSES: [&str; 5] = ["power cut", "kill", "crash in recovery", "failed calls", "damage"];

/// A campaign that is over.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) figures: &'a Figures,
    pub(crate) time: Duration,
    pub(crate) failure: Option<&'a Failure<SeawallLog>>,
    /// The command that replays the failure.
    pub(crate) replay: Option<String>,
}

impl Summary<'_> {
    pub(crate) fn json(&self) -> Value {
        let figures = self.figures;
        let faults: Map<String, Value> = faults::list(figures)
            .into_iter()
            .map(|(name, count)| (faults::key(name), count.into()))
            .collect();
        let table: Vec<Value> = SeawallLog::CELLS
            .iter()
            .enumerate()
            .map(|(row, name)| {
                let counts = self.row(row);
                let causes: Map<String, Value> = CAUSES
                    .iter()
                    .zip(counts)
                    .map(|(cause, count)| (faults::key(cause), count.into()))
                    .collect();
                json!({ "row": name, "reached": counts.iter().any(|c| *c > 0), "by": causes })
            })
            .collect();
        let failure = self.failure.map(|failure| {
            json!({
                "seed": failure.seed,
                "life": failure.life,
                "promise": failure.violation.promise,
                "what": failure.violation.what,
                "replay": self.replay,
            })
        });
        json!({
            "seeds": figures.seeds,
            "seconds": self.time.as_secs_f64(),
            "crash_cycles": figures.crash_cycles,
            "cycles_per_second": host::per_second(figures.crash_cycles, self.time),
            "cycles_by_class": figures.cycles_by_class,
            "operations": figures.operations,
            "operations_median": figures.operations_median(),
            "lossy_crash_share": figures.lossy_crash_share(),
            "multi_segment_share": figures.multi_part_share(),
            "power_cuts": figures.power_cuts,
            "kills": figures.kills,
            "nested": figures.nested,
            "refused": figures.refused,
            "disk_calls": figures.disk_calls,
            "faults": faults,
            "counters": figures.faults,
            "table": table,
            "hash": format!("{:016x}", figures.hash),
            "failure": failure,
        })
    }

    /// For a terminal. A failure comes last, and of it the command that replays it.
    pub(crate) fn text(&self) -> String {
        let mut report = self.report();
        report.failure = self.failure.map(|failure| FailureStory {
            promise: failure.violation.promise.to_owned(),
            what: failure.to_string(),
            timeline: Timeline::default(),
            ..FailureStory::default()
        });
        let mut text = report.text();
        if let Some(replay) = &self.replay {
            text.push('\n');
            text.push_str(replay);
            text.push('\n');
        }
        text
    }

    /// The figures as a report, without a failure.
    pub(crate) fn report(&self) -> Report {
        let title = match self.failure {
            None => "Seawall simulated: no promise broke".to_owned(),
            Some(failure) => format!("Seawall simulated: {} broke", failure.violation.promise),
        };
        Report {
            title,
            summary: self.tiles(),
            tables: vec![self.fault_table(), self.recovery_table()],
            failure: None,
        }
    }

    fn tiles(&self) -> Vec<(String, String)> {
        let figures = self.figures;
        let [once, twice, thrice] = figures.nested;
        let classes: Vec<String> = (figures.cycles_by_class.iter())
            .map(|(class, count)| format!("{count} {class}"))
            .collect();
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let rate = |count| host::per_second(count, self.time);
        let tiles = [
            ("seeds", format!("{} ({:.1}/s)", figures.seeds, rate(figures.seeds))),
            ("time", format!("{:.1} s", self.time.as_secs_f64())),
            (
                "crashes recovered from",
                format!("{} ({:.0}/s)", figures.crash_cycles, rate(figures.crash_cycles)),
            ),
            ("by class", classes.join(", ")),
            ("operations", figures.operations.to_string()),
            ("operations before a crash", format!("median {}", figures.operations_median())),
            ("power cuts", figures.power_cuts.to_string()),
            ("of them took something", percent(figures.lossy_crash_share())),
            ("kills", figures.kills.to_string()),
            ("crashes in recovery", format!("{once} once, {twice} twice, {thrice} three times")),
            ("with two or more segments", percent(figures.multi_part_share())),
            ("refused to open, being hurt", figures.refused.to_string()),
            ("disk calls", figures.disk_calls.to_string()),
            ("hash", format!("{:016x}", figures.hash)),
        ];
        tiles.into_iter().map(|(label, value)| (label.to_owned(), value)).collect()
    }

    fn fault_table(&self) -> Table {
        let row = |(name, count): (&str, u64)| {
            vec![name.to_owned(), count.to_string(), never(count == 0)]
        };
        Table {
            title: "Faults that really happened".to_owned(),
            note: String::new(),
            head: ["fault", "times", ""].map(str::to_owned).into(),
            rows: faults::list(self.figures).into_iter().map(row).collect(),
        }
    }

    fn recovery_table(&self) -> Table {
        let rows = SeawallLog::CELLS.iter().enumerate().map(|(row, name)| {
            let counts = self.row(row);
            let mut cells = vec![(*name).to_owned()];
            cells.extend(counts.iter().map(u64::to_string));
            cells.push(never(counts.iter().all(|count| *count == 0)));
            cells
        });
        let head = ["situation"].into_iter().chain(CAUSES).chain([""]);
        Table {
            title: "Rows of the recovery table, by what came before".to_owned(),
            note: "W<=E: nothing durable is known beyond the place; W>E: something is".to_owned(),
            head: head.map(str::to_owned).collect(),
            rows: rows.collect(),
        }
    }

    /// How often a row of the recovery table was met, by cause.
    fn row(&self, row: usize) -> [u64; CAUSES.len()] {
        CAUSES.map(|cause| {
            let met = self.figures.cells.get(&(row, cause.to_owned()));
            met.copied().unwrap_or_default()
        })
    }
}

fn never(never: bool) -> String {
    if never { "never".to_owned() } else { String::new() }
}
