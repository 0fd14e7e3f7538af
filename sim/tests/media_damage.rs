//! Every kind of single damage to a log at rest: G1 and G5. Never wrong bytes, never a clean bill
//! of health while an acknowledged record is missing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall::{Durability, Error, Log, LogView, Lsn, Options, Receipt, Verdict};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, EIO, FaultPlan, HurtKind, Operation, Rng, Seed, SimDisk,
    environment,
};
use std::collections::BTreeMap;

const FLIPS: u64 = 5000;
const CUTS: u64 = 500;

type Records = BTreeMap<(Lsn, u32), Vec<u8>>;

struct Written {
    disk: SimDisk,
    acknowledged: Records,
    /// Address of the newest commit, of which nothing later speaks.
    newest: Lsn,
    closed: bool,
}

fn options() -> Options {
    Options::new().segment_len(16 << 10).batch_frame_max(512).idle_mark(None)
}

fn written(closed: bool, seed: u64) -> Written {
    let mut rng = Seed::new(seed).rng(Concern::Workload);
    let disk = SimDisk::new(Seed::new(seed));
    let log = Log::open_in(environment(&disk, seed), options()).unwrap();
    let mut newest = Lsn::FIRST;
    while log.segments().len() < 3 || log.watermarks().durable < at_least(&log) {
        let records: Vec<Vec<u8>> = (0..1 + rng.index(4))
            .map(|_| {
                let mut record = vec![0; rng.index(700)];
                rng.fill(&mut record);
                record
            })
            .collect();
        newest = log.append_batch(&records).unwrap().lsn;
        newest = newest.max(log.append(&records[0]).unwrap().lsn);
    }
    if closed {
        log.close().unwrap();
    }
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = settled(&disk);
    let view = LogView::open_in(&environment(&disk, 0)).unwrap();
    let acknowledged = view.scan(Lsn::FIRST).unwrap().map(|record| {
        let record = record.unwrap();
        ((record.lsn, record.index), record.bytes.to_vec())
    });
    Written { acknowledged: acknowledged.collect(), disk, newest, closed }
}

/// Half of the third segment.
fn at_least(log: &Log) -> Lsn {
    log.segments()[2].base().checked_add(4000).unwrap()
}

/// The same bytes on a disk of their own.
fn settled(disk: &SimDisk) -> SimDisk {
    let mut rng = Seed::new(0).rng(Concern::CrashResolution);
    disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

#[derive(Default)]
struct Tally {
    clean: u64,
    torn: u64,
    damaged: u64,
    refused: u64,
}

fn judge(written: &Written, disk: &SimDisk, what: &str, tally: &mut Tally) {
    let mut shown = Records::new();
    let mut told = Vec::new();
    let mut view = match LogView::open_in(&environment(disk, 1)) {
        Ok(view) => view,
        Err(Error::Unknown { .. } | Error::Foreign { .. }) => {
            tally.refused += 1;
            return;
        }
        Err(error) => panic!("{what}: {error:?}"),
    };
    for record in view.scan(Lsn::FIRST).unwrap() {
        match record {
            Ok(record) => {
                let place = (record.lsn, record.index);
                assert!(shown.insert(place, record.bytes.to_vec()).is_none(), "{what}: twice");
            }
            Err(error) if error.is_damage() => told.push(error),
            Err(error) => panic!("{what}: {error:?}"),
        }
    }
    for (place, bytes) in &shown {
        assert_eq!(
            written.acknowledged.get(place),
            Some(bytes),
            "{what}: wrong bytes at {place:?}"
        );
    }
    let missing: Vec<_> =
        written.acknowledged.keys().filter(|place| !shown.contains_key(place)).collect();
    let verdict = view.verify(|_| {}).unwrap().verdict;
    match verdict {
        Verdict::Clean => {
            tally.clean += 1;
            assert!(missing.is_empty(), "{what}: called clean, {missing:?} missing");
        }
        Verdict::TornTail => {
            tally.torn += 1;
            let newest_only = missing.iter().all(|(lsn, _)| *lsn >= written.newest);
            let allowed = newest_only && (!written.closed || missing.is_empty());
            assert!(allowed, "{what}: called torn, {missing:?} missing");
        }
        _ => {
            tally.damaged += 1;
            assert!(!told.is_empty() || view.damage().is_some(), "{what}: nobody was told");
        }
    }
    // The writer is no more trusting, and opening changes nothing that was shown.
    match Log::open_in(environment(disk, 2), options()) {
        Ok(log) => {
            assert!(view.damage().is_none(), "{what}: opened a damaged log");
            let again = log.scan(Lsn::FIRST).unwrap().filter_map(Result::ok).count();
            assert_eq!(again, shown.len(), "{what}");
        }
        Err(error) => {
            let known = matches!(
                error,
                Error::Damaged { .. } | Error::Unknown { .. } | Error::Foreign { .. }
            );
            assert!(known, "{what}: {error:?}");
        }
    }
}

fn files(disk: &SimDisk) -> Vec<(String, u64)> {
    disk.names()
        .into_iter()
        .map(|name| {
            let len = disk.read_durable(&name).unwrap().len() as u64;
            (name, len)
        })
        .collect()
}

fn harm(closed: bool) {
    let mut rng = Seed::new(5).rng(Concern::Rot);
    let logs: Vec<_> = (1..=4).map(|seed| written(closed, seed)).collect();
    let (mut flips, mut cuts) = (Tally::default(), Tally::default());
    for nth in 0..FLIPS {
        let written = &logs[rng.index(logs.len())];
        let disk = settled(&written.disk);
        let (name, offset, bit) = place(&files(&disk), &mut rng);
        disk.flip_bit(&name, offset, bit).unwrap();
        judge(written, &disk, &format!("flip {nth}: {name} {offset}.{bit}"), &mut flips);
    }
    for nth in 0..CUTS {
        let written = &logs[rng.index(logs.len())];
        let disk = settled(&written.disk);
        let (name, len, _) = place(&files(&disk), &mut rng);
        disk.truncate_durably(&name, len).unwrap();
        judge(written, &disk, &format!("cut {nth}: {name} to {len}"), &mut cuts);
    }
    for (what, tally) in [("flips", &flips), ("cuts", &cuts)] {
        let Tally { clean, torn, damaged, refused } = tally;
        println!(
            "closed {closed}, {what}: {clean} clean, {torn} torn, {damaged} damaged, {refused} refused"
        );
        assert!(*damaged > 0, "{what}: nothing was ever damaged");
    }
    assert!(flips.clean > 0, "flips in room that nobody uses harm nobody");
}

fn place(files: &[(String, u64)], rng: &mut Rng) -> (String, u64, u8) {
    let (name, len) = &files[rng.index(files.len())];
    // Headers and trailers are small: look at them more often than their size deserves.
    let offset = match rng.below(8) {
        0 => rng.below(128),
        1 => 4096 + rng.below(128),
        2 => len.saturating_sub(1 + rng.below(64)),
        _ => rng.below(*len),
    };
    let bit = u8::try_from(rng.below(8)).unwrap();
    (name.clone(), offset.min(len - 1), bit)
}

#[test]
fn no_single_damage_to_an_unclosed_log_goes_unnoticed_or_shows_wrong_bytes() {
    harm(false);
}

#[test]
fn no_single_damage_to_a_closed_log_goes_unnoticed_or_shows_wrong_bytes() {
    harm(true);
}

/// A disk on which the second of some frames is that of another history: an overwritten version that
/// came back. It verifies alone, at its place, under the right salt. And where the frames stand.
fn another_frame_came_back(others: &[u8], len: usize) -> (SimDisk, Vec<Receipt>) {
    let history = |second: u8| {
        let disk = SimDisk::new(Seed::new(1));
        // The same entropy: the same log id and salt.
        let level = Durability::Os;
        let log = Log::open_in(environment(&disk, 1), options().durability(level)).unwrap();
        let bytes = [1, second].into_iter().chain(others.iter().copied());
        let receipts = bytes.map(|byte| log.append(&vec![byte; len]).unwrap()).collect();
        disk.crash_now(CrashKind::Kill);
        drop(log);
        (settled(&disk), receipts)
    };
    let ((disk, receipts), (other, _)): ((_, Vec<Receipt>), _) = (history(2), history(99));
    let name = disk.names().remove(0);
    let [from, to] = [receipts[1].lsn, receipts[1].end].map(|lsn| 8192 + lsn.get());
    let frame = other.read_durable(&name).unwrap()
        [usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]
        .to_vec();
    disk.overwrite_durably(&name, from, &frame).unwrap();
    (disk, receipts)
}

/// Only the chain tells that another frame was followed.
#[test]
fn a_frame_that_was_written_over_and_came_back_breaks_the_chain() {
    let (disk, receipts) = another_frame_came_back(&[3], 100);
    let mut view = LogView::open_in(&environment(&disk, 2)).unwrap();
    assert_ne!(view.verify(|_| {}).unwrap().verdict, Verdict::Clean);
    assert_eq!(view.end(), receipts[2].lsn, "what follows another frame is not followed");
}

/// It was: a reader without the lock looks twice before it calls anything damage, and the second
/// time it had forgotten which check the frame must follow. So in a closed segment a frame that
/// came back was shown and nobody told of the broken chain behind it. Found by the second reader.
#[test]
fn a_frame_that_came_back_in_a_closed_segment_is_told_as_damage() {
    let (disk, receipts) = another_frame_came_back(&[3, 4, 5, 6, 7, 8, 9], 1500);
    assert!(disk.names().len() > 1, "the first segment is closed");
    let mut view = LogView::open_in(&environment(&disk, 2)).unwrap();
    let found = view.verify(|_| {}).unwrap();
    assert_eq!(found.verdict, Verdict::Damaged);
    let [Error::Damaged { from, to, .. }] = found.damage[..] else {
        panic!("{:?}", found.damage);
    };
    assert_eq!((from, to), (receipts[2].lsn, receipts[2].end), "{:?}", found.damage);
}

/// It was: one good header copy was enough, and the open that followed wrote it over the other,
/// which a later version had written. Found by the second reader, which reads the document.
#[test]
fn a_header_copy_of_a_later_version_beside_a_good_one_is_refused_and_kept() {
    let written = written(true, 1);
    for copy in [0, 4096] {
        let disk = settled(&written.disk);
        let name = disk.names().remove(0);
        let mut bytes = disk.read_durable(&name).unwrap()[copy..copy + 128].to_vec();
        bytes[8] = 2;
        let check = seawall::format::checksum::crc64(&bytes[..120]).to_le_bytes();
        bytes[120..].copy_from_slice(&check);
        disk.overwrite_durably(&name, copy as u64, &bytes).unwrap();
        let before = disk.image_hash();
        let seen = LogView::open_in(&environment(&disk, 2)).err();
        assert!(matches!(seen, Some(Error::Unknown { .. })), "{seen:?}");
        let opened = Log::open_in(environment(&disk, 2), options()).err();
        assert!(matches!(opened, Some(Error::Unknown { .. })), "{opened:?}");
        assert_eq!(disk.image_hash(), before);
    }
}

/// What lost its beginning is a batch only where it stands in the same segment: none spans two.
#[test]
fn a_batch_that_begins_the_segment_behind_a_damaged_end_is_shown() {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    let last = [(); 3].map(|()| log.append(&[7; 2500]).unwrap())[2];
    assert_eq!(log.segments().len(), 1);
    let batch = log.append_batch(&[[1; 1000], [2; 1000]]).unwrap();
    assert_eq!(log.segments().len(), 2);
    assert_eq!(log.segments()[1].base(), batch.lsn);
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = settled(&disk);
    let at = 8192 + last.lsn.get() + 100;
    disk.flip_bit("00000000000000000001.seg", at, 0).unwrap();
    let view = LogView::open_in(&environment(&disk, 1)).unwrap();
    let told: Vec<_> = view.scan(Lsn::FIRST).unwrap().collect();
    let [Ok(_), Ok(_), Err(Error::Damaged { from, to, .. }), Ok(one), Ok(two)] = &told[..] else {
        panic!("{} were told, or other ones", told.len());
    };
    assert_eq!((*from, *to), (last.lsn, batch.lsn));
    assert_eq!((one.lsn, one.bytes[0]), (batch.lsn, 1));
    assert_eq!(two.bytes, [2; 1000].as_slice());
}

/// The search behind damage comes to a sector that it cannot read, beyond what was read ahead, with good
/// frames before it. What the device does not give is neither damage nor the end of anything.
#[test]
fn a_sector_that_cannot_be_read_behind_damage_is_told_and_not_taken_for_damage() {
    const READ_AHEAD: u64 = 256 << 10;
    let disk = SimDisk::new(Seed::new(3));
    let options = Options::new().segment_len(1 << 20).first_segment_len(1 << 20).idle_mark(None);
    let log =
        Log::open_in(environment(&disk, 3), options.durability(Durability::Buffered)).unwrap();
    while log.segments().len() < 2 {
        log.append(&[7; 300]).unwrap();
    }
    log.close().unwrap();
    drop(log);
    let disk = settled(&disk);
    let name = format!("{:020}.seg", 1);
    disk.flip_bit(&name, 8192 + READ_AHEAD - 300, 1).unwrap();
    let shown = |disk: &SimDisk| {
        let view = LogView::open_in(&environment(disk, 1)).unwrap();
        view.scan(Lsn::FIRST).unwrap().collect::<Vec<_>>()
    };
    let damage = shown(&disk).into_iter().find_map(Result::err);
    assert!(matches!(damage, Some(Error::Damaged { .. })), "{damage:?}");

    let mut rng = Seed::new(3).rng(Concern::Rot);
    disk.hurt_at(&name, 8192 + READ_AHEAD + 8192, HurtKind::Unreadable, &mut rng).unwrap();
    let told = shown(&disk).into_iter().find_map(Result::err);
    assert!(matches!(told, Some(Error::Io { .. })), "{told:?}");
    let mut view = LogView::open_in(&environment(&disk, 1)).unwrap();
    let verified = view.verify(|_| {});
    assert!(matches!(verified, Err(Error::Io { .. })), "{verified:?}");
    let planned = Log::plan_repair(&environment(&disk, 1));
    assert!(matches!(planned, Err(Error::Io { .. })), "{planned:?}");
}

/// The same where the damage is a frame that follows another than stands before it, and alone verifies:
/// whoever asks again behind the error does not get that.
#[test]
fn a_broken_chain_stays_broken_behind_a_read_error() {
    const READ_AHEAD: u64 = 256 << 10;
    let history = |odd: u64, byte: u8| {
        let disk = SimDisk::new(Seed::new(3));
        let options =
            Options::new().segment_len(1 << 20).first_segment_len(1 << 20).idle_mark(None);
        let options = options.durability(Durability::Buffered);
        let log = Log::open_in(environment(&disk, 3), options).unwrap();
        let mut receipts = Vec::new();
        while log.segments().len() < 2 {
            let byte = if receipts.len() as u64 == odd { byte } else { 7 };
            receipts.push(log.append(&[byte; 300]).unwrap());
        }
        log.close().unwrap();
        (settled(&disk), receipts)
    };
    // The last two frames of the first block that is read: the search behind them reads the next.
    let (_, receipts) = history(u64::MAX, 7);
    let broken = receipts.iter().rposition(|receipt| receipt.end.get() <= READ_AHEAD).unwrap();
    let (disk, receipts) = history(broken as u64 - 1, 7);
    let (other, _) = history(broken as u64 - 1, 8);
    let (stale, broken) = (receipts[broken - 1], receipts[broken]);
    let name = format!("{:020}.seg", 1);
    let place = |lsn: Lsn| 8192 + lsn.get();
    let frame =
        usize::try_from(place(stale.lsn)).unwrap()..usize::try_from(place(stale.end)).unwrap();
    let bytes = &other.read_durable(&name).unwrap()[frame];
    disk.overwrite_durably(&name, place(stale.lsn), bytes).unwrap();

    let mut failed = 0;
    for nth in 0..12 {
        let disk = settled(&disk);
        let view = LogView::open_in(&environment(&disk, 1)).unwrap();
        let mut scan = view.scan(Lsn::FIRST).unwrap();
        disk.fail(FaultPlan::new(Operation::Read, EIO).after(nth).times(1));
        let mut damaged = Vec::new();
        loop {
            match scan.next_ref() {
                Ok(Some(record)) => assert!(record.lsn != broken.lsn, "read {nth} failed"),
                Ok(None) => break,
                Err(Error::Damaged { from, .. }) => damaged.push(from),
                Err(error) => {
                    assert!(matches!(error, Error::Io { .. }), "{error:?}");
                    failed += 1;
                }
            }
        }
        assert_eq!(damaged, [broken.lsn], "read {nth} failed");
    }
    assert!(failed > 3, "{failed} reads failed in a scan");
}
