//! Runs for bugs in what is made of files that lost their beginning, or are gone, and of copies.

use super::media::settled;
use seawall::storage::Storage;
use seawall::{Durability, Log, LogView, Lsn, Options, SegmentId, Verdict};
use seawall_sim::{CrashKind, Seed, SimDisk, environment};

fn options() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None).durability(Durability::Sync)
}

fn name(number: u64) -> String {
    seawall::format::name::FileName::Segment(SegmentId::new(number)).text()
}

/// So many segments, and half of one more.
fn written(segments: usize, close: bool) -> SimDisk {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    while log.segments().len() < segments {
        log.append(&[7; 300]).unwrap();
    }
    for _ in 0..13 {
        log.append(&[8; 300]).unwrap();
    }
    log.tend().unwrap();
    if close {
        log.close().unwrap();
    }
    disk.crash_now(CrashKind::Kill);
    drop(log);
    settled(&disk.after_kill())
}

fn silently(disk: &SimDisk, what: &str) -> Option<String> {
    let verdict = LogView::open_in(&environment(disk, 2)).unwrap().verify(|_| {}).unwrap().verdict;
    (verdict != Verdict::Damaged).then(|| format!("{what}, and the log is called {verdict:?}"))
}

/// The newest file, and the one that waits behind it, are gone: the seal of the one before knows.
pub(super) fn newest_file_gone() -> Option<String> {
    let disk = written(3, false);
    for number in [4, 3] {
        disk.remove(&name(number)).unwrap();
    }
    disk.sync_dir().unwrap();
    silently(&disk, "the newest file is gone")
}

/// A hole at the beginning of the only file.
pub(super) fn hole_at_the_beginning() -> Option<String> {
    let disk = written(1, true);
    // One that waits after it would prove that it was begun.
    disk.remove(&name(2)).unwrap();
    disk.sync_dir().unwrap();
    disk.overwrite_durably(&name(1), 0, &[0; 12288]).unwrap();
    silently(&disk, "both headers are gone with the first records")
}

/// A log that was closed, and the file behind its last one cut to nothing.
pub(super) fn file_behind_a_clean_close_cut() -> Option<String> {
    let disk = written(1, true);
    disk.truncate_durably(&name(2), 0).unwrap();
    Log::open_in(environment(&disk, 2), options()).err().map(|error| error.to_string())
}

/// A copy takes the place of its log, which had gone on: an address names two records.
pub(super) fn copy_in_place_of_its_log() -> Option<String> {
    let disk = written(1, true);
    let dest = SimDisk::new(Seed::new(2));
    LogView::open_in(&environment(&disk, 1)).unwrap().copy_to(&dest, |_| {}).unwrap();
    let next = |disk: &SimDisk| -> Lsn {
        let log = Log::open_in(environment(disk, 3), options()).unwrap();
        log.append(b"next").unwrap().lsn
    };
    let (of_log, of_copy) = (next(&disk), next(&dest));
    (of_log == of_copy).then(|| format!("{of_log} is given to one record here and one in the copy"))
}
