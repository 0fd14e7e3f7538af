//! Bytes to append: records without a pattern, each elsewhere in memory than the one before.

use std::sync::LazyLock;

/// Where the records of a stream begin lies in this many bytes.
const SPREAD: usize = 1 << 20;
/// The longest record.
const LEN_MAX: usize = 64 << 10;
/// From one record to the next.
const STEP: usize = 65;
/// Batches that are cut ahead and used in turns.
const BATCHES: usize = 16;

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let words = (SPREAD + LEN_MAX) / 8;
    (0..words).flat_map(|_| xorshift(&mut state).to_le_bytes()).collect()
});

/// A stream of records of one length.
#[derive(Clone, Debug)]
pub struct Records {
    len: usize,
    at: usize,
    batches: Vec<Vec<&'static [u8]>>,
    turn: usize,
}

impl Records {
    /// Records of `len` bytes, at most 64 KiB. Streams of other numbers hold other records.
    #[must_use]
    pub fn new(len: usize, number: usize) -> Self {
        let at = (number * 4099) % SPREAD;
        Self { len: len.min(LEN_MAX), at, batches: Vec::new(), turn: 0 }
    }

    /// The same, with batches of `count` records.
    #[must_use]
    pub fn in_batches(mut self, count: usize) -> Self {
        let cut = (0..BATCHES).map(|_| (0..count).map(|_| self.record()).collect()).collect();
        self.batches = cut;
        self
    }

    /// The next record.
    #[inline]
    pub fn record(&mut self) -> &'static [u8] {
        self.at = (self.at + STEP) % SPREAD;
        BYTES.get(self.at..self.at + self.len).unwrap_or_default()
    }

    /// The next batch; nothing if there are none.
    #[inline]
    pub fn batch(&mut self) -> &[&'static [u8]] {
        self.turn = (self.turn + 1) % BATCHES;
        self.batches.get(self.turn).map_or(&[], Vec::as_slice)
    }
}

/// Numbers without a pattern, to jump around with.
#[inline]
pub(crate) fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_their_length_and_differ() {
        let (mut one, mut other) = (Records::new(256, 0), Records::new(256, 1));
        let first = one.record();
        assert_eq!(first.len(), 256);
        assert_ne!(first, one.record());
        assert_ne!(first, other.record());
        assert_eq!(one.in_batches(10).batch().len(), 10);
        assert_eq!(Records::new(64 << 10, 255).record().len(), 64 << 10);
    }
}
