#!/bin/sh
# nano-wal 1.0.0: after a batch of more than 204 records has failed, references point to wrong places.
#
# A batch is one call of writev with five slices for each record. The kernel takes 1,024 slices at most
# (IOV_MAX), and Rust's write_vectored passes no more, so a batch of 205 records or more is written in
# part. append_batch returns an error for that, but leaves what was written in the file, and does not
# count it. Every later append in this segment succeeds, is written after the part of the batch, and
# returns a reference to where the batch began: a read by that reference shows a record of the batch that
# was refused, or a bad signature.
#
# One would guess that a batch has a stated limit, or is written by several calls; and that an append
# that returns a reference returns its own.
#
# What the script does: a program of its own appends one batch of 300 records of 10 bytes, which fails,
# and then one record. It reads that record by the reference that was returned for it.
#
# Seen on 2026-11-30, Linux 6.18, Rust 1.95:
#   a batch of 300 records: I/O error: short batch writev: expected 7800, wrote 5320
#   a record is appended: reference to byte 16; there stands "refused 00"
#
# The script fails if this changes. Needs Linux and cargo.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/src"
cat >"$dir/Cargo.toml" <<'TOML'
[package]
name = "batch"
version = "0.0.0"
edition = "2021"

[dependencies]
nano-wal = "=1.0.0"
TOML
cat >"$dir/src/main.rs" <<'RUST'
use nano_wal::{Wal, WalOptions, WriteEntry};
use std::time::Duration;

fn main() {
    let dir = std::path::PathBuf::from(std::env::args().nth(1).expect("a directory"));
    let options = WalOptions {
        segment_duration: Duration::from_secs(3600),
        retention: Duration::from_secs(24 * 3600),
    };
    let wal = Wal::new(&dir, "log", options).expect("a new log");
    let time = 1_900_000_000_000;
    let entries: Vec<_> =
        (0..300).map(|_| WriteEntry { header: None, content: b"refused 00" }).collect();
    let error = wal.append_batch(&entries, time, true).expect_err("a batch past IOV_MAX");
    println!("a batch of 300 records: {error}");

    let own = wal.append(None, b"a record of mine", time, true).expect("acknowledged");
    let file = std::fs::read_dir(&dir).expect("the directory").next().expect("a file");
    let bytes = std::fs::read(file.expect("an entry").path()).expect("its bytes");
    // The frame: signature of 6 bytes, lengths of 2 and of 8, then the content.
    let at = own.file_offset as usize + 16;
    let found = String::from_utf8_lossy(&bytes[at..at + 10]).into_owned();
    println!("a record is appended: reference to byte {}; there stands {found:?}", own.file_offset);
    std::process::exit(if found == "refused 00" { 0 } else { 1 });
}
RUST
cargo build --quiet --manifest-path "$dir/Cargo.toml"
"$dir/target/debug/batch" "$dir/log" || {
    echo "the behaviour changed" >&2
    exit 1
}
