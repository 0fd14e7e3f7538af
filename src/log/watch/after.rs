//! The looks after something was written and synced, and what it means that a file is not found.

use super::looks::{Listing, gone, keeps_length, segment_name};
use super::{Look, Watch};
use crate::format::header::SegmentHeader;
use crate::position::SegmentId;
use crate::storage::StorageFile;
use std::io;

impl Watch {
    /// Frames were written; the last of them stands at this byte.
    pub(crate) fn wrote(&self, offset: u64, check: u32) {
        self.last.wrote(offset, check);
    }

    /// A write to this place failed, and may have left some of its bytes.
    pub(crate) fn failed(&self, offset: u64) {
        self.last.failed(offset);
    }

    /// The header was written and synced.
    pub(crate) fn began(&self, header: &SegmentHeader) -> Look {
        self.last.clear();
        let tail = self.ledger.lock().began(header);
        // What came meanwhile lies beyond the end that the header states.
        self.look_at_tail(tail)?;
        self.look_by_name(Listing::Earned)
    }

    /// What was written to the active segment was synced.
    pub(crate) fn synced(&self, file: &dyn StorageFile) -> Look {
        let Some(own) = self.ledger.lock().own else {
            return Ok(());
        };
        let directory = self.directory()?;
        let mut look = false;
        if let Ok(state) = file.state() {
            keeps_length(file, state, &own)?;
            let counted = self.ledger.lock().has_counted_files(state.linked);
            if counted && !state.linked {
                return gone(segment_name(own.number));
            }
            look = !state.linked;
        }
        look |= self.ledger.lock().look_due(directory.map(|state| state.names));
        if look { self.look_by_name(Listing::Earned) } else { Ok(()) }
    }

    /// As [`synced`](Self::synced), where the writes before were not looked at.
    pub(crate) fn synced_later(&self, file: &dyn StorageFile) -> Look {
        self.synced(file)?;
        let own = self.ledger.lock().own;
        own.zip(self.last.frame()).map_or(Ok(()), |(own, last)| last.still_stands(file, own.number))
    }

    /// What was written to a segment before the newest one was synced.
    pub(crate) fn synced_left(&self, file: &dyn StorageFile, segment: SegmentId) -> Look {
        self.directory()?;
        if let Ok(state) = file.state() {
            let counted = self.ledger.lock().has_counted_files(state.linked);
            if counted && !state.linked {
                return gone(segment_name(segment));
            }
        }
        Ok(())
    }

    /// Lists the names, if the cost has been earned. Belongs into the upkeep lane: a list of many
    /// names takes tens of milliseconds, for which the commit lane would keep appends waiting.
    pub(crate) fn list_what_is_earned(&self) -> Look {
        let state = self.directory()?;
        let paid = self.ledger.lock().list_is_paid();
        if paid { self.look_at_names(state) } else { Ok(()) }
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
