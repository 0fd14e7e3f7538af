//! Damage to logs at rest, with an oracle that knows what was acknowledged.

use seawall::{Error, Log, LogView, Lsn, Options, Verdict};
use seawall_sim::{Concern, CrashKind, CrashPolicy, Rng, Seed, SimDisk, environment};
use std::collections::BTreeMap;

type Records = BTreeMap<(Lsn, u32), Vec<u8>>;

/// What was appended: each batch by its address.
struct Written {
    disk: SimDisk,
    batches: Vec<(Lsn, Lsn, usize)>,
    acknowledged: Records,
    newest: Lsn,
}

pub(crate) fn options() -> Options {
    Options::new().segment_len(16 << 10).batch_frame_max(512).idle_mark(None)
}

/// The same bytes on a disk of their own.
pub(crate) fn settled(disk: &SimDisk) -> SimDisk {
    let mut rng = Seed::new(0).rng(Concern::CrashResolution);
    disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

fn written(closed: bool, seed: u64) -> Written {
    let mut rng = Seed::new(seed).rng(Concern::Workload);
    let disk = SimDisk::new(Seed::new(seed));
    let log = Log::open_in(environment(&disk, seed), options()).unwrap();
    let mut batches = Vec::new();
    let mut newest = Lsn::FIRST;
    while log.segments().len() < 4 {
        let records: Vec<Vec<u8>> = (0..1 + rng.index(4))
            .map(|_| {
                let mut record = vec![0; rng.index(700)];
                rng.fill(&mut record);
                record
            })
            .collect();
        let batch = log.append_batch(&records).unwrap();
        batches.push((batch.lsn, batch.end, records.len()));
        newest = log.append(&records[0]).unwrap().lsn;
    }
    if closed {
        log.close().unwrap();
    }
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = settled(&disk);
    let view = LogView::open_in(&environment(&disk, 0)).unwrap();
    let acknowledged = view.scan(Lsn::FIRST).unwrap().map(|record| {
        let record = record.unwrap();
        ((record.lsn, record.index), record.bytes.to_vec())
    });
    Written { acknowledged: acknowledged.collect(), disk, batches, newest }
}

/// What is wrong with what a damaged log shows.
fn judge(written: &Written, disk: &SimDisk, closed: bool) -> Result<(), String> {
    let mut view = match LogView::open_in(&environment(disk, 1)) {
        Ok(view) => view,
        Err(Error::Unknown { .. } | Error::Foreign { .. }) => return Ok(()),
        Err(error) => return Err(format!("{error:?}")),
    };
    let (mut shown, mut told) = (Records::new(), false);
    for record in view.scan(Lsn::FIRST).unwrap() {
        match record {
            Ok(record) => {
                shown.insert((record.lsn, record.index), record.bytes.to_vec());
            }
            Err(error) if error.is_damage() => told = true,
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    if let Some((place, _)) =
        shown.iter().find(|(place, bytes)| written.acknowledged.get(place) != Some(bytes))
    {
        return Err(format!("G1: wrong bytes at {place:?}"));
    }
    for &(from, to, count) in &written.batches {
        let here = shown.range((from, 0)..(to, 0)).count();
        if here != 0 && !shown.contains_key(&(from, 0)) {
            return Err(format!("G3: the last {here} of {count} records of the batch at {from}"));
        }
    }
    let missing: Vec<_> =
        written.acknowledged.keys().filter(|place| !shown.contains_key(place)).collect();
    let verdict = view.verify(|_| {}).map_err(|error| format!("{error:?}"))?.verdict;
    let fine = match verdict {
        Verdict::Clean => missing.is_empty(),
        Verdict::TornTail => missing.iter().all(|(lsn, _)| *lsn >= written.newest && !closed),
        _ => told || view.damage().is_some(),
    };
    if !fine {
        return Err(format!("G5: called {verdict:?}, {} missing", missing.len()));
    }
    if let Ok(log) = Log::open_in(environment(disk, 2), options()) {
        if view.damage().is_some() {
            return Err("G5: opened a damaged log".to_owned());
        }
        // Frames of closed segments are not read by an open, but files are counted and measured.
        let end = log.scan(Lsn::FIRST).unwrap().filter_map(Result::ok).count();
        if end != shown.len() {
            return Err("G5: the writer shows other records than the view".to_owned());
        }
    }
    Ok(())
}

/// Flipped bits anywhere.
pub(crate) fn search() -> Option<String> {
    let mut rng = Seed::new(5).rng(Concern::Rot);
    for closed in [false, true] {
        let logs: Vec<_> = (1..=3).map(|seed| written(closed, seed)).collect();
        for nth in 0..4000 {
            let written = &logs[rng.index(logs.len())];
            let disk = settled(&written.disk);
            let what = harm(&disk, &mut rng);
            if let Err(wrong) = judge(written, &disk, closed) {
                return Some(format!("closed {closed}, damage {nth}, {what}: {wrong}"));
            }
        }
    }
    None
}

fn harm(disk: &SimDisk, rng: &mut Rng) -> String {
    let names = disk.names();
    let name = &names[rng.index(names.len())];
    let len = disk.read_durable(name).unwrap().len() as u64;
    let offset = match rng.below(8) {
        0 => rng.below(128),
        1 => 4096 + rng.below(128),
        2 => len.saturating_sub(1 + rng.below(64)),
        _ => 8192 + rng.below(len - 8192),
    };
    let bit = u8::try_from(rng.below(8)).unwrap();
    disk.flip_bit(name, offset.min(len - 1), bit).unwrap();
    format!("{name} {offset}.{bit}")
}
