//! What may become of a power cut: the policies, each of which decides about every pending unit.
//! `scene` carries it out.
//!
//! A **unit** is the smallest thing a crash takes or keeps as one: the part of a write that
//! lies in one sector, one change of a file's length, one change of a name. Coin flips alone
//! seldom make the states that break programs, so most policies are correlated: all but one,
//! only one, everything up to a moment, everything of one file, lengths without data.

use crate::image::wide;
use crate::rng::Rng;
use crate::text::{UnknownText, serde_as_text, words};
use std::fmt;
use std::str::FromStr;

/// How a machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// The power is cut: what was not synced is at the mercy of a [`CrashPolicy`].
    Power,
    /// The process is killed: the page cache lives on.
    Kill,
}

words!("kind of crash", CrashKind { Power = "power", Kill = "kill" });

/// What becomes of the call in which the end comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlight {
    /// It did nothing.
    NotBegun,
    /// It did everything, and nobody was told.
    Whole,
    /// A write: some first bytes of it were taken. Any other call: nothing was done.
    Prefix,
}

words!("fate of a call", InFlight {
    NotBegun = "not-begun",
    Whole = "whole",
    Prefix = "prefix",
});

/// Which pending units a power cut keeps.
///
/// Units are numbered in the order they were asked for, over all files and names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrashPolicy {
    /// None.
    AllLost,
    /// All.
    AllKept,
    /// The first ones, up to a drawn moment.
    Prefix,
    /// The last ones, from a drawn moment on.
    Suffix,
    /// All but this one.
    MissingOne(usize),
    /// Only this one; if it is a sector, with all lengths and names, so that it can be seen.
    OnlyOne(usize),
    /// Those whose bit is set, in words of 64: what a search that tries every case asks for.
    /// Units that have no bit are lost.
    Units(Vec<u64>),
    /// Of the sectors, those in the header part of each file; lengths and names are kept.
    HeadersOnly,
    /// Of the sectors, those behind the header part of each file; lengths and names are kept.
    PayloadsOnly,
    /// The data of one drawn file, and all names.
    OneFileKept,
    /// The data of all files but a drawn one, and all names.
    OneFileLost,
    /// Of each sector the old bytes or any version that was pending; of lengths and names
    /// some.
    RandomSectors,
    /// Sectors are lost, kept, or mixed of old and new bytes at a drawn place.
    TornSectors,
    /// Lengths and names, but no data.
    SizeWithoutData,
    /// Data and names, but only some lengths: data beyond the surviving length is lost.
    DataWithoutSize,
    /// Names only.
    NamesOnly,
    /// All data, but no change of a name: what a missing sync of the directory costs.
    NamesLost,
    /// As [`RandomSectors`](Self::RandomSectors), with all lengths; what was never written in
    /// the room gained reads as zeros, as junk, or as what the file held before.
    StaleBytes,
    /// Sectors are lost, kept, or made of old and new pieces in any mixture.
    ShearedSectors,
    /// Half of the sectors are lost, and some of those hold junk: what no sound disk does. The
    /// next disk tells which ([`SimDisk::hurt`](crate::SimDisk::hurt)). Only on demand: none of
    /// [`DRAWN`](Self::DRAWN).
    Garbage,
}

/// The words of the policies that have no number.
const WORDS: [(CrashPolicy, &str); 17] = [
    (CrashPolicy::AllLost, "all-lost"),
    (CrashPolicy::AllKept, "all-kept"),
    (CrashPolicy::Prefix, "prefix"),
    (CrashPolicy::Suffix, "suffix"),
    (CrashPolicy::HeadersOnly, "headers-only"),
    (CrashPolicy::PayloadsOnly, "payloads-only"),
    (CrashPolicy::OneFileKept, "one-file-kept"),
    (CrashPolicy::OneFileLost, "one-file-lost"),
    (CrashPolicy::RandomSectors, "random-sectors"),
    (CrashPolicy::TornSectors, "torn-sectors"),
    (CrashPolicy::SizeWithoutData, "size-without-data"),
    (CrashPolicy::DataWithoutSize, "data-without-size"),
    (CrashPolicy::NamesOnly, "names-only"),
    (CrashPolicy::NamesLost, "names-lost"),
    (CrashPolicy::StaleBytes, "stale-bytes"),
    (CrashPolicy::ShearedSectors, "sheared-sectors"),
    (CrashPolicy::Garbage, "garbage"),
];

/// `torn-sectors`, `missing-one:3`, `units:1f`: words of 64 bits in hexadecimal, with dots between.
impl fmt::Display for CrashPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingOne(unit) => write!(f, "missing-one:{unit}"),
            Self::OnlyOne(unit) => write!(f, "only-one:{unit}"),
            Self::Units(words) => {
                f.write_str("units:")?;
                for (nth, word) in words.iter().enumerate() {
                    let dot = if nth == 0 { "" } else { "." };
                    write!(f, "{dot}{word:x}")?;
                }
                Ok(())
            }
            plain => {
                let word = WORDS.iter().find(|(policy, _)| policy == plain);
                f.write_str(word.map_or("", |(_, word)| word))
            }
        }
    }
}

impl FromStr for CrashPolicy {
    type Err = UnknownText;

    fn from_str(text: &str) -> Result<Self, UnknownText> {
        let plain = WORDS.iter().find(|(_, word)| *word == text).map(|(policy, _)| policy.clone());
        let numbered = || {
            let (word, unit) = text.split_once(':')?;
            if word == "units" {
                let words = unit.split('.').filter(|word| !word.is_empty());
                let words = words.map(|word| u64::from_str_radix(word, 16).ok());
                return words.collect::<Option<Vec<u64>>>().map(Self::Units);
            }
            let unit = unit.parse().ok()?;
            match word {
                "missing-one" => Some(Self::MissingOne(unit)),
                "only-one" => Some(Self::OnlyOne(unit)),
                _ => None,
            }
        };
        plain.or_else(numbered).ok_or_else(|| UnknownText::new("crash policy", text))
    }
}

serde_as_text!(CrashPolicy);

impl CrashPolicy {
    /// Every policy that has no number and that a sound disk may follow.
    pub const DRAWN: [Self; 16] = [
        Self::AllLost,
        Self::AllKept,
        Self::Prefix,
        Self::Suffix,
        Self::HeadersOnly,
        Self::PayloadsOnly,
        Self::OneFileKept,
        Self::OneFileLost,
        Self::RandomSectors,
        Self::TornSectors,
        Self::SizeWithoutData,
        Self::DataWithoutSize,
        Self::NamesOnly,
        Self::NamesLost,
        Self::StaleBytes,
        Self::ShearedSectors,
    ];

    /// Each of [`DRAWN`](Self::DRAWN) once, then [`MissingOne`](Self::MissingOne) and
    /// [`OnlyOne`](Self::OnlyOne) of each unit, or of `cap` units evenly spaced if there are
    /// more.
    #[must_use]
    pub fn every(pending_units: usize, cap: usize) -> Vec<Self> {
        let mut policies = Self::DRAWN.to_vec();
        let count = pending_units.min(cap);
        for nth in 0..count {
            let unit = nth.saturating_mul(pending_units) / count;
            policies.extend([Self::MissingOne(unit), Self::OnlyOne(unit)]);
        }
        policies
    }

    /// Any policy.
    #[must_use]
    pub fn drawn(pending_units: usize, rng: &mut Rng) -> Self {
        match rng.below(wide(Self::DRAWN.len()).saturating_add(4)) {
            0 | 1 => Self::MissingOne(rng.index(pending_units)),
            2 | 3 => Self::OnlyOne(rng.index(pending_units)),
            _ => rng.pick(&Self::DRAWN).cloned().unwrap_or(Self::AllLost),
        }
    }
}

#[cfg(test)]
mod tests;
