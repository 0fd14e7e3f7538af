//! The real disk: a directory reached through its descriptor.
//!
//! Every name is looked up in the directory that was opened, whatever becomes of its path. No
//! call follows a symbolic link, and none blocks on a FIFO. Only reads and writes may end with
//! `EINTR`; the other calls are repeated here until they were not interrupted, except a sync,
//! whose every error is final.

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!(
    "seawall knows how to make bytes durable on Linux and macOS only: what a sync promises \
     elsewhere has to be found out first"
);

use super::latch::Mutex;
use super::{
    DirLock, DirState, Entry, EntryKind, Eviction, FileState, Identity, OpenMode, Storage,
    StorageFile,
};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dev, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};
use std::collections::BTreeSet;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// At most this many slices go into one call: the system refuses more.
const SLICES_MAX: usize = 1024;

/// The directories locked by this process, by device and inode. `flock` alone would refuse a
/// second opener too, but some file systems emulate it by locks that belong to a process.
static LOCKED: Mutex<BTreeSet<(Dev, u64)>> = Mutex::new(BTreeSet::new());

/// A directory of the real disk.
#[derive(Debug)]
pub struct Posix {
    dir: OwnedFd,
    path: PathBuf,
}

impl Posix {
    /// Opens the directory, and makes it if it is missing (but none above it).
    ///
    /// The parent directory is synced when the directory was made here, and also when it is
    /// empty: an earlier call may have died between making and syncing.
    ///
    /// # Errors
    /// What making, opening or syncing says.
    pub fn create(dir: impl AsRef<Path>) -> io::Result<Self> {
        let made = match retry_on_intr(|| rustix::fs::mkdir(dir.as_ref(), DIR_MODE)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno.into()),
        };
        let opened = Self::open(dir)?;
        if made || opened.list()?.is_empty() {
            match open_dir(&opened.dir, "..") {
                Ok(parent) => platform::sync_all(&parent)?,
                // Somebody else made the directory where we may not look.
                Err(Errno::ACCESS | Errno::PERM) if !made => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(opened)
    }

    /// Opens a directory that exists. Nothing is made or written.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR` and what else opening says.
    pub fn open(dir: impl AsRef<Path>) -> io::Result<Self> {
        let path = dir.as_ref().to_path_buf();
        let dir = open_dir(rustix::fs::CWD, &path)?;
        Ok(Self { dir, path })
    }

    /// Opens a directory that stands in this one, and makes it if it is missing. A link of that
    /// name is not followed: what is written there stays in here.
    ///
    /// This directory is synced when the other one was made, and also when that is empty.
    ///
    /// # Errors
    /// `EINVAL` for a name that is a path; `ENOTDIR` for what is no directory, a link for one; what
    /// making, opening or syncing says.
    pub fn within(&self, name: &str) -> io::Result<Self> {
        let name = checked(name)?;
        let made = match retry_on_intr(|| rustix::fs::mkdirat(&self.dir, name, DIR_MODE)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno.into()),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = retry_on_intr(|| rustix::fs::openat(&self.dir, name, flags, Mode::empty()))
            // What some systems say of a link, and others of any file.
            .map_err(|errno| if errno == Errno::LOOP { Errno::NOTDIR } else { errno })?;
        let opened = Self { dir, path: self.path.join(name) };
        if made || opened.list()?.is_empty() {
            self.sync_dir()?;
        }
        Ok(opened)
    }
}

impl Posix {
    fn is_regular(&self, name: &str) -> bool {
        rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }
}

const DIR_MODE: Mode = Mode::from_raw_mode(0o755);
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

impl Storage for Posix {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let name = checked(name)?;
        // O_NONBLOCK is for FIFOs, which would wait here for somebody at the other end.
        let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = flags
            | match mode {
                OpenMode::Read => OFlags::RDONLY,
                OpenMode::Write => OFlags::RDWR,
                OpenMode::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            };
        let open = |flags| retry_on_intr(|| rustix::fs::openat(&self.dir, name, flags, FILE_MODE));
        let opened = match open(flags) {
            // Another process holds a lease of the file, and is asked to give it back. Who does not
            // want to wait for that is refused; a regular file is worth it.
            Err(Errno::AGAIN) if self.is_regular(name) => open(flags.difference(OFlags::NONBLOCK)),
            opened => opened,
        };
        let file = opened
            // A socket, or a device without a driver: no regular file in any case.
            .map_err(|errno| if errno == Errno::NXIO { Errno::INVAL } else { errno })?;
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Errno::INVAL.into());
        }
        Ok(Arc::new(PosixFile { file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (checked(from)?, checked(to)?);
        retry_on_intr(|| rustix::fs::renameat(&self.dir, from, &self.dir, to))?;
        Ok(())
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (checked(from)?, checked(to)?);
        let flags = RenameFlags::NOREPLACE;
        match retry_on_intr(|| rustix::fs::renameat_with(&self.dir, from, &self.dir, to, flags)) {
            // Not every file system can: FUSE ones for instance.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match rustix::fs::statat(&self.dir, to, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Err(Errno::EXIST.into()),
                    Err(Errno::NOENT) => self.rename(from, to),
                    Err(errno) => Err(errno.into()),
                }
            }
            renamed => Ok(renamed?),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let name = checked(name)?;
        retry_on_intr(|| rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()))?;
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(name, "." | "..") {
                continue;
            }
            let file_type = match entry.file_type() {
                FileType::Unknown => {
                    match rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                        // Removed since its name was read.
                        Err(Errno::NOENT) => continue,
                        Err(errno) => return Err(errno.into()),
                    }
                }
                known => known,
            };
            let kind = match file_type {
                FileType::RegularFile => EntryKind::File,
                _ => EntryKind::Other,
            };
            entries.push(Entry { name: name.to_owned(), kind });
        }
        Ok(entries)
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(platform::sync_all(&self.dir)?)
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        // A descriptor of its own: the lock belongs to it, and dies with it.
        let dir = open_dir(&self.dir, ".")?;
        let stat = rustix::fs::fstat(&dir)?;
        let identity = (stat.st_dev, stat.st_ino);
        let mut locked = LOCKED.lock();
        if locked.contains(&identity) {
            return Err(Errno::WOULDBLOCK.into());
        }
        let how = if planted!("lock-ignored-by-second-process") {
            FlockOperation::NonBlockingLockShared
        } else {
            FlockOperation::NonBlockingLockExclusive
        };
        retry_on_intr(|| rustix::fs::flock(&dir, how))?;
        locked.insert(identity);
        Ok(Box::new(PosixLock { dir, identity }))
    }

    fn state(&self) -> io::Result<Option<DirState>> {
        let stat = rustix::fs::fstat(&self.dir)?;
        let names = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
        // Some file systems do not count the links of a directory, and say 1; none says 0 of one
        // that has a name.
        Ok(Some(DirState { linked: stat.st_nlink > 0, names }))
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(identity(&self.dir)?)
    }

    fn copies_on_write(&self) -> bool {
        platform::copies_on_write(&self.dir)
    }

    fn free(&self) -> Option<u64> {
        let stat = rustix::fs::fstatvfs(&self.dir).ok()?;
        // Some file systems count no blocks.
        (stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn prefer_in_place(&self) {
        platform::prefer_in_place(&self.dir);
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

/// The held lock of a directory.
#[derive(Debug)]
struct PosixLock {
    dir: OwnedFd,
    identity: (Dev, u64),
}

impl DirLock for PosixLock {}

impl Drop for PosixLock {
    fn drop(&mut self) {
        // Closing would release it as well, but not while a forked child, which has not yet
        // called exec, still holds a copy of the descriptor. It cannot fail on one that is open.
        let _ = rustix::fs::flock(&self.dir, FlockOperation::Unlock);
        LOCKED.lock().remove(&self.identity);
    }
}

/// One descriptor of a regular file.
#[derive(Debug)]
struct PosixFile {
    file: OwnedFd,
}

impl StorageFile for PosixFile {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        // One slice needs no vector; the kernel would copy it in and check it all the same.
        if let [into] = into {
            return Ok(rustix::io::pread(&self.file, &mut **into, offset)?);
        }
        let count = into.len().min(SLICES_MAX);
        let into = into.get_mut(..count).unwrap_or_default();
        Ok(rustix::io::preadv(&self.file, into, offset)?)
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        if let [bytes] = bytes {
            return Ok(rustix::io::pwrite(&self.file, bytes, offset)?);
        }
        let bytes = bytes.get(..SLICES_MAX).unwrap_or(bytes);
        Ok(rustix::io::pwritev(&self.file, bytes, offset)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(platform::sync_data(&self.file)?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(platform::sync_all(&self.file)?)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let end = in_range(offset.checked_add(len))?;
        if len == 0 {
            return Err(Errno::INVAL.into());
        }
        match retry_on_intr(|| platform::allocate(&self.file, offset, len)) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) if end > self.len()? => self.set_len(end),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        in_range(offset.checked_add(len))?;
        Ok(retry_on_intr(|| platform::punch(&self.file, offset, len))?)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = in_range(Some(len))?;
        retry_on_intr(|| rustix::fs::ftruncate(&self.file, len))?;
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstat(&self.file)?;
        u64::try_from(stat.st_size).map_err(|_| Errno::OVERFLOW.into())
    }

    fn state(&self) -> io::Result<FileState> {
        let stat = rustix::fs::fstat(&self.file)?;
        let len = u64::try_from(stat.st_size).map_err(|_| Errno::OVERFLOW)?;
        Ok(FileState { linked: stat.st_nlink > 0, len })
    }

    fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(identity(&self.file)?)
    }

    fn evict(&self) -> io::Result<Eviction> {
        match self.len()? {
            0 => Ok(Eviction::Seen),
            len => Ok(platform::evict(&self.file, len)?),
        }
    }
}

/// Views in user space may number files anew whenever they are looked up: nothing is known of
/// those.
fn identity(of: &OwnedFd) -> Result<Option<Identity>, Errno> {
    if platform::numbers_anew(of)? {
        return Ok(None);
    }
    let system = rustix::fs::fstatvfs(of)?.f_fsid;
    let (number, born) = platform::number_and_birth(of)?;
    Ok(Some(Identity { system, number, born }))
}

/// Nanoseconds since 1970.
fn nanos(seconds: i64, nanos: u64) -> u64 {
    seconds.cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(nanos)
}

/// Only plain names: a log has no file anywhere else.
fn checked(name: &str) -> io::Result<&str> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        return Err(Errno::INVAL.into());
    }
    Ok(name)
}

/// The system's lengths are signed; what does not fit is too big for any file.
fn in_range(end: Option<u64>) -> io::Result<u64> {
    end.filter(|end| i64::try_from(*end).is_ok()).ok_or_else(|| Errno::FBIG.into())
}

fn open_dir(at: impl rustix::fd::AsFd, path: impl AsRef<Path>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::openat(at.as_fd(), path.as_ref(), flags, Mode::empty()))
}

#[cfg(target_os = "linux")]
#[path = "posix/linux.rs"]
mod platform;

#[cfg(target_os = "macos")]
#[path = "posix/macos.rs"]
mod platform;

#[cfg(test)]
mod tests;
