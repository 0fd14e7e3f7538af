//! Frames of kinds that later releases may use: every reader, recovery, copy and repair passes over
//! them, and reads what stands behind them.

use super::repairs::{copy, name, options, repair, settled};
use seawall::format::checksum::FrameSeed;
use seawall::format::frame::{FrameKind, SkippableKind};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::{Error, Log, LogView, Lsn, Tag, Verdict};
use seawall_sim::{CrashKind, Seed, SimDisk, environment};

/// The records, in order. The last one is appended by the library.
const RECORDS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

fn skippable(number: u8) -> Result<FrameSpec, String> {
    let kind = SkippableKind::new(number).ok_or("no such kind")?;
    Ok(FrameSpec::of(FrameKind::Skippable(kind)))
}

fn answered<T>(what: &str, answer: seawall::Result<T>) -> Result<T, String> {
    answer.map_err(|error| format!("{what}: {error:?}"))
}

/// A log that was killed: a record, and behind it frames as a later release may write them. Also the
/// addresses of those that this release passes over, and where all of them end.
fn written() -> Result<(SimDisk, Vec<Lsn>, Lsn), String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = answered("open", Log::open_in(environment(&disk, 1), options()))?;
    let first = answered("append", log.append(RECORDS[0].as_bytes()))?;
    let header = log.segments().pop().ok_or("no segment")?.header;
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = settled(&disk);
    let part = FrameSpec { continues: true, ..FrameSpec::of(FrameKind::Batch) };
    let frames: [(FrameSpec, &[u8]); 7] = [
        (skippable(64)?, b"of a later release"),
        (FrameSpec::of(FrameKind::Record), b"second"),
        (skippable(127)?.tagged(Tag::new(0x1234)), b""),
        (skippable(99)?, &[0xff; 700]),
        (part, b"\x05\0\0\0third"),
        (FrameSpec::of(FrameKind::Batch), b"\x06\0\0\0fourth"),
        (skippable(100)?, b"at the end"),
    ];
    let (mut run, mut passed_over) = (Vec::new(), Vec::new());
    for (spec, body) in frames {
        let at = Lsn::new(first.end.get() + run.len() as u64);
        if matches!(spec.kind, FrameKind::Skippable(_)) {
            passed_over.push(at);
        }
        place_frame(&mut run, spec, &[body]);
    }
    let bytes = disk.read_durable(&name(1)).ok_or("no file")?;
    let at = |lsn: Lsn| 8192 + lsn.get() - header.base.get();
    let from = usize::try_from(at(first.lsn)).map_err(|error| error.to_string())?;
    let check = bytes[from..].first_chunk().map(|check| u32::from_le_bytes(*check));
    let seed = FrameSeed::new(header.log, header.salt);
    let _ = finish_run(&mut run, seed, first.end, check.ok_or("no frame")?);
    disk.overwrite_durably(&name(1), at(first.end), &run).map_err(|error| error.to_string())?;
    Ok((disk, passed_over, Lsn::new(first.end.get() + run.len() as u64)))
}

/// What a log shows is these records and no more.
fn shows(
    what: &str,
    found: Vec<seawall::Result<seawall::Record>>,
    count: usize,
) -> Result<(), String> {
    let found: Result<Vec<_>, _> = found.into_iter().collect();
    let found = answered(what, found)?;
    let texts: Vec<_> =
        found.iter().map(|r| String::from_utf8_lossy(&r.bytes).into_owned()).collect();
    if texts == RECORDS[..count] { Ok(()) } else { Err(format!("G1: {what}: {texts:?} are shown")) }
}

/// The directory is sound, and shows so many records.
fn is_sound(what: &str, disk: &SimDisk, count: usize) -> Result<(), String> {
    let mut view = answered(what, LogView::open_in(&environment(disk, 2)))?;
    let found = answered(what, view.verify(|_| {}))?;
    if found.verdict != Verdict::Clean {
        return Err(format!("G5: {what}: {found:?}"));
    }
    shows(what, answered(what, view.scan(Lsn::FIRST))?.collect(), count)
}

/// # Errors
/// What is not as if the frames were not there.
pub(crate) fn are_passed_over() -> Result<(), String> {
    let (disk, passed_over, end) = written()?;
    // Where they stand at the end, and then, behind an unclean end, in a closed segment.
    is_sound("a view of the tail", &disk, 4)?;
    let log = answered("open", Log::open_in(environment(&disk, 3), options()))?;
    if log.report().end != end {
        return Err(format!("G1: the log ends at {}, not at {end}", log.report().end));
    }
    shows("a scan", answered("scan", log.scan(Lsn::FIRST))?.collect(), 4)?;
    for lsn in &passed_over {
        match log.read(*lsn) {
            Err(Error::NoRecord { .. }) => {}
            other => return Err(format!("G5: a read at {lsn}: {other:?}")),
        }
        // A scan begins there as anywhere.
        let from = answered("scan", log.scan(*lsn))?.count();
        if from == 0 && *lsn != passed_over[passed_over.len() - 1] {
            return Err(format!("G1: a scan from {lsn} shows nothing"));
        }
    }
    for answer in log.read_many(&passed_over) {
        if !matches!(answer, Err(Error::NoRecord { .. })) {
            return Err(format!("G5: one of many reads: {answer:?}"));
        }
    }
    answered("append", log.append(RECORDS[4].as_bytes()))?;
    let mut follower = answered("follow", log.follow(Lsn::FIRST))?;
    let mut followed = Vec::new();
    while let Some(record) = answered("follow", follower.try_next())? {
        followed.push(Ok(record));
    }
    shows("a follower", followed, 5)?;
    answered("close", log.close())?;
    drop(log);
    is_sound("a view of a closed log", &disk, 5)?;
    let copied = SimDisk::new(Seed::new(2));
    answered("copy", copy(&environment(&disk, 2), &copied))?;
    is_sound("a copy", &copied, 5)
}

/// A repair of what is damaged before them leaves them, and what stands behind.
///
/// # Errors
/// What else was lost.
pub(crate) fn are_left_by_a_repair() -> Result<(), String> {
    let (disk, _, _) = written()?;
    let log = answered("open", Log::open_in(environment(&disk, 3), options()))?;
    answered("append", log.append(RECORDS[4].as_bytes()))?;
    answered("close", log.close())?;
    drop(log);
    let disk = settled(&disk);
    // In the first record, which stands in a closed segment now.
    disk.flip_bit(&name(1), 8192 + 21, 0).map_err(|error| error.to_string())?;
    answered("repair", repair(&disk, "once"))?;
    let view = answered("view", LogView::open_in(&environment(&disk, 2)))?;
    let found: Vec<_> = answered("scan", view.scan(Lsn::FIRST))?.collect();
    let texts: Vec<_> = found
        .iter()
        .filter_map(|record| record.as_ref().ok())
        .map(|record| String::from_utf8_lossy(&record.bytes).into_owned())
        .collect();
    if texts == RECORDS[1..] { Ok(()) } else { Err(format!("G1: a repair left {texts:?}")) }
}
