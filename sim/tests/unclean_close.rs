//! A log that a crash left is opened, and closed with nothing appended: the close record that it gets
//! spares all later opens the scan. Where there is no room for one the close goes well without.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall::format::name::FileName;
use seawall::{Log, LogView, Lsn, Options};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, EIO, FaultPlan, Limits, Operation, Seed, SimDisk, environment,
};

const LEN: u64 = 64 << 10;

fn options(ahead: bool) -> Options {
    Options::new().segment_len(LEN).idle_mark(None).prepare_ahead(ahead)
}

fn open(disk: &SimDisk, run: u64) -> Log {
    Log::open_in(environment(disk, run), options(false)).unwrap()
}

/// A log of so many records, killed; what waits for it was made ready or not.
fn killed(records: usize, ahead: bool) -> SimDisk {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options(ahead)).unwrap();
    for _ in 0..records {
        log.append(&[7; 1000]).unwrap();
    }
    log.tend().unwrap();
    disk.crash_now(CrashKind::Kill);
    drop(log);
    disk.after_kill()
}

fn shown(log: &Log) -> usize {
    log.scan(Lsn::FIRST).unwrap().map(Result::unwrap).count()
}

#[test]
fn no_tail_is_read_again_after_an_open_and_a_close() {
    for (records, ahead) in [(40, false), (40, true), (1, false)] {
        let disk = killed(records, ahead);
        let log = open(&disk, 2);
        let (end, next) = (log.report().end, log.report().next);
        assert!(!log.report().clean);
        assert!(records == 1 || log.report().bytes_scanned > 40_000, "{:?}", log.report());
        log.close().unwrap();
        drop(log);
        for run in 3..6 {
            let log = open(&disk, run);
            let report = log.report();
            assert!(report.clean, "{records}, {ahead}: {report:?}");
            assert!(report.bytes_scanned < 1024, "{report:?}");
            assert_eq!(shown(&log), records);
            log.close().unwrap();
        }
        // One jump, as a run that appends makes, and none after it.
        assert_eq!(next, end.checked_add(Lsn::JUMP).unwrap());
        let log = open(&disk, 6);
        let lsn = log.append(b"goes on").unwrap().lsn;
        assert!(lsn > next && lsn < next.checked_add(1000).unwrap(), "{lsn}, {next}");
        let mut view = LogView::open_in(&environment(&disk, 7)).unwrap();
        assert!(view.verify(|_| {}).unwrap().damage.is_empty());
    }
}

#[test]
fn the_segment_of_such_a_close_is_short() {
    let disk = killed(40, false);
    let used = disk.used();
    open(&disk, 2).close().unwrap();
    let made = disk.used() - used;
    assert!(made <= 16 << 10, "{made} bytes for a close record");
}

#[test]
fn a_close_that_finds_no_room_goes_well_and_leaves_what_trims_need() {
    let disk = killed(100, false);
    disk.set_limits(Some(Limits::bytes(disk.used())));
    let reserve = disk.read_durable(&FileName::RESERVE.text()).unwrap();
    let names = disk.names();
    open(&disk, 2).close().unwrap();
    assert_eq!(disk.names(), names);
    assert_eq!(disk.read_durable(&FileName::RESERVE.text()).unwrap(), reserve);
    let log = open(&disk, 3);
    assert!(!log.report().clean, "there is no room for a record");
    let last = log.segments().last().unwrap().base();
    assert!(log.trim(last).unwrap().files > 0);
    log.close().unwrap();
    drop(log);
    assert!(open(&disk, 4).report().clean, "now there is");
}

#[test]
fn whatever_fails_in_such_a_close_no_record_is_lost_and_the_next_open_goes_well() {
    let operations = [
        Operation::Create,
        Operation::Allocate,
        Operation::Write,
        Operation::SyncAll,
        Operation::SyncData,
        Operation::SyncDir,
        Operation::Rename,
        Operation::Open,
    ];
    for (operation, after) in operations.into_iter().flat_map(|op| (0..6).map(move |nth| (op, nth)))
    {
        let disk = killed(40, false);
        let log = open(&disk, 2);
        disk.fail(FaultPlan::new(operation, EIO).after(after).times(1));
        let _closed_or_told = log.close();
        disk.stop_failing();
        drop(log);
        let mut rng = Seed::new(after).rng(Concern::CrashResolution);
        let disk = disk.after_power_cut(&CrashPolicy::AllLost, &mut rng);
        let log = open(&disk, 3);
        assert_eq!(shown(&log), 40, "{operation:?} after {after}");
        log.append(b"goes on").unwrap();
        log.close().unwrap();
    }
}
