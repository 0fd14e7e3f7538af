//! The machine held still: each event is made by hand, so what it asks for and takes is seen alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use super::*;
use crate::format::extension::Extension;
use crate::format::frame::{FrameKind, frame_len};
use crate::format::frame_writer::finish_run;
use crate::format::header::VERSION;
use crate::format::trailer::TrailerKind;
use crate::log::action::{Action, Event, Finished, Prepared, Removal, Trouble, Write};
use crate::position::{Home, Lineage, Salt};
use crate::storage::WriteFailure;

mod apart;
mod growing;
mod holds;
mod left;
mod refused;
mod short;
mod trims;
mod unsynced;

const SEGMENT: u64 = 64 << 10;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

fn start() -> Start {
    Start {
        log: LogId::new([7; 16]),
        extension: Extension::default(),
        raised: false,
        segments: Vec::new(),
        origin: Origin::Fresh,
        trim: Lsn::FIRST,
        unborn: None,
        dropped: Vec::new(),
        spares: Vec::new(),
        reserve: false,
    }
}

fn options(level: Durability) -> Options {
    Options::new()
        .segment_len(SEGMENT)
        .first_segment_len(SEGMENT)
        .durability(level)
        .prepare_ahead(false)
}

fn fresh(level: Durability) -> Machine {
    Machine::new(start(), &options(level))
}

/// A log whose first segment begins, and nothing is in it.
fn begun(level: Durability) -> Machine {
    let mut machine = fresh(level);
    assert!(matches!(machine.append(b"", level), Err(Refusal::Wait)));
    settle(&mut machine);
    assert!(machine.begun);
    machine
}

/// The disk did what it was asked for.
fn done(action: Action) -> Event {
    match action {
        Action::EraseCloseRecord { .. } => Event::Erased(Ok(())),
        Action::Write(write) => {
            let sync = write.sync;
            let (run, finished) = finished(write);
            Event::Wrote { run, outcome: Ok(finished), synced: sync.then_some(Ok(())) }
        }
        Action::Sync { upto, .. } => Event::Synced { upto, outcome: Ok(()) },
        Action::SyncLeft { upkeep, .. } => Event::SyncedLeft { upkeep, outcome: Ok(()) },
        Action::Prepare(asked) => {
            let home = Home::new(asked.number.get());
            let salt = Salt::new(9);
            Event::Prepared(Ok(Prepared { file_len: asked.file_len, salt, home }))
        }
        Action::First { header, .. } => {
            Event::First(Ok(SegmentHeader { salt: Salt::new(9), ..header }))
        }
        Action::Begin { header } => Event::Began { header, outcome: Ok(()) },
        Action::WriteCloseRecord { .. } => Event::CloseRecorded(Ok(())),
        Action::CutAtClose { .. } => Event::CutAtClose(Ok(())),
        Action::SealShort { .. } => Event::Erased(Ok(())),
        Action::Retire { segment, file_len, .. } => {
            Event::Retired { segment, file_len, outcome: Ok(()) }
        }
        Action::WriteBack { .. } => Event::WroteBack(Ok(())),
        Action::MakeReserve { .. } => Event::ReserveMade(Ok(())),
        Action::Remove { files, make_reserve } => {
            let reserve = make_reserve.then_some(Ok(()));
            Event::Removed { done: files, left: Vec::new(), reserve, outcome: Ok(()) }
        }
    }
}

fn finished(write: Write) -> (Run, Finished) {
    let mut run = write.run;
    let (mut at, mut last_check, mut frames) = (run.lsn, run.prev, 0);
    for part in run.front.iter_mut().chain([&mut run.bytes]) {
        let (check, count) = finish_run(part, run.seed, at, last_check);
        at = after(at, part.len() as u64);
        (last_check, frames) = (check, frames + count);
    }
    (run, Finished { last_check, frames })
}

/// The reserve comes before the first record.
fn reserve(machine: &mut Machine) {
    let Some(made @ Action::MakeReserve { from: None }) = machine.poll_commit() else {
        panic!("the reserve is made first");
    };
    machine.on_event(done(made));
}

/// Drives the commit lane until nothing is wanted.
fn settle(machine: &mut Machine) {
    while let Some(action) = machine.poll_commit() {
        machine.on_event(done(action));
    }
}

fn append(machine: &mut Machine, record: &[u8]) -> Accepted {
    let level = machine.level;
    machine.append(record, level).unwrap()
}

/// Everything accepted becomes durable.
fn sync(machine: &mut Machine) {
    let end = machine.marks.accepted;
    machine.request(Goal::Durable { lsn: end, end });
    settle(machine);
    assert_eq!(machine.marks.durable, end);
}

/// Found by an order of threads. A close failed, so the drop of the last handle abandoned the
/// log, while the log's own thread was writing at the end of an interval; then the thread
/// waited for a sync that nobody would make any more, and the drop for the thread.
#[test]
fn who_waits_for_what_an_abandoned_machine_will_not_do_is_told() {
    let mut machine = Machine::new(start(), &Options::new());
    let (lsn, end) = (Lsn::FIRST, Lsn::new(64));
    for goal in [Goal::Written { lsn, end }, Goal::Durable { lsn, end }] {
        assert!(machine.outcome(goal).is_none());
    }
    machine.abandon();
    for goal in [Goal::Written { lsn, end }, Goal::Durable { lsn, end }] {
        machine.request(goal);
        assert!(machine.poll_commit().is_none());
        assert!(matches!(machine.outcome(goal), Some(Err(Error::Closed))));
    }
    assert!(matches!(machine.outcome(Goal::Durable { lsn, end: Lsn::FIRST }), Some(Ok(()))));
}

#[test]
fn the_lane_is_wanted_while_somebody_waits_for_it_and_not_longer() {
    let mut machine = fresh(Durability::Buffered);
    assert!(!machine.commit_wanted(), "nobody asked for anything");
    assert!(matches!(machine.append(b"first", Durability::Buffered), Err(Refusal::Wait)));
    machine.roll_wanted = None;
    assert!(machine.commit_wanted(), "a run is to begin");
    settle(&mut machine);
    assert!(!machine.commit_wanted());
    let end = append(&mut machine, b"first").end;
    assert!(!machine.commit_wanted(), "nobody waits for a buffered record");
    for goal in [Goal::Written { lsn: end, end }, Goal::Durable { lsn: end, end }] {
        machine.request(goal);
        assert!(machine.commit_wanted());
        settle(&mut machine);
        assert!(!machine.commit_wanted());
    }
}

#[test]
fn a_record_goes_through_only_where_nothing_is_under_way_or_wanted() {
    let mut machine = begun(Durability::Os);
    append(&mut machine, b"looks ahead");
    let (_, write) = machine.append_through(b"through").unwrap();
    let accepted = machine.marks.accepted;
    assert!(machine.append_through(b"beside it").is_none());
    assert_eq!(machine.marks.accepted, accepted, "nothing was taken");
    machine.on_event(done(Action::Write(write)));

    machine.request(Goal::Durable { lsn: accepted, end: accepted });
    assert!(machine.append_through(b"before a sync").is_none());
    settle(&mut machine);
    append(&mut machine, b"takes the mark, and looks ahead");
    let (_, write) = machine.append_through(b"through").unwrap();
    machine.on_event(done(Action::Write(write)));
    assert_eq!(machine.marks.written, machine.marks.accepted);

    let allowed = usize::try_from(machine.allowance).unwrap();
    assert!(machine.append_through(&vec![0; allowed]).is_none(), "it needs a look first");
}

#[test]
fn records_and_batches_say_when_a_write_is_worth_a_call() {
    let record = [7; 1000];
    for batches in [false, true] {
        let options = options(Durability::Buffered)
            .write_at(8000)
            .segment_len(1 << 20)
            .first_segment_len(1 << 20);
        let mut machine = Machine::new(start(), &options);
        assert!(matches!(machine.append(b"", Durability::Buffered), Err(Refusal::Wait)));
        settle(&mut machine);
        let mut taken = 0;
        loop {
            let accepted = if batches {
                machine.append_batch(&[&record], Durability::Buffered).unwrap()
            } else {
                append(&mut machine, &record)
            };
            taken += accepted.end.since(accepted.lsn).unwrap();
            assert_eq!(accepted.due, taken >= 8000, "{taken} bytes wait, batches: {batches}");
            if accepted.due {
                break;
            }
        }
        assert!(matches!(machine.poll_commit(), Some(Action::Write(_))));
    }
}

#[test]
fn what_is_durable_is_marked_once() {
    let mut machine = begun(Durability::Buffered);
    let taken = |machine: &mut Machine| {
        let Accepted { lsn, end, .. } = append(machine, b"12345678");
        end.since(lsn).unwrap()
    };
    taken(&mut machine);
    sync(&mut machine);
    assert_eq!(taken(&mut machine), frame_len(8, true), "the mark rides in the next frame");
    assert_eq!(taken(&mut machine), frame_len(8, false), "and in no other");
}

#[test]
fn a_buffer_is_filled_again_unless_it_is_larger_than_it_may_be() {
    let options = options(Durability::Buffered)
        .segment_len(1 << 20)
        .first_segment_len(1 << 20)
        .write_at(4096);
    let mut machine = Machine::new(start(), &options.buffer_max(16 << 10));
    assert!(matches!(machine.append(b"", Durability::Buffered), Err(Refusal::Wait)));
    settle(&mut machine);
    append(&mut machine, &[7; 100]);
    sync(&mut machine);
    let kept = machine.empty.capacity();
    assert!(kept >= 100);
    append(&mut machine, &vec![7; 100_000]);
    sync(&mut machine);
    assert!(machine.empty.capacity() <= 16 << 10, "{} bytes are kept", machine.empty.capacity());
}

#[test]
fn a_group_is_waited_for_only_where_it_could_be_taken_and_is_not_complete() {
    let mut machine = begun(Durability::Sync);
    for _ in 0..3 {
        append(&mut machine, b"one of three callers");
    }
    sync(&mut machine);
    let end = append(&mut machine, b"the first one back").end;
    assert!(!machine.arrivals_awaited(), "it asked for no sync yet");
    machine.request(Goal::Durable { lsn: end, end });
    assert!(machine.arrivals_awaited());
    machine.commit_busy = true;
    assert!(!machine.arrivals_awaited(), "the lane is taken");
    machine.commit_busy = false;
    for _ in 0..2 {
        append(&mut machine, b"the others");
    }
    assert!(!machine.arrivals_awaited(), "all are there");
}

#[test]
fn a_segment_that_ends_is_retired_with_the_number_of_its_frames() {
    let mut machine = begun(Durability::Sync);
    for count in [3, 4] {
        for _ in 0..count {
            append(&mut machine, b"a frame");
        }
        sync(&mut machine);
    }
    assert!(!machine.upkeep_due(), "nothing is to be done");
    let room = usize::try_from(SEGMENT - 12_000).unwrap();
    append(&mut machine, &vec![0; room]);
    assert!(matches!(machine.append(&vec![0; room], Durability::Sync), Err(Refusal::Wait)));
    settle(&mut machine);
    assert!(machine.upkeep_due(), "the first segment is to be retired");
    let Some(Action::Retire { trailer: Some(trailer), .. }) = machine.poll_upkeep() else {
        panic!("a segment that ended is retired");
    };
    assert_eq!(trailer.kind, TrailerKind::Seal { frames: 8 });
}

/// Fills the segment with trim frames until so many bytes are left for frames.
fn fill(machine: &mut Machine, left: u64) {
    let active = machine.active.unwrap();
    let room = |machine: &Machine| active.frame_limit().since(machine.marks.accepted).unwrap();
    let trim_len = frame_len(8, false);
    let before_trims = layout::CONTROL_ROOM + (left + trim_len) % trim_len;
    let record = room(machine) - before_trims - frame_len(0, false);
    append(machine, &vec![0; usize::try_from(record).unwrap()]);
    let mut point = Lsn::FIRST;
    while room(machine) > left {
        point = point.checked_add(Lsn::ALIGN).unwrap();
        machine.accept_trim(point).unwrap().unwrap();
    }
    assert_eq!(room(machine), left);
}

/// A close mark was written, and the record of it was not: what comes next stands behind another
/// frame, where there is room for it and one more close mark, and else in the next segment.
#[test]
fn a_close_mark_whose_close_failed_is_covered_or_ends_its_segment() {
    use crate::format::frame::CLOSE_MARK_LEN;
    let cover = frame_len(0, true);
    for (left, covered) in [(cover + CLOSE_MARK_LEN, true), (cover + CLOSE_MARK_LEN - 8, false)] {
        let mut machine = begun(Durability::Buffered);
        fill(&mut machine, left + CLOSE_MARK_LEN);
        machine.request_close();
        let end = loop {
            match machine.poll_commit().unwrap() {
                Action::WriteCloseRecord { record, .. } => break record.end,
                action => machine.on_event(done(action)),
            }
        };
        machine.on_event(Event::CloseRecorded(Err(Trouble::Failed(error(EIO)))));
        assert_eq!(machine.failures(), 1);
        let active = machine.active.unwrap();
        assert_eq!(active.frame_limit().since(end), Some(left));
        assert_eq!(machine.marks.accepted.since(end), Some(if covered { cover } else { 0 }));
        assert_eq!(active.ended, !covered);
    }
}

#[test]
fn addresses_and_numbers_that_are_used_up_are_told() {
    let last = |number: u64, base: u64| SegmentHeader {
        version: VERSION,
        log: LogId::new([7; 16]),
        number: SegmentId::new(number),
        base: Lsn::new(base),
        salt: Salt::new(1),
        file_len: SEGMENT,
        prev_end: Lsn::new(base),
        prev_check: 0,
        skipped: 0,
        unproven: 0,
        trim: Lsn::FIRST,
        extension: Extension::default(),
    };
    let far = u64::MAX - 2 * Lsn::JUMP;
    for (header, used_up) in [
        (last(7, 64), false),
        (last(7, far - 8), false),
        (last(7, far), true),
        (last(u64::MAX - 2, 64), false),
        (last(u64::MAX - 1, 64), true),
    ] {
        let end = SegmentEnd { lsn: header.base, check: 0 };
        let segment = Segment { header, closed: None, file_len: SEGMENT };
        let origin = Origin::Clean { end };
        let start = Start { segments: vec![segment], origin, ..start() };
        let mut machine = Machine::new(start, &options(Durability::Sync));
        let told = machine.append(b"one more", Durability::Sync);
        let exhausted = matches!(told, Err(Refusal::Never(Error::Exhausted { .. })));
        assert_eq!(exhausted, used_up, "{header:?}");
        assert!(exhausted || matches!(told, Err(Refusal::Wait)));
    }
}

#[test]
fn a_short_segment_is_tried_where_a_whole_one_found_no_room_and_nowhere_else() {
    for (errno, tried_shorter) in [(ENOSPC, true), (EIO, false)] {
        let mut machine = fresh(Durability::Sync);
        assert!(matches!(machine.append(&[7; 10_000], Durability::Sync), Err(Refusal::Wait)));
        let Some(Action::First { preparation, .. }) = machine.poll_commit() else {
            panic!("a new log begins in one action");
        };
        assert_eq!(preparation.file_len, SEGMENT);
        machine.on_event(Event::First(Err(Trouble::Failed(error(errno)))));
        assert_eq!(machine.failures(), 0, "what it stands for is tried in turn, and says why");
        reserve(&mut machine);
        let Some(Action::Prepare(asked)) = machine.poll_commit() else {
            panic!("the first segment is prepared");
        };
        assert_eq!(asked.file_len, SEGMENT);
        machine.on_event(Event::Prepared(Err(Trouble::Failed(error(errno)))));
        assert_eq!(machine.failures(), u64::from(!tried_shorter), "errno {errno}");
        match machine.poll_commit() {
            Some(Action::Prepare(asked)) => assert!(tried_shorter && asked.file_len < SEGMENT),
            other => assert!(!tried_shorter, "{other:?}"),
        }
    }
}

#[test]
fn a_write_that_failed_is_tried_again_before_anything_behind_it() {
    let mut machine = begun(Durability::Buffered);
    let first = append(&mut machine, b"first");
    machine.request(Goal::Written { lsn: first.lsn, end: first.end });
    let Some(Action::Write(write)) = machine.poll_commit() else { panic!("a write is wanted") };
    let failure = WriteFailure { written: 0, error: error(ENOSPC) };
    let outcome = Err(failure);
    machine.on_event(Event::Wrote { run: write.run, outcome, synced: None });
    let second = append(&mut machine, b"second");
    machine.request(Goal::Written { lsn: second.lsn, end: second.end });
    let mut written = Vec::new();
    while let Some(action) = machine.poll_commit() {
        if let Action::Write(write) = &action {
            written.push(write.run.lsn);
        }
        machine.on_event(done(action));
    }
    assert_eq!(written, [first.lsn, second.lsn]);
    assert_eq!(machine.marks.written, second.end);
}

/// The upgrade rule: the last segment, of the version before, is closed by the header of the next.
#[test]
fn behind_a_segment_of_an_older_version_a_new_one_begins_without_a_jump() {
    let header = SegmentHeader {
        version: VERSION,
        log: LogId::new([7; 16]),
        number: SegmentId::new(3),
        base: Lsn::new(512),
        salt: Salt::new(1),
        file_len: SEGMENT,
        prev_end: Lsn::new(512),
        prev_check: 5,
        skipped: 0,
        unproven: 0,
        trim: Lsn::new(256),
        extension: Extension::default(),
    };
    let end = SegmentEnd { lsn: Lsn::new(4096), check: 77 };
    let older = || {
        let segments = vec![Segment { header, closed: Some(end), file_len: SEGMENT }];
        let start = Start { segments, origin: Origin::Older { end }, trim: header.trim, ..start() };
        Machine::new(start, &options(Durability::Sync))
    };
    let mut machine = older();
    assert!(matches!(
        machine.append(b"the first of its version", Durability::Sync),
        Err(Refusal::Wait)
    ));
    reserve(&mut machine);
    let Some(prepare @ Action::Prepare(_)) = machine.poll_commit() else {
        panic!("a file of its own is made, and the old one is not touched");
    };
    machine.on_event(done(prepare));
    let Some(Action::Begin { header: next }) = machine.poll_commit() else {
        panic!("the next segment begins");
    };
    let expected = SegmentHeader {
        number: SegmentId::new(4),
        base: end.lsn,
        salt: next.salt,
        prev_end: end.lsn,
        prev_check: end.check,
        extension: Extension { home: Home::new(4), ..Extension::default() },
        ..header
    };
    assert_eq!(next, expected);
    machine.on_event(done(Action::Begin { header: next }));
    assert_eq!(append(&mut machine, b"the first of its version").lsn, end.lsn);

    // Who opens and closes alone upgrades nothing.
    let mut idle = older();
    idle.request_close();
    assert!(idle.poll_commit().is_none());
    assert!(idle.is_closed());
}

/// A copy that was closed: the first record begins a segment, whose header states the new lineage.
#[test]
fn no_record_of_a_raised_lineage_goes_into_a_segment_of_the_one_before() {
    let header = SegmentHeader {
        version: VERSION,
        log: LogId::new([7; 16]),
        number: SegmentId::FIRST,
        base: Lsn::FIRST,
        salt: Salt::new(1),
        file_len: SEGMENT,
        prev_end: Lsn::FIRST,
        prev_check: 0,
        skipped: 0,
        unproven: 0,
        trim: Lsn::FIRST,
        extension: Extension { home: Home::COPIED, ..Extension::default() },
    };
    let lineage = Lineage::FIRST.raised(5);
    let end = SegmentEnd { lsn: Lsn::new(64), check: 77 };
    let raised = || {
        let segments = vec![Segment { header, closed: None, file_len: SEGMENT }];
        let extension = Extension { lineage, ..Extension::default() };
        let origin = Origin::Clean { end };
        let start = Start { segments, origin, extension, raised: true, ..start() };
        Machine::new(start, &options(Durability::Sync))
    };
    let mut machine = raised();
    assert!(matches!(machine.append(b"one", Durability::Sync), Err(Refusal::Wait)));
    reserve(&mut machine);
    let Some(erase @ Action::EraseCloseRecord { .. }) = machine.poll_commit() else {
        panic!("what states that nothing follows is erased before anything follows");
    };
    machine.on_event(done(erase));
    assert!(machine.begun);
    assert!(matches!(machine.append(b"one", Durability::Sync), Err(Refusal::Wait)));
    settle(&mut machine);
    let accepted = append(&mut machine, b"one");
    assert_eq!(accepted.lsn, end.lsn);
    let begun = machine.live.back().map(|live| live.segment.header);
    let begun = begun.expect("a segment has begun");
    assert_eq!((begun.number, begun.base), (SegmentId::new(2), end.lsn));
    assert_eq!(begun.extension, Extension { lineage, home: Home::new(2), ..Extension::default() });
    assert!(machine.active.is_some_and(|active| active.takes_records));

    // Who opens and closes alone raises nothing.
    let mut idle = raised();
    idle.request_close();
    assert!(idle.poll_commit().is_none());
    assert!(idle.is_closed());

    // A trim needs no record: its frame may stand in the segment that is there.
    let mut trimmed = raised();
    assert!(matches!(trimmed.accept_trim(end.lsn), Err(Refusal::Wait)));
    settle(&mut trimmed);
    assert!(matches!(trimmed.accept_trim(end.lsn), Ok(Some(_))));
    sync(&mut trimmed);
    assert_eq!((trimmed.live.len(), trimmed.trim), (1, end.lsn));
}

#[test]
fn each_reason_alone_wants_the_commit_lane() {
    let reasons: [fn(&mut Machine); 6] = [
        |machine| machine.begin_wanted = true,
        |machine| machine.close_record_left = true,
        |machine| machine.roll_wanted = Some(8),
        |machine| machine.closing = Closing::Draining,
        |machine| machine.write_wanted = after(machine.marks.written, 8),
        |machine| machine.sync_wanted = after(machine.marks.durable, 8),
    ];
    for (nth, reason) in reasons.into_iter().enumerate() {
        let mut machine = begun(Durability::Sync);
        machine.begin_wanted = false;
        assert!(!machine.commit_wanted(), "nothing is wanted of a log at rest");
        reason(&mut machine);
        assert!(machine.commit_wanted(), "reason {nth}");
    }
}

/// A log of so many segments, trimmed up to the last one, durably.
fn trimmed(count: u64, spares_max: usize) -> Machine {
    let segment = |nth: u64| {
        let end = Lsn::new((nth + 1) * 8);
        let header = SegmentHeader {
            version: VERSION,
            log: LogId::new([7; 16]),
            number: SegmentId::new(nth + 1),
            base: Lsn::new(nth * 8),
            salt: Salt::new(nth),
            file_len: SEGMENT,
            prev_end: Lsn::new(nth * 8),
            prev_check: 0,
            skipped: 0,
            unproven: 0,
            trim: Lsn::FIRST,
            extension: Extension::default(),
        };
        Segment { header, closed: Some(SegmentEnd { lsn: end, check: 0 }), file_len: SEGMENT }
    };
    let end = SegmentEnd { lsn: Lsn::new(count * 8), check: 0 };
    let segments = (0..count).map(segment).collect();
    let origin = Origin::Unclean { end };
    let start = Start { segments, origin, reserve: true, ..start() };
    let options = options(Durability::Sync).spares_max(spares_max);
    let mut machine = Machine::new(start, &options);
    (machine.trim, machine.trim_durable) = (end.lsn, end.lsn);
    machine.drop_trimmed();
    machine
}

/// The files of the next action, which has to be a removal.
fn removal(machine: &mut Machine) -> Vec<Removal> {
    match machine.poll_upkeep() {
        Some(Action::Remove { files, .. }) => files,
        other => panic!("{other:?}"),
    }
}

#[test]
fn many_files_are_removed_in_pieces_oldest_first() {
    let mut machine = trimmed(1001, 300);
    let (mut removed, mut kept) = (Vec::new(), 0);
    while machine.removal_pending() {
        let files = removal(&mut machine);
        assert!(files.len() <= 256, "{} files by one action", files.len());
        removed.extend(files.iter().map(|removal| removal.segment.get()));
        kept += files.iter().filter(|removal| removal.keep_as.is_some()).count();
        machine.on_event(Event::Removed {
            done: files,
            left: Vec::new(),
            reserve: None,
            outcome: Ok(()),
        });
    }
    assert_eq!(removed, (1..=1000).collect::<Vec<_>>());
    assert_eq!((kept, machine.spares().len(), machine.removed_since_open().0), (300, 300, 1000));
}

#[test]
fn behind_a_file_that_cannot_be_removed_none_is_removed() {
    let mut machine = trimmed(1001, 0);
    let mut files = removal(&mut machine);
    let left = files.split_off(100);
    let outcome = Err(Trouble::Failed(error(EIO)));
    machine.on_event(Event::Removed { done: files, left, reserve: None, outcome });
    assert!(!machine.removal_pending(), "a newer file would go before an older one");
    assert!(machine.poll_upkeep().is_none());
    assert_eq!(machine.removed_since_open().0, 100);
    machine.retry_removals();
    let next = removal(&mut machine);
    let numbers = next.iter().map(|removal| removal.segment.get());
    assert_eq!(numbers.collect::<Vec<_>>(), (101..=356).collect::<Vec<_>>());
}

#[test]
fn the_next_segment_is_prepared_between_two_pieces_of_a_removal() {
    let mut machine = trimmed(1001, 0);
    machine.prepare_ahead = true;
    assert!(matches!(machine.append(b"", Durability::Sync), Err(Refusal::Wait)));
    settle(&mut machine);
    let retired = machine.poll_upkeep().unwrap();
    assert!(matches!(retired, Action::Retire { .. }), "{retired:?}");
    machine.on_event(done(retired));
    // One piece was on its way when half of the segment was used.
    let files = removal(&mut machine);
    let half = usize::try_from(SEGMENT / 2).unwrap();
    machine.append(&vec![0; half], Durability::Buffered).unwrap();
    sync(&mut machine);
    machine.on_event(Event::Removed {
        done: files,
        left: Vec::new(),
        reserve: None,
        outcome: Ok(()),
    });
    let action = machine.poll_upkeep().unwrap();
    assert!(matches!(action, Action::Prepare(_)), "{action:?}");
    machine.on_event(done(action));
    assert_eq!(removal(&mut machine).len(), 256);
}
