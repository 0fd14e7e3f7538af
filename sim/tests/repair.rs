//! Repairs of damaged logs, and copies: at every crash point the originals are whole, and what is
//! left is the log as it was, or repaired, or a copy that does not open.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod repairs;

use repairs::{
    Tally, all_files, cases, copy, crashes_in_copies, crashes_in_repairs, files, options, recorded,
    records, repair, settled, written,
};
use seawall_sim::environment;

#[test]
fn a_repair_cut_off_at_any_call_keeps_the_originals_and_is_finished_by_the_next() {
    let (tally, images) = crashes_in_repairs(cases()).unwrap();
    println!(
        "{} kinds of damage, {} crash points, {} ways to resolve them, {images} images",
        cases().count(),
        tally.crash_points,
        tally.resolved
    );
    assert!(tally.crash_points > 1000 && images > 1000, "{tally:?}, {images}");
}

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
    assert!(tally.crash_points > 1000 && images > 500, "{tally:?}, {images}");
}
