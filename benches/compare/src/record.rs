//! The records that are written, and numbers without a pattern.

/// Length of a record in every workload, in bytes.
pub const RECORD_LEN: usize = 256;

/// The record with this number: it cannot be compressed, and differs from every other.
#[must_use]
pub fn record(number: u64) -> Vec<u8> {
    let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let words = (0..RECORD_LEN / 8).flat_map(|_| xorshift(&mut state).to_le_bytes());
    words.collect()
}

/// The next number. `state` is never 0.
pub fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
