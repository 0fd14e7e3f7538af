//! What an append, a read and an open cost as a log grows: a table, JSON, and a drawing.
//!
//! ```text
//! cargo bench --bench growth                                   up to 1 GiB and 10,000 segments
//! cargo bench --bench growth -- --max 16GiB --svg docs/growth.svg --json growth.json
//! cargo bench --bench growth -- --max 4MiB --segments 10 --rounds 1
//! ```
//!
//! Data lies under the target folder, or in `SEAWALL_BENCH_DIR`, and is gone afterwards. Nothing
//! is written where there is no room for all of it.

mod chart;

use seawall_bench::growth::{self, Rounds, Step};
use seawall_bench::{Estimate, Ground, Unit, figure, program};
use serde_json::{Value, json};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
cargo bench --bench growth -- [OPTIONS]

  --max BYTES      the longest log, with MiB or GiB behind the number (default 1GiB)
  --segments N     the most segments (default 10000)
  --rounds N       rounds of each figure, of which the median is told (default 25)
  --open-files N   files that the log may hold open for reading (default: what it does itself)
  --json FILE      what was found, for programs
  --svg FILE       what was found, drawn";

/// Bytes: from 1 MiB to 16 GiB.
const SIZES: std::ops::RangeInclusive<u32> = 10..=17;
/// Segments: from 1 to 10,000.
const COUNTS: std::ops::RangeInclusive<u32> = 0..=4;

/// What was asked for on the command line.
struct Asked {
    max: u64,
    segments: u64,
    rounds: Rounds,
    json: Option<PathBuf>,
    svg: Option<PathBuf>,
}

impl Asked {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let rounds = Rounds { count: 25, open_files_max: None };
        let mut asked = Self { max: 1 << 30, segments: 10_000, rounds, json: None, svg: None };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} wants a value"));
            let count = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
            match arg.as_str() {
                "--max" => asked.max = bytes(&value()?)?,
                "--segments" => asked.segments = bytes(&value()?)?,
                "--rounds" => asked.rounds.count = count(value()?)?,
                "--open-files" => asked.rounds.open_files_max = Some(count(value()?)?),
                "--json" => asked.json = Some(PathBuf::from(value()?)),
                "--svg" => asked.svg = Some(PathBuf::from(value()?)),
                // What cargo tells every bench.
                "--bench" => {}
                other => return Err(format!("{other} is not known")),
            }
        }
        Ok(asked)
    }

    fn sizes(&self) -> Vec<u64> {
        SIZES.map(|half| 1 << (2 * half)).filter(|size| *size <= self.max).collect()
    }

    fn counts(&self) -> Vec<u64> {
        COUNTS.map(|power| 10_u64.pow(power)).filter(|count| *count <= self.segments).collect()
    }
}

/// A number, perhaps with a unit behind it.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let split = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (number, shift) = split.unwrap_or((text, 0));
    let number = number.trim().parse::<u64>().map_err(|_| format!("{text} is no number"))?;
    number.checked_mul(1 << shift).ok_or(format!("{text} is too much"))
}

fn main() -> ExitCode {
    program::run(Asked::read(std::env::args().skip(1)), USAGE, run)
}

fn run(asked: &Asked) -> Result<(), Box<dyn Error>> {
    let below = program::place(env!("CARGO_TARGET_TMPDIR"));
    let ground = Ground::below(&below)?;
    let (sizes, counts) = (asked.sizes(), asked.counts());
    let needed = growth::room(sizes.last().copied().unwrap_or(0))
        .max(growth::room_of_segments(counts.last().copied().unwrap_or(0)));
    let told = |bytes: u64| format!("{} MiB", bytes >> 20);
    let there = ground.room()?;
    eprintln!("{}: {} are free, {} are needed", below.display(), told(there), told(needed));
    if there < needed {
        return Err("there is no room for that: ask for less with --max and --segments, or name \
                    another disk in SEAWALL_BENCH_DIR"
            .into());
    }
    println!("{}", heading("by bytes, in segments of 64 MiB"));
    let by_bytes = growth::by_bytes(&ground, &sizes, asked.rounds, print)?;
    println!("\n{}", heading("by segments, of 16 KiB"));
    let by_segments = growth::by_segments(&ground, &counts, asked.rounds, print)?;
    let slope = growth::open_per_segment(&by_segments);
    if let Some(seconds) = slope {
        println!("\neach segment adds {} to an open", figure(Unit::Seconds, seconds));
    }
    if let Some(path) = &asked.json {
        let document = json!({
            "rounds": asked.rounds.count,
            "open_files_max": asked.rounds.open_files_max,
            "by_bytes": by_bytes.iter().map(object).collect::<Vec<_>>(),
            "by_segments": by_segments.iter().map(object).collect::<Vec<_>>(),
            "open_seconds_per_segment": slope,
        });
        std::fs::write(path, format!("{document:#}\n"))?;
    }
    if let Some(path) = &asked.svg {
        chart::draw(path, &by_bytes, &by_segments)?;
    }
    Ok(())
}

fn heading(about: &str) -> String {
    format!("{about:<34} {:>8} {:>26} {:>26} {:>26}", "segments", "append", "read", "open")
}

fn print(step: &Step) {
    let told = |cost: Estimate| {
        let [low, high] = [cost.low, cost.high].map(|end| figure(Unit::Seconds, end));
        // The unit stands once where both ends have the same.
        let low = match (low.split_once(' '), high.split_once(' ')) {
            (Some((number, unit)), Some((_, same))) if unit == same => number.to_owned(),
            _ => low,
        };
        format!("{:>8} ({low}..{high})", figure(Unit::Seconds, cost.median))
    };
    // Up to 4 TiB, which is more than anybody waits for.
    let kib = f64::from(u32::try_from(step.bytes >> 10).unwrap_or(u32::MAX));
    let name = figure(Unit::Bytes, kib * 1024.0);
    println!(
        "  {name:<32} {:>8} {:>26} {:>26} {:>26}",
        step.segments,
        told(step.append),
        told(step.read),
        told(step.open),
    );
}

fn object(step: &Step) -> Value {
    let cost = |cost: Estimate| json!({"median": cost.median, "low": cost.low, "high": cost.high});
    json!({
        "bytes": step.bytes,
        "segments": step.segments,
        "append_seconds": cost(step.append),
        "read_seconds": cost(step.read),
        "open_seconds": cost(step.open),
    })
}
