//! The two checks of the format, and what each is seeded with.
//!
//! - **CRC-32C** (Castagnoli, reflected polynomial `0x82F63B78`, initial value and final xor
//!   all ones) guards frames: processors compute it in hardware.
//! - **CRC-64/XZ** (ECMA-182, reflected polynomial `0xC96C5795D7870F42`, initial value and
//!   final xor all ones) guards headers and trailers: small, rare, and trusted alone.
//!
//! A frame's header check starts from log id, salt and LSN, so that a frame left over from an
//! earlier use of a recycled file, and one written to the wrong place, never verifies.

use crate::position::{LogId, Lsn, Salt};

/// What the checks of every frame in one segment start from: log id and salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSeed {
    header: u32,
    mark: u32,
}

impl FrameSeed {
    /// The seed of the segment that has this id and salt.
    #[must_use]
    pub fn new(log: LogId, salt: Salt) -> Self {
        let salt = if planted!("check-without-salt") { Salt::new(0) } else { salt };
        let header = crc32c::crc32c_append(crc32c::crc32c(&log.get()), &salt.get().to_le_bytes());
        Self { header, mark: crc32c::crc32c_append(header, b"mark") }
    }

    /// CRC-32C of log id, salt, `lsn` and the sixteen bytes of a frame header after its check.
    #[must_use]
    pub fn header_check(self, lsn: Lsn, rest: &[u8; 16]) -> u32 {
        let lsn = if planted!("check-without-lsn") { Lsn::FIRST } else { lsn };
        let mut bytes = [0; 24];
        let (at, header) = bytes.split_at_mut(8);
        at.copy_from_slice(&lsn.get().to_le_bytes());
        header.copy_from_slice(rest);
        crc32c::crc32c_append(self.header, &bytes)
    }

    /// CRC-32C of log id, salt, the letters `mark`, `lsn` and the durable LSN that is marked.
    #[must_use]
    pub fn mark_check(self, lsn: Lsn, durable: Lsn) -> u32 {
        let mut bytes = [0; 16];
        let (at, value) = bytes.split_at_mut(8);
        at.copy_from_slice(&lsn.get().to_le_bytes());
        value.copy_from_slice(&durable.get().to_le_bytes());
        crc32c::crc32c_append(self.mark, &bytes)
    }
}

/// CRC-32C of a frame's body. Unseeded: the seeded header check covers this value.
#[must_use]
pub fn body_check(body: &[u8]) -> u32 {
    crc32c::crc32c(body)
}

/// CRC-64/XZ of `bytes`. Bit by bit: it runs over a hundred bytes, once a segment.
#[must_use]
pub fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = u64::MAX;
    for &byte in bytes {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc = (crc >> 1) ^ (0xC96C_5795_D787_0F42 * low);
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_agree_with_their_published_check_values() {
        assert_eq!(body_check(b"123456789"), 0xE306_9283, "CRC-32C/iSCSI check value");
        assert_eq!(crc64(b"123456789"), 0x995D_C9BB_DF19_39FA, "CRC-64/XZ check value");
    }

    #[test]
    fn every_part_of_the_seed_changes_the_check() {
        let log = LogId::new([7; 16]);
        let seed = FrameSeed::new(log, Salt::new(1));
        let base = seed.header_check(Lsn::new(8), &[0; 16]);
        assert_ne!(base, FrameSeed::new(log, Salt::new(2)).header_check(Lsn::new(8), &[0; 16]));
        let other = FrameSeed::new(LogId::new([8; 16]), Salt::new(1));
        assert_ne!(base, other.header_check(Lsn::new(8), &[0; 16]));
        assert_ne!(base, seed.header_check(Lsn::new(16), &[0; 16]));
        assert_ne!(
            seed.mark_check(Lsn::new(8), Lsn::FIRST),
            seed.mark_check(Lsn::new(16), Lsn::FIRST)
        );
    }
}
