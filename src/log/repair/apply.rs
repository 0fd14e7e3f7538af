//! Makes the files that a plan asks for, in an order that a crash may interrupt anywhere.
//!
//! 1. Each file that is to be replaced is copied to the quarantine under a passing name, synced, read
//!    again and compared, and given its name there. The directory of the quarantine is synced.
//! 2. Each new file is written under a passing name beside the log, and synced.
//! 3. The log as it will be is held to what a repair promises (`prospect`).
//! 4. Each new file takes the name of its segment. The directory is synced.
//!
//! Until the fourth step the log is as it was, and an error takes back what was made. What a crash
//! leaves of the first three has names that are foreign to a log; the next repair that has something to
//! do removes them.

use super::plan::{RepairStep, Rewrite, StandIn};
use super::{is_of_label, prospect};
use crate::error::{Error, Result};
use crate::format::checksum::FrameSeed;
use crate::format::extension::Extension;
use crate::format::gap::GapFrame;
use crate::format::header::{SegmentHeader, VERSION};
use crate::format::layout;
use crate::format::name::FileName;
use crate::log::verify::Progress;
use crate::log::view::LogView;
use crate::position::{Home, LogId, Lsn, Salt, SegmentId};
use crate::storage::{Environment, OpenMode, Storage, StorageFile, read_full, write_full};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are read and written at once.
const PIECE: usize = 1 << 20;

/// Behind the name of a segment: a new file that does not have that name yet.
const NEW: &str = "repair";

/// Behind a name in the quarantine: a copy that is not whole yet.
const PARTIAL: &str = "partial";

/// Carries out the steps; returns the names of the originals in the quarantine.
///
/// # Errors
/// What the disks say; [`Error::Unrepairable`] where this would not do. Before the new files take their
/// names everything made here is removed.
pub(super) fn apply(
    environment: &Environment,
    view: &LogView,
    log: LogId,
    steps: &[RepairStep],
    quarantine: &dyn Storage,
    label: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<String>> {
    let storage = &*environment.storage;
    let mut work = Work { environment, view, progress, done: 0, total: 0, piece: Vec::new(), log };
    work.total = work.measure(steps)? + view.frame_bytes();
    let mut kept = Made { storage: quarantine, names: Vec::new() };
    let mut made = Made { storage, names: Vec::new() };
    let outcome = work
        .keep_originals(steps, label, &mut kept)
        .and_then(|quarantined| work.write_new(steps, &mut made).map(|()| quarantined))
        .and_then(|quarantined| work.judge(steps).map(|()| quarantined));
    let quarantined = match outcome {
        Ok(quarantined) => quarantined,
        Err(error) => {
            kept.take_back();
            made.take_back();
            return Err(error);
        }
    };
    for step in steps {
        let name = FileName::Segment(step.segment()).text();
        storage.rename(&new_name(&name), &name).map_err(|e| Error::io("rename", &*name, e))?;
    }
    storage.sync_dir().map_err(|e| Error::io("sync", storage.place(), e))?;
    Ok(quarantined)
}

pub(super) fn new_name(name: &str) -> String {
    format!("{name}.{NEW}")
}

/// Whether a repair gave this name to a new file.
fn is_new(name: &str) -> bool {
    let of = name.strip_suffix(NEW).and_then(|name| name.strip_suffix('.'));
    of.is_some_and(is_segment)
}

/// Whether a repair gave this name to a copy that was not whole yet.
fn is_partial(name: &str) -> bool {
    let kept = name.strip_suffix(PARTIAL).and_then(|name| name.strip_suffix('.'));
    let parts = kept.and_then(|name| name.rsplit_once('.'));
    parts.is_some_and(|(of, label)| is_segment(of) && is_of_label(label))
}

fn is_segment(name: &str) -> bool {
    matches!(FileName::parse(name), Some(FileName::Segment(_)))
}

/// Files made so far.
#[derive(Debug)]
struct Made<'a> {
    storage: &'a dyn Storage,
    names: Vec<String>,
}

impl Made<'_> {
    fn create(&mut self, name: String) -> Result<Arc<dyn StorageFile>> {
        let file = self.storage.open(&name, OpenMode::Create);
        let place = || format!("{}/{name}", self.storage.place());
        let file = file.map_err(|e| Error::io("create", place(), e))?;
        self.names.push(name);
        Ok(file)
    }

    /// As far as the disk lets us; what is left has names that mean nothing.
    fn take_back(&self) {
        for name in &self.names {
            let _left_behind = self.storage.remove(name);
        }
    }
}

struct Work<'a> {
    environment: &'a Environment,
    view: &'a LogView,
    progress: &'a mut dyn FnMut(Progress),
    done: u64,
    total: u64,
    piece: Vec<u8>,
    log: LogId,
}

impl Work<'_> {
    fn storage(&self) -> &dyn Storage {
        &*self.environment.storage
    }

    /// Bytes that will be written, or compared with originals.
    fn measure(&self, steps: &[RepairStep]) -> Result<u64> {
        let mut total = 0;
        for step in steps {
            total += step.file_len();
            if step.replaces() {
                total += 2 * self.original(step.segment())?.1;
            }
        }
        Ok(total)
    }

    fn original(&self, segment: SegmentId) -> Result<(Arc<dyn StorageFile>, u64)> {
        let name = FileName::Segment(segment).text();
        let file = self.storage().open(&name, OpenMode::Read);
        file.and_then(|file| file.len().map(|len| (file, len)))
            .map_err(|e| Error::io("open", name, e))
    }

    fn keep_originals(
        &mut self,
        steps: &[RepairStep],
        label: &str,
        kept: &mut Made<'_>,
    ) -> Result<Vec<String>> {
        let quarantine = kept.storage;
        let entries = quarantine.list().map_err(|e| Error::io("list", quarantine.place(), e))?;
        let names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
        for name in names.iter().filter(|name| is_partial(name)) {
            let place = || format!("{}/{name}", quarantine.place());
            quarantine.remove(name).map_err(|e| Error::io("remove", place(), e))?;
        }
        // No copy is ever written over another one.
        let free = |label: &String| !names.iter().any(|name| name.ends_with(&format!(".{label}")));
        let labels = (2_u64..).map(|nth| format!("{label}-{nth}"));
        let label = std::iter::once(label.to_owned()).chain(labels).find(free);
        let label = label.unwrap_or_default();
        let mut quarantined = Vec::new();
        for step in steps.iter().filter(|step| step.replaces()) {
            let (file, len) = self.original(step.segment())?;
            let name = FileName::Segment(step.segment()).text();
            let kept_name = format!("{name}.{label}");
            let partial = format!("{kept_name}.{PARTIAL}");
            let place = format!("{}/{kept_name}", quarantine.place());
            let copy = kept.create(partial.clone())?;
            self.copy(&*file, &name, &*copy, &place, len)?;
            if !planted!("repair-before-quarantine-is-durable") {
                copy.sync_all().map_err(|e| Error::io("sync", &*place, e))?;
            }
            self.compare(&*file, &name, &*copy, &place, len)?;
            let renamed = quarantine.rename(&partial, &kept_name);
            renamed.map_err(|e| Error::io("rename", place, e))?;
            kept.names.retain(|name| *name != partial);
            kept.names.push(kept_name.clone());
            quarantined.push(kept_name);
        }
        if !quarantined.is_empty() && !planted!("repair-before-quarantine-is-durable") {
            quarantine.sync_dir().map_err(|e| Error::io("sync", quarantine.place(), e))?;
        }
        Ok(quarantined)
    }

    fn copy(
        &mut self,
        from: &dyn StorageFile,
        name: &str,
        to: &dyn StorageFile,
        new_name: &str,
        len: u64,
    ) -> Result<()> {
        self.piece.resize(PIECE, 0);
        let mut at = 0;
        while at < len {
            let wanted = piece_len(len - at);
            let piece = self.piece.get_mut(..wanted).unwrap_or_default();
            read_whole(from, name, at, piece)?;
            write_full(to, at, &[piece]).map_err(|e| Error::io("write", new_name, e.into()))?;
            if planted!("repair-copies-one-piece-alone") {
                break;
            }
            at += wanted as u64;
            self.did(wanted as u64);
        }
        Ok(())
    }

    /// A sector that came from elsewhere once, on its way into the copy, would be the end of the only good
    /// one: both are read again, from the device where the system lets us.
    fn compare(
        &mut self,
        original: &dyn StorageFile,
        name: &str,
        copy: &dyn StorageFile,
        kept_name: &str,
        len: u64,
    ) -> Result<()> {
        for (file, name) in [(original, name), (copy, kept_name)] {
            if planted!("repair-read-back-from-the-cache") {
                break;
            }
            file.evict().map_err(|e| Error::io("evict", name, e))?;
        }
        let mut other = vec![0; piece_len(len)];
        let mut at = 0;
        while at < len {
            let wanted = piece_len(len - at);
            let piece = self.piece.get_mut(..wanted).unwrap_or_default();
            let other = other.get_mut(..wanted).unwrap_or_default();
            read_whole(original, name, at, piece)?;
            read_whole(copy, kept_name, at, other)?;
            if piece != other {
                let what = "the copy differs from the original, so nothing was changed; one of the disks \
                            returns other bytes than it was given: look at its reports, and repair again";
                return Err(Error::io("compare", kept_name, io::Error::other(what)));
            }
            at += wanted as u64;
            self.did(wanted as u64);
        }
        Ok(())
    }

    fn did(&mut self, len: u64) {
        self.done = self.total.min(self.done + len);
        let Self { done, total, .. } = *self;
        (self.progress)(Progress { done, total });
    }

    fn write_new(&mut self, steps: &[RepairStep], made: &mut Made<'_>) -> Result<()> {
        let entries = made.storage.list();
        let entries = entries.map_err(|e| Error::io("list", made.storage.place(), e))?;
        // Of a repair before this one, which was interrupted.
        for name in entries.iter().map(|entry| &*entry.name).filter(|name| is_new(name)) {
            made.storage.remove(name).map_err(|e| Error::io("remove", name, e))?;
        }
        for step in steps {
            let name = new_name(&FileName::Segment(step.segment()).text());
            let file = made.create(name.clone())?;
            match step {
                RepairStep::Rewrite(rewrite) => self.rewrite(rewrite, &*file, &name)?,
                RepairStep::StandIn(stand_in) => self.stand_in(stand_in, &*file, &name)?,
            }
            if !planted!("repair-rename-before-content") {
                file.sync_all().map_err(|e| Error::io("sync", name, e))?;
            }
        }
        Ok(())
    }

    /// Whether the new files will do.
    fn judge(&mut self, steps: &[RepairStep]) -> Result<()> {
        let segments: Vec<_> = steps.iter().map(RepairStep::segment).collect();
        prospect::hold(self.environment, self.view, &segments, |len| self.did(len))?;
        self.did(self.total - self.done);
        Ok(())
    }

    fn rewrite(&mut self, rewrite: &Rewrite, file: &dyn StorageFile, name: &str) -> Result<()> {
        let Rewrite { segment, gaps, header, file_len, zeros_from } = rewrite;
        let wrote = |e| Error::io("write", name, e);
        file.set_len(*file_len).map_err(wrote)?;
        let (original, len) = self.original(*segment)?;
        let old_name = FileName::Segment(*segment).text();
        let copied = len.min(*file_len);
        self.copy(&*original, &old_name, file, name, copied)?;
        let extension = self.marked(*segment, header.extension);
        let blocks = SegmentHeader { extension, ..*header }.blocks();
        write_full(file, 0, &[&blocks]).map_err(|e| wrote(e.into()))?;
        for gap in gaps {
            let bytes = encoded(gap, header, name)?;
            let at = offset(header, gap.from);
            write_full(file, at, &[&bytes]).map_err(|e| wrote(e.into()))?;
            let end = offset(header, gap.to).min(copied);
            self.write_zeros(at + bytes.len() as u64..end, file, name)?;
        }
        if let Some(from) = zeros_from {
            self.write_zeros(offset(header, *from)..copied, file, name)?;
        }
        Ok(())
    }

    fn stand_in(&mut self, stand_in: &StandIn, file: &dyn StorageFile, name: &str) -> Result<()> {
        let StandIn { segment, gap, base, prev, trim, file_len, .. } = stand_in;
        // Older segments come before newer ones.
        let known = self.view.segments();
        let neighbour = known.iter().rfind(|known| known.number() < *segment).or(known.first());
        let version = neighbour.map_or(VERSION, |known| known.header.version);
        let mut salt = [0; 8];
        let drawn = self.environment.entropy.fill(&mut salt);
        drawn.map_err(|e| Error::io("draw a salt for", name, e))?;
        let header = SegmentHeader {
            version,
            log: self.log,
            number: *segment,
            base: *base,
            salt: Salt::new(u64::from_le_bytes(salt)),
            file_len: *file_len,
            prev_end: prev.lsn,
            prev_check: prev.check,
            skipped: 0,
            unproven: 0,
            trim: *trim,
            extension: self.extension_of(*segment),
        };
        let wrote = |e| Error::io("write", name, e);
        // Room that nobody looks at is not written.
        file.set_len(*file_len).map_err(wrote)?;
        write_full(file, 0, &[&header.blocks()]).map_err(|e| wrote(e.into()))?;
        if let Some(gap) = gap {
            let bytes = encoded(gap, &header, name)?;
            let at = offset(&header, gap.from);
            write_full(file, at, &[&bytes]).map_err(|e| wrote(e.into()))?;
        }
        self.did(*file_len);
        Ok(())
    }

    /// The content and the lineage of its neighbour.
    fn extension_of(&self, stand_in: SegmentId) -> Extension {
        let known = self.view.segments();
        let before = known.iter().rfind(|known| known.number() < stand_in);
        let neighbour = before.or(known.first()).map(|known| known.header.extension);
        self.marked(stand_in, Extension { home: Home::UNKNOWN, ..neighbour.unwrap_or_default() })
    }

    /// How far a log went is not known where its last segment had to be made anew: what is lost may
    /// have been acknowledged at LSNs that the next run would give out. So that run raises the
    /// lineage.
    fn marked(&self, segment: SegmentId, extension: Extension) -> Extension {
        let is_last = self.view.segments().last().is_none_or(|last| last.number() <= segment);
        let marked = is_last && !planted!("repaired-end-unmarked");
        let home = if marked { Home::COPIED } else { extension.home };
        Extension { home, ..extension }
    }

    fn write_zeros(&mut self, range: Range<u64>, file: &dyn StorageFile, name: &str) -> Result<()> {
        self.piece.clear();
        self.piece.resize(PIECE, 0);
        let mut at = range.start;
        while at < range.end {
            let len = piece_len(range.end - at);
            let zeros = self.piece.get(..len).unwrap_or_default();
            write_full(file, at, &[zeros]).map_err(|e| Error::io("write", name, e.into()))?;
            at += len as u64;
        }
        Ok(())
    }
}

fn piece_len(left: u64) -> usize {
    usize::try_from(left).unwrap_or(PIECE).min(PIECE)
}

fn read_whole(file: &dyn StorageFile, name: &str, at: u64, into: &mut [u8]) -> Result<()> {
    let count = read_full(file, at, into).map_err(|e| Error::io("read", name, e))?;
    if count < into.len() {
        return Err(Error::io("read", name, io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    Ok(())
}

fn offset(header: &SegmentHeader, lsn: Lsn) -> u64 {
    layout::FRAMES_START + lsn.since(header.base).unwrap_or(0)
}

fn encoded(gap: &GapFrame, header: &SegmentHeader, name: &str) -> Result<[u8; 20]> {
    let seed = FrameSeed::new(header.log, header.salt);
    let why = "no gap is as long or as short as what is gone";
    gap.encode(seed).ok_or_else(|| Error::Unrepairable { name: name.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::{is_new, is_partial};

    #[test]
    fn only_what_a_repair_left_half_made_is_removed() {
        for name in
            ["00000000000000000002.seg.a-1.partial", "00000000000000000002.seg.partial.partial"]
        {
            assert!(is_partial(name), "{name}");
        }
        // A number is put behind a label that was used before.
        let numbered = format!("00000000000000000002.seg.{}-2.partial", "a".repeat(32));
        assert!(is_partial(&numbered), "{numbered}");
        for name in [
            "00000000000000000002.seg.partial",
            "00000000000000000002.seg.x-partial",
            "00000000000000000002.my-partial",
            "00000000000000000002.my.partial",
            "00000000000000000002.seg.a.b.partial",
            "00000000000000000000.seg.a.partial",
            "2.seg.a.partial",
            "00000000000000000002.spare.a.partial",
            "00000000000000000002.seg..partial",
            ".partial",
        ] {
            assert!(!is_partial(name), "{name}");
        }
        assert!(is_new("00000000000000000002.seg.repair"));
        for name in
            ["00000000000000000002.seg", "notes.repair", "00000000000000000002.seg.a.repair"]
        {
            assert!(!is_new(name), "{name}");
        }
    }
}
