//! Copies of logs, sound and repaired, at rest and live: a copy is nothing, or does not open, or is all of
//! what was proven.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod repairs;

use repairs::{
    Tally, cases, copy, crashes_in_copies, name, options, records, repair, settled, written,
};
use seawall::storage::{EntryKind, Storage};
use seawall::{Durability, Error, Log, LogView, Lsn, Verdict};
use seawall_sim::{
    Concern, CrashKind, EIO, ENOSPC, FaultPlan, HurtKind, Operation, Seed, SimDisk, environment,
};

#[test]
fn a_copy_cut_off_at_any_call_does_not_open_as_if_it_were_whole() {
    let (mut tally, mut images) = (Tally::default(), 0);
    for closed in [false, true] {
        images += crashes_in_copies(&written(closed), &mut tally).unwrap();
    }
    for case in cases() {
        repair(&case.disk, "first").unwrap();
        images += crashes_in_copies(&case.disk, &mut tally)
            .unwrap_or_else(|wrong| panic!("{}: {wrong}", case.what));
    }
    println!(
        "{} crash points, {} ways to resolve them, {images} images",
        tally.crash_points, tally.resolved
    );
    assert!(tally.crash_points > 1000 && images > 1000, "{tally:?}, {images}");
}

#[test]
fn a_copy_of_a_live_log_ends_where_it_is_proven_and_shows_exactly_that() {
    let disk = SimDisk::new(Seed::new(5));
    let live = options().durability(Durability::Os);
    let log = Log::open_in(environment(&disk, 1), live).unwrap();
    for nth in 0..60_u8 {
        log.append(&[nth; 600]).unwrap();
        if nth % 7 == 0 {
            log.sync().unwrap();
        }
        let view = LogView::open_in(&environment(&disk, 2)).unwrap();
        let dest = SimDisk::new(Seed::new(6));
        let copied = view.copy_to(&dest, |_| {}).unwrap();
        assert_eq!(copied.end, view.proven());
        let (shown, told) = records(&dest);
        assert!(told.is_empty(), "{told:?}");
        let expected = records(&disk).0.into_iter().filter(|((lsn, _), _)| *lsn < view.proven());
        assert!(expected.eq(shown.clone()), "{nth}");
        let verdict = LogView::open_in(&environment(&dest, 3)).unwrap().verify(|_| {}).unwrap();
        assert_eq!(verdict.verdict, Verdict::Clean, "{nth}");
        // Whatever becomes of the log, it keeps what the copy has.
        let mut rng = Seed::new(u64::from(nth)).rng(Concern::CrashResolution);
        let after = disk.after_power_cut(&seawall_sim::CrashPolicy::AllLost, &mut rng);
        let kept = records(&after).0;
        assert!(shown.iter().all(|(place, bytes)| kept.get(place) == Some(bytes)), "{nth}");
    }
    assert!(log.segments().len() > 2);
}

/// It was: a copy of a closed log was closed, and gave the addresses that the log gave out since it was made.
#[test]
fn a_copy_gives_out_no_address_that_its_log_gives_out_meanwhile() {
    for closed in [false, true] {
        let disk = written(closed);
        let dest = SimDisk::new(Seed::new(6));
        let copied = copy(&environment(&disk, 1), &dest).unwrap();
        let (shown, told) = records(&dest);
        assert!(told.is_empty(), "{told:?}");
        let expected = records(&disk).0.into_iter().filter(|((lsn, _), _)| *lsn < copied.end);
        assert!(expected.eq(shown.clone()), "closed: {closed}");
        // No alarm, and no clean end.
        let mut view = LogView::open_in(&environment(&dest, 2)).unwrap();
        assert_eq!(view.verify(|_| {}).unwrap().verdict, Verdict::Clean);
        assert!(!view.is_clean() && !view.is_torn());

        let on = Log::open_in(environment(&disk, 2), options()).unwrap();
        let last = (0..100).map(|_| on.append(&[1; 300]).unwrap().end).next_back().unwrap();
        let log = Log::open_in(environment(&dest, 2), options()).unwrap();
        assert!(!log.report().clean && log.report().cut.is_none());
        let jumped = copied.end.checked_add(Lsn::JUMP).unwrap();
        assert_eq!(log.append(b"next").unwrap().lsn, jumped);
        assert!(!closed || last < jumped, "{last} was given out by both");
        let kept = log.scan(Lsn::FIRST).unwrap().map(Result::unwrap);
        assert!(
            kept.map(|record| record.lsn).take(shown.len()).eq(shown.keys().map(|&(lsn, _)| lsn))
        );
    }
}

#[test]
fn a_copy_of_a_trimmed_log_begins_where_the_log_does() {
    let disk = written(false);
    let all: Vec<Lsn> = records(&disk).0.keys().map(|&(lsn, _)| lsn).collect();
    for &lsn in all.iter().step_by(5) {
        let disk = settled(&disk);
        let log = Log::open_in(environment(&disk, 2), options()).unwrap();
        log.trim(lsn).unwrap();
        log.append(b"vouches for the trim").unwrap();
        log.append(b"and is vouched for").unwrap();
        let dest = SimDisk::new(Seed::new(6));
        let copied = copy(&environment(&disk, 1), &dest).unwrap();
        let shown = records(&dest).0;
        let expected = records(&disk).0.into_iter().filter(|((lsn, _), _)| *lsn < copied.end);
        assert!(expected.eq(shown), "trimmed to {lsn}");
        drop(log);
    }
}

/// A repair leaves what is below the trim point as it is, so it must not be in the way of a copy either.
#[test]
fn damage_below_the_trim_point_is_not_in_the_way_of_a_copy() {
    for closed in [false, true] {
        let disk = written(false);
        let all: Vec<Lsn> = records(&disk).0.keys().map(|&(lsn, _)| lsn).collect();
        let second = LogView::open_in(&environment(&disk, 1)).unwrap().segments()[1].base();
        let in_second: Vec<Lsn> = all.into_iter().filter(|&lsn| lsn > second).collect();
        let log = Log::open_in(environment(&disk, 2), options()).unwrap();
        log.trim(in_second[4]).unwrap();
        log.append(b"vouches for the trim").unwrap();
        log.append(b"and is vouched for").unwrap();
        if closed {
            log.close().unwrap();
        }
        disk.crash_now(CrashKind::Kill);
        drop(log);
        let disk = settled(&disk);
        let offset = |lsn: Lsn| 8192 + lsn.since(second).unwrap() + 30;
        disk.flip_bit(&name(2), offset(in_second[1]), 1).unwrap();
        assert!(Log::plan_repair(&environment(&disk, 1)).unwrap().steps.is_empty());
        let dest = SimDisk::new(Seed::new(6));
        let copied = copy(&environment(&disk, 1), &dest).unwrap();
        let shown = records(&dest).0;
        let expected = records(&disk).0.into_iter().filter(|((lsn, _), _)| *lsn < copied.end);
        assert!(expected.eq(shown.clone()) && shown.len() > 3, "closed: {closed}");
        Log::open_in(environment(&dest, 3), options()).unwrap();

        // And what is not below is.
        disk.flip_bit(&name(2), offset(in_second[5]), 1).unwrap();
        let dest = SimDisk::new(Seed::new(6));
        let told = copy(&environment(&disk, 1), &dest);
        assert!(matches!(told, Err(Error::Damaged { .. })), "closed: {closed}, {told:?}");
    }
}

#[test]
fn a_copy_goes_into_an_empty_directory_and_from_a_log_that_is_sound() {
    let disk = written(false);
    let dest = SimDisk::new(Seed::new(6));
    dest.put_foreign("lost+found", EntryKind::Other).unwrap();
    let refused = copy(&environment(&disk, 1), &dest).unwrap_err();
    assert!(matches!(refused, Error::NotEmpty { .. }), "{refused:?}");
    assert_eq!(dest.names(), ["lost+found"]);
    let dest = SimDisk::new(Seed::new(6));
    let held = dest.lock().unwrap();
    let refused = copy(&environment(&disk, 1), &dest).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused:?}");
    drop(held);
    for case in cases() {
        let dest = SimDisk::new(Seed::new(6));
        let refused = copy(&environment(&case.disk, 1), &dest).unwrap_err();
        assert!(refused.is_damage(), "{}: {refused:?}", case.what);
        let opened = Log::open_in(environment(&dest, 2), options());
        assert!(opened.is_err() || dest.names().is_empty(), "{}: it opens", case.what);
    }
}

/// One call fails, each in its turn, on either disk.
#[test]
fn a_copy_that_fails_leaves_no_log_that_opens() {
    let faults = [
        (Operation::Create, ENOSPC),
        (Operation::Allocate, ENOSPC),
        (Operation::Write, ENOSPC),
        (Operation::SyncAll, EIO),
        (Operation::SyncDir, EIO),
        (Operation::Rename, EIO),
        (Operation::Read, EIO),
        (Operation::Open, EIO),
    ];
    let mut happened = 0;
    for (operation, errno) in faults {
        for at_source in [false, true] {
            for nth in 0.. {
                let (source, dest) = (written(false), SimDisk::new(Seed::new(6)));
                let fails = if at_source { &source } else { &dest };
                fails.fail(FaultPlan::new(operation, errno).after(nth));
                let Err(error) = copy(&environment(&source, 1), &dest) else { break };
                happened += 1;
                let what = format!("{operation:?} after {nth}, at the source {at_source}");
                assert!(
                    matches!(error, Error::Io { .. } | Error::Full { .. }),
                    "{what}: {error:?}"
                );
                dest.stop_failing();
                // Behind the last rename all is there, and only its name may be lost.
                let renamed = operation == Operation::SyncDir && nth == 2;
                let opened = Log::open_in(environment(&dest.after_kill(), 2), options());
                let harmless = opened.is_err() || dest.names().is_empty() || renamed;
                assert!(harmless, "{what}: {:?}", dest.names());
            }
        }
    }
    println!("{happened} calls failed");
    assert!(happened > 30);
}

#[test]
fn a_copy_that_a_trim_overtakes_says_so() {
    let disk = written(false);
    let view = LogView::open_in(&environment(&disk, 1)).unwrap();
    let log = Log::open_in(environment(&disk, 2), options()).unwrap();
    let newest = *records(&disk).0.keys().next_back().unwrap();
    log.trim(newest.0).unwrap();
    assert!(log.segments().len() < 3);
    let dest = SimDisk::new(Seed::new(6));
    let error = view.copy_to(&dest, |_| {}).unwrap_err();
    assert!(matches!(error, Error::Trimmed { .. }), "{error:?}");
    assert!(Log::open_in(environment(&dest, 2), options()).is_err());
    let again = copy(&environment(&disk, 1), &SimDisk::new(Seed::new(6))).unwrap();
    assert!(again.first > Lsn::FIRST);
}

/// The disk of the copy returns other bytes: the log is not called damaged for that.
#[test]
fn a_copy_that_differs_is_told_from_a_log_that_is_damaged() {
    let mut told = 0;
    for (kind, seed) in [HurtKind::Garbage, HurtKind::BitRot].into_iter().cycle().zip(0..16) {
        let disk = written(true);
        let dest = SimDisk::new(Seed::new(seed));
        dest.hurt_synced(kind, &name(2), 0);
        match copy(&environment(&disk, 1), &dest) {
            Err(Error::Io { action: "compare", name, .. }) => {
                assert!(name.starts_with(&dest.place()), "{name}");
                told += 1;
            }
            // It hit what nobody reads: a header's other copy, or what is behind the frames.
            Ok(_) => {}
            Err(other) => panic!("{kind}: {other:?}"),
        }
    }
    assert!(told > 3, "{told} copies were other than their log");
}

#[test]
fn a_copy_says_that_it_begins_where_its_readers_do() {
    let disk = written(false);
    let all: Vec<Lsn> = records(&disk).0.keys().map(|&(lsn, _)| lsn).collect();
    for &lsn in all.iter().step_by(3) {
        // Not vouched for yet, and vouched for.
        for behind in 0..3_u8 {
            let disk = settled(&disk);
            let log = Log::open_in(environment(&disk, 2), options()).unwrap();
            log.trim(lsn).unwrap();
            for nth in 0..behind {
                log.append(&[nth]).unwrap();
            }
            let dest = SimDisk::new(Seed::new(6));
            let copied = copy(&environment(&disk, 1), &dest).unwrap();
            let view = LogView::open_in(&environment(&dest, 3)).unwrap();
            assert_eq!(copied.first, view.first(), "trimmed to {lsn}, {behind} behind");
            drop(log);
        }
    }
}
