//! The one loop that finishes what a short or interrupted call began.
//!
//! It stands above [`StorageFile`], so that a simulated disk exercises it with every short
//! read, short write and `EINTR` it can think of. Nobody else repeats a call to the disk.

use super::StorageFile;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};

/// At most this many slices go into one call: Linux refuses more.
const SLICES_MAX: usize = 1024;

/// Up to this many slices are gathered without touching the heap.
const SLICES_ON_STACK: usize = 4;

/// A write that ended early: how far it got, and why it ended.
///
/// The bytes after `written` are in an unknown state: an error may leave a prefix of them
/// behind.
#[derive(Debug)]
pub struct WriteFailure {
    /// How many bytes the disk is known to have taken before the error.
    pub written: u64,
    /// The error, with its raw errno where it came from the operating system.
    pub error: io::Error,
}

impl fmt::Display for WriteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the write failed after {} bytes: {}", self.written, self.error)
    }
}

impl std::error::Error for WriteFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<WriteFailure> for io::Error {
    fn from(failure: WriteFailure) -> Self {
        failure.error
    }
}

/// Reads from `offset` until `into` is full or the file ends, and returns how many bytes that
/// were.
///
/// # Errors
/// What [`StorageFile::read_at`] says, `EINTR` excepted. What `into` holds then is not to be
/// used.
pub fn read_full(file: &dyn StorageFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut filled: usize = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let asked = rest.len();
        match file.read_at(advance(offset, filled)?, &mut [IoSliceMut::new(rest)]) {
            Ok(0) => break,
            Ok(count) if count <= asked => filled = filled.saturating_add(count),
            Ok(_) => return Err(counted_too_much()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes all of `parts`, one after the other, from `offset` on.
///
/// # Errors
/// What [`StorageFile::write_at`] says, `EINTR` excepted, and
/// [`WriteZero`](io::ErrorKind::WriteZero) when a call took nothing.
pub fn write_full(
    file: &dyn StorageFile,
    offset: u64,
    parts: &[&[u8]],
) -> Result<(), WriteFailure> {
    let mut written: usize = 0;
    let outcome = match parts {
        // Nearly always there is one part, and the disk takes it whole.
        [part] => write_part(file, offset, part, &mut written),
        parts => write_parts(file, offset, parts, &mut written),
    };
    match outcome {
        Ok(()) => Ok(()),
        Err(error) => {
            // The sum of lengths in memory fits; saturating keeps the conversion total.
            Err(WriteFailure { written: u64::try_from(written).unwrap_or(u64::MAX), error })
        }
    }
}

fn write_parts(
    file: &dyn StorageFile,
    offset: u64,
    parts: &[&[u8]],
    written: &mut usize,
) -> io::Result<()> {
    let mut on_stack = [IoSlice::new(&[]); SLICES_ON_STACK];
    let mut on_heap = Vec::new();
    let slices: &mut [IoSlice<'_>] = if parts.len() <= SLICES_ON_STACK {
        &mut on_stack
    } else {
        on_heap.resize(parts.len().min(SLICES_MAX), IoSlice::new(&[]));
        &mut on_heap
    };

    let mut rest = Rest { parts, skip: 0 };
    loop {
        let (count, asked) = rest.gather(slices);
        let Some(gathered) = slices.get(..count).filter(|gathered| !gathered.is_empty()) else {
            return Ok(());
        };
        let taken = write_once(file, offset, gathered, asked, written)?;
        rest.advance(taken);
    }
}

fn write_part(
    file: &dyn StorageFile,
    offset: u64,
    part: &[u8],
    written: &mut usize,
) -> io::Result<()> {
    let mut rest = part;
    while !rest.is_empty() {
        let taken = write_once(file, offset, &[IoSlice::new(rest)], rest.len(), written)?;
        if planted!("rest-of-a-short-write-misplaced") {
            *written = 0;
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(())
}

/// One call, behind what is `written` already; how much it took, which is nothing if it was
/// interrupted.
fn write_once(
    file: &dyn StorageFile,
    offset: u64,
    slices: &[IoSlice<'_>],
    asked: usize,
    written: &mut usize,
) -> io::Result<usize> {
    match file.write_at(advance(offset, *written)?, slices) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Ok(taken) if taken <= asked => {
            *written = written.saturating_add(taken);
            Ok(taken)
        }
        Ok(_) => Err(counted_too_much()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            if planted!("eintr-restarts-from-zero") {
                *written = 0;
            }
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

/// What is still to be written: all of `parts` but the first `skip` bytes of the first one.
struct Rest<'a> {
    parts: &'a [&'a [u8]],
    skip: usize,
}

impl<'a> Rest<'a> {
    /// Fills `slices` from the front, without empty ones; returns how many slices and bytes.
    fn gather(&self, slices: &mut [IoSlice<'a>]) -> (usize, usize) {
        let (mut count, mut bytes) = (0_usize, 0_usize);
        let mut skip = self.skip;
        for part in self.parts {
            let part = part.get(skip..).unwrap_or_default();
            skip = 0;
            if part.is_empty() {
                continue;
            }
            let Some(slice) = slices.get_mut(count) else {
                break;
            };
            *slice = IoSlice::new(part);
            count = count.saturating_add(1);
            bytes = bytes.saturating_add(part.len());
        }
        (count, bytes)
    }

    fn advance(&mut self, taken: usize) {
        let mut left = self.skip.saturating_add(taken);
        while let Some((first, others)) = self.parts.split_first() {
            match left.checked_sub(first.len()) {
                Some(beyond) => (left, self.parts) = (beyond, others),
                None => break,
            }
        }
        self.skip = left;
    }
}

fn advance(offset: u64, by: usize) -> io::Result<u64> {
    u64::try_from(by)
        .ok()
        .and_then(|by| offset.checked_add(by))
        .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

/// A backend that claims more than it was given is broken, and its count is worth nothing.
fn counted_too_much() -> io::Error {
    io::Error::other("the storage claims to have moved more bytes than it was asked to")
}

#[cfg(test)]
mod tests;
