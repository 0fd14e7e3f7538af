//! No log: frames of a length and the bytes, appended to one file. Nothing is checked, and each
//! durable append waits for a sync of its own. It tells when the machine did something else.

use crate::peer::{Abilities, Address, Can, Outcome, Peer, Promise};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const BUFFER_LEN: usize = 512 << 10;
const HEADER_LEN: usize = 4;

/// A file and what is to be written to it.
pub(super) struct Plain {
    file: File,
    promise: Promise,
    tail: Mutex<Tail>,
}

struct Tail {
    buffer: Vec<u8>,
    written: u64,
}

impl Plain {
    fn put<'a>(&self, records: impl Iterator<Item = &'a [u8]>) -> Outcome<Address> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let at = tail.written + tail.buffer.len() as u64;
        let mut len = 0;
        for record in records {
            len = record.len();
            tail.buffer.extend_from_slice(&u32::try_from(len)?.to_le_bytes());
            tail.buffer.extend_from_slice(record);
        }
        if self.promise > Promise::Buffered || tail.buffer.len() >= BUFFER_LEN {
            self.write(&mut tail)?;
        }
        if self.promise == Promise::Durable {
            self.file.sync_data()?;
        }
        Ok(Address(at, len as u64))
    }

    fn write(&self, tail: &mut Tail) -> Outcome<()> {
        self.file.write_all_at(&tail.buffer, tail.written)?;
        tail.written += tail.buffer.len() as u64;
        tail.buffer.clear();
        Ok(())
    }
}

impl Peer for Plain {
    const NAME: &'static str = "plain";
    const VERSION: &'static str = "-";
    const NOTE: &'static str = "the reference: no log, no checks, no groups; finds noisy rounds";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::Yes("a buffer of 512 KiB, then pwrite"),
            os: Can::Yes("a pwrite each"),
            durable: Can::Yes("a pwrite and an fdatasync each, one after the other"),
            batch_os: Can::Yes("a pwrite each"),
            batch_durable: Can::Yes("a pwrite and an fdatasync each"),
            scan: Can::Yes("pread of 256 KiB"),
            read: Can::Yes("pread of the frame"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        let path = dir.join("log");
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).read(true).write(true).open(path)?;
        let written = file.metadata()?.len();
        let buffer = Vec::with_capacity(BUFFER_LEN + 4096);
        Ok(Self { file, promise, tail: Mutex::new(Tail { buffer, written }) })
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        self.put(std::iter::once(record))
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        self.put(records.iter().map(Vec::as_slice)).map(drop)
    }

    fn scan(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        let mut block = vec![0; 256 << 10];
        let (mut offset, mut held) = (0, 0);
        loop {
            let more = self.file.read_at(block.get_mut(held..).unwrap_or_default(), offset)?;
            offset += more as u64;
            held += more;
            let mut rest = block.get(..held).unwrap_or_default();
            while let Some((head, behind)) = rest.split_first_chunk::<HEADER_LEN>()
                && let Some(record) = behind.get(..u32::from_le_bytes(*head) as usize)
            {
                each(record);
                rest = behind.get(record.len()..).unwrap_or_default();
            }
            let left = rest.len();
            block.copy_within(held - left..held, 0);
            held = left;
            if more == 0 {
                return Ok(());
            }
        }
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        let mut frame = [0; 4096];
        let len = usize::try_from(address.1)?;
        let frame = frame.get_mut(..len + HEADER_LEN).ok_or("a longer record than any here")?;
        self.file.read_exact_at(frame, address.0)?;
        show(frame.get(HEADER_LEN..).unwrap_or_default());
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut tail)?;
        Ok(self.file.sync_data()?)
    }
}
