//! The log as it will be, looked at before it is: the new files already stand beside the old ones,
//! and are read as if they had their names.
//!
//! A repair that would not do is refused while nothing is changed:
//!
//! ```text
//!   the log would not open                        refused
//!   another repair would have something to do     refused
//!   a record that is shown, and proven, would be neither shown nor in a gap    refused
//! ```
//!
//! Knows nothing of how the new files came about: what `gather` and `plan` got wrong shows here.

use super::apply::new_name;
use super::planned;
use crate::error::{Error, Result};
use crate::format::name::FileName;
use crate::log::view::LogView;
use crate::position::{Lsn, SegmentId};
use crate::storage::{DirLock, Entry, EntryKind, Environment, OpenMode, Storage, StorageFile};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// A directory in which some segments are the new files. For reading alone.
#[derive(Debug)]
struct Prospect {
    storage: Arc<dyn Storage>,
    replaced: BTreeSet<String>,
}

impl Storage for Prospect {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        match mode {
            OpenMode::Read if self.replaced.contains(name) => {
                self.storage.open(&new_name(name), mode)
            }
            OpenMode::Read => self.storage.open(name, mode),
            OpenMode::Write | OpenMode::Create => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = self.storage.list()?;
        entries.retain(|entry| !self.replaced.contains(&entry.name));
        let new = self.replaced.iter().cloned();
        entries.extend(new.map(|name| Entry { name, kind: EntryKind::File }));
        Ok(entries)
    }

    fn sync_dir(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn place(&self) -> String {
        self.storage.place()
    }
}

/// Holds the log with the new files of these segments to what a repair promises. `read` is told how
/// many bytes of records were compared.
///
/// # Errors
/// [`Error::Unrepairable`]; what reading says.
pub(super) fn hold(
    environment: &Environment,
    before: &LogView,
    segments: &[SegmentId],
    read: impl FnMut(u64),
) -> Result<()> {
    let storage = Arc::clone(&environment.storage);
    let names = segments.iter().map(|&segment| FileName::Segment(segment).text());
    let prospect = Prospect { storage, replaced: names.collect() };
    for name in &prospect.replaced {
        let file = prospect.open(name, OpenMode::Read);
        file.and_then(|file| file.evict()).map_err(|e| Error::io("evict", &**name, e))?;
    }
    let refused = |segment: SegmentId, why| {
        Err(Error::Unrepairable { name: FileName::Segment(segment).text(), why })
    };
    let after =
        LogView::open_in(&Environment { storage: Arc::new(prospect), ..environment.clone() })?;
    if let Some(Error::Damaged { segment, .. }) = after.damage() {
        return refused(*segment, "the log would not open with what can be put in its place");
    }
    if let Some(step) = planned(&after)?.steps.first() {
        return refused(step.segment(), "what can be put in its place would be damaged, too");
    }
    if let Some(lsn) = lost(before, &after, read)? {
        let held = before.segments().iter().rev().find(|segment| segment.base() <= lsn);
        let segment = held.map_or(SegmentId::FIRST, |held| held.number());
        return refused(segment, "a record of it that is shown now would be gone without a word");
    }
    Ok(())
}

/// The first record that is shown and proven before, and afterwards neither shown nor told as gone.
fn lost(before: &LogView, after: &LogView, mut read: impl FnMut(u64)) -> Result<Option<Lsn>> {
    let mut now = after.scan(Lsn::FIRST)?.peekable();
    // Up to here all is told that begins before the record.
    let mut told = Lsn::FIRST;
    for record in before.scan(Lsn::FIRST)? {
        let record = match record {
            Ok(record) => record,
            Err(error) if error.is_damage() => continue,
            Err(error) => return Err(error),
        };
        read(record.bytes.len() as u64);
        // A trim that stood behind damage counts again; what is not proven a crash could take as well.
        if record.lsn < after.trim_point() || record.lsn >= before.proven() {
            continue;
        }
        let address = (record.lsn, record.index);
        let shown = loop {
            match now.next_if(|next| match next {
                Ok(next) => (next.lsn, next.index) <= address,
                Err(Error::Damaged { from, .. }) => *from <= record.lsn,
                Err(_) => true,
            }) {
                Some(Ok(next)) if (next.lsn, next.index) == address => break next == record,
                Some(Ok(_)) => {}
                Some(Err(Error::Damaged { to, .. })) => told = told.max(to),
                Some(Err(error)) => return Err(error),
                None => break false,
            }
        };
        if !shown && told <= record.lsn {
            return Ok(Some(record.lsn));
        }
    }
    Ok(None)
}
