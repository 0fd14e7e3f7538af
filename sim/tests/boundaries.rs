//! What happens where the blocks of a search and the pieces of a copy meet, and where a segment ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "boundaries/mod.rs"]
mod checks;
mod repairs;

#[test]
fn a_mark_is_found_wherever_the_block_that_is_searched_ends() {
    assert_eq!(checks::marks_around_the_end_of_a_block(), Ok(()));
}

#[test]
fn a_closed_segment_ends_with_the_frame_that_the_next_header_names() {
    assert_eq!(checks::another_last_frame_of_a_closed_segment(), Ok(()));
}

#[test]
fn a_scan_in_a_segment_that_is_trimmed_is_shown_what_stood_there() {
    assert_eq!(checks::scan_across_a_trim(), Ok(()));
}

#[test]
fn a_copy_of_several_pieces_is_the_log() {
    assert_eq!(checks::copy_of_several_pieces(), Ok(()));
}

#[test]
fn a_repair_of_several_pieces_loses_what_was_broken_alone() {
    assert_eq!(checks::repair_of_several_pieces(), Ok(()));
}
