//! ironwal: one stream, no compression, segments read through memory maps. For random reads they
//! are short: a segment is searched from its front until it is no longer written to.

use crate::peer::{Abilities, Address, Can, Outcome, Peer, Promise};
use ironwal::{ReadStrategy, SyncMode, Wal, WalOptions};
use std::path::Path;

const STREAM: &str = "log";

/// The log.
pub(super) struct Ironwal(Wal);

impl Ironwal {
    fn with_segments(dir: &Path, promise: Promise, segment_len: u64) -> Outcome<Self> {
        let mut options = WalOptions::new(dir);
        options.sync_mode =
            if promise == Promise::Durable { SyncMode::Strict } else { SyncMode::Async };
        options.max_segment_size = segment_len;
        options.read_strategy = ReadStrategy::Mmap;
        options.write_buffer_size = 512 << 10;
        options.read_buffer_size = 256 << 10;
        Ok(Self(Wal::new(options)?))
    }
}

impl Peer for Ironwal {
    const NAME: &'static str = "ironwal";
    const VERSION: &'static str = "0.6.9";
    const NOTE: &'static str = "CRC-32 for each frame; the lock is held during the sync; a read \
        of the active segment opens it, and searches it from its front";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::More("SyncMode::Async: every append ends with a write"),
            os: Can::Yes("SyncMode::Async"),
            durable: Can::Yes("SyncMode::Strict"),
            batch_os: Can::Yes("append_batch, SyncMode::Async"),
            batch_durable: Can::Yes("append_batch, SyncMode::Strict"),
            scan: Can::Yes("iter, ReadStrategy::Mmap"),
            read: Can::Yes("get, ReadStrategy::Mmap"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        Self::with_segments(dir, promise, 64 << 20)
    }

    fn open_for_random_reads(dir: &Path, promise: Promise) -> Outcome<Self> {
        Self::with_segments(dir, promise, 4 << 20)
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        Ok(Address(self.0.append(STREAM, record)?, 0))
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        self.0.append_batch(STREAM, &records)?;
        Ok(())
    }

    fn scan(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        for record in self.0.iter(STREAM, 0)? {
            each(&record?);
        }
        Ok(())
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        show(&self.0.get(STREAM, address.0)?.ok_or("the record is not there")?);
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        Ok(())
    }
}
