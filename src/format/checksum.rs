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

/// That of CRC-32C, the low bit first.
const POLYNOMIAL: u32 = 0x82F6_3B78;

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

    /// The one seed with which the check of these bytes holds, as the header of a frame at `lsn`; `None`
    /// for fewer bytes than a header has.
    ///
    /// Every header has one, so this proves nothing of the frame. What else starts from the same seed
    /// can be held to it: the check of a mark.
    #[must_use]
    pub fn of_header(lsn: Lsn, header: &[u8]) -> Option<Self> {
        let (&check, rest) = header.split_first_chunk()?;
        let rest: &[u8; 16] = rest.first_chunk()?;
        let mut state = !u32::from_le_bytes(check);
        for &byte in rest.iter().rev().chain(lsn.get().to_le_bytes().iter().rev()) {
            for _ in 0..8 {
                // The polynomial has the highest bit, which is the lowest of the state before.
                let carry = state >> 31;
                state = (if carry == 1 { state ^ POLYNOMIAL } else { state }) << 1 | carry;
            }
            state ^= u32::from(byte);
        }
        let header = !state;
        Some(Self { header, mark: crc32c::crc32c_append(header, b"mark") })
    }

    /// CRC-32C of log id, salt, `lsn` and the sixteen bytes of a frame header after its check.
    #[must_use]
    #[inline]
    pub fn header_check(self, lsn: Lsn, rest: &[u8; 16]) -> u32 {
        let lsn = if planted!("check-without-lsn") { Lsn::FIRST } else { lsn };
        let mut bytes = [0; 24];
        let (at, header) = bytes.split_at_mut(8);
        at.copy_from_slice(&lsn.get().to_le_bytes());
        header.copy_from_slice(rest);
        short_check(self.header, bytes)
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
#[inline]
pub fn body_check(body: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(body)
}

/// Bytes under a frame header's check behind log id and salt: LSN and the covered part.
const COVERED: usize = 24;

/// CRC-32C of `bytes`, going on from the check of what stands before them.
///
/// A CRC is linear, so each byte adds something of its own, which depends on its value and on how
/// many bytes follow. No look-up waits for another: in a chain of headers only the four bytes of
/// `prev` are on the path from one check to the next. For so few bytes this costs less than the
/// call of a function that uses the processor's instruction, and half as long in a chain.
#[inline]
#[expect(clippy::indexing_slicing, reason = "a table has a place for every byte")]
fn short_check(before: u32, mut bytes: [u8; COVERED]) -> u32 {
    for (byte, state) in bytes.iter_mut().zip((!before).to_le_bytes()) {
        *byte ^= state;
    }
    let mut state = 0;
    for (byte, table) in bytes.iter().rev().zip(&ADDED) {
        state ^= table[usize::from(*byte)];
    }
    !state
}

/// The header checks of frames near each other that end alike: what their bytes have in common is
/// added up once. A scan has nothing dearer than these checks but those of the bodies.
#[derive(Clone, Copy, Debug)]
pub struct NearChecks {
    seed: FrameSeed,
    /// The last four bytes of each header: kind and flags, and what the tag adds to.
    last: u32,
    /// The LSN without its last two bytes.
    stretch: u64,
    /// The check of a header at the stretch's first LSN that is zeros but for `last`.
    common: u32,
}

impl NearChecks {
    /// The checks of frames in the segment of this seed whose headers end in `last`.
    #[must_use]
    pub fn new(seed: FrameSeed, last: u32) -> Self {
        let mut checks = Self { seed, last, stretch: 0, common: 0 };
        checks.enter(0);
        checks
    }

    /// The seed they start from.
    #[must_use]
    pub const fn seed(&self) -> FrameSeed {
        self.seed
    }

    /// What [`FrameSeed::header_check`] says of the header with `body_len`, `body_check` and
    /// `prev`, and the last bytes that are given, but with `tag` added to the last two of them.
    #[must_use]
    #[inline]
    pub fn header_check(
        &mut self,
        lsn: Lsn,
        body_len: u32,
        body_check: u32,
        prev: u32,
        tag: u16,
    ) -> u32 {
        let lsn = if planted!("check-without-lsn") { Lsn::FIRST } else { lsn };
        if lsn.get() >> 16 != self.stretch {
            self.enter(lsn.get() >> 16);
        }
        let [at0, at1, ..] = lsn.get().to_le_bytes();
        let [len0, len1, len2, len3] = body_len.to_le_bytes();
        let mut check = self.common ^ added::<23>(at0) ^ added::<22>(at1);
        check ^= added::<15>(len0) ^ added::<14>(len1) ^ added::<13>(len2) ^ added::<12>(len3);
        let [body0, body1, body2, body3] = body_check.to_le_bytes();
        check ^= added::<11>(body0) ^ added::<10>(body1) ^ added::<9>(body2) ^ added::<8>(body3);
        let [prev0, prev1, prev2, prev3] = prev.to_le_bytes();
        check ^= added::<7>(prev0) ^ added::<6>(prev1) ^ added::<5>(prev2) ^ added::<4>(prev3);
        let [tag0, tag1] = tag.to_le_bytes();
        check ^ added::<1>(tag0) ^ added::<0>(tag1)
    }

    #[cold]
    fn enter(&mut self, stretch: u64) {
        let [l0, l1, l2, l3] = self.last.to_le_bytes();
        let rest = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, l0, l1, l2, l3];
        self.common = self.seed.header_check(Lsn::new(stretch << 16), &rest);
        self.stretch = stretch;
    }
}

/// What `byte` adds to a check when so many more bytes follow it.
#[inline]
#[expect(clippy::indexing_slicing, reason = "a table has a place for every byte")]
fn added<const FOLLOWING: usize>(byte: u8) -> u32 {
    const { assert!(FOLLOWING < COVERED, "there is a table") };
    ADDED[FOLLOWING][usize::from(byte)]
}

/// `ADDED[n][byte]`: what `byte` adds to the state when `n` more bytes follow it.
static ADDED: [[u32; 256]; COVERED] = tables();

#[expect(clippy::indexing_slicing, reason = "in range by its loops, and run by the compiler")]
const fn tables() -> [[u32; 256]; COVERED] {
    let mut tables = [[0; 256]; COVERED];
    let (mut byte, mut value) = (0, 0_u32);
    while byte < 256 {
        let (mut state, mut following) = (value, 0);
        while following < COVERED {
            let mut bit = 0;
            while bit < 8 {
                state = (state >> 1) ^ (POLYNOMIAL * (state & 1));
                bit += 1;
            }
            tables[following][byte] = state;
            following += 1;
        }
        (byte, value) = (byte + 1, value + 1);
    }
    tables
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn body_checks_agree_with_another_implementation_at_any_length_and_alignment(
            bytes in prop::collection::vec(any::<u8>(), 0..9000),
            from in 0..72_usize,
            len in prop_oneof![0..600_usize, 0..9000_usize],
        ) {
            let body = bytes.get(from..).unwrap_or_default();
            let body = body.get(..len).unwrap_or(body);
            prop_assert_eq!(body_check(body), crc32c::crc32c(body));
        }

        #[test]
        fn the_seed_of_a_header_is_found_from_its_check(
            (log, salt, lsn, rest) in any::<([u8; 16], u64, u64, [u8; 16])>(),
        ) {
            let (seed, lsn) = (FrameSeed::new(LogId::new(log), Salt::new(salt)), Lsn::new(lsn));
            let check = seed.header_check(lsn, &rest).to_le_bytes();
            let header = [&check[..], &rest].concat();
            prop_assert_eq!(FrameSeed::of_header(lsn, &header), Some(seed));
            prop_assert_eq!(FrameSeed::of_header(lsn, &header[1..]), None);
        }

        #[test]
        fn seeded_checks_agree_with_another_implementation(
            (log, salt) in any::<([u8; 16], u64)>(),
            (lsn, durable, rest) in any::<(u64, u64, [u8; 16])>(),
        ) {
            let seed = FrameSeed::new(LogId::new(log), Salt::new(salt));
            let (lsn, durable) = (Lsn::new(lsn), Lsn::new(durable));
            let of = |parts: &[&[u8]]| crc32c::crc32c(&parts.concat());
            let (salt, at) = (salt.to_le_bytes(), lsn.get().to_le_bytes());
            let marked = durable.get().to_le_bytes();
            prop_assert_eq!(seed.header_check(lsn, &rest), of(&[&log, &salt, &at, &rest]));
            prop_assert_eq!(
                seed.mark_check(lsn, durable),
                of(&[&log, &salt, b"mark", &at, &marked])
            );
        }
    }

    proptest! {
        #[test]
        fn near_checks_are_the_checks_of_each_header_alone(
            (log, salt, start, last) in any::<([u8; 16], u64, u64, u32)>(),
            headers in prop::collection::vec(
                (0..200_000_u64, prop_oneof![0..70_000_u32, any::<u32>()], any::<(u32, u32, u16)>()),
                1..20,
            ),
        ) {
            let seed = FrameSeed::new(LogId::new(log), Salt::new(salt));
            let mut near = NearChecks::new(seed, last);
            for (on, len, (body, prev, tag)) in headers {
                let lsn = Lsn::new(start.wrapping_add(on));
                let mut rest = [0; 16];
                let last = last ^ u32::from(tag) << 16;
                for (into, field) in rest.chunks_exact_mut(4).zip([len, body, prev, last]) {
                    into.copy_from_slice(&field.to_le_bytes());
                }
                let expected = seed.header_check(lsn, &rest);
                prop_assert_eq!(near.header_check(lsn, len, body, prev, tag), expected);
            }
        }
    }

    #[test]
    fn near_checks_of_places_far_apart_do_not_share_what_they_have_in_common() {
        let seed = FrameSeed::new(LogId::new([3; 16]), Salt::new(4));
        let mut near = NearChecks::new(seed, 1);
        for lsn in [8, 8 << 32, 8, 8 << 16, 8 << 48, 8 << 16, 0].map(Lsn::new) {
            let mut rest = [0; 16];
            rest[12] = 1;
            assert_eq!(near.header_check(lsn, 0, 0, 0, 0), seed.header_check(lsn, &rest), "{lsn}");
        }
    }

    #[test]
    fn bodies_of_every_short_length_agree_with_another_implementation() {
        let bytes: Vec<u8> =
            (0..2100_u32).map(|n| n.wrapping_mul(0x9E37_79B9).to_le_bytes()[3]).collect();
        for len in 0..=2048 {
            for from in [0, 1, 4, 20, 32] {
                let body = &bytes[from..from + len];
                assert_eq!(body_check(body), crc32c::crc32c(body), "{len} from {from}");
            }
        }
    }

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
