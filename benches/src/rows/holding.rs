//! What a log keeps in memory for the records it holds: measured in a process of its own.

use super::{Figure, Group, Line, Row, Scale, Unit, in_segments};
use crate::failure::Result;
use crate::ratio::Target;
use crate::records::Records;
use crate::slice::real;
use seawall::{Durability, Log, Lsn, Options};
use serde_json::{Value, json};
use std::path::Path;

const HOLDING: Group = Group {
    title: "Memory of an open log",
    about: "resident, in a process of its own that appends and scans records of 100 B",
};

/// Each record shall add nothing, in whole bytes: a few pages come and go.
const EACH_MAX: f64 = 0.45;
/// More than the buffers that the options allow.
const ABOVE_MAX: u64 = 32 << 20;

pub(super) fn rows() -> Vec<Row> {
    let line = |name: &str, unit, figure, most| Line {
        name: name.to_owned(),
        unit,
        figure,
        target: Target::AtMost(most),
    };
    let peak_max = real(ABOVE_MAX + options().buffer_max);
    let lines = vec![
        line("memory for each record held", Unit::BytesEach, Figure::EachBytes, EACH_MAX),
        line("memory, peak with its buffers", Unit::Bytes, Figure::PeakBytes, peak_max),
    ];
    let work = super::Work::Held;
    let room = |scale: &Scale| in_segments(scale.held * 128);
    vec![Row { group: &HOLDING, lines, work, drag: 1.0, room }]
}

fn options() -> Options {
    Options::new().durability(Durability::Buffered)
}

/// Appends `count` records to a log in `dir` and scans them; says what this process held in
/// memory. To be called first thing in a process.
///
/// # Errors
/// What the log says; what the kernel does not tell.
pub fn held(dir: &Path, count: u64) -> Result<Value> {
    let mut records = Records::new(100, 0);
    records.record();
    let before = resident("VmRSS:")?;
    let log = Log::open(dir, options())?;
    // Until then everything that is made once, and grows once, has.
    let some = count / 2;
    let mut early = 0;
    for nth in 0..count {
        log.append(records.record())?;
        if nth == some {
            early = resident("VmRSS:")?;
        }
    }
    log.sync()?;
    let late = resident("VmRSS:")?;
    let mut scan = log.scan(Lsn::FIRST)?;
    let mut seen = 0;
    while scan.next_ref()?.is_some() {
        seen += 1;
    }
    crate::failure::same("a scan", seen, count)?;
    let peak = resident("VmHWM:")?;
    let grown = real(late.saturating_sub(early)) / real((count - some).max(1));
    let peak = peak.saturating_sub(before);
    Ok(json!({ "records": count, "bytes_each": grown, "peak_bytes": peak }))
}

/// What the kernel says of this process, in bytes; nothing where it does not say.
fn resident(field: &str) -> Result<u64> {
    if cfg!(not(target_os = "linux")) {
        return Ok(0);
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>();
    Ok(kib.map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidData))? << 10)
}
