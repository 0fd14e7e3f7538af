//! The operations of which all rows are tried, and the options of the logs they are done to.

use crate::subject::seawall_log::{KINDS, Level, LogOptions, Op, Tags, Turn, What};

/// A kind of log, which has an alphabet of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of level `Sync`.
    Sync,
    /// Of level `Buffered`; each rotation waits for the disk.
    Buffered,
    /// Of level `Buffered`; the next segment begins before the one that is full is synced.
    Unsynced,
}

/// So much may be left unsynced: two segments of one record each, and the third waits.
const UNSYNCED_MAX: u64 = 40 << 10;

/// The log: small segments, so that a few records rotate; frames of batches so small that a batch
/// takes several; an idle mark; one spare; nothing ahead of time.
#[must_use]
pub fn options(kind: Kind) -> LogOptions {
    LogOptions {
        level: if kind == Kind::Sync { Level::Sync } else { Level::Buffered },
        segment_len: 16 << 10,
        first_segment_len: None,
        buffer_max: 8 << 10,
        write_at: 1 << 10,
        batch_frame_max: 512,
        spares_max: 1,
        prepare_ahead: false,
        idle_mark: true,
        zeros_ahead: None,
        write_back: None,
        direct: false,
        // Appends have different tags, and batches the frames that they would have without.
        tags: Tags::Batches,
        own_blocks: false,
        unsynced_max: if kind == Kind::Unsynced { UNSYNCED_MAX } else { 0 },
        cut_at_close: None,
        clients: 3,
        weights: [0; KINDS],
        record_max: 0,
    }
}

/// The operations. Those that a log of this kind does not tell apart are there once.
#[must_use]
pub fn alphabet(kind: Kind) -> Vec<Op> {
    use Level::{Buffered, Os, Sync};
    let stepped = |what| Op { client: 0, what, turns: turns() };
    if kind == Kind::Unsynced {
        let beside = |what| Op { client: 0, what, turns: commits() };
        // No thread syncs beside these: what they leave is found as it is by what comes next.
        let left = [
            What::Append(40, Buffered),
            What::Append(5000, Os),
            What::Append(9000, Os),
            What::Batch(vec![400, 400, 400], Os),
        ];
        let others = [
            What::Append(40, Sync),
            What::Sync,
            What::Trim(255),
            What::Trim(128),
            What::Tend,
            What::Reopen,
        ];
        return left.map(beside).into_iter().chain(others.map(stepped)).collect();
    }
    let mut all = vec![
        What::Append(40, Buffered),
        What::Append(40, Sync),
        What::Append(600, Sync),
        What::Append(1400, Os),
        // One frame, with an empty record inside.
        What::Batch(vec![30, 0, 50], Sync),
        // Three frames.
        What::Batch(vec![400, 400, 400], Sync),
        // Two of them do not fit into one segment.
        What::Append(5000, Sync),
        // No ordinary segment holds it.
        What::Append(9000, Os),
        What::Sync,
        // To the newest record, and to the one in the middle.
        What::Trim(255),
        What::Trim(128),
        // The deadlines pass: an idle mark.
        What::Tend,
        // A clean close, and the next open.
        What::Reopen,
    ];
    if kind == Kind::Sync {
        all.retain(|what| *what != What::Append(40, Buffered));
    }
    let mut ops: Vec<Op> = all.into_iter().map(stepped).collect();
    // Nobody waits for it: what comes next meets it under way, and shares its write and its sync.
    ops.push(Op { client: 0, what: What::Append(300, Sync), turns: Vec::new() });
    ops
}

/// The commit lane alone goes on step by step, far enough for a rotation and a write.
pub(super) fn commits() -> Vec<Turn> {
    let round = [[Turn::Commit, Turn::Poll]; 20];
    [Turn::Poll].into_iter().chain(round.into_iter().flatten()).collect()
}

/// The engine goes on step by step, and after each the client looks whether it is told: as early as
/// it can be, so that every crash point behind that holds the log to what was told.
fn turns() -> Vec<Turn> {
    let round = [[Turn::Commit, Turn::Poll]; 6].into_iter().chain([[Turn::Upkeep, Turn::Poll]; 3]);
    let round: Vec<Turn> = round.flatten().collect();
    [vec![Turn::Poll], round.clone(), round, vec![Turn::Drive]].concat()
}
