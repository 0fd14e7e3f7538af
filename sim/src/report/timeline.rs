//! A life as a drawing, and the legend to it.
//!
//! Responsible for marks that differ in shape, not only in colour. Knows nothing of where they
//! go, which the layout says, and nothing of the page around.

use super::layout::{BAR, CELL, Figure, GUTTER, Label, PlacedCall, PlacedCrash, PlacedOp, SLOT};
use super::lists::{tell_call, tell_op, tell_unit};
use super::markup::Escaped;
use super::{CallKind, Survived, TimelineLife};
use std::fmt;

/// A life, laid out, as two drawings side by side: the names of the lanes, which stay where they
/// are, and the lanes, which scroll.
pub(super) struct Drawing<'a> {
    pub(super) clients: &'a [String],
    pub(super) life: &'a TimelineLife,
    pub(super) figure: &'a Figure<'a>,
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figure { width, height, lanes, .. } = self.figure;
        write!(f, r#"<svg class="names" width="{GUTTER}" height="{height}" role="img""#)?;
        f.write_str(r#" aria-label="Names of the lanes">"#)?;
        for (nth, lane) in lanes.iter().enumerate() {
            stripe(f, nth, lane.top, lane.height, GUTTER)?;
            titled(f, &lane.name)?;
            label(f, &lane.label, "strong")?;
            f.write_str("</g>")?;
        }
        write!(f, r#"</svg><svg width="{width}" height="{height}" role="img" aria-label=""#)?;
        let title = Escaped(&self.life.title);
        write!(f, r#"{title}: operations and disk calls by step. Listed below.">"#)?;
        for (nth, lane) in lanes.iter().enumerate() {
            stripe(f, nth, lane.top, lane.height, *width)?;
        }
        self.figure.steps.iter().try_for_each(|step| label(f, step, "dim"))?;
        self.figure.ops.iter().try_for_each(|placed| op(f, self.clients, placed))?;
        self.figure.calls.iter().try_for_each(|placed| call(f, &self.life.files, placed))?;
        if let (Some(placed), Some(end)) = (&self.figure.crash, &self.life.end) {
            crash(f, placed, end.broke.as_deref(), *height)?;
        }
        for cell in &self.figure.cells {
            titled(f, &tell_unit(&self.life.files, cell.unit))?;
            unit(f, cell.unit.survived, cell.x, cell.y)?;
            f.write_str("</g>")?;
        }
        self.figure.more.iter().try_for_each(|more| label(f, more, "dim"))?;
        f.write_str("</svg>")
    }
}

fn stripe(f: &mut fmt::Formatter<'_>, nth: usize, y: u64, height: u64, width: u64) -> fmt::Result {
    if nth.is_multiple_of(2) {
        write!(f, r#"<rect class="stripe" x="0" y="{y}" width="{width}" height="{height}"/>"#)?;
    }
    Ok(())
}

/// Opens a group with a tooltip.
fn titled(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "<g><title>{}</title>", Escaped(text))
}

fn label(f: &mut fmt::Formatter<'_>, label: &Label, class: &str) -> fmt::Result {
    let (text, y) = (Escaped(&label.text), label.y);
    match label.middle {
        // A tooltip for a few digits would hide that of their call.
        Some(width) => {
            let x = label.x + width / 2;
            write!(f, r#"<text class="{class} middle" x="{x}" y="{y}">{text}</text>"#)
        }
        None => write!(f, r#"<text class="{class}" x="{}" y="{y}">{text}</text>"#, label.x),
    }
}

fn op(f: &mut fmt::Formatter<'_>, clients: &[String], placed: &PlacedOp<'_>) -> fmt::Result {
    titled(f, &tell_op(clients, placed.op))?;
    bar(f, placed.op.answer.is_empty(), placed.x, placed.y, placed.width)?;
    label(f, &placed.what, "")?;
    label(f, &placed.answer, "dim")?;
    f.write_str("</g>")
}

fn bar(f: &mut fmt::Formatter<'_>, open: bool, x: u64, y: u64, width: u64) -> fmt::Result {
    let class = if open { "op open" } else { "op" };
    let size = format_args!(r#"width="{width}" height="{BAR}" rx="3""#);
    write!(f, r#"<rect class="{class}" x="{x}" y="{y}" {size}/>"#)
}

fn call(f: &mut fmt::Formatter<'_>, files: &[String], placed: &PlacedCall<'_>) -> fmt::Result {
    let PlacedCall { call, x, top, height, floor, bytes, errno } = placed;
    titled(f, &tell_call(files, call))?;
    write!(f, r#"<rect class="hit" x="{x}" y="{top}" width="{SLOT}" height="{height}"/>"#)?;
    mark(f, call.kind, call.failed.is_some(), call.len, x + SLOT / 2, *floor)?;
    bytes.iter().try_for_each(|bytes| label(f, bytes, "dim"))?;
    errno.iter().try_for_each(|errno| label(f, errno, "alarm"))?;
    f.write_str("</g>")
}

/// The mark of a call, around `x` and standing on `floor`.
fn mark(
    f: &mut fmt::Formatter<'_>,
    kind: CallKind,
    failed: bool,
    len: u64,
    x: u64,
    floor: u64,
) -> fmt::Result {
    if failed {
        f.write_str(r#"<g class="failed">"#)?;
    }
    match kind {
        CallKind::Read => rect(f, "read", x - 1, floor - 13, 2, 13)?,
        CallKind::Write => {
            // By the number of digits: a header and a segment are both to be seen.
            let bits = u64::from(u64::BITS - len.leading_zeros());
            let height = (4 + bits * 6 / 5).min(29);
            rect(f, "write", x - 6, floor - height, 12, height)?;
        }
        CallKind::Sync => {
            rect(f, "sync", x - 8, floor - 42, 16, 4)?;
            rect(f, "sync", x - 2, floor - 38, 4, 38)?;
        }
        CallKind::Name => diamond(f, "name", x, floor)?,
        CallKind::Length => diamond(f, "length", x, floor)?,
        CallKind::Other => {
            write!(f, r#"<circle class="other" cx="{x}" cy="{}" r="4"/>"#, floor - 6)?;
        }
    }
    if failed { f.write_str("</g>") } else { Ok(()) }
}

fn rect(
    f: &mut fmt::Formatter<'_>,
    class: &str,
    x: u64,
    y: u64,
    width: u64,
    height: u64,
) -> fmt::Result {
    write!(f, r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#)
}

fn diamond(f: &mut fmt::Formatter<'_>, class: &str, x: u64, floor: u64) -> fmt::Result {
    let (left, right, top, middle) = (x - 8, x + 8, floor - 18, floor - 10);
    let points = format_args!("{x},{top} {right},{middle} {x},{} {left},{middle}", floor - 2);
    write!(f, r#"<polygon class="{class}" points="{points}"/>"#)
}

/// A pending unit: a square, a dashed circle or a square with a ragged edge, and a letter.
fn unit(f: &mut fmt::Formatter<'_>, survived: Survived, x: u64, y: u64) -> fmt::Result {
    let (middle, base) = (x + CELL / 2, y + CELL / 2 + 4);
    let (letter, class) = match survived {
        Survived::Kept => {
            write!(f, r#"<rect class="kept" x="{x}" y="{y}" width="{CELL}" height="{CELL}"/>"#)?;
            ("K", "on")
        }
        Survived::Lost => {
            let (cy, r) = (y + CELL / 2, CELL / 2 - 1);
            write!(f, r#"<circle class="lost" cx="{middle}" cy="{cy}" r="{r}"/>"#)?;
            ("L", "off")
        }
        Survived::Torn => {
            write!(f, r#"<path class="torn" d="M{x} {y}h16l4 4l-4 4l4 4l-4 4l4 4h-20z"/>"#)?;
            ("T", "on")
        }
    };
    write!(f, r#"<text class="{class} strong middle" x="{middle}" y="{base}">{letter}</text>"#)
}

fn crash(
    f: &mut fmt::Formatter<'_>,
    placed: &PlacedCrash,
    broke: Option<&str>,
    height: u64,
) -> fmt::Result {
    let PlacedCrash { x, top, .. } = placed;
    line(f, *x, *top, height)?;
    label(f, &placed.label, "alarm strong")?;
    label(f, &placed.pending, "strong")?;
    if let (Some(text), Some(broke)) = (&placed.broke, broke) {
        titled(f, broke)?;
        flag(f, *x, *top)?;
        label(f, text, "alarm strong")?;
        f.write_str("</g>")?;
    }
    Ok(())
}

fn line(f: &mut fmt::Formatter<'_>, x: u64, top: u64, height: u64) -> fmt::Result {
    write!(f, r#"<line class="crash" x1="{x}" y1="{top}" x2="{x}" y2="{height}"/>"#)
}

fn flag(f: &mut fmt::Formatter<'_>, x: u64, top: u64) -> fmt::Result {
    write!(f, r#"<path class="alarm" d="M{x} {top}h14l-4 5l4 5h-14z"/>"#)
}

/// What each mark means.
pub(super) struct Legend {
    /// Whether a promise broke, and so has its mark.
    pub(super) broke: bool,
}

impl fmt::Display for Legend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"<ul class="legend">"#)?;
        let small = (0, 24);
        entry(f, "operation", small, |f| bar(f, false, 2, 3, 26))?;
        entry(f, "never answered", small, |f| bar(f, true, 2, 3, 26))?;
        for (kind, failed, text) in [
            (CallKind::Read, false, "read"),
            (CallKind::Write, false, "write, with its bytes"),
            (CallKind::Sync, false, "sync"),
            (CallKind::Name, false, "change of a name"),
            (CallKind::Length, false, "change of a length, with the new one"),
            (CallKind::Other, false, "any other call"),
            (CallKind::Write, true, "failed, with its errno below"),
        ] {
            // The whole of the tall one, and of the others what is above the floor.
            let part = match kind {
                CallKind::Sync => (7, 44),
                CallKind::Write => (28, 24),
                CallKind::Read => (31, 24),
                CallKind::Other => (32, 24),
                CallKind::Name | CallKind::Length => (28, 24),
            };
            entry(f, text, part, |f| mark(f, kind, failed, 1 << 13, 15, 50))?;
        }
        entry(f, "crash", small, |f| line(f, 15, 0, 24))?;
        if self.broke {
            entry(f, "broken promise", small, |f| flag(f, 8, 7))?;
        }
        for (survived, text) in [
            (Survived::Kept, "pending, kept"),
            (Survived::Lost, "pending, lost"),
            (Survived::Torn, "pending, torn"),
        ] {
            entry(f, text, small, |f| unit(f, survived, 5, 2))?;
        }
        f.write_str("</ul>\n")
    }
}

/// An entry: the mark, of which the part from here and so high is seen, and its meaning.
fn entry(
    f: &mut fmt::Formatter<'_>,
    text: &str,
    (top, height): (u64, u64),
    draw: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    let seen = format_args!(r#"height="24" viewBox="0 {top} 30 {height}""#);
    write!(f, r#"<li><svg {seen} aria-hidden="true">"#)?;
    draw(f)?;
    write!(f, "</svg>{text}</li>")
}
