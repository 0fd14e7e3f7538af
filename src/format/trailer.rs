//! The last 64 bytes of a segment file: the trailer of a sealed one, or the close record.
//!
//! All integers are little-endian.
//!
//! ```text
//!   0       8      12      16    24     32           36      40       48      56      64
//!   +-------+------+-------+-----+------+------------+-------+--------+-------+-------+
//!   | magic | kind | zeros | end | salt | last_check | zeros | frames | zeros | check |
//!   | 8 B   | u32  | u32   | u64 | u64  | u32        | u32   | u64    | u64   | u64   |
//!   +-------+------+-------+-----+------+------------+-------+--------+-------+-------+
//! ```
//!
//! - `kind`: 1 a seal (written at rotation, unsynced, once the header of the successor is durable:
//!   so it may be missing, and proves that a successor was begun), 2 a close record (written and
//!   synced after the close mark).
//! - `end`, `last_check`: where the frames end, and the check of the last one.
//! - `frames`: how many frames the segment holds, when `kind` is 1; else 0.
//! - `check`: CRC-64/XZ of bytes 0 to 55.
//!
//! Valid if and only if: (1) `magic` and `check` match; (2) `kind` is known, all zeros are zero,
//! and so is `frames` if `kind` is 2; (3) `end` is a multiple of 8. It speaks of a segment only
//! if `salt` is the segment's.

use super::checksum::crc64;
use crate::position::{Lsn, Salt};

/// Bytes of a trailer.
pub const TRAILER_LEN: usize = 64;
const MAGIC: [u8; 8] = *b"SWTRAIL\0";
const _: () = assert!(TRAILER_LEN as u64 == super::layout::TRAILER_LEN);

/// What the trailer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrailerKind {
    /// The segment was rotated out; it holds this many frames.
    Seal {
        /// Frames of all kinds.
        frames: u64,
    },
    /// The log was closed here.
    Close,
}

/// The trailer or close record of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Which of the two.
    pub kind: TrailerKind,
    /// The use of the file it speaks of.
    pub salt: Salt,
    /// Where the frames end.
    pub end: Lsn,
    /// Check of the last frame.
    pub last_check: u32,
}

/// Why bytes are no trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrailerError {
    /// Fewer than 64 bytes.
    #[error("a trailer has {TRAILER_LEN} bytes, there are {have}")]
    Short {
        /// Bytes there are.
        have: usize,
    },
    /// Something else stands there.
    #[error("there is no trailer here")]
    Absent,
    /// The check does not match.
    #[error("the trailer's check is {found:#018x}, its bytes give {expected:#018x}")]
    Check {
        /// What the bytes give.
        expected: u64,
        /// What is stored.
        found: u64,
    },
    /// Intact, but of a kind this version does not define.
    #[error("the trailer is of unknown kind {found}")]
    Kind {
        /// The kind.
        found: u32,
    },
    /// Intact, but a field cannot be.
    #[error("the trailer's field {field} cannot be")]
    Field {
        /// Its name in the byte layout.
        field: &'static str,
    },
}

impl Trailer {
    /// The 64 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; TRAILER_LEN] {
        let (kind, frames) = match self.kind {
            TrailerKind::Seal { frames } => (1_u64, frames),
            TrailerKind::Close => (2, 0),
        };
        let words = [
            u64::from_le_bytes(MAGIC),
            kind,
            self.end.get(),
            self.salt.get(),
            u64::from(self.last_check),
            frames,
            0,
        ];
        let mut bytes = [0; TRAILER_LEN];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let check = crc64(bytes.split_at(TRAILER_LEN - 8).0);
        bytes.split_at_mut(TRAILER_LEN - 8).1.copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// Reads a trailer.
    ///
    /// # Errors
    /// [`TrailerError`], for any bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, TrailerError> {
        let bytes: &[u8; TRAILER_LEN] =
            bytes.first_chunk().ok_or(TrailerError::Short { have: bytes.len() })?;
        let mut words = [0; TRAILER_LEN / 8];
        for (word, place) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*place);
        }
        let [magic, kind, end, salt, last_check, frames, zeros, found] = words;
        if magic != u64::from_le_bytes(MAGIC) {
            return Err(TrailerError::Absent);
        }
        let expected = crc64(bytes.split_at(TRAILER_LEN - 8).0);
        if expected != found {
            return Err(TrailerError::Check { expected, found });
        }
        let wrong = |field| TrailerError::Field { field };
        let kind = match u32::try_from(kind).map_err(|_| wrong("zeros"))? {
            1 => TrailerKind::Seal { frames },
            2 if frames == 0 => TrailerKind::Close,
            2 => return Err(wrong("frames")),
            found => return Err(TrailerError::Kind { found }),
        };
        let last_check = u32::try_from(last_check).map_err(|_| wrong("zeros"))?;
        if zeros != 0 {
            return Err(wrong("zeros"));
        }
        let end = Lsn::new(end);
        if !end.is_aligned() {
            return Err(wrong("end"));
        }
        Ok(Self { kind, salt: Salt::new(salt), end, last_check })
    }
}

#[cfg(test)]
mod tests;
