//! Every bit of a few small logs at rest, turned over one at a time; close records and seals that an
//! earlier use of the file may have left, with the salt of that use; and another frame in place of the one
//! that a segment ends with.
//!
//! ```text
//!   shown, not in the log        never
//!   not shown                    only if damage is told; or nothing proved that it was durable, the
//!                                log was not closed, and the tail is called torn; never what was reported
//!                                as durable in a segment before the last one
//!   proven to be durable         never more than the sound log proves
//!   a writer opens it            only if a reader calls nothing damaged, and shows the same
//!   one copy of a header         changes nothing at all
//!   another salt's record        nor does that
//!   another last frame           damage is reported; where nothing proves that the segment is whole no writer
//!                                opens it
//! ```
//!
//! The bits are all those that mean something: of both copies of each header, of all frames and of
//! the room right behind them, of the trailer. Of a long body, which has one check, a part of the bytes.

use super::alphabet::{Kind, commits, options};
use crate::crash::{CrashKind, CrashPolicy};
use crate::disk::SimDisk;
use crate::environment::environment;
use crate::hash::Fingerprint;
use crate::image::{index, wide};
use crate::oracle::Violation;
use crate::rng::{Concern, Seed};
use crate::subject::seawall_log::{Level, LogOptions, Op, SeawallLog, Turn, What};
use crate::subject::{Before, Class, Stop, Subject, World};
use parking_lot::Mutex;
use seawall::format::checksum::FrameSeed;
use seawall::format::frame::{self, FrameHeader, FrameKind, decode_frame};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::format::header::HEADER_LEN;
use seawall::format::name::FileName;
use seawall::format::trailer::{TRAILER_LEN, Trailer, TrailerKind};
use seawall::{Error, Log, LogView, Lsn, Salt, Segment, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Where the second copy of a header stands, and where frames begin in a file.
const SECOND: u64 = 4096;
const FRAMES_START: u64 = 8192;
/// Bytes behind the last frame that are looked at: what is torn may begin there.
const BEHIND: u64 = 64;
/// So many bytes at both ends of a frame are all looked at, and between them one in so many.
const ENDS: u64 = 512;
const APART: u64 = 64;

/// What was tried on logs at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BytesReport {
    /// Logs.
    pub logs: u64,
    /// Bits that were turned over, one at a time.
    pub bits: u64,
    /// Of those, where a reader told of damage.
    pub damaged: u64,
    /// Where it told of a torn tail.
    pub torn: u64,
    /// Close records and seals of another salt.
    pub records: u64,
    /// Segments that end with another frame than was written.
    pub last_frames: u64,
    /// Last marks of a log that state less than all that lies before them: only in those can one bit
    /// claim what nothing proves.
    pub late_marks: u64,
}

impl fmt::Display for BytesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logs, bits, damaged, torn, records, last_frames, late_marks: _ } = self;
        write!(
            f,
            "{bits} bits of {logs} logs, {damaged} told as damage, {torn} as a torn tail; \
             {records} records of another salt, {last_frames} other last frames"
        )
    }
}

type Records = BTreeMap<(Lsn, u32), u64>;

/// A log at rest, and what it shows.
struct AtRest {
    what: &'static str,
    options: LogOptions,
    disk: SimDisk,
    closed: bool,
    records: Records,
    proven: Lsn,
    /// What was reported as durable, in segments before the last one.
    reported: Lsn,
    end: Lsn,
    segments: Vec<Segment>,
}

/// Something done to a log: to a bit of a file, to its last bytes, or to the last frame of a segment that
/// ends here.
#[derive(Clone, Debug)]
enum Deed {
    Bit { name: String, offset: u64, bit: u8 },
    Record { name: String, offset: u64, record: Trailer },
    LastFrame { name: String, offset: u64, frame: Vec<u8>, end: Lsn },
}

/// Turns over every bit that means something, on `jobs` threads.
///
/// # Errors
/// The first promise that breaks, and where.
pub fn bytes(jobs: NonZeroUsize) -> Result<BytesReport, Violation> {
    let logs = logs()?;
    let mut deeds = Vec::new();
    for (nth, log) in logs.iter().enumerate() {
        deeds.extend(log.deeds().into_iter().map(|deed| (nth, deed)));
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let (damaged, torn) = (AtomicU64::new(0), AtomicU64::new(0));
    let first = Mutex::new(None::<(usize, Violation)>);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((log, deed)) = deeds.get(at).filter(|_| at < stop.load(Ordering::Relaxed))
            else {
                break;
            };
            let Some(log) = logs.get(*log) else { break };
            match log.judge(deed) {
                Ok(Verdict::Clean) => {}
                Ok(Verdict::TornTail) => drop(torn.fetch_add(1, Ordering::Relaxed)),
                // Anything that a later version may call it is worse than torn.
                Ok(_) => drop(damaged.fetch_add(1, Ordering::Relaxed)),
                Err(mut violation) => {
                    violation.what = format!("{}, {deed}: {}", log.what, violation.what);
                    // Those before it are still looked at.
                    stop.fetch_min(at, Ordering::Relaxed);
                    let mut first = first.lock();
                    if first.as_ref().is_none_or(|(other, _)| at < *other) {
                        *first = Some((at, violation));
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.get() {
            scope.spawn(work);
        }
        work();
    });
    if let Some((_, violation)) = first.into_inner() {
        return Err(violation);
    }
    let count = |kind: fn(&Deed) -> bool| deeds.iter().filter(|(_, deed)| kind(deed)).count();
    let bits = count(|deed| matches!(deed, Deed::Bit { .. }));
    let last_frames = count(|deed| matches!(deed, Deed::LastFrame { .. }));
    Ok(BytesReport {
        logs: wide(logs.len()),
        bits: wide(bits),
        damaged: damaged.into_inner(),
        torn: torn.into_inner(),
        records: wide(deeds.len() - bits - last_frames),
        last_frames: wide(last_frames),
        late_marks: logs.iter().map(AtRest::late_marks).sum(),
    })
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bit { name, offset, bit } => write!(f, "bit {bit} of byte {offset} of {name}"),
            Self::Record { name, record, .. } => write!(f, "{record:?} at the end of {name}"),
            Self::LastFrame { name, offset, .. } => {
                write!(f, "another frame at byte {offset} of {name}, its last")
            }
        }
    }
}

/// The logs: closed and not, of every kind, with every kind of frame.
fn logs() -> Result<Vec<AtRest>, Violation> {
    use Level::{Buffered, Os, Sync};
    let driven = |whats: &[What]| -> Vec<Op> {
        let op = |what: &What| Op { client: 0, what: what.clone(), turns: vec![Turn::Drive] };
        whats.iter().map(op).collect()
    };
    let plain = driven(&[What::Append(40, Sync), What::Batch(vec![30, 0, 50], Sync)]);
    let mut marks = driven(&[What::Append(40, Buffered), What::Sync, What::Append(30, Os)]);
    marks.extend(driven(&[What::Append(20, Sync), What::Append(300, Buffered)]));
    marks.extend(driven(&[What::Append(24, Os)]));
    // The sync that the second of these asks for takes the one before it, and then the third is
    // accepted: its mark, the last of the log, claims nothing of the second. One bit makes it do so.
    for what in [What::Append(40, Sync), What::Append(30, Os)] {
        let turns = vec![Turn::Poll, Turn::Commit, Turn::Commit, Turn::Commit];
        marks.push(Op { client: 0, what, turns });
    }
    let frames = driven(&[What::Batch(vec![200, 300, 90], Sync), What::Append(9, Os), What::Tend]);
    let trimmed = driven(&[What::Append(40, Sync), What::Append(20, Sync), What::Trim(255)]);
    let last = driven(&[What::Append(12, Sync)]);
    // A segment that no rotation synced, and the next one; and then a sync of both, and a mark that says so.
    let beside = |what| Op { client: 0, what, turns: commits() };
    let left = [What::Append(40, Os), What::Append(60, Os), What::Append(9000, Os)].map(beside);
    let synced = [&left[..], &[beside(What::Sync)]].concat();
    Ok(vec![
        AtRest::after("records", Kind::Sync, &[&plain], false)?,
        AtRest::after("records, closed", Kind::Sync, &[&plain], true)?,
        AtRest::after("marks", Kind::Buffered, &[&marks], false)?,
        AtRest::after("marks, closed", Kind::Buffered, &[&marks], true)?,
        AtRest::after("a batch of frames, an idle mark", Kind::Buffered, &[&frames], false)?,
        AtRest::after("a trim", Kind::Sync, &[&trimmed, &last], false)?,
        AtRest::after("a trim, closed", Kind::Buffered, &[&trimmed], true)?,
        AtRest::after("two segments", Kind::Buffered, &[&marks, &last], false)?,
        AtRest::after("a segment left unsynced", Kind::Unsynced, &[&left], false)?,
        AtRest::after("the same, synced since", Kind::Unsynced, &[&synced], false)?,
        AtRest::after("the same, closed", Kind::Unsynced, &[&left], true)?,
    ])
}

fn broken<T>(promise: &'static str, what: String) -> Result<T, Violation> {
    Err(Violation { promise, what })
}

impl AtRest {
    /// What lives of these operations leave, each of which but the last ends by a kill.
    fn after(
        what: &'static str,
        kind: Kind,
        lives: &[&[Op]],
        closed: bool,
    ) -> Result<Self, Violation> {
        let options = options(kind);
        let (mut disk, mut before) = (SimDisk::new(Seed::new(1)), Before::Nothing);
        let mut log = SeawallLog::new(&options);
        let mut reported = Lsn::FIRST;
        for (nth, ops) in lives.iter().enumerate() {
            let world = World::new(disk.clone(), Class::Crash, before, wide(nth));
            let lived = log.open(&world).and_then(|_| {
                ops.iter().try_for_each(|op| log.make(&world, op))?;
                reported = log.durable().unwrap_or(reported);
                if closed && nth + 1 == lives.len() { log.finish(&world) } else { Ok(()) }
            });
            disk.crash_now(CrashKind::Kill);
            log.abandon();
            match lived {
                Ok(()) => {}
                Err(Stop::Broken(violation)) => return Err(violation),
                Err(Stop::Down) => return broken("progress", "nothing cut it off".to_owned()),
            }
            log = log.fork();
            (disk, before) = (settled(&disk), Before::Kill);
        }
        let mut records = Records::new();
        let view = match LogView::open_in(&environment(&disk, 0)) {
            Ok(view) => view,
            Err(error) => return broken("G5", format!("{what}: a sound log: {error:?}")),
        };
        if read(&view, &mut records)?.is_some() || view.damage().is_some() {
            return broken("G5", format!("{what}: a sound log is called damaged"));
        }
        let (proven, end) = (view.proven(), view.end());
        let segments = view.segments().to_vec();
        let reported = reported.min(segments.last().map_or(Lsn::FIRST, Segment::base));
        Ok(Self { what, options, disk, closed, records, proven, reported, end, segments })
    }

    /// The frames of a segment, each with where it begins in the file.
    fn frames(&self, segment: &Segment, file: &[u8]) -> Vec<(u64, FrameHeader)> {
        let seed = FrameSeed::new(segment.header.log, segment.header.salt);
        let (mut lsn, mut offset, mut frames) = (segment.base(), FRAMES_START, Vec::new());
        while let Some(bytes) = file.get(index(offset)..)
            && let Ok((frame, _)) = decode_frame(bytes, seed, lsn)
        {
            frames.push((offset, frame));
            offset += frame.frame_len();
            lsn = Lsn::new(lsn.get() + frame.frame_len());
        }
        frames
    }

    /// 1 if the last mark of the log states less than all that lies before it.
    fn late_marks(&self) -> u64 {
        let mut late = false;
        for segment in &self.segments {
            let name = FileName::Segment(segment.number()).text();
            let Some(file) = self.disk.read_durable(&name) else { continue };
            for (offset, frame) in self.frames(segment, &file) {
                let lsn = Lsn::new(segment.base().get() + offset - FRAMES_START);
                late = frame.mark.map_or(late, |mark| mark < lsn);
            }
        }
        u64::from(late)
    }

    /// Each bit that means something, each record that means nothing, and each other last frame.
    fn deeds(&self) -> Vec<Deed> {
        let (mut deeds, header) = (Vec::new(), wide(HEADER_LEN));
        for segment in &self.segments {
            let name = FileName::Segment(segment.number()).text();
            let Some(file) = self.disk.read_durable(&name) else { continue };
            let len = wide(file.len());
            let end = segment.closed.map_or(self.end, |closed| closed.lsn);
            let used = end.since(segment.base()).unwrap_or(0);
            let frames_end = (FRAMES_START + used + BEHIND).min(len);
            let trailer = len.saturating_sub(wide(TRAILER_LEN));
            let ranges =
                [0..header, SECOND..SECOND + header, FRAMES_START..frames_end, trailer..len];
            let frames = self.frames(segment, &file);
            let inside = |byte: u64| {
                let frame = frames.iter().rfind(|(offset, _)| *offset <= byte);
                let in_body = frame.is_some_and(|&(offset, frame)| {
                    (offset + ENDS..offset + frame.frame_len().saturating_sub(ENDS)).contains(&byte)
                });
                in_body && !byte.is_multiple_of(APART)
            };
            for offset in ranges.into_iter().flatten().filter(|&byte| !inside(byte)) {
                for bit in 0..8 {
                    deeds.push(Deed::Bit { name: name.clone(), offset, bit });
                }
            }
            // What stands there now means something; what another use left there does not.
            if file.get(index(trailer)..).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)) {
                deeds.extend(self.records_of_another_use(segment, &name, trailer));
            }
            deeds.extend(frames.last().and_then(|&last| other_frame(segment, &name, &file, last)));
        }
        deeds
    }

    fn records_of_another_use(&self, segment: &Segment, name: &str, offset: u64) -> Vec<Deed> {
        let salts = (0..64).map(|bit| Salt::new(segment.header.salt.get() ^ (1 << bit)));
        let ends = [segment.base(), self.proven, self.end, Lsn::new(self.end.get() + 800)];
        let kinds = [TrailerKind::Close, TrailerKind::Seal { frames: 1 }];
        let mut deeds = Vec::new();
        for salt in salts {
            for end in ends {
                for kind in kinds {
                    let record = Trailer { kind, salt, end, last_check: 1 };
                    deeds.push(Deed::Record { name: name.to_owned(), offset, record });
                }
            }
        }
        deeds
    }

    /// Does it, and looks at what readers and writers make of it.
    fn judge(&self, deed: &Deed) -> Result<Verdict, Violation> {
        let disk = self.disk.after_kill();
        let done = match deed {
            Deed::Bit { name, offset, bit } => disk.flip_bit(name, *offset, *bit),
            Deed::Record { name, offset, record } => {
                disk.overwrite_durably(name, *offset, &record.encode())
            }
            Deed::LastFrame { name, offset, frame, .. } => {
                disk.overwrite_durably(name, *offset, frame)
            }
        };
        if let Err(error) = done {
            return broken("progress", format!("there is no such byte: {error}"));
        }
        let harmless = match deed {
            Deed::Bit { offset, .. } => *offset < FRAMES_START,
            Deed::Record { .. } => true,
            Deed::LastFrame { .. } => false,
        };
        let mut view = match LogView::open_in(&environment(&disk, 1)) {
            Ok(view) => view,
            // A version or an id that no check vouches for: nothing is shown at all.
            Err(Error::Unknown { .. } | Error::Foreign { .. }) if !harmless => {
                return Ok(Verdict::Damaged);
            }
            Err(error) => return broken("G5", format!("a reader's open: {error:?}")),
        };
        let mut shown = Records::new();
        let told = read(&view, &mut shown)?.is_some() || view.damage().is_some();
        let (proven, end) = (view.proven(), view.end());
        let verdict = match view.verify(|_| {}) {
            Ok(found) => found.verdict,
            Err(error) => return broken("G5", format!("verify: {error:?}")),
        };
        if let Deed::LastFrame { end, .. } = deed {
            // Its record has a check that holds: what is wrong is known only behind it.
            let walked = *end > self.proven;
            if !told || walked && view.damage().is_none() {
                return broken("G5", format!("another last frame, called {verdict:?}"));
            }
            self.writer(&disk, &shown, view.damage().is_some(), false)?;
            return Ok(verdict);
        }
        if let Some((place, _)) =
            shown.iter().find(|(place, print)| self.records.get(place) != Some(print))
        {
            return broken("G2", format!("{place:?} shows what nobody appended"));
        }
        if proven > self.proven {
            let truth = self.proven;
            return broken("G5", format!("proven up to {proven}, and {truth} is the truth"));
        }
        let missing = self.records.keys().find(|place| !shown.contains_key(place));
        if let Some(&(lsn, _)) = missing {
            let fine = match verdict {
                Verdict::Clean => false,
                Verdict::TornTail => {
                    let vouched = self.proven.max(self.reported);
                    !harmless && !self.closed && lsn >= vouched
                }
                _ => !harmless && told,
            };
            if !fine {
                return broken("G5", format!("called {verdict:?}, and {lsn} is missing"));
            }
        }
        let same = (proven, end, told) == (self.proven, self.end, false);
        if harmless && (!same || verdict == Verdict::Damaged) {
            let what = format!("called {verdict:?}, proven to {proven}, to end at {end}");
            return broken("G5", what);
        }
        self.writer(&disk, &shown, view.damage().is_some(), harmless)?;
        Ok(verdict)
    }

    /// Frames of closed segments are not read by an open, but files are counted and measured.
    fn writer(
        &self,
        disk: &SimDisk,
        shown: &Records,
        damaged: bool,
        harmless: bool,
    ) -> Result<(), Violation> {
        let found = match Log::open_in(environment(disk, 2), self.options.options()) {
            Ok(_) if damaged => broken("G5", "a damaged log opens for writing".to_owned()),
            Ok(log) => match log.scan(Lsn::FIRST) {
                Ok(scan) => {
                    let count = scan.filter_map(Result::ok).count();
                    let what =
                        format!("the writer shows {count} records, a reader {}", shown.len());
                    if count == shown.len() { Ok(()) } else { broken("G5", what) }
                }
                Err(error) => broken("G5", format!("the writer's scan: {error:?}")),
            },
            Err(error) if harmless => broken("G5", format!("open: {error:?}")),
            Err(_) => Ok(()),
        };
        disk.crash_now(CrashKind::Kill);
        found
    }
}

/// A record of other bytes in place of the last one of a closed segment.
fn other_frame(
    segment: &Segment,
    name: &str,
    file: &[u8],
    (offset, last): (u64, FrameHeader),
) -> Option<Deed> {
    let end = segment.closed?.lsn;
    let begin = index(offset + wide(frame::HEADER_LEN));
    let body = file.get(begin..)?.get(..usize::try_from(last.body_len).ok()?)?;
    if last.kind != FrameKind::Record || last.mark.is_some() || body.is_empty() {
        return None;
    }
    let other: Vec<u8> = body.iter().map(|byte| !byte).collect();
    let mut frame = Vec::new();
    place_frame(&mut frame, FrameSpec::of(FrameKind::Record), &[&other[..]]);
    let seed = FrameSeed::new(segment.header.log, segment.header.salt);
    let lsn = Lsn::new(segment.base().get() + offset - FRAMES_START);
    let _ = finish_run(&mut frame, seed, lsn, last.prev);
    Some(Deed::LastFrame { name: name.to_owned(), offset, frame, end })
}

/// Reads everything; how often damage was met, if it was.
fn read(view: &LogView, records: &mut Records) -> Result<Option<usize>, Violation> {
    let mut told = 0_usize;
    let mut scan = match view.scan(Lsn::FIRST) {
        Ok(scan) => scan,
        Err(error) => return broken("G5", format!("a reader's scan: {error:?}")),
    };
    loop {
        match scan.next_ref() {
            Ok(Some(record)) => {
                let mut print = Fingerprint::new();
                print.bytes(record.bytes);
                records.insert((record.lsn, record.index), print.value());
            }
            Ok(None) => return Ok((told > 0).then_some(told)),
            Err(error) if error.is_damage() && told < 1000 => told += 1,
            Err(error) => return broken("G5", format!("a reader's scan: {error:?}")),
        }
    }
}

/// The same bytes, all of them durable.
fn settled(disk: &SimDisk) -> SimDisk {
    let mut rng = Seed::new(0).rng(Concern::CrashResolution);
    disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng)
}
