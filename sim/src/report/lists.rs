//! A life as lists: what a drawing says only by position, colour and tooltip, in words.
//!
//! Responsible for a timeline that can be read without a pointer and without sight. Knows no
//! markup.

use super::layout::Shown;
use super::markup::errno_name;
use super::{PendingUnit, Table, TimelineCall, TimelineLife, TimelineOp};

/// The operations, the calls and the pending units of a life, as far as it is drawn.
pub(super) fn lists(clients: &[String], life: &TimelineLife, shown: &Shown<'_>) -> [Table; 3] {
    let ops = shown.ops.iter().map(|op| {
        vec![
            op.first_step.to_string(),
            op.end_step.to_string(),
            named(clients, op.client),
            op.what.clone(),
            answer(op).to_owned(),
        ]
    });
    let calls = shown.calls.iter().map(|call| {
        vec![
            call.step.to_string(),
            named(&life.files, call.file),
            call.kind.word().to_owned(),
            call.offset.to_string(),
            call.len.to_string(),
            call.what.clone(),
            call.failed.map(errno_name).unwrap_or_default(),
        ]
    });
    let units = life.end.iter().flat_map(|end| &end.pending).map(|unit| {
        vec![
            unit.survived.word().to_owned(),
            named(&life.files, unit.file),
            unit.name.clone(),
            unit.offset.to_string(),
            unit.len.to_string(),
        ]
    });
    [
        table("Operations", &["from step", "to step", "client", "asked", "answered"], ops),
        table("Calls", &["step", "file", "kind", "offset", "bytes", "call", "failed"], calls),
        table("Pending at the crash", &["fate", "file", "unit", "offset", "bytes"], units),
    ]
}

/// The tooltip of an operation.
pub(super) fn tell_op(clients: &[String], op: &TimelineOp) -> String {
    let client = named(clients, op.client);
    let steps = if op.first_step >= op.end_step {
        format!("at step {}, without the disk", op.first_step)
    } else {
        format!("steps {} to {}", op.first_step, op.end_step - 1)
    };
    format!("{client}: {}\n{}\n{steps}", op.what, answer(op))
}

/// The tooltip of a call.
pub(super) fn tell_call(files: &[String], call: &TimelineCall) -> String {
    let mut told = format!("step {}: {}\n{}", call.step, call.what, named(files, call.file));
    if call.len > 0 {
        told.push_str(&format!("\n{} bytes at {}", call.len, call.offset));
    }
    if let Some(errno) = call.failed {
        told.push_str(&format!("\nfailed: {}", errno_name(errno)));
    }
    told
}

/// The tooltip of a pending unit.
pub(super) fn tell_unit(files: &[String], unit: &PendingUnit) -> String {
    let (fate, file) = (unit.survived.word(), named(files, unit.file));
    format!("{fate}: {}\n{file}\n{} bytes at {}", unit.name, unit.len, unit.offset)
}

fn answer(op: &TimelineOp) -> &str {
    if op.answer.is_empty() { "no answer before the end" } else { &op.answer }
}

fn named(names: &[String], index: usize) -> String {
    names.get(index).map_or("?", String::as_str).to_owned()
}

fn table(title: &str, head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    Table {
        title: title.to_owned(),
        note: String::new(),
        head: head.iter().map(|&name| name.to_owned()).collect(),
        rows: rows.collect(),
    }
}
