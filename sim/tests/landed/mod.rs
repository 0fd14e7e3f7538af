//! Writes that fail although their bytes are on the disk, under [`Log`] itself, and kills.

use seawall::{Durability, Log, Lsn, Options};
use seawall_sim::{
    CrashKind, EIO, FaultPlan, Op, Operation, Run, Seed, SimDisk, Violation, Workload, environment,
};
use std::sync::Arc;

/// One write, after so many that go well, that reports an error once its bytes are on the disk.
fn landing(after: u64) -> FaultPlan {
    FaultPlan::new(Operation::Write, EIO).after(after).lands()
}

/// Runs a drawn workload, a close and another workload while the `nth` write of all fails with its
/// bytes on the disk; kills the process, and holds what the next one shows to the oracle. Says
/// whether there was such a write.
pub(crate) fn run_with_landed_error(seed: Seed, nth: u64) -> Result<bool, Violation> {
    let drawn = |seed: Seed| {
        let mut workload = Workload::drawn(seed, 8);
        workload.ops.retain(|op| !matches!(op, Op::Kill | Op::Reopen));
        workload
    };
    let (before, behind) = (drawn(seed), drawn(seed.child(1)));
    let disk = SimDisk::new(seed);
    disk.fail(landing(nth));
    let same = Arc::new(disk.clone());
    let mut run = Run::with_storage(disk.clone(), same, before.options.clone(), 1);
    run.expect_errors();
    run.open()?;
    before.ops.iter().try_for_each(|op| run.make(op).map(drop))?;
    run.close()?;
    if !run.is_open() {
        run.open()?;
    }
    behind.ops.iter().try_for_each(|op| run.make(op).map(drop))?;
    let happened = disk.counters().failed_writes_landed > 0;
    disk.crash_now(CrashKind::Kill);
    let found = disk.after_kill();
    let mut after = run.continued(found.clone(), Arc::new(found.clone()), CrashKind::Kill, 100);
    run.abandon();
    after.open()?;
    after.make(&Op::Append(100, Durability::Sync))?;
    after.make(&Op::Read)?;
    after.abandon();
    Ok(happened)
}

/// Every write of drawn workloads fails in turn.
pub(crate) fn search(seeds: u64) -> Option<String> {
    (0..seeds).find_map(|seed| {
        let mut nth = 0;
        loop {
            match run_with_landed_error(Seed::new(seed), nth) {
                Ok(true) => nth += 1,
                Ok(false) => return None,
                Err(violation) => {
                    return Some(format!("seed {seed}, write {nth} lands and fails: {violation}"));
                }
            }
        }
    })
}

/// The case that was reported: the write of the close record fails with its bytes on the disk, the
/// log goes on, and its process is killed. Says what the next run loses or uses twice.
pub(crate) fn appends_behind_a_close_that_failed() -> Option<String> {
    let options = || {
        let options = Options::new().durability(Durability::Os).segment_len(16 << 10);
        options.idle_mark(None).prepare_ahead(false)
    };
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    let append = |log: &Log, nth: u8| (log.append(&[nth; 40]).unwrap().lsn, vec![nth; 40]);
    let mut appended = vec![append(&log, 0)];
    // The close mark goes well; the next write is that of the close record.
    disk.fail(landing(1));
    log.close().unwrap_err();
    appended.extend((1..4).map(|nth| append(&log, nth)));
    disk.crash_now(CrashKind::Kill);
    drop(log);

    let disk = disk.after_kill();
    let log = Log::open_in(environment(&disk, 2), options()).unwrap();
    let shown: Vec<_> = log
        .scan(Lsn::FIRST)
        .unwrap()
        .map(Result::unwrap)
        .map(|record| (record.lsn, record.bytes.to_vec()))
        .collect();
    if shown != appended {
        return Some(format!("G1: {} records of {}", shown.len(), appended.len()));
    }
    let (next, _) = append(&log, 9);
    let twice = appended.iter().any(|(lsn, _)| *lsn >= next);
    twice.then(|| format!("G4: the address {next} is used twice"))
}
