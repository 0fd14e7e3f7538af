//! What a log may do when its disk is hurt: refuse with a typed error, or show everything that is
//! not hurt and say where the rest was. Never silence, never other bytes, no alarm about what is
//! sound.
//!
//! The truth is what the same image shows with the damage revoked. From there:
//!
//! ```text
//!   shown, in the truth        the same bytes at the same address, in the same order
//!   shown, not in the truth    never; but for what an earlier recovery cut off, where one harm took
//!                              the header that knew of the cut and another lies before it
//!   not shown                  inside a range that an error named; or behind an I/O error;
//!                              or the newest of all, where nothing that is left vouches for it
//!                              (`evidence`)
//!   an error names a range     only of a segment that is hurt
//!   only one header copy, or no file of the log, is hurt      nothing is missing
//!   only a file that a clean close says is none, is hurt      the same
//! ```
//!
//! Pure: it judges what others read.

use super::evidence::Evidence;
use super::open_hurt::print_of;
use crate::damage::Hurt;
use crate::medium::HurtKind;
use crate::model::Model;
use crate::oracle::Violation;
use crate::scenario::Harmed;
use seawall::{Lsn, Segment};
use std::collections::BTreeSet;

/// A header copy stands at the beginning of each of the first two blocks.
const HEADER_LEN: u64 = 128;
const BLOCK: u64 = 4096;
/// Frames begin here in a file.
const FRAMES_START: u64 = 8192;

/// The address of a record.
pub(super) type Place = (Lsn, u32);

/// What some reader showed.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Addresses, and what tells bytes apart.
    pub(super) records: Vec<(Place, u64)>,
    /// Ranges that errors named.
    pub(super) ranges: Vec<(Lsn, Lsn)>,
    /// It ended with another error.
    pub(super) ended: bool,
}

impl Shown {
    pub(super) fn covers(&self, lsn: Lsn) -> bool {
        self.ranges.iter().any(|&(from, to)| from <= lsn && lsn < to)
    }

    /// Behind the last record.
    pub(super) fn end(&self) -> Lsn {
        self.records.last().map_or(Lsn::FIRST, |&((lsn, _), _)| Lsn::new(lsn.get() + 1))
    }
}

/// A hurt log, and what would be there if it were not.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) harmed: &'a Harmed,
    pub(super) truth: Shown,
    /// What was ever appended, whatever became of it.
    pub(super) model: &'a Model,
    /// Addresses of appends, and which was acknowledged as durable when each began.
    pub(super) appends: Vec<(Lsn, Option<Lsn>)>,
    pub(super) segments: Vec<Segment>,
    /// The files that are left.
    pub(super) names: Vec<String>,
    /// Nothing but appends wrote frames.
    pub(super) plain: bool,
    /// What is left proves that something is lost.
    pub(super) evidence: Option<Evidence>,
    /// The log was closed, and nothing was written since.
    pub(super) clean: bool,
}

pub(super) fn damage<T>(what: String) -> Result<T, Violation> {
    Err(Violation { promise: "G1", what })
}

impl Case<'_> {
    fn hurt(&self) -> &[Hurt] {
        &self.harmed.all
    }

    /// Somebody wrote headers that say something else, under a valid check. They are believed;
    /// what that makes of the frames is not for this program to know.
    pub(super) fn is_tampered(&self) -> bool {
        self.hurt().iter().any(|hurt| hurt.kind == HurtKind::Overwritten)
    }

    /// Whether nothing that is needed is hurt.
    pub(super) fn is_harmless(&self) -> bool {
        let both = |hurt: &Hurt| {
            let same = self.hurt().iter().filter(|other| other.name == hurt.name);
            same.into_iter().any(|other| (other.offset < BLOCK) != (hurt.offset < BLOCK))
        };
        self.hurt().iter().all(|hurt| {
            self.is_after_the_close(hurt) || is_harmless(hurt, &self.segments) && !both(hurt)
        })
    }

    /// Whether it is the file that was made ready after the last segment, and that one's close record says
    /// that nothing follows.
    fn is_after_the_close(&self, hurt: &Hurt) -> bool {
        let last = self.segments.last().map(file_of);
        let segment = hurt.name.ends_with(".seg") && hurt.kind != HurtKind::Unreadable;
        self.clean && segment && last.is_some_and(|last| last < hurt.name)
    }

    /// Whether a record may be one that an earlier recovery cut off. Its bytes are still there, behind
    /// what was broken then; the header of the next segment says where the cut is. If one harm takes
    /// that header, and another makes a reader search in the segment before it, nothing is left that
    /// tells the record from one behind the new damage.
    fn may_be_back(&self, &((lsn, _), print): &(Place, u64)) -> bool {
        let cut_is_forgotten = self.segments.windows(2).any(|pair| {
            let [segment, next] = pair else { return false };
            let name = file_of(next);
            let header = |hurt: &Hurt| hurt.name == name && hurt.offset < FRAMES_START;
            let is_cut = segment.closed.is_some_and(|end| end.lsn <= lsn) && lsn < next.base();
            is_cut && self.hurt().iter().any(header)
        });
        self.harmed.count > 1
            && cut_is_forgotten
            && self.model.any_record(|tag, bytes| print_of(tag, bytes) == print)
    }

    /// Records are missing from `end` on, without an error.
    ///
    /// # Errors
    /// Where something that is left should have told.
    pub(super) fn judge_cut(&self, end: Lsn, shown: &Shown, noted: bool) -> Result<(), Violation> {
        if shown.ended || self.is_tampered() {
            return Ok(());
        }
        let missing = |&&((lsn, _), _): &&(Place, u64)| lsn >= end && !shown.covers(lsn);
        let Some(&((first, _), _)) = self.truth.records.iter().find(missing) else {
            return Ok(());
        };
        if let Some(Evidence { before, what }) = &self.evidence
            && first < *before
        {
            return damage(format!("{first} is silently missing, though it is proven: {what}"));
        }
        // A bit that rotted leaves bytes behind, of which a note is due.
        let rot = |hurt: &Hurt| hurt.kind == HurtKind::BitRot && hurt.offset >= FRAMES_START;
        if !noted && self.hurt().iter().all(rot) {
            return damage(format!("{first} is cut off without a note"));
        }
        // Of files that are gone from the end nothing that is left knows.
        let gone = |segment: &&Segment| !self.names.contains(&file_of(segment));
        let left = self.segments.len() - self.segments.iter().rev().take_while(gone).count();
        let known_to = self.segments.get(left).map_or(Lsn::new(u64::MAX), Segment::base);
        let last = left.checked_sub(1).and_then(|last| self.segments.get(last));
        let Some(last) = last.filter(|_| first < known_to) else { return Ok(()) };
        // Of two harms one may hide what the other is judged by.
        let one = self.harmed.count == 1;
        // A misdirected write hurts two places. If the write of a header failed half way and left one
        // copy, that copy and the newest record before it can go at once, and nothing tells.
        let header_hurt =
            self.hurt().iter().any(|hurt| hurt.name == file_of(last) && hurt.offset < FRAMES_START);
        // What was left before it was synced goes with a tail, unless something proves it.
        let vouches = |segment: &&Segment| first < segment.base() && segment.header.vouches();
        let vouched = self.segments.iter().take(left).find(vouches).is_some();
        if vouched && one && !header_hurt {
            return damage(format!("{first} lies in a closed segment and is silently missing"));
        }
        let held = self.segments.iter().take(left).rfind(|segment| segment.base() <= first);
        let last = held.unwrap_or(last);
        let name = file_of(last);
        let headers = self.hurt().iter().filter(|hurt| hurt.name == name);
        let junk = |hurt: &&Hurt| hurt.kind == HurtKind::Garbage && hurt.offset < FRAMES_START;
        if headers.filter(junk).count() == 2 && one {
            return damage(format!("{first} is silently missing with its segment's header"));
        }
        let ends = self.hurt().iter().filter(|hurt| hurt.name == name);
        let ends = ends.map(|hurt| lsn_of(last, hurt.offset.saturating_add(hurt.len)));
        let hurt_end = ends.max().unwrap_or(last.base());
        // A mark rides in the first frame behind a sync: in that of the append next to one which
        // was acknowledged before it began.
        let voucher = self.appends.windows(2).find_map(|pair| match *pair {
            [(before, _), (after, behind)] if before >= first && behind >= Some(before) => {
                (hurt_end..known_to).contains(&after).then_some(after)
            }
            _ => None,
        });
        match voucher {
            Some(voucher) if self.plain && one => {
                damage(format!("{first} is silently missing, though {voucher} vouches for it"))
            }
            _ => Ok(()),
        }
    }

    /// The log opened for writing.
    ///
    /// # Errors
    /// Where it should have refused: a segment that is closed lost bytes that it had.
    pub(super) fn judge_open(&self) -> Result<(), Violation> {
        for (hurt, segment) in self.hurt().iter().filter_map(|hurt| {
            let of = self.segments.iter().find(|segment| file_of(segment) == hurt.name)?;
            (hurt.kind == HurtKind::Truncated).then_some((hurt, of))
        }) {
            let end = segment.closed.and_then(|end| end.lsn.since(segment.base()));
            let untouched = |other: &&Segment| {
                let name = file_of(other);
                !self.hurt().iter().any(|hurt| hurt.name == name)
            };
            let follows = |other: &&Segment| other.number() > segment.number();
            let known = self.segments.iter().filter(follows).any(|other| untouched(&other))
                && self.harmed.count == 1;
            if end.is_some_and(|len| hurt.offset < FRAMES_START + len) && known {
                let what = format!("{} was cut at {} and goes on", hurt.name, hurt.offset);
                return Err(Violation { promise: "G5", what });
            }
        }
        Ok(())
    }

    /// What was shown, and what was said of the rest.
    ///
    /// # Errors
    /// What should not have been shown, or said, or kept silent.
    pub(super) fn judge(&self, shown: &Shown) -> Result<(), Violation> {
        let (truth, hurt, segments) = (&self.truth, self.hurt(), &self.segments);
        let known: BTreeSet<(Place, u64)> = truth.records.iter().copied().collect();
        for pair in shown.records.windows(2) {
            if let [(before, _), (after, _)] = pair
                && before >= after
            {
                return Err(Violation { promise: "G2", what: format!("{} comes twice", after.0) });
            }
        }
        // What a cut dropped may be within the log again.
        if self.is_tampered() {
            return Ok(());
        }
        // A trim that was the newest commit can be cut off with it: then what it forgot is back.
        let begin = truth.records.first().map(|&((lsn, _), _)| lsn);
        for record in &shown.records {
            let untrimmed = begin.is_none_or(|begin| record.0.0 < begin);
            // A long batch is shown frame by frame: of one that was torn at the end its first records.
            let torn = record.0.0 >= truth.end();
            if !known.contains(record) && !untrimmed && !torn && !self.may_be_back(record) {
                let what = format!("LSN {} shows what was never there", record.0.0);
                return Err(Violation { promise: "G2", what });
            }
        }
        let there: BTreeSet<Place> = shown.records.iter().map(|&(place, _)| place).collect();
        let missing =
            truth.records.iter().map(|&(place, _)| place).filter(|place| !there.contains(place));
        let missing: Vec<Place> = missing.collect();
        if self.is_harmless()
            && let Some((lsn, _)) = missing.first()
        {
            return damage(format!(
                "nothing that is needed is hurt ({hurt:?}), and {lsn} is missing"
            ));
        }
        // Of an append whose beginning is not shown nothing is.
        let whole = |place: &Place| {
            let start =
                self.appends.iter().map(|&(lsn, _)| lsn).rev().find(|&start| start <= place.0);
            start.is_none_or(|start| there.contains(&(start, 0)))
        };
        let mut halves = shown.records.iter().filter(|record| known.contains(record));
        if let Some(((lsn, _), _)) = halves.find(|(place, _)| !whole(place)) {
            let what = format!("{lsn} is shown without the beginning of its batch");
            return Err(Violation { promise: "G3", what });
        }
        let last_shown = shown.records.last().map(|&(place, _)| place);
        for &(lsn, index) in &missing {
            if !shown.ended && !shown.covers(lsn) && Some((lsn, index)) < last_shown {
                return damage(format!(
                    "{lsn} is silently missing in the middle; told: {:?}",
                    shown.ranges
                ));
            }
        }
        let both_headers =
            |name: &str| hurt.iter().any(|hurt| hurt.name == name && hurt.offset < FRAMES_START);
        for &(from, to) in &shown.ranges {
            let touched = segments.iter().enumerate().any(|(nth, segment)| {
                let name = file_of(segment);
                let next = segments.get(nth + 1).map_or(Lsn::new(u64::MAX), Segment::base);
                let is_hurt = hurt.iter().any(|hurt| hurt.name == name);
                // A header says where its predecessor ends: without it that end is not known.
                let follower =
                    segments.get(nth + 1).is_some_and(|next| both_headers(&file_of(next)));
                (is_hurt || follower) && from < next && to >= segment.base()
            });
            // What was forgotten may be missed where the frame that said so is hurt.
            let means = truth.records.iter().any(|&((lsn, _), _)| from <= lsn && lsn < to);
            if means && !touched {
                return damage(format!("{from}..{to} is called damaged, and is sound: {hurt:?}"));
            }
        }
        Ok(())
    }
}

fn lsn_of(segment: &Segment, offset: u64) -> Lsn {
    Lsn::new(segment.base().get().saturating_add(offset.saturating_sub(FRAMES_START)))
}

fn file_of(segment: &Segment) -> String {
    format!("{:020}.seg", segment.number().get())
}

/// Whether what is hurt is not needed: no file of the log, or one copy of a header.
fn is_harmless(hurt: &Hurt, segments: &[Segment]) -> bool {
    if !hurt.name.ends_with(".seg") {
        return true;
    }
    // A file that was made ready and has no header yet: what is in it may be all there is to say.
    if !segments.iter().any(|segment| file_of(segment) == hurt.name) {
        return false;
    }
    let end = hurt.offset.saturating_add(hurt.len);
    let in_block = |block: u64| hurt.offset >= block && end <= block + BLOCK;
    let between = hurt.offset >= HEADER_LEN && end <= BLOCK
        || hurt.offset >= BLOCK + HEADER_LEN && end <= FRAMES_START;
    // A sector that cannot be read is an error of the device, and a short file is one, wherever.
    !matches!(hurt.kind, HurtKind::Unreadable | HurtKind::Truncated)
        && (in_block(0) || in_block(BLOCK) || between)
}
