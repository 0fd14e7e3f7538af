//! The fields of a segment header that stand there only with the flag *extended*.
//!
//! Offsets are those of the header.
//!
//! ```text
//!  88        96        104    112        116               118     120
//!  +---------+---------+------+----------+-----------------+-------+
//!  | content | lineage | home | unproven | content_version | zeros |
//!  | 8 B     | u64     | u64  | u32      | u16             | u16   |
//!  +---------+---------+------+----------+-----------------+-------+
//! ```
//!
//! - `content`, `content_version`: what the records mean, see [`Content`]; the same in all headers
//!   of a log.
//! - `lineage`: the line of runs that the one belongs to which began the segment. A log that begins
//!   has lineage 0, and a run that goes on with a copy raises it, so that log id, lineage and LSN
//!   name one record.
//! - `home`: where the segment was begun: a number for the directory and the file. 0 is not known,
//!   all ones is a file that a copy or a repair made. A writer that finds the last segment
//!   elsewhere knows that it goes on with a copy.
//!
//! - `unproven`: as the header says. It stands here and is no part of [`Extension`]: it is a segment's own.
//!
//! They are valid if and only if: (1) they are not all zeros; (2) `content` and `content_version`
//! are a content; (3) `lineage` is 0 or at least 2^48, since its upper 16 bits count how often it
//! was raised; (4) the zeros are 0.

use super::content::Content;
use crate::position::{Home, Lineage};

/// Bytes of these fields.
pub(crate) const EXTENSION_LEN: usize = 32;

/// What a header states beside what every header does. The default states nothing: raw records, a
/// log that was never copied, a place that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// What the records mean.
    pub content: Content,
    /// The line of runs that began the segment.
    pub lineage: Lineage,
    /// Where it was begun.
    pub home: Home,
}

impl Extension {
    /// Whether it states anything, so that the header needs the flag *extended*.
    #[must_use]
    pub fn is_stated(&self) -> bool {
        *self != Self::default()
    }

    pub(crate) fn encode(&self, unproven: u32) -> [u8; EXTENSION_LEN] {
        let mut bytes = Vec::with_capacity(EXTENSION_LEN);
        bytes.extend_from_slice(&self.content.name_bytes());
        bytes.extend_from_slice(&self.lineage.get().to_le_bytes());
        bytes.extend_from_slice(&self.home.get().to_le_bytes());
        bytes.extend_from_slice(&unproven.to_le_bytes());
        bytes.extend_from_slice(&self.content.version().to_le_bytes());
        bytes.resize(EXTENSION_LEN, 0);
        let mut extension = [0; EXTENSION_LEN];
        extension.copy_from_slice(&bytes);
        extension
    }

    /// Reads the fields of a header with the flag; the name of a field that cannot be as it is.
    pub(crate) fn decode(bytes: [u8; EXTENSION_LEN]) -> Result<(Self, u32), &'static str> {
        let (name, rest) = field::<8>(&bytes);
        let (lineage, rest) = field::<8>(rest);
        let (home, rest) = field::<8>(rest);
        let (unproven, rest) = field::<4>(rest);
        let (version, zeros) = field::<2>(rest);
        let content = Content::from_bytes(name, u16::from_le_bytes(version)).ok_or("content")?;
        let lineage = Lineage::from_value(u64::from_le_bytes(lineage)).ok_or("lineage")?;
        let home = Home::new(u64::from_le_bytes(home));
        if zeros != [0; 2] {
            return Err("zeros");
        }
        let (extension, unproven) = (Self { content, lineage, home }, u32::from_le_bytes(unproven));
        let stated = extension.is_stated() || unproven != 0;
        if stated { Ok((extension, unproven)) } else { Err("flags") }
    }
}

/// The first field; the bytes of an extension are as long as its fields.
fn field<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (field, rest) = bytes.split_first_chunk().expect("fixed layouts hold their fields");
    (*field, rest)
}
