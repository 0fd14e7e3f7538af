//! Outcomes for people, in lines of a table, and for programs, as JSON.

use crate::measure::{Outcome, Worth};
use crate::ratio::Target;
use crate::rows::{Group, Unit};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What the columns mean.
pub const LEGEND: &str = "
ratio      how many times as much Seawall does as the least code that makes the same promise, the
           reference (1.00: as fast); where the target is <=, how many times as long it takes
interval   holds the true median of the ratio in 95 of 100 cases; short runs have wide ones
verdict    whether the worse end of the interval is within 5 % of the target
pairs      slices of both sides that count, of those measured; a pair is left out where the
           reference took three times its best: the machine did something else then
";

/// The names of the columns.
#[must_use]
pub fn heading() -> String {
    format!(
        "  {:<36} {:>10} {:>10} {:>6}  {:<18} {:<10} {:<13} pairs",
        "", "seawall", "reference", "ratio", "95 % interval", "target", "verdict",
    )
}

/// Lines of the table, without headings.
#[must_use]
pub fn lines(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().map(line).collect()
}

fn line(outcome: &Outcome) -> String {
    let told = |value: f64| figure(outcome.unit, value);
    let reference = outcome.figures.reference.map_or_else(|| "-".to_owned(), told);
    let (kept, measured) = outcome.pairs;
    let worth = |value: f64| match outcome.worth {
        Worth::Ratio => format!("{value:.2}"),
        Worth::Alone => told(value),
    };
    let ratio = match outcome.worth {
        Worth::Ratio => format!("{:.2}", outcome.estimate.median),
        Worth::Alone => "-".to_owned(),
    };
    let between = format!("{} .. {}", worth(outcome.estimate.low), worth(outcome.estimate.high));
    let target = match outcome.target {
        Target::AtLeast(value) => format!(">= {}", worth(value)),
        Target::AtMost(value) => format!("<= {}", worth(value)),
    };
    format!(
        "  {:<36} {:>10} {:>10} {ratio:>6}  {between:<18} {target:<10} {:<13} {kept}/{measured}",
        outcome.name,
        told(outcome.figures.ours),
        reference,
        outcome.verdict.told(),
    )
}

/// The table.
#[must_use]
pub fn text(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut group = None;
    for outcome in outcomes {
        if group != Some(outcome.group.title) {
            group = Some(outcome.group.title);
            // Writing into a string does not fail.
            let Group { title, about } = outcome.group;
            let _whole = writeln!(text, "\n{title}\n  {about}\n{}", heading());
        }
        let _whole = writeln!(text, "{}", line(outcome));
    }
    text
}

/// The same for programs.
#[must_use]
pub fn document(outcomes: &[Outcome]) -> Value {
    let one = |outcome: &Outcome| {
        let (comparison, target) = match outcome.target {
            Target::AtLeast(value) => ("at least", value),
            Target::AtMost(value) => ("at most", value),
        };
        let mut one = json!({
            "group": outcome.group.title,
            "name": outcome.name,
            "unit": unit(outcome.unit),
            "seawall": outcome.figures.ours,
            "reference": outcome.figures.reference,
            "compared": match outcome.worth { Worth::Ratio => "ratio", Worth::Alone => "value" },
            "median": outcome.estimate.median,
            "low": outcome.estimate.low,
            "high": outcome.estimate.high,
            "target": target,
            "target_is": comparison,
            "verdict": outcome.verdict.told(),
            "pairs": outcome.pairs.1,
            "pairs_kept": outcome.pairs.0,
        });
        if let (Some((ours, reference)), Some(object)) = (&outcome.pooled, one.as_object_mut()) {
            for (side, slice) in [("seawall", ours), ("reference", reference)] {
                let told = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)]
                    .map(|(name, part)| (name.to_owned(), json!(slice.quantile(part))));
                object.insert(format!("{side}_latency_seconds"), told.into_iter().collect());
            }
        }
        one
    };
    Value::Array(outcomes.iter().map(one).collect())
}

const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::PerSecond => "operations per second",
        Unit::BytesPerSecond(_) => "bytes per second",
        Unit::Seconds => "seconds",
        Unit::Bytes => "bytes",
        Unit::BytesEach => "bytes per record",
    }
}

/// A figure with its unit, in three or four digits.
#[must_use]
pub fn figure(unit: Unit, value: f64) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let fits = steps.iter().find(|(least, _)| value >= *least);
        let (least, name) = fits.or(steps.last()).copied().unwrap_or((1.0, ""));
        let value = value / least;
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{value:.digits$} {name}")
    };
    match unit {
        Unit::PerSecond => scaled(&[(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")]),
        Unit::BytesPerSecond(_) => scaled(&[(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")]),
        Unit::Seconds => scaled(&[(1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")]),
        Unit::Bytes => scaled(&[(1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")]),
        Unit::BytesEach => format!("{value:.1} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_in_the_unit_that_fits() {
        assert_eq!(figure(Unit::PerSecond, 12_100_000.0), "12.1 M/s");
        assert_eq!(figure(Unit::PerSecond, 905_000.0), "905 k/s");
        assert_eq!(figure(Unit::Seconds, 0.000_09), "90.0 us");
        assert_eq!(figure(Unit::Seconds, 0.0), "0.00 ns");
        assert_eq!(figure(Unit::BytesPerSecond(256), 6.8e9), "6.80 GB/s");
        assert_eq!(figure(Unit::Bytes, 33_554_432.0), "32.0 MiB");
    }
}
