//! Where the data of a measurement lies: fresh directories, gone afterwards.

use crate::failure::Result;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory in which measurements make theirs. Removed with everything in it when dropped.
#[derive(Debug)]
pub struct Ground {
    root: PathBuf,
    next: AtomicU64,
}

impl Ground {
    /// Makes a directory of its own in `dir`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn below(dir: &Path) -> io::Result<Self> {
        let process = std::process::id();
        let mut attempt = 0_u32;
        loop {
            let root = dir.join(format!("seawall-bench-{process}-{attempt}"));
            match std::fs::create_dir(&root) {
                Ok(()) => return Ok(Self { root, next: AtomicU64::new(0) }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// A fresh directory.
    ///
    /// # Errors
    /// What the file system says.
    pub fn plot(&self) -> Result<Plot> {
        let path = self.root.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&path)?;
        Ok(Plot { path })
    }

    /// Bytes that may still be written there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn room(&self) -> io::Result<u64> {
        let told = rustix::fs::statvfs(&self.root)?;
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    }

    /// Whether it lies in memory, where a sync costs nothing and means nothing.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn is_memory(&self) -> bool {
        const TMPFS: u64 = 0x0102_1994;
        rustix::fs::statfs(&self.root).is_ok_and(|told| u64::try_from(told.f_type) == Ok(TMPFS))
    }

    /// Whether it lies in memory, as far as that can be told here.
    #[cfg(not(target_os = "linux"))]
    #[must_use]
    pub fn is_memory(&self) -> bool {
        false
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // What cannot be removed stays: there is nobody to tell, and it has a telling name.
        let _left = std::fs::remove_dir_all(&self.root);
    }
}

/// One directory of a [`Ground`]. Removed with everything in it when dropped.
#[derive(Debug)]
pub struct Plot {
    path: PathBuf,
}

impl Plot {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Throws away what its files hold, written to the device or not: so that closing a log that
    /// is not needed any more costs the disk nothing, and the next slice does not pay for it.
    fn forget(&self) {
        let Ok(entries) = self.path.read_dir() else { return };
        for entry in entries.flatten() {
            // A file that cannot be emptied is written out; that costs time and nothing else.
            let _kept = OpenOptions::new().write(true).open(entry.path()).map(|f| f.set_len(0));
        }
    }
}

impl Drop for Plot {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.path);
        // The journal is written now, and not during the slice that comes next.
        let above = self.path.parent().map(File::open);
        let _unsynced = above.and_then(io::Result::ok).map(|dir| dir.sync_all());
    }
}

/// A log, or what stands for it, in a directory of its own. What it holds is lost with it.
#[derive(Debug)]
pub(crate) struct Held<L> {
    log: Option<L>,
    plot: Plot,
}

impl<L> Held<L> {
    pub(crate) fn new(plot: Plot, open: impl FnOnce(&Path) -> Result<L>) -> Result<Self> {
        let log = Some(open(&plot.path)?);
        Ok(Self { log, plot })
    }

    pub(crate) fn log(&self) -> Option<&L> {
        self.log.as_ref()
    }
}

impl<L> Drop for Held<L> {
    fn drop(&mut self) {
        self.plot.forget();
        self.log.take();
    }
}
