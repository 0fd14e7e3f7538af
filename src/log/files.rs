//! A bounded set of files held open for reading.
//!
//! Readers hold no file of their own: they ask here for each block, so the bound is one for all
//! of them. A process that has no descriptor left for anything else takes them all back
//! ([`give_up_all`]); what is read next is opened again.

use super::batches::Batches;
use super::guess::Guess;
use crate::error::{Error, Result};
use crate::format::name::FileName;
use crate::position::SegmentId;
use crate::storage::latch::{Mutex, ProcessMutex};
use crate::storage::{Eviction, OpenMode, Storage, StorageFile};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::{Arc, Weak};

/// The caches of this process.
static CACHES: ProcessMutex<Vec<Weak<Mutex<Open>>>> = ProcessMutex::new(Vec::new());

/// Closes the files that are held open for reading in this process, but for those that are being
/// read at this moment.
pub(super) fn give_up_all() {
    let caches: Vec<_> = CACHES.lock().iter().filter_map(Weak::upgrade).collect();
    for cache in caches {
        cache.lock().files.clear();
    }
}

/// In the order of their segments.
#[derive(Debug)]
pub(crate) struct Files {
    storage: Arc<dyn Storage>,
    max: usize,
    open: Arc<Mutex<Open>>,
    /// How much of a frame in them to read at once.
    pub(super) guess: Guess,
    /// The same of a frame of a batch.
    pub(super) batch_guess: Guess,
    /// Where the frames of some batches stand.
    pub(super) batches: Batches,
}

#[derive(Debug)]
struct Open {
    files: Vec<OpenFile>,
    /// Counts the times that a file was asked for.
    asked: u64,
    /// Segments before it are no part of the log any more.
    first: SegmentId,
    /// How many readers stand in a segment: its file stays, as far as there is room.
    pins: BTreeMap<SegmentId, u32>,
}

impl Open {
    /// Whether the file of this segment may still be of use.
    fn wanted(&self, segment: SegmentId) -> bool {
        segment >= self.first || self.pins.contains_key(&segment)
    }

    fn find(&mut self, segment: SegmentId) -> Option<Arc<dyn StorageFile>> {
        self.asked += 1;
        let place = self.files.binary_search_by_key(&segment, |open| open.segment).ok()?;
        let found = self.files.get_mut(place)?;
        found.last_asked = self.asked;
        Some(Arc::clone(&found.file))
    }

    /// Closes those that were not asked for the longest, until there are fewer than `max`.
    fn make_room(&mut self, max: usize) {
        while self.files.len() >= max
            && let Some(oldest) = self.files.iter().map(|open| open.last_asked).min()
        {
            self.files.retain(|open| open.last_asked != oldest);
        }
    }

    fn keep(&mut self, segment: SegmentId, file: &Arc<dyn StorageFile>) {
        let place = self.files.partition_point(|open| open.segment < segment);
        let (file, last_asked) = (Arc::clone(file), self.asked);
        self.files.insert(place, OpenFile { segment, file, last_asked });
    }
}

#[derive(Debug)]
struct OpenFile {
    segment: SegmentId,
    file: Arc<dyn StorageFile>,
    last_asked: u64,
}

impl Files {
    pub(crate) fn new(storage: Arc<dyn Storage>, max: usize) -> Self {
        let open =
            Open { files: Vec::new(), asked: 0, first: SegmentId::new(0), pins: BTreeMap::new() };
        let open = Arc::new(Mutex::new(open));
        let mut caches = CACHES.lock();
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(Arc::downgrade(&open));
        drop(caches);
        let (guess, batch_guess) = (Guess::of_records(), Guess::of_batches());
        Self { storage, max, open, guess, batch_guess, batches: Batches::new() }
    }

    /// The file of this segment.
    ///
    /// # Errors
    /// What opening says.
    pub(crate) fn get(&self, segment: SegmentId) -> Result<Arc<dyn StorageFile>> {
        let named = |e| Error::io("open", FileName::Segment(segment).text(), e);
        self.open(segment).map_err(named)
    }

    fn open(&self, segment: SegmentId) -> io::Result<Arc<dyn StorageFile>> {
        {
            let mut open = self.open.lock();
            if let Some(file) = open.find(segment) {
                return Ok(file);
            }
            // Before another is opened, and not after: there may be no descriptor left.
            open.make_room(self.max);
        }
        let file = self.storage.open(&FileName::Segment(segment).text(), OpenMode::Read)?;
        let mut open = self.open.lock();
        // Another reader may have been as quick.
        if let Some(other) = open.find(segment) {
            return Ok(other);
        }
        if open.wanted(segment) {
            open.make_room(self.max);
            open.keep(segment, &file);
        }
        Ok(file)
    }

    /// Closes files of segments before this one, unless a reader stands in them.
    pub(crate) fn forget_before(&self, first: SegmentId) {
        let mut open = self.open.lock();
        let Open { files, pins, .. } = &mut *open;
        files.retain(|open| open.segment >= first || pins.contains_key(&open.segment));
        open.first = first;
    }

    /// A file of this segment for a reader that stands in it. It holds no descriptor: that is
    /// the business of this set.
    pub(crate) fn pinned(self: &Arc<Self>, segment: SegmentId) -> Arc<dyn StorageFile> {
        *self.open.lock().pins.entry(segment).or_insert(0) += 1;
        Arc::new(Pinned { files: Arc::clone(self), segment })
    }

    fn unpin(&self, segment: SegmentId) {
        let mut open = self.open.lock();
        if let Some(pins) = open.pins.get_mut(&segment) {
            *pins -= 1;
            if *pins == 0 {
                open.pins.remove(&segment);
            }
        }
        if !open.wanted(segment) {
            open.files.retain(|open| open.segment != segment);
        }
    }
}

/// A segment's file as its reader sees it: whenever it reads, the file is opened if it is not.
#[derive(Debug)]
struct Pinned {
    files: Arc<Files>,
    segment: SegmentId,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.files.unpin(self.segment);
    }
}

fn for_reading_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl StorageFile for Pinned {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.files.open(self.segment)?.read_at(offset, into)
    }

    fn len(&self) -> io::Result<u64> {
        self.files.open(self.segment)?.len()
    }

    fn write_at(&self, _: u64, _: &[IoSlice<'_>]) -> io::Result<usize> {
        for_reading_only()
    }

    fn sync_data(&self) -> io::Result<()> {
        for_reading_only()
    }

    fn sync_all(&self) -> io::Result<()> {
        for_reading_only()
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        for_reading_only()
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        for_reading_only()
    }

    fn evict(&self) -> io::Result<Eviction> {
        for_reading_only()
    }
}
