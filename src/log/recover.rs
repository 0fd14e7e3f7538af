//! Opens a log for writing: survey, decide, and only then change something.
//!
//! What is changed is little, each step harmless if it is the last: files below the trim point
//! are removed again, a bad header copy is written from the good one, strays become spares,
//! spares beyond what the options allow are removed, and a close record behind which a segment was
//! begun becomes a seal, or goes if it is that of a cut that was not made. The
//! tail is cut by nothing but the header of the next segment, which the first append writes.

use super::decide::Row;
use super::lineage::going_on;
use super::machine::{Origin, Start};
use super::options::Options;
use super::remains;
use super::report::{Cut, RecoveryReport};
use super::short_end::{erase_an_unfinished_cut, seal_what_a_crash_left};
use super::survey::{Access, Segment, SegmentEnd, Survey, survey};
use super::view::LogView;
use crate::error::{Error, Result};
use crate::format::content::Content;
use crate::format::extension::Extension;
use crate::format::header::{HEADER_LEN, SegmentHeader, VERSION};
use crate::format::layout;
use crate::format::name::FileName;
use crate::position::{Home, Lineage, LogId, Lsn, SegmentId};
use crate::storage::{Environment, OpenMode, Storage, read_full, write_full};
use std::collections::BTreeSet;

/// No log leaves so many segments unsynced: a header states how many numbers it passes over in 32 bits.
const DROPPED_MAX: usize = 1 << 20;

/// Recovers the log of `environment`, whose lock is held.
///
/// # Errors
/// Whatever the table refuses, and what the disk says; nothing was changed then, but for the
/// repairs above.
pub(crate) fn recover(
    environment: &Environment,
    options: &Options,
) -> Result<(Start, RecoveryReport)> {
    let began = environment.clock.now();
    let storage = &*environment.storage;
    let mut survey = survey(storage, Access::Writer)?;
    if planted!("repair-before-the-verdict") {
        repair(storage, &mut survey, options.spares_max)?;
    }
    if planted!("spare-removed-before-the-verdict")
        && let Some(spare) = survey.spares.pop()
    {
        let name = FileName::Spare(spare).text();
        storage.remove(&name).map_err(|e| Error::io("remove", name, e))?;
    }
    if let Some(error) = survey.fatal.take() {
        return Err(named(environment, error));
    }
    if options.must_exist && survey.log.is_none() {
        return Err(Error::NoLog { dir: storage.place() });
    }
    if let Some(found) = survey.content()
        && found != options.content
        && !planted!("content-not-checked")
    {
        return Err(Error::Content { expected: options.content, found });
    }
    let last = survey.segments.last().map(|segment| segment.number());
    if options.refuse_ambiguous_tail
        && survey.tail_ambiguous()
        && let (Some(segment), Some(tail)) = (last, &survey.tail)
    {
        return Err(Error::AmbiguousTail { segment, end: tail.end });
    }
    repair(storage, &mut survey, options.spares_max)?;
    let created = survey.log.is_none();
    let log = match survey.log {
        Some(log) => log,
        None => draw_log_id(environment)?,
    };
    let (lineage, raised) = match survey.segments.last() {
        Some(last) => going_on(environment, &last.header, survey.here)?,
        None => (Lineage::FIRST, false),
    };
    let origin = match (&survey.tail, survey.segments.last()) {
        (Some(tail), Some(last)) => {
            let end = SegmentEnd { lsn: tail.end, check: tail.end_check };
            match origin(end, tail.clean, tail.short, last.header.version) {
                Origin::Clean { end } if raised && planted!("raise-leaves-the-close-record") => {
                    Origin::Older { end }
                }
                origin => origin,
            }
        }
        _ => Origin::Fresh,
    };
    if let Origin::Unclean { end } | Origin::Older { end } | Origin::Short { end } = origin
        && let Some(segment) = survey.segments.last_mut()
    {
        segment.closed = Some(end);
    }
    // A clock that went back says nothing.
    let elapsed = environment.clock.now().saturating_sub(began);
    let report = RecoveryReport {
        content: options.content,
        lineage,
        raised,
        ..report(&survey, log, created, origin, elapsed)
    };
    if survey.dropped.len() > DROPPED_MAX {
        let segment = survey.dropped.last().map_or(SegmentId::FIRST, |&last| last);
        let what = format!("more than {DROPPED_MAX} files stand behind the end of the log");
        return Err(Error::Unknown { name: FileName::Segment(segment).text(), what });
    }
    let start = Start {
        log,
        extension: Extension { content: options.content, lineage, home: Home::UNKNOWN },
        raised,
        segments: survey.segments,
        origin,
        trim: survey.trim,
        unborn: survey.unborn.map(|(_, file_len)| file_len),
        dropped: survey.dropped,
        spares: survey.spares,
        reserve: survey.reserve,
    };
    Ok((start, report))
}

/// The error, with the range that a verification names for the same damage.
fn named(environment: &Environment, error: Error) -> Error {
    if !error.is_damage() {
        return error;
    }
    // Where that cannot be read, what the survey knows is what there is to say.
    let view = LogView::open_in(environment);
    view.and_then(|view| view.range_of(&error)).ok().flatten().unwrap_or(error)
}

/// How a run goes on behind a segment of version `last` of the format.
fn origin(end: SegmentEnd, clean: bool, short: bool, last: u32) -> Origin {
    if !clean && !planted!("tail-cut-in-memory-only") {
        Origin::Unclean { end }
    } else if last < VERSION {
        Origin::Older { end }
    } else if short && !planted!("short-file-gone-on-in") {
        Origin::Short { end }
    } else {
        Origin::Clean { end }
    }
}

fn repair(storage: &dyn Storage, survey: &mut Survey, spares_max: usize) -> Result<()> {
    let dir_sync = |storage: &dyn Storage| {
        storage.sync_dir().map_err(|e| Error::io("sync", storage.place(), e))
    };
    survey.reserve = survey.reserve && is_long_enough(storage, FileName::RESERVE)?;
    for &id in &survey.trimmed {
        let name = FileName::Segment(id);
        // The run before may have used the reserve up for this very trim.
        let kept = !survey.reserve
            && !planted!("reserve-forgotten-by-recovery")
            && is_long_enough(storage, name)?;
        if kept {
            keep_as_reserve(storage, name)?;
            survey.reserve = true;
        } else {
            let name = name.text();
            storage.remove(&name).map_err(|e| Error::io("remove", name, e))?;
        }
    }
    // A header says that they are no part of the log: what they hold was never proven.
    for &id in &survey.passed_over {
        let name = FileName::Segment(id).text();
        storage.remove(&name).map_err(|e| Error::io("remove", name, e))?;
    }
    for &id in &survey.strays {
        let (from, to) = (FileName::Segment(id), FileName::Spare(id.get()));
        storage
            .rename(&from.text(), &to.text())
            .map_err(|e| Error::io("rename", from.text(), e))?;
    }
    // They may have replaced some.
    let replaced: BTreeSet<u64> = survey.strays.iter().map(|id| id.get()).collect();
    survey.spares.retain(|spare| !replaced.contains(spare));
    survey.spares.extend(replaced);
    // A log that was never trimmed has used none of them. What a segment's file holds in such a log tells
    // whether it was begun, so nothing of another origin may get into one.
    let (mut spares, mut surplus) = (std::mem::take(&mut survey.spares), Vec::new());
    if survey.trim == Lsn::FIRST {
        (spares, surplus) = spares.into_iter().partition(|&spare| is_empty(storage, spare));
    }
    // One more than asked for may be under way at any time: it saves the next preparation work.
    surplus.extend(spares.split_off(spares.len().min(spares_max.max(1))));
    survey.spares = spares;
    for &spare in &surplus {
        let name = FileName::Spare(spare).text();
        storage.remove(&name).map_err(|e| Error::io("remove", name, e))?;
    }
    let moved = [&survey.trimmed, &survey.passed_over, &survey.strays];
    if !(moved.iter().all(|moved| moved.is_empty()) && surplus.is_empty()) {
        dir_sync(storage)?;
    }
    for &id in &survey.rebuild {
        let nth = survey.segments.binary_search_by_key(&id, Segment::number);
        let Some(segment) = nth.ok().and_then(|nth| survey.segments.get(nth)) else {
            continue;
        };
        rebuild(storage, &segment.header)
            .map_err(|e| Error::io("rebuild the header of", FileName::Segment(id).text(), e))?;
    }
    erase_an_unfinished_cut(storage, survey)?;
    seal_what_a_crash_left(storage, survey)
}

/// Whether a spare holds nothing but zeros, and no more of them than a segment can have. One that cannot
/// be read is not worth keeping either.
fn is_empty(storage: &dyn Storage, spare: u64) -> bool {
    let file = storage.open(&FileName::Spare(spare).text(), OpenMode::Read);
    let zero = file.and_then(|file| match file.len()? {
        len if len <= layout::FILE_LEN_MAX => remains::is_zero(&*file, 0, len),
        _ => Ok(false),
    });
    zero.is_ok_and(|zero| zero)
}

/// Whether a file has at least the length of the reserve.
fn is_long_enough(storage: &dyn Storage, name: FileName) -> Result<bool> {
    let name = name.text();
    let len = storage.open(&name, OpenMode::Read).and_then(|file| file.len());
    Ok(len.map_err(|e| Error::io("open", name, e))? >= layout::SEGMENT_LEN_MIN)
}

/// A file that is no longer part of the log becomes the reserve, and gives back what that does not
/// need. It is written anew before records count on it.
fn keep_as_reserve(storage: &dyn Storage, name: FileName) -> Result<()> {
    let (from, to) = (name.text(), FileName::RESERVE.text());
    storage.rename(&from, &to).map_err(|e| Error::io("rename", from, e))?;
    storage
        .open(&to, OpenMode::Write)
        .and_then(|file| file.set_len(layout::SEGMENT_LEN_MIN))
        .map_err(|e| Error::io("shorten", to, e))
}

/// Writes the copy that is not the good header; never touches the good one.
fn rebuild(storage: &dyn Storage, header: &SegmentHeader) -> std::io::Result<()> {
    let file = storage.open(&FileName::Segment(header.number).text(), OpenMode::Write)?;
    let good = header.encode();
    for at in [0, layout::BLOCK] {
        let mut copy = [0; HEADER_LEN];
        read_full(&*file, at, &mut copy)?;
        if copy != good {
            write_full(&*file, at, &[&good])?;
        }
    }
    file.sync_data()
}

fn draw_log_id(environment: &Environment) -> Result<LogId> {
    let mut id = [0; 16];
    environment
        .entropy
        .fill(&mut id)
        .map_err(|e| Error::io("draw an id for", environment.storage.place(), e))?;
    Ok(LogId::new(id))
}

fn report(
    survey: &Survey,
    log: LogId,
    created: bool,
    origin: Origin,
    took: std::time::Duration,
) -> RecoveryReport {
    let (end, jump) = match origin {
        Origin::Fresh => (Lsn::FIRST, 0),
        Origin::Clean { end } | Origin::Older { end } | Origin::Short { end } => (end.lsn, 0),
        Origin::Unclean { end } => (end.lsn, Lsn::JUMP),
    };
    let last = survey.segments.last().map_or(SegmentId::FIRST, |segment| segment.number());
    let tail = survey.tail.as_ref();
    let cut = tail
        .filter(|tail| matches!(tail.row, Row::Undecodable | Row::HalfBatch | Row::Torn))
        .map(|tail| Cut { segment: last, from: tail.end, bytes: tail.dirty_bytes, why: tail.row });
    let segments = survey.segments.len() as u64;
    RecoveryReport {
        log,
        content: Content::RAW,
        lineage: Lineage::FIRST,
        raised: false,
        created,
        clean: !matches!(origin, Origin::Fresh | Origin::Unclean { .. }),
        segments,
        segments_not_read: segments.saturating_sub(1),
        tail_frames: tail.map_or(Some(0), |tail| tail.frames),
        end,
        next: end.checked_add(jump).unwrap_or(end),
        trim: survey.trim,
        bytes_scanned: tail.map_or(0, |tail| tail.scanned),
        cut,
        tail_ambiguous: survey.tail_ambiguous(),
        verified_against_device: survey.verified,
        rebuilt: survey.rebuild.clone(),
        removed: [&survey.trimmed[..], &survey.passed_over[..]].concat(),
        dropped: survey.dropped.clone(),
        findings: survey.findings.clone(),
        took,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_segment_of_this_version_is_gone_on_in() {
        let end = SegmentEnd { lsn: Lsn::new(64), check: 7 };
        for (clean, short, last, expected) in [
            (true, false, VERSION, Origin::Clean { end }),
            (true, true, VERSION, Origin::Short { end }),
            (true, false, VERSION - 1, Origin::Older { end }),
            (true, true, VERSION - 1, Origin::Older { end }),
            (false, false, VERSION, Origin::Unclean { end }),
            (false, false, VERSION - 1, Origin::Unclean { end }),
        ] {
            let said = origin(end, clean, short, last);
            assert_eq!(said, expected, "{clean}, {short}, version {last}");
        }
    }
}
