//! Bugs that the simulator found, each with its story and the workload that showed it.

use seawall::{Durability, Options};
use seawall_sim::{Op, Sweep, SweepOptions, Workload};

fn holds(workload: &Workload) {
    if let Err(failure) = Sweep::new(SweepOptions::default()).workload(64, workload) {
        unreachable!("{failure}");
    }
}

/// Found by seed 64 of the crash sweep. A segment had been prepared ahead, under its name; then a
/// batch came that was too large for it. The file was lengthened in place, the power went in the
/// middle, and a length that no segment has looked like a header that was lost: an alarm where
/// nobody had been told anything. Now a file of the right length takes the name.
#[test]
fn a_prepared_segment_that_is_too_short_never_grows_under_its_name() {
    let options = Options::new()
        .segment_len(20 << 10)
        .buffer_max(8 << 10)
        .idle_mark(None)
        .prepare_ahead(true);
    let ops = vec![
        Op::Append(6000, Durability::Sync),
        Op::Tend,
        Op::Batch(vec![3000, 9000, 9000], Durability::Buffered),
        Op::Append(40, Durability::Sync),
    ];
    holds(&Workload { options, ops, close: false });
}

/// Found by seed 1116. An idle mark went the way of an append: on an `Interval` log it armed the
/// interval, of which nobody took notice, so that no later append armed it again. From the first
/// idle mark on the log was never synced by itself.
#[test]
fn an_idle_mark_does_not_stop_the_interval() {
    let options = Options::new()
        .durability(Durability::Interval(std::time::Duration::from_millis(5)))
        .segment_len(16 << 10)
        .buffer_max(8 << 10);
    let ops = vec![
        Op::Append(100, Durability::Buffered),
        Op::Tend,
        Op::Append(100, Durability::Buffered),
        Op::Tend,
    ];
    holds(&Workload { options, ops, close: false });
}
