//! The least code that makes the same promise as the row beside it: what a figure is read against.
//!
//! A frame is length, CRC-32C and bytes. There is no rotation, no recovery policy, no proof of
//! durability; so a row that is as fast as its reference gives those for nothing.
//!
//! ```text
//!  Coalesced     `Buffered`: frames gather in 256 KiB, one write when they are full
//!  PerRecord     `Os`: one write for each record or batch
//!  WriteThrough  `Sync`: leader and followers; one write-through write, into zeros written before
//!  Reading       scans in 256 KiB blocks, reads one record with one call, opens a directory
//! ```

#![allow(dead_code, reason = "each bench uses its part")]

use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{Advice, FlockOperation, Mode, OFlags};
use seawall::format::checksum::body_check;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bytes that gather before a write, and that are read at once.
pub(crate) const BLOCK: usize = 256 << 10;
/// Length and check in front of each record.
pub(crate) const HEADER: usize = 8;
/// Bytes of zeros that durable writes go into.
pub(crate) const PREPARED: u64 = 64 << 20;

fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
}

fn push(buffer: &mut Vec<u8>, check: u32, record: &[u8]) {
    let len = u32::try_from(record.len()).unwrap();
    buffer.extend_from_slice(&len.to_le_bytes());
    buffer.extend_from_slice(&check.to_le_bytes());
    buffer.extend_from_slice(record);
}

/// Frames gather under a lock and are written when they are worth a call.
pub(crate) struct Coalesced {
    file: File,
    gathered: Mutex<(Vec<u8>, u64)>,
}

impl Coalesced {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let buffer = Vec::with_capacity(2 * BLOCK);
        Ok(Self { file: created(path)?, gathered: Mutex::new((buffer, 0)) })
    }

    pub(crate) fn append(&self, record: &[u8]) -> io::Result<()> {
        let check = body_check(record);
        let mut gathered = self.gathered.lock();
        push(&mut gathered.0, check, record);
        if gathered.0.len() >= BLOCK { self.drain(&mut gathered) } else { Ok(()) }
    }

    /// As at the end of a segment: all of it durable before anything follows.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.drain(&mut self.gathered.lock())?;
        self.file.sync_data()
    }

    fn drain(&self, (buffer, end): &mut (Vec<u8>, u64)) -> io::Result<()> {
        self.file.write_all_at(buffer, *end)?;
        *end += buffer.len() as u64;
        buffer.clear();
        Ok(())
    }
}

/// Each call is one write.
pub(crate) struct PerRecord {
    file: File,
    place: Mutex<(Vec<u8>, u64)>,
}

impl PerRecord {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: created(path)?, place: Mutex::new((Vec::new(), 0)) })
    }

    pub(crate) fn append<R: AsRef<[u8]>>(&self, records: &[R]) -> io::Result<()> {
        let mut place = self.place.lock();
        let (buffer, end) = &mut *place;
        buffer.clear();
        for record in records {
            push(buffer, body_check(record.as_ref()), record.as_ref());
        }
        self.file.write_all_at(buffer, *end)?;
        *end += buffer.len() as u64;
        Ok(())
    }
}

/// Group commit: whoever finds nobody writing writes for all that wait.
///
/// A group that was written is woken with one call and returns without the lock; one caller of
/// the next group is woken to lead it.
pub(crate) struct WriteThrough {
    file: File,
    group: Mutex<Group>,
    /// What callers sleep on: one word for groups of even number, one for odd ones.
    words: [AtomicU32; 2],
    durable: AtomicU64,
}

struct Group {
    filling: Vec<u8>,
    empty: Vec<u8>,
    number: u64,
    accepted: u64,
    offset: u64,
    /// Callers in this group, and in the one before.
    callers: u32,
    callers_before: u32,
    led: bool,
}

impl WriteThrough {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let group = Group {
            filling: Vec::new(),
            empty: Vec::new(),
            number: 0,
            accepted: 0,
            offset: 0,
            callers: 0,
            callers_before: 0,
            led: false,
        };
        Ok(Self {
            file: prepared(path)?,
            group: Mutex::new(group),
            words: [AtomicU32::new(0), AtomicU32::new(0)],
            durable: AtomicU64::new(0),
        })
    }

    pub(crate) fn append<R: AsRef<[u8]>>(&self, records: &[R]) -> io::Result<()> {
        let checks: Vec<u32> = records.iter().map(|r| body_check(r.as_ref())).collect();
        let mut group = self.group.lock();
        for (record, check) in records.iter().zip(checks) {
            push(&mut group.filling, check, record.as_ref());
            group.accepted += (HEADER + record.as_ref().len()) as u64;
        }
        group.callers += 1;
        let (mine, number) = (group.accepted, group.number);
        let word = self.word(number);
        while group.led || group.number != number {
            let seen = word.load(Ordering::Acquire);
            drop(group);
            wait(word, seen);
            if self.durable.load(Ordering::Acquire) >= mine {
                return Ok(());
            }
            group = self.group.lock();
        }
        self.lead(group)
    }

    fn word(&self, number: u64) -> &AtomicU32 {
        let [even, odd] = &self.words;
        if number.is_multiple_of(2) { even } else { odd }
    }

    fn lead<'a>(&'a self, mut group: MutexGuard<'a, Group>) -> io::Result<()> {
        group.led = true;
        // Those whom the last group's end woke are about to come back: let them join.
        for _ in 0..if group.callers_before > 1 { 16 } else { 0 } {
            let accepted = group.accepted;
            MutexGuard::unlocked(&mut group, std::thread::yield_now);
            if group.accepted == accepted {
                break;
            }
        }
        let number = group.number;
        group.number += 1;
        group.callers_before = std::mem::take(&mut group.callers);
        let empty = std::mem::take(&mut group.empty);
        let mut frames = std::mem::replace(&mut group.filling, empty);
        let len = frames.len() as u64;
        let offset = if group.offset + len > PREPARED { 0 } else { group.offset };
        let upto = group.accepted;
        MutexGuard::unlocked(&mut group, || write_through(&self.file, &frames, offset))?;
        frames.clear();
        group.empty = frames;
        group.offset = offset + len;
        group.led = false;
        self.durable.store(upto, Ordering::Release);
        let (mine, next) = (self.word(number), self.word(number + 1));
        mine.fetch_add(1, Ordering::Release);
        next.fetch_add(1, Ordering::Release);
        drop(group);
        wake(next, 1);
        wake(mine, i32::MAX.unsigned_abs());
        Ok(())
    }
}

/// A file of zeros that are on the device.
pub(crate) fn prepared(path: &Path) -> io::Result<File> {
    let file = created(path)?;
    let zeros = vec![0; 1 << 20];
    for offset in (0..PREPARED).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// One write that returns when its bytes are durable.
#[cfg(target_os = "linux")]
pub(crate) fn write_through(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use rustix::io::ReadWriteFlags;
    let written =
        rustix::io::pwritev2(file, &[IoSlice::new(bytes)], offset, ReadWriteFlags::DSYNC)?;
    if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn write_through(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)?;
    file.sync_data()
}

#[cfg(target_os = "linux")]
fn wait(word: &AtomicU32, seen: u32) {
    // Whatever ends the wait, the caller looks for itself.
    let _looked_at_again =
        rustix::thread::futex::wait(word, rustix::thread::futex::Flags::PRIVATE, seen, None);
}

#[cfg(target_os = "linux")]
fn wake(word: &AtomicU32, count: u32) {
    rustix::thread::futex::wake(word, rustix::thread::futex::Flags::PRIVATE, count).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn wait(_: &AtomicU32, _: u32) {
    std::thread::yield_now();
}

#[cfg(not(target_os = "linux"))]
fn wake(_: &AtomicU32, _: u32) {}

/// A file of frames that are all there, to be read.
pub(crate) struct Reading {
    file: File,
    block: Vec<u8>,
}

impl Reading {
    /// Writes `count` times `record`.
    pub(crate) fn create(path: &Path, record: &[u8], count: u64) -> io::Result<Self> {
        let file = created(path)?;
        let (mut buffer, mut end) = (Vec::new(), 0);
        for nth in 0..count {
            push(&mut buffer, body_check(record), record);
            if buffer.len() >= BLOCK || nth + 1 == count {
                file.write_all_at(&buffer, end)?;
                end += buffer.len() as u64;
                buffer.clear();
            }
        }
        file.sync_all()?;
        Ok(Self { file, block: vec![0; BLOCK] })
    }

    /// Writes zeros behind the frames, as in a segment that is not full.
    pub(crate) fn pad(&self) -> io::Result<()> {
        let mut end = self.file.metadata()?.len();
        while end < PREPARED {
            let len = (PREPARED - end).min(BLOCK as u64);
            self.file.write_all_at(&vec![0; usize::try_from(len).unwrap()], end)?;
            end += len;
        }
        self.file.sync_all()
    }

    /// Reads and verifies all frames in order; how many there are. The rest must be zeros.
    pub(crate) fn scan(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<u64> {
        let (mut count, mut kept, mut offset) = (0, 0, 0);
        loop {
            let read = rustix::io::preadv(
                &self.file,
                &mut [IoSliceMut::new(&mut self.block[kept..])],
                offset,
            )?;
            if read == 0 {
                assert!(self.block[..kept].iter().all(|&byte| byte == 0), "the file ends whole");
                return Ok(count);
            }
            offset += read as u64;
            let mut rest = &self.block[..kept + read];
            while let Some((record, behind)) = frame(rest) {
                each(record);
                count += 1;
                rest = behind;
            }
            if rest.first_chunk().is_some_and(|&len: &[u8; 4]| len == [0; 4]) {
                assert!(rest.iter().all(|&byte| byte == 0), "zeros behind the last frame");
                rest = &[];
            }
            let from = kept + read - rest.len();
            self.block.copy_within(from..kept + read, 0);
            kept = kept + read - from;
        }
    }

    /// The record at `offset`, with one call.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8; 4096]) -> io::Result<usize> {
        let read = self.file.read_at(into, offset)?;
        let (record, _) = frame(&into[..read]).ok_or(io::ErrorKind::InvalidData)?;
        Ok(record.len())
    }

    /// Opens the directory for writing and reads the end of the file: what a clean close leaves.
    pub(crate) fn open_closed(dir: &Path, name: &str, last: u64) -> io::Result<usize> {
        let (_lock, file) = locked(dir, name)?;
        Self { file, block: Vec::new() }.read(last, &mut [0; 4096])
    }

    /// Opens the directory for writing and reads the whole file from the device.
    pub(crate) fn open_killed(dir: &Path, name: &str) -> io::Result<u64> {
        let (_lock, file) = locked(dir, name)?;
        file.sync_data()?;
        evict(&file)?;
        Self { file, block: vec![0; BLOCK] }.scan(|_| {})
    }
}

/// Drops the pages of a synced file.
pub(crate) fn evict(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, Advice::DontNeed)?)
}

/// The directory, locked, listed and synced; and a file in it.
fn locked(dir: &Path, name: &str) -> io::Result<(rustix::fd::OwnedFd, File)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let handle = rustix::fs::open(dir, flags, Mode::empty())?;
    rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive)?;
    rustix::fs::fsync(&handle)?;
    let listed = rustix::fs::Dir::read_from(&handle)?.filter_map(Result::ok).count();
    assert!(listed > 2, "more than the directory and its parent");
    Ok((handle, OpenOptions::new().read(true).write(true).open(dir.join(name))?))
}

/// The first frame of `bytes`, verified, and what is behind it.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (check, rest) = rest.split_first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok().filter(|&len| len > 0)?;
    let (record, behind) = rest.split_at_checked(len)?;
    assert_eq!(body_check(record), u32::from_le_bytes(*check), "the frame verifies");
    Some((record, behind))
}
