//! A storage that breaks one promise of its contract turns the sweep red: each row proves that
//! the sweep would notice the same mistake in the log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall_sim::{
    CallNoise, EIO, Operation, Sabotage, Seed, Sweep, SweepOptions, Violation, Workload,
    run_with_fault,
};

const SEEDS: u64 = 60;

/// By crashes alone.
fn crashing(sabotage: Sabotage, noise: CallNoise) -> Option<Violation> {
    (0..SEEDS).find_map(|seed| {
        let sabotage = Some(sabotage);
        let options = SweepOptions { sabotage, noise, depth: 1, ..SweepOptions::default() };
        Some(Sweep::new(options).seed(seed, 12).err()?.violation)
    })
}

/// By a sync that fails somewhere.
fn failing(sabotage: Sabotage) -> Option<Violation> {
    (0..SEEDS).find_map(|seed| {
        let seed = Seed::new(seed);
        let mut workload = Workload::drawn(seed, 12);
        workload.ops.retain(|op| *op != seawall_sim::Op::Kill);
        (0..40).find_map(|nth| {
            let fault = (Operation::SyncData, EIO);
            run_with_fault(&workload, seed, fault, nth, Some(sabotage)).err()
        })
    })
}

macro_rules! turns_red {
    ($($name:ident: $found:expr;)*) => {$(
        #[test]
        fn $name() {
            println!("{}", $found.expect("nothing notices"));
        }
    )*};
}

turns_red! {
    a_sync_that_does_nothing_is_found: crashing(Sabotage::SyncDoesNothing, CallNoise::NONE);
    a_directory_sync_that_does_nothing_is_found:
        crashing(Sabotage::SyncDirDoesNothing, CallNoise::NONE);
    writes_reordered_across_a_sync_are_found:
        crashing(Sabotage::WritesReorderedAcrossSync, CallNoise::NONE);
    a_header_that_is_not_synced_is_found: crashing(Sabotage::HeaderSyncSkipped, CallNoise::NONE);
    a_short_write_reported_full_is_found:
        crashing(Sabotage::ShortWriteReportedFull, CallNoise::even(200));
    a_sync_error_that_is_swallowed_is_found: failing(Sabotage::SyncErrorSwallowed);
    a_sync_that_is_tried_again_after_it_failed_is_found: failing(Sabotage::SyncErrorRetried);
    an_eviction_that_does_nothing_is_found: failing(Sabotage::EvictDoesNothing);
}

/// A directory whose lock is ignored has two writers; nothing behind the lock would stop them.
#[test]
fn a_lock_that_is_ignored_is_found() {
    use seawall::{Log, Options};
    let disk = seawall_sim::SimDisk::new(Seed::new(1));
    let open = |environment| Log::open_in(environment, Options::new().segment_len(16 << 10));
    let honest = seawall_sim::environment(&disk, 1);
    let mut cheating = honest.clone();
    cheating.storage = std::sync::Arc::new(seawall_sim::Sabotaged::new(
        honest.storage.clone(),
        Sabotage::LockIgnored,
    ));
    let _first = open(honest.clone()).unwrap();
    assert!(matches!(open(honest), Err(seawall::Error::Locked { .. })));
    assert!(open(cheating).is_ok(), "the lock is all that keeps a second writer out");
}

/// The same searches, without sabotage, find nothing.
#[test]
fn an_honest_storage_is_not_accused() {
    for seed in 0..12 {
        let noise = CallNoise::even(200);
        let options = SweepOptions { noise, depth: 1, ..SweepOptions::default() };
        if let Err(failure) = Sweep::new(options).seed(seed, 12) {
            panic!("{failure}");
        }
    }
}
