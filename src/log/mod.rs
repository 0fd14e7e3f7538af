//! One append-only sequence of frames, addressed by LSN: segments, group commit, recovery,
//! readers.
//!
//! From the inside out: `decide` (pure) judges what `survey` and `tail` found; `machine` (pure)
//! says what the disk is to do next, `perform` does it; `shared` lets threads take turns at
//! driving the two; `walk` reads frames back.

mod action;
mod address;
mod addressed;
mod attempts;
mod audience;
mod batches;
mod copy;
mod decide;
mod doors;
mod encoded;
mod files;
mod fill;
mod follow;
mod give_back;
mod guess;
mod handle;
mod header_blocks;
mod holds;
mod idle;
mod lineage;
mod lock;
mod machine;
mod many;
mod near;
mod observing;
mod options;
mod perform;
mod picked;
mod piece;
mod placed;
mod record;
mod recover;
mod remains;
mod repair;
mod report;
mod retention;
mod rounds;
mod scan;
mod seat;
mod seen;
mod shared;
mod short_end;
mod source;
mod sparing;
pub mod stepped;
mod submit;
mod survey;
mod tagged;
mod tail;
mod tender;
mod ticket;
mod tickets;
mod verify;
mod view;
mod wakers;
mod walk;
mod watch;
mod window;

pub use copy::Copied;
pub use decide::{Decision, Row, decide};
pub use follow::{Canceller, Followed, Follower};
pub use handle::{Log, Stats};
pub use holds::Holder;
pub use machine::Watermarks;
pub use options::{Durability, Options};
pub use placed::Placed;
pub use record::{Receipt, Record, RecordRef};
pub use repair::{RepairPlan, RepairStep, Repaired, Rewrite, StandIn};
pub use report::{Cut, RecoveryReport};
pub use retention::{Hold, TrimPreview, Trimmed};
pub use source::LogScan;
pub use submit::{Batch, Failures, Refused, Room};
pub use survey::{Finding, Segment, SegmentEnd};
pub use ticket::Ticket;
pub use verify::{Progress, Verdict, Verification};
pub use view::{LogView, ViewScan};
