//! Readers of an open log: where they may begin, and what they cost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod watched;

use seawall::{Durability, Error, Log, LogView, Lsn, Options, Record};
use watched::{Call, On, Watcher};

const SEGMENT: u64 = 4 << 20;
const FRAME: u64 = 16 << 10;

fn options() -> Options {
    Options::new()
        .segment_len(SEGMENT)
        .first_segment_len(SEGMENT)
        .durability(Durability::Os)
        .idle_mark(None)
        .batch_frame_max(FRAME)
}

fn record(nth: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((nth * 31 + at * 7) % 251).unwrap()).collect()
}

fn all(log: &Log) -> Vec<Record> {
    log.scan(Lsn::FIRST).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_reader_that_begins_beyond_the_end_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    // An empty log ends where it begins.
    let beyond = |from: u64, end: u64| {
        let from = Lsn::new(from);
        for told in [log.scan(from).err(), log.follow(from).err(), log.read(from).err()] {
            let told = told.expect("nothing is there");
            assert!(
                matches!(told, Error::Beyond { lsn, end: at } if lsn == from && at.get() == end),
                "{from}: {told:?}"
            );
        }
    };
    beyond(8, 0);
    log.follow(Lsn::FIRST).unwrap();
    let end = log.append(b"a record").unwrap().end;
    for from in [end.get() + 1, end.get() + 8, u64::MAX] {
        beyond(from, end.get());
    }
    // The end is where the next record comes.
    assert_eq!(log.scan(end).unwrap().count(), 0);
    let mut follower = log.follow(end).unwrap();
    let next = log.append(b"the next").unwrap();
    assert_eq!(follower.next().unwrap().unwrap().lsn, next.lsn);
}

#[test]
fn what_was_accepted_is_not_beyond_the_end_although_it_is_not_visible_yet() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let durable = log.append_at(b"durable", Durability::Sync).unwrap().end;
    let accepted = log.append(b"not yet").unwrap().end;
    assert_eq!(log.watermarks().durable, durable);
    assert_eq!(log.scan_at(accepted, Durability::Sync).unwrap().count(), 0);
}

#[test]
fn a_position_in_a_jump_goes_on_with_the_next_record() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = Log::open(dir.path(), options()).unwrap();
    let end = log.append(b"before the crash").unwrap().end;
    // As a crash leaves it.
    let name = seawall::format::name::FileName::Segment(log.segments()[0].number()).text();
    std::fs::copy(dir.path().join(&name), copy.path().join(&name)).unwrap();
    let log = Log::open(copy.path(), options()).unwrap();
    // Until the first append nobody knows of the jump.
    let inside = end.checked_add(64).unwrap();
    assert!(matches!(log.scan(inside), Err(Error::Beyond { end: at, .. }) if at == end));
    let next = log.append(b"after it").unwrap();
    assert!(next.lsn > inside, "the log jumped");
    let read: Vec<_> = log.scan(inside).unwrap().map(|record| record.unwrap().lsn).collect();
    assert_eq!(read, [next.lsn]);
    let mut follower = log.follow(inside).unwrap();
    assert_eq!(follower.next().unwrap().unwrap().lsn, next.lsn);
}

#[test]
fn a_view_is_told_too_where_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let end = log.append(b"a record").unwrap().end;
    let mut view = LogView::open(dir.path()).unwrap();
    let next = log.append(b"the next").unwrap();
    for told in [view.scan(next.end).err(), view.scan_proven(next.end).err()] {
        let told = told.expect("the view ends before it");
        assert!(matches!(told, Error::Beyond { end: at, .. } if at == end), "{told:?}");
    }
    assert_eq!(view.scan(end).unwrap().count(), 0);
    view.refresh().unwrap();
    assert_eq!(view.scan(end).unwrap().count(), 1);
}

#[test]
fn a_record_of_a_batch_is_found_by_its_own_address_and_by_its_place_in_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let alone = log.append(b"alone").unwrap();
    let records: Vec<_> = (0..500).map(|nth| record(nth, 200 + nth % 7)).collect();
    let batch = log.append_batch(&records).unwrap();
    let buffered = log.append_batch(&records[..300]).unwrap();
    let check = |log: &Log| {
        let mut found = all(log);
        found.remove(0);
        let places = (0..500_u32).map(|nth| (batch.lsn, nth));
        let places: Vec<_> = places.chain((0..300).map(|nth| (buffered.lsn, nth))).collect();
        assert_eq!(found.len(), places.len());
        for (nth, (expected, (lsn, index))) in found.iter().zip(places).enumerate() {
            assert_eq!(expected.bytes, records[nth % 500]);
            assert_eq!(&log.read_in_batch(expected.lsn, expected.index).unwrap(), expected);
            assert_eq!(&log.read_in_batch(lsn, index).unwrap(), expected);
        }
        assert!(found.iter().any(|found| found.lsn != batch.lsn), "it has several frames");
        for (lsn, index) in [(batch.lsn, 500), (batch.lsn, u32::MAX), (alone.lsn, 1)] {
            let none = log.read_in_batch(lsn, index);
            assert!(matches!(none, Err(Error::NoRecord { lsn: at }) if at == lsn), "{none:?}");
        }
        assert_eq!(log.read_in_batch(alone.lsn, 0).unwrap().bytes, "alone");
        // From a frame in the middle on.
        let middle = found.iter().position(|record| record.lsn != batch.lsn).unwrap();
        assert_eq!(log.read_batch(found[middle].lsn).unwrap(), found[middle..500]);
        assert_eq!(log.read(found[middle].lsn).unwrap(), found[middle]);
        assert_eq!(log.read_batch(batch.lsn).unwrap(), found[..500]);
    };
    check(&log);
    log.close().unwrap();
    check(&Log::open(dir.path(), options()).unwrap());
}

#[test]
fn what_is_buffered_is_found_by_every_address_and_by_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let options = options().durability(Durability::Buffered).write_at(4 << 20);
    let log = Log::open(dir.path(), options).unwrap();
    let begin = log.append(b"the run begins").unwrap().lsn;
    let mut expected = std::collections::BTreeMap::new();
    for nth in 0..400 {
        let one = record(nth, nth);
        expected.insert(log.append(&one).unwrap().lsn, one);
        if nth % 100 == 50 {
            let batch: Vec<_> = (0..300).map(|nth| record(nth, 150)).collect();
            let lsn = log.append_batch(&batch).unwrap().lsn;
            for read in log.read_batch(lsn).unwrap() {
                expected.entry(read.lsn).or_insert(read.bytes.to_vec());
            }
        }
    }
    let marks = log.watermarks();
    assert!(marks.written <= begin, "nothing was written");
    let mut at = expected.keys().next().copied().unwrap();
    while at < marks.accepted {
        match (log.read(at), expected.get(&at)) {
            (Ok(read), Some(expected)) => assert_eq!(read.bytes, expected),
            (Err(Error::NoRecord { lsn }), None) => assert_eq!(lsn, at),
            (read, expected) => panic!("{at}: {read:?} for {expected:?}"),
        }
        at = at.checked_add(8).unwrap();
    }
}

#[test]
fn one_record_of_a_batch_costs_one_frame_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log =
        Log::open_in(environment, options().segment_len(64 << 20).first_segment_len(64 << 20))
            .unwrap();
    let records = vec![record(7, 200); 40_000];
    let batch = log.append_batch(&records).unwrap();
    let found = all(&log);
    let cost = |read: &dyn Fn() -> Record| {
        watcher.take_counts();
        assert_eq!(read().bytes, records[0]);
        let counts = watcher.take_counts();
        (counts.all(Call::Read), counts.read(On::Segment))
    };
    let middle = &found[20_000];
    let (calls, bytes) = cost(&|| log.read_in_batch(middle.lsn, middle.index).unwrap());
    assert!(calls <= 2 && bytes <= FRAME + 64, "{calls} calls, {bytes} bytes");
    let (calls, bytes) = cost(&|| log.read(batch.lsn).unwrap());
    assert!(calls <= 2 && bytes <= FRAME + 64, "{calls} calls, {bytes} bytes");
    let (calls, bytes) = cost(&|| log.read_many(&[batch.lsn]).remove(0).unwrap());
    assert!(calls <= 2 && bytes <= FRAME + 64, "{calls} calls, {bytes} bytes");
}

#[test]
fn an_address_that_is_none_costs_the_frame_around_it_and_not_the_segment() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, options()).unwrap();
    let mut right = std::collections::BTreeSet::new();
    for nth in 0..3000 {
        right.insert(log.append(&record(nth, 1000)).unwrap().lsn);
        if nth % 1000 == 500 {
            let batch: Vec<_> = (0..200).map(|nth| record(nth, 200)).collect();
            let lsn = log.append_batch(&batch).unwrap().lsn;
            right.extend(log.read_batch(lsn).unwrap().iter().map(|read| read.lsn));
        }
    }
    log.sync().unwrap();
    log.append(b"marks what is durable").unwrap();
    assert_eq!(log.segments().len(), 1);
    let end = log.watermarks().accepted;
    let (mut most, mut wrong) = (0, 0);
    for at in (0..end.get()).step_by(1016).map(|at| Lsn::new(at / 8 * 8)) {
        watcher.take_counts();
        match log.read(at) {
            Ok(_) => assert!(right.contains(&at), "{at}"),
            Err(Error::NoRecord { lsn }) => {
                assert!(lsn == at && !right.contains(&at), "{at}");
                wrong += 1;
                most = most.max(watcher.take_counts().read(On::Segment));
            }
            Err(error) => panic!("{at}: {error}"),
        }
    }
    assert!(wrong > 2000, "{wrong} addresses were none");
    assert!(most <= 64 << 10, "{most} bytes of {end} were read for one of them");
}

#[test]
fn what_was_read_of_a_segment_that_ends_inside_a_frame_is_told_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    let lsns: Vec<Lsn> = (0..50).map(|nth| log.append(&record(nth, 500)).unwrap().lsn).collect();
    let name = seawall::format::name::FileName::Segment(log.segments()[0].number()).text();
    let path = dir.path().join(name);
    let bytes_at = |lsn: Lsn| usize::try_from(8192 + lsn.get()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "damages a file without the log")]
    let whole = std::fs::read(&path).unwrap();
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // A header and a body, each alone: the frame is damaged, the places inside it are none.
    for offset in [0, 5, 100] {
        let at = bytes_at(lsns[20]) + offset;
        file.write_all_at(&[whole[at] ^ 0xff], at as u64).unwrap();
        let damaged = log.read(lsns[20]).unwrap_err();
        assert!(damaged.is_damage(), "{offset}: {damaged:?}");
        for (nth, lsn) in lsns.iter().enumerate().filter(|(nth, _)| *nth != 20) {
            assert_eq!(log.read(*lsn).unwrap().bytes, record(nth, 500));
        }
        let inside = log.read(lsns[19].checked_add(8).unwrap());
        assert!(matches!(inside, Err(Error::NoRecord { .. })), "{offset}: {inside:?}");
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn scans_hold_no_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options::new().segment_len(16 << 10).idle_mark(None).open_files_max(8);
    let log = Log::open(dir.path(), small).unwrap();
    while log.segments().len() < 300 {
        log.append_at(&[7; 3000], Durability::Buffered).unwrap();
    }
    log.sync().unwrap();
    let canonical = dir.path().canonicalize().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the kernel's word, not a file of a log")]
    let held = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let paths = open.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
        let segment = |path: &std::path::PathBuf| {
            path.starts_with(&canonical) && path.extension().is_some_and(|is| is == "seg")
        };
        paths.filter(segment).count()
    };
    let bases: Vec<Lsn> = log.segments().iter().map(|segment| segment.base()).collect();
    let mut scans: Vec<_> = bases[..290].iter().map(|&base| log.scan(base).unwrap()).collect();
    for scan in &mut scans {
        assert_eq!(scan.next().unwrap().unwrap().bytes.len(), 3000);
    }
    // The segment that is written to has a descriptor or two for that.
    assert!(held() <= 8 + 2, "{} files are open", held());
    // Each reads on to the end.
    let left = |base: Lsn| all(&log).iter().filter(|record| record.lsn >= base).count();
    let counts: Vec<_> = scans.into_iter().map(Iterator::count).collect();
    assert_eq!(counts[0], left(bases[0]) - 1);
    assert_eq!(counts[289], left(bases[289]) - 1);
    assert!(held() <= 8 + 2, "{} files are open", held());
}

#[test]
fn a_follower_that_has_read_everything_keeps_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    for nth in 0..2000 {
        log.append(&record(nth, 100)).unwrap();
    }
    log.append_batch(&[record(1, 100), record(2, 100)]).unwrap();
    let mut follower = log.follow(Lsn::FIRST).unwrap();
    let mut kept = Vec::new();
    for nth in 0..2002 {
        let read = follower.next().unwrap().unwrap();
        if nth < 2000 {
            assert_eq!(read.bytes, record(nth, 100));
        }
        if nth % 500 == 0 || nth > 1999 {
            kept.push(read);
        }
    }
    // As long as they are, and no block of what was read with them.
    for read in kept {
        assert!(read.bytes.try_into_mut().unwrap().capacity() <= 100);
    }
    // It goes on where it rested, across a batch of which it has shown a part.
    assert!(follower.try_next().unwrap().is_none());
    let batch = log.append_batch(&[record(3, 100), record(4, 100)]).unwrap();
    let first = follower.try_next().unwrap().unwrap();
    let after = log.append(&record(5, 100)).unwrap();
    let second = follower.try_next().unwrap().unwrap();
    assert_eq!((first.lsn, first.index, second.lsn, second.index), (batch.lsn, 0, batch.lsn, 1));
    assert_eq!(follower.try_next().unwrap().unwrap().lsn, after.lsn);
    assert!(follower.try_next().unwrap().is_none());
}
