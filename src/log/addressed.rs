//! Records of batches by their address: the LSN of the frame, and the index in that frame.

use super::address::{Among, read_one};
use super::handle::Log;
use super::many::read_many_at;
use super::options::Durability;
use super::placed::Placed;
use super::record::Record;
use crate::error::Result;
use crate::position::Lsn;

impl Log {
    /// As [`append_batch_at`](Self::append_batch_at), and returns the address of each record.
    ///
    /// Cost: that of the append, and one look at the lengths of the records.
    ///
    /// ```
    /// # fn main() -> seawall::Result<()> {
    /// # let dir = std::env::temp_dir().join(format!("seawall-placed-{}", std::process::id()));
    /// use seawall::{Durability, Log, Options};
    ///
    /// let log = Log::open(&dir, Options::new())?;
    /// let placed = log.append_batch_placed(&["debit", "credit"], Durability::Sync)?;
    /// let (lsn, index) = placed.place(1).expect("there are two");
    /// assert_eq!(log.read_at(lsn, index)?.bytes, "credit");
    /// # log.close()?;
    /// # std::fs::remove_dir_all(&dir).ok();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_batch_placed<R: AsRef<[u8]>>(
        &self,
        records: &[R],
        durability: Durability,
    ) -> Result<Placed> {
        let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
        let receipt = self.append_parts(&records, durability)?;
        Ok(Placed::new(&records, self.shared().options.batch_frame_max, receipt))
    }

    /// The record at an address: [`Record::lsn`] and [`Record::index`], [`Placed::place`] or
    /// [`Ticket::place`](crate::Ticket::place). It need not be durable.
    ///
    /// Cost: one frame is read and verified, which is the record, or about
    /// [`batch_frame_max`](crate::Options::batch_frame_max) bytes of a batch. It never reads on into
    /// another frame: that is [`read_in_batch`](Self::read_in_batch), which counts the records of a
    /// batch from its first frame.
    ///
    /// # Errors
    /// [`Error::NoIndex`](crate::Error::NoIndex) if the frame has fewer records; otherwise as
    /// [`read`](Self::read).
    pub fn read_at(&self, lsn: Lsn, index: u32) -> Result<Record> {
        read_one(self.shared(), lsn, index, Among::Frame)
    }

    /// The records at many addresses: for each the result of [`read_at`](Self::read_at), in the order
    /// of `addresses`, which may be any, with repetitions. An error at one address is returned in its
    /// slot; the others are unaffected.
    ///
    /// Cost: one call of the disk for each run of neighbours, as with
    /// [`read_many`](Self::read_many). A frame of up to 1 MiB is verified once for all the records that
    /// are wanted of it, where these are no more than 256; a longer one once for each.
    #[must_use]
    pub fn read_many_at(&self, addresses: &[(Lsn, u32)]) -> Vec<Result<Record>> {
        read_many_at(self.shared(), addresses)
    }
}
