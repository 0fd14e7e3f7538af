//! Segments that are full before they are synced.

use super::*;

/// A machine in its second segment, which began before the first was synced.
fn left() -> Machine {
    let options = options(Durability::Os).unsynced_max(1 << 20);
    let mut machine = Machine::new(start(), &options);
    while machine.live.len() < 2 {
        match machine.append(&[7_u8; 4000][..], Durability::Os) {
            Ok(_) | Err(Refusal::Wait) => settle(&mut machine),
            Err(Refusal::Never(error)) => panic!("{error}"),
        }
    }
    assert!(!machine.active.unwrap().header.vouches());
    machine
}

/// Kinds of the frames of a run.
fn kinds(run: &Run) -> Vec<u8> {
    let (mut kinds, mut at) = (Vec::new(), 0);
    while let Some(&kind) = run.bytes.get(at + 16) {
        kinds.push(kind);
        let body = u32::from_le_bytes(run.bytes[at + 4..at + 8].try_into().unwrap());
        let marked = run.bytes[at + 17] & 2 != 0;
        at += usize::try_from(frame_len(body.into(), marked)).unwrap();
    }
    kinds
}

const IDLE_MARK: u8 = 4;

/// What the commit lane does for a sync: the kinds of the frames of each write, and other steps by name.
fn steps_of_a_sync(machine: &mut Machine) -> Vec<String> {
    let end = machine.marks.accepted;
    machine.request(Goal::Durable { lsn: end, end });
    let (mut steps, before) = (Vec::new(), machine.marks.durable);
    while let Some(action) = machine.poll_commit() {
        steps.push(match &action {
            Action::Write(write) => {
                format!("{:?}{}", kinds(&write.run), if write.sync { " sync" } else { "" })
            }
            Action::Sync { .. } => "sync".to_owned(),
            Action::SyncLeft { segment, .. } => format!("left {segment}"),
            other => format!("{other:?}"),
        });
        let over = machine.marks.durable > before;
        assert!(!over, "durable before the last step: {steps:?}");
        machine.on_event(done(action));
    }
    assert!(machine.marks.durable >= end);
    steps
}

#[test]
fn a_sync_syncs_what_was_left_and_then_a_mark() {
    let mut machine = left();
    assert!(machine.marks.durable < machine.active.unwrap().base);
    let steps = steps_of_a_sync(&mut machine);
    assert_eq!(steps.first().map(String::as_str), Some("left 1"), "{steps:?}");
    assert!(steps.iter().any(|step| step.contains(&IDLE_MARK.to_string())), "{steps:?}");
    assert_eq!(steps_of_a_sync(&mut machine), Vec::<String>::new());
}

#[test]
fn a_mark_that_goes_with_a_failed_write_vouches_for_nothing() {
    let mut machine = left();
    let action = machine.poll_upkeep().unwrap();
    assert!(matches!(action, Action::SyncLeft { upkeep: true, .. }), "{action:?}");
    machine.on_event(done(action));
    assert!(machine.marks.durable < machine.active.unwrap().base, "nothing vouches for it yet");
    // The mark rides in this record, whose write fails.
    let lost = append(&mut machine, b"lost");
    machine.request(lost.goal.unwrap());
    let Some(Action::Write(write)) = machine.poll_commit() else { panic!("it is written") };
    assert_eq!(kinds(&write.run), [1]);
    let failure = WriteFailure { written: 0, error: error(EIO) };
    machine.on_event(Event::Wrote { run: write.run, outcome: Err(failure), synced: None });
    let steps = steps_of_a_sync(&mut machine);
    assert_eq!(steps, ["[3] sync", "[4] sync"], "a void, and a mark after it");
}

/// Found by seed 100,004,196 of the campaign: a trim waited for ever for a sync that no thread made.
#[test]
fn a_segment_that_was_synced_before_its_successor_began_is_not_left() {
    let options = options(Durability::Os).unsynced_max(1 << 20);
    let mut machine = Machine::new(start(), &options);
    // The header of the second segment is not written, and states what was so then.
    let header = 'begins: loop {
        let answer = machine.append(&[7_u8; 4000][..], Durability::Os);
        assert!(!matches!(answer, Err(Refusal::Never(_))), "{answer:?}");
        while let Some(action) = machine.poll_commit() {
            match action {
                Action::Begin { header } if header.number.get() == 2 => break 'begins header,
                action => machine.on_event(done(action)),
            }
        }
    };
    assert!(!header.vouches());
    let failed = Err(Trouble::Failed(error(EIO)));
    machine.on_event(Event::Began { header, outcome: failed });
    // A caller wants what is there to be durable; then the same header is written after all.
    sync(&mut machine);
    assert!(matches!(machine.append(&[7_u8; 60_000][..], Durability::Os), Err(Refusal::Wait)));
    settle(&mut machine);
    assert_eq!(machine.active.unwrap().header, header);
    assert!(machine.unsynced.nothing_left());
    assert_eq!(machine.marks.durable, machine.marks.accepted);
    // Everything is durable, and no header says so: the frame of the trim does.
    let trim = machine.accept_trim(machine.marks.accepted).unwrap().unwrap();
    machine.request(trim.goal.unwrap());
    let Some(Action::Write(write)) = machine.poll_commit() else { panic!("it is written") };
    assert_eq!(kinds(&write.run), [5]);
    assert_eq!(write.run.bytes[17] & 2, 2, "with a mark");
    machine.on_event(done(Action::Write(write)));
    settle(&mut machine);
    assert!(machine.unsynced.is_settled());
    assert_eq!((machine.trim_durable, machine.marks.durable), (trim.lsn, trim.end));
}
