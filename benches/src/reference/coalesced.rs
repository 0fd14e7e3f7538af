//! Frames gather under a lock and are written when they are worth a call.

use super::{BLOCK, body_check, created, push};
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Frames gather under a lock and are written when they are worth a call.
#[derive(Debug)]
pub struct Coalesced {
    file: File,
    gathered: Mutex<(Vec<u8>, u64)>,
}

impl Coalesced {
    /// A fresh file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let buffer = Vec::with_capacity(2 * BLOCK);
        Ok(Self { file: created(path)?, gathered: Mutex::new((buffer, 0)) })
    }

    /// Appends one record.
    ///
    /// # Errors
    /// What the file system says.
    #[inline]
    pub fn append(&self, record: &[u8]) -> io::Result<()> {
        let check = body_check(record);
        let mut gathered = self.gathered.lock();
        push(&mut gathered.0, check, record);
        if gathered.0.len() >= BLOCK { self.drain(&mut gathered) } else { Ok(()) }
    }

    fn drain(&self, (buffer, end): &mut (Vec<u8>, u64)) -> io::Result<()> {
        self.file.write_all_at(buffer, *end)?;
        *end += buffer.len() as u64;
        buffer.clear();
        Ok(())
    }
}
