//! Writes that fail although their bytes are on the disk: G1, G2 and G4 of [`seawall::Log`], which
//! takes paths that no stepped campaign takes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "landed/mod.rs"]
mod landed;

#[test]
fn no_write_that_lands_and_fails_breaks_a_promise() {
    assert_eq!(landed::search(150), None);
}

#[test]
fn what_is_appended_behind_a_close_that_failed_survives_a_kill() {
    assert_eq!(landed::appends_behind_a_close_that_failed(), None);
}
