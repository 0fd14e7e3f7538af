//! Seawall, with its defaults.

use crate::peer::{Abilities, Address, Can, Outcome, Peer, Promise};
use seawall::{Durability, Log, Lsn, Options};
use std::path::Path;

/// The log that the others are compared with.
pub(super) struct Seawall(Log);

impl Peer for Seawall {
    const NAME: &'static str = "seawall";
    const VERSION: &'static str = "0.1.0";
    const NOTE: &'static str = "every record checked and chained; a batch survives as a whole";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::Yes("Durability::Buffered"),
            os: Can::Yes("Durability::Os"),
            durable: Can::Yes("Durability::Sync"),
            batch_os: Can::Yes("append_batch"),
            batch_durable: Can::Yes("append_batch"),
            scan: Can::Yes("LogScan::next_ref"),
            read: Can::Yes("Log::read"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        let durability = match promise {
            Promise::Buffered => Durability::Buffered,
            Promise::Os => Durability::Os,
            Promise::Durable => Durability::Sync,
        };
        Ok(Self(Log::open(dir, Options::new().durability(durability))?))
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        Ok(Address(self.0.append(record)?.lsn.get(), 0))
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        self.0.append_batch(records)?;
        Ok(())
    }

    fn scan(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        let mut scan = self.0.scan(Lsn::FIRST)?;
        while let Some(record) = scan.next_ref()? {
            each(record.bytes);
        }
        Ok(())
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        show(&self.0.read(Lsn::new(address.0))?.bytes);
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        Ok(self.0.close()?)
    }
}
