//! The workloads: what both sides do, and what the figure shall be.

mod appending;
mod beginning;
mod durable;
mod holding;
mod opening;
mod reading;
mod rotating;
mod waiting;

pub use holding::held;

use crate::failure::Result;
use crate::ground::{Ground, Held};
use crate::ratio::Target;
use crate::records::Records;
use crate::reference::PREPARED;
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
    /// As the acceptance of the speed asks for. All rows need about 5 GiB of room.
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

    /// For a look at some disk. All rows need about half a GiB of room, most of them far less.
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
    /// Bytes that its files take at most at one time.
    pub(crate) room: fn(&Scale) -> u64,
}

/// What a measurement needs besides its rows: the file in which the disk itself is looked at, and
/// what a file system keeps of its own about all this.
const ROOM_APART: u64 = 16 << 20;

/// Bytes that the files of these rows take at most at one time: one row is measured after the other.
#[must_use]
pub fn room(rows: &[&Row], scale: &Scale) -> u64 {
    ROOM_APART + rows.iter().map(|row| (row.room)(scale)).max().unwrap_or(0)
}

/// What a log takes that holds so many bytes of records in segments of the usual length: frames have
/// headers, and one segment more is prepared.
const fn in_segments(record_bytes: u64) -> u64 {
    let frames = record_bytes + record_bytes / 4;
    (frames / PREPARED + 2) * PREPARED
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
    rows.extend(beginning::rows());
    rows.extend(waiting::rows());
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
        room: fn(&Scale) -> u64,
        prepare: impl Fn(&Setting) -> Result<Sides> + 'static,
    ) -> Self {
        Self { group, lines: vec![line], work: Work::Turns(Box::new(prepare)), drag: 1.1, room }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn room_of(word: &str) -> u64 {
        let scale = Scale::small();
        let rows = rows(&scale);
        let rows: Vec<&Row> = rows.iter().filter(|row| row.is_wanted(&[word.to_owned()])).collect();
        assert!(!rows.is_empty(), "{word}");
        room(&rows, &scale)
    }

    #[test]
    fn a_row_asks_for_the_room_that_it_needs_itself() {
        for (word, most) in
            [("durable", 64 << 20), ("rotating", 64 << 20), ("os,", 160 << 20), ("scan", 256 << 20)]
        {
            let room = room_of(word);
            assert!(room <= most, "{word}: {room}");
        }
        let scale = Scale::small();
        let all = rows(&scale);
        let all: Vec<&Row> = all.iter().collect();
        let most = all.iter().map(|row| (row.room)(&scale)).max().unwrap_or(0);
        assert_eq!(room(&all, &scale), ROOM_APART + most, "all of them: as the largest");
        assert!(all.iter().all(|row| (row.room)(&scale) > 0));
    }
}
