//! Records of batches by address: one frame each, in any order, with typed errors.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod watched;

use proptest::prelude::*;
use seawall::{Batch, Durability, Error, Failures, Log, Lsn, Options, Placed, Record, Tag};
use watched::{Call, On, Watcher};

const FRAME: u64 = 1000;

fn options(level: Durability) -> Options {
    Options::new()
        .segment_len(64 << 10)
        .first_segment_len(64 << 10)
        .durability(level)
        .idle_mark(None)
        .batch_frame_max(FRAME)
}

fn record(nth: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((nth * 31 + at * 7) % 251).unwrap()).collect()
}

fn all(log: &Log) -> Vec<Record> {
    log.scan_at(Lsn::FIRST, Durability::Buffered).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The index that is wrong, and how many records the frame has.
fn no_index(read: &seawall::Result<Record>) -> Option<(Lsn, u32, u32)> {
    match read {
        Err(Error::NoIndex { lsn, index, records }) => Some((*lsn, *index, *records)),
        _ => None,
    }
}

#[test]
fn each_record_of_a_batch_has_an_address_that_is_read_at_the_cost_of_one_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let options = options(Durability::Os).segment_len(8 << 20).first_segment_len(8 << 20);
    let log = Log::open_in(environment, options).unwrap();
    let records: Vec<_> = (0..2000).map(|nth| record(nth, 100)).collect();
    let placed = log.append_batch_placed(&records, Durability::Os).unwrap();
    assert_eq!(placed.records(), 2000);
    assert_eq!(placed.places().count(), 2000);
    assert_eq!(placed.place(2000), None);
    let addresses: Vec<_> = placed.places().collect();
    // 104 bytes each, 1000 in a frame.
    assert_eq!(addresses[8], (placed.receipt().lsn, 8));
    assert_eq!(addresses[9].1, 0);
    let scanned: Vec<_> = all(&log).iter().map(|record| (record.lsn, record.index)).collect();
    assert_eq!(addresses, scanned);
    for (&(lsn, index), record) in addresses.iter().zip(&records).step_by(97) {
        watcher.take_counts();
        let read = log.read_at(lsn, index).unwrap();
        let counts = watcher.take_counts();
        assert_eq!((read.lsn, read.index, &read.bytes[..]), (lsn, index, &record[..]));
        assert!(counts.all(Call::Read) <= 2, "{} calls", counts.all(Call::Read));
    }
    // All of them are 200 KiB in neighbouring frames: one call.
    watcher.take_counts();
    let read = log.read_many_at(&addresses);
    let counts = watcher.take_counts();
    for (read, record) in read.iter().zip(&records) {
        assert_eq!(read.as_ref().unwrap().bytes, record);
    }
    let (calls, bytes) = (counts.all(Call::Read), counts.read(On::Segment));
    assert!(calls <= 16, "{calls} calls");
    assert!(bytes < 400 << 10, "{bytes} bytes");
}

#[test]
fn a_wrong_address_gets_an_error_of_its_own_kind() {
    let dir = tempfile::tempdir().unwrap();
    for level in [Durability::Buffered, Durability::Sync] {
        let dir = dir.path().join(format!("{level:?}"));
        let log = Log::open(dir, options(level)).unwrap();
        let alone = log.append(b"alone").unwrap();
        let records: Vec<_> = (0..12).map(|nth| record(nth, 200)).collect();
        let placed = log.append_batch_placed(&records, level).unwrap();
        let first = placed.receipt().lsn;
        let end = placed.receipt().end;
        // Four records in each of three frames.
        let (second, 0) = placed.place(4).unwrap() else { panic!("{placed:?}") };
        for (lsn, index, records) in [(alone.lsn, 1, 1), (first, 4, 4), (second, u32::MAX, 4)] {
            let (one, many) =
                (log.read_at(lsn, index), log.read_many_at(&[(lsn, index)]).remove(0));
            assert_eq!(no_index(&one), Some((lsn, index, records)), "{one:?}");
            assert_eq!(no_index(&many), Some((lsn, index, records)), "{many:?}");
        }
        // The other way to read counts on into the frames that follow.
        assert_eq!(log.read_in_batch(first, 4).unwrap().bytes, records[4]);
        let inside = first.checked_add(8).unwrap();
        for index in [0, 1] {
            let read = log.read_at(inside, index);
            assert!(matches!(read, Err(Error::NoRecord { lsn }) if lsn == inside), "{read:?}");
            let read = log.read_at(end, index);
            assert!(matches!(read, Err(Error::Beyond { lsn, .. }) if lsn == end), "{read:?}");
        }
        log.trim(second).unwrap();
        let read = log.read_at(first, 0);
        assert!(
            matches!(read, Err(Error::Trimmed { lsn, trim }) if (lsn, trim) == (first, second)),
            "{read:?}"
        );
        let last = log.read_at(second, 3).unwrap();
        assert_eq!(last.bytes, records[7]);
        log.close().unwrap();
        assert!(matches!(log.read_at(second, 3), Err(Error::Closed)));
    }
}

#[test]
fn an_empty_batch_has_no_address() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options(Durability::Os)).unwrap();
    let placed = log.append_batch_placed::<&[u8]>(&[], Durability::Os).unwrap();
    assert_eq!((placed.records(), placed.place(0)), (0, None));
    assert_eq!(placed.places().count(), 0);
    assert!(log.read_many_at(&[]).is_empty());
}

#[derive(Clone, Debug)]
struct Step {
    lens: Vec<usize>,
    tags: bool,
    level: Durability,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let level =
        prop_oneof![Just(Durability::Buffered), Just(Durability::Os), Just(Durability::Sync)];
    let len = prop_oneof![8 => 0..300_usize, 1 => 900..3000_usize];
    let lens = prop::collection::vec(len, 1..60);
    let step = (lens, any::<bool>(), level);
    let step = step.prop_map(|(lens, tags, level)| Step { lens, tags, level });
    prop::collection::vec(step, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// One at a time, many at once and a scan agree, whatever the batches are.
    #[test]
    fn addresses_of_any_batches_are_those_of_a_scan(
        steps in steps(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u32), 0..200),
        reopened in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let options = options(Durability::Buffered).segment_len(1 << 20);
        let mut log = Log::open(dir.path(), options.clone()).unwrap();
        let mut addresses = Vec::new();
        for (nth, Step { lens, tags, level }) in steps.iter().enumerate() {
            let records: Vec<_> = lens.iter().map(|&len| record(nth, len)).collect();
            let placed: Placed = if *tags {
                let mut batch = Batch::new();
                for (nth, record) in records.iter().enumerate() {
                    let tag = Tag::new(u16::try_from(nth / 5 % 2).unwrap());
                    batch.push_tagged(tag, &[record]);
                }
                let ticket = log.submit(&batch, *level, Failures::ANY);
                let ticket = match ticket {
                    Ok(ticket) => ticket,
                    Err(_) => {
                        log.wait_room(200 << 10).unwrap();
                        log.submit(&batch, *level, Failures::ANY).unwrap()
                    }
                };
                ticket.wait(*level).unwrap();
                ticket.placed().clone()
            } else {
                log.append_batch_placed(&records, *level).unwrap()
            };
            prop_assert_eq!(placed.records() as usize, records.len());
            addresses.extend(placed.places());
        }
        if reopened {
            log.close().unwrap();
            log = Log::open(dir.path(), options).unwrap();
        }
        let scanned = all(&log);
        let of_scan: Vec<_> = scanned.iter().map(|record| (record.lsn, record.index)).collect();
        prop_assert_eq!(&addresses, &of_scan);
        for record in &scanned {
            prop_assert_eq!(&log.read_at(record.lsn, record.index).unwrap(), record);
        }
        // Some of them, repeated, and some that are none.
        let asked: Vec<_> = picks
            .iter()
            .map(|(pick, off)| {
                let (lsn, index) = *pick.get(&addresses);
                (lsn, index + off * 7)
            })
            .collect();
        let many = log.read_many_at(&asked);
        for (&(lsn, index), many) in asked.iter().zip(many) {
            match scanned.iter().find(|record| (record.lsn, record.index) == (lsn, index)) {
                Some(record) => prop_assert_eq!(&many.unwrap(), record),
                None => {
                    let records = scanned.iter().filter(|record| record.lsn == lsn).count();
                    let records = u32::try_from(records).unwrap();
                    prop_assert_eq!(no_index(&many), Some((lsn, index, records)));
                    prop_assert_eq!(no_index(&log.read_at(lsn, index)), no_index(&many));
                }
            }
        }
        log.close().unwrap();
    }
}
