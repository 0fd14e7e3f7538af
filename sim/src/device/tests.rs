use crate::testing::{contents, create, cut, disk, errno, read, rng, settled};
use crate::{
    CrashKind, CrashPolicy, DiskOptions, EDQUOT, EIO, ENOSPC, FaultPlan, InFlight, Limits,
    Operation, Preset, Seed, SimDisk,
};
use seawall::storage::{EntryKind, OpenMode, Storage, write_full};
use std::collections::BTreeSet;
use std::io::IoSlice;

fn of_kind(preset: Preset, seed: u64) -> SimDisk {
    SimDisk::with_options(DiskOptions::new(Seed::new(seed)).preset(preset))
}

#[test]
fn a_power_safe_device_keeps_every_call_that_returned() {
    let mut kinds = BTreeSet::new();
    for seed in 0..10 {
        let disk = of_kind(Preset::PowerSafe, seed);
        let file = create(&disk, "a");
        write_full(&*file, 0, &[&[1; 3000]]).unwrap();
        file.allocate(0, 9000).unwrap();
        disk.rename("a", "b").unwrap();
        create(&disk, "c");
        disk.remove("c").unwrap();
        assert_eq!(disk.pending_units(), 0);
        let after = cut(&disk, &CrashPolicy::AllLost, 0);
        assert_eq!((after.names(), read(&after, "b").len()), (vec!["b".to_owned()], 9000));

        disk.crash_inside(disk.steps(), CrashKind::Power, InFlight::Prefix);
        file.write_at(0, &[IoSlice::new(&[2; 3000])]).unwrap_err();
        let after = |seed| cut(&disk, &CrashPolicy::RandomSectors, seed).image_hash();
        kinds.extend((0..20).map(after));
    }
    assert!(kinds.len() > 20, "the write in flight comes apart");
}

#[test]
fn a_lying_device_goes_back_to_what_it_was_at_an_earlier_sync() {
    let (mut counts, mut undone) = (BTreeSet::new(), 0);
    for seed in 0..60 {
        let disk = of_kind(Preset::Lying, seed);
        let file = create(&disk, "a");
        disk.sync_dir().unwrap();
        for round in 1..=8 {
            write_full(&*file, u64::from(round - 1) * 600, &[&[round; 600]]).unwrap();
            file.sync_data().unwrap();
        }
        assert_eq!(cut(&disk, &CrashPolicy::AllKept, 0).counters().flushes_lost, 0);
        assert_eq!(read(&disk.after_kill(), "a").len(), 4800, "a kill loses nothing");
        let after = cut(&disk, &CrashPolicy::Prefix, seed);
        let lost = after.counters().flushes_lost;
        undone += u64::from(lost > 0);
        if after.names().is_empty() {
            assert_eq!(lost, 9);
            continue;
        }
        let bytes = read(&after, "a");
        let whole: Vec<u8> = (1..=8).flat_map(|round| [round; 600]).collect();
        assert!(
            whole.starts_with(&bytes) && bytes.len().is_multiple_of(600),
            "a prefix of the syncs"
        );
        assert_eq!(bytes.len() as u64, 4800 - lost * 600);
        counts.insert(lost);
        let again = cut(&after, &CrashPolicy::AllLost, 1);
        assert_eq!(read(&again, "a"), bytes, "what a restart finds is on the medium");
        assert!(disk.counters().drains <= 9);
    }
    assert!(counts.len() > 4 && undone > 10, "{counts:?}");
}

#[test]
fn a_journal_keeps_names_and_lengths_in_order_and_lengths_with_their_data() {
    let disk = of_kind(Preset::Journalled, 1);
    settled(&disk, "old", 9, 600);
    let files: Vec<_> = ["a", "b", "c"].map(|name| create(&disk, name)).into();
    for file in &files {
        write_full(&**file, 0, &[&[1; 1500]]).unwrap();
        write_full(&**file, 1500, &[&[2; 1500]]).unwrap();
    }
    disk.rename("c", "d").unwrap();
    let (mut images, mut shorter) = (BTreeSet::new(), 0);
    for policy in CrashPolicy::every(disk.pending_units(), 100) {
        for seed in 0..10 {
            let after = cut(&disk, &policy, seed);
            let names = after.names();
            let new: Vec<&str> = names.iter().map(String::as_str).filter(|n| *n != "old").collect();
            let all = [&[][..], &["a"], &["a", "b"], &["a", "b", "c"], &["a", "b", "d"]];
            assert!(all.contains(&new.as_slice()), "{policy}: {new:?}");
            let lens: Vec<usize> = new.iter().map(|name| read(&after, name).len()).collect();
            assert!(lens.is_sorted_by(|one, next| one >= next), "{policy}: {lens:?}");
            for name in new {
                let bytes = read(&after, name);
                assert!(bytes.iter().all(|byte| *byte != 0), "{policy}: data behind the end");
                shorter += usize::from(bytes.len() < 3000);
            }
            images.insert(after.image_hash());
        }
    }
    assert!(images.len() > 5 && shorter > 20);
    files[0].sync_all().unwrap();
    assert_eq!(cut(&disk, &CrashPolicy::AllLost, 0).names(), ["a", "b", "d", "old"]);
}

#[test]
fn write_back_makes_any_part_durable_and_takes_nothing_back() {
    let mut images = BTreeSet::new();
    let (mut sectors, mut names) = (0, 0);
    for seed in 0..80 {
        for preset in [Preset::Posix, Preset::Journalled] {
            let disk = of_kind(preset, 1);
            let file = settled(&disk, "a", 1, 2048);
            write_full(&*file, 0, &[&[2; 2048]]).unwrap();
            write_full(&*file, 100, &[&[3; 3000]]).unwrap();
            create(&disk, "b");
            disk.rename("b", "c").unwrap();
            let mut rng = rng(seed);
            disk.write_back_some(&mut rng);
            let early = cut(&disk, &CrashPolicy::AllLost, 0);
            let now = cut(&disk, &CrashPolicy::AllKept, 0);
            assert_eq!(read(&now, "a"), contents(&*file));
            let whole = contents(&*file);
            for (sector, expected) in read(&early, "a").chunks(512).zip(whole.chunks(512)) {
                let old = sector.iter().all(|byte| [0, 1].contains(byte));
                assert!(old || expected.starts_with(sector), "as it is now, or not at all");
            }
            images.insert(early.image_hash());
            file.sync_all().unwrap();
            disk.sync_dir().unwrap();
            let after = cut(&disk, &CrashPolicy::AllLost, 0);
            assert_eq!((read(&after, "a"), after.names().len()), (whole, 2));
            sectors += disk.counters().written_back;
            names += disk.counters().names_written_back;
        }
    }
    assert!(images.len() > 20 && sectors > 200 && names > 20, "{} {sectors}", images.len());
}

#[test]
fn failing_calls_on_names_may_have_happened() {
    let mut seen = BTreeSet::new();
    for seed in 0..40 {
        let disk = SimDisk::new(Seed::new(seed));
        for name in ["a", "b"] {
            settled(&disk, name, 1, 10);
        }
        for operation in [Operation::Create, Operation::Rename, Operation::Remove] {
            disk.fail(FaultPlan::new(operation, EIO));
        }
        assert_eq!(errno(disk.open("new", OpenMode::Create)), EIO);
        assert_eq!(errno(disk.rename("a", "to")), EIO);
        assert_eq!(errno(disk.remove("b")), EIO);
        let names = disk.names();
        let counters = disk.counters();
        let has = |name: &str| u64::from(names.contains(&name.to_owned()));
        assert_eq!(counters.failed_creates_made, has("new"));
        assert_eq!(counters.failed_renames_made, has("to"));
        assert_eq!((has("a"), counters.failed_removes_made), (1 - has("to"), 1 - has("b")));
        assert_eq!(counters.eio, 3);
        seen.insert(names);
    }
    assert_eq!(seen.len(), 8, "each of them, or not");
}

#[test]
fn a_failing_sync_of_the_directory_keeps_any_of_the_entries() {
    let mut seen = BTreeSet::new();
    for seed in 0..60 {
        let disk = SimDisk::new(Seed::new(seed));
        for name in ["a", "b", "c"] {
            create(&disk, name);
        }
        disk.fail(FaultPlan::new(Operation::SyncDir, EIO));
        assert_eq!(errno(disk.sync_dir()), EIO);
        assert_eq!(disk.names().len(), 3);
        seen.insert(cut(&disk, &CrashPolicy::AllLost, 0).names());
        disk.sync_dir().unwrap();
        assert_eq!(cut(&disk, &CrashPolicy::AllLost, 0).names().len(), 3);
    }
    assert_eq!(seen.len(), 8);
}

#[test]
fn failing_reservations_and_cuts_may_have_changed_the_length() {
    let (mut lens, mut cuts) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..60 {
        let disk = SimDisk::new(Seed::new(seed));
        let file = settled(&disk, "a", 1, 10);
        disk.fail(FaultPlan::new(Operation::Allocate, ENOSPC));
        assert_eq!(errno(file.allocate(0, 14)), ENOSPC);
        let len = file.len().unwrap();
        assert_eq!(disk.counters().failed_lengths_set, u64::from(len > 10));
        lens.insert(len);
        disk.fail(FaultPlan::new(Operation::SetLen, EIO));
        assert_eq!(errno(file.set_len(3)), EIO);
        cuts.insert(file.len().unwrap() == 3);
    }
    assert_eq!((lens.len(), lens.last(), cuts.len()), (5, Some(&14), 2));
}

#[test]
fn a_quota_is_found_at_a_create_a_write_a_reservation_or_a_sync_and_is_lifted() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 1000);
    disk.set_limits(Some(Limits::bytes(1500).files(1).quota().lifted_after(4)));
    assert_eq!(errno(disk.open("b", OpenMode::Create)), EDQUOT);
    assert_eq!(errno(file.allocate(0, 2000)), EDQUOT);
    write_full(&*file, 1000, &[&[1; 500]]).unwrap();
    assert_eq!(errno(file.write_at(1500, &[IoSlice::new(b"x")])), EDQUOT);
    assert_eq!(errno(file.set_len(1600)), EDQUOT);
    create(&disk, "b");
    file.set_len(1600).unwrap();
    let counters = disk.counters();
    assert_eq!((counters.over_quota, counters.no_space), (4, 0));
    assert_eq!((counters.no_room_to_create, counters.room_returned), (1, 1));

    disk.set_limits(Some(Limits::bytes(2000).found_late()));
    write_full(&*file, 1600, &[&[2; 1000]]).unwrap();
    assert_eq!(errno(file.sync_data()), ENOSPC);
    file.set_len(1600).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.counters().no_room_in_sync, 1);
    disk.set_capacity(None);
    assert_eq!(disk.counters().room_returned, 2);
}

#[test]
fn foreign_entries_are_listed_durable_and_never_opened() {
    for preset in Preset::ALL {
        let disk = of_kind(*preset, 3);
        disk.put_foreign("dir", EntryKind::Other).unwrap();
        disk.put_foreign("file", EntryKind::File).unwrap();
        disk.put_foreign("dir", EntryKind::Other).unwrap_err();
        let mut after = cut(&disk, &CrashPolicy::AllLost, 0);
        for _ in 0..2 {
            let mut entries = after.list().unwrap();
            entries.sort_by(|one, other| one.name.cmp(&other.name));
            let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
            assert_eq!(kinds, [EntryKind::Other, EntryKind::File]);
            assert_eq!(errno(after.open("dir", OpenMode::Write)), 40, "ELOOP");
            assert_eq!(errno(after.open("dir", OpenMode::Create)), 17, "EEXIST");
            assert_eq!(read(&after, "file"), b"");
            assert_eq!(errno(after.rename("file", "dir")), 21, "EISDIR");
            after = after.after_kill();
        }
        after.rename("dir", "aside").unwrap();
        assert_eq!(after.names(), ["aside", "file"]);
    }
}
