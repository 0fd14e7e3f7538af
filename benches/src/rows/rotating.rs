//! Durable appends in short segments, while files are prepared, trimmed and used again.

use super::{Figure, Group, Line, Row, Setting, Sides};
use crate::failure::{Failure, Result};
use crate::records::Records;
use crate::reference::{prepared, write_through};
use crate::slice::{Slice, latencies, note};
use seawall::{Durability, Log, Lsn, Options};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const ROTATING: Group = Group {
    title: "Rotation (durable appends of 256 B in segments of 256 KiB, trimmed meanwhile)",
    about: "the slowest append of 1000, beside the median of one write-through write of 4 KiB; a \
            segment holds about 900",
};

const SEGMENT: u64 = 256 << 10;
/// Bytes of the file that the bare writes go into.
const BARE: u64 = 16 << 20;
/// Appends after which the log is trimmed: not quite a segment.
const TRIM: u64 = 900;

pub(super) fn rows() -> Vec<Row> {
    let figure = Figure::Tail(0.999);
    let line = Line::seconds("rotating append p999 to sync p50", figure, 4.0);
    vec![Row::turns(&ROTATING, line, |_| BARE + 64 * SEGMENT, sides)]
}

fn sides(setting: &Setting) -> Result<Sides> {
    let (plot, beside) = (setting.ground.plot()?, setting.ground.plot()?);
    let options =
        Options::new().durability(Durability::Sync).segment_len(SEGMENT).first_segment_len(SEGMENT);
    let log = Log::open(plot.path(), options)?;
    let mut records = Records::new(256, 0);
    // Until files go round.
    appends(&log, &mut records, Duration::from_millis(200))?;
    let file = prepared(&beside.path().join("bare"), BARE)?;
    let (block, mut offset) = ([0x5a; 4096], 0);
    Ok(Sides {
        ours: Box::new(move |time| {
            let _stays = &plot;
            appends(&log, &mut records, time)
        }),
        reference: Box::new(move |time| {
            let _stays = &beside;
            let (mut noted, mut operations) = (latencies(), 0);
            let start = Instant::now();
            while start.elapsed() < time {
                let before = Instant::now();
                write_through(&file, &block, offset)?;
                note(&mut noted, before.elapsed());
                offset = (offset + 4096) % BARE;
                operations += 1;
            }
            Ok(Slice { operations, took: start.elapsed(), latencies: Some(noted) })
        }),
    })
}

/// Appends for this long, while a second thread trims what lies a few segments back.
fn appends(log: &Log, records: &mut Records, time: Duration) -> Result<Slice> {
    std::thread::scope(|scope| {
        let (passed, marks) = channel();
        let trimmer = scope.spawn(move || trims(log, &marks));
        let (mut noted, mut operations) = (latencies(), 0);
        let mut before = Lsn::FIRST;
        let start = Instant::now();
        while start.elapsed() < time {
            let begun = Instant::now();
            let receipt = log.append(records.record())?;
            note(&mut noted, begun.elapsed());
            operations += 1;
            if operations % TRIM == 0 {
                // One that cannot be told has failed, and says so itself.
                let _ended = passed.send(before);
                before = receipt.lsn;
            }
        }
        let took = start.elapsed();
        drop(passed);
        trimmer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Slice { operations, took, latencies: Some(noted) })
    })
}

fn trims(log: &Log, marks: &Receiver<Lsn>) -> Result<()> {
    for lsn in marks {
        if lsn > Lsn::FIRST {
            log.trim(lsn).map_err(Failure::Log)?;
        }
    }
    Ok(())
}
