//! A file of frames that are all there, to be read: whole, one record of it, or as an open does.

use super::{BLOCK, PREPARED, body_check, created, push};
use crate::records::Records;
use rustix::fs::{Advice, FlockOperation, Mode, OFlags};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file of frames that are all there, to be read.
#[derive(Debug)]
pub struct Reading {
    file: File,
    block: Vec<u8>,
}

impl Reading {
    /// Writes this many records.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(path: &Path, records: &mut Records, count: u64) -> io::Result<Self> {
        let file = created(path)?;
        let (mut buffer, mut end) = (Vec::new(), 0);
        for nth in 0..count {
            let record = records.record();
            push(&mut buffer, body_check(record), record);
            if buffer.len() >= BLOCK || nth + 1 == count {
                file.write_all_at(&buffer, end)?;
                end += buffer.len() as u64;
                buffer.clear();
            }
        }
        file.sync_all()?;
        Ok(Self { file, block: vec![0; BLOCK] })
    }

    /// Writes zeros behind the frames, as in a segment that is not full.
    ///
    /// # Errors
    /// What the file system says.
    pub fn pad(&self) -> io::Result<()> {
        let zeros = vec![0; BLOCK];
        let mut end = self.file.metadata()?.len();
        while end < PREPARED {
            let left = usize::try_from(PREPARED - end).unwrap_or(BLOCK);
            let piece = &zeros[..left.min(BLOCK)];
            self.file.write_all_at(piece, end)?;
            end += piece.len() as u64;
        }
        self.file.sync_all()
    }

    /// Reads and verifies all frames in order; how many there are. The rest must be zeros.
    ///
    /// # Errors
    /// What the file system says.
    pub fn scan(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<u64> {
        let (mut count, mut kept, mut offset) = (0, 0, 0);
        loop {
            let read = rustix::io::preadv(
                &self.file,
                &mut [IoSliceMut::new(&mut self.block[kept..])],
                offset,
            )?;
            if read == 0 {
                return if kept == 0 { Ok(count) } else { Err(io::ErrorKind::InvalidData.into()) };
            }
            offset += read as u64;
            let mut rest = &self.block[..kept + read];
            while let Some((record, behind)) = frame(rest)? {
                each(record);
                count += 1;
                rest = behind;
            }
            if rest.first_chunk().is_some_and(|&len: &[u8; 4]| len == [0; 4]) {
                if rest.iter().any(|&byte| byte != 0) {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                rest = &[];
            }
            let from = kept + read - rest.len();
            self.block.copy_within(from..kept + read, 0);
            kept = kept + read - from;
        }
    }

    /// The record at `offset`, with one call.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read(&self, offset: u64, into: &mut [u8; 4096]) -> io::Result<usize> {
        let read = self.file.read_at(into, offset)?;
        let (record, _) = frame(&into[..read])?.ok_or(io::ErrorKind::InvalidData)?;
        Ok(record.len())
    }

    /// Opens the directory for writing and reads the end of the file: what a clean close leaves.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open_closed(dir: &Path, name: &str, last: u64) -> io::Result<usize> {
        let (_lock, file) = locked(dir, name)?;
        Self { file, block: Vec::new() }.read(last, &mut [0; 4096])
    }

    /// Opens the directory for writing and reads the whole file from the device.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open_killed(dir: &Path, name: &str) -> io::Result<u64> {
        let (_lock, file) = locked(dir, name)?;
        file.sync_data()?;
        evict(&file)?;
        Self { file, block: vec![0; BLOCK] }.scan(|_| {})
    }
}

/// Drops the pages of a synced file.
fn evict(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, Advice::DontNeed)?)
}

/// The directory, locked, listed and synced; and a file in it.
fn locked(dir: &Path, name: &str) -> io::Result<(rustix::fd::OwnedFd, File)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let handle = rustix::fs::open(dir, flags, Mode::empty())?;
    rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive)?;
    rustix::fs::fsync(&handle)?;
    for entry in rustix::fs::Dir::read_from(&handle)? {
        std::hint::black_box(entry?);
    }
    Ok((handle, OpenOptions::new().read(true).write(true).open(dir.join(name))?))
}

/// The first frame of `bytes`, verified, and what is behind it; nothing if it is not all there.
#[inline]
fn frame(bytes: &[u8]) -> io::Result<Option<(&[u8], &[u8])>> {
    let Some((len, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let Some((check, rest)) = rest.split_first_chunk() else { return Ok(None) };
    let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
    match rest.split_at_checked(len) {
        None => Ok(None),
        Some(_) if len == 0 => Ok(None),
        Some((record, _)) if body_check(record) != u32::from_le_bytes(*check) => {
            Err(io::ErrorKind::InvalidData.into())
        }
        found => Ok(found),
    }
}
