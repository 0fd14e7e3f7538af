//! okaywal: every commit is synced, by one thread for all that wait. Segments of 128 MiB that are
//! zeroed when the log is opened, so that no slice meets a checkpoint.

use crate::peer::{Abilities, Address, Can, Failure, Outcome, Peer, Promise, cannot};
use okaywal::{Configuration, LogManager, LogPosition, SegmentReader, WriteAheadLog};
use std::io::{self, Read};
use std::path::Path;

const SYNCS: Can = Can::No("every commit is synced");
const SCAN: Can = Can::No("records are shown while the log is opened, or read by address");

/// The log.
pub(super) struct Okaywal(WriteAheadLog);

/// Lets every record pass: opening has read and checked its entry.
#[derive(Debug)]
struct Passing;

impl LogManager for Passing {
    fn recover(&mut self, entry: &mut okaywal::Entry<'_>) -> io::Result<()> {
        entry.read_all_chunks().map(drop)
    }

    fn checkpoint_to(
        &mut self,
        _last: okaywal::EntryId,
        _entries: &mut SegmentReader,
        _wal: &WriteAheadLog,
    ) -> io::Result<()> {
        Ok(())
    }
}

impl Peer for Okaywal {
    const NAME: &'static str = "okaywal";
    const VERSION: &'static str = "0.3.1";
    const NOTE: &'static str = "CRC-32C for each chunk; a log to be emptied: what is checkpointed \
        is gone; a read opens the file each time; a failed sync leaves waiters asleep";

    fn abilities() -> Abilities {
        Abilities {
            buffered: SYNCS,
            os: SYNCS,
            durable: Can::Yes("an entry of one chunk, commit"),
            batch_os: SYNCS,
            batch_durable: Can::Yes("an entry of one chunk for each record, commit"),
            scan: SCAN,
            read: Can::Yes("read_at"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        if promise != Promise::Durable {
            return cannot(SYNCS);
        }
        let options = Configuration::default_for(dir)
            .preallocate_bytes(128 << 20)
            .checkpoint_after_bytes(120 << 20)
            .buffer_bytes(512 << 10);
        Ok(Self(options.open(Passing)?))
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        let mut entry = self.0.begin_entry()?;
        let position = entry.write_chunk(record)?.position;
        entry.commit()?;
        let mut bytes = Vec::with_capacity(16);
        position.serialize_to(&mut bytes)?;
        let half = |at| -> Result<u64, Failure> {
            let half: &[u8; 8] = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or("short")?;
            Ok(u64::from_le_bytes(*half))
        };
        Ok(Address(half(0)?, half(8)?))
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        let mut entry = self.0.begin_entry()?;
        for record in records {
            entry.write_chunk(record)?;
        }
        entry.commit()?;
        Ok(())
    }

    fn scan(&self, _each: impl FnMut(&[u8])) -> Outcome<()> {
        cannot(SCAN)
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        let bytes = [address.0.to_le_bytes(), address.1.to_le_bytes()].concat();
        let mut chunk = self.0.read_at(LogPosition::deserialize_from(&bytes[..])?)?;
        let mut record = Vec::with_capacity(usize::try_from(chunk.chunk_length())?);
        chunk.read_to_end(&mut record)?;
        if !chunk.crc_is_valid()? {
            return Err("the checksum is wrong".into());
        }
        show(&record);
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        Ok(self.0.shutdown()?)
    }
}
