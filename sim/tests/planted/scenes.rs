//! Bugs that the drawn searches do not reach: for each the run that shows it.

use super::disturbed::{self, Before, Piece, Victim};
use super::lost::{closed_after_a_kill, copy_in_place_of_its_log};
use super::media::settled;
use super::overlap::{acknowledged_beside_a_failing_sync, written_beside_an_early_write_back};
use super::processes::second_process_without_the_lock;
use super::reads::{begun_beyond_the_end, damaged_one_of_many, read_overtaken_by_a_recycling};
use super::repaired::{copies_cut_off, copy_of_what_a_power_cut_takes, repairs_cut_off};
use super::{
    boundaries, closed, closes, holes, landed, later_kinds, read_back, reserve, short, tags,
    unsynced, unwinding,
};
use seawall::format::checksum::FrameSeed;
use seawall::format::extension::Extension;
use seawall::format::frame::{FrameKind, decode_frame};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::format::header::{SegmentHeader, VERSION};
use seawall::format::trailer::{Trailer, TrailerKind};
use seawall::log::stepped::{Answer, Call, Lane, Stepped};
use seawall::storage::{OpenMode, Storage, write_full};
use seawall::{Durability, Error, Log, LogId, LogView, Lsn, Options, Salt, SegmentId, Verdict};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, EIO, ENOSPC, Event, FaultPlan, InFlight, Limits, Op,
    Operation, Sabotage, Sabotaged, Scenario, SeawallLog, Seed, SimDisk, Sweep, SweepOptions,
    Workload, environment, play,
};
use std::sync::Arc;
use std::time::Duration;

/// A run of its own: it says what was seen.
pub(crate) type Scene = fn() -> Option<String>;

const SCENES: &[(&str, Scene)] = &[
    ("two-syncs-in-flight", acknowledged_beside_a_failing_sync),
    ("durable-behind-a-failed-sync", stored_run_of_a_failed_preparation),
    ("write-back-taken-for-a-sync", written_beside_an_early_write_back),
    ("poison-checked-before-lock", append_behind_a_failed_sync),
    ("idle-mark-stops-interval", interval_behind_an_idle_mark),
    ("failed-append-not-voided", failed_append_comes_back),
    ("failed-write-tried-for-ever", stored_run_of_a_write_that_fails),
    ("trim-fails-while-files-go", stored_run_of_two_trims),
    ("mark-lost-with-voided-frame", rot_below_a_mark_that_was_voided),
    ("close-mark-not-covered", rot_behind_a_failed_close),
    ("scan-hides-what-was-withheld", scan_on_a_full_disk),
    ("through-past-a-close-record", writes_that_land_and_fail),
    ("failure-told-once", writes_that_land_and_fail),
    ("unwinding-driver-leaves-the-lane", unwinding::search),
    ("failed-sync-of-a-close-forgiven", syncs_of_a_close),
    ("trim-waits-for-next-segment", trim_on_a_full_disk),
    ("view-calls-unacknowledged-damage", view_of_what_was_never_told),
    ("one-header-copy", rot_in_the_first_header_copy),
    ("first-of-two-copies-taken", stored_run_of_an_older_header),
    ("acknowledged-before-a-mark-vouches", unsynced::last_record_rots),
    ("close-syncs-its-segment-alone", unsynced::closed),
    ("marks-behind-a-cut-ignored", unsynced::mark_behind_damage),
    ("last-check-not-compared", unsynced::other_last_frame),
    ("trim-frame-left", stored_run_of_a_trim_in_a_segment_that_is_left),
    ("rewritten-and-left", stored_run_of_a_failed_write_in_a_segment_that_is_left),
    ("cut-before-its-record-is-synced", short::power_cut_behind_a_close),
    ("seal-believed-from-the-cache", stored_run_of_a_seal_whose_sync_failed),
    ("stale-spare-not-zeroed", crashes_around_recycled_files),
    ("prepared-file-grows-in-place", crashes_around_a_file_that_is_too_short),
    ("spare-used-twice", rotations_over_spares),
    ("quick-read-unseeded", read_overtaken_by_a_recycling),
    ("neighbour-read-instead", damaged_one_of_many),
    ("tag-lost-when-read-thoroughly", || tags::come_back().err()),
    ("skippable-kind-refused", || later_kinds::are_passed_over().err()),
    ("skippable-kind-ends-the-log", || {
        later_kinds::are_passed_over().and_then(|()| later_kinds::are_left_by_a_repair()).err()
    }),
    ("beyond-the-end-is-silence", begun_beyond_the_end),
    ("closed-handle-reads", closed::search),
    ("gap-breaks-chain", repairs_cut_off),
    ("repair-before-quarantine-is-durable", repairs_cut_off),
    ("repair-rename-before-content", repairs_cut_off),
    ("copy-beyond-proven", copy_of_what_a_power_cut_takes),
    ("copy-read-back-from-the-cache", copies_on_bad_disks),
    ("copy-writes-one-piece-over-the-other", copy_of_large_segments),
    ("repair-copies-one-piece-alone", repair_of_a_large_segment),
    ("mark-astride-two-blocks-missed", marks_around_a_block),
    ("repair-read-back-from-the-cache", repairs_on_bad_disks),
    ("copy-begins-with-its-first-segment", copies_cut_off),
    ("copy-ends-cleanly", copy_in_place_of_its_log),
    ("reserve-forgotten-by-recovery", || reserve::trims().err()),
    ("unclean-end-closed-without-a-record", closed_after_a_kill),
    ("recycled-while-read", scan_across_a_trim),
    ("check-without-lsn", misdirected_write),
    ("check-without-salt", segment_of_another_copy),
    ("chain-not-checked", overwritten_frame_comes_back),
    ("chain-ends-with-its-segment", another_last_frame),
    ("mark-check-not-checked", every_bit_of_a_mark),
    ("close-record-of-another-salt", close_record_of_another_use),
    ("short-closed-segment-accepted", closed_segment_cut_short),
    ("torn-header-deletes-segment", both_headers_of_the_last_segment),
    ("missing-middle-unnoticed", middle_segment_gone),
    ("length-allocated-at-once", huge_length_in_a_short_file),
    ("hash-map-order", same_seed_twice),
    ("wall-clock-order", same_seed_twice),
    ("vanished-file-unnoticed", removed_under_a_writer),
    ("second-writer-unnoticed", second_writer_by_another_path),
    ("room-not-given-back", trim_where_writes_are_copies),
    ("lock-ignored", second_writer),
    ("lock-ignored-by-second-process", second_process_without_the_lock),
    ("holes-taken-for-room", || holes::spare_with_holes().err()),
];

/// The run for this bug, if it needs one of its own.
pub(crate) fn of(name: &str) -> Option<Scene> {
    let all = SCENES.iter().chain(super::lineages::SCENES);
    all.into_iter().find(|(bug, _)| *bug == name).map(|&(_, scene)| scene)
}

fn seen(found: bool, what: &str) -> Option<String> {
    found.then(|| what.to_owned())
}

pub(crate) fn small() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None).prepare_ahead(false)
}

pub(crate) fn opened(disk: &SimDisk, run: u64, options: Options) -> Log {
    Log::open_in(environment(disk, run), options).unwrap()
}

/// What the disk holds once the process is gone and everything is written back.
pub(crate) fn left(disk: &SimDisk, log: Log) -> SimDisk {
    disk.crash_now(CrashKind::Kill);
    drop(log);
    settled(disk)
}

pub(crate) fn segment(number: u64) -> String {
    format!("{number:020}.seg")
}

fn shown(log: &Log) -> Vec<Vec<u8>> {
    log.scan_at(Lsn::FIRST, Durability::Buffered)
        .unwrap()
        .map_while(Result::ok)
        .map(|record| record.bytes.to_vec())
        .collect()
}

fn append_behind_a_failed_sync() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small().durability(Durability::Buffered));
    log.append(b"before").unwrap();
    disk.fail(FaultPlan::new(Operation::SyncData, EIO));
    log.sync().unwrap_err();
    // An append that may wait is refused by the shell as well.
    seen(log.try_append(b"later").is_ok(), "G7: an append behind a failed sync returns well")
}

fn interval_behind_an_idle_mark() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(
        &disk,
        1,
        Options::new()
            .segment_len(16 << 10)
            .durability(Durability::Interval(Duration::from_millis(5)))
            .idle_mark(Some(Duration::from_millis(10))),
    );
    for _ in 0..2 {
        log.append(&[1; 100]).unwrap();
        log.tend().unwrap();
    }
    let marks = log.watermarks();
    seen(marks.durable < marks.accepted, "the interval is over, and nothing was synced")
}

fn failed_append_comes_back() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small().durability(Durability::Os));
    log.append(b"first").unwrap();
    disk.fail(FaultPlan::new(Operation::Write, ENOSPC));
    log.append(b"refused").unwrap_err();
    log.append(b"third").unwrap();
    let back = shown(&log).iter().any(|record| record == b"refused");
    seen(back, "an append was told that there is no room, and its record is there")
}

fn rot_below_a_mark_that_was_voided() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small());
    let a = log.append(&[7; 2000]).unwrap();
    disk.fail(FaultPlan::new(Operation::Write, EIO).suffix(".seg"));
    log.append(&[8; 2000]).unwrap_err();
    log.append(&[9; 2000]).unwrap();
    let disk = left(&disk, log);
    disk.flip_bit(&segment(1), 8192 + a.lsn.get() + 500, 1).unwrap();
    let log = Log::open_in(environment(&disk, 2), small());
    seen(log.is_ok(), "G5: rot in the record before the newest is cut off")
}

fn rot_behind_a_failed_close() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small());
    log.append(&[7; 2000]).unwrap();
    disk.fail(FaultPlan::new(Operation::Write, EIO).suffix(".seg").after(1));
    log.close().unwrap_err();
    let newest = log.append(&[7; 2000]).unwrap();
    let disk = left(&disk, log);
    disk.flip_bit(&segment(1), 8192 + newest.lsn.get() + 500, 1).unwrap();
    let verdict = LogView::open_in(&environment(&disk, 9)).unwrap().verify(|_| {}).unwrap().verdict;
    seen(verdict == Verdict::Clean, "G5: an acknowledged record is missing, and all is clean")
}

fn writes_that_land_and_fail() -> Option<String> {
    landed::search(40).or_else(landed::appends_behind_a_close_that_failed)
}

fn copy_of_large_segments() -> Option<String> {
    Some(format!("G1: {}", boundaries::copy_of_several_pieces().err()?))
}

fn repair_of_a_large_segment() -> Option<String> {
    Some(format!("G1: {}", boundaries::repair_of_several_pieces().err()?))
}

fn marks_around_a_block() -> Option<String> {
    Some(format!("G5: {}", boundaries::marks_around_the_end_of_a_block().err()?))
}

fn copies_on_bad_disks() -> Option<String> {
    let wrong = read_back::KINDS.into_iter().find_map(|kind| read_back::copies(kind).err())?;
    Some(format!("G1: {wrong}"))
}

fn repairs_on_bad_disks() -> Option<String> {
    let wrong = read_back::KINDS.into_iter().find_map(|kind| read_back::repairs(kind).err())?;
    Some(format!("G1: {wrong}"))
}

fn syncs_of_a_close() -> Option<String> {
    Some(format!("G7: {}", closes::every_sync_fails_in_turn().err()?))
}

fn scan_on_a_full_disk() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small().durability(Durability::Buffered));
    log.append_at(b"written", Durability::Os).unwrap();
    log.append(b"buffered").unwrap();
    disk.fail(FaultPlan::new(Operation::Write, ENOSPC).suffix(".seg"));
    let told = log.scan(Lsn::FIRST).unwrap().any(|record| record.is_err());
    seen(!told, "G1: a scan shows less than was appended, and says nothing")
}

fn trim_on_a_full_disk() -> Option<String> {
    let disk = SimDisk::new(Seed::new(4));
    let log = opened(&disk, 1, small());
    disk.set_capacity(Some(56 << 10));
    let mut last = Lsn::FIRST;
    while let Ok(receipt) = log.append(&[1; 1000]) {
        last = receipt.lsn;
    }
    seen(log.trim(last).is_err(), "G8: no room, and no trim to make some")
}

fn view_of_what_was_never_told() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small());
    log.append(&[7; 2000]).unwrap();
    disk.fail(FaultPlan::new(Operation::SyncData, EIO).suffix(".seg"));
    log.append(&[8; 2000]).unwrap_err();
    let view = LogView::open_in(&environment(&disk, 9)).unwrap();
    drop(log);
    let log = opened(&disk, 2, small());
    log.append(b"the log goes on").unwrap();
    let alarm = view.scan(Lsn::FIRST).unwrap().any(|record| record.is_err_and(|e| e.is_damage()));
    seen(alarm, "G5: a view beside a sound log calls it damaged")
}

/// Some segments of records, closed.
fn at_rest(entropy: u64) -> (SimDisk, Vec<Lsn>) {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, entropy, small());
    let lsns = (0..30_u8).map(|nth| log.append(&[nth; 1000]).unwrap().lsn).collect();
    log.close().unwrap();
    (left(&disk, log), lsns)
}

fn rot_in_the_first_header_copy() -> Option<String> {
    let (disk, lsns) = at_rest(1);
    disk.flip_bit(&segment(2), 50, 1).unwrap();
    let whole = Log::open_in(environment(&disk, 2), small())
        .is_ok_and(|log| lsns.iter().all(|&lsn| log.read(lsn).is_ok()));
    seen(!whole, "G5: one bit of one header copy costs a segment")
}

/// The power goes while the header of a recycled file is written: both copies are torn.
fn crashes_around_recycled_files() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small().spares_max(2));
    let lsns: Vec<_> = (0..30).map(|_| log.append(&[5; 1000]).unwrap().lsn).collect();
    log.trim(lsns[29]).unwrap();
    disk.record_events(true);
    let segments = log.segments().len();
    // The header is the last write of that length.
    let mut begun = None;
    while log.segments().len() == segments {
        // The log itself looks at what stands in the place of a header.
        if let Err(error) = log.append(&[5; 1000]) {
            return Some(format!("G11: a log that is alone calls itself disturbed: {error:?}"));
        }
        let begin = |event: &&Event| event.operation == Operation::Write && event.len == 8192;
        begun = disk.events().iter().rev().find(begin).map(|event| event.step);
    }
    let step = begun.unwrap();
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small().spares_max(2));
    let lsns: Vec<_> = (0..30).map(|_| log.append(&[5; 1000]).unwrap().lsn).collect();
    log.trim(lsns[29]).unwrap();
    disk.crash_inside(step, CrashKind::Power, InFlight::Whole);
    while log.append(&[5; 1000]).is_ok() {}
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    (0..2000).find_map(|_| {
        let after = disk.after_power_cut(&CrashPolicy::TornSectors, &mut rng);
        let error = Log::open_in(environment(&after, 2), small()).err()?;
        Some(format!("G5: a crash alone is told as {error:?}"))
    })
}

fn swept(workload: &Workload, seeds: u64) -> Option<String> {
    (0..seeds).find_map(|seed| {
        let options = SweepOptions { depth: 1, ..SweepOptions::default() };
        let failure = Sweep::new(options).workload(seed, workload).err()?;
        Some(format!("seed {seed}, {}: {}", failure.crashes.join(" > "), failure.violation))
    })
}

fn crashes_around_a_file_that_is_too_short() -> Option<String> {
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
    swept(&Workload { options, ops, close: false }, 10)
}

fn rotations_over_spares() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = Stepped::new(opened(&disk, 1, small().spares_max(2)));
    let ended = (0..60).find_map(|_| {
        let mut append = log.begin_append(vec![1; 2000], Durability::Sync);
        let lsn = match settled_in(&log, &mut append, 100) {
            Some(Ok(Answer::Appended(receipt))) => receipt.lsn,
            other => return Some(format!("progress: an append on a sound disk: {other:?}")),
        };
        let mut trim = log.begin_trim(lsn);
        match settled_in(&log, &mut trim, 100) {
            Some(Ok(_)) => None,
            other => Some(format!("progress: a trim on a sound disk: {other:?}")),
        }
    });
    // What never ends is not waited for.
    disk.crash_now(CrashKind::Kill);
    ended
}

/// What a call comes to within so many pieces of work.
fn settled_in(log: &Stepped, call: &mut Call, pieces: usize) -> Option<seawall::Result<Answer>> {
    (0..pieces).find_map(|_| {
        let answer = log.poll(call);
        if answer.is_none() {
            for work in [Lane::Commit, Lane::Upkeep].into_iter().filter_map(|lane| log.take(lane)) {
                log.give_back(work.perform());
            }
        }
        answer
    })
}

fn scan_across_a_trim() -> Option<String> {
    Some(format!("G1: {}", boundaries::scan_across_a_trim().err()?))
}

fn bytes_at(disk: &SimDisk, name: &str, from: u64, len: usize) -> Vec<u8> {
    let bytes = disk.read_durable(name).unwrap();
    let from = usize::try_from(from).unwrap();
    bytes[from..from + len].to_vec()
}

fn misdirected_write() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    // Without marks: a mark has its place in its own check.
    let log = opened(&disk, 1, small().durability(Durability::Buffered));
    let own: Vec<_> = (0..30_u8).map(|nth| log.append(&[nth; 1000]).unwrap()).collect();
    log.close().unwrap();
    let disk = left(&disk, log);
    let len = usize::try_from(own[2].end.since(own[2].lsn).unwrap()).unwrap();
    let frame = bytes_at(&disk, &segment(1), 8192 + own[2].lsn.get(), len);
    disk.overwrite_durably(&segment(1), 8192 + own[1].lsn.get(), &frame).unwrap();
    let log = opened(&disk, 2, small());
    let other = log.read(own[1].lsn).is_ok_and(|record| record.bytes[0] != 1);
    seen(other, "G1: an address gives the record of another")
}

/// Two copies of one log, each of which went on alone; a piece of one comes to stand in the other.
fn segment_of_another_copy() -> Option<String> {
    let (disk, _) = at_rest(1);
    let copies: Vec<_> = [107, 108]
        .map(|nth: u8| {
            let disk = settled(&disk);
            let log = opened(&disk, nth.into(), small());
            while log.segments().len() < 6 {
                log.append(&[99; 1000]).unwrap();
            }
            log.append(&[nth; 1000]).unwrap();
            let last = log.segments().pop().unwrap().number().get();
            (left(&disk, log), segment(last))
        })
        .to_vec();
    let (ours, name) = &copies[0];
    let theirs = bytes_at(&copies[1].0, name, 8192, 4096);
    ours.overwrite_durably(name, 8192, &theirs).unwrap();
    let view = LogView::open_in(&environment(ours, 9)).unwrap();
    let ghost = view.scan(Lsn::FIRST).unwrap().flatten().any(|r| r.bytes[..] == [108; 1000]);
    seen(ghost, "G2: a record of another copy of the log is shown")
}

fn overwritten_frame_comes_back() -> Option<String> {
    let history = |second: u8| {
        let disk = SimDisk::new(Seed::new(1));
        let log = opened(&disk, 1, small().durability(Durability::Os));
        let receipts: Vec<_> =
            [1, second, 3].into_iter().map(|byte| log.append(&[byte; 100]).unwrap()).collect();
        (left(&disk, log), receipts)
    };
    let ((disk, receipts), (other, _)) = (history(2), history(9));
    let from = 8192 + receipts[1].lsn.get();
    let len = usize::try_from(receipts[1].end.since(receipts[1].lsn).unwrap()).unwrap();
    disk.overwrite_durably(&segment(1), from, &bytes_at(&other, &segment(1), from, len)).unwrap();
    let verdict = LogView::open_in(&environment(&disk, 2)).unwrap().verify(|_| {}).unwrap().verdict;
    seen(verdict == Verdict::Clean, "G2: a frame that was written over is shown again")
}

fn another_last_frame() -> Option<String> {
    Some(format!("G2: {}", boundaries::another_last_frame_of_a_closed_segment().err()?))
}

fn every_bit_of_a_mark() -> Option<String> {
    let seed = FrameSeed::new(LogId::new([7; 16]), Salt::new(1));
    let (lsn, mut run) = (Lsn::new(800), Vec::new());
    let spec = FrameSpec::of(FrameKind::Record).marking(Some(Lsn::new(160)));
    place_frame(&mut run, spec, &[b"record"]);
    let _check = finish_run(&mut run, seed, lsn, 9);
    let (header, _) = decode_frame(&run, seed, lsn).unwrap();
    (0..run.len() * 8).find_map(|bit| {
        let mut other = run.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let (found, _) = decode_frame(&other, seed, lsn).ok()?;
        let what = format!("G5: bit {bit} is turned over, and the frame marks {:?}", found.mark);
        (found != header).then_some(what)
    })
}

fn close_record_of_another_use() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small());
    log.append(b"record").unwrap();
    let header = log.segments().pop().unwrap().header;
    let disk = left(&disk, log);
    let record = Trailer {
        kind: TrailerKind::Close,
        salt: Salt::new(header.salt.get() ^ 1),
        end: Lsn::new(4000),
        last_check: 1,
    };
    disk.overwrite_durably(&segment(1), header.file_len - 64, &record.encode()).unwrap();
    let refused = Log::open_in(environment(&disk, 2), small()).is_err();
    seen(refused, "G5: what an earlier use of the file left is believed")
}

fn closed_segment_cut_short() -> Option<String> {
    let (disk, _) = at_rest(1);
    disk.truncate_durably(&segment(2), 9000).unwrap();
    let taken = Log::open_in(environment(&disk, 2), small()).is_ok();
    seen(taken, "G5: a closed segment lacks its end, and the log opens")
}

fn both_headers_of_the_last_segment() -> Option<String> {
    let (disk, lsns) = at_rest(1);
    // Behind it stands the reserve.
    let last = disk.names().into_iter().rfind(|name| name.ends_with(".seg")).unwrap();
    disk.flip_bit(&last, 50, 1).unwrap();
    disk.flip_bit(&last, 4096 + 60, 1).unwrap();
    let log = Log::open_in(environment(&disk, 2), small()).ok()?;
    let gone = lsns.iter().filter(|&&lsn| log.read(lsn).is_err()).count();
    seen(gone > 0, "G5: the last segment is used anew, with acknowledged records in it")
}

fn middle_segment_gone() -> Option<String> {
    let (disk, _) = at_rest(1);
    disk.remove(&segment(2)).unwrap();
    disk.sync_dir().unwrap();
    let taken = Log::open_in(environment(&disk, 2), small()).is_ok();
    seen(taken, "G5: a segment is missing, and the log opens")
}

#[expect(clippy::disallowed_methods, reason = "the kernel's word, not a file of a log")]
fn peak() -> u64 {
    let status = String::from_utf8(std::fs::read("/proc/self/status").unwrap()).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// A header that promises 2 GiB, a frame that promises 200 MiB, and a file of 16 KiB.
fn huge_length_in_a_short_file() -> Option<String> {
    let (log, salt) = (LogId::new([1; 16]), Salt::new(1));
    let header = SegmentHeader {
        version: VERSION,
        log,
        number: SegmentId::FIRST,
        base: Lsn::FIRST,
        salt,
        file_len: 2 << 30,
        prev_end: Lsn::FIRST,
        prev_check: 0,
        skipped: 0,
        unproven: 0,
        trim: Lsn::FIRST,
        extension: Extension::default(),
    };
    let mut bytes = header.blocks();
    let mut frame = vec![0; 20];
    frame[16] = FrameKind::Record.byte();
    frame[4..8].copy_from_slice(&(200_u32 << 20).to_le_bytes());
    let covered = frame[4..].first_chunk().unwrap();
    let check = FrameSeed::new(log, salt).header_check(Lsn::FIRST, covered);
    frame[..4].copy_from_slice(&check.to_le_bytes());
    bytes.extend(frame);
    bytes.resize(16 << 10, 0);
    let disk = SimDisk::new(Seed::new(1));
    let file = disk.open(&segment(1), OpenMode::Create).unwrap();
    write_full(&*file, 0, &[&bytes]).unwrap();
    let before = peak();
    let _refused = Log::open_in(environment(&disk, 2), small());
    let grown = peak() - before;
    let what = format!("G10: {} MiB for a file of 16 KiB", grown >> 20);
    (grown > 100 << 20).then_some(what)
}

/// Every call of two runs of one seed is the same.
fn same_seed_twice() -> Option<String> {
    let run = || {
        let disk = SimDisk::new(Seed::new(1));
        let log = opened(&disk, 1, small());
        let lsns: Vec<_> = (0..40).map(|_| log.append(&[1; 1000]).unwrap().lsn).collect();
        log.trim(lsns[39]).unwrap();
        log.append_batch(&vec![vec![2; 1000]; 20]).unwrap();
        log.close().unwrap();
        drop(log);
        let _opened_or_not = Log::open_in(environment(&disk, 2), small());
        disk.event_hash()
    };
    let first = run();
    let other = (0..40).any(|_| run() != first);
    seen(other, "two runs of one seed make other calls")
}

fn removed_under_a_writer() -> Option<String> {
    [Victim::Active, Victim::Sealed, Victim::Directory, Victim::Tail]
        .into_iter()
        .find_map(|victim| (0..20).find_map(|seed| disturbed::removed_under_a_writer(seed, victim)))
}

/// The second opens and appends at once, before some call of the first.
fn second_writer_by_another_path() -> Option<String> {
    let first = [Piece::Open, Piece::Append(2, 600), Piece::Append(2, 600), Piece::Close];
    let second = [Piece::Open, Piece::Append(2, 600), Piece::Close];
    [Before::Nothing, Before::Closed, Before::Killed].into_iter().find_map(|before| {
        let calls = disturbed::two_writers(before, &first, &[]).calls;
        (1..=calls).find_map(|at| {
            let second: Vec<_> = second.iter().map(|&piece| (at, piece)).collect();
            disturbed::two_writers(before, &first, &second).silent
        })
    })
}

fn trim_where_writes_are_copies() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let options = small().segment_len(64 << 10);
    disk.set_limits(Some(Limits::bytes(600 << 10).copying_on_write()));
    let log = opened(&disk, 1, options.clone());
    while log.append(&[1; 1000]).is_ok() {}
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = disk.after_kill();
    disk.set_limits(Some(Limits::bytes(disk.used()).copying_on_write()));
    let log = opened(&disk, 2, options);
    let point = log.segments().last().map_or(Lsn::FIRST, |last| last.base());
    seen(log.trim(point).is_err(), "a trim finds no room")
}

fn second_writer() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let _first = opened(&disk, 1, small());
    let mut cheating = environment(&disk, 2);
    cheating.storage = Arc::new(Sabotaged::new(Arc::new(disk.clone()), Sabotage::LockIgnored));
    seen(Log::open_in(cheating, small()).is_ok(), "G11: a second writer gets in")
}

/// A preparation fails beside a commit whose sync is under way.
fn stored_run_of_a_failed_preparation() -> Option<String> {
    stored_run(include_str!("../../regressions/durable-behind-a-failed-sync.json"))
}

/// A long record finds no room in a segment that is written to, and no caller waits for it any more.
fn stored_run_of_a_write_that_fails() -> Option<String> {
    stored_run(include_str!("../../regressions/write-that-fails-for-ever.json"))
}

/// A trim waits for room that the files of another one give.
fn stored_run_of_two_trims() -> Option<String> {
    stored_run(include_str!("../../regressions/trim-beside-a-trim-on-a-full-disk.json"))
}

fn stored_run_of_an_older_header() -> Option<String> {
    stored_run(include_str!("../../regressions/older-header-in-place-of-a-copy.json"))
}

fn stored_run_of_a_seal_whose_sync_failed() -> Option<String> {
    stored_run(include_str!("../../regressions/seal-whose-sync-failed.json"))
}

fn stored_run_of_a_trim_in_a_segment_that_is_left() -> Option<String> {
    stored_run(include_str!("../../regressions/trim-in-a-segment-that-is-left.json"))
}

fn stored_run_of_a_failed_write_in_a_segment_that_is_left() -> Option<String> {
    stored_run(include_str!("../../regressions/failed-write-in-a-segment-that-is-left.json"))
}

fn stored_run(text: &str) -> Option<String> {
    let scenario = Scenario::<SeawallLog>::from_json(text).unwrap();
    play(&scenario, None).err().map(|(_, violation)| violation.to_string())
}
