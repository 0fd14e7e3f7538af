//! Reads by address: one at a time, and many at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "damages a file behind the log's back")]

mod watched;

use seawall::{Durability, Error, Log, Lsn, Options, Receipt};
use std::path::Path;
use watched::{Call, On, Watcher};

const SEGMENT: u64 = 1 << 20;

fn options() -> Options {
    Options::new()
        .segment_len(SEGMENT)
        .first_segment_len(SEGMENT)
        .durability(Durability::Os)
        .idle_mark(None)
}

fn record(nth: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (nth * 31 + at * 7).to_le_bytes()[0]).collect()
}

/// Turns over the bits of the byte at which the frame with this address and offset in it stands.
fn damage(dir: &Path, log: &Log, lsn: Lsn, offset: u64) {
    let segment = log.segments().into_iter().rev().find(|segment| segment.base() <= lsn).unwrap();
    let path = dir.join(format!("{:020}.seg", segment.number().get()));
    let mut bytes = std::fs::read(&path).unwrap();
    let at = 8192 + lsn.since(segment.base()).unwrap() + offset;
    bytes[usize::try_from(at).unwrap()] ^= 0xff;
    // In place: the log has the file open.
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
}

/// A few numbers in no order.
fn shuffled(mut items: Vec<Lsn>) -> Vec<Lsn> {
    let mut x = 0x9E37_79B9_7F4A_7C15_u64;
    for left in (1..items.len()).rev() {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        items.swap(left, usize::try_from(x % (left as u64 + 1)).unwrap());
    }
    items
}

fn told(answer: &seawall::Result<seawall::Record>) -> String {
    match answer {
        Ok(record) => format!("{} {} {:?}", record.lsn, record.index, record.bytes),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn a_scan_says_how_far_it_has_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let receipts: Vec<_> = (0..5).map(|nth| log.append(&record(nth, 100)).unwrap()).collect();
    let batch = log.append_batch(&[record(5, 10), record(6, 10)]).unwrap();
    let mut scan = log.scan(receipts[1].lsn).unwrap();
    assert_eq!(scan.position(), receipts[1].lsn);
    for receipt in &receipts[1..] {
        assert_eq!(scan.next().unwrap().unwrap().lsn, receipt.lsn);
        assert_eq!(scan.position(), receipt.end);
    }
    for _ in 0..2 {
        assert_eq!(scan.next().unwrap().unwrap().lsn, batch.lsn);
    }
    assert!(scan.next().is_none());
    assert_eq!(scan.position(), batch.end);
}

#[test]
fn many_addresses_are_told_what_each_alone_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let lens = [0, 1, 100, 4000, 4096, 4097, 20_000, 300_000, 8, 255];
    let mut told_of: Vec<Receipt> = Vec::new();
    for nth in 0..90_u64 {
        let len = lens[usize::try_from(nth).unwrap() % lens.len()];
        told_of.push(log.append(&record(nth, len)).unwrap());
        if nth % 7 == 0 {
            let batch = [record(nth, 10), record(nth + 1, 2000), Vec::new()];
            told_of.push(log.append_batch(&batch).unwrap());
        }
    }
    let large: Vec<Vec<u8>> = (0..5).map(|nth| record(nth, 700_000)).collect();
    told_of.push(log.append_batch(&large).unwrap());
    told_of.push(log.append_at(b"not in a file yet", Durability::Buffered).unwrap());
    log.trim(told_of[20].lsn).unwrap();
    // One that lost a bit of its body, one of its header, among good ones.
    damage(dir.path(), &log, told_of[42].lsn, 30);
    damage(dir.path(), &log, told_of[55].lsn, 5);

    let mut asked: Vec<Lsn> = told_of.iter().map(|receipt| receipt.lsn).collect();
    asked.extend(told_of.iter().step_by(5).map(|receipt| receipt.lsn));
    asked.extend(told_of.iter().step_by(9).filter_map(|receipt| receipt.lsn.checked_add(8)));
    asked.extend(told_of.iter().step_by(11).filter_map(|receipt| receipt.lsn.checked_add(3)));
    asked.extend([Lsn::FIRST, log.watermarks().accepted, Lsn::new(u64::MAX)]);
    let asked = shuffled(asked);

    let alone: Vec<String> = asked.iter().map(|&lsn| told(&log.read(lsn))).collect();
    let together: Vec<String> = log.read_many(&asked).iter().map(told).collect();
    assert_eq!(together, alone);
    let kinds = ["Trimmed", "Beyond", "NoRecord", "Damaged"];
    for kind in kinds {
        assert!(alone.iter().any(|answer| answer.starts_with(kind)), "{kind} is among them");
    }
    assert!(log.read_many(&[]).is_empty());
}

#[test]
fn a_damaged_record_is_told_and_its_neighbours_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let told_of: Vec<Lsn> = (0..9).map(|nth| log.append(&record(nth, 100)).unwrap().lsn).collect();
    damage(dir.path(), &log, told_of[4], 60);
    let answers = log.read_many(&told_of);
    for (nth, answer) in (0..).zip(answers) {
        match answer {
            Ok(read) => assert_eq!(read.bytes, record(nth, 100)),
            Err(error) => assert!(error.is_damage() && nth == 4, "{nth}: {error}"),
        }
    }
    assert!(matches!(log.read(told_of[4]), Err(Error::Damaged { .. })));
}

#[test]
fn a_kept_record_keeps_no_block() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let lsn = log.append(&[7; 40]).unwrap().lsn;
    let batch = log.append_batch(&[vec![1; 50], vec![2; 5000]]).unwrap().lsn;
    let mut kept = vec![log.read(lsn).unwrap(), log.read(batch).unwrap()];
    kept.extend(log.read_many(&[batch, lsn]).into_iter().map(Result::unwrap));
    for record in kept {
        let len = record.bytes.len();
        assert!(record.bytes.try_into_mut().unwrap().capacity() <= len);
    }
}

#[test]
fn an_address_costs_one_call_and_a_run_of_neighbours_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, options().segment_len(8 << 20).first_segment_len(8 << 20))
        .unwrap();
    let small: Vec<Lsn> = (0..1000).map(|nth| log.append(&record(nth, 200)).unwrap().lsn).collect();
    let block = log.append(&record(0, 4096)).unwrap().lsn;
    let long = log.append(&record(0, 100_000)).unwrap().lsn;
    log.append(b"the last").unwrap();
    let reads = || watcher.take_counts().all(Call::Read);
    reads();

    log.read(small[500]).unwrap();
    assert_eq!(reads(), 1);
    log.read(block).unwrap();
    assert_eq!(reads(), 1, "a record of 4 KiB");
    log.read(long).unwrap();
    assert_eq!(reads(), 2, "a long record: its beginning, and the rest");

    // 1000 frames of 224 bytes lie within 256 KiB, wherever one begins.
    let all = log.read_many(&shuffled(small.clone()));
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(reads(), 4, "256 addresses are looked up at once, and read with one call");
    // Every 100th is 22 KiB from the next: no neighbours.
    let far: Vec<Lsn> = small.iter().copied().step_by(100).collect();
    assert!(log.read_many(&far).iter().all(Result::is_ok));
    assert_eq!(reads(), 10);
    // Every 50th is 11 KiB from the next.
    let near: Vec<Lsn> = small.iter().copied().step_by(50).collect();
    assert!(log.read_many(&near).iter().all(Result::is_ok));
    assert_eq!(reads(), 1);
    let again = [long, small[0], long, small[0]];
    assert!(log.read_many(&again).iter().all(Result::is_ok));
    let counts = watcher.take_counts();
    assert_eq!(counts.of(On::Segment, Call::Write), 0);
}

#[test]
fn where_a_frame_without_records_stands_is_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    log.append(b"trimmed").unwrap();
    let kept = log.append(b"kept").unwrap();
    log.trim(kept.lsn).unwrap();
    let behind = log.append(b"behind the trim frame").unwrap();
    assert!(behind.lsn > kept.end, "the trim frame stands between them");
    assert!(matches!(log.read(kept.end), Err(Error::NoRecord { lsn }) if lsn == kept.end));
    assert!(matches!(log.read_batch(kept.end), Err(Error::NoRecord { .. })));
}
