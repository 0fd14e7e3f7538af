//! A log as one look at its directory finds it: what a reader without the lock goes by.

use super::decide::Row;
use super::survey::{Access, Finding, Segment, SegmentEnd, Survey, Waiting, survey_again};
use super::tail::{self, open_span};
use crate::error::{Error, Result};
use crate::format::name::FileName;
use crate::position::{LogId, Lsn, SegmentId};
use crate::storage::{OpenMode, Storage};
use std::collections::BTreeSet;

/// Looks until two surveys agree, at most so often; a writer would have to rotate between
/// each two.
const LOOKS_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Seen {
    pub(super) log: Option<LogId>,
    pub(super) segments: Vec<Segment>,
    /// How far each of them is read, in the same order.
    pub(super) limits: Vec<Limit>,
    /// Those among them that end in a frame that does not verify, and no successor states its check.
    pub(super) ends_unread: BTreeSet<SegmentId>,
    pub(super) trim: Lsn,
    pub(super) end: Lsn,
    /// The same, with the check there.
    pub(super) last_end: SegmentEnd,
    pub(super) proven: Lsn,
    pub(super) stated: Lsn,
    /// How far the last segment is read: its end, or how far it was proven to go.
    pub(super) limit: Lsn,
    pub(super) end_check: Option<u32>,
    /// Frames before it are durable: of a damaged log all that are read.
    pub(super) settled: Lsn,
    pub(super) clean: bool,
    pub(super) torn: bool,
    pub(super) waiting: Option<Waiting>,
    pub(super) findings: Vec<Finding>,
    pub(super) damage: Option<Error>,
    pub(super) all_damage: Vec<Error>,
}

/// How far a segment is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) end: Lsn,
    /// Check of the last frame before the end, if anything states it.
    pub(super) check: Option<u32>,
    /// The largest end of this segment and of those before it: headers of a damaged log may
    /// contradict each other, and then the ends are in no order, but these are.
    pub(super) reach: Lsn,
}

impl Seen {
    /// How far each segment is read.
    fn limits(&self) -> Vec<Limit> {
        let mut reach = Lsn::FIRST;
        let limit = |segment: &Segment| {
            let (end, check) = segment.closed.map_or((self.limit, self.end_check), |closed| {
                (closed.lsn, self.check_of(segment, closed))
            });
            // What a successor states may be anything: no frame ends beyond the room there is.
            let room = open_span(&segment.header).limit;
            let (end, check) = if end <= room { (end, check) } else { (room, None) };
            reach = reach.max(end);
            Limit { end, check, reach }
        };
        self.segments.iter().map(limit).collect()
    }

    /// The first segment that is read beyond `at`: which one it is, and how far it is read.
    pub(super) fn holding(&self, at: Lsn) -> Option<(usize, Limit)> {
        let nth = self.limits.partition_point(|limit| limit.reach <= at);
        self.limits.get(nth).map(|&limit| (nth, limit))
    }

    /// Check of the last frame of a segment that ends here, if anything states it.
    pub(super) fn check_of(&self, segment: &Segment, end: SegmentEnd) -> Option<u32> {
        (!self.ends_unread.contains(&segment.number())).then_some(end.check)
    }
}

/// Surveys until nothing is wrong, or twice the same. `waiting` is what the look before this one found.
pub(super) fn look(storage: &dyn Storage, waiting: Option<Waiting>) -> Result<Seen> {
    let mut before = None;
    for _ in 0..LOOKS_MAX {
        let mut survey = survey_again(storage, Access::Reader, waiting)?;
        // A trim went by between the list and the files: what it left is listed now.
        if survey.overtaken {
            continue;
        }
        let Some(error) = survey.fatal.take() else {
            return Ok(see(survey, BTreeSet::new(), None));
        };
        let place = place_of(&error);
        if before.as_ref() == Some(&place) {
            if !error.is_damage() {
                return Err(error);
            }
            let unread = find_ends(storage, &mut survey)?;
            return Ok(see(survey, unread, Some(error)));
        }
        before = Some(place);
    }
    let what = "it changed at every look";
    Err(Error::io("survey", storage.place(), std::io::Error::other(what)))
}

/// A segment whose successor is missing has nobody to say where it ends: its frames do. Without
/// this it would be read to the end of the log, and what follows the hole taken for damage in it.
/// Returns those of which the last frame does not verify.
fn find_ends(storage: &dyn Storage, survey: &mut Survey) -> Result<BTreeSet<SegmentId>> {
    let mut unread = BTreeSet::new();
    let Some((_, before_last)) = survey.segments.split_last_mut() else {
        return Ok(unread);
    };
    for segment in before_last.iter_mut().filter(|segment| segment.closed.is_none()) {
        let name = FileName::Segment(segment.number()).text();
        let file = storage.open(&name, OpenMode::Read).map_err(|e| Error::io("open", &*name, e))?;
        let found = tail::examine(&file, &segment.header, None);
        if let Some(error) = found.error {
            return Err(Error::io("read", name, error));
        }
        if found.row == Row::Unknown {
            return Err(Error::Unknown { name, what: found.unknown() });
        }
        segment.closed = Some(found.readable());
        if !found.ends_in_frame() {
            unread.insert(segment.number());
        }
    }
    Ok(unread)
}

fn place_of(error: &Error) -> String {
    match error {
        Error::Damaged { segment, offset, from, .. } => format!("{segment} {offset} {from}"),
        other => other.to_string(),
    }
}

fn see(survey: Survey, ends_unread: BTreeSet<SegmentId>, damage: Option<Error>) -> Seen {
    let tail = survey.tail.as_ref();
    let end = tail.map_or(Lsn::FIRST, |tail| tail.end);
    // What verifies beyond a damaged end is shown too.
    let beyond = tail.map_or(end, |tail| tail.readable_end());
    let mut seen = Seen {
        log: survey.log,
        trim: survey.trim,
        end,
        last_end: SegmentEnd { lsn: end, check: tail.map_or(0, |tail| tail.end_check) },
        proven: survey.proven(),
        stated: survey.proven().max(tail.and_then(|tail| tail.proven_beyond).unwrap_or(Lsn::FIRST)),
        limit: beyond,
        end_check: tail.filter(|_| beyond <= end).map(|tail| tail.end_check),
        settled: if beyond > end { beyond } else { survey.proven() },
        clean: tail.is_none_or(|tail| tail.clean),
        torn: survey.tail_ambiguous(),
        waiting: survey.waiting,
        segments: survey.segments,
        limits: Vec::new(),
        ends_unread,
        findings: survey.findings,
        damage,
        all_damage: survey.damage,
    };
    seen.limits = seen.limits();
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::extension::Extension;
    use crate::format::header::SegmentHeader;
    use crate::format::layout;
    use crate::position::Salt;
    use proptest::prelude::*;

    fn segment(nth: u64, end: u64) -> Segment {
        let header = SegmentHeader {
            version: crate::format::header::VERSION,
            log: LogId::new([7; 16]),
            number: SegmentId::new(nth + 1),
            base: Lsn::new(nth * 64),
            salt: Salt::new(nth),
            file_len: 16 << 10,
            prev_end: Lsn::new(nth * 64),
            prev_check: 0,
            skipped: 0,
            unproven: 0,
            trim: Lsn::FIRST,
            extension: Extension::default(),
        };
        let closed = Some(SegmentEnd { lsn: Lsn::new(end), check: 0 });
        Segment { header, closed, file_len: 16 << 10 }
    }

    proptest! {
        #[test]
        fn the_segment_that_holds_a_place_is_the_first_that_is_read_beyond_it(
            ends in prop::collection::vec(0..40_000_u64, 0..20),
            at in 0..40_000_u64,
        ) {
            let segments: Vec<_> = (0..).zip(&ends).map(|(nth, &end)| segment(nth, end)).collect();
            let mut survey = Survey::default();
            survey.segments = segments;
            let seen = see(survey, BTreeSet::new(), None);
            let first = seen.limits.iter().position(|limit| limit.end > Lsn::new(at));
            prop_assert_eq!(seen.holding(Lsn::new(at)).map(|(nth, _)| nth), first);
            for ((nth, end), limit) in (0..).zip(ends).zip(&seen.limits) {
                let room = nth * 64 + layout::frame_room(16 << 10);
                prop_assert_eq!(limit.end, Lsn::new(end.min(room)));
            }
        }
    }
}
