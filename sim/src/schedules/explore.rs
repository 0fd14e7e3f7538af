//! Runs a harness under many schedulers, counts the orders of threads that differ, and keeps the
//! schedule of a failure.

use super::Harness;
use crate::hash::Fingerprint;
use crate::rng::{Concern, Seed};
use parking_lot::Mutex;
use shuttle::rand::RngCore;
use shuttle::scheduler::{
    DataSource, DfsScheduler, PctScheduler, RandomDataSource, RandomScheduler, ReplayScheduler,
    Schedule, Scheduler, Task, TaskId, UrwRandomScheduler,
};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Once};

/// An execution that takes more steps goes in circles.
const STEPS_MAX: usize = 50_000;

/// How the next thread is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulerKind {
    /// Any that can go on.
    Random,
    /// So that all orders are about as likely.
    UniformWalk,
    /// The one with the highest priority, which changes so many times.
    Priorities(usize),
    /// All orders, one after the other, with the same draws.
    DepthFirst,
}

impl fmt::Display for SchedulerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("random"),
            Self::UniformWalk => f.write_str("uniform random walk"),
            Self::Priorities(depth) => write!(f, "PCT of depth {depth}"),
            Self::DepthFirst => f.write_str("depth first"),
        }
    }
}

/// The schedulers of the portfolio, and how many parts of the schedules each gets.
const PORTFOLIO: [(SchedulerKind, u64); 6] = [
    (SchedulerKind::Random, 6),
    (SchedulerKind::UniformWalk, 4),
    (SchedulerKind::Priorities(1), 1),
    (SchedulerKind::Priorities(2), 3),
    (SchedulerKind::Priorities(3), 3),
    (SchedulerKind::Priorities(5), 3),
];

/// As [`PORTFOLIO`], for small harnesses.
const SMALL_PORTFOLIO: [(SchedulerKind, u64); 7] = [
    (SchedulerKind::Random, 4),
    (SchedulerKind::UniformWalk, 4),
    (SchedulerKind::Priorities(1), 1),
    (SchedulerKind::Priorities(2), 1),
    (SchedulerKind::Priorities(3), 2),
    (SchedulerKind::DepthFirst, 4),
    (SchedulerKind::DepthFirst, 4),
];

/// What a scheduler found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScheduleFailure {
    /// The harness.
    pub harness: &'static str,
    /// The scheduler.
    pub scheduler: SchedulerKind,
    /// What [`explore`] was given.
    pub seed: u64,
    /// How many schedules were run, this one with them.
    pub after: u64,
    /// What went wrong.
    pub message: String,
    /// The schedule, for [`replay`].
    pub schedule: String,
}

impl fmt::Display for ScheduleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { harness, scheduler, seed, after, message, schedule } = self;
        write!(
            f,
            "{harness}: {message}\nfound by the scheduler {scheduler} with seed {seed} in schedule \
             {after}; replay(\"{harness}\", \"{schedule}\") repeats it"
        )
    }
}

/// What an exploration saw.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScheduleReport {
    /// The harness.
    pub harness: &'static str,
    /// Schedules that were run.
    pub schedules: u64,
    /// How many orders of threads were among them.
    pub distinct: u64,
    /// Scheduling decisions made, in all.
    pub steps: u64,
    /// Whether the search in order of depth came to its end.
    pub exhausted: bool,
    /// The first failure, which ended it.
    pub failure: Option<ScheduleFailure>,
}

/// What the scheduler of a run was seen to do.
#[derive(Debug)]
struct Seen {
    schedule: Schedule,
    print: Fingerprint,
    started: u64,
    steps: u64,
    distinct: BTreeSet<u64>,
    ended: bool,
}

impl Seen {
    fn new() -> Self {
        Self {
            schedule: Schedule::default(),
            print: Fingerprint::new(),
            started: 0,
            steps: 0,
            distinct: BTreeSet::new(),
            ended: false,
        }
    }

    fn turn_page(&mut self) {
        let print = std::mem::replace(&mut self.print, Fingerprint::new());
        if print != Fingerprint::new() {
            self.distinct.insert(print.value());
        }
    }
}

/// A scheduler that is watched.
struct Watched {
    /// `None` only while it is dropped.
    inner: Option<Box<dyn Scheduler + Send>>,
    /// The draws of every execution, for a scheduler that would always draw the same.
    draws: Option<(u64, RandomDataSource)>,
    seen: Arc<Mutex<Seen>>,
}

impl Watched {
    fn inner(&mut self) -> &mut dyn Scheduler {
        self.inner.as_mut().expect("it is there until it is dropped").as_mut()
    }
}

impl Scheduler for Watched {
    fn new_execution(&mut self) -> Option<Schedule> {
        let mut schedule = self.inner().new_execution();
        if let (Some(schedule), Some((seed, draws))) = (&mut schedule, &mut self.draws) {
            *draws = RandomDataSource::initialize(*seed);
            schedule.seed = draws.reinitialize();
        }
        let mut seen = self.seen.lock();
        seen.turn_page();
        match &schedule {
            Some(schedule) => {
                seen.started += 1;
                seen.schedule = schedule.clone();
            }
            None => seen.ended = true,
        }
        schedule
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let next = self.inner().next_task(runnable, current, is_yielding);
        if let Some(task) = next {
            let mut seen = self.seen.lock();
            seen.steps += 1;
            seen.schedule.push_task(task);
            seen.print.word(usize::from(task) as u64);
        }
        next
    }

    fn next_u64(&mut self) -> u64 {
        self.seen.lock().schedule.push_random();
        match &mut self.draws {
            Some((_, draws)) => draws.next_u64(),
            None => self.inner().next_u64(),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Some schedulers print at their end when a panic is under way.
        if std::thread::panicking() {
            std::mem::forget(self.inner.take());
        }
    }
}

/// Runs about `count` schedules of a harness, shared between the schedulers; stops at the first
/// failure. The same seed does the same.
#[must_use]
pub fn explore(harness: Harness, count: u64, seed: u64) -> ScheduleReport {
    let portfolio = if harness.small { SMALL_PORTFOLIO.as_slice() } else { &PORTFOLIO };
    let parts: u64 = portfolio.iter().map(|(_, parts)| parts).sum();
    let mut seeds = Seed::new(seed).rng(Concern::Scheduler);
    let mut report = ScheduleReport {
        harness: harness.name,
        schedules: 0,
        distinct: 0,
        steps: 0,
        exhausted: false,
        failure: None,
    };
    let mut distinct = BTreeSet::new();
    for &(kind, share) in portfolio {
        let wanted = usize::try_from((count * share).div_ceil(parts)).unwrap_or(usize::MAX);
        let drawn = seeds.next_u64();
        let depth_first = kind == SchedulerKind::DepthFirst;
        let scheduler: Box<dyn Scheduler + Send> = match kind {
            SchedulerKind::Random => Box::new(RandomScheduler::new_from_seed(drawn, wanted)),
            SchedulerKind::UniformWalk => {
                Box::new(UrwRandomScheduler::new_from_seed(drawn, wanted))
            }
            SchedulerKind::Priorities(depth) => {
                Box::new(PctScheduler::new_from_seed(drawn, depth, wanted))
            }
            SchedulerKind::DepthFirst => Box::new(DfsScheduler::new(Some(wanted), true)),
        };
        let (mut seen, message) = run(harness, scheduler, depth_first.then_some(drawn));
        report.schedules += seen.started;
        report.steps += seen.steps;
        distinct.append(&mut seen.distinct);
        let whole = depth_first && seen.ended;
        report.exhausted |= whole && seen.started < wanted as u64;
        if let Some(message) = message {
            report.failure = Some(ScheduleFailure {
                harness: harness.name,
                scheduler: kind,
                seed,
                after: report.schedules,
                message,
                schedule: written(&seen.schedule),
            });
            break;
        }
    }
    report.distinct = distinct.len() as u64;
    report
}

/// Repeats one schedule of a harness: what went wrong, if it does again.
///
/// # Errors
/// What is wrong with the text of the schedule.
pub fn replay(harness: Harness, schedule: &str) -> Result<Option<String>, String> {
    let schedule = read(schedule).ok_or_else(|| format!("no schedule: {schedule}"))?;
    let mut scheduler = ReplayScheduler::new_from_schedule(schedule);
    scheduler.set_allow_incomplete();
    Ok(run(harness, Box::new(scheduler), None).1)
}

fn run(
    harness: Harness,
    scheduler: Box<dyn Scheduler + Send>,
    draws: Option<u64>,
) -> (Seen, Option<String>) {
    let seen = Arc::new(Mutex::new(Seen::new()));
    let draws = draws.map(|seed| (seed, RandomDataSource::initialize(seed)));
    let watched = Watched { inner: Some(scheduler), draws, seen: Arc::clone(&seen) };
    let body = harness.run;
    let outcome = quietly(|| {
        Runner::new(watched, config()).run(move || body(shuttle::rand::thread_rng().next_u64()));
    });
    let mut seen = std::mem::replace(&mut *seen.lock(), Seen::new());
    seen.turn_page();
    (seen, outcome.err())
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 128 << 10;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    config
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What a panic said, with nothing printed.
fn quietly(body: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // Its first run puts a hook of its own in place; ours goes before it.
        Runner::new(RandomScheduler::new_from_seed(0, 1), config()).run(|| ());
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    QUIET.set(false);
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned())
    })
}

/// The seed, then who runs: a number of a thread and how many times in a row, `r` for a draw.
fn written(schedule: &Schedule) -> String {
    let mut text = format!("{:x}", schedule.seed);
    let mut steps = schedule.steps.iter().peekable();
    while let Some(step) = steps.next() {
        let mut times = 1;
        while steps.next_if_eq(&step).is_some() {
            times += 1;
        }
        let debug = format!("{step:?}");
        let digits: String = debug.chars().filter(char::is_ascii_digit).collect();
        let name = if digits.is_empty() { "r" } else { &digits };
        text += &if times == 1 { format!(" {name}") } else { format!(" {name}x{times}") };
    }
    text
}

fn read(text: &str) -> Option<Schedule> {
    let mut words = text.split(' ');
    let mut schedule = Schedule::new(u64::from_str_radix(words.next()?, 16).ok()?);
    for word in words {
        let (name, times) = word.split_once('x').unwrap_or((word, "1"));
        for _ in 0..times.parse::<usize>().ok()? {
            match name {
                "r" => schedule.push_random(),
                task => schedule.push_task(TaskId::from(task.parse::<usize>().ok()?)),
            }
        }
    }
    Some(schedule)
}
