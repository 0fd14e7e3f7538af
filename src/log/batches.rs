//! Where the frames of long batches stand: remembered while one is walked, so that the next record
//! of it is found without a walk.

use crate::position::Lsn;
use crate::storage::latch::Mutex;
use std::collections::BTreeMap;

/// So many frames are remembered, in 16 bytes each; then all are forgotten.
const FRAMES_MAX: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Batches(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By the address that a walk began at: the frames that follow, in order, with the number of
    /// records before each.
    frames: BTreeMap<Lsn, Vec<(u32, Lsn)>>,
    count: usize,
}

impl Batches {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Known::default()))
    }

    /// The last frame that is known to begin at or before the record `index` places after the
    /// first one at `lsn`, and the number of records before it.
    pub(super) fn before(&self, lsn: Lsn, index: u32) -> Option<(u32, Lsn)> {
        let known = self.0.lock();
        let frames = known.frames.get(&lsn)?;
        let nth = frames.partition_point(|&(records, _)| records <= index).checked_sub(1)?;
        frames.get(nth).copied()
    }

    /// So many records after `lsn` a frame of its batch begins at `next`.
    pub(super) fn learn(&self, lsn: Lsn, records: u32, next: Lsn) {
        let mut known = self.0.lock();
        if known.count >= FRAMES_MAX {
            *known = Known::default();
        }
        let frames = known.frames.entry(lsn).or_default();
        if frames.last().is_none_or(|&(before, _)| before < records) {
            frames.push((records, next));
            known.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frame_before_a_record_is_found_and_memory_is_bounded() {
        let (batches, at) = (Batches::new(), Lsn::new(64));
        assert_eq!(batches.before(at, 5), None);
        for (records, next) in [(10, 100), (20, 200), (10, 100), (30, 300)] {
            batches.learn(at, records, Lsn::new(next));
        }
        for (index, expected) in
            [(9, None), (10, Some((10, 100))), (19, Some((10, 100))), (1000, Some((30, 300)))]
        {
            let expected = expected.map(|(records, next)| (records, Lsn::new(next)));
            assert_eq!(batches.before(at, index), expected, "{index}");
        }
        assert_eq!(batches.before(Lsn::new(72), 15), None, "another batch");
        for records in 1..200_000 {
            batches.learn(Lsn::new(8), records, at);
            assert!(batches.0.lock().count <= FRAMES_MAX);
        }
    }
}
