//! commitlog: a write for each append or batch, an index in a memory map, a lock around it.

use crate::peer::{Abilities, Address, Can, Outcome, Peer, Promise, cannot};
use ::commitlog::message::{MessageBuf, MessageSet};
use ::commitlog::{CommitLog, LogOptions, ReadLimit};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SYNC: Can = Can::No("flush() syncs its index and never the records");

/// The log.
pub(super) struct Commitlog(Mutex<CommitLog>);

impl Commitlog {
    fn log(&self) -> MutexGuard<'_, CommitLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer for Commitlog {
    const NAME: &'static str = "commitlog";
    const VERSION: &'static str = "0.2.0";
    const NOTE: &'static str = "CRC-32C for each record; nothing is ever synced but the index";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::More("a write each: the kernel has it"),
            os: Can::Yes("append_msg"),
            durable: SYNC,
            batch_os: Can::Yes("append of a MessageBuf"),
            batch_durable: SYNC,
            scan: Can::Yes("read of 512 KiB"),
            read: Can::Yes("read of one record"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        if promise == Promise::Durable {
            return cannot(SYNC);
        }
        let mut options = LogOptions::new(dir);
        options.index_max_items(4_000_000).message_max_bytes(16 << 20);
        Ok(Self(Mutex::new(CommitLog::new(options)?)))
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        Ok(Address(self.log().append_msg(record)?, 0))
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        let mut messages: MessageBuf = records.iter().collect();
        self.log().append(&mut messages)?;
        Ok(())
    }

    fn scan(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        let log = self.log();
        let mut next = 0;
        loop {
            let messages = log.read(next, ReadLimit::max_bytes(512 << 10)).map_err(text)?;
            if messages.is_empty() {
                return Ok(());
            }
            for message in messages.iter() {
                each(message.payload());
                next = message.offset() + 1;
            }
        }
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        // Room for one record of any workload, and not for two.
        let messages = self.log().read(address.0, ReadLimit::max_bytes(400)).map_err(text)?;
        show(messages.iter().next().ok_or("the record is not there")?.payload());
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        Ok(self.log().flush()?)
    }
}

/// Its read errors say nothing but their kind.
fn text(error: ::commitlog::ReadError) -> String {
    format!("{error:?}")
}
