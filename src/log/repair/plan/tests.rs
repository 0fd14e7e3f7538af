use super::*;
use crate::format::checksum::FrameSeed;
use crate::format::extension::Extension;
use crate::format::header::VERSION;
use crate::position::{LogId, Salt};
use proptest::prelude::*;

const LOG: LogId = LogId::new([7; 16]);

fn header(number: u64, prev_end: Lsn, prev_check: u32) -> SegmentHeader {
    SegmentHeader {
        version: VERSION,
        log: LOG,
        number: SegmentId::new(number),
        base: prev_end,
        salt: Salt::new(number),
        file_len: 16 << 10,
        prev_end,
        prev_check,
        skipped: 0,
        unproven: 0,
        trim: Lsn::FIRST,
        extension: Extension::default(),
    }
}

fn known(number: u64, prev_end: Lsn, prev_check: u32, end: SegmentEnd) -> Known {
    let header = header(number, prev_end, prev_check);
    Known { header, file_len: 16 << 10, end, rewrite: None }
}

/// A log of a first segment, of which 64 bytes are left, and of another one `count` numbers on
/// that begins `len` bytes further on.
fn hole(count: u64, len: u64) -> Facts {
    let from = SegmentEnd { lsn: Lsn::new(64), check: 11 };
    let to = Lsn::new(64 + len);
    let first = known(1, Lsn::FIRST, 0, from);
    let next = known(2 + count, to, 22, SegmentEnd { lsn: to, check: 22 });
    Facts {
        trim: Lsn::FIRST,
        known: vec![first, next],
        lost: BTreeMap::new(),
        files: BTreeSet::new(),
    }
}

/// The stand-ins, each of which must follow the one before and be a segment that can be.
fn stand_ins(steps: &[RepairStep], mut before: SegmentEnd) -> (Vec<StandIn>, SegmentEnd) {
    let mut stand_ins = Vec::new();
    for step in steps {
        let RepairStep::StandIn(stand_in) = step else { panic!("{step:?}") };
        assert_eq!(stand_in.prev, before, "it begins where the one before ends");
        let header = SegmentHeader {
            base: stand_in.base,
            file_len: stand_in.file_len,
            trim: stand_in.trim,
            ..header(stand_in.segment.get(), before.lsn, before.check)
        };
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header), "a header that can be");
        before = SegmentEnd { lsn: stand_in.base, ..before };
        if let Some(gap) = stand_in.gap {
            assert_eq!((gap.from, gap.prev), (stand_in.base, before.check));
            assert!(gap.encode(FrameSeed::new(LOG, Salt::new(1))).is_some(), "{gap:?}");
            let room = layout::frame_room(stand_in.file_len);
            assert!(gap.to.since(gap.from).is_some_and(|len| len <= room), "{gap:?}");
            before = end_of(gap);
        }
        stand_ins.push(stand_in.clone());
    }
    (stand_ins, before)
}

proptest! {
    #[test]
    fn a_hole_is_filled_without_a_seam_or_refused(
        count in 1..5_u64,
        jumps in 0..5_u64,
        words in prop_oneof![0..10_u64, 0..1_000_000_u64, 0..1_u64 << 30],
        off in -40_i64..40,
    ) {
        let len = jumps * Lsn::JUMP + words * 8;
        let len = len.saturating_add_signed(off * 8);
        let facts = hole(count, len);
        let from = facts.known[0].end;
        let to = SegmentEnd { lsn: facts.known[1].header.prev_end, check: 22 };
        match plan(&facts) {
            Ok(steps) => {
                let (stand_ins, end) = stand_ins(&steps, from);
                let tells = |stand_in: &StandIn| {
                    stand_in.base == stand_in.prev.lsn || stand_in.gap.is_some()
                };
                prop_assert!(stand_ins.iter().all(tells), "who tells of the jump?");
                prop_assert_eq!(stand_ins.len() as u64, count);
                prop_assert_eq!(end, to);
            }
            Err(Error::Unrepairable { .. }) => {
                let simple = (GAP_LEN_MIN..=count * GAP_LEN_MAX).contains(&len);
                let jumped = (1..=count).any(|jumps| {
                    let rest = len.checked_sub(jumps * Lsn::JUMP);
                    rest.is_some_and(|rest| (jumps * 24..=count * GAP_LEN_MAX).contains(&rest))
                });
                prop_assert!(!simple && !jumped, "{} bytes in {} files are refused", len, count);
            }
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_beginning_is_filled_from_the_trim_point_on(
        number in 2..9_u64,
        trim in 0..1_u64 << 40,
        words in 3..1_u64 << 31,
    ) {
        let (trim, len) = (Lsn::new(trim * 8), words * 8);
        let to = Lsn::new(trim.get() + len);
        let known = vec![known(number, to, 22, SegmentEnd { lsn: to, check: 22 })];
        let facts = Facts { trim, known, lost: BTreeMap::new(), files: BTreeSet::new() };
        let Ok(steps) = plan(&facts) else {
            // So few numbers cannot be of so long a log.
            let needed = (len / Lsn::JUMP + 1).max((len % Lsn::JUMP).div_ceil(GAP_LEN_MAX));
            prop_assert!(needed >= number - 1);
            return Ok(());
        };
        let first = steps[0].segment();
        let lsn = if first == SegmentId::FIRST { Lsn::FIRST } else { trim };
        let (stand_ins, end) = stand_ins(&steps, SegmentEnd { lsn, check: 0 });
        prop_assert_eq!(end, SegmentEnd { lsn: to, check: 22 });
        prop_assert_eq!(stand_ins[0].base, lsn, "nobody is told of a jump before the beginning");
        prop_assert_eq!(stand_ins.last().map(|last| last.segment.next()), Some(SegmentId::new(number)));
    }
}

/// Runs that wrote nothing leave segments without frames behind jumps: where one is gone nothing else is.
#[test]
fn a_segment_without_frames_that_is_gone_leaves_no_gap() {
    for count in 1..4 {
        let mut facts = hole(count, count * Lsn::JUMP);
        facts.known[1].header.prev_check = facts.known[0].end.check;
        let (from, header) = (facts.known[0].end, facts.known[1].header);
        let steps = plan(&facts).unwrap();
        let (stand_ins, end) = stand_ins(&steps, from);
        assert!(stand_ins.iter().all(|stand_in| stand_in.gap.is_none()), "{stand_ins:?}");
        assert_eq!(end, SegmentEnd { lsn: header.prev_end, check: header.prev_check });
    }
}

#[test]
fn numbers_that_no_log_has_are_refused() {
    assert!(matches!(plan(&hole(1 << 40, 4096)), Err(Error::Unrepairable { .. })));
    let mut facts = hole(1, 4096);
    facts.lost.insert(SegmentId::new(u64::MAX), Some(0));
    assert!(matches!(plan(&facts), Err(Error::Unrepairable { .. })));
}

#[test]
fn a_hole_that_ends_before_it_begins_is_refused() {
    let mut facts = hole(1, 4096);
    facts.known[1].header.prev_end = Lsn::new(8);
    assert!(matches!(plan(&facts), Err(Error::Unrepairable { .. })));
}

#[test]
fn segments_without_frames_that_are_gone_need_no_gap_but_the_right_check() {
    let mut facts = hole(1, 0);
    assert!(matches!(plan(&facts), Err(Error::Unrepairable { .. })), "22 does not follow 11");
    facts.known[1].header.prev_check = 11;
    let steps = plan(&facts).expect("an empty segment");
    assert!(matches!(&steps[..], [step] if step.gaps().is_empty()));
}

#[test]
fn what_is_lost_at_the_end_gets_gaps_as_long_as_its_files_and_keeps_their_addresses() {
    let end = SegmentEnd { lsn: Lsn::new(64), check: 11 };
    let known = vec![known(1, Lsn::FIRST, 0, end)];
    let lost = BTreeMap::from([(SegmentId::new(2), Some(64 << 10)), (SegmentId::new(4), Some(5))]);
    // The third is no loss, as it was never begun; but it is a file.
    let files = [1, 2, 3].map(SegmentId::new).into();
    let steps = plan(&Facts { trim: Lsn::FIRST, known, lost, files }).expect("stand-ins");
    let (stand_ins, _) = stand_ins(&steps, end);
    let rooms: Vec<_> =
        stand_ins.iter().map(|it| (it.segment.get(), it.file_len, it.replaces)).collect();
    assert_eq!(rooms, [(2, 64 << 10, true), (3, 16 << 10, true), (4, 16 << 10, false)]);
}

#[test]
fn a_segment_that_a_stand_in_would_push_below_the_trim_point_is_kept_first() {
    let mut facts = hole(1, 4096);
    facts.known[0].end = SegmentEnd { lsn: Lsn::FIRST, check: 0 };
    let steps = plan(&facts).expect("a stand-in");
    assert!(matches!(&steps[..], [RepairStep::Rewrite(first), RepairStep::StandIn(_)]
        if first.segment == SegmentId::FIRST && first.gaps.is_empty()));
}

#[test]
fn without_a_header_there_is_no_plan_and_without_anything_there_is_nothing_to_do() {
    let lost = BTreeMap::from([(SegmentId::FIRST, Some(1))]);
    let facts = Facts { lost, ..Facts::default() };
    assert!(matches!(plan(&facts), Err(Error::Unrepairable { .. })));
    assert!(plan(&Facts::default()).expect("an empty directory").is_empty());
}
