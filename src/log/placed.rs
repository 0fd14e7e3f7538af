//! Where the records of one append went: an address for each, without asking the log.
//!
//! ```text
//!   address    (LSN of the frame, index of the record in that frame, from 0)
//!   a record   its own frame, index 0
//!   a batch    frames one after the other, cut by tag and length; a mark that was due is in the first
//! ```

use super::record::Receipt;
use crate::format::batch::{self, BatchCut};
use crate::format::frame::frame_len;
use crate::format::tag::Part;
use crate::position::Lsn;

/// Where the records of an append went. Memory: 16 bytes for each frame of a batch that has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    receipt: Receipt,
    records: u32,
    /// Of a batch in several frames: where each begins, and how many records come before it.
    frames: Vec<(Lsn, u32)>,
}

impl Placed {
    pub(super) fn new<P: Part>(records: &[P], body_max: u64, receipt: Receipt) -> Self {
        let frames = frames(records, body_max, receipt);
        Self { receipt, records: u32::try_from(records.len()).unwrap_or(u32::MAX), frames }
    }

    /// Where the append began and where it ended.
    #[must_use]
    pub const fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// How many records it has.
    #[must_use]
    pub const fn records(&self) -> u32 {
        self.records
    }

    /// The address of the `nth` record, counted from 0; `None` past the last one.
    ///
    /// Cost: a binary search over the frames.
    #[must_use]
    pub fn place(&self, nth: u32) -> Option<(Lsn, u32)> {
        if nth >= self.records {
            return None;
        }
        let frame = self.frames.partition_point(|&(_, before)| before <= nth).checked_sub(1);
        match frame.and_then(|frame| self.frames.get(frame)) {
            Some(&(lsn, before)) => Some((lsn, nth - before)),
            None => Some((self.receipt.lsn, nth)),
        }
    }

    /// The addresses of all records, in order.
    pub fn places(&self) -> impl Iterator<Item = (Lsn, u32)> + '_ {
        (0..self.records).filter_map(|nth| self.place(nth))
    }
}

/// Bytes that the frames of a batch take, without a mark.
pub(super) fn frames_len<P: Part>(records: &[P], body_max: u64) -> u64 {
    cuts(records, body_max).map(|cut| frame_len(cut.body_len, false)).sum()
}

fn cuts<P: Part>(records: &[P], body_max: u64) -> impl Iterator<Item = BatchCut> {
    batch::cut(records.iter().map(|record| (record.tag(), record.len())), body_max)
}

/// Where the frames of a batch begin, if it has more than one, and how many records come before each.
fn frames<P: Part>(records: &[P], body_max: u64, receipt: Receipt) -> Vec<(Lsn, u32)> {
    let size = batch::measure(records);
    if records.len() < 2 || size.one_tag && size.total <= body_max {
        return Vec::new();
    }
    let unmarked = frames_len(records, body_max);
    // A mark that was due is in the first frame.
    let mut marked = receipt.end.since(receipt.lsn) != Some(unmarked);
    let (mut at, mut before) = (receipt.lsn, 0_u32);
    let mut frames = Vec::new();
    for cut in cuts(records, body_max) {
        frames.push((at, before));
        let len = frame_len(cut.body_len, std::mem::take(&mut marked));
        at = at.checked_add(len).unwrap_or(at);
        before = before.saturating_add(u32::try_from(cut.records).unwrap_or(u32::MAX));
    }
    frames
}
