//! The looks by name, which see what a later open would find.

use super::ledger::Tail;
use super::{Look, Watch};
use crate::error::{Disturbance, Disturbed};
use crate::format::header::{HEADER_LEN, SegmentHeader};
use crate::format::layout;
use crate::format::name::FileName;
use crate::position::SegmentId;
use crate::storage::{DirState, FileState, OpenMode, StorageFile, read_full};
use std::io;
use std::sync::Arc;

/// When a look by name lists the names, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// Where they changed, or where the cost has been earned.
    Earned,
    Always,
}

impl Watch {
    pub(super) fn open(&self, number: SegmentId) -> io::Result<Arc<dyn StorageFile>> {
        self.storage.open(&segment_name(number), OpenMode::Read)
    }

    /// What is known of the directory, which is still there.
    pub(super) fn directory(&self) -> Result<Option<DirState>, Disturbed> {
        match self.storage.state() {
            Ok(Some(state)) if !state.linked && self.ledger.lock().counts_directories => {
                gone(self.storage.place()).map(|()| None)
            }
            Ok(state) => Ok(state),
            Err(_) => Ok(None),
        }
    }

    /// Looks at the end that recovery found: a writer that lives on there goes on after it.
    pub(super) fn look_at_tail(&self, tail: Option<Tail>) -> Look {
        if let Some(tail) = tail
            && let Ok(file) = self.open(tail.segment)
            && read(&*file, tail.offset).is_some_and(|bytes| bytes != tail.bytes)
        {
            return overwritten(tail.segment);
        }
        Ok(())
    }

    pub(super) fn look_by_name(&self, listing: Listing) -> Look {
        let state = self.directory()?;
        let (own, coming, drawn, list) = {
            let mut ledger = self.ledger.lock();
            let always = listing == Listing::Always;
            let list = ledger.list_due(state.map(|state| state.names), always);
            (ledger.own, ledger.coming, ledger.drawn, list)
        };
        if let Some(own) = own {
            match self.open(own.number) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    gone(segment_name(own.number))?;
                }
                // Another descriptor too many, or a device that does not answer.
                Err(_) => {}
                Ok(file) => {
                    if let Ok(state) = file.state() {
                        keeps_length(&*file, state, &own)?;
                    }
                    states_this(&*file, &own)?;
                    if let Some(last) = self.last.frame() {
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
    pub(super) fn look_at_names(&self, state: Option<DirState>) -> Look {
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

/// Whether the file of the segment that is written to is as long as it was made.
pub(super) fn keeps_length(
    file: &dyn StorageFile,
    state: FileState,
    header: &SegmentHeader,
) -> Look {
    let short = state.len < header.file_len && is_cut(file, header.file_len);
    if short { shortened(header.number) } else { Ok(()) }
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

/// Whether no valid header stands in the file of the next segment, but for one that this run drew for
/// this use of the file: its own attempts differ in what they state of the log, not in the salt.
pub(super) fn no_header_of_another(
    file: &dyn StorageFile,
    number: SegmentId,
    drawn: Option<&SegmentHeader>,
) -> Look {
    for at in [0, layout::BLOCK] {
        if let Some(copy) = read::<HEADER_LEN>(file, at)
            && let Ok(header) = SegmentHeader::decode(&copy)
            && header.number == number
            && drawn.is_none_or(|drawn| (drawn.log, drawn.salt) != (header.log, header.salt))
        {
            return overwritten(number);
        }
    }
    Ok(())
}

/// Whether a file that should be so long has no last byte. A length that is stated may be an old one:
/// some network file systems remember it.
fn is_cut(file: &dyn StorageFile, file_len: u64) -> bool {
    read_full(file, file_len.saturating_sub(1), &mut [0]).is_ok_and(|count| count == 0)
}

/// What stands there, if it can be read as a whole.
pub(super) fn read<const LEN: usize>(file: &dyn StorageFile, at: u64) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    (read_full(file, at, &mut bytes).ok()? == LEN).then_some(bytes)
}

pub(super) fn segment_name(number: SegmentId) -> String {
    FileName::Segment(number).text()
}

pub(super) fn gone(name: String) -> Look {
    if planted!("vanished-file-unnoticed") {
        return Ok(());
    }
    Err(Disturbed { name, how: Disturbance::Removed })
}

fn shortened(number: SegmentId) -> Look {
    Err(Disturbed { name: segment_name(number), how: Disturbance::Shortened })
}

pub(super) fn overwritten(number: SegmentId) -> Look {
    if planted!("second-writer-unnoticed") {
        return Ok(());
    }
    Err(Disturbed { name: segment_name(number), how: Disturbance::Overwritten })
}
