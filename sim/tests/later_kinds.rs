//! Kinds that this release does not know and may pass over.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "later_kinds/mod.rs"]
mod checks;
mod repairs;

#[test]
fn frames_of_later_kinds_are_passed_over_by_every_reader() {
    assert_eq!(checks::are_passed_over(), Ok(()));
}

#[test]
fn a_repair_leaves_frames_of_later_kinds_and_what_stands_behind_them() {
    assert_eq!(checks::are_left_by_a_repair(), Ok(()));
}
