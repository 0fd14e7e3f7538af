//! A bounded set of files held open for reading.

use super::guess::Guess;
use crate::error::{Error, Result};
use crate::format::name::FileName;
use crate::position::SegmentId;
use crate::storage::latch::Mutex;
use crate::storage::{OpenMode, Storage, StorageFile};
use std::sync::Arc;

/// In the order of their segments.
#[derive(Debug)]
pub(crate) struct Files {
    storage: Arc<dyn Storage>,
    max: usize,
    open: Mutex<Open>,
    /// How much of a frame in them to read at once.
    pub(super) guess: Guess,
}

#[derive(Debug)]
struct Open {
    files: Vec<OpenFile>,
    /// Counts the times that a file was asked for.
    asked: u64,
}

#[derive(Debug)]
struct OpenFile {
    segment: SegmentId,
    file: Arc<dyn StorageFile>,
    last_asked: u64,
}

impl Files {
    pub(crate) fn new(storage: Arc<dyn Storage>, max: usize) -> Self {
        Self {
            storage,
            max,
            open: Mutex::new(Open { files: Vec::new(), asked: 0 }),
            guess: Guess::new(),
        }
    }

    /// The file of this segment.
    ///
    /// # Errors
    /// What opening says.
    pub(crate) fn get(&self, segment: SegmentId) -> Result<Arc<dyn StorageFile>> {
        let mut open = self.open.lock();
        let Open { files, asked } = &mut *open;
        *asked += 1;
        if let Ok(place) = files.binary_search_by_key(&segment, |open| open.segment)
            && let Some(found) = files.get_mut(place)
        {
            found.last_asked = *asked;
            return Ok(Arc::clone(&found.file));
        }
        let name = FileName::Segment(segment).text();
        let file =
            self.storage.open(&name, OpenMode::Read).map_err(|e| Error::io("open", name, e))?;
        while files.len() >= self.max
            && let Some(oldest) = files.iter().map(|open| open.last_asked).min()
        {
            files.retain(|open| open.last_asked != oldest);
        }
        let place = files.partition_point(|open| open.segment < segment);
        let last_asked = *asked;
        files.insert(place, OpenFile { segment, file: Arc::clone(&file), last_asked });
        Ok(file)
    }

    /// Closes files of segments before this one.
    pub(crate) fn forget_before(&self, first: SegmentId) {
        self.open.lock().files.retain(|open| open.segment >= first);
    }
}
