//! Memory stays bounded however long the log grows: ten million records written and scanned, in
//! a process of its own.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use seawall::{Durability, Log, Lsn, Options};

const RECORDS: u64 = 10_000_000;
const PEAK_MAX: u64 = 64 << 20;

/// The most memory this process ever held.
fn peak() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the kernel's word, not a file of a log")]
    let status = std::fs::read("/proc/self/status").unwrap();
    let status = String::from_utf8(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

fn record(nth: u64) -> [u8; 100] {
    let mut bytes = [0x5a; 100];
    bytes[..8].copy_from_slice(&nth.to_le_bytes());
    bytes
}

#[test]
fn ten_million_records_are_written_and_scanned_in_bounded_memory() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = Options::new().durability(Durability::Buffered);
    let log = Log::open(dir.path(), options).unwrap();
    // Most at the level that holds the most in memory, every hundredth handed to the kernel.
    for nth in 0..RECORDS {
        let level = if nth % 100 == 0 { Durability::Os } else { Durability::Buffered };
        log.append_at(&record(nth), level).unwrap();
    }
    let written = peak();
    assert!(written < PEAK_MAX, "{written} bytes after writing");

    let mut scan = log.scan(Lsn::FIRST).unwrap();
    let mut next = 0;
    while let Some(found) = scan.next_ref().unwrap() {
        assert_eq!(found.bytes, record(next));
        next += 1;
    }
    assert_eq!(next, RECORDS);
    // As records to keep, too, of which nobody keeps any.
    let owned = log.scan(Lsn::FIRST).unwrap().map(|found| found.unwrap().bytes.len());
    assert_eq!(owned.take(1_000_000).sum::<usize>(), 100_000_000);
    log.close().unwrap();

    let peak = peak();
    println!("peak: {} KiB after writing, {} KiB in all", written >> 10, peak >> 10);
    assert!(peak < PEAK_MAX, "{peak} bytes");
}
