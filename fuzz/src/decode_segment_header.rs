//! Target `decode_segment_header`: any bytes as one copy of a segment's header.

use super::bounds::without_memory;
use super::mend::mend_crc64;
use seawall::format::content::Content;
use seawall::format::extension::Extension;
use seawall::format::header::{EXTENDED, HEADER_LEN, HeaderError, MAGIC, SegmentHeader, VERSION};
use seawall::format::layout;
use seawall::position::{Lineage, Lsn, SegmentId};

/// The input is a header, tried as it is and mended, with its magic put in or not.
///
/// # Panics
/// Where the decoder breaks a promise.
pub fn run(input: &[u8]) {
    hold(input);
    let mut mended = input.to_vec();
    mend_crc64::<HEADER_LEN>(&mut mended);
    hold(&mended);
    if let Some(magic) = mended.first_chunk_mut() {
        *magic = MAGIC;
    }
    mend_crc64::<HEADER_LEN>(&mut mended);
    hold(&mended);
}

fn hold(bytes: &[u8]) {
    match without_memory(|| SegmentHeader::decode(bytes)) {
        Ok(header) => hold_decoded(bytes, &header),
        Err(error) => hold_error(bytes, error),
    }
}

fn hold_decoded(bytes: &[u8], header: &SegmentHeader) {
    let copy: &[u8; HEADER_LEN] = bytes.first_chunk().expect("a header was whole");
    assert_eq!(&header.encode(), copy, "encodes the same");
    let blocks = header.blocks();
    assert_eq!(blocks.len() as u64, layout::FRAMES_START);
    for block in blocks.chunks(blocks.len() / 2) {
        assert_eq!(SegmentHeader::decode(block), Ok(*header), "both copies say the same");
    }
    assert!(header.number >= SegmentId::FIRST);
    assert!(header.base.is_aligned() && header.prev_end.is_aligned() && header.trim.is_aligned());
    assert!(header.trim <= header.prev_end && header.prev_end <= header.base);
    let jumped = header.base.since(header.prev_end).expect("the base is not before");
    assert!(jumped == 0 || jumped == Lsn::JUMP);
    assert!((layout::SEGMENT_LEN_MIN..=layout::FILE_LEN_MAX).contains(&header.file_len));
    assert!(header.file_len.is_multiple_of(layout::BLOCK));
    assert!(header.base.checked_add(header.file_len).is_some(), "every LSN of it exists");
    let Extension { content, lineage, .. } = header.extension;
    assert!(content.is_raw() || Content::new(content.name(), content.version()) == Ok(content));
    assert!(lineage == Lineage::FIRST || lineage.raises() > 0);
    let mut flipped = *copy;
    for bit in 0..HEADER_LEN * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(SegmentHeader::decode(&flipped).is_err(), "bit {bit} was turned unseen");
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}

fn hold_error(bytes: &[u8], error: HeaderError) {
    let stored = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk());
    let word = |at: usize| stored(at).map(|word| u32::from_le_bytes(*word));
    match error {
        HeaderError::Short { have } => assert!(have == bytes.len() && have < HEADER_LEN),
        HeaderError::Zeros => assert_eq!(bytes.get(..HEADER_LEN), Some(&[0; HEADER_LEN][..])),
        HeaderError::Magic => assert_ne!(bytes.get(..8), Some(&MAGIC[..])),
        HeaderError::Check { expected, found } => {
            let at_end = bytes.get(HEADER_LEN - 8..).and_then(|rest| rest.first_chunk());
            assert_eq!(at_end.map(|check| u64::from_le_bytes(*check)), Some(found));
            assert_ne!(expected, found);
        }
        HeaderError::Version { found, newest } => {
            assert!(found != VERSION && newest == VERSION && word(8) == Some(found));
        }
        HeaderError::Flags { found } => assert!(found & !EXTENDED != 0 && word(12) == Some(found)),
        HeaderError::Field { field } => {
            let fields = [
                "number", "prev_end", "base", "trim", "file_len", "zeros", "flags", "content",
                "lineage", "skipped", "unproven",
            ];
            assert!(fields.contains(&field), "{field} is no field");
        }
        other => unreachable!("this check knows nothing of {other:?}"),
    }
}
