//! What a log must show after anything, told from what was said to it. Shares no code with the
//! library: it knows records, answers and crashes, no frames and no segments.
//!
//! ```text
//!   an append                        after a power cut     after a kill
//!   returned at Sync, or was synced  there                 there
//!   returned at Os or Interval       there, or cut off     there
//!   returned at Buffered             there, or cut off     there, or cut off
//!   was under way                    there, or cut off     there, or cut off
//!   returned an error                there, or absent      there, or absent
//!   was missing at an earlier open   absent                absent
//! ```
//!
//! *Cut off*: with it everything behind it is gone. What an open shows is durable from then on.

use crate::crash::CrashKind;
use seawall::Lsn;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How sure an append was of its records when it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Nothing: it was under way, or buffered.
    Nothing,
    /// A kill does not take it.
    Kill,
    /// A power cut does not take it.
    Power,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Where it stands, once that is known.
    lsn: Option<Lsn>,
    records: Vec<Vec<u8>>,
    promise: Promise,
    /// Its append returned an error.
    failed: bool,
}

/// A promise that was broken, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which of G1 to G12.
    pub promise: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is broken: {}", self.promise, self.what)
    }
}

impl std::error::Error for Violation {}

/// A record that a reader was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Where.
    pub lsn: Lsn,
    /// Which of its frame.
    pub index: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Everything that was said to a log and answered.
#[derive(Clone, Debug, Default)]
pub struct Model {
    entries: Vec<Entry>,
    /// Every address that was ever told to anybody, with the first bytes of its record.
    told: BTreeMap<Lsn, Vec<u8>>,
    /// The trim point that was acknowledged.
    trim: Lsn,
    /// Those that were asked for and not answered, or with an error.
    trims_asked: BTreeSet<Lsn>,
}

fn broken<T>(promise: &'static str, what: impl fmt::Display) -> Result<T, Violation> {
    Err(Violation { promise, what: what.to_string() })
}

impl Model {
    /// Nothing was said yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An append is about to be made.
    pub fn begin(&mut self, records: Vec<Vec<u8>>) {
        self.entries.push(Entry { lsn: None, records, promise: Promise::Nothing, failed: false });
    }

    /// The append under way returned an address.
    ///
    /// # Errors
    /// G4 if the address was told before.
    pub fn acknowledge(&mut self, lsn: Lsn, promise: Promise) -> Result<(), Violation> {
        let Some(entry) = self.entries.last_mut() else { return Ok(()) };
        entry.lsn = Some(lsn);
        entry.promise = promise;
        let first = entry.records.first().cloned().unwrap_or_default();
        self.tell(lsn, first)
    }

    /// The append under way returned an error: its records are absent, or there as a whole.
    pub fn failed(&mut self) {
        if let Some(entry) = self.entries.last_mut() {
            entry.failed = true;
        }
    }

    /// Everything said so far is now this sure.
    pub fn promise_all(&mut self, promise: Promise) {
        for entry in self.entries.iter_mut().filter(|entry| !entry.failed) {
            entry.promise = entry.promise.max(promise);
        }
    }

    /// A trim is about to be asked for.
    pub fn begin_trim(&mut self, to: Lsn) {
        self.trims_asked.insert(to);
    }

    /// It was acknowledged.
    pub fn trimmed(&mut self, to: Lsn) {
        self.trim = self.trim.max(to);
        self.trims_asked = self.trims_asked.split_off(&self.trim);
    }

    /// The trim point that was acknowledged last.
    #[must_use]
    pub fn trim_point(&self) -> Lsn {
        self.trim
    }

    /// The addresses that are known, in order.
    #[must_use]
    pub fn addresses(&self) -> Vec<Lsn> {
        self.entries.iter().filter(|entry| !entry.failed).filter_map(|entry| entry.lsn).collect()
    }

    /// The records at a known address.
    #[must_use]
    pub fn records_at(&self, lsn: Lsn) -> Option<&[Vec<u8>]> {
        let entry = self.entries.iter().find(|entry| entry.lsn == Some(lsn))?;
        Some(&entry.records)
    }

    /// A number that differs when what must be shown differs: for skipping what was checked.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut mix = |value: u64| hash = (hash ^ value).wrapping_mul(0x0100_0000_01b3);
        for entry in &self.entries {
            mix(entry.lsn.map_or(u64::MAX, Lsn::get));
            mix(match entry.promise {
                Promise::Nothing => 1,
                Promise::Kill => 2,
                Promise::Power => 3,
            });
            mix(u64::from(entry.failed));
        }
        mix(self.trim.get());
        for asked in &self.trims_asked {
            mix(asked.get());
        }
        for lsn in self.told.keys() {
            mix(lsn.get());
        }
        hash
    }

    fn tell(&mut self, lsn: Lsn, first: Vec<u8>) -> Result<(), Violation> {
        match self.told.get(&lsn) {
            Some(before) if *before != first => {
                broken("G4", format_args!("LSN {lsn} names two records"))
            }
            _ => {
                self.told.insert(lsn, first);
                Ok(())
            }
        }
    }

    /// A log was opened after a crash, and shows this: all records, in order.
    ///
    /// From here on what it shows is durable, and what it does not show is gone.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn observe(&mut self, after: CrashKind, shown: &[Shown]) -> Result<(), Violation> {
        let needed = match after {
            CrashKind::Power => Promise::Power,
            CrashKind::Kill => Promise::Kill,
        };
        self.match_all(needed, shown)
    }

    /// A log that is open, or was closed cleanly and opened again, shows this: everything.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn observe_all(&mut self, shown: &[Shown]) -> Result<(), Violation> {
        self.match_all(Promise::Nothing, shown)
    }

    /// A log that is open shows this; nothing becomes more durable by it.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn compare(&self, shown: &[Shown]) -> Result<(), Violation> {
        self.clone().observe_all(shown)
    }

    fn match_all(&mut self, needed: Promise, shown: &[Shown]) -> Result<(), Violation> {
        let mut before = None;
        for record in shown {
            let place = (record.lsn, record.index);
            if before.is_some_and(|before| before >= place) {
                return broken("G2", format_args!("LSN {} comes twice or too late", record.lsn));
            }
            before = Some(place);
        }
        // A trim that was under way happened, or it did not.
        let happened = self.trims_asked.iter().rev().copied().find(|&asked| match shown.first() {
            Some(first) => first.lsn >= asked,
            None => self.could_be_empty_from(asked, needed),
        });
        let begin = happened.map_or(self.trim, |asked| asked.max(self.trim));
        if let Some(first) = shown.first().filter(|first| first.lsn < begin) {
            let what = format_args!("LSN {} was trimmed, up to {begin}, and is back", first.lsn);
            return broken("G9", what);
        }
        let mut rest = shown;
        let mut kept = Vec::new();
        let mut cut_off = None;
        for mut entry in std::mem::take(&mut self.entries) {
            if entry.lsn.is_some_and(|lsn| lsn < begin) {
                continue;
            }
            let here = entry.records.len() <= rest.len()
                && entry.records.iter().zip(rest).all(|(record, shown)| *record == shown.bytes)
                && entry.lsn.is_none_or(|lsn| rest.first().is_some_and(|first| first.lsn == lsn));
            if !here {
                if entry.failed {
                    continue;
                }
                if entry.promise >= needed {
                    let lsn = entry.lsn.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
                    let what = format!("the record at LSN {lsn} was promised and is not there");
                    return broken("G1", what);
                }
                cut_off.get_or_insert(entry.lsn);
                continue;
            }
            if cut_off.is_some() && !entry.failed {
                return broken("G3", "a record is there behind one that is not");
            }
            let (mine, behind) = rest.split_at(entry.records.len());
            rest = behind;
            entry.lsn = mine.first().map(|first| first.lsn);
            entry.promise = Promise::Power;
            entry.failed = false;
            kept.push(entry);
        }
        if let Some(odd) = rest.first() {
            let part = self.told.contains_key(&odd.lsn);
            let what = format!("LSN {} is shown, told before: {part}", odd.lsn);
            return broken("G2", what);
        }
        for entry in &kept {
            if let Some(lsn) = entry.lsn {
                self.tell(lsn, entry.records.first().cloned().unwrap_or_default())?;
            }
        }
        self.entries = kept;
        self.trim = begin;
        self.trims_asked.retain(|&asked| asked > begin);
        Ok(())
    }

    fn could_be_empty_from(&self, lsn: Lsn, needed: Promise) -> bool {
        self.entries
            .iter()
            .filter(|entry| entry.lsn.is_none_or(|at| at >= lsn))
            .all(|entry| entry.failed || entry.promise < needed)
    }
}
