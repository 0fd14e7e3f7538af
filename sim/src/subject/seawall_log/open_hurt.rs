//! Opens a log whose disk is hurt, reads what can be read, for writing and without the lock, and
//! has it judged against the same log on a sound disk.

use super::damage::{Case, Shown, damage};
use super::evidence::{self, Evidence, Files, Known};
use super::{SeawallLog, cells_of, unchanged};
use crate::crash::CrashPolicy;
use crate::disk::SimDisk;
use crate::hash::Fingerprint;
use crate::medium::HurtKind;
use crate::model::Sure;
use crate::rng::{Concern, Seed};
use crate::scenario::Harmed;
use crate::subject::{Before, Class, Opened, Stop, Subject, World};
use seawall::format::name::FileName;
use seawall::storage::EntryKind;
use seawall::{Durability, Error, Finding, Log, LogView, Lsn, RecordRef, Row, SegmentId, Tag};

/// More than the options of any run keep.
const SPARES: u64 = 4;
/// More ranges than any log here has bytes: a scan that does not end.
const RANGES_MAX: usize = 10_000;

impl SeawallLog {
    /// Opens a log whose disk is hurt, and lets go of it again.
    pub(super) fn open_hurt(&mut self, world: &World, harmed: &Harmed) -> Result<Opened, Stop> {
        let case = self.case(world, harmed)?;
        let mut done = Vec::new();
        self.rescue(world, &case, &mut done)?;
        clutter(world)?;
        let before = world.disk.content_hash();
        let opened = Log::open_in(world.environment(), self.options.options());
        if world.disk.is_dead() {
            return Err(Stop::Down);
        }
        let parts = case.segments.len();
        match opened {
            Ok(log) => {
                case.judge_open()?;
                let report = log.report();
                let shown = read(&log)?;
                let noted = report.tail_ambiguous || behind_close(&report.findings);
                case.judge_cut(report.end, &shown, noted)?;
                case.judge(&shown)?;
                Ok(Opened { parts, cells: cells_of(&report.findings), refused: false, done })
            }
            Err(error) => {
                unchanged(world, before, &error)?;
                if case.is_harmless() {
                    let hurt = &harmed.all;
                    let what = format!("nothing that is needed is hurt ({hurt:?}): {error:?}");
                    return Ok(damage(what)?);
                }
                let typed = error.is_damage()
                    || matches!(
                        error,
                        Error::Io { .. } | Error::Unknown { .. } | Error::Foreign { .. }
                    );
                if !typed {
                    return Ok(damage(format!("a hurt log is refused with {error:?}"))?);
                }
                let found = LogView::diagnose(&world.environment());
                let cells = found.map(|(found, _)| cells_of(&found)).unwrap_or_default();
                if let Ok(view) = LogView::open_in(&world.environment()) {
                    let shown = read_view(&view)?;
                    if view.damage().is_none() {
                        let noted = view.is_torn() || behind_close(view.findings());
                        case.judge_cut(view.end(), &shown, noted)?;
                    }
                    case.judge(&shown)?;
                }
                Ok(Opened { parts, cells, refused: true, done })
            }
        }
    }

    /// What the log shows on the sound disk: the truth.
    fn case<'a>(&'a self, world: &World, harmed: &'a Harmed) -> Result<Case<'a>, Stop> {
        let (before, after) = (settled(&harmed.sound), settled(&world.disk));
        let sound = World::new(harmed.sound.clone(), Class::Media, world.before, world.entropy);
        let mut twin = self.fork();
        twin.open_log(&sound)?;
        let needed = if world.before == Before::Kill { Sure::Kill } else { Sure::Power };
        twin.compare(&sound, needed, true)?;
        let log = twin.log()?;
        let report = log.log().report();
        let (first, trimmed) = (log.log().segments().first().copied(), report.trim > Lsn::FIRST);
        let first = first.map_or(SegmentId::FIRST, |first| first.number());
        Ok(Case {
            harmed,
            evidence: evidence_left(harmed, &before, &after, first, trimmed),
            clean: report.clean,
            truth: read(log.log())?,
            model: &self.model,
            appends: (twin.model.addresses().into_iter())
                .map(|(lsn, id)| (lsn, twin.model.behind(id)))
                .collect(),
            segments: log.log().segments(),
            names: world.disk.names(),
            plain: !self.options.idle_mark && !twin.model.was_trimmed(),
        })
    }
}

/// All files, as an open finds them that makes stable what it judges.
fn settled(disk: &SimDisk) -> Files {
    let mut rng = Seed::new(0).rng(Concern::CrashResolution);
    let disk = disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng);
    let held = |name: String| disk.read_durable(&name).map(|bytes| (name, bytes));
    disk.names().into_iter().filter_map(held).collect()
}

/// What proves, on the hurt disk, that something is lost. Where reads go wrong the bytes that are there
/// are not those that are read, and where headers are made up anything is proven.
fn evidence_left(
    harmed: &Harmed,
    sound: &Files,
    hurt: &Files,
    first: SegmentId,
    trimmed: bool,
) -> Option<Evidence> {
    let unsure = |kind| {
        matches!(kind, HurtKind::MisdirectedRead | HurtKind::Unreadable | HurtKind::Overwritten)
    };
    if harmed.all.iter().any(|hurt| unsure(hurt.kind)) {
        return None;
    }
    let header = |(name, bytes): (&String, &Vec<u8>)| {
        let Some(FileName::Segment(id)) = FileName::parse(name) else { return None };
        evidence::header_of(bytes, id).filter(|_| id >= first)
    };
    let known = sound.iter().filter_map(header).map(|header| {
        let before = header.number.get().checked_sub(1);
        let before = before.map(|before| FileName::Segment(SegmentId::new(before)).text());
        let follows_sound = !harmed.all.iter().any(|hurt| Some(&hurt.name) == before.as_ref());
        Known { header, follows_sound }
    });
    evidence::left(hurt, &known.collect::<Vec<_>>(), trimmed)
}

/// More spares than any log here keeps: an open that goes well removes some of them, and one that
/// is refused has no business to.
fn clutter(world: &World) -> Result<(), Stop> {
    if !world.entropy.is_multiple_of(2) {
        return Ok(());
    }
    let there = world.disk.names();
    let names = (0..SPARES).map(|number| FileName::Spare(u64::MAX - number).text());
    // A life before may have put them there.
    for name in names.filter(|name| !there.contains(name)) {
        if let Err(error) = world.disk.put_foreign(&name, EntryKind::File) {
            return Ok(damage(format!("{name} cannot be put there: {error}"))?);
        }
    }
    Ok(())
}

/// Behind a close mark nothing is expected, so nothing is noted.
fn behind_close(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.row == Row::Closed)
}

fn read(log: &Log) -> Result<Shown, Stop> {
    let mut shown = Shown::default();
    let mut scan = match log.scan_at(Lsn::FIRST, Durability::Buffered) {
        Ok(scan) => scan,
        Err(error) => return Ok(damage(format!("a scan from the beginning: {error:?}"))?),
    };
    while shown.meet(scan.next_ref())? {}
    Ok(shown)
}

pub(super) fn read_view(view: &LogView) -> Result<Shown, Stop> {
    let mut shown = Shown::default();
    let mut scan = match view.scan(Lsn::FIRST) {
        Ok(scan) => scan,
        Err(error) => return Ok(damage(format!("a reader's scan: {error:?}"))?),
    };
    while shown.meet(scan.next_ref())? {}
    Ok(shown)
}

/// The same for the same tag and bytes.
pub(super) fn print_of(tag: Tag, bytes: &[u8]) -> u64 {
    let mut print = Fingerprint::new();
    print.word(u64::from(tag.get()));
    print.bytes(bytes);
    print.value()
}

impl Shown {
    /// What a scan says next; whether it goes on.
    fn meet(&mut self, next: seawall::Result<Option<RecordRef<'_>>>) -> Result<bool, Stop> {
        match next {
            Ok(Some(record)) => {
                let print = print_of(record.tag, record.bytes);
                self.records.push(((record.lsn, record.index), print));
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(Error::Damaged { from, to, .. }) => {
                self.ranges.push((from, to));
                if self.ranges.len() > RANGES_MAX {
                    return Ok(damage("a scan names damage for ever".to_owned())?);
                }
                Ok(true)
            }
            Err(Error::Io { .. } | Error::Unknown { .. } | Error::Foreign { .. }) => {
                self.ended = true;
                Ok(false)
            }
            Err(other) => Ok(damage(format!("a scan of a hurt log says {other:?}"))?),
        }
    }
}
