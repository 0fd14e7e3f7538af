//! A write-ahead log that people can trust with the only copy of their data.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

#[macro_use]
#[cfg(not(seawall_planted))]
mod planted;
#[macro_use]
#[cfg(seawall_planted)]
pub mod planted;

pub mod error;
pub mod format;
pub mod log;
pub mod observer;
pub mod position;
pub mod storage;

pub use error::{Damage, Disturbance, Error, Result};
pub use format::content::{Content, ContentError};
pub use format::layout::{BATCH_LEN_MAX, RECORD_LEN_MAX};
pub use format::tag::Tag;
pub use log::{
    Batch, Canceller, Copied, Cut, Decision, Durability, Failures, Finding, Followed, Follower,
    Hold, Holder, Log, LogScan, LogView, Options, Placed, Progress, Receipt, Record, RecordRef,
    RecoveryReport, Refused, RepairPlan, RepairStep, Repaired, Rewrite, Room, Row, Segment,
    SegmentEnd, StandIn, Stats, Ticket, TrimPreview, Trimmed, Verdict, Verification, ViewScan,
    Watermarks, decide,
};
pub use observer::SegmentSpan;
pub use position::{Home, Lineage, LogId, Lsn, Salt, SegmentId};
pub use storage::{Environment, Threads};
