//! Whether the device behind a log still answers. A file system whose device failed goes on showing
//! what the page cache holds: all of it may verify there, and be nowhere else.

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use seawall::LogView;
use seawall::format::name::FileName;
use std::path::{Path, PathBuf};

/// Files that are asked for at most: a device that failed does so for each of them.
const FILES_MAX: usize = 64;
/// What is read around the page cache begins, ends and lies in memory at multiples of this.
const BLOCK_LEN: usize = 4096;

/// What the device of a log said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Device {
    /// Files of the log.
    pub(crate) files: usize,
    /// Files for which it answered.
    pub(crate) answered: usize,
    /// What it said instead of an answer.
    pub(crate) failed: Option<Errno>,
}

impl Device {
    /// Reads a block of some files around the page cache. What is cached stays there: it may be all
    /// that is left.
    pub(crate) fn ask(dir: &Path, view: &LogView) -> Self {
        let names = view.segments().iter().map(|segment| {
            let name = FileName::Segment(segment.number()).text();
            dir.join(name)
        });
        Self::ask_for(&names.collect::<Vec<_>>(), read_block)
    }

    fn ask_for(files: &[PathBuf], mut read: impl FnMut(&Path) -> Result<(), Errno>) -> Self {
        let mut device = Self { files: files.len(), ..Self::default() };
        // The newest first, which was written last, and others at even distances.
        let apart = files.len().div_ceil(FILES_MAX).max(1);
        for file in files.iter().rev().step_by(apart) {
            match read(file) {
                Ok(()) => device.answered += 1,
                // The file system cannot be read so (tmpfs), or the file was trimmed meanwhile.
                Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOENT) => {}
                Err(errno) => {
                    device.failed = Some(errno);
                    break;
                }
            }
        }
        device
    }

    /// In a few words.
    pub(crate) fn told(&self) -> String {
        let Self { files, answered, failed } = self;
        match failed {
            Some(errno) => format!("from the page cache alone: the device fails ({errno})"),
            None if *files == 0 => "nothing".to_owned(),
            None if *answered == 0 => {
                "through the page cache; whether a device answers cannot be found out here"
                    .to_owned()
            }
            None => format!(
                "through the page cache; the device answers for {answered} of {files} files"
            ),
        }
    }
}

fn read_block(file: &Path) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | around_the_cache();
    let file = retry_on_intr(|| rustix::fs::open(file, flags, Mode::empty()))?;
    let mut room = vec![0; 2 * BLOCK_LEN];
    let from = room.as_ptr().align_offset(BLOCK_LEN).min(BLOCK_LEN);
    let block = room.get_mut(from..from + BLOCK_LEN).unwrap_or_default();
    retry_on_intr(|| rustix::io::pread(&file, &mut *block, 0)).map(drop)
}

#[cfg(target_os = "linux")]
fn around_the_cache() -> OFlags {
    OFlags::DIRECT
}

/// Elsewhere there is no such flag, and an answer proves nothing.
#[cfg(not(target_os = "linux"))]
fn around_the_cache() -> OFlags {
    OFlags::empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(count: usize) -> Vec<PathBuf> {
        (0..count).map(|nth| PathBuf::from(nth.to_string())).collect()
    }

    #[test]
    fn a_device_that_fails_is_told_from_one_that_answers_and_one_that_cannot_be_asked() {
        for (said, answered, failed, told) in [
            (Ok(()), 3, None, "answers for 3 of 3 files"),
            (Err(Errno::INVAL), 0, None, "cannot be found out"),
            (Err(Errno::NOENT), 0, None, "cannot be found out"),
            (Err(Errno::IO), 0, Some(Errno::IO), "from the page cache alone"),
            (Err(Errno::NODEV), 0, Some(Errno::NODEV), "from the page cache alone"),
        ] {
            let device = Device::ask_for(&files(3), |_| said);
            assert_eq!(device, Device { files: 3, answered, failed });
            assert!(device.told().contains(told), "{}", device.told());
        }
    }

    #[test]
    fn few_of_many_files_are_asked_for_and_the_newest_is_among_them() {
        for count in [0, 1, 64, 65, 10_000] {
            let files = files(count);
            let mut asked = Vec::new();
            let device = Device::ask_for(&files, |file| {
                asked.push(file.to_path_buf());
                Ok(())
            });
            assert!(asked.len() <= FILES_MAX && asked.len() * 2 >= count.min(FILES_MAX), "{count}");
            assert_eq!(asked.first(), files.last());
            assert_eq!(device.answered, asked.len());
        }
    }

    #[test]
    fn a_file_on_a_disk_is_read_or_cannot_be_read_so() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        std::fs::write(&file, vec![7; 3 * BLOCK_LEN]).unwrap();
        assert!(matches!(read_block(&file), Ok(()) | Err(Errno::INVAL)));
        assert_eq!(read_block(&scratch.path().join("missing")), Err(Errno::NOENT));
    }
}
