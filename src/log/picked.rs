//! Takes out of a verified frame what is asked for: one record of it, or all.

use super::record::Record;
use crate::format::batch::{BatchError, BatchRecords};
use crate::format::frame::{FrameHeader, FrameKind, MARKED_HEADER_LEN};
use crate::format::tag::Tag;
use crate::position::Lsn;
use bytes::Bytes;
use std::ops::Deref;

/// Which records of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// One, counted from 0.
    Nth(u32),
    All,
}

/// The body of a frame.
pub(super) enum Body<'a> {
    /// In memory that is used again: what is kept of it is copied.
    Shared(&'a [u8]),
    /// In memory of its own.
    Own(Bytes),
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }
}

impl Body<'_> {
    fn into_bytes(self) -> Bytes {
        match self {
            Self::Shared(bytes) => Bytes::copy_from_slice(bytes),
            Self::Own(bytes) => bytes,
        }
    }
}

/// What was taken.
#[derive(Debug)]
pub(super) enum Picked {
    One(Record),
    All(Vec<Record>),
    /// Nothing: the frame holds so many records, and the one that is asked for comes after them.
    Fewer(u32),
}

impl Picked {
    /// `None` where a batch has records that do not fit, which no verified one has.
    pub(super) fn of(
        lsn: Lsn,
        (batch, tag): (bool, Tag),
        body: Body<'_>,
        which: Which,
    ) -> Option<Self> {
        match which {
            Which::Nth(0) | Which::All if !batch => {
                Some(Self::One(Record { lsn, index: 0, tag, bytes: body.into_bytes() }))
            }
            Which::Nth(_) if !batch => Some(Self::Fewer(1)),
            Which::Nth(index) => {
                let mut count = 0;
                for record in BatchRecords::new(&body) {
                    let record = record.ok()?;
                    if count == index {
                        let bytes = Bytes::copy_from_slice(record);
                        return Some(Self::One(Record { lsn, index, tag, bytes }));
                    }
                    count += 1;
                }
                Some(Self::Fewer(count))
            }
            Which::All => {
                let body = body.into_bytes();
                let records = (0..).zip(BatchRecords::new(&body)).map(|(index, record)| {
                    Some(Record { lsn, index, tag, bytes: body.slice_ref(record.ok()?) })
                });
                records.collect::<Option<_>>().map(Self::All)
            }
        }
    }
}

/// What was taken of a frame, and what follows it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) picked: Picked,
    /// Where the batch goes on, if it does, and the check of this frame, if it has one yet.
    pub(super) goes_on: Option<(Lsn, Option<u32>)>,
    /// How many bytes had to be read for it, at most.
    pub(super) needed: usize,
}

impl Part {
    /// Of a frame that verifies.
    pub(super) fn of(lsn: Lsn, header: &FrameHeader, body: Body<'_>, which: Which) -> Option<Self> {
        let needed = MARKED_HEADER_LEN + body.len();
        let batch = header.kind == FrameKind::Batch;
        let picked = Picked::of(lsn, (batch, header.tag), body, which)?;
        let next = lsn.checked_add(header.frame_len())?;
        let goes_on = header.continues.then_some((next, Some(header.check)));
        Some(Self { picked, goes_on, needed })
    }

    /// The one record that was asked for.
    pub(super) fn one(self) -> Option<Record> {
        match self.picked {
            Picked::One(record) => Some(record),
            Picked::All(_) | Picked::Fewer(_) => None,
        }
    }
}

/// The records at these indices, which are in order, of a frame that verifies, each in memory of its
/// own; `None` where there is none.
pub(super) fn picked<'a>(
    lsn: Lsn,
    header: &FrameHeader,
    body: &'a [u8],
    indices: impl Iterator<Item = u32> + 'a,
) -> impl Iterator<Item = Option<Record>> {
    let (batch, tag) = (header.kind == FrameKind::Batch, header.tag);
    let mut records = (0..).zip(BatchRecords::new(body));
    let mut here = if batch { next(&mut records) } else { Some((0, body)) };
    indices.map(move |index| {
        while batch && here.is_some_and(|(at, _)| at < index) {
            here = next(&mut records);
        }
        let bytes = here.filter(|&(at, _)| at == index).map(|(_, bytes)| bytes)?;
        Some(Record { lsn, index, tag, bytes: Bytes::copy_from_slice(bytes) })
    })
}

fn next<'a>(
    records: &mut impl Iterator<Item = (u32, Result<&'a [u8], BatchError>)>,
) -> Option<(u32, &'a [u8])> {
    let (at, record) = records.next()?;
    Some((at, record.ok()?))
}
