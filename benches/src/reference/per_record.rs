//! Each call is one write.

use super::{body_check, created, push};
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Each call is one write.
#[derive(Debug)]
pub struct PerRecord {
    file: File,
    place: Mutex<(Vec<u8>, u64)>,
}

impl PerRecord {
    /// A fresh file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: created(path)?, place: Mutex::new((Vec::new(), 0)) })
    }

    /// Writes these records with one call.
    ///
    /// # Errors
    /// What the file system says.
    #[inline]
    pub fn append<R: AsRef<[u8]>>(&self, records: &[R]) -> io::Result<()> {
        let mut place = self.place.lock();
        let (buffer, end) = &mut *place;
        buffer.clear();
        for record in records {
            push(buffer, body_check(record.as_ref()), record.as_ref());
        }
        self.file.write_all_at(buffer, *end)?;
        *end += buffer.len() as u64;
        Ok(())
    }
}
