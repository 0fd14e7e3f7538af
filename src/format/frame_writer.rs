//! Frames on their way to the disk: placed whole when accepted, checked when written.
//!
//! A run is bytes of whole frames, one behind the other. Placing a frame copies its body once
//! and leaves the checks empty, which is all that happens under the log's lock. *Finishing* the
//! run fills them in, outside the lock, while the bytes are still in cache: body check first,
//! chain last. Between the two a frame can still become void at the same place and length.

use super::checksum::{FrameSeed, body_check};
use super::frame::{FrameKind, HEADER_LEN, MARK_LEN, MARKED_HEADER_LEN, frame_len};
use super::tag::Tag;
use crate::position::Lsn;

const CONTINUES: u8 = 1;
const MARKED: u8 = 2;
const KIND_AT: usize = 16;
const FLAGS_AT: usize = 17;
const TAG_AT: usize = 18;

/// What a frame is to say beside its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSpec {
    /// What it is.
    pub kind: FrameKind,
    /// Whether its batch goes on in the next frame.
    pub continues: bool,
    /// The durable LSN that it marks.
    pub mark: Option<Lsn>,
    /// The tag of its records; for a skippable kind what stands in that place.
    pub tag: Tag,
}

impl FrameSpec {
    /// A frame of this kind, without a mark or tag.
    #[must_use]
    pub const fn of(kind: FrameKind) -> Self {
        Self { kind, continues: false, mark: None, tag: Tag::NONE }
    }

    /// The same with a mark.
    #[must_use]
    pub const fn marking(mut self, durable: Option<Lsn>) -> Self {
        self.mark = durable;
        self
    }

    /// The same with a tag.
    #[must_use]
    pub const fn tagged(mut self, tag: Tag) -> Self {
        self.tag = tag;
        self
    }
}

/// Appends a frame that holds one record, with its checks empty: what [`place_frame`] does, for
/// the frame that there are most of.
///
/// # Panics
/// As [`place_frame`].
#[inline(always)]
pub fn place_record(run: &mut Vec<u8>, tag: Tag, record: &[u8]) {
    let len = u32::try_from(record.len()).expect("bodies are bounded before they are placed");
    let mut header = [0; HEADER_LEN];
    header[4..8].copy_from_slice(&len.to_le_bytes());
    header[KIND_AT] = FrameKind::Record.byte();
    header[TAG_AT..].copy_from_slice(&tag.get().to_le_bytes());
    let unpadded = HEADER_LEN + record.len();
    let padding = unpadded.next_multiple_of(8) - unpadded;
    run.reserve(unpadded + padding);
    run.extend_from_slice(&header);
    run.extend_from_slice(record);
    run.extend_from_slice([0; 7].get(..padding).unwrap_or_default());
}

/// Appends a frame with its checks empty; its body is the parts, one behind the other.
///
/// # Panics
/// If the body is longer than `u32::MAX`; the log refuses such records long before.
pub fn place_frame(run: &mut Vec<u8>, spec: FrameSpec, parts: &[&[u8]]) {
    let start = open_frame(run, spec);
    for part in parts {
        run.extend_from_slice(part);
    }
    close_frame(run, start);
}

/// Appends the header of a frame; its body is what is appended until [`close_frame`], which
/// wants the place this returns.
#[must_use]
pub fn open_frame(run: &mut Vec<u8>, spec: FrameSpec) -> usize {
    let start = run.len();
    let mut flags = 0;
    if spec.continues {
        flags |= CONTINUES;
    }
    if spec.mark.is_some() {
        flags |= MARKED;
    }
    let mut header = [0; HEADER_LEN];
    header[KIND_AT] = spec.kind.byte();
    header[FLAGS_AT] = flags;
    header[TAG_AT..].copy_from_slice(&spec.tag.get().to_le_bytes());
    run.extend_from_slice(&header);
    if let Some(durable) = spec.mark {
        run.extend_from_slice(&durable.get().to_le_bytes());
        run.extend_from_slice(&[0; 4]);
    }
    start
}

/// Ends the frame that was opened at `start`: states its length and pads it.
///
/// # Panics
/// If no frame was opened there, or its body is longer than `u32::MAX`.
pub fn close_frame(run: &mut Vec<u8>, start: usize) {
    let end = run.len();
    let header = run
        .get_mut(start..)
        .and_then(|frame| frame.first_chunk_mut::<HEADER_LEN>())
        .expect("a frame is closed where it was opened");
    let marked = header[FLAGS_AT] & MARKED != 0;
    let body_at = start + if marked { MARKED_HEADER_LEN } else { HEADER_LEN };
    let len = u32::try_from(end - body_at).expect("bodies are bounded before they are placed");
    header[4..8].copy_from_slice(&len.to_le_bytes());
    run.resize(end.next_multiple_of(8), 0);
}

/// Fills in the checks of every frame of a run that starts at `lsn` behind a frame with check
/// `prev`; returns the check of its last frame, and how many frames there are.
///
/// # Panics
/// If `run` is not made of whole placed frames.
#[must_use]
pub fn finish_run(run: &mut [u8], seed: FrameSeed, lsn: Lsn, prev: u32) -> (u32, u64) {
    let finished = finish_frames(run, seed, lsn, prev);
    (finished.last_check, finished.frames)
}

/// A run whose checks are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FinishedRun {
    /// Check of its last frame; of the frame before the run, where it is empty.
    pub(crate) last_check: u32,
    /// Where in the run the last frame begins.
    pub(crate) last_at: usize,
    /// How many frames there are.
    pub(crate) frames: u64,
}

/// As [`finish_run`].
pub(crate) fn finish_frames(run: &mut [u8], seed: FrameSeed, lsn: Lsn, prev: u32) -> FinishedRun {
    let len = run.len();
    let (mut rest, mut at, mut prev, mut count, mut last_at) = (run, lsn, prev, 0, 0);
    while !rest.is_empty() {
        last_at = len - rest.len();
        let placed = Placed::read(rest);
        let (frame, behind) = rest.split_at_mut(placed.frame_len);
        prev = finish_frame(frame, placed, seed, at, prev);
        at = at.checked_add(placed.frame_len as u64).expect("LSNs end beyond any log's life");
        rest = behind;
        count += 1;
    }
    FinishedRun { last_check: prev, last_at, frames: count }
}

/// Makes the placed frame at the start of `run` void, and with it the rest of its batch; returns
/// the bytes they take.
///
/// # Panics
/// If `run` does not start with a placed frame.
pub fn void_batch(run: &mut [u8]) -> usize {
    let (mut rest, mut total) = (run, 0);
    loop {
        let placed = Placed::read(rest);
        let (frame, behind) = rest.split_at_mut(placed.frame_len);
        let header = frame.first_chunk_mut::<HEADER_LEN>().expect("a placed frame has a header");
        let continues = header[FLAGS_AT] & CONTINUES != 0;
        let hollow = u32::try_from(placed.frame_len - HEADER_LEN).expect("frames are bounded");
        *header = [0; HEADER_LEN];
        header[4..8].copy_from_slice(&hollow.to_le_bytes());
        header[KIND_AT] = FrameKind::Void.byte();
        total += placed.frame_len;
        if !continues || planted!("leftovers-of-failed-batch") {
            return total;
        }
        rest = behind;
    }
}

/// Bytes of the placed frame at the start of `run`.
///
/// # Panics
/// If `run` does not start with a placed frame.
#[must_use]
pub fn placed_len(run: &[u8]) -> usize {
    Placed::read(run).frame_len
}

/// The lengths of a placed frame. These are our own bytes, never a disk's.
#[derive(Clone, Copy)]
struct Placed {
    hollow: bool,
    marked: bool,
    body_end: usize,
    frame_len: usize,
}

impl Placed {
    fn read(run: &[u8]) -> Self {
        let header = run.first_chunk::<HEADER_LEN>().expect("a run is made of whole frames");
        let body_len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let marked = header[FLAGS_AT] & MARKED != 0;
        let kind = header[KIND_AT];
        let hollow = kind == FrameKind::Void.byte() || kind == FrameKind::Gap.byte();
        let total = frame_len(u64::from(body_len), marked);
        let start = if marked { MARKED_HEADER_LEN } else { HEADER_LEN };
        let fits = "a placed frame is in memory";
        Self {
            hollow,
            marked,
            body_end: start + usize::try_from(body_len).expect(fits),
            frame_len: usize::try_from(total).expect(fits),
        }
    }
}

fn finish_frame(frame: &mut [u8], placed: Placed, seed: FrameSeed, lsn: Lsn, prev: u32) -> u32 {
    let (header, rest) =
        frame.split_first_chunk_mut::<HEADER_LEN>().expect("a run is made of whole frames");
    let body_at = if placed.marked { MARK_LEN } else { 0 };
    if placed.marked {
        let mark = rest.first_chunk_mut::<MARK_LEN>().expect("a marked frame has a mark");
        let (durable, check) = mark.split_first_chunk_mut::<8>().expect("a mark has twelve bytes");
        let durable = Lsn::new(u64::from_le_bytes(*durable));
        check.copy_from_slice(&seed.mark_check(lsn, durable).to_le_bytes());
    }
    if !placed.hollow {
        let body = rest.get(body_at..placed.body_end - HEADER_LEN).expect("a frame has its body");
        header[8..12].copy_from_slice(&body_check(body).to_le_bytes());
    }
    header[12..16].copy_from_slice(&prev.to_le_bytes());
    let (check, covered) = header.split_first_chunk_mut::<4>().expect("a header has a check");
    let covered = covered.first_chunk::<16>().expect("a header has twenty bytes");
    let value = seed.header_check(lsn, covered);
    *check = value.to_le_bytes();
    value
}

/// A frame that was placed and not yet finished, as a reader of memory sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedFrame<'a> {
    /// Its kind, as on disk.
    pub kind: u8,
    /// Its tag.
    pub tag: Tag,
    /// Whether its batch goes on in the next frame.
    pub continues: bool,
    /// Its body.
    pub body: &'a [u8],
    /// Bytes it takes.
    pub len: usize,
}

/// The placed frame that starts at `offset` of `run`, or `None` if none does.
///
/// Walks from the start of the run: cost linear in the frames before.
#[must_use]
pub fn placed_at(run: &[u8], offset: usize) -> Option<PlacedFrame<'_>> {
    let (mut at, mut rest) = (0, run);
    while at < offset && !rest.is_empty() {
        let len = Placed::read(rest).frame_len;
        at += len;
        rest = rest.get(len..)?;
    }
    if at != offset || rest.is_empty() {
        return None;
    }
    let placed = Placed::read(rest);
    let header = rest.first_chunk::<HEADER_LEN>()?;
    let from = if placed.marked { MARKED_HEADER_LEN } else { HEADER_LEN };
    Some(PlacedFrame {
        kind: header[KIND_AT],
        tag: Tag::new(u16::from_le_bytes([header[TAG_AT], header[TAG_AT + 1]])),
        continues: header[FLAGS_AT] & CONTINUES != 0,
        body: rest.get(from..placed.body_end)?,
        len: placed.frame_len,
    })
}

#[cfg(test)]
mod tests;
