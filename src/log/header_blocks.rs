//! Reads both header copies of a file that is named like a segment, and says what they are.
//!
//! Two valid copies can differ: where the write of one was lost, what stood in that block before is
//! read back, which may be the header of an earlier attempt at the same segment. The frames belong to
//! one of the two, and say to which.

use crate::format::checksum::FrameSeed;
use crate::format::frame::HEADER_LEN as FRAME_HEADER_LEN;
use crate::format::header::{HEADER_LEN, HeaderError, SegmentHeader};
use crate::format::layout;
use crate::position::SegmentId;
use crate::storage::{StorageFile, read_full};
use std::io;

/// Header blocks and the first frame block: all that is read.
const READ_LEN: usize = 3 * 4096;
const _: () = assert!(READ_LEN as u64 == layout::FRAMES_START + layout::BLOCK);

/// What the two copies are.
#[derive(Debug)]
pub(crate) enum HeaderState {
    Unread,
    /// Both good.
    Good(SegmentHeader),
    /// One good.
    OneCopy(SegmentHeader),
    /// Intact, but with another number than the name's.
    OtherNumber(#[expect(dead_code, reason = "shown by Debug")] SegmentHeader),
    /// Intact, but of another version.
    Unknown(HeaderError),
    /// No good copy, nothing in the first frame block, whole length.
    Unborn(HeaderError),
    /// No good copy.
    Lost(HeaderError),
    /// The same, behind a segment that nothing follows.
    NeverBegun,
    /// Not read: a header with a higher number says that the file is no part of the log.
    PassedOver,
    Unreadable(io::Error),
}

#[derive(Debug)]
pub(crate) struct Headers {
    pub(crate) state: HeaderState,
    pub(crate) file_len: u64,
}

impl Headers {
    pub(crate) fn unread() -> Self {
        Self { state: HeaderState::Unread, file_len: 0 }
    }

    /// Reads the headers of the file with this number in its name.
    pub(crate) fn read(file: &dyn StorageFile, id: SegmentId) -> Self {
        let mut bytes = [0; READ_LEN];
        let read = file.len().and_then(|len| Ok((len, read_full(file, 0, &mut bytes)?)));
        match read {
            Ok((file_len, count)) => {
                let short = (count as u64) < file_len.min(READ_LEN as u64);
                let state = if short {
                    HeaderState::Unreadable(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the device returned fewer bytes than the file's length",
                    ))
                } else {
                    judge(bytes.get(..count).unwrap_or_default(), file_len, id)
                };
                Self { state, file_len }
            }
            Err(error) => Self { state: HeaderState::Unreadable(error), file_len: 0 },
        }
    }

    /// The header, if a copy is good.
    pub(crate) fn known(&self) -> Option<SegmentHeader> {
        match self.state {
            HeaderState::Good(header) | HeaderState::OneCopy(header) => Some(header),
            _ => None,
        }
    }
}

/// Whether a copy says this header, still or again: reads the copies and nothing else.
pub(crate) fn states(file: &dyn StorageFile, header: &SegmentHeader) -> bool {
    [0, layout::BLOCK].into_iter().any(|at| {
        let mut copy = [0; HEADER_LEN];
        read_full(file, at, &mut copy).is_ok() && SegmentHeader::decode(&copy) == Ok(*header)
    })
}

fn judge(bytes: &[u8], file_len: u64, id: SegmentId) -> HeaderState {
    let copy = |index: usize| {
        let from = index * 4096;
        SegmentHeader::decode(bytes.get(from..bytes.len().min(from + HEADER_LEN)).unwrap_or(&[]))
    };
    let ours = |header: &SegmentHeader| header.number == id;
    match (copy(0), copy(1)) {
        // Also beside a good copy: what does not know this one must not write over it.
        (Err(error), _) | (_, Err(error)) if is_unknown(error) => HeaderState::Unknown(error),
        (Ok(first), Ok(second)) if ours(&first) && first == second => HeaderState::Good(first),
        (Ok(first), Ok(second)) if ours(&first) && ours(&second) => {
            let is_second = begins(bytes, &second) && !begins(bytes, &first);
            let is_second = is_second && !planted!("first-of-two-copies-taken");
            HeaderState::OneCopy(if is_second { second } else { first })
        }
        (Ok(good), _) | (_, Ok(good)) if ours(&good) => HeaderState::OneCopy(good),
        (Ok(other), _) | (_, Ok(other)) => HeaderState::OtherNumber(other),
        (Err(error), Err(_)) => {
            let frames = bytes.get(READ_LEN - 4096..).unwrap_or_default();
            let whole = (layout::SEGMENT_LEN_MIN..=layout::FILE_LEN_MAX).contains(&file_len)
                && file_len.is_multiple_of(layout::BLOCK);
            let begun = planted!("length-taken-for-content");
            if whole && !begun && frames.iter().all(|&byte| byte == 0) {
                HeaderState::Unborn(error)
            } else {
                HeaderState::Lost(error)
            }
        }
    }
}

/// Whether the check of the first frame header in the file is that of a segment with this header.
fn begins(bytes: &[u8], header: &SegmentHeader) -> bool {
    let first = bytes.get(2 * 4096..).and_then(|frames| frames.first_chunk::<FRAME_HEADER_LEN>());
    let Some((check, covered)) = first.and_then(|first| first.split_first_chunk::<4>()) else {
        return false;
    };
    let zeros = *check == [0; 4] && covered.iter().all(|&byte| byte == 0);
    let seed = FrameSeed::new(header.log, header.salt);
    let expected = covered.first_chunk().map(|covered| seed.header_check(header.base, covered));
    !zeros && expected == Some(u32::from_le_bytes(*check))
}

fn is_unknown(error: HeaderError) -> bool {
    matches!(error, HeaderError::Version { .. } | HeaderError::Flags { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::extension::Extension;
    use crate::format::frame::FrameKind;
    use crate::format::frame_writer::{FrameSpec, finish_frames, place_frame};
    use crate::format::header::VERSION;
    use crate::position::{LogId, Lsn, Salt};

    fn header(salt: u64) -> SegmentHeader {
        SegmentHeader {
            version: VERSION,
            log: LogId::new([7; 16]),
            number: SegmentId::FIRST,
            base: Lsn::FIRST,
            salt: Salt::new(salt),
            file_len: layout::SEGMENT_LEN_MIN,
            prev_end: Lsn::FIRST,
            prev_check: 0,
            skipped: 0,
            unproven: 0,
            trim: Lsn::FIRST,
            extension: Extension::default(),
        }
    }

    /// The copies with these salts, and a frame of the segment with that one.
    fn blocks(copies: [u64; 2], frame: Option<u64>) -> Vec<u8> {
        let mut bytes = vec![0; READ_LEN];
        for (copy, salt) in bytes.chunks_mut(4096).zip(copies) {
            copy[..HEADER_LEN].copy_from_slice(&header(salt).encode());
        }
        if let Some(salt) = frame {
            let mut frames = Vec::new();
            place_frame(&mut frames, FrameSpec::of(FrameKind::Record), &[b"a record"]);
            let seed = FrameSeed::new(header(salt).log, header(salt).salt);
            finish_frames(&mut frames, seed, Lsn::FIRST, 0);
            bytes[2 * 4096..][..frames.len()].copy_from_slice(&frames);
        }
        bytes
    }

    #[test]
    fn of_two_valid_copies_that_differ_the_frames_tell_the_right_one() {
        for (copies, frame, right) in
            [([1, 2], Some(1), 1), ([1, 2], Some(2), 2), ([1, 2], Some(3), 1), ([1, 2], None, 1)]
        {
            let state = judge(&blocks(copies, frame), layout::SEGMENT_LEN_MIN, SegmentId::FIRST);
            let HeaderState::OneCopy(found) = state else { panic!("{state:?}") };
            assert_eq!(found, header(right), "{copies:?}, a frame of {frame:?}");
        }
        let state = judge(&blocks([2, 2], Some(1)), layout::SEGMENT_LEN_MIN, SegmentId::FIRST);
        assert!(matches!(state, HeaderState::Good(found) if found == header(2)), "{state:?}");
    }
}
