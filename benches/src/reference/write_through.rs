//! Group commit: leader and followers, one write-through write into zeros written before.

use super::{HEADER, body_check, created, push};
use parking_lot::{Mutex, MutexGuard};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Group commit: whoever finds nobody writing writes for all that wait.
///
/// A group that was written is woken with one call and returns without the lock; one caller of
/// the next group is woken to lead it.
#[derive(Debug)]
pub struct WriteThrough {
    file: File,
    len: u64,
    group: Mutex<Group>,
    /// What callers sleep on: one word for groups of even number, one for odd ones.
    words: [AtomicU32; 2],
    durable: AtomicU64,
}

#[derive(Debug)]
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
    /// A file of this many zeros that are on the device. At its end it goes on at its start.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(path: &Path, len: u64) -> io::Result<Self> {
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
            file: prepared(path, len)?,
            len,
            group: Mutex::new(group),
            words: [AtomicU32::new(0), AtomicU32::new(0)],
            durable: AtomicU64::new(0),
        })
    }

    /// Returns when these records are durable.
    ///
    /// # Errors
    /// What the file system says.
    pub fn append<R: AsRef<[u8]>>(&self, records: &[R]) -> io::Result<()> {
        // One record needs no memory for its check.
        let (one, many): ([u32; 1], Vec<u32>);
        let checks = if let [record] = records {
            one = [body_check(record.as_ref())];
            one.as_slice()
        } else {
            many = records.iter().map(|record| body_check(record.as_ref())).collect();
            many.as_slice()
        };
        let mut group = self.group.lock();
        for (record, check) in records.iter().zip(checks) {
            push(&mut group.filling, *check, record.as_ref());
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
        let offset = if group.offset + len > self.len { 0 } else { group.offset };
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

/// A file of this many zeros, in whole MiB, that are on the device.
///
/// # Errors
/// What the file system says.
pub fn prepared(path: &Path, len: u64) -> io::Result<File> {
    let file = created(path)?;
    let zeros = vec![0; 1 << 20];
    for offset in (0..len).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// One write that returns when its bytes are durable.
///
/// # Errors
/// What the file system says.
#[cfg(target_os = "linux")]
pub fn write_through(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use rustix::io::ReadWriteFlags;
    let written =
        rustix::io::pwritev2(file, &[IoSlice::new(bytes)], offset, ReadWriteFlags::DSYNC)?;
    if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// One write that is durable when this returns.
///
/// # Errors
/// What the file system says.
#[cfg(not(target_os = "linux"))]
pub fn write_through(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
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
    // A word of this process can always be woken.
    let _woken = rustix::thread::futex::wake(word, rustix::thread::futex::Flags::PRIVATE, count);
}

#[cfg(not(target_os = "linux"))]
fn wait(_: &AtomicU32, _: u32) {
    std::thread::yield_now();
}

#[cfg(not(target_os = "linux"))]
fn wake(_: &AtomicU32, _: u32) {}
