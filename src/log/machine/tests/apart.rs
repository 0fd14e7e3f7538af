//! Long appends, made into frames apart: what is done under the lock copies none of their bytes.

use super::*;
use crate::format::tag::Tag;
use crate::log::encoded::Encoded;

/// Sixteen in a row have the same tag.
fn records(count: u8, len: usize) -> Vec<(Tag, Vec<u8>)> {
    (0..count).map(|nth| (Tag::new(u16::from(nth / 16)), vec![nth; len])).collect()
}

/// The bytes of the next run, as they go to the disk, and where they begin.
fn written(machine: &mut Machine) -> (Vec<u8>, Lsn) {
    let end = machine.marks.accepted;
    machine.request(Goal::Durable { lsn: end, end });
    let Some(Action::Write(write)) = machine.poll_commit() else { panic!("a write is due") };
    let bytes = parts(write.run.lsn, &write.run.front, &write.run.bytes);
    let all = bytes.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    let lsn = write.run.lsn;
    machine.on_event(done(Action::Write(write)));
    settle(machine);
    (all, lsn)
}

#[test]
fn frames_that_were_made_apart_are_moved_and_not_copied() {
    let mut machine = begun(Durability::Buffered);
    append(&mut machine, b"before");
    let mut encoded = Encoded::of_batch(&records(40, 1000), 4096);
    let (bytes, len) = (encoded.bytes.as_ptr(), encoded.len());
    assert!(len > 40_000);
    let accepted = machine.append_encoded(&mut encoded, Durability::Buffered).unwrap();
    assert_eq!(accepted.end.since(accepted.lsn), Some(len));
    assert!(encoded.bytes.is_empty());
    assert!(machine.front.iter().any(|part| part.as_ptr() == bytes), "the very same memory");
    append(&mut machine, b"after");
    assert!(machine.pending.len() < 100, "{} bytes", machine.pending.len());
    // Each frame of it is found where it stands, before it is written.
    let frame = machine.unwritten(accepted.lsn).unwrap().unwrap();
    let next = machine.unwritten(after(accepted.lsn, frame.len as u64)).unwrap().unwrap();
    assert!(frame.continues && next.body.ends_with(&[7; 1000]), "the fifth to eighth record");
    assert!(machine.unwritten(accepted.end).unwrap().unwrap().body == b"after");
    assert!(machine.unwritten(after(accepted.lsn, 8)).unwrap().is_none(), "no frame begins there");
}

#[test]
fn both_ways_of_taking_a_batch_write_the_same_bytes() {
    for (count, len) in [(1, 3000), (7, 900), (50, 100)] {
        let records = records(count, len);
        let mut machines = [begun(Durability::Buffered), begun(Durability::Buffered)];
        let [one, other] = &mut machines;
        one.batch_frame_max = 2048;
        other.batch_frame_max = 2048;
        let accepted = one.append_batch(&records, Durability::Buffered).unwrap();
        let mut encoded = Encoded::of_batch(&records, 2048);
        let starts = encoded.starts.clone();
        assert_eq!(
            other.append_encoded(&mut encoded, Durability::Buffered).unwrap().end,
            accepted.end
        );
        assert_eq!(starts.first(), Some(&0));
        assert_eq!(written(one), written(other), "{count} records of {len}");
    }
}

#[test]
fn a_mark_that_is_due_goes_before_what_was_made_apart() {
    let mut machine = begun(Durability::Buffered);
    append(&mut machine, b"first");
    sync(&mut machine);
    let (durable, end) = (machine.marks.durable, machine.marks.accepted);
    assert!(machine.marked < durable, "a mark is due");
    let mut encoded = Encoded::of_record(&&[5; 3000]);
    let accepted = machine.append_encoded(&mut encoded, Durability::Buffered).unwrap();
    assert_eq!(accepted.lsn.since(end), Some(frame_len(0, true)));
    assert_eq!(machine.marked, durable);
    let (bytes, lsn) = written(&mut machine);
    assert_eq!(lsn, end);
    assert_eq!(bytes[16], FrameKind::IdleMark.byte());
    assert_eq!(bytes[20..28], durable.get().to_le_bytes());
}

#[test]
fn one_that_cannot_be_written_becomes_void_and_what_is_around_it_stays() {
    let mut machine = begun(Durability::Buffered);
    let before = append(&mut machine, b"before");
    let mut encoded = Encoded::of_batch(&records(9, 900), 2048);
    let accepted = machine.append_encoded(&mut encoded, Durability::Os).unwrap();
    let goal = accepted.goal.unwrap();
    let behind = append(&mut machine, b"behind");
    machine.request(goal);
    let Some(Action::Write(write)) = machine.poll_commit() else { panic!("a write is due") };
    let failure = WriteFailure { written: 0, error: error(EIO) };
    machine.on_event(Event::Wrote { run: write.run, outcome: Err(failure), synced: None });
    assert!(matches!(machine.outcome(goal), Some(Err(Error::Io { .. }))));
    for (lsn, body) in [(before.lsn, b"before"), (behind.lsn, b"behind")] {
        assert_eq!(machine.unwritten(lsn).unwrap().unwrap().body, body);
    }
    let void = machine.unwritten(accepted.lsn).unwrap().unwrap();
    assert_eq!(void.kind, FrameKind::Void.byte());
    // It is written again with the rest, from where it stood.
    let (bytes, lsn) = written(&mut machine);
    assert_eq!((lsn, bytes.len() as u64), (before.lsn, behind.end.since(before.lsn).unwrap()));
}

#[test]
fn no_record_is_copied_under_the_lock_that_is_longer_than_what_is_made_apart() {
    let machine = begun(Durability::Buffered);
    assert_eq!(machine.apart, 1 << 20);
    assert!(machine.allowance <= machine.apart);
}
