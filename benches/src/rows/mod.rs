//! The workloads: what both sides do, and what the figure shall be.

mod appending;
mod durable;
mod holding;
mod opening;
mod reading;
mod rotating;

pub use holding::held;

use crate::failure::Result;
use crate::ground::{Ground, Held};
use crate::ratio::Target;
use crate::records::Records;
use crate::slice::{Gang, Side, Slice, timed};
use seawall::{Log, Options};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What a workload is given.
#[derive(Debug)]
pub struct Setting {
    /// Where its data lies.
    pub ground: Arc<Ground>,
    /// How much of it there is.
    pub scale: Scale,
    /// A process that calls [`held`] with this directory and count, and prints what it says.
    pub child: fn(&Path, u64) -> Command,
}

/// How much data the workloads use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Length of the segment that a burst goes into.
    pub burst_len: u64,
    /// Length of the segments of durable workloads.
    pub durable_len: u64,
    /// Bytes at most of one slice that is sustained.
    pub sustained_max: u64,
    /// Bytes that are scanned, and read from.
    pub read_len: u64,
    /// Segments of 64 MiB in the log that is opened.
    pub open_segments: u64,
    /// Records in the log whose memory is looked at.
    pub held: u64,
}

impl Scale {
    /// As the acceptance of the speed asks for. Needs about 8 GiB of room.
    #[must_use]
    pub const fn full() -> Self {
        Self {
            burst_len: 256 << 20,
            durable_len: 64 << 20,
            sustained_max: 4 << 30,
            read_len: 128 << 20,
            open_segments: 16,
            held: 10_000_000,
        }
    }

    /// For a look at somebody's disk. Needs about 1 GiB of room.
    #[must_use]
    pub const fn small() -> Self {
        Self {
            burst_len: 64 << 20,
            durable_len: 16 << 20,
            sustained_max: 256 << 20,
            read_len: 16 << 20,
            open_segments: 1,
            held: 500_000,
        }
    }

    /// Bytes that all of it needs at most at one time.
    #[must_use]
    pub const fn room(&self) -> u64 {
        // The log that is opened stands there twice.
        let opened = 2 * self.open_segments * (64 << 20);
        let sustained = 2 * self.sustained_max;
        let held = self.held * 160;
        let most = if opened > sustained { opened } else { sustained };
        (if held > most { held } else { most }) + (512 << 20)
    }
}

/// Workloads that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// A heading.
    pub title: &'static str,
    /// What the two columns did.
    pub about: &'static str,
}

/// A workload, ready to be measured.
pub struct Row {
    /// Where it belongs.
    pub group: &'static Group,
    /// The figures it gives.
    pub lines: Vec<Line>,
    pub(crate) work: Work,
    /// How many times longer than its slices it takes to measure, roughly.
    pub(crate) drag: f64,
}

/// Sets a workload up.
type Prepare = Box<dyn Fn(&Setting) -> Result<Sides>>;

pub(crate) enum Work {
    /// Two sides in turns.
    Turns(Prepare),
    /// What a process of its own holds in memory.
    Held,
}

/// Both sides of a workload.
pub struct Sides {
    /// The log.
    pub ours: Side,
    /// The least code.
    pub reference: Side,
}

/// One figure of a workload.
#[derive(Clone, Debug)]
pub struct Line {
    /// What is measured.
    pub name: String,
    /// In what its figures are told.
    pub unit: Unit,
    pub(crate) figure: Figure,
    /// What it shall be.
    pub target: Target,
}

/// In what a figure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Records, reads or opens in a second.
    PerSecond,
    /// Bytes in a second; an operation is this many.
    BytesPerSecond(u64),
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Bytes for each record.
    BytesEach,
}

/// What of two slices is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Figure {
    /// Operations in a second; more is better.
    Rate,
    /// The time of one operation; less is better.
    Time,
    /// The time below which this part of the operations stayed; less is better.
    Quantile(f64),
    /// The same of all slices together, against the middle of all slices of the reference.
    Tail(f64),
    /// The time of one operation, with no regard to the reference.
    Alone,
    /// The most that the log ever had in memory.
    PeakBytes,
    /// What each record adds to it.
    EachBytes,
}

/// All workloads, in the order of the table.
#[must_use]
pub fn rows(scale: &Scale) -> Vec<Row> {
    let mut rows = appending::buffered();
    rows.extend(appending::handed_over());
    rows.extend(appending::batches());
    rows.extend(durable::rows());
    rows.extend(reading::rows());
    rows.extend(opening::rows(scale));
    rows.extend(rotating::rows());
    rows.extend(holding::rows());
    rows
}

impl Row {
    /// Whether one of these words stands in the name of a figure. Without words: yes.
    #[must_use]
    pub fn is_wanted(&self, words: &[String]) -> bool {
        let has = |text: &str| {
            let text = text.to_lowercase();
            words.iter().any(|word| text.contains(&word.to_lowercase()))
        };
        words.is_empty() || self.lines.iter().any(|line| has(&line.name))
    }

    /// Whether it has two sides that work for a time.
    #[must_use]
    pub const fn is_timed(&self) -> bool {
        matches!(self.work, Work::Turns(_))
    }

    /// Both sides, set up; nothing for a row that has none.
    ///
    /// # Errors
    /// What setting up says.
    pub fn sides(&self, setting: &Setting) -> Result<Option<Sides>> {
        match &self.work {
            Work::Turns(prepare) => prepare(setting).map(Some),
            Work::Held => Ok(None),
        }
    }

    fn turns(
        group: &'static Group,
        line: Line,
        prepare: impl Fn(&Setting) -> Result<Sides> + 'static,
    ) -> Self {
        Self { group, lines: vec![line], work: Work::Turns(Box::new(prepare)), drag: 1.1 }
    }

    fn and(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    fn dragging(mut self, drag: f64) -> Self {
        self.drag = drag;
        self
    }
}

impl Line {
    fn rate(name: impl Into<String>, target: f64) -> Self {
        let target = Target::AtLeast(target);
        Self { name: name.into(), unit: Unit::PerSecond, figure: Figure::Rate, target }
    }

    fn seconds(name: impl Into<String>, figure: Figure, most: f64) -> Self {
        Self { name: name.into(), unit: Unit::Seconds, figure, target: Target::AtMost(most) }
    }
}

fn threads(count: usize) -> String {
    if count == 1 { "1 thread".to_owned() } else { format!("{count} threads") }
}

/// What a frame takes of a segment, at most, for a record of this length.
const fn framed(len: usize) -> u64 {
    len as u64 + 48
}

/// A log whose first segment is ready.
fn ready(ground: &Ground, options: &Options) -> Result<Held<Log>> {
    Held::new(ground.plot()?, |dir| {
        let log = Log::open(dir, options.clone())?;
        log.append(b"the first append prepares the segment")?;
        Ok(log)
    })
}

/// Bursts of a workload.
#[derive(Clone, Copy, Debug)]
struct Bursts {
    gang: Gang,
    /// Calls that one burst may make.
    calls: u64,
    /// Whether a slice goes on where the last one ended. Otherwise each begins afresh.
    goes_on: bool,
}

impl Bursts {
    /// Appends to what `fresh` makes, until the time is over; each time its room is used up, it is
    /// made anew, outside the time. `end` is what the slice must wait for.
    fn side<L: Sync + 'static>(
        self,
        mut fresh: impl FnMut() -> Result<Held<L>> + 'static,
        append: impl Fn(&L, &mut Records) -> Result<()> + Sync + 'static,
        end: impl Fn(&L) -> Result<()> + 'static,
    ) -> Side {
        let mut standing: Option<(Held<L>, u64)> = None;
        Box::new(move |time| {
            let mut slice = Slice::default();
            // What is left of a slice at the end of a burst may be too little to be worth another.
            while slice.took < time - time / 20 {
                let (held, left) = match standing.take() {
                    Some((held, left)) if left > 0 => (held, left),
                    used_up => {
                        drop(used_up);
                        (fresh()?, self.calls)
                    }
                };
                let Some(log) = held.log() else { break };
                let mut part =
                    self.gang.work(time - slice.took, left, |records| append(log, records))?;
                let (ended, took) = timed(|| end(log));
                ended?;
                part.took += took;
                let done = part.operations / self.gang.batch as u64;
                slice.add(part);
                if self.goes_on {
                    standing = Some((held, left.saturating_sub(done)));
                }
            }
            Ok(slice)
        })
    }
}
