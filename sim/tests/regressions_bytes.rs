//! Bugs that bytes made on purpose showed, most of them found by the fuzz target `recover_directory`:
//! each with its story. The inputs are kept as `fuzz/corpus/recover_directory/bug-*`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use seawall::format::checksum::FrameSeed;
use seawall::format::frame::FrameKind;
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::format::header::SegmentHeader;
use seawall::format::layout;
use seawall::format::name::FileName;
use seawall::storage::{OpenMode, Storage, write_full};
use seawall::{Damage, Error, Log, LogView, Lsn, Options, SegmentId, Verdict};
use seawall_sim::{Seed, SimDisk, environment};

fn options() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None)
}

fn opened(disk: &SimDisk, run: u64) -> seawall::Result<Log> {
    Log::open_in(environment(disk, run), options())
}

/// Three segments of records of 1000 bytes, closed.
fn three_segments() -> SimDisk {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1).unwrap();
    while log.segments().len() < 3 {
        log.append(&[7; 1000]).unwrap();
    }
    log.append(&[8; 1000]).unwrap();
    log.append(&[9; 1000]).unwrap();
    log.close().unwrap();
    disk
}

fn name(number: u64) -> String {
    FileName::Segment(SegmentId::new(number)).text()
}

fn header(disk: &SimDisk, number: u64) -> SegmentHeader {
    SegmentHeader::decode(&disk.read_durable(&name(number)).unwrap()).unwrap()
}

fn put_header(disk: &SimDisk, number: u64, header: &SegmentHeader) {
    disk.overwrite_durably(&name(number), 0, &header.blocks()).unwrap();
}

/// Puts another record in the place of the first one of a segment; the next frame chains to the one
/// that was there.
fn replace_first(disk: &SimDisk, number: u64) -> Lsn {
    let header = header(disk, number);
    let seed = FrameSeed::new(header.log, header.salt);
    let mut frame = Vec::new();
    place_frame(&mut frame, FrameSpec::of(FrameKind::Record), &[&[1; 1000]]);
    let (_, frames) = finish_run(&mut frame, seed, header.base, header.prev_check);
    assert_eq!(frames, 1);
    disk.overwrite_durably(&name(number), layout::FRAMES_START, &frame).unwrap();
    header.base.checked_add(frame.len() as u64).unwrap()
}

/// A frame that broke the chain was read a second time by readers without the lock, as everything is
/// that does not verify, and then nobody knew any more what it had to chain to: it verified by
/// itself. `verify` said *clean* of a log whose own scan told the damage.
#[test]
fn a_frame_that_breaks_the_chain_is_told_by_readers_without_the_lock() {
    for (number, why) in [(1, "a closed segment"), (3, "the last one, behind a clean close")] {
        let disk = three_segments();
        let lsn = replace_first(&disk, number);
        let mut view = LogView::open_in(&environment(&disk, 1)).unwrap();
        let found = view.verify(|_| {}).unwrap();
        assert_eq!(found.verdict, Verdict::Damaged, "{why}");
        let [Error::Damaged { from, .. }] = found.damage[..] else {
            unreachable!("{why}: {:?}", found.damage);
        };
        assert_eq!(from, lsn);
        let log = opened(&disk, 2).unwrap();
        let told = log.scan(Lsn::FIRST).unwrap().find_map(Result::err);
        assert!(matches!(told, Some(Error::Damaged { from, .. }) if from == lsn), "{why}");
    }
}

/// A header stated a trim point that its successor knew nothing of. On its word its own file was
/// removed, and all before it; with it went the trim point, so that the next open missed them.
#[test]
fn a_trim_point_that_a_later_header_contradicts_removes_nothing() {
    let disk = three_segments();
    let second = header(&disk, 2);
    put_header(&disk, 2, &SegmentHeader { trim: second.prev_end, ..second });
    let image = disk.image_hash();
    let error = opened(&disk, 2).unwrap_err();
    assert!(matches!(error, Error::Damaged { cause: Damage::Discontinuous, .. }), "{error:?}");
    assert_eq!(disk.image_hash(), image, "who refuses changes nothing");
    let mut view = LogView::open_in(&environment(&disk, 1)).unwrap();
    let found = view.verify(|_| {}).unwrap();
    assert_eq!(found.verdict, Verdict::Damaged);
    assert_eq!(found.damage.len(), 1, "every record is shown: {:?}", found.damage);
}

/// Where a segment was cut short a reader went on to look for frames behind its end, one read for
/// each multiple of 8, up to the end that the successor stated: 2 GiB away, in a file of 20 KiB.
#[test]
fn a_search_for_frames_ends_with_the_file() {
    let disk = three_segments();
    let long = layout::FILE_LEN_MAX;
    let (first, second) = (header(&disk, 1), header(&disk, 2));
    let prev_end = Lsn::new(layout::frame_room(long));
    put_header(&disk, 1, &SegmentHeader { file_len: long, ..first });
    put_header(&disk, 2, &SegmentHeader { base: prev_end, prev_end, ..second });
    let mut view = LogView::open_in(&environment(&disk, 1)).unwrap();
    let before = disk.steps();
    assert_eq!(view.verify(|_| {}).unwrap().verdict, Verdict::Damaged);
    assert!(disk.steps() - before < 1000, "{} calls", disk.steps() - before);
}

/// The damaged byte of a segment of another log was counted from the base of one of this log.
#[test]
fn what_is_found_in_the_last_segment_is_found_at_its_place() {
    let disk = three_segments();
    let third = header(&disk, 3);
    let other = seawall::LogId::new([5; 16]);
    put_header(&disk, 3, &SegmentHeader { log: other, ..third });
    let (findings, error) = LogView::diagnose(&environment(&disk, 1)).unwrap();
    assert!(matches!(error, Some(Error::Foreign { .. })), "{error:?}");
    let mut of_third = findings.iter().filter(|finding| finding.name == name(3));
    // As a file of another log, and for its first frame.
    assert!(of_third.all(|finding| [0, layout::FRAMES_START].contains(&finding.offset)));
}

/// A file that was no part of the log became a spare under a number that another spare had, and was
/// counted beside it: the second segment that was to be made of a spare was not there.
#[test]
fn a_file_that_becomes_a_spare_over_another_is_one_spare() {
    let disk = three_segments();
    let stray = disk.read_durable(&name(1)).unwrap();
    // A log that was never trimmed keeps no spare that holds anything.
    let log = opened(&disk, 2).unwrap();
    log.trim(header(&disk, 2).base).unwrap();
    let before = log.stats().spares;
    log.close().unwrap();
    drop(log);
    for name in [name(9), FileName::Spare(9).text()] {
        let file = disk.open(&name, OpenMode::Create).unwrap();
        write_full(&*file, 0, &[&stray]).unwrap();
        file.sync_all().unwrap();
    }
    disk.sync_dir().unwrap();
    let log = opened(&disk, 3).unwrap();
    assert_eq!(log.stats().spares, before + 1);
    while log.segments().len() < 6 {
        log.append(&[7; 1000]).unwrap();
    }
}

/// A segment without frames at the end of the log, of which its successor says another check: readers
/// told it, a writer's scan ended before it.
#[test]
fn an_empty_segment_that_is_contradicted_is_told_at_the_end_of_the_log_too() {
    let disk = three_segments();
    let third = header(&disk, 3);
    let base = third.prev_end.checked_add(Lsn::JUMP).unwrap();
    let third = SegmentHeader { base, ..third };
    let (number, prev_check) = (SegmentId::new(4), third.prev_check ^ 1);
    let fourth = SegmentHeader { number, prev_end: base, prev_check, ..third };
    for (number, header) in [(3, third), (4, fourth)] {
        let mode = if number == 4 { OpenMode::Create } else { OpenMode::Write };
        let file = disk.open(&name(number), mode).unwrap();
        let rest = header.file_len - layout::FRAMES_START;
        let zeros = vec![0; usize::try_from(rest).unwrap()];
        write_full(&*file, 0, &[&header.blocks(), &zeros]).unwrap();
        file.sync_all().unwrap();
    }
    disk.sync_dir().unwrap();
    let view = LogView::open_in(&environment(&disk, 1)).unwrap();
    let log = opened(&disk, 2).unwrap();
    let contradicted = |error: &Error| {
        matches!(error, Error::Damaged { segment, from, to, .. }
            if segment.get() == 3 && *from == base && *to == base)
    };
    let by_reader: Vec<_> = view.scan(Lsn::FIRST).unwrap().filter_map(Result::err).collect();
    assert!(matches!(&by_reader[..], [error] if contradicted(error)), "{by_reader:?}");
    let by_writer: Vec<_> = log.scan(Lsn::FIRST).unwrap().filter_map(Result::err).collect();
    assert!(matches!(&by_writer[..], [error] if contradicted(error)), "{by_writer:?}");
}

/// The last mark of a segment whose successor was gone stood in a frame that did not verify. The check of
/// the frame before was taken for that of another, so readers told a damage of nothing there, and a
/// repair put a gap in the place of the good frame.
#[test]
fn a_repair_keeps_the_last_good_frame_before_one_that_does_not_verify_and_a_hole() {
    let disk = three_segments();
    let view = LogView::open_in(&environment(&disk, 1)).unwrap();
    let end = view.segments()[0].closed.unwrap().lsn;
    let records: Vec<_> = view.scan(Lsn::FIRST).unwrap().map(|r| r.unwrap().lsn).collect();
    let of_first: Vec<_> = records.into_iter().filter(|&lsn| lsn < end).collect();
    let [first, good @ .., last] = &of_first[..] else { unreachable!("{of_first:?}") };
    assert!(good.len() > 2);
    // Its seal would state where it ends.
    disk.open(&name(1), OpenMode::Write).unwrap().sync_all().unwrap();
    let len = disk.read_durable(&name(1)).unwrap().len() as u64;
    disk.overwrite_durably(&name(1), layout::trailer_offset(len), &[0; 64]).unwrap();
    for lsn in [first, last] {
        let offset = layout::FRAMES_START + lsn.get() + 500;
        disk.overwrite_durably(&name(1), offset, &[0xff]).unwrap();
    }
    disk.remove(&name(2)).unwrap();
    disk.sync_dir().unwrap();

    let read = |disk: &SimDisk| {
        let view = LogView::open_in(&environment(disk, 1)).unwrap();
        let (mut shown, mut told) = (Vec::new(), Vec::new());
        for record in view.scan(Lsn::FIRST).unwrap() {
            match record {
                Ok(record) if record.lsn < end => shown.push(record.lsn),
                Ok(_) => {}
                Err(Error::Damaged { from, to, .. }) => told.push((from, to)),
                Err(error) => unreachable!("{error}"),
            }
        }
        (shown, told)
    };
    let hole = (*last, header(&disk, 3).prev_end);
    let told = vec![(*first, good[0]), hole];
    assert_eq!(read(&disk), (good.to_vec(), told));
    let quarantine = SimDisk::new(Seed::new(2));
    Log::repair(&environment(&disk, 1), &quarantine, "first", |_| {}).unwrap();
    assert_eq!(read(&disk).0, good);
}
