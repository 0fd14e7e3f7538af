//! What stands behind the last segment that has a header: a file that waits to be begun, one that was and
//! lost its header, something else, or nothing where something must have been.

use super::super::decide::{Decision, Row};
use super::super::header_blocks::HeaderState;
use super::super::remains::{self, Before};
use super::{Finding, Survey, Surveyed};
use crate::error::{Damage, Error};
use crate::format::header::{SegmentHeader, VERSION};
use crate::format::name::FileName;
use crate::position::{Lsn, Salt, SegmentId};
use std::collections::BTreeMap;

/// A file without a header in which nothing says that it was begun, and the segment that it waits for
/// the end of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    number: SegmentId,
    file_len: u64,
    last: Option<Salt>,
}

impl Survey {
    /// What the file with the next number is, if it has no header: one that waits, one that was begun,
    /// or neither.
    pub(super) fn look_behind(
        &mut self,
        files: &mut BTreeMap<SegmentId, Surveyed>,
        last: Option<(SegmentId, SegmentHeader)>,
        cut: Option<Lsn>,
    ) {
        let next = last.map_or(SegmentId::FIRST, |(id, _)| id.next());
        let known = self.waiting.take();
        let Some(Surveyed { file, headers, .. }) = files.get_mut(&next) else { return };
        let last_salt = last.map(|(_, header)| header.salt);
        let waiting = Waiting { number: next, file_len: headers.file_len, last: last_salt };
        let tail = self.tail.as_ref();
        // The record is written over before a run writes anything else; but in a segment of an older
        // version, which stays as it is.
        let ends = tail.is_some_and(|tail| tail.clean)
            && last.is_some_and(|(_, header)| header.version == VERSION);
        let before = match tail {
            Some(tail) if tail.trim > Lsn::FIRST => Before::Ends { end: tail.end, cut },
            _ => Before::Untrimmed,
        };
        match headers.state {
            HeaderState::Lost(_) if ends && !planted!("close-record-ends-nothing") => {
                headers.state = HeaderState::NeverBegun;
            }
            HeaderState::Unborn(error) if !ends && !planted!("header-loss-taken-for-unborn") => {
                let sealed = tail.is_some_and(|tail| tail.sealed.is_some());
                let Some(file) = file.as_ref().filter(|_| !sealed) else { return };
                let proven = if known == Some(waiting) {
                    Ok(false)
                } else {
                    remains::prove(&**file, headers.file_len, before)
                };
                match proven {
                    Ok(false) => self.waiting = Some(waiting),
                    Ok(true) => headers.state = HeaderState::Lost(error),
                    Err(error) => headers.state = HeaderState::Unreadable(error),
                }
            }
            _ => {}
        }
    }

    /// A seal says that the last segment has a successor. What is there in its place is told elsewhere.
    pub(super) fn judge_successor(
        &mut self,
        next: SegmentId,
        files: &BTreeMap<SegmentId, Surveyed>,
    ) {
        let Some(seal) = self.tail.as_ref().and_then(|tail| tail.sealed) else { return };
        if !files.contains_key(&next) {
            self.miss(next, seal.lsn, seal.lsn);
        }
    }

    /// The segment behind the last one was begun, and is not there.
    pub(super) fn miss(&mut self, segment: SegmentId, from: Lsn, to: Lsn) {
        let name = FileName::Segment(segment).text();
        let is_told = |found: &Finding| found.name == name && found.decision == Decision::Damage;
        if !self.findings.iter().any(is_told) {
            self.find(segment, 0, Row::Missing, true);
            let cause = Damage::Missing;
            self.fail(Error::Damaged { segment, offset: 0, from, to, cause });
        }
    }
}
