//! The whole state of a disk, and what each call on the directory does to it; those on files are
//! in `files`.
//!
//! Nothing here knows of steps, crashes or locks on the state: `calls` brings those.

mod files;

use crate::blocks::Blocks;
use crate::counters::count;
use crate::device::Device;
use crate::directory::{Directory, NameChange, Names};
use crate::faults::{EIO, ENOSPC, Faults};
use crate::file::{File, FileId};
use crate::image::Image;
use crate::medium::Medium;
use crate::options::{DiskOptions, Preset};
use crate::rng::{Concern, Rng};
use crate::scene::Scene;
use rustix::io::Errno;
use seawall::storage::{DirState, Entry, EntryKind, Identity, OpenMode};
use std::collections::BTreeMap;
use std::io;

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As it should, but for noise.
    Normal,
    /// The end comes inside of it.
    CutShort,
    /// It fails with this errno.
    Failing(i32),
    /// It happens, and fails with this errno: writes do.
    Landing(i32),
}

impl Way {
    /// For calls that do nothing when they fail.
    pub(crate) fn refuse(self) -> io::Result<()> {
        match self {
            Self::Normal => Ok(()),
            Self::CutShort => Err(Errno::IO.into()),
            Self::Failing(errno) | Self::Landing(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Whether the device failed, so that nobody knows what it did. A refusal did nothing.
    fn is_device_error(self) -> bool {
        self == Self::Failing(EIO)
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
    /// Who holds the lock of each directory; "" is the disk's own.
    pub(crate) locks: BTreeMap<String, u64>,
    pub(crate) faults: Faults,
    /// What the last file that went away held: new files may get its blocks.
    recycled: Image,
    /// What tells the directory from others; `None` where nothing tells files apart either.
    pub(crate) identity: Option<u64>,
    next_file: FileId,
    next_descriptor: u64,
    next_lock: u64,
    next_order: u64,
    errors: Rng,
    calls: Rng,
    /// Draws which of the syncs that said `Ok` are hurt, and how.
    pub(crate) rot: Rng,
    pub(crate) device: Device,
}

impl State {
    pub(crate) fn new(options: DiskOptions) -> Self {
        Self {
            options,
            files: BTreeMap::new(),
            directory: Directory::default(),
            descriptors: BTreeMap::new(),
            locks: BTreeMap::new(),
            faults: Faults::default(),
            recycled: Image::default(),
            identity: Some(options.seed.rng(Concern::Identity).next_u64()),
            next_file: 1,
            next_descriptor: 1,
            next_lock: 1,
            next_order: 1,
            errors: options.seed.rng(Concern::Errors),
            calls: options.seed.rng(Concern::Calls),
            rot: options.seed.rng(Concern::Rot),
            device: Device::new(options),
        }
    }

    /// What a crash is resolved on.
    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene {
            files: &self.files,
            directory: &self.directory,
            sector_len: self.options.sector_len(),
            header_len: self.options.header_len,
            in_journal: self.options.preset == Preset::Journalled,
        }
    }

    /// The state of a machine that starts with these files.
    pub(crate) fn restarted(&self, names: Names, media: BTreeMap<FileId, Medium>) -> Self {
        let files = media.into_iter().map(|(id, medium)| {
            let before = self.files.get(&id);
            let former = before.map_or_else(Image::default, |file| file.former.clone());
            let foreign = before.is_some_and(|file| file.foreign);
            let mut blocks = before.map_or_else(Blocks::default, |file| file.blocks.clone());
            blocks.cut(medium.image().len());
            (id, File { foreign, blocks, ..File::at_rest(medium, former) })
        });
        let files: BTreeMap<_, _> = files.collect();
        Self {
            device: self.device.restarted(&names, &files),
            files,
            directory: Directory::at_rest(names),
            descriptors: BTreeMap::new(),
            locks: BTreeMap::new(),
            faults: self.faults.after_crash(),
            recycled: self.recycled.clone(),
            errors: self.errors.clone(),
            calls: self.calls.clone(),
            rot: self.rot.clone(),
            ..*self
        }
    }

    /// How far each stream of numbers was drawn.
    pub(crate) fn drawn(&self) -> [u128; 3] {
        [self.errors.position(), self.calls.position(), self.rot.position()]
    }

    /// The state that the next process finds.
    pub(crate) fn without_process(&self) -> Self {
        let mut next = self.clone();
        next.descriptors.clear();
        next.locks.clear();
        next.faults = self.faults.after_crash();
        next.sweep();
        next
    }

    fn id_of(&self, name: &str) -> io::Result<FileId> {
        self.directory.current.get(name).copied().ok_or_else(|| Errno::NOENT.into())
    }

    /// Forgets the files nobody can reach any more.
    fn sweep(&mut self) {
        let mut reachable = self.directory.reachable();
        reachable.extend(self.descriptors.values().map(|descriptor| descriptor.file));
        self.files.retain(|id, _| reachable.contains(id));
    }

    /// How many more bytes the files that have names may get.
    fn room(&self) -> u64 {
        self.faults.limits().map_or(u64::MAX, |limits| limits.bytes.saturating_sub(self.used()))
    }

    pub(crate) fn copies_on_write(&self) -> bool {
        self.faults.limits().is_some_and(|limits| limits.copies)
    }

    /// What the disk says about its room. It knows nothing of a quota, and of room that is found
    /// missing late.
    pub(crate) fn free(&self) -> Option<u64> {
        let known = self.faults.limits().filter(|limits| !limits.late && limits.errno == ENOSPC);
        known.map(|_| self.room())
    }

    pub(crate) fn used(&self) -> u64 {
        let files = self.directory.current.values().filter_map(|id| self.files.get(id));
        files.fold(0, |sum: u64, file| sum.saturating_add(file.blocks.room(file.cache.len())))
    }

    fn no_room<T>(&mut self) -> io::Result<T> {
        Err(io::Error::from_raw_os_error(self.faults.no_room()))
    }

    fn is_foreign(&self, name: &str) -> bool {
        let id = self.directory.current.get(name);
        id.and_then(|id| self.files.get(id)).is_some_and(|file| file.foreign)
    }

    /// A name that was always there, of which nothing is known but what it is.
    pub(crate) fn put_foreign(&mut self, name: &str, kind: EntryKind) -> io::Result<()> {
        check_name(name)?;
        check_length(name)?;
        if self.id_of(name).is_ok() {
            return Err(Errno::EXIST.into());
        }
        let id = self.next_file;
        self.next_file = id.saturating_add(1);
        self.files.insert(id, File { foreign: kind == EntryKind::Other, ..File::default() });
        self.directory.put(name, id);
        self.device.put(name, id);
        Ok(())
    }
}

/// Calls on the directory.
impl State {
    pub(crate) fn open(&mut self, name: &str, mode: OpenMode, way: Way) -> io::Result<u64> {
        let file = match (self.id_of(name), mode) {
            (Ok(_), OpenMode::Create) => {
                way.refuse()?;
                return Err(Errno::EXIST.into());
            }
            (Err(_), OpenMode::Create) => {
                if way == Way::Normal {
                    let names = self.directory.current.len();
                    if self.faults.limits().is_some_and(|limits| limits.files <= names) {
                        count(&mut self.faults.counters.no_room_to_create);
                        return self.no_room();
                    }
                } else if way.is_device_error() && self.errors.chance(1, 2) {
                    count(&mut self.faults.counters.failed_creates_made);
                } else {
                    way.refuse()?;
                }
                if self.directory.removed {
                    return Err(Errno::NOENT.into());
                }
                let file = File { former: self.recycled.clone(), ..File::default() };
                let id = self.next_file;
                self.next_file = id.saturating_add(1);
                self.files.insert(id, file);
                let change = NameChange::Create { name: name.to_owned(), file: id };
                self.directory.change(change, &mut self.next_order);
                self.names_changed();
                // The entry is there, and nobody has it open.
                way.refuse()?;
                id
            }
            (found, OpenMode::Read | OpenMode::Write) => {
                way.refuse()?;
                if self.is_foreign(name) {
                    return Err(Errno::LOOP.into());
                }
                found?
            }
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

    pub(crate) fn rename_new(&mut self, from: &str, to: &str, way: Way) -> io::Result<()> {
        if self.id_of(from).is_ok() && self.id_of(to).is_ok() {
            way.refuse()?;
            return Err(Errno::EXIST.into());
        }
        self.rename(from, to, way)
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str, way: Way) -> io::Result<()> {
        if way != Way::Normal {
            if !way.is_device_error() || !self.errors.chance(1, 2) || self.id_of(from).is_err() {
                return way.refuse();
            }
            count(&mut self.faults.counters.failed_renames_made);
        }
        let file = self.id_of(from)?;
        check_length(to)?;
        if self.is_foreign(to) && !self.is_foreign(from) {
            way.refuse()?;
            return Err(Errno::ISDIR.into());
        }
        if from != to {
            self.recycle(to);
            let change = NameChange::Rename { to: to.to_owned(), file };
            self.directory.change(change, &mut self.next_order);
            self.names_changed();
        }
        way.refuse()
    }

    pub(crate) fn remove(&mut self, name: &str, way: Way) -> io::Result<()> {
        if way != Way::Normal {
            if !way.is_device_error() || !self.errors.chance(1, 2) || self.id_of(name).is_err() {
                return way.refuse();
            }
            count(&mut self.faults.counters.failed_removes_made);
        }
        let file = self.id_of(name)?;
        if self.is_foreign(name) {
            way.refuse()?;
            return Err(Errno::ISDIR.into());
        }
        self.recycle(name);
        let change = NameChange::Remove { name: name.to_owned(), file };
        self.directory.change(change, &mut self.next_order);
        self.names_changed();
        way.refuse()
    }

    /// Somebody removes the directory with all that is in it.
    pub(crate) fn remove_directory(&mut self) {
        let names = std::mem::take(&mut self.directory.current);
        for (name, file) in names {
            self.directory.change(NameChange::Remove { name, file }, &mut self.next_order);
        }
        self.directory.removed = true;
        self.names_changed();
    }

    /// What can be known of the directory without reading it.
    pub(crate) fn directory_state(&self) -> DirState {
        let Directory { removed, changes, .. } = self.directory;
        DirState { linked: !removed, names: changes.into() }
    }

    /// The number of a file is never given to another one.
    pub(crate) fn file_identity(&self, descriptor: u64) -> io::Result<Option<Identity>> {
        let file = self.descriptors.get(&descriptor).ok_or(Errno::BADF)?.file;
        Ok(self.identity.map(|system| Identity { system, number: file, born: 0 }))
    }

    fn recycle(&mut self, name: &str) {
        if let Some(file) = self.directory.current.get(name).and_then(|id| self.files.get(id)) {
            self.recycled = file.cache.clone();
        }
    }

    /// In an order that means nothing, since callers are told to expect none.
    pub(crate) fn list(&mut self) -> Vec<Entry> {
        let (files, names) = (&self.files, &self.directory.current);
        let mut entries: Vec<Entry> = names
            .iter()
            .map(|(name, id)| {
                let foreign = files.get(id).is_some_and(|file| file.foreign);
                let kind = if foreign { EntryKind::Other } else { EntryKind::File };
                Entry { name: name.clone(), kind }
            })
            .collect();
        self.calls.shuffle(&mut entries);
        entries
    }

    pub(crate) fn sync_dir(&mut self, way: Way) -> io::Result<()> {
        if let Way::Failing(_) = way {
            let in_order = self.options.preset == Preset::Journalled;
            if self.directory.sync_some(in_order, &mut self.errors) > 0 {
                count(&mut self.faults.counters.failed_dir_syncs_partial);
            }
        }
        way.refuse()?;
        match self.options.preset {
            Preset::Journalled => self.commit_journal(),
            Preset::Posix | Preset::Lying | Preset::PowerSafe => self.directory.sync(),
        }
        self.sweep();
        self.told_durable();
        Ok(())
    }

    pub(crate) fn lock(&mut self, directory: &str) -> io::Result<u64> {
        if self.locks.contains_key(directory) {
            return Err(Errno::WOULDBLOCK.into());
        }
        let lock = self.next_lock;
        self.next_lock = lock.saturating_add(1);
        self.locks.insert(directory.to_owned(), lock);
        Ok(lock)
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
