//! Appends of records that carry a tag.

use super::handle::Log;
use super::options::Durability;
use super::record::Receipt;
use crate::error::Result;
use crate::format::tag::Tag;

impl Log {
    /// As [`append`](Self::append), of a record with a tag.
    ///
    /// ```
    /// # fn main() -> seawall::Result<()> {
    /// # let dir = std::env::temp_dir().join(format!("seawall-tagged-{}", std::process::id()));
    /// use seawall::{Log, Options, Tag};
    ///
    /// const CHECKPOINT: Tag = Tag::new(2);
    /// let log = Log::open(&dir, Options::new())?;
    /// let receipt = log.append_tagged(CHECKPOINT, b"everything up to here")?; // durable
    /// assert_eq!(log.read(receipt.lsn)?.tag, CHECKPOINT);
    /// # log.close()?;
    /// # std::fs::remove_dir_all(&dir).ok();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_tagged(&self, tag: Tag, record: &[u8]) -> Result<Receipt> {
        self.append_tagged_at(tag, record, Durability::Buffered)
    }

    /// As [`append_at`](Self::append_at), of a record with a tag: at least as durable as `durability`.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_tagged_at(
        &self,
        tag: Tag,
        record: &[u8],
        durability: Durability,
    ) -> Result<Receipt> {
        self.append_part((tag, record), durability)
    }

    /// As [`append_batch`](Self::append_batch), of records that have a tag each. Where the tag changes
    /// a new frame begins, which counts 28 bytes against [`BATCH_LEN_MAX`](crate::BATCH_LEN_MAX).
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_batch_tagged<R: AsRef<[u8]>>(&self, records: &[(Tag, R)]) -> Result<Receipt> {
        self.append_batch_tagged_at(records, Durability::Buffered)
    }

    /// As [`append_batch_tagged`](Self::append_batch_tagged), but at least as durable as `durability`.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_batch_tagged_at<R: AsRef<[u8]>>(
        &self,
        records: &[(Tag, R)],
        durability: Durability,
    ) -> Result<Receipt> {
        let parts: Vec<(Tag, &[u8])> = records.iter().map(|(tag, r)| (*tag, r.as_ref())).collect();
        self.append_parts(&parts, durability)
    }
}
