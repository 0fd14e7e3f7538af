//! What the tests of this crate do over and over.

use crate::{Concern, CrashPolicy, Rng, Seed, SimDisk};
use seawall::storage::{OpenMode, Storage, StorageFile, read_full, write_full};
use std::fmt;
use std::io;
use std::sync::Arc;

pub(crate) fn disk() -> SimDisk {
    SimDisk::new(Seed::new(7))
}

pub(crate) fn rng(seed: u64) -> Rng {
    Seed::new(seed).rng(Concern::CrashResolution)
}

pub(crate) fn create(disk: &SimDisk, name: &str) -> Arc<dyn StorageFile> {
    disk.open(name, OpenMode::Create).unwrap()
}

/// A synced file of `len` bytes of `fill`, with a stable name.
pub(crate) fn settled(disk: &SimDisk, name: &str, fill: u8, len: usize) -> Arc<dyn StorageFile> {
    let file = create(disk, name);
    write_full(&*file, 0, &[&vec![fill; len]]).unwrap();
    file.sync_all().unwrap();
    disk.sync_dir().unwrap();
    file
}

pub(crate) fn read(disk: &SimDisk, name: &str) -> Vec<u8> {
    contents(&*disk.open(name, OpenMode::Read).unwrap())
}

pub(crate) fn contents(file: &dyn StorageFile) -> Vec<u8> {
    let mut bytes = vec![0; crate::image::index(file.len().unwrap())];
    assert_eq!(read_full(file, 0, &mut bytes).unwrap(), bytes.len());
    bytes
}

pub(crate) fn cut(disk: &SimDisk, policy: &CrashPolicy, seed: u64) -> SimDisk {
    disk.after_power_cut(policy, &mut rng(seed))
}

pub(crate) fn errno<T: fmt::Debug>(result: io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}
