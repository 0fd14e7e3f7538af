//! No reader takes what another open does to the files of a closed log for damage.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "closed/mod.rs"]
mod closed;

#[test]
fn readers_of_a_closed_log_are_told_so_whatever_becomes_of_its_files() {
    assert_eq!(closed::search(), None);
}
