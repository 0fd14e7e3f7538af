//! The room that a file takes: that of its length, less holes, and more where writes are copies.

use std::collections::BTreeSet;

/// Room is given in these.
const BLOCK: u64 = 4096;

/// The blocks of a file that take more room than one, or none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    holes: BTreeSet<u64>,
    /// Written again where a write is a copy: what stood there first stays taken.
    copied: BTreeSet<u64>,
}

impl Blocks {
    /// What a file of this length takes.
    pub(crate) fn room(&self, len: u64) -> u64 {
        let (holes, copied) = (self.holes.len() as u64, self.copied.len() as u64);
        len.saturating_add(copied.saturating_mul(BLOCK)).saturating_sub(holes.saturating_mul(BLOCK))
    }

    /// How much must be free for a write of these bytes, which are within the length.
    pub(crate) fn needed(&self, from: u64, until: u64, copies: bool) -> u64 {
        let blocks = touched(from, until).filter(|block| copies || self.holes.contains(block));
        (blocks.count() as u64).saturating_mul(BLOCK)
    }

    pub(crate) fn write(&mut self, from: u64, until: u64, copies: bool) {
        if self.holes.is_empty() && !copies {
            return;
        }
        for block in touched(from, until) {
            if !self.holes.remove(&block) && copies {
                self.copied.insert(block);
            }
        }
    }

    /// What must be free so that none of these bytes lies in a hole.
    pub(crate) fn missing(&self, from: u64, until: u64) -> u64 {
        self.needed(from, until, false)
    }

    /// None of these bytes lies in a hole any more.
    pub(crate) fn fill(&mut self, from: u64, until: u64) {
        for block in touched(from, until) {
            self.holes.remove(&block);
        }
    }

    /// These bytes become holes, as far as they are whole blocks.
    pub(crate) fn punch(&mut self, from: u64, until: u64) {
        for block in from.div_ceil(BLOCK)..until / BLOCK {
            self.copied.remove(&block);
            self.holes.insert(block);
        }
    }

    /// The file gets this length.
    pub(crate) fn cut(&mut self, len: u64) {
        let end = len.div_ceil(BLOCK);
        self.holes.split_off(&end);
        self.copied.split_off(&end);
    }
}

fn touched(from: u64, until: u64) -> impl Iterator<Item = u64> {
    let end = if until > from { until.div_ceil(BLOCK) } else { 0 };
    from / BLOCK..end
}
