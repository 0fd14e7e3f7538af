//! The workloads of the log beside the least code that makes the same promise, measured in turns.
//!
//! ```text
//!  reference   the least code: frames and checks like a log, and nothing else
//!  rows        the workloads: what both sides do, and what the figure shall be
//!  pairs       slices of ours and of the reference in turns
//!  ratio       from pairs to a median, its interval and a verdict
//!  measure     rows, one after the other, within a time or for a number of pairs
//!  table       outcomes for people, and as JSON
//!  growth      what work on a log costs as the log grows
//!  program     where data lies, and how a program ends
//!  ground      fresh directories         records   bytes to append
//!  slice       threads at work for a time         device    what the disk itself does
//! ```
//!
//! Nothing here decides how a figure comes to be good: the library is used by its public face.

pub mod device;
mod failure;
mod ground;
pub mod growth;
mod measure;
mod pairs;
pub mod program;
mod ratio;
mod records;
pub mod reference;
mod rows;
mod slice;
mod table;

pub use failure::{Failure, Result};
pub use ground::{Ground, Plot};
pub use measure::{Enough, Figures, Outcome, Plan, Watch, Worth, judge, measure};
pub use pairs::{Pair, alternate};
pub use ratio::{Estimate, Target, Verdict};
pub use records::Records;
pub use rows::{Group, Line, Row, Scale, Setting, Sides, Unit, held, room, rows};
pub use slice::{Latencies, Side, Slice};
pub use table::{LEGEND, document, figure, heading, lines, text};
