//! What macOS calls by other names: a plain `fsync` there leaves the bytes in the drive's cache.

use super::nanos;
use crate::storage::Eviction;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

pub(super) fn sync_data(file: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fcntl_fullfsync(file)
}

pub(super) fn sync_all(file: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fcntl_fullfsync(file)
}

/// Reserving is done with flags that do not lengthen the file everywhere; the caller's fallback
/// lengthens it, which is all the contract asks for.
pub(super) fn allocate(_file: &OwnedFd, _offset: u64, _len: u64) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

/// Holes are made with another call there, which is not tried.
pub(super) fn punch(_file: &OwnedFd, _offset: u64, _len: u64) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

/// Of views in user space nothing tells.
pub(super) const fn numbers_anew(_of: &OwnedFd) -> Result<bool, Errno> {
    Ok(false)
}

/// The inode number and the time of birth.
pub(super) fn number_and_birth(of: &OwnedFd) -> Result<(u64, u64), Errno> {
    let stat = rustix::fs::fstat(of)?;
    Ok((stat.st_ino, nanos(stat.st_birthtime, stat.st_birthtime_nsec.cast_unsigned())))
}

/// There is no such attribute.
pub(super) const fn prefer_in_place(_dir: &OwnedFd) {}

/// APFS writes in place unless a file was cloned.
pub(super) const fn copies_on_write(_dir: &OwnedFd) -> bool {
    false
}

/// There is no call that drops the pages of a file.
pub(super) fn evict(_file: &OwnedFd, _len: u64) -> Result<Eviction, Errno> {
    Ok(Eviction::Unverified)
}
