//! A fast fingerprint for comparing runs and images; it guards against chance, not against people.
//!
//! Each 8-byte word is mixed into one of four lanes by xor, multiply and shift. Each step can be
//! undone, so two inputs that differ in one word never collide. The lanes exist for speed only:
//! a processor works on all four at once.

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// The running fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) const fn new() -> Self {
        Self(MULTIPLIER)
    }

    pub(crate) fn word(&mut self, word: u64) {
        self.0 = mix(self.0, word);
    }

    /// The length goes in too, so that neighbouring fields cannot flow into each other.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let mut lanes = [self.0, !self.0, self.0.rotate_left(17), self.0.rotate_left(39)];
        let (blocks, rest) = bytes.as_chunks::<32>();
        for block in blocks {
            let (words, _) = block.as_chunks::<8>();
            for (lane, word) in lanes.iter_mut().zip(words) {
                *lane = mix(*lane, u64::from_le_bytes(*word));
            }
        }
        for lane in lanes {
            self.word(lane);
        }
        for chunk in rest.chunks(8) {
            let mut word = [0; 8];
            for (to, byte) in word.iter_mut().zip(chunk) {
                *to = *byte;
            }
            self.word(u64::from_le_bytes(word));
        }
        self.word(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    pub(crate) fn value(&self) -> u64 {
        mix(mix(self.0, 0), 0)
    }
}

fn mix(state: u64, word: u64) -> u64 {
    let mixed = (state ^ word).wrapping_mul(MULTIPLIER);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> u64 {
        let mut print = Fingerprint::new();
        print.bytes(bytes);
        print.value()
    }

    #[test]
    fn every_single_bit_counts() {
        let mut bytes = vec![0; 100];
        let mut prints = vec![of(&bytes), of(&[0; 99]), of(&[0; 101])];
        for bit in 0..800 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            prints.push(of(&bytes));
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let count = prints.len();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), count);
    }
}
