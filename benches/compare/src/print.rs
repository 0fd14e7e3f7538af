//! Tables for people.

use crate::peers::Known;
use crate::proof::{KILLED_AFTER, Proof};
use crate::rounds::{CameTo, Table};
use crate::workload::Unit;
use std::fmt::Write;

/// What each promise is worth.
#[must_use]
pub fn proofs(proofs: &[Proof]) -> String {
    let mut text = format!(
        "What the promises are worth: calls for each append by one thread, as strace saw them, \
         and how many\nof {KILLED_AFTER} records are there when the process is killed behind the last.\n\n"
    );
    let heads = ["peer", "promise", "writes", "syncs", "syncs/batch", "left", "how"];
    text.push_str(&line(heads.map(str::to_owned)));
    for proof in proofs {
        let number = |figure: Option<f64>| figure.map_or("?".to_owned(), |it| format!("{it:.2}"));
        text.push_str(&line([
            proof.peer.to_owned(),
            proof.promise.to_string(),
            number(proof.writes),
            number(proof.syncs),
            number(proof.batch_syncs),
            proof.left.map_or("?".to_owned(), |left| left.to_string()),
            proof.how.to_owned(),
        ]));
        for (what, refused) in [("", &proof.refused), (" in batches", &proof.batch_refused)] {
            if let Some(reason) = refused {
                put(
                    &mut text,
                    format_args!("    NOT COMPARED{what} as {}: {reason}\n", proof.promise),
                );
            }
        }
    }
    text
}

fn line([peer, promise, writes, syncs, batch, left, how]: [String; 7]) -> String {
    format!("{peer:<12} {promise:<9} {writes:>7} {syncs:>7} {batch:>12} {left:>6}   {how}\n")
}

/// One workload, the fastest first.
#[must_use]
pub fn table(table: &Table) -> String {
    let mut text = String::new();
    let rounds = format!("{} of {} rounds count", table.rounds_kept, table.rounds);
    put(&mut text, format_args!("{:<46} {rounds:>24}\n", table.workload));
    let mut rows = Vec::new();
    for row in &table.rows {
        match &row.came_to {
            CameTo::Figures(figures) => rows.push((figures, row)),
            CameTo::NotCompared(_) => {}
        }
    }
    rows.sort_by(|(one, _), (other, _)| other.speed.total_cmp(&one.speed));
    for (figures, row) in rows {
        let ratio = figures.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let p99 = figures.p99.map_or_else(String::new, |p99| format!("p99 {}", time(p99)));
        let more = row.more.map_or_else(String::new, |more| format!("does more: {more}"));
        let rest = [p99, more].into_iter().filter(|part| !part.is_empty());
        let rest = rest.collect::<Vec<_>>().join(", ");
        let speed = speed(figures.speed, table.unit);
        put(&mut text, format_args!("    {:<12} {speed:>14} {ratio:>8}   {rest}\n", row.peer));
    }
    for row in &table.rows {
        if let CameTo::NotCompared(reason) = &row.came_to {
            put(&mut text, format_args!("    {:<12} {:>14} {:>8}   {reason}\n", row.peer, "-", ""));
        }
    }
    text
}

/// All that is known of the peers.
#[must_use]
pub fn peers(peers: &[Known]) -> String {
    let mut text = String::new();
    for known in peers {
        put(&mut text, format_args!("{} {}\n    {}\n", known.name, known.version, known.note));
        let abilities = &known.abilities;
        for (what, can) in [
            ("buffered", abilities.buffered),
            ("os", abilities.os),
            ("durable", abilities.durable),
            ("batch os", abilities.batch_os),
            ("batch durable", abilities.batch_durable),
            ("scan", abilities.scan),
            ("random read", abilities.read),
        ] {
            let mark = if can.lack().is_some() { "no: " } else { "" };
            put(&mut text, format_args!("    {what:<14} {mark}{}\n", can.words()));
        }
    }
    text
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _always = text.write_fmt(words);
}

fn speed(speed: f64, unit: Unit) -> String {
    match unit {
        Unit::Records => format!("{}/s", scaled(speed)),
        Unit::Bytes => format!("{}B/s", scaled(speed)),
        Unit::Seconds => time(1.0 / speed),
    }
}

fn scaled(figure: f64) -> String {
    match figure {
        f if f >= 1e9 => format!("{:.2} G", f / 1e9),
        f if f >= 1e6 => format!("{:.2} M", f / 1e6),
        f if f >= 1e3 => format!("{:.1} k", f / 1e3),
        f => format!("{f:.0} "),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
