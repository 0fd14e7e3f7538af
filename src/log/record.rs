//! What readers get: a record, and where it stands.

use crate::format::tag::Tag;
use crate::position::Lsn;
use bytes::Bytes;

/// Where an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Receipt {
    /// The address: of the record, or of the first frame of the batch.
    pub lsn: Lsn,
    /// Where the next append may go; everything before it is durable once the durable watermark
    /// has come this far.
    pub end: Lsn,
}

/// A record that was read and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The frame it stands in. Records of one batch may share it.
    pub lsn: Lsn,
    /// Which record of that frame, from 0.
    pub index: u32,
    /// The tag that it was appended with.
    pub tag: Tag,
    /// Its bytes. From a scan a slice of the block that was read, which it keeps in memory: copy
    /// it out to keep a small record for long. From a read by address memory of its own, or of
    /// its frame of a batch. From a follower that is near the end memory that it shares with the others, and
    /// with about 16 KiB of neighbours; otherwise memory of its own up to 16 KiB.
    pub bytes: Bytes,
}

/// A record, borrowed from the scan that read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordRef<'a> {
    /// The frame it stands in. Records of one batch may share it.
    pub lsn: Lsn,
    /// Which record of that frame, from 0.
    pub index: u32,
    /// The tag that it was appended with.
    pub tag: Tag,
    /// Its bytes.
    pub bytes: &'a [u8],
}
