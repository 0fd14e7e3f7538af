//! The bytes of one file: sparse, in pages that copies share until one of them is written to.
//!
//! So a copy of a whole disk costs a few reference counts, and a crash can be resolved
//! thousands of times.

use crate::hash::Fingerprint;
use std::sync::Arc;

/// The unit of sharing, and of the simulated page cache.
pub(crate) const PAGE_LEN: u64 = 4096;
const PAGE_SIZE: usize = 4096;
type Page = [u8; PAGE_SIZE];

/// A length, and the pages that are not all holes, in order: most files are short and dense, so
/// that a page is found at its own number. Bytes past the length may linger until
/// [`clip`](Self::clip); no read returns them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    len: u64,
    pages: Vec<(u64, Arc<Page>)>,
}

impl Image {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Where the page with this number is, or would have to be.
    fn place(&self, page: u64) -> Result<usize, usize> {
        let guess = index(page);
        match self.pages.get(guess) {
            Some((number, _)) if *number == page => Ok(guess),
            _ => self.pages.binary_search_by_key(&page, |(number, _)| *number),
        }
    }

    fn page(&self, page: u64) -> Option<&Arc<Page>> {
        let place = self.place(page).ok()?;
        self.pages.get(place).map(|(_, bytes)| bytes)
    }

    /// Fills `into` from `offset` up to the end of the file; returns how many bytes that were.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        let count = into.len().min(index(self.len.saturating_sub(offset)));
        let into = into.get_mut(..count).unwrap_or_default();
        for span in spans(offset, count) {
            let Some(to) = into.get_mut(span.buffer()) else {
                continue;
            };
            match self.page(span.page).and_then(|page| page.get(span.inside())) {
                Some(from) => to.copy_from_slice(from),
                None => to.fill(0),
            }
        }
        count
    }

    /// Puts `bytes` at `offset`, and leaves the length as it is. Zeros in a hole stay a hole.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for span in spans(offset, bytes.len()) {
            let Some(from) = bytes.get(span.buffer()) else {
                continue;
            };
            match self.place(span.page) {
                Ok(place) => {
                    if let Some((_, page)) = self.pages.get_mut(place)
                        && let Some(to) = Arc::make_mut(page).get_mut(span.inside())
                    {
                        to.copy_from_slice(from);
                    }
                }
                Err(_) if is_zero(from) => {}
                Err(place) => {
                    let page = Page::try_from(from).map_or_else(
                        |_| {
                            let mut page = Arc::new([0; PAGE_SIZE]);
                            if let Some(to) = Arc::make_mut(&mut page).get_mut(span.inside()) {
                                to.copy_from_slice(from);
                            }
                            page
                        },
                        Arc::new,
                    );
                    self.pages.insert(place, (span.page, page));
                }
            }
        }
    }

    /// Cuts, or lengthens. What a cut takes away reads as zeros when the file grows again.
    pub(crate) fn set_len(&mut self, len: u64) {
        let cut = len < self.len;
        self.len = len;
        if cut {
            self.clip();
        }
    }

    /// Forgets the bytes past the length.
    pub(crate) fn clip(&mut self) {
        let whole = self.len.div_ceil(PAGE_LEN);
        while self.pages.last().is_some_and(|(last, _)| *last >= whole) {
            self.pages.pop();
        }
        let used = index(self.len % PAGE_LEN);
        if used > 0
            && let Some((last, page)) = self.pages.last_mut()
            && *last == self.len / PAGE_LEN
            && page.get(used..).is_some_and(|rest| !is_zero(rest))
            && let Some(rest) = Arc::make_mut(page).get_mut(used..)
        {
            rest.fill(0);
        }
    }

    /// Takes over every page of `other` that `wanted` says, and leaves the length as it is.
    pub(crate) fn take_pages(&mut self, other: &Self, wanted: impl Fn(u64) -> bool) {
        self.pages.retain(|(page, _)| !wanted(*page));
        let others = other.pages.iter().filter(|(page, _)| wanted(*page));
        self.pages.extend(others.cloned());
        self.pages.sort_unstable_by_key(|(page, _)| *page);
    }

    /// Takes over all pages of `other`, and leaves the length as it is.
    pub(crate) fn take_all_pages(&mut self, other: &Self) {
        let same = self.pages.len() == other.pages.len()
            && self
                .pages
                .iter()
                .zip(&other.pages)
                .all(|(mine, theirs)| mine.0 == theirs.0 && Arc::ptr_eq(&mine.1, &theirs.1));
        if !same {
            self.pages.clone_from(&other.pages);
        }
    }

    /// Length and bytes; a page of zeros counts as a hole.
    pub(crate) fn fingerprint(&self, print: &mut Fingerprint) {
        print.word(self.len);
        for (page, bytes) in &self.pages {
            if !is_zero(bytes.as_slice()) {
                print.word(*page);
                print.bytes(bytes.as_slice());
            }
        }
    }

    /// All bytes, for tests that look at whole files.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; index(self.len)];
        self.read(0, &mut bytes);
        bytes
    }
}

/// Whether there is nothing but zeros, asked 64 bytes at a time.
fn is_zero(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<64>();
    let empty = |block: &[u8]| block.iter().fold(0, |all, byte| all | byte) == 0;
    blocks.iter().all(|block| empty(block)) && empty(rest)
}

/// A stretch of a buffer that lies inside one page.
struct Span {
    page: u64,
    inside_from: usize,
    buffer_from: usize,
    len: usize,
}

impl Span {
    fn inside(&self) -> std::ops::Range<usize> {
        self.inside_from..self.inside_from.saturating_add(self.len)
    }

    fn buffer(&self) -> std::ops::Range<usize> {
        self.buffer_from..self.buffer_from.saturating_add(self.len)
    }
}

fn spans(offset: u64, len: usize) -> impl Iterator<Item = Span> {
    let mut done: usize = 0;
    std::iter::from_fn(move || {
        if done >= len {
            return None;
        }
        let at = offset.saturating_add(wide(done));
        let inside_from = index(at % PAGE_LEN);
        let span = Span {
            page: at / PAGE_LEN,
            inside_from,
            buffer_from: done,
            len: PAGE_SIZE.saturating_sub(inside_from).min(len.saturating_sub(done)),
        };
        done = done.saturating_add(span.len);
        Some(span)
    })
}

/// A length that fits in memory, as an index.
pub(crate) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// An index as a length.
pub(crate) fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_do_not_see_each_other() {
        let mut image = Image::default();
        image.set_len(10_000);
        image.write(4090, b"across a page");
        let copy = image.clone();
        image.write(4090, b"ACROSS");
        assert_eq!(&copy.to_vec()[4090..4103], b"across a page");
        assert_eq!(&image.to_vec()[4090..4103], b"ACROSS a page");
    }

    #[test]
    fn zeros_in_a_hole_make_no_page_and_those_over_bytes_are_kept() {
        let mut image = Image::default();
        image.set_len(20_000);
        image.write(0, &[0; 20_000]);
        assert!(image.pages.is_empty());
        image.write(9000, &[1; 10]);
        image.write(100, &[2; 10]);
        image.write(9004, &[0; 3]);
        assert_eq!(image.pages.iter().map(|(page, _)| *page).collect::<Vec<_>>(), [0, 2]);
        let bytes = image.to_vec();
        assert_eq!(&bytes[8999..9011], [0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0]);
        assert_eq!(&bytes[99..111], [0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0]);
    }

    #[test]
    fn a_cut_leaves_zeros_behind() {
        let mut image = Image::default();
        image.set_len(9000);
        image.write(0, &[7; 9000]);
        image.set_len(5);
        image.set_len(9000);
        assert_eq!(image.to_vec()[..6], [7, 7, 7, 7, 7, 0]);
        assert!(image.to_vec()[6..].iter().all(|byte| *byte == 0));
    }
}
