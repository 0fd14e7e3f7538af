//! Bugs that the simulator, or a hunt on it, found: each with its story and what showed it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use seawall::format::name::FileName;
use seawall::{Durability, Error, Log, LogView, Lsn, Options, SegmentId, Verdict};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, EIO, ENOSPC, FaultPlan, Op, Operation, Seed, SimDisk, Sweep,
    SweepOptions, Workload, environment,
};

fn holds(workload: &Workload) {
    if let Err(failure) = Sweep::new(SweepOptions::default()).workload(64, workload) {
        unreachable!("{failure}");
    }
}

/// Found by seed 64 of the crash sweep. A segment had been prepared ahead, under its name; then a
/// batch came that was too large for it. The file was lengthened in place, the power went in the
/// middle, and a length that no segment has looked like a header that was lost: an alarm where
/// nobody had been told anything. Now a file of the right length takes the name.
#[test]
fn a_prepared_segment_that_is_too_short_never_grows_under_its_name() {
    let options = Options::new()
        .segment_len(20 << 10)
        .buffer_max(8 << 10)
        .idle_mark(None)
        .prepare_ahead(true);
    let ops = vec![
        Op::Append(6000, Durability::Sync),
        Op::Tend,
        Op::Batch(vec![3000, 9000, 9000], Durability::Buffered),
        Op::Append(40, Durability::Sync),
    ];
    holds(&Workload { options, ops, close: false });
}

/// Found by seed 1116. An idle mark went the way of an append: on an `Interval` log it armed the
/// interval, of which nobody took notice, so that no later append armed it again. From the first
/// idle mark on the log was never synced by itself.
#[test]
fn an_idle_mark_does_not_stop_the_interval() {
    let options = Options::new()
        .durability(Durability::Interval(std::time::Duration::from_millis(5)))
        .segment_len(16 << 10)
        .buffer_max(8 << 10);
    let ops = vec![
        Op::Append(100, Durability::Buffered),
        Op::Tend,
        Op::Append(100, Durability::Buffered),
        Op::Tend,
    ];
    holds(&Workload { options, ops, close: false });
}

fn small() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None).prepare_ahead(false)
}

fn opened(disk: &SimDisk, run: u64) -> Log {
    Log::open_in(environment(disk, run), small()).unwrap()
}

/// The disk after the power went, with everything on it.
fn cut(disk: &SimDisk, log: Log) -> SimDisk {
    disk.crash_now(CrashKind::Power);
    drop(log);
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    disk.after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

fn flip_in_first_segment(disk: &SimDisk, lsn: Lsn) {
    let name = FileName::Segment(SegmentId::FIRST).text();
    disk.flip_bit(&name, 8192 + lsn.get() + 500, 1).unwrap();
}

/// A trim point that was no multiple of 8 was written as it was given, into a frame and into every
/// later header; none of them could be read back, and the log did not open any more.
#[test]
fn a_trim_to_any_byte_leaves_a_log_that_opens() {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1);
    let lsns: Vec<_> = (0..10).map(|_| log.append(&[7; 1000]).unwrap().lsn).collect();
    let trimmed = log.trim(Lsn::new(lsns[8].get() + 1)).unwrap();
    assert_eq!(trimmed.trim, lsns[8], "rounded down to where a frame can stand");
    for _ in 0..10 {
        log.append(&[7; 1000]).unwrap();
    }
    log.close().unwrap();
    drop(log);
    assert_eq!(opened(&disk, 2).scan(Lsn::FIRST).unwrap().count(), 12);
}

/// The mark for `a` rode in the frame of an append whose write failed. The frame became void, the
/// mark went with it, and nothing stated it again: rot in `a`, not the newest commit, was cut as a
/// torn tail.
#[test]
fn a_mark_that_went_with_a_voided_frame_is_stated_again() {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1);
    let a = log.append(&[7; 2000]).unwrap();
    disk.fail(FaultPlan::new(Operation::Write, EIO).suffix(".seg").times(1));
    log.append(&[8; 2000]).unwrap_err();
    log.append(&[9; 2000]).unwrap();
    let disk = cut(&disk, log);
    flip_in_first_segment(&disk, a.lsn);
    assert!(Log::open_in(environment(&disk, 2), small()).unwrap_err().is_damage());
}

/// Behind damage a batch was passed over, since it might have been the rest of a damaged one; but
/// nobody was told, and here it was whole.
#[test]
fn a_batch_behind_damage_is_shown_or_told() {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1);
    let a = log.append(&[7; 2000]).unwrap();
    let b = log.append_batch(&[vec![1; 2000], vec![2; 100]]).unwrap();
    log.append(&[9; 500]).unwrap();
    log.close().unwrap();
    drop(log);
    flip_in_first_segment(&disk, a.lsn);
    let log = opened(&disk, 2);
    let mut shown = log.scan(Lsn::FIRST).unwrap();
    let told = shown.next().unwrap().unwrap_err();
    assert!(matches!(told, Error::Damaged { from, to, .. } if (from, to) == (a.lsn, b.lsn)));
    let lens: Vec<_> = shown.map(|record| record.unwrap().bytes.len()).collect();
    assert_eq!(lens, [2000, 100, 500]);
}

/// On a full disk somebody's wish for the next segment stood before a trim, for which the active
/// segment keeps room: so the trim that would have made room failed.
#[test]
fn a_trim_on_a_full_disk_does_not_wait_for_somebody_elses_segment() {
    let disk = SimDisk::new(Seed::new(4));
    let log = opened(&disk, 1);
    // Two segments and the reserve.
    disk.set_capacity(Some(56 << 10));
    let mut last = Lsn::FIRST;
    while let Ok(receipt) = log.append(&[1; 1000]) {
        last = receipt.lsn;
    }
    assert!(matches!(log.try_append(&[2; 1000]), Err(Error::Busy)));
    assert!(log.trim(last).unwrap().files > 0);
    log.append(&[3; 1000]).unwrap();
}

/// A view had read a frame that was never acknowledged, and that the next run did not keep. It then
/// called its absence damage.
#[test]
fn a_view_calls_what_was_never_acknowledged_diverged_and_not_damaged() {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1);
    log.append(&[7; 2000]).unwrap();
    disk.fail(FaultPlan::new(Operation::SyncData, EIO).suffix(".seg").times(1));
    assert!(log.append(&[8; 2000]).unwrap_err().is_poisoned());
    let mut view = LogView::open_in(&environment(&disk, 9)).unwrap();
    drop(log);
    let log = opened(&disk, 2);
    for _ in 0..2 {
        for record in view.scan(Lsn::FIRST).unwrap() {
            assert!(!record.is_err_and(|error| error.is_damage()));
        }
        let verdict = view.verify(|_| {}).unwrap().verdict;
        assert!(verdict < Verdict::Damaged);
        log.append(b"the log goes on").unwrap();
    }
}

/// A close failed behind its close mark, and the log went on. What came next stood behind a frame
/// that says the log ended there, so that its rot was not even noted.
#[test]
fn what_follows_a_failed_close_is_not_hidden_by_its_mark() {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1);
    log.append(&[7; 2000]).unwrap();
    disk.fail(FaultPlan::new(Operation::Write, EIO).suffix(".seg").after(1).times(1));
    log.close().unwrap_err();
    let newest = log.append(&[7; 2000]).unwrap();
    let disk = cut(&disk, log);
    flip_in_first_segment(&disk, newest.lsn);
    let mut view = LogView::open_in(&environment(&disk, 9)).unwrap();
    assert_eq!(view.verify(|_| {}).unwrap().verdict, Verdict::TornTail);
}

/// A spare was used under another name while its number stayed on the list; from then on every
/// rotation asked for a file that was gone.
#[test]
fn a_spare_is_used_once() {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1);
    // A log begins in one action; where that fails, in several, and the last of them fails here.
    disk.fail(FaultPlan::new(Operation::Rename, EIO).times(1));
    disk.fail(FaultPlan::new(Operation::Open, EIO).suffix(".seg").times(2));
    log.append(&[1; 100]).unwrap_err();
    let disk = cut(&disk, log);
    // The named file is too short for this batch: another is made under a spare's name.
    let log = opened(&disk, 2);
    disk.fail(FaultPlan::new(Operation::Rename, EIO).times(1));
    log.append(&[1; 20_000]).unwrap_err();
    let disk = cut(&disk, log);
    let log = opened(&disk, 3);
    log.append(&[1; 20_000]).unwrap();
    for _ in 0..30 {
        log.append(&[2; 1000]).unwrap();
    }
}

/// A scan of buffered records ended early and in silence where the disk did not take them.
#[test]
fn a_scan_says_what_kept_buffered_records_from_it() {
    let disk = SimDisk::new(Seed::new(1));
    let options = small().durability(Durability::Buffered);
    let log = Log::open_in(environment(&disk, 1), options).unwrap();
    log.append_at(b"written", Durability::Os).unwrap();
    log.append(b"buffered").unwrap();
    disk.fail(FaultPlan::new(Operation::Write, ENOSPC).suffix(".seg").times(1));
    let mut scan = log.scan(Lsn::FIRST).unwrap();
    assert_eq!(scan.next().unwrap().unwrap().bytes, "written");
    assert!(scan.next().unwrap().unwrap_err().is_full());
    assert!(scan.next().is_none());
    assert_eq!(log.scan(Lsn::FIRST).unwrap().count(), 2);
}

/// Found by an order of threads, under PCT of depth 1, in which one thread never rested. What a
/// `try_append` left undone was done until nothing was left: on a disk that takes no write the same
/// write was tried without end, by the thread for deadlines or by whoever called `tend`. Now a
/// failure ends it, until the next `try_append` asks again.
#[test]
fn what_a_try_append_left_undone_is_tried_once_on_a_disk_that_takes_nothing() {
    let disk = SimDisk::new(Seed::new(1));
    let options = small().durability(Durability::Buffered).buffer_max(4 << 10).write_at(2 << 10);
    let log = Log::open_in(environment(&disk, 1), options).unwrap();
    log.append(b"makes the segment").unwrap();
    disk.fail(FaultPlan::new(Operation::Write, EIO).suffix(".seg").times(1_000));
    log.append(&[1; 2500]).unwrap();
    assert!(matches!(log.try_append(&[2; 2500]), Err(Error::Busy)));
    let before = disk.counters().planned[&Operation::Write];
    log.tend().unwrap();
    assert_eq!(disk.counters().planned[&Operation::Write], before + 1);
    disk.stop_failing();
    assert!(matches!(log.try_append(&[2; 2500]), Err(Error::Busy)));
    log.tend().unwrap();
    log.try_append(&[2; 2500]).unwrap();
    log.close().unwrap();
}
