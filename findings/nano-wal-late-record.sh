#!/bin/sh
# nano-wal 1.0.0: a record with an older ingestion time erases the segment of its time window.
#
# Every append names its ingestion time, and the segment that takes it is the one of the window that
# the time falls into. Only the newest window's segment is kept open. A record that comes late, for
# the window before, makes that window's segment anew: the file that has the name is truncated, with all
# records in it, those acknowledged as durable too. The append returns Ok, and so do those that follow.
#
# One would guess that a late record goes into the open segment, is refused, or reopens the old one:
# the time is the caller's to choose, and records of an event stream arrive out of order.
#
# What the script does: a program of its own appends three durable records in one hour's window, one in
# the next window, and one more with a time in the first window. Then it closes the log and
# counts the records in the files.
#
# Seen on 2026-11-30, Linux 6.18, Rust 1.95:
#   appended and acknowledged as durable: 5
#   in the files: 2
#
# The script fails if this changes. Needs Linux and cargo.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/src"
cat >"$dir/Cargo.toml" <<'TOML'
[package]
name = "late"
version = "0.0.0"
edition = "2021"

[dependencies]
nano-wal = "=1.0.0"
TOML
cat >"$dir/src/main.rs" <<'RUST'
use nano_wal::{Wal, WalOptions};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const HOUR: i64 = 3_600_000;

fn main() {
    let dir = std::path::PathBuf::from(std::env::args().nth(1).expect("a directory"));
    let options = || WalOptions {
        segment_duration: Duration::from_secs(3600),
        retention: Duration::from_secs(24 * 3600),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    let first = now - now % HOUR - HOUR;
    let wal = Wal::new(&dir, "log", options()).expect("a new log");
    let times = [first, first + 1, first + 2, first + HOUR, first + 3];
    let mut acknowledged = 0;
    for (nth, time) in times.into_iter().enumerate() {
        let content = format!("record number {nth}");
        wal.append(None, content.as_bytes(), time, true).expect("acknowledged");
        acknowledged += 1;
    }
    wal.shutdown().expect("a clean end");
    println!("appended and acknowledged as durable: {acknowledged}");

    let mut there = 0;
    for entry in std::fs::read_dir(&dir).expect("the directory") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        there += bytes.windows(14).filter(|bytes| bytes == b"record number ").count();
    }
    println!("in the files: {there}");
    std::process::exit(if (acknowledged, there) == (5, 2) { 0 } else { 1 });
}
RUST
cargo build --quiet --manifest-path "$dir/Cargo.toml"
"$dir/target/debug/late" "$dir/log" || {
    echo "the behaviour changed" >&2
    exit 1
}
