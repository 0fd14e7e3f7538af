//! Reads the records at many addresses: neighbours with one call of the disk.
//!
//! What does not verify here is read once more, alone, by [`read_one`]: errors
//! come from one place.

use super::address::{Among, Place, read_one};
use super::guess;
use super::picked::{Part, Which, picked};
use super::record::Record;
use super::shared::Shared;
use crate::error::Result;
use crate::format::frame::MARKED_HEADER_LEN;
use crate::position::Lsn;
use crate::storage::read_full;
use std::sync::Arc;

/// Addresses that lie at most this far apart are read together: on a device a second call costs
/// more than the bytes between, and from the page cache about as much.
const NEAR: u64 = 16 << 10;

/// The most bytes that one call reads.
const RUN_MAX: u64 = 256 << 10;

/// So many addresses are looked up at once, while appends wait.
const LOOK_UPS: usize = 256;

/// The record at each address, in the order of `lsns`; of a batch, the first.
pub(crate) fn read_many(shared: &Arc<Shared>, lsns: &[Lsn]) -> Vec<Result<Record>> {
    let addresses = lsns.iter().map(|&lsn| (lsn, 0));
    read_each(shared, addresses, Among::Batch)
}

/// The record at each address, in the order of `addresses`.
pub(crate) fn read_many_at(shared: &Arc<Shared>, addresses: &[(Lsn, u32)]) -> Vec<Result<Record>> {
    let addresses = addresses.iter().copied();
    read_each(shared, addresses, Among::Frame)
}

fn read_each(
    shared: &Arc<Shared>,
    addresses: impl ExactSizeIterator<Item = (Lsn, u32)> + Clone,
    among: Among,
) -> Vec<Result<Record>> {
    let mut answers: Vec<Option<Record>> = vec![None; addresses.len()];
    let mut sorted: Vec<((Lsn, u32), usize)> = addresses.clone().zip(0..).collect();
    sorted.sort_unstable();
    let mut asked = Vec::new();
    let mut block = Vec::new();
    for group in sorted.chunks(LOOK_UPS) {
        asked.clear();
        {
            let state = shared.state.lock();
            let of = |&((lsn, index), nth): &((Lsn, u32), usize)| {
                Some(Asked { place: Place::of(&state.machine, lsn)?, index, nth })
            };
            asked.extend(group.iter().filter_map(of));
        }
        let mut rest = asked.as_slice();
        while let Some((run, others)) = split_run(rest).filter(|(run, _)| !run.is_empty()) {
            // Without a file, or where the disk fails, each is read alone, which returns the error.
            let _left_to_that = read_run(shared, run, &mut block, &mut answers);
            rest = others;
        }
    }
    let alone = |(record, (lsn, index)): (Option<Record>, (Lsn, u32))| {
        record.map_or_else(|| read_one(shared, lsn, index, among), Ok)
    };
    answers.into_iter().zip(addresses).map(alone).collect()
}

/// A record that is to be read.
struct Asked {
    place: Place,
    /// Which of its frame.
    index: u32,
    /// Whose answer it is.
    nth: usize,
}

/// The neighbours that `asked`, in order, begins with, and the others.
fn split_run(asked: &[Asked]) -> Option<(&[Asked], &[Asked])> {
    let first = asked.first()?.place;
    let mut before = first.lsn;
    let is_neighbour = |Asked { place, .. }: &&Asked| {
        let near = place.lsn.since(before).is_some_and(|apart| apart <= NEAR);
        let len = place.lsn.since(first.lsn).map(|from_first| from_first + guess::LONGEST as u64);
        before = place.lsn;
        place.number == first.number && near && len.is_some_and(|len| len <= RUN_MAX)
    };
    asked.split_at_checked(asked.iter().take_while(is_neighbour).count())
}

/// Reads a run into `block`; leaves no answer where a frame does not verify.
fn read_run(
    shared: &Shared,
    run: &[Asked],
    block: &mut Vec<u8>,
    answers: &mut [Option<Record>],
) -> Option<()> {
    let (first, last) = (run.first()?.place, run.last()?.place);
    let from_first =
        |place: &Place| place.lsn.since(first.lsn).and_then(|bytes| usize::try_from(bytes).ok());
    let file = shared.files.get(first.number).ok()?;
    let len = from_first(&last)? + last.room(shared.files.guess.len());
    if block.len() < len {
        block.resize(len, 0);
    }
    let span = first.span();
    let count = read_full(&*file, span.offset(first.lsn), block.get_mut(..len)?).ok()?;
    let mut before = None;
    for of_frame in run.chunk_by(|one, other| one.place.lsn == other.place.lsn) {
        let place = of_frame.first()?.place;
        let bytes = block.get(from_first(&place)?..count).unwrap_or_default();
        let mut answer = |nth: usize, mut record: Option<Record>| {
            if record.is_none() && planted!("neighbour-read-instead") {
                record = before.clone();
            }
            before.clone_from(&record);
            *answers.get_mut(nth)? = record;
            Some(())
        };
        let taken = place.verified(&span, &*file, (bytes, None), |header, body| {
            shared.files.guess.learn(MARKED_HEADER_LEN + body.len());
            if let [alone] = of_frame {
                let part = Part::of(place.lsn, header, body, Which::Nth(alone.index));
                return answer(alone.nth, part.and_then(Part::one));
            }
            let indices = of_frame.iter().map(|asked| asked.index);
            let mut records = of_frame.iter().zip(picked(place.lsn, header, &body, indices));
            records.try_for_each(|(asked, record)| answer(asked.nth, record))
        });
        if taken.is_none() {
            of_frame.iter().try_for_each(|asked| answer(asked.nth, None))?;
        }
    }
    Some(())
}
