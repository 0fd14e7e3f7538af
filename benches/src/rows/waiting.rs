//! Waiting for durability apart from the append, and appending while others wait for records.

use super::appending::{append, in_one_segment, through_room};
use super::{Bursts, Group, Line, Row, Setting, Sides, framed, ready, threads};
use crate::records::Records;
use crate::slice::{Gang, Side};
use seawall::{Durability, Log, Options};
use std::sync::Arc;

const WAITING: Group = Group {
    title: "Buffered appends that are then waited for, 256 B (the record is on the device after the wait)",
    about: "reference: the log itself at level Sync, whose append waits",
};

/// A buffered append and one of the two waits.
type Wait = fn(&Log, &mut Records) -> crate::Result<()>;

fn waited(log: &Log, records: &mut Records) -> crate::Result<()> {
    let receipt = log.append(records.record())?;
    Ok(log.wait_durable(receipt.end)?)
}

fn synced(log: &Log, records: &mut Records) -> crate::Result<()> {
    log.append(records.record())?;
    Ok(log.sync().map(drop)?)
}

pub(super) fn rows() -> Vec<Row> {
    let row = |(call, name, count): (Wait, &str, usize)| {
        let line = Line::rate(format!("{name}, {}", threads(count)), 0.9);
        Row::turns(&WAITING, line, through_room, move |setting| Ok(sides(setting, count, call)))
    };
    let waits = |count| (waited as Wait, "append and wait_durable", count);
    [waits(1), waits(16), waits(64), waits(128), (synced, "append and sync", 64)].map(row).into()
}

fn sides(setting: &Setting, threads: usize, call: Wait) -> Sides {
    let side = |durability, call| side(setting, threads, durability, call);
    Sides {
        ours: side(Durability::Buffered, call),
        reference: side(Durability::Sync, |log, records| append(log, records, false)),
    }
}

/// Both sides have a file of zeros: what a commit costs in another is the disk's affair.
fn side(setting: &Setting, threads: usize, durability: Durability, call: Wait) -> Side {
    let len = setting.scale.durable_len;
    let gang = Gang { threads, len: 256, batch: 1, stride: 1, noted: true };
    let bursts = Bursts { gang, calls: len / 4 * 3 / framed(gang.len), goes_on: true };
    let options: Options = in_one_segment(durability, len).zeros_ahead(Some(true));
    let ground = Arc::clone(&setting.ground);
    bursts.side(move || ready(&ground, &options), call, |_| Ok(()))
}
