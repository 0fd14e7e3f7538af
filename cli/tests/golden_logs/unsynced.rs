//! The golden logs in which a segment began before the one before it was synced.

use super::{GoldenLog, empty, fill, header, killed, offset, options, settled};
use seawall::{Durability, Log, Lsn, Options, Receipt};
use seawall_sim::{SimDisk, environment};

pub(crate) fn all() -> impl Iterator<Item = GoldenLog> {
    let logs = [
        ("left-unsynced", "two segments began before those before them were synced", left().0),
        ("left-and-vouched", "the same, and a mark in the last one vouches for all", vouched()),
        ("torn-left", "a segment ends too early, and its successor does not vouch for it", torn()),
        ("dropped", "the cut is made, and what was behind it is still there", dropped(false)),
        ("dropped-and-gone", "the cut is made, and what was behind it is gone", dropped(true)),
        ("damaged-left", "a durable record in a segment that was left is gone", damaged()),
    ];
    logs.into_iter().map(|(name, story, disk)| GoldenLog { name, story, disk })
}

fn unsynced() -> Options {
    options().durability(Durability::Os).unsynced_max(1 << 20)
}

/// Three segments, of which none was synced, as a killed process leaves them.
fn left() -> (SimDisk, Vec<Receipt>) {
    let disk = empty();
    let log = Log::open_in(environment(&disk, 1), unsynced()).unwrap();
    let receipts = fill(&log);
    (killed(&disk, log), receipts)
}

fn vouched() -> SimDisk {
    let disk = empty();
    let log = Log::open_in(environment(&disk, 1), unsynced()).unwrap();
    fill(&log);
    log.sync().unwrap();
    killed(&disk, log)
}

/// Zeros in place of the last record before this LSN.
fn without(disk: &SimDisk, number: u64, receipts: &[Receipt], end: Lsn) {
    let last = receipts.iter().rfind(|receipt| receipt.end <= end).unwrap();
    let len = usize::try_from(last.end.since(last.lsn).unwrap()).unwrap();
    let at = offset(disk, number, last.lsn);
    disk.overwrite_durably(&super::file(number), at, &vec![0; len]).unwrap();
}

fn torn() -> SimDisk {
    let (disk, receipts) = left();
    let end = header(&disk, 2).prev_end;
    without(&disk, 1, &receipts, end);
    settled(&disk)
}

fn dropped(gone: bool) -> SimDisk {
    let disk = torn();
    let log = Log::open_in(environment(&disk, 2), unsynced()).unwrap();
    log.append(b"behind the cut").unwrap();
    if gone {
        log.tend().unwrap();
    }
    killed(&disk, log)
}

fn damaged() -> SimDisk {
    let disk = empty();
    let log = Log::open_in(environment(&disk, 1), unsynced()).unwrap();
    let mut receipts = Vec::new();
    while log.segments().len() < 2 {
        receipts.push(log.append(&[b'a'; 3000]).unwrap());
    }
    log.sync().unwrap();
    while log.segments().len() < 3 {
        receipts.push(log.append(&[b'b'; 3000]).unwrap());
    }
    let disk = killed(&disk, log);
    let first = receipts.iter().find(|receipt| receipt.lsn >= header(&disk, 2).base).unwrap();
    let at = offset(&disk, 2, first.lsn);
    disk.overwrite_durably(&super::file(2), at, &[0; 64]).unwrap();
    settled(&disk)
}
