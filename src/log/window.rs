//! A moving view of a file: reads ahead in large blocks, never again what is already here.
//!
//! Knows bytes and offsets, no frames. The block is handed out as [`Bytes`]; while nobody keeps
//! a slice of it the same memory is filled again.

use crate::storage::{StorageFile, read_full};
use bytes::{Bytes, BytesMut};
use std::io;

/// Bytes read ahead at once.
pub(crate) const READ_AHEAD: usize = 256 << 10;

/// The most that grows at once when a caller asks for more: a length from disk never sizes
/// memory by itself, bytes that are really there do.
const GROWTH_MAX: usize = 4 << 20;

#[derive(Debug)]
pub(crate) struct Window {
    block: Bytes,
    start: u64,
    read_ahead: usize,
}

impl Window {
    pub(crate) fn new(read_ahead: usize) -> Self {
        Self { block: Bytes::new(), start: 0, read_ahead }
    }

    /// The bytes from `offset` on: `len` of them, or fewer where the file ends.
    ///
    /// # Errors
    /// What reading says; `UnexpectedEof` where fewer bytes come than the file's length says.
    pub(crate) fn look(
        &mut self,
        file: &dyn StorageFile,
        offset: u64,
        len: usize,
    ) -> io::Result<&[u8]> {
        if self.range(offset, len).is_none() {
            self.fill(file, offset, len)?;
        }
        let there = usize::try_from((self.end()).saturating_sub(offset)).unwrap_or(usize::MAX);
        let range = self.range(offset, len.min(there)).unwrap_or(0..0);
        Ok(self.block.get(range).unwrap_or_default())
    }

    /// A slice of what the last look showed, without a copy.
    pub(crate) fn slice(&self, offset: u64, len: usize) -> Option<Bytes> {
        self.range(offset, len).map(|range| self.block.slice(range))
    }

    /// The same, borrowed.
    pub(crate) fn bytes(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.block.get(self.range(offset, len)?)
    }

    fn end(&self) -> u64 {
        self.start + self.block.len() as u64
    }

    fn range(&self, offset: u64, len: usize) -> Option<std::ops::Range<usize>> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(len)?;
        (to <= self.block.len()).then_some(from..to)
    }

    fn fill(&mut self, file: &dyn StorageFile, offset: u64, len: usize) -> io::Result<()> {
        let have = usize::try_from(self.end().saturating_sub(offset)).unwrap_or(0);
        let kept = self.range(offset, have).unwrap_or(0..0);
        let want = len.max(self.read_ahead);
        let mut block = match std::mem::take(&mut self.block).try_into_mut() {
            Ok(mut ours) => {
                ours.copy_within(kept.clone(), 0);
                ours
            }
            Err(shared) => {
                let mut fresh = BytesMut::with_capacity(want.min(GROWTH_MAX));
                fresh.extend_from_slice(shared.get(kept.clone()).unwrap_or_default());
                fresh
            }
        };
        let mut filled = kept.len();
        let outcome = loop {
            if filled >= want {
                break Ok(());
            }
            let at_once = planted!("length-allocated-at-once");
            let goal = if at_once { want } else { want.min(filled + GROWTH_MAX) };
            block.resize(goal, 0);
            let into = block.get_mut(filled..goal).unwrap_or_default();
            match read_full(file, offset + filled as u64, into) {
                Ok(count) => {
                    filled += count;
                    if filled < goal {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
        };
        block.truncate(filled);
        self.block = block.freeze();
        self.start = offset;
        outcome?;
        if filled < len && offset + (filled as u64) < file.len()? {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the device returned fewer bytes than the file's length",
            ));
        }
        Ok(())
    }
}
