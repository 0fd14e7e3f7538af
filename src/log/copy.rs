//! Copies a log into another directory while it may be written to: what is proven durable, and
//! no more.
//!
//! The copy is no log until it is whole. Its first segment's file is there from the beginning,
//! with words in it that are no header: whoever opens that finds a damaged log. The real one is
//! written under a passing name, and takes its place in the end:
//!
//! 1. the placeholder is made and synced, and the directory is;
//! 2. every segment is written, synced, and read back from the device, frame by frame;
//! 3. the directory is synced; the first segment takes its name; the directory is synced.
//!
//! The source is only read, without its lock. What a trim takes away meanwhile ends the copy.

use super::lock::locked;
use super::scan::{FrameScan, ScanError};
use super::survey::{Segment, SegmentEnd};
use super::tail::open_span;
use super::verify::Progress;
use super::view::LogView;
use crate::error::{Damage, Error, Result};
use crate::format::control;
use crate::format::extension::Extension;
use crate::format::frame::{FrameError, FrameKind};
use crate::format::header::SegmentHeader;
use crate::format::layout;
use crate::format::name::FileName;
use crate::format::trailer::{Trailer, TrailerKind};
use crate::position::{Home, Lsn};
use crate::storage::{OpenMode, Storage, StorageFile, read_full, write_full};
use std::io;
use std::sync::Arc;

/// Bytes that are read and written at once.
const PIECE: usize = 1 << 20;

/// Stands in the first segment's file until the copy is whole. Too short for any segment.
const PLACEHOLDER: &[u8] = b"This copy of a Seawall log was not finished. Remove the directory.\n";

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// Segments.
    pub segments: u64,
    /// Where the copy begins.
    pub first: Lsn,
    /// Where it ends: everything before was proven durable.
    pub end: Lsn,
    /// Bytes of frames.
    pub bytes: u64,
}

impl LogView {
    /// Copies what this view shows, up to [`proven`](Self::proven), or to the last whole record or
    /// batch before it, into `dest`, which must be empty. May run beside a writer. `progress` is called now and then.
    ///
    /// The copy is a log of its own directory: it opens, it verifies, and it shows the records
    /// before its end at the addresses that they have here. It has the id of this log. Its headers
    /// state that it is a copy: who appends to it raises the [lineage](crate::Log::lineage), so
    /// that log id, lineage and LSN name one record in the log and in each of its copies. It never
    /// ends in a clean close, also where this log was closed: who appends to it begins behind a
    /// jump of 2^33, so no LSN that this log gives out meanwhile is given out by the copy as well.
    /// (Of two copies both begin behind the same jump.)
    ///
    /// # Errors
    /// [`Error::NotEmpty`]; [`Error::Locked`] if somebody else works in `dest`; [`Error::Damaged`]
    /// for damage here, unless it is below the trim point: repair it, or copy the files as they
    /// are; [`Error::Trimmed`] where a trim overtook the copy: [`refresh`](Self::refresh) and begin
    /// anew, in an empty directory; [`Error::Full`], [`Error::Io`]. What was written to `dest`
    /// until then is no log that opens.
    pub fn copy_to(
        &self,
        dest: &dyn Storage,
        mut progress: impl FnMut(Progress),
    ) -> Result<Copied> {
        if let Some(damage) = self.damage() {
            return Err(damage.clone());
        }
        let _lock = locked(dest)?;
        let entries = dest.list().map_err(|e| Error::io("list", dest.place(), e))?;
        if !entries.is_empty() {
            return Err(Error::NotEmpty { dir: dest.place() });
        }
        dest.prefer_in_place();
        let end = if planted!("copy-beyond-proven") { self.end() } else { self.proven() };
        let mut parts = parts(self, end);
        let mut first = Lsn::FIRST;
        if let Some((last, before)) = parts.split_last_mut() {
            let mut trim = self.trim_point();
            // Whoever opens the copy walks over all of the last segment, also below the trim point.
            last.trim = Lsn::FIRST;
            if last.check.is_none() {
                (last.end, trim) = whole_before(self, last)?;
            }
            before.iter_mut().for_each(|part| part.trim = trim);
            first = trim.min(last.end);
        }
        let total = parts.iter().map(Part::len).sum();
        let mut copying = Copying { view: self, dest, progress: &mut progress, done: 0, total };
        copying.run(&parts)?;
        let first = first.max(parts.first().map_or(Lsn::FIRST, |part| part.header.base));
        let segments = parts.len() as u64;
        // Where nothing is proven of the last segment it ends where that one begins.
        let end = parts.last().map_or(end, |part| part.end);
        Ok(Copied { segments, first, end, bytes: total })
    }
}

/// What is copied of one segment.
#[derive(Debug)]
struct Part {
    header: SegmentHeader,
    end: Lsn,
    /// Check of the last frame, where it is known.
    check: Option<u32>,
    file_len: u64,
    /// No reader of the copy begins before, and no open looks there.
    trim: Lsn,
}

impl Part {
    fn len(&self) -> u64 {
        self.end.since(self.header.base).unwrap_or(0)
    }
}

/// What is copied of each segment: all of those before the last of which anything is proven, since nothing
/// is proven of it otherwise. What is behind that is not copied.
fn parts(view: &LogView, end: Lsn) -> Vec<Part> {
    let count = view.segments().partition_point(|segment| segment.header.prev_end <= end);
    let last = count.saturating_sub(1);
    let part = |(nth, segment): (usize, &Segment)| {
        // The trim point may be stated in frames that are not copied. And the writer that
        // goes on with the copy is to know that it is one, also where the system tells no file from
        // another.
        let marked = !planted!("copy-keeps-the-home-of-its-log");
        let home = if marked { Home::COPIED } else { segment.header.extension.home };
        let header = SegmentHeader {
            trim: view.trim_point().min(segment.header.prev_end),
            // All of it is synced before the copy is a log.
            unproven: 0,
            extension: Extension { home, ..segment.header.extension },
            ..segment.header
        };
        let clean = nth == last && view.is_clean() && segment.closed.is_none();
        let whole = segment.closed.filter(|closed| nth < last || closed.lsn <= end);
        let known = whole.or_else(|| clean.then(|| view.last_end()));
        let (end, check) = match known {
            Some(SegmentEnd { lsn, check }) => (lsn, Some(check)),
            None => (end.max(segment.base()), None),
        };
        let used =
            layout::block_aligned(layout::FRAMES_START + end.since(header.base).unwrap_or(0));
        let file_len = if nth == last { header.file_len } else { used };
        Part { header, end, check, file_len, trim: Lsn::FIRST }
    };
    view.segments().iter().take(count).enumerate().map(part).collect()
}

/// Where the last frame ends, up to the end of the part, that is no beginning of a batch: what is proven
/// may end in the middle of one. And the trim point that is stated up to there. What does not verify
/// before is left to be found in the copy.
fn whole_before(view: &LogView, part: &Part) -> Result<(Lsn, Lsn)> {
    let mut trim = part.header.trim;
    let name = FileName::Segment(part.header.number).text();
    let file = match view.storage().open(&name, OpenMode::Read) {
        Ok(file) => file,
        // The copy itself finds out whether it was trimmed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((part.end, trim)),
        Err(error) => return Err(Error::io("open", name, error)),
    };
    let mut span = open_span(&part.header);
    span.limit = part.end;
    let mut scan = FrameScan::new(file, span, part.header.base, Some(part.header.prev_check));
    let mut whole = part.header.base;
    // A file that is too short is no proof that is.
    let reaches_over = |scan: &FrameScan, needed: u64| {
        scan.position().checked_add(needed).is_none_or(|end| end > part.end)
    };
    loop {
        match scan.next() {
            Ok(Some((_, header))) if header.continues => {}
            Ok(Some((lsn, header))) => {
                if header.kind == FrameKind::Trim {
                    trim = trim.max(control::decode_trim(scan.body()).unwrap_or(trim).min(lsn));
                }
                whole = scan.position();
            }
            Ok(None) => return Ok((whole, trim)),
            Err(ScanError::Frame(FrameError::Short { needed, .. }))
                if reaches_over(&scan, needed) =>
            {
                return Ok((whole, trim));
            }
            Err(ScanError::Frame(_)) => return Ok((part.end, trim)),
            Err(ScanError::Io(error)) => return Err(Error::io("read", name, error)),
        }
    }
}

struct Copying<'a> {
    view: &'a LogView,
    dest: &'a dyn Storage,
    progress: &'a mut dyn FnMut(Progress),
    done: u64,
    total: u64,
}

impl Copying<'_> {
    fn run(&mut self, parts: &[Part]) -> Result<()> {
        let Some(first) = parts.first() else { return Ok(()) };
        let name = FileName::Segment(first.header.number).text();
        let passing = format!("{name}.copy");
        if !planted!("copy-begins-with-its-first-segment") {
            self.hold_place(&name)?;
        }
        for (nth, part) in parts.iter().enumerate() {
            let own = FileName::Segment(part.header.number).text();
            let is_first = nth == 0 && !planted!("copy-begins-with-its-first-segment");
            self.copy(part, if is_first { &passing } else { &own })?;
        }
        self.sync_dir()?;
        if !planted!("copy-begins-with-its-first-segment") {
            let renamed = self.dest.rename(&passing, &name);
            renamed.map_err(|e| Error::io("rename", self.named(&passing), e))?;
            self.sync_dir()?;
        }
        Ok(())
    }

    fn sync_dir(&self) -> Result<()> {
        self.dest.sync_dir().map_err(|e| Error::io("sync", self.dest.place(), e))
    }

    fn hold_place(&self, name: &str) -> Result<()> {
        let file = self.create(name)?;
        let wrote = write_full(&*file, 0, &[PLACEHOLDER]);
        wrote.map_err(|e| Error::io("write", self.named(name), e.into()))?;
        file.sync_all().map_err(|e| Error::io("sync", self.named(name), e))?;
        self.sync_dir()
    }

    /// A file of the copy, as errors tell it from that of the log.
    fn named(&self, name: &str) -> String {
        format!("{}/{name}", self.dest.place())
    }

    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>> {
        let file = self.dest.open(name, OpenMode::Create);
        file.map_err(|e| Error::io("create", self.named(name), e))
    }

    fn copy(&mut self, part: &Part, name: &str) -> Result<()> {
        let named = self.named(name);
        let wrote = |e| Error::io("write", &*named, e);
        let source_name = FileName::Segment(part.header.number).text();
        let source = match self.view.storage().open(&source_name, OpenMode::Read) {
            Ok(source) => source,
            Err(error) => {
                self.trimmed_meanwhile(part)?;
                return Err(Error::io("open", source_name, error));
            }
        };
        let file = self.create(name)?;
        file.allocate(0, part.file_len).map_err(wrote)?;
        write_full(&*file, 0, &[&part.header.blocks()]).map_err(|e| wrote(e.into()))?;
        let (mut at, mut left) = (layout::FRAMES_START, part.len());
        let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
        while left > 0 {
            let len = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let into = piece.get_mut(..len).unwrap_or_default();
            let count = read_full(&*source, at, into);
            let count = count.map_err(|e| Error::io("read", &*source_name, e))?;
            // What is missing is found when the copy is read back.
            let into = into.get(..count).unwrap_or_default();
            write_full(&*file, at, &[into]).map_err(|e| wrote(e.into()))?;
            if !planted!("copy-writes-one-piece-over-the-other") {
                at += len as u64;
            }
            left -= len as u64;
            self.done += len as u64;
            (self.progress)(Progress { done: self.done, total: self.total });
        }
        if let Some(last_check) = part.check.filter(|_| planted!("copy-ends-cleanly")) {
            let (kind, salt, end) = (TrailerKind::Close, part.header.salt, part.end);
            let record = Trailer { kind, salt, end, last_check }.encode();
            let at = layout::trailer_offset(part.file_len);
            write_full(&*file, at, &[&record]).map_err(|e| wrote(e.into()))?;
        }
        file.sync_all().map_err(|e| Error::io("sync", &*named, e))?;
        if !planted!("copy-read-back-from-the-cache") {
            file.evict().map_err(|e| Error::io("evict", &*named, e))?;
        }
        let Some((from, cause)) = wrong(part, file, &named)? else { return Ok(()) };
        self.trimmed_meanwhile(part)?;
        if wrong(part, source, &source_name)?.is_none() {
            let what = "the copy differs from the log, which verifies; one of the disks returns other \
                        bytes than it was given: look at its reports, and copy again, elsewhere";
            return Err(Error::io("compare", named, io::Error::other(what)));
        }
        let (segment, to) = (part.header.number, part.end);
        let offset = open_span(&part.header).offset(from);
        Err(Error::Damaged { segment, offset, from, to, cause })
    }

    /// Whether what does not verify, or is gone, was trimmed since the view was opened: then its
    /// file may be of another use by now.
    fn trimmed_meanwhile(&self, part: &Part) -> Result<()> {
        let now = self.view.again()?;
        let same = |segment: &&Segment| segment.header.salt == part.header.salt;
        if now.segments().iter().any(|segment| same(&segment)) {
            return Ok(());
        }
        Err(Error::Trimmed { lsn: part.header.base, trim: now.first() })
    }
}

/// The first place, from the trim point up to the end of the part, where this file is not the frames that
/// were to be copied.
fn wrong(part: &Part, file: Arc<dyn StorageFile>, name: &str) -> Result<Option<(Lsn, Damage)>> {
    let mut span = open_span(&part.header);
    span.limit = part.end;
    let (base, prev) = (part.header.base, part.header.prev_check);
    let mut scan = FrameScan::new(file, span, base, Some(prev));
    let cause = loop {
        match scan.next() {
            Ok(Some(_)) => {}
            // Where nothing stands nothing is another than it was.
            Ok(None) if part.len() == 0 || part.end <= part.trim => return Ok(None),
            Ok(None) if part.check.is_none_or(|end| scan.last_check() == Some(end)) => {
                return Ok(None);
            }
            Ok(None) => break Damage::End,
            Err(ScanError::Io(error)) => return Err(Error::io("read", name, error)),
            // Damage below the trim point is nobody's, and no repair takes it away.
            Err(ScanError::Frame(_)) if scan.position() < part.trim.min(part.end) => {
                scan.seek(part.trim.min(part.end));
            }
            Err(ScanError::Frame(error)) => break Damage::Frame(error),
        }
    };
    Ok(Some((scan.position(), cause)))
}
