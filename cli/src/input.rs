//! Standard input, cut into records.
//!
//! Bytes come in with one `read(2)` at a time into one buffer, and all records that are whole by
//! then are one group. The buffer grows with the bytes that really arrive, never with a length
//! that the input merely states.

use crate::exit::Failure;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes asked for at once.
const READ_LEN: usize = 1 << 20;
/// The bytes of a frame's length.
const LENGTH_LEN: usize = 4;

/// Where one record ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Behind a newline, which belongs to the record before it.
    Lines,
    /// A `u32`, little-endian, says how many bytes follow.
    Frames,
}

/// Standard input.
#[derive(Debug)]
pub(crate) struct Input {
    source: File,
    framing: Framing,
    buffer: Vec<u8>,
    /// What of the buffer is not yet part of a group.
    pending: Range<usize>,
    /// How many bytes of `pending` are known to hold no newline.
    searched: usize,
    /// Bytes before `pending`, since the start.
    offset: u64,
    /// Records found so far.
    count: u64,
    ended: bool,
}

impl Input {
    /// # Errors
    /// [`Failure::Io`] if there is no standard input.
    pub(crate) fn new(framing: Framing) -> Result<Self, Failure> {
        let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?;
        Ok(Self::of(stdin.into(), framing))
    }

    fn of(source: File, framing: Framing) -> Self {
        Self {
            source,
            framing,
            buffer: vec![0; 2 * READ_LEN],
            pending: 0..0,
            searched: 0,
            offset: 0,
            count: 0,
            ended: false,
        }
    }

    /// How many bytes are still to come, where that can be known.
    pub(crate) fn len_left(&mut self) -> Option<u64> {
        let meta = self.source.metadata().ok().filter(std::fs::Metadata::is_file)?;
        meta.len().checked_sub(self.source.stream_position().ok()?)
    }

    /// Reads once what is there; `None` at the end, else how many bytes came.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub(crate) fn read(&mut self) -> Result<Option<usize>, Failure> {
        self.make_room();
        let room = self.buffer.get_mut(self.pending.end..).unwrap_or_default();
        let asked = room.len().min(READ_LEN);
        match self.source.read(room.get_mut(..asked).unwrap_or_default()) {
            Ok(0) => {
                self.ended = true;
                Ok(None)
            }
            Ok(len) => {
                self.pending.end += len;
                Ok(Some(len))
            }
            // Nothing to read after all, on a descriptor that somebody made non-blocking.
            Err(e)
                if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) =>
            {
                Ok(Some(0))
            }
            Err(source) => Err(unreadable(source)),
        }
    }

    fn make_room(&mut self) {
        if self.pending.is_empty() {
            self.pending = 0..0;
        }
        if self.buffer.len() - self.pending.end >= READ_LEN {
            return;
        }
        if self.pending.start > 0 {
            self.buffer.copy_within(self.pending.clone(), 0);
            self.pending = 0..self.pending.len();
        }
        if self.buffer.len() - self.pending.end < READ_LEN {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
    }

    /// Cuts off all records that are whole by now; where they stand goes into `group`, for
    /// [`record`](Self::record) until the next read.
    ///
    /// # Errors
    /// [`Failure::Input`], naming the place; `group` then holds the records before it.
    pub(crate) fn group(&mut self, group: &mut Vec<Range<usize>>) -> Result<(), Failure> {
        group.clear();
        while let Some((skip, len)) = self.next_record()? {
            let from = self.pending.start + skip;
            group.push(from..from + len);
            self.pending.start = from + len;
            self.searched = 0;
            self.offset += (skip + len) as u64;
            self.count += 1;
        }
        Ok(())
    }

    /// The bytes of a record of the last group.
    pub(crate) fn record(&self, place: &Range<usize>) -> &[u8] {
        self.buffer.get(place.clone()).unwrap_or_default()
    }

    /// Bytes that came in and are part of no record.
    pub(crate) fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// How many bytes to skip, and how many the next record has.
    fn next_record(&mut self) -> Result<Option<(usize, usize)>, Failure> {
        let bytes = self.buffer.get(self.pending.clone()).unwrap_or_default();
        match self.framing {
            Framing::Lines => {
                let fresh = bytes.get(self.searched..).unwrap_or_default();
                let newline = memchr::memchr(b'\n', fresh).map(|at| self.searched + at + 1);
                let len = newline.or_else(|| self.ended.then_some(bytes.len()));
                let known = len.unwrap_or(bytes.len());
                if known as u64 > seawall::RECORD_LEN_MAX {
                    return Err(self.too_long("line"));
                }
                if newline.is_none() {
                    self.searched = known;
                }
                Ok(len.filter(|&len| len > 0).map(|len| (0, len)))
            }
            Framing::Frames => {
                let Some((length, body)) = bytes.split_first_chunk::<LENGTH_LEN>() else {
                    let cut = self.ended && !bytes.is_empty();
                    return if cut { Err(self.cut_short(None)) } else { Ok(None) };
                };
                let stated = u32::from_le_bytes(*length);
                if u64::from(stated) > seawall::RECORD_LEN_MAX {
                    return Err(self.too_long("frame"));
                }
                match usize::try_from(stated).ok().filter(|&len| len <= body.len()) {
                    Some(len) => Ok(Some((LENGTH_LEN, len))),
                    None if self.ended => Err(self.cut_short(Some(stated))),
                    None => Ok(None),
                }
            }
        }
    }

    fn too_long(&self, what: &str) -> Failure {
        Failure::Input {
            what: format!(
                "{what} {} of the input, at byte {}, is longer than the {} bytes a record may \
                 have; what came before it is kept",
                self.count + 1,
                self.offset,
                seawall::RECORD_LEN_MAX
            ),
            hint: match self.framing {
                Framing::Lines => "is this text? `--frames` takes records that hold any bytes",
                Framing::Frames => "each frame is a u32, little-endian, and so many bytes",
            },
        }
    }

    fn cut_short(&self, stated: Option<u32>) -> Failure {
        let have = self.pending.len();
        let lacks = match stated {
            Some(stated) => format!("states {stated} bytes, {} are there", have - LENGTH_LEN),
            None => format!("needs {LENGTH_LEN} bytes for its length, {have} are there"),
        };
        Failure::Input {
            what: format!(
                "the input ends within frame {}, which begins at byte {} and {lacks}; what came \
                 before it is kept",
                self.count + 1,
                self.offset
            ),
            hint: "each frame is a u32, little-endian, and so many bytes; lines need `--lines`",
        }
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

fn unreadable(source: io::Error) -> Failure {
    Failure::Io { action: "read standard input", source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::OwnedFd;

    /// The records of an input that comes in these pieces, and what was wrong with it.
    fn cut(framing: Framing, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<String>) {
        let (reader, writer) = io::pipe().unwrap();
        let mut writer = Some(writer);
        let mut input = Input::of(OwnedFd::from(reader).into(), framing);
        let (mut records, mut group) = (Vec::new(), Vec::new());
        let mut pieces = pieces.iter();
        loop {
            match (pieces.next(), &mut writer) {
                (Some(piece), Some(writer)) => writer.write_all(piece).unwrap(),
                _ => writer = None,
            }
            let more = input.read().unwrap().is_some();
            let outcome = input.group(&mut group);
            records.extend(group.iter().map(|place| input.record(place).to_vec()));
            match outcome {
                Err(failure) => return (records, Some(failure.to_string())),
                Ok(()) if !more => return (records, None),
                Ok(()) => {}
            }
        }
    }

    #[test]
    fn lines_keep_their_newline_wherever_the_pieces_end() {
        let (records, wrong) = cut(Framing::Lines, &[b"one\ntw", b"o", b"\n\n", b"\xFFthree"]);
        assert_eq!(records, [&b"one\n"[..], b"two\n", b"\n", b"\xFFthree"]);
        assert_eq!(wrong, None);
        assert_eq!(cut(Framing::Lines, &[]), (vec![], None));
    }

    #[test]
    fn frames_are_cut_wherever_the_pieces_end() {
        let pieces: [&[u8]; 5] = [b"\x01\0", b"\0\0a\0\0\0\0\x02", b"\0\0\0b", b"c", b""];
        let (records, wrong) = cut(Framing::Frames, &pieces[..4]);
        assert_eq!(records, [&b"a"[..], b"", b"bc"]);
        assert_eq!(wrong, None);
    }

    #[test]
    fn frames_cut_short_and_too_long_are_refused_by_place_and_what_came_before_is_kept() {
        let (records, wrong) = cut(Framing::Frames, &[b"\x01\0\0\0a", b"\x09\0\0\0bcd"]);
        assert_eq!(records, [b"a"]);
        let wrong = wrong.unwrap();
        assert!(wrong.contains("frame 2, which begins at byte 5 and states 9 bytes, 3"), "{wrong}");
        let (_, wrong) = cut(Framing::Frames, &[b"\x01\0"]);
        assert!(wrong.unwrap().contains("needs 4 bytes for its length, 2 are there"));
        let (_, wrong) = cut(Framing::Frames, &[b"\xFF\xFF\xFF\xFF"]);
        assert!(wrong.unwrap().contains("frame 1 of the input, at byte 0, is longer"));
    }
}
