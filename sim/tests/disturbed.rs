//! Somebody else has his hands in the directory of an open log: it is noticed, and never silence.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "disturbed/mod.rs"]
mod disturbed;

use disturbed::{
    Before, Collision, Piece, Victim, removed_under_a_writer, removed_without_a_trace, two_writers,
};
use seawall::{Durability, Error};
use std::time::Duration;

#[test]
fn what_is_removed_under_a_writer_is_noticed_by_the_next_sync_idle_mark_or_close() {
    for victim in [Victim::Active, Victim::Sealed, Victim::Directory, Victim::Tail] {
        for seed in 0..300 {
            assert_eq!(removed_under_a_writer(seed, victim), None);
        }
    }
}

#[test]
fn a_sealed_segment_that_goes_without_a_trace_is_missed_when_the_next_one_is_sealed() {
    let interval = Durability::Interval(Duration::from_millis(5));
    for level in [Durability::Sync, interval, Durability::Os, Durability::Buffered] {
        for number in 1..=3 {
            let outcome = removed_without_a_trace(level, Some(number));
            let file = format!("{number:020}.seg");
            let named = matches!(&outcome, Err(Error::Disturbed { name, .. }) if *name == file);
            assert!(named, "{level:?}, segment {number}: {outcome:?}");
        }
        removed_without_a_trace(level, None).unwrap();
    }
}

const FIRST: [Piece; 6] = [
    Piece::Open,
    Piece::Append(3, 600),
    Piece::Tend,
    // Over the end of a segment.
    Piece::Append(14, 600),
    Piece::Tend,
    Piece::Close,
];

/// What the second does at one moment, and at a later one.
const SECOND: [(&[Piece], &[Piece]); 4] = [
    (&[Piece::Open, Piece::Append(2, 600), Piece::Close], &[]),
    (&[Piece::Open, Piece::Append(2, 600)], &[Piece::Append(2, 600), Piece::Close]),
    (&[Piece::Open], &[Piece::Append(16, 600), Piece::Close]),
    (&[Piece::Open, Piece::Append(20, 600)], &[Piece::Tend, Piece::Append(1, 60), Piece::Close]),
];

/// Every moment, and every second later one up to the end.
fn all_moments(before: Before, mut judge: impl FnMut(Collision)) {
    let calls = two_writers(before, &FIRST, &[]).calls;
    for (now, later) in SECOND {
        for at in 1..=calls + 1 {
            let step = usize::try_from(calls / 8 + 1).unwrap();
            let more = if later.is_empty() { 1 } else { usize::MAX };
            for then in (at..=calls + 2).step_by(step).take(more) {
                let pieces = now.iter().map(|&piece| (at, piece));
                let pieces: Vec<_> =
                    pieces.chain(later.iter().map(|&piece| (then, piece))).collect();
                judge(two_writers(before, &FIRST, &pieces));
            }
        }
    }
}

#[test]
fn of_two_writers_without_a_common_lock_none_loses_a_record_in_silence() {
    for before in [Before::Nothing, Before::Closed, Before::Killed] {
        let (mut runs, mut with_losses, mut silent) = (0, 0, Vec::new());
        all_moments(before, |collision| {
            runs += 1;
            with_losses += u64::from(collision.lost > 0);
            silent.extend(collision.silent);
        });
        println!("{before:?}: {runs} runs, records were lost in {with_losses}");
        assert!(with_losses > 0, "the two never met");
        assert!(
            silent.is_empty(),
            "{} of {runs}: {:#?}",
            silent.len(),
            &silent[..silent.len().min(5)]
        );
    }
}
