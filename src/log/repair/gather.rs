//! Gathers what a repair must know: which segments are left, and which stretches of them a reader
//! says are gone. Changes nothing, and decides nothing but where one stretch ends.
//!
//! What is gone is what a reader without the lock is told. So readers show the same records
//! before a repair and after it.

use super::plan::{Facts, Known, Rewrite};
use crate::error::{Damage, Error, Result};
use crate::format::frame::FrameKind;
use crate::format::gap::{GAP_LEN_MIN, GapFrame};
use crate::format::layout;
use crate::format::name::FileName;
use crate::log::decide::{Decision, Row};
use crate::log::remains::{self, Before};
use crate::log::scan::{FrameScan, ScanError};
use crate::log::survey::{Finding, Segment, SegmentEnd};
use crate::log::tail::open_span;
use crate::log::view::LogView;
use crate::position::{Lsn, SegmentId};
use crate::storage::OpenMode;
use std::collections::BTreeMap;
use std::ops::Range;

/// Stretches of one segment that do not verify.
type Stretches = BTreeMap<SegmentId, Vec<Range<Lsn>>>;

/// Looks at the whole log.
///
/// # Errors
/// What reading says; [`Error::Unrepairable`] for headers that contradict each other.
pub(super) fn gather(view: &LogView) -> Result<Facts> {
    let entries = view.storage().list();
    let entries = entries.map_err(|e| Error::io("list", view.storage().place(), e))?;
    let files = entries.iter().filter_map(|entry| match FileName::parse(&entry.name) {
        Some(FileName::Segment(id)) => Some(id),
        _ => None,
    });
    let mut facts = Facts { trim: view.trim_point(), files: files.collect(), ..Facts::default() };
    let last = view.segments().last().map(Segment::number);
    // What goes with a tail that is cut was begun, and is not gone.
    let begun = dropped(view).or(last);
    for finding in view.findings() {
        let Some(FileName::Segment(id)) = FileName::parse(&finding.name) else { continue };
        match finding.row {
            // It was prepared when the segment before it had begun: that, and all up to it, is gone.
            Row::Unborn if begun.is_some_and(|begun| id > begun.next()) => {
                facts.lost.entry(SegmentId::new(id.get() - 1)).or_insert(None);
                if let Some(len) = written(view, &finding.name)? {
                    facts.lost.insert(id, Some(len));
                }
            }
            _ if finding.decision != Decision::Damage => {}
            Row::Contradiction => {
                let why = "its header and that of the segment behind it contradict each other";
                return Err(Error::Unrepairable { name: finding.name.clone(), why });
            }
            Row::HeaderLost | Row::NotLog | Row::Unborn => {
                let file = view.storage().open(&finding.name, OpenMode::Read);
                let len = file.and_then(|file| file.len());
                let len = len.map_err(|e| Error::io("open", &*finding.name, e))?;
                facts.lost.insert(id, Some(held(&finding.name, len)?));
            }
            Row::Missing if last.is_none_or(|last| id > last) => {
                facts.lost.entry(id).or_insert(None);
            }
            _ => {}
        }
    }
    let mut stretches = stretches(view)?;
    for error in view.all_damage() {
        let Error::Damaged { segment, from, to, cause, .. } = error else { continue };
        let told = stretches.get(segment).into_iter().flatten();
        let of_frames = matches!(cause, Damage::Batch | Damage::Frame(_));
        if of_frames && !told.clone().any(|told| told.start < *to && *from < told.end) {
            return Err(without_end(FileName::Segment(*segment).text()));
        }
    }
    for segment in view.segments() {
        let is_last = Some(segment.number()) == last;
        let stretches = stretches.remove(&segment.number()).unwrap_or_default();
        facts.known.push(known(view, segment, is_last, &stretches)?);
    }
    Ok(facts)
}

/// The newest of the files behind a tail that is cut.
fn dropped(view: &LogView) -> Option<SegmentId> {
    let cut = |finding: &&Finding| (finding.row, finding.decision) == (Row::Dropped, Decision::Cut);
    let names = view.findings().iter().filter(cut).map(|finding| FileName::parse(&finding.name));
    let ids = names.filter_map(|name| match name {
        Some(FileName::Segment(id)) => Some(id),
        _ => None,
    });
    ids.max()
}

/// The length of a file without a header that follows a lost one, if any byte of it was written. Where the
/// segment before it ended is lost, and so is the trim point that stood there: nothing tells a file that was
/// used before from one that was begun.
fn written(view: &LogView, name: &str) -> Result<Option<u64>> {
    let file = view.storage().open(name, OpenMode::Read);
    let file = file.map_err(|e| Error::io("open", name, e))?;
    let len = file.len().map_err(|e| Error::io("open", name, e))?;
    let begun = remains::prove(&*file, len, Before::Untrimmed);
    let begun = begun.map_err(|e| Error::io("read", name, e))?;
    if begun { held(name, len).map(Some) } else { Ok(None) }
}

/// The length of a file that would be kept, byte for byte, if a log can have written it.
fn held(name: &str, len: u64) -> Result<u64> {
    if len <= layout::FILE_LEN_MAX {
        return Ok(len);
    }
    let why = "its file is longer than any segment, and would be copied whole: cut it to 2 GiB, \
               since none is longer";
    Err(Error::Unrepairable { name: name.to_owned(), why })
}

/// No gap can say this: nothing is gone.
const fn without_end(name: String) -> Error {
    Error::Unrepairable { name, why: "a batch has no end there, although its frames hold" }
}

/// What a reader is told is gone, but for what an earlier repair said and for whole files.
fn stretches(view: &LogView) -> Result<Stretches> {
    let mut stretches = Stretches::new();
    let mut scan = view.scan(Lsn::FIRST)?;
    loop {
        match scan.next_ref() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(stretches),
            Err(Error::Damaged { cause: Damage::Missing | Damage::Gap, .. }) => {}
            Err(Error::Damaged { segment, from, to, .. }) => {
                let of_segment = stretches.entry(segment).or_default();
                match of_segment.last_mut() {
                    Some(last) if last.end == from && from < to => last.end = to,
                    _ => of_segment.push(from..to),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn known(
    view: &LogView,
    segment: &Segment,
    is_last: bool,
    stretches: &[Range<Lsn>],
) -> Result<Known> {
    let header = segment.header;
    let damaged = |row: Row| {
        let name = FileName::Segment(header.number).text();
        let mut findings = view.findings().iter();
        findings.any(|found| found.row == row && found.name == name)
    };
    let end = segment.closed.unwrap_or(view.last_end());
    // Of one without frames only headers are gone, and no stretch says so.
    let needed = layout::FRAMES_START + end.lsn.since(header.base).unwrap_or(0);
    let shortened = damaged(Row::Shortened) || segment.file_len < needed;
    let sound = stretches.is_empty() && !shortened;
    let end_is_stated = segment.closed.is_none() || view.closing_check(segment).is_some();
    if sound && end_is_stated {
        return Ok(Known { header, file_len: segment.file_len, end, rewrite: None });
    }
    let room_end = open_span(&header).limit;
    let limit = match segment.closed {
        Some(closed) => closed.lsn,
        None => view.limit(),
    };
    let (mut gaps, mut end) = gaps_of(view, segment, limit.min(room_end), stretches)?;
    if sound {
        return Ok(Known { header, file_len: segment.file_len, end, rewrite: None });
    }
    held(&FileName::Segment(header.number).text(), segment.file_len)?;
    if is_last
        && shortened
        && let Some(GapFrame { from, to, prev, check }) = rest_of_room(end, room_end)
    {
        // Nothing says how far the frames went.
        gaps.push(GapFrame { from, to, prev, check });
        end = SegmentEnd { lsn: to, check };
    }
    let used = layout::FRAMES_START + end.lsn.since(header.base).unwrap_or(0);
    // A clean close stays one: what it says of the end still holds.
    let is_open = is_last && !view.is_clean();
    let file_len =
        if is_open { header.file_len } else { segment.file_len.max(layout::block_aligned(used)) };
    let zeros_from = is_open.then_some(end.lsn);
    let segment = header.number;
    let rewrite = Some(Rewrite { segment, gaps, header, file_len, zeros_from });
    Ok(Known { header, file_len, end, rewrite })
}

fn rest_of_room(end: SegmentEnd, room_end: Lsn) -> Option<GapFrame> {
    let len = room_end.since(end.lsn)?;
    let SegmentEnd { lsn: from, check } = end;
    (len >= GAP_LEN_MIN).then_some(GapFrame { from, to: room_end, prev: check, check })
}

/// The gaps over these stretches, and how the segment then ends.
fn gaps_of(
    view: &LogView,
    segment: &Segment,
    limit: Lsn,
    stretches: &[Range<Lsn>],
) -> Result<(Vec<GapFrame>, SegmentEnd)> {
    let header = &segment.header;
    let name = FileName::Segment(header.number).text();
    let file =
        view.storage().open(&name, OpenMode::Read).map_err(|e| Error::io("open", &*name, e))?;
    let mut span = open_span(header);
    span.limit = limit;
    let closed_cleanly = segment.closed.is_none() && view.is_clean();
    let closing = closed_cleanly.then_some(view.last_end().check);
    let mut mending = Mending {
        scan: FrameScan::new(file, span, header.base, Some(header.prev_check)),
        limit,
        first: view.first(),
        is_tail: segment.closed.is_none() && !view.is_clean(),
        in_batch: false,
        closing: view.closing_check(segment).or(closing),
        check: header.prev_check,
        last: None,
        name,
    };
    let mut gaps = Vec::new();
    for stretch in stretches {
        gaps.extend(mending.walk_to(stretch.start)?);
        gaps.extend(mending.gap_over(stretch)?);
    }
    gaps.extend(mending.walk_to(limit)?);
    let end = SegmentEnd { lsn: mending.scan.position(), check: mending.check };
    Ok((gaps, end))
}

/// A walk over a segment that steps over what does not verify.
#[derive(Debug)]
struct Mending {
    scan: FrameScan,
    limit: Lsn,
    /// Where readers begin.
    first: Lsn,
    /// Whether the next open will walk over all of it, and look for the ends of batches.
    is_tail: bool,
    in_batch: bool,
    /// Check of the last frame, where something states it.
    closing: Option<u32>,
    /// Check of the frame before.
    check: u32,
    last: Option<Stepped>,
    name: String,
}

/// A frame that was stepped over.
#[derive(Clone, Copy, Debug)]
struct Stepped {
    lsn: Lsn,
    /// Check of the frame before it, or of the gap that takes that one's place.
    prev: u32,
    continues: bool,
}

impl Mending {
    /// Over the next frame; `None` at the limit, or before what does not verify.
    fn step(&mut self) -> Result<Option<Stepped>> {
        match self.scan.next() {
            Ok(Some((lsn, header))) => {
                let whole = matches!(header.kind, FrameKind::Batch | FrameKind::Gap);
                if self.is_tail && self.in_batch && !whole {
                    return Err(without_end(self.name.clone()));
                }
                self.in_batch = header.continues;
                self.check = header.check;
                let (prev, continues) = (header.prev, header.continues);
                self.last = Some(Stepped { lsn, prev, continues });
                Ok(self.last)
            }
            Ok(None) | Err(ScanError::Frame(_)) => Ok(None),
            Err(ScanError::Io(error)) => Err(Error::io("read", &*self.name, error)),
        }
    }

    /// Goes on at `at`, behind what does not verify.
    fn seek(&mut self, at: Lsn) {
        self.scan.seek(at);
        self.in_batch = false;
    }

    /// Goes to the frame at `goal`. What does not verify below the trim point no reader is told of:
    /// the gap over that, if there was something.
    fn walk_to(&mut self, goal: Lsn) -> Result<Option<GapFrame>> {
        let mut gap = None;
        while self.scan.position() < goal {
            if self.step()?.is_none() {
                let (at, first) = (self.scan.position(), self.first);
                if at > first || first >= goal {
                    break;
                }
                if at < first {
                    gap = self.gap_over(&(at..first))?;
                    continue;
                }
                // Readers begin here, and ask nobody whom the frame follows.
                self.seek(at);
                if self.step()?.is_none() {
                    break;
                }
            }
        }
        Ok(gap)
    }

    /// The gap over a stretch; none where nothing is left of it.
    fn gap_over(&mut self, stretch: &Range<Lsn>) -> Result<Option<GapFrame>> {
        let (mut from, mut prev) = (self.scan.position(), self.check);
        // The end is not what it must be: then the last frame is another than was acknowledged.
        if stretch.is_empty()
            && let Some(last) = self.last
        {
            (from, prev) = (last.lsn, last.prev);
        }
        let mut to = stretch.end.max(from);
        if from == to {
            return Ok(None);
        }
        let check = loop {
            self.seek(to);
            if to >= self.limit {
                break self.closing.unwrap_or(prev);
            }
            let Some(behind) = self.step()? else {
                let why = "what stands behind the damage was read differently a moment ago";
                return Err(Error::Unrepairable { name: self.name.clone(), why });
            };
            // Too short for a gap: no log was ever written like this.
            if to.since(from).is_some_and(|len| len >= GAP_LEN_MIN) {
                break behind.prev;
            }
            let mut frame = Some(behind);
            while let Some(Stepped { continues, .. }) = frame {
                to = self.scan.position();
                frame = if continues { self.step()? } else { None };
            }
        };
        if to >= self.limit {
            self.check = check;
        }
        if to.since(from).is_none_or(|len| len < GAP_LEN_MIN) {
            let why = "less is gone there than any frame is long";
            return Err(Error::Unrepairable { name: self.name.clone(), why });
        }
        Ok(Some(GapFrame { from, to, prev, check }))
    }
}
