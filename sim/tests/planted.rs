//! Every planted bug is found by some run: each row of [`BUGS`] is planted, and looked for until a
//! promise breaks. Build with `--cfg seawall_planted`.

#![cfg(seawall_planted)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "boundaries/mod.rs"]
mod boundaries;
#[path = "closed/mod.rs"]
mod closed;
#[path = "closes/mod.rs"]
mod closes;
#[path = "planted/contents.rs"]
mod contents;
#[path = "disturbed/mod.rs"]
mod disturbed;
#[path = "holes/mod.rs"]
mod holes;
#[path = "landed/mod.rs"]
mod landed;
#[path = "later_kinds/mod.rs"]
mod later_kinds;
#[path = "lineage/mod.rs"]
mod lineage;
#[path = "planted/lineages.rs"]
mod lineages;
#[path = "planted/lost.rs"]
mod lost;
#[path = "planted/media.rs"]
mod media;
#[path = "planted/overlap.rs"]
mod overlap;
#[path = "planted/processes.rs"]
mod processes;
#[path = "read_back/mod.rs"]
mod read_back;
#[path = "planted/reads.rs"]
mod reads;
#[path = "planted/repaired.rs"]
mod repaired;
#[path = "repairs/mod.rs"]
mod repairs;
#[path = "reserve/mod.rs"]
mod reserve;
#[path = "planted/scenes.rs"]
mod scenes;
#[path = "planted/short.rs"]
mod short;
#[path = "tags/mod.rs"]
mod tags;
#[path = "planted/unsynced.rs"]
mod unsynced;
#[path = "unwinding/mod.rs"]
mod unwinding;

use parking_lot::{Mutex, MutexGuard};
use seawall_sim::{
    BUGS, CallNoise, Campaign, Class, EIO, ENOSPC, Judge, Op, Operation, PlantedBug, Run, Sabotage,
    Sabotaged, SeawallLog, Seed, SimDisk, Sweep, SweepOptions, Way, Workload, run_with_fault,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What is planted is planted in the whole process.
static PLANTED: Mutex<()> = Mutex::new(());

struct Planted<'a>(#[expect(dead_code, reason = "held")] MutexGuard<'a, ()>);

impl Drop for Planted<'_> {
    fn drop(&mut self) {
        seawall::planted::plant("");
    }
}

fn planted(bug: &PlantedBug) -> (Planted<'static>, Option<Sabotage>) {
    let guard = Planted(PLANTED.lock());
    match bug.way {
        Way::Line => {
            assert!(seawall::planted::plant(bug.name), "{}", bug.name);
            (guard, None)
        }
        Way::Sabotage(sabotage) => (guard, Some(sabotage)),
    }
}

const SEEDS: u64 = 60;

/// Power cuts and kills at each step of drawn workloads.
fn crashes(sabotage: Option<Sabotage>, noise: CallNoise) -> Option<String> {
    (0..SEEDS).find_map(|seed| {
        let options = SweepOptions { sabotage, noise, depth: 1, ..SweepOptions::default() };
        let failure = Sweep::new(options).seed(seed, 12).err()?;
        let at = failure.crashes.join(" > ");
        Some(format!("crashes, seed {seed}, {at}: {}", failure.violation))
    })
}

const FAULTS: [(Operation, i32); 8] = [
    (Operation::SyncData, EIO),
    (Operation::Write, ENOSPC),
    (Operation::SyncAll, EIO),
    (Operation::SyncDir, EIO),
    (Operation::Create, ENOSPC),
    (Operation::Allocate, ENOSPC),
    (Operation::Rename, EIO),
    (Operation::Remove, EIO),
];

/// One failing call at each place of drawn workloads, then a power cut.
fn failing(sabotage: Option<Sabotage>) -> Option<String> {
    (0..SEEDS).find_map(|seed| {
        let mut workload = Workload::drawn(Seed::new(seed), 12);
        workload.ops.retain(|op| *op != Op::Kill);
        FAULTS.into_iter().find_map(|fault| {
            (0..40).find_map(|nth| {
                let run = run_with_fault(&workload, Seed::new(seed), fault, nth, sabotage);
                Some(format!("{fault:?} after {nth}, seed {seed}: {}", run.err()?))
            })
        })
    })
}

/// Runs in which nothing goes wrong.
fn undisturbed(sabotage: Option<Sabotage>, seeds: u64) -> Option<String> {
    (0..seeds).find_map(|seed| {
        let workload = Workload::drawn(Seed::new(seed), 20);
        let disk = SimDisk::new(Seed::new(seed));
        let storage: Arc<dyn seawall::storage::Storage> = match sabotage {
            Some(sabotage) => Arc::new(Sabotaged::new(Arc::new(disk.clone()), sabotage)),
            None => Arc::new(disk.clone()),
        };
        let mut plain = workload.clone();
        plain.ops.retain(|op| *op != Op::Kill);
        let mut run = Run::with_storage(disk, storage, workload.options.clone(), 1);
        let found = run.through(&plain).err();
        run.abandon();
        Some(format!("no crash at all, seed {seed}: {}", found?))
    })
}

/// The ordinary search for a class of bugs.
fn search(bug: &PlantedBug, sabotage: Option<Sabotage>) -> Option<String> {
    match bug.class {
        Class::Crash => crashes(sabotage, CallNoise::NONE),
        Class::Errors => crashes(sabotage, CallNoise::even(200)).or_else(|| failing(sabotage)),
        Class::Media => media::search(),
    }
    .or_else(|| campaign(bug, sabotage))
}

/// Runs drawn from seeds, which do more than the searches above.
fn campaign(bug: &PlantedBug, sabotage: Option<Sabotage>) -> Option<String> {
    let mut campaign = Campaign::<SeawallLog>::new();
    campaign.draw.class = Some(bug.class);
    campaign.sabotage = sabotage;
    let failure = campaign.run(0..5000).err()?;
    Some(format!("a campaign, seed {}: {}", failure.seed, failure.violation))
}

/// Those that a search over the orders of threads must find have no place here, unless one order
/// is enough to show them. `SEAWALL_BUG` names one bug to look at.
fn wanted(bug: &PlantedBug) -> bool {
    let here = bug.judge != Judge::Shuttle || scenes::of(bug.name).is_some();
    std::env::var("SEAWALL_BUG").map_or(here, |name| name == bug.name)
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in BUGS.iter().filter(|bug| wanted(bug)) {
        let (_guard, sabotage) = planted(bug);
        let found = match scenes::of(bug.name) {
            Some(scene) => scene().map(|how| format!("by its scene: {how}")),
            // An invariant of the log may be what notices.
            None => catch_unwind(AssertUnwindSafe(|| search(bug, sabotage)))
                .unwrap_or_else(|panic| panic.downcast_ref::<&str>().map(|&what| what.to_owned())),
        };
        match found {
            Some(how) => println!("{}: {}", bug.name, how.lines().next().unwrap_or_default()),
            None => {
                println!("{}: NOT FOUND", bug.name);
                missed.push(bug.name);
            }
        }
    }
    assert!(missed.is_empty(), "nothing notices {missed:?}");
}

#[test]
fn bugs_that_need_a_crash_leave_other_runs_unharmed() {
    let mut harmed = Vec::new();
    for bug in BUGS.iter().filter(|bug| bug.needs_crash && wanted(bug)) {
        let (_guard, sabotage) = planted(bug);
        if let Some(how) = undisturbed(sabotage, 200) {
            println!("{}: {how}", bug.name);
            harmed.push(bug.name);
        }
    }
    assert!(harmed.is_empty(), "{harmed:?} show without a crash");
}

/// The same searches find nothing where nothing is planted.
#[test]
fn nothing_is_found_where_nothing_is_planted() {
    let _guard = Planted(PLANTED.lock());
    assert_eq!(media::search(), None);
    for bug in BUGS.iter().filter(|bug| bug.way == Way::Line) {
        if let Some(scene) = scenes::of(bug.name) {
            assert_eq!(scene(), None, "{}", bug.name);
        }
    }
    assert_eq!(undisturbed(None, 200), None);
}
