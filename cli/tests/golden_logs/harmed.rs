//! The golden logs that a crash tore, that rotted, or that are not for this version.

use super::{
    GoldenLog, file, fill, header, killed, last, offset, open, put_file, settled, three_segments,
    torn, trimmed_log, worked_example,
};
use seawall::format::checksum::{FrameSeed, crc64};
use seawall::position::LogId;
use seawall::storage::Storage;
use seawall::{Log, Lsn, Receipt};
use seawall_sim::{Seed, SimDisk};

pub(crate) fn all() -> impl Iterator<Item = GoldenLog> {
    let torn = [
        ("torn-record", "the newest commit, of which nobody was told, is torn", torn().0),
        ("torn-batch", "the newest batch lacks its end", batch_harmed(false)),
        ("removed-file-back", "a file below the trim point is there again", removed_file_back()),
        ("one-header-copy", "one copy of a header is bad", one_header_copy()),
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
    let disk = SimDisk::new(Seed::new(1));
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

fn removed_file_back() -> SimDisk {
    let disk = SimDisk::new(Seed::new(1));
    let log = open(&disk, 1);
    fill(&log);
    let first = settled(&disk).read_durable(&file(1)).unwrap();
    drop(log);
    let disk = SimDisk::new(Seed::new(1));
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
    let disk = SimDisk::new(Seed::new(1));
    let log = open(&disk, 1);
    let receipts = records(&log);
    let disk = killed(&disk, log);
    disk.flip_bit(&file(1), offset(&disk, 1, receipts[1].lsn) + 34, 1).unwrap();
    disk
}

fn behind_close() -> SimDisk {
    let disk = SimDisk::new(Seed::new(1));
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
        let disk = SimDisk::new(Seed::new(1));
        let log = open(&disk, 1);
        let receipt = log.append(&[byte; 40]).unwrap();
        fill(&log);
        (killed(&disk, log), receipt)
    };
    let ((disk, receipt), (other, _)) = (history(b'1'), history(b'2'));
    let from = offset(&disk, 1, receipt.lsn);
    let bytes = other.read_durable(&file(1)).unwrap();
    let frame =
        usize::try_from(from).unwrap()..usize::try_from(offset(&disk, 1, receipt.end)).unwrap();
    disk.overwrite_durably(&file(1), from, &bytes[frame]).unwrap();
    disk
}

fn end() -> SimDisk {
    let (disk, _) = three_segments();
    let mut odd = header(&disk, 2);
    odd.prev_check ^= 1;
    disk.overwrite_durably(&file(2), 0, &odd.blocks()).unwrap();
    disk
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
    theirs.number = seawall::SegmentId::new(2);
    let mut bytes = theirs.blocks();
    bytes.resize(16 << 10, 0);
    put_file(&disk, &file(2), &bytes);
    disk
}
