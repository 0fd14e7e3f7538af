//! A report for a terminal.
//!
//! Responsible for aligned columns, and for no text moving the cursor. Knows no width of the
//! terminal: lines are as long as their text.

use super::markup::{columns, is_numeric, table_width};
use super::{FailureStory, Report, Table};
use crate::image::index;
use std::fmt;

/// The most pending units of a crash that are told.
const PENDING_MOST: usize = 24;

/// The report as text.
pub(super) fn text(report: &Report) -> String {
    Plain(report).to_string()
}

struct Plain<'a>(&'a Report);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { title, summary, tables, failure } = self.0;
        heading(f, title, '=')?;
        let label_width = summary.iter().map(|(label, _)| columns(&one_line(label))).max();
        for (label, value) in summary {
            let label = one_line(label);
            f.write_str(&label)?;
            pad(f, label_width.unwrap_or_default() - columns(&label) + 2)?;
            writeln!(f, "{}", one_line(value))?;
        }
        tables.iter().try_for_each(|shown| table(f, shown))?;
        failure.iter().try_for_each(|story| told(f, story))
    }
}

fn table(f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
    writeln!(f)?;
    heading(f, &table.title, '-')?;
    if !table.note.is_empty() {
        writeln!(f, "{}", one_line(&table.note))?;
    }
    grid(f, "", &table.head, &table.rows)
}

fn grid(
    f: &mut fmt::Formatter<'_>,
    indent: &str,
    head: &[String],
    rows: &[Vec<String>],
) -> fmt::Result {
    let named = (!head.is_empty()).then_some(head);
    let lines: Vec<Vec<String>> = named
        .into_iter()
        .chain(rows.iter().map(Vec::as_slice))
        .map(|row| row.iter().map(|cell| one_line(cell)).collect())
        .collect();
    let cells = |column: usize| lines.iter().filter_map(move |line| line.get(column));
    let shape: Vec<(u64, bool)> = (0..table_width(head, rows))
        .map(|column| {
            let width = cells(column).map(|cell| columns(cell)).max().unwrap_or_default();
            (width, is_numeric(rows, column))
        })
        .collect();
    for line in &lines {
        let mut text = indent.to_owned();
        for (cell, (width, numeric)) in line.iter().zip(&shape) {
            let room = width - columns(cell);
            let (before, behind) = if *numeric { (room, 0) } else { (0, room) };
            pad(&mut text, before)?;
            text.push_str(cell);
            pad(&mut text, behind + 2)?;
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}

fn told(f: &mut fmt::Formatter<'_>, story: &FailureStory) -> fmt::Result {
    writeln!(f)?;
    match story.promise.as_str() {
        "" => heading(f, "No promise broke", '-')?,
        promise => heading(f, &format!("Broken promise: {promise}"), '-')?,
    }
    for line in story.what.lines() {
        writeln!(f, "{}", one_line(line))?;
    }
    if !story.replay.is_empty() {
        writeln!(f, "\nreplay: {}", one_line(&story.replay))?;
    }
    for life in &story.timeline.lives {
        let (ops, calls) = (life.ops.len(), life.calls.len());
        write!(f, "\n{}: {ops} operations, {calls} calls", one_line(&life.title))?;
        let Some(end) = &life.end else {
            writeln!(f)?;
            continue;
        };
        write!(f, ", {} at step {}", one_line(&end.kind), end.step)?;
        if !end.policy.is_empty() {
            write!(f, " ({})", one_line(&end.policy))?;
        }
        writeln!(f, ", {} pending", end.pending.len())?;
        let rows: Vec<Vec<String>> = (end.pending.iter().take(PENDING_MOST))
            .map(|unit| {
                let file = life.files.get(unit.file).map_or("?", String::as_str);
                let fate = unit.survived.word().to_owned();
                let range = format!("{} bytes at {}", unit.len, unit.offset);
                vec![fate, file.to_owned(), unit.name.clone(), range]
            })
            .collect();
        grid(f, "  ", &[], &rows)?;
        if end.pending.len() > rows.len() {
            writeln!(f, "  and {} more", end.pending.len() - rows.len())?;
        }
        if let Some(broke) = &end.broke {
            writeln!(f, "  broken: {}", one_line(broke))?;
        }
    }
    Ok(())
}

fn heading(f: &mut fmt::Formatter<'_>, text: &str, rule: char) -> fmt::Result {
    let text = one_line(text);
    if text.is_empty() {
        return Ok(());
    }
    let line: String = std::iter::repeat_n(rule, index(columns(&text))).collect();
    writeln!(f, "{text}\n{line}")
}

/// Without line ends and whatever else a terminal obeys.
fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn pad(into: &mut impl fmt::Write, count: u64) -> fmt::Result {
    (0..count).try_for_each(|_| into.write_char(' '))
}
