//! Campaigns over fixed seeds: a sound log goes through all of them; on a disk that cheats one
//! breaks, and what broke can be stored, read back, played again and made small.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall_sim::{
    Campaign, Class, Concern, Failure, Figures, Sabotage, Scenario, SeawallLog, Seed, play, shrink,
};
use std::num::NonZeroUsize;

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// About ten seconds of two threads.
const SEEDS: u64 = 6000;

/// A failure that a person can still look through.
const SMALL: usize = 14;

#[test]
fn no_promise_breaks_over_fixed_seeds_of_every_class() {
    let (figures, failure) = Campaign::<SeawallLog>::new().run_while(0..SEEDS, TWO, |_| true);
    println!("{figures}");
    if let Some(failure) = failure {
        panic!("{failure:?}");
    }
    assert_eq!(figures.seeds, SEEDS);
    for class in Class::ALL {
        assert!(figures.cycles_by_class[&class] > 1000, "{class}: {figures}");
    }
    // Runs in which nothing is lost, or in which little is done, prove little.
    assert!(figures.lossy_crash_share() > 0.45, "{figures}");
    assert!(figures.operations_median() >= 20, "{figures}");
    assert!(figures.multi_part_share() > 0.2, "{figures}");
    assert!(figures.nested.iter().all(|&count| count > 50), "{figures}");
}

/// What a fuzzer could give: as many bytes as a seed takes for its decisions, and fewer.
fn decisions(nth: u64) -> Vec<u8> {
    let mut rng = Seed::new(nth).rng(Concern::Workload);
    let mut bytes = vec![0; rng.index(2000)];
    rng.fill(&mut bytes);
    bytes
}

#[test]
fn decided_runs_reach_what_drawn_ones_do_and_break_no_promise() {
    let campaign = Campaign::<SeawallLog>::new();
    let mut all = Figures::default();
    for nth in 0..1000 {
        let figures = campaign.decided(&decisions(nth)).unwrap_or_else(|failure| {
            panic!("decisions {nth}: {failure:?}");
        });
        all.add(&figures);
    }
    println!("{all}");
    for class in Class::ALL {
        assert!(all.cycles_by_class[&class] > 500, "{class}: {all}");
    }
    assert!(all.lossy_crash_share() > 0.4 && all.multi_part_share() > 0.2, "{all}");
    assert!(all.nested.iter().all(|&count| count > 10), "{all}");
}

#[test]
fn the_same_decisions_are_the_same_run_and_each_of_them_counts() {
    let campaign = Campaign::<SeawallLog>::new();
    let mut counted = 0;
    for nth in 0..50 {
        let mut bytes = decisions(nth);
        let trunk = campaign.trunk_decided(&bytes);
        assert!(trunk == campaign.trunk_decided(&bytes));
        // About half of the first bytes do: those of side branches are not in the trunk.
        if let Some(byte) = bytes.get_mut(100) {
            *byte ^= 0x80;
            counted += usize::from(trunk != campaign.trunk_decided(&bytes));
        }
    }
    assert!(counted > 20, "{counted} of 50");
}

#[test]
fn decisions_that_break_a_promise_come_with_a_run_that_breaks_it_too() {
    for (sabotage, class) in CHEATS {
        let mut campaign = Campaign::<SeawallLog>::new();
        campaign.draw.class = Some(class);
        campaign.sabotage = Some(sabotage);
        let broken = (0..2000).find_map(|nth| campaign.decided(&decisions(nth)).err());
        let failure = broken.expect("a cheat that nothing notices");
        let (life, violation) = play(&failure.scenario, Some(sabotage)).expect_err("the same");
        assert_eq!((life, violation), (failure.life, failure.violation), "{sabotage:?}");
    }
}

fn broken(sabotage: Sabotage, class: Class) -> Box<Failure<SeawallLog>> {
    let mut campaign = Campaign::new();
    campaign.draw.class = Some(class);
    campaign.sabotage = Some(sabotage);
    campaign.run(0..1000).expect_err("a cheat that nothing notices")
}

/// One for each way in which a run can lead to what breaks: a crash, a name, an error.
const CHEATS: [(Sabotage, Class); 4] = [
    (Sabotage::SyncDoesNothing, Class::Crash),
    (Sabotage::SyncDirSkippedAfterCreate, Class::Crash),
    (Sabotage::WritesReorderedAcrossSync, Class::Crash),
    (Sabotage::SyncErrorSwallowed, Class::Errors),
];

#[test]
fn a_failure_that_was_stored_breaks_the_same_promise_in_the_same_life() {
    for (sabotage, class) in CHEATS {
        let failure = broken(sabotage, class);
        println!("{sabotage:?}: {failure}");
        let stored = Scenario::<SeawallLog>::from_json(&failure.scenario.to_json()).unwrap();
        assert_eq!(stored.to_json(), failure.scenario.to_json());
        let (life, violation) = play(&stored, Some(sabotage)).expect_err("the same again");
        assert_eq!((life, violation), (failure.life, failure.violation), "{sabotage:?}");
    }
}

#[test]
fn a_failure_made_small_still_breaks_the_same_promise() {
    for (sabotage, class) in CHEATS {
        let failure = broken(sabotage, class);
        let small = shrink(&failure.scenario, Some(sabotage), |_| true).unwrap();
        let (ops, crashes) = (small.scenario.op_count(), small.scenario.crash_count());
        println!("{sabotage:?}: {ops} operations, {crashes} crashes: {}", small.violation);
        assert_eq!(small.violation.promise, failure.violation.promise, "{sabotage:?}");
        assert!(ops <= SMALL && crashes <= 2, "{sabotage:?}: {:?}", small.scenario);
        let stored = Scenario::<SeawallLog>::from_json(&small.scenario.to_json()).unwrap();
        let (_, violation) = play(&stored, Some(sabotage)).expect_err("the same again");
        assert_eq!(violation, small.violation, "{sabotage:?}");
    }
}

/// The run that broke on a disk that cheats goes well on one that does not: it is the disk.
#[test]
fn a_run_that_broke_on_a_disk_that_cheats_goes_well_on_one_that_does_not() {
    for (sabotage, class) in CHEATS {
        let failure = broken(sabotage, class);
        if let Err((life, violation)) = play(&failure.scenario, None) {
            panic!("{sabotage:?}, life {life}: {violation}");
        }
    }
}

/// A run that some generator once drew, and shrinking made small. Nothing here draws anything.
const RECORDED: &str = r#"{
  "setup": {
    "seed": 1, "class": "crash", "preset": "posix", "sector": "512", "eviction": "seen",
    "noise": "short-reads=0,short-writes=0,interrupted=0", "slow": false
  },
  "options": {
    "level": "sync", "segment_len": 16384, "buffer_max": 32768, "write_at": 8192,
    "batch_frame_max": 1048576, "spares_max": 0, "prepare_ahead": true, "idle_mark": false,
    "zeros_ahead": false, "clients": 1, "record_max": 3000
  },
  "lives": [
    {
      "ops": [
        { "client": 0, "what": { "append": [2785, "sync"] }, "turns": ["drive"] },
        { "client": 0, "what": { "append": [1165, "sync"] }, "turns": ["drive"] }
      ],
      "end": {
        "kind": "power", "place": { "op": 2, "call": null }, "in_flight": "not-begun",
        "policy": "names-lost", "seed": 0
      }
    },
    { "end": null }
  ]
}"#;

/// However runs are drawn from seeds, now or later: the text alone says what happens.
#[test]
fn a_recorded_run_needs_no_seed_to_be_drawn_from() {
    let recorded = Scenario::<SeawallLog>::from_json(RECORDED).unwrap();
    let cheat = Some(Sabotage::SyncDirSkippedAfterCreate);
    let (life, violation) = play(&recorded, cheat).expect_err("the names are lost");
    assert_eq!((life, violation.promise), (1, "G1"), "{violation}");
    let figures = play(&recorded, None).expect("they were synced");
    assert_eq!((figures.operations, figures.crash_cycles), (2, 1));
}
