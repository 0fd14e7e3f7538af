#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "makes files that no log made")]

use super::*;
use crate::format::frame::FrameKind;
use crate::format::frame_writer::{FrameSpec, finish_run, place_frame};
use crate::format::trailer::TrailerKind;
use crate::position::{LogId, Salt};
use crate::storage::{Environment, OpenMode};

const LEN: u64 = 1 << 20;
const END: Lsn = Lsn::new(1 << 30);

fn prove_in(bytes: &[u8], before: Before) -> bool {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), bytes).unwrap();
    let storage = Environment::existing(dir.path()).unwrap().storage;
    let file = storage.open("file", OpenMode::Read).unwrap();
    prove(&*file, bytes.len() as u64, before).unwrap()
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

fn empty() -> Vec<u8> {
    vec![0; place(LEN)]
}

/// A file with one marked frame, of a segment with this base, at `offset` behind it.
fn with_mark(base: Lsn, offset: u64, durable: Lsn) -> Vec<u8> {
    let lsn = base.checked_add(offset).unwrap();
    let mut frame = Vec::new();
    let spec = FrameSpec::of(FrameKind::Record).marking(Some(durable));
    place_frame(&mut frame, spec, &[b"a record"]);
    let _ = finish_run(
        &mut frame,
        FrameSeed::new(LogId::new([7; 16]), Salt::new(0x1234_5678)),
        lsn,
        99,
    );
    let mut bytes = empty();
    let at = place(layout::FRAMES_START + offset);
    bytes[at..at + frame.len()].copy_from_slice(&frame);
    bytes
}

fn behind(lsn: Lsn, bytes: u64) -> Lsn {
    lsn.checked_add(bytes).unwrap()
}

#[test]
fn before_the_first_trim_whatever_is_no_zero_proves_it() {
    assert!(!prove_in(&empty(), Before::Untrimmed));
    for at in [FROM, FROM + 1, READ_AHEAD as u64, 777_777, LEN - 1] {
        let mut bytes = empty();
        bytes[place(at)] = 1;
        assert!(prove_in(&bytes, Before::Untrimmed), "{at}");
        assert!(
            !prove_in(&bytes, Before::Ends { end: END, cut: None }),
            "{at}: a byte is no frame"
        );
    }
    let mut torn = empty();
    torn[..8192].fill(7);
    assert!(!prove_in(&torn, Before::Untrimmed), "a header that is torn is none yet");
}

#[test]
fn a_mark_proves_it_where_it_stands_at_its_own_place_alone() {
    // One of them astride two blocks of the search.
    for offset in [4096, 5000, FROM + READ_AHEAD as u64 - layout::FRAMES_START - 16, LEN - 8400] {
        for base in [END, behind(END, Lsn::JUMP)] {
            let bytes = with_mark(base, offset, behind(base, 8));
            assert!(
                prove_in(&bytes, Before::Ends { end: END, cut: None }),
                "{offset} behind {base}"
            );
        }
        // Left by an earlier use, which ended before.
        for (base, durable) in [(Lsn::new(1 << 20), 8), (Lsn::new((1 << 30) - (1 << 22)), 4096)] {
            let bytes = with_mark(base, offset, behind(base, durable));
            assert!(
                !prove_in(&bytes, Before::Ends { end: END, cut: None }),
                "{offset} behind {base}"
            );
        }
        // It would have to stand elsewhere.
        let bytes = with_mark(behind(END, 8), offset, behind(END, 16));
        assert!(!prove_in(&bytes, Before::Ends { end: END, cut: None }), "{offset}");
        let at = place(layout::FRAMES_START + offset);
        for broken in [at, at + 5, at + 13, at + 22, at + 29] {
            let mut bytes = with_mark(END, offset, behind(END, 8));
            bytes[broken] ^= 1;
            assert!(
                !prove_in(&bytes, Before::Ends { end: END, cut: None }),
                "{offset}: byte {broken}"
            );
        }
    }
}

#[test]
fn a_trailer_proves_it_where_its_end_lies_in_this_file() {
    let room = layout::frame_room(LEN);
    let told = |end: u64, kind| {
        let (salt, last_check) = (Salt::new(5), 6);
        let trailer = Trailer { kind, salt, end: Lsn::new(end), last_check };
        let mut bytes = empty();
        bytes[place(layout::trailer_offset(LEN))..].copy_from_slice(&trailer.encode());
        prove_in(&bytes, Before::Ends { end: END, cut: None })
    };
    for kind in [TrailerKind::Close, TrailerKind::Seal { frames: 3 }] {
        for base in [END.get(), END.get() + Lsn::JUMP] {
            assert!(told(base + 40, kind) && told(base + room, kind));
            assert!(!told(base + room + 8, kind));
        }
        assert!(!told(END.get(), kind), "it may be the one before it that was used again");
        assert!(!told(40, kind) && !told(END.get() + Lsn::JUMP - 8, kind));
    }
}
