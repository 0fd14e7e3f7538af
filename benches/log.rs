//! Criterion's measurements of all workloads, each beside its reference, with reports in HTML, and
//! a table of ratios at the end.
//!
//! ```text
//! cargo bench --bench log                      all
//! cargo bench --bench log -- scan              those with this word in their name
//! cargo bench --bench log -- --test            each once, to see that it works
//! ```
//!
//! The reports are in `target/criterion/report/index.html`. Each sample is a slice of both sides in
//! turns, of which one is told; the ratios are those of the pairs. Data lies under the target
//! folder, or in `SEAWALL_BENCH_DIR`. To judge by a figure ask `cargo bench --bench ratios`.

use criterion::{Criterion, Throughput};
use seawall_bench::{
    Ground, Outcome, Pair, Result, Row, Scale, Setting, Sides, Slice, Unit, program,
};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

/// Of one side; a sample is one of each.
const SLICE: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let below = program::place(env!("CARGO_TARGET_TMPDIR"));
    let ground = Arc::new(Ground::below(&below)?);
    let scale = Scale::small();
    let setting = Setting { ground, scale, child: no_child };
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_secs(2))
        .nresamples(5_000)
        .configure_from_args();
    let mut outcomes = Vec::new();
    for row in &seawall_bench::rows(&scale) {
        outcomes.extend(both(&mut criterion, row, &setting)?);
    }
    criterion.final_summary();
    if !outcomes.is_empty() {
        println!("{}{}", seawall_bench::LEGEND, seawall_bench::text(&outcomes));
    }
    Ok(())
}

/// Memory is no matter of time: those rows are not measured here.
fn no_child(_: &Path, _: u64) -> Command {
    Command::new("false")
}

/// A row that is being measured.
struct Under<'a> {
    row: &'a Row,
    setting: &'a Setting,
    sides: Option<Sides>,
    pairs: Vec<Pair>,
    failed: Option<seawall_bench::Failure>,
}

impl Under<'_> {
    /// One pair more; what `side` of it makes of `count` operations.
    fn sample(&mut self, count: u64, side: fn(&Pair) -> &Slice) -> Duration {
        match self.pair() {
            Ok(pair) => {
                let took = side(&pair).time_of(count);
                self.pairs.push(pair);
                took
            }
            Err(failure) => {
                // The first one is told; Criterion must be given some time.
                self.failed.get_or_insert(failure);
                Duration::from_nanos(count)
            }
        }
    }

    fn pair(&mut self) -> Result<Pair> {
        if self.sides.is_none() {
            self.sides = self.row.sides(self.setting)?;
        }
        let Some(sides) = &mut self.sides else { return Err(seawall_bench::Failure::Stopped) };
        Pair::measure(self.pairs.len(), sides, SLICE)
    }
}

fn both(criterion: &mut Criterion, row: &Row, setting: &Setting) -> Result<Vec<Outcome>> {
    let Some(line) = row.lines.first().filter(|_| row.is_timed()) else { return Ok(Vec::new()) };
    let mut group = criterion.benchmark_group(&line.name);
    group.throughput(match line.unit {
        Unit::BytesPerSecond(bytes) => Throughput::Bytes(bytes),
        _ => Throughput::Elements(1),
    });
    let mut under = Under { row, setting, sides: None, pairs: Vec::new(), failed: None };
    group.bench_function("seawall", |bencher| {
        bencher.iter_custom(|count| under.sample(count, |pair| &pair.ours));
    });
    group.bench_function("reference", |bencher| {
        bencher.iter_custom(|count| under.sample(count, |pair| &pair.reference));
    });
    group.finish();
    match under.failed {
        Some(failure) => Err(failure),
        None => Ok(seawall_bench::judge(row, &under.pairs)),
    }
}
