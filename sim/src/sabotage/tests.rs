use super::*;
use crate::{Concern, CrashPolicy, EIO, EvictionBehaviour, FaultPlan, Operation, Seed, SimDisk};

/// A disk, and the same disk with a broken promise.
fn sabotaged(sabotage: Sabotage) -> (SimDisk, Sabotaged) {
    let disk = SimDisk::new(Seed::new(1));
    let broken = Sabotaged::new(Arc::new(disk.clone()), sabotage);
    (disk, broken)
}

fn after_cut(disk: &SimDisk) -> SimDisk {
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    disk.after_power_cut(&CrashPolicy::AllLost, &mut rng)
}

/// Makes a file the right way: content, file, directory.
fn make(storage: &dyn Storage) -> Arc<dyn StorageFile> {
    let file = storage.open("a", OpenMode::Create).unwrap();
    write_full(&*file, 0, &[b"one"]).unwrap();
    file.sync_all().unwrap();
    storage.sync_dir().unwrap();
    file
}

#[test]
fn syncs_that_do_nothing_lose_data_or_names() {
    let (disk, broken) = sabotaged(Sabotage::SyncDoesNothing);
    make(&broken);
    assert_eq!(after_cut(&disk).read_durable("a").unwrap(), b"");
    let (disk, broken) = sabotaged(Sabotage::SyncDirDoesNothing);
    make(&broken);
    assert!(after_cut(&disk).names().is_empty());
}

#[test]
fn the_first_sync_of_each_new_file_is_skipped() {
    let (disk, broken) = sabotaged(Sabotage::HeaderSyncSkipped);
    let file = make(&broken);
    assert_eq!(after_cut(&disk).read_durable("a").unwrap(), b"");
    file.sync_data().unwrap();
    assert_eq!(after_cut(&disk).read_durable("a").unwrap(), b"one");
}

#[test]
fn the_error_of_a_sync_is_swallowed_or_retried_away() {
    for sabotage in [Sabotage::SyncErrorSwallowed, Sabotage::SyncErrorRetried] {
        let (disk, broken) = sabotaged(sabotage);
        let file = make(&broken);
        disk.fail(FaultPlan::new(Operation::SyncData, EIO));
        file.sync_data().unwrap();
    }
}

#[test]
fn the_last_write_slips_behind_the_sync() {
    let (disk, broken) = sabotaged(Sabotage::WritesReorderedAcrossSync);
    let file = make(&broken);
    write_full(&*file, 3, &[b"two"]).unwrap();
    broken.rename("a", "b").unwrap();
    broken.sync_dir().unwrap();
    write_full(&*file, 1, &[b"NE"]).unwrap();
    file.sync_data().unwrap();
    let mut seen = [0; 9];
    assert_eq!(read_full(&*file, 0, &mut seen).unwrap(), 6);
    assert_eq!(&seen[..6], b"oNEtwo", "readers notice nothing");
    assert_eq!(after_cut(&disk).read_durable("b").unwrap(), b"onetwo");
    file.sync_data().unwrap();
    assert_eq!(after_cut(&disk).read_durable("b").unwrap(), b"oNEtwo");
}

#[test]
fn a_short_write_is_reported_full() {
    let (disk, broken) = sabotaged(Sabotage::ShortWriteReportedFull);
    let file = make(&broken);
    disk.set_capacity(Some(5));
    assert_eq!(file.write_at(3, &[IoSlice::new(b"four")]).unwrap(), 4);
    assert_eq!(file.len().unwrap(), 5);
}

#[test]
fn eviction_and_lock_are_shams() {
    let (disk, broken) = sabotaged(Sabotage::EvictDoesNothing);
    disk.set_eviction(EvictionBehaviour::DoesNothing);
    assert_eq!(make(&broken).evict().unwrap(), Eviction::Seen);
    let (_disk, broken) = sabotaged(Sabotage::LockIgnored);
    let _first = broken.lock().unwrap();
    broken.lock().unwrap();
}

#[test]
fn nothing_else_is_broken_as_long_as_nothing_goes_wrong() {
    for sabotage in Sabotage::ALL {
        let (disk, broken) = sabotaged(sabotage);
        make(&broken);
        broken.rename("a", "b").unwrap();
        let file = broken.open("b", OpenMode::Write).unwrap();
        file.set_len(2).unwrap();
        file.allocate(0, 4).unwrap();
        file.sync_data().unwrap();
        let mut bytes = [9; 9];
        assert_eq!(read_full(&*file, 0, &mut bytes).unwrap(), 4);
        assert_eq!((&bytes[..4], disk.names()), (b"on\0\0".as_slice(), vec!["b".to_owned()]));
    }
}
