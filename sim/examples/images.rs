//! Writes what crashes leave on the simulated disk into real directories, for readers that are not
//! ours.
//!
//! ```text
//! cargo run --release -p seawall-sim --example images -- DIR 0..1000
//! ```
//!
//! makes `DIR/00000000` to `DIR/00000999`. Each is a function of its number: up to three lives of
//! a log, each ended by a power cut, a kill or a clean close at a drawn step; every second one is
//! then damaged once or twice. What was done to each stands on standard output.

#![expect(clippy::disallowed_methods, reason = "writes directories that others read")]

use seawall::format::checksum::crc64;
use seawall::storage::{OpenMode, Storage, write_full};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, InFlight, Rng, Run, Seed, SimDisk, Violation, Workload,
    parse_seeds,
};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

const LIVES_MAX: usize = 3;
const OPS_MAX: usize = 40;
const SECTOR: u64 = 512;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [dir, seeds] = arguments.as_slice() else {
        eprintln!("usage: images DIR FIRST..END");
        return ExitCode::FAILURE;
    };
    match write_all(Path::new(dir), seeds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(dir: &Path, seeds: &str) -> Result<(), Box<dyn Error>> {
    for seed in parse_seeds(seeds)? {
        let mut story = Vec::new();
        let disk = crashed(seed, &mut story)
            .map_err(|broken| format!("seed {seed}: {}; then {broken}", story.join("; ")))?;
        let mut rng = Seed::new(seed).rng(Concern::Rot);
        if seed % 2 == 1 {
            for _ in 0..1 + rng.below(2) {
                story.push(harm(&disk, &mut rng)?);
            }
        }
        let into = dir.join(format!("{seed:08}"));
        fs::create_dir_all(&into)?;
        for name in disk.names() {
            fs::write(into.join(&name), disk.read_durable(&name).unwrap_or_default())?;
        }
        println!("{seed:08}: {}", story.join("; "));
    }
    Ok(())
}

/// The disk behind the last of some crashes, all of it on the device.
fn crashed(seed: u64, story: &mut Vec<String>) -> Result<SimDisk, Violation> {
    let mut rng = Seed::new(seed).rng(Concern::CrashPolicy);
    let mut draws = Seed::new(seed).rng(Concern::CrashResolution);
    let options = Workload::drawn(Seed::new(seed), 1).options;
    let mut run = Run::new(SimDisk::new(Seed::new(seed)), options, 1);
    for life in 0..=rng.below(LIVES_MAX as u64) {
        let workload = Workload::drawn(Seed::new(seed).child(life), OPS_MAX);
        let steps = steps_of(&run, &workload)?;
        let step = rng.below(steps + steps / 8 + 1);
        let kind = if rng.chance(1, 4) { CrashKind::Kill } else { CrashKind::Power };
        let in_flight = *rng
            .pick(&[InFlight::NotBegun, InFlight::Whole, InFlight::Prefix])
            .unwrap_or(&InFlight::Whole);
        story.push(format!("{kind} at step {step} of {steps}, the call {in_flight}"));
        run.disk().crash_inside(step, kind, in_flight);
        run.through(&workload)?;
        // Where the life was over before its end came, the last operation may be a close.
        run.abandon();
        let policy = match kind {
            CrashKind::Kill => CrashPolicy::AllKept,
            CrashKind::Power => CrashPolicy::drawn(run.disk().pending_units(), &mut rng),
        };
        let after = run.disk().after_kill().after_power_cut(&policy, &mut draws);
        story.push(policy.to_string());
        let storage: Arc<dyn Storage> = Arc::new(after.clone());
        // A kill inside an open hides from the oracle what the power cut before it took, so no more
        // is asked for than after a power cut: the campaigns are the judge, not this.
        run = run.continued(after, storage, CrashKind::Power, 100 * (life + 1));
    }
    let disk = run.disk().after_kill();
    run.abandon();
    Ok(disk)
}

/// How many calls this life makes if nothing ends it.
fn steps_of(run: &Run, workload: &Workload) -> Result<u64, Violation> {
    let disk = run.disk().after_kill();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut trial = run.continued(disk, storage, CrashKind::Power, 7);
    trial.through(workload)?;
    let steps = trial.disk().steps();
    trial.abandon();
    Ok(steps)
}

/// What no crash does: damage to what was synced.
fn harm(disk: &SimDisk, rng: &mut Rng) -> std::io::Result<String> {
    let names: Vec<_> = disk.names().into_iter().filter(|name| name.ends_with(".seg")).collect();
    let Some(name) = rng.pick(&names) else { return Ok("nothing to damage".to_owned()) };
    let bytes = disk.read_durable(name).unwrap_or_default();
    let len = bytes.len() as u64;
    if len == 0 {
        return Ok("nothing left to damage".to_owned());
    }
    let offset = place(len, rng);
    let sector = offset / SECTOR * SECTOR;
    let other = rng.pick(&names).unwrap_or(name);
    let what = match rng.below(14) {
        0..=3 => {
            disk.flip_bit(name, offset, u8::try_from(rng.below(8)).unwrap_or(0))?;
            format!("a bit of byte {offset}")
        }
        4 => {
            put(disk, name, sector, &[0; 512])?;
            format!("zeros at {sector}")
        }
        5 => {
            let mut junk = [0; 512];
            rng.fill(&mut junk);
            put(disk, name, sector, &junk)?;
            format!("junk at {sector}")
        }
        6 => {
            let from = place(len, rng) / SECTOR * SECTOR;
            let start = usize::try_from(from).unwrap_or(0);
            let piece = bytes.get(start..bytes.len().min(start + 512)).unwrap_or_default();
            put(disk, name, sector, piece)?;
            format!("the sector of {from} at {sector}")
        }
        7 => {
            disk.truncate_durably(name, offset)?;
            format!("cut to {offset}")
        }
        8 => {
            disk.remove(name)?;
            disk.sync_dir()?;
            "removed".to_owned()
        }
        9 => {
            let theirs = disk.read_durable(other).unwrap_or_default();
            put(disk, name, 0, theirs.get(..8192).unwrap_or_default())?;
            format!("the header of {other}")
        }
        10 => {
            put(disk, name, 0, &[0; 12288])?;
            "no header and no first frame".to_owned()
        }
        11 | 12 => forged(disk, name, &bytes, rng)?,
        _ => stray(disk, &bytes, names.len() as u64, rng)?,
    };
    Ok(format!("{name}: {what}"))
}

/// Writes over what is there; the length stays.
fn put(disk: &SimDisk, name: &str, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    let len = disk.read_durable(name).map_or(0, |bytes| bytes.len() as u64);
    let room = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
    disk.overwrite_durably(name, offset, bytes.get(..bytes.len().min(room)).unwrap_or_default())
}

/// A place in a file; headers and trailers are small, and looked at more often than their size
/// deserves.
fn place(len: u64, rng: &mut Rng) -> u64 {
    let offset = match rng.below(8) {
        0 => rng.below(128),
        1 => 4096 + rng.below(128),
        2 => len.saturating_sub(1 + rng.below(64)),
        _ => 8192 + rng.below(len.saturating_sub(8192).max(1)),
    };
    offset.min(len.saturating_sub(1))
}

/// Where the numbers of a header stand: number, base, salt, `file_len`, `prev_end`, trim.
const FIELDS: [usize; 6] = [32, 40, 48, 56, 64, 80];

/// A header that lies, with a check that holds.
fn forged(disk: &SimDisk, name: &str, bytes: &[u8], rng: &mut Rng) -> std::io::Result<String> {
    let Some(header) = bytes.first_chunk::<128>() else {
        return Ok("too short to be forged".to_owned());
    };
    let mut header = *header;
    let mut changed = vec![*rng.pick(&FIELDS).unwrap_or(&40)];
    if matches!(changed[0], 40 | 64) && rng.chance(2, 3) {
        changed = vec![40, 64];
    }
    let (how, by, random) = (rng.below(5), 8 << rng.below(12), rng.next_u64());
    for &at in &changed {
        let Some(place) = header.get_mut(at..at + 8) else { continue };
        let old = place.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte));
        let new = match how {
            0 => 0,
            1 => old.wrapping_add(by),
            2 => old.wrapping_sub(by),
            3 => old ^ (1 << (random % 64)),
            _ => random & !7,
        };
        place.copy_from_slice(&new.to_le_bytes());
    }
    let check = crc64(header.get(..120).unwrap_or_default());
    if let Some(place) = header.last_chunk_mut() {
        *place = check.to_le_bytes();
    }
    let copies: &[u64] = if rng.chance(3, 4) { &[0, 4096] } else { &[0] };
    for &at in copies {
        put(disk, name, at, &header)?;
    }
    Ok(format!("forged header fields at {changed:?}, copies at {copies:?}"))
}

/// A file that nobody made; or a header of a later version.
fn stray(disk: &SimDisk, bytes: &[u8], count: u64, rng: &mut Rng) -> std::io::Result<String> {
    let newest = disk.names().into_iter().rfind(|name| name.ends_with(".seg"));
    let newest = newest.and_then(|name| name.get(..20)?.parse::<u64>().ok()).unwrap_or(count);
    let mut made = bytes.to_vec();
    let what = match rng.below(4) {
        0 => {
            made = vec![0; 16384];
            "zeros"
        }
        1 => {
            made.truncate(8192);
            made.fill(0xa5);
            "junk"
        }
        2 => "a copy of it",
        _ => {
            if let Some(version) = made.get_mut(8) {
                *version = 2;
            }
            let check = crc64(made.get(..120).unwrap_or_default());
            if let Some(place) = made.get_mut(120..128) {
                place.copy_from_slice(&check.to_le_bytes());
            }
            "a header of version 2"
        }
    };
    let number = newest + 1 + rng.below(2);
    let file = disk.open(&format!("{number:020}.seg"), OpenMode::Create)?;
    write_full(&*file, 0, &[&made])?;
    file.sync_all()?;
    disk.sync_dir()?;
    Ok(format!("{what} as segment {number}"))
}
