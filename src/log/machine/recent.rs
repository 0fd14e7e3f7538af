//! The newest frames, once in memory for all who follow the log: who is at its end reads no file.
//!
//! ```text
//!   ... file ...   | pieces: what was written last | what is on its way | what waits to be written |
//!                  ^ at most RECENT_MAX before     ^ written                         accepted ^
//! ```
//!
//! Frames are copied here when they go to the disk, since whoever writes them has them for itself
//! meanwhile; or before, when a follower asks that is shown what is only accepted. Nothing is copied unless
//! a follower looked at the end of the log a short time ago, and a write that fails empties all: what
//! becomes void is not to be shown. Checks are not filled in here. Knows nothing of who follows.

use super::super::action::Run;
use super::super::piece::Piece;
use super::{Machine, after, parts};
use crate::format::frame_writer::placed_len;
use crate::position::Lsn;
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Bytes that are kept at most: as many as may be buffered, but within these. A run or a frame that is
/// longer is read from the file.
const RECENT_MAX: RangeInclusive<u64> = 64 << 10..=1 << 20;
/// About so long is a piece: a record that somebody keeps holds on to no more.
const PIECE: usize = 16 << 10;
/// About so much is copied at once for a follower that asks for what waits to be written.
const ASKED: u64 = 64 << 10;

/// The newest frames.
#[derive(Debug)]
pub(super) struct Recent {
    max: u64,
    pieces: VecDeque<Piece>,
    len: u64,
    /// What was accepted when a follower last was at the end, or near it.
    looked: Option<Lsn>,
}

/// What a follower finds behind what it has read.
#[derive(Debug)]
pub(crate) enum Newest {
    /// Nothing that it may be shown.
    Nothing,
    /// Frames in memory, of which those before `end` may be shown.
    Here { piece: Piece, end: Lsn },
    /// What is before `end` is in files.
    InFiles { end: Lsn },
    /// It is on its way to the disk: the write has to come back.
    OnItsWay,
    /// It is too long to be copied, and has to be written first.
    TooLong { end: Lsn },
}

impl Recent {
    pub(super) fn new(buffer_max: u64) -> Self {
        let max = buffer_max.clamp(*RECENT_MAX.start(), *RECENT_MAX.end());
        Self { max, pieces: VecDeque::new(), len: 0, looked: None }
    }

    fn end(&self) -> Option<Lsn> {
        self.pieces.back().map(Piece::end)
    }

    fn at(&self, lsn: Lsn) -> Option<&Piece> {
        let nth = self.pieces.partition_point(|piece| piece.lsn() <= lsn).checked_sub(1)?;
        self.pieces.get(nth).filter(|piece| lsn < piece.end())
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.len = 0;
    }

    /// Takes a run that goes to the disk now, if anybody may ask for it.
    #[inline]
    pub(super) fn take(&mut self, run: &Run) {
        if let Some(looked) = self.looked {
            self.take_wanted(run, looked);
        }
    }

    fn take_wanted(&mut self, run: &Run, looked: Lsn) {
        if run.lsn.since(looked).is_some_and(|passed| passed > self.max) {
            self.looked = None;
            return self.clear();
        }
        for (begin, bytes) in parts(run.lsn, &run.front, &run.bytes) {
            self.extend(begin, bytes, u64::MAX);
        }
    }

    /// Adds whole frames that begin at `begin`, but for those that are here; stops once `enough` were
    /// added.
    fn extend(&mut self, begin: Lsn, frames: &[u8], enough: u64) {
        let here = self.end().and_then(|end| usize::try_from(end.since(begin)?).ok());
        let here = here.filter(|&here| here <= frames.len());
        if here.is_none() {
            self.clear();
        }
        let here = here.unwrap_or(0);
        let (mut rest, mut at) =
            (frames.get(here..).unwrap_or_default(), after(begin, here as u64));
        if enough == u64::MAX && rest.len() as u64 > self.max {
            return self.clear();
        }
        let mut added = 0;
        while !rest.is_empty() && added < enough {
            let mut len = 0;
            while len < PIECE
                && let Some(frames) = rest.get(len..).filter(|frames| !frames.is_empty())
            {
                len += placed_len(frames);
            }
            let Some((piece, others)) = rest.split_at_checked(len) else { return };
            self.push(Piece::new(at, Bytes::copy_from_slice(piece)));
            (rest, at, added) = (others, after(at, len as u64), added + len as u64);
        }
    }

    fn push(&mut self, piece: Piece) {
        self.len += piece.len();
        self.pieces.push_back(piece);
        while self.len > self.max
            && let Some(oldest) = self.pieces.pop_front()
        {
            self.len -= oldest.len();
        }
    }
}

impl Machine {
    /// What stands behind everything before `at` for a follower that is shown what is before `visible`.
    pub(crate) fn newest(&mut self, at: Lsn, visible: Lsn) -> Newest {
        let accepted = self.marks.accepted;
        if accepted.since(at).is_some_and(|left| left <= self.recent.max) {
            self.recent.looked = Some(accepted);
        }
        if at >= visible {
            return Newest::Nothing;
        }
        if let Some(piece) = self.recent.at(at) {
            return here(piece, visible);
        }
        let written = self.marks.written;
        if at < written {
            return Newest::InFiles { end: visible.min(written) };
        }
        self.copy_unwritten(at, visible)
    }

    /// Copies what waits to be written, from `at` on.
    fn copy_unwritten(&mut self, at: Lsn, visible: Lsn) -> Newest {
        let Self { recent, retry, front, pending, starts, .. } = self;
        let retry = retry.iter().flat_map(|run| parts(run.lsn, &run.front, &run.bytes));
        let mut parts = retry.chain(parts(self.pending_at, front, pending));
        let holds = |&(begin, bytes): &(Lsn, &Vec<u8>)| {
            at.since(begin).is_some_and(|offset| offset < bytes.len() as u64)
        };
        let Some((begin, bytes)) = parts.find(holds) else { return Newest::OnItsWay };
        if recent.end().is_some_and(|end| end > at) {
            recent.clear();
        }
        // A frame is known to begin not far before; or where what is here ends.
        let near = starts.partition_point(|start| *start <= at).checked_sub(1);
        let near = near.and_then(|nth| starts.get(nth)).copied().filter(|start| *start >= begin);
        let end = recent.end().filter(|end| (begin..=at).contains(end));
        let from = near.max(end).unwrap_or(begin);
        let from = end.filter(|&end| at.since(end).is_some_and(|gap| gap < ASKED)).unwrap_or(from);
        let offset = usize::try_from(from.since(begin).unwrap_or(0)).unwrap_or(usize::MAX);
        let frames = bytes.get(offset..).unwrap_or_default();
        if frames.is_empty() || placed_len(frames) as u64 > recent.max {
            return Newest::TooLong { end: self.marks.accepted };
        }
        let enough = at.since(from).unwrap_or(0).saturating_add(ASKED);
        recent.extend(from, frames, enough);
        match recent.at(at) {
            Some(piece) => here(piece, visible),
            None => Newest::TooLong { end: self.marks.accepted },
        }
    }
}

fn here(piece: &Piece, visible: Lsn) -> Newest {
    Newest::Here { piece: piece.clone(), end: visible }
}
