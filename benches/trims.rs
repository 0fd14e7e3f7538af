//! What a trim of a long log costs beside a bare loop that removes as many files, and what appends
//! feel of it meanwhile.
//!
//! ```text
//! cargo bench --bench trims                        48,000 files of 16 KiB
//! cargo bench --bench trims -- --files 2000 --rounds 1
//! ```
//!
//! Data lies under the target folder, or in `SEAWALL_BENCH_DIR`, and is gone afterwards.

use seawall::{Durability, Log, Options};
use seawall_bench::{Ground, program};
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const USAGE: &str = "\
cargo bench --bench trims -- [OPTIONS]

  --files N    files that one trim removes (default 48000)
  --rounds N   trims, each beside a loop over as many files (default 3)";

/// The shortest segments that there are.
const SEGMENT: usize = 16 << 10;
/// Room on the disk that a file takes with its entry and its node.
const EACH: u64 = SEGMENT as u64 + 4096;
/// An append while the log is trimmed: its bytes, and the time between two.
const RECORD: [u8; 100] = [7; 100];
const PACE: Duration = Duration::from_millis(1);
/// How long appends go on before the trim, for a figure to compare with.
const IDLE: Duration = Duration::from_secs(2);

/// What was asked for on the command line.
struct Asked {
    files: usize,
    rounds: usize,
}

fn asked(mut args: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked { files: 48_000, rounds: 3 };
    while let Some(arg) = args.next() {
        let mut number = || {
            let text = args.next().ok_or(format!("{arg} wants a value"))?;
            let number = text.parse().ok().filter(|&number: &usize| number > 0);
            number.ok_or(format!("{text} is no number above 0"))
        };
        match arg.as_str() {
            "--files" => asked.files = number()?,
            "--rounds" => asked.rounds = number()?,
            // What cargo tells every bench.
            "--bench" => {}
            other => return Err(format!("{other} is not known")),
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    program::run(asked(std::env::args().skip(1)), USAGE, run)
}

fn run(asked: &Asked) -> Result<(), Box<dyn Error>> {
    let below = program::place(env!("CARGO_TARGET_TMPDIR"));
    let ground = Ground::below(&below)?;
    let needed = 2 * EACH * u64::try_from(asked.files)?;
    if ground.room()? < needed {
        let mib = needed >> 20;
        return Err(format!("{mib} MiB are needed: ask for less with --files").into());
    }
    println!(
        "{:>8} {:>10} {:>10} {:>6} {:>24}",
        "files", "trim", "bare loop", "ratio", "worst append"
    );
    println!("{:>36} {:>11} {:>12}", "", "while idle", "while trimmed");
    for _ in 0..asked.rounds {
        let (trim, idle, trimmed) = log(ground.plot()?.path(), asked.files)?;
        let bare = bare(ground.plot()?.path(), asked.files)?;
        println!(
            "{:>8} {:>8.3} s {:>8.3} s {:>6.2} {:>8.2} ms {:>9.2} ms",
            asked.files,
            trim.as_secs_f64(),
            bare.as_secs_f64(),
            trim.as_secs_f64() / bare.as_secs_f64(),
            idle.as_secs_f64() * 1e3,
            trimmed.as_secs_f64() * 1e3,
        );
    }
    Ok(())
}

/// A log of so many segments and one more.
fn filled(dir: &Path, files: usize) -> Result<Log, Box<dyn Error>> {
    let options = Options::new()
        .durability(Durability::Buffered)
        .segment_len(SEGMENT as u64)
        .first_segment_len(SEGMENT as u64);
    let log = Log::open(dir, options.idle_mark(None))?;
    let record = vec![1; SEGMENT / 2];
    // The one that is left is not removed, and a spare may take the place of one that is.
    while log.stats().segments <= files {
        log.append(&record)?;
    }
    log.sync()?;
    Ok(log)
}

/// Fills a log and trims all of it but the last segment. The time of the trim, and the slowest of
/// the appends that another thread makes before the trim, and while it runs.
fn log(dir: &Path, files: usize) -> Result<(Duration, Duration, Duration), Box<dyn Error>> {
    let log = filled(dir, files)?;
    let ((), idle) = beside(&log, || {
        std::thread::sleep(IDLE);
        Ok(())
    })?;
    let end = log.segments().last().ok_or("an empty log")?.base();
    let (took, trimmed) = beside(&log, || {
        let begun = Instant::now();
        log.trim(end)?;
        Ok(begun.elapsed())
    })?;
    log.close()?;
    Ok((took, idle, trimmed))
}

/// Does this while another thread appends; the slowest append as well.
fn beside<T>(
    log: &Log,
    work: impl FnOnce() -> Result<T, Box<dyn Error>>,
) -> Result<(T, Duration), Box<dyn Error>> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let appender = scope.spawn(|| {
            let mut worst = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                log.append(&RECORD)?;
                worst = worst.max(begun.elapsed());
                std::thread::sleep(PACE);
            }
            Ok::<_, seawall::Error>(worst)
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        let worst = appender.join().map_err(|_| "the appender panicked")??;
        Ok((done?, worst))
    })
}

/// Removes as many files of another log, each made in the same way, since what a file costs to remove
/// depends on how it was written. The time of the removal and of the directory's sync.
fn bare(dir: &Path, files: usize) -> Result<Duration, Box<dyn Error>> {
    let log = filled(dir, files)?;
    let name = |number: u64| dir.join(format!("{number:020}.seg"));
    let mut names: Vec<_> = log.segments().iter().map(|one| name(one.number().get())).collect();
    names.truncate(files);
    log.close()?;
    let directory = File::open(dir)?;
    let begun = Instant::now();
    for name in &names {
        fs::remove_file(name)?;
    }
    directory.sync_all()?;
    Ok(begun.elapsed())
}
