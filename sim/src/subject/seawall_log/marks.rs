//! Holds every mark that the log writes, and every header, to what the disk knows to be synced at that moment.
//!
//! A mark that claims too much does no harm until a crash takes what it claims and leaves the mark,
//! which a drawn crash seldom does. Here it is seen when it is written: the frames are decoded as
//! they reach the page cache, and nothing before the mark may be pending then.
//!
//! Where commits own their blocks, what is synced ends with a block.
//!
//! A file that was a segment is written over only once no crash brings its old name back, but for the
//! reserve, which is made of one in place.
//!
//! The chain is held in the same way: each frame names the check of the frame before it, the first
//! of a segment what its header names, and a header the last frame of the segment before.

use super::records_left;
use crate::disk::{EvictionBehaviour, SimDisk};
use crate::file::{File, FileId};
use crate::image::{index, wide};
use crate::state::State;
use crate::subject::{Class, World};
use parking_lot::Mutex;
use seawall::format::checksum::FrameSeed;
use seawall::format::frame::{FrameHeader, FrameKind, HEADER_LEN, MARKED_HEADER_LEN};
use seawall::format::header::{self, SegmentHeader};
use seawall::format::layout::{BLOCK, FRAMES_START, trailer_offset};
use seawall::format::name::FileName;
use seawall::storage::{
    DirLock, DirState, Entry, Environment, Eviction, FileState, OpenMode, Storage, StorageFile,
};
use seawall::{Lsn, Salt};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::sync::Arc;

/// What is known of the files that one process writes.
#[derive(Debug, Default)]
pub(super) struct Book {
    places: BTreeMap<FileId, Place>,
    /// The first mark that claimed too much.
    broken: Option<String>,
    /// The page cache shows what the device has, but for what is pending.
    honest: bool,
    /// No two commits share a block.
    own_blocks: bool,
    /// A sync of the directory makes its names durable.
    names: bool,
}

/// How far a file was looked at.
#[derive(Debug)]
struct Place {
    salt: Salt,
    /// Where the next frame begins.
    next: u64,
    /// Where the last write ended: the rest of a short write goes on there.
    end: u64,
    /// Frames before are known to be on the device.
    compared: u64,
    /// The check of the frame that ends at `next`, where it is known.
    check: Option<u32>,
    /// The last write went wrong, and may have landed in part.
    in_part: bool,
    /// The last frame was a close mark, which is not padded.
    closes: bool,
}

/// What is known of the files of this process.
pub(super) type Shared = Arc<Mutex<Book>>;

/// The environment of a process whose writes are looked at.
pub(super) fn watched(world: &World, book: &Shared, own_blocks: bool) -> Environment {
    let honest = world.class != Class::Media
        && world.disk.lock_inner().state.options.eviction == EvictionBehaviour::Seen;
    let names = world.class != Class::Media;
    *book.lock() = Book { honest, own_blocks, names, ..Book::default() };
    let environment = world.environment();
    let (inner, disk) = (Arc::clone(&environment.storage), world.disk.clone());
    Environment {
        storage: Arc::new(Watched { inner, disk, book: Arc::clone(book) }),
        ..environment
    }
}

/// The mark that claimed too much, if there was one; it is told once.
pub(super) fn broken(book: &Shared) -> Option<String> {
    book.lock().broken.take()
}

#[derive(Debug)]
struct Watched {
    inner: Arc<dyn Storage>,
    disk: SimDisk,
    book: Shared,
}

impl Storage for Watched {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let inner = self.inner.open(name, mode)?;
        if mode == OpenMode::Read {
            return Ok(inner);
        }
        let Some(id) = self.disk.lock_inner().state.named(name) else { return Ok(inner) };
        let (disk, book) = (self.disk.clone(), Arc::clone(&self.book));
        Ok(Arc::new(WatchedFile { inner, disk, book, id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename_new(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.inner.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.inner.sync_dir()
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.inner.lock()
    }

    fn state(&self) -> io::Result<Option<DirState>> {
        self.inner.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.inner.identity()
    }

    fn copies_on_write(&self) -> bool {
        self.inner.copies_on_write()
    }

    fn free(&self) -> Option<u64> {
        self.inner.free()
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}

#[derive(Debug)]
struct WatchedFile {
    inner: Arc<dyn StorageFile>,
    disk: SimDisk,
    book: Shared,
    id: FileId,
}

impl StorageFile for WatchedFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.inner.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let outcome = self.inner.write_at(offset, bytes);
        // A write that failed may have landed: what is there of it decodes. It may have landed in
        // part, before what an earlier one left: then the frames there are no chain.
        let whole = outcome.is_ok();
        let asked = bytes.iter().map(|slice| slice.len()).sum();
        let end = offset.saturating_add(wide(*outcome.as_ref().unwrap_or(&asked)));
        let inner = self.disk.lock_inner();
        self.book.lock().look_at_names(&inner.state, self.id);
        if offset >= FRAMES_START && end > offset {
            self.book.lock().look(&inner.state, self.id, offset..end, whole);
        } else if end > offset {
            self.book.lock().look_at_header(&inner.state, self.id);
        }
        outcome
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()?;
        let inner = self.disk.lock_inner();
        self.book.lock().look_at_end(&inner.state, self.id);
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.inner.sync_all()
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.inner.allocate(offset, len)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.inner.punch(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn state(&self) -> io::Result<FileState> {
        self.inner.state()
    }

    fn identity(&self) -> io::Result<Option<seawall::storage::Identity>> {
        self.inner.identity()
    }

    fn evict(&self) -> io::Result<Eviction> {
        self.inner.evict()
    }
}

impl Book {
    /// Decodes the frames of a write.
    fn look(&mut self, state: &State, id: FileId, written: Range<u64>, whole: bool) {
        let Range { start: offset, end } = written;
        let Some(file) = state.files.get(&id) else { return };
        let Some(header) = header_of(file) else { return };
        if offset >= trailer_offset(header.file_len) {
            return;
        }
        if offset == FRAMES_START
            && let Some(what) = records_left::left_before(state, &header)
        {
            self.broken.get_or_insert(what);
        }
        // A file that is used again is another segment.
        let same = |place: &Place| place.salt == header.salt;
        let compared = FRAMES_START;
        let (check, in_part, closes) = (None, false, false);
        let fresh =
            Place { salt: header.salt, next: offset, end: 0, compared, check, in_part, closes };
        let mut place = self.places.remove(&id).filter(same).unwrap_or(fresh);
        if offset != place.end {
            // A run of frames begins; one that failed begins again.
            place.next = offset;
            place.check = check_before(file, &header, offset);
        }
        place.end = end;
        place.in_part = !whole;
        let seed = FrameSeed::new(header.log, header.salt);
        while place.next < end {
            let mut bytes = [0; MARKED_HEADER_LEN];
            file.cache.read(place.next, &mut bytes);
            let have = index(end.saturating_sub(place.next)).min(bytes.len());
            let bytes = bytes.get(..have.max(HEADER_LEN)).unwrap_or(&bytes);
            let at = place.next.saturating_sub(FRAMES_START);
            let Some(lsn) = header.base.checked_add(at) else { break };
            let Ok(frame) = FrameHeader::decode(bytes, seed, lsn) else { break };
            if let Some(check) = place.check.filter(|&check| whole && check != frame.prev) {
                let prev = frame.prev;
                let what = format!("the frame at {lsn} follows {prev:#x}, not {check:#x}");
                self.broken.get_or_insert(what);
            }
            place.check = Some(frame.check);
            place.closes = frame.kind == FrameKind::CloseMark;
            if let Some(mark) = frame.mark
                && let Some(what) = self.overdone(state, id, &mut place, &header, mark)
            {
                let what = format!("a mark at {lsn} claims all before {mark}: {what}");
                self.broken.get_or_insert(what);
            }
            place.next = place.next.saturating_add(frame.frame_len());
        }
        self.places.insert(id, place);
    }

    /// What is written over has no other segment's name on the device.
    fn look_at_names(&mut self, state: &State, id: FileId) {
        let names = &state.directory;
        let is_now = |name: &str| names.current.get(name) == Some(&id);
        if !self.names || is_now(&FileName::RESERVE.text()) {
            return;
        }
        let mut was = names.durable.iter().filter(|(name, file)| **file == id && !is_now(name));
        if let Some((name, _)) = was.find(|(name, _)| name.ends_with(".seg")) {
            let what = format!("{name} is written over, and a crash may bring its name back");
            self.broken.get_or_insert(what);
        }
    }

    /// What was written before this sync ends with a block, where commits own theirs. In the last block
    /// of a file stand control frames of several commits.
    fn look_at_end(&mut self, state: &State, id: FileId) {
        let Some(place) = self.places.get(&id).filter(|_| self.own_blocks) else { return };
        let Some(header) = state.files.get(&id).and_then(header_of) else { return };
        // Where calls were interrupted in the midst of a frame, the frames were not followed to the end.
        let followed = place.next == place.end && !place.in_part;
        let ours = place.salt == header.salt && followed && !place.closes;
        let end = place.end;
        if ours && end < header.file_len.saturating_sub(BLOCK) && !end.is_multiple_of(BLOCK) {
            let what = format!("a commit ends at byte {end}, and the next one in the same block");
            self.broken.get_or_insert(what);
        }
    }

    /// A header says where the log ended before, which is a mark, too.
    fn look_at_header(&mut self, state: &State, id: FileId) {
        let Some(header) = state.files.get(&id).and_then(header_of) else { return };
        let (number, end) = (header.number.get(), header.prev_end);
        let before = segments(state)
            .filter_map(|(_, id)| state.files.get(id))
            .filter_map(|file| Some((file, header_of(file)?)))
            .find(|(_, its)| its.log == header.log && its.number.get() == header.prev_number());
        if let Some((file, its)) = before
            && let Some(len) = end.since(its.base)
            && let Some(check) = check_before(file, &its, FRAMES_START.saturating_add(len))
            && check != header.prev_check
        {
            let names = header.prev_check;
            let what = format!("the header of segment {number} names {names:#x}, not {check:#x}");
            self.broken.get_or_insert(what);
        }
        let durable = header.durable();
        if let Some(what) = owed(state, &header, durable) {
            let what =
                format!("the header of segment {number} claims all before {durable}: {what}");
            self.broken.get_or_insert(what);
        }
    }

    /// What a mark claims and is not so.
    fn overdone(
        &self,
        state: &State,
        id: FileId,
        place: &mut Place,
        header: &SegmentHeader,
        mark: Lsn,
    ) -> Option<String> {
        if let Some(what) = owed(state, header, mark) {
            return Some(what);
        }
        let (file, until) = (state.files.get(&id)?, frames_before(header, mark)?);
        let from = place.compared;
        place.compared = from.max(until);
        if !self.honest || from >= until {
            return None;
        }
        let len = index(until.saturating_sub(from));
        let (mut shown, mut kept) = (vec![0; len], vec![0; len]);
        file.cache.read(from, &mut shown);
        file.durable.image().read(from, &mut kept);
        (shown != kept).then(|| format!("the device has other bytes from {from} to {until}"))
    }
}

/// What is pending of the frames before an LSN.
fn owed(state: &State, header: &SegmentHeader, mark: Lsn) -> Option<String> {
    for (name, other) in segments(state) {
        let Some(file) = state.files.get(other) else { continue };
        // Most have nothing pending, and need no decoding.
        if file.pending.is_empty() {
            continue;
        }
        let Some(its) = header_of(file).filter(|its| its.log == header.log) else { continue };
        // Behind the frames of a segment that is over only its trailer is written. One that was dropped may
        // still be there, with a number below that of the segment behind the cut.
        let next = segments(state)
            .filter_map(|(_, id)| header_of(state.files.get(id)?))
            .filter(|next| next.log == its.log && next.prev_number() == its.number.get())
            .max_by_key(|next| next.number);
        let end = next.map_or(mark, |next| next.prev_end.min(mark));
        let Some(until) = frames_before(&its, end) else { continue };
        let pending = file.pending.iter().filter_map(|pending| pending.change.bytes());
        let owed = pending
            .map(|(offset, _)| offset)
            .find(|&offset| offset >= FRAMES_START && offset < until);
        if let Some(offset) = owed {
            return Some(format!("byte {offset} of {name} is not synced"));
        }
    }
    None
}

/// The files that have the names of segments.
pub(super) fn segments(state: &State) -> impl Iterator<Item = (&String, &FileId)> {
    state.directory.current.iter().filter(|(name, _)| name.ends_with(".seg"))
}

/// Where in a file the frames before an LSN end, if there are any.
fn frames_before(header: &SegmentHeader, lsn: Lsn) -> Option<u64> {
    let len = lsn.since(header.base).filter(|&len| len > 0)?;
    Some(FRAMES_START.saturating_add(len).min(trailer_offset(header.file_len)))
}

/// The check of the frame that ends at a place of a file, as its bytes state it; for the first place
/// what the header names. `None` where no run of frames leads there.
fn check_before(file: &File, header: &SegmentHeader, place: u64) -> Option<u32> {
    let seed = FrameSeed::new(header.log, header.salt);
    let (mut at, mut check) = (FRAMES_START, header.prev_check);
    while at < place {
        let mut bytes = [0; MARKED_HEADER_LEN];
        file.cache.read(at, &mut bytes);
        let lsn = header.base.checked_add(at.saturating_sub(FRAMES_START))?;
        let frame = FrameHeader::decode(&bytes, seed, lsn).ok()?;
        (at, check) = (at.saturating_add(frame.frame_len()), frame.check);
    }
    (at == place).then_some(check)
}

pub(super) fn header_of(file: &File) -> Option<SegmentHeader> {
    let mut bytes = [0; header::HEADER_LEN];
    file.cache.read(0, &mut bytes);
    SegmentHeader::decode(&bytes).ok()
}
