//! The header of a segment, stored twice: at byte 0 and at byte 4096 of the file.
//!
//! All integers are little-endian. The rest of each block is zeros.
//!
//! ```text
//!   0        8         12      16       32       40     48     56         64
//!   +--------+---------+-------+--------+--------+------+------+----------+
//!   | magic  | version | flags | log id | number | base | salt | file_len |
//!   | 8 B    | u32     | u32   | 16 B   | u64    | u64  | u64  | u64      |
//!   +--------+---------+-------+--------+--------+------+------+----------+
//!   64         72           76      80     88                120     128
//!   +----------+------------+-------+------+------------------+-------+
//!   | prev_end | prev_check | skip. | trim | extension        | check |
//!   | u64      | u32        | u32   | u64  | 32 B             | u64   |
//!   +----------+------------+-------+------+------------------+-------+
//! ```
//!
//! - `flags`: bit 0 *extended*: the [`extension`](super::extension) states something. Without it
//!   these bytes are zeros.
//! - `base`: LSN of the first frame: `prev_end`, or `prev_end` + 2^33 after an unclean end.
//! - `salt`: one use of one file.
//! - `file_len`: allocated length of the file; the segment may be shortened once it is closed.
//! - `prev_end`, `prev_check`: where the predecessor ended, and the check of its last frame (for
//!   segment 1: its own base, and 0). The first frame chains to `prev_check`.
//! - `skipped`: how many numbers lie between that of the predecessor and this one. Files of these
//!   numbers were behind a tail that was cut, and are no part of the log.
//! - `unproven`, in the extension: how many bytes before `prev_end` were not synced yet when the header
//!   was written. Where it is 0 the header *vouches* for its predecessor's end.
//! - `trim`: the trim point when the header was written.
//! - `check`: CRC-64/XZ of bytes 0 to 119, at this place in every version of the format.
//!
//! A copy is valid if and only if: (1) `magic` and `check` match; (2) `version` is 1, no flag but
//! *extended* is set, and all bytes called zeros are 0; (3) `number` is at least 1; (4) `base`,
//! `prev_end`, `trim` and `unproven` are multiples of 8, and `trim` + `unproven` is not beyond
//! `prev_end`; (5) `base` is `prev_end`, or, where `unproven` is 0, `prev_end` + 2^33; where `skipped`
//! is not 0 it is the latter, and `number` is at least `skipped` + 2; (6) `file_len` is a multiple of 4096 between 16 KiB and 2 GiB,
//! and `base` + `file_len` is below 2^64, so that every LSN of the segment exists; (7) with
//! *extended* the extension is valid, without it all its bytes are 0. Where (1) holds and `version`
//! is another, or a flag is not known, the file belongs to another version and is refused by name.

use super::checksum::crc64;
use super::extension::{EXTENSION_LEN, Extension};
use super::layout;
use crate::position::{LogId, Lsn, Salt, SegmentId};

/// The bytes of one copy that are not plain zeros.
pub const HEADER_LEN: usize = 128;
/// The format that this crate writes, and the newest that it reads.
pub const VERSION: u32 = 1;
/// The oldest that it reads: what any release wrote.
pub const VERSION_OLDEST: u32 = 1;
/// The first bytes of every segment.
pub const MAGIC: [u8; 8] = *b"SEAWALL\0";
/// The flag *extended*: the [`Extension`] states something.
pub const EXTENDED: u32 = 1;

/// The facts that a segment's header states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The format that its frames are of: [`VERSION`] in each segment that this crate begins.
    pub version: u32,
    /// The log it belongs to.
    pub log: LogId,
    /// Its number, which is also its name.
    pub number: SegmentId,
    /// LSN of its first frame.
    pub base: Lsn,
    /// This use of the file.
    pub salt: Salt,
    /// Allocated length of the file in bytes.
    pub file_len: u64,
    /// Where the predecessor ended.
    pub prev_end: Lsn,
    /// Check of the predecessor's last frame.
    pub prev_check: u32,
    /// How many numbers lie between the predecessor's and this one: files of these numbers are no part
    /// of the log.
    pub skipped: u32,
    /// How many bytes before `prev_end` were not known to be durable when the header was written.
    pub unproven: u32,
    /// Everything below was trimmed.
    pub trim: Lsn,
    /// What it states beside that.
    pub extension: Extension,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Fewer than 128 bytes.
    #[error("a header has {HEADER_LEN} bytes, there are {have}")]
    Short {
        /// Bytes there are.
        have: usize,
    },
    /// All bytes are zero: a file prepared for use, or one whose header was wiped.
    #[error("the header is all zeros")]
    Zeros,
    /// The first eight bytes are not the magic.
    #[error("the header does not begin with the magic")]
    Magic,
    /// The check does not match.
    #[error("the header's check is {found:#018x}, its bytes give {expected:#018x}")]
    Check {
        /// What the bytes give.
        expected: u64,
        /// What is stored.
        found: u64,
    },
    /// An intact header of another version.
    #[error("the header is of format version {found}, this program reads up to version {newest}")]
    Version {
        /// The version.
        found: u32,
        /// The newest that is read.
        newest: u32,
    },
    /// An intact header with flags this version does not define.
    #[error("the header has unknown flags {found:#x}")]
    Flags {
        /// The flags.
        found: u32,
    },
    /// An intact header whose fields contradict each other.
    #[error("the header's field {field} cannot be")]
    Field {
        /// Its name in the byte layout.
        field: &'static str,
    },
}

impl SegmentHeader {
    /// How far the log was known to be durable when the header was written.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        Lsn::new(self.prev_end.get().saturating_sub(self.unproven.into()))
    }

    /// Whether the header says that everything before the segment was durable when it was written.
    #[must_use]
    pub const fn vouches(&self) -> bool {
        self.unproven == 0
    }

    /// The number of the segment before this one; 0 for segment 1.
    #[must_use]
    pub const fn prev_number(&self) -> u64 {
        self.number.get().saturating_sub(1).saturating_sub(self.skipped as u64)
    }

    /// The 128 bytes of one copy.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        let extended = self.extension.is_stated() || !self.vouches();
        let flags = if extended { EXTENDED } else { 0 };
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&self.log.get());
        for value in [self.number.get(), self.base.get(), self.salt.get(), self.file_len] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.extend_from_slice(&self.prev_end.get().to_le_bytes());
        bytes.extend_from_slice(&self.prev_check.to_le_bytes());
        bytes.extend_from_slice(&self.skipped.to_le_bytes());
        let trim = if planted!("trim-not-in-headers") { Lsn::FIRST } else { self.trim };
        bytes.extend_from_slice(&trim.get().to_le_bytes());
        bytes.extend_from_slice(&self.extension.encode(self.unproven));
        let check = crc64(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        let mut header = [0; HEADER_LEN];
        header.copy_from_slice(&bytes);
        header
    }

    /// Both header blocks, as they are written.
    #[must_use]
    pub fn blocks(&self) -> Vec<u8> {
        let mut blocks = self.encode().to_vec();
        blocks.resize(block_len(), 0);
        blocks.extend_from_within(..);
        if planted!("one-header-copy") {
            blocks.truncate(block_len());
            blocks.resize(2 * block_len(), 0);
        }
        blocks
    }

    /// Reads one copy.
    ///
    /// # Errors
    /// [`HeaderError`], for any bytes that are no valid header of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        Self::decode_by(bytes, VERSION, EXTENDED)
    }

    /// The same by a program that knows the versions up to this one, and these flags.
    fn decode_by(bytes: &[u8], newest: u32, known: u32) -> Result<Self, HeaderError> {
        let header: &[u8; HEADER_LEN] =
            bytes.first_chunk().ok_or(HeaderError::Short { have: bytes.len() })?;
        if *header == [0; HEADER_LEN] {
            return Err(HeaderError::Zeros);
        }
        let mut fields = Fields(header);
        if fields.take::<8>() != MAGIC {
            return Err(HeaderError::Magic);
        }
        let (covered, stored) = header.split_at(HEADER_LEN - 8);
        let (expected, found) = (crc64(covered), Fields(stored).u64());
        if expected != found {
            return Err(HeaderError::Check { expected, found });
        }
        let version = fields.u32();
        if !(VERSION_OLDEST..=newest).contains(&version) {
            return Err(HeaderError::Version { found: version, newest });
        }
        let flags = fields.u32();
        if flags & !known != 0 {
            return Err(HeaderError::Flags { found: flags });
        }
        let log = LogId::new(fields.take());
        let number = SegmentId::new(fields.u64());
        let base = Lsn::new(fields.u64());
        let salt = Salt::new(fields.u64());
        let file_len = fields.u64();
        let prev_end = Lsn::new(fields.u64());
        let prev_check = fields.u32();
        let skipped = fields.u32();
        let trim = Lsn::new(fields.u64());
        let extension: [u8; EXTENSION_LEN] = fields.take();
        let wrong = |field| Err(HeaderError::Field { field });
        if number.get() == 0 {
            return wrong("number");
        }
        if !prev_end.is_aligned() {
            return wrong("prev_end");
        }
        let jumps = Some(base) == prev_end.checked_add(Lsn::JUMP);
        if base != prev_end && !jumps {
            return wrong("base");
        }
        if skipped > 0 && (!jumps || number.get() < u64::from(skipped) + 2) {
            return wrong("skipped");
        }
        let lengths = layout::SEGMENT_LEN_MIN..=layout::FILE_LEN_MAX;
        if !lengths.contains(&file_len) || !file_len.is_multiple_of(layout::BLOCK) {
            return wrong("file_len");
        }
        if base.checked_add(file_len).is_none() {
            return wrong("base");
        }
        let extended = flags & EXTENDED != 0;
        if !extended && extension != [0; EXTENSION_LEN] {
            return wrong("zeros");
        }
        let (extension, unproven) = if extended {
            Extension::decode(extension).map_err(|field| HeaderError::Field { field })?
        } else {
            (Extension::default(), 0)
        };
        let durable = prev_end.get().checked_sub(unproven.into()).map(Lsn::new);
        let Some(durable) = durable.filter(|durable| durable.is_aligned()) else {
            return wrong("unproven");
        };
        if unproven > 0 && jumps {
            return wrong("unproven");
        }
        if !trim.is_aligned() || trim > durable {
            return wrong("trim");
        }
        Ok(Self {
            version,
            log,
            number,
            base,
            salt,
            file_len,
            prev_end,
            prev_check,
            skipped,
            unproven,
            trim,
            extension,
        })
    }
}

fn block_len() -> usize {
    usize::try_from(layout::BLOCK).expect("a block fits every address space")
}

/// Takes fixed fields off the front; the callers' slices are long enough by their types.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("fixed layouts hold their fields");
        self.0 = rest;
        *field
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

#[cfg(test)]
mod tests;
