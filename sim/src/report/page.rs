//! A report as one HTML page that needs nothing else: no script, no font, no network.
//!
//! Responsible for the order of things on it, and for wide things scrolling by themselves. Knows
//! nothing of how a timeline is drawn.

use super::layout::{Shown, lay_out};
use super::lists::lists;
use super::markup::{Escaped, counted, is_numeric, table_width};
use super::style::Style;
use super::timeline::{Drawing, Legend};
use super::{FailureStory, Report, Table, TimelineLife};
use std::fmt;

/// The page of a report.
///
/// ```
/// use seawall_sim::{Report, render};
///
/// let report = Report { title: "<b>1000</b> cycles".into(), ..Report::default() };
/// assert!(render(&report).contains("&lt;b&gt;1000&lt;/b&gt; cycles"));
/// ```
#[must_use]
pub fn render(report: &Report) -> String {
    Page(report).to_string()
}

struct Page<'a>(&'a Report);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { title, summary, tables, failure } = self.0;
        let title = Escaped(title);
        f.write_str("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n")?;
        f.write_str(r#"<meta name="viewport" content="width=device-width, initial-scale=1">"#)?;
        write!(f, "\n<title>{title}</title>\n<style>\n{Style}</style></head>\n<body><main>\n")?;
        writeln!(f, "<h1>{title}</h1>")?;
        failure.iter().try_for_each(|story| verdict(f, story))?;
        if !summary.is_empty() {
            f.write_str(r#"<dl class="tiles">"#)?;
            for (label, value) in summary {
                let (label, value) = (Escaped(label), Escaped(value));
                write!(f, "<div><dt>{label}</dt><dd>{value}</dd></div>")?;
            }
            f.write_str("</dl>\n")?;
        }
        failure.iter().try_for_each(|story| timeline(f, story))?;
        for shown in tables {
            writeln!(f, "<h2>{}</h2>", Escaped(&shown.title))?;
            table(f, shown, "scroll")?;
        }
        f.write_str("</main></body></html>\n")
    }
}

/// The promise that broke, or that none did, before everything else.
fn verdict(f: &mut fmt::Formatter<'_>, story: &FailureStory) -> fmt::Result {
    let (promise, what) = (Escaped(&story.promise), Escaped(&story.what));
    if story.promise.is_empty() {
        f.write_str(r#"<div class="kept"><strong>No promise broke</strong>"#)?;
    } else {
        write!(f, r#"<div class="broke"><strong>Broken promise: {promise}</strong>"#)?;
    }
    writeln!(f, r#"<p class="lines">{what}</p>"#)?;
    if !story.replay.is_empty() {
        let replay = Escaped(&story.replay);
        write!(f, r#"<p class="dim">Replay it:</p><pre tabindex="0">{replay}</pre>"#)?;
    }
    f.write_str("</div>\n")
}

fn timeline(f: &mut fmt::Formatter<'_>, story: &FailureStory) -> fmt::Result {
    f.write_str("<h2>What happened</h2>\n")?;
    if !story.timeline.lives.is_empty() {
        let legend = Legend { broke: !story.promise.is_empty() };
        f.write_str(r#"<p class="dim">From left to right in the order of the disk's calls, "#)?;
        f.write_str(
            "not in time; a long life is scrolled to its end. Clients first, then files. ",
        )?;
        writeln!(f, "Everything has a tooltip, and is listed below its drawing.</p>{legend}")?;
    }
    for shown in &story.timeline.lives {
        life(f, &story.timeline.clients, shown)?;
    }
    if !story.scenario.is_empty() {
        let scenario = Escaped(&story.scenario);
        f.write_str("<details><summary>The scenario</summary>")?;
        writeln!(f, r#"<pre tabindex="0">{scenario}</pre></details>"#)?;
    }
    Ok(())
}

fn life(f: &mut fmt::Formatter<'_>, clients: &[String], life: &TimelineLife) -> fmt::Result {
    writeln!(f, "<h3>{}</h3>", Escaped(&life.title))?;
    if let Some(end) = &life.end {
        let (kind, step, policy) = (Escaped(&end.kind), end.step, Escaped(&end.policy));
        write!(f, r#"<p class="dim">{kind} at step {step}"#)?;
        if !end.policy.is_empty() {
            write!(f, ": {policy}")?;
        }
        f.write_str("</p>\n")?;
        if let Some(broke) = &end.broke {
            writeln!(f, r#"<p class="broke"><strong>{}</strong></p>"#, Escaped(broke))?;
        }
    }
    let shown = Shown::of(life);
    let figure = lay_out(clients, life, &shown);
    let (ops, calls) = (counted(life.ops.len(), "operation"), counted(life.calls.len(), "call"));
    if shown.calls.len() < life.calls.len() || shown.ops.len() < life.ops.len() {
        let (last_ops, last_calls) = (shown.ops.len(), shown.calls.len());
        write!(f, r#"<p class="dim">Only the end is shown: the last {last_calls} of {calls}, "#)?;
        writeln!(f, "and the last {last_ops} of {ops}.</p>")?;
    }
    // Where it ended is what matters; without a crash a life is read from its beginning.
    let class = if life.end.is_some() { "life from-end" } else { "life" };
    let drawing = Drawing { clients, life, figure: &figure };
    write!(f, r#"<div class="{class}" tabindex="0" role="region" aria-label="Timeline">"#)?;
    writeln!(f, r#"<div class="strip">{drawing}</div></div>"#)?;
    for list in lists(clients, life, &shown) {
        if !list.rows.is_empty() {
            let (title, count) = (Escaped(&list.title), list.rows.len());
            write!(f, "<details><summary>{title}: {count}</summary>")?;
            table(f, &list, "scroll list")?;
            f.write_str("</details>\n")?;
        }
    }
    Ok(())
}

/// A table in a container of its own, so that the page does not scroll sideways with it.
fn table(f: &mut fmt::Formatter<'_>, table: &Table, class: &str) -> fmt::Result {
    let Table { title, note, head, rows } = table;
    if !note.is_empty() {
        writeln!(f, r#"<p class="dim">{}</p>"#, Escaped(note))?;
    }
    let numeric: Vec<bool> =
        (0..table_width(head, rows)).map(|column| is_numeric(rows, column)).collect();
    let title = Escaped(title);
    write!(f, r#"<div class="{class}" tabindex="0" role="region" aria-label="{title}"><table>"#)?;
    if !head.is_empty() {
        f.write_str("<thead>")?;
        cells(f, "th", head, &numeric)?;
        f.write_str("</thead>")?;
    }
    f.write_str("<tbody>")?;
    rows.iter().try_for_each(|row| cells(f, "td", row, &numeric))?;
    f.write_str("</tbody></table></div>\n")
}

fn cells(f: &mut fmt::Formatter<'_>, tag: &str, row: &[String], numeric: &[bool]) -> fmt::Result {
    f.write_str("<tr>")?;
    for (cell, numeric) in row.iter().zip(numeric) {
        let class = if *numeric { r#" class="num""# } else { "" };
        write!(f, "<{tag}{class}>{}</{tag}>", Escaped(cell))?;
    }
    f.write_str("</tr>")
}
