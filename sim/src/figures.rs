//! What a campaign did, in numbers: a campaign in which nothing went wrong proves little.

use crate::subject::Class;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Operations in a cycle are counted one by one up to here.
const OPS_COUNTED: usize = 256;

/// The figures of a campaign, of one seed or of many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Seeds.
    pub seeds: u64,
    /// Operations made.
    pub operations: u64,
    /// Lifetimes that were cut off, and recovered from through the public API, with every
    /// surviving record read back and compared.
    pub crash_cycles: u64,
    /// The same by class.
    pub cycles_by_class: BTreeMap<Class, u64>,
    /// Power cuts.
    pub power_cuts: u64,
    /// Power cuts that took something which was written or named and not synced.
    pub lossy_power_cuts: u64,
    /// Kills.
    pub kills: u64,
    /// Crashes inside recovery, by depth: once, twice, three times in a row.
    pub nested: [u64; 3],
    /// Cycles after which the store consisted of two or more parts.
    pub multi_part_cycles: u64,
    /// Cycles in which the store refused to open, with a typed error, because it was hurt.
    pub refused: u64,
    /// Disk calls.
    pub disk_calls: u64,
    /// How often each fault really happened.
    pub faults: BTreeMap<String, u64>,
    /// Situations met (see [`Subject::CELLS`](crate::Subject::CELLS)), by what went wrong.
    pub cells: BTreeMap<(usize, String), u64>,
    /// Cycles by number of operations before the crash.
    ops_in_cycle: Vec<u64>,
    /// The sum, over the seeds in any order, of a hash of every call, answer and image.
    pub hash: u64,
}

impl Figures {
    /// A cycle that began with so many operations.
    pub(crate) fn count_cycle(&mut self, class: Class, ops: usize) {
        self.crash_cycles += 1;
        *self.cycles_by_class.entry(class).or_default() += 1;
        self.ops_in_cycle.resize(OPS_COUNTED, 0);
        if let Some(count) = self.ops_in_cycle.get_mut(ops.min(OPS_COUNTED - 1)) {
            *count += 1;
        }
    }

    /// The median of operations before a crash, counted since the open of that lifetime.
    #[must_use]
    pub fn operations_median(&self) -> usize {
        let half = self.crash_cycles.div_ceil(2);
        let mut seen = 0;
        for (ops, count) in self.ops_in_cycle.iter().enumerate() {
            seen += count;
            if seen >= half {
                return ops;
            }
        }
        0
    }

    /// The share of power cuts that took something.
    #[must_use]
    pub fn lossy_crash_share(&self) -> f64 {
        share(self.lossy_power_cuts, self.power_cuts)
    }

    /// The share of cycles with two or more parts.
    #[must_use]
    pub fn multi_part_share(&self) -> f64 {
        share(self.multi_part_cycles, self.crash_cycles)
    }

    /// Adds the figures of other seeds.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.operations += other.operations;
        self.crash_cycles += other.crash_cycles;
        for (class, count) in &other.cycles_by_class {
            *self.cycles_by_class.entry(*class).or_default() += count;
        }
        self.power_cuts += other.power_cuts;
        self.lossy_power_cuts += other.lossy_power_cuts;
        self.kills += other.kills;
        for (mine, theirs) in self.nested.iter_mut().zip(other.nested) {
            *mine += theirs;
        }
        self.multi_part_cycles += other.multi_part_cycles;
        self.refused += other.refused;
        self.disk_calls += other.disk_calls;
        for (name, count) in &other.faults {
            *self.faults.entry(name.clone()).or_default() += count;
        }
        for (cell, count) in &other.cells {
            *self.cells.entry(cell.clone()).or_default() += count;
        }
        self.ops_in_cycle.resize(OPS_COUNTED, 0);
        for (mine, theirs) in self.ops_in_cycle.iter_mut().zip(&other.ops_in_cycle) {
            *mine += theirs;
        }
        self.hash = self.hash.wrapping_add(other.hash);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is for reading, not for counting")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
