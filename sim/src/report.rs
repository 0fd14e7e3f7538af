//! What a campaign found, as one HTML page or as text for a terminal.
//!
//! Responsible for how figures and the timeline of a failure look. Knows no log, no disk and no
//! campaign: whoever ran one fills plain data. Everything in that data is text to be shown, never
//! markup, wherever it came from.

mod layout;
mod lists;
mod markup;
mod page;
mod plain;
mod style;
#[cfg(test)]
mod tests;
mod timeline;

pub use page::render;

use serde::Serialize;

/// A campaign in figures, and the failure it ended with if there was one.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What was run.
    pub title: String,
    /// The figures that matter, each as its label and its value.
    pub summary: Vec<(String, String)>,
    /// The figures that can be looked up.
    pub tables: Vec<Table>,
    /// The first promise that broke; or one run, whether or not one broke.
    pub failure: Option<FailureStory>,
}

impl Report {
    /// The same for a terminal: aligned lines and tables, without the timeline's drawing.
    #[must_use]
    pub fn text(&self) -> String {
        plain::text(self)
    }
}

/// Figures in rows and columns. A row may have fewer cells than the head, or more.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// What is counted.
    pub title: String,
    /// How to read it; may be empty.
    pub note: String,
    /// What each column has.
    pub head: Vec<String>,
    /// The cells. A column whose cells are all numbers is set flush right.
    pub rows: Vec<Vec<String>>,
}

/// A promise that broke, and all that is needed to see why; or the story of a run that kept all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FailureStory {
    /// The promise; empty where none broke.
    pub promise: String,
    /// How it was broken, or that it was kept; may have several lines.
    pub what: String,
    /// The command line that replays it.
    pub replay: String,
    /// The scenario as text: what to run, or the trace.
    pub scenario: String,
    /// What happened up to it.
    pub timeline: Timeline,
}

/// The lives of a log, one after the other.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timeline {
    /// The names of the clients.
    pub clients: Vec<String>,
    /// From the first opening to where the promise broke.
    pub lives: Vec<TimelineLife>,
}

/// What happened between an opening and the crash (or the end) behind it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TimelineLife {
    /// Which one it is, and what kind: the first, a recovery.
    pub title: String,
    /// What the clients asked of the log.
    pub ops: Vec<TimelineOp>,
    /// What the log asked of the disk, in order.
    pub calls: Vec<TimelineCall>,
    /// The names of the files. Calls on the directory have a file of their own, named
    /// `directory`.
    pub files: Vec<String>,
    /// How it ended; `None` if it was closed.
    pub end: Option<TimelineEnd>,
}

/// An operation of a client. Its bar covers the disk steps `first_step..end_step`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TimelineOp {
    /// An index into [`Timeline::clients`].
    pub client: usize,
    /// The number of the next disk call when it began.
    pub first_step: u64,
    /// The number of the next disk call when it was answered: the same as
    /// [`first_step`](Self::first_step) if the disk was not needed.
    pub end_step: u64,
    /// What was asked.
    pub what: String,
    /// What was answered; empty if the crash came first, which is drawn up to the crash.
    pub answer: String,
}

/// A call of the disk.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TimelineCall {
    /// Its number: calls are drawn in this order.
    pub step: u64,
    /// An index into [`TimelineLife::files`].
    pub file: usize,
    /// What it does to the file.
    pub kind: CallKind,
    /// Where, in bytes.
    pub offset: u64,
    /// How much, in bytes; the new length for [`CallKind::Length`].
    pub len: u64,
    /// The errno it failed with.
    pub failed: Option<i32>,
    /// The call in words.
    pub what: String,
}

/// What a call does to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum CallKind {
    /// It reads.
    Read,
    /// It writes.
    Write,
    /// It makes something durable.
    Sync,
    /// It changes a name: creates, renames, removes.
    Name,
    /// It changes a length: truncates, allocates.
    Length,
    /// Anything else: opens, lists, locks.
    #[default]
    Other,
}

/// A crash.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TimelineEnd {
    /// The call it came at: that one was in flight, or not made at all.
    pub step: u64,
    /// `power cut` or `kill`.
    pub kind: String,
    /// What decided about the pending units.
    pub policy: String,
    /// What was written and not synced.
    pub pending: Vec<PendingUnit>,
    /// The promise that turned out to be broken behind this crash.
    pub broke: Option<String>,
}

/// Something that a crash may take.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PendingUnit {
    /// An index into [`TimelineLife::files`].
    pub file: usize,
    /// Where, in bytes.
    pub offset: u64,
    /// How much, in bytes.
    pub len: u64,
    /// What it is: `sector`, `length`, a name.
    pub name: String,
    /// What became of it.
    pub survived: Survived,
}

/// What became of a pending unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Survived {
    /// It is there.
    #[default]
    Kept,
    /// It is gone.
    Lost,
    /// Some of it is there.
    Torn,
}

impl Survived {
    const fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Lost => "lost",
            Self::Torn => "torn",
        }
    }
}

impl CallKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Name => "name",
            Self::Length => "length",
            Self::Other => "other",
        }
    }
}
