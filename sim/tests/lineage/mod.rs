//! Drawn histories of a log, its copies and its restored states, all of which go on: no log id,
//! lineage and LSN names two records.
//!
//! One history has some directories. In turn one of them is opened, appended to and ended somehow;
//! copied, by the library or as files; put back from a backup, in place or elsewhere; hurt and
//! repaired; renamed, or moved to another file system. Every record that was ever accepted is in
//! one ledger.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall::format::name::FileName;
use seawall::storage::{OpenMode, Storage, read_full, write_full};
use seawall::{Durability, Lineage, Log, LogView, Lsn, Options};
use seawall_sim::{Concern, CrashKind, CrashPolicy, Rng, Seed, SimDisk, environment};
use std::collections::BTreeMap;

/// The names of files and their bytes.
type Files = Vec<(String, Vec<u8>)>;

/// What a search did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) records: u64,
    pub(crate) raised: u64,
    pub(crate) copies: u64,
    pub(crate) put_back: u64,
    pub(crate) repairs: u64,
}

struct Directory {
    disk: SimDisk,
    backup: Option<Files>,
}

struct History {
    rng: Rng,
    seed: u64,
    /// Whether the system tells files apart. Otherwise a copy of files goes unnoticed, so none is
    /// made.
    identified: bool,
    directories: Vec<Directory>,
    /// Which record each name in the wide sense was given to.
    ledger: BTreeMap<([u8; 16], Lineage, Lsn), u64>,
    runs: u64,
    tally: Tally,
}

pub(crate) fn options() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None).prepare_ahead(false)
}

/// Plays the histories of these seeds; the first name that stands for two records.
pub(crate) fn search(seeds: std::ops::Range<u64>, tally: &mut Tally) -> Result<(), String> {
    for seed in seeds {
        let mut history = History::new(seed, *tally);
        let outcome = history.play();
        *tally = history.tally;
        outcome.map_err(|wrong| format!("history {seed}: {wrong}"))?;
    }
    Ok(())
}

/// All files as a program that copies them reads them.
fn files(disk: &SimDisk) -> Files {
    let read = |name: String| {
        let file = disk.open(&name, OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        read_full(&*file, 0, &mut bytes).unwrap();
        (name, bytes)
    };
    disk.names().into_iter().map(read).collect()
}

fn put(disk: &SimDisk, files: &Files) {
    for (name, bytes) in files {
        let file = disk.open(name, OpenMode::Create).unwrap();
        write_full(&*file, 0, &[bytes]).unwrap();
        file.sync_all().unwrap();
    }
    disk.sync_dir().unwrap();
}

impl History {
    fn new(seed: u64, tally: Tally) -> Self {
        let mut rng = Seed::new(seed).rng(Concern::Workload);
        let identified = !rng.chance(1, 4);
        let mut history = Self {
            rng,
            seed,
            identified,
            directories: Vec::new(),
            ledger: BTreeMap::new(),
            runs: 0,
            tally,
        };
        let first = history.disk();
        history.directories.push(Directory { disk: first, backup: None });
        history
    }

    /// An empty directory of its own.
    fn disk(&mut self) -> SimDisk {
        let disk = SimDisk::new(Seed::new(self.seed << 8 | self.run()));
        if !self.identified {
            disk.set_identity(None);
        }
        disk
    }

    /// A number that no other run, and no other disk, of this history has.
    fn run(&mut self) -> u64 {
        self.runs += 1;
        self.runs
    }

    fn play(&mut self) -> Result<(), String> {
        for _ in 0..14 {
            let which = self.rng.index(self.directories.len());
            match self.rng.below(12) {
                0..=4 => self.go_on(which)?,
                5 => self.copy(which),
                6 => self.repair(which)?,
                7 => self.directories[which].backup = Some(files(&self.directories[which].disk)),
                8 if self.identified => self.put_back(which),
                9 if self.identified => self.copy_files(which),
                10 if self.identified => {
                    let elsewhere = self.rng.next_u64();
                    self.directories[which].disk.set_identity(Some(elsewhere));
                }
                _ => {}
            }
        }
        for which in 0..self.directories.len() {
            self.go_on(which)?;
        }
        Ok(())
    }

    /// A run: what is there is held to the ledger, then records are appended.
    fn go_on(&mut self, which: usize) -> Result<(), String> {
        let run = self.run();
        let disk = self.directories[which].disk.clone();
        let level = *self
            .rng
            .pick(&[Durability::Buffered, Durability::Os, Durability::Sync])
            .unwrap_or(&Durability::Sync);
        let environment = environment(&disk, self.seed << 8 | run);
        let log = Log::open_in(environment, options().durability(level))
            .map_err(|error| format!("directory {which}, run {run} does not open: {error}"))?;
        self.tally.raised += u64::from(log.report().raised);
        self.hold(&log, which)?;
        for _ in 0..self.rng.below(6) {
            let record = self.tally.records;
            self.tally.records += 1;
            let mut bytes = record.to_le_bytes().to_vec();
            bytes.resize(*self.rng.pick(&[8, 20, 100, 3000, 5000]).unwrap_or(&8), 0);
            let lsn = log.append(&bytes).unwrap().lsn;
            let name = (log.id().get(), log.lineage(), lsn);
            if let Some(other) = self.ledger.insert(name, record) {
                return Err(format!("{name:?} names record {other} and record {record}"));
            }
        }
        if self.rng.chance(1, 5) {
            log.trim(log.watermarks().accepted).unwrap();
        }
        self.hold(&log, which)?;
        self.directories[which].disk = match self.rng.below(3) {
            0 => {
                log.close().unwrap();
                disk
            }
            1 => {
                disk.crash_now(CrashKind::Kill);
                disk.after_kill()
            }
            _ => {
                disk.crash_now(CrashKind::Power);
                let mut rng = Seed::new(self.seed << 8 | run).rng(Concern::CrashResolution);
                disk.after_power_cut(&CrashPolicy::RandomSectors, &mut rng)
            }
        };
        Ok(())
    }

    /// What a reader of this directory is shown has the names that it was appended under.
    fn hold(&self, log: &Log, which: usize) -> Result<(), String> {
        let lineages = log.lineages();
        let scan = log.scan_at(Lsn::FIRST, Durability::Buffered).unwrap();
        for record in scan {
            let record = match record {
                Ok(record) => record,
                // What a repair wrote off.
                Err(error) if error.is_damage() => continue,
                Err(error) => return Err(format!("directory {which}: {error}")),
            };
            let of = lineages.iter().rev().find(|&&(_, from)| from <= record.lsn).unwrap().0;
            let name = (log.id().get(), of, record.lsn);
            let shown = u64::from_le_bytes(*record.bytes.first_chunk().unwrap());
            if self.ledger.get(&name) != Some(&shown) {
                let given = self.ledger.get(&name);
                return Err(format!(
                    "directory {which} shows record {shown} as {name:?}, which names {given:?}"
                ));
            }
        }
        Ok(())
    }

    fn copy(&mut self, which: usize) {
        let dest = self.disk();
        let run = self.run();
        let view = LogView::open_in(&environment(&self.directories[which].disk, run)).unwrap();
        // What a repair wrote off is copied as it is.
        if view.copy_to(&dest, |_| {}).is_ok() {
            self.tally.copies += 1;
            self.directories.push(Directory { disk: dest, backup: None });
        }
    }

    fn copy_files(&mut self, which: usize) {
        let dest = self.disk();
        let Directory { disk, backup } = &self.directories[which];
        let from = backup.clone().filter(|_| self.rng.chance(1, 2));
        put(&dest, &from.unwrap_or_else(|| files(disk)));
        self.tally.copies += 1;
        self.directories.push(Directory { disk: dest, backup: None });
    }

    /// The files of the backup take the place of those that are there, by new files.
    fn put_back(&mut self, which: usize) {
        let Directory { disk, backup: Some(backup) } = &self.directories[which] else { return };
        for name in disk.names() {
            disk.remove_file(&name).unwrap();
        }
        put(disk, backup);
        self.tally.put_back += 1;
    }

    /// The newest file is removed, and the log repaired where that is noticed.
    fn repair(&mut self, which: usize) -> Result<(), String> {
        let disk = self.directories[which].disk.clone();
        let segments = |name: &String| matches!(FileName::parse(name), Some(FileName::Segment(_)));
        let Some(newest) = disk.names().into_iter().filter(segments).max() else { return Ok(()) };
        let before = files(&disk);
        let run = self.run();
        let sound = LogView::open_in(&environment(&disk, run)).unwrap().damage().is_none();
        disk.remove_file(&newest).unwrap();
        let noticed = LogView::open_in(&environment(&disk, run)).unwrap().damage().is_some();
        if !(sound && noticed) {
            // By hand, under its name: a new file. Where that is not seen the old one stays.
            if self.identified {
                put(&disk, &before.into_iter().filter(|(name, _)| *name == newest).collect());
            } else {
                self.directories[which].disk = self.disk();
                put(&self.directories[which].disk, &before);
            }
            return Ok(());
        }
        let quarantine = self.disk();
        let repaired = Log::repair(&environment(&disk, run), &quarantine, "history", |_| {});
        let repaired = repaired.map_err(|error| format!("directory {which}: {error}"))?;
        match repaired.left {
            Some(left) => Err(format!("directory {which}, repaired: {left}")),
            None => {
                self.tally.repairs += 1;
                Ok(())
            }
        }
    }
}
