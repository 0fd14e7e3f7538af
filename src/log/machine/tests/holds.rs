//! Holds and trims that are under way.

use super::*;
use crate::log::attempts::try_admit_trim;

fn name() -> String {
    "holder".to_owned()
}

#[test]
fn a_hold_is_refused_before_a_trim_that_is_on_its_way_to_the_disk() {
    let mut machine = begun(Durability::Sync);
    let first = append(&mut machine, b"one");
    append(&mut machine, b"two");
    sync(&mut machine);
    assert!(matches!(try_admit_trim(&mut machine, 0, first.end), Some(Ok((Some(_), _)))));
    assert_eq!(machine.trim_point(), Lsn::FIRST, "not stated yet");
    let refused = machine.hold(name(), first.lsn.max(Lsn::new(8))).unwrap_err();
    assert!(matches!(refused, Error::Trimmed { trim, .. } if trim == first.end), "{refused:?}");
    let at_the_point = machine.hold(name(), first.end).unwrap();
    let beginning = machine.hold(name(), Lsn::FIRST).unwrap();
    for number in [at_the_point, beginning] {
        assert_eq!(machine.holds().lsn(number), Some(first.end));
    }
    sync(&mut machine);
    assert_eq!(machine.trim_point(), first.end);
}

#[test]
fn a_trim_whose_frame_was_not_written_holds_nobody_off() {
    let mut machine = begun(Durability::Sync);
    let first = append(&mut machine, b"one");
    append(&mut machine, b"two");
    sync(&mut machine);
    let taken = try_admit_trim(&mut machine, 0, first.end);
    let Some(Ok((Some(accepted), _))) = taken else { panic!("{taken:?}") };
    machine.request(accepted.goal.unwrap());
    let Some(Action::Write(Write { run, .. })) = machine.poll_commit() else { panic!("a write") };
    let outcome = Err(WriteFailure { written: 0, error: error(EIO) });
    machine.on_event(Event::Wrote { run, outcome, synced: None });
    let number = machine.hold(name(), Lsn::new(8)).unwrap();
    assert_eq!(machine.holds().lsn(number), Some(Lsn::new(8)));
    // And the next trim ends there.
    let failures = machine.grave_failures();
    let (_, held_by) = try_admit_trim(&mut machine, failures, first.end).unwrap().unwrap();
    assert_eq!(held_by.len(), 1);
    sync(&mut machine);
    assert_eq!(machine.trim_point(), Lsn::new(8));
}

/// A trim asked for the next segment, whose header states it; its write failed, and the trim was given
/// up. The header is written again byte by byte: no hold may be taken before the point in it.
#[test]
fn a_header_that_was_drawn_for_a_trim_counts_although_the_trim_failed() {
    let mut machine = begun(Durability::Sync);
    let first = append(&mut machine, b"one");
    sync(&mut machine);
    let header = machine.active.unwrap().header;
    machine.drawn = Some(SegmentHeader { trim: first.end, ..header });
    assert_eq!((machine.trim_wanted, machine.trim), (None, Lsn::FIRST));
    let refused = machine.hold(name(), Lsn::new(8)).unwrap_err();
    assert!(matches!(refused, Error::Trimmed { trim, .. } if trim == first.end), "{refused:?}");
    machine.drawn = None;
    machine.trim_wanted = Some(first.end);
    let refused = machine.hold(name(), Lsn::new(8)).unwrap_err();
    assert!(matches!(refused, Error::Trimmed { trim, .. } if trim == first.end), "{refused:?}");
}
