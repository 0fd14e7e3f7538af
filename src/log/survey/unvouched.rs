//! Where the log ends, if the newest headers do not vouch for the segments before them: those are walked,
//! too, from the first one of which nothing proves that what comes before it is durable.
//!
//! Knows nothing of files that have no header: what is found in their place is judged as ever.

use super::super::decide::{Decision, Row, decide};
use super::super::tail::{Closed, TailFacts};
use super::{SegmentEnd, Survey, Surveyed};
use crate::error::{Damage, Error};
use crate::format::header::SegmentHeader;
use crate::format::layout;
use crate::format::name::FileName;
use crate::position::{Home, Lsn, SegmentId};
use std::collections::BTreeMap;

/// What was walked, and what it proves.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// The header above the file that is looked at.
    above: Option<SegmentHeader>,
    /// How far anything that was walked proves the log to be durable.
    pub(super) proven: Lsn,
    /// The trim point.
    trim: Lsn,
    /// Everything before is proven.
    pub(super) settled: bool,
}

impl Walked {
    /// Whether a header above says that this file is no part of the log.
    pub(super) fn passes_over(&self, id: SegmentId) -> bool {
        let between = |above: SegmentHeader| above.prev_number() < id.get() && id < above.number;
        self.above.is_some_and(between)
    }

    /// Where the header above says that this segment ends.
    pub(super) fn end_of(&self, id: SegmentId) -> Option<Closed> {
        let above = self.above.filter(|above| above.prev_number() == id.get())?;
        let end = SegmentEnd { lsn: above.prev_end, check: above.prev_check };
        Some(Closed { end, trim: self.trim })
    }

    /// Goes on below a segment with this header, which was walked unless everything was settled.
    pub(super) fn below(&mut self, header: &SegmentHeader, tail: Option<&TailFacts>) {
        if let Some(tail) = tail {
            let beyond = tail.proven_beyond.unwrap_or(Lsn::FIRST);
            let beyond = if planted!("marks-behind-a-cut-ignored") { Lsn::FIRST } else { beyond };
            self.proven = self.proven.max(header.durable()).max(tail.proven).max(beyond);
            // The newest knows it; one that states more than those behind it contradicts them.
            if self.above.is_none() {
                self.trim = tail.trim;
            }
        }
        self.above = Some(*header);
        self.settled |= header.prev_end <= self.proven;
    }
}

/// A segment whose frames do not end as its successor says.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) id: SegmentId,
    pub(super) header: SegmentHeader,
    pub(super) tail: TailFacts,
    /// Where it should end.
    stated: SegmentEnd,
    /// Bytes of frames that the segments behind it hold.
    behind: u64,
}

impl Stop {
    /// The row of the table.
    fn row(&self) -> Row {
        match self.tail.row {
            row @ (Row::Unreadable | Row::Unknown | Row::Shortened) => row,
            _ if self.tail.end == self.stated.lsn => Row::Contradiction,
            _ => Row::Torn,
        }
    }

    /// Whether the log ends there, and nothing is wrong.
    pub(super) fn is_cut(&self) -> bool {
        decide(self.row(), self.tail.is_proven_beyond()) == Decision::Cut
    }
}

impl Survey {
    /// The first walked segment that ends otherwise than its successor says. What anything states to be
    /// durable counts for each.
    pub(super) fn stop(
        &self,
        files: &mut BTreeMap<SegmentId, Surveyed>,
        known: &[(SegmentId, SegmentHeader)],
    ) -> Option<Stop> {
        let is_walked = |id: &SegmentId| files.get(id).is_some_and(|file| file.tail.is_some());
        let walked: Vec<_> = known.iter().filter(|(id, _)| is_walked(id)).copied().collect();
        let mut found = None;
        for (&(id, header), (_, next)) in walked.iter().zip(walked.iter().skip(1)) {
            let stated = SegmentEnd { lsn: next.prev_end, check: next.prev_check };
            let tail = files.get(&id).and_then(|surveyed| surveyed.tail.as_ref());
            let reached = tail.is_some_and(|tail| {
                let same = tail.end_check == stated.check || planted!("last-check-not-compared");
                tail.end == stated.lsn && same
            });
            if next.prev_number() == id.get() && !reached {
                found = Some((id, header, stated));
                break;
            }
        }
        let (id, header, stated) = found?;
        let behind = walked.iter().filter(|(other, _)| *other > id);
        let held = behind.filter_map(|(other, header)| {
            let tail = files.get(other).and_then(|surveyed| surveyed.tail.as_ref())?;
            tail.end.since(header.base)
        });
        let behind = held.fold(0, u64::saturating_add);
        let mut tail = files.get_mut(&id).and_then(|surveyed| surveyed.tail.take())?;
        tail.proven_beyond = tail.proven_beyond.max(Some(self.stated));
        Some(Stop { id, header, tail, stated, behind })
    }

    /// A segment ends otherwise than its successor says, and that is no tail that a crash left.
    pub(super) fn judge_stop(&mut self, stop: &mut Stop) {
        let (row, proven) = (stop.row(), stop.tail.is_proven_beyond());
        // A closed segment that is too short is reported as such.
        if row == Row::Shortened {
            return;
        }
        let (segment, from) = (stop.id, stop.tail.end);
        let offset = layout::FRAMES_START + from.since(stop.header.base).unwrap_or(0);
        let name = FileName::Segment(segment).text();
        self.find(segment, offset, row, proven);
        match decide(row, proven) {
            Decision::Damage => {
                let to = stop.tail.proven_beyond.unwrap_or(from).min(stop.stated.lsn);
                let cause = match row {
                    Row::Contradiction => Damage::End,
                    _ => stop.tail.damage.clone(),
                };
                self.fail(Error::Damaged { segment, offset, from, to, cause });
            }
            Decision::Report => {
                let error = stop.tail.error.take();
                let error = error.unwrap_or_else(|| std::io::Error::other("unread"));
                self.fail(Error::io("read", name, error));
            }
            Decision::Refuse => self.fail(Error::Unknown { name, what: stop.tail.unknown() }),
            _ => {}
        }
    }

    /// Whether nothing is wrong with the files after this segment. What a damaged one held is not known, so
    /// nothing after the segment is dropped then.
    pub(super) fn is_sound_behind(&self, id: SegmentId) -> bool {
        self.findings.iter().all(|found| {
            let wrong = [Decision::Damage, Decision::Report, Decision::Refuse];
            !wrong.contains(&found.decision)
                || matches!(FileName::parse(&found.name), Some(FileName::Segment(file)) if file <= id)
        })
    }

    /// The log ends in this segment: what is behind it goes with the tail, as soon as a header says so.
    pub(super) fn cut(&mut self, stop: Stop, files: &BTreeMap<SegmentId, Surveyed>) {
        let Stop { id, mut tail, behind, .. } = stop;
        tail.row = Row::Torn;
        tail.dirty_bytes = tail.dirty_bytes.saturating_add(behind);
        self.segments.retain(|segment| segment.number() <= id);
        if let Some(last) = self.segments.last_mut() {
            last.closed = None;
        }
        self.here = files.get(&id).map_or(Home::UNKNOWN, |surveyed| surveyed.here);
        self.tail = Some(tail);
        self.rebuild.retain(|&rebuilt| rebuilt <= id);
        // A file that waits to be begun still does: its number is above all of theirs.
        let dropped = files
            .iter()
            .filter(|(file, surveyed)| **file > id && surveyed.headers.known().is_some());
        for file in dropped.map(|(&file, _)| file).collect::<Vec<_>>() {
            self.find(file, 0, Row::Dropped, false);
            self.dropped.push(file);
        }
    }
}
