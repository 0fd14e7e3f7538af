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

/// What is read comes to stand in memory as it stands in a page of the file, but four bytes
/// further down. So the body of a frame without a mark begins at a multiple of 8, where its check
/// costs a fifth less than elsewhere; and the copy out of the page cache, which some processors
/// make five times slower into a place a few bytes *further up* in its page, is at its fastest.
const PAGE: u64 = 4096;
const DOWN: u64 = 4;

#[derive(Debug)]
pub(crate) struct Window {
    block: Bytes,
    /// Where in the block the file's bytes begin.
    lead: usize,
    /// Where in the file those stand.
    start: u64,
    read_ahead: usize,
}

impl Window {
    pub(crate) fn new(read_ahead: usize) -> Self {
        Self { block: Bytes::new(), lead: 0, start: 0, read_ahead }
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
        if self.from(self.index(offset)).is_none_or(|here| here.len() < len) {
            self.fill(file, offset, len)?;
        }
        Ok(self.from(self.index(offset)).unwrap_or_default())
    }

    /// What is here from this place of the block on, if it is one.
    #[inline]
    pub(crate) fn from(&self, index: usize) -> Option<&[u8]> {
        self.block.get(index..)
    }

    /// Where in the block the byte at `offset` stands; it stays there until the next look.
    #[inline]
    pub(crate) fn index(&self, offset: u64) -> usize {
        let from_start = usize::try_from(offset.wrapping_sub(self.start)).unwrap_or(usize::MAX);
        from_start.saturating_add(self.lead)
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

    #[cold]
    fn fill(&mut self, file: &dyn StorageFile, offset: u64, len: usize) -> io::Result<()> {
        let kept = self.index(offset).min(self.block.len())..self.block.len();
        let want = len.max(self.read_ahead);
        let mut filled = kept.len();
        let behind = offset + filled as u64;
        let (mut block, lead) = match std::mem::take(&mut self.block).try_into_mut() {
            Ok(mut ours) => {
                let lead = lead(&ours, filled, behind);
                if ours.len() < lead + filled {
                    ours.resize(lead + filled, 0);
                }
                ours.copy_within(kept, lead);
                (ours, lead)
            }
            Err(shared) => {
                let page = usize::try_from(PAGE).unwrap_or(0);
                let mut fresh = BytesMut::with_capacity(want.min(GROWTH_MAX) + page);
                let lead = lead(&fresh, filled, behind);
                fresh.resize(lead, 0);
                fresh.extend_from_slice(shared.get(kept).unwrap_or_default());
                (fresh, lead)
            }
        };
        let outcome = loop {
            if filled >= want {
                break Ok(());
            }
            let at_once = planted!("length-allocated-at-once");
            let goal = if at_once { want } else { want.min(filled + GROWTH_MAX) };
            block.resize(lead + goal, 0);
            let into = block.get_mut(lead + filled..).unwrap_or_default();
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
        block.truncate(lead + filled);
        self.block = block.freeze();
        self.lead = lead;
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

/// Where in `block` the kept bytes begin, so that what is read behind them from `offset` on comes
/// to stand where it should.
fn lead(block: &[u8], kept: usize, offset: u64) -> usize {
    let first = (block.as_ptr().addr() + kept) as u64;
    let up = offset.wrapping_sub(DOWN).wrapping_sub(first) % PAGE;
    usize::try_from(up).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Eviction;
    use proptest::prelude::*;
    use std::io::{IoSlice, IoSliceMut};

    /// A file that is there already, and can only be read.
    #[derive(Debug)]
    struct Held(Vec<u8>);

    impl StorageFile for Held {
        fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            let from = usize::try_from(offset).unwrap();
            let rest = self.0.get(from..).unwrap_or_default();
            let count = into[0].len().min(rest.len());
            into[0][..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }

        fn write_at(&self, _: u64, _: &[IoSlice<'_>]) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn sync_data(&self) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn sync_all(&self) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn len(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }

        fn evict(&self) -> io::Result<Eviction> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    proptest! {
        #[test]
        fn every_look_shows_the_bytes_of_the_file_and_slices_keep_theirs(
            read_ahead in 1..9000_usize,
            looks in prop::collection::vec((0..40_000_u64, 0..9000_usize, any::<bool>()), 1..40),
        ) {
            let bytes: Vec<u8> =
                (0..40_000_u32).map(|n| n.wrapping_mul(0x9E37_79B9).to_be_bytes()[0]).collect();
            let file = Held(bytes.clone());
            let (mut window, mut slices) = (Window::new(read_ahead), Vec::new());
            for (offset, len, keep) in looks {
                let from = usize::try_from(offset).unwrap();
                let expected = &bytes[from..(from + len).min(bytes.len())];
                prop_assert_eq!(window.look(&file, offset, len).unwrap(), expected);
                // Wherever the window says that a byte stands, it does.
                for (at, byte) in (0..).zip(&bytes) {
                    let here = window.from(window.index(at)).and_then(<[u8]>::first);
                    prop_assert!(here.is_none_or(|here| here == byte), "{at} after {offset}");
                }
                if keep {
                    let start = window.index(offset);
                    slices.push((window.slice(start..start + expected.len()), expected));
                }
            }
            for (slice, expected) in slices {
                prop_assert_eq!(&slice[..], expected);
            }
        }

        #[test]
        fn bodies_stand_at_multiples_of_eight(
            steps in prop::collection::vec(1..100_u64, 1..50),
            keep: bool,
        ) {
            let file = Held(vec![7; 40_000]);
            let (mut window, mut offset, mut slices) = (Window::new(4096), 8192, Vec::new());
            for step in steps {
                let here = window.ahead(&file, offset, 100).unwrap();
                prop_assert_eq!((here.as_ptr().addr() + 20) % 8, 0);
                if keep {
                    let start = window.index(offset);
                    slices.push(window.slice(start..start + 20));
                }
                offset += step * 8;
            }
        }
    }
}
