//! Watches that a directory and the files in it are still what this log made of them.
//!
//! The lock keeps a second writer out that comes by the same mount. It keeps out nobody who removes,
//! cuts or copies over files, and no writer that comes by another path: a FUSE view and its source,
//! an overlay and its upper directory have locks of their own. What such a one does shows on disk,
//! and is looked for before more is acknowledged.
//!
//! ```text
//!   before a synced write    the last frame is the one that was written; no frame stands yet where
//!                            the next one goes
//!   after a sync             directory and file have a name and their length; no name changed
//!   now and then, at an idle mark, a rotation, a close
//!                            the same by name, through a new descriptor: header, last frame, the
//!                            header of the next file, the list of segments
//!   before a name, a header, a close record is written or erased
//!                            what stands in its place is what is expected there
//! ```
//!
//! An error of a look is no finding: it cannot tell. A finding is final, as a failed sync is.

mod ledger;

use super::action::{Removal, Write};
use super::decide::Row;
use super::machine::{Origin, Start};
use super::report::RecoveryReport;
use super::survey::SegmentEnd;
use crate::error::{Disturbance, Disturbed};
use crate::format::checksum::FrameSeed;
use crate::format::frame::{FrameHeader, FrameKind, MARKED_HEADER_LEN, decode_frame, frame_len};
use crate::format::header::{HEADER_LEN, SegmentHeader};
use crate::format::layout;
use crate::format::name::FileName;
use crate::format::trailer::{TRAILER_LEN, Trailer, TrailerKind};
use crate::position::SegmentId;
use crate::storage::latch::Mutex;
use crate::storage::{DirState, OpenMode, Storage, StorageFile, read_full};
use ledger::{LastFrame, Ledger, Tail};
use std::io;
use std::sync::Arc;

/// A longer frame is not read to see whether it came since recovery looked.
const GROWN_MAX: u64 = 64 << 10;

/// What a look finds.
type Look = Result<(), Disturbed>;

/// How thorough a look by name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    /// The names are listed where they changed, or where the cost has been earned.
    Earned,
    /// They are listed.
    Always,
}

/// What this log knows of its own files, and the looks at them.
#[derive(Debug)]
pub(crate) struct Watch {
    storage: Arc<dyn Storage>,
    ledger: Mutex<Ledger>,
}

impl Watch {
    /// Watches what recovery handed over; `before`: the state of the directory when recovery began.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        start: &Start,
        report: &RecoveryReport,
        before: Option<DirState>,
    ) -> Self {
        let segments = start.segments.first().zip(start.segments.last());
        let numbers = segments.map(|(first, last)| (first.number(), last.number()));
        let next = numbers.map_or(SegmentId::FIRST, |(_, last)| last.next());
        let clean = segments.and_then(|(_, last)| match start.origin {
            Origin::Clean { end } => Some((last.header, end)),
            Origin::Fresh | Origin::Older { .. } | Origin::Unclean { .. } => None,
        });
        let close_record = clean.map(|(header, end)| Trailer {
            kind: TrailerKind::Close,
            salt: header.salt,
            end: end.lsn,
            last_check: end.check,
        });
        let unclean = segments.and_then(|(_, last)| match start.origin {
            Origin::Unclean { end } => Some((last.header, end)),
            Origin::Fresh | Origin::Older { .. } | Origin::Clean { .. } => None,
        });
        let whole = !report.cut.is_some_and(|cut| cut.why == Row::HalfBatch);
        let tail = unclean.and_then(|(header, end)| found_after(&*storage, &header, end, whole));
        let ledger = Ledger {
            tail,
            numbers,
            coming: start.unborn.map(|_| next),
            own: clean.map(|(header, _)| header),
            close_record,
            names: before.map(|state| state.names),
            ..Ledger::default()
        };
        Self { storage, ledger: Mutex::new(ledger) }
    }

    /// Makes a change of the names, which is known to be this log's own.
    pub(crate) fn own_change<R>(&self, body: impl FnOnce() -> R) -> R {
        let names = || self.storage.state().ok().flatten().map(|state| state.names);
        let before = names();
        self.ledger.lock().changing += 1;
        let answer = body();
        let after = names();
        let mut ledger = self.ledger.lock();
        ledger.changing -= 1;
        // Otherwise somebody else changed a name meanwhile: the next look lists them.
        if ledger.names == before {
            ledger.names = after;
        }
        answer
    }

    /// Segments are about to be removed, or kept as spares.
    pub(crate) fn forget(&self, files: &[Removal]) {
        let mut ledger = self.ledger.lock();
        if let (Some((first, _)), Some(last)) =
            (ledger.numbers.as_mut(), files.iter().map(|removal| removal.segment).max())
        {
            *first = (*first).max(last.next());
        }
    }
}

/// Before something is written.
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
        let Some(expected) = self.ledger.lock().close_record.take() else {
            return Ok(());
        };
        match read(file, offset) {
            Some(found) if found != expected.encode() => {
                self.ledger.lock().own.map_or(Ok(()), |own| overwritten(own.number))
            }
            _ => self.look_by_name(Listing::Earned),
        }
    }

    /// Whether the close record may be written.
    pub(crate) fn may_close(&self, file: &dyn StorageFile, offset: u64) -> Look {
        let Some(own) = self.ledger.lock().own else {
            return Ok(());
        };
        if let Some(found) = read::<TRAILER_LEN>(file, offset)
            && let Ok(Trailer { kind: TrailerKind::Close, salt, .. }) = Trailer::decode(&found)
            && salt == own.salt
        {
            return overwritten(own.number);
        }
        self.look_by_name(Listing::Always)
    }

    /// Whether the frames may be written.
    pub(crate) fn may_write(&self, file: &dyn StorageFile, write: &Write) -> Look {
        let (last, first) = {
            let ledger = self.ledger.lock();
            (ledger.last, !ledger.wrote)
        };
        if !write.sync && !first {
            return self.look_at_marks(write);
        }
        let retried = self.ledger.lock().half_written;
        let (before, at) = look_around(file, last, write.offset);
        let other = last.zip(before).is_some_and(|(last, head)| !last.begins(&head));
        let taken = at.is_some_and(|head| {
            // The first frame block is zeros until this log writes to it.
            let fresh = write.offset == layout::FRAMES_START && head != [0; MARKED_HEADER_LEN];
            fresh || FrameHeader::decode(&head, write.run.seed, write.run.lsn).is_ok()
        });
        if other || taken && !retried {
            return overwritten(write.segment);
        }
        self.look_at_marks(write)
    }

    /// Marks that nobody appended are written when the log is idle, or closes: there is time.
    fn look_at_marks(&self, write: &Write) -> Look {
        let kind = write.run.bytes.get(16).copied();
        let rests = [FrameKind::IdleMark, FrameKind::CloseMark];
        if rests.into_iter().any(|mark| kind == Some(mark as u8)) {
            return self.look_by_name(Listing::Earned);
        }
        Ok(())
    }
}

/// After something was written.
impl Watch {
    /// Frames were written; the last of them stands at this byte.
    pub(crate) fn wrote(&self, offset: u64, check: u32) {
        let mut ledger = self.ledger.lock();
        ledger.last = Some(LastFrame { offset, check });
        ledger.wrote = true;
        ledger.half_written = false;
    }

    /// A write failed, and may have left some of its bytes.
    pub(crate) fn failed(&self) {
        self.ledger.lock().half_written = true;
    }

    /// The header was written and synced.
    pub(crate) fn began(&self, header: &SegmentHeader) -> Look {
        let mut ledger = self.ledger.lock();
        let first = ledger.numbers.map_or(header.number, |(first, _)| first);
        ledger.numbers = Some((first, header.number));
        ledger.own = Some(*header);
        ledger.coming = None;
        ledger.drawn = None;
        let tail = ledger.tail.take();
        ledger.last = None;
        ledger.wrote = false;
        ledger.half_written = false;
        drop(ledger);
        // What came meanwhile lies beyond the end that the header states.
        self.look_at_tail(tail)?;
        self.look_by_name(Listing::Earned)
    }

    /// What was written to the active segment was synced.
    pub(crate) fn synced(&self, file: &dyn StorageFile) -> Look {
        let own = self.ledger.lock().own;
        let Some(own) = own else {
            return Ok(());
        };
        let state = self.directory()?;
        if let Ok(state) = file.state() {
            if !state.linked {
                return gone(segment_name(own.number));
            }
            if state.len < own.file_len {
                return disturbed(segment_name(own.number), Disturbance::Shortened);
            }
        }
        let look = self.ledger.lock().look_due(state.map(|state| state.names));
        if look { self.look_by_name(Listing::Earned) } else { Ok(()) }
    }

    /// As [`synced`](Self::synced), where the writes before were not looked at.
    pub(crate) fn synced_later(&self, file: &dyn StorageFile) -> Look {
        self.synced(file)?;
        let ledger = self.ledger.lock();
        let (own, last) = (ledger.own, ledger.last);
        drop(ledger);
        own.zip(last).map_or(Ok(()), |(own, last)| last.still_stands(file, own.number))
    }

    /// Why a file of the log could not be opened.
    pub(crate) fn explain(&self, number: SegmentId, error: io::Error) -> io::Error {
        if error.kind() != io::ErrorKind::NotFound {
            return error;
        }
        let found = self.directory().and_then(|_| gone(segment_name(number)));
        found.map_or_else(Into::into, |()| error)
    }

    /// Why no file could be made. That a plain name cannot be found means that the directory has
    /// none.
    pub(crate) fn explain_made(&self, error: io::Error) -> io::Error {
        if error.kind() != io::ErrorKind::NotFound {
            return error;
        }
        gone(self.storage.place()).map_or_else(Into::into, |()| error)
    }
}

/// The looks.
impl Watch {
    fn open(&self, number: SegmentId) -> io::Result<Arc<dyn StorageFile>> {
        self.storage.open(&segment_name(number), OpenMode::Read)
    }

    fn directory(&self) -> Result<Option<DirState>, Disturbed> {
        match self.storage.state() {
            Ok(Some(state)) if !state.linked => gone(self.storage.place()).map(|()| None),
            Ok(state) => Ok(state),
            Err(_) => Ok(None),
        }
    }

    /// Looks at the end that recovery found: a writer that lives on there goes on after it.
    fn look_at_tail(&self, tail: Option<Tail>) -> Look {
        if let Some(tail) = tail
            && let Ok(file) = self.open(tail.segment)
            && read(&*file, tail.offset).is_some_and(|bytes| bytes != tail.bytes)
        {
            return overwritten(tail.segment);
        }
        Ok(())
    }

    /// Looks at what a later open would find.
    fn look_by_name(&self, listing: Listing) -> Look {
        let state = self.directory()?;
        let (own, last, coming, drawn, list) = {
            let mut ledger = self.ledger.lock();
            let always = listing == Listing::Always;
            let list = ledger.list_due(state.map(|state| state.names), always);
            (ledger.own, ledger.last, ledger.coming, ledger.drawn, list)
        };
        if let Some(own) = own {
            match self.open(own.number) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    gone(segment_name(own.number))?;
                }
                // Another descriptor too many, or a device that does not answer.
                Err(_) => {}
                Ok(file) => {
                    states_this(&*file, &own)?;
                    if let Some(last) = last {
                        last.still_stands(&*file, own.number)?;
                    }
                }
            }
        }
        if let Some(number) = coming
            && let Ok(file) = self.open(number)
        {
            no_header_of_another(&*file, number, drawn.as_ref())?;
        }
        if list { self.look_at_names(state) } else { Ok(()) }
    }

    /// Lists the names: each segment has its file, and none is there that another log began.
    fn look_at_names(&self, state: Option<DirState>) -> Look {
        let Ok(entries) = self.storage.list() else {
            return Ok(());
        };
        let names = entries.iter().filter_map(|entry| match FileName::parse(&entry.name) {
            Some(FileName::Segment(number)) => Some(number),
            _ => None,
        });
        let (missing, beyond) = {
            let mut ledger = self.ledger.lock();
            ledger.listed(entries.len() as u64, state.map(|state| state.names));
            ledger.compare(names)
        };
        for number in missing {
            // A trim may have taken it between the list and now, but never before it said so.
            let lost = matches!(
                self.open(number),
                Err(error) if error.kind() == io::ErrorKind::NotFound
            );
            if lost && self.ledger.lock().holds(number) {
                gone(segment_name(number))?;
            }
        }
        for number in beyond {
            if let Ok(file) = self.open(number)
                && self.ledger.lock().is_beyond(number)
            {
                no_header_of_another(&*file, number, None)?;
            }
        }
        Ok(())
    }
}

impl LastFrame {
    /// Whether the frame that this log wrote last is still there.
    fn still_stands(self, file: &dyn StorageFile, segment: SegmentId) -> Look {
        match read(file, self.offset) {
            Some(head) if !self.begins(&head) => overwritten(segment),
            _ => Ok(()),
        }
    }

    fn begins(self, head: &[u8; 4]) -> bool {
        *head == self.check.to_le_bytes()
    }
}

/// What stands after the end that recovery found. Unless a batch was cut there, that is no frame:
/// one that is there by now came meanwhile.
fn found_after(
    storage: &dyn Storage,
    header: &SegmentHeader,
    end: SegmentEnd,
    whole: bool,
) -> Option<Tail> {
    let offset = layout::FRAMES_START + end.lsn.since(header.base)?;
    let file = storage.open(&segment_name(header.number), OpenMode::Read).ok()?;
    let bytes = read(&*file, offset)?;
    let seed = FrameSeed::new(header.log, header.salt);
    // A header alone is what a crash leaves of a frame whose body did not get there.
    let frame = FrameHeader::decode(&bytes, seed, end.lsn).ok();
    let chained = frame.filter(|frame| whole && frame.prev == end.check);
    let grew = chained.is_some_and(|frame| {
        let len = frame_len(frame.body_len.into(), frame.mark.is_some());
        let mut all = vec![0; usize::try_from(len.min(GROWN_MAX)).unwrap_or(0)];
        let count = read_full(&*file, offset, &mut all).unwrap_or(0);
        decode_frame(all.get(..count).unwrap_or_default(), seed, end.lsn).is_ok()
    });
    let bytes = if grew { [0; MARKED_HEADER_LEN] } else { bytes };
    Some(Tail { segment: header.number, offset, bytes })
}

/// The check of the frame that was written last, and what stands where the next one goes: in one
/// call, if the frame is short.
fn look_around(
    file: &dyn StorageFile,
    last: Option<LastFrame>,
    offset: u64,
) -> (Option<[u8; 4]>, Option<[u8; MARKED_HEADER_LEN]>) {
    const NEAR: usize = 512;
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

/// Whether a copy of the header is still this one.
fn states_this(file: &dyn StorageFile, header: &SegmentHeader) -> Look {
    let ours = header.encode();
    for at in [0, layout::BLOCK] {
        match read::<HEADER_LEN>(file, at) {
            Some(copy) if copy != ours => {}
            _ => return Ok(()),
        }
    }
    overwritten(header.number)
}

/// Whether no valid header stands in the file of the next segment, but for the one that was drawn
/// for it.
fn no_header_of_another(
    file: &dyn StorageFile,
    number: SegmentId,
    drawn: Option<&SegmentHeader>,
) -> Look {
    for at in [0, layout::BLOCK] {
        if let Some(copy) = read::<HEADER_LEN>(file, at)
            && let Ok(header) = SegmentHeader::decode(&copy)
            && header.number == number
            && Some(&header) != drawn
        {
            return overwritten(number);
        }
    }
    Ok(())
}

/// What stands there, if it can be read as a whole.
fn read<const LEN: usize>(file: &dyn StorageFile, at: u64) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    (read_full(file, at, &mut bytes).ok()? == LEN).then_some(bytes)
}

fn segment_name(number: SegmentId) -> String {
    FileName::Segment(number).text()
}

fn gone(name: String) -> Look {
    if planted!("vanished-file-unnoticed") {
        return Ok(());
    }
    disturbed(name, Disturbance::Removed)
}

fn overwritten(number: SegmentId) -> Look {
    if planted!("second-writer-unnoticed") {
        return Ok(());
    }
    disturbed(segment_name(number), Disturbance::Overwritten)
}

const fn disturbed(name: String, how: Disturbance) -> Look {
    Err(Disturbed { name, how })
}
