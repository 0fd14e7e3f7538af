//! What an operator does with a hurt log: repairs it, where the power may go or a call fail on the
//! way, and copies it. On disks of its own: the life that asked goes on with the hurt log.
//!
//! ```text
//!   repair           every file that was there is there, byte for byte, under its name or in the
//!                    quarantine; the log shows what it showed, says what is gone, and goes on
//!     cut off        the same of the files; the next repair ends it, and the rest holds
//!     refused        with a typed error, and nothing is changed; but one harm to one of many
//!                    segments is always mended
//!   copy             shows what is proven, or is refused and opens as no log
//! ```
//!
//! Of a device whose reads fail, or go astray, the originals alone are asked for: a repair may end
//! there, or see damage that is not there.

use super::damage::{Case, Shown, damage};
use super::open_hurt::read_view;
use super::{Durability, SeawallLog};
use crate::crash::{CrashKind, CrashPolicy, InFlight};
use crate::disk::SimDisk;
use crate::environment::environment;
use crate::faults::{EIO, ENOSPC, FaultPlan, Limits, Operation};
use crate::medium::HurtKind;
use crate::model::broken;
use crate::oracle::Violation;
use crate::rng::{Concern, Rng, Seed};
use crate::subdirectory::Subdirectory;
use crate::subject::{Stop, World};
use seawall::{Damage, Environment, Error, Log, LogView, Lsn, Repaired, Segment, Verdict};
use std::collections::BTreeMap;

/// Where the originals go.
const QUARANTINE: &str = "quarantine";

/// Part of a life's randomness that is for its rescue alone.
const RESCUE: u64 = 77;

/// Room beside what is there, where headers are made up: one may state a file of 2 GiB, which a repair
/// then makes, and a simulated disk holds its files in memory.
const ROOM: u64 = 32 << 20;

/// Files by name.
type Files = BTreeMap<String, Vec<u8>>;

/// A hurt log, as it is found.
struct Found<'a> {
    case: &'a Case<'a>,
    disk: SimDisk,
    files: Files,
    /// What a reader shows, and how far that is proven.
    shown: Shown,
    proven: Lsn,
    entropy: u64,
}

impl SeawallLog {
    /// Repairs what this life found, and copies it.
    pub(super) fn rescue(
        &self,
        world: &World,
        case: &Case<'_>,
        done: &mut Vec<&'static str>,
    ) -> Result<(), Stop> {
        let mut rng = Seed::new(world.entropy).child(RESCUE).rng(Concern::Errors);
        // An operator comes later: what was written is on the device, and no page is in a cache.
        let disk = world.disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng);
        let files = files_of(&disk);
        let mut found = Found {
            case,
            disk,
            files,
            shown: Shown::default(),
            proven: Lsn::FIRST,
            entropy: world.entropy,
        };
        if let Ok(view) = LogView::open_in(&found.environment(&found.disk))
            && !found.reads_fail()
        {
            found.shown = read_view(&view)?;
            found.proven = view.proven();
            found.copy(&view)?;
            done.push("hurt_logs_copied");
        }
        let calls = found.repair(&self.options, done)?;
        if rng.chance(1, 2) {
            found.repair_interrupted(&self.options, calls, &mut rng, done)?;
        }
        Ok(())
    }

    /// A copy of the log as it runs holds what is proven, and nothing that a power cut could take.
    pub(super) fn copy_live(&mut self, world: &World) -> Result<(), Stop> {
        let log = self.log()?;
        let durable = log.log().watermarks().durable;
        let copied = LogView::open_in(&world.environment()).and_then(|view| {
            let dest = SimDisk::new(Seed::new(world.entropy));
            let proven = view.proven();
            view.copy_to(&dest, |_| {}).map(|copied| (view, proven, copied, dest))
        });
        if world.disk.is_dead() {
            return Err(Stop::Down);
        }
        let (view, proven, copied, dest) = match copied {
            Ok(made) => made,
            Err(error) => return self.excuse(world, "G5", "a copy", &error),
        };
        // A copy of nothing ends where the last segment begins, behind addresses that nobody has.
        let begin = view.segments().last().map_or(Lsn::FIRST, Segment::base);
        // Where segments are left before they are synced, marks may state more than was reported to callers; they are held
        // to what is synced when they are written.
        let told = self.model.lying || self.options.unsynced_max > 0 || proven <= durable;
        if copied.end > proven.max(begin) || !told {
            let what = format!("a copy up to {}, proven {proven}, durable {durable}", copied.end);
            return Err(Violation { promise: "G1", what }.into());
        }
        hold_copy(&view, &read_view(&view)?, copied.end, &dest, world.entropy)?;
        Ok(())
    }
}

/// The records of a copy are those of its log up to its end, and so are its gaps.
fn hold_copy(
    log: &LogView,
    shown: &Shown,
    end: Lsn,
    dest: &SimDisk,
    entropy: u64,
) -> Result<(), Stop> {
    let copy = match LogView::open_in(&environment(dest, entropy)) {
        Ok(copy) => copy,
        Err(error) => return Ok(damage(format!("a copy does not open: {error:?}"))?),
    };
    if let Some(error) = copy.damage() {
        return Ok(damage(format!("a copy is damaged: {error:?}"))?);
    }
    let there = read_view(&copy)?;
    // A trim that is not proven may be stated behind the end of the copy.
    let trim = log.trim_point();
    let expected = shown.records.iter().filter(|((lsn, _), _)| trim <= *lsn && *lsn < end);
    let kept = there.records.iter().filter(|((lsn, _), _)| trim <= *lsn);
    if let Some((is, was)) = kept.clone().zip(expected.clone()).find(|(is, was)| is != was) {
        let what = format!("a copy up to {end} shows {is:?} where its log shows {was:?}");
        return Err(Violation { promise: "G2", what }.into());
    }
    let counts = (kept.count(), expected.count());
    if counts.0 != counts.1 || there.ended {
        let what = format!("a copy up to {end} shows {} of {} records", counts.0, counts.1);
        return Err(Violation { promise: "G1", what }.into());
    }
    let told = |&(from, to): &(Lsn, Lsn)| trim < to && from < end;
    let (said, copied): (Vec<_>, Vec<_>) = (
        shown.ranges.iter().copied().filter(told).collect(),
        there.ranges.iter().copied().filter(told).collect(),
    );
    if said != copied {
        let what = format!("a copy up to {end} says that {copied:?} is gone, its log {said:?}");
        return Err(Violation { promise: "G5", what }.into());
    }
    Ok(())
}

/// The first address of a range that nobody is told of, though a record could have been there.
fn untold(view: &LogView, shown: &Shown, from: Lsn, to: Lsn) -> Option<Lsn> {
    let ends = shown.ranges.iter().copied();
    let jumps = view.segments().iter().map(|segment| (segment.header.prev_end, segment.base()));
    let jumps = jumps.filter(|(end, base)| end < base);
    let mut known: Vec<(Lsn, Lsn)> = ends.chain(jumps).collect();
    known.sort_unstable();
    let told = to <= view.first() || known.iter().any(|part| part.0 <= from && from <= part.1);
    // Of many files that are gone each has its gap.
    let further = |at, &(begin, end): &(Lsn, Lsn)| if begin <= at { end.max(at) } else { at };
    let reached = known.iter().fold(from, further);
    (!told || reached < to).then_some(reached)
}

/// All files, as the device has them.
fn files_of(disk: &SimDisk) -> Files {
    let held = |name: String| disk.read_durable(&name).map(|bytes| (name, bytes));
    disk.names().into_iter().filter_map(held).collect()
}

impl Found<'_> {
    fn environment(&self, disk: &SimDisk) -> Environment {
        environment(disk, self.entropy)
    }

    /// A device that reads wrong once, or not at all, may say anything behind a repair, too.
    fn reads_fail(&self) -> bool {
        let mut kinds = self.case.harmed.all.iter().map(|hurt| hurt.kind);
        kinds.any(|kind| matches!(kind, HurtKind::MisdirectedRead | HurtKind::Unreadable))
    }

    fn fork(&self) -> SimDisk {
        self.limited(self.disk.after_kill())
    }

    /// Twice as much as there is fits, for originals and new files, and some more.
    fn limited(&self, disk: SimDisk) -> SimDisk {
        if self.case.is_tampered() {
            disk.set_limits(Some(Limits::bytes(3 * self.disk.used() + ROOM)));
        }
        disk
    }

    fn run(&self, disk: &SimDisk, label: &str) -> seawall::Result<Repaired> {
        let quarantine = Subdirectory::new(disk, QUARANTINE);
        Log::repair(&self.environment(disk), &quarantine, label, |_| {})
    }

    /// A repair that nothing interrupts; of how many calls it consists.
    fn repair(
        &self,
        options: &super::LogOptions,
        done: &mut Vec<&'static str>,
    ) -> Result<u64, Stop> {
        let disk = self.fork();
        let before = disk.steps();
        let outcome = self.run(&disk, "whole");
        let calls = disk.steps().saturating_sub(before);
        match outcome {
            Ok(repaired) => {
                done.push(if repaired.steps.is_empty() { "repairs_idle" } else { "repairs" });
                self.hold_mended(&disk, &repaired, options)?;
            }
            Err(error) => {
                done.push("repairs_refused");
                self.hold_refused(&disk, &error)?;
            }
        }
        Ok(calls)
    }

    /// A repair in which the power is cut, or a call fails; and the one that ends it.
    fn repair_interrupted(
        &self,
        options: &super::LogOptions,
        calls: u64,
        rng: &mut Rng,
        done: &mut Vec<&'static str>,
    ) -> Result<(), Stop> {
        let disk = self.fork();
        let next = if rng.chance(1, 4) {
            done.push("repairs_with_a_failing_call");
            let operations = [
                Operation::Create,
                Operation::Allocate,
                Operation::Write,
                Operation::SetLen,
                Operation::SyncAll,
                Operation::SyncDir,
                Operation::Rename,
                Operation::Read,
                Operation::List,
            ];
            let operation = *rng.pick(&operations).unwrap_or(&Operation::Write);
            let errno = *rng.pick(&[EIO, ENOSPC]).unwrap_or(&EIO);
            disk.fail(FaultPlan::new(operation, errno).after(rng.below(12)));
            let _interrupted_or_not = self.run(&disk, "first");
            disk.stop_failing();
            disk.after_kill()
        } else {
            done.push("repairs_cut_off");
            let in_flight = *rng
                .pick(&[InFlight::NotBegun, InFlight::Whole, InFlight::Prefix])
                .unwrap_or(&InFlight::Prefix);
            let call = disk.steps().saturating_add(rng.below(calls.max(1)));
            disk.crash_inside(call, CrashKind::Power, in_flight);
            let _cut_off = self.run(&disk, "first");
            let policy = CrashPolicy::drawn(disk.pending_units(), rng);
            disk.after_power_cut(&policy, rng)
        };
        self.hold_originals(&next)?;
        match self.run(&next, "again") {
            Ok(repaired) => self.hold_mended(&next, &repaired, options),
            Err(error) => {
                self.hold_originals(&next)?;
                self.hold_refused(&self.disk, &error)
            }
        }
    }

    /// Every file is there as it was, under its name or in the quarantine.
    fn hold_originals(&self, disk: &SimDisk) -> Result<(), Stop> {
        let now = files_of(disk);
        let quarantine = Subdirectory::new(disk, QUARANTINE);
        for (name, bytes) in &self.files {
            let copy = quarantine.on_disk(&format!("{name}."));
            let kept = now.iter().any(|(other, held)| {
                let is_copy = other.starts_with(&copy) && !other.ends_with(".partial");
                (other == name || is_copy) && held == bytes
            });
            if !kept {
                let (names, hurt): (Vec<_>, _) = (now.keys().collect(), &self.case.harmed.all);
                let what = format!("{name} is nowhere whole behind a repair: {names:?}; {hurt:?}");
                return Ok(damage(what)?);
            }
        }
        Ok(())
    }

    /// A repair may refuse, and then it has changed nothing.
    fn hold_refused(&self, disk: &SimDisk, error: &Error) -> Result<(), Stop> {
        let typed = matches!(
            error,
            Error::Unrepairable { .. }
                | Error::Unknown { .. }
                | Error::Foreign { .. }
                | Error::Io { .. }
        ) || self.case.is_tampered() && error.is_full();
        if !typed {
            return Ok(damage(format!("a repair refuses with {error:?}"))?);
        }
        if files_of(disk) != self.files {
            return Ok(damage(format!("a repair refuses with {error:?}, and changed files"))?);
        }
        let (hurt, segments) = (&self.case.harmed.all, &self.case.segments);
        let one = self.case.harmed.count == 1 && self.case.segments.len() > 1;
        if one && !self.reads_fail() && !self.case.is_tampered() {
            let what = format!(
                "one harm to one of many segments ({hurt:?}) is not mended: {error:?}, {segments:?}"
            );
            return Err(Violation { promise: "G5", what }.into());
        }
        Ok(())
    }

    fn hold_mended(
        &self,
        disk: &SimDisk,
        repaired: &Repaired,
        options: &super::LogOptions,
    ) -> Result<(), Stop> {
        self.hold_originals(disk)?;
        if self.reads_fail() {
            return Ok(());
        }
        if let Some(left) = &repaired.left {
            return Ok(damage(format!("a repair leaves {left:?}"))?);
        }
        let opened = LogView::open_in(&self.environment(disk));
        let mut view = match opened {
            Ok(view) if view.damage().is_none() => view,
            Ok(view) => return Ok(damage(format!("repaired, and {:?}", view.damage()))?),
            Err(error) => return Ok(damage(format!("repaired, and {error:?}"))?),
        };
        // Headers that were made up, with checks that hold, may contradict what cannot be written anew.
        if self.case.is_tampered() {
            return Ok(());
        }
        let shown = read_view(&view)?;
        self.hold_shown(&view, &shown)?;
        self.case.judge(&shown)?;
        let said = match view.verify(|_| {}) {
            Ok(found) => found,
            Err(error) => return Ok(damage(format!("repaired, and verify says {error:?}"))?),
        };
        let is_gap = |error: &Error| matches!(error, Error::Damaged { cause: Damage::Gap, .. });
        if let Some(other) = said.damage.iter().find(|error| !is_gap(error)) {
            return Ok(damage(format!("repaired, and verify says {other:?}"))?);
        }
        if (said.verdict == Verdict::Damaged) == said.damage.is_empty() {
            let what = format!("the verdict is {:?}: {:?}", said.verdict, said.damage);
            return Ok(damage(what)?);
        }
        match Log::plan_repair(&self.environment(disk)) {
            Ok(plan) if plan.steps.is_empty() => {}
            other => return Ok(damage(format!("a second repair would do {other:?}"))?),
        }
        self.hold_going_on(disk, &shown, options)
    }

    /// What was shown is shown, and nothing else; what was gone is told.
    fn hold_shown(&self, view: &LogView, shown: &Shown) -> Result<(), Violation> {
        if shown.ended {
            return damage("a scan of a repaired log ends with an error".to_owned());
        }
        // Of what nobody was told some may have stood behind a frame that is another now. And a trim
        // that stood behind damage counts again.
        let trim = view.trim_point();
        let mut now = shown.records.iter().peekable();
        for record @ ((lsn, _), _) in &self.shown.records {
            if now.next_if_eq(&record).is_none() && (trim..self.proven).contains(lsn) {
                return damage(format!("{lsn} was shown before the repair, and is not"));
            }
        }
        if let Some(((lsn, _), _)) = now.next() {
            return broken("G2", format_args!("{lsn} is shown since the repair alone"));
        }
        for &(from, to) in &self.shown.ranges {
            let from = from.max(view.first().min(to));
            if let Some(at) = untold(view, shown, from, to) {
                let gaps = &shown.ranges;
                return damage(format!(
                    "{at} of {from}..{to} was gone, and is in no gap: {gaps:?}"
                ));
            }
        }
        Ok(())
    }

    /// It is open to appends, behind everything that it shows, and stays so.
    fn hold_going_on(
        &self,
        disk: &SimDisk,
        shown: &Shown,
        options: &super::LogOptions,
    ) -> Result<(), Stop> {
        let went_on = Log::open_in(self.environment(disk), options.options()).and_then(|log| {
            let receipt = log.append_at(b"behind the repair", Durability::Sync)?;
            log.close()?;
            Ok(receipt.lsn)
        });
        let lsn = match went_on {
            Ok(lsn) => lsn,
            Err(error) => return Ok(damage(format!("repaired, and goes not on: {error:?}"))?),
        };
        if lsn < shown.end() || shown.covers(lsn) {
            return broken("G4", format_args!("{lsn} is handed out behind a repair"))
                .map_err(Stop::Broken);
        }
        let view = LogView::open_in(&self.environment(disk));
        let Ok(view) = view else { return Ok(damage(format!("repaired, went on, and {view:?}"))?) };
        let now = read_view(&view)?;
        let (last, before) =
            now.records.split_last().map_or((None, &[][..]), |(l, b)| (Some(l), b));
        if before != shown.records || last.map(|&((at, _), _)| at) != Some(lsn) {
            return Ok(damage("repaired, went on, and something is missing".to_owned())?);
        }
        Ok(())
    }

    /// A copy shows what is proven, or is refused and opens as no log.
    fn copy(&self, view: &LogView) -> Result<(), Stop> {
        let dest = self.limited(SimDisk::new(Seed::new(self.entropy)));
        match view.copy_to(&dest, |_| {}) {
            Ok(copied) => hold_copy(view, &self.shown, copied.end, &dest, self.entropy),
            Err(error) if self.case.is_harmless() && !self.shown.ended => {
                let hurt = &self.case.harmed.all;
                Ok(damage(format!("nothing that is needed is hurt ({hurt:?}): {error:?}"))?)
            }
            Err(_) => {
                let opened = LogView::open_in(&environment(&dest, self.entropy));
                match opened {
                    Ok(half) if !dest.names().is_empty() && half.damage().is_none() => {
                        Ok(damage(format!("half a copy opens: {:?}", dest.names()))?)
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}
