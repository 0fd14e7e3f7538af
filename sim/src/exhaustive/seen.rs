//! Sets of fingerprints that many threads add to: what was met before is met by all.

use parking_lot::Mutex;

const SHARDS: usize = 64;
const FIRST_SLOTS: usize = 64;

/// Fingerprints of 64 bits, in shards of which each has its own lock.
#[derive(Debug)]
pub(super) struct Seen(Vec<Mutex<Table>>);

impl Seen {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::new(Table::default())).collect())
    }

    /// Adds one; whether it is new.
    pub(super) fn insert(&self, print: u64) -> bool {
        // The low bits choose the slot, the high ones the shard.
        let shard = usize::try_from(print >> 58).unwrap_or(0);
        self.0.get(shard).is_some_and(|table| table.lock().insert(print))
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|table| crate::image::wide(table.lock().count)).sum()
    }
}

/// Open addressing: eight bytes a slot, never more than half of them taken. Zero is an empty slot.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<u64>,
    count: usize,
}

impl Table {
    fn insert(&mut self, print: u64) -> bool {
        if (self.count + 1) * 2 > self.slots.len() {
            self.grow();
        }
        // An empty slot is zero, so zero goes by another name.
        let new = self.put(print.max(1));
        self.count += usize::from(new);
        new
    }

    fn put(&mut self, print: u64) -> bool {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = usize::try_from(print & 0x03FF_FFFF_FFFF_FFFF).unwrap_or(0) & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == print {
                return false;
            }
            if *slot == 0 {
                *slot = print;
                return true;
            }
            at = at.wrapping_add(1) & mask;
        }
        false
    }

    fn grow(&mut self) {
        let len = (self.slots.len() * 2).max(FIRST_SLOTS);
        let old = std::mem::replace(&mut self.slots, vec![0; len]);
        for print in old.into_iter().filter(|&print| print != 0) {
            self.put(print);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use std::collections::BTreeSet;

    #[test]
    fn it_says_of_each_whether_it_is_new() {
        let (seen, mut known, mut rng) = (Seen::new(), BTreeSet::new(), testing::rng(1));
        for _ in 0..20_000 {
            // Few enough that many come twice, in every shard.
            let print = rng.below(8000).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            assert_eq!(seen.insert(print), known.insert(print));
        }
        assert_eq!(seen.len(), known.len() as u64);
    }
}
