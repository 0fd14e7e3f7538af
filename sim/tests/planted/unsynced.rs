//! Logs that left segments before they were synced: what is reported as durable then, and what an open makes of
//! damage in them.

use seawall::format::checksum::FrameSeed;
use seawall::format::frame::FrameKind;
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::format::header::SegmentHeader;
use seawall::{Durability, Log, Lsn, Options};
use seawall_sim::{Concern, CrashKind, CrashPolicy, Seed, SimDisk, environment};

const RECORD: usize = 2500;

fn options() -> Options {
    Options::new()
        .segment_len(16 << 10)
        .durability(Durability::Os)
        .unsynced_max(1 << 20)
        .prepare_ahead(false)
        .idle_mark(None)
}

fn segment(number: u64) -> String {
    format!("{number:020}.seg")
}

/// A log in its second segment, which began before the first was synced; and its records.
fn left() -> (SimDisk, Log, Vec<Lsn>) {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    let lsns = (0..4_u8).map(|n| log.append(&[n; RECORD]).unwrap().lsn).collect();
    assert_eq!(log.segments().len(), 2);
    (disk, log, lsns)
}

/// What the device has after the process died, where it wrote everything.
fn killed(disk: &SimDisk, log: Log) -> SimDisk {
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

fn header(disk: &SimDisk, number: u64) -> SegmentHeader {
    SegmentHeader::decode(&disk.read_durable(&segment(number)).unwrap()).unwrap()
}

fn zero(disk: &SimDisk, number: u64, lsn: Lsn) {
    let at = 8192 + lsn.since(header(disk, number).base).unwrap();
    disk.overwrite_durably(&segment(number), at, &[0; RECORD + 20]).unwrap();
}

/// Whether an open or a scan says that anything is damaged; the records otherwise.
fn silent(disk: &SimDisk) -> Option<usize> {
    let log = Log::open_in(environment(disk, 2), options()).ok()?;
    let records: Result<Vec<_>, _> = log.scan(Lsn::FIRST).unwrap().collect();
    records.ok().map(|records| records.len())
}

/// After a clean close and a power cut everything is there.
pub(crate) fn closed() -> Option<String> {
    let (disk, log, lsns) = left();
    log.close().unwrap();
    drop(log);
    disk.crash_now(CrashKind::Power);
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    let disk = disk.after_power_cut(&CrashPolicy::AllLost, &mut rng);
    let found = silent(&disk);
    let what = format!("G1: of {} records of a closed log there are {found:?}", lsns.len());
    (found != Some(lsns.len())).then_some(what)
}

/// A record that was synced is not lost without a word, where the segment that it ends was left.
pub(crate) fn last_record_rots() -> Option<String> {
    let (disk, log, lsns) = left();
    log.sync().unwrap();
    let disk = killed(&disk, log);
    zero(&disk, 1, lsns[2]);
    let found = silent(&disk);
    found.map(|records| format!("G1: a durable record is silently gone, {records} are left"))
}

/// The same where the first frame behind it is gone as well, and only a mark behind that is left.
pub(crate) fn mark_behind_damage() -> Option<String> {
    let (disk, log, lsns) = left();
    log.sync().unwrap();
    let disk = killed(&disk, log);
    zero(&disk, 1, lsns[2]);
    zero(&disk, 2, lsns[3]);
    let found = silent(&disk);
    found.map(|records| format!("G1: durable records are silently gone, {records} are left"))
}

/// Another frame than the last one stands in its place, whole and as long.
pub(crate) fn other_last_frame() -> Option<String> {
    let (disk, log, lsns) = left();
    let disk = killed(&disk, log);
    let (first, before) = (header(&disk, 1), lsns[2]);
    let bytes = disk.read_durable(&segment(1)).unwrap();
    let at = 8192 + usize::try_from(before.since(first.base).unwrap()).unwrap();
    let prev = u32::from_le_bytes(bytes[at + 12..at + 16].try_into().unwrap());
    let mut frame = Vec::new();
    place_frame(&mut frame, FrameSpec::of(FrameKind::Record), &[&[9; RECORD]]);
    finish_run(&mut frame, FrameSeed::new(first.log, first.salt), before, prev);
    disk.overwrite_durably(&segment(1), at as u64, &frame).unwrap();
    let opened = Log::open_in(environment(&disk, 2), options());
    opened.is_ok().then(|| "G1: a segment ends in another frame than is stated".to_owned())
}
