//! Reads both header copies of a file that is named like a segment, and says what they are.

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

fn is_unknown(error: HeaderError) -> bool {
    matches!(error, HeaderError::Version { .. } | HeaderError::Flags { .. })
}
