//! Gathers what a segment ends in of which nothing proves that it is whole: where the valid run stops, what stands behind it,
//! and what anything behind it proves. Decides nothing.

use super::decide::Row;
use super::scan::{FrameScan, ScanError, Span};
use super::survey::SegmentEnd;
use super::window::{READ_AHEAD, Window};
use crate::error::Damage;
use crate::format::checksum::FrameSeed;
use crate::format::control;
use crate::format::frame::{
    CLOSE_MARK_LEN, FrameHeader, FrameKind, MARKED_HEADER_LEN, decode_frame,
};
use crate::format::header::SegmentHeader;
use crate::format::layout;
use crate::format::trailer::{Trailer, TrailerKind};
use crate::position::Lsn;
use crate::storage::{StorageFile, read_full};
use std::io;
use std::sync::Arc;

const CLOSE_MARK_BYTES: usize = 40;
const _: () = assert!(CLOSE_MARK_BYTES as u64 == CLOSE_MARK_LEN);

/// Words that a search looks at together: 512 bytes.
const STRIDE: usize = 64;

/// What was found at the end of the last segment.
#[derive(Debug)]
pub(crate) struct TailFacts {
    /// E: where the last whole batch ends.
    pub(crate) end: Lsn,
    /// Check of the last frame before E.
    pub(crate) end_check: u32,
    /// What ends the run.
    pub(crate) row: Row,
    /// What is wrong at E, for people.
    pub(crate) damage: Damage,
    /// The largest durable LSN that a frame beyond E, or a close record, states.
    pub(crate) proven_beyond: Option<Lsn>,
    /// Where the room for frames ends.
    pub(crate) room_end: Lsn,
    /// Where the last frame beyond E ends that verifies in a row with a marked one.
    pub(crate) beyond_end: Lsn,
    /// Check of that frame, if it is one.
    pub(crate) beyond_check: Option<u32>,
    /// The largest durable LSN that a frame of the run states.
    pub(crate) proven: Lsn,
    /// The largest trim point that a frame of the run states.
    pub(crate) trim: Lsn,
    /// Frames before E; unknown after a clean close, where only one is read.
    pub(crate) frames: Option<u64>,
    /// Whether a close record names this end.
    pub(crate) clean: bool,
    /// That record ends a file which is shorter than the header says.
    pub(crate) short: bool,
    /// Where a seal says that the segment ended: its successor was begun.
    pub(crate) sealed: Option<SegmentEnd>,
    /// Bytes that are not zero stand behind E.
    pub(crate) dirty_bytes: u64,
    /// Bytes read to find out.
    pub(crate) scanned: u64,
    /// What the device said, where `row` is `Unreadable`.
    pub(crate) error: Option<io::Error>,
}

/// The span of frames in an unclosed segment.
pub(crate) fn open_span(header: &SegmentHeader) -> Span {
    Span {
        base: header.base,
        seed: FrameSeed::new(header.log, header.salt),
        limit: after(header.base, layout::frame_room(header.file_len)),
    }
}

/// Where a segment ends by what its successor says, and what of it is still needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) end: SegmentEnd,
    /// The trim point: nothing before it is asked for. A frame begins there, or a gap covers it.
    pub(crate) trim: Lsn,
}

/// Reads the tail of the segment with this header. `closed`: no frame stands behind the end that its
/// successor says it has.
pub(crate) fn examine(
    file: &Arc<dyn StorageFile>,
    header: &SegmentHeader,
    closed: Option<Closed>,
) -> TailFacts {
    let mut span = open_span(header);
    if let Some(Closed { end, .. }) = closed {
        span.limit = span.limit.min(end.lsn.max(header.base));
    }
    let mut tail = Tail {
        file,
        span,
        closed,
        facts: TailFacts {
            end: header.base,
            end_check: header.prev_check,
            row: Row::Zeros,
            damage: Damage::End,
            proven_beyond: None,
            room_end: open_span(header).limit,
            beyond_end: header.base,
            beyond_check: None,
            proven: header.durable(),
            trim: header.trim,
            frames: Some(0),
            clean: false,
            short: false,
            sealed: None,
            dirty_bytes: 0,
            scanned: 0,
            error: None,
        },
    };
    if let Err(error) = tail.gather(header) {
        tail.facts.row = Row::Unreadable;
        tail.facts.error = Some(error);
    }
    tail.facts
}

struct Tail<'a> {
    file: &'a Arc<dyn StorageFile>,
    span: Span,
    closed: Option<Closed>,
    facts: TailFacts,
}

impl Tail<'_> {
    fn gather(&mut self, header: &SegmentHeader) -> io::Result<()> {
        let found = self.file.len()?;
        self.look_for_seal(header, found.min(header.file_len), header.base)?;
        if found < header.file_len && self.closed.is_none() && self.closed_cleanly(header, found)? {
            self.facts.short = true;
            return Ok(());
        }
        // One that was shortened when it was sealed has all its frames.
        let expected = match self.closed {
            Some(closed) => self.span.offset(closed.end.lsn.max(header.base)),
            None => header.file_len,
        };
        if found < expected && self.facts.sealed.is_none() {
            // The run is walked all the same, so that the report says what is left.
            self.run()?;
            if self.facts.row != Row::Unknown {
                self.facts.row = Row::Shortened;
                self.facts.damage = Damage::Short { expected, found };
            }
            return Ok(());
        }
        if self.closed.is_none() && self.closed_cleanly(header, header.file_len)? {
            return Ok(());
        }
        let mut looked_at = None;
        loop {
            self.run()?;
            // It is written where the file will end, and then the file is shortened.
            if self.facts.sealed.is_none() && self.closed.is_none() {
                let used = self.facts.end.since(header.base).unwrap_or(0) + layout::TRAILER_LEN;
                let shortened = layout::block_aligned(layout::FRAMES_START + used);
                self.look_for_seal(header, shortened.min(header.file_len), self.facts.end)?;
            }
            if self.facts.sealed.is_some_and(|seal| seal.lsn == self.facts.end) {
                self.facts.row = Row::Closed;
                return Ok(());
            }
            if matches!(self.facts.row, Row::Undecodable | Row::HalfBatch | Row::Closed) {
                self.search()?;
                if self.facts.dirty_bytes == 0 && self.facts.row == Row::Undecodable {
                    self.facts.row = Row::Zeros;
                }
            }
            // Beside a live writer the bytes at E may be older than the mark that was read
            // behind them: whoever states W wrote after it. So E is read once more, after W.
            if !self.facts.is_proven_beyond() || looked_at == Some(self.facts.end) {
                return Ok(());
            }
            looked_at = Some(self.facts.end);
        }
    }

    /// A seal is written once the header of the successor is durable, and that is written once all
    /// frames of the segment are: none of them stands behind its end, and all before it were durable.
    /// This looks for one that ends a file of this length.
    fn look_for_seal(
        &mut self,
        header: &SegmentHeader,
        file_len: u64,
        at_least: Lsn,
    ) -> io::Result<()> {
        let mut bytes = [0; 64];
        let count = read_full(&**self.file, layout::trailer_offset(file_len), &mut bytes)?;
        let Ok(seal) = Trailer::decode(bytes.get(..count).unwrap_or_default()) else {
            return Ok(());
        };
        let room = layout::frame_room(file_len);
        if matches!(seal.kind, TrailerKind::Seal { .. })
            && seal.salt == header.salt
            && seal.end >= at_least
            && seal.end.since(header.base).is_some_and(|len| len <= room)
            && !planted!("seal-proves-nothing")
        {
            self.facts.sealed = Some(SegmentEnd { lsn: seal.end, check: seal.last_check });
            self.facts.proven_beyond = Some(seal.end);
            self.span.limit = seal.end;
        }
        Ok(())
    }

    /// A close record at the end of a file of this length, whose end and check are those of the close mark
    /// before it.
    fn closed_cleanly(&mut self, header: &SegmentHeader, file_len: u64) -> io::Result<bool> {
        let Span { base, seed, limit } = self.span;
        let limit = limit.min(after(base, layout::frame_room(file_len)));
        let mut bytes = [0; 64];
        let count = read_full(&**self.file, layout::trailer_offset(file_len), &mut bytes)?;
        let record = bytes.get(..count).map(Trailer::decode);
        let Some(Ok(record)) = record else {
            return Ok(false);
        };
        let mark_at = record.end.get().checked_sub(CLOSE_MARK_LEN).map(Lsn::new);
        let Some(mark_at) = mark_at.filter(|&lsn| {
            record.kind == TrailerKind::Close
                && (record.salt == header.salt || planted!("close-record-of-another-salt"))
                && lsn >= base
                && record.end <= limit
        }) else {
            return Ok(false);
        };
        // The record was written after the sync of all records before the close mark: should the
        // frames not reach that far, this proves that they once did.
        let overdone = planted!("close-record-proves-its-mark");
        self.facts.proven_beyond = Some(if overdone { record.end } else { mark_at });
        let mut bytes = [0; CLOSE_MARK_BYTES];
        let count = read_full(&**self.file, self.span.offset(mark_at), &mut bytes)?;
        let frame = decode_frame(bytes.get(..count).unwrap_or_default(), seed, mark_at);
        let Ok((frame, body)) = frame else {
            return Ok(false);
        };
        let Some(trim) = control::decode_trim(body) else {
            return Ok(false);
        };
        if frame.kind != FrameKind::CloseMark || frame.check != record.last_check {
            return Ok(false);
        }
        self.facts.end = record.end;
        self.facts.end_check = record.last_check;
        self.facts.row = Row::Closed;
        self.facts.clean = true;
        self.facts.proven_beyond = None;
        self.facts.frames = None;
        self.facts.proven = record.end;
        self.facts.trim = self.facts.trim.max(trim.min(mark_at));
        self.facts.scanned += 64 + CLOSE_MARK_LEN;
        Ok(true)
    }

    /// Walks the frames from E on.
    fn run(&mut self) -> io::Result<()> {
        let (from, check) = (self.facts.end, self.facts.end_check);
        self.walk(from, Some(check))?;
        // What is below the trim point is not needed, nor what the frame there follows.
        if let Some(Closed { trim, .. }) = self.closed
            && (self.facts.end..self.span.limit).contains(&trim)
            && self.facts.end < trim
        {
            self.facts.end = trim;
            self.walk(trim, None)?;
        }
        Ok(())
    }

    fn walk(&mut self, from: Lsn, check: Option<u32>) -> io::Result<()> {
        let mut scan = FrameScan::new(Arc::clone(self.file), self.span, from, check);
        let mut in_batch = false;
        let mut held = 0;
        let row = loop {
            match scan.next() {
                Ok(Some((_, FrameHeader { kind: FrameKind::Skippable(_), .. })))
                    if planted!("skippable-kind-ends-the-log") =>
                {
                    break Row::Undecodable;
                }
                Ok(Some((lsn, frame))) => {
                    // A gap stands for the rest of a batch, too.
                    if in_batch && !matches!(frame.kind, FrameKind::Batch | FrameKind::Gap) {
                        self.facts.damage = Damage::Batch;
                        break Row::HalfBatch;
                    }
                    self.learn(lsn, &frame, scan.body());
                    in_batch = frame.continues && !planted!("first-without-last");
                    held += 1;
                    if !in_batch {
                        self.facts.end = scan.position();
                        self.facts.end_check = frame.check;
                        self.facts.row = if frame.kind == FrameKind::CloseMark {
                            Row::Closed
                        } else {
                            Row::Zeros
                        };
                        self.facts.frames = self.facts.frames.map(|count| count + held);
                        held = 0;
                    }
                }
                Ok(None) if in_batch => {
                    self.facts.damage = Damage::Batch;
                    break Row::HalfBatch;
                }
                Ok(None) => break Row::Zeros,
                Err(ScanError::Io(error)) => return Err(error),
                Err(ScanError::Frame(cause)) if cause.is_unknown() => {
                    self.facts.damage = cause.into();
                    break Row::Unknown;
                }
                Err(ScanError::Frame(cause)) => {
                    self.facts.damage = cause.into();
                    break if in_batch { Row::HalfBatch } else { Row::Undecodable };
                }
            }
        };
        let closed = self.facts.row == Row::Closed && row != Row::Unknown;
        self.facts.row = if closed { Row::Closed } else { row };
        self.facts.scanned += scan.position().since(from).unwrap_or(0);
        Ok(())
    }

    fn learn(&mut self, lsn: Lsn, frame: &FrameHeader, body: &[u8]) {
        if let Some(mark) = frame.mark {
            self.facts.proven = self.facts.proven.max(mark.min(lsn));
        }
        if matches!(frame.kind, FrameKind::Trim | FrameKind::CloseMark)
            && let Some(trim) = control::decode_trim(body)
        {
            self.facts.trim = self.facts.trim.max(trim.min(lsn));
        }
    }

    /// Looks for marks behind E: every multiple of 8 at which a header and its mark verify
    /// (two checks, 64 bits together; the body need not, since the mark was true before the
    /// frame was written). A header that begins with eight zeros is not looked for.
    fn search(&mut self) -> io::Result<()> {
        let from = self.facts.end;
        let room = usize::try_from(self.span.limit.since(from).unwrap_or(0)).unwrap_or(usize::MAX);
        let mut window = Window::new(room.min(READ_AHEAD));
        let mut at = from;
        let mut last_marked = None;
        self.facts.dirty_bytes = 0;
        while let Some(left) = self.span.limit.since(at).filter(|&left| left > 0) {
            let block = usize::try_from(left).unwrap_or(usize::MAX).min(READ_AHEAD);
            let bytes = window.look(&**self.file, self.span.offset(at), block)?;
            if bytes.is_empty() {
                break;
            }
            // A header may straddle two blocks: the next look starts at the last whole one.
            let whole = bytes.len() == block && left > block as u64;
            let whole = whole && !planted!("mark-astride-two-blocks-missed");
            let usable = if whole { bytes.len() - MARKED_HEADER_LEN } else { bytes.len() };
            let dirty_words = likely_places(bytes, usable, |place| {
                let lsn = after(at, place as u64);
                let head = bytes.get(place..).unwrap_or_default();
                if let Ok(FrameHeader { mark: Some(mark), .. }) =
                    FrameHeader::decode(head, self.span.seed, lsn)
                {
                    self.facts.proven_beyond = self.facts.proven_beyond.max(Some(mark));
                    last_marked = Some(lsn);
                }
            });
            self.facts.dirty_bytes += dirty_words * 8;
            self.facts.scanned += usable as u64;
            at = after(at, usable.next_multiple_of(8) as u64);
        }
        if let Some(lsn) = last_marked {
            let mut scan = FrameScan::new(Arc::clone(self.file), self.span, lsn, None);
            while scan.verifies()? {}
            self.facts.beyond_end = scan.position();
            self.facts.beyond_check = scan.last_check();
        }
        Ok(())
    }
}

/// Tells each place before `usable` where the header of a marked frame may begin, and returns how
/// many words of 8 bytes there are not zero.
///
/// A tail is zeros, or the leftovers of the file's earlier use: most strides hold no such place,
/// and are passed by without a look at each word.
pub(super) fn likely_places(bytes: &[u8], usable: usize, mut likely: impl FnMut(usize)) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    // Kind and flags stand two words behind the begin of a header.
    let kinds = words.get(2..).unwrap_or_default();
    let words = words.get(..usable.div_ceil(8)).unwrap_or(words);
    let mut dirty = 0;
    for (nth, stride) in words.chunks(STRIDE).enumerate() {
        let in_stride: u64 = stride.iter().map(|&word| u64::from(word != [0; 8])).sum();
        let begin = nth * STRIDE;
        // A header that is not all there is none.
        let kinds = kinds.get(begin..kinds.len().min(begin + stride.len())).unwrap_or_default();
        dirty += in_stride;
        if in_stride == 0 || !kinds.iter().fold(false, |any, kind| any | may_be_marked(kind)) {
            continue;
        }
        for (index, (word, kind)) in stride.iter().zip(kinds).enumerate() {
            if *word != [0; 8] && may_be_marked(kind) {
                likely((begin + index) * 8);
            }
        }
    }
    dirty
}

fn may_be_marked(word: &[u8; 8]) -> bool {
    let [kind, flags, tag0, tag1, ..] = *word;
    let tagged = [tag0, tag1] != [0, 0];
    FrameHeader::may_be_marked(u32::from_le_bytes([kind, flags, tag0, tag1]))
        && !(tagged && planted!("mark-beside-a-tag-missed"))
}

fn after(lsn: Lsn, bytes: u64) -> Lsn {
    lsn.checked_add(bytes).unwrap_or(Lsn::new(u64::MAX))
}

impl TailFacts {
    /// How much of what is before E is proven durable, by whatever stands before or behind it.
    pub(crate) fn proven(&self) -> Lsn {
        self.proven.max(self.proven_beyond.unwrap_or(self.proven)).min(self.end)
    }

    /// Whether something beyond E proves that it was acknowledged.
    pub(crate) fn is_proven_beyond(&self) -> bool {
        self.proven_beyond.is_some_and(|mark| mark > self.end)
            && !planted!("damage-taken-for-torn-tail")
    }

    /// What is unknown at E, where `row` is `Unknown`.
    pub(crate) fn unknown(&self) -> String {
        match &self.damage {
            Damage::Frame(what) => what.to_string(),
            other => other.to_string(),
        }
    }

    /// The same as an end; the check is that of the last frame there is.
    pub(crate) fn readable(&self) -> SegmentEnd {
        let lsn = self.readable_end();
        let check = self.beyond_check.filter(|_| lsn == self.beyond_end);
        SegmentEnd { lsn, check: check.filter(|_| lsn > self.end).unwrap_or(self.end_check) }
    }

    /// Whether a frame that verifies ends at the [readable end](Self::readable_end).
    pub(crate) fn ends_in_frame(&self) -> bool {
        let end = self.readable_end();
        end == self.end || end == self.beyond_end && self.beyond_check.is_some()
    }

    /// How far a reader that goes on behind damage finds frames.
    pub(crate) fn readable_end(&self) -> Lsn {
        if self.is_proven_beyond() {
            self.end.max(self.beyond_end).max(self.proven_beyond.unwrap_or(self.end))
        } else {
            self.end
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{likely_places, may_be_marked};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strides_hide_no_place_and_no_dirt(
            len in 0..3000_usize,
            dirt in prop::collection::vec((0..375_usize, any::<[u8; 8]>()), 0..20),
            headers in prop::collection::vec((0..375_usize, 0..10_u8, 0..5_u8, 0..3_u8), 0..20),
            usable in 0..3000_usize,
        ) {
            let mut bytes = vec![0; len];
            let headers = headers.into_iter();
            let kinds = headers.map(|(at, kind, flags, tag)| (at, [kind, flags, 0, tag, 1, 2, 3, 4]));
            for (at, word) in dirt.into_iter().chain(kinds) {
                if let Some(place) = bytes.get_mut(at * 8..at * 8 + 8) {
                    place.copy_from_slice(&word);
                }
            }
            let usable = usable.min(len);
            let word = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
            let dirty: Vec<_> = (0..usable)
                .step_by(8)
                .filter(|&at| word(at).is_some_and(|&word| word != [0; 8]))
                .collect();
            let likely = |at: &usize| word(at + 16).is_some_and(may_be_marked);
            let expected: Vec<_> = dirty.iter().copied().filter(likely).collect();
            let mut told = Vec::new();
            prop_assert_eq!(likely_places(&bytes, usable, |at| told.push(at)), dirty.len() as u64);
            prop_assert_eq!(told, expected);
        }
    }
}
