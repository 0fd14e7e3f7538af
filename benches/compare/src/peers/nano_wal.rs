//! nano-wal: one `writev` for each append or batch, no checksum.

use crate::peer::{Abilities, Address, Can, Outcome, Peer, Promise, cannot};
use nano_wal::{Segment, Wal, WalOptions, WriteEntry};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The caller says when it is; a fixed time never rotates a segment.
const NOW: i64 = 1_800_000_000_000;

const SCAN: Can = Can::No("no iteration: records are read by address only");

/// The log, and its one segment.
pub(super) struct NanoWal {
    wal: Wal,
    segment: Arc<Segment>,
    durable: bool,
}

impl Peer for NanoWal {
    const NAME: &'static str = "nano-wal";
    const VERSION: &'static str = "1.0.0";
    const NOTE: &'static str = "no checksum; the lock is held during the sync; a batch of 205 \
        records or more is written in part, and is an error";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::More("a writev each: the kernel has it"),
            os: Can::Yes("append(durable: false)"),
            durable: Can::Yes("append(durable: true)"),
            batch_os: Can::Yes("append_batch(durable: false)"),
            batch_durable: Can::Yes("append_batch(durable: true)"),
            scan: SCAN,
            read: Can::Yes("read_at"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        let long = Duration::from_secs(100 * 365 * 24 * 3600);
        let options = WalOptions { retention: long, segment_duration: long };
        let wal = Wal::new(dir, "log", options)?;
        let segment = wal.ensure_segment(NOW)?;
        Ok(Self { wal, segment, durable: promise == Promise::Durable })
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        let entry = self.wal.append(None, record, NOW, self.durable)?;
        Ok(Address(entry.file_offset, entry.byte_size as u64))
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        let entry = |record| WriteEntry { header: None, content: record };
        let entries: Vec<_> = records.iter().map(Vec::as_slice).map(entry).collect();
        self.wal.append_batch(&entries, NOW, self.durable)?;
        Ok(())
    }

    fn scan(&self, _each: impl FnMut(&[u8])) -> Outcome<()> {
        cannot(SCAN)
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        let len = usize::try_from(address.1)?;
        show(&self.wal.read_at(&self.segment, address.0, len)?.content);
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        Ok(self.wal.shutdown()?)
    }
}
