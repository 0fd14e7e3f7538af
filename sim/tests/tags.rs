//! What a record was tagged with comes back with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "tags/mod.rs"]
mod checks;
mod repairs;

#[test]
fn a_tag_comes_back_by_every_way_of_reading() {
    assert_eq!(checks::come_back(), Ok(()));
}
