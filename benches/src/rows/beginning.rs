//! The first moments of a log: its first durable append, and durable appends until its segments are long.

use super::appending::append;
use super::{Bursts, Figure, Group, Line, Row, Scale, Setting, Sides, threads};
use crate::failure::Result;
use crate::ground::{Ground, Held};
use crate::records::Records;
use crate::reference::WriteThrough;
use crate::slice::{Gang, Slice, timed};
use seawall::{Log, Options};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const FIRST: Group = Group {
    title: "The first durable append, into an empty directory (open and append)",
    about: "reference: a file is created, 276 bytes are written, file and directory are synced",
};

const FRESH: Group = Group {
    title: "Durable appends of 256 B into a log that begins with the slice",
    about: "reference: as for durable appends; its zeros were written before",
};

/// Bytes of a frame with a record of 256.
const FRAME: usize = 276;

pub(super) fn rows() -> Vec<Row> {
    let line = Line::seconds("first append of a log", Figure::Time, 3.0);
    let mut rows = vec![Row::turns(&FIRST, line, |_| 1 << 20, first).dragging(1.4)];
    let gang = |threads, batch| Gang { threads, len: 256, batch, stride: 1, noted: true };
    for (count, target) in [(1, 0.9), (8, 0.9), (128, 0.9)] {
        let line = Line::rate(format!("fresh log, {}", threads(count)), target);
        let row = Row::turns(&FRESH, line, room, move |setting| fresh(setting, gang(count, 1)));
        let worst = format!("fresh log, {}, p999", threads(count));
        rows.push(row.and(Line::seconds(worst, Figure::Quantile(0.999), 3.0)).dragging(1.4));
    }
    for batch in [10, 100, 1000] {
        let line = Line::rate(format!("fresh log, batch of {batch}"), 0.6);
        let row = Row::turns(&FRESH, line, room, move |setting| fresh(setting, gang(1, batch)));
        rows.push(row.dragging(1.6));
    }
    rows
}

/// What a fast disk takes in a slice, and the file of the reference.
const fn room(scale: &Scale) -> u64 {
    scale.durable_len + (1 << 30)
}

fn first(setting: &Setting) -> Result<Sides> {
    let (ground, beside) = (Arc::clone(&setting.ground), Arc::clone(&setting.ground));
    let side = |ground: Arc<Ground>, begin: fn(&Path) -> Result<Option<Log>>| {
        move |time: Duration| -> Result<Slice> {
            let mut slice = Slice::default();
            while slice.took < time {
                let plot = ground.plot()?;
                let (begun, took) = timed(|| begin(plot.path()));
                if let Some(log) = begun? {
                    log.close()?;
                }
                slice.add(Slice { operations: 1, took, latencies: None });
            }
            Ok(slice)
        }
    };
    Ok(Sides {
        ours: Box::new(side(ground, |dir| {
            let log = Log::open(dir, Options::new())?;
            log.append(&[0x5a; 256])?;
            Ok(Some(log))
        })),
        reference: Box::new(side(beside, |dir| {
            let mut file = File::create(dir.join("bare"))?;
            file.write_all(&[0x5a; FRAME])?;
            file.sync_all()?;
            File::open(dir)?.sync_all()?;
            Ok(None)
        })),
    })
}

fn fresh(setting: &Setting, gang: Gang) -> Result<Sides> {
    let bursts = Bursts { gang, calls: u64::MAX, goes_on: false };
    let reference = Bursts { goes_on: true, ..bursts };
    let len = setting.scale.durable_len;
    let ground = Arc::clone(&setting.ground);
    let plot = setting.ground.plot()?;
    let mut held = Some(Held::new(plot, |dir| Ok(WriteThrough::create(&dir.join("log"), len)?))?);
    let batches = gang.batch > 1;
    Ok(Sides {
        ours: bursts.side(
            move || Held::new(ground.plot()?, |dir| Ok(Log::open(dir, Options::new())?)),
            move |log, records: &mut Records| append(log, records, batches),
            |_| Ok(()),
        ),
        reference: reference.side(
            // It begins again at the start of its file and is never used up.
            move || held.take().ok_or(crate::Failure::Stopped),
            move |log, records| {
                if batches {
                    Ok(log.append(records.batch())?)
                } else {
                    Ok(log.append(&[records.record()])?)
                }
            },
            |_| Ok(()),
        ),
    })
}
