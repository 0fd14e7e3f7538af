//! What each call on a file does.

use super::{Descriptor, State, Way};
use crate::counters::count;
use crate::faults::EINTR;
use crate::file::{File, FileId};
use crate::image::{index, wide};
use crate::options::{EvictionBehaviour, Preset};
use rustix::io::Errno;
use seawall::storage::{Eviction, FileState};
use std::io::{self, IoSliceMut};
use std::sync::Arc;

impl State {
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
        let mut stray = None;
        let file = self.files.get_mut(&id).ok_or(Errno::IO)?;
        if file.durable.is_hurt() && left > 0 {
            if let Some(bad) = file.unreadable(offset, left) {
                left = index(bad.saturating_sub(offset));
                if left == 0 {
                    count(&mut self.faults.counters.unreadable_reads);
                    return Err(Errno::IO.into());
                }
            }
            stray = file.durable.stray(offset, left);
        }
        let mut done: usize = 0;
        for slice in into {
            let end = slice.len().min(left.saturating_sub(done));
            let into = slice.get_mut(..end).unwrap_or_default();
            let at = offset.saturating_add(wide(done));
            done = done.saturating_add(file.cache.read(at, into));
            if let Some((from, bytes)) = &stray {
                overlay(into, at, bytes, *from);
            }
        }
        if stray.is_some() {
            count(&mut self.faults.counters.misdirected_reads);
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
        if matches!(way, Way::Failing(EINTR) | Way::Landing(EINTR)) {
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
            Way::Landing(_) => asked,
        };

        let late = self.faults.limits().is_some_and(|limits| limits.late);
        let room = if late { u64::MAX } else { self.room() };
        let len = self.file(id)?.cache.len();
        let fits = index(len.saturating_add(room).saturating_sub(offset));
        if fits < taken {
            if fits == 0 && way == Way::Normal {
                return self.no_room();
            }
            count(&mut self.faults.counters.short_writes);
            taken = fits;
        }

        let copies = self.copies_on_write();
        let end = offset.saturating_add(wide(taken)).min(len);
        let needed = self.file(id)?.blocks.needed(offset, end, copies);
        if needed > self.room() && way == Way::Normal {
            return self.no_room();
        }
        let sector_len = self.options.sector_len();
        let file = self.files.get_mut(&id).ok_or(Errno::IO)?;
        file.blocks.write(offset, end, copies);
        if taken > 0 {
            let mut bytes = bytes;
            bytes.truncate(taken);
            file.write(offset, &Arc::new(bytes), sector_len, &mut self.next_order);
        }
        if matches!(way, Way::Failing(_)) && fits >= asked && self.errors.chance(1, 4) {
            // The new length, with zeros in it.
            let end = offset.saturating_add(wide(asked)).max(file.cache.len());
            file.set_len(end, &mut self.next_order);
            count(&mut self.faults.counters.failed_writes_left_length);
        }
        if taken > 0 && matches!(way, Way::Failing(_) | Way::Landing(_)) {
            count(&mut self.faults.counters.failed_writes_left_bytes);
        }
        if taken == asked && matches!(way, Way::Landing(_)) {
            count(&mut self.faults.counters.failed_writes_landed);
        }
        if way != Way::CutShort {
            self.file_changed(id);
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
            Way::Failing(errno) | Way::Landing(errno) => self.fail_write_back(id, errno),
            Way::CutShort => {}
            Way::Normal if self.lacks_room(id) => {
                let errno = self.faults.no_room();
                count(&mut self.faults.counters.no_room_in_sync);
                self.fail_write_back(id, errno);
                self.descriptor(descriptor)?.untold.take();
                return Err(io::Error::from_raw_os_error(errno));
            }
            Way::Normal => self.make_durable(id, all),
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

    fn make_durable(&mut self, id: FileId, all: bool) {
        let hurt = self.hurt_in_sync(id);
        let journalled = self.options.preset == Preset::Journalled;
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        if journalled && (all || file.has_pending_len()) {
            self.commit_journal();
        }
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        if all {
            file.sync_all();
        } else {
            file.sync_data();
        }
        if let Some(hurt) = hurt {
            self.hurt_after_sync(id, hurt);
        }
        self.told_durable();
    }

    /// Whether this file grew into room that a late limit does not give it.
    fn lacks_room(&self, id: FileId) -> bool {
        let Some(limits) = self.faults.limits().filter(|limits| limits.late) else {
            return false;
        };
        let grew = self.files.get(&id).is_some_and(|file| file.cache.len() > file.durable.len());
        grew && self.used() > limits.bytes
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

    pub(crate) fn allocate(
        &mut self,
        descriptor: u64,
        offset: u64,
        len: u64,
        way: Way,
    ) -> io::Result<()> {
        let end = in_range(offset.checked_add(len));
        if way == Way::Normal && len == 0 && end.is_ok() {
            return Err(Errno::INVAL.into());
        }
        if way != Way::Normal {
            // A part of the room may have been reserved, and the length with it.
            let id = self.written_through(descriptor);
            if let (Way::Failing(errno), Ok(id), Ok(end)) = (way, id, end)
                && errno != EINTR
            {
                let now = self.file(id)?.cache.len();
                let part = self.errors.below(end.saturating_sub(now).saturating_add(1));
                if part > 0 && part <= self.room() && self.errors.chance(1, 2) {
                    count(&mut self.faults.counters.failed_lengths_set);
                    self.lengthen(id, now.saturating_add(part))?;
                }
            }
            return way.refuse();
        }
        let end = end?;
        let id = self.written_through(descriptor)?;
        let now = self.file(id)?.cache.len();
        let missing = self.file(id)?.blocks.missing(offset, end.min(now));
        let growth = end.saturating_sub(now);
        if missing > 0 && missing.saturating_add(growth) > self.room() {
            return self.no_room();
        }
        if let Some(file) = self.files.get_mut(&id) {
            file.blocks.fill(offset, end.min(now));
        }
        self.lengthen(id, end.max(now))
    }

    pub(crate) fn punch(&mut self, descriptor: u64, offset: u64, len: u64) -> io::Result<()> {
        let id = self.written_through(descriptor)?;
        let sector_len = self.options.sector_len();
        let file = self.files.get_mut(&id).ok_or(Errno::IO)?;
        let end = offset.saturating_add(len).min(file.cache.len());
        if end > offset {
            let zeros = Arc::new(vec![0; index(end.saturating_sub(offset))]);
            file.write(offset, &zeros, sector_len, &mut self.next_order);
            file.blocks.punch(offset, end);
            count(&mut self.faults.counters.holes_punched);
        }
        self.file_changed(id);
        Ok(())
    }

    pub(crate) fn set_len(&mut self, descriptor: u64, len: u64, way: Way) -> io::Result<()> {
        if way != Way::Normal {
            if way.is_device_error()
                && let (Ok(len), Ok(id)) = (in_range(Some(len)), self.written_through(descriptor))
                && self.errors.chance(1, 2)
                && self.lengthen(id, len).is_ok()
            {
                count(&mut self.faults.counters.failed_lengths_set);
            }
            return way.refuse();
        }
        let len = in_range(Some(len))?;
        let id = self.written_through(descriptor).map_err(|_| Errno::INVAL)?;
        self.lengthen(id, len)
    }

    fn lengthen(&mut self, id: FileId, len: u64) -> io::Result<()> {
        let growth = len.saturating_sub(self.file(id)?.cache.len());
        if growth > self.room() {
            return self.no_room();
        }
        let file = self.files.get_mut(&id).ok_or(Errno::IO)?;
        file.set_len(len, &mut self.next_order);
        self.file_changed(id);
        Ok(())
    }

    pub(crate) fn len(&mut self, descriptor: u64) -> io::Result<u64> {
        let id = self.descriptor(descriptor)?.file;
        Ok(self.file(id)?.cache.len())
    }

    /// What can be known of the file without reading it.
    pub(crate) fn file_state(&mut self, descriptor: u64) -> io::Result<FileState> {
        let id = self.descriptor(descriptor)?.file;
        let linked = self.directory.current.values().any(|&named| named == id);
        Ok(FileState { linked, len: self.file(id)?.cache.len() })
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

/// Lengths are signed below; what does not fit is too big for any file.
fn in_range(end: Option<u64>) -> io::Result<u64> {
    end.filter(|end| i64::try_from(*end).is_ok()).ok_or_else(|| Errno::FBIG.into())
}

/// Puts `bytes`, which stand at `from`, over what was read at `at`.
fn overlay(into: &mut [u8], at: u64, bytes: &[u8], from: u64) {
    let skip = index(at.saturating_sub(from));
    let to = into.iter_mut().skip(index(from.saturating_sub(at)));
    for (to, byte) in to.zip(bytes.iter().skip(skip)) {
        *to = *byte;
    }
}
