//! walrus-rust: one topic, in memory maps, which is one of its two backends. The other one syncs an
//! append twice (`O_SYNC`, then `fsync`), and a batch once, too.
//!
//! Where it keeps its files is said by an environment variable, which whoever starts the process
//! must have set to the parent of the directory.

use crate::peer::{Abilities, Address, Can, Outcome, Peer, Promise, cannot};
use std::path::Path;
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus, disable_fd_backend};

/// Names the directory in which it makes its own.
pub(crate) const DATA_DIR: &str = "WALRUS_DATA_DIR";

/// Without it every call is told on standard output.
pub(crate) const QUIET: &str = "WALRUS_QUIET";

const TOPIC: &str = "log";
const READ: Can = Can::No("no addresses: a topic is read from its front, once");

/// The log.
pub(super) struct WalrusRust(Walrus);

impl Peer for WalrusRust {
    const NAME: &'static str = "walrus-rust";
    const VERSION: &'static str = "0.2.0";
    const NOTE: &'static str = "FNV-1a for each entry; reading consumes; a batch is synced whatever \
        the schedule; its thread never ends";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::More("a copy into a shared memory map: the kernel has it"),
            os: Can::Yes("NoFsync: a copy into a shared memory map"),
            durable: Can::Yes("SyncEach: msync of the map"),
            batch_os: Can::More("every batch ends with an msync"),
            batch_durable: Can::Yes("batch_append_for_topic, msync"),
            scan: Can::Yes("batch_read_for_topic of 1 MiB"),
            read: READ,
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        let home = std::env::var_os(DATA_DIR).ok_or("WALRUS_DATA_DIR is not set")?;
        let name = dir.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
        if dir.parent() != Some(Path::new(&home)) {
            return Err("WALRUS_DATA_DIR is another directory".into());
        }
        disable_fd_backend();
        let schedule = match promise {
            Promise::Durable => FsyncSchedule::SyncEach,
            Promise::Buffered | Promise::Os => FsyncSchedule::NoFsync,
        };
        let reads = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };
        Ok(Self(Walrus::with_consistency_and_schedule_for_key(name, reads, schedule)?))
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        self.0.append_for_topic(TOPIC, record)?;
        Ok(Address::default())
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        Ok(self.0.batch_append_for_topic(TOPIC, &records)?)
    }

    fn scan(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        loop {
            let entries = self.0.batch_read_for_topic(TOPIC, 1 << 20, true)?;
            if entries.is_empty() {
                return Ok(());
            }
            entries.iter().for_each(|entry| each(&entry.data));
        }
    }

    fn read(&self, _address: Address, _show: impl FnOnce(&[u8])) -> Outcome<()> {
        cannot(READ)
    }

    fn close(self) -> Outcome<()> {
        Ok(())
    }
}
