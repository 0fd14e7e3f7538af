//! The logs of which golden directories are made: on the simulated disk, with log ids and salts
//! drawn from fixed seeds, so that every run makes the same bytes.

#![allow(clippy::unwrap_used, reason = "a log that cannot be made fails its test")]

mod extended;
mod harmed;
mod later;
mod repaired;
mod short;
mod unsynced;

use seawall::format::header::SegmentHeader;
use seawall::format::name::FileName;
use seawall::storage::{OpenMode, Storage, read_full, write_full};
use seawall::{Log, Lsn, Options, Receipt, SegmentId};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, ENOSPC, FaultPlan, Operation, Seed, SimClock, SimDisk,
    environment,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A directory, and what it shows.
pub(crate) struct GoldenLog {
    pub(crate) name: &'static str,
    pub(crate) story: &'static str,
    disk: SimDisk,
}

impl GoldenLog {
    /// Its files with their bytes. The reserve is none of the log's: what it holds is nothing.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let bytes = |name: String| {
            let bytes = self.disk.read_durable(&name).unwrap();
            (name, bytes)
        };
        let reserve = FileName::RESERVE.text();
        self.disk.names().into_iter().filter(|name| *name != reserve).map(bytes).collect()
    }
}

/// All of them: sound ones, torn ones, those that are damaged or refused, and repaired ones.
pub(crate) fn all() -> Vec<GoldenLog> {
    let sound = [
        ("worked-example", "a record, a batch, a trim and a clean close", worked_example()),
        ("open", "three segments; the process ended, nothing is torn", three_segments().0),
        ("gone-on", "a clean close, then another run in the same segment", gone_on()),
        ("idle-mark", "nobody appended for a while", idle_mark()),
        ("void", "an append failed, the next one went well", void()),
        ("batch-in-frames", "a batch of several frames, closed", batch_in_frames()),
        ("long-batch", "a batch that got a segment of its own length", long_batch()),
        ("jump", "a torn tail was cut: the next segment begins behind a jump", jump()),
        ("trimmed", "files below the trim point are gone, one waits as a spare", trimmed()),
        ("recycled", "the last segment is a recycled file with old bytes behind E", recycled()),
        ("own-blocks", "commits that own their blocks, and a batch over several", own_blocks()),
        ("creation-interrupted", "a file was named and never begun", creation_interrupted()),
    ];
    let sound = sound.into_iter().map(|(name, story, disk)| GoldenLog { name, story, disk });
    let later = extended::all().chain(later::all());
    let harmed = harmed::all().chain(unsynced::all()).chain(short::all());
    sound.chain(later).chain(harmed).chain(repaired::all()).collect()
}

/// A smallest segment holds two or three of these.
const LONG: usize = 3700;

fn options() -> Options {
    Options::new()
        .segment_len(16 << 10)
        .batch_frame_max(256)
        .idle_mark(None)
        .prepare_ahead(false)
        .spares_max(0)
}

/// A disk of a system that tells no file from another: headers state no place.
fn empty() -> SimDisk {
    let disk = SimDisk::new(Seed::new(1));
    disk.set_identity(None);
    disk
}

fn open(disk: &SimDisk, run: u64) -> Log {
    Log::open_in(environment(disk, run), options()).unwrap()
}

fn file(number: u64) -> String {
    FileName::Segment(SegmentId::new(number)).text()
}

/// The disk after the process ended, with everything on the device.
fn killed(disk: &SimDisk, log: Log) -> SimDisk {
    disk.crash_now(CrashKind::Kill);
    drop(log);
    settled(disk)
}

/// The same bytes on a disk of their own.
fn settled(disk: &SimDisk) -> SimDisk {
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

fn put_file(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let file = disk.open(name, OpenMode::Create).unwrap();
    write_full(&*file, 0, &[bytes]).unwrap();
    file.sync_all().unwrap();
    disk.sync_dir().unwrap();
}

fn header(disk: &SimDisk, number: u64) -> SegmentHeader {
    SegmentHeader::decode(&disk.read_durable(&file(number)).unwrap()).unwrap()
}

/// Byte in the file of a segment where the frame with this LSN stands.
fn offset(disk: &SimDisk, number: u64, lsn: Lsn) -> u64 {
    8192 + lsn.since(header(disk, number).base).unwrap()
}

/// The number of the newest segment.
fn last(disk: &SimDisk) -> u64 {
    let newest = disk.names().into_iter().rfind(|name| name.ends_with(".seg")).unwrap();
    newest[..20].parse().unwrap()
}

/// Appends short and long records until the third segment has begun.
fn fill(log: &Log) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for byte in b'a'.. {
        receipts.push(log.append(&[byte; 40]).unwrap());
        if log.segments().len() == 3 {
            receipts.push(log.append(&[byte; 50]).unwrap());
            break;
        }
        receipts.push(log.append(&[byte; LONG]).unwrap());
    }
    receipts
}

fn three_segments() -> (SimDisk, Vec<Receipt>) {
    let disk = empty();
    let log = open(&disk, 1);
    let receipts = fill(&log);
    (killed(&disk, log), receipts)
}

fn worked_example() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    log.append(b"one").unwrap();
    let batch = log.append_batch(&["two", "three"]).unwrap();
    log.trim(batch.lsn).unwrap();
    log.close().unwrap();
    settled(&disk)
}

fn gone_on() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    log.append(b"before the close").unwrap();
    log.close().unwrap();
    drop(log);
    let log = open(&disk, 2);
    log.append(b"behind the close").unwrap();
    killed(&disk, log)
}

fn idle_mark() -> SimDisk {
    let disk = empty();
    let clock = SimClock::new();
    let environment =
        seawall::Environment { clock: Arc::new(clock.clone()), ..environment(&disk, 1) };
    let after = Duration::from_millis(10);
    let log = Log::open_in(environment, options().idle_mark(Some(after))).unwrap();
    log.append(b"the newest commit").unwrap();
    clock.advance(2 * after);
    log.tend().unwrap();
    killed(&disk, log)
}

fn void() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    log.append(b"before").unwrap();
    disk.fail(FaultPlan::new(Operation::Write, ENOSPC).times(1));
    log.append(b"there is no room for this").unwrap_err();
    log.append(b"behind").unwrap();
    killed(&disk, log)
}

fn batch_in_frames() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    log.append(b"before").unwrap();
    log.append_batch(&[[b'a'; 150], [b'b'; 150], [b'c'; 150], [b'd'; 150]]).unwrap();
    log.append(b"behind").unwrap();
    log.close().unwrap();
    settled(&disk)
}

fn own_blocks() -> SimDisk {
    let disk = empty();
    let options = options().own_blocks(true);
    let log = Log::open_in(environment(&disk, 1), options.segment_len(32 << 10)).unwrap();
    log.append(b"first").unwrap();
    // It leaves eight bytes of its block, in which no frame fits.
    log.append(&[b's'; 4096 - 32 - 8]).unwrap();
    log.append_batch(&[[b'a'; 150], [b'b'; 150]]).unwrap();
    log.append(&[b'l'; LONG]).unwrap();
    log.close().unwrap();
    settled(&disk)
}

fn long_batch() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    log.append(b"before").unwrap();
    log.append_batch(&[[b'a'; LONG], [b'b'; LONG], [b'c'; LONG]]).unwrap();
    log.close().unwrap();
    shorten(&disk, &file(1), 3 * 4096);
    settled(&disk)
}

/// A closed segment that holds little was given back below the shortest length by earlier writers of
/// the format. Readers take it; today's keep it long enough to become the reserve.
fn shorten(disk: &SimDisk, name: &str, len: u64) {
    let file = disk.open(name, OpenMode::Write).unwrap();
    // The seal is not synced: it may be in the page cache alone.
    let mut seal = [0; 64];
    read_full(&*file, file.len().unwrap() - 64, &mut seal).unwrap();
    write_full(&*file, len - 64, &[&seal]).unwrap();
    file.set_len(len).unwrap();
    file.sync_all().unwrap();
}

/// A log whose newest commit is torn, and the places of its records.
fn torn() -> (SimDisk, Vec<Receipt>) {
    let disk = empty();
    let log = open(&disk, 1);
    let records = [&b"first"[..], b"second", b"third: nobody was told"];
    let receipts: Vec<_> = records.iter().map(|record| log.append(record).unwrap()).collect();
    let disk = killed(&disk, log);
    disk.flip_bit(&file(1), offset(&disk, 1, receipts[2].end) - 12, 0).unwrap();
    (disk, receipts)
}

fn jump() -> SimDisk {
    let (disk, _) = torn();
    let log = open(&disk, 2);
    log.append(b"behind the jump").unwrap();
    killed(&disk, log)
}

/// The log is trimmed up to its third segment, and keeps one file.
fn trimmed_log(disk: &SimDisk) -> Log {
    let log = Log::open_in(environment(disk, 1), options().spares_max(1)).unwrap();
    let receipts = fill(&log);
    log.trim(receipts[receipts.len() - 1].lsn).unwrap();
    log
}

fn trimmed() -> SimDisk {
    let disk = empty();
    let log = trimmed_log(&disk);
    killed(&disk, log)
}

fn recycled() -> SimDisk {
    let disk = empty();
    let log = trimmed_log(&disk);
    while log.segments().len() < 2 {
        log.append(&[b'x'; LONG]).unwrap();
    }
    killed(&disk, log)
}

fn creation_interrupted() -> SimDisk {
    let (disk, _) = three_segments();
    put_file(&disk, &file(last(&disk) + 1), &[0; 16 << 10]);
    disk
}
