//! RocksDB: a key-value store as a log, keys counted up. Its memtable holds all that a slice
//! writes; its write groups share one sync.

use crate::peer::{Abilities, Address, Can, Outcome, Peer, Promise};
use rocksdb::{DB, IteratorMode, Options, WriteBatch, WriteOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The store.
pub(super) struct RocksDb {
    database: DB,
    next: AtomicU64,
    durable: bool,
}

impl RocksDb {
    fn write(&self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self.durable);
        options
    }
}

impl Peer for RocksDb {
    const NAME: &'static str = "rocksdb";
    const VERSION: &'static str = "11.8.1 (rocksdb 0.25.0)";
    const NOTE: &'static str = "a key-value store: each record goes to its log, of which this is \
        the price, and to a list in memory";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::Yes("put, manual_wal_flush"),
            os: Can::Yes("put"),
            durable: Can::Yes("put with sync"),
            batch_os: Can::Yes("a WriteBatch"),
            batch_durable: Can::Yes("a WriteBatch with sync"),
            scan: Can::Yes("an iterator"),
            read: Can::Yes("get_pinned"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_write_buffer_size(1 << 30);
        options.set_manual_wal_flush(promise == Promise::Buffered);
        let database = DB::open(&options, dir)?;
        let last = database.iterator(IteratorMode::End).next().transpose()?;
        let next = match last {
            Some((key, _)) => u64::from_be_bytes(*key.first_chunk().ok_or("another key")?) + 1,
            None => 0,
        };
        let durable = promise == Promise::Durable;
        Ok(Self { database, next: AtomicU64::new(next), durable })
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.database.put_opt(number.to_be_bytes(), record, &self.write())?;
        Ok(Address(number, 0))
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        let mut batch = WriteBatch::default();
        let first = self.next.fetch_add(records.len() as u64, Ordering::Relaxed);
        for (number, record) in (first..).zip(records) {
            batch.put(number.to_be_bytes(), record);
        }
        Ok(self.database.write_opt(batch, &self.write())?)
    }

    fn scan(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        let mut entries = self.database.raw_iterator();
        entries.seek_to_first();
        while let Some(record) = entries.value() {
            each(record);
            entries.next();
        }
        Ok(entries.status()?)
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        let record = self.database.get_pinned(address.0.to_be_bytes())?;
        show(&record.ok_or("the record is not there")?);
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        Ok(self.database.flush_wal(true)?)
    }
}
