//! What Linux calls by its own names, and how it is asked whether pages are still cached.

use super::nanos;
use crate::storage::Eviction;
use rustix::fd::OwnedFd;
use rustix::fs::{Advice, AtFlags, FallocateFlags, IFlags, SeekFrom, StatxFlags};
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};
use std::io::IoSliceMut;

/// How many pages are looked at after an eviction.
const PROBES_MAX: u64 = 64;

/// How many stretches of data are looked for; a file of more is probed in its first ones.
const STRETCHES_MAX: usize = 64;

/// The smallest page there is. Where pages are bigger, two probes may meet in one.
const PAGE_LEN: u64 = 4096;

pub(super) fn sync_data(file: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fdatasync(file)
}

pub(super) fn sync_all(file: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fsync(file)
}

pub(super) fn allocate(file: &OwnedFd, offset: u64, len: u64) -> Result<(), Errno> {
    rustix::fs::fallocate(file, FallocateFlags::empty(), offset, len)
}

pub(super) fn punch(file: &OwnedFd, offset: u64, len: u64) -> Result<(), Errno> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(file, flags, offset, len)
}

/// Whether the directory is on a file system that copies what is written over. Others may do so for
/// files that were cloned, and look like those that do not.
pub(super) fn copies_on_write(dir: &OwnedFd) -> bool {
    const BTRFS: u64 = 0x9123_683e;
    const BCACHEFS: u64 = 0xca45_1a4e;
    const ZFS: u64 = 0x2fc1_2fc1;
    let kind = rustix::fs::fstatfs(dir).ok().and_then(|stat| u64::try_from(stat.f_type).ok());
    kind.is_some_and(|kind| [BTRFS, BCACHEFS, ZFS].contains(&kind))
}

/// Whether the numbers of files may change while nothing is done to them.
pub(super) fn numbers_anew(of: &OwnedFd) -> Result<bool, Errno> {
    const FUSE: u64 = 0x6573_5546;
    let kind = u64::try_from(rustix::fs::fstatfs(of)?.f_type);
    Ok(kind.is_ok_and(|kind| kind == FUSE))
}

/// The inode number, and the time of birth if the file system keeps it.
pub(super) fn number_and_birth(of: &OwnedFd) -> Result<(u64, u64), Errno> {
    let wanted = StatxFlags::INO | StatxFlags::BTIME;
    let stat = match rustix::fs::statx(of, "", AtFlags::EMPTY_PATH, wanted) {
        Ok(stat) => stat,
        // An old kernel, or a sandbox that does not know the call.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
            return Ok((rustix::fs::fstat(of)?.st_ino, 0));
        }
        Err(errno) => return Err(errno),
    };
    let kept = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    let born = nanos(stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec.into());
    Ok((stat.stx_ino, if kept { born } else { 0 }))
}

/// Files that are made in the directory from now on get the no-copy-on-write attribute, on a
/// file system that copies unless it is asked not to, and can be asked.
pub(super) fn prefer_in_place(dir: &OwnedFd) {
    if copies_on_write(dir)
        && let Ok(flags) = rustix::fs::ioctl_getflags(dir)
    {
        // Refused, the log works as on any disk that copies.
        let _asked = rustix::fs::ioctl_setflags(dir, flags | IFlags::NOCOW);
    }
}

/// Asks the kernel to drop the pages, then looks whether it did.
pub(super) fn evict(file: &OwnedFd, len: u64) -> Result<Eviction, Errno> {
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed)?;
    // A probe that misses starts read-ahead, whose pages the next probe would take for pages
    // that never left. For random access the kernel reads the one page it was asked for.
    rustix::fs::fadvise(file, 0, None, Advice::Random)?;
    let seen = saw_them_leave(file, len);
    rustix::fs::fadvise(file, 0, None, Advice::Normal)?;
    match seen {
        Ok(true) => Ok(Eviction::Seen),
        // Some file systems cannot answer: tmpfs, or the network ones.
        Ok(false) | Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Ok(Eviction::Unverified),
        Err(errno) => Err(errno),
    }
}

/// Probes evenly spaced pages of the parts of the file that hold data. Holes and reserved room
/// are left out: reading those needs no device, so a probe would always answer. A cached page
/// in reserved room counts as data, so it is not missed.
fn saw_them_leave(file: &OwnedFd, len: u64) -> Result<bool, Errno> {
    let stretches = stretches(file, len)?;
    let pages: u64 = stretches.iter().map(Stretch::page_count).sum();
    let probes = pages.min(PROBES_MAX);
    for probe in 0..probes {
        // The last page is always among them: it is where a log was written last.
        let nth = match probes {
            1 => 0,
            _ => probe.saturating_mul(pages.saturating_sub(1)) / probes.saturating_sub(1),
        };
        let offset = page_offset(&stretches, nth);
        if is_cached(file, offset)? {
            return Ok(false);
        }
        if probe + 1 == probes {
            drop_probed(file, offset)?;
        }
    }
    Ok(true)
}

/// Drops the pages that the probes made the kernel read, once the last of them is there.
///
/// A probe that misses starts to read its page all the same. Single pages strewn over a file keep
/// the kernel from reading what lies around them into large folios: the scan of 64 MiB that
/// follows, and the next eviction, then take twice as long (6.18). This proves nothing to
/// anybody: pages that are not there yet stay, and came from the device like the others.
fn drop_probed(file: &OwnedFd, last: u64) -> Result<(), Errno> {
    let mut byte = [0];
    // What cannot be read is told to whoever reads the file.
    let _waited =
        retry_on_intr(|| rustix::io::preadv(file, &mut [IoSliceMut::new(&mut byte)], last));
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed)
}

/// Pages `from..until` hold data.
struct Stretch {
    from: u64,
    until: u64,
}

impl Stretch {
    fn page_count(&self) -> u64 {
        self.until.saturating_sub(self.from)
    }
}

fn stretches(file: &OwnedFd, len: u64) -> Result<Vec<Stretch>, Errno> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut at = 0;
    while at < len && found.len() < STRETCHES_MAX {
        let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            // No data from here on.
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        let hole = match rustix::fs::seek(file, SeekFrom::Hole(data)) {
            Ok(hole) => hole.max(data.saturating_add(1)),
            // The file was cut meanwhile.
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        let seen = found.last().map_or(0, |last| last.until);
        let from = (data / PAGE_LEN).max(seen);
        found.push(Stretch { from, until: hole.div_ceil(PAGE_LEN).max(from) });
        at = hole;
    }
    Ok(found)
}

fn page_offset(stretches: &[Stretch], nth: u64) -> u64 {
    let mut left = nth;
    for stretch in stretches {
        match left.checked_sub(stretch.page_count()) {
            Some(beyond) => left = beyond,
            None => return stretch.from.saturating_add(left).saturating_mul(PAGE_LEN),
        }
    }
    0
}

fn is_cached(file: &OwnedFd, offset: u64) -> Result<bool, Errno> {
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    let read =
        retry_on_intr(|| rustix::io::preadv2(file, &mut into, offset, ReadWriteFlags::NOWAIT));
    match read {
        Ok(0) => Ok(false), // past the end: the file was cut meanwhile
        Ok(_) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(errno) => Err(errno),
    }
}
