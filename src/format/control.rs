//! The bodies of control frames.
//!
//! ```text
//!   kind of frame   body
//!   idle mark       nothing: the frame carries a mark, and that is all
//!   trim            trim point, u64
//!   close mark      trim point, u64; the frame carries a mark
//!   void, gap       any bytes: not looked at, not covered by a check
//! ```
//!
//! A trim or close body is valid if and only if it has eight bytes and the value is a multiple
//! of 8; an idle mark's if it is empty.

use crate::position::Lsn;

/// The body of a trim frame or close mark.
#[must_use]
pub fn encode_trim(trim: Lsn) -> [u8; 8] {
    trim.get().to_le_bytes()
}

/// The trim point in the body of a trim frame or close mark, or `None` if it is not valid.
#[must_use]
pub fn decode_trim(body: &[u8]) -> Option<Lsn> {
    let trim = Lsn::new(u64::from_le_bytes(body.try_into().ok()?));
    trim.is_aligned().then_some(trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_trim_body_are_pinned() {
        let trim = Lsn::new(0x0102_0304_0506_0708);
        assert_eq!(encode_trim(trim), [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(decode_trim(&encode_trim(trim)), Some(trim));
    }

    #[test]
    fn a_trim_body_has_eight_bytes() {
        for len in (0..17).filter(|&len| len != 8) {
            assert_eq!(decode_trim(&[0; 17][..len]), None, "{len}");
        }
    }

    #[test]
    fn a_trim_point_is_a_multiple_of_8() {
        for value in 0..64 {
            let read = decode_trim(&encode_trim(Lsn::new(value)));
            assert_eq!(read.is_some(), value.is_multiple_of(8), "{value}");
        }
    }
}
