//! Each workload beside the least code that makes the same promise, in turns: one line each.
//!
//! ```text
//! cargo bench --bench ratios                          a short run of all
//! cargo bench --bench ratios -- durable scan          rows with one of these words
//! cargo bench --bench ratios -- --pairs 40 --slice-ms 500 --json ratios.json
//! ```
//!
//! A ratio is the median of the pairs' ratios, ours to the reference: of what is done in a second,
//! so that 1.00 is as fast and 2.00 twice as fast; only where a time is told is less better. Pairs
//! in which the reference took three times its best are left out: the machine did something else
//! then. Data lies under the target folder, or in `SEAWALL_BENCH_DIR`.

use seawall_bench::{Enough, Ground, Outcome, Plan, Row, Scale, Setting, Watch, program};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

const USAGE: &str = "\
cargo bench --bench ratios -- [WORD...] [OPTIONS]

  WORD             only rows with one of these words in their name
  --pairs N        pairs of slices for each row (default 7; 40 are asked for to judge)
  --slice-ms N     time of a slice in milliseconds (default 100; 500 are asked for to judge)
  --large          with a log of 16 GiB to open
  --small          with less data, as `seawall bench` has it
  --list           what rows there are
  --json FILE      what was found, for programs";

/// What was asked for on the command line.
struct Asked {
    words: Vec<String>,
    plan: Plan,
    scale: Scale,
    list: bool,
    json: Option<PathBuf>,
}

impl Asked {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut pairs, mut slice) = (7, 100);
        let (mut words, mut scale) = (Vec::new(), Scale::full());
        let (mut list, mut json, mut large) = (false, None, false);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} wants a value"));
            let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
            match arg.as_str() {
                "--pairs" => pairs = number(value()?)?,
                "--slice-ms" => slice = number(value()?)?,
                "--json" => json = Some(PathBuf::from(value()?)),
                "--large" => large = true,
                "--small" => scale = Scale::small(),
                "--list" => list = true,
                // What cargo tells every bench.
                "--bench" => {}
                flag if flag.starts_with('-') => return Err(format!("{flag} is not known")),
                word => words.push(word.to_owned()),
            }
        }
        if large {
            scale.open_segments = 256;
        }
        let pairs = usize::try_from(pairs).map_err(|_| "too many pairs".to_owned())?;
        let plan = Plan { slice: Duration::from_millis(slice), enough: Enough::Pairs(pairs) };
        Ok(Self { words, plan, scale, list, json })
    }
}

/// Prints each row as it is done, and on a terminal what is under way.
struct Printed;

impl Watch for Printed {
    fn at(&self, done: f64, name: &str) {
        let mut err = std::io::stderr();
        if err.is_terminal() {
            // Whoever does not read it misses nothing.
            let _unseen = write!(err, "\r\x1b[K{:3.0} %  {name}", done * 100.0);
            let _unseen = err.flush();
        }
    }

    fn done(&self, outcomes: &[Outcome]) {
        let mut err = std::io::stderr();
        if err.is_terminal() {
            let _unseen = write!(err, "\r\x1b[K");
        }
        for line in seawall_bench::lines(outcomes) {
            println!("{line}");
        }
    }

    fn stopped(&self) -> bool {
        false
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|arg| arg == "--held").is_some() {
        return program::end(held(args));
    }
    program::run(Asked::read(args), USAGE, run)
}

/// The process whose memory is looked at.
fn held(mut args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let (dir, count) = args.next().zip(args.next()).ok_or("--held DIR COUNT")?;
    println!("{}", seawall_bench::held(Path::new(&dir), count.parse()?)?);
    Ok(())
}

fn child(dir: &Path, count: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_default());
    command.arg("--held").arg(dir).arg(count.to_string());
    command
}

fn run(asked: &Asked) -> Result<(), Box<dyn Error>> {
    let rows = seawall_bench::rows(&asked.scale);
    let rows: Vec<&Row> = rows.iter().filter(|row| row.is_wanted(&asked.words)).collect();
    if asked.list {
        rows.iter().flat_map(|row| &row.lines).for_each(|line| println!("{}", line.name));
        return Ok(());
    }
    let below = program::place(env!("CARGO_TARGET_TMPDIR"));
    let ground = Arc::new(Ground::below(&below)?);
    if ground.is_memory() {
        eprintln!(
            "{} is memory, not a disk: set SEAWALL_BENCH_DIR to a folder on the disk to measure",
            below.display()
        );
    }
    let Enough::Pairs(pairs) = asked.plan.enough else { return Ok(()) };
    eprintln!(
        "{} rows, {pairs} pairs of {} ms each: about {} min",
        rows.len(),
        asked.plan.slice.as_millis(),
        asked.plan.estimate(&rows).as_secs().div_ceil(60),
    );
    let setting = Setting { ground, scale: asked.scale, child };
    println!("{}", seawall_bench::heading());
    let outcomes = seawall_bench::measure(&rows, &asked.plan, &setting, &Printed)?;
    let short = outcomes.iter().filter(|outcome| outcome.is_short()).count();
    println!("{} figures, {short} short of their target", outcomes.len());
    if let Some(path) = &asked.json {
        let document = seawall_bench::document(&outcomes);
        std::fs::write(path, format!("{document:#}\n"))?;
    }
    Ok(())
}
