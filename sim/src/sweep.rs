//! Every crash point of a workload, resolved in every way, recovered, crashed again.
//!
//! A workload is run once to count its steps, then once for each step, each kind of crash and
//! each state of the call in flight. Each crash is resolved by every policy; each image that
//! was not seen before (together with what must be shown of it) is opened, held to the oracle,
//! appended to, cut off once more and opened again; and recovery itself is crashed at each of its
//! steps, to the depth asked for.

use crate::crash::{CrashKind, CrashPolicy, InFlight};
use crate::disk::{DiskOptions, SectorSize, SimDisk};
use crate::faults::{CallNoise, Operation};
use crate::oracle::Violation;
use crate::rng::{Concern, Rng, Seed};
use crate::sabotage::{Sabotage, Sabotaged};
use crate::workload::{Ending, Op, Run, Workload};
use seawall::Durability;
use seawall::storage::Storage;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// How a sweep goes about it.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// Sector size of the disk.
    pub sector: SectorSize,
    /// Instances of "exactly one missing" and "exactly one present" to try.
    pub ones_max: usize,
    /// How often recovery is crashed again, one within the other.
    pub depth: usize,
    /// Of the images at each nested crash, every how many-th policy is tried.
    pub nested_stride: usize,
    /// Calls come up short or are interrupted.
    pub noise: CallNoise,
    /// The storage cheats like this.
    pub sabotage: Option<Sabotage>,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self {
            sector: SectorSize::Small,
            ones_max: 16,
            depth: 2,
            nested_stride: 7,
            noise: CallNoise::NONE,
            sabotage: None,
        }
    }
}

/// What a sweep did.
#[derive(Clone, Debug, Default)]
pub struct SweepReport {
    /// Workloads.
    pub workloads: u64,
    /// Crashes: step, kind, state of the call in flight.
    pub crashes: u64,
    /// Images made of them.
    pub images: u64,
    /// Hashes of the images that differ.
    pub distinct: BTreeSet<u64>,
    /// Images that were recovered and held to the oracle.
    pub checked: u64,
    /// Crashes inside recovery, of any depth.
    pub nested: u64,
}

impl SweepReport {
    /// Adds another sweep.
    pub fn add(&mut self, other: Self) {
        self.workloads += other.workloads;
        self.crashes += other.crashes;
        self.images += other.images;
        self.checked += other.checked;
        self.nested += other.nested;
        self.distinct.extend(other.distinct);
    }
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} workloads, {} crashes, {} inside recovery, {} images, {} distinct, {} recovered",
            self.workloads,
            self.crashes,
            self.nested,
            self.images,
            self.distinct.len(),
            self.checked
        )
    }
}

/// A promise broken in a sweep, and how to see it again.
#[derive(Clone, Debug)]
pub struct SweepFailure {
    /// The promise.
    pub violation: Violation,
    /// The workload.
    pub workload: Workload,
    /// The seed it came from.
    pub seed: u64,
    /// Step, kind, call in flight and policy of each crash, the outermost first.
    pub crashes: Vec<String>,
}

impl fmt::Display for SweepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.violation)?;
        writeln!(f, "crashes: {}", self.crashes.join(" > "))?;
        write!(f, "workload: {:#?}", self.workload)
    }
}

/// A sweep under way.
#[derive(Debug)]
pub struct Sweep {
    options: SweepOptions,
    report: SweepReport,
    seen: BTreeSet<(u64, u64, usize)>,
    trail: Vec<String>,
}

const KINDS: [CrashKind; 2] = [CrashKind::Power, CrashKind::Kill];
const IN_FLIGHT: [InFlight; 3] = [InFlight::NotBegun, InFlight::Whole, InFlight::Prefix];

impl Sweep {
    /// A sweep that did nothing yet.
    #[must_use]
    pub fn new(options: SweepOptions) -> Self {
        let report = SweepReport::default();
        Self { options, report, seen: BTreeSet::new(), trail: Vec::new() }
    }

    /// What was done.
    #[must_use]
    pub fn into_report(self) -> SweepReport {
        self.report
    }

    /// Sweeps the workload of one seed.
    ///
    /// # Errors
    /// The first broken promise.
    pub fn seed(&mut self, seed: u64, ops_max: usize) -> Result<(), Box<SweepFailure>> {
        let workload = Workload::drawn(Seed::new(seed), ops_max);
        self.workload(seed, &workload)
    }

    /// Sweeps one workload.
    ///
    /// # Errors
    /// The first broken promise.
    pub fn workload(&mut self, seed: u64, workload: &Workload) -> Result<(), Box<SweepFailure>> {
        self.trail.clear();
        self.sweep(seed, workload).map_err(|violation| {
            let crashes = std::mem::take(&mut self.trail);
            Box::new(SweepFailure { violation, workload: workload.clone(), seed, crashes })
        })
    }

    fn sweep(&mut self, seed: u64, workload: &Workload) -> Result<(), Violation> {
        self.report.workloads += 1;
        let mut run = self.fresh_run(seed, workload);
        run.disk().record_events(true);
        run.through(workload)?;
        let mut steps = telling_steps(run.disk());
        // Between the last call and nothing.
        steps.push((run.disk().steps(), false));
        run.abandon();
        let mut rng = Seed::new(seed).rng(Concern::CrashResolution);
        for (step, writes) in steps {
            for kind in KINDS {
                for in_flight in IN_FLIGHT {
                    if in_flight == InFlight::Prefix && !writes {
                        continue;
                    }
                    let mut run = self.fresh_run(seed, workload);
                    run.disk().crash_inside(step, kind, in_flight);
                    self.trail.push(format!("step {step} {kind:?} {in_flight:?}"));
                    self.report.crashes += 1;
                    run.through(workload)?;
                    run.disk().crash_now(kind);
                    self.resolve(&run, kind, self.options.depth, 1, &mut rng)?;
                    self.trail.pop();
                }
            }
        }
        Ok(())
    }

    fn fresh_run(&self, seed: u64, workload: &Workload) -> Run {
        let mut options = DiskOptions::new(Seed::new(seed));
        options.sector_size = self.options.sector;
        let disk = SimDisk::with_options(options);
        disk.set_call_noise(self.options.noise);
        let storage = self.storage(&disk);
        Run::with_storage(disk, storage, workload.options.clone(), 1)
    }

    fn storage(&self, disk: &SimDisk) -> Arc<dyn Storage> {
        let plain: Arc<dyn Storage> = Arc::new(disk.clone());
        match self.options.sabotage {
            Some(sabotage) => Arc::new(Sabotaged::new(plain, sabotage)),
            None => plain,
        }
    }

    /// Recovers from a crash that happened, in every way it can have gone.
    fn resolve(
        &mut self,
        run: &Run,
        kind: CrashKind,
        depth: usize,
        stride: usize,
        rng: &mut Rng,
    ) -> Result<(), Violation> {
        if kind == CrashKind::Kill {
            return self.check(run, &run.disk().after_kill(), kind, depth, rng);
        }
        let policies = CrashPolicy::every(run.disk().pending_units(), self.options.ones_max);
        for policy in policies.iter().step_by(stride) {
            let after = run.disk().after_power_cut(policy, rng);
            self.trail.push(format!("{policy:?}"));
            self.check(run, &after, kind, depth, rng)?;
            self.trail.pop();
        }
        Ok(())
    }

    fn check(
        &mut self,
        before: &Run,
        image: &SimDisk,
        kind: CrashKind,
        depth: usize,
        rng: &mut Rng,
    ) -> Result<(), Violation> {
        self.report.images += 1;
        let hash = image.image_hash();
        self.report.distinct.insert(hash);
        // A killed process leaves more than the image shows: what is pending differs.
        let told = before.model.fingerprint() ^ (image.pending_units() as u64);
        if !self.seen.insert((hash, told, depth)) {
            return Ok(());
        }
        self.report.checked += 1;
        let steps = self.recover(before, image, kind, depth, rng)?;
        if depth > 1 {
            for (step, _) in steps {
                for kind_again in KINDS {
                    // A kill keeps what is pending, so the image is taken as it is.
                    let again = image.after_kill();
                    let mut run = before.continued(again.clone(), self.storage(&again), kind, 100);
                    again.crash_inside(step, kind_again, InFlight::Whole);
                    self.trail.push(format!("recovery step {step} {kind_again:?}"));
                    self.report.nested += 1;
                    self.once_more(&mut run)?;
                    again.crash_now(kind_again);
                    let stride = self.options.nested_stride;
                    self.resolve(&run, kind_again, depth - 1, stride, rng)?;
                    self.trail.pop();
                }
            }
        }
        Ok(())
    }

    /// Opens, appends, cuts the power, opens again: what was shown once is shown again.
    fn recover(
        &mut self,
        before: &Run,
        image: &SimDisk,
        kind: CrashKind,
        depth: usize,
        rng: &mut Rng,
    ) -> Result<Vec<(u64, bool)>, Violation> {
        let disk = image.after_kill();
        disk.record_events(depth > 1);
        let mut run = before.continued(disk.clone(), self.storage(&disk), kind, 100);
        self.once_more(&mut run)?;
        let steps = telling_steps(&disk);
        disk.crash_now(CrashKind::Power);
        let after = disk.after_power_cut(&CrashPolicy::AllLost, rng);
        let mut last = run.continued(after.clone(), self.storage(&after), CrashKind::Power, 200);
        last.open()?;
        last.abandon();
        Ok(steps)
    }

    fn once_more(&self, run: &mut Run) -> Result<(), Violation> {
        if let Ending::Done = run.open()?
            && let Ending::Done = run.make(&Op::Append(40, Durability::Sync))?
        {
            run.make(&Op::Read)?;
        }
        Ok(())
    }
}

/// The calls around which a crash makes a difference, and whether each is a write.
fn telling_steps(disk: &SimDisk) -> Vec<(u64, bool)> {
    disk.events()
        .iter()
        .filter(|event| event.operation.leaves_traces())
        .map(|event| (event.step, event.operation == Operation::Write))
        .collect()
}
