//! A disk without a free byte: trims go on from every state, free files, and appends follow (G8).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "holes/mod.rs"]
mod holes;
#[path = "reserve/mod.rs"]
mod reserve;

use seawall::format::name::FileName;
use seawall::{Error, Log, Lsn, Options};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, Event, InFlight, Limits, Operation, Seed, SimDisk, environment,
};
use std::time::Duration;

const CAPACITY: u64 = 100 << 10;

fn small() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None).prepare_ahead(false)
}

fn opened(disk: &SimDisk, run: u64) -> Log {
    Log::open_in(environment(disk, run), small()).unwrap()
}

/// Appends until nothing fits any more.
fn fill(log: &Log) {
    for _ in 0..1000 {
        match log.append(&[1; 1000]) {
            Ok(_) => {}
            Err(error) => return assert!(error.is_full(), "{error:?}"),
        }
    }
    panic!("the disk is not full");
}

/// A disk that a log filled, in a run that was killed.
fn full(seed: u64, limits: Limits) -> SimDisk {
    let disk = SimDisk::new(Seed::new(seed));
    disk.set_limits(Some(limits));
    let log = opened(&disk, 1);
    fill(&log);
    assert!(log.segments().len() >= 3, "{:?}", log.segments());
    disk.crash_now(CrashKind::Kill);
    drop(log);
    disk.after_kill()
}

/// The base of the last segment: all others lie wholly before it.
fn last_base(log: &Log) -> Lsn {
    log.segments().last().unwrap().base()
}

/// Trims that take files along, appends as much as fits then, and trims again.
fn works(disk: &SimDisk, run: u64) {
    let log = opened(disk, run);
    for _ in 0..3 {
        let segments = log.segments().len();
        let trimmed = log.trim(last_base(&log)).unwrap();
        assert_eq!(trimmed.trim, trimmed.durable);
        assert!(trimmed.files >= segments as u64 - 1, "{trimmed:?} of {segments}");
        for _ in 0..8 {
            log.append(&[2; 1000]).unwrap();
        }
        fill(&log);
    }
    log.close().unwrap();
}

#[test]
fn after_a_kill_a_trim_frees_files_and_appends_go_on() {
    for limits in [
        Limits::bytes(CAPACITY),
        Limits::bytes(CAPACITY).quota(),
        Limits::bytes(CAPACITY).found_late(),
        // No inode is left.
        Limits::bytes(1 << 20).files(6),
    ] {
        let disk = full(1, limits);
        disk.set_limits(Some(match limits == Limits::bytes(1 << 20).files(6) {
            true => limits,
            // Not a byte more.
            false => Limits::bytes(disk.used()),
        }));
        works(&disk, 2);
        // And after a clean close.
        works(&disk, 3);
    }
}

#[test]
fn any_number_of_trims_succeeds_on_a_full_disk() {
    for (clean, idle) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut disk = full(2, Limits::bytes(CAPACITY));
        let options = small().idle_mark(idle.then_some(Duration::from_millis(10)));
        let log = Log::open_in(environment(&disk, 2), options.clone()).unwrap();
        let (first, end) = (log.segments()[0].base(), log.watermarks().accepted);
        if clean {
            // Begins, and finds no room for more.
            log.trim(first.checked_add(8).unwrap()).unwrap();
            log.close().unwrap();
            drop(log);
        } else {
            disk.crash_now(CrashKind::Kill);
            drop(log);
            disk = disk.after_kill();
        }
        let log = Log::open_in(environment(&disk, 3), options.clone()).unwrap();
        let mut point = log.trim(Lsn::FIRST).unwrap().trim;
        let mut freed = 0;
        while let Some(next) = point.checked_add(8).filter(|next| *next <= end) {
            point = next;
            let trimmed = log.trim(point).unwrap();
            assert_eq!(trimmed.trim, point);
            freed += trimmed.files;
            let next = log.segments().get(1).map(|next| next.header.prev_end);
            assert!(next.is_none_or(|end| end > point), "{next:?} is below {point}");
            log.tend().unwrap();
        }
        assert!(freed >= 3, "{freed} files");
        log.append(&[3; 1000]).unwrap();
        log.close().unwrap();
        drop(log);
        let log = Log::open_in(environment(&disk, 4), options).unwrap();
        assert_eq!(log.trim(Lsn::FIRST).unwrap().durable, point, "a close states it");
    }
}

#[test]
fn no_crash_on_the_way_of_a_trim_uses_the_reserve_up() {
    let policies = [CrashPolicy::AllLost, CrashPolicy::AllKept, CrashPolicy::NamesLost];
    for (step, kind) in (0..60).flat_map(|step| [(step, CrashKind::Kill), (step, CrashKind::Power)])
    {
        for policy in &policies {
            let mut disk = full(3, Limits::bytes(CAPACITY));
            disk.set_capacity(Some(disk.used()));
            let mut rng = Seed::new(step).rng(Concern::CrashResolution);
            // Again and again at the same place.
            for run in 2..6 {
                disk.crash_inside(disk.steps() + step, kind, InFlight::Whole);
                let opened = Log::open_in(environment(&disk, run), small());
                if let Ok(log) = &opened {
                    let trimmed = log.trim(last_base(log));
                    if !disk.is_dead() {
                        trimmed.unwrap();
                    }
                }
                disk.crash_now(kind);
                drop(opened);
                disk = match kind {
                    CrashKind::Kill => disk.after_kill(),
                    _ => disk.after_power_cut(policy, &mut rng),
                };
            }
            works(&disk, 9);
        }
    }
}

#[test]
fn an_open_that_removes_what_a_trim_left_keeps_a_reserve_of_it() {
    let met = reserve::trims().unwrap();
    assert!(met >= 3, "{met} crashes came in between");
}

#[test]
fn a_spare_with_holes_is_filled_or_refused_before_a_record_relies_on_it() {
    assert_eq!(holes::spare_with_holes(), Ok(()));
}

/// On a disk that is full before the first record, or after the reserve is gone, records are refused
/// by name until there is room, and no longer.
#[test]
fn records_wait_for_the_reserve_and_come_with_it() {
    let disk = SimDisk::new(Seed::new(4));
    disk.set_capacity(Some(12 << 10));
    let log = opened(&disk, 1);
    let told = log.append(b"no room for the reserve").unwrap_err();
    let reserve = FileName::RESERVE.text();
    assert!(matches!(&told, Error::Full { name, .. } if *name == reserve), "{told}");
    assert!(disk.names().is_empty(), "{:?}", disk.names());
    disk.set_capacity(Some(20 << 10));
    let told = log.append(b"no room for a segment").unwrap_err();
    assert!(told.is_full(), "{told}");
    assert_eq!(disk.names(), [reserve]);
    disk.set_capacity(Some(40 << 10));
    log.append(b"room for both").unwrap();
}

#[test]
fn a_nearly_full_disk_is_filled_by_ever_shorter_segments_and_not_written_over_and_over() {
    const SEGMENT: u64 = 1 << 20;
    const ROOM: u64 = 1_900 << 10;
    let disk = SimDisk::new(Seed::new(5));
    disk.set_capacity(Some(ROOM));
    disk.record_events(true);
    let log = Log::open_in(environment(&disk, 1), small().segment_len(SEGMENT)).unwrap();
    for _ in 0..3000 {
        if let Err(error) = log.append(&[1; 1000]) {
            assert!(error.is_full(), "{error:?}");
        }
    }
    let written = |events: &[Event]| -> u64 {
        let zeros = events.iter().filter(|event| event.name.ends_with(".spare"));
        zeros
            .filter(|event| event.operation == Operation::Write)
            .map(|event| event.result.unwrap_or(0))
            .sum()
    };
    let zeros = written(&disk.events());
    assert!(zeros <= ROOM, "{zeros} zeros were written");
    assert!(disk.used() >= ROOM - (64 << 10), "{} of {ROOM} bytes are used", disk.used());
    // A segment as long as before is made where one was freed.
    log.trim(log.segments()[2].header.prev_end).unwrap();
    for _ in 0..1200 {
        let _more_than_fits = log.append(&[2; 1000]);
    }
    let longest = log.segments().iter().map(|segment| segment.header.file_len).max();
    assert!(longest >= Some(SEGMENT / 2), "{longest:?}");
}

/// As many bytes as are there, and no more; each write into them needs room of its own.
fn copying(bytes: u64) -> Limits {
    Limits::bytes(bytes).copying_on_write()
}

/// A log in segments of which a kill leaves most to be given back, on a disk that copies on write and
/// is full to the last byte.
fn full_of_copies(seed: u64) -> (SimDisk, Options) {
    let disk = SimDisk::new(Seed::new(seed));
    let options = Options::new().segment_len(64 << 10).idle_mark(None).prepare_ahead(false);
    disk.set_limits(Some(copying(600 << 10)));
    let log = Log::open_in(environment(&disk, 1), options.clone()).unwrap();
    fill(&log);
    assert!(log.segments().len() >= 3, "{:?}", log.segments());
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = disk.after_kill();
    disk.set_limits(Some(copying(disk.used())));
    (disk, options)
}

#[test]
fn where_writes_are_copies_trims_find_room_in_the_rest_of_the_segment_or_in_the_reserve() {
    let (mut disk, options) = full_of_copies(5);
    for run in 2..6 {
        let log = Log::open_in(environment(&disk, run), options.clone()).unwrap();
        let trimmed = log.trim(last_base(&log)).unwrap();
        assert!(trimmed.files >= 1 && trimmed.durable == trimmed.trim, "{trimmed:?}");
        for _ in 0..8 {
            log.append(&[2; 1000]).unwrap();
        }
        fill(&log);
        disk.crash_now(CrashKind::Kill);
        drop(log);
        disk = disk.after_kill();
        disk.set_limits(Some(copying(disk.used())));
    }
}

#[test]
fn where_writes_are_copies_an_open_log_gives_the_rest_of_its_segment_for_a_close_and_for_appends() {
    let disk = SimDisk::new(Seed::new(8));
    let options = Options::new().segment_len(64 << 10).idle_mark(None).prepare_ahead(false);
    let log = Log::open_in(environment(&disk, 1), options).unwrap();
    log.append(&[1; 1000]).unwrap();
    disk.set_limits(Some(copying(disk.used())));
    for _ in 0..8 {
        log.append(&[2; 1000]).unwrap();
    }
    log.close().unwrap();
    assert!(disk.counters().holes_punched > 0);
}

#[test]
fn where_writes_are_copies_no_crash_on_the_way_of_a_trim_leaves_a_log_that_none_frees() {
    for (step, kind) in (0..60).flat_map(|step| [(step, CrashKind::Kill), (step, CrashKind::Power)])
    {
        for policy in [CrashPolicy::AllLost, CrashPolicy::AllKept, CrashPolicy::NamesLost] {
            let (disk, options) = full_of_copies(6);
            let mut rng = Seed::new(step).rng(Concern::CrashResolution);
            disk.crash_inside(disk.steps() + step, kind, InFlight::Whole);
            let opened = Log::open_in(environment(&disk, 2), options.clone());
            if let Ok(log) = &opened {
                let trimmed = log.trim(last_base(log));
                if !disk.is_dead() {
                    trimmed.unwrap();
                }
            }
            disk.crash_now(kind);
            drop(opened);
            let disk = match kind {
                CrashKind::Kill => disk.after_kill(),
                _ => disk.after_power_cut(&policy, &mut rng),
            };
            let log = Log::open_in(environment(&disk, 3), options.clone()).unwrap();
            log.trim(last_base(&log)).unwrap();
            log.append(&[3; 1000]).unwrap();
            log.close().unwrap();
        }
    }
}

/// A build that kept nothing in reserve filled the disk, and was killed.
#[test]
fn a_full_log_without_a_reserve_is_trimmed_where_its_last_segment_has_room_to_give() {
    let disk = SimDisk::new(Seed::new(7));
    let options = Options::new().segment_len(64 << 10).idle_mark(None).prepare_ahead(false);
    let log = Log::open_in(environment(&disk, 1), options.clone()).unwrap();
    while log.segments().len() < 4 {
        log.append(&[1; 1000]).unwrap();
    }
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = disk.after_kill();
    disk.remove_file(&FileName::RESERVE.text()).unwrap();
    disk.set_limits(Some(Limits::bytes(disk.used())));
    let log = Log::open_in(environment(&disk, 2), options).unwrap();
    let trimmed = log.trim(last_base(&log)).unwrap();
    assert!(trimmed.files >= 3, "{trimmed:?}");
    log.append(&[2; 1000]).unwrap();
    log.close().unwrap();
}
