//! Counts the writes and syncs of a process, as `strace` saw them.

use crate::job::MARKS;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The program, and what it is to look at.
pub const WORDS: [&str; 7] = [
    "strace",
    "--follow-forks",
    "-y",
    "-s",
    "80",
    "-e",
    "trace=openat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,msync,sync_file_range,\
     sync,syncfs,io_uring_enter",
];

/// What a process did between the two marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Writes to files of the directory, and submissions to a ring.
    pub writes: u64,
    /// Calls that return once data is on the device: `fsync`, `fdatasync`, `msync(MS_SYNC)`, and
    /// writes with `O_SYNC`, `O_DSYNC`, `RWF_SYNC` or `RWF_DSYNC`.
    pub syncs: u64,
}

/// Whether there is a program of that name that can look at another process.
#[must_use]
pub fn works() -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// Counts.
#[must_use]
pub fn count(trace: &str, dir: &Path) -> Calls {
    let mut calls = Calls::default();
    let mut synced_files = BTreeSet::new();
    let mut between = false;
    for line in trace.lines() {
        // `1234 pwrite64(5</path>, "…", 280, 4096) = 280`, or `… <unfinished ...>`; what is resumed
        // was counted when it began.
        let Some((_process, call)) = line.split_once(' ') else { continue };
        let Some((name, arguments)) = call.trim_start().split_once('(') else { continue };
        if name == "openat" {
            if arguments.contains("O_SYNC") || arguments.contains("O_DSYNC") {
                synced_files.extend(arguments.split('"').nth(1).map(str::to_owned));
            }
            continue;
        }
        if name == "write" && arguments.contains(MARKS[0]) {
            between = true;
        }
        if name == "write" && arguments.contains(MARKS[1]) {
            between = false;
        }
        if !between {
            continue;
        }
        match name {
            "fsync" | "fdatasync" | "sync" | "syncfs" => calls.syncs += 1,
            "msync" if arguments.contains("MS_SYNC") => calls.syncs += 1,
            "io_uring_enter" => calls.writes += 1,
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" => {
                let file = arguments.split(['<', '>']).nth(1).unwrap_or_default();
                if Path::new(file).starts_with(dir) {
                    calls.writes += 1;
                    let through = arguments.contains("RWF_SYNC") || arguments.contains("RWF_DSYNC");
                    calls.syncs += u64::from(through || synced_files.contains(file));
                }
            }
            _ => {}
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::{Calls, count};
    use std::path::Path;

    fn counted(lines: &str) -> Calls {
        let trace = format!(
            "7 openat(AT_FDCWD</>, \"/d/o_sync\", O_RDWR|O_SYNC|O_CLOEXEC) = 6</d/o_sync>\n\
             7 fsync(5</d/log>) = 0\n\
             7 write(2</dev/null>, \"seawall-compare: appends begin\", 30) = 30\n\
             {lines}\n\
             7 write(2</dev/null>, \"seawall-compare: appends end\", 28) = 28\n\
             7 fsync(5</d/log>) = 0\n"
        );
        count(&trace, Path::new("/d"))
    }

    #[test]
    fn only_what_stands_between_the_marks_counts() {
        assert_eq!(counted(""), Calls::default());
        assert_eq!(counted("7 fdatasync(5</d/log>) = 0"), Calls { writes: 0, syncs: 1 });
    }

    #[test]
    fn a_write_through_is_a_sync() {
        let through = "8 pwritev2(5</d/log>, [{iov_base=\"a\", iov_len=1}], 1, 0, RWF_DSYNC) = 1";
        assert_eq!(counted(through), Calls { writes: 1, syncs: 1 });
        let opened = "8 pwrite64(6</d/o_sync>, \"a\", 1, 0) = 1";
        assert_eq!(counted(opened), Calls { writes: 1, syncs: 1 });
        let plain = "8 pwrite64(5</d/log>, \"O_SYNC\", 6, 0) = 6";
        assert_eq!(counted(plain), Calls { writes: 1, syncs: 0 });
    }

    #[test]
    fn a_call_that_is_interrupted_counts_once() {
        let calls = "8 fsync(5</d/log> <unfinished ...>\n\
                     7 write(5</d/log>, \"a\", 1) = 1\n\
                     8 <... fsync resumed>) = 0";
        assert_eq!(counted(calls), Calls { writes: 1, syncs: 1 });
    }

    #[test]
    fn an_asynchronous_msync_is_no_sync() {
        assert_eq!(counted("7 msync(0x7f00, 4096, MS_ASYNC) = 0"), Calls::default());
        assert_eq!(counted("7 msync(0x7f00, 4096, MS_SYNC) = 0"), Calls { writes: 0, syncs: 1 });
    }
}
