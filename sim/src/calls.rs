//! The storage traits over a simulated disk: every call is one numbered step.
//!
//! ```text
//!   dead?         EIO, nothing changes, no step
//!   crash step?   not begun, whole, or a prefix of a write; then dead, and EIO
//!   fault plan?   the errno, with what such a failure leaves behind
//!   otherwise     the call
//! ```

use crate::crash::InFlight;
use crate::disk::{Inner, SimDisk};
use crate::faults::Operation;
use crate::state::{State, Way, check_length, check_name};
use crate::trace::{Answer, Call, errno_of, name_print};
use rustix::io::Errno;
use seawall::storage::{
    DirLock, DirState, Entry, Eviction, FileState, Identity, OpenMode, Storage, StorageFile,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;

/// At most this many slices are taken from one call.
const SLICES_MAX: usize = 1024;

impl SimDisk {
    fn step<T: Answer>(
        &self,
        call: Call<'_>,
        body: impl FnOnce(&mut State, Way) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut inner = self.lock_inner();
        let inner = &mut *inner;
        if inner.dead.is_some() {
            return Err(Errno::IO.into());
        }
        let step = inner.steps;
        inner.steps = step.saturating_add(1);
        if let Some(timer) = &mut inner.timer {
            timer.pass(&mut inner.state.faults.counters);
        }

        let result = match inner.crash_due(step) {
            None => {
                let planned = inner.state.faults.take(call.operation, [call.name, call.other]);
                let way = planned.map_or(Way::Normal, |(errno, lands)| match lands {
                    true => Way::Landing(errno),
                    false => Way::Failing(errno),
                });
                body(&mut inner.state, way)
            }
            Some((kind, in_flight)) => {
                let is_write = call.operation == Operation::Write;
                let fate = inner.fate(in_flight, is_write);
                inner.cut = Some(fate);
                match fate {
                    InFlight::NotBegun => {}
                    InFlight::Whole => drop(body(&mut inner.state, Way::Normal)),
                    InFlight::Prefix => drop(body(&mut inner.state, Way::CutShort)),
                }
                inner.dead = Some(kind);
                Err(Errno::IO.into())
            }
        };
        let noted = result.as_ref().map(Answer::value).map_err(errno_of);
        inner.trace.note(step, &call, noted);
        result
    }
}

impl Inner {
    fn fate(&mut self, in_flight: Option<InFlight>, is_write: bool) -> InFlight {
        match in_flight {
            Some(InFlight::Prefix) if !is_write => InFlight::NotBegun,
            Some(chosen) => chosen,
            None => match self.crashes.below(if is_write { 3 } else { 2 }) {
                0 => InFlight::NotBegun,
                1 => InFlight::Whole,
                _ => InFlight::Prefix,
            },
        }
    }
}

impl Storage for SimDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let operation = match mode {
            OpenMode::Create => Operation::Create,
            OpenMode::Read | OpenMode::Write => Operation::Open,
        };
        let descriptor = self.step(Call::new(operation, name), |state, way| {
            check_name(name)?;
            check_length(name)?;
            state.open(name, mode, way)
        })?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            name: name.into(),
            name_print: name_print(name),
            descriptor,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(Call::new(Operation::Rename, from).to(to), |state, way| {
            check_name(from)?;
            check_name(to)?;
            check_length(from)?;
            state.rename(from, to, way)
        })
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(Call::new(Operation::Rename, from).to(to), |state, way| {
            check_name(from)?;
            check_name(to)?;
            check_length(from)?;
            state.rename_new(from, to, way)
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.step(Call::new(Operation::Remove, name), |state, way| {
            check_name(name)?;
            check_length(name)?;
            state.remove(name, way)
        })
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        self.step(Call::new(Operation::List, ""), |state, way| {
            way.refuse()?;
            Ok(state.list())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.step(Call::new(Operation::SyncDir, ""), |state, way| state.sync_dir(way))
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        let lock = self.step(Call::new(Operation::Lock, ""), |state, way| {
            way.refuse()?;
            state.lock("")
        })?;
        Ok(Box::new(SimLock { disk: self.clone(), directory: String::new(), lock }))
    }

    /// No step: it changes nothing, and the system answers from its memory.
    fn state(&self) -> io::Result<Option<DirState>> {
        let inner = self.lock_inner();
        if inner.dead.is_some() {
            return Err(Errno::IO.into());
        }
        Ok(Some(inner.state.directory_state()))
    }

    /// No step, as with the state.
    fn identity(&self) -> io::Result<Option<Identity>> {
        self.identity_of(0)
    }

    fn copies_on_write(&self) -> bool {
        self.lock_inner().state.copies_on_write()
    }

    fn free(&self) -> Option<u64> {
        self.lock_inner().state.free()
    }

    fn place(&self) -> String {
        "a simulated disk".to_owned()
    }
}

impl SimDisk {
    /// What tells a directory on the disk from others.
    pub(crate) fn identity_of(&self, number: u64) -> io::Result<Option<Identity>> {
        let inner = self.lock_inner();
        if inner.dead.is_some() {
            return Err(Errno::IO.into());
        }
        Ok(inner.state.identity.map(|system| Identity { system, number, born: 0 }))
    }

    /// The lock of a directory on the disk. No step: nothing of it outlives a crash.
    pub(crate) fn lock_directory(&self, name: &str) -> io::Result<Box<dyn DirLock>> {
        let mut inner = self.lock_inner();
        if inner.dead.is_some() {
            return Err(Errno::IO.into());
        }
        let lock = inner.state.lock(name)?;
        Ok(Box::new(SimLock { disk: self.clone(), directory: name.to_owned(), lock }))
    }
}

/// The held lock.
#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    directory: String,
    lock: u64,
}

impl DirLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let state = &mut self.disk.lock_inner().state;
        if state.locks.get(&self.directory) == Some(&self.lock) {
            state.locks.remove(&self.directory);
        }
    }
}

/// One open descriptor.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    name: Box<str>,
    name_print: u64,
    descriptor: u64,
}

impl SimFile {
    fn step<T: Answer>(
        &self,
        operation: Operation,
        offset: u64,
        len: u64,
        body: impl FnOnce(&mut State, Way) -> io::Result<T>,
    ) -> io::Result<T> {
        let call = Call::known(operation, &self.name, self.name_print);
        self.disk.step(call.at(offset, len), body)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.lock_inner().state.close(self.descriptor);
    }
}

impl StorageFile for SimFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let count = into.len().min(SLICES_MAX);
        let into = into.get_mut(..count).unwrap_or_default();
        let len = into.iter().map(|slice| slice.len().value()).sum();
        self.step(Operation::Read, offset, len, |state, way| {
            way.refuse()?;
            state.read(self.descriptor, offset, into)
        })
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes = bytes.get(..SLICES_MAX).unwrap_or(bytes);
        let len = bytes.iter().fold(0, |sum: usize, slice| sum.saturating_add(slice.len()));
        let mut gathered = Vec::with_capacity(len);
        for slice in bytes {
            gathered.extend_from_slice(slice);
        }
        let bytes = gathered;
        self.step(Operation::Write, offset, bytes.len().value(), |state, way| {
            state.write(self.descriptor, offset, bytes, way)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.step(Operation::SyncData, 0, 0, |state, way| state.sync(self.descriptor, false, way))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.step(Operation::SyncAll, 0, 0, |state, way| state.sync(self.descriptor, true, way))
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.step(Operation::Allocate, offset, len, |state, way| {
            state.allocate(self.descriptor, offset, len, way)
        })
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.step(Operation::Punch, offset, len, |state, way| {
            way.refuse()?;
            state.punch(self.descriptor, offset, len)
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step(Operation::SetLen, 0, len, |state, way| state.set_len(self.descriptor, len, way))
    }

    fn len(&self) -> io::Result<u64> {
        self.step(Operation::Len, 0, 0, |state, way| {
            way.refuse()?;
            state.len(self.descriptor)
        })
    }

    /// No step, as with the directory.
    fn state(&self) -> io::Result<FileState> {
        let mut inner = self.disk.lock_inner();
        if inner.dead.is_some() {
            return Err(Errno::IO.into());
        }
        inner.state.file_state(self.descriptor)
    }

    /// No step either.
    fn identity(&self) -> io::Result<Option<Identity>> {
        let inner = self.disk.lock_inner();
        if inner.dead.is_some() {
            return Err(Errno::IO.into());
        }
        inner.state.file_identity(self.descriptor)
    }

    fn evict(&self) -> io::Result<Eviction> {
        self.step(Operation::Evict, 0, 0, |state, way| {
            way.refuse()?;
            state.evict(self.descriptor)
        })
    }
}

impl Answer for Eviction {
    fn value(&self) -> u64 {
        u64::from(*self == Self::Seen)
    }
}
