//! A close that cuts its file, and the run after it.

use super::*;
use crate::log::survey::{Segment, SegmentEnd};

/// A machine that is about to cut the file of its only segment.
fn cutting() -> (Machine, Action) {
    let mut machine = begun(Durability::Sync);
    machine.cut_at_close = Some(1);
    append(&mut machine, b"a record");
    machine.request_close();
    loop {
        match machine.poll_commit().unwrap() {
            cut @ Action::CutAtClose { .. } => return (machine, cut),
            action => machine.on_event(done(action)),
        }
    }
}

#[test]
fn a_file_is_cut_once_the_log_is_closed() {
    let (mut machine, cut) = cutting();
    let Action::CutAtClose { file_len, record, .. } = cut else { unreachable!() };
    assert_eq!(file_len, layout::SEGMENT_LEN_MIN);
    assert_eq!((record.kind, record.end), (TrailerKind::Close, machine.marks.durable));
    assert!(!machine.is_closed());
    machine.on_event(Event::CutAtClose(Ok(())));
    assert!(machine.is_closed());
    assert_eq!(machine.upkeep_failures, 0);
}

#[test]
fn a_cut_that_fails_leaves_a_closed_log_and_a_sync_that_fails_is_final() {
    let (mut machine, _) = cutting();
    machine.on_event(Event::CutAtClose(Err(Trouble::Failed(error(EIO)))));
    assert!(machine.is_closed() && machine.poisoned().is_none());
    assert_eq!(machine.upkeep_failures, 1);
    let (mut machine, _) = cutting();
    machine.on_event(Event::CutAtClose(Err(Trouble::SyncFailed(error(EIO)))));
    assert!(machine.poisoned().is_some());
}

/// The run after such a close, about to write its first record.
fn behind_a_cut_file() -> Machine {
    let (machine, _) = cutting();
    let header = machine.active.unwrap().header;
    let end = SegmentEnd { lsn: machine.marks.written, check: machine.chain };
    let segment = Segment { header, closed: Some(end), file_len: layout::SEGMENT_LEN_MIN };
    let origin = Origin::Short { end };
    let start = Start { segments: vec![segment], origin, reserve: true, ..start() };
    Machine::new(start, &Options::new())
}

#[test]
fn nothing_is_written_behind_a_cut_file_before_its_seal() {
    let mut machine = behind_a_cut_file();
    assert!(matches!(machine.append(b"", Durability::Sync), Err(Refusal::Wait)));
    let begin = loop {
        match machine.poll_commit().unwrap() {
            begin @ Action::Begin { .. } => break begin,
            action => machine.on_event(done(action)),
        }
    };
    machine.on_event(done(begin));
    for failing in [true, false] {
        let accepted = append(&mut machine, b"a record");
        assert_eq!(machine.allowance, 0);
        machine.request(accepted.goal.unwrap());
        let Some(Action::SealShort { segment, offset, seal }) = machine.poll_commit() else {
            panic!("the seal goes first");
        };
        assert_eq!((segment, offset), (SegmentId::FIRST, layout::SEGMENT_LEN_MIN - 64));
        assert_eq!(seal.kind, TrailerKind::Seal { frames: 0 });
        let outcome = if failing { Err(Trouble::Failed(error(EIO))) } else { Ok(()) };
        machine.on_event(Event::Erased(outcome));
        let outcome = machine.outcome(accepted.goal.unwrap());
        assert_eq!(outcome.is_some_and(|told| told.is_err()), failing);
    }
    assert!(matches!(machine.poll_commit(), Some(Action::Write(_))));
}

#[test]
fn a_segment_below_the_trim_point_needs_no_seal() {
    let mut machine = behind_a_cut_file();
    machine.seal_wanted = Some(WantedSeal::over_the_record_of(
        &machine.live[0].segment,
        machine.live[0].segment.closed.unwrap(),
    ));
    assert!(machine.record_is_left());
    machine.forget_seal_of(SegmentId::FIRST);
    assert!(!machine.record_is_left() && machine.seal_short().is_none());
}
