//! Every short workload, every crash point, everything a crash can leave; every bit of small logs.
//! The command `seawall sim exhaustive` goes further.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall_sim::exhaustive::bytes;
use seawall_sim::{Exhaustive, ExhaustiveReport, Sabotage, Scenario, SeawallLog, play};
use std::num::NonZeroUsize;

const JOBS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn bounded(ops: usize, nested_ops: usize, deep_ops: usize) -> Exhaustive {
    Exhaustive { nested_ops, deep_ops, ..Exhaustive::new(ops) }
}

fn sound(search: &Exhaustive, jobs: NonZeroUsize) -> ExhaustiveReport {
    let (report, failure) = search.run(jobs, &|done, total| done <= total);
    if let Some(failure) = failure {
        panic!("{failure:?}");
    }
    assert_eq!(report.workloads, search.workloads());
    println!("{report}");
    report
}

#[test]
fn no_promise_breaks_in_any_workload_of_three_operations() {
    let report = sound(&bounded(3, 2, 1), JOBS);
    assert!(report.states > 350_000, "{report}");
    assert!(report.images > 25_000, "{report}");
    assert!(report.nested_states > 50_000, "{report}");
}

#[test]
fn the_figures_of_one_thread_are_the_same_each_time() {
    let search = bounded(2, 1, 1);
    let one = sound(&search, NonZeroUsize::MIN);
    assert_eq!(one, sound(&search, NonZeroUsize::MIN));
    // Of more threads another one may come first to a state, with other draws behind it.
    let three = sound(&search, NonZeroUsize::new(3).unwrap());
    assert_eq!(one.workloads, three.workloads);
    assert!(one.recovered.abs_diff(three.recovered) < 100, "{one} {three}");
}

#[test]
fn no_bit_at_rest_hides_or_invents_a_record() {
    let report = bytes(JOBS).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{report}");
    assert!(report.bits > 50_000 && report.records > 3000, "{report}");
    assert!(report.late_marks > 0, "no bit can make a mark state more than it stated");
}

/// What is found can be told to somebody else: the scenario breaks the same promise again.
#[test]
fn cheats_are_found_within_two_operations_and_their_scenarios_repeat() {
    for sabotage in [
        Sabotage::SyncDoesNothing,
        Sabotage::SyncDirDoesNothing,
        Sabotage::SyncDirSkippedAfterCreate,
        Sabotage::WritesReorderedAcrossSync,
        Sabotage::HeaderSyncSkipped,
    ] {
        let search = Exhaustive { sabotage: Some(sabotage), ..bounded(2, 0, 0) };
        let (_, failure) = search.run(NonZeroUsize::MIN, &|_, _| true);
        let Some(failure) = failure else { panic!("{sabotage:?} is not found") };
        println!("{sabotage:?}: {failure}");
        let stored = Scenario::<SeawallLog>::from_json(&failure.scenario.to_json()).unwrap();
        assert_eq!(stored, failure.scenario);
        let (life, violation) = play(&stored, Some(sabotage)).expect_err("the same again");
        assert_eq!((life, violation), (failure.life, failure.violation));
    }
}
