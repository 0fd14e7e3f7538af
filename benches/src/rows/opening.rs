//! Opening a log that was closed, and one whose process was killed.

use super::{Figure, Group, Line, Row, Scale, Setting, Sides};
use crate::failure::{Failure, Result, same};
use crate::ground::{Ground, Plot};
use crate::records::Records;
use crate::reference::{HEADER, PREPARED, Reading};
use crate::slice::{repeated, timed};
use seawall::{Durability, Log, Options};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const OPENING: Group = Group {
    title: "Opening a log for writing",
    about: "reference: after a kill, reading the unsealed last segment once from the device; \
            after a clean close, its last record",
};

const LEN: usize = 4000;

pub(super) fn rows(scale: &Scale) -> Vec<Row> {
    let mut clean = vec![1, scale.open_segments];
    clean.dedup();
    let told = |segments: u64| match segments * 64 {
        mib if mib < 1024 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib / 1024),
    };
    let killed = scale.open_segments;
    let line = Line::seconds(format!("open after a kill, {}", told(killed)), Figure::Time, 1.3);
    let row = Row::turns(&OPENING, line, room, move |setting| opens(setting, killed, false));
    let mut rows = vec![row.dragging(2.0)];
    rows.extend(clean.into_iter().map(|segments| {
        let name = format!("open after a clean close, {}", told(segments));
        let line = Line::seconds(name, Figure::Alone, 0.003);
        Row::turns(&OPENING, line, room, move |setting| opens(setting, segments, true))
            .dragging(3.0)
    }));
    rows
}

/// The log twice, each with a segment that is prepared, and the file of the reference.
const fn room(scale: &Scale) -> u64 {
    (2 * (scale.open_segments + 1) + 1) * PREPARED
}

fn options() -> Options {
    Options::new().first_segment_len(PREPARED).durability(Durability::Buffered).idle_mark(None)
}

/// Fills this many segments, the last one almost; how many records are in that.
fn filled(log: &Log, segments: u64) -> Result<u64> {
    let mut records = Records::new(LEN, 0);
    let (mut last, mut count, mut until) = (None, 0, u64::MAX);
    loop {
        let receipt = log.append(records.record())?;
        count += 1;
        if receipt.end.get() < until {
            let there = log.segments();
            let base = there.last().map(seawall::Segment::base);
            if last != base {
                (last, count) = (base, 1);
                if there.len() as u64 == segments {
                    until = base.unwrap_or_default().get() + (PREPARED - (2 << 20));
                }
            }
            continue;
        }
        return Ok(count);
    }
}

/// Copies a directory file by file, durably: what a log that was killed just now leaves.
fn copied(from: &Path, to: &Path) -> Result<()> {
    for entry in from.read_dir()? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        match std::fs::copy(entry.path(), &copy) {
            // A file that is made ready gets its name meanwhile: a log does without it.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            copied => copied?,
        };
        std::fs::OpenOptions::new().write(true).open(&copy)?.sync_all()?;
    }
    Ok(())
}

/// A log of this many segments that nobody has open, and the records in the last one.
fn left(ground: &Ground, segments: u64, clean: bool) -> Result<(Plot, u64)> {
    let live = ground.plot()?;
    let log = Log::open(live.path(), options())?;
    let count = filled(&log, segments)?;
    log.sync()?;
    if clean {
        log.close()?;
        return Ok((live, count));
    }
    let dead = ground.plot()?;
    copied(live.path(), dead.path())?;
    Ok((dead, count))
}

/// The files of a log that was killed, and what an open and its end change of them: where a segment
/// begins, and where its close record stands.
struct Killed {
    dir: PathBuf,
    files: Vec<(PathBuf, u64, [Vec<u8>; 2])>,
}

/// Bytes at the beginning of a file, the first frames among them, and at its end.
const PARTS: [usize; 2] = [16 << 10, 64];

impl Killed {
    fn of(dir: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for path in segments(dir)? {
            let file = File::open(&path)?;
            let len = file.metadata()?.len();
            let mut parts = PARTS.map(|len| vec![0; len]);
            for (part, at) in parts.iter_mut().zip(places(len)) {
                file.read_exact_at(part, at)?;
            }
            files.push((path, len, parts));
        }
        Ok(Self { dir: dir.to_owned(), files })
    }

    /// Makes the log one that was killed again: the end of an open begins a segment and closes it.
    fn restore(&self) -> Result<()> {
        for path in segments(&self.dir)? {
            let Some((_, len, parts)) = self.files.iter().find(|(known, ..)| *known == path) else {
                std::fs::remove_file(path)?;
                continue;
            };
            let file = File::options().write(true).open(path)?;
            // One that is over gave back what it did not use.
            file.set_len(*len)?;
            for (part, at) in parts.iter().zip(places(*len)) {
                file.write_all_at(part, at)?;
            }
            file.sync_all()?;
        }
        Ok(())
    }
}

fn segments(dir: &Path) -> Result<Vec<PathBuf>> {
    let paths = dir.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "seg");
    Ok(paths.into_iter().filter(is_segment).collect())
}

/// Where the parts that are kept lie in a file of this length.
fn places(len: u64) -> [u64; 2] {
    [0, len.saturating_sub(PARTS[1] as u64)]
}

fn opens(setting: &Setting, segments: u64, clean: bool) -> Result<Sides> {
    let (plot, count) = left(&setting.ground, segments, clean)?;
    let beside = setting.ground.plot()?;
    Reading::create(&beside.path().join("log"), &mut Records::new(LEN, 0), count)?.pad()?;
    let last = (count - 1) * (LEN + HEADER) as u64;
    let killed = if clean { None } else { Some(Killed::of(plot.path())?) };
    Ok(Sides {
        ours: Box::new(move |time| {
            repeated(time, || {
                // It is dropped outside the time, and the directory made what it was.
                let (log, took) = timed(|| Log::open(plot.path(), options()));
                let log = log?;
                same("an open", u64::from(log.report().clean), u64::from(clean))?;
                drop(log);
                killed.as_ref().map_or(Ok(()), Killed::restore)?;
                Ok((1, took))
            })
        }),
        reference: Box::new(move |time| {
            repeated(time, || {
                let (read, took) = timed(|| {
                    if clean {
                        Reading::open_closed(beside.path(), "log", last).map(|len| len as u64)
                    } else {
                        Reading::open_killed(beside.path(), "log")
                    }
                });
                same("an open", read?, if clean { LEN as u64 } else { count })?;
                Ok::<_, Failure>((1, took))
            })
        }),
    })
}
