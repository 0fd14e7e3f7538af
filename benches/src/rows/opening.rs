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
    Options::new().durability(Durability::Buffered).idle_mark(None)
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

/// What stands at the end of each file of a log: the close records that it has, and those it has not.
struct Ends(Vec<(PathBuf, [u8; END])>);

/// Bytes at the end of a file among which a close record lies.
const END: usize = 64;

impl Ends {
    fn of(dir: &Path) -> Result<Self> {
        let mut ends = Vec::new();
        for entry in dir.read_dir()? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "seg") {
                let mut end = [0; END];
                let file = File::open(&path)?;
                file.read_exact_at(&mut end, file.metadata()?.len().saturating_sub(END as u64))?;
                ends.push((path, end));
            }
        }
        Ok(Self(ends))
    }

    /// Makes the log one that was killed again: an open that is over leaves a close record.
    fn restore(&self) -> Result<()> {
        for (path, end) in &self.0 {
            let file = match File::options().write(true).open(path) {
                // One that was made ready for a segment that never began.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                file => file?,
            };
            file.write_all_at(end, file.metadata()?.len().saturating_sub(END as u64))?;
            file.sync_data()?;
        }
        Ok(())
    }
}

fn opens(setting: &Setting, segments: u64, clean: bool) -> Result<Sides> {
    let (plot, count) = left(&setting.ground, segments, clean)?;
    let beside = setting.ground.plot()?;
    Reading::create(&beside.path().join("log"), &mut Records::new(LEN, 0), count)?.pad()?;
    let last = (count - 1) * (LEN + HEADER) as u64;
    let ends = Ends::of(plot.path())?;
    Ok(Sides {
        ours: Box::new(move |time| {
            repeated(time, || {
                // It is dropped outside the time, and the directory made what it was.
                let (log, took) = timed(|| Log::open(plot.path(), options()));
                let log = log?;
                same("an open", u64::from(log.report().clean), u64::from(clean))?;
                drop(log);
                ends.restore()?;
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
