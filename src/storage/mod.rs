//! The only door to the disk: what the log may ask of it, and what a crash may take back.
//!
//! Nothing here knows what a frame or a segment is. Two backends stand behind the traits: the
//! real one ([`Posix`]) and the simulated one of the `seawall-sim` crate; one contract suite
//! compares them call by call.
//!
//! # What is assumed of the device, and what never is
//!
//! Assumed: a crash harms no byte outside a write in flight; a sync that returned `Ok` is true
//! (unless the disk lies, which damages the medium and is judged as such); one rename is atomic.
//!
//! Never assumed: that a sector is written as a whole, that unsynced writes land in the order
//! of the calls, that a file's length tells what is in it, that a directory entry is there
//! because the file was synced, that a failed sync can be tried again, that the page cache
//! shows what the device holds.

mod environment;
pub mod latch;
mod posix;
mod retry;
pub(crate) mod threads;

pub use environment::{Clock, Entropy, Environment, SystemClock, SystemEntropy};
pub use posix::Posix;
pub use retry::{WriteFailure, read_full, write_full};
pub use threads::Threads;

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;

/// How [`Storage::open`] treats the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A file that must not exist yet (`EEXIST` otherwise), for reading and writing, empty.
    Create,
}

/// What stands behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// Anything else: a directory, a symbolic link, a FIFO, a socket, a device. Never opened.
    Other,
}

/// One name in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without any path. Names that are not UTF-8 are never listed: no file of a
    /// log has one.
    pub name: String,
    /// What stands behind it.
    pub kind: EntryKind,
}

/// What [`StorageFile::evict`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The pages were seen to leave: reads that follow come from the device.
    Seen,
    /// They may still be cached; a read that follows proves nothing about the device.
    Unverified,
}

/// What can be known of a directory without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirState {
    /// Whether it is still there: `false` once it was removed.
    pub linked: bool,
    /// Another number than before once a name was added, removed or replaced, by anybody. The same
    /// number proves nothing: clocks are coarse, and some file systems remember what was.
    pub names: i128,
}

/// What can be known of an open file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    /// Whether a name leads to it: `false` once it was removed or replaced.
    pub linked: bool,
    /// Its length in bytes.
    pub len: u64,
}

/// What tells a directory or a file from every other one that is there or was there before, as far
/// as the system says. It stays the same under another name and through a restart of the machine; a
/// copy has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The file system.
    pub system: u64,
    /// Its number there, which another one may get once this one was removed.
    pub number: u64,
    /// When it was made, in nanoseconds since 1970; 0 where the file system does not keep that.
    pub born: u64,
}

/// Holds the writer lock of a directory; released when dropped, or when the process dies.
pub trait DirLock: Send + Sync + fmt::Debug {}

/// One flat directory.
///
/// All names are plain file names. Errors keep their raw errno
/// ([`io::Error::raw_os_error`]), by which callers tell a full disk from a failing one.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Opens a file. Each call makes a descriptor of its own.
    ///
    /// **Crash:** a file made by [`OpenMode::Create`] may be there afterwards or not, whatever
    /// was synced *in* it, until [`sync_dir`](Self::sync_dir) returns.
    ///
    /// # Errors
    /// `ENOENT`, `EEXIST`, `EISDIR` as named by the mode; `ELOOP` or `EINVAL` where the name
    /// is no regular file (a FIFO never blocks the call); `ENOSPC`, `EMFILE`, `EIO`.
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>>;

    /// Gives a file another name, replacing what had that name.
    ///
    /// **Crash:** before [`sync_dir`](Self::sync_dir) returns, the old state or the new one,
    /// nothing between. Descriptors stay with the file.
    ///
    /// # Errors
    /// `ENOENT`; `EIO`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// As [`rename`](Self::rename), but never replaces anything. Where that cannot be asked of the
    /// system in one call, as by default, something may come between the look and the rename.
    ///
    /// # Errors
    /// `EEXIST` where the name is taken, by whatever; otherwise as [`rename`](Self::rename).
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        if self.list()?.iter().any(|entry| entry.name == to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    /// Removes a name. Descriptors that are open keep the file.
    ///
    /// **Crash:** before [`sync_dir`](Self::sync_dir) returns, the name may come back, with
    /// the file's synced content behind it.
    ///
    /// # Errors
    /// `ENOENT`; `EIO`.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names that are there, in no order.
    ///
    /// # Errors
    /// `EIO`.
    fn list(&self) -> io::Result<Vec<Entry>>;

    /// After `Ok`, every create, rename and remove that returned before this call began
    /// survives a crash. After `Err`, none may be counted on; after a later `Ok` the names
    /// listed then are assumed stable, since a directory cannot be evicted.
    ///
    /// # Errors
    /// `EIO`, and whatever a sync may say.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the writer lock, without waiting. Readers never call this.
    ///
    /// # Errors
    /// `EWOULDBLOCK` (as [`io::ErrorKind::WouldBlock`]) while another opener in this process
    /// or any other holds it.
    fn lock(&self) -> io::Result<Box<dyn DirLock>>;

    /// What can be known of the directory without reading it; `None` where nothing can. It is asked
    /// after every sync, so it should cost no more than one quick call of the system.
    ///
    /// # Errors
    /// `EIO`.
    fn state(&self) -> io::Result<Option<DirState>> {
        Ok(None)
    }

    /// What tells the directory from every other one; `None` where nothing does, as by default. It
    /// is asked when a log is opened, and when a segment is made ready.
    ///
    /// # Errors
    /// `EIO`.
    fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(None)
    }

    /// Asks that files which are made here from now on are written in place, where the file system
    /// copies on write by default. A wish: nothing that is stored depends on it, only the room and the
    /// time that writes take.
    fn prefer_in_place(&self) {}

    /// Whether writes over what was written before may need room of their own. Only there a file
    /// gives room back while it is still written to: elsewhere its room is its own, and another
    /// may take what it gave.
    fn copies_on_write(&self) -> bool {
        false
    }

    /// Bytes that files here may still grow by, where the file system says so: a quota may allow
    /// less, and others take from the same room. It is asked before a file is filled, so that the
    /// room of one that may not fit is reserved first.
    fn free(&self) -> Option<u64> {
        None
    }

    /// Where this is, for people.
    fn place(&self) -> String;
}

/// One open descriptor of one file.
pub trait StorageFile: Send + Sync + fmt::Debug {
    /// Reads a prefix of what is asked at `offset`, in the order of the buffers, and returns
    /// its length: short at the end of the file, and anywhere else when it pleases; 0 only at
    /// or past the end, or when nothing was asked.
    ///
    /// # Errors
    /// `EINTR` (nothing was read); `EIO`.
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize>;

    /// Writes a prefix of `bytes` at `offset` and returns its length, which may be short; the
    /// file grows as needed. At most `IOV_MAX` slices are taken from one call.
    ///
    /// Visible to every `read_at` that starts after it returned.
    ///
    /// **Crash:** before the next [`sync_data`](Self::sync_data) each touched sector holds its
    /// old bytes, these, those of any other write still pending, or a mix of them, in any order
    /// between calls and files.
    ///
    /// # Errors
    /// `EINTR` (nothing was written); `ENOSPC`, `EDQUOT`; `EIO`. Any error may leave a prefix
    /// of the bytes behind, and the new length with zeros in it.
    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// After `Ok`, every write through any descriptor of this file that *returned before this
    /// call began* is stable, with the length needed to read it. It says nothing about the
    /// directory entry.
    ///
    /// After `Err`, unsynced data may be lost **and marked clean**: reads, also by a later open
    /// in another process, show the new bytes until they are evicted, and the next sync
    /// returns `Ok`. Each error is told once per open descriptor. So: never retry; stop, and
    /// reopen with [`evict`](Self::evict).
    ///
    /// # Errors
    /// `EIO`, `ENOSPC`, `EDQUOT`, all final.
    fn sync_data(&self) -> io::Result<()>;

    /// As [`sync_data`](Self::sync_data), and the file's length and allocation with it.
    ///
    /// # Errors
    /// As [`sync_data`](Self::sync_data).
    fn sync_all(&self) -> io::Result<()>;

    /// Reserves room for `[offset, offset + len)` and lengthens the file to hold it. Bytes that
    /// were never written read as zeros.
    ///
    /// **Crash:** before [`sync_all`](Self::sync_all) the old or the new length, and unwritten
    /// bytes that are zeros or stale.
    ///
    /// # Errors
    /// `ENOSPC`, `EDQUOT`; `EIO`. A file system that cannot reserve lengthens the file instead.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Cuts or lengthens (with zeros) the file.
    ///
    /// **Crash:** as [`allocate`](Self::allocate).
    ///
    /// # Errors
    /// `EIO`, `EFBIG`.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Gives back the room of these bytes, which read as zeros from then on. The length stays.
    ///
    /// **Crash:** as with a write of zeros.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where that cannot be done, as by default; `EIO`.
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        let _asked = (offset, len);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The length of the file in bytes.
    ///
    /// # Errors
    /// `EIO`.
    fn len(&self) -> io::Result<u64>;

    /// What can be known of the file without reading it, in one quick call: it is asked after every
    /// sync. Where that is not known, a name is taken to lead to the file.
    ///
    /// # Errors
    /// `EIO`.
    fn state(&self) -> io::Result<FileState> {
        Ok(FileState { linked: true, len: self.len()? })
    }

    /// What tells the file from every other one, as with [the directory](Storage::identity).
    ///
    /// # Errors
    /// `EIO`.
    fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(None)
    }

    /// Whether the file is empty.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Drops clean pages of this file, so that later reads, through any descriptor, come from
    /// the device. Pages not yet written back stay: sync first.
    ///
    /// # Errors
    /// `EIO`.
    fn evict(&self) -> io::Result<Eviction>;
}
