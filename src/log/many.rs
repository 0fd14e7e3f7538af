//! Reads the records at many addresses: neighbours with one call of the disk.
//!
//! What does not verify here is read once more, alone, by [`read_one`]: errors are told in one
//! place.

use super::address::{Place, read_one};
use super::guess;
use super::picked::{Part, Which};
use super::record::Record;
use super::shared::Shared;
use crate::error::Result;
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

/// The record at each address, in the order of `lsns`.
pub(crate) fn read_many(shared: &Arc<Shared>, lsns: &[Lsn]) -> Vec<Result<Record>> {
    let mut answers: Vec<Option<Record>> = vec![None; lsns.len()];
    let mut asked: Vec<(Lsn, usize)> = lsns.iter().copied().zip(0..).collect();
    asked.sort_unstable();
    let mut places = Vec::new();
    let mut block = Vec::new();
    for group in asked.chunks(LOOK_UPS) {
        places.clear();
        {
            let state = shared.state.lock();
            let of = |&(lsn, nth): &(Lsn, usize)| Some((Place::of(&state.machine, lsn)?, nth));
            places.extend(group.iter().filter_map(of));
        }
        let mut rest = places.as_slice();
        while let Some((run, others)) = split_run(rest).filter(|(run, _)| !run.is_empty()) {
            // Without a file, or where the disk fails, each is read alone, and told what it is.
            let _left_to_that = read_run(shared, run, &mut block, &mut answers);
            rest = others;
        }
    }
    let alone = |(record, &lsn): (Option<Record>, &Lsn)| {
        record.map_or_else(|| read_one(shared, lsn, 0), Ok)
    };
    answers.into_iter().zip(lsns).map(alone).collect()
}

/// A frame to be read, and whose answer it is.
type Asked = (Place, usize);

/// The neighbours that `places`, in order, begin with, and the others.
fn split_run(places: &[Asked]) -> Option<(&[Asked], &[Asked])> {
    let (first, _) = places.first()?;
    let mut before = first.lsn;
    let is_neighbour = |(place, _): &&Asked| {
        let near = place.lsn.since(before).is_some_and(|apart| apart <= NEAR);
        let len = place.lsn.since(first.lsn).map(|from_first| from_first + guess::LONGEST as u64);
        before = place.lsn;
        place.number == first.number && near && len.is_some_and(|len| len <= RUN_MAX)
    };
    places.split_at_checked(places.iter().take_while(is_neighbour).count())
}

/// Reads a run into `block`; leaves no answer where a frame does not verify.
fn read_run(
    shared: &Shared,
    run: &[Asked],
    block: &mut Vec<u8>,
    answers: &mut [Option<Record>],
) -> Option<()> {
    let ((first, _), (last, _)) = (run.first()?, run.last()?);
    let from_first =
        |place: &Place| place.lsn.since(first.lsn).and_then(|bytes| usize::try_from(bytes).ok());
    let file = shared.files.get(first.number).ok()?;
    let len = from_first(last)? + last.room(shared.files.guess.len());
    if block.len() < len {
        block.resize(len, 0);
    }
    let span = first.span();
    let count = read_full(&*file, span.offset(first.lsn), block.get_mut(..len)?).ok()?;
    let mut before = None;
    for (place, nth) in run {
        let bytes = block.get(from_first(place)?..count).unwrap_or_default();
        let part = place.pick(&span, &*file, bytes, (Which::Nth(0), None));
        if let Some(part) = &part {
            shared.files.guess.learn(part.needed);
        }
        let mut record = part.and_then(Part::one);
        if record.is_none() && planted!("neighbour-read-instead") {
            record = before.clone();
        }
        before.clone_from(&record);
        *answers.get_mut(*nth)? = record;
    }
    Some(())
}
