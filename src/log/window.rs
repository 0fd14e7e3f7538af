//! A moving view of a file: reads ahead in large blocks, never again what is already here.
//!
//! Knows bytes and offsets, no frames. The block is handed out as [`Bytes`]; while nobody keeps
//! a slice of it the same memory is filled again.

use crate::storage::{StorageFile, read_full};
use bytes::{Bytes, BytesMut};
use std::io;
use std::ops::Range;

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
        let bytes = self.ahead(file, offset, len)?;
        Ok(bytes.get(..len).unwrap_or(bytes))
    }

    /// As [`look`](Self::look), with all that was read ahead behind them.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    #[inline]
    pub(crate) fn ahead(
        &mut self,
        file: &dyn StorageFile,
        offset: u64,
        len: usize,
    ) -> io::Result<&[u8]> {
        if self.from(self.index(offset)).len() < len {
            self.fill(file, offset, len)?;
        }
        Ok(self.from(self.index(offset)))
    }

    /// What is here from this place of the block on.
    #[inline]
    pub(crate) fn from(&self, index: usize) -> &[u8] {
        self.block.get(index..).unwrap_or_default()
    }

    /// Where in the block the byte at `offset` stands; it stays there until the next look.
    #[inline]
    pub(crate) fn index(&self, offset: u64) -> usize {
        usize::try_from(offset.wrapping_sub(self.start)).unwrap_or(usize::MAX)
    }

    /// A part of the block, without a copy.
    pub(crate) fn slice(&self, range: Range<usize>) -> Bytes {
        if range.end <= self.block.len() { self.block.slice(range) } else { Bytes::new() }
    }

    /// The same, borrowed.
    #[inline]
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.block.get(range).unwrap_or_default()
    }

    fn fill(&mut self, file: &dyn StorageFile, offset: u64, len: usize) -> io::Result<()> {
        let kept = self.index(offset).min(self.block.len())..self.block.len();
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
