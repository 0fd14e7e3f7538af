//! The body of a batch frame: records one behind the other, four bytes more than their own each.
//!
//! ```text
//!   0     4         4+len
//!   +-----+---------+-----+---------+ ...
//!   | len | record  | len | record  |
//!   | u32 | len B   | u32 | len B   |
//!   +-----+---------+-----+---------+ ...
//! ```
//!
//! Valid if and only if: (1) there is at least one record; (2) the lengths tile the body exactly.

use super::tag::{Part, Tag};

/// Bytes a record costs in a batch beside its own.
pub const RECORD_OVERHEAD: u64 = 4;
/// Bytes that each change of the tag within a batch counts against the limit of its length: header
/// and padding of the frame that begins there.
pub const TAG_CHANGE_OVERHEAD: u64 = 28;

/// What a batch is held to before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchSize {
    /// Bytes of its longest record.
    pub(crate) longest: u64,
    /// Bytes of all, and what each costs beside its own.
    pub(crate) total: u64,
    /// Whether all have one tag: the first one's.
    pub(crate) one_tag: bool,
}

/// Measures a batch.
pub(crate) fn measure<P: Part>(records: &[P]) -> BatchSize {
    let mut size = BatchSize { longest: 0, total: 0, one_tag: true };
    let mut before = records.first().map_or(Tag::NONE, Part::tag);
    for record in records {
        let (len, tag) = (record.len(), record.tag());
        size.longest = size.longest.max(len);
        size.total = size.total.saturating_add(len).saturating_add(RECORD_OVERHEAD);
        if tag != before {
            (before, size.one_tag) = (tag, false);
            size.total = size.total.saturating_add(TAG_CHANGE_OVERHEAD);
        }
    }
    size
}

/// How a batch of records with these tags and lengths is cut into frames: how many records each
/// holds, and how long its body is. A frame has one tag, so another one begins where it changes. No
/// body is longer than `body_max`, unless it holds a single record that is.
pub fn cut(
    records: impl IntoIterator<Item = (Tag, u64)>,
    body_max: u64,
) -> impl Iterator<Item = BatchCut> {
    let mut records = records.into_iter().peekable();
    std::iter::from_fn(move || {
        let (tag, len) = records.next()?;
        let mut cut = BatchCut { records: 1, body_len: RECORD_OVERHEAD + len, tag, last: false };
        while let Some((_, len)) = records.next_if(|(tag, len)| {
            let same = *tag == cut.tag || planted!("one-tag-for-a-whole-batch");
            same && cut.body_len + RECORD_OVERHEAD + len <= body_max
        }) {
            cut.records += 1;
            cut.body_len += RECORD_OVERHEAD + len;
        }
        Some(BatchCut { last: records.peek().is_none(), ..cut })
    })
}

/// One frame of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchCut {
    /// Records in it.
    pub records: usize,
    /// Bytes of its body.
    pub body_len: u64,
    /// The tag of its records.
    pub tag: Tag,
    /// Whether it is the last of its batch.
    pub last: bool,
}

/// Walks the records of a verified batch body.
#[derive(Clone, Debug)]
pub struct BatchRecords<'a> {
    rest: &'a [u8],
}

/// A batch body whose lengths do not tile it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{left} bytes before the end of a batch, its records do not fit")]
pub struct BatchError {
    /// Bytes left in the body where the walk stopped.
    pub left: usize,
}

impl<'a> BatchRecords<'a> {
    /// The records of `body`, from the first.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Checks the tiling law and counts the records. Looks at the lengths only.
    ///
    /// # Errors
    /// [`BatchError`] where the body is empty or its lengths do not tile it.
    pub fn check(body: &[u8]) -> Result<u64, BatchError> {
        let mut count = 0;
        for record in BatchRecords::new(body) {
            record?;
            count += 1;
        }
        if count == 0 { Err(BatchError { left: 0 }) } else { Ok(count) }
    }
}

impl<'a> Iterator for BatchRecords<'a> {
    type Item = Result<&'a [u8], BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let left = self.rest.len();
        let Some((record, rest)) = split_record(self.rest) else {
            self.rest = &[];
            return Some(Err(BatchError { left }));
        };
        self.rest = rest;
        Some(Ok(record))
    }
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body_of(records: &[Vec<u8>]) -> Vec<u8> {
        let mut body = Vec::new();
        for record in records {
            let len = u32::try_from(record.len()).expect("a short record");
            body.extend_from_slice(&len.to_le_bytes());
            body.extend_from_slice(record);
        }
        body
    }

    #[test]
    fn bytes_of_a_batch_are_pinned() {
        let body = b"\x03\0\0\0one\x05\0\0\0three\0\0\0\0";
        let records: Result<Vec<_>, _> = BatchRecords::new(body).collect();
        assert_eq!(records, Ok(vec![&b"one"[..], b"three", b""]));
        assert_eq!(body_of(&[b"one".into(), b"three".into(), vec![]]), body);
    }

    fn cuts(lens: &[u64], body_max: u64) -> Vec<(usize, u64, bool)> {
        let frames = cut(lens.iter().map(|&len| (Tag::NONE, len)), body_max);
        frames.map(|BatchCut { records, body_len, last, .. }| (records, body_len, last)).collect()
    }

    #[test]
    fn what_a_change_of_the_tag_costs_counts_against_the_limit_of_a_batch() {
        let of = |tags: &[u16]| {
            let parts: Vec<_> = tags.iter().map(|&tag| (Tag::new(tag), b"four")).collect();
            measure(&parts)
        };
        let size = |total, one_tag| BatchSize { longest: 4, total, one_tag };
        assert_eq!(of(&[7, 7, 7]), size(24, true));
        assert_eq!(of(&[7, 8, 8]), size(24 + 28, false));
        assert_eq!(of(&[0, 8, 0]), size(24 + 56, false));
        assert_eq!(measure::<&[u8]>(&[]), BatchSize { longest: 0, total: 0, one_tag: true });
        // Nothing that fits has more bytes of frames than a segment has room for.
        let one = TAG_CHANGE_OVERHEAD + RECORD_OVERHEAD;
        let frame = crate::format::frame::frame_len(RECORD_OVERHEAD, false);
        assert!(frame <= one, "{frame} bytes where {one} count");
    }

    #[test]
    fn a_frame_of_a_batch_ends_where_the_tag_changes() {
        let records = [(1, 10), (1, 10), (2, 10), (1, 10), (1, 10), (1, 10)];
        let frames = cut(records.map(|(tag, len)| (Tag::new(tag), len)), 30);
        let frames: Vec<_> =
            frames.map(|cut| (cut.tag.get(), cut.records, cut.body_len, cut.last)).collect();
        assert_eq!(
            frames,
            [(1, 2, 28, false), (2, 1, 14, false), (1, 2, 28, false), (1, 1, 14, true)]
        );
    }

    #[test]
    fn frames_of_a_batch_are_filled_to_the_last_byte_and_the_last_one_says_so() {
        assert_eq!(cuts(&[10, 10, 10], 42), [(3, 42, true)]);
        assert_eq!(cuts(&[10, 10, 10], 41), [(2, 28, false), (1, 14, true)]);
        assert_eq!(cuts(&[10, 10, 10], 28), [(2, 28, false), (1, 14, true)]);
        assert_eq!(cuts(&[0, 0], 7), [(1, 4, false), (1, 4, true)]);
        assert_eq!(cuts(&[], 42), []);
    }

    #[test]
    fn a_record_that_no_frame_holds_has_one_alone() {
        assert_eq!(cuts(&[1, 100, 1], 20), [(1, 5, false), (1, 104, false), (1, 5, true)]);
        assert_eq!(cuts(&[100], 0), [(1, 104, true)]);
    }

    #[test]
    fn a_batch_without_records_is_none() {
        assert_eq!(BatchRecords::check(b""), Err(BatchError { left: 0 }));
    }

    #[test]
    fn lengths_that_do_not_tile_the_body_are_told_from_where_they_fail() {
        let check = BatchRecords::check;
        assert_eq!(check(b"\x01\0\0"), Err(BatchError { left: 3 }), "no length");
        assert_eq!(check(b"\x02\0\0\0a"), Err(BatchError { left: 5 }), "long");
        assert_eq!(check(b"\x01\0\0\0ab"), Err(BatchError { left: 1 }), "bytes left over");
        assert_eq!(check(&[0xff; 64]), Err(BatchError { left: 64 }), "huge");
    }

    #[test]
    fn a_walk_ends_after_its_first_error() {
        let mut records = BatchRecords::new(b"\x01\0\0\0a\xff\0\0\0");
        assert_eq!(records.next(), Some(Ok(&b"a"[..])));
        assert_eq!(records.next(), Some(Err(BatchError { left: 4 })));
        assert_eq!(records.next(), None);
        assert_eq!(records.next(), None);
    }

    proptest! {
        #[test]
        fn records_round_trip(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
        ) {
            let body = body_of(&records);
            let read: Result<Vec<_>, _> = BatchRecords::new(&body).collect();
            prop_assert_eq!(read, Ok(records.iter().map(Vec::as_slice).collect()));
            prop_assert_eq!(BatchRecords::check(&body), Ok(records.len() as u64));
        }

        #[test]
        fn a_cut_body_never_passes_unless_cut_between_records(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..9),
            cut in any::<prop::sample::Index>(),
        ) {
            let body = body_of(&records);
            let ends: Vec<_> = (1..=records.len()).map(|n| body_of(&records[..n]).len()).collect();
            let cut = cut.index(body.len());
            prop_assert_eq!(BatchRecords::check(&body[..cut]).is_ok(), ends.contains(&cut));
        }

        #[test]
        fn walk_never_panics_and_stays_inside_any_bytes(
            body in prop::collection::vec(prop_oneof![Just(0_u8), 0..9_u8, any::<u8>()], 0..200),
        ) {
            let mut walked = 0;
            for record in BatchRecords::new(&body) {
                walked += match record {
                    Ok(record) => record.len() + 4,
                    Err(BatchError { left }) => left,
                };
            }
            prop_assert_eq!(walked, body.len());
        }
    }
}
