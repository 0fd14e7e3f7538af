//! One file twice: what the device holds for certain, and what the page cache shows.
//!
//! ```text
//!   durable   the device's bytes and length, whatever happens
//!   pending   what was asked since the last sync, in order: a crash takes or keeps each
//!   cache     what reads see; it survives close and reopen, and a kill
//! ```
//!
//! As long as all is well, `cache` is `durable` with `pending` applied. After a failed sync it
//! is not: what was pending has been marked clean, so the cache goes on showing bytes the
//! device never got, until they are evicted. This is also all there is to a *stale-clean*
//! page: a difference that nothing pending explains.

use crate::blocks::Blocks;
use crate::counters::{Counters, count};
use crate::image::{Image, PAGE_LEN, index, wide};
use crate::medium::Medium;
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The number of a file, whatever its names.
pub(crate) type FileId = u64;

/// Something the device was not yet made to keep.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// The place in the order of everything asked of this disk.
    pub(crate) order: u64,
    pub(crate) change: Change,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Bytes that lie inside one sector: a part of `data`, which the pieces of a write share.
    Bytes { offset: u64, data: Arc<Vec<u8>>, from: usize, until: usize },
    /// Another length.
    Len(u64),
    /// All that a cut did up to a `sync_data`, which promised nothing about lengths.
    Settle(Image),
}

impl Change {
    /// The bytes and their place, if it is any.
    pub(crate) fn bytes(&self) -> Option<(u64, &[u8])> {
        match self {
            Self::Bytes { offset, data, from, until } => {
                Some((*offset, data.get(*from..*until).unwrap_or_default()))
            }
            Self::Len(_) | Self::Settle(_) => None,
        }
    }

    pub(crate) fn apply(&self, image: &mut Image) {
        match self {
            Self::Bytes { .. } => {
                if let Some((offset, bytes)) = self.bytes() {
                    image.write(offset, bytes);
                }
            }
            Self::Len(len) => image.set_len(*len),
            Self::Settle(settled) => *image = settled.clone(),
        }
    }

    /// The device has it now.
    pub(crate) fn persist(&self, medium: &mut Medium) {
        match self {
            Self::Bytes { .. } => {
                if let Some((offset, bytes)) = self.bytes() {
                    medium.write(offset, bytes);
                }
            }
            Self::Len(len) => medium.set_len(*len),
            Self::Settle(settled) => medium.replace(settled),
        }
    }
}

/// The state of one file.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) durable: Medium,
    pub(crate) pending: Vec<Pending>,
    pub(crate) cache: Image,
    /// What its blocks held before: the ghosts a crash may show in room that was never written.
    pub(crate) former: Image,
    /// How far the system has written data back by itself since the last sync: bytes may be on
    /// the device behind the length it knows.
    pub(crate) written_back: u64,
    /// No regular file: somebody else's directory, link or device.
    pub(crate) foreign: bool,
    /// What room it takes beyond its length, or less.
    pub(crate) blocks: Blocks,
}

impl File {
    /// A file whose device and cache agree.
    pub(crate) fn at_rest(durable: Medium, former: Image) -> Self {
        Self { cache: durable.image().clone(), durable, former, ..Self::default() }
    }

    /// Writes `data` at `offset`, as one pending change per touched sector.
    pub(crate) fn write(
        &mut self,
        offset: u64,
        data: &Arc<Vec<u8>>,
        sector_len: u64,
        order: &mut u64,
    ) {
        let end = offset.saturating_add(wide(data.len()));
        if end > self.cache.len() {
            self.set_len(end, order);
        }
        self.cache.write(offset, data);
        let mut from: usize = 0;
        while from < data.len() {
            let at = offset.saturating_add(wide(from));
            let room = index(sector_len.saturating_sub(at % sector_len)).max(1);
            let until = from.saturating_add(room).min(data.len());
            let change = Change::Bytes { offset: at, data: Arc::clone(data), from, until };
            self.push(change, order);
            from = until;
        }
    }

    /// Cuts or lengthens.
    pub(crate) fn set_len(&mut self, len: u64, order: &mut u64) {
        if len == self.cache.len() {
            return;
        }
        if len < self.cache.len() {
            self.former = self.cache.clone();
        }
        self.cache.set_len(len);
        self.blocks.cut(len);
        self.push(Change::Len(len), order);
    }

    fn push(&mut self, change: Change, order: &mut u64) {
        self.pending.push(Pending { order: *order, change });
        *order = order.saturating_add(1);
    }

    /// What a reader would see if nothing were cached but what is not yet written back.
    pub(crate) fn view(&self) -> Image {
        let mut image = self.durable.image().clone();
        for pending in &self.pending {
            pending.change.apply(&mut image);
        }
        image.clip();
        image
    }

    /// Makes everything durable.
    pub(crate) fn sync_all(&mut self) {
        for pending in self.pending.drain(..) {
            pending.change.persist(&mut self.durable);
        }
        self.written_back = 0;
    }

    /// Makes what was written durable, and the length that is needed to read it, but no cut
    /// and no length beyond.
    pub(crate) fn sync_data(&mut self) {
        let Some(last) = self.pending.last().map(|last| last.order) else {
            return;
        };
        let (len, cuts) = self.pending_len();
        let settled = cuts.then(|| self.view());
        let mut needed = self.durable.len().max(std::mem::take(&mut self.written_back));
        for pending in self.pending.drain(..) {
            if let Some((offset, bytes)) = pending.change.bytes() {
                self.durable.write(offset, bytes);
                needed = needed.max(offset.saturating_add(wide(bytes.len())));
            }
        }
        self.durable.set_len(needed);
        match settled {
            Some(image) => {
                self.pending.push(Pending { order: last, change: Change::Settle(image) });
            }
            None if len > needed => {
                self.pending.push(Pending { order: last, change: Change::Len(len) });
            }
            None => {}
        }
    }

    /// The length with everything pending, and whether anything pending made the file shorter.
    fn pending_len(&self) -> (u64, bool) {
        let (mut len, mut cuts) = (self.durable.len(), false);
        for pending in &self.pending {
            match &pending.change {
                Change::Len(to) => cuts |= std::mem::replace(&mut len, *to) > *to,
                Change::Settle(image) => (len, cuts) = (image.len(), true),
                Change::Bytes { .. } => {}
            }
        }
        (len, cuts)
    }

    /// The write-back failed: of the pending bytes the device got none, or some, and all of
    /// them are clean now. The length is not lost with them: it may be there already, with
    /// zeros behind it, or come with a later sync.
    pub(crate) fn fail_sync(&mut self, rng: &mut Rng) {
        let some = rng.chance(1, 2);
        let len_too = rng.chance(1, 2);
        let mut left = Vec::new();
        for pending in self.pending.drain(..) {
            let reached = match pending.change {
                Change::Bytes { .. } => some && rng.chance(1, 2),
                Change::Len(_) | Change::Settle(_) => len_too,
            };
            if reached {
                pending.change.persist(&mut self.durable);
            } else if pending.change.bytes().is_none() {
                left.push(pending);
            }
        }
        self.pending = left;
    }

    /// The system writes some of the pending sectors back by itself, each as it is now, and
    /// some of the lengths. Of a file that was cut all is written back, or nothing.
    pub(crate) fn write_back_some(
        &mut self,
        sector_len: u64,
        lens_too: bool,
        rng: &mut Rng,
        counters: &mut Counters,
    ) {
        if self.pending_len().1 {
            if lens_too && rng.chance(1, 2) {
                counters.written_back =
                    counters.written_back.saturating_add(wide(self.pending.len()));
                self.sync_all();
            }
            return;
        }
        let share = rng.below(5);
        let mut chosen: BTreeMap<u64, bool> = BTreeMap::new();
        let lens = self.pending.iter().filter(|pending| pending.change.bytes().is_none()).count();
        let mut lens_left = if lens_too { rng.index(lens.saturating_add(1)) } else { 0 };
        let mut left = Vec::with_capacity(self.pending.len());
        for pending in self.pending.drain(..) {
            let goes = match pending.change.bytes() {
                Some((offset, bytes)) => {
                    let goes =
                        *chosen.entry(offset / sector_len).or_insert_with(|| rng.chance(share, 4));
                    if goes {
                        let end = offset.saturating_add(wide(bytes.len()));
                        self.written_back = self.written_back.max(end);
                    }
                    goes
                }
                None => {
                    let goes = lens_left > 0;
                    lens_left = lens_left.saturating_sub(1);
                    goes
                }
            };
            if goes {
                pending.change.persist(&mut self.durable);
                count(&mut counters.written_back);
            } else {
                left.push(pending);
            }
        }
        self.pending = left;
    }

    /// The first byte of this stretch that lies in a sector which gives an error, and of which
    /// the page cache has nothing newer.
    pub(crate) fn unreadable(&self, offset: u64, len: usize) -> Option<u64> {
        let bad = self.durable.unreadable(offset, len)?;
        let newer = self.pending.iter().filter_map(|pending| pending.change.bytes());
        let end = newer
            .filter(|(at, bytes)| *at <= bad && bad < at.saturating_add(wide(bytes.len())))
            .map(|(at, bytes)| at.saturating_add(wide(bytes.len())))
            .max();
        match end {
            None => Some(bad),
            Some(end) => {
                let left = index(offset.saturating_add(wide(len)).saturating_sub(end));
                if left == 0 { None } else { self.unreadable(end, left) }
            }
        }
    }

    /// How many pieces of data are pending.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.iter().filter(|pending| pending.change.bytes().is_some()).count()
    }

    /// Whether a change of the length is pending.
    pub(crate) fn has_pending_len(&self) -> bool {
        self.pending.iter().any(|pending| pending.change.bytes().is_none())
    }

    /// The place and the bytes of a pending piece, and what the device has there.
    pub(crate) fn pending_piece(&self, rng: &mut Rng) -> Option<(u64, Vec<u8>, Vec<u8>)> {
        let pieces: Vec<_> = self.pending.iter().filter_map(|one| one.change.bytes()).collect();
        let (offset, bytes) = *rng.pick(&pieces)?;
        let mut before = vec![0; bytes.len()];
        self.durable.image().read(offset, &mut before);
        Some((offset, bytes.to_vec(), before))
    }

    /// Drops the pages of which nothing is pending.
    pub(crate) fn evict(&mut self) {
        if self.pending.is_empty() {
            self.cache.take_all_pages(self.durable.image());
            return;
        }
        let mut dirty = BTreeSet::new();
        for (offset, bytes) in self.pending.iter().filter_map(|pending| pending.change.bytes()) {
            let last = offset.saturating_add(wide(bytes.len()).saturating_sub(1));
            dirty.extend(offset / PAGE_LEN..=last / PAGE_LEN);
        }
        let view = self.view();
        self.cache.take_pages(&view, |page| !dirty.contains(&page));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(file: &mut File, offset: u64, bytes: &[u8], order: &mut u64) {
        file.write(offset, &Arc::new(bytes.to_vec()), 512, order);
    }

    #[test]
    fn sync_data_keeps_what_was_written_but_no_reserved_length() {
        let (mut file, mut order) = (File::default(), 0);
        file.set_len(1000, &mut order);
        written(&mut file, 0, b"abc", &mut order);
        file.sync_data();
        assert_eq!(file.durable.image().to_vec(), b"abc");
        assert_eq!((file.pending.len(), file.view().len()), (1, 1000));
        file.sync_all();
        assert_eq!((file.durable.len(), file.pending.len()), (1000, 0));
    }

    #[test]
    fn sync_data_after_a_cut_keeps_both_lengths_possible() {
        let (mut file, mut order) = (File::default(), 0);
        written(&mut file, 0, &[1; 600], &mut order);
        file.sync_all();
        file.set_len(0, &mut order);
        written(&mut file, 0, &[2; 10], &mut order);
        file.sync_data();
        assert_eq!(file.durable.image().to_vec()[..11], [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
        assert_eq!((file.durable.len(), file.view().to_vec()), (600, vec![2; 10]));
        assert_eq!(file.cache.to_vec(), file.view().to_vec());
    }

    #[test]
    fn what_is_written_back_early_is_not_lost_to_what_is_older_or_to_a_late_length() {
        for seed in 0..60 {
            let mut rng = crate::testing::rng(seed);
            let (mut file, mut order) = (File::default(), 0);
            for round in 1..=8_u8 {
                let bytes = vec![round; rng.index(1500)];
                written(&mut file, rng.below(3000), &bytes, &mut order);
                file.write_back_some(512, true, &mut rng, &mut Counters::default());
                assert_eq!(file.view().to_vec(), file.cache.to_vec());
                if rng.chance(1, 3) {
                    file.sync_data();
                    assert_eq!(file.durable.image().to_vec(), file.cache.to_vec());
                }
            }
            file.sync_data();
            assert_eq!(file.durable.image().to_vec(), file.cache.to_vec());
        }
    }

    #[test]
    fn a_write_is_pending_in_sectors() {
        let (mut file, mut order) = (File::default(), 0);
        written(&mut file, 500, &[1; 1100], &mut order);
        let pieces: Vec<_> = file
            .pending
            .iter()
            .filter_map(|pending| pending.change.bytes())
            .map(|(offset, bytes)| (offset, bytes.len()))
            .collect();
        assert_eq!(pieces, [(500, 12), (512, 512), (1024, 512), (1536, 64)]);
    }
}
