//! `seawall sim hunt`: what `sim bugs` runs as a child, in a process of its own, since a planted
//! bug may hang it or end it. It is there only in a build with the bugs in it.

use super::host::{self, Watch};
use super::meta;
use super::unless_unread;
use crate::exit::{Failure, Status};
use crate::render;
use seawall_sim::{
    BUGS, Campaign, Check, Judge, PlantedBug, SeawallLog, Way, exhaustive, shrink, silence,
};
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::time::Duration;

/// Each master seed has so many seeds of its own.
const SEEDS_OF_MASTER: u64 = 1_000_000;
/// Shrinking a failure may take so long.
const SHRINK: Duration = Duration::from_secs(30);
/// A bug that asks for memory without end is to end before the machine does.
const MEMORY_MAX: u64 = 8 << 30;

/// Plant a bug and run seeds until a promise breaks.
#[derive(Debug, clap::Args)]
pub(crate) struct Hunt {
    /// The bug.
    bug: String,
    /// Which seeds: each master has its own.
    #[arg(long, default_value_t = 0)]
    master: u64,
    /// Give up after so many.
    #[arg(long, default_value_t = 20_000)]
    max: u64,
    /// Threads.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Nothing crashes.
    #[arg(long)]
    no_crashes: bool,
    /// Print the hash of each seed instead.
    #[arg(long)]
    hashes: bool,
    /// Keep a check silent, to see whether another one finds the bug: marks, refused, follower or device.
    #[arg(long)]
    without: Option<Check>,
    /// Make the run small, and say how small.
    #[arg(long)]
    shrink: bool,
}

impl Hunt {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let bug = BUGS.iter().find(|bug| bug.name == self.bug).ok_or_else(|| Failure::Input {
            what: format!("{:?} is no planted bug", self.bug),
            hint: "the table of the simulator has their names",
        })?;
        let campaign = plant(bug, self.no_crashes)?;
        if let Some(check) = self.without {
            assert!(silence(check), "invariant: no check was silent before");
        }
        limit_memory()?;
        // A panic is a finding, told as one.
        std::panic::set_hook(Box::new(|_| {}));
        let told = if self.hashes {
            self.hashes(campaign)
        } else if bug.judge == Judge::Exhaustive {
            self.search(bug)?
        } else {
            self.hunt(bug, &campaign)?
        };
        let found = told.get("found") == Some(&Value::Bool(true));
        let status = if found { Status::Broken } else { Status::Clean };
        unless_unread(render::document(&told), status)
    }

    fn first(&self) -> u64 {
        self.master.saturating_mul(SEEDS_OF_MASTER)
    }

    fn hunt(&self, bug: &PlantedBug, campaign: &Campaign<SeawallLog>) -> Result<Value, Failure> {
        let watch = Watch::start();
        let mut seeds = self.first()..self.first().saturating_add(self.max);
        let mut unsound = Vec::new();
        let failure = loop {
            let jobs = host::jobs(self.jobs);
            let (_, failure) = campaign.run_while(seeds.clone(), jobs, |_| true);
            let Some(failure) = failure else { break None };
            // What breaks without the bug, too, is a finding about the log and none about the bug.
            if !breaks_without(bug, campaign, failure.seed)? {
                break Some(failure);
            }
            unsound.push(failure.seed);
            seeds.start = failure.seed.saturating_add(1);
        };
        let seconds = watch.elapsed().as_secs_f64();
        let Some(failure) = failure else {
            return Ok(json!({
                "found": false,
                "seeds": self.max,
                "seconds": seconds,
                "unsound": unsound,
            }));
        };
        let small = self.shrink.then(|| {
            let watch = Watch::start();
            let small = shrink(&failure.scenario, campaign.sabotage, |_| watch.elapsed() < SHRINK);
            small.map(|small| {
                json!({
                    "operations": small.scenario.op_count(),
                    "crashes": small.scenario.crash_count(),
                    "seconds": watch.elapsed().as_secs_f64(),
                })
            })
        });
        Ok(json!({
            "found": true,
            "promise": failure.violation.promise,
            "what": failure.violation.what,
            "seed": failure.seed,
            // However many threads there were: nothing broke before it.
            "seeds": failure.seed.saturating_sub(self.first()).saturating_add(1),
            "seconds": seconds,
            "life": failure.life,
            "small": small.flatten(),
            "unsound": unsound,
        }))
    }

    /// The search that tries everything small: it has no seeds.
    fn search(&self, bug: &PlantedBug) -> Result<Value, Failure> {
        let (watch, jobs) = (Watch::start(), host::jobs(self.jobs));
        let sabotage = match bug.way {
            Way::Sabotage(sabotage) => Some(sabotage),
            Way::Line => None,
        };
        let found = exhaustive::hunt(jobs, sabotage);
        let seconds = watch.elapsed().as_secs_f64();
        let Some((violation, scenario)) = found else {
            return Ok(json!({ "found": false, "seconds": seconds }));
        };
        plant_line("")?;
        let sound = exhaustive::hunt(jobs, None).is_none();
        let small = scenario.map(|run| {
            let (operations, crashes) = (run.op_count(), run.crash_count());
            json!({ "operations": operations, "crashes": crashes, "seconds": 0.0 })
        });
        Ok(json!({
            "found": sound,
            "promise": violation.promise,
            "what": violation.what,
            "seconds": seconds,
            "small": small,
        }))
    }

    fn hashes(&self, mut campaign: Campaign<SeawallLog>) -> Value {
        campaign.deep = true;
        let seeds = self.first()..self.first().saturating_add(self.max);
        let hashes: Vec<u64> = seeds.map(|seed| meta::hash(&campaign, seed)).collect();
        json!({ "hashes": hashes })
    }
}

/// The campaign that is to find it; the bug is in the library, or in the disk, from here on.
fn plant(bug: &PlantedBug, no_crashes: bool) -> Result<Campaign<SeawallLog>, Failure> {
    let mut campaign = Campaign::<SeawallLog>::new();
    campaign.draw.class = Some(bug.class);
    campaign.draw.no_crashes = no_crashes;
    match bug.way {
        Way::Sabotage(sabotage) => campaign.sabotage = Some(sabotage),
        Way::Line => plant_line(bug.name)?,
    }
    Ok(campaign)
}

/// Plants a line of the library by its name; the empty name takes it out again.
fn plant_line(name: &str) -> Result<(), Failure> {
    if seawall::planted::plant(name) {
        return Ok(());
    }
    Err(Failure::Input {
        what: format!("{name} is not in the library"),
        hint: "the simulator's table of bugs and the library's are of different versions",
    })
}

/// Whether a seed breaks a promise of the log as it is, too.
fn breaks_without(
    bug: &PlantedBug,
    campaign: &Campaign<SeawallLog>,
    seed: u64,
) -> Result<bool, Failure> {
    let mut sound = Campaign::<SeawallLog>::new();
    sound.draw = campaign.draw.clone();
    if bug.way == Way::Line {
        plant_line("")?;
    }
    let broken = sound.run(seed..seed.saturating_add(1)).is_err();
    if bug.way == Way::Line {
        plant_line(bug.name)?;
    }
    Ok(broken)
}

fn limit_memory() -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit { current: Some(MEMORY_MAX), maximum: Some(MEMORY_MAX) };
    setrlimit(Resource::As, limit)
        .map_err(|errno| Failure::Io { action: "limit the memory", source: errno.into() })
}
