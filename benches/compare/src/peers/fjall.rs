//! fjall: a key-value store as a log, keys counted up. Its memtable holds all that a slice
//! writes, so that no slice meets a flush or a compaction.

use crate::peer::{Abilities, Address, Can, Outcome, Peer, Promise};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The store.
pub(super) struct Fjall {
    database: Database,
    records: Keyspace,
    next: AtomicU64,
    durable: bool,
}

impl Peer for Fjall {
    const NAME: &'static str = "fjall";
    const VERSION: &'static str = "3.1.13";
    const NOTE: &'static str = "a key-value store: each record goes to its journal, of which this \
        is the price, and to a tree in memory; the lock is held during the sync";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::Yes("insert, manual_journal_persist"),
            os: Can::Yes("insert"),
            durable: Can::Yes("insert, persist(SyncData)"),
            batch_os: Can::Yes("a batch"),
            batch_durable: Can::Yes("a batch with SyncData"),
            scan: Can::Yes("iter"),
            read: Can::Yes("get"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        let database = Database::builder(dir)
            .manual_journal_persist(promise != Promise::Os)
            .max_journaling_size(2 << 30)
            .open()?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(512 << 20)
                .manual_journal_persist(promise != Promise::Os)
        };
        let records = database.keyspace("log", options)?;
        let next = match records.last_key_value() {
            Some(last) => {
                let key = last.key()?;
                u64::from_be_bytes(*key.first_chunk().ok_or("a key of another kind")?) + 1
            }
            None => 0,
        };
        let durable = promise == Promise::Durable;
        Ok(Self { database, records, next: AtomicU64::new(next), durable })
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.records.insert(number.to_be_bytes(), record)?;
        if self.durable {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(Address(number, 0))
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        let mode = if self.durable { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        let first = self.next.fetch_add(records.len() as u64, Ordering::Relaxed);
        for (number, record) in (first..).zip(records) {
            batch.insert(&self.records, number.to_be_bytes(), record.as_slice());
        }
        Ok(batch.commit()?)
    }

    fn scan(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        for entry in self.records.iter() {
            each(&entry.value()?);
        }
        Ok(())
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        show(&self.records.get(address.0.to_be_bytes())?.ok_or("the record is not there")?);
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}
