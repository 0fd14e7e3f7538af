//! Holds: no trim passes one, whoever trims, and the result names the holder.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use seawall::{Durability, Environment, Error, Hold, Log, Lsn, Options, Receipt, SegmentSpan};
use std::sync::atomic::{AtomicBool, Ordering};

const SEGMENT: u64 = 32 << 10;

fn options() -> Options {
    Options::new()
        .segment_len(SEGMENT)
        .first_segment_len(SEGMENT)
        .durability(Durability::Os)
        .idle_mark(None)
        .zeros_ahead(Some(false))
}

fn opened() -> (tempfile::TempDir, Log) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = Log::open(dir.path(), options()).unwrap();
    (dir, log)
}

fn filled(log: &Log, records: usize) -> Vec<Receipt> {
    (0..records).map(|_| log.append(&[7; 1000]).unwrap()).collect()
}

fn names(holders: &[seawall::Holder]) -> Vec<(&str, Lsn)> {
    holders.iter().map(|holder| (&*holder.name, holder.lsn)).collect()
}

#[test]
fn a_trim_ends_at_the_smallest_hold_and_names_who_holds() {
    let (_dir, log) = opened();
    let at = filled(&log, 100);
    let [slow, fast, end] = [at[20].lsn, at[60].lsn, at[99].end];
    let snapshot = log.hold("snapshot", fast).unwrap();
    let replica = log.hold("replica", slow).unwrap();
    assert_eq!(names(&log.holders()), [("replica", slow), ("snapshot", fast)]);
    let trimmed = log.trim(end).unwrap();
    assert_eq!((trimmed.asked, trimmed.trim, trimmed.durable), (end, slow, slow));
    assert_eq!(names(&trimmed.held_by), [("replica", slow), ("snapshot", fast)]);
    assert_eq!(log.read(slow).unwrap().lsn, slow);
    assert!(matches!(log.read(at[19].lsn), Err(Error::Trimmed { .. })));
    // One moves on: the other is in the way.
    replica.advance(at[80].lsn).unwrap();
    let trimmed = log.trim(at[70].lsn).unwrap();
    assert_eq!((trimmed.trim, names(&trimmed.held_by)), (fast, vec![("snapshot", fast)]));
    // As far as nobody holds anything, a trim is as ever.
    let trimmed = log.trim(at[30].lsn).unwrap();
    assert_eq!((trimmed.trim, trimmed.held_by.len()), (fast, 0), "it is past that point");
    drop(snapshot);
    let trimmed = log.trim(end).unwrap();
    assert_eq!(
        (trimmed.trim, names(&trimmed.held_by)),
        (at[80].lsn, vec![("replica", at[80].lsn)])
    );
    assert_eq!(replica.lsn(), at[80].lsn);
    drop(replica);
    let trimmed = log.trim(end).unwrap();
    assert_eq!((trimmed.trim, trimmed.held_by.len()), (end, 0));
    assert!(log.holders().is_empty());
    log.close().unwrap();
}

#[test]
fn a_hold_is_refused_where_nothing_is_to_be_held() {
    let (_dir, log) = opened();
    let at = filled(&log, 50);
    log.trim(at[10].lsn).unwrap();
    // The frame that states the trim is after the last record.
    let (below, end) = (at[9].lsn, log.watermarks().accepted);
    let refused = log.hold("late", below).unwrap_err();
    assert!(
        matches!(refused, Error::Trimmed { lsn, trim } if (lsn, trim) == (below, at[10].lsn)),
        "{refused:?}"
    );
    let beyond = end.checked_add(8).unwrap();
    let refused = log.hold("early", beyond).unwrap_err();
    assert!(matches!(refused, Error::Beyond { lsn, .. } if lsn == beyond), "{refused:?}");
    assert!(log.holders().is_empty());
    // The first address stands for the beginning, and the end for what comes next.
    let first = log.hold("first", Lsn::FIRST).unwrap();
    assert_eq!(first.lsn(), at[10].lsn);
    let last = log.hold("last", end).unwrap();
    let refused = last.advance(beyond).unwrap_err();
    assert!(matches!(refused, Error::Beyond { lsn, .. } if lsn == beyond), "{refused:?}");
    assert_eq!(last.lsn(), end);
    // What the log has not reached is refused as ever, held or not.
    assert!(matches!(log.trim(beyond), Err(Error::Beyond { .. })));
    assert!(matches!(log.preview_trim(beyond), Err(Error::Beyond { .. })));
    log.close().unwrap();
    assert!(matches!(log.hold("closed", end), Err(Error::Closed)));
    assert!(matches!(first.advance(end), Err(Error::Closed)));
    assert!(matches!(log.preview_trim(end), Err(Error::Closed)));
}

#[test]
fn holds_end_with_the_handle_that_is_open() {
    let (dir, log) = opened();
    let at = filled(&log, 10);
    let hold = log.hold("reader", at[2].lsn).unwrap();
    log.close().unwrap();
    drop(log);
    let again = Log::open(dir.path(), options()).unwrap();
    assert!(again.holders().is_empty());
    assert_eq!(again.trim(at[5].lsn).unwrap().trim, at[5].lsn);
    drop(hold);
    again.close().unwrap();
}

#[test]
fn a_preview_says_which_segments_go_and_which_are_held() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // Files are shortened when the test says so.
    let environment = Environment { threads: false, ..Environment::real(dir.path()).unwrap() };
    let log = Log::open_in(environment, options()).unwrap();
    let at = filled(&log, 200);
    log.tend().unwrap();
    let spans: Vec<SegmentSpan> = log.preview_trim(at[199].end).unwrap().removed;
    let segments = log.segments();
    assert!(segments.len() > 5, "{} segments", segments.len());
    assert_eq!(spans.len(), segments.len() - 1, "all but the last");
    for (span, segment) in spans.iter().zip(&segments) {
        assert_eq!((span.number, span.base), (segment.number(), segment.base()));
        assert_eq!(Some(span.end), segment.closed.map(|end| end.lsn));
        let name = format!("{:020}.seg", span.number.get());
        let len = dir.path().join(name).metadata().unwrap().len();
        assert_eq!(span.bytes, len, "{span:?}");
        assert_eq!(log.segment_of(span.base), Some(*segment));
    }
    let (third, fifth) = (spans[2].base, spans[4].base);
    let hold = log.hold("backup", third).unwrap();
    let preview = log.preview_trim(fifth).unwrap();
    assert_eq!((preview.asked, preview.trim), (fifth, third));
    assert_eq!((&preview.removed[..], &preview.held[..]), (&spans[..2], &spans[2..4]));
    assert_eq!(names(&preview.held_by), [("backup", third)]);
    assert_eq!(preview.bytes(), spans[0].bytes + spans[1].bytes);
    assert_eq!(preview.held_bytes(), spans[2].bytes + spans[3].bytes);
    assert_eq!(log.segments(), segments, "nothing was changed");
    let before = log.stats();
    assert_eq!(before.bytes, segments.iter().map(|segment| segment.file_len).sum::<u64>());
    // And the trim does it.
    let trimmed = log.trim(fifth).unwrap();
    assert_eq!((trimmed.trim, trimmed.files, trimmed.bytes), (third, 2, preview.bytes()));
    let after = log.stats();
    assert_eq!((after.segments, after.removed), (before.segments - 2, before.removed + 2));
    assert_eq!(after.bytes, before.bytes - preview.bytes());
    assert_eq!(after.removed_bytes, preview.bytes());
    drop(hold);
    log.close().unwrap();
}

#[test]
fn an_address_is_in_one_segment_or_in_none() {
    let (_dir, log) = opened();
    assert_eq!(log.segment_of(Lsn::FIRST), None);
    let at = filled(&log, 100);
    let segments = log.segments();
    for receipt in &at {
        let of = log.segment_of(receipt.lsn).unwrap();
        let end = of.closed.map_or(log.watermarks().accepted, |end| end.lsn);
        assert!(of.base() <= receipt.lsn && receipt.end <= end, "{receipt:?} {of:?}");
        assert!(segments.contains(&of));
    }
    assert_eq!(log.segment_of(at[99].end), None);
    assert_eq!(log.segment_of(Lsn::new(u64::MAX)), None);
    // A segment that holds the trim point holds what is before it, too.
    let second = segments[1];
    let inside = second.base().checked_add(8).unwrap();
    log.trim(inside).unwrap();
    assert_eq!(log.segment_of(Lsn::FIRST), None);
    assert_eq!(log.segment_of(second.base()), Some(log.segments()[0]));
    log.close().unwrap();
}

/// Readers take a hold where the log begins, and read from there; two threads trim as fast as they can.
#[test]
fn what_a_hold_was_given_for_stays_whatever_others_trim() {
    let (_dir, log) = opened();
    filled(&log, 10);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let trimmers = [(); 2].map(|()| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let end = log.append(&[1; 1000]).unwrap().end;
                    log.trim(end).unwrap();
                }
            })
        });
        let readers = [(); 2].map(|()| {
            scope.spawn(|| {
                let (mut held, mut refused) = (0, 0);
                while held < 300 {
                    let from = log.append(&[2; 500]).unwrap().lsn;
                    match log.hold("reader", from) {
                        Ok(hold) => {
                            for _ in 0..3 {
                                assert_eq!(log.read(from).unwrap().bytes, [2; 500].as_slice());
                                assert!(log.scan_at(from, Durability::Os).unwrap().count() > 0);
                            }
                            held += 1;
                            drop(hold);
                        }
                        Err(Error::Trimmed { .. }) => refused += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
                refused
            })
        });
        let refused = readers.map(|reader| reader.join().unwrap());
        over.store(true, Ordering::Relaxed);
        trimmers.into_iter().for_each(|trimmer| trimmer.join().unwrap());
        println!("refused {refused:?}");
    });
    assert!(log.holders().is_empty());
    log.close().unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Hold(prop::sample::Index),
    Advance(prop::sample::Index, prop::sample::Index),
    Release(prop::sample::Index),
    Trim(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        4 => any::<u8>().prop_map(Step::Append),
        2 => index().prop_map(Step::Hold),
        2 => (index(), index()).prop_map(|(which, to)| Step::Advance(which, to)),
        1 => index().prop_map(Step::Release),
        3 => index().prop_map(Step::Trim),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The trim point is a number that any trim moves to what was asked, or to the smallest hold.
    #[test]
    fn holds_and_trims_are_as_their_model(steps in steps()) {
        let (_dir, log) = opened();
        let mut at = vec![log.append(b"first").unwrap().lsn];
        let mut trim = log.first();
        let mut holds: Vec<(Hold, Lsn)> = Vec::new();
        for step in steps {
            match step {
                Step::Append(nth) => at.push(log.append(&vec![nth; 40 * usize::from(nth)]).unwrap().lsn),
                Step::Hold(lsn) => {
                    let lsn = *lsn.get(&at);
                    match log.hold("one of many", lsn) {
                        Ok(hold) => {
                            prop_assert!(lsn >= trim || lsn == Lsn::FIRST);
                            holds.push((hold, lsn.max(trim)));
                        }
                        Err(Error::Trimmed { trim: at, .. }) => {
                            prop_assert!(lsn < trim);
                            prop_assert_eq!(at, trim);
                        }
                        Err(error) => prop_assert!(false, "{error}"),
                    }
                }
                Step::Advance(which, to) if !holds.is_empty() => {
                    let (which, to) = (which.index(holds.len()), *to.get(&at));
                    let (hold, lsn) = &mut holds[which];
                    hold.advance(to).unwrap();
                    *lsn = to.max(*lsn);
                }
                Step::Release(which) if !holds.is_empty() => {
                    drop(holds.swap_remove(which.index(holds.len())));
                }
                Step::Advance(..) | Step::Release(_) => {}
                Step::Trim(to) => {
                    let to = *to.get(&at);
                    let first = holds.iter().map(|(_, lsn)| *lsn).min();
                    let preview = log.preview_trim(to).unwrap();
                    let trimmed = log.trim(to).unwrap();
                    trim = trim.max(first.map_or(to, |first| first.min(to)));
                    prop_assert_eq!((preview.trim, trimmed.trim), (trim, trim));
                    prop_assert_eq!(&preview.held_by, &trimmed.held_by);
                    let holders = holds.iter().filter(|(_, lsn)| *lsn < to).count();
                    prop_assert_eq!(trimmed.held_by.len(), holders);
                    prop_assert_eq!(preview.removed.len() as u64, trimmed.files);
                    // The last of them may have been shortened since.
                    prop_assert!(preview.bytes() >= trimmed.bytes);
                }
            }
            prop_assert_eq!(log.first(), trim);
            for (hold, lsn) in &holds {
                prop_assert_eq!(hold.lsn(), *lsn);
                prop_assert!(*lsn >= trim);
                prop_assert_eq!(log.read(*lsn).map(|record| record.lsn).ok(), Some(*lsn));
            }
        }
        drop(holds);
        log.close().unwrap();
    }
}
