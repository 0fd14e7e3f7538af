//! The whole state of a disk, and what each call does to it.
//!
//! Nothing here knows of steps, crashes or locks on the state: `calls` brings those.

use crate::crash::Scene;
use crate::directory::{Directory, NameChange, Names};
use crate::disk::{DiskOptions, EvictionBehaviour};
use crate::faults::{EINTR, Faults, count};
use crate::file::{File, FileId};
use crate::image::{Image, index, wide};
use crate::rng::{Concern, Rng};
use rustix::io::Errno;
use seawall::storage::{Eviction, OpenMode};
use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::sync::Arc;

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As it should, but for noise.
    Normal,
    /// The end comes inside of it.
    CutShort,
    /// It fails with this errno.
    Failing(i32),
}

impl Way {
    /// For calls that do nothing when they fail.
    pub(crate) fn refuse(self) -> io::Result<()> {
        match self {
            Self::Normal => Ok(()),
            Self::CutShort => Err(Errno::IO.into()),
            Self::Failing(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// One open descriptor.
#[derive(Clone, Debug)]
pub(crate) struct Descriptor {
    pub(crate) file: FileId,
    pub(crate) writable: bool,
    /// A write-back error that it was not told yet.
    untold: Option<i32>,
}

/// Everything but the steps.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) options: DiskOptions,
    pub(crate) files: BTreeMap<FileId, File>,
    pub(crate) directory: Directory,
    pub(crate) descriptors: BTreeMap<u64, Descriptor>,
    pub(crate) lock: Option<u64>,
    pub(crate) faults: Faults,
    /// What the last file that went away held: new files may get its blocks.
    recycled: Image,
    next_file: FileId,
    next_descriptor: u64,
    next_lock: u64,
    next_order: u64,
    errors: Rng,
    calls: Rng,
}

impl State {
    pub(crate) fn new(options: DiskOptions) -> Self {
        Self {
            options,
            files: BTreeMap::new(),
            directory: Directory::default(),
            descriptors: BTreeMap::new(),
            lock: None,
            faults: Faults::default(),
            recycled: Image::default(),
            next_file: 1,
            next_descriptor: 1,
            next_lock: 1,
            next_order: 1,
            errors: options.seed.rng(Concern::Errors),
            calls: options.seed.rng(Concern::Calls),
        }
    }

    /// What a crash is resolved on.
    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene {
            files: &self.files,
            directory: &self.directory,
            sector_len: self.options.sector_len(),
            header_len: self.options.header_len,
        }
    }

    /// The state of a machine that starts with these files.
    pub(crate) fn restarted(&self, names: Names, images: BTreeMap<FileId, Image>) -> Self {
        let files = images.into_iter().map(|(id, image)| {
            let former = self.files.get(&id).map_or_else(Image::default, |f| f.former.clone());
            (id, File::at_rest(image, former))
        });
        Self {
            files: files.collect(),
            directory: Directory::at_rest(names),
            descriptors: BTreeMap::new(),
            lock: None,
            faults: self.faults.after_crash(),
            recycled: self.recycled.clone(),
            errors: self.errors.clone(),
            calls: self.calls.clone(),
            ..*self
        }
    }

    /// The state that the next process finds.
    pub(crate) fn without_process(&self) -> Self {
        let mut next = self.clone();
        next.descriptors.clear();
        next.lock = None;
        next.faults = self.faults.after_crash();
        next.sweep();
        next
    }

    fn id_of(&self, name: &str) -> io::Result<FileId> {
        self.directory.current.get(name).copied().ok_or_else(|| Errno::NOENT.into())
    }

    fn file(&mut self, id: FileId) -> io::Result<&mut File> {
        self.files.get_mut(&id).ok_or_else(|| Errno::IO.into())
    }

    fn descriptor(&mut self, descriptor: u64) -> io::Result<&mut Descriptor> {
        self.descriptors.get_mut(&descriptor).ok_or_else(|| Errno::BADF.into())
    }

    fn written_through(&mut self, descriptor: u64) -> io::Result<FileId> {
        let descriptor = self.descriptor(descriptor)?;
        if descriptor.writable { Ok(descriptor.file) } else { Err(Errno::BADF.into()) }
    }

    /// Forgets the files nobody can reach any more.
    fn sweep(&mut self) {
        let mut reachable = self.directory.reachable();
        reachable.extend(self.descriptors.values().map(|descriptor| descriptor.file));
        self.files.retain(|id, _| reachable.contains(id));
    }

    /// How many more bytes the files that have names may get.
    fn room(&self) -> u64 {
        let Some(capacity) = self.faults.capacity else {
            return u64::MAX;
        };
        let files = self.directory.current.values().filter_map(|id| self.files.get(id));
        let used = files.fold(0, |sum: u64, file| sum.saturating_add(file.cache.len()));
        capacity.saturating_sub(used)
    }

    fn no_space<T>(&mut self) -> io::Result<T> {
        count(&mut self.faults.counters.no_space);
        Err(Errno::NOSPC.into())
    }
}

/// Calls on the directory.
impl State {
    pub(crate) fn open(&mut self, name: &str, mode: OpenMode) -> io::Result<u64> {
        let file = match (self.id_of(name), mode) {
            (Ok(_), OpenMode::Create) => return Err(Errno::EXIST.into()),
            (Err(_), OpenMode::Create) => {
                let file = File { former: self.recycled.clone(), ..File::default() };
                let id = self.next_file;
                self.next_file = id.saturating_add(1);
                self.files.insert(id, file);
                let change = NameChange::Create { name: name.to_owned(), file: id };
                self.directory.change(change, &mut self.next_order);
                id
            }
            (found, OpenMode::Read | OpenMode::Write) => found?,
        };
        let descriptor = self.next_descriptor;
        self.next_descriptor = descriptor.saturating_add(1);
        let writable = mode != OpenMode::Read;
        self.descriptors.insert(descriptor, Descriptor { file, writable, untold: None });
        Ok(descriptor)
    }

    pub(crate) fn close(&mut self, descriptor: u64) {
        let Some(closed) = self.descriptors.remove(&descriptor) else {
            return;
        };
        let names = self.directory.current.values();
        if !names.copied().any(|id| id == closed.file) {
            self.sweep();
        }
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.id_of(from)?;
        check_length(to)?;
        if from != to {
            self.recycle(to);
            let change = NameChange::Rename { to: to.to_owned(), file };
            self.directory.change(change, &mut self.next_order);
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) -> io::Result<()> {
        let file = self.id_of(name)?;
        self.recycle(name);
        let change = NameChange::Remove { name: name.to_owned(), file };
        self.directory.change(change, &mut self.next_order);
        Ok(())
    }

    fn recycle(&mut self, name: &str) {
        if let Some(file) = self.directory.current.get(name).and_then(|id| self.files.get(id)) {
            self.recycled = file.cache.clone();
        }
    }

    /// In an order that means nothing, since callers are told to expect none.
    pub(crate) fn list(&mut self) -> Vec<String> {
        let mut names: Vec<String> = self.directory.current.keys().cloned().collect();
        self.calls.shuffle(&mut names);
        names
    }

    pub(crate) fn sync_dir(&mut self) {
        self.directory.sync();
        self.sweep();
    }

    pub(crate) fn lock(&mut self) -> io::Result<u64> {
        if self.lock.is_some() {
            return Err(Errno::WOULDBLOCK.into());
        }
        let lock = self.next_lock;
        self.next_lock = lock.saturating_add(1);
        self.lock = Some(lock);
        Ok(lock)
    }
}

/// Calls on a file.
impl State {
    pub(crate) fn read(
        &mut self,
        descriptor: u64,
        offset: u64,
        into: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        let id = self.descriptor(descriptor)?.file;
        if i64::try_from(offset).is_err() {
            return Err(Errno::INVAL.into());
        }
        let len = self.file(id)?.cache.len();
        let asked = into.iter().fold(0, |sum: usize, slice| sum.saturating_add(slice.len()));
        let mut left = asked.min(index(len.saturating_sub(offset)));
        if left > 0 {
            self.interrupt()?;
        }
        if left > 1 && self.calls.chance(self.faults.noise.short_reads.into(), 1000) {
            count(&mut self.faults.counters.short_reads);
            left = self.calls.index(left.saturating_sub(1)).saturating_add(1);
        }
        let file = self.file(id)?;
        let mut done: usize = 0;
        for slice in into {
            let end = slice.len().min(left.saturating_sub(done));
            let into = slice.get_mut(..end).unwrap_or_default();
            done = done.saturating_add(file.cache.read(offset.saturating_add(wide(done)), into));
        }
        Ok(done)
    }

    pub(crate) fn write(
        &mut self,
        descriptor: u64,
        offset: u64,
        bytes: Vec<u8>,
        way: Way,
    ) -> io::Result<usize> {
        let id = self.written_through(descriptor)?;
        if i64::try_from(offset.saturating_add(wide(bytes.len()))).is_err() {
            return Err(Errno::INVAL.into());
        }
        if way == Way::Failing(EINTR) {
            way.refuse()?;
        }
        if bytes.is_empty() {
            way.refuse()?;
            return Ok(0);
        }
        let asked = bytes.len();
        let mut taken = match way {
            Way::Normal => {
                self.interrupt()?;
                let short = self.calls.chance(self.faults.noise.short_writes.into(), 1000);
                if short && asked > 1 {
                    count(&mut self.faults.counters.short_writes);
                    self.calls.index(asked.saturating_sub(1)).saturating_add(1)
                } else {
                    asked
                }
            }
            Way::CutShort => self.errors.index(asked),
            Way::Failing(_) => self.errors.index(asked.saturating_add(1)),
        };

        let room = self.room();
        let len = self.file(id)?.cache.len();
        let fits = index(len.saturating_add(room).saturating_sub(offset));
        if fits < taken {
            if fits == 0 && way == Way::Normal {
                return self.no_space();
            }
            count(&mut self.faults.counters.short_writes);
            taken = fits;
        }

        let sector_len = self.options.sector_len();
        let file = self.files.get_mut(&id).ok_or(Errno::IO)?;
        if taken > 0 {
            let mut bytes = bytes;
            bytes.truncate(taken);
            file.write(offset, &Arc::new(bytes), sector_len, &mut self.next_order);
        }
        if matches!(way, Way::Failing(_)) && fits >= asked && self.errors.chance(1, 4) {
            // The new length, with zeros in it.
            let end = offset.saturating_add(wide(asked)).max(file.cache.len());
            file.set_len(end, &mut self.next_order);
        }
        way.refuse()?;
        Ok(taken)
    }

    fn interrupt(&mut self) -> io::Result<()> {
        if self.calls.chance(self.faults.noise.interrupted.min(900).into(), 1000) {
            count(&mut self.faults.counters.interrupted);
            return Err(Errno::INTR.into());
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self, descriptor: u64, all: bool, way: Way) -> io::Result<()> {
        let id = self.descriptor(descriptor)?.file;
        match way {
            Way::Failing(errno) => self.fail_write_back(id, errno),
            Way::CutShort => {}
            Way::Normal if all => self.file(id)?.sync_all(),
            Way::Normal => self.file(id)?.sync_data(),
        }
        // An error of this call has just been noted for this descriptor too, and is told here.
        if let Some(errno) = self.descriptor(descriptor)?.untold.take() {
            if way == Way::Normal {
                count(&mut self.faults.counters.late_errors);
            }
            return Err(io::Error::from_raw_os_error(errno));
        }
        way.refuse()
    }

    /// The device refuses what is pending of a file, and everyone who has it open is owed the
    /// error once.
    pub(crate) fn fail_write_back(&mut self, id: FileId, errno: i32) {
        count(&mut self.faults.counters.failed_write_backs);
        if let Some(file) = self.files.get_mut(&id) {
            file.fail_sync(&mut self.errors);
        }
        for descriptor in self.descriptors.values_mut().filter(|open| open.file == id) {
            descriptor.untold = Some(errno);
        }
    }

    pub(crate) fn allocate(&mut self, descriptor: u64, offset: u64, len: u64) -> io::Result<()> {
        let end = in_range(offset.checked_add(len))?;
        if len == 0 {
            return Err(Errno::INVAL.into());
        }
        let id = self.written_through(descriptor)?;
        let now = self.file(id)?.cache.len();
        self.lengthen(id, end.max(now))
    }

    pub(crate) fn set_len(&mut self, descriptor: u64, len: u64) -> io::Result<()> {
        let len = in_range(Some(len))?;
        let id = self.written_through(descriptor).map_err(|_| Errno::INVAL)?;
        self.lengthen(id, len)
    }

    fn lengthen(&mut self, id: FileId, len: u64) -> io::Result<()> {
        let growth = len.saturating_sub(self.file(id)?.cache.len());
        if growth > self.room() {
            return self.no_space();
        }
        let file = self.files.get_mut(&id).ok_or(Errno::IO)?;
        file.set_len(len, &mut self.next_order);
        Ok(())
    }

    pub(crate) fn len(&mut self, descriptor: u64) -> io::Result<u64> {
        let id = self.descriptor(descriptor)?.file;
        Ok(self.file(id)?.cache.len())
    }

    pub(crate) fn evict(&mut self, descriptor: u64) -> io::Result<Eviction> {
        let id = self.descriptor(descriptor)?.file;
        let behaviour = self.options.eviction;
        if behaviour != EvictionBehaviour::DoesNothing {
            self.file(id)?.evict();
        }
        Ok(match behaviour {
            EvictionBehaviour::Seen => Eviction::Seen,
            EvictionBehaviour::Unverified | EvictionBehaviour::DoesNothing => Eviction::Unverified,
        })
    }
}

/// Only plain names, of which a file system takes 255 bytes.
pub(crate) fn check_name(name: &str) -> io::Result<()> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        return Err(Errno::INVAL.into());
    }
    Ok(())
}

pub(crate) fn check_length(name: &str) -> io::Result<()> {
    if name.len() > 255 { Err(Errno::NAMETOOLONG.into()) } else { Ok(()) }
}

/// Lengths are signed below; what does not fit is too big for any file.
fn in_range(end: Option<u64>) -> io::Result<u64> {
    end.filter(|end| i64::try_from(*end).is_ok()).ok_or_else(|| Errno::FBIG.into())
}
