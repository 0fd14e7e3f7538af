//! Repairs of damaged logs: at every crash point the originals are whole, and what is left is the log as it
//! was, or repaired, or a mixture of whole files that the next repair finishes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod repairs;

use repairs::{
    Case, QUARANTINE, all_files, append, cases, crashes_in_repairs, files, half_of_the_third, name,
    options, recorded, records, repair, settled, written,
};
use seawall::storage::{EntryKind, OpenMode, Storage};
use seawall::{Damage, Durability, Error, Log, LogView, Lsn, RepairStep};
use seawall_sim::{
    Concern, CrashKind, EIO, ENOSPC, FaultPlan, HurtKind, Operation, Seed, SimDisk, Subdirectory,
    environment,
};

#[test]
fn a_repair_cut_off_at_any_call_keeps_the_originals_and_is_finished_by_the_next() {
    let (tally, images) = crashes_in_repairs(cases()).unwrap();
    println!(
        "{} kinds of damage, {} crash points, {} ways to resolve them, {images} images",
        cases().count(),
        tally.crash_points,
        tally.resolved
    );
    assert!(tally.crash_points > 10_000 && images > 1000, "{tally:?}, {images}");
}

/// Ranges that touch are one.
fn joined(ranges: impl Iterator<Item = (Lsn, Lsn)>) -> Vec<(Lsn, Lsn)> {
    let mut joined: Vec<(Lsn, Lsn)> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}

#[test]
fn a_gap_says_what_a_reader_was_told_before_the_repair() {
    for case in cases() {
        let view = LogView::open_in(&environment(&case.disk, 1)).unwrap();
        let told = joined(records(&case.disk).1.into_iter().map(|error| match error {
            Error::Damaged { from, to, .. } => (from, to),
            other => panic!("{}: {other:?}", case.what),
        }));
        repair(&case.disk, "first").unwrap();
        let ranges = joined(recorded(&case.disk).unwrap().into_iter());
        let whole = case.what.contains("all frames") || case.what.contains("to nothing");
        if view.damage().is_none() && !whole {
            assert_eq!(ranges, told, "{}", case.what);
        }
        // Of a file that is gone at the end nobody was told how far it went.
        for (from, to) in told {
            let covered = ranges.iter().any(|range| range.0 <= from && to <= range.1);
            assert!(covered, "{}: {from}..{to} is not in {ranges:?}", case.what);
        }
    }
}

#[test]
fn a_sound_log_is_left_as_it_is() {
    for closed in [false, true] {
        let disk = written(closed);
        let before = all_files(&disk);
        let repaired = repair(&disk, "first").unwrap();
        assert!(repaired.steps.is_empty() && repaired.quarantined.is_empty(), "{repaired:?}");
        assert!(repaired.left.is_none());
        assert!(all_files(&disk) == before);
    }
    let empty = SimDisk::new(Seed::new(1));
    assert!(repair(&empty, "first").unwrap().steps.is_empty());
    assert!(empty.names().is_empty());
}

/// Three segments that nothing vouches for, and a file made ready behind them: the first is torn, so the others go
/// with the tail, and were not lost. The regression `file-that-waits-behind-a-cut` has the story.
#[test]
fn a_log_that_is_torn_before_segments_is_left_as_it_is() {
    let disk = SimDisk::new(Seed::new(9));
    let unsynced = options().durability(Durability::Os).unsynced_max(1 << 20);
    let log = Log::open_in(environment(&disk, 9), unsynced).unwrap();
    while log.segments().len() < 3 || log.watermarks().written < half_of_the_third(&log) {
        append(&log, &mut Seed::new(9).rng(Concern::Workload));
    }
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = settled(&disk);
    let waiting = disk.open(&name(4), OpenMode::Create).unwrap();
    waiting.allocate(0, 16 << 10).unwrap();
    waiting.sync_all().unwrap();
    disk.sync_dir().unwrap();
    disk.overwrite_durably(&name(1), 8192, &[0; 512]).unwrap();
    let view = LogView::open_in(&environment(&disk, 1)).unwrap();
    assert!(view.is_torn() && view.damage().is_none() && view.segments().len() == 1, "{view:?}");
    let before = all_files(&disk);
    let repaired = repair(&disk, "first").unwrap();
    assert!(repaired.steps.is_empty() && repaired.left.is_none(), "{repaired:?}");
    assert!(all_files(&disk) == before);
}

/// A header of a stand-in stated the trim point of the whole log, of which the header behind it, which
/// is older than the trim, knows nothing: that is a contradiction, and the log opened no more than before.
#[test]
fn what_stands_in_for_the_segment_of_the_trim_point_agrees_with_the_headers_behind_it() {
    let disk = written(false);
    let starts = LogView::open_in(&environment(&disk, 1)).unwrap();
    let starts: Vec<_> = starts.segments().iter().map(seawall::Segment::base).collect();
    let point = *records(&disk).0.keys().map(|(lsn, _)| lsn).find(|&&lsn| lsn > starts[1]).unwrap();
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    log.append_at(b"a segment whose header knows of no trim", Durability::Sync).unwrap();
    log.trim(point).unwrap();
    log.tend().unwrap();
    drop(log);
    let disk = settled(&disk);
    assert!(!disk.names().contains(&name(1)), "the first segment was removed");
    disk.remove(&name(2)).unwrap();
    disk.sync_dir().unwrap();
    let (shown, _) = records(&disk);
    let repaired = repair(&disk, "first").unwrap();
    assert!(repaired.left.is_none() && repaired.steps.len() == 1, "{repaired:?}");
    assert!(records(&disk).0 == shown);
    assert_eq!(recorded(&disk).unwrap(), [(point, starts[2])]);
    let log = Log::open_in(environment(&disk, 2), options()).unwrap();
    assert_eq!(log.report().trim, point);
}

/// A file of the middle without headers and with zeros in its first frame block is no damage by itself: it was
/// written over by what stands in for it, and not kept. Found by a fuzzer.
#[test]
fn a_file_that_looks_never_begun_is_kept_before_something_stands_in_for_it() {
    let disk = written(false);
    disk.overwrite_durably(&name(2), 0, &[0; 3 * 4096]).unwrap();
    disk.overwrite_durably(&name(3), 0, &[0xff; 2 * 4096]).unwrap();
    let originals = files(&disk);
    let repaired = repair(&disk, "first").unwrap();
    assert_eq!(repaired.quarantined, [2, 3].map(|number| format!("{}.first", name(number))));
    let kept = all_files(&disk);
    for number in [2, 3].map(name) {
        assert!(kept[&format!("quarantine-{number}.first")] == originals[&number], "{number}");
    }
    assert!(repaired.left.is_none());
}

#[test]
fn a_second_repair_does_nothing() {
    for case in cases() {
        let plan = Log::plan_repair(&environment(&case.disk, 1)).unwrap();
        assert!(files(&case.disk) == case.originals, "{}: a plan changes nothing", case.what);
        assert_eq!(repair(&case.disk, "first").unwrap().steps, plan.steps, "{}", case.what);
        let before = all_files(&case.disk);
        assert!(repair(&case.disk, "second").unwrap().steps.is_empty(), "{}", case.what);
        assert!(all_files(&case.disk) == before, "{}", case.what);
    }
}

#[test]
fn damage_that_comes_later_is_another_repair_and_each_keeps_its_originals() {
    for case in cases().filter(|case| case.what.starts_with("rot in a frame")) {
        let first = repair(&case.disk, "same").unwrap();
        case.disk.flip_bit(&name(3), 8192 + 1500, 1).unwrap();
        let hurt = files(&case.disk);
        let (shown, _) = records(&case.disk);
        let second = repair(&case.disk, "same").unwrap();
        assert_eq!(second.quarantined, [format!("{}.same-2", name(3))]);
        let kept = all_files(&case.disk);
        assert!(kept[&format!("quarantine-{}.same-2", name(3))] == hurt[&name(3)]);
        let [first] = &first.quarantined[..] else { panic!("{first:?}") };
        let original = &case.originals[first.strip_suffix(".same").unwrap()];
        assert!(kept[&format!("quarantine-{first}")] == *original);
        assert!(records(&case.disk).0 == shown);
        assert_eq!(recorded(&case.disk).unwrap().len(), 2, "{}", case.what);
    }
}

/// One call fails, each in its turn: the log is as it was, or repaired, and the next repair ends it.
#[test]
fn a_call_that_fails_changes_nothing_of_the_log_or_leaves_it_to_the_next_repair() {
    let faults = [
        (Operation::Create, ENOSPC),
        (Operation::Allocate, ENOSPC),
        (Operation::Write, ENOSPC),
        (Operation::Write, EIO),
        (Operation::SetLen, EIO),
        (Operation::SyncAll, EIO),
        (Operation::SyncDir, EIO),
        (Operation::Rename, EIO),
        (Operation::Read, EIO),
        (Operation::List, EIO),
    ];
    let mut happened = 0;
    for case in cases() {
        for (operation, errno) in faults {
            for nth in 0.. {
                let disk = settled(&case.disk);
                disk.fail(FaultPlan::new(operation, errno).after(nth));
                let outcome = repair(&disk, "first");
                let what = format!("{}, {operation:?} {errno} after {nth}", case.what);
                let Err(error) = outcome else { break };
                happened += 1;
                let typed = match error {
                    Error::Full { .. } => errno == ENOSPC,
                    Error::Io { .. } => errno == EIO,
                    _ => false,
                };
                assert!(typed, "{what}: {error:?}");
                disk.stop_failing();
                case.originals_are_kept(&disk).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
                if !matches!(operation, Operation::Rename | Operation::SyncDir) {
                    assert!(files(&disk) == case.originals, "{what}: the log was changed");
                    let kept: Vec<_> =
                        disk.names().into_iter().filter(|name| !name.ends_with(".seg")).collect();
                    assert!(kept.iter().all(|name| name.ends_with(".spare")), "{what}: {kept:?}");
                }
                repair(&disk, "second").unwrap_or_else(|error| panic!("{what}: {error:?}"));
                case.is_repaired(&disk).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
            }
        }
    }
    println!("{happened} calls failed");
    assert!(happened > 500);
}

#[test]
fn a_sector_that_cannot_be_read_ends_a_repair_and_nothing_is_changed() {
    let mut rng = Seed::new(1).rng(Concern::Rot);
    for (number, offset) in [(1, 0), (2, 8192 + 1024), (3, 8192), (3, 4096)] {
        let disk = written(false);
        disk.flip_bit(&name(2), 8192 + 5000, 1).unwrap();
        disk.hurt_at(&name(number), offset, HurtKind::Unreadable, &mut rng).unwrap();
        let before = disk.names();
        let error = repair(&disk, "first").unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        assert_eq!(disk.names(), before);
    }
}

/// The disk of the quarantine takes bytes and returns others: an original that was replaced then would be gone.
#[test]
fn a_copy_that_is_not_the_original_ends_a_repair_and_nothing_is_changed() {
    for kind in [HurtKind::LostWrite, HurtKind::Garbage, HurtKind::BitRot] {
        let case = cases().find(|case| case.what == "rot in all three").unwrap();
        let quarantine = SimDisk::new(Seed::new(3));
        quarantine.hurt_synced(kind, ".partial", 1);
        let log = environment(&case.disk, 9);
        let error = Log::repair(&log, &quarantine, "first", |_| {}).unwrap_err();
        assert!(matches!(error, Error::Io { action: "compare", .. }), "{kind}: {error:?}");
        assert!(all_files(&case.disk) == case.originals, "{kind}: the log was changed");
        assert!(quarantine.names().is_empty(), "{kind}: {:?} is left", quarantine.names());
        let repaired = Log::repair(&log, &quarantine, "first", |_| {}).unwrap();
        assert_eq!(repaired.quarantined.len(), 3, "{kind}");
    }
}

#[test]
fn a_disk_that_is_full_ends_a_repair_and_nothing_is_changed() {
    for Case { what, disk, originals, .. } in cases() {
        for room in [0, 100, 16 << 10, 20 << 10, 33 << 10] {
            let full = settled(&disk);
            full.set_capacity(Some(full.used() + room));
            match repair(&full, "first") {
                Ok(repaired) => assert!(repaired.left.is_none(), "{what}, {room}"),
                Err(error) => {
                    assert!(error.is_full(), "{what}, {room}: {error:?}");
                    assert!(files(&full) == originals, "{what}, {room}");
                    assert_eq!(full.used(), disk.used(), "{what}, {room}: room is given back");
                }
            }
        }
    }
}

#[test]
fn a_log_that_a_writer_has_and_a_label_that_is_none_are_refused() {
    let disk = written(true);
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    assert!(matches!(repair(&disk, "first").unwrap_err(), Error::Locked { .. }));
    drop(log);
    for label in ["", "a/b", "a.b", "ä", &"a".repeat(33)] {
        assert!(matches!(repair(&disk, label).unwrap_err(), Error::Option { .. }), "{label}");
    }
}

#[test]
fn what_no_gap_can_say_is_refused_and_nothing_is_changed() {
    let lose_all: fn(&SimDisk) = |disk| {
        for number in 1..=3 {
            disk.overwrite_durably(&name(number), 0, &[0; 8192]).unwrap();
        }
    };
    // The third says that the second ended elsewhere than it can have.
    let contradict: fn(&SimDisk) = |disk| {
        let bytes = disk.read_durable(&name(3)).unwrap();
        let mut header = seawall::format::header::SegmentHeader::decode(&bytes).unwrap();
        header.prev_end = header.prev_end.checked_add(1 << 20).unwrap();
        header.base = header.prev_end;
        disk.overwrite_durably(&name(3), 0, &header.blocks()).unwrap();
    };
    for harm in [lose_all, contradict] {
        let disk = written(false);
        harm(&disk);
        let before = all_files(&disk);
        let error = repair(&disk, "first").unwrap_err();
        assert!(matches!(error, Error::Unrepairable { .. }), "{error:?}");
        assert!(all_files(&disk) == before);
    }
}

#[test]
fn damage_below_the_trim_point_is_not_in_the_way_of_a_repair_behind_it() {
    let disk = written(false);
    let (acknowledged, _) = records(&disk);
    let second = LogView::open_in(&environment(&disk, 1)).unwrap().segments()[1].base();
    let in_second: Vec<Lsn> =
        acknowledged.keys().map(|&(lsn, _)| lsn).filter(|&lsn| lsn > second).collect();
    let log = Log::open_in(environment(&disk, 2), options()).unwrap();
    log.trim(in_second[4]).unwrap();
    log.close().unwrap();
    drop(log);
    let offset = |lsn: Lsn| 8192 + lsn.since(second).unwrap() + 30;
    disk.flip_bit(&name(2), offset(in_second[1]), 1).unwrap();
    disk.flip_bit(&name(2), offset(in_second[7]), 1).unwrap();
    let disk = settled(&disk);
    let (shown, _) = records(&disk);
    let repaired = repair(&disk, "first").unwrap();
    assert!(repaired.left.is_none() && repaired.steps.len() == 1, "{repaired:?}");
    assert!(records(&disk).0 == shown && !shown.is_empty());
    assert!(!recorded(&disk).unwrap().is_empty());
}

#[test]
fn a_stand_in_for_the_last_segment_keeps_its_addresses_from_being_used_again() {
    let case = cases().find(|case| case.what == "both headers of the last").unwrap();
    let repaired = repair(&case.disk, "first").unwrap();
    assert!(matches!(repaired.steps[..], [RepairStep::StandIn(_)]), "{repaired:?}");
    let newest = case.acknowledged.keys().next_back().unwrap().0;
    // The gap fills the segment: the log ends behind it, and is not torn there.
    assert!(!LogView::open_in(&environment(&case.disk, 3)).unwrap().is_torn());
    let log = Log::open_in(environment(&case.disk, 3), options()).unwrap();
    assert!(!log.report().tail_ambiguous);
    assert!(log.append(b"next").unwrap().lsn > newest);
    let gone = log.read(newest).unwrap_err();
    assert!(matches!(gone, Error::Damaged { cause: Damage::Gap, .. }), "{gone:?}");
}

#[test]
fn a_quarantine_that_cannot_be_written_to_ends_a_repair_and_nothing_is_changed() {
    let case = cases().next().unwrap();
    let full = SimDisk::new(Seed::new(6));
    full.set_capacity(Some(0));
    let environment = environment(&case.disk, 1);
    let error = Log::repair(&environment, &full, "first", |_| {}).unwrap_err();
    assert!(error.is_full(), "{error:?}");
    assert!(files(&case.disk) == case.originals && full.names().is_empty());
    assert!(Subdirectory::new(&case.disk, QUARANTINE).list().unwrap().is_empty());
}

/// Two repairs of two logs that keep their originals in one place could take each other's.
#[test]
fn a_quarantine_that_another_repair_has_is_refused_and_nothing_is_changed() {
    let case = cases().next().unwrap();
    let quarantine = Subdirectory::new(&case.disk, QUARANTINE);
    let held = quarantine.lock().unwrap();
    let refused = repair(&case.disk, "first").unwrap_err();
    assert!(matches!(&refused, Error::Locked { dir } if dir == QUARANTINE), "{refused:?}");
    // Nor is the directory of the log one: new files and originals would have one name.
    let into_itself = Log::repair(&environment(&case.disk, 1), &case.disk, "repair", |_| {});
    assert!(matches!(into_itself, Err(Error::Locked { .. })), "{into_itself:?}");
    assert!(all_files(&case.disk) == case.originals);
    drop(held);
    assert!(repair(&case.disk, "first").unwrap().left.is_none());
}

#[test]
fn no_label_makes_a_later_repair_remove_an_original() {
    for label in ["partial", "x-partial", "repair"] {
        let case = cases().find(|case| case.what == "rot in all three").unwrap();
        repair(&case.disk, label).unwrap();
        // Somebody's own file, and what a repair that was cut off left.
        let quarantine = Subdirectory::new(&case.disk, QUARANTINE);
        let (theirs, left) = (format!("{}.my-partial", name(2)), format!("{}.a.partial", name(2)));
        for file in [&theirs, &left] {
            quarantine.open(file, OpenMode::Create).unwrap();
        }
        case.disk.flip_bit(&name(2), 8192 + 5000, 1).unwrap();
        let disk = settled(&case.disk);
        assert_eq!(repair(&disk, label).unwrap().quarantined.len(), 1);
        for (original, bytes) in &case.originals {
            let kept = format!("{QUARANTINE}-{original}.{label}");
            assert_eq!(disk.read_durable(&kept).as_ref(), Some(bytes), "{kept}");
        }
        let names: Vec<String> = Subdirectory::new(&disk, QUARANTINE)
            .list()
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert!(names.contains(&theirs) && !names.contains(&left), "{label}: {names:?}");
    }
}

#[test]
fn what_repairs_that_were_cut_off_left_of_other_segments_is_removed() {
    let case = cases().next().unwrap();
    for nth in 2..4 {
        let left = format!("{}.repair", name(nth));
        case.disk.open(&left, OpenMode::Create).unwrap();
    }
    let theirs = "notes.repair";
    case.disk.open(theirs, OpenMode::Create).unwrap();
    repair(&case.disk, "first").unwrap();
    let names = case.disk.names();
    let left: Vec<_> = names.iter().filter(|name| name.ends_with(".repair")).collect();
    assert_eq!(left, [theirs]);
}

#[test]
fn what_keeps_a_repaired_log_from_a_writer_is_left_and_said() {
    let case = cases().next().unwrap();
    case.disk.put_foreign("00000000000000000009.spare", EntryKind::Other).unwrap();
    let left = repair(&case.disk, "first").unwrap().left;
    let opened = Log::open_in(environment(&case.disk, 3), options()).unwrap_err();
    assert_eq!(left.map(|left| left.to_string()), Some(opened.to_string()));
}
