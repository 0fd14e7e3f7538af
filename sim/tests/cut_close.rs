//! A clean close that cuts the last file: what stays, what the next run does, and what is noticed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall::format::name::FileName;
use seawall::format::trailer::{Trailer, TrailerKind};
use seawall::{Error, Log, LogView, Lsn, Options, SegmentId};
use seawall_sim::{
    Concern, CrashPolicy, EIO, FaultPlan, Limits, Operation, Seed, SimDisk, environment,
};

const LEN: u64 = 64 << 10;

fn options() -> Options {
    let options = Options::new().segment_len(LEN).first_segment_len(LEN).idle_mark(None);
    options.cut_at_close(Some(8 << 10)).prepare_ahead(false)
}

fn open(disk: &SimDisk, run: u64) -> Log {
    Log::open_in(environment(disk, run), options()).unwrap()
}

fn name(number: u64) -> String {
    FileName::Segment(SegmentId::new(number)).text()
}

fn len(disk: &SimDisk, number: u64) -> u64 {
    disk.read_durable(&name(number)).unwrap().len() as u64
}

fn trailer(disk: &SimDisk, number: u64) -> Trailer {
    let bytes = disk.read_durable(&name(number)).unwrap();
    Trailer::decode(&bytes[bytes.len() - 64..]).unwrap()
}

fn shown(log: &Log) -> usize {
    log.scan(Lsn::FIRST).unwrap().map(Result::unwrap).count()
}

/// A log of ten records whose open was followed by a close.
fn closed() -> (SimDisk, Lsn) {
    let disk = SimDisk::new(Seed::new(1));
    let log = open(&disk, 1);
    for nth in 0..10 {
        log.append(&[nth; 1000]).unwrap();
    }
    log.close().unwrap();
    drop(log);
    let end = LogView::open_in(&environment(&disk, 9)).unwrap().end();
    (after(&disk, &CrashPolicy::AllKept), end)
}

fn after(disk: &SimDisk, policy: &CrashPolicy) -> SimDisk {
    disk.after_power_cut(policy, &mut Seed::new(3).rng(Concern::CrashResolution))
}

#[test]
fn a_cut_log_is_clean_and_the_next_run_begins_where_it_ended() {
    let (disk, end) = closed();
    assert_eq!(len(&disk, 1), 20 << 10, "the frames, and the record behind them");
    let log = open(&disk, 2);
    assert!(log.report().clean);
    assert!(log.report().bytes_scanned < 1024, "{:?}", log.report());
    assert_eq!(shown(&log), 10);
    log.close().unwrap();
    drop(log);
    assert_eq!(trailer(&disk, 1).kind, TrailerKind::Close, "nothing was appended");
    let log = open(&disk, 3);
    assert_eq!(log.append(b"goes on").unwrap().lsn, end);
    assert_eq!(shown(&log), 11);
    let numbers: Vec<_> = log.segments().iter().map(|one| one.number().get()).collect();
    assert_eq!(numbers, [1, 2]);
    drop(log);
    let disk = after(&disk, &CrashPolicy::AllLost);
    assert_eq!(trailer(&disk, 1).kind, TrailerKind::Seal { frames: 0 });
    let mut view = LogView::open_in(&environment(&disk, 4)).unwrap();
    assert!(view.verify(|_| {}).unwrap().damage.is_empty());
}

#[test]
fn what_was_begun_behind_a_cut_file_is_missed() {
    let (disk, _) = closed();
    let log = open(&disk, 2);
    log.append(b"goes on").unwrap();
    drop(log);
    let disk = after(&disk, &CrashPolicy::AllLost);
    disk.remove_file(&name(2)).unwrap();
    let told = Log::open_in(environment(&disk, 3), options()).map(drop);
    let missed = SegmentId::new(2);
    assert!(matches!(told, Err(Error::Damaged { segment, .. }) if segment == missed), "{told:?}");
}

/// The power goes right behind the close: whatever of it is left, the log is closed.
#[test]
fn no_crash_behind_the_close_leaves_a_cut_file_without_its_record() {
    for policy in [CrashPolicy::SizeWithoutData, CrashPolicy::DataWithoutSize, CrashPolicy::AllLost]
    {
        let disk = SimDisk::new(Seed::new(1));
        let log = open(&disk, 1);
        for nth in 0..10 {
            log.append(&[nth; 1000]).unwrap();
        }
        log.close().unwrap();
        drop(log);
        let disk = after(&disk, &policy);
        let log = open(&disk, 2);
        assert!(log.report().clean, "{policy:?}");
        assert_eq!(shown(&log), 10, "{policy:?}");
    }
}

#[test]
fn a_cut_file_without_its_record_is_damage() {
    let (disk, _) = closed();
    disk.overwrite_durably(&name(1), (20 << 10) - 64, &[0; 64]).unwrap();
    let told = Log::open_in(environment(&disk, 2), options()).map(drop);
    assert!(matches!(told, Err(Error::Damaged { .. })), "{told:?}");
}

/// Each call of such a close fails in turn, and the power goes behind it: what was acknowledged is there, and
/// a close that said that it went well is one.
#[test]
fn whatever_fails_in_such_a_close_the_next_open_goes_well() {
    let operations = [Operation::Write, Operation::SyncData, Operation::SetLen, Operation::Open];
    for (operation, nth) in operations.into_iter().flat_map(|op| (0..4).map(move |nth| (op, nth))) {
        for policy in [CrashPolicy::AllKept, CrashPolicy::AllLost] {
            let disk = SimDisk::new(Seed::new(1));
            let log = open(&disk, 1);
            for nth in 0..10 {
                log.append(&[nth; 1000]).unwrap();
            }
            disk.fail(FaultPlan::new(operation, EIO).after(nth).times(1));
            let closed = log.close();
            disk.stop_failing();
            drop(log);
            let disk = after(&disk, &policy);
            let log = open(&disk, 2);
            assert_eq!(shown(&log), 10, "{operation:?} after {nth}");
            assert!(log.report().clean || closed.is_err(), "{operation:?} after {nth}");
            log.append(b"goes on").unwrap();
            log.close().unwrap();
        }
    }
}

/// The seal, or what comes before it, fails: no record is acknowledged then, and the next append tries again.
#[test]
fn whatever_fails_behind_a_cut_file_no_record_is_lost() {
    let operations = [
        Operation::Open,
        Operation::Write,
        Operation::SyncAll,
        Operation::SyncData,
        Operation::SyncDir,
        Operation::Rename,
    ];
    for (operation, nth) in operations.into_iter().flat_map(|op| (0..6).map(move |nth| (op, nth))) {
        let (disk, _) = closed();
        let log = open(&disk, 2);
        disk.fail(FaultPlan::new(operation, EIO).after(nth).times(1));
        let first = log.append(b"first").is_ok();
        disk.stop_failing();
        let second = log.append(b"second").is_ok();
        drop(log);
        let disk = after(&disk, &CrashPolicy::AllLost);
        if second {
            assert_eq!(trailer(&disk, 1).kind, TrailerKind::Seal { frames: 0 });
        }
        let log = open(&disk, 3);
        let acknowledged = 10 + usize::from(first) + usize::from(second);
        assert!(shown(&log) >= acknowledged, "{operation:?} after {nth}: {first}, {second}");
    }
}

#[test]
fn a_full_disk_with_a_cut_file_can_be_trimmed() {
    let (disk, end) = closed();
    disk.set_limits(Some(Limits::bytes(disk.used())));
    let log = open(&disk, 2);
    assert!(log.append(&[1; 1000]).is_err(), "there is no room");
    assert_eq!(log.trim(end).unwrap().files, 1);
    log.append(&[1; 1000]).unwrap();
    log.close().unwrap();
}
