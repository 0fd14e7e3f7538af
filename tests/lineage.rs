//! Copies of a log on a real disk: who goes on with one is of another lineage.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "files are copied behind the log")]

use seawall::storage::{Posix, Storage};
use seawall::{Environment, Lineage, Log, LogView, Lsn, Options};
use std::fs;
use std::path::Path;

fn small() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None)
}

/// A run that appends one record; its lineage, and whether that was raised.
fn run(dir: &Path) -> (Lineage, bool) {
    let log = Log::open(dir, small()).unwrap();
    log.append(b"one more").unwrap();
    let lineages = log.lineages();
    assert_eq!(lineages.last().map(|&(lineage, _)| lineage), Some(log.lineage()));
    let raised = (log.lineage(), log.report().raised);
    log.close().unwrap();
    raised
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Whether the file system tells a file from a copy of it.
fn tells_files_apart(dir: &Path) -> bool {
    let known = Posix::open(dir).unwrap().identity().unwrap().is_some();
    if !known {
        eprintln!("SKIPPED: nothing tells files apart in {}", dir.display());
    }
    known
}

#[test]
fn a_copy_of_files_raises_the_lineage_and_a_rename_does_not() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    if !tells_files_apart(scratch.path()) {
        return;
    }
    assert_eq!(run(&path("log")), (Lineage::FIRST, false));
    assert_eq!(run(&path("log")), (Lineage::FIRST, false));
    fs::rename(path("log"), path("renamed")).unwrap();
    assert_eq!(run(&path("renamed")), (Lineage::FIRST, false));

    copy_files(&path("renamed"), &path("copy"));
    copy_files(&path("renamed"), &path("backup"));
    let (of_the_copy, raised) = run(&path("copy"));
    assert!(raised && of_the_copy.raises() == 1);
    assert_eq!(run(&path("copy")), (of_the_copy, false), "it is at home where it went on");
    assert_eq!(run(&path("renamed")), (Lineage::FIRST, false), "the log itself never left");

    // Put back in place: the directory is the same one, its files are not.
    for entry in fs::read_dir(path("renamed")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    copy_files(&path("backup"), &path("renamed"));
    let (put_back, raised) = run(&path("renamed"));
    assert!(raised && put_back.raises() == 1 && put_back != of_the_copy);
    let view = LogView::open(path("renamed")).unwrap();
    let lineages = view.lineages();
    assert_eq!(
        lineages.iter().map(|&(lineage, _)| lineage).collect::<Vec<_>>(),
        [Lineage::FIRST, put_back]
    );
    assert_eq!(view.lineage(), Some(put_back));
    assert_eq!(view.scan(Lsn::FIRST).unwrap().map(Result::unwrap).count(), 4);
}

#[test]
fn opening_reading_and_closing_a_copy_raises_nothing_on_disk() {
    let scratch = tempfile::tempdir().unwrap();
    if !tells_files_apart(scratch.path()) {
        return;
    }
    let (dir, copy) = (scratch.path().join("log"), scratch.path().join("copy"));
    run(&dir);
    copy_files(&dir, &copy);
    for _ in 0..3 {
        let log = Log::open(&copy, small()).unwrap();
        assert!(log.report().raised && log.report().to_string().contains("lineage raised to 1-"));
        assert_eq!(log.scan(Lsn::FIRST).unwrap().map(Result::unwrap).count(), 1);
        assert_eq!(log.lineages(), [(Lineage::FIRST, Lsn::FIRST)]);
        log.close().unwrap();
    }
    let view = LogView::open(&copy).unwrap();
    assert!(view.is_clean(), "a run that wrote nothing left the clean end as it was");
    assert_eq!(view.lineages(), [(Lineage::FIRST, Lsn::FIRST)]);
}

#[test]
fn recycled_files_are_at_home_in_the_segments_they_become() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..4 {
        let log = Log::open(dir.path(), small()).unwrap();
        assert_eq!((log.report().raised, log.lineage()), (false, Lineage::FIRST));
        for _ in 0..40 {
            log.append(&[7; 3000]).unwrap();
            log.trim(log.watermarks().durable).unwrap();
        }
        log.close().unwrap();
    }
}

#[test]
fn a_copy_that_the_library_made_is_another_lineage_wherever_it_lies() {
    let (dir, dest) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(dir.path());
    let to = Environment::existing(dest.path()).unwrap();
    LogView::open(dir.path()).unwrap().copy_to(&*to.storage, |_| {}).unwrap();
    let (lineage, raised) = run(dest.path());
    assert!(raised && lineage.raises() == 1);
    assert_eq!(run(dest.path()), (lineage, false));
}
