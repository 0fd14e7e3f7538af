//! Where everything of a life goes: columns by disk step, lanes by client and file.
//!
//! Responsible for nothing lying on anything else: every text has a box, and is clipped to it.
//! Knows no markup and no colours. All lengths are pixels.

use super::markup::{clip, clip_start, columns, short_bytes};
use super::{CallKind, PendingUnit, TimelineCall, TimelineEnd, TimelineLife, TimelineOp};
use crate::image::{index, wide};
use std::collections::BTreeMap;

/// The most calls, and the most operations, of a life that are drawn.
pub(super) const MOST: usize = 400;
/// The width of a character at 11 pixels, rounded up.
const CHAR: u64 = 7;
/// The width of a call.
pub(super) const SLOT: u64 = 30;
/// The width of an operation that the disk was not needed for.
const ASIDE: u64 = 74;
/// The width of the names of the lanes.
pub(super) const GUTTER: u64 = 122;
/// The side of a pending unit.
pub(super) const CELL: u64 = 20;
/// A pending unit with the space around it.
const CELL_STEP: u64 = 25;
const CELLS_IN_ROW: u64 = 12;
const CELL_ROWS: u64 = 8;
/// The height of a client's bar, and of the bar with what is written below it.
pub(super) const BAR: u64 = 18;
const BAR_ROW: u64 = 35;
/// Below this, in a file's lane, its errnos are written.
const FLOOR: u64 = 46;
const LINE: u64 = 17;

/// A text in its box.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) x: u64,
    /// The base line.
    pub(super) y: u64,
    /// The text, which takes no more than the box.
    pub(super) text: String,
    /// The width of the box if the text is to be in its middle.
    pub(super) middle: Option<u64>,
}

impl Label {
    fn new(x: u64, y: u64, room: u64, text: &str) -> Self {
        Self { x, y, text: clip(text, room / CHAR), middle: None }
    }
}

/// A client or a file.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) label: Label,
    pub(super) top: u64,
    pub(super) height: u64,
}

/// An operation as a bar.
#[derive(Debug)]
pub(super) struct PlacedOp<'a> {
    pub(super) op: &'a TimelineOp,
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) what: Label,
    pub(super) answer: Label,
}

/// A call as a mark.
#[derive(Debug)]
pub(super) struct PlacedCall<'a> {
    pub(super) call: &'a TimelineCall,
    /// The left edge of its slot.
    pub(super) x: u64,
    /// The lane.
    pub(super) top: u64,
    pub(super) height: u64,
    /// What marks stand on.
    pub(super) floor: u64,
    pub(super) bytes: Option<Label>,
    pub(super) errno: Option<Label>,
}

/// The crash as a line, and what is written next to it.
#[derive(Debug)]
pub(super) struct PlacedCrash {
    pub(super) x: u64,
    pub(super) top: u64,
    pub(super) label: Label,
    pub(super) pending: Label,
    pub(super) broke: Option<Label>,
}

/// A pending unit as a cell.
#[derive(Debug)]
pub(super) struct PlacedCell<'a> {
    pub(super) unit: &'a PendingUnit,
    pub(super) x: u64,
    pub(super) y: u64,
}

/// A life, laid out.
#[derive(Debug, Default)]
pub(super) struct Figure<'a> {
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) lanes: Vec<Lane>,
    pub(super) steps: Vec<Label>,
    pub(super) ops: Vec<PlacedOp<'a>>,
    pub(super) calls: Vec<PlacedCall<'a>>,
    pub(super) crash: Option<PlacedCrash>,
    pub(super) cells: Vec<PlacedCell<'a>>,
    /// How many cells of a file are not drawn.
    pub(super) more: Vec<Label>,
}

/// What of a life is drawn: the end of it, if it is long.
pub(super) struct Shown<'a> {
    pub(super) ops: Vec<&'a TimelineOp>,
    pub(super) calls: Vec<&'a TimelineCall>,
    /// The first step that is drawn.
    from: u64,
    end: Option<&'a TimelineEnd>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(life: &'a TimelineLife) -> Self {
        let mut calls: Vec<&TimelineCall> = life.calls.iter().collect();
        calls.sort_by_key(|call| call.step);
        let hidden = calls.len().saturating_sub(MOST);
        calls.drain(..hidden);
        let from = calls.first().filter(|_| hidden > 0).map_or(0, |call| call.step);
        let reaches = |op: &&TimelineOp| op.end_step >= from || op.answer.is_empty();
        let mut ops: Vec<&TimelineOp> = life.ops.iter().filter(reaches).collect();
        ops.sort_by_key(|op| op.first_step);
        ops.drain(..ops.len().saturating_sub(MOST));
        Self { ops, calls, from, end: life.end.as_ref() }
    }

    fn first(&self, op: &TimelineOp) -> u64 {
        op.first_step.max(self.from)
    }

    /// Whether the disk was not needed.
    fn is_aside(&self, op: &TimelineOp) -> bool {
        self.first(op) >= op.end_step
    }
}

/// The columns: at each step first the operations without a call, next to each other, then the
/// calls, then the crash.
struct Axis {
    places: BTreeMap<u64, Place>,
    crash: Option<u64>,
    end: u64,
}

#[derive(Clone, Copy, Default)]
struct Place {
    calls: u64,
    begins: u64,
    gap: u64,
    slot: u64,
}

impl Axis {
    fn of(shown: &Shown<'_>, clients: usize) -> Self {
        let mut places: BTreeMap<u64, Place> = BTreeMap::new();
        let mut asides: BTreeMap<(u64, usize), u64> = BTreeMap::new();
        for call in &shown.calls {
            places.entry(call.step).or_default().calls += 1;
        }
        for op in &shown.ops {
            let first = shown.first(op);
            if shown.is_aside(op) {
                *asides.entry((first, op.client.min(clients))).or_default() += 1;
                places.entry(first).or_default();
            } else {
                places.entry(first).or_default().begins = 1;
                places.entry(op.end_step).or_default();
            }
        }
        let crash_step = shown.end.map(|end| end.step.max(shown.from));
        if let Some(step) = crash_step {
            places.entry(step).or_default();
        }
        let (mut x, mut crash) = (8, None);
        for (step, place) in &mut places {
            let asides_here = asides.range((*step, 0)..=(*step, usize::MAX));
            place.gap = x;
            x += ASIDE * asides_here.map(|(_, count)| *count).max().unwrap_or_default();
            place.slot = x;
            x += SLOT * place.calls.max(place.begins);
            if crash_step == Some(*step) {
                // Room for the errno of a call that failed last.
                crash = Some(x + 16);
                x += 26;
            }
        }
        Self { places, crash, end: x.max(8 * SLOT) }
    }

    fn place(&self, step: u64) -> Place {
        self.places.get(&step).copied().unwrap_or_default()
    }

    /// How far a text that begins here may go.
    fn limit(&self, x: u64) -> u64 {
        self.crash.filter(|crash| x < *crash).unwrap_or(self.end) - 3
    }

    /// The numbers of the steps that have calls, as many as there is room for.
    fn labels(&self, y: u64) -> Vec<Label> {
        let mut free = 0;
        let mut labels = Vec::new();
        for (step, place) in self.places.iter().filter(|(_, place)| place.calls > 0) {
            let text = step.to_string();
            let width = columns(&text) * CHAR;
            // The label of the crash is in another line, so these may pass its line.
            if place.slot >= free && place.slot + width <= self.end {
                free = place.slot + width + 10;
                labels.push(Label::new(place.slot + 2, y, width, &text));
            }
        }
        labels
    }
}

/// Lays out a life.
pub(super) fn lay_out<'a>(
    clients: &[String],
    life: &'a TimelineLife,
    shown: &Shown<'a>,
) -> Figure<'a> {
    let axis = Axis::of(shown, clients.len());
    let broke = shown.end.and_then(|end| end.broke.as_deref());
    let axis_line = if broke.is_some() { 3 * LINE } else { 2 * LINE };
    let mut figure = Figure { steps: axis.labels(axis_line - 5), ..Figure::default() };
    let mut top = axis_line + 2;
    for (client, name) in lanes(clients, shown.ops.iter().map(|op| op.client)) {
        let height = figure.place_ops(&axis, shown, client, clients.len(), top);
        let label = Label::new(8, top + 17, GUTTER - 16, name);
        figure.lanes.push(Lane { name: name.to_owned(), label, top, height });
        top += height;
    }
    let pending = shown.end.map_or(&[][..], |end| &end.pending);
    let named = shown.calls.iter().map(|call| call.file);
    for (file, name) in lanes(&life.files, named.chain(pending.iter().map(|unit| unit.file))) {
        let mine = |other: usize| other.min(life.files.len()) == file;
        let height = figure.place_calls(&axis, shown, mine, top);
        let units: Vec<&PendingUnit> = pending.iter().filter(|unit| mine(unit.file)).collect();
        let height = height.max(figure.place_cells(&units, axis.end + 14, top));
        for call in figure.calls.iter_mut().filter(|call| call.top == top) {
            call.height = height;
        }
        let text = clip_start(name, (GUTTER - 16) / CHAR);
        let label = Label { x: 8, y: top + 17, text, middle: None };
        figure.lanes.push(Lane { name: name.to_owned(), label, top, height });
        top += height;
    }
    figure.height = top + 4;
    figure.width = axis.end + 8;
    if let (Some(end), Some(x)) = (shown.end, axis.crash) {
        figure.place_crash(end, x, axis.end, axis_line);
    }
    figure
}

/// The lanes with their names, and one more if something is in none of them.
fn lanes(names: &[String], used: impl Iterator<Item = usize>) -> Vec<(usize, &str)> {
    let stray = used.max().is_some_and(|most| most >= names.len());
    names.iter().map(String::as_str).chain(stray.then_some("?")).enumerate().collect()
}

impl<'a> Figure<'a> {
    /// The bars of a client, in as many rows as it has operations at once. Returns their height.
    fn place_ops(
        &mut self,
        axis: &Axis,
        shown: &Shown<'a>,
        client: usize,
        clients: usize,
        top: u64,
    ) -> u64 {
        let mut asides: BTreeMap<u64, u64> = BTreeMap::new();
        let mut bars: Vec<(u64, u64, &'a TimelineOp)> = Vec::new();
        for &op in shown.ops.iter().filter(|op| op.client.min(clients) == client) {
            let place = axis.place(shown.first(op));
            let aside = shown.is_aside(op);
            let (from, to) = if aside {
                let before = asides.entry(shown.first(op)).or_default();
                let from = place.gap + ASIDE * *before;
                *before += 1;
                (from, from + ASIDE)
            } else {
                (place.slot, axis.place(op.end_step).gap)
            };
            let crash = axis.crash.filter(|crash| from < *crash);
            let to = match crash {
                Some(crash) if op.answer.is_empty() => crash - 1,
                Some(crash) => to.min(crash - 1),
                None => to,
            };
            bars.push((from, to.max(from + 8), op));
        }
        bars.sort_by_key(|(from, to, _)| (*from, *to));
        let mut rows: Vec<Vec<(u64, u64, &'a TimelineOp)>> = Vec::new();
        for bar in bars {
            let fits =
                |row: &&mut Vec<(u64, u64, _)>| row.last().is_none_or(|(_, end, _)| *end <= bar.0);
            match rows.iter_mut().find(fits) {
                Some(row) => row.push(bar),
                None => rows.push(vec![bar]),
            }
        }
        for (row, y) in rows.iter().zip((top + 4..).step_by(index(BAR_ROW))) {
            let next = row.iter().skip(1).map(|(from, _, _)| Some(*from)).chain([None]);
            for (&(from, to, op), next) in row.iter().zip(next) {
                let limit = next.map_or(axis.limit(from), |next| next.min(axis.limit(from)));
                self.ops.push(place_op(op, from, to, limit, y));
            }
        }
        wide(rows.len()).max(1) * BAR_ROW + 4
    }

    /// The marks of a file. Returns their height.
    fn place_calls(
        &mut self,
        axis: &Axis,
        shown: &Shown<'a>,
        mine: impl Fn(usize) -> bool,
        top: u64,
    ) -> u64 {
        let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
        let mut placed = Vec::new();
        for &call in &shown.calls {
            let before = taken.entry(call.step).or_default();
            let x = axis.place(call.step).slot + SLOT * *before;
            *before += 1;
            if mine(call.file) {
                placed.push((x, call));
            }
        }
        // An errno may go on up to the next one of this lane.
        let mut next_errno = u64::MAX;
        let mut height = FLOOR + 4;
        let placed: Vec<PlacedCall<'a>> = placed
            .into_iter()
            .rev()
            .map(|(x, call)| {
                let sized = matches!(call.kind, CallKind::Write | CallKind::Length);
                let bytes = sized.then(|| Label {
                    middle: Some(SLOT),
                    ..Label::new(x, top + 12, SLOT, &short_bytes(call.len))
                });
                let errno = call.failed.map(|errno| {
                    height = FLOOR + 18;
                    let room = axis.limit(x).min(next_errno).saturating_sub(x);
                    next_errno = x - 4;
                    let name = super::markup::errno_name(errno);
                    Label::new(x + 1, top + FLOOR + 12, room, &name)
                });
                PlacedCall { call, x, top, height: 0, floor: top + FLOOR, bytes, errno }
            })
            .collect();
        self.calls.extend(placed.into_iter().rev());
        height
    }

    /// The pending units of a file. Returns their height.
    fn place_cells(&mut self, units: &[&'a PendingUnit], left: u64, top: u64) -> u64 {
        let drawn = units.len().min(index(CELLS_IN_ROW * CELL_ROWS));
        for (nth, unit) in (0..).zip(units.iter().take(drawn)) {
            let x = left + nth % CELLS_IN_ROW * CELL_STEP;
            let y = top + 5 + nth / CELLS_IN_ROW * CELL_STEP;
            self.cells.push(PlacedCell { unit, x, y });
        }
        let height = wide(drawn).div_ceil(CELLS_IN_ROW) * CELL_STEP + 8;
        if units.len() == drawn {
            return height;
        }
        let text = format!("and {} more, in the list below", units.len() - drawn);
        let room = CELLS_IN_ROW * CELL_STEP;
        self.more.push(Label::new(left, top + height + 8, room, &text));
        height + LINE
    }

    fn place_crash(&mut self, end: &TimelineEnd, x: u64, axis_end: u64, axis_line: u64) {
        let left = axis_end + 14;
        let crash = format!("{} at step {}", end.kind, end.step);
        let pending = match end.pending.len() {
            0 => "nothing was pending".to_owned(),
            count => format!("pending at the crash: {count}"),
        };
        let width = |text: &str| columns(text) * CHAR;
        let broke = end.broke.as_deref();
        // A text that begins at the line may use the space before the cells as well.
        let lead = left - (x + 8);
        let beside = width(&crash).max(broke.map_or(0, width) + 16).saturating_sub(lead);
        let cells = self.cells.iter().map(|cell| cell.x + CELL_STEP - left).max();
        let more = self.more.iter().map(|more| width(&more.text)).max();
        let wanted = [Some(width(&pending)), Some(beside.min(560)), cells, more];
        let room = wanted.into_iter().flatten().max().unwrap_or_default();
        self.width = left + room + 8;
        let beside = self.width - x - 8;
        self.crash = Some(PlacedCrash {
            x,
            top: 3,
            label: Label::new(x + 6, axis_line - LINE - 5, beside, &crash),
            pending: Label::new(left, axis_line - 5, room, &pending),
            broke: broke.map(|text| Label::new(x + 20, 13, beside - 14, text)),
        });
    }
}

fn place_op(op: &TimelineOp, from: u64, to: u64, limit: u64, y: u64) -> PlacedOp<'_> {
    let (x, width) = (from + 1, to - from - 2);
    let inside = width.saturating_sub(8) / CHAR;
    let beside = limit.saturating_sub(to + 6) / CHAR;
    let (at, room) = if columns(&op.what) <= inside || beside <= inside {
        (x + 4, inside)
    } else {
        (to + 2, beside)
    };
    PlacedOp {
        op,
        x,
        y,
        width,
        what: Label::new(at, y + 13, room * CHAR, &op.what),
        answer: Label::new(x + 2, y + BAR + 12, limit.saturating_sub(x + 6), &op.answer),
    }
}

#[cfg(test)]
mod tests;
