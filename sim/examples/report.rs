//! The page of a failed campaign, with figures made up to look like one: printed to standard
//! output, or with `--text` what a terminal gets.

use seawall_sim::{
    CallKind, EIO, FailureStory, PendingUnit, Report, Survived, Table, Timeline, TimelineCall,
    TimelineEnd, TimelineLife, TimelineOp, render,
};

fn main() {
    let report = report();
    if std::env::args().any(|argument| argument == "--text") {
        print!("{}", report.text());
    } else {
        print!("{}", render(&report));
    }
}

fn report() -> Report {
    let summary = [
        ("crash cycles", "1 048 576"),
        ("seconds", "61.4"),
        ("seeds", "4 096"),
        ("median operations", "37"),
        ("lossy share", "62.8 %"),
        ("distinct images", "311 902"),
    ];
    Report {
        title: "Campaign of 1 048 576 crash cycles: a promise broke".to_owned(),
        summary: summary.map(|(label, value)| (label.to_owned(), value.to_owned())).to_vec(),
        tables: vec![
            table(
                "Faults by kind",
                "Calls that failed by plan, and what they met.",
                &["operation", "errno", "planned", "met"],
                &[
                    &["sync_data", "EIO", "10 412", "9 871"],
                    &["write_at", "ENOSPC", "8 120", "8 004"],
                    &["sync_dir", "EIO", "377", "12"],
                ],
            ),
            table(
                "Recovery table rows reached by cause",
                "How often each row decided where the log ends.",
                &["row", "what was found", "power cut", "kill", "bit rot", "sabotage"],
                &[
                    &[
                        "1",
                        "a frame whose checksum is right, chained",
                        "918 233",
                        "77 120",
                        "4",
                        "0",
                    ],
                    &["2", "zeros up to the end of the segment", "401 377", "12 008", "0", "0"],
                    &["3", "a torn frame at the tail", "88 120", "0", "311", "9"],
                ],
            ),
        ],
        failure: Some(failure()),
    }
}

fn table(title: &str, note: &str, head: &[&str], rows: &[&[&str]]) -> Table {
    let line = |row: &[&str]| row.iter().map(|&cell| cell.to_owned()).collect();
    Table {
        title: title.to_owned(),
        note: note.to_owned(),
        head: line(head),
        rows: rows.iter().map(|&row| line(row)).collect(),
    }
}

fn failure() -> FailureStory {
    FailureStory {
        promise: "what was acknowledged as durable is there after a power cut".to_owned(),
        what: "record 7 was acknowledged with Durability::Disk at step 25\n\
               and is not among the 6 records that recovery shows"
            .to_owned(),
        replay: "seawall-sim replay --seed 0x5ea3a11 --cycle 88213 --policy missing-one:3"
            .to_owned(),
        scenario: "open small-sectors\nclient 0: append 512\nclient 1: append 300, flush\n\
                   fault: sync_data EIO on .seg, after 3\ncrash at 28: power cut, missing one 3\n"
            .to_owned(),
        timeline: Timeline {
            clients: ["writer a", "writer b", "checkpointer"].map(str::to_owned).to_vec(),
            lives: vec![first(), second()],
        },
    }
}

fn op(client: usize, first_step: u64, end_step: u64, what: &str, answer: &str) -> TimelineOp {
    let (what, answer) = (what.to_owned(), answer.to_owned());
    TimelineOp { client, first_step, end_step, what, answer }
}

fn unit(file: usize, offset: u64, name: &str, survived: Survived) -> PendingUnit {
    PendingUnit { file, offset, len: 512, name: name.to_owned(), survived }
}

/// File, kind, offset, length and errno of each call, from step `first` on.
fn calls(first: u64, rows: &[(usize, CallKind, u64, u64, Option<i32>)]) -> Vec<TimelineCall> {
    (first..)
        .zip(rows)
        .map(|(step, &(file, kind, offset, len, failed))| {
            let what = format!("{kind:?} of {len} at {offset}").to_lowercase();
            TimelineCall { step, file, kind, offset, len, failed, what }
        })
        .collect()
}

fn files() -> Vec<String> {
    let names = ["directory", "00000000000000000001.seg", "00000000000000000002.seg", "checkpoint"];
    names.map(str::to_owned).to_vec()
}

fn first() -> TimelineLife {
    use CallKind::{Length, Name, Other, Read, Sync, Write};
    TimelineLife {
        title: "Life 1: a new log".to_owned(),
        ops: vec![
            op(0, 0, 8, "open", "empty"),
            op(0, 8, 8, "append 512", "seq 1"),
            op(0, 8, 8, "append 100", "seq 2"),
            op(0, 8, 11, "flush", "durable to 2"),
            op(1, 9, 11, "append 300 durable", "seq 3"),
            op(1, 11, 16, "append 70000 durable", "seq 4"),
            op(2, 12, 22, "checkpoint to 2", "done"),
            op(0, 16, 16, "append 64", "seq 5"),
            op(0, 22, 24, "flush", "failed: sync_data: EIO"),
            op(1, 23, 24, "append 12 durable", "failed: the log is poisoned"),
            op(0, 24, 24, "append 9", "failed: the log is poisoned"),
            op(2, 24, 28, "reopen", ""),
        ],
        calls: calls(
            0,
            &[
                (0, Other, 0, 0, None),
                (0, Other, 0, 0, None),
                (0, Name, 0, 0, None),
                (1, Length, 0, 65_536, None),
                (1, Write, 0, 4096, None),
                (1, Sync, 0, 0, None),
                (0, Name, 0, 0, None),
                (0, Sync, 0, 0, None),
                (1, Write, 4096, 700, None),
                (1, Write, 4796, 332, None),
                (1, Sync, 0, 0, None),
                (0, Name, 0, 0, None),
                (2, Length, 0, 131_072, None),
                (2, Write, 0, 70_044, None),
                (2, Sync, 0, 0, None),
                (0, Sync, 0, 0, None),
                (3, Name, 0, 0, None),
                (3, Write, 0, 48, Some(4)),
                (3, Write, 0, 48, None),
                (3, Sync, 0, 0, None),
                (0, Name, 0, 0, None),
                (0, Sync, 0, 0, None),
                (2, Write, 70_044, 96, None),
                (2, Sync, 0, 0, Some(EIO)),
                (2, Read, 0, 4096, None),
                (2, Read, 4096, 65_536, None),
                (2, Write, 70_140, 1100, None),
                (2, Write, 71_240, 600, Some(28)),
                (0, Name, 0, 0, Some(122)),
            ],
        ),
        files: files(),
        end: Some(TimelineEnd {
            step: 28,
            kind: "power cut".to_owned(),
            policy: "all but one of the pending sectors, and that one torn".to_owned(),
            pending: vec![
                unit(0, 0, "name of segment 1, removed", Survived::Kept),
                unit(2, 69_632, "sector", Survived::Kept),
                unit(2, 70_144, "sector", Survived::Lost),
                unit(2, 70_656, "sector", Survived::Torn),
                unit(2, 71_168, "sector", Survived::Kept),
            ],
            broke: None,
        }),
    }
}

fn second() -> TimelineLife {
    use CallKind::{Length, Other, Read, Sync, Write};
    TimelineLife {
        title: "Life 2: recovery, then 90 appends".to_owned(),
        ops: (0..30_u64)
            .map(|nth| {
                let first = 40 + nth * 3;
                let client = if nth % 3 == 0 { 1 } else { 0 };
                op(client, first, first + 2, &format!("append {}", nth * 17), "ok")
            })
            .chain([op(2, 29, 38, "open", "6 records, ends at 2:70044")])
            .collect(),
        calls: calls(
            29,
            &[
                (0, Other, 0, 0, None),
                (3, Read, 0, 48, None),
                (1, Read, 0, 65_536, None),
                (2, Read, 0, 65_536, None),
                (2, Read, 65_536, 65_536, None),
                (2, Length, 0, 70_044, None),
                (2, Sync, 0, 0, None),
                (0, Sync, 0, 0, None),
                (3, Write, 0, 48, None),
            ],
        )
        .into_iter()
        .chain((40..130).step_by(3).flat_map(|step| {
            calls(step, &[(2, Write, step * 512, 5632, None), (2, Sync, 0, 0, None)])
        }))
        .collect(),
        files: files(),
        end: Some(TimelineEnd {
            step: 128,
            kind: "power cut".to_owned(),
            policy: "everything pending is lost".to_owned(),
            pending: (0..40).map(|nth| unit(2, nth * 512, "sector", Survived::Lost)).collect(),
            broke: Some("record 7, acknowledged at step 25, is gone after this crash".to_owned()),
        }),
    }
}
