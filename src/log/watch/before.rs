//! The looks before something is written: what stands in its place is what is expected there.

use super::last::LastFrame;
use super::looks::{Listing, no_header_of_another, overwritten, read, segment_name};
use super::{Look, Watch};
use crate::format::frame::{FrameHeader, FrameKind, MARKED_HEADER_LEN};
use crate::format::header::SegmentHeader;
use crate::format::layout;
use crate::format::trailer::{TRAILER_LEN, Trailer, TrailerKind};
use crate::log::action::Write;
use crate::position::SegmentId;
use crate::storage::{StorageFile, read_full};
use std::io;

/// Byte of a frame that says its kind.
const KIND_AT: usize = 16;

/// The last frame and the next place are read in one call, if they are no further apart.
const NEAR: usize = 512;

impl Watch {
    /// Whether the file of the next segment may be made ready anew under its name.
    pub(crate) fn may_prepare(&self, number: SegmentId) -> Look {
        let drawn = self.ledger.lock().drawn;
        match self.open(number) {
            Ok(file) => no_header_of_another(&*file, number, drawn.as_ref()),
            Err(_) => Ok(()),
        }
    }

    /// Gives a prepared file the name of the next segment. What has the name already is replaced if
    /// it is of this log's own making, or no file.
    pub(crate) fn name(&self, from: &str, number: SegmentId) -> io::Result<()> {
        let expected = self.ledger.lock().coming.replace(number) == Some(number);
        let to = segment_name(number);
        self.own_change(|| {
            if !expected {
                match self.storage.rename_new(from, &to) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    renamed => return renamed,
                }
                if self.open(number).is_ok() {
                    overwritten(number)?;
                }
            }
            self.may_prepare(number)?;
            self.storage.rename(from, &to)
        })
    }

    /// The file that is about to get the name of the first segment has this header already.
    pub(crate) fn may_found(&self, header: &SegmentHeader) {
        self.ledger.lock().drawn = Some(*header);
    }

    /// Whether the header of the next segment may be written to this file.
    pub(crate) fn may_begin(&self, file: &dyn StorageFile, header: &SegmentHeader) -> Look {
        let (drawn, tail) = {
            let mut ledger = self.ledger.lock();
            (ledger.drawn.replace(*header), ledger.tail)
        };
        no_header_of_another(file, header.number, drawn.as_ref())?;
        self.look_at_tail(tail)?;
        self.look_by_name(Listing::Earned)
    }

    /// Whether the close record may be erased: unless an erasure was tried before, it is the one
    /// that recovery found.
    pub(crate) fn may_erase(&self, file: &dyn StorageFile, offset: u64) -> Look {
        let Some((segment, expected)) = self.ledger.lock().close_record.take() else {
            return Ok(());
        };
        match read(file, offset) {
            Some(found) if found != expected.encode() => overwritten(segment),
            _ => self.look_by_name(Listing::Earned),
        }
    }

    /// Whether the close record may be written: none stands there, unless this run tried to write
    /// one before.
    pub(crate) fn may_close(&self, file: &dyn StorageFile, offset: u64) -> Look {
        let (own, tried) = {
            let mut ledger = self.ledger.lock();
            (ledger.own, std::mem::replace(&mut ledger.close_tried, true))
        };
        let Some(own) = own else {
            return Ok(());
        };
        if !tried
            && let Some(found) = read::<TRAILER_LEN>(file, offset)
            && let Ok(Trailer { kind: TrailerKind::Close, salt, .. }) = Trailer::decode(&found)
            && salt == own.salt
        {
            return overwritten(own.number);
        }
        self.look_by_name(Listing::Always)
    }

    /// Whether the frames may be written. Those that are not synced with the write are looked at
    /// by the sync that comes, but for the first of a segment.
    pub(crate) fn may_write(&self, file: &dyn StorageFile, write: &Write) -> Look {
        let last = self.last.frame();
        let kind = write.run.first().get(KIND_AT).copied();
        // The sync of a close mark is that of the close record.
        let closes = kind == Some(FrameKind::CloseMark.byte());
        if write.sync || last.is_none() || closes {
            self.may_go_on(file, last, write)?;
        }
        // Marks for which no record was appended are written when the log is idle, or closes: there
        // is time.
        let rests = [FrameKind::IdleMark, FrameKind::CloseMark];
        if rests.into_iter().any(|mark| kind == Some(mark.byte())) {
            return self.look_by_name(Listing::Earned);
        }
        Ok(())
    }

    fn may_go_on(&self, file: &dyn StorageFile, last: Option<LastFrame>, write: &Write) -> Look {
        let (before, at) = look_around(file, last, write.offset);
        let other = last.zip(before).is_some_and(|(last, head)| !last.begins(&head));
        let taken = at.is_some_and(|head| {
            // The first frame block is zeros until this log writes to it.
            let fresh = write.offset == layout::FRAMES_START && head != [0; MARKED_HEADER_LEN];
            fresh
                || FrameHeader::decode(&head, write.run.seed, write.run.lsn)
                    .is_ok_and(|frame| frame.kind != FrameKind::Gap)
        });
        if other || taken && !self.last.has_failed_at(write.offset) {
            return overwritten(write.segment);
        }
        Ok(())
    }
}

/// The check of the frame that was written last, and what stands where the next one goes: in one
/// call, if the frame is short.
fn look_around(
    file: &dyn StorageFile,
    last: Option<LastFrame>,
    offset: u64,
) -> (Option<[u8; 4]>, Option<[u8; MARKED_HEADER_LEN]>) {
    let far = || (last.and_then(|last| read(file, last.offset)), read(file, offset));
    let from = last.map_or(offset, |last| last.offset);
    let between = usize::try_from(offset.saturating_sub(from)).unwrap_or(NEAR);
    let mut bytes = [0; NEAR];
    let Some(bytes) = bytes.get_mut(..between.saturating_add(MARKED_HEADER_LEN)) else {
        return far();
    };
    match read_full(file, from, bytes) {
        Ok(count) if count == bytes.len() => {
            let before = last.and_then(|_| bytes.first_chunk().copied());
            (before, bytes.last_chunk().copied())
        }
        _ => far(),
    }
}
