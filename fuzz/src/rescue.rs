//! Two ways out of a hostile directory, for the target `recover_directory`: it is repaired, or copied.
//! Neither may cost the only copy of anything, nor show what was not there.

use super::bounds::measured;
use super::directory::Files;
use super::recover_directory::{
    Case, Seen, counted, go_on, hold_cost_of, hold_obstacle, open_twice, options_of, scan_view,
};
use seawall::format::gap::GAP_LEN_MIN;
use seawall::{Damage, Error, Log, LogView, Lsn, Verdict};
use seawall_sim::{Limits, Seed, SimDisk, environment};

/// What stands behind the names of originals.
const LABEL: &str = "fuzz";

/// Room on each disk beside what it holds. A header may state a file of 2 GiB, which is then made
/// that long, and a simulated disk holds its files in memory.
const ROOM: u64 = 4 << 20;

/// How often a repair, or a copy, may look at everything: survey, view, what is gone, the originals, the
/// new files, and a view again.
const LOOKS: u64 = 4;

fn limited(disk: SimDisk) -> SimDisk {
    disk.set_limits(Some(Limits::bytes(disk.used() + ROOM)));
    disk
}

/// A repair keeps every original, shows what was shown before, and leaves a log that is sound or says
/// what is gone.
pub(super) fn repair(case: &Case, seen: &Seen) {
    let (disk, quarantine) = (limited(case.disk()), limited(SimDisk::new(Seed::new(1))));
    let (source, tally) = counted(&disk);
    let (done, memory) = measured(|| Log::repair(&source, &quarantine, LABEL, |_| {}));
    hold_cost_of(LOOKS, &case.files, disk.used(), memory, &tally);
    let harmed = seen.is_harmed();
    let repaired = match done {
        Ok(repaired) => repaired,
        Err(error) => {
            let typed = matches!(
                error,
                Error::Unrepairable { .. }
                    | Error::Unknown { .. }
                    | Error::Foreign { .. }
                    | Error::Io { .. }
                    | Error::Full { .. }
            );
            assert!(typed, "a repair refuses with {error:?}");
            assert!(harmed || error.is_full(), "a repair of a sound log refuses with {error:?}");
            return case.assert_unchanged(&disk);
        }
    };
    let after = Files::of(&disk);
    for (name, bytes) in &case.files.files {
        if after.files.get(name) != Some(bytes) {
            let kept = format!("{name}.{LABEL}");
            assert!(repaired.quarantined.contains(&kept), "{name} was replaced and not kept");
            assert!(quarantine.read_durable(&kept).as_ref() == Some(bytes), "{kept} is another");
        }
    }
    assert_eq!(repaired.quarantined.is_empty(), !repaired.steps.iter().any(|step| step.replaces()));
    if let Some(left) = &repaired.left {
        hold_obstacle(&case.files, left);
    }
    assert!(harmed || repaired.steps.is_empty(), "of a sound log: {:?}", repaired.steps);
    disk.set_limits(None);
    hold_mended(case, seen, &disk);
}

fn hold_mended(case: &Case, seen: &Seen, disk: &SimDisk) {
    let after = Files::of(disk);
    let mut view = LogView::open_in(&environment(disk, 1)).expect("a log that was repaired");
    assert!(view.damage().is_none(), "{:?} behind a repair", view.damage());
    let shown = scan_view(&after, &view);
    // What is gone may be less than a frame, if bytes were made up; or nothing, where a segment ends
    // otherwise than its successor says. Then the gap takes the place of a neighbour as well.
    let tiny = |range: &&(_, Lsn, Lsn)| range.2.since(range.1).is_none_or(|len| len < GAP_LEN_MIN);
    let swallowed = |lsn: Lsn| {
        let mut gaps = shown.damage.iter().filter(|gap| gap.1 <= lsn && lsn < gap.2);
        gaps.any(|gap| {
            let mut tiny = seen.shown.damage.iter().filter(tiny);
            tiny.any(|range| gap.1 <= range.1 && range.2 <= gap.2)
        })
    };
    let mut expected = seen.shown.records.clone();
    // And of what nobody was told of, some may have stood behind a frame that is another now.
    let acknowledged = |lsn: Lsn| lsn < seen.proven && !swallowed(lsn);
    expected.retain(|place, _| shown.records.contains_key(place) || acknowledged(place.0));
    // A trim that stood behind damage counts again.
    expected.retain(|place, _| place.0 >= view.trim_point());
    assert!(shown.records == expected, "a repair shows something else");
    // Of many files that are gone each has its gap; one without frames leaves a jump alone.
    let jumps = view.segments().iter().map(|segment| (segment.header.prev_end, segment.base()));
    let jumps = jumps.filter(|(end, base)| end < base);
    let mut told: Vec<_> =
        shown.damage.iter().map(|range| (range.1, range.2)).chain(jumps).collect();
    told.sort_unstable();
    for &(_, from, to) in &seen.shown.damage {
        let from = from.max(view.first().min(to));
        let within = to <= view.first() || told.iter().any(|part| part.0 <= from && from <= part.1);
        let further = |at, part: &(Lsn, Lsn)| if part.0 <= at { part.1.max(at) } else { at };
        let reached = told.iter().fold(from, further);
        assert!(within && to <= reached, "{from}..{to} was gone and is no gap: {told:?}");
    }
    let verified = view.verify(|_| {}).expect("a log that was repaired");
    for error in &verified.damage {
        let recorded = matches!(error, Error::Damaged { cause: Damage::Gap, .. });
        assert!(recorded, "{error} behind a repair");
    }
    assert_eq!(verified.verdict == Verdict::Damaged, !verified.damage.is_empty());
    let again = Log::plan_repair(&environment(disk, 1)).expect("a log that was repaired");
    assert!(again.steps.is_empty(), "a second repair would do {:?}", again.steps);
    let torn = view.is_torn();
    let mut mended = Files { others: case.files.others.clone(), ..after };
    mended.files.retain(|name, _| !mended.others.contains(name));
    let mended = Case::of(mended);
    let seen = Seen { shown, torn, proven: view.proven(), fatal: None, named: Vec::new() };
    open_twice(&mended, &seen);
    go_on(&mended, &seen);
}

/// A copy shows what is proven, or is refused and opens as no log.
pub(super) fn copy(case: &Case, seen: &Seen) {
    let (disk, dest) = (case.disk(), limited(SimDisk::new(Seed::new(1))));
    let (source, tally) = counted(&disk);
    let view = LogView::open_in(&source).expect("it was opened before");
    let (done, memory) = measured(|| view.copy_to(&dest, |_| {}));
    hold_cost_of(LOOKS, &case.files, dest.used(), memory, &tally);
    case.assert_unchanged(&disk);
    let copied = match done {
        Ok(copied) => copied,
        Err(error) => {
            let told = seen.is_harmed() || error.is_full();
            assert!(told, "a sound log is not copied: {error:?}");
            let opened = Log::open_in(environment(&dest, 1), options_of(&dest));
            assert!(dest.names().is_empty() || opened.is_err(), "half a copy opens");
            return;
        }
    };
    let files = Files::of(&dest);
    let mut copy = LogView::open_in(&environment(&dest, 1)).expect("a copy");
    assert!(copy.damage().is_none() && copy.end() == copied.end, "{copied:?}");
    let shown = scan_view(&files, &copy);
    let proven = seen.shown.records.range(..(copied.end, 0));
    // A trim that is not proven may be stated behind the end of the copy.
    let kept = shown.records.range((view.trim_point(), 0)..);
    assert!(kept.eq(proven), "a copy shows something else");
    let told = |range: &&(_, Lsn, Lsn)| view.trim_point() < range.2 && range.1 < copied.end;
    let said: Vec<_> = seen.shown.damage.iter().filter(told).collect();
    assert!(shown.damage.iter().filter(told).eq(said), "a copy says otherwise what is gone");
    let verdict = copy.verify(|_| {}).expect("a copy").verdict;
    let expected = if shown.damage.is_empty() { Verdict::Clean } else { Verdict::Damaged };
    assert_eq!(verdict, expected, "of a copy that says {:?}", shown.damage);
}
