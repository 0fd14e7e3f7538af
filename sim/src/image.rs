//! The bytes of one file: sparse, in pages that copies share until one of them is written to.
//!
//! So a copy of a whole disk costs a few reference counts, and a crash can be resolved
//! thousands of times.

use crate::hash::Fingerprint;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The unit of sharing, and of the simulated page cache.
pub(crate) const PAGE_LEN: u64 = 4096;
const PAGE_SIZE: usize = 4096;
type Page = [u8; PAGE_SIZE];

/// A length, and the pages that are not all holes. Bytes past the length may linger until
/// [`clip`](Self::clip); no read returns them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    len: u64,
    pages: BTreeMap<u64, Arc<Page>>,
}

impl Image {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `into` from `offset` up to the end of the file; returns how many bytes that were.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        let count = into.len().min(index(self.len.saturating_sub(offset)));
        let into = into.get_mut(..count).unwrap_or_default();
        for span in spans(offset, count) {
            let Some(to) = into.get_mut(span.buffer()) else {
                continue;
            };
            match self.pages.get(&span.page).and_then(|page| page.get(span.inside())) {
                Some(from) => to.copy_from_slice(from),
                None => to.fill(0),
            }
        }
        count
    }

    /// Puts `bytes` at `offset`, and leaves the length as it is.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for span in spans(offset, bytes.len()) {
            let page = self.pages.entry(span.page).or_insert_with(|| Arc::new([0; PAGE_SIZE]));
            let page = Arc::make_mut(page);
            if let (Some(to), Some(from)) = (page.get_mut(span.inside()), bytes.get(span.buffer()))
            {
                to.copy_from_slice(from);
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
        if self.pages.last_key_value().is_some_and(|(last, _)| *last >= whole) {
            self.pages.split_off(&whole);
        }
        let used = index(self.len % PAGE_LEN);
        if used > 0
            && let Some(page) = self.pages.get_mut(&(self.len / PAGE_LEN))
            && page.iter().skip(used).any(|byte| *byte != 0)
            && let Some(rest) = Arc::make_mut(page).get_mut(used..)
        {
            rest.fill(0);
        }
    }

    /// Takes over every page of `other` that `wanted` says, and leaves the length as it is.
    pub(crate) fn take_pages(&mut self, other: &Self, wanted: impl Fn(u64) -> bool) {
        self.pages.retain(|page, _| !wanted(*page));
        for (page, bytes) in other.pages.iter().filter(|(page, _)| wanted(**page)) {
            self.pages.insert(*page, Arc::clone(bytes));
        }
    }

    /// Length and bytes; a page of zeros counts as a hole.
    pub(crate) fn fingerprint(&self, print: &mut Fingerprint) {
        print.word(self.len);
        for (page, bytes) in &self.pages {
            if bytes.iter().any(|byte| *byte != 0) {
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
