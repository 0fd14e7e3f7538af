//! What a log may do when its disk is hurt: refuse with a typed error, or show everything that is
//! not hurt and say where the rest was. Never silence, never other bytes, no alarm about what is
//! sound.
//!
//! The truth is what the same image shows with the damage revoked. From there:
//!
//! ```text
//!   shown, in the truth        the same bytes at the same address, in the same order
//!   shown, not in the truth    never
//!   not shown                  inside a range that an error named; or behind an I/O error;
//!                              or the newest of all, where nothing that is left vouches for it
//!   an error names a range     only of a segment that is hurt
//!   only one header copy, or no file of the log, is hurt      nothing is missing
//! ```

use super::{SeawallLog, cells_of};
use crate::damage::Hurt;
use crate::disk::SimDisk;
use crate::medium::HurtKind;
use crate::model::Sure;
use crate::oracle::Violation;
use crate::scenario::Harmed;
use crate::subject::{Before, Class, Opened, Stop, Subject, World};
use seawall::{Durability, Error, Log, LogView, Lsn, Segment};
use std::collections::BTreeSet;

/// A header copy stands at the beginning of each of the first two blocks.
const HEADER_LEN: u64 = 128;
const BLOCK: u64 = 4096;
/// Frames begin here in a file.
const FRAMES_START: u64 = 8192;

/// The address of a record.
type Place = (Lsn, u32);

/// What some reader showed.
#[derive(Debug, Default)]
struct Shown {
    records: Vec<(Place, u64)>,
    /// Ranges that errors named.
    ranges: Vec<(Lsn, Lsn)>,
    /// It ended with another error.
    ended: bool,
}

impl Shown {
    fn covers(&self, lsn: Lsn) -> bool {
        self.ranges.iter().any(|&(from, to)| from <= lsn && lsn < to)
    }
}

fn damage<T>(what: String) -> Result<T, Stop> {
    Err(Violation { promise: "G1", what }.into())
}

/// A number that tells bytes apart, for comparing what two readers were shown.
fn print_of(bytes: &[u8]) -> u64 {
    let mut print = crate::hash::Fingerprint::new();
    print.bytes(bytes);
    print.value()
}

impl SeawallLog {
    /// Opens a log whose disk is hurt, and lets go of it again.
    pub(super) fn open_hurt(&mut self, world: &World, harmed: &Harmed) -> Result<Opened, Stop> {
        let hurt = &harmed.all;
        let sound = World::new(harmed.sound.clone(), Class::Media, world.before, world.entropy);
        let mut twin = self.fork();
        twin.open_log(&sound)?;
        let needed = if world.before == Before::Kill { Sure::Kill } else { Sure::Power };
        twin.compare(&sound, needed, true)?;
        let truth = read(twin.log()?.log())?;
        let appends: Vec<Lsn> = twin.model.addresses().into_iter().map(|(lsn, _)| lsn).collect();
        let segments = twin.log()?.log().segments();
        twin.drive(&sound)?;
        twin.log = None;

        let both = |hurt: &Hurt| {
            let copy = |other: &&Hurt| (other.offset < BLOCK) != (hurt.offset < BLOCK);
            harmed.all.iter().filter(|other| other.name == hurt.name).any(|other| copy(&other))
        };
        let harmless = hurt.iter().all(|hurt| is_harmless(hurt, &segments) && !both(hurt));
        let opened = Log::open_in(world.environment(), self.options.options());
        if world.disk.is_dead() {
            return Err(Stop::Down);
        }
        let (shown, opened) = match opened {
            Ok(log) => {
                let report = log.report().clone();
                let shown = read(&log)?;
                if report.end < truth_end(&truth) && !shown.ended {
                    self.judge_cut(
                        report.end,
                        &truth,
                        &shown,
                        hurt,
                        &segments,
                        &world.disk,
                        &appends,
                    )?;
                }
                let cells = cells_of(&report.findings);
                (shown, Opened { parts: segments.len(), cells, refused: false })
            }
            Err(error) => {
                if harmless {
                    return damage(format!("nothing that is needed is hurt ({hurt:?}): {error:?}"));
                }
                let typed = matches!(
                    error,
                    Error::Damaged { .. }
                        | Error::Io { .. }
                        | Error::Unknown { .. }
                        | Error::Foreign { .. }
                );
                if !typed {
                    return damage(format!("a hurt log is refused with {error:?}"));
                }
                let found = LogView::diagnose(&world.environment());
                let cells = found.map(|(found, _)| cells_of(&found)).unwrap_or_default();
                let opened = Opened { parts: segments.len(), cells, refused: true };
                let Ok(view) = LogView::open_in(&world.environment()) else {
                    return Ok(opened);
                };
                let shown = read_view(&view)?;
                if view.end() < truth_end(&truth) && !shown.ended && view.damage().is_none() {
                    self.judge_cut(
                        view.end(),
                        &truth,
                        &shown,
                        hurt,
                        &segments,
                        &world.disk,
                        &appends,
                    )?;
                }
                (shown, opened)
            }
        };
        judge(&truth, &shown, &hurt, &segments, harmless)?;
        Ok(opened)
    }

    /// Records are missing at the end without an error.
    fn judge_cut(
        &self,
        end: Lsn,
        truth: &Shown,
        shown: &Shown,
        hurt: &[Hurt],
        segments: &[Segment],
        disk: &SimDisk,
        appends: &[Lsn],
    ) -> Result<(), Stop> {
        // A header that says something else, under a valid check, is believed: what it makes of
        // the frames is not for this program to know.
        if hurt.iter().any(|hurt| hurt.kind == HurtKind::Overwritten) {
            return Ok(());
        }
        // Of files that are gone from the end nothing that is left knows.
        let gone = |segment: &&Segment| {
            let name = file_of(segment);
            hurt.iter().any(|hurt| hurt.name == name && hurt.kind == HurtKind::Truncated)
                && !disk.names().contains(&name)
        };
        let left = segments.len() - segments.iter().rev().take_while(gone).count();
        let known_to = segments.get(left).map_or(Lsn::new(u64::MAX), Segment::base);
        let Some(last) = left.checked_sub(1).and_then(|last| segments.get(last)) else {
            return Ok(());
        };
        let missing = |&&((lsn, _), _): &&(Place, u64)| lsn >= end && !shown.covers(lsn);
        let Some(&((first, _), _)) = truth.records.iter().find(missing) else { return Ok(()) };
        if first >= known_to {
            return Ok(());
        }
        if first < last.base() {
            return damage(format!("{first} lies in a closed segment and is silently missing"));
        }
        // With one client that waits for each sync every frame vouches for those before it.
        let name = file_of(last);
        let hurt_end = hurt
            .iter()
            .filter(|hurt| hurt.name == name)
            .map(|hurt| lsn_of(last, hurt.offset + hurt.len));
        let hurt_end = hurt_end.max().unwrap_or(last.base());
        let vouches = appends.iter().any(|&lsn| lsn > first && lsn >= hurt_end && lsn < known_to);
        if vouches && self.options.level == super::Level::Sync && self.options.clients == 1 {
            return damage(format!(
                "{first} is silently missing, though records behind {hurt_end} vouch for it"
            ));
        }
        Ok(())
    }
}

fn truth_end(truth: &Shown) -> Lsn {
    truth.records.last().map_or(Lsn::FIRST, |&((lsn, _), _)| Lsn::new(lsn.get() + 1))
}

fn lsn_of(segment: &Segment, offset: u64) -> Lsn {
    Lsn::new(segment.base().get().saturating_add(offset.saturating_sub(FRAMES_START)))
}

fn file_of(segment: &Segment) -> String {
    format!("{:020}.seg", segment.number().get())
}

/// Whether what is hurt is not needed: no file of the log, or one copy of a header.
fn is_harmless(hurt: &Hurt, segments: &[Segment]) -> bool {
    if !hurt.name.ends_with(".seg") {
        return true;
    }
    // A file that was made ready and has no header yet: what is in it may be all there is to say.
    if !segments.iter().any(|segment| file_of(segment) == hurt.name) {
        return false;
    }
    let end = hurt.offset.saturating_add(hurt.len);
    let in_block = |block: u64| hurt.offset >= block && end <= block + BLOCK;
    let between = hurt.offset >= HEADER_LEN && end <= BLOCK
        || hurt.offset >= BLOCK + HEADER_LEN && end <= FRAMES_START;
    // A sector that cannot be read is an error of the device, and a short file is one, wherever.
    !matches!(hurt.kind, HurtKind::Unreadable | HurtKind::Truncated)
        && (in_block(0) || in_block(BLOCK) || between)
}

#[allow(dead_code)]
fn judge(
    truth: &Shown,
    shown: &Shown,
    hurt: &[Hurt],
    segments: &[Segment],
    harmless: bool,
) -> Result<(), Stop> {
    if std::env::var("DBG").is_ok() {
        eprintln!("truth {truth:?}\nshown {shown:?}\nhurt {hurt:?}\nsegments {segments:?}");
    }
    let known: BTreeSet<(Place, u64)> = truth.records.iter().copied().collect();
    for pair in shown.records.windows(2) {
        if let [(before, _), (after, _)] = pair
            && before >= after
        {
            return Err(
                Violation { promise: "G2", what: format!("{} comes twice", after.0) }.into()
            );
        }
    }
    // A trim that was the newest commit can be cut off with it: then what it forgot is back.
    let begin = truth.records.first().map(|&((lsn, _), _)| lsn);
    for record in &shown.records {
        let untrimmed = begin.is_none_or(|begin| record.0.0 < begin);
        // A long batch is shown frame by frame: of one that was torn at the end its first records.
        let torn = record.0.0 >= truth_end(truth);
        if !known.contains(record) && !untrimmed && !torn {
            let what = format!("LSN {} shows what was never there", record.0.0);
            return Err(Violation { promise: "G2", what }.into());
        }
    }
    if hurt.iter().any(|hurt| hurt.kind == HurtKind::Overwritten) {
        return Ok(());
    }
    let there: BTreeSet<Place> = shown.records.iter().map(|&(place, _)| place).collect();
    let missing =
        truth.records.iter().map(|&(place, _)| place).filter(|place| !there.contains(place));
    let missing: Vec<Place> = missing.collect();
    if harmless && let Some((lsn, _)) = missing.first() {
        return damage(format!("nothing that is needed is hurt ({hurt:?}), and {lsn} is missing"));
    }
    let last_shown = shown.records.last().map(|&(place, _)| place);
    for &(lsn, index) in &missing {
        if !shown.ended && !shown.covers(lsn) && Some((lsn, index)) < last_shown {
            return damage(format!(
                "{lsn} is silently missing in the middle; told: {:?}",
                shown.ranges
            ));
        }
    }
    let both_headers =
        |name: &str| hurt.iter().any(|hurt| hurt.name == name && hurt.offset < FRAMES_START);
    for &(from, to) in &shown.ranges {
        let touched = segments.iter().enumerate().any(|(nth, segment)| {
            let name = file_of(segment);
            let next = segments.get(nth + 1).map_or(Lsn::new(u64::MAX), Segment::base);
            let is_hurt = hurt.iter().any(|hurt| hurt.name == name);
            // A header says where its predecessor ends: without it that end is not known.
            let follower = segments.get(nth + 1).is_some_and(|next| both_headers(&file_of(next)));
            (is_hurt || follower) && from < next && to >= segment.base()
        });
        // What was forgotten may be missed where the frame that said so is hurt.
        let means = truth.records.iter().any(|&((lsn, _), _)| from <= lsn && lsn < to);
        if means && !touched {
            return damage(format!("{from}..{to} is called damaged, and is sound: {hurt:?}"));
        }
    }
    Ok(())
}

fn read(log: &Log) -> Result<Shown, Stop> {
    let mut shown = Shown::default();
    let mut scan = match log.scan_at(Lsn::FIRST, Durability::Buffered) {
        Ok(scan) => scan,
        Err(error) => return damage(format!("a scan from the beginning: {error:?}")),
    };
    loop {
        match scan.next_ref() {
            Ok(Some(record)) => {
                shown.records.push(((record.lsn, record.index), print_of(record.bytes)));
            }
            Ok(None) => return Ok(shown),
            Err(error) => {
                if shown.meet(&error)? {
                    return Ok(shown);
                }
            }
        }
    }
}

fn read_view(view: &LogView) -> Result<Shown, Stop> {
    let mut shown = Shown::default();
    let mut scan = match view.scan(Lsn::FIRST) {
        Ok(scan) => scan,
        Err(error) => return damage(format!("a reader's scan from the beginning: {error:?}")),
    };
    loop {
        match scan.next_ref() {
            Ok(Some(record)) => {
                shown.records.push(((record.lsn, record.index), print_of(record.bytes)));
            }
            Ok(None) => return Ok(shown),
            Err(error) => {
                if shown.meet(&error)? {
                    return Ok(shown);
                }
            }
        }
    }
}

impl Shown {
    /// Whether the scan is over with this.
    fn meet(&mut self, error: &Error) -> Result<bool, Stop> {
        match error {
            Error::Damaged { from, to, .. } => {
                if self.ranges.len() > 10_000 {
                    return damage("a scan names damage for ever".to_owned());
                }
                self.ranges.push((*from, *to));
                Ok(false)
            }
            Error::Io { .. } | Error::Unknown { .. } | Error::Foreign { .. } => {
                self.ended = true;
                Ok(true)
            }
            other => damage(format!("a scan of a hurt log says {other:?}")),
        }
    }
}
