//! The command line of the comparison.

use clap::{Parser, Subcommand};
use seawall_compare::child::{self, Fresh, Starter};
use seawall_compare::peer::{Outcome, Promise};
use seawall_compare::peers::{self, Known, OURS, REFERENCE};
use seawall_compare::proof::{Proof, prove};
use seawall_compare::record::RECORD_LEN;
use seawall_compare::rounds::{Plan, Table, measure};
use seawall_compare::workload::{self, Workload};
use seawall_compare::{print, strace};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What cannot be compared at all, and why.
const ABSENT: &[(&str, &str)] = &[
    ("qdrant wal", "not on crates.io; the crate named wal there is another one, and empty"),
    #[cfg(not(feature = "rocksdb"))]
    ("rocksdb", "not in this build: cargo run --release --features rocksdb"),
];

const EXAMPLES: &str = "\
Examples:
  cargo run --release -- --rounds 5
      everything, about a quarter of an hour
  cargo run --release -- --workload durable --only okaywal --only raft-engine
      durable appends and batches of two peers, beside Seawall and the reference
  cargo run --release -- --workload open --fill 1024 --rounds 3
      opening logs of 1 GiB
  cargo run --release --features rocksdb -- --only rocksdb --json figures.json
      with RocksDB, which is built from its sources first
  cargo run --release -- --list
      the peers, what they can do, and the workloads";

/// Seawall beside published logs and stores, on the same workloads, in turns.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Args {
    /// Rounds of each workload that count; all peers take turns in each. Noisy ones are repeated.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Seconds that are measured in each turn.
    #[arg(long, default_value_t = 0.3, value_parser = seconds)]
    seconds: f64,
    /// Only this peer, beside Seawall and the reference. May be given more than once.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only workloads with this in their name. May be given more than once.
    #[arg(long, value_name = "WORD")]
    workload: Vec<String>,
    /// MiB of records in logs that are read or opened.
    #[arg(long, value_name = "MIB", default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=65536))]
    fill: u32,
    /// Where logs are made, in a folder that goes away; by default in the target directory.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also writes everything to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Says who is compared, what each can do, and the workloads.
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    command: Option<Hidden>,
}

#[derive(Debug, Subcommand)]
enum Hidden {
    /// Does one job, for the process that started this one.
    #[command(hide = true, name = child::SUBCOMMAND)]
    Job { job: String },
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number")?;
    if (0.01..=60.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.01 to 60".to_owned()) }
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Some(Hidden::Job { job }) => child::serve(job, |job| {
            let known = peers::by_name(&job.peer).ok_or("no peer of that name")?;
            (known.run)(job)
        }),
        None if args.list => {
            list();
            Ok(())
        }
        None => compare(&args),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn list() {
    println!("{}", print::peers(&peers::all()));
    println!("Not compared:");
    for (name, reason) in ABSENT {
        println!("    {name}: {reason}");
    }
    println!("\nWorkloads, with records of {RECORD_LEN} bytes:");
    for workload in workload::ALL {
        println!("    {}", workload.name);
    }
}

fn compare(args: &Args) -> Outcome<()> {
    let parent = match &args.dir {
        Some(dir) => dir.clone(),
        None => target_dir()?,
    };
    let fresh = Fresh::below(&parent, &format!("compare-{}", std::process::id()))?;
    warn_of_memory(fresh.path());
    let plan = Plan {
        peers: chosen_peers(&args.only)?,
        workloads: chosen_workloads(&args.workload)?,
        rounds: usize::from(args.rounds),
        seconds: args.seconds,
        filled: (u64::from(args.fill) << 20) / RECORD_LEN as u64,
        dir: fresh.path().to_owned(),
    };
    let starter = Starter::new(std::env::current_exe()?);
    if !strace::works() {
        println!(
            "strace does not work here: whether a peer syncs is not checked, and shown as ?\n"
        );
    }
    let proofs = proven(&plan, &starter);
    println!("{}", print::proofs(&proofs));
    println!(
        "Medians of the rounds that count, {} of {} s; records of {RECORD_LEN} B. The figure behind a speed is its \
         ratio to\nSeawall's in the same round: below 1.00 is slower than Seawall.\n",
        plan.rounds, plan.seconds
    );
    let mut tables = Vec::new();
    for &workload in &plan.workloads {
        let table = measure(&plan, workload, &starter, &proofs, progress);
        progress("");
        println!("{}", print::table(&table));
        tables.push(table);
    }
    for known in &plan.peers {
        println!("{} {}: {}", known.name, known.version, known.note);
    }
    for (name, reason) in ABSENT {
        println!("{name}: not compared, {reason}");
    }
    if let Some(file) = &args.json {
        std::fs::write(file, format!("{:#}\n", results(&plan, &proofs, &tables)))?;
    }
    Ok(())
}

fn proven(plan: &Plan, starter: &Starter) -> Vec<Proof> {
    let asked = |promise| plan.workloads.iter().any(|it| it.work.promise() == Some(promise));
    let mut proofs = Vec::new();
    for known in &plan.peers {
        for promise in Promise::ALL.into_iter().filter(|&promise| asked(promise)) {
            progress(&format!("what {promise} is worth with {}", known.name));
            proofs.extend(prove(starter, &plan.dir, known, promise));
        }
    }
    progress("");
    proofs
}

fn chosen_peers(only: &[String]) -> Outcome<Vec<Known>> {
    let all = peers::all();
    if let Some(unknown) = only.iter().find(|name| peers::by_name(name).is_none()) {
        let absent = ABSENT.iter().find(|(name, _)| name == unknown);
        let reason = absent.map_or("--list says who is", |(_, reason)| reason);
        return Err(format!("{unknown} is not compared here: {reason}").into());
    }
    let always = |name: &str| name == OURS || name == REFERENCE;
    let chosen = |known: &Known| {
        only.is_empty() || always(known.name) || only.iter().any(|name| name == known.name)
    };
    Ok(all.into_iter().filter(chosen).collect())
}

fn chosen_workloads(words: &[String]) -> Outcome<Vec<Workload>> {
    let chosen = |it: &Workload| {
        words.is_empty() || words.iter().any(|word| it.name.contains(word.as_str()))
    };
    let chosen: Vec<_> = workload::ALL.into_iter().filter(chosen).collect();
    if chosen.is_empty() { Err("no workload has that in its name".into()) } else { Ok(chosen) }
}

/// The target directory this program was built in.
fn target_dir() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent);
    Ok(target.ok_or("this program lies in no target directory: say --dir")?.to_owned())
}

/// One line that is written over by the next, on a terminal only.
fn progress(words: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{words}");
    }
}

/// Says so where data would never see a device: a sync costs nothing there, and means nothing.
fn warn_of_memory(dir: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mount = |line: &str| -> Option<(PathBuf, bool)> {
        let mut words = line.split(' ').skip(1);
        let place = PathBuf::from(words.next()?);
        let in_memory = matches!(words.next()?, "tmpfs" | "ramfs");
        dir.starts_with(&place).then_some((place, in_memory))
    };
    let deepest = mounts.lines().filter_map(mount).max_by_key(|(place, _)| place.as_os_str().len());
    if deepest.is_some_and(|(_, in_memory)| in_memory) {
        println!("{} is memory, not a disk: say --dir to measure one\n", dir.display());
    }
}

fn results(plan: &Plan, proofs: &[Proof], tables: &[Table]) -> serde_json::Value {
    let peers = plan
        .peers
        .iter()
        .map(|known| json!({ "name": known.name, "version": known.version, "note": known.note }));
    let absent = ABSENT.iter().map(|(name, reason)| json!({ "name": name, "reason": reason }));
    json!({
        "record_bytes": RECORD_LEN,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "filled_records": plan.filled,
        "peers": peers.collect::<Vec<_>>(),
        "absent": absent.collect::<Vec<_>>(),
        "promises": proofs,
        "workloads": tables,
    })
}
