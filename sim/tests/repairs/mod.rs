//! What the tests of repairs and copies share: damaged logs of three segments, a quarantine on
//! their disk, and the judges.

#![allow(dead_code, reason = "no test uses all of it")]

use seawall::format::name::FileName;
use seawall::storage::Storage;
use seawall::{
    Copied, Damage, Durability, Environment, Error, Log, LogView, Lsn, Options, Repaired, Verdict,
};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, InFlight, Rng, Seed, SimDisk, Subdirectory, environment,
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Records = BTreeMap<(Lsn, u32), Vec<u8>>;

/// The directory for originals, on the disk of the log.
pub(crate) const QUARANTINE: &str = "quarantine";

pub(crate) fn options() -> Options {
    Options::new().segment_len(16 << 10).batch_frame_max(512).idle_mark(None).spares_max(0)
}

/// The same bytes on a disk of their own.
pub(crate) fn settled(disk: &SimDisk) -> SimDisk {
    let mut rng = Seed::new(0).rng(Concern::CrashResolution);
    disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

pub(crate) fn name(number: u64) -> String {
    format!("{number:020}.seg")
}

/// A log of three segments: the first is of another run, so the second begins behind a jump; the
/// third is half full.
pub(crate) fn written(closed: bool) -> SimDisk {
    let mut rng = Seed::new(7).rng(Concern::Workload);
    let disk = SimDisk::new(Seed::new(7));
    let log = Log::open_in(environment(&disk, 7), options()).unwrap();
    while log.watermarks().durable < Lsn::new(4000) {
        append(&log, &mut rng);
    }
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = settled(&disk);
    let log = Log::open_in(environment(&disk, 8), options()).unwrap();
    while log.segments().len() < 3 || log.watermarks().durable < half_of_the_third(&log) {
        append(&log, &mut rng);
    }
    if closed {
        log.close().unwrap();
    }
    disk.crash_now(CrashKind::Kill);
    drop(log);
    settled(&disk)
}

/// A batch of several frames, and a record.
pub(crate) fn append(log: &Log, rng: &mut Rng) {
    let mut record = || {
        let mut record = vec![0; rng.index(700)];
        rng.fill(&mut record);
        record
    };
    let records = [record(), record(), record()];
    log.append_batch(&records).unwrap();
    log.append(&record()).unwrap();
}

pub(crate) fn half_of_the_third(log: &Log) -> Lsn {
    log.segments()[2].base().checked_add(4000).unwrap()
}

/// What a reader without the lock shows, and what it says is gone.
pub(crate) fn records(disk: &SimDisk) -> (Records, Vec<Error>) {
    let view = LogView::open_in(&environment(disk, 1)).unwrap();
    let (mut shown, mut told) = (Records::new(), Vec::new());
    for record in view.scan(Lsn::FIRST).unwrap() {
        match record {
            Ok(record) => {
                shown.insert((record.lsn, record.index), record.bytes.to_vec());
            }
            Err(error) => told.push(error),
        }
    }
    (shown, told)
}

/// A kind of damage.
pub(crate) type Harm = fn(&SimDisk);

/// Every kind of damage, to a log of three segments, and whether it was closed.
pub(crate) const HARMS: &[(&str, bool, Harm)] = &[
    ("rot in a frame of the first", false, |disk| flip(disk, 1, 8192 + 1500)),
    ("rot in a frame of the middle", false, |disk| flip(disk, 2, 8192 + 2000)),
    ("rot in the header of a frame", true, |disk| flip(disk, 2, 8192 + 5)),
    ("rot in the last, below a mark", false, |disk| flip(disk, 3, 8192 + 900)),
    ("rot in the last, which was closed", true, |disk| flip(disk, 3, 8192 + 900)),
    ("rot in all three", false, |disk| {
        for number in 1..=3 {
            flip(disk, number, 8192 + 700);
        }
    }),
    ("two places of one segment", false, |disk| {
        flip(disk, 2, 8192 + 700);
        flip(disk, 2, 8192 + 5000);
    }),
    ("a lost sector", false, |disk| fill(disk, 2, 8192 + 1024, 512)),
    ("a lost sector at the beginning", false, |disk| fill(disk, 2, 8192, 512)),
    ("a lost sector at the end", false, |disk| {
        let end = end_of(disk, 2);
        fill(disk, 2, end / 512 * 512 - 512, 512);
    }),
    ("a lost block of the last", false, |disk| fill(disk, 3, 8192, 4096)),
    ("the last has lost all frames, and was closed", true, |disk| fill(disk, 3, 8192, 8128)),
    ("the first cut", false, |disk| disk.truncate_durably(&name(1), 8192 + 1000).unwrap()),
    ("the middle cut", false, |disk| disk.truncate_durably(&name(2), 8192 + 3001).unwrap()),
    ("the middle cut to nothing", false, |disk| disk.truncate_durably(&name(2), 0).unwrap()),
    ("the last cut", false, |disk| disk.truncate_durably(&name(3), 8192 + 2000).unwrap()),
    ("the last cut, which was closed", true, |disk| {
        disk.truncate_durably(&name(3), 8192 + 2000).unwrap();
    }),
    ("the last cut behind its frames", false, |disk| {
        disk.truncate_durably(&name(3), (16 << 10) - 100).unwrap();
    }),
    ("the first removed", false, |disk| remove(disk, 1)),
    ("the middle removed", false, |disk| remove(disk, 2)),
    ("the first and the middle removed", false, |disk| {
        remove(disk, 1);
        remove(disk, 2);
    }),
    ("both headers of the first", false, |disk| fill(disk, 1, 0, 8192)),
    ("both headers of the middle", false, |disk| {
        flip(disk, 2, 40);
        flip(disk, 2, 4096 + 40);
    }),
    ("both headers of the last", false, |disk| fill(disk, 3, 0, 8192)),
    ("headers of the middle, rot before and behind", true, |disk| {
        flip(disk, 1, 8192 + 700);
        fill(disk, 2, 0, 8192);
        flip(disk, 3, 8192 + 700);
    }),
    ("rot in the last but one, both headers of the last", false, |disk| {
        flip(disk, 2, 8192 + 700);
        fill(disk, 3, 0, 8192);
    }),
];

fn flip(disk: &SimDisk, number: u64, offset: u64) {
    disk.flip_bit(&name(number), offset, 3).unwrap();
}

fn fill(disk: &SimDisk, number: u64, offset: u64, len: usize) {
    disk.overwrite_durably(&name(number), offset, &vec![0; len]).unwrap();
}

fn remove(disk: &SimDisk, number: u64) {
    disk.remove(&name(number)).unwrap();
    disk.sync_dir().unwrap();
}

/// Where in the file of a closed segment its frames end.
fn end_of(disk: &SimDisk, number: u64) -> u64 {
    let view = LogView::open_in(&environment(disk, 1)).unwrap();
    let segments = view.segments();
    let segment = segments.iter().find(|segment| segment.number().get() == number).unwrap();
    8192 + segment.closed.unwrap().lsn.since(segment.base()).unwrap()
}

/// A damaged log.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) disk: SimDisk,
    /// Its files.
    pub(crate) originals: BTreeMap<String, Vec<u8>>,
    /// What was acknowledged.
    pub(crate) acknowledged: Records,
    /// What a reader shows of it as it is.
    pub(crate) shown: Records,
}

pub(crate) fn cases() -> impl Iterator<Item = Case> {
    HARMS.iter().map(|&(what, closed, harm)| {
        let sound = written(closed);
        let (acknowledged, _) = records(&sound);
        let disk = settled(&sound);
        harm(&disk);
        let disk = settled(&disk);
        let originals = files(&disk);
        let (shown, _) = records(&disk);
        Case { what, disk, originals, acknowledged, shown }
    })
}

/// The files of the log, as the device has them.
pub(crate) fn files(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.names().into_iter().filter(|name| name.ends_with(".seg"));
    names.map(|name| (name.clone(), disk.read_durable(&name).unwrap())).collect()
}

/// Everything on the device but the reserve, which is no part of the log.
pub(crate) fn all_files(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let reserve = FileName::RESERVE.text();
    let names = disk.names().into_iter().filter(|name| *name != reserve);
    names.map(|name| (name.clone(), disk.read_durable(&name).unwrap())).collect()
}

pub(crate) fn repair(disk: &SimDisk, label: &str) -> seawall::Result<Repaired> {
    Log::repair(&environment(disk, 9), &Subdirectory::new(disk, QUARANTINE), label, |_| {})
}

/// What a verification says, as ranges that a repair recorded.
pub(crate) fn recorded(disk: &SimDisk) -> Result<Vec<(Lsn, Lsn)>, String> {
    let mut view = LogView::open_in(&environment(disk, 1)).map_err(|e| format!("{e:?}"))?;
    let found = view.verify(|_| {}).map_err(|e| format!("{e:?}"))?;
    if let Some(damage) = view.damage() {
        return Err(format!("it does not open: {damage:?}"));
    }
    let mut ranges = Vec::new();
    for error in &found.damage {
        match error {
            Error::Damaged { from, to, cause: Damage::Gap, .. } => ranges.push((*from, *to)),
            other => return Err(format!("it says more than what was recorded: {other:?}")),
        }
    }
    let expected = if ranges.is_empty() { Verdict::Clean } else { Verdict::Damaged };
    if found.verdict != expected {
        return Err(format!("the verdict is {:?}", found.verdict));
    }
    Ok(ranges)
}

impl Case {
    /// Every original is there, byte for byte: under its name, or in the quarantine.
    pub(crate) fn originals_are_kept(&self, disk: &SimDisk) -> Result<(), String> {
        let now = all_files(disk);
        for (name, bytes) in &self.originals {
            let copy = format!("{QUARANTINE}-{name}.");
            let kept = now.iter().any(|(other, held)| {
                let is_copy = other.starts_with(&copy) && !other.ends_with(".partial");
                (other == name || is_copy) && held == bytes
            });
            if !kept {
                return Err(format!("{name} is nowhere whole: {:?}", now.keys()));
            }
        }
        Ok(())
    }

    /// Repaired or not, or in the middle: nothing is shown that was not acknowledged, what is not shown is
    /// told, and who may go on goes on behind all of it.
    pub(crate) fn is_told(&self, disk: &SimDisk) -> Result<(), String> {
        let mut view = LogView::open_in(&environment(disk, 1)).map_err(|e| format!("{e:?}"))?;
        let (shown, told) = records(disk);
        for (place, record) in &shown {
            if self.acknowledged.get(place) != Some(record) {
                return Err(format!("{place:?} is shown, and was never acknowledged so"));
            }
        }
        let covered = |lsn: Lsn| {
            told.iter().any(|error| match error {
                Error::Damaged { from, to, .. } => *from <= lsn && lsn < *to,
                _ => false,
            })
        };
        let missing = self.acknowledged.keys().filter(|place| !shown.contains_key(place));
        let silent = missing.map(|&(lsn, _)| lsn).find(|&lsn| !covered(lsn));
        let found = view.verify(|_| {}).map_err(|e| format!("{e:?}"))?;
        if let (Some(lsn), None) = (silent, view.damage()) {
            return Err(format!("{lsn} is gone, and no reader is told"));
        }
        if found.verdict == Verdict::Clean && shown.len() < self.acknowledged.len() {
            return Err("a log without some of its records verifies".to_owned());
        }
        let opened = Log::open_in(environment(&disk.after_kill(), 3), options());
        match (opened, view.damage()) {
            (Ok(log), None) => {
                let receipt = log.append(b"in the middle of a repair");
                let receipt = receipt.map_err(|e| format!("{e:?}"))?;
                let newest = self.acknowledged.keys().next_back().map(|&(lsn, _)| lsn);
                if Some(receipt.lsn) <= newest {
                    return Err(format!("{} is handed out again", receipt.lsn));
                }
                Ok(())
            }
            (Err(Error::Damaged { .. }), Some(_)) => Ok(()),
            (opened, damage) => {
                Err(format!("a writer says {:?}, a reader {damage:?}", opened.map(|_| "open")))
            }
        }
    }

    /// The log was repaired: it opens, shows what it showed, and says what is gone.
    pub(crate) fn is_repaired(&self, disk: &SimDisk) -> Result<Vec<(Lsn, Lsn)>, String> {
        let ranges = recorded(disk)?;
        let (shown, _) = records(disk);
        if shown != self.shown {
            let (now, then) = (shown.len(), self.shown.len());
            return Err(format!("{now} records are shown, {then} were before"));
        }
        let covered = |lsn: Lsn| ranges.iter().any(|&(from, to)| from <= lsn && lsn < to);
        let missing = |place: &&(Lsn, u32)| !shown.contains_key(place);
        if let Some((lsn, _)) =
            self.acknowledged.keys().filter(missing).find(|(lsn, _)| !covered(*lsn))
        {
            return Err(format!("{lsn} is gone, and none of {ranges:?} says so"));
        }
        self.goes_on(disk, &ranges)?;
        Ok(ranges)
    }

    /// It opens for writing, and goes on behind everything that was ever there.
    fn goes_on(&self, disk: &SimDisk, ranges: &[(Lsn, Lsn)]) -> Result<(), String> {
        let disk = disk.after_kill();
        let open = || Log::open_in(environment(&disk, 3), options());
        let log = open().map_err(|e| format!("it is refused: {e:?}"))?;
        let receipt = log.append(b"behind the repair").map_err(|e| format!("{e:?}"))?;
        let newest = self.acknowledged.keys().next_back().map(|&(lsn, _)| lsn);
        if Some(receipt.lsn) <= newest {
            return Err(format!("{} is handed out again", receipt.lsn));
        }
        for &(from, to) in ranges {
            for lsn in [from, Lsn::new((from.get() + to.get()) / 16 * 8)] {
                match log.read(lsn) {
                    Err(Error::Damaged { cause: Damage::Gap, .. }) => {}
                    other => return Err(format!("{lsn} in a gap reads as {other:?}")),
                }
            }
            let mut inside = log
                .scan(from.checked_add(8).unwrap_or(from))
                .map_err(|e| format!("a scan from inside a gap: {e:?}"))?;
            match inside.next_ref() {
                Err(Error::Damaged { cause: Damage::Gap, to: end, .. }) if end == to => {}
                other => return Err(format!("a scan from inside a gap begins with {other:?}")),
            }
        }
        log.close().map_err(|e| format!("{e:?}"))?;
        drop(log);
        let log = open().map_err(|e| format!("it is refused once it went on: {e:?}"))?;
        let count = log.scan(Lsn::FIRST).unwrap().filter_map(Result::ok).count();
        if count != self.shown.len() + 1 {
            return Err(format!("{count} records once it went on"));
        }
        Ok(())
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Calls in which the power was cut, three times each.
    pub(crate) crash_points: u64,
    /// Ways in which that was resolved.
    pub(crate) resolved: u64,
}

/// The kinds of power cut that are tried at each place.
fn policies(disk: &SimDisk, seed: u64) -> Vec<CrashPolicy> {
    let mut rng = Seed::new(seed).rng(Concern::CrashPolicy);
    let units = disk.pending_units();
    let mut policies = CrashPolicy::every(units, 2);
    policies.extend((0..4).map(|_| CrashPolicy::drawn(units, &mut rng)));
    policies
}

/// What the power may leave when it goes behind the last call.
fn after_power_cuts(disk: &SimDisk) -> impl Iterator<Item = SimDisk> {
    let policies = (0..).zip(policies(disk, 1));
    policies.map(|(nth, policy)| {
        let mut rng = Seed::new(nth).rng(Concern::CrashResolution);
        disk.after_power_cut(&policy, &mut rng)
    })
}

/// Cuts the power in every call that `work` makes on copies of `disk`: before it, half way and
/// behind it; and hands every image to `judge`, each once.
///
/// # Errors
/// What the judge says, with where the power was cut.
pub(crate) fn at_every_call(
    disk: &SimDisk,
    seen: &mut BTreeSet<u64>,
    tally: &mut Tally,
    work: impl Fn(&SimDisk),
    mut judge: impl FnMut(&SimDisk) -> Result<(), String>,
) -> Result<(), String> {
    for step in 0.. {
        for in_flight in [InFlight::NotBegun, InFlight::Prefix, InFlight::Whole] {
            let victim = settled(disk);
            victim.crash_inside(step, CrashKind::Power, in_flight);
            work(&victim);
            if !victim.is_dead() {
                return Ok(());
            }
            tally.crash_points += 1;
            for (nth, policy) in (0..).zip(policies(&victim, step)) {
                let mut rng = Seed::new(step * 100 + nth).rng(Concern::CrashResolution);
                let after = victim.after_power_cut(&policy, &mut rng);
                tally.resolved += 1;
                if seen.insert(after.image_hash()) {
                    judge(&after)
                        .map_err(|what| format!("call {step}, {in_flight}, {policy}: {what}"))?;
                }
            }
        }
    }
    Ok(())
}

/// The judge of a repair that the power was cut in.
pub(crate) fn judge_repair(
    case: &Case,
    image: &SimDisk,
    ranges: &[(Lsn, Lsn)],
) -> Result<(), String> {
    case.originals_are_kept(image)?;
    case.is_told(image)?;
    let again = repair(image, "again").map_err(|e| format!("the second repair: {e:?}"))?;
    if let Some(left) = again.left {
        return Err(format!("the second repair leaves {left:?}"));
    }
    case.originals_are_kept(image)?;
    let now = case.is_repaired(image)?;
    if now != ranges {
        return Err(format!("{now:?} is recorded in place of {ranges:?}"));
    }
    Ok(())
}

/// Of so many images of a repair that was cut off one is repaired with the power cut again.
/// A prime: a number that fits the calls of one repair would always come to the same of them.
const NESTED_STEP: usize = 19;

/// A repair of each kind of damage, with the power cut in every call of it.
///
/// # Errors
/// The first promise that breaks.
pub(crate) fn crashes_in_repairs(
    cases: impl Iterator<Item = Case>,
) -> Result<(Tally, usize), String> {
    let (mut tally, mut images) = (Tally::default(), 0);
    for case in cases {
        let what = case.what;
        let named = |wrong: String| format!("{what}: {wrong}");
        let whole = settled(&case.disk);
        let repaired = repair(&whole, "whole").map_err(|e| named(format!("{e:?}")))?;
        if repaired.steps.is_empty() || repaired.left.is_some() {
            return Err(named(format!("{repaired:?}")));
        }
        let ranges = case.is_repaired(&whole).map_err(named)?;
        for after in after_power_cuts(&whole) {
            case.originals_are_kept(&after).map_err(named)?;
            let left = case.is_repaired(&after).map_err(named)?;
            if left != ranges {
                return Err(named(format!("{left:?} is left of {ranges:?} once it was told")));
            }
        }
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        let work = |disk: &SimDisk| {
            let _cut_off = repair(disk, "first");
        };
        let judge = |image: &SimDisk| {
            found.push(settled(image));
            judge_repair(&case, image, &ranges)
        };
        at_every_call(&case.disk, &mut seen, &mut tally, work, judge).map_err(named)?;
        // And the second repair is cut off as well.
        for image in found.iter().skip(7).step_by(NESTED_STEP) {
            let work = |disk: &SimDisk| {
                let _cut_off = repair(disk, "second");
            };
            let judge = |image: &SimDisk| judge_repair(&case, image, &ranges);
            at_every_call(image, &mut seen, &mut tally, work, judge).map_err(named)?;
        }
        images += seen.len();
    }
    Ok((tally, images))
}

/// An environment that is copied from.
pub(crate) fn copy(from: &Environment, to: &SimDisk) -> seawall::Result<Copied> {
    LogView::open_in(from)?.copy_to(to, |_| {})
}

/// What is in the directory of a copy must be nothing, or no log that opens, or all of it.
///
/// # Errors
/// Where it opens as something else.
pub(crate) fn judge_copy(
    image: &SimDisk,
    whole: &Records,
    gaps: &[(Lsn, Lsn)],
) -> Result<(), String> {
    let names = image.names();
    match Log::open_in(environment(&image.after_kill(), 4), options()) {
        Ok(_) if names.is_empty() => {}
        Ok(log) => {
            let shown = log.scan_at(Lsn::FIRST, Durability::Buffered).unwrap();
            let shown = shown.filter_map(Result::ok);
            let shown: Records = shown.map(|r| ((r.lsn, r.index), r.bytes.to_vec())).collect();
            if shown != *whole {
                return Err(format!(
                    "it opens with {} of {} records: {names:?}",
                    shown.len(),
                    whole.len()
                ));
            }
            let said = recorded(image)?;
            if said != gaps {
                return Err(format!("it opens and says that {said:?} is gone, not {gaps:?}"));
            }
            return Ok(());
        }
        Err(Error::Damaged { .. }) => {}
        Err(other) => return Err(format!("it is refused with {other:?}: {names:?}")),
    }
    let again = copy(&environment(&settled(&written(true)), 5), image);
    match again {
        Err(Error::NotEmpty { .. }) if !names.is_empty() => Ok(()),
        Ok(_) if names.is_empty() => Ok(()),
        other => Err(format!("a copy into {names:?}: {other:?}")),
    }
}

/// A copy of this log, with the power cut in every call of it on the disk it goes to.
///
/// # Errors
/// The first promise that breaks.
pub(crate) fn crashes_in_copies(source: &SimDisk, tally: &mut Tally) -> Result<usize, String> {
    let dest = SimDisk::new(Seed::new(3));
    let from = environment(&settled(source), 1);
    let copied = copy(&from, &dest).map_err(|e| format!("{e:?}"))?;
    let mut whole = records(source).0;
    whole.retain(|&(lsn, _), _| lsn < copied.end);
    let mut gaps = recorded(source)?;
    gaps.retain(|&(from, _)| from < copied.end);
    for after in after_power_cuts(&dest) {
        judge_copy(&after, &whole, &gaps)?;
        if records(&after).0 != whole {
            return Err(format!(
                "not all of the copy is left once it was told: {:?}",
                after.names()
            ));
        }
    }
    let mut seen = BTreeSet::new();
    let work = |dest: &SimDisk| {
        let _cut_off = copy(&from, dest);
    };
    let empty = SimDisk::new(Seed::new(3));
    at_every_call(&empty, &mut seen, tally, work, |image| judge_copy(image, &whole, &gaps))?;
    Ok(seen.len())
}
