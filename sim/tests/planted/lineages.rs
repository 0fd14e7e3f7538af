//! Runs for bugs that let a copy, or what a repair made, go on as the log itself.

use super::contents::{raw_append_to_streams, segment_of_another_content};
use super::lineage::{Tally, options, search};
use super::scenes::{Scene, left, opened, segment};
use seawall::storage::{OpenMode, Storage, read_full, write_full};
use seawall::{Durability, Error, Log, Lsn};
use seawall_sim::{Seed, SimDisk, Subdirectory, environment};
use std::collections::BTreeSet;

/// Those for bugs in what the headers of a log state of it.
pub(crate) const SCENES: &[(&str, Scene)] = &[
    ("content-of-one-segment-taken-for-all", segment_of_another_content),
    ("content-not-checked", raw_append_to_streams),
    ("copy-goes-on-as-its-log", histories),
    ("copy-keeps-the-home-of-its-log", histories),
    ("home-of-the-directory-alone", histories),
    ("raised-log-goes-on-in-its-segment", histories),
    ("repaired-end-unmarked", addresses_behind_a_repaired_end),
    ("raise-leaves-the-close-record", newest_segment_of_a_copy_that_went_on),
];

/// Histories of copies and restored states.
fn histories() -> Option<String> {
    search(0..200, &mut Tally::default()).err()
}

/// A closed log is copied, the copy goes on, and its newest segment loses both headers.
fn newest_segment_of_a_copy_that_went_on() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, options());
    log.append(b"in both").unwrap();
    log.close().unwrap();
    let copy = SimDisk::new(Seed::new(2));
    for name in disk.names() {
        let file = disk.open(&name, OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        read_full(&*file, 0, &mut bytes).unwrap();
        write_full(&*copy.open(&name, OpenMode::Create).unwrap(), 0, &[&bytes]).unwrap();
    }
    let log = opened(&copy, 2, options());
    log.append(b"in the copy alone").unwrap();
    let copy = left(&copy, log);
    let newest = copy.open(&segment(2), OpenMode::Write).unwrap();
    for at in [0, 4096] {
        write_full(&*newest, at, &[&[0xff; 128]]).unwrap();
    }
    match Log::open_in(environment(&copy, 3), options()) {
        Err(Error::Damaged { segment, .. }) if segment.get() == 2 => None,
        outcome => Some(format!("an acknowledged record is gone, and opening says {outcome:?}")),
    }
}

/// Two segments are lost, the second behind a jump; a repair that knows of the first stands in for
/// it.
fn addresses_behind_a_repaired_end() -> Option<String> {
    [4, 12, 20].into_iter().find_map(behind_a_repaired_end)
}

fn behind_a_repaired_end(first_len: usize) -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    disk.set_identity(None);
    let log = opened(&disk, 1, options());
    while log.segments().len() < 2 {
        log.append(&[1; 3000]).unwrap();
    }
    log.tend().unwrap();
    let buffered = options().durability(Durability::Buffered);
    let mut names: BTreeSet<Lsn> = BTreeSet::new();
    let mut fill = |log: &Log, count: usize| {
        for _ in 0..count {
            names.insert(log.append(&[2; 4]).unwrap().lsn);
        }
        log.sync().unwrap();
    };
    log.append(&vec![2; first_len]).unwrap();
    fill(&log, 60);
    let disk = left(&disk, log);
    let log = opened(&disk, 2, buffered.clone());
    fill(&log, 300);
    let disk = left(&disk, log);
    for lost in [2, 3] {
        disk.remove_file(&segment(lost)).unwrap();
    }
    let quarantine = Subdirectory::new(&disk, "quarantine");
    let repaired = Log::repair(&environment(&disk, 3), &quarantine, "scene", |_| {}).unwrap();
    assert!(repaired.left.is_none() && !repaired.steps.is_empty(), "{repaired:?}");
    let log = opened(&disk, 4, buffered);
    let lsn = log.append(b"next").unwrap().lsn;
    let again = log.lineage().raises() == 0 && names.contains(&lsn);
    again.then(|| format!("{lsn} was given to a record that is lost, and to one now"))
}
