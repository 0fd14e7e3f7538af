//! One call of the disk fails in a run; then what is there is opened, cut off, and opened again.

use crate::crash::{CrashKind, CrashPolicy};
use crate::disk::SimDisk;
use crate::faults::{FaultPlan, Operation};
use crate::oracle::Violation;
use crate::rng::{Concern, Seed};
use crate::sabotage::{Sabotage, Sabotaged};
use crate::workload::{Ending, Op, Run, Workload};
use seawall::Durability;
use seawall::storage::Storage;
use std::sync::Arc;

/// Runs the workload while the `nth` call of an operation (from 0) fails with an errno. The
/// process then ends, another opens the log over the same page cache, the power is cut right
/// behind that, and what was shown is to be shown again. Says whether the call was ever made.
///
/// The workload must not kill its process: the plan would not follow it.
///
/// # Errors
/// The promise that is broken.
pub fn run_with_fault(
    workload: &Workload,
    seed: Seed,
    fault: (Operation, i32),
    nth: u64,
    sabotage: Option<Sabotage>,
) -> Result<bool, Violation> {
    let behind = |disk: &SimDisk| -> Arc<dyn Storage> {
        let plain: Arc<dyn Storage> = Arc::new(disk.clone());
        match sabotage {
            Some(sabotage) => Arc::new(Sabotaged::new(plain, sabotage)),
            None => plain,
        }
    };
    let disk = SimDisk::new(seed);
    let mut run = Run::with_storage(disk.clone(), behind(&disk), workload.options.clone(), 1);
    run.expect_errors();
    disk.fail(FaultPlan::new(fault.0, fault.1).after(nth).times(1));
    if !matches!(run.through(workload)?, Ending::Done) {
        return Ok(false);
    }
    let happened = disk.counters().planned.get(&fault.0).is_some_and(|&count| count > 0);
    disk.crash_now(CrashKind::Kill);
    // The new process sees the page cache of the old one.
    let found = disk.after_kill();
    let mut after = run.continued(found.clone(), behind(&found), CrashKind::Power, 100);
    run.abandon();
    after.open()?;
    found.crash_now(CrashKind::Power);
    let mut rng = seed.rng(Concern::CrashResolution);
    let cut = found.after_power_cut(&CrashPolicy::AllLost, &mut rng);
    let mut last = after.continued(cut.clone(), behind(&cut), CrashKind::Power, 200);
    last.open()?;
    last.make(&Op::Append(100, Durability::Sync))?;
    last.make(&Op::Read)?;
    last.abandon();
    Ok(happened)
}
