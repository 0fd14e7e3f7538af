//! A number that a floor above the log gives to its records, so that it can tell kinds of them apart.

use std::fmt;

/// The tag of a record: what it means is the caller's to say, for instance data, state or checkpoint.
/// The log stores it with the record, under the same check, and returns it by every way of reading.
///
/// Records without a tag have [`Tag::NONE`], which is 0. A tag costs no bytes. Records of one batch
/// may have different tags; each change of the tag within a batch begins a new frame, which costs 20
/// to 27 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u16);

impl Tag {
    /// The tag of records that were appended without one.
    pub const NONE: Self = Self(0);

    /// The tag with this number; any number is one.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl From<u16> for Tag {
    fn from(number: u16) -> Self {
        Self(number)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record that is to be appended: its bytes, and its tag if it has one.
pub(crate) trait Part {
    /// Its tag; the same constant for all records of a type without tags, so that those cost nothing.
    fn tag(&self) -> Tag;
    /// Its bytes.
    fn bytes(&self) -> &[u8];
    /// Their count.
    #[inline]
    fn len(&self) -> u64 {
        self.bytes().len() as u64
    }
}

impl<R: AsRef<[u8]> + ?Sized> Part for &R {
    #[inline]
    fn tag(&self) -> Tag {
        Tag::NONE
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_ref()
    }
}

impl<R: AsRef<[u8]>> Part for (Tag, R) {
    #[inline]
    fn tag(&self) -> Tag {
        self.0
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.1.as_ref()
    }
}
