use super::*;
use crate::testing::{contents, create, cut, disk, errno, read, settled};
use crate::{EDQUOT, EINTR, EIO, ENOSPC, Operation};
use seawall::storage::{Eviction, OpenMode, Storage, StorageFile, write_full};
use std::io::{IoSlice, IoSliceMut};

#[test]
fn a_name_is_stable_only_after_its_directory_is_synced() {
    let disk = disk();
    let file = create(&disk, "a");
    write_full(&*file, 0, &[b"data"]).unwrap();
    file.sync_all().unwrap();
    assert!(cut(&disk, &CrashPolicy::AllLost, 0).names().is_empty());
    assert!(cut(&disk, &CrashPolicy::NamesLost, 0).names().is_empty());
    assert_eq!(read(&cut(&disk, &CrashPolicy::NamesOnly, 0), "a"), b"data");

    disk.sync_dir().unwrap();
    disk.rename("a", "b").unwrap();
    assert_eq!(cut(&disk, &CrashPolicy::AllLost, 0).names(), ["a"]);
    assert_eq!(cut(&disk, &CrashPolicy::AllKept, 0).names(), ["b"]);
    disk.sync_dir().unwrap();
    disk.remove("b").unwrap();
    assert_eq!(errno(disk.open("b", OpenMode::Read)), 2);
    assert_eq!(contents(&*file), b"data", "an open descriptor keeps a removed file");
    assert_eq!(read(&cut(&disk, &CrashPolicy::AllLost, 0), "b"), b"data");
    assert!(cut(&disk, &CrashPolicy::AllKept, 0).names().is_empty());
}

#[test]
fn a_rename_over_a_file_leaves_one_of_the_two() {
    let disk = disk();
    settled(&disk, "a", 1, 10);
    settled(&disk, "b", 2, 10);
    disk.rename("b", "a").unwrap();
    let before = cut(&disk, &CrashPolicy::AllLost, 0);
    assert_eq!((read(&before, "a"), read(&before, "b")), (vec![1; 10], vec![2; 10]));
    let after = cut(&disk, &CrashPolicy::AllKept, 0);
    assert_eq!((after.names(), read(&after, "a")), (vec!["a".to_owned()], vec![2; 10]));
}

#[test]
fn a_failed_sync_shows_new_bytes_until_they_are_evicted() {
    for seed in 0..50 {
        let disk = SimDisk::new(Seed::new(seed));
        let file = settled(&disk, "a", 1, 512);
        let other = disk.open("a", OpenMode::Write).unwrap();
        write_full(&*file, 0, &[&[2; 512]]).unwrap();
        disk.fail(FaultPlan::new(Operation::SyncData, EIO));
        assert_eq!(errno(file.sync_data()), EIO);
        file.sync_data().unwrap();
        let late = disk.open("a", OpenMode::Write).unwrap();
        late.sync_data().unwrap();
        assert_eq!(errno(other.sync_data()), EIO, "each descriptor open then is told");
        other.sync_data().unwrap();
        assert_eq!(disk.counters().late_errors, 1);

        drop((file, other, late));
        assert_eq!(read(&disk, "a"), [2; 512], "a later open sees the cache");
        assert_eq!(read(&disk.after_kill(), "a"), [2; 512], "and so does the next process");
        let device = disk.read_durable("a").unwrap();
        assert!(device == [1; 512] || device == [2; 512]);
        assert_eq!(read(&cut(&disk, &CrashPolicy::AllKept, 0), "a"), device);
        let file = disk.open("a", OpenMode::Read).unwrap();
        assert_eq!(file.evict().unwrap(), Eviction::Seen);
        assert_eq!(contents(&*file), device);
    }
}

#[test]
fn a_failed_sync_may_leave_the_new_length_with_zeros() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let disk = SimDisk::new(Seed::new(seed));
        let file = settled(&disk, "a", 1, 10);
        write_full(&*file, 10, &[&[2; 5]]).unwrap();
        disk.fail(FaultPlan::new(Operation::SyncAll, EIO));
        assert_eq!(errno(file.sync_all()), EIO);
        assert_eq!(contents(&*file)[10..], [2; 5]);
        seen.insert(cut(&disk, &CrashPolicy::AllLost, 0).read_durable("a").unwrap()[10..].to_vec());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [vec![], vec![0; 5], vec![2; 5]]);
}

#[test]
fn eviction_drops_no_dirty_page_and_does_as_configured() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 8192);
    disk.fail(FaultPlan::new(Operation::SyncData, EIO));
    write_full(&*file, 0, &[&[2; 8192]]).unwrap();
    file.sync_data().unwrap_err();
    write_full(&*file, 5000, &[&[3; 10]]).unwrap();
    disk.set_eviction(EvictionBehaviour::DoesNothing);
    assert_eq!(file.evict().unwrap(), Eviction::Unverified);
    assert_eq!(contents(&*file)[0], 2);
    disk.set_eviction(EvictionBehaviour::Unverified);
    assert_eq!(file.evict().unwrap(), Eviction::Unverified);
    let bytes = contents(&*file);
    assert_eq!(bytes[..4096], disk.read_durable("a").unwrap()[..4096]);
    assert_eq!((bytes[4999], bytes[5000]), (2, 3), "the dirty page stays as it is");
}

#[test]
fn a_background_failure_is_told_at_the_next_sync() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 10);
    write_full(&*file, 0, &[&[2; 10]]).unwrap();
    disk.fail_write_back("a", ENOSPC).unwrap();
    assert_eq!(errno(file.sync_data()), ENOSPC);
    file.sync_data().unwrap();
    write_full(&*file, 0, &[&[3; 10]]).unwrap();
    disk.write_back("a").unwrap();
    assert_eq!(disk.read_durable("a").unwrap(), [3; 10]);
}

#[test]
fn a_full_disk_takes_a_prefix_and_room_comes_back() {
    let disk = disk();
    let other = settled(&disk, "b", 0, 100);
    let file = settled(&disk, "a", 0, 100);
    disk.set_capacity(Some(250));
    assert_eq!(file.write_at(100, &[IoSlice::new(&[1; 80])]).unwrap(), 50);
    let failure = write_full(&*file, 150, &[&[1; 30]]).unwrap_err();
    assert_eq!((failure.written, failure.error.raw_os_error()), (0, Some(ENOSPC)));
    assert_eq!(errno(file.allocate(100, 51)), ENOSPC);
    assert_eq!(errno(file.set_len(151)), ENOSPC);
    write_full(&*file, 0, &[&[1; 150]]).unwrap();
    other.set_len(60).unwrap();
    file.allocate(150, 40).unwrap();
    assert_eq!(errno(file.set_len(191)), ENOSPC);
    disk.remove("b").unwrap();
    file.set_len(250).unwrap();
    disk.set_capacity(None);
    file.set_len(1000).unwrap();
    assert_eq!(disk.counters().no_space, 4);
}

#[test]
fn a_kill_keeps_the_cache_and_frees_the_lock() {
    let disk = disk();
    let file = create(&disk, "a");
    write_full(&*file, 0, &[b"unsynced"]).unwrap();
    let _held = disk.lock().unwrap();
    assert_eq!(disk.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    disk.crash_inside(disk.steps(), CrashKind::Kill, InFlight::Prefix);
    let whole = file.write_at(8, &[IoSlice::new(&[7; 100])]);
    assert_eq!((errno(whole), disk.crashed_by()), (EIO, Some(CrashKind::Kill)));
    let next = disk.after_kill();
    assert!(read(&next, "a").starts_with(b"unsynced") && read(&next, "a").len() < 108);
    let lock = next.lock().unwrap();
    drop(lock);
    next.lock().unwrap();
    assert!(cut(&next, &CrashPolicy::AllLost, 0).names().is_empty());
}

#[test]
fn a_dead_disk_changes_nothing_any_more() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 10);
    disk.crash_inside(disk.steps() + 1, CrashKind::Power, InFlight::Whole);
    write_full(&*file, 0, &[&[2; 5]]).unwrap();
    assert_eq!(errno(file.sync_all()), EIO);
    assert!(disk.is_dead());
    assert_eq!(disk.read_durable("a").unwrap()[0], 2, "the sync in flight was whole");
    let (steps, hash) = (disk.steps(), disk.event_hash());
    assert_eq!(errno(file.write_at(0, &[IoSlice::new(b"x")])), EIO);
    assert_eq!(errno(file.read_at(0, &mut [IoSliceMut::new(&mut [0])])), EIO);
    assert_eq!(errno(disk.open("a", OpenMode::Read)), EIO);
    assert_eq!(errno(disk.remove("a")), EIO);
    assert_eq!((disk.steps(), disk.event_hash()), (steps, hash));
    let after = cut(&disk, &CrashPolicy::AllLost, 0);
    assert_eq!(read(&after, "a"), [2, 2, 2, 2, 2, 1, 1, 1, 1, 1]);
    assert_eq!(errno(file.len()), EIO, "old descriptors stay dead");
}

#[test]
fn a_call_in_flight_is_not_begun_whole_or_a_prefix() {
    let mut lens = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let disk = SimDisk::new(Seed::new(seed));
        let file = create(&disk, "a");
        disk.crash_at(disk.steps(), CrashKind::Power);
        file.write_at(0, &[IoSlice::new(&[1; 4])]).unwrap_err();
        lens.insert(read(&cut(&disk, &CrashPolicy::AllKept, 0), "a").len());
    }
    assert_eq!(lens.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn planned_faults_hit_the_calls_they_name() {
    let disk = disk();
    let plan = FaultPlan::new(Operation::Write, EDQUOT).suffix(".log").after(1).times(2);
    disk.fail(plan);
    disk.fail(FaultPlan::new(Operation::Create, ENOSPC).suffix("x"));
    disk.fail(FaultPlan::new(Operation::Rename, EIO).suffix("to"));
    let (log, other) = (create(&disk, "a.log"), create(&disk, "a.txt"));
    assert_eq!(errno(disk.open("x", OpenMode::Create)), ENOSPC);
    create(&disk, "x");
    assert_eq!(errno(disk.rename("x", "to")), EIO);
    let write = |file: &dyn StorageFile| file.write_at(0, &[IoSlice::new(&[1; 9])]);
    write(&*log).unwrap();
    assert_eq!(errno(write(&*log)), EDQUOT);
    write(&*other).unwrap();
    assert_eq!(errno(write(&*log)), EDQUOT);
    write(&*log).unwrap();
    disk.fail(FaultPlan::new(Operation::Write, EINTR));
    let before = disk.pending_units();
    assert_eq!(errno(write(&*log)), EINTR);
    assert_eq!(disk.pending_units(), before, "an interrupted write took nothing");
    disk.fail(FaultPlan::new(Operation::Read, EIO).times(100));
    disk.stop_failing();
    contents(&*log);
    assert_eq!(disk.counters().planned[&Operation::Write], 3);
}

#[test]
fn noise_is_survived_by_the_retry_loop() {
    let disk = disk();
    disk.set_call_noise(CallNoise::even(500));
    let bytes: Vec<u8> = (0..100_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let file = create(&disk, "a");
    for chunk in 0..100 {
        let from = chunk * 1000;
        write_full(
            &*file,
            from as u64,
            &[&bytes[from..from + 500], &bytes[from + 500..from + 1000]],
        )
        .unwrap();
    }
    for _ in 0..20 {
        assert_eq!(contents(&*file), bytes);
    }
    let counters = disk.counters();
    assert!(counters.short_writes > 10 && counters.interrupted > 10 && counters.short_reads > 3);
}

#[test]
fn damage_is_seen_and_counted() {
    let disk = disk();
    let file = settled(&disk, "a", 0, 100);
    disk.flip_bit("a", 3, 7).unwrap();
    disk.overwrite_durably("a", 10, b"xy").unwrap();
    assert_eq!((contents(&*file)[3], contents(&*file)[11]), (0x80, b'y'));
    disk.truncate_durably("a", 5).unwrap();
    assert_eq!(read(&disk, "a"), [0, 0, 0, 0x80, 0][..5]);
    assert_eq!(disk.flip_bit("a", 5, 0).unwrap_err().raw_os_error(), Some(22));
    assert_eq!(disk.flip_bit("a", 0, 8).unwrap_err().raw_os_error(), Some(22));
    assert_eq!(errno(disk.flip_bit("b", 0, 0)), 2);
    assert_eq!(disk.counters().damages, 3);
}

#[test]
fn the_image_hash_tells_images_apart_and_nothing_else() {
    let disk = disk();
    let empty = disk.image_hash();
    let file = settled(&disk, "a", 1, 100);
    let one = disk.image_hash();
    write_full(&*file, 4, &[&[1; 10]]).unwrap();
    assert_eq!(disk.image_hash(), one, "the same bytes again");
    disk.rename("a", "b").unwrap();
    let renamed = disk.image_hash();
    file.set_len(101).unwrap();
    let hashes = std::collections::BTreeSet::from([empty, one, renamed, disk.image_hash()]);
    assert_eq!(hashes.len(), 4);
    file.sync_all().unwrap();
    disk.sync_dir().unwrap();
    let after = cut(&disk, &CrashPolicy::AllLost, 0);
    assert_eq!(after.image_hash(), disk.image_hash());
}

/// A run whose every step is drawn from the seed; its hashes.
fn run(seed: u64) -> (u64, u64, u64, u128) {
    let seed = Seed::new(seed);
    let disk = SimDisk::new(seed);
    disk.set_call_noise(CallNoise::even(100));
    let mut work = seed.rng(Concern::Workload);
    disk.fail(FaultPlan::new(Operation::SyncData, EIO).after(work.below(10)));
    disk.crash_at(work.between(50, 200), CrashKind::Power);
    while !disk.is_dead() {
        let name = ["a", "b", "c"][work.index(3)];
        let file = disk.open(name, OpenMode::Write).or_else(|_| disk.open(name, OpenMode::Create));
        let Ok(file) = file else { break };
        let bytes = vec![1; work.index(3000)];
        let _ = file.write_at(work.below(5000), &[IoSlice::new(&bytes)]);
        let _ = match work.below(6) {
            0 => file.sync_data(),
            1 => file.sync_all(),
            2 => disk.sync_dir(),
            3 => disk.rename(name, "c"),
            4 => file.set_len(work.below(4000)),
            _ => file.evict().map(drop),
        };
    }
    let mut rng = seed.rng(Concern::CrashResolution);
    let policy = CrashPolicy::drawn(disk.pending_units(), &mut rng);
    let after = disk.after_power_cut(&policy, &mut rng);
    (disk.event_hash(), disk.image_hash(), after.image_hash(), work.position())
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..50 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1).0, run(2).0);
}

#[test]
fn recorded_events_tell_what_was_asked_and_answered() {
    let disk = disk();
    disk.record_events(true);
    let file = create(&disk, "a");
    write_full(&*file, 4, &[b"abc"]).unwrap();
    disk.open("a", OpenMode::Create).unwrap_err();
    let told: Vec<_> = disk
        .events()
        .into_iter()
        .map(|event| (event.step, event.operation, event.offset, event.len, event.result))
        .collect();
    assert_eq!(
        told,
        [
            (0, Operation::Create, 0, 0, Ok(1)),
            (1, Operation::Write, 4, 3, Ok(3)),
            (2, Operation::Create, 0, 0, Err(17)),
        ]
    );
}
