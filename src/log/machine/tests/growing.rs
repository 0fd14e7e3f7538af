//! How long the segments of a run are.

use super::*;

const RECORD: [u8; 6_000] = [7; 6_000];

/// Asks for a segment that holds this record, and says what it is given: the length of the next file.
fn begins(machine: &mut Machine, record: &[u8]) -> u64 {
    loop {
        match machine.append(record, Durability::Sync) {
            Err(Refusal::Wait) => {}
            other => panic!("{other:?} needs no other segment"),
        }
        let number = machine.active.map(|active| active.number);
        while let Some(action) = machine.poll_commit() {
            machine.on_event(done(action));
        }
        if machine.active.map(|active| active.number) != number {
            return machine.active.unwrap().header.file_len;
        }
    }
}

/// Fills the segment that is written to.
fn fill(machine: &mut Machine) {
    while machine.append(&RECORD, Durability::Sync).is_ok() {
        sync(machine);
    }
    machine.roll_wanted = None;
}

fn growing() -> Options {
    options(Durability::Sync).segment_len(1 << 20).first_segment_len(16 << 10)
}

#[test]
fn segments_of_a_run_grow_from_the_first_length_to_that_of_the_options() {
    let mut machine = Machine::new(start(), &growing());
    let mut lens = Vec::new();
    for _ in 0..5 {
        lens.push(begins(&mut machine, &RECORD) >> 10);
        fill(&mut machine);
    }
    assert_eq!(lens, [16, 64, 256, 1024, 1024]);
}

#[test]
fn a_first_length_beyond_that_of_a_segment_counts_as_that() {
    let options = options(Durability::Sync).first_segment_len(1 << 30);
    let mut machine = Machine::new(start(), &options);
    assert_eq!(begins(&mut machine, &RECORD), SEGMENT);
    assert_eq!(Options::new().first_segment_len, 256 << 10, "what the document says");
}

#[test]
fn an_append_that_needs_more_gets_a_segment_that_holds_some_like_it() {
    let mut machine = Machine::new(start(), &growing());
    let first = begins(&mut machine, &[7; 100_000]);
    assert_eq!(first, 4 * layout::file_len_for(frame_len(100_000, false)));
    fill(&mut machine);
    let oversized = begins(&mut machine, &vec![7; 3 << 20]);
    assert_eq!(oversized, layout::file_len_for(frame_len(3 << 20, false)), "and no more than one");
    fill(&mut machine);
    assert_eq!(begins(&mut machine, &RECORD), 1 << 20);
}

#[test]
fn a_run_that_goes_on_in_a_segment_goes_on_growing_from_it() {
    let end = SegmentEnd { lsn: Lsn::new(64), check: 7 };
    let header = SegmentHeader {
        version: VERSION,
        log: LogId::new([7; 16]),
        number: SegmentId::FIRST,
        base: Lsn::FIRST,
        salt: Salt::new(1),
        file_len: 64 << 10,
        prev_end: Lsn::FIRST,
        prev_check: 0,
        skipped: 0,
        unproven: 0,
        trim: Lsn::FIRST,
        extension: Extension::default(),
    };
    let segments = vec![Segment { header, closed: None, file_len: header.file_len }];
    let of = |origin| {
        let mut machine =
            Machine::new(Start { segments: segments.clone(), origin, ..start() }, &growing());
        if matches!(origin, Origin::Clean { .. }) {
            assert!(matches!(machine.append(b"begins", Durability::Sync), Err(Refusal::Wait)));
            settle(&mut machine);
            fill(&mut machine);
        }
        begins(&mut machine, &RECORD)
    };
    assert_eq!(of(Origin::Clean { end }), 256 << 10);
    assert_eq!(
        of(Origin::Unclean { end }),
        16 << 10,
        "the first append after a crash is quick as well"
    );
}

#[test]
fn while_segments_grow_the_next_is_prepared_soon_after_the_first_records() {
    let options = growing().prepare_ahead(true);
    let mut machine = Machine::new(start(), &options);
    begins(&mut machine, b"one");
    append(&mut machine, b"one");
    sync(&mut machine);
    assert!(!machine.upkeep_due(), "not for a log of one record");
    append(&mut machine, &[7; 1_000]);
    sync(&mut machine);
    let Some(Action::Prepare(asked)) = machine.poll_upkeep() else {
        panic!("an eighth of the segment is used");
    };
    let left = machine.active.unwrap().record_limit().since(machine.marks.written);
    assert_eq!((asked.file_len, asked.beside), (64 << 10, left));
}

#[test]
fn what_frees_room_lets_segments_grow_on_and_not_jump() {
    let mut machine = Machine::new(start(), &growing());
    begins(&mut machine, &RECORD);
    machine.on_room_freed();
    fill(&mut machine);
    assert_eq!(begins(&mut machine, &RECORD), 64 << 10);
}

#[test]
fn where_no_zeros_are_written_the_second_segment_has_the_length_of_the_options() {
    let mut machine = Machine::new(start(), &growing().zeros_ahead(Some(false)));
    let mut lens = Vec::new();
    for _ in 0..3 {
        lens.push(begins(&mut machine, &RECORD) >> 10);
        fill(&mut machine);
    }
    assert_eq!(lens, [16, 1024, 1024]);
}
