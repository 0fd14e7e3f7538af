//! The trailer's bytes, each of its laws alone, and that nothing else is ever taken for one.

use super::*;
use proptest::prelude::*;

/// Computed by a second implementation.
const SEAL: [u8; TRAILER_LEN] = *b"SWTRAIL\0\x01\0\0\0\0\0\0\0\
    \x58\x11\0\0\x02\0\0\0\xef\xcd\xab\x89\x67\x45\x23\x01\
    \xba\xbb\x9c\x53\0\0\0\0\x0a\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\xdb\x2f\xa0\xb0\xa4\xb1\x2c\x3d";
const CLOSE: [u8; TRAILER_LEN] = *b"SWTRAIL\0\x02\0\0\0\0\0\0\0\
    \x58\x11\0\0\x02\0\0\0\xef\xcd\xab\x89\x67\x45\x23\x01\
    \xba\xbb\x9c\x53\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\x4e\x1c\x19\x26\xba\x80\xfd\xf8";

fn golden(kind: TrailerKind) -> Trailer {
    Trailer {
        kind,
        salt: Salt::new(0x0123_4567_89ab_cdef),
        end: Lsn::new(0x2_0000_1158),
        last_check: 0x539c_bbba,
    }
}

/// These bytes with others at `at`, and a check that holds.
fn altered(mut bytes: [u8; TRAILER_LEN], at: usize, with: &[u8]) -> [u8; TRAILER_LEN] {
    bytes[at..at + with.len()].copy_from_slice(with);
    let check = crc64(&bytes[..56]);
    bytes[56..].copy_from_slice(&check.to_le_bytes());
    bytes
}

#[test]
fn bytes_of_a_seal_are_pinned() {
    let seal = golden(TrailerKind::Seal { frames: 10 });
    assert_eq!(seal.encode(), SEAL);
    assert_eq!(Trailer::decode(&SEAL), Ok(seal));
}

#[test]
fn bytes_of_a_close_record_are_pinned() {
    assert_eq!(golden(TrailerKind::Close).encode(), CLOSE);
    assert_eq!(Trailer::decode(&CLOSE), Ok(golden(TrailerKind::Close)));
}

#[test]
fn any_flipped_bit_is_an_error() {
    for golden in [SEAL, CLOSE] {
        for bit in 0..TRAILER_LEN * 8 {
            let mut bytes = golden;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Trailer::decode(&bytes).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn every_shorter_prefix_is_short() {
    for have in 0..TRAILER_LEN {
        let error = TrailerError::Short { have };
        assert_eq!(Trailer::decode(&CLOSE[..have]), Err(error));
    }
}

#[test]
fn zeros_are_no_trailer() {
    assert_eq!(Trailer::decode(&[0; 64]), Err(TrailerError::Absent));
}

#[test]
fn law_1_magic_and_check_match() {
    let other = altered(SEAL, 0, b"SWTRAIN");
    assert_eq!(Trailer::decode(&other), Err(TrailerError::Absent));
    let mut bytes = CLOSE;
    bytes[63] ^= 0x80;
    let expected = 0xf8fd_80ba_2619_1c4e;
    let found = expected ^ (1 << 63);
    let error = TrailerError::Check { expected, found };
    assert_eq!(Trailer::decode(&bytes), Err(error));
}

#[test]
fn law_2_unknown_kinds_are_refused_by_name() {
    for found in [0, 3, u32::MAX] {
        let bytes = altered(SEAL, 8, &found.to_le_bytes());
        assert_eq!(Trailer::decode(&bytes), Err(TrailerError::Kind { found }));
    }
}

#[test]
fn law_2_zeros_are_zero() {
    for golden in [SEAL, CLOSE] {
        for at in (12..16).chain(36..40).chain(48..56) {
            let error = TrailerError::Field { field: "zeros" };
            assert_eq!(Trailer::decode(&altered(golden, at, &[1])), Err(error), "byte {at}");
        }
    }
}

#[test]
fn law_2_a_close_record_counts_no_frames() {
    for at in 40..48 {
        let error = TrailerError::Field { field: "frames" };
        assert_eq!(Trailer::decode(&altered(CLOSE, at, &[1])), Err(error), "byte {at}");
    }
}

#[test]
fn law_3_the_end_is_a_multiple_of_8() {
    for low in 0x59..0x60 {
        let error = TrailerError::Field { field: "end" };
        assert_eq!(Trailer::decode(&altered(SEAL, 16, &[low])), Err(error));
    }
}

proptest! {
    #[test]
    fn trailers_round_trip(
        frames in prop::option::of(any::<u64>()),
        salt: u64,
        eighth in 0..=u64::MAX / 8,
        last_check: u32,
    ) {
        let trailer = Trailer {
            kind: frames.map_or(TrailerKind::Close, |frames| TrailerKind::Seal { frames }),
            salt: Salt::new(salt),
            end: Lsn::new(eighth * 8),
            last_check,
        };
        prop_assert_eq!(Trailer::decode(&trailer.encode()), Ok(trailer));
    }

    #[test]
    fn decode_never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Trailer::decode(&bytes).is_err());
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(at in 8..40_usize, with in any::<[u8; 16]>()) {
        let bytes = altered(SEAL, at, &with);
        if let Ok(trailer) = Trailer::decode(&bytes) {
            prop_assert_eq!(trailer.encode(), bytes);
        }
    }
}
