//! Waiting for durability apart from the append, and appending while others wait for records.

use super::appending::{append, in_one_segment, through_room};
use super::{Bursts, Group, Line, Row, Setting, Sides, framed, ready, threads};
use crate::ground::Held;
use crate::records::Records;
use crate::slice::{Gang, Side};
use seawall::{Durability, Log, Options};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

const WAITING: Group = Group {
    title: "Buffered appends that are then waited for, 256 B (the record is on the device after the wait)",
    about: "reference: the log itself at level Sync, whose append waits",
};

const FOLLOWED: Group = Group {
    title: "Appends of one thread beside 1,000 followers, 256 B",
    about: "reference: the same log without followers; shown: each follower gets each record",
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
    let mut rows: Vec<Row> =
        [waits(1), waits(16), waits(64), waits(128), (synced, "append and sync", 64)]
            .map(row)
            .into();
    // Until the interval is over nothing is visible to anybody.
    let far = Durability::Interval(Duration::from_secs(3600));
    for (name, durability) in [
        ("append beside 1,000 followers that wait", far),
        ("durable append beside 1,000 followers that are shown it", Durability::Sync),
    ] {
        rows.push(Row::turns(&FOLLOWED, Line::rate(name, 0.9), through_room, move |setting| {
            Ok(Sides {
                ours: followed(setting, durability, 1000),
                reference: followed(setting, durability, 0),
            })
        }));
    }
    rows
}

/// A log, and threads that follow it.
struct Followed {
    log: Log,
    followers: Vec<JoinHandle<()>>,
}

impl Followed {
    fn begin(log: Log, count: usize) -> crate::Result<Self> {
        let end = log.watermarks().accepted;
        let mut followed = Self { log, followers: Vec::new() };
        for _ in 0..count {
            let mut follower = followed.log.follow(end)?;
            let body = move || while let Ok(Some(_)) = follower.next() {};
            followed.followers.push(std::thread::Builder::new().stack_size(256 << 10).spawn(body)?);
        }
        Ok(followed)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        // What it holds is thrown away, and so is the reason for which a follower ended.
        let _thrown_away = self.log.close();
        self.followers.drain(..).for_each(|follower| drop(follower.join()));
    }
}

fn followed(setting: &Setting, durability: Durability, count: usize) -> Side {
    let len = setting.scale.durable_len;
    let gang = Gang { threads: 1, len: 256, batch: 1, stride: 1, noted: true };
    let bursts = Bursts { gang, calls: len / 4 * 3 / framed(gang.len), goes_on: true };
    let options = in_one_segment(durability, len).zeros_ahead(Some(true));
    let ground = Arc::clone(&setting.ground);
    bursts.side(
        move || {
            Held::new(ground.plot()?, |dir| {
                let log = Log::open(dir, options.clone())?;
                log.append(b"the first append prepares the segment")?;
                Followed::begin(log, count)
            })
        },
        |followed, records| append(&followed.log, records, false),
        |_| Ok(()),
    )
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
