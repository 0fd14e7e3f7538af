//! Records out of frames that are in memory, for those who follow the log. One copy of the bytes serves all
//! of them.
//!
//! The frames are the log's own, whole, and as they were placed: no check is filled in, and none is
//! looked at. Knows neither files nor the lock.

use super::record::Record;
use crate::format::batch::BatchRecords;
use crate::format::frame::FrameKind;
use crate::format::frame_writer::placed_at;
use crate::format::tag::Tag;
use crate::position::Lsn;
use bytes::Bytes;

/// Whole frames, one behind the other. A clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    lsn: Lsn,
    frames: Bytes,
}

impl Piece {
    pub(crate) const fn new(lsn: Lsn, frames: Bytes) -> Self {
        Self { lsn, frames }
    }

    /// Where its first frame begins.
    pub(crate) const fn lsn(&self) -> Lsn {
        self.lsn
    }

    pub(crate) const fn len(&self) -> u64 {
        self.frames.len() as u64
    }

    /// Where its last frame ends.
    pub(crate) fn end(&self) -> Lsn {
        self.lsn.checked_add(self.len()).unwrap_or(self.lsn)
    }
}

/// A walk over the records of a piece.
#[derive(Debug)]
pub(crate) struct PieceWalk {
    rest: Piece,
    /// No frame that ends beyond is shown.
    end: Lsn,
    batch: Option<Batch>,
}

/// A batch frame whose records are being handed out.
#[derive(Debug)]
struct Batch {
    lsn: Lsn,
    tag: Tag,
    index: u32,
    rest: Bytes,
}

impl PieceWalk {
    pub(crate) const fn new(piece: Piece, end: Lsn) -> Self {
        Self { rest: piece, end, batch: None }
    }

    /// Where the batch frame stands of which some records were handed out, and perhaps not all.
    pub(crate) fn inside(&self) -> Option<Lsn> {
        self.batch.as_ref().map(|batch| batch.lsn)
    }

    /// No further frame is shown.
    pub(crate) fn end_here(&mut self) {
        self.end = self.rest.lsn;
    }

    /// The next record of a frame that begins at or behind `at`, which moves behind its frame; `None` where
    /// there is none before the end.
    pub(crate) fn next(&mut self, at: &mut Lsn) -> Option<Record> {
        loop {
            if let Some(record) = self.batch.as_mut().and_then(Batch::next) {
                return Some(record);
            }
            self.batch = None;
            let Piece { lsn, frames } = &self.rest;
            let (lsn, frame) = (*lsn, placed_at(frames, 0)?);
            let end = lsn.checked_add(frame.len as u64).filter(|end| *end <= self.end)?;
            let (kind, tag) = (frame.kind, frame.tag);
            let bytes = frames.slice_ref(frame.body);
            self.rest = Piece { lsn: end, frames: frames.slice(frame.len..) };
            if lsn < *at {
                continue;
            }
            *at = end;
            if kind == FrameKind::Record.byte() {
                return Some(Record { lsn, index: 0, tag, bytes });
            }
            if kind == FrameKind::Batch.byte() {
                self.batch = Some(Batch { lsn, tag, index: 0, rest: bytes });
            }
        }
    }
}

impl Batch {
    fn next(&mut self) -> Option<Record> {
        let record = BatchRecords::new(&self.rest).next()?.ok()?;
        let (bytes, read) = (self.rest.slice_ref(record), 4 + record.len());
        let index = self.index;
        self.rest = self.rest.slice(read..);
        self.index = index.saturating_add(1);
        Some(Record { lsn: self.lsn, index, tag: self.tag, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::frame_writer::{
        FrameSpec, close_frame, open_frame, place_frame, place_record,
    };

    const TAG: Tag = Tag::new(7);

    /// A record, a mark, a batch of three, a void frame, a record.
    fn frames() -> Vec<u8> {
        let mut run = Vec::new();
        place_record(&mut run, TAG, b"one");
        place_frame(&mut run, FrameSpec::of(FrameKind::IdleMark).marking(Some(Lsn::FIRST)), &[]);
        let start = open_frame(&mut run, FrameSpec::of(FrameKind::Batch).tagged(TAG));
        for record in [b"a".as_slice(), b"", b"ccc"] {
            run.extend_from_slice(&u32::try_from(record.len()).unwrap().to_le_bytes());
            run.extend_from_slice(record);
        }
        close_frame(&mut run, start);
        place_frame(&mut run, FrameSpec::of(FrameKind::Void), &[]);
        place_record(&mut run, Tag::NONE, b"two");
        run
    }

    fn shown(walk: &mut PieceWalk, at: &mut Lsn) -> Vec<(u32, Vec<u8>)> {
        std::iter::from_fn(|| walk.next(at)).map(|r| (r.index, r.bytes.to_vec())).collect()
    }

    #[test]
    fn records_come_in_order_and_frames_without_any_are_passed_over() {
        let piece = Piece::new(Lsn::new(64), Bytes::from(frames()));
        let (end, mut at) = (piece.end(), Lsn::new(64));
        let all = shown(&mut PieceWalk::new(piece, end), &mut at);
        let expected: [(u32, &[u8]); 5] =
            [(0, b"one"), (0, b"a"), (1, b""), (2, b"ccc"), (0, b"two")];
        assert_eq!(all, expected.map(|(index, bytes)| (index, bytes.to_vec())));
        assert_eq!(at, end);
    }

    #[test]
    fn nothing_is_shown_that_begins_before_or_ends_beyond() {
        let piece = Piece::new(Lsn::new(64), Bytes::from(frames()));
        let mut places = Vec::new();
        let (mut walk, mut at) = (PieceWalk::new(piece.clone(), piece.end()), Lsn::new(64));
        while let Some(record) = walk.next(&mut at) {
            places.push((record.lsn, at));
        }
        for from in 64..=piece.end().get() {
            for end in (from..=piece.end().get()).step_by(8) {
                let (mut at, end) = (Lsn::new(from), Lsn::new(end));
                let count = shown(&mut PieceWalk::new(piece.clone(), end), &mut at).len();
                let within = |&&(lsn, behind): &&(Lsn, Lsn)| lsn >= Lsn::new(from) && behind <= end;
                assert_eq!(count, places.iter().filter(within).count(), "{from} to {end}");
            }
        }
    }

    #[test]
    fn records_share_the_bytes_of_the_piece() {
        let piece = Piece::new(Lsn::new(64), Bytes::from(frames()));
        let bytes = piece.frames.as_ptr_range();
        let (mut walk, mut at) = (PieceWalk::new(piece.clone(), piece.end()), Lsn::new(64));
        while let Some(record) = walk.next(&mut at) {
            assert!(record.bytes.is_empty() || bytes.contains(&record.bytes.as_ptr()));
        }
    }
}
