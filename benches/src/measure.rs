//! Measures rows, one after the other, and makes figures of what came of it.

use crate::failure::{Failure, Result};
use crate::pairs::{Pair, alternate, undisturbed};
use crate::ratio::{Estimate, Target, Verdict, quantile_between};
use crate::rows::{Figure, Group, Line, Row, Setting, Unit, Work};
use crate::slice::{Slice, real};
use std::time::{Duration, Instant};

/// When a row is measured well enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// After this many pairs.
    Pairs(usize),
    /// After this time for all rows together, of which each gets its share. A row that is not
    /// begun by then is left out.
    Within(Duration),
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Time of one slice.
    pub slice: Duration,
    /// When it is enough.
    pub enough: Enough,
}

/// Who looks on.
pub trait Watch {
    /// This part of everything is done, from 0 to 1; now this is measured.
    fn at(&self, done: f64, name: &str);
    /// A row is done.
    fn done(&self, outcomes: &[Outcome]);
    /// Whether to stop here.
    fn stopped(&self) -> bool;
}

/// In what sense an estimate is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Ours to the reference.
    Ratio,
    /// Ours alone, in the unit of the line.
    Alone,
}

/// One figure of both sides, in the unit of its line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The log.
    pub ours: f64,
    /// The least code, where there is one.
    pub reference: Option<f64>,
}

/// What was measured for one line.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where it belongs.
    pub group: &'static Group,
    /// What was measured.
    pub name: String,
    /// In what its figures are told.
    pub unit: Unit,
    /// Medians of both sides.
    pub figures: Figures,
    /// In what sense the estimate is meant.
    pub worth: Worth,
    /// The ratio, or the figure itself.
    pub estimate: Estimate,
    /// What it shall be.
    pub target: Target,
    /// Whether it is.
    pub verdict: Verdict,
    /// Pairs that count, and pairs that were measured.
    pub pairs: (usize, usize),
    /// All slices of ours and of the reference together, where each operation was timed.
    pub pooled: Option<(Slice, Slice)>,
}

impl Outcome {
    /// Whether it was measured well enough to say that it is not what it shall be.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.verdict == Verdict::Short
    }
}

impl Plan {
    /// How long these rows will take, roughly.
    #[must_use]
    pub fn estimate(&self, rows: &[&Row]) -> Duration {
        match self.enough {
            Enough::Within(time) => time,
            Enough::Pairs(pairs) => {
                let slices = u32::try_from(2 * pairs).unwrap_or(u32::MAX);
                let row = |row: &&Row| (self.slice * slices).mul_f64(row.drag) + SETUP;
                rows.iter().map(row).sum()
            }
        }
    }
}

/// What a row takes to set up, roughly.
const SETUP: Duration = Duration::from_secs(1);

/// Measures these rows.
///
/// # Errors
/// [`Failure::Stopped`] if the watch says so; what either side of a row says.
pub fn measure(
    rows: &[&Row],
    plan: &Plan,
    setting: &Setting,
    watch: &dyn Watch,
) -> Result<Vec<Outcome>> {
    let start = Instant::now();
    let mut outcomes = Vec::new();
    for (nth, row) in rows.iter().enumerate() {
        let share = |part: f64| (real(nth as u64) + part) / real(rows.len() as u64);
        let name = row.lines.first().map_or("", |line| line.name.as_str());
        watch.at(share(0.0), name);
        let until = match plan.enough {
            Enough::Pairs(_) => None,
            Enough::Within(time) if start.elapsed() >= time => break,
            Enough::Within(time) => {
                // What the rows before this one left.
                let left = time.saturating_sub(start.elapsed());
                let rows = u32::try_from(rows.len() - nth).unwrap_or(u32::MAX);
                Some(Instant::now() + left / rows)
            }
        };
        let found = match &row.work {
            Work::Held => held(row, setting)?,
            Work::Turns(prepare) => {
                let mut sides = prepare(setting)?;
                // Whatever is done once only, and is no part of the work.
                let warm = plan.slice / 5;
                (sides.reference)(warm)?;
                (sides.ours)(warm)?;
                let more = |done: usize, last: Duration| {
                    if watch.stopped() {
                        return Err(Failure::Stopped);
                    }
                    let (part, more) = match (plan.enough, until) {
                        (Enough::Pairs(pairs), _) => {
                            (real(done as u64) / real(pairs.max(1) as u64), done < pairs)
                        }
                        (Enough::Within(_), until) => {
                            let fits = until.is_none_or(|until| Instant::now() + last <= until);
                            (0.5, done == 0 || fits)
                        }
                    };
                    watch.at(share(part), name);
                    Ok(more)
                };
                let pairs = alternate(&mut sides, plan.slice, more)?;
                judge(row, &pairs)
            }
        };
        if watch.stopped() {
            return Err(Failure::Stopped);
        }
        watch.done(&found);
        outcomes.extend(found);
    }
    Ok(outcomes)
}

/// The figures of a row, of these pairs; none of no pairs.
#[must_use]
pub fn judge(row: &Row, pairs: &[Pair]) -> Vec<Outcome> {
    row.lines.iter().filter_map(|line| judged(row.group, line, pairs)).collect()
}

/// The outcome of a line; nothing if there are no pairs.
fn judged(group: &'static Group, line: &Line, pairs: &[Pair]) -> Option<Outcome> {
    let kept = undisturbed(pairs);
    let figures = |of: &dyn Fn(&Slice) -> f64| {
        let median = |side: fn(&Pair) -> &Slice| {
            Estimate::of(kept.iter().map(|pair| of(side(pair))).collect())
        };
        let (ours, reference) = (median(|pair| &pair.ours)?, median(|pair| &pair.reference)?);
        Some((ours, Figures { ours: ours.median, reference: Some(reference.median) }))
    };
    let ratio = |of: &dyn Fn(&Slice) -> f64| {
        Estimate::of(kept.iter().map(|pair| of(&pair.ours) / of(&pair.reference)).collect())
    };
    let paired = |of: &dyn Fn(&Slice) -> f64| Some((figures(of)?.1, Worth::Ratio, ratio(of)?));
    let pooled = pooled(&kept);
    let (figures, worth, estimate) = match line.figure {
        Figure::Rate => {
            let bytes = if let Unit::BytesPerSecond(bytes) = line.unit { bytes } else { 1 };
            paired(&|slice| slice.rate() * real(bytes))?
        }
        Figure::Time => paired(&|slice| 1.0 / slice.rate().max(1e-9))?,
        Figure::Quantile(part) => paired(&|slice| slice.quantile(part))?,
        Figure::Alone => {
            let (ours, figures) = figures(&|slice| 1.0 / slice.rate().max(1e-9))?;
            (figures, Worth::Alone, ours)
        }
        Figure::Tail(part) => {
            let (ours, reference) = pooled.as_ref()?;
            let one = reference.quantile(0.5);
            let (low, high) = quantile_between(part, ours.operations);
            let tail = Estimate {
                median: ours.quantile(part) / one,
                low: ours.quantile(low) / one,
                high: ours.quantile(high) / one,
                // Fewer beyond it, and one of them decides.
                sure: real(ours.operations) * (1.0 - part) >= 10.0,
            };
            let figures = Figures { ours: ours.quantile(part), reference: Some(one) };
            (figures, Worth::Ratio, tail)
        }
        Figure::PeakBytes | Figure::EachBytes => return None,
    };
    let verdict = line.target.judge(estimate);
    let (name, unit, target) = (line.name.clone(), line.unit, line.target);
    let pairs = (kept.len(), pairs.len());
    Some(Outcome { group, name, unit, figures, worth, estimate, target, verdict, pairs, pooled })
}

/// All slices of each side, where each operation was timed.
fn pooled(pairs: &[&Pair]) -> Option<(Slice, Slice)> {
    let (mut ours, mut reference) = (Slice::default(), Slice::default());
    for pair in pairs {
        ours.add(pair.ours.clone());
        reference.add(pair.reference.clone());
    }
    ours.latencies.is_some().then_some((ours, reference))
}

fn held(row: &Row, setting: &Setting) -> Result<Vec<Outcome>> {
    let plot = setting.ground.plot()?;
    let said = (setting.child)(plot.path(), setting.scale.held).output()?;
    let said: serde_json::Value =
        serde_json::from_slice(&said.stdout).map_err(std::io::Error::from)?;
    let outcome = |line: &Line| {
        let field = match line.figure {
            Figure::EachBytes => "bytes_each",
            _ => "peak_bytes",
        };
        let ours = said.get(field)?.as_f64()?;
        let estimate = Estimate::exactly(ours);
        Some(Outcome {
            group: row.group,
            name: line.name.clone(),
            unit: line.unit,
            figures: Figures { ours, reference: None },
            worth: Worth::Alone,
            estimate,
            target: line.target,
            verdict: line.target.judge(estimate),
            pairs: (1, 1),
            pooled: None,
        })
    };
    Ok(row.lines.iter().filter_map(outcome).collect())
}
