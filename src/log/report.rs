//! What opening a log found and did, for people and tools.

use super::decide::{Decision, Row};
use super::survey::Finding;
use crate::format::content::Content;
use crate::position::{Lineage, LogId, Lsn, SegmentId};
use std::fmt;
use std::time::Duration;

/// What recovery found and did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The log.
    pub log: LogId,
    /// What its records mean.
    pub content: Content,
    /// The lineage of what this run appends.
    pub lineage: Lineage,
    /// Whether that is a new one, because the log is a copy or was put back from one: then a
    /// segment of its own begins with the first append, whose header makes it last.
    pub raised: bool,
    /// Whether the log was new.
    pub created: bool,
    /// Whether the last run closed it; then only its last frame was read.
    pub clean: bool,
    /// Segments that are part of the log.
    pub segments: u64,
    /// Closed segments, whose frames were not read: readers and `verify` check them.
    pub segments_not_read: u64,
    /// Frames found in the last segment; `None` after a clean close, where one is read.
    pub tail_frames: Option<u64>,
    /// Where the log ends.
    pub end: Lsn,
    /// Where the next record goes: behind a jump, unless the log was clean or is new.
    pub next: Lsn,
    /// The trim point.
    pub trim: Lsn,
    /// Bytes read from the last segment.
    pub bytes_scanned: u64,
    /// The tail that was dropped, if any.
    pub cut: Option<Cut>,
    /// The cut might be damage to a newest commit that nothing vouches for: no alarm, a note.
    pub tail_ambiguous: bool,
    /// Whether what was judged was seen to come from the device, not the page cache.
    pub verified_against_device: bool,
    /// Header copies that were written anew.
    pub rebuilt: Vec<SegmentId>,
    /// Files that were removed again: below the trim point, or behind a tail that an earlier recovery cut.
    pub removed: Vec<SegmentId>,
    /// Segments that are dropped with the tail, because they were begun before the one that is torn was
    /// synced. Their files go when the next segment begins.
    pub dropped: Vec<SegmentId>,
    /// Every row of the recovery table that was met.
    pub findings: Vec<Finding>,
    /// How long it took.
    pub took: Duration,
}

/// A tail nobody was told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// The segment.
    pub segment: SegmentId,
    /// From here on.
    pub from: Lsn,
    /// Bytes behind it that were not zero, in whole words, and those of frames in segments that are dropped
    /// with it.
    pub bytes: u64,
    /// Why.
    pub why: Row,
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (self.created, self.clean) {
            (true, _) => "created",
            (false, true) => "closed cleanly",
            (false, false) => "recovered",
        };
        write!(f, "log {} {how}: {} segments, ends at {}", self.log, self.segments, self.end)?;
        if let Some(frames) = self.tail_frames {
            write!(f, ", {frames} frames in the last")?;
        }
        if let Some(cut) = self.cut {
            write!(f, ", {} bytes cut from segment {} ({:?})", cut.bytes, cut.segment, cut.why)?;
        }
        if !self.dropped.is_empty() {
            write!(f, ", {} segments behind it dropped", self.dropped.len())?;
        }
        if self.raised {
            write!(f, ", lineage raised to {}", self.lineage)?;
        }
        if self.tail_ambiguous {
            f.write_str(", tail ambiguous")?;
        }
        if !self.verified_against_device {
            f.write_str(", not verified against the device")?;
        }
        let odd = self.findings.iter().filter(|f| f.decision != Decision::End).count();
        write!(f, ", {odd} findings, in {:?}", self.took)
    }
}
