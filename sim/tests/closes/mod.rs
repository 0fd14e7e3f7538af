//! Every sync of a close fails in turn: whichever it is, the answer is that the log is poisoned, and
//! nothing goes on.

use seawall::{Durability, Error, Log, Lsn, Options};
use seawall_sim::{EIO, ENOSPC, FaultPlan, Operation, Seed, SimDisk, environment};

/// What is in the log before it is closed.
const RECORDS: [&[u8]; 3] = [b"one", b"two", b"three"];

fn options(level: Durability) -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None).prepare_ahead(false).durability(level)
}

/// Closes logs of each level with each sync of the close failing in turn; says how many failed.
///
/// # Errors
/// What a close said that it must not, or what the log did afterwards.
pub(crate) fn every_sync_fails_in_turn() -> Result<usize, String> {
    let mut failed = 0;
    for level in [Durability::Buffered, Durability::Os, Durability::Sync] {
        for errno in [EIO, ENOSPC] {
            for nth in 0.. {
                if !one(level, errno, nth).map_err(|what| {
                    format!("{level:?}, errno {errno}, after {nth} syncs: {what}")
                })? {
                    break;
                }
                failed += 1;
            }
        }
    }
    Ok(failed)
}

/// Whether a sync failed at all.
fn one(level: Durability, errno: i32, nth: u64) -> Result<bool, String> {
    let disk = SimDisk::new(Seed::new(nth + 1));
    let open = |run| Log::open_in(environment(&disk, run), options(level));
    let log = open(1).map_err(|error| format!("open: {error:?}"))?;
    for record in RECORDS {
        log.append(record).map_err(|error| format!("append: {error:?}"))?;
    }
    disk.fail(FaultPlan::new(Operation::SyncData, errno).after(nth));
    let closed = log.close();
    if disk.counters().planned.is_empty() {
        return closed.map(|()| false).map_err(|error| format!("no sync failed: {error:?}"));
    }
    let poisoned = |answer: Result<(), Error>, call: &str| match answer {
        Err(Error::Poisoned { .. }) => Ok(()),
        other => Err(format!("{call} answers {other:?}")),
    };
    poisoned(closed, "close")?;
    poisoned(log.close(), "a second close")?;
    poisoned(log.append(b"later").map(drop), "an append")?;
    poisoned(log.append_at(b"later", Durability::Sync).map(drop), "an append at Sync")?;
    drop(log);
    let log = open(2).map_err(|error| format!("the next open: {error:?}"))?;
    let records: Result<Vec<_>, _> =
        log.scan(Lsn::FIRST).map_err(|error| format!("{error:?}"))?.collect();
    let shown = records.map_err(|error| format!("the next scan: {error:?}"))?;
    // What was acknowledged at Sync is there; of the rest a beginning may be.
    let right = shown.iter().zip(RECORDS).all(|(shown, record)| shown.bytes == record)
        && (level != Durability::Sync || shown.len() == RECORDS.len());
    if !right || shown.len() > RECORDS.len() {
        return Err(format!("the next open shows {shown:?}"));
    }
    log.close().map(|()| true).map_err(|error| format!("the next close: {error:?}"))
}
