//! A campaign: runs drawn from seeds, on as many threads as wanted, until enough of them went well
//! or one did not.
//!
//! Seeds share nothing, so neither the number of threads nor their pace changes what a seed does;
//! the figures of a range of seeds are the same however it was run.

use crate::figures::Figures;
use crate::oracle::Violation;
use crate::plan::{Draw, Plan};
use crate::play::{Fate, Player, Tally, follow};
use crate::sabotage::Sabotage;
use crate::scenario::Scenario;
use crate::subject::Subject;
use parking_lot::Mutex;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Seeds run between two looks at whether to go on.
const SEEDS_AT_ONCE: u64 = 8;

/// A broken promise, and the run that leads there.
pub struct Failure<S: Subject> {
    /// The seed that drew the run.
    pub seed: u64,
    /// The run, without what happened beside it.
    pub scenario: Scenario<S>,
    /// The life in which the promise broke.
    pub life: usize,
    /// The promise.
    pub violation: Violation,
}

impl<S: Subject> fmt::Debug for Failure<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}\n{:?}", self.scenario)
    }
}

impl<S: Subject> fmt::Display for Failure<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, life {} ({}): {}", self.seed, self.life, self.scenario, self.violation)
    }
}

/// Runs drawn from seeds.
///
/// ```
/// use seawall_sim::{Campaign, SeawallLog};
///
/// let campaign = Campaign::<SeawallLog>::new();
/// let figures = campaign.run(0..20).expect("no promise breaks");
/// assert!(figures.crash_cycles > 100);
/// ```
#[derive(Clone, Debug)]
pub struct Campaign<S: Subject> {
    /// What is drawn.
    pub draw: Draw,
    /// The disk cheats like this.
    pub sabotage: Option<Sabotage>,
    /// The hash covers every image and random stream too: for comparing two runs of a seed.
    pub deep: bool,
    subject: PhantomData<fn() -> S>,
}

impl<S: Subject> Default for Campaign<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Subject> Campaign<S> {
    /// Every class, every preset, an honest disk.
    #[must_use]
    pub fn new() -> Self {
        Self { draw: Draw::default(), sabotage: None, deep: false, subject: PhantomData }
    }

    /// Runs these seeds, one after the other.
    ///
    /// # Errors
    /// The first broken promise.
    pub fn run(&self, seeds: Range<u64>) -> Result<Figures, Box<Failure<S>>> {
        let mut tally = Tally::new(self.deep);
        for seed in seeds {
            self.seed(seed, &mut tally)?;
        }
        Ok(tally.take())
    }

    /// Runs seeds from `first` on, on `jobs` threads, as long as `go_on` says so of the figures
    /// so far, and up to `end`. What was done until a promise broke is in the figures too.
    pub fn run_while(
        &self,
        seeds: Range<u64>,
        jobs: NonZeroUsize,
        go_on: impl Fn(&Figures) -> bool + Sync,
    ) -> (Figures, Option<Box<Failure<S>>>) {
        let next = AtomicU64::new(seeds.start);
        let stop = AtomicBool::new(false);
        let total = Mutex::new((Figures::default(), None::<Box<Failure<S>>>));
        let work = || {
            let mut tally = Tally::new(self.deep);
            while !stop.load(Ordering::Relaxed) {
                let first = next.fetch_add(SEEDS_AT_ONCE, Ordering::Relaxed);
                if first >= seeds.end {
                    break;
                }
                let mut failed = None;
                for seed in first..first.saturating_add(SEEDS_AT_ONCE).min(seeds.end) {
                    if let Err(failure) = self.seed(seed, &mut tally) {
                        failed = Some(failure);
                        break;
                    }
                }
                let mut total = total.lock();
                total.0.add(&tally.take());
                if let Some(failure) = failed {
                    stop.store(true, Ordering::Relaxed);
                    if total.1.as_ref().is_none_or(|other| failure.seed < other.seed) {
                        total.1 = Some(failure);
                    }
                }
                if !go_on(&total.0) {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..jobs.get() {
                scope.spawn(work);
            }
            work();
        });
        total.into_inner()
    }

    /// The run of a seed without its side branches: what it goes through if no promise breaks.
    #[must_use]
    pub fn trunk(&self, seed: u64) -> Scenario<S> {
        Plan::<S>::draw(seed, &self.draw).line(None, usize::MAX)
    }

    /// The run that these bytes decide, without its side branches, as [`trunk`](Self::trunk).
    #[must_use]
    pub fn trunk_decided(&self, decisions: &[u8]) -> Scenario<S> {
        Plan::<S>::decided(decisions, &self.draw).line(None, usize::MAX)
    }

    /// The run of a seed that leads to its first broken promise.
    ///
    /// # Errors
    /// That promise.
    pub(crate) fn seed(&self, seed: u64, tally: &mut Tally) -> Result<(), Box<Failure<S>>> {
        self.planned(Plan::draw(seed, &self.draw), tally)
    }

    /// The runs that these bytes decide, each from as few of them as it needs; behind the last one
    /// every decision is the first of those there are. One seed draws as much from some 1,500 bytes.
    ///
    /// A fuzzer that is guided by what its inputs reach can so be let loose on a store: it decides
    /// on the disk, the operations, what goes wrong and where the power is cut. Two bytes decide what a
    /// crash policy leaves open. The bytes mean something for this version only; the scenario of a
    /// failure is what to keep.
    ///
    /// ```
    /// use seawall_sim::{Campaign, SeawallLog};
    ///
    /// let figures = Campaign::<SeawallLog>::new().decided(b"any bytes").expect("no promise breaks");
    /// assert!(figures.crash_cycles > 0);
    /// ```
    ///
    /// # Errors
    /// The first broken promise. No seed drew the run: the one that is named there is the disk's.
    pub fn decided(&self, decisions: &[u8]) -> Result<Figures, Box<Failure<S>>> {
        let mut tally = Tally::new(self.deep);
        self.planned(Plan::decided(decisions, &self.draw), &mut tally)?;
        Ok(tally.take())
    }

    fn planned(&self, plan: Plan<S>, tally: &mut Tally) -> Result<(), Box<Failure<S>>> {
        let seed = plan.setup.seed;
        tally.begin_seed(seed);
        let outcome = self.tree(&plan, tally);
        tally.end_seed();
        outcome.map_err(|broken| {
            let scenario = plan.line(broken.branch, broken.life + 1);
            let Broken { life, violation, .. } = broken;
            Box::new(Failure { seed, scenario, life, violation })
        })
    }

    fn tree(&self, plan: &Plan<S>, tally: &mut Tally) -> Result<(), Broken> {
        let mut player = Player { setup: &plan.setup, sabotage: self.sabotage, tally };
        let mut stage = player.stage::<S>(&plan.options);
        for (nth, life) in plan.trunk.iter().enumerate() {
            let mut in_branch = None;
            let mut waiting: Vec<usize> = plan.branches_of(nth).collect();
            let played = player.life(&mut stage, life, |player, stage, op| {
                if op == 0 {
                    return Ok(());
                }
                // Where nothing is pending every crash leaves the same: most wait until it is not so.
                let quiet = stage.disk.pending_units() == 0 && op < life.ops.len();
                let mut due = Vec::new();
                waiting.retain(|&which| {
                    let branch = plan.branches.get(which);
                    let now = branch.is_some_and(|b| b.op <= op && !(quiet && b.patient));
                    if now {
                        due.push(which);
                    }
                    !now
                });
                for which in due {
                    let Some(branch) = plan.branches.get(which) else { continue };
                    let tail = player.pass(stage, &branch.end);
                    if let Err((life, violation)) = follow(player, tail, &branch.tail) {
                        in_branch = Some((which, op, nth + 1 + life));
                        return Err(violation);
                    }
                }
                Ok(())
            });
            match played {
                Ok(Fate::CutOff) => {}
                Ok(Fate::Over) => break,
                Err(violation) => {
                    if violation.promise == "panic" {
                        std::mem::forget(stage);
                    }
                    let (branch, life) = in_branch
                        .map_or((None, nth), |(which, op, life)| (Some((which, op)), life));
                    return Err(Broken { branch, life, violation });
                }
            }
            let Some(end) = &life.end else { break };
            stage = player.pass(&stage, end);
        }
        Ok(())
    }
}

struct Broken {
    /// In which branch, and where that left the trunk.
    branch: Option<(usize, usize)>,
    life: usize,
    violation: Violation,
}
