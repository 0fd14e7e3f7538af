//! Appends that no device is waited for: buffered, handed to the kernel, in batches.

use super::{Bursts, Group, Line, Row, Scale, Setting, Sides, framed, in_segments, ready, threads};
use crate::ground::Held;
use crate::records::Records;
use crate::reference::{Coalesced, PREPARED, PerRecord, Sustained, WriteThrough};
use crate::slice::Gang;
use seawall::{Durability, Log, Options};
use std::sync::Arc;

const BUFFERED: Group = Group {
    title: "Buffered appends (the record is in the log's memory on return)",
    about: "reference: frames gathered in 256 KiB and written; burst: never synced, sustained: \
            each 64 MiB synced before the next",
};

const HANDED_OVER: Group = Group {
    title: "Os appends (the kernel has the record on return)",
    about: "reference: one write for each record",
};

const BATCHES: Group = Group {
    title: "Batches of 256 B records (whole or not at all)",
    about: "reference: one write for each batch, for Sync a write-through one",
};

pub(super) fn buffered() -> Vec<Row> {
    let mut rows = Vec::new();
    for (len, target) in [(256, 0.90), (100, 0.80)] {
        for count in [1, 8] {
            let gang = Gang { threads: count, len, batch: 1, stride: 64, noted: false };
            let name = format!("buffered burst, {len} B, {}", threads(count));
            let line = Line::rate(name, target);
            let burst =
                Row::turns(&BUFFERED, line, burst_room, move |setting| Ok(burst(setting, gang)));
            rows.push(burst.dragging(1.8));
            let name = format!("buffered sustained, {len} B, {}", threads(count));
            let line = Line::rate(name, target);
            let sustained =
                Row::turns(&BUFFERED, line, steady_room, move |setting| Ok(steady(setting, gang)));
            rows.push(sustained.dragging(1.4));
        }
    }
    rows
}

/// Both sides have one file.
const fn burst_room(scale: &Scale) -> u64 {
    2 * scale.burst_len
}

const fn steady_room(scale: &Scale) -> u64 {
    in_segments(scale.sustained_max)
}

/// Both sides have one file, made before.
pub(super) const fn through_room(scale: &Scale) -> u64 {
    2 * scale.durable_len
}

/// Options of a log that one segment is enough for, and that nobody syncs: neither is the reference,
/// and what is written early is measured where both sides are synced in the end.
pub(super) fn in_one_segment(durability: Durability, len: u64) -> Options {
    let options = Options::new().durability(durability).segment_len(len).first_segment_len(len);
    options.prepare_ahead(false).write_back(None)
}

fn burst(setting: &Setting, gang: Gang) -> Sides {
    let len = setting.scale.burst_len;
    let bursts = Bursts { gang, calls: len / 4 * 3 / framed(gang.len), goes_on: false };
    let options = in_one_segment(Durability::Buffered, len);
    let (ground, beside) = (Arc::clone(&setting.ground), Arc::clone(&setting.ground));
    Sides {
        ours: bursts.side(
            move || ready(&ground, &options),
            |log, records| Ok(log.append(records.record()).map(drop)?),
            |_| Ok(()),
        ),
        reference: bursts.side(
            move || Held::new(beside.plot()?, |dir| Ok(Coalesced::create(&dir.join("log"))?)),
            |log, records| Ok(log.append(records.record())?),
            |_| Ok(()),
        ),
    }
}

fn steady(setting: &Setting, gang: Gang) -> Sides {
    let calls = setting.scale.sustained_max / framed(gang.len);
    let bursts = Bursts { gang, calls, goes_on: false };
    let options = Options::new()
        .durability(Durability::Buffered)
        .segment_len(PREPARED)
        .first_segment_len(PREPARED);
    let (ground, beside) = (Arc::clone(&setting.ground), Arc::clone(&setting.ground));
    Sides {
        ours: bursts.side(
            move || ready(&ground, &options),
            |log, records| Ok(log.append(records.record()).map(drop)?),
            |log| Ok(log.sync().map(drop)?),
        ),
        reference: bursts.side(
            move || Held::new(beside.plot()?, |dir| Ok(Sustained::create(dir)?)),
            |log, records| Ok(log.append(records.record())?),
            |log| Ok(log.sync()?),
        ),
    }
}

pub(super) fn handed_over() -> Vec<Row> {
    let row = |(len, told, target)| {
        let gang = Gang { threads: 1, len, batch: 1, stride: 16, noted: false };
        let line = Line::rate(format!("os, {told}, 1 thread"), target);
        Row::turns(&HANDED_OVER, line, burst_room, move |setting| Ok(at_once(setting, gang)))
            .dragging(1.4)
    };
    [(256, "256 B", 0.90), (10 << 10, "10 KiB", 0.85)].map(row).into()
}

/// One call of ours: a batch, or one record.
pub(super) fn append(log: &Log, records: &mut Records, batches: bool) -> crate::Result<()> {
    let receipt =
        if batches { log.append_batch(records.batch()) } else { log.append(records.record()) };
    Ok(receipt.map(drop)?)
}

fn at_once(setting: &Setting, gang: Gang) -> Sides {
    let len = setting.scale.burst_len;
    let calls = len / 4 * 3 / framed(gang.len) / gang.batch as u64;
    let bursts = Bursts { gang, calls, goes_on: false };
    let options = in_one_segment(Durability::Os, len);
    let (ground, beside) = (Arc::clone(&setting.ground), Arc::clone(&setting.ground));
    let batches = gang.batch > 1;
    Sides {
        ours: bursts.side(
            move || ready(&ground, &options),
            move |log, records| append(log, records, batches),
            |_| Ok(()),
        ),
        reference: bursts.side(
            move || Held::new(beside.plot()?, |dir| Ok(PerRecord::create(&dir.join("log"))?)),
            move |log, records| {
                if batches {
                    Ok(log.append(records.batch())?)
                } else {
                    Ok(log.append(&[records.record()])?)
                }
            },
            |_| Ok(()),
        ),
    }
}

pub(super) fn batches() -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in [10, 100, 1000] {
        let gang = Gang { threads: 1, len: 256, batch, stride: 4, noted: false };
        let line = Line::rate(format!("batch of {batch}, os"), 0.95);
        let row = Row::turns(&BATCHES, line, burst_room, move |setting| Ok(at_once(setting, gang)));
        rows.push(row.dragging(1.4));
    }
    for batch in [10, 100, 1000] {
        let gang = Gang { threads: 1, len: 256, batch, stride: 1, noted: false };
        let line = Line::rate(format!("batch of {batch}, sync"), 1.0);
        let row = Row::turns(&BATCHES, line, through_room, move |setting| through(setting, gang));
        rows.push(row.dragging(1.6));
    }
    rows
}

/// Durable appends: ours into a segment that is ready, the reference into its file of zeros.
pub(super) fn through(setting: &Setting, gang: Gang) -> crate::Result<Sides> {
    let len = setting.scale.durable_len;
    let calls = len / 4 * 3 / framed(gang.len) / gang.batch as u64;
    let ours = Bursts { gang, calls, goes_on: true };
    let reference = Bursts { gang, calls: u64::MAX, goes_on: true };
    let options = in_one_segment(Durability::Sync, len);
    let ground = Arc::clone(&setting.ground);
    let plot = setting.ground.plot()?;
    let mut held = Some(Held::new(plot, |dir| Ok(WriteThrough::create(&dir.join("log"), len)?))?);
    let batches = gang.batch > 1;
    Ok(Sides {
        ours: ours.side(
            move || ready(&ground, &options),
            move |log, records| append(log, records, batches),
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
