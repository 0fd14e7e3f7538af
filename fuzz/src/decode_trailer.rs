//! Target `decode_trailer`: any bytes as the last 64 of a segment file, which are the close record of
//! a log that was closed, the seal of a segment that was rotated out, or nothing.

use super::bounds::without_memory;
use super::mend::mend_crc64;
use seawall::format::trailer::{TRAILER_LEN, Trailer, TrailerError, TrailerKind};

const MAGIC: &[u8; 8] = b"SWTRAIL\0";

/// The input is a trailer, tried as it is and mended, with its magic put in or not.
///
/// # Panics
/// Where the decoder breaks a promise.
pub fn run(input: &[u8]) {
    hold(input);
    let mut mended = input.to_vec();
    mend_crc64::<TRAILER_LEN>(&mut mended);
    hold(&mended);
    if let Some(magic) = mended.first_chunk_mut() {
        *magic = *MAGIC;
    }
    mend_crc64::<TRAILER_LEN>(&mut mended);
    hold(&mended);
}

fn hold(bytes: &[u8]) {
    match without_memory(|| Trailer::decode(bytes)) {
        Ok(trailer) => hold_decoded(bytes, &trailer),
        Err(error) => hold_error(bytes, error),
    }
}

fn hold_decoded(bytes: &[u8], trailer: &Trailer) {
    let whole: &[u8; TRAILER_LEN] = bytes.first_chunk().expect("a trailer was whole");
    assert_eq!(&trailer.encode(), whole, "encodes the same");
    assert!(trailer.end.is_aligned());
    let mut flipped = *whole;
    for bit in 0..TRAILER_LEN * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Trailer::decode(&flipped).is_err(), "bit {bit} was turned unseen");
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
    // No close record says how many frames there are.
    let frames = whole.get(40..48);
    assert!(trailer.kind != TrailerKind::Close || frames == Some(&[0; 8][..]));
}

/// What an error states is so.
pub(super) fn hold_error(bytes: &[u8], error: TrailerError) {
    let stored = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk());
    match error {
        TrailerError::Short { have } => assert!(have == bytes.len() && have < TRAILER_LEN),
        TrailerError::Absent => assert_ne!(bytes.get(..8), Some(&MAGIC[..])),
        TrailerError::Check { expected, found } => {
            assert_eq!(
                stored(TRAILER_LEN - 8).map(|check| u64::from_le_bytes(*check)),
                Some(found)
            );
            assert_ne!(expected, found);
        }
        TrailerError::Kind { found } => {
            let kind = bytes.get(8..).and_then(|rest| rest.first_chunk());
            assert!(found != 1 && found != 2);
            assert_eq!(kind.map(|kind| u32::from_le_bytes(*kind)), Some(found));
        }
        TrailerError::Field { field } => {
            assert!(["frames", "zeros", "end"].contains(&field), "{field} is no field");
        }
        other => unreachable!("this check knows nothing of {other:?}"),
    }
}
