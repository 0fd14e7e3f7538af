//! A bounded set of files held open for reading.

use crate::error::{Error, Result};
use crate::format::name::FileName;
use crate::position::SegmentId;
use crate::storage::latch::Mutex;
use crate::storage::{OpenMode, Storage, StorageFile};
use std::collections::VecDeque;
use std::sync::Arc;

/// Most recently used last.
#[derive(Debug)]
pub(crate) struct Files {
    storage: Arc<dyn Storage>,
    max: usize,
    open: Mutex<VecDeque<(SegmentId, Arc<dyn StorageFile>)>>,
}

impl Files {
    pub(crate) fn new(storage: Arc<dyn Storage>, max: usize) -> Self {
        Self { storage, max, open: Mutex::new(VecDeque::new()) }
    }

    /// The file of this segment.
    ///
    /// # Errors
    /// What opening says.
    pub(crate) fn get(&self, segment: SegmentId) -> Result<Arc<dyn StorageFile>> {
        let mut open = self.open.lock();
        let place = open.iter().rposition(|&(number, _)| number == segment);
        if let Some((number, file)) = place.and_then(|place| open.remove(place)) {
            open.push_back((number, Arc::clone(&file)));
            return Ok(file);
        }
        let name = FileName::Segment(segment).text();
        let file =
            self.storage.open(&name, OpenMode::Read).map_err(|e| Error::io("open", name, e))?;
        while open.len() >= self.max {
            open.pop_front();
        }
        open.push_back((segment, Arc::clone(&file)));
        Ok(file)
    }

    /// Closes files of segments before this one.
    pub(crate) fn forget_before(&self, first: SegmentId) {
        self.open.lock().retain(|&(number, _)| number >= first);
    }
}
