//! A storage that breaks one promise of its contract turns the sweep red: each row proves that
//! the sweep would notice the same mistake in the log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall_sim::{Sabotage, Sweep, SweepFailure, SweepOptions};

const SEEDS: u64 = 60;

fn found(sabotage: Sabotage) -> Option<Box<SweepFailure>> {
    (0..SEEDS).find_map(|seed| {
        let options =
            SweepOptions { sabotage: Some(sabotage), depth: 1, ..SweepOptions::default() };
        Sweep::new(options).seed(seed, 12).err()
    })
}

macro_rules! turns_red {
    ($($name:ident: $sabotage:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            let failure = found(Sabotage::$sabotage).expect("the sweep notices nothing");
            println!("seed {}: {}", failure.seed, failure.violation);
        }
    )*};
}

turns_red! {
    a_sync_that_does_nothing_is_found: SyncDoesNothing,
    a_sync_of_the_directory_that_does_nothing_is_found: SyncDirDoesNothing,
    writes_reordered_across_a_sync_are_found: WritesReorderedAcrossSync,
    a_header_that_is_not_synced_is_found: HeaderSyncSkipped,
}
