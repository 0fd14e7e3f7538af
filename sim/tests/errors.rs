//! Calls of the disk fail, one at each place of a run: G2, G3, G7 and G8.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "closes/mod.rs"]
mod closes;

use seawall::storage::Storage;
use seawall::{Durability, Error, Log, LogView, Lsn, Options};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, EIO, ENOSPC, FaultPlan, Op, Operation, Seed, SimDisk,
    Workload, environment, run_with_fault,
};
use std::collections::BTreeMap;

const SEEDS: u64 = 60;

/// Which calls fail, and how.
const FAULTS: [(Operation, i32); 12] = [
    (Operation::Write, EIO),
    (Operation::Write, ENOSPC),
    (Operation::SyncData, EIO),
    (Operation::SyncData, ENOSPC),
    (Operation::SyncAll, EIO),
    (Operation::SyncDir, EIO),
    (Operation::Create, ENOSPC),
    (Operation::Allocate, ENOSPC),
    (Operation::Rename, EIO),
    (Operation::Remove, EIO),
    (Operation::SetLen, EIO),
    (Operation::Read, EIO),
];

#[test]
fn no_failing_call_breaks_a_promise() {
    let mut happened: BTreeMap<(Operation, i32), u64> = BTreeMap::new();
    for seed in 0..SEEDS {
        let mut workload = Workload::drawn(Seed::new(seed), 12);
        // A killed process is another disk to this test: the fault plan would not follow.
        workload.ops.retain(|op| *op != Op::Kill);
        for fault in FAULTS {
            for nth in 0.. {
                match run_with_fault(&workload, Seed::new(seed), fault, nth, None) {
                    Ok(true) => *happened.entry(fault).or_default() += 1,
                    Ok(false) => break,
                    Err(violation) => {
                        panic!("seed {seed}, {fault:?} after {nth}: {violation}\n{workload:#?}")
                    }
                }
            }
        }
    }
    println!("{happened:?}");
    for fault in FAULTS {
        assert!(happened.get(&fault).is_some_and(|&count| count > 0), "{fault:?} never happened");
    }
}

fn small() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None).prepare_ahead(false)
}

#[test]
fn a_failed_sync_is_final_and_what_the_next_open_shows_stays() {
    for (errno, extra) in [(EIO, 0), (ENOSPC, 1)] {
        let disk = SimDisk::new(Seed::new(9 + extra));
        let log = Log::open_in(environment(&disk, 1), small()).unwrap();
        let kept = log.append(b"before").unwrap();
        disk.fail(FaultPlan::new(Operation::SyncData, errno).times(1));
        let error = log.append(b"in doubt").unwrap_err();
        assert!(error.is_poisoned(), "{error:?}");
        let calls = disk.steps();
        assert!(log.append(b"later").unwrap_err().is_poisoned());
        assert!(log.append_at(b"later", Durability::Buffered).unwrap_err().is_poisoned());
        assert!(log.sync().unwrap_err().is_poisoned());
        assert!(log.trim(kept.lsn).unwrap_err().is_poisoned());
        assert!(log.close().unwrap_err().is_poisoned());
        assert_eq!(disk.steps(), calls, "a poisoned log touches the disk no more");
        drop(log);

        // The same process opens again; the page cache still shows what the device lost.
        let log = Log::open_in(environment(&disk, 2), small()).unwrap();
        let shown: Vec<_> =
            log.scan(Lsn::FIRST).unwrap().map(|record| record.unwrap().bytes).collect();
        assert_eq!(shown[0], "before");
        disk.crash_now(CrashKind::Power);
        drop(log);
        let mut rng = Seed::new(1).rng(Concern::CrashResolution);
        let cut = disk.after_power_cut(&CrashPolicy::AllLost, &mut rng);
        let log = Log::open_in(environment(&cut, 3), small()).unwrap();
        let again: Vec<_> =
            log.scan(Lsn::FIRST).unwrap().map(|record| record.unwrap().bytes).collect();
        assert_eq!(shown, again);
    }
}

#[test]
fn whichever_sync_of_a_close_fails_it_says_that_the_log_is_poisoned() {
    // Of the records, where the level left them unsynced; of close mark and close record together.
    assert_eq!(closes::every_sync_fails_in_turn(), Ok(2 * (2 + 2 + 1)));
}

#[test]
fn a_full_disk_is_told_and_the_log_goes_on_when_there_is_room() {
    let disk = SimDisk::new(Seed::new(4));
    let log = Log::open_in(environment(&disk, 1), small()).unwrap();
    let mut kept = vec![log.append(&[0; 1000]).unwrap().lsn];
    disk.set_capacity(Some(56 << 10));
    let error = loop {
        match log.append(&[1; 1000]) {
            Ok(receipt) => kept.push(receipt.lsn),
            Err(error) => break error,
        }
    };
    assert!(error.is_full(), "{error:?}");
    // Reading goes on, nothing acknowledged is lost.
    for &lsn in &kept {
        log.read(lsn).unwrap();
    }
    assert!(log.append(&[2; 1000]).unwrap_err().is_full());
    // A trim makes room: what it frees becomes the next segment.
    let trimmed = log.trim(*kept.last().unwrap()).unwrap();
    assert!(trimmed.files > 0, "{trimmed:?}");
    let lsn = log.append(&[3; 1000]).unwrap().lsn;
    assert_eq!(log.read(lsn).unwrap().bytes, vec![3; 1000]);
    disk.set_capacity(None);
    for _ in 0..50 {
        log.append(&[4; 1000]).unwrap();
    }
    log.close().unwrap();
    drop(log);
    let log = Log::open_in(environment(&disk, 2), small()).unwrap();
    let fours = log
        .scan(Lsn::FIRST)
        .unwrap()
        .filter(|record| record.as_ref().unwrap().bytes.first() == Some(&4));
    assert_eq!(fours.count(), 50);
    assert!(log.report().clean);
}

#[test]
fn what_a_failed_write_left_never_refuses_or_haunts_a_later_open() {
    for nth in 0..4 {
        let disk = SimDisk::new(Seed::new(20 + nth));
        let level = Durability::Os;
        let log = Log::open_in(environment(&disk, 1), small().durability(level)).unwrap();
        log.append(b"first").unwrap();
        disk.fail(FaultPlan::new(Operation::Write, ENOSPC).after(nth).times(1));
        let mut expected = vec![b"first".to_vec()];
        for index in 0..6_u8 {
            let record = vec![index; 900];
            match log.append(&record) {
                Ok(_) => expected.push(record),
                Err(error) => assert!(error.is_full(), "{error:?}"),
            }
        }
        assert_eq!(expected.len(), 6, "one append of six failed");
        let shown = |log: &Log| -> Vec<Vec<u8>> {
            log.scan(Lsn::FIRST).unwrap().map(|record| record.unwrap().bytes.to_vec()).collect()
        };
        assert_eq!(shown(&log), expected);
        disk.crash_now(CrashKind::Kill);
        drop(log);
        let disk = disk.after_kill();
        let log = Log::open_in(environment(&disk, 2), small()).unwrap();
        assert_eq!(shown(&log), expected);
    }
}

#[test]
fn an_ambiguous_tail_is_refused_where_that_is_asked_for_and_nothing_changes() {
    let disk = SimDisk::new(Seed::new(2));
    let log = Log::open_in(environment(&disk, 1), small()).unwrap();
    log.append(b"kept").unwrap();
    let newest = log.append(b"the newest commit, soon rotten").unwrap();
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    let disk = disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng);
    let name = disk.names().remove(0);
    disk.flip_bit(&name, 8192 + newest.lsn.get() + 40, 2).unwrap();
    let image = disk.image_hash();
    let error =
        Log::open_in(environment(&disk, 2), small().refuse_ambiguous_tail(true)).unwrap_err();
    assert!(matches!(error, Error::AmbiguousTail { end, .. } if end == newest.lsn), "{error:?}");
    assert_eq!(disk.image_hash(), image);
    let log = Log::open_in(environment(&disk, 3), small()).unwrap();
    assert!(log.report().tail_ambiguous);
    assert_eq!(log.scan(Lsn::FIRST).unwrap().count(), 1);
}

#[test]
fn a_second_writer_is_told_the_directory() {
    let disk = SimDisk::new(Seed::new(1));
    let _log = Log::open_in(environment(&disk, 1), small()).unwrap();
    let error = Log::open_in(environment(&disk, 2), small()).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains(&disk.place()), "{error}");
}

#[test]
fn a_reader_believes_nothing_bad_that_a_second_look_does_not_confirm() {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), small()).unwrap();
    for _ in 0..10 {
        log.append(&[7; 2500]).unwrap();
    }
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = disk.after_kill();
    disk.fail(FaultPlan::new(Operation::Read, EIO).suffix(".seg").times(1));
    let view = LogView::open_in(&environment(&disk, 2)).unwrap();
    assert!(view.damage().is_none());
    assert_eq!(view.scan(Lsn::FIRST).unwrap().map(Result::unwrap).count(), 10);
    disk.fail(FaultPlan::new(Operation::Read, EIO).suffix(".seg").times(100));
    let told = LogView::open_in(&environment(&disk, 2));
    assert!(matches!(told, Err(Error::Io { .. })), "{told:?}");
}

/// Nothing of the log is in a file that waits to become a segment.
#[test]
fn a_failed_sync_of_a_file_that_was_not_begun_ends_its_preparation_and_not_the_log() {
    for errno in [EIO, ENOSPC] {
        let disk = SimDisk::new(Seed::new(8));
        let log = Log::open_in(environment(&disk, 1), small()).unwrap();
        log.append(&[1; 7000]).unwrap();
        disk.fail(FaultPlan::new(Operation::SyncAll, errno).suffix(".spare"));
        // The file is thrown away, and the next append makes another.
        let told = log.append(&[2; 7000]);
        assert!(!told.is_err_and(|error| error.is_poisoned()));
        log.append(&[3; 7000]).unwrap();
        log.close().unwrap();
    }
}
