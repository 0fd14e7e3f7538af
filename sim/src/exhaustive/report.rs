//! What a search of everything did, in figures that say what was enumerated and what was not.

use serde::Serialize;
use std::fmt;

/// Figures of an exhaustive search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExhaustiveReport {
    /// Workloads.
    pub workloads: u64,
    /// Crash points: a call, what became of it, power cut or kill; with those inside recovery.
    pub crash_points: u64,
    /// States that they can leave.
    pub states: u64,
    /// Of the states those that differ, as an image or in what must be shown: each was opened and
    /// held to the oracle.
    pub recovered: u64,
    /// Images that differ (after a kill also in what is pending), whatever must be shown of them:
    /// each was opened, appended to, cut off and opened again.
    pub images: u64,
    /// Of the crash points those inside recovery.
    pub nested_points: u64,
    /// Of the states those that a crash inside recovery can leave.
    pub nested_states: u64,
    /// Of the crash points those that had been met before, with the same units pending and the same
    /// promises to keep: their states are counted, and were not made again.
    pub repeated_points: u64,
    /// The states of those.
    pub repeated_states: u64,
    /// Of the crash points those with more pending units than the cap: a sample of their states
    /// was tried.
    pub sampled_points: u64,
    /// The states that were tried there.
    pub sampled_states: u64,
    /// The most units that were pending at any of them.
    pub units_max: u64,
}

impl ExhaustiveReport {
    /// Adds the figures of another part of the search.
    pub(super) fn add(&mut self, other: &Self) {
        self.workloads += other.workloads;
        self.crash_points += other.crash_points;
        self.states += other.states;
        self.recovered += other.recovered;
        self.images += other.images;
        self.nested_points += other.nested_points;
        self.nested_states += other.nested_states;
        self.repeated_points += other.repeated_points;
        self.repeated_states += other.repeated_states;
        self.sampled_points += other.sampled_points;
        self.sampled_states += other.sampled_states;
        self.units_max = self.units_max.max(other.units_max);
    }
}

impl fmt::Display for ExhaustiveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "workloads      {}", self.workloads)?;
        writeln!(
            f,
            "crash points   {}, {} inside recovery",
            self.crash_points, self.nested_points
        )?;
        writeln!(f, "states         {}, {} inside recovery", self.states, self.nested_states)?;
        writeln!(
            f,
            "  met before   {} of {} crash points with the same units pending",
            self.repeated_states, self.repeated_points
        )?;
        writeln!(f, "recovered      {} states that differ", self.recovered)?;
        writeln!(f, "images         {} that differ", self.images)?;
        write!(
            f,
            "sampled        {} crash points had more pending units than all subsets were tried \
             of, at most {}: {} states there",
            self.sampled_points, self.units_max, self.sampled_states
        )
    }
}
