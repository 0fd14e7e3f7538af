//! From pairs of slices to one figure: the median, the interval it lies in, and a verdict.
//!
//! Nothing is assumed of how the figures are spread. The interval of a median stands on a law of
//! coins: each figure lies below the true median with a chance of one half, so how many do is a
//! matter of counting, and two of the figures themselves are the ends.

use crate::slice::real;

/// A median, and the interval that holds the true one in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median of what was measured.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Whether there were enough figures for an interval: six. With fewer it is all of them.
    pub sure: bool,
}

impl Estimate {
    /// Of these figures; nothing of none.
    #[must_use]
    pub fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let (first, last) = (*figures.first()?, *figures.last()?);
        let count = figures.len();
        let upper = *figures.get(count / 2)?;
        let lower = *figures.get((count - 1) / 2)?;
        let median = f64::midpoint(lower, upper);
        let Some(outside) = outside(count) else {
            return Some(Self { median, low: first, high: last, sure: false });
        };
        let low = *figures.get(outside)?;
        let high = *figures.get(count - 1 - outside)?;
        Some(Self { median, low, high, sure: true })
    }

    /// The same value three times, where there is nothing to estimate.
    #[must_use]
    pub const fn exactly(value: f64) -> Self {
        Self { median: value, low: value, high: value, sure: true }
    }
}

/// How many of `count` sorted figures lie outside the interval on each side: as many as with
/// `count` coins at most that many heads have a chance of no more than 2.5 in 100.
fn outside(count: usize) -> Option<usize> {
    let mut chance = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let (mut all, mut heads) = (chance, 0);
    if all > 0.025 || chance == 0.0 {
        return None;
    }
    loop {
        chance *= real((count - heads) as u64) / real(heads as u64 + 1);
        if all + chance > 0.025 {
            return Some(heads);
        }
        all += chance;
        heads += 1;
    }
}

/// The ranks between which the quantile of `count` figures lies in 95 of 100 cases, as parts of
/// all: by the same law, of coins that are not fair.
pub(crate) fn quantile_between(part: f64, count: u64) -> (f64, f64) {
    let reach = 1.96 * (part * (1.0 - part) / real(count.max(1))).sqrt();
    ((part - reach).max(0.0), (part + reach).min(1.0))
}

/// What a figure shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This, or more.
    AtLeast(f64),
    /// This, or less.
    AtMost(f64),
}

/// How far the worse end of an interval may be from the target, as a part of it.
const SLACK: f64 = 0.05;

/// Whether a figure is what it shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The worse end of the interval is at most 5 % short of the target.
    Holds,
    /// It is further away.
    Short,
    /// Too few pairs were measured to say.
    Unsure,
}

impl Target {
    /// Judges an estimate.
    #[must_use]
    pub fn judge(self, estimate: Estimate) -> Verdict {
        let holds = match self {
            Self::AtLeast(target) => estimate.low >= target * (1.0 - SLACK),
            Self::AtMost(target) => estimate.high <= target * (1.0 + SLACK),
        };
        match (estimate.sure, holds) {
            (false, _) => Verdict::Unsure,
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::Short,
        }
    }
}

impl Verdict {
    /// In words.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Short => "short of it",
            Self::Unsure => "too few pairs",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_interval_are_those_of_the_published_tables() {
        // Ranks (from 1) of the lower end for a median's interval of at least 95 %.
        for (count, rank) in [(6, 1), (8, 1), (9, 2), (12, 3), (20, 6), (30, 10), (40, 14)] {
            assert_eq!(outside(count).unwrap() + 1, rank, "of {count}");
        }
        assert_eq!(outside(5), None);
    }

    #[test]
    fn estimate_does_not_depend_on_order_or_on_one_wild_figure() {
        let mut figures: Vec<f64> = (1..=41).map(|n| real(n) / 41.0).collect();
        let calm = Estimate::of(figures.clone()).unwrap();
        figures.reverse();
        figures[0] = 1e9;
        let wild = Estimate::of(figures).unwrap();
        assert_eq!(calm, wild);
        assert!(calm.low < calm.median && calm.median < calm.high);
        assert_eq!(Estimate::of(Vec::new()), None);
    }

    #[test]
    fn verdict_looks_at_the_worse_end_and_allows_five_in_a_hundred() {
        let between =
            |low, high| Estimate { median: f64::midpoint(low, high), low, high, sure: true };
        assert_eq!(Target::AtLeast(1.0).judge(between(0.951, 1.2)), Verdict::Holds);
        assert_eq!(Target::AtLeast(1.0).judge(between(0.949, 1.2)), Verdict::Short);
        assert_eq!(Target::AtMost(1.3).judge(between(0.5, 1.36)), Verdict::Holds);
        assert_eq!(Target::AtMost(1.3).judge(between(0.5, 1.37)), Verdict::Short);
        let few = Estimate::of(vec![2.0, 2.0]).unwrap();
        assert_eq!(Target::AtLeast(1.0).judge(few), Verdict::Unsure);
    }
}
