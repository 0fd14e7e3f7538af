#!/bin/sh
# commitlog 0.2.0: flush() makes whole pages of the index durable, and no message.
#
# CommitLog::flush is documented to force a flush of the log. For the file of the messages it calls
# std::fs::File::flush, which does nothing: a File has no buffer of its own, and only sync_data or
# sync_all reach the disk. No call of the crate does that, so the program makes no message durable
# at any time. The memory map of the index is flushed with msync, a page once it is full: after a power
# cut the index may point to messages that are not there.
#
# One would guess that what a log calls flush covers its messages at least as well as its index.
#
# What the script does: a program of its own appends 1,000 messages and calls flush after each, its calls
# recorded by strace; then it counts the syncs of each file.
#
# Seen on 2026-11-30, Linux 6.18, Rust 1.95:
#   1000 messages, a flush after each: 1001 writes of messages, 0 syncs of them, 1 msync calls of the index
#
# The script fails if this changes. Needs Linux, cargo and strace.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/src"
cat >"$dir/Cargo.toml" <<'TOML'
[package]
name = "flushes"
version = "0.0.0"
edition = "2021"

[dependencies]
commitlog = "=0.2.0"
TOML
cat >"$dir/src/main.rs" <<'RUST'
use commitlog::{CommitLog, LogOptions};

fn main() {
    let dir = std::env::args().nth(1).expect("a directory");
    let mut log = CommitLog::new(LogOptions::new(dir)).expect("a new log");
    for nth in 0..1000 {
        log.append_msg(format!("message {nth}")).expect("appended");
        log.flush().expect("flushed");
    }
    // As after a kill: what is dropped may do more.
    std::process::exit(0);
}
RUST
cargo build --quiet --manifest-path "$dir/Cargo.toml"
strace -f -y -o "$dir/calls" -e trace=write,writev,pwrite64,fsync,fdatasync,sync_file_range,syncfs,msync \
    "$dir/target/debug/flushes" "$dir/log"
count() { grep -c "$1" "$dir/calls" || true; }
writes=$(count "write[^(]*([0-9]*<[^>]*\.log>")
syncs=$(count "sync[^(]*([0-9]*<[^>]*\.log>")
maps=$(count "msync(.*MS_SYNC")
echo "1000 messages, a flush after each: $writes writes of messages, $syncs syncs of them," \
    "$maps msync calls of the index"
[ "$writes" -ge 1000 ] && [ "$syncs" = 0 ] && [ "$maps" -gt 0 ] || {
    echo "the behaviour changed" >&2
    exit 1
}
