//! Target `decode_frame`: any bytes as one frame, at any of a few places.

use super::bounds::without_memory;
use super::mend::{Place, mend_frame};
use seawall::format::batch::BatchRecords;
use seawall::format::control::decode_trim;
use seawall::format::frame::{self, FrameError, FrameHeader, FrameKind};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::format::layout;
use seawall::format::tag::Tag;
use seawall::position::Lsn;

/// The first byte chooses the place, the others are the frame.
///
/// # Panics
/// Where the decoder breaks a promise.
pub fn run(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    hold_frame(bytes, choice);
    let mut mended = bytes.to_vec();
    let place = Place::chosen(choice);
    if mend_frame(&mut mended, place, None).is_some() {
        let error = frame::decode_frame(&mended, place.seed, place.lsn).err();
        let checked = matches!(error, Some(FrameError::Check { .. } | FrameError::Body { .. }));
        assert!(!checked, "a mended frame fails a check: {error:?}");
        hold_frame(&mended, choice);
    }
}

fn hold_frame(bytes: &[u8], choice: u8) {
    let place = Place::chosen(choice);
    // The body is a slice of the input, whatever length it states.
    let decoded = without_memory(|| frame::decode_frame(bytes, place.seed, place.lsn));
    match decoded {
        Ok((header, body)) => {
            hold_decoded(bytes, place, &header, body);
            for other in 0..Place::COUNT {
                let other_place = Place::chosen(other);
                let there = FrameHeader::decode(bytes, other_place.seed, other_place.lsn);
                let same = other == choice % Place::COUNT;
                assert_eq!(there.is_ok(), same, "a frame verifies at place {other}");
            }
        }
        Err(error) => hold_error(bytes, error),
    }
}

fn hold_decoded(bytes: &[u8], place: Place, header: &FrameHeader, body: &[u8]) {
    let start = header.header_len();
    let inside = bytes.get(start..start + body.len()).expect("the body is inside");
    assert!(std::ptr::eq(inside, body), "the body is a slice of the input");
    assert_eq!(body.len() as u64, u64::from(header.body_len));
    assert_eq!(header.unpadded_len(), (start + body.len()) as u64);
    assert!(header.frame_len().is_multiple_of(Lsn::ALIGN));
    assert!((0..8).contains(&(header.frame_len() - header.unpadded_len())));
    assert!(!header.kind.holds_records() || body.len() as u64 <= layout::BODY_LEN_MAX);
    assert!(header.mark.is_none_or(|durable| durable <= place.lsn));
    assert!(!header.continues || header.kind == FrameKind::Batch);
    assert!(header.kind.has_tag() || header.tag == Tag::NONE);
    match header.kind {
        FrameKind::IdleMark | FrameKind::CloseMark => assert!(header.mark.is_some()),
        FrameKind::Void | FrameKind::Gap | FrameKind::Skippable(_) => {
            assert!(header.mark.is_none())
        }
        FrameKind::Record | FrameKind::Batch | FrameKind::Trim => {}
    }
    if let FrameKind::Trim | FrameKind::CloseMark = header.kind {
        assert!(decode_trim(body).is_some_and(Lsn::is_aligned));
    }
    if header.kind == FrameKind::Batch {
        let count = BatchRecords::check(body).expect("the batch was verified");
        assert!(count >= 1 && count <= body.len() as u64 / 4);
    }
    if header.kind.is_hollow() {
        return;
    }
    let FrameHeader { kind, continues, mark, tag, .. } = *header;
    let spec = FrameSpec { kind, continues, mark, tag };
    let mut again = Vec::new();
    place_frame(&mut again, spec, &[body]);
    let (check, _) = finish_run(&mut again, place.seed, place.lsn, header.prev);
    assert_eq!(check, header.check);
    let unpadded = start + body.len();
    assert_eq!(again.get(..unpadded), bytes.get(..unpadded), "encodes the same");
}

/// What an error states is so.
pub(super) fn hold_error(bytes: &[u8], error: FrameError) {
    let longest = layout::FILE_LEN_MAX + 32;
    match error {
        FrameError::Short { needed, have } => {
            assert_eq!(have, bytes.len() as u64);
            assert!(needed > have && needed <= longest);
        }
        FrameError::Zeros => assert_eq!(bytes.get(..20), Some(&[0; 20][..])),
        FrameError::Check { expected, found } | FrameError::Body { expected, found } => {
            assert_ne!(expected, found);
        }
        FrameError::TooLong { len } => assert!(u64::from(len) > layout::BODY_LEN_MAX),
        FrameError::Batch(error) => assert!(error.left <= bytes.len()),
        FrameError::Kind { .. } | FrameError::Flags { .. } => assert!(error.is_unknown()),
        FrameError::Mark | FrameError::Content => {}
        FrameError::Chain { .. } => unreachable!("a frame alone has no chain"),
        other => unreachable!("this check knows nothing of {other:?}"),
    }
}
