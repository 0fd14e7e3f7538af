//! What a repair puts where a log is damaged. Pure: no I/O and no bytes, numbers only.
//!
//! ```text
//!   what is wrong                                  what stands there afterwards
//!   bytes of a segment do not verify               the same file, with a gap over each stretch;
//!                                                  of the last one zeros behind what can be read
//!   the last segment is shorter than it must be    the same up to there, then one gap
//!   a file is gone or has no header, and one       a stand-in: a header, and a gap up to where the
//!   with a higher number has                       next one begins
//!   files are gone at the beginning                stand-ins with gaps from the trim point on
//!   a file without header is the last              a stand-in, with a gap over all it can have held
//!   a file that was made ready follows that one    the same, unless all its bytes are zeros
//! ```
//!
//! A gap takes the check that what follows states of the frame before it. So no other frame, and
//! no header, is changed.

use crate::error::{Error, Result};
use crate::format::gap::{GAP_LEN_MIN, GapFrame};
use crate::format::header::SegmentHeader;
use crate::format::layout;
use crate::format::name::FileName;
use crate::log::survey::SegmentEnd;
use crate::position::{Lsn, SegmentId};
use std::collections::{BTreeMap, BTreeSet};

/// The longest gap: it fills the longest segment.
const GAP_LEN_MAX: u64 = layout::frame_room(layout::FILE_LEN_MAX);

/// So many files in a row a repair makes up at most: more are no gap in a log but two logs.
const STAND_INS_MAX: u64 = 1024;

/// One file that a repair makes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairStep {
    /// A segment is written anew, with gaps where its frames do not verify.
    Rewrite(Rewrite),
    /// A segment is made up, since its file is gone or its header is.
    StandIn(StandIn),
}

/// A segment that is written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewrite {
    /// The segment.
    pub segment: SegmentId,
    /// What is gone, in order. None where only bytes are gone that held nothing.
    pub gaps: Vec<GapFrame>,
    pub(super) header: SegmentHeader,
    /// Length of the new file.
    pub(super) file_len: u64,
    /// What is in the old file behind this LSN belongs to no frame.
    pub(super) zeros_from: Option<Lsn>,
}

/// A segment that is made up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StandIn {
    /// The segment.
    pub segment: SegmentId,
    /// What is gone; nothing where the segment can have held no frame.
    pub gap: Option<GapFrame>,
    /// Whether there is a file of this name, which is of no use.
    pub replaces: bool,
    pub(super) base: Lsn,
    pub(super) prev: SegmentEnd,
    pub(super) trim: Lsn,
    pub(super) file_len: u64,
}

impl RepairStep {
    /// The segment whose file is made.
    #[must_use]
    pub const fn segment(&self) -> SegmentId {
        match self {
            Self::Rewrite(rewrite) => rewrite.segment,
            Self::StandIn(stand_in) => stand_in.segment,
        }
    }

    /// What is gone.
    #[must_use]
    pub fn gaps(&self) -> &[GapFrame] {
        match self {
            Self::Rewrite(rewrite) => &rewrite.gaps,
            Self::StandIn(stand_in) => stand_in.gap.as_slice(),
        }
    }

    /// Whether there is a file that must be kept before it is replaced.
    #[must_use]
    pub const fn replaces(&self) -> bool {
        match self {
            Self::Rewrite(_) => true,
            Self::StandIn(stand_in) => stand_in.replaces,
        }
    }

    /// Length of the file that is made.
    pub(super) const fn file_len(&self) -> u64 {
        match self {
            Self::Rewrite(rewrite) => rewrite.file_len,
            Self::StandIn(stand_in) => stand_in.file_len,
        }
    }
}

/// What is known of a damaged log.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) trim: Lsn,
    /// The segments that have a header, oldest first.
    pub(super) known: Vec<Known>,
    /// Numbers without a header: with a file of this length, or without one.
    pub(super) lost: BTreeMap<SegmentId, Option<u64>>,
    /// Numbers that have a file, whatever is in it: no file is made in its place before it is kept.
    pub(super) files: BTreeSet<SegmentId>,
}

/// A segment that has a header.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) header: SegmentHeader,
    pub(super) file_len: u64,
    /// Where it ends, once it is written anew.
    pub(super) end: SegmentEnd,
    /// What is to be done to its file.
    pub(super) rewrite: Option<Rewrite>,
}

impl Known {
    /// Whether it is to be mended, and has no byte for the frame that the next one says it ends with.
    fn lacks_what_is_stated(&self, next: &Self) -> bool {
        let (header, stated) = (&self.header, &next.header);
        self.rewrite.is_some()
            && header.number.get() == stated.prev_number()
            && header.base == stated.prev_end
            && header.prev_check != stated.prev_check
    }

    /// A segment whose frames end at the trim point or below is no part of the log once something
    /// stands behind it: the next open removes its file. What is broken in there may be all there
    /// is left of what was acknowledged, so it is kept first.
    fn kept(&self, trim: Lsn) -> Option<RepairStep> {
        if self.rewrite.is_some() || self.end.lsn > trim {
            return None;
        }
        let (segment, gaps, zeros_from) = (self.header.number, Vec::new(), None);
        let (header, file_len) = (self.header, self.file_len);
        Some(RepairStep::Rewrite(Rewrite { segment, gaps, header, file_len, zeros_from }))
    }
}

/// Decides about all of it.
///
/// # Errors
/// [`Error::Unrepairable`] where no gap can say what is gone.
pub(super) fn plan(facts: &Facts) -> Result<Vec<RepairStep>> {
    let mut steps = Vec::new();
    let mut before: Option<&Known> = None;
    for known in &facts.known {
        if let Some(before) = before.filter(|before| before.lacks_what_is_stated(known)) {
            let why = "it has no room for the frames that the next one says it ends with";
            return refuse(before.header.number, why);
        }
        if let Some(hole) = hole_before(known, before, facts.trim) {
            steps.extend(before.and_then(|before| before.kept(facts.trim)));
            steps.extend(hole.filled(&facts.files)?);
        }
        steps.extend(known.rewrite.clone().map(RepairStep::Rewrite));
        before = Some(known);
    }
    let Some(last) = before else {
        let first = facts.lost.keys().next();
        return first.map_or(Ok(steps), |&id| {
            refuse(id, "no segment is left that says which log it belongs to")
        });
    };
    steps.extend(behind(last, facts)?);
    Ok(steps)
}

fn refuse<T>(segment: SegmentId, why: &'static str) -> Result<T> {
    Err(Error::Unrepairable { name: FileName::Segment(segment).text(), why })
}

/// Segments that are gone between two ends.
#[derive(Debug)]
struct Hole {
    first: SegmentId,
    count: u64,
    /// How many of them may begin behind a jump.
    jumps_max: u64,
    from: SegmentEnd,
    to: SegmentEnd,
    trim: Lsn,
}

/// What is gone before this segment.
fn hole_before(known: &Known, before: Option<&Known>, trim: Lsn) -> Option<Hole> {
    let header = &known.header;
    let to = SegmentEnd { lsn: header.prev_end, check: header.prev_check };
    let hole = |first: SegmentId, from| {
        let count = (header.prev_number() + 1).saturating_sub(first.get());
        // No more than the segment behind says: it would contradict them. What was trimmed since
        // stands in a frame that is still there.
        Hole { first, count, jumps_max: count, from, to, trim: header.trim.min(from.lsn) }
    };
    if let Some(before) = before {
        let first = before.header.number.next();
        return (first.get() <= header.prev_number()).then(|| hole(first, before.end));
    }
    if header.prev_end <= trim || header.number == SegmentId::FIRST {
        return None;
    }
    // As few as can hold the gaps; which segment held the trim point nobody knows any more.
    let len = to.lsn.since(trim).unwrap_or(0);
    let (jumps, rest) = (len / Lsn::JUMP, len % Lsn::JUMP);
    let before = header.prev_number();
    let count = (jumps + 1).max(rest.div_ceil(GAP_LEN_MAX)).min(before);
    let first = SegmentId::new(before - count + 1);
    // The first segment of a log begins where the log does.
    let lsn = if first == SegmentId::FIRST { Lsn::FIRST } else { trim };
    // Where the log begins nobody would be told of a jump before the first of them.
    Some(Hole { jumps_max: count - 1, ..hole(first, SegmentEnd { lsn, check: 0 }) })
}

impl Hole {
    /// How many of them begin behind a jump; `None` where no number of jumps and gaps fits.
    fn jumps(&self) -> Option<u64> {
        let len = self.to.lsn.since(self.from.lsn)?;
        let most = self.count.saturating_mul(GAP_LEN_MAX);
        let left = |jumps: u64| len.checked_sub(jumps.saturating_mul(Lsn::JUMP));
        let fits = |&jumps: &u64| {
            left(jumps).is_some_and(|left| (jumps * GAP_LEN_MIN..=most).contains(&left))
        };
        // Runs that wrote nothing leave files without frames: nothing is gone with them.
        let empty = |&jumps: &u64| left(jumps) == Some(0);
        let mut all = 0..=self.jumps_max;
        all.clone().find(fits).or_else(|| all.find(empty))
    }

    /// The stand-ins for it.
    fn filled(&self, files: &BTreeSet<SegmentId>) -> Result<Vec<RepairStep>> {
        let Some(len) = self.to.lsn.since(self.from.lsn) else {
            return refuse(
                self.first,
                "the segment behind it begins before the one before it ends",
            );
        };
        if self.count > STAND_INS_MAX {
            return refuse(self.first, "too many files are gone");
        }
        let Some(jumps) = self.jumps() else {
            return refuse(self.first, "no gap is as long as what is gone");
        };
        let mut left = len - jumps * Lsn::JUMP;
        let (mut steps, mut before, mut segment) = (Vec::new(), self.from, self.first);
        for behind in (0..self.count).rev() {
            // The last ones jump, and each that does has a gap, which is told from before the jump.
            let jump = if behind < jumps { Lsn::JUMP } else { 0 };
            let most = left.saturating_sub(behind.min(jumps) * GAP_LEN_MIN).min(GAP_LEN_MAX);
            let too_short = |len: u64| (1..GAP_LEN_MIN).contains(&len);
            let gap_len = match most {
                most if too_short(left - most) => most - GAP_LEN_MIN,
                most if too_short(most) && behind > 0 => 0,
                most => most,
            };
            left -= gap_len;
            let check = if left == 0 { self.to.check } else { before.check };
            let stand_in = StandIn::of(segment, before, jump, gap_len, check)?;
            let end = stand_in.gap.map_or(SegmentEnd { lsn: stand_in.base, ..before }, end_of);
            let replaces = files.contains(&segment);
            steps.push(RepairStep::StandIn(StandIn { replaces, trim: self.trim, ..stand_in }));
            (before, segment) = (end, segment.next());
        }
        if before == self.to {
            Ok(steps)
        } else {
            refuse(self.first, "what is around it does not fit")
        }
    }
}

const fn end_of(gap: GapFrame) -> SegmentEnd {
    SegmentEnd { lsn: gap.to, check: gap.check }
}

impl StandIn {
    fn of(
        segment: SegmentId,
        prev: SegmentEnd,
        jump: u64,
        gap_len: u64,
        check: u32,
    ) -> Result<Self> {
        let file_len = layout::block_aligned(layout::FRAMES_START + gap_len + layout::TRAILER_LEN)
            .max(layout::SEGMENT_LEN_MIN);
        let base = prev.lsn.checked_add(jump);
        let ends = base.and_then(|base| Some((base, base.checked_add(gap_len)?)));
        let Some((base, to)) = ends.filter(|(base, _)| base.checked_add(file_len).is_some()) else {
            return refuse(segment, "the addresses of the log are used up");
        };
        if gap_len > 0 && gap_len < GAP_LEN_MIN {
            return refuse(segment, "no frame is as short as what is gone");
        }
        let gap = GapFrame { from: base, to, prev: prev.check, check };
        let gap = (gap_len > 0).then_some(gap);
        let (replaces, trim) = (false, Lsn::FIRST);
        Ok(Self { segment, gap, replaces, base, prev, trim, file_len })
    }
}

/// Stand-ins for what is lost behind the last segment that has a header. How far it went nobody
/// says, so the gap is as long as the file can have held.
fn behind(last: &Known, facts: &Facts) -> Result<Vec<RepairStep>> {
    let number = last.header.number;
    let newest = facts.lost.last_key_value().map(|(&newest, _)| newest);
    let Some(newest) = newest.filter(|&newest| newest > number) else { return Ok(Vec::new()) };
    if newest.get() - number.get() > STAND_INS_MAX {
        return refuse(newest, "too many files before it are gone");
    }
    let mut steps: Vec<_> = last.kept(facts.trim).into_iter().collect();
    let mut before = last.end;
    for segment in (number.next().get()..=newest.get()).map(SegmentId::new) {
        let found = facts.lost.get(&segment).copied().flatten();
        let file_len = layout::block_aligned(found.unwrap_or(0).max(last.header.file_len));
        let room = layout::frame_room(file_len.min(layout::FILE_LEN_MAX));
        let stand_in = StandIn::of(segment, before, 0, room, before.check)?;
        before = stand_in.gap.map_or(before, end_of);
        let (replaces, trim) = (facts.files.contains(&segment), facts.trim.min(stand_in.prev.lsn));
        steps.push(RepairStep::StandIn(StandIn { replaces, trim, ..stand_in }));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests;
