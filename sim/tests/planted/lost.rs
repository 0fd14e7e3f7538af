//! Runs for bugs in what takes the place of a log.

use super::media::settled;
use seawall::{Durability, Log, LogView, Lsn, Options};
use seawall_sim::{CrashKind, Seed, SimDisk, environment};

fn options() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None).durability(Durability::Sync)
}

/// A log that was closed.
fn closed() -> SimDisk {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    for _ in 0..13 {
        log.append(&[8; 300]).unwrap();
    }
    log.close().unwrap();
    disk.crash_now(CrashKind::Kill);
    drop(log);
    settled(&disk.after_kill())
}

/// A log that was killed is opened and closed, and opened again.
pub(super) fn closed_after_a_kill() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    log.append(&[8; 300]).unwrap();
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = settled(&disk.after_kill());
    Log::open_in(environment(&disk, 2), options()).unwrap().close().unwrap();
    let report = Log::open_in(environment(&disk, 3), options()).unwrap().report().clone();
    (!report.clean).then(|| format!("closed, and read again: {report}"))
}

/// A copy takes the place of its log, which had gone on: an address names two records.
pub(super) fn copy_in_place_of_its_log() -> Option<String> {
    let disk = closed();
    let dest = SimDisk::new(Seed::new(2));
    LogView::open_in(&environment(&disk, 1)).unwrap().copy_to(&dest, |_| {}).unwrap();
    let next = |disk: &SimDisk| -> Lsn {
        let log = Log::open_in(environment(disk, 3), options()).unwrap();
        log.append(b"next").unwrap().lsn
    };
    let (of_log, of_copy) = (next(&disk), next(&dest));
    (of_log == of_copy).then(|| format!("{of_log} is given to one record here and one in the copy"))
}
