//! The golden logs that a crash tore, that rotted, or that are not for this version.

use super::{
    GoldenLog, LONG, empty, file, fill, header, killed, last, offset, open, options, put_file,
    settled, three_segments, torn, trimmed_log, worked_example,
};
use seawall::format::checksum::{FrameSeed, crc64};
use seawall::format::header::SegmentHeader;
use seawall::position::LogId;
use seawall::storage::Storage;
use seawall::{Durability, Log, Lsn, Receipt, Salt, SegmentId};
use seawall_sim::{SimDisk, environment};

pub(crate) fn all() -> impl Iterator<Item = GoldenLog> {
    let torn = [
        ("torn-record", "the newest commit, of which nobody was told, is torn", torn().0),
        ("torn-batch", "the newest batch lacks its end", batch_harmed(false)),
        ("torn-header", "the header of the newest frame is torn", torn_header()),
        ("torn-chain", "the newest frame follows another than stands before it", torn_chain()),
        ("torn-hole", "of a commit that nobody was told of the middle is missing", torn_hole()),
        ("torn-batch-end", "the last frame of the newest batch was never written", batch_end()),
        ("torn-recycled", "the newest commit is torn, in a recycled file", torn_recycled()),
        ("removed-file-back", "a file below the trim point is there again", removed_file_back()),
        ("one-header-copy", "one copy of a header is bad", one_header_copy()),
        (
            "older-header-copy",
            "the first copy of a header is an older one, of another use of the file",
            older_header_copy(),
        ),
        ("stray", "a file whose header has another number than its name", stray()),
        ("rotten-seal", "a seal that does not verify says nothing", rotten_seal()),
        ("damaged-record", "a record below a mark", damaged_record()),
        ("damaged-batch", "a batch below a mark", batch_harmed(true)),
        ("damaged-behind-close", "the frame behind a close mark", behind_close()),
        ("damaged-zeros", "a log that was closed is all zeros", zeros()),
        ("damaged-closed-segment", "a record in a closed segment", closed_segment()),
        ("damaged-chain", "an older version of a frame is back", chain()),
        ("damaged-end", "a closed segment ends otherwise than its successor says", end()),
        ("damaged-short", "the last file is too short", short(true)),
        ("damaged-short-closed", "a closed file is too short", short(false)),
        ("damaged-last-header", "both header copies of the last segment", both_headers(true)),
        ("damaged-header", "both header copies of another segment", both_headers(false)),
        ("damaged-unborn", "a segment of the middle looks never begun", unborn()),
        ("damaged-missing", "a segment is missing", missing(2)),
        ("damaged-missing-first", "the first segment is missing", missing(1)),
        (
            "damaged-missing-newest",
            "a seal, and the segment after it is missing",
            newest_missing(1),
        ),
        (
            "damaged-missing-two",
            "a seal, and both segments after it are missing",
            newest_missing(2),
        ),
        ("damaged-emptied", "the newest file was cut to nothing", emptied()),
        ("damaged-hole", "the only file lost its beginning, and a record is left", hole(1)),
        ("damaged-hole-newest", "the newest file lost its beginning", hole(3)),
        ("damaged-recycled-hole", "a recycled file lost its beginning", recycled_hole()),
        ("closed-and-emptied", "after a clean close the file made ready was cut", closed_emptied()),
        ("damaged-number", "a segment of the middle has another's header", other_number()),
        ("damaged-base", "a header says that the segment before ended before it began", base()),
        ("damaged-trim", "a header states a trim point that a later one has not reached", trim()),
        ("damaged-beginning", "the first segment follows something", beginning()),
        ("refused-version", "a header of a version that is not known", version()),
        ("refused-kind", "a frame of a kind that is not known", unknown_frame(8, 0)),
        ("refused-flag", "a frame with a flag that is not known", unknown_frame(1, 4)),
        ("refused-other-log", "a segment of another log", other_log()),
    ];
    torn.into_iter().map(|(name, story, disk)| GoldenLog { name, story, disk })
}

/// A batch of several frames whose second frame is bad; records behind it vouch for it or not.
fn batch_harmed(acknowledged: bool) -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    log.append(b"before").unwrap();
    let batch = log.append_batch(&[[b'a'; 200], [b'b'; 200], [b'c'; 200]]).unwrap();
    if acknowledged {
        log.append(b"behind").unwrap();
        log.append(b"and behind that").unwrap();
    }
    let disk = killed(&disk, log);
    disk.flip_bit(&file(1), offset(&disk, 1, batch.lsn) + 300, 0).unwrap();
    disk
}

fn torn_header() -> SimDisk {
    let (disk, receipts) = torn();
    // What tore the body goes back.
    disk.flip_bit(&file(1), offset(&disk, 1, receipts[2].end) - 12, 0).unwrap();
    disk.flip_bit(&file(1), offset(&disk, 1, receipts[2].lsn) + 5, 0).unwrap();
    disk
}

/// Two histories that differ in the record before the newest; of the one stands the newest in the other.
fn torn_chain() -> SimDisk {
    let history = |byte: u8| {
        let disk = empty();
        let log = open(&disk, 1);
        log.append(&[byte; 40]).unwrap();
        let receipt = log.append(b"nobody was told").unwrap();
        (killed(&disk, log), receipt)
    };
    let ((disk, receipt), (other, _)) = (history(b'1'), history(b'2'));
    put_frame_of(&other, &disk, receipt);
    disk
}

/// Puts a frame of one disk in its place on another.
fn put_frame_of(from: &SimDisk, to: &SimDisk, receipt: Receipt) {
    let at = offset(to, 1, receipt.lsn);
    let bytes = from.read_durable(&file(1)).unwrap();
    let frame = usize::try_from(at).unwrap()..usize::try_from(offset(to, 1, receipt.end)).unwrap();
    to.overwrite_durably(&file(1), at, &bytes[frame]).unwrap();
}

fn torn_hole() -> SimDisk {
    let disk = empty();
    let buffered = options().durability(Durability::Buffered);
    let log = Log::open_in(environment(&disk, 1), buffered).unwrap();
    log.append_at(b"acknowledged", Durability::Sync).unwrap();
    let records = [[b'a'; 100], [b'b'; 100], [b'c'; 100]];
    let receipts = records.map(|record| log.append_at(&record, Durability::Os).unwrap());
    let disk = killed(&disk, log);
    disk.overwrite_durably(&file(1), offset(&disk, 1, receipts[1].lsn), &[0; 120]).unwrap();
    disk
}

fn batch_end() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    log.append(b"before").unwrap();
    let batch = log.append_batch(&[[b'a'; 200], [b'b'; 200], [b'c'; 200]]).unwrap();
    let disk = killed(&disk, log);
    // Each frame holds one record, so this is a part of the last one, with its header.
    let last = offset(&disk, 1, batch.end) - 224;
    disk.overwrite_durably(&file(1), last, &[0; 224]).unwrap();
    disk
}

fn torn_recycled() -> SimDisk {
    let disk = empty();
    let log = trimmed_log(&disk);
    let mut newest = log.append(b"the file that is recycled comes next").unwrap();
    while log.segments().len() < 2 {
        newest = log.append(&[b'x'; LONG]).unwrap();
    }
    let disk = killed(&disk, log);
    let number = last(&disk);
    disk.flip_bit(&file(number), offset(&disk, number, newest.end) - 9, 1).unwrap();
    disk
}

fn removed_file_back() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    fill(&log);
    let first = settled(&disk).read_durable(&file(1)).unwrap();
    drop(log);
    let disk = empty();
    let log = trimmed_log(&disk);
    let disk = killed(&disk, log);
    put_file(&disk, &file(1), &first);
    disk
}

fn one_header_copy() -> SimDisk {
    let (disk, _) = three_segments();
    disk.flip_bit(&file(2), 4096 + 40, 3).unwrap();
    disk
}

fn older_header_copy() -> SimDisk {
    let (disk, _) = three_segments();
    let header = header(&disk, 2);
    let older = SegmentHeader { salt: Salt::new(header.salt.get() ^ 1), ..header };
    disk.overwrite_durably(&file(2), 0, &older.encode()).unwrap();
    disk
}

fn stray() -> SimDisk {
    let (disk, _) = three_segments();
    let first = disk.read_durable(&file(1)).unwrap();
    put_file(&disk, &file(last(&disk) + 1), &first);
    disk
}

fn rotten_seal() -> SimDisk {
    let (disk, _) = three_segments();
    let len = disk.read_durable(&file(1)).unwrap().len() as u64;
    disk.flip_bit(&file(1), len - 20, 0).unwrap();
    disk
}

fn records(log: &Log) -> Vec<Receipt> {
    let records = ["first", "second", "third", "fourth"];
    records.iter().map(|record| log.append(record.as_bytes()).unwrap()).collect()
}

pub(super) fn damaged_record() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    let receipts = records(&log);
    let disk = killed(&disk, log);
    disk.flip_bit(&file(1), offset(&disk, 1, receipts[1].lsn) + 34, 1).unwrap();
    disk
}

fn behind_close() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    log.append(b"before the close").unwrap();
    log.close().unwrap();
    drop(log);
    let log = open(&disk, 2);
    let receipts = records(&log);
    let disk = killed(&disk, log);
    disk.flip_bit(&file(1), offset(&disk, 1, receipts[0].lsn) + 33, 1).unwrap();
    disk
}

fn zeros() -> SimDisk {
    let disk = worked_example();
    disk.overwrite_durably(&file(1), 8192, &[0; 4096]).unwrap();
    disk
}

pub(super) fn closed_segment() -> SimDisk {
    let (disk, receipts) = three_segments();
    disk.flip_bit(&file(1), offset(&disk, 1, receipts[1].lsn) + 1000, 1).unwrap();
    disk
}

/// Two histories that differ in one record alone; a frame of the one comes to stand in the other.
pub(super) fn chain() -> SimDisk {
    let history = |byte: u8| {
        let disk = empty();
        let log = open(&disk, 1);
        let receipt = log.append(&[byte; 40]).unwrap();
        fill(&log);
        (killed(&disk, log), receipt)
    };
    let ((disk, receipt), (other, _)) = (history(b'1'), history(b'2'));
    put_frame_of(&other, &disk, receipt);
    disk
}

fn end() -> SimDisk {
    with_header(2, |header| header.prev_check ^= 1)
}

fn short(newest: bool) -> SimDisk {
    let (disk, _) = three_segments();
    let number = if newest { last(&disk) } else { 1 };
    disk.truncate_durably(&file(number), 8192 + 100).unwrap();
    disk
}

pub(super) fn both_headers(newest: bool) -> SimDisk {
    let (disk, _) = three_segments();
    let number = if newest { last(&disk) } else { 2 };
    for at in [20, 4096 + 30] {
        disk.flip_bit(&file(number), at, 5).unwrap();
    }
    disk
}

fn unborn() -> SimDisk {
    let (disk, _) = three_segments();
    disk.overwrite_durably(&file(2), 0, &[0; 12 << 10]).unwrap();
    disk
}

pub(super) fn missing(number: u64) -> SimDisk {
    let (disk, _) = three_segments();
    disk.remove(&file(number)).unwrap();
    disk.sync_dir().unwrap();
    disk
}

/// As [`three_segments`], and the seals are there.
fn sealed() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    fill(&log);
    log.tend().unwrap();
    killed(&disk, log)
}

pub(super) fn newest_missing(count: u64) -> SimDisk {
    let disk = sealed();
    for _ in 0..count {
        disk.remove(&file(last(&disk))).unwrap();
    }
    disk.sync_dir().unwrap();
    disk
}

pub(super) fn emptied() -> SimDisk {
    let disk = sealed();
    disk.truncate_durably(&file(last(&disk)), 0).unwrap();
    disk
}

/// A hole over the headers and the first frame block of the last of so many segments.
pub(super) fn hole(segments: usize) -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    while log.segments().len() < segments {
        log.append(&[b'a'; LONG]).unwrap();
    }
    for _ in 0..3 {
        log.append(&[b'b'; 1000]).unwrap();
    }
    let disk = killed(&disk, log);
    assert_eq!(last(&disk), segments as u64);
    disk.punch_durably(&file(last(&disk)), 0, 12 << 10).unwrap();
    disk
}

/// What is left of the newest segment is a mark of its own, among what an earlier use of its file left.
fn recycled_hole() -> SimDisk {
    let disk = empty();
    let log = trimmed_log(&disk);
    while log.segments().len() < 2 {
        log.append(&[b'x'; LONG]).unwrap();
    }
    for _ in 0..3 {
        log.append(&[b'y'; 1000]).unwrap();
    }
    let disk = killed(&disk, log);
    disk.punch_durably(&file(last(&disk)), 0, 12 << 10).unwrap();
    disk
}

fn closed_emptied() -> SimDisk {
    let disk = empty();
    let ahead = options().prepare_ahead(true);
    let log = Log::open_in(environment(&disk, 1), ahead).unwrap();
    log.append(&[b'a'; LONG]).unwrap();
    log.append(&[b'b'; 1000]).unwrap();
    log.tend().unwrap();
    log.close().unwrap();
    drop(log);
    let disk = settled(&disk);
    disk.truncate_durably(&file(2), 0).unwrap();
    disk
}

/// The log, with a header of a segment that was made up.
fn with_header(number: u64, change: fn(&mut SegmentHeader)) -> SimDisk {
    let (disk, _) = three_segments();
    let mut odd = header(&disk, number);
    change(&mut odd);
    disk.overwrite_durably(&file(number), 0, &odd.blocks()).unwrap();
    disk
}

fn other_number() -> SimDisk {
    with_header(2, |header| header.number = SegmentId::new(7))
}

fn base() -> SimDisk {
    with_header(3, |header| {
        header.prev_end = Lsn::new(8);
        header.base = Lsn::new(8 + Lsn::JUMP);
    })
}

fn trim() -> SimDisk {
    with_header(2, |header| header.trim = header.prev_end)
}

fn beginning() -> SimDisk {
    let (disk, _) = torn();
    let mut odd = header(&disk, 1);
    (odd.prev_end, odd.base) = (Lsn::new(4096), Lsn::new(4096));
    disk.overwrite_durably(&file(1), 0, &odd.blocks()).unwrap();
    disk
}

fn version() -> SimDisk {
    let (disk, _) = torn();
    let mut bytes = header(&disk, 1).encode();
    bytes[8] = 2;
    let check = crc64(&bytes[..120]).to_le_bytes();
    bytes[120..].copy_from_slice(&check);
    for at in [0, 4096] {
        disk.overwrite_durably(&file(1), at, &bytes).unwrap();
    }
    disk
}

/// The third record becomes a frame whose header holds and says what no version 1 says.
fn unknown_frame(kind: u8, flags: u8) -> SimDisk {
    let (disk, receipts) = torn();
    let (header, lsn) = (header(&disk, 1), receipts[2].lsn);
    let mut covered = [0; 16];
    (covered[0], covered[12], covered[13]) = (8, kind, flags);
    let check = FrameSeed::new(header.log, header.salt).header_check(lsn, &covered);
    let at = offset(&disk, 1, lsn);
    disk.overwrite_durably(&file(1), at, &check.to_le_bytes()).unwrap();
    disk.overwrite_durably(&file(1), at + 4, &covered).unwrap();
    disk
}

fn other_log() -> SimDisk {
    let (disk, _) = torn();
    let mut theirs = header(&disk, 1);
    theirs.log = LogId::new([0xee; 16]);
    theirs.number = SegmentId::new(2);
    let mut bytes = theirs.blocks();
    bytes.resize(16 << 10, 0);
    put_file(&disk, &file(2), &bytes);
    disk
}
