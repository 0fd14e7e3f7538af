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
        if record.lsn < after.trim_point() || record.lsn >= before.stated() {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#[expect(clippy::disallowed_methods, reason = "puts files beside those of a log")]
mod tests {
    use super::*;
    use crate::format::layout;
    use crate::log::{Log, Options};
    use std::fs;
    use std::path::Path;

    /// Two segments, as a killed process leaves them; and where the records stand.
    fn written(dir: &Path) -> Vec<Lsn> {
        let options = Options::new().segment_len(layout::SEGMENT_LEN_MIN).idle_mark(None);
        let log = Log::open(dir, options).unwrap();
        let lsns = (0..12).map(|nth| log.append(&[nth; 1000]).unwrap().lsn).collect();
        assert_eq!(log.segments().len(), 2);
        drop(log);
        // It was closed: its close record and close mark go.
        let view = LogView::open(dir).unwrap();
        let (last, end) = (view.segments()[1], place(view.segments()[1].base(), view.end()));
        let path = dir.join(FileName::Segment(last.number()).text());
        let mut bytes = fs::read(&path).unwrap();
        let record = usize::try_from(layout::trailer_offset(last.header.file_len)).unwrap();
        bytes[record..].fill(0);
        bytes[end - 40..end].fill(0);
        fs::write(path, bytes).unwrap();
        lsns
    }

    /// What is said of a log in which this segment is the same file but for a change.
    fn told(dir: &Path, number: u64, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let environment = Environment::existing(dir).unwrap();
        let before = LogView::open_in(&environment).unwrap();
        let segment = SegmentId::new(number);
        let name = FileName::Segment(segment).text();
        let mut bytes = fs::read(dir.join(&name)).unwrap();
        change(&mut bytes);
        fs::write(dir.join(new_name(&name)), bytes).unwrap();
        let told = hold(&environment, &before, &[segment], |_| {});
        fs::remove_file(dir.join(new_name(&name))).unwrap();
        told
    }

    fn place(base: Lsn, lsn: Lsn) -> usize {
        usize::try_from(layout::FRAMES_START + lsn.since(base).unwrap()).unwrap()
    }

    #[test]
    fn what_would_not_do_is_refused_before_it_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let lsns = written(dir.path());
        let view = LogView::open(dir.path()).unwrap();
        let base = view.segments()[1].base();
        let second: Vec<Lsn> = lsns.iter().copied().filter(|&lsn| lsn >= base).collect();
        let dir = dir.path();
        told(dir, 1, |_| {}).unwrap();
        told(dir, 2, |_| {}).unwrap();

        let refused = |told: Result<()>, says: &str| match told {
            Err(Error::Unrepairable { why, .. }) => assert!(why.contains(says), "{why}"),
            other => unreachable!("{says}: {other:?}"),
        };
        refused(told(dir, 1, |bytes| bytes[place(Lsn::FIRST, lsns[1]) + 99] ^= 1), "damaged, too");
        refused(told(dir, 2, |bytes| bytes[place(base, second[0]) + 99] ^= 1), "not open");
        // As if the log had ended before it.
        let end = place(base, second[1]);
        refused(told(dir, 2, |bytes| bytes[end..].fill(0)), "without a word");
        assert!(told(dir, 2, |bytes| bytes[0] ^= 1).is_ok(), "the other copy of the header holds");
    }
}
