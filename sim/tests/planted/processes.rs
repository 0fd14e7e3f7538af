//! A second process that opens a log: this program once more.

use super::PLANTED;
use seawall::{Error, Log, Options};
use std::process::Command;

/// Names the directory to the second process, and the bug that is planted in it.
const DIR: &str = "SEAWALL_PLANTED_DIR";
const BUG: &str = "SEAWALL_PLANTED_BUG";

pub(crate) fn second_process_without_the_lock() -> Option<String> {
    second_process("lock-ignored-by-second-process")
}

/// Whether a second process with this bug in it gets in.
fn second_process(bug: &str) -> Option<String> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let _first = Log::open(dir.path(), Options::new()).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::a_second_process_is_refused"])
        .env(DIR, dir.path())
        .env(BUG, bug)
        .output()
        .unwrap()
        .status;
    (!status.success()).then(|| "G11: a second process gets in".to_owned())
}

/// Both processes of the scene, with nothing planted; the second one of the scene, if it is named a
/// directory.
#[test]
fn a_second_process_is_refused() {
    if let (Ok(dir), Ok(bug)) = (std::env::var(DIR), std::env::var(BUG)) {
        assert!(seawall::planted::plant(&bug), "{bug}");
        assert!(matches!(Log::open(dir, Options::new()), Err(Error::Locked { .. })));
        return;
    }
    let _unplanted = PLANTED.lock();
    assert_eq!(second_process(""), None);
}
