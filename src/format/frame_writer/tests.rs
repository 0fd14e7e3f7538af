//! Runs of frames: what placing, voiding and finishing promise to each other.

use super::*;
use crate::format::frame::decode_frame;
use crate::position::{LogId, Salt};
use proptest::prelude::*;

const BASE: Lsn = Lsn::new(0x2_0000_1000);
const PREV: u32 = 7;

fn seed() -> FrameSeed {
    FrameSeed::new(LogId::new([9; 16]), Salt::new(5))
}

fn records(bodies: &[Vec<u8>], marked: bool) -> Vec<u8> {
    let mut run = Vec::new();
    for body in bodies {
        let mark = marked.then_some(BASE);
        place_frame(&mut run, FrameSpec::of(FrameKind::Record).marking(mark), &[body]);
    }
    run
}

/// Kind, check and whole length of every frame of a finished run, the chain verified.
fn walk(run: &[u8]) -> Vec<(FrameKind, u32, u64)> {
    let (mut rest, mut at, mut prev) = (run, BASE, PREV);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let (header, _) = decode_frame(rest, seed(), at).expect("a valid frame");
        header.verify_chain(prev).expect("the chain holds");
        let len = header.frame_len();
        frames.push((header.kind, header.check, len));
        at = at.checked_add(len).expect("a small log");
        rest = &rest[usize::try_from(len).expect("a small frame")..];
        prev = header.check;
    }
    frames
}

#[test]
fn an_empty_run_hands_its_chain_on() {
    assert_eq!(finish_run(&mut [], seed(), BASE, PREV), (PREV, 0));
}

#[test]
fn a_placed_frame_has_no_check_before_it_is_finished() {
    let run = records(&[b"body".to_vec()], false);
    assert_eq!(run.len(), 24);
    assert!(decode_frame(&run, seed(), BASE).is_err());
}

#[test]
fn a_placed_frame_is_found_where_it_starts_and_nowhere_else() {
    let bodies = [b"one".to_vec(), b"three".to_vec(), Vec::new()];
    for marked in [false, true] {
        let run = records(&bodies, marked);
        let mut start = 0;
        for body in &bodies {
            let found = placed_at(&run, start).expect("a frame");
            assert_eq!((found.body, found.kind), (&body[..], FrameKind::Record.byte()));
            for between in start + 1..start + found.len {
                assert!(placed_at(&run, between).is_none(), "{between}");
            }
            start += found.len;
        }
        assert_eq!(start, run.len());
        assert!(placed_at(&run, start).is_none() && placed_at(&run, start + 8).is_none());
    }
}

#[test]
fn a_placed_frame_says_whether_its_batch_goes_on() {
    for (continues, mark) in [(false, None), (true, None), (false, Some(BASE)), (true, Some(BASE))]
    {
        let mut run = Vec::new();
        let spec = FrameSpec { continues, ..FrameSpec::of(FrameKind::Batch).marking(mark) };
        place_frame(&mut run, spec, &[b"\x01\0\0\0a"]);
        let found = placed_at(&run, 0).expect("a frame");
        assert_eq!((found.continues, found.body), (continues, &b"\x01\0\0\0a"[..]));
    }
}

#[test]
fn a_record_is_placed_alike_either_way() {
    let lens = [0, 1, 3, 4, 5, 11, 12, 13, 100, 4096];
    for (tag, len) in [0, 0x100, 0xffff].into_iter().flat_map(|tag| lens.map(|len| (tag, len))) {
        let (record, mut one, mut other) = (vec![7; len], vec![1; 8], vec![1; 8]);
        place_record(&mut one, Tag::new(tag), &record);
        let spec = FrameSpec::of(FrameKind::Record).tagged(Tag::new(tag));
        place_frame(&mut other, spec, &[&record]);
        assert_eq!(one, other, "{len}");
    }
}

#[test]
fn parts_of_a_body_are_joined() {
    let (mut parts, mut whole) = (Vec::new(), Vec::new());
    let spec = FrameSpec::of(FrameKind::Record);
    place_frame(&mut parts, spec, &[b"a ", b"", b"rec", b"ord"]);
    place_frame(&mut whole, spec, &[b"a record"]);
    assert_eq!(parts, whole);
}

#[test]
fn a_void_of_the_shortest_frame_fits() {
    let mut run = records(&[vec![]], false);
    assert_eq!(run.len(), 24);
    assert_eq!(void_batch(&mut run), 24);
    let _ = finish_run(&mut run, seed(), BASE, PREV);
    assert_eq!(walk(&run).len(), 1);
}

#[test]
fn a_void_of_a_void_or_of_a_finished_frame_is_the_same_void() {
    let mut run = records(&[b"0123456789".to_vec()], true);
    let _ = finish_run(&mut run, seed(), BASE, PREV);
    void_batch(&mut run);
    let _ = finish_run(&mut run, seed(), BASE, PREV);
    let once = run.clone();
    void_batch(&mut run);
    let _ = finish_run(&mut run, seed(), BASE, PREV);
    assert_eq!(run, once);
}

proptest! {
    #[test]
    fn void_keeps_lengths_and_the_chain_holds_across_it(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..10),
        voided in prop::collection::vec(any::<bool>(), 10),
        marked: bool,
    ) {
        let mut run = records(&bodies, marked);
        let mut untouched = run.clone();
        let _ = finish_run(&mut untouched, seed(), BASE, PREV);
        let mut start = 0;
        for (_, &void) in bodies.iter().zip(&voided) {
            let len = placed_len(&run[start..]);
            if void {
                prop_assert_eq!(void_batch(&mut run[start..]), len);
            }
            start += len;
        }
        prop_assert_eq!(start, run.len());
        let (last, count) = finish_run(&mut run, seed(), BASE, PREV);
        let frames = walk(&run);
        prop_assert_eq!(count, bodies.len() as u64);
        prop_assert_eq!(frames.last().map(|frame| frame.1), Some(last));
        for ((frame, before), void) in frames.iter().zip(walk(&untouched)).zip(voided) {
            prop_assert_eq!(frame.2, before.2);
            prop_assert_eq!(frame.0 == FrameKind::Void, void);
        }
    }

    #[test]
    fn finishing_twice_or_in_two_runs_gives_the_same_bytes(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 2..10),
        marked: bool,
    ) {
        let mut run = records(&bodies, marked);
        let mut parts = run.clone();
        let end = finish_run(&mut run, seed(), BASE, PREV);
        let once = run.clone();
        prop_assert_eq!(finish_run(&mut run, seed(), BASE, PREV), end);
        prop_assert_eq!(&run, &once);
        let cut = placed_len(&parts);
        let (first, second) = parts.split_at_mut(cut);
        let (prev, _) = finish_run(first, seed(), BASE, PREV);
        let at = BASE.checked_add(cut as u64).expect("a small log");
        let (last, count) = finish_run(second, seed(), at, prev);
        prop_assert_eq!((last, count + 1), end);
        prop_assert_eq!(parts, once);
    }
}
