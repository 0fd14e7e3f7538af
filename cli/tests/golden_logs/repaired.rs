//! The golden logs that were damaged, and repaired: gaps in place of frames, and stand-ins in place of
//! segments.

use super::harmed::{
    both_headers, chain, closed_segment, damaged_record, emptied, hole, missing, newest_missing,
};
use super::{GoldenLog, killed, open, settled};
use seawall::Log;
use seawall_sim::{Seed, SimDisk, environment};

pub(crate) fn all() -> impl Iterator<Item = GoldenLog> {
    let repaired = [
        ("repaired-record-marked", "a gap in the last segment", damaged_record()),
        ("repaired-closed-segment", "a gap in a closed segment", closed_segment()),
        ("repaired-chain", "a gap in place of a frame whose older version was back", chain()),
        ("repaired-missing", "a stand-in for a segment of the middle", missing(2)),
        ("repaired-missing-first", "a stand-in for the first segment", missing(1)),
        ("repaired-missing-newest-marked", "a stand-in for the newest segment", newest_missing(1)),
        ("repaired-emptied-marked", "a stand-in for a file that was cut to nothing", emptied()),
        ("repaired-hole-marked", "a stand-in for a file that lost its beginning", hole(3)),
        ("repaired-header", "a stand-in for a segment without headers", both_headers(false)),
        ("repaired-last-header-marked", "a stand-in for the last segment", both_headers(true)),
    ];
    let repaired = repaired.map(|(name, story, disk)| (name, story, mended(&disk)));
    let begun_in_a_gap =
        ("repaired-trimmed", "a trim point that stands in a gap", trimmed(&mended(&missing(2))));
    repaired.into_iter().chain([begun_in_a_gap]).map(|(name, story, disk)| GoldenLog {
        name,
        story,
        disk,
    })
}

/// Trimmed to what was acknowledged once, and is in a gap now.
fn trimmed(disk: &SimDisk) -> SimDisk {
    let log = open(disk, 3);
    let gap = log.segments()[1];
    log.trim(gap.base().checked_add(64).unwrap()).unwrap();
    log.append(b"vouches for the trim").unwrap();
    log.append(b"and is vouched for").unwrap();
    killed(disk, log)
}

/// The log behind its repair; what was kept is on another disk.
fn mended(disk: &SimDisk) -> SimDisk {
    let disk = settled(disk);
    let quarantine = SimDisk::new(Seed::new(2));
    let repaired = Log::repair(&environment(&disk, 9), &quarantine, "golden", |_| {}).unwrap();
    assert!(repaired.left.is_none() && !repaired.steps.is_empty(), "{repaired:?}");
    settled(&disk)
}
