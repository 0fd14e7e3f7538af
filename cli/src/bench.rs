//! `seawall bench`: how fast the log is on somebody's own disk, and how fast it could be there.

use crate::exit::{self, Failure, Status};
use crate::progress;
use crate::render;
use crate::stop;
use indicatif::ProgressBar;
use seawall_bench::device::{self, Device};
use seawall_bench::{
    Enough, Ground, LEGEND, Outcome, Plan, Row, Scale, Setting, Unit, Watch, figure,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Measure the log on the disk of a directory, beside the least code that makes the same promise.
///
/// Works in a directory of its own inside DIR, which is removed in the end. Both sides run in
/// turns in one process; what counts is their ratio. Takes less than a minute.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::bench_help(
    "  seawall bench /var/lib/mine\n  \
       seawall bench . --only durable --seconds 20\n  \
       seawall bench . --json > figures.json",
))]
pub(crate) struct Bench {
    /// A directory on the disk to measure. It is made if it is not there, and removed again.
    dir: PathBuf,
    /// Only rows with this word in their name; may be given several times.
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// How long to measure, in seconds. Short runs say less.
    #[arg(long, value_name = "N", default_value = "45")]
    seconds: NonZeroU32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Appends and scans this many records in DIR and says what that took of memory.
    #[arg(long, hide = true, value_name = "COUNT")]
    held: Option<u64>,
}

/// A directory that was made for this, and goes again.
struct Made(Option<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        if let Some(dir) = &self.0 {
            // Somebody else put something there meanwhile: then it stays.
            let _not_empty = std::fs::remove_dir(dir);
        }
    }
}

/// Shows how far it has come, and looks for Ctrl-C.
struct Watched {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
}

const BAR: u32 = 1000;

impl Watch for Watched {
    fn at(&self, done: f64, name: &str) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length")]
        self.bar.set_position((done.clamp(0.0, 1.0) * f64::from(BAR)) as u64);
        self.bar.set_message(name.to_owned());
    }

    fn done(&self, _: &[Outcome]) {}

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What was found.
struct Found {
    device: Device,
    outcomes: Vec<Outcome>,
    /// Names of rows that the time did not suffice for.
    left_out: Vec<String>,
}

impl Bench {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        if let Some(count) = self.held {
            let said = seawall_bench::held(&self.dir, count).map_err(told)?;
            return render::text(&format!("{said}\n")).map(|()| Status::Clean);
        }
        let stop = stop::flag()?;
        let scale = Scale::small();
        let rows = seawall_bench::rows(&scale);
        let rows: Vec<&Row> = rows.iter().filter(|row| row.is_wanted(&self.only)).collect();
        if rows.is_empty() {
            return Err(Failure::Input {
                what: format!("no row has {} in its name", self.only.join(" or ")),
                hint: "try durable, buffered, os, batch, scan, read, open, rotating, memory, or no --only",
            });
        }
        let _made = Made(made(&self.dir)?);
        let ground = Arc::new(Ground::below(&self.dir).map_err(|e| refused(&self.dir, &e))?);
        let there = ground.room().map_err(|e| refused(&self.dir, &e))?;
        enough_room(&self.dir, there, seawall_bench::room(&rows, &scale))?;
        let bar = progress::counter(Some(BAR.into()));
        let watched = Watched { bar, stop };
        let measured = self.measure(&rows, &ground, &watched);
        drop(watched);
        let found = match measured {
            Err(seawall_bench::Failure::Stopped) => return Ok(Status::Interrupted),
            measured => measured.map_err(told)?,
        };
        let shown = if self.json {
            render::document(&found.document(self))
        } else {
            render::text(&found.text(&self.dir, ground.is_memory()))
        };
        match shown {
            Ok(()) | Err(Failure::Unread) => Ok(Status::Clean),
            Err(failure) => Err(failure),
        }
    }

    fn measure(
        &self,
        rows: &[&Row],
        ground: &Arc<Ground>,
        watched: &Watched,
    ) -> seawall_bench::Result<Found> {
        let time = Duration::from_secs(self.seconds.get().into());
        watched.at(0.0, "the disk itself");
        let device = device::look(ground, time / 40)?;
        let plan = Plan {
            slice: (time / 1000).max(Duration::from_millis(10)),
            enough: Enough::Within(time - time / 20),
        };
        let setting = Setting { ground: Arc::clone(ground), scale: Scale::small(), child };
        let outcomes = seawall_bench::measure(rows, &plan, &setting, watched)?;
        let names = rows.iter().flat_map(|row| &row.lines).map(|line| line.name.clone());
        let measured = |name: &String| outcomes.iter().any(|outcome| outcome.name == *name);
        let left_out = names.filter(|name| !measured(name)).collect();
        Ok(Found { device, outcomes, left_out })
    }
}

/// Makes the directory if it is not there; its name if so.
fn made(dir: &Path) -> Result<Option<PathBuf>, Failure> {
    match std::fs::create_dir(dir) {
        Ok(()) => Ok(Some(dir.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(refused(dir, &error)),
    }
}

fn refused(dir: &Path, error: &io::Error) -> Failure {
    Failure::Input {
        what: format!("cannot measure in {}: {error}", dir.display()),
        hint: "name a directory on the disk to measure that you may write to",
    }
}

fn enough_room(dir: &Path, there: u64, needed: u64) -> Result<(), Failure> {
    if there >= needed {
        return Ok(());
    }
    Err(Failure::Input {
        what: format!(
            "{} has room for {} MiB, and measuring takes up to {} MiB",
            dir.display(),
            there >> 20,
            needed >> 20
        ),
        hint: "make room, name a directory on another disk, or ask for rows that need less: --only durable; \
               nothing was written",
    })
}

fn told(failure: seawall_bench::Failure) -> Failure {
    match failure {
        seawall_bench::Failure::Log(error) => Failure::Log(error),
        seawall_bench::Failure::Io(source) => Failure::Io { action: "measure", source },
        other => Failure::Io { action: "measure", source: io::Error::other(other) },
    }
}

/// This program, as the process whose memory is looked at.
fn child(dir: &Path, count: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_default());
    command.arg("bench").arg(dir).arg("--held").arg(count.to_string());
    command
}

const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)];

impl Found {
    fn text(&self, dir: &Path, is_memory: bool) -> String {
        let mut text = format!("Seawall on the disk of {}\n", dir.display());
        if is_memory {
            text.push_str("This is memory and not a disk: a sync costs nothing here.\n");
        }
        text.push_str(&self.device_text());
        text.push_str(&self.latency_text());
        text.push_str(LEGEND);
        text.push_str(&seawall_bench::text(&self.outcomes));
        if !self.left_out.is_empty() {
            // Writing into a string does not fail.
            let _whole = writeln!(
                text,
                "\nNot measured, for want of time (--seconds gives more): {}",
                self.left_out.join("; ")
            );
        }
        text
    }

    fn device_text(&self) -> String {
        let mut text =
            format!("\n{:<38} {:>10} {:>10} {:>10}\n", "The disk itself", "p50", "p99", "p999");
        for (name, noted) in self.device_rows() {
            let [p50, p99, p999] =
                QUANTILES.map(|(_, part)| figure(Unit::Seconds, device::quantile(noted, part)));
            let _whole = writeln!(text, "  {name:<36} {p50:>10} {p99:>10} {p999:>10}");
        }
        text
    }

    fn device_rows(&self) -> [(&'static str, &seawall_bench::Latencies); 3] {
        [
            ("one flush: a sync of nothing", &self.device.flush),
            ("4 KiB written, then synced", &self.device.write_and_sync),
            ("4 KiB written through", &self.device.write_through),
        ]
    }

    /// How long one durable append takes.
    fn latency_text(&self) -> String {
        let mut text = String::new();
        for outcome in &self.outcomes {
            let Some((ours, reference)) = &outcome.pooled else { continue };
            if outcome.unit != Unit::PerSecond {
                continue;
            }
            if text.is_empty() {
                let _whole = writeln!(
                    text,
                    "\n{:<38} {:>10} {:>10} {:>10}   (reference)",
                    "One durable append takes", "p50", "p99", "p999"
                );
            }
            let [ours, reference] = [ours, reference].map(|slice| {
                QUANTILES.map(|(_, part)| figure(Unit::Seconds, slice.quantile(part)))
            });
            let _whole = writeln!(
                text,
                "  {:<36} {:>10} {:>10} {:>10}   ({})",
                outcome.name.trim_start_matches("durable, "),
                ours[0],
                ours[1],
                ours[2],
                reference.join(", ")
            );
        }
        text
    }

    fn document(&self, asked: &Bench) -> Value {
        let device = self.device_rows().map(|(name, noted)| {
            let mut row = json!({ "name": name });
            if let Some(object) = row.as_object_mut() {
                for (field, part) in QUANTILES {
                    object.insert(format!("{field}_seconds"), device::quantile(noted, part).into());
                }
            }
            row
        });
        json!({
            "directory": asked.dir,
            "seconds": asked.seconds,
            "disk": device,
            "rows": seawall_bench::document(&self.outcomes),
            "not_measured": self.left_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_without_room_is_refused_with_both_figures() {
        assert!(enough_room(Path::new("d"), 10 << 20, 10 << 20).is_ok());
        let refused = enough_room(Path::new("d"), 9 << 20, 10 << 20).unwrap_err().to_string();
        assert!(refused.contains("9 MiB") && refused.contains("10 MiB"), "{refused}");
    }
}
