//! The upgrade rule, with a next version that is made up: what is newer is refused by name, by every
//! command, and not a byte is changed. That what is older is read is shown by the golden
//! directories, and by the header's own tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{copy, feed, files, patch, segment};
use seawall::format::checksum::crc64;
use seawall::format::header::{HEADER_LEN, VERSION};
use seawall::{Error, Log, LogView, Options};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const COMMANDS: [(&str, &[&str]); 9] = [
    ("append", &[]),
    ("cat", &[]),
    ("follow", &[]),
    ("inspect", &[]),
    ("verify", &[]),
    ("repair", &[]),
    ("repair", &["--apply"]),
    ("copy", &["copy of what is refused"]),
    ("trim", &["--keep-bytes", "0"]),
];
const COPIES: [usize; 2] = [0, 4096];

/// A copy of a golden directory of the version that this code writes.
fn copy_of(name: &str) -> (TempDir, PathBuf) {
    let golden = format!("../tests/golden/v{VERSION}/{name}");
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(golden), &dir);
    (scratch, dir)
}

/// Puts a number into copies of a header, with a check that holds.
fn put(dir: &Path, number: u64, copies: &[usize], at: usize, value: u32) {
    patch(&dir.join(segment(number)), |bytes| {
        for copy_at in copies {
            let header = &mut bytes[*copy_at..copy_at + HEADER_LEN];
            header[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let check = crc64(&header[..HEADER_LEN - 8]);
            header[HEADER_LEN - 8..].copy_from_slice(&check.to_le_bytes());
        }
    });
}

/// Insists that everybody refuses the log, says this, and leaves it as it is.
#[track_caller]
fn assert_refused(dir: &Path, says: &[&str]) {
    let before = files(dir);
    for (command, options) in COMMANDS {
        let refused = feed(command, dir, options, b"one more\n").expect(5);
        for what in says {
            assert!(refused.stderr.contains(what), "{command}: {}", refused.stderr);
        }
        assert!(refused.stdout.is_empty(), "{command}");
        assert!(files(dir) == before, "{command} changed something");
        assert!(!Path::new("copy of what is refused").exists(), "no copy was begun");
    }
    let opened = Log::open(dir, Options::new()).err();
    assert!(matches!(opened, Some(Error::Unknown { .. })), "{opened:?}");
    let viewed = LogView::open(dir).err();
    assert!(matches!(viewed, Some(Error::Unknown { .. })), "{viewed:?}");
    assert!(files(dir) == before, "an open changed something");
}

#[test]
fn a_header_of_the_next_version_is_refused_by_name_and_not_a_byte_is_changed() {
    let next = VERSION + 1;
    let both = &COPIES[..];
    for (number, copies) in [(1, both), (3, both), (3, &COPIES[..1]), (3, &COPIES[1..])] {
        let (_scratch, dir) = copy_of("open");
        feed("verify", &dir, &[], b"").expect(0);
        put(&dir, number, copies, 8, next);
        let (has, reads) = (format!("version {next}, "), format!("up to version {VERSION}"));
        assert_refused(&dir, &[&segment(number), &has, &reads]);
    }
}

#[test]
fn an_unknown_flag_of_a_header_is_refused_and_not_a_byte_is_changed() {
    let (_scratch, dir) = copy_of("open");
    put(&dir, 3, &COPIES, 12, 4);
    assert_refused(&dir, &[&segment(3), "unknown flags 0x4"]);
}

#[test]
fn an_unknown_kind_or_flag_of_a_frame_is_refused_and_not_a_byte_is_changed() {
    for (name, says) in [("refused-kind", "unknown kind 8"), ("refused-flag", "flags 0x04")] {
        let (_scratch, dir) = copy_of(name);
        assert_refused(&dir, &[&segment(1), says]);
    }
}

#[test]
fn a_segment_of_another_log_is_refused_and_not_a_byte_is_changed() {
    let (_scratch, dir) = copy_of("refused-other-log");
    let before = files(&dir);
    for (command, options) in COMMANDS {
        feed(command, &dir, options, b"one more\n").expect(5);
        assert!(files(&dir) == before, "{command} changed something");
    }
}
