//! Checks that look right and are hollow turn red: a disk that cheats, an open that forgets, an
//! open that cries wolf. And what the campaign claims to visit it visits: every row of the recovery
//! table, every fault. And a seed is a run: the same one each time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall::storage::Storage;
use seawall_sim::{
    Before, Campaign, Class, Counters, Figures, LogOp, LogOptions, Opened, Rng, Sabotage,
    SeawallLog, Seed, SimDisk, Stop, Subject, World,
};
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

const ONE: NonZeroUsize = NonZeroUsize::MIN;
const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// Within so many seeds a disk that cheats must be found.
const SEEDS: u64 = 1000;

/// The class in which a cheat shows: where a sync may fail, what becomes of its error; elsewhere
/// crashes are enough. `None`: it takes two processes.
fn class_of(sabotage: Sabotage) -> Option<Class> {
    match sabotage {
        Sabotage::LockIgnored => None,
        Sabotage::SyncErrorSwallowed
        | Sabotage::SyncErrorRetried
        | Sabotage::ShortWriteReportedFull
        | Sabotage::EvictDoesNothing => Some(Class::Errors),
        _ => Some(Class::Crash),
    }
}

fn found(sabotage: Sabotage, class: Class) -> Option<u64> {
    let mut campaign = Campaign::<SeawallLog>::new();
    campaign.draw.class = Some(class);
    campaign.sabotage = Some(sabotage);
    let failure = campaign.run(0..SEEDS).err()?;
    println!("{sabotage:?}, class {class}: {failure}");
    Some(failure.seed)
}

#[test]
fn a_sync_that_does_nothing_is_found() {
    assert!(found(Sabotage::SyncDoesNothing, Class::Crash).is_some());
}

#[test]
fn a_sync_of_the_directory_that_does_nothing_is_found() {
    assert!(found(Sabotage::SyncDirDoesNothing, Class::Crash).is_some());
}

#[test]
fn every_other_cheat_that_one_process_can_see_is_found() {
    let missed: Vec<_> = Sabotage::ALL
        .into_iter()
        .filter(|&sabotage| {
            class_of(sabotage).is_some_and(|class| found(sabotage, class).is_none())
        })
        .collect();
    assert!(missed.is_empty(), "nothing notices {missed:?}");
}

/// What an open does that does not open what is there.
trait Lie: 'static {
    /// The disk that is opened in place of this one.
    fn instead_of(disk: &SimDisk) -> SimDisk;
}

/// Opens an empty log, whatever is there.
struct Forgets;

impl Lie for Forgets {
    fn instead_of(_disk: &SimDisk) -> SimDisk {
        SimDisk::new(Seed::new(1))
    }
}

/// Finds damage, whatever is there.
struct CriesWolf;

impl Lie for CriesWolf {
    fn instead_of(disk: &SimDisk) -> SimDisk {
        let other = disk.after_kill();
        for name in other.names().iter().filter(|name| name.ends_with(".seg")) {
            // Both copies of the header.
            other.overwrite_durably(name, 0, &[7; 8192]).unwrap();
        }
        other
    }
}

/// Seawall's log and its oracle, with an open that lies from the first crash on.
struct Lying<L>(SeawallLog, PhantomData<L>);

impl<L: Lie> Subject for Lying<L> {
    type Op = LogOp;
    type Options = LogOptions;

    fn draw_options(class: Class, rng: &mut Rng) -> LogOptions {
        SeawallLog::draw_options(class, rng)
    }

    fn draw_op(options: &LogOptions, rng: &mut Rng) -> LogOp {
        SeawallLog::draw_op(options, rng)
    }

    fn new(options: &LogOptions) -> Self {
        Self(SeawallLog::new(options), PhantomData)
    }

    fn fork(&self) -> Self {
        Self(self.0.fork(), PhantomData)
    }

    fn open(&mut self, world: &World) -> Result<Opened, Stop> {
        let mut seen = world.clone();
        if world.before != Before::Nothing {
            let disk = L::instead_of(&world.disk);
            seen.storage = Arc::new(disk) as Arc<dyn Storage>;
        }
        self.0.open(&seen)
    }

    fn make(&mut self, world: &World, op: &LogOp) -> Result<(), Stop> {
        self.0.make(world, op)
    }

    fn finish(&mut self, world: &World) -> Result<(), Stop> {
        self.0.finish(world)
    }

    fn abandon(&mut self) {
        self.0.abandon();
    }
}

/// The first seed of a crash-only run is enough, and of it the first crash.
fn turns_red_at_once<L: Lie>(promise: &str) {
    let mut campaign = Campaign::<Lying<L>>::new();
    campaign.draw.class = Some(Class::Crash);
    let (figures, failure) = campaign.run_while(0..1, ONE, |_| true);
    let failure = failure.unwrap();
    println!("{failure}");
    assert_eq!(failure.violation.promise, promise, "{failure}");
    assert_eq!((failure.life, failure.scenario.lives.len()), (1, 2), "{failure}");
    assert_eq!(figures.crash_cycles, 0, "no crash before that one was taken for survived");
}

#[test]
fn an_open_that_returns_an_empty_log_breaks_the_first_promise_at_the_first_crash() {
    turns_red_at_once::<Forgets>("G1");
}

#[test]
fn an_open_that_always_reports_damage_is_an_alarm_without_cause_at_the_first_crash() {
    turns_red_at_once::<CriesWolf>("G5");
}

/// Seeds of every class, by its own mix: seconds, and enough for what is rare.
const MIXED: Range<u64> = 0..6000;

fn figures_of(seeds: Range<u64>, jobs: NonZeroUsize) -> Figures {
    let (figures, failure) = Campaign::<SeawallLog>::new().run_while(seeds, jobs, |_| true);
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    figures
}

/// Those of [`MIXED`], which two tests look at.
fn mixed() -> &'static Figures {
    static FIGURES: OnceLock<Figures> = OnceLock::new();
    FIGURES.get_or_init(|| figures_of(MIXED, TWO))
}

/// The cells of the recovery table that a campaign meets: a row, then whether something is proven
/// durable beyond the place. Of the others some are too rare for a range that a test can run
/// through, and some there are not: a file below the trim point is removed whatever follows it, and
/// of a segment that is missing only a later one tells.
const REACHED: [&str; 25] = [
    "trimmed, W<=E",
    "zeros, W<=E",
    "closed, W<=E",
    "undecodable, W<=E",
    "undecodable, W>E",
    "half batch, W<=E",
    "half batch, W>E",
    "shortened, W<=E",
    "shortened, W>E",
    "unreadable, W<=E",
    "unreadable, W>E",
    "unknown, W<=E",
    "unknown, W>E",
    "contradiction, W>E",
    "not log, W<=E",
    "not log, W>E",
    "unborn, W<=E",
    "header lost, W<=E",
    "header lost, W>E",
    "one copy, W<=E",
    "one copy, W>E",
    "missing, W>E",
    "torn, W<=E",
    "dropped, W<=E",
    "dropped, W>E",
];

#[test]
fn every_row_of_the_recovery_table_is_met_on_disks_that_a_campaign_left() {
    let mut met = BTreeMap::<&str, u64>::new();
    for ((cell, _), count) in &mixed().cells {
        *met.entry(SeawallLog::CELLS[*cell]).or_default() += count;
    }
    for name in SeawallLog::CELLS {
        println!("{:8} {name}", met.get(name).copied().unwrap_or_default());
    }
    let missed: Vec<_> = REACHED.iter().filter(|name| !met.contains_key(*name)).collect();
    assert!(missed.is_empty(), "never met: {missed:?}");
    let row_of = |cell: &&str| cell.split_once(',').unwrap().0.to_owned();
    let rows: BTreeSet<_> = SeawallLog::CELLS.iter().map(row_of).collect();
    let rows_met: BTreeSet<_> = met.keys().map(row_of).collect();
    assert_eq!(rows.len(), 16);
    let never: Vec<_> = rows.difference(&rows_met).collect();
    assert!(never.is_empty(), "never met: {never:?}");
}

/// The faults that the disk and the campaign know, by their counters; the calls first that are made
/// to fail.
const FAULTS: &[&str] = &[
    "open",
    "create",
    "rename",
    "list",
    "sync-dir",
    "read",
    "write",
    "sync-data",
    "sync-all",
    "allocate",
    "set-len",
    "len",
    "short_reads",
    "short_writes",
    "interrupted",
    "eio",
    "eio_on_read",
    "eio_on_write",
    "eio_on_sync",
    "enospc",
    "edquot",
    "unreadable_reads",
    "no_space",
    "over_quota",
    "no_room_to_create",
    "no_room_in_sync",
    "room_returned",
    "failed_writes_left_bytes",
    "failed_writes_landed",
    "failed_writes_left_length",
    "failed_renames_made",
    "failed_lengths_set",
    "failed_write_backs",
    "late_errors",
    "written_back",
    "names_written_back",
    "damages",
    "bit_rot",
    "latent_sectors",
    "misdirected_writes",
    "misdirected_reads",
    "lost_writes",
    "garbage",
    "drains",
    "flushes_lost",
    "kept",
    "lost",
    "torn",
    "torn_writes",
    "reordered",
    "sizes_without_data",
    "data_without_size",
    "names_kept",
    "names_lost",
    "creates_lost",
    "renames_lost",
    "removes_lost",
    "names_reordered",
    "stale",
    "slow_calls",
    "stuck_calls",
    "crashes_between_calls",
    "crashes_in_a_call_not_begun",
    "crashes_in_a_call_done",
    "crashes_in_a_call_half_done",
    "power_cuts_posix",
    "power_cuts_journalled",
    "power_cuts_lying",
    "power_cuts_power_safe",
    "clock_jumps",
];

/// What comes too seldom for a range that a test can run through.
const RARE: &[&str] = &[
    "remove",
    "evict",
    "holes_punched",
    "failed_creates_made",
    "failed_removes_made",
    "failed_dir_syncs_partial",
];

/// What no campaign asks for; interrupted calls come by noise.
const NOT_OURS: &[&str] = &["lock", "eintr", "punch"];

#[test]
fn every_fault_really_happens() {
    let figures = mixed();
    println!("{figures}");
    let [once, twice, thrice] = figures.nested;
    for (what, count) in [
        ("power cut", figures.power_cuts),
        ("power cut that took something", figures.lossy_power_cuts),
        ("process kill", figures.kills),
        ("crash in recovery", once),
        ("twice in a row", twice),
        ("three times in a row", thrice),
        ("refused open", figures.refused),
    ] {
        println!("{count:8} {what}");
        assert!(count > 0, "{what} never happens");
    }
    let mut missed = Vec::new();
    for fault in FAULTS {
        let count = figures.faults.get(*fault).copied().unwrap_or_default();
        println!("{count:8} {fault}");
        if count == 0 {
            missed.push(fault);
        }
    }
    assert!(missed.is_empty(), "never happen: {missed:?}");
}

/// A fault that is counted and not in the list would not be missed if it went away.
#[test]
fn every_counter_of_the_disk_is_a_fault_of_the_list() {
    let counters = Counters::default().list();
    let known = |name: &str| [FAULTS, RARE, NOT_OURS].concat().contains(&name);
    let unknown: Vec<_> = counters.iter().filter(|(name, _)| !known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_same_seeds_are_the_same_runs_twice_and_on_any_number_of_threads() {
    let mut campaign = Campaign::<SeawallLog>::new();
    for deep in [false, true] {
        campaign.deep = deep;
        let figures = |jobs| campaign.run_while(0..300, jobs, |_| true).0;
        let one = figures(ONE);
        assert_eq!(one.hash, figures(ONE).hash, "the second time");
        assert_eq!(one, figures(TWO), "on two threads");
        assert_eq!(one, campaign.run(0..300).unwrap());
    }
}

/// A hash that is the same for everything would prove nothing.
#[test]
fn other_seeds_are_other_runs() {
    let mut hashes: Vec<_> = (0..100).map(|seed| figures_of(seed..seed + 1, ONE).hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 100);
}
