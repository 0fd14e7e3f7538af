//! Files that lost their beginning, their end or their place in the directory: what is left says what
//! was lost, to every reader alike; and what nothing was lost with is no damage.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall::format::layout;
use seawall::format::name::FileName;
use seawall::storage::{OpenMode, Storage, read_full, write_full};
use seawall::{Damage, Durability, Error, Log, LogView, Lsn, Options, SegmentId, Verdict};
use seawall_sim::{Concern, CrashKind, CrashPolicy, Seed, SimDisk, environment};

const LEN: u64 = 16 << 10;

fn options() -> Options {
    Options::new().segment_len(LEN).idle_mark(None).durability(Durability::Sync)
}

fn name(number: u64) -> String {
    FileName::Segment(SegmentId::new(number)).text()
}

fn open(disk: &SimDisk) -> Log {
    Log::open_in(environment(disk, 1), options()).unwrap()
}

/// Records of 300 bytes until the log has so many segments, and `more`.
fn fill(log: &Log, segments: usize, more: usize) -> Lsn {
    let mut last = Lsn::FIRST;
    while log.segments().len() < segments {
        last = log.append(&[7; 300]).unwrap().lsn;
    }
    for _ in 0..more {
        last = log.append(&[8; 300]).unwrap().lsn;
    }
    last
}

fn newest(log: &Log) -> u64 {
    log.segments().last().unwrap().number().get()
}

/// Half a segment is full, and the next file made ready.
fn fill_half(disk: &SimDisk, log: &Log) {
    fill(log, 1, 0);
    let segment = newest(log);
    fill(log, 0, 13);
    assert_eq!(newest(log), segment);
    log.tend().unwrap();
    assert!(disk.names().contains(&name(segment + 1)));
}

/// The segment before the newest has its seal.
fn seal(disk: &SimDisk, log: &Log) {
    log.tend().unwrap();
    let before = name(newest(log) - 1);
    let file = disk.open(&before, OpenMode::Read).unwrap();
    let mut bytes = [0; 8];
    let at = layout::trailer_offset(file.len().unwrap());
    read_full(&*file, at, &mut bytes).unwrap();
    assert_eq!(&bytes, b"SWTRAIL\0");
}

/// The disk after the process died, all of it on the device.
fn killed(disk: &SimDisk, log: Log) -> SimDisk {
    disk.crash_now(CrashKind::Kill);
    drop(log);
    settled(&disk.after_kill())
}

fn settled(disk: &SimDisk) -> SimDisk {
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    disk.after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

fn len(disk: &SimDisk, number: u64) -> u64 {
    disk.read_durable(&name(number)).unwrap().len() as u64
}

fn zero(disk: &SimDisk, number: u64, from: u64, to: u64) {
    let zeros = vec![0; usize::try_from(to - from).unwrap()];
    disk.overwrite_durably(&name(number), from, &zeros).unwrap();
}

fn remove(disk: &SimDisk, number: u64) {
    disk.remove(&name(number)).unwrap();
    disk.sync_dir().unwrap();
}

fn put(disk: &SimDisk, number: u64, bytes: &[u8]) {
    let file = disk.open(&name(number), OpenMode::Create).unwrap();
    write_full(&*file, 0, &[bytes]).unwrap();
    file.sync_all().unwrap();
    disk.sync_dir().unwrap();
}

/// Every reader says damage, of the file with this number if any, and no byte is changed by it.
fn assert_damaged(disk: &SimDisk, number: u64, what: &str) {
    let before = disk.image_hash();
    let mut view = LogView::open_in(&environment(disk, 2)).unwrap();
    let verified = view.verify(|_| {}).unwrap();
    assert_eq!(verified.verdict, Verdict::Damaged, "{what}: {verified:?}");
    let of =
        |error: &Error| matches!(error, Error::Damaged { segment, .. } if segment.get() == number);
    assert!(verified.damage.iter().any(of), "{what}: {:?}", verified.damage);
    assert!(view.damage().is_some_and(of), "{what}: {:?}", view.damage());
    let refused = Log::open_in(environment(disk, 3), options()).err();
    assert!(refused.as_ref().is_some_and(of), "{what}: {refused:?}");
    assert_eq!(disk.image_hash(), before, "{what}: a refused open changed something");
}

/// No reader says damage, the log opens and is gone on with; a crash of that leaves it sound, too.
fn assert_sound(disk: &SimDisk, records: usize, what: &str) {
    let mut view = LogView::open_in(&environment(disk, 2)).unwrap();
    let verified = view.verify(|_| {}).unwrap();
    assert_ne!(verified.verdict, Verdict::Damaged, "{what}: {verified:?}");
    assert_eq!(verified.records, records as u64, "{what}");
    let log = open(disk);
    log.append(&[9; 300]).unwrap();
    let disk = killed(disk, log);
    let log = open(&disk);
    assert_eq!(log.scan(Lsn::FIRST).unwrap().map(Result::unwrap).count(), records + 1, "{what}");
    fill(&log, log.segments().len() + 2, 0);
    log.close().unwrap();
}

/// The repair that an operator asks for makes the log open again, and every record that is left is
/// shown; what is lost is a gap. Changes nothing of `disk`.
fn assert_mended(disk: &SimDisk, what: &str) {
    let disk = settled(disk);
    let before = LogView::open_in(&environment(&disk, 4)).unwrap().verify(|_| {}).unwrap();
    let quarantine = SimDisk::new(Seed::new(3));
    let repaired = Log::repair(&environment(&disk, 5), &quarantine, "lost", |_| {}).unwrap();
    assert!(repaired.left.is_none() && !repaired.steps.is_empty(), "{what}: {repaired:?}");
    let mut view = LogView::open_in(&environment(&disk, 6)).unwrap();
    let after = view.verify(|_| {}).unwrap();
    assert_eq!((after.verdict, after.records), (Verdict::Damaged, before.records), "{what}");
    let gap = |error: &Error| matches!(error, Error::Damaged { cause: Damage::Gap, .. });
    assert!(!after.damage.is_empty() && after.damage.iter().all(gap), "{what}: {after:?}");
    let log = open(&disk);
    let lsn = log.append(&[9; 300]).unwrap().lsn;
    assert!(before.damage.iter().all(|error| reaches(error) <= lsn), "{what}: {before:?}");
}

/// Where what is lost ends.
fn reaches(error: &Error) -> Lsn {
    match error {
        Error::Damaged { to, .. } => *to,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_repair_makes_a_log_open_whose_newest_files_are_gone_emptied_or_hollow() {
    for trimmed in [false, true] {
        let disk = SimDisk::new(Seed::new(1));
        let log = open(&disk);
        let first = fill(&log, 3, 0);
        if trimmed {
            log.trim(first).unwrap();
        }
        fill(&log, 4, 0);
        fill_half(&disk, &log);
        seal(&disk, &log);
        let newest = newest(&log);
        let written = killed(&disk, log);
        for gone in 2..=3 {
            let disk = settled(&written);
            (0..gone).for_each(|nth| remove(&disk, newest + 1 - nth));
            assert_mended(&disk, &format!("trimmed {trimmed}, {gone} gone"));
        }
        // The file that was made ready stays, and what it was used for before may be in it.
        for keep in [0, 1, 4096, 12288] {
            let disk = settled(&written);
            disk.truncate_durably(&name(newest), keep).unwrap();
            assert_mended(&disk, &format!("trimmed {trimmed}, cut to {keep}"));
        }
        let disk = settled(&written);
        remove(&disk, newest);
        assert_mended(&disk, &format!("trimmed {trimmed}, one gone, and the next one waits"));
        for (from, to) in [(0, 12288), (0, LEN), (8192, 12288), (9000, 9400)] {
            let disk = settled(&written);
            disk.punch_durably(&name(newest), from, to - from).unwrap();
            assert_mended(&disk, &format!("trimmed {trimmed}, a hole from {from} to {to}"));
        }
    }
}

/// Nothing says which log the records were of: that is refused by name, and nothing is changed.
#[test]
fn no_repair_makes_a_header_up_where_no_file_has_one() {
    let disk = SimDisk::new(Seed::new(1));
    let log = open(&disk);
    fill(&log, 1, 20);
    let disk = killed(&disk, log);
    zero(&disk, 1, 0, 12288);
    assert_damaged(&disk, 1, "the only file");
    let before = disk.image_hash();
    let quarantine = SimDisk::new(Seed::new(3));
    let refused = Log::repair(&environment(&disk, 5), &quarantine, "lost", |_| {}).unwrap_err();
    let Error::Unrepairable { name: of, why } = refused else { panic!("{refused:?}") };
    assert_eq!((of, why), (name(1), "no segment is left that says which log it belongs to"));
    assert_eq!(disk.image_hash(), before);
    assert_eq!(quarantine.names(), Vec::<String>::new());
}

/// What a clean close says is no segment needs no repair, however it is hurt.
#[test]
fn a_repair_has_nothing_to_do_where_a_clean_close_says_that_nothing_follows() {
    let disk = SimDisk::new(Seed::new(1));
    let log = open(&disk);
    fill_half(&disk, &log);
    log.close().unwrap();
    let disk = killed(&disk, log);
    disk.truncate_durably(&name(2), 0).unwrap();
    let quarantine = SimDisk::new(Seed::new(3));
    let repaired = Log::repair(&environment(&disk, 5), &quarantine, "lost", |_| {}).unwrap();
    assert!(repaired.left.is_none() && repaired.steps.is_empty(), "{repaired:?}");
}

#[test]
fn a_log_whose_only_file_lost_its_beginning_is_damaged_while_anything_of_it_is_left() {
    for closed in [false, true] {
        let disk = SimDisk::new(Seed::new(1));
        let log = Log::open_in(environment(&disk, 1), options().segment_len(64 << 10)).unwrap();
        let last = fill(&log, 0, 120);
        assert_eq!(log.segments().len(), 1);
        if closed {
            log.close().unwrap();
        }
        let written = killed(&disk, log);
        let end = len(&written, 1);
        for hole in (4096..=end).step_by(4096) {
            let disk = settled(&written);
            zero(&disk, 1, 0, hole);
            let last_used = if closed { end } else { layout::FRAMES_START + last.get() };
            let what = format!("closed {closed}, {hole} zeros");
            if hole == 4096 {
                let mut view = LogView::open_in(&environment(&disk, 2)).unwrap();
                assert_eq!(view.verify(|_| {}).unwrap().records, 120, "{what}");
            } else if hole < last_used {
                assert_damaged(&disk, 1, &what);
            } else {
                // Nothing is left of it at all.
                assert_sound(&disk, 0, &what);
            }
        }
    }
}

#[test]
fn what_waits_to_be_begun_is_no_damage_whatever_an_earlier_use_left_in_it() {
    for trimmed in [false, true] {
        let disk = SimDisk::new(Seed::new(1));
        let log = open(&disk);
        let last = fill(&log, 4, 0);
        let records = if trimmed {
            log.trim(last).unwrap();
            1
        } else {
            log.scan(Lsn::FIRST).unwrap().count()
        };
        // Half a segment more: then the next file is made ready.
        fill_half(&disk, &log);
        let disk = killed(&disk, log);
        let stale = disk.read_durable(&name(5)).unwrap();
        assert_eq!(stale[12288..].iter().any(|&byte| byte != 0), trimmed, "it was used before");
        assert_sound(&disk, records + 13, &format!("trimmed {trimmed}"));
    }
}

#[test]
fn a_recycled_file_that_lost_its_beginning_is_told_by_its_marks_and_by_its_trailer() {
    for (closed, jumped) in [(false, false), (true, false), (false, true), (true, true)] {
        let what = format!("closed {closed}, jumped {jumped}");
        let disk = SimDisk::new(Seed::new(1));
        let log = open(&disk);
        let last = fill(&log, 4, 0);
        log.trim(last).unwrap();
        let (disk, log) = if jumped {
            let disk = killed(&disk, log);
            let log = open(&disk);
            (disk, log)
        } else {
            (disk, log)
        };
        log.append(&[7; 300]).unwrap();
        let segment = newest(&log) + 1;
        while newest(&log) < segment {
            log.append(&[7; 300]).unwrap();
        }
        fill(&log, 1, 16);
        seal(&disk, &log);
        if closed {
            log.close().unwrap();
        }
        let written = killed(&disk, log);
        for hole in [12288, 13000] {
            let disk = settled(&written);
            zero(&disk, segment, 0, hole);
            assert_damaged(&disk, segment, &what);
            // As if the seal of the one before had never come to the disk; it was not shortened.
            assert_eq!(len(&disk, segment - 1), LEN);
            zero(&disk, segment - 1, LEN - 64, LEN);
            assert_damaged(&disk, segment, &format!("{what}, no seal"));
        }
    }
}

#[test]
fn a_seal_says_that_the_newest_files_are_gone() {
    for closed in [false, true] {
        for gone in 1..=3 {
            let disk = SimDisk::new(Seed::new(1));
            let log = open(&disk);
            fill(&log, 6, 2);
            seal(&disk, &log);
            if closed {
                log.close().unwrap();
            }
            let disk = killed(&disk, log);
            (0..gone).for_each(|nth| remove(&disk, 6 - nth));
            assert_damaged(&disk, 7 - gone, &format!("closed {closed}, {gone} gone"));
        }
    }
}

#[test]
fn a_seal_says_so_of_a_segment_that_was_shortened_and_loses_no_frame_of_it() {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options().segment_len(2 * LEN)).unwrap();
    log.append(&[1; 300]).unwrap();
    // It does not fit, and begins a segment: little of the first one is used.
    log.append(&[2; 23_900]).unwrap();
    seal(&disk, &log);
    let disk = killed(&disk, log);
    assert_eq!(len(&disk, 1), LEN);
    for next in [None, Some(0), Some(16 << 10)] {
        let disk = settled(&disk);
        remove(&disk, 2);
        if let Some(len) = next {
            put(&disk, 2, &vec![0; len]);
        }
        assert_damaged(&disk, 2, &format!("{next:?}"));
        let mut view = LogView::open_in(&environment(&disk, 2)).unwrap();
        let found = view.verify(|_| {}).unwrap();
        assert_eq!(found.records, 1);
        let [Error::Damaged { segment, from, to, .. }] = &found.damage[..] else {
            panic!("{:?}", found.damage);
        };
        assert_eq!((segment.get(), *from, *to), (2, view.end(), view.end()));
    }
}

#[test]
fn a_trimmed_log_of_one_segment_is_damaged_if_that_has_a_seal_and_sound_if_not() {
    let disk = SimDisk::new(Seed::new(1));
    let log = open(&disk);
    let last = fill(&log, 4, 3);
    log.trim(last).unwrap();
    assert_eq!(log.segments().len(), 1);
    let sound = killed(&disk, log);
    assert_sound(&settled(&sound), 1, "trimmed");

    let disk = SimDisk::new(Seed::new(1));
    let log = open(&disk);
    let last = fill(&log, 4, 3);
    log.trim(last).unwrap();
    fill(&log, 3, 0);
    log.tend().unwrap();
    let disk = killed(&disk, log);
    remove(&disk, 6);
    remove(&disk, 5);
    assert_damaged(&disk, 5, "the others are gone");
}

#[test]
fn behind_a_clean_close_the_next_file_is_none_whatever_is_in_it() {
    for used in [false, true] {
        let disk = SimDisk::new(Seed::new(1));
        let log = open(&disk);
        if used {
            let last = fill(&log, 4, 0);
            log.trim(last).unwrap();
        }
        fill_half(&disk, &log);
        let newest = newest(&log);
        let records = log.scan(Lsn::FIRST).unwrap().count();
        log.close().unwrap();
        let written = killed(&disk, log);
        for len in [0, 1, 4096, 12287, 12288, LEN - 1, LEN, LEN + 1] {
            let disk = settled(&written);
            disk.truncate_durably(&name(newest + 1), len).unwrap();
            assert_sound(&disk, records, &format!("used {used}, cut to {len}"));
        }
        for (from, to) in [(0, 64), (8192, 8200), (8192, LEN)] {
            let disk = settled(&written);
            let junk = vec![0xa5; usize::try_from(to - from).unwrap()];
            disk.overwrite_durably(&name(newest + 1), from, &junk).unwrap();
            assert_sound(&disk, records, &format!("used {used}, junk from {from} to {to}"));
        }
        let disk = settled(&written);
        remove(&disk, newest + 1);
        assert_sound(&disk, records, "it is gone");
        // Without the close record it may have been begun.
        let disk = settled(&written);
        zero(&disk, newest, LEN - 64, LEN);
        disk.truncate_durably(&name(newest + 1), 0).unwrap();
        assert_damaged(&disk, newest + 1, &format!("used {used}, not closed"));
    }
}

#[test]
fn what_a_log_finds_in_its_place_before_its_first_trim_is_in_none_of_its_files() {
    let disk = SimDisk::new(Seed::new(1));
    for number in [1, 2, 9] {
        let spare = FileName::Spare(number).text();
        let file = disk.open(&spare, OpenMode::Create).unwrap();
        write_full(&*file, 0, &[&[0xa5; 16 << 10]]).unwrap();
        file.sync_all().unwrap();
    }
    disk.sync_dir().unwrap();
    let log = open(&disk);
    assert_eq!(disk.names(), Vec::<String>::new());
    // Up to the moment at which the second segment is made ready.
    fill_half(&disk, &log);
    let records = log.scan(Lsn::FIRST).unwrap().count();
    let disk = killed(&disk, log);
    assert_sound(&disk, records, "spares of another log");
}
