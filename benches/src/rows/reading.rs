//! Reading what is there: all of it in order, and single records by their address.

use super::{Figure, Group, Line, Row, Scale, Setting, Sides, Unit, in_segments};
use crate::failure::{Result, same};
use crate::ground::Plot;
use crate::ratio::Target;
use crate::records::{Records, xorshift};
use crate::reference::{HEADER, Reading};
use crate::slice::{Gang, Side, repeated, timed};
use seawall::{Durability, Log, Lsn, Options};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const SCANS: Group = Group {
    title: "Scans (every record in order, verified)",
    about: "reference: reads of 256 KiB and one check for each record",
};

const READS: Group = Group {
    title: "Random reads of 256 B by address (verified)",
    about: "reference: one read of 4 KiB and one check",
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (len, told, borrowed, kept) in [(256, "256 B", 0.85, 0.60), (4096, "4 KiB", 0.90, 0.85)] {
        for (how, target, owned) in [("borrowed", borrowed, false), ("as Bytes", kept, true)] {
            let line = Line {
                name: format!("scan {how}, {told}"),
                unit: Unit::BytesPerSecond(len as u64),
                figure: Figure::Rate,
                target: Target::AtLeast(target),
            };
            rows.push(Row::turns(&SCANS, line, room, move |setting| scans(setting, len, owned)));
        }
    }
    for threads in [1, 2] {
        let line = Line::rate(format!("random read, {}", super::threads(threads)), 0.90);
        rows.push(Row::turns(&READS, line, room, move |setting| reads(setting, threads)));
    }
    rows
}

/// A log, and the file of the reference.
const fn room(scale: &Scale) -> u64 {
    in_segments(scale.read_len) + scale.read_len / 4 * 5
}

/// A log of this many records, and where they are.
fn filled(plot: &Plot, len: usize, count: u64) -> Result<(Log, Vec<Lsn>)> {
    let log = Log::open(plot.path(), Options::new().durability(Durability::Buffered))?;
    let mut records = Records::new(len, 0);
    let lsns = (0..count).map(|_| log.append(records.record()).map(|receipt| receipt.lsn));
    let lsns = lsns.collect::<seawall::Result<_>>()?;
    log.sync()?;
    Ok((log, lsns))
}

fn scans(setting: &Setting, len: usize, owned: bool) -> Result<Sides> {
    let count = setting.scale.read_len / len as u64;
    let (plot, beside) = (setting.ground.plot()?, setting.ground.plot()?);
    let (log, _) = filled(&plot, len, count)?;
    let mut reading =
        Reading::create(&beside.path().join("log"), &mut Records::new(len, 0), count)?;
    let all = count * len as u64;
    let ours: Side = Box::new(move |time| {
        let _stays = &plot;
        repeated(time, || {
            let (bytes, took) =
                timed(|| if owned { bytes_kept(&log) } else { bytes_borrowed(&log) });
            same("a scan", bytes?, all)?;
            Ok((count, took))
        })
    });
    let reference: Side = Box::new(move |time| {
        let _stays = &beside;
        repeated(time, || {
            let mut bytes = 0;
            let (scanned, took) = timed(|| reading.scan(|record| bytes += record.len() as u64));
            same("a scan", scanned?, count)?;
            same("a scan", bytes, all)?;
            Ok((count, took))
        })
    });
    Ok(Sides { ours, reference })
}

fn bytes_borrowed(log: &Log) -> seawall::Result<u64> {
    let (mut scan, mut bytes) = (log.scan(Lsn::FIRST)?, 0);
    while let Some(record) = scan.next_ref()? {
        bytes += record.bytes.len() as u64;
    }
    Ok(bytes)
}

fn bytes_kept(log: &Log) -> seawall::Result<u64> {
    let mut bytes = 0;
    for record in log.scan(Lsn::FIRST)? {
        bytes += black_box(record?.bytes).len() as u64;
    }
    Ok(bytes)
}

/// Reads the record of this number; the buffer is the thread's own.
type Jump<'a> = dyn Fn(u64, &mut [u8; 4096]) -> Result<()> + Sync + 'a;

fn seed(records: &mut Records) -> u64 {
    records.record().first_chunk().map_or(1, |bytes| u64::from_le_bytes(*bytes) | 1)
}

fn reads(setting: &Setting, threads: usize) -> Result<Sides> {
    let len = 256;
    let count = setting.scale.read_len / 2 / len as u64;
    let (plot, beside) = (setting.ground.plot()?, setting.ground.plot()?);
    let (log, lsns) = filled(&plot, len, count)?;
    let reading = Reading::create(&beside.path().join("log"), &mut Records::new(len, 0), count)?;
    let reading = Arc::new(reading);
    let frame = (len + HEADER) as u64;
    let gang = Gang { threads, len, batch: 1, stride: 1, noted: false };
    // A call is many reads from a place of the thread's own.
    let jumps = move |time: Duration, read: &Jump<'_>| {
        const MANY: u64 = 256;
        let mut slice = gang.work(time, u64::MAX, |records| {
            let (mut state, mut buffer) = (seed(records), [0; 4096]);
            for _ in 0..MANY {
                read(xorshift(&mut state) % count, &mut buffer)?;
            }
            Ok(())
        })?;
        slice.operations *= MANY;
        Ok(slice)
    };
    let ours: Side = Box::new(move |time| {
        let _stays = &plot;
        jumps(time, &|nth, _| {
            let lsn = usize::try_from(nth).ok().and_then(|nth| lsns.get(nth)).copied();
            let record = log.read(lsn.unwrap_or(Lsn::FIRST))?;
            same("a read", black_box(record.bytes).len() as u64, len as u64)
        })
    });
    let reference: Side = Box::new(move |time| {
        let _stays = &beside;
        jumps(time, &|nth, buffer| {
            let read = reading.read(nth * frame, buffer)?;
            same("a read", read as u64, len as u64)
        })
    });
    Ok(Sides { ours, reference })
}
