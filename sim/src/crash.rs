//! What a power cut leaves: a policy decides about each pending unit, and the units that
//! survive are applied in the order they were asked for.
//!
//! A **unit** is the smallest thing a crash takes or keeps as one: the part of a write that
//! lies in one sector, one change of a file's length, one change of a name. Coin flips alone
//! seldom make the states that break programs, so most policies are correlated: all but one,
//! only one, everything up to a moment, everything of one file, lengths without data.

use crate::directory::{Directory, Names};
use crate::faults::{Counters, count};
use crate::file::{Change, File, FileId};
use crate::image::{Image, index, wide};
use crate::rng::Rng;
use std::collections::BTreeMap;

/// How a machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// The power is cut: what was not synced is at the mercy of a [`CrashPolicy`].
    Power,
    /// The process is killed: the page cache lives on.
    Kill,
}

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
}

impl CrashPolicy {
    /// Every policy that has no number.
    pub const DRAWN: [Self; 15] = [
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

/// What a unit is, for the policies.
#[derive(Clone, Copy, Debug)]
enum What {
    Sector { file: FileId, offset: u64, len: usize },
    Len { file: FileId },
    Name,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    order: u64,
    what: What,
}

/// What becomes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lost,
    Kept,
    /// The first bytes are new.
    Head(usize),
    /// All but the first bytes are new.
    Tail(usize),
}

impl Fate {
    fn kept_if(kept: bool) -> Self {
        if kept { Self::Kept } else { Self::Lost }
    }
}

/// What a crash is resolved on.
pub(crate) struct Scene<'a> {
    pub(crate) files: &'a BTreeMap<FileId, File>,
    pub(crate) directory: &'a Directory,
    pub(crate) sector_len: u64,
    pub(crate) header_len: u64,
}

impl Scene<'_> {
    pub(crate) fn unit_count(&self) -> usize {
        let sectors: usize = self.files.values().map(|file| file.pending.len()).sum();
        sectors.saturating_add(self.directory.pending.len())
    }

    /// The files and names that a fresh start finds.
    pub(crate) fn resolve(
        &self,
        policy: &CrashPolicy,
        rng: &mut Rng,
        counters: &mut Counters,
    ) -> (Names, BTreeMap<FileId, Image>) {
        let units = self.units();
        let fates = self.decide(policy, &units, rng);
        let fate = |order: u64| {
            let found = units.binary_search_by_key(&order, |unit| unit.order);
            found.ok().and_then(|at| fates.get(at)).copied().unwrap_or(Fate::Lost)
        };

        let mut names = self.directory.durable.clone();
        for pending in &self.directory.pending {
            if fate(pending.order) == Fate::Lost {
                count(&mut counters.names_lost);
            } else {
                count(&mut counters.names_kept);
                pending.change.apply(&mut names);
            }
        }

        let mut images = BTreeMap::new();
        for id in names.values() {
            let Some(file) = self.files.get(id) else {
                continue;
            };
            let mut image = file.durable.clone();
            if *policy == CrashPolicy::StaleBytes {
                self.leave_stale_bytes(file, &mut image, rng, counters);
            }
            for pending in &file.pending {
                apply(&pending.change, fate(pending.order), &mut image, counters);
            }
            image.clip();
            images.insert(*id, image);
        }
        (names, images)
    }

    fn units(&self) -> Vec<Unit> {
        let mut units = Vec::with_capacity(self.unit_count());
        for (id, file) in self.files {
            units.extend(file.pending.iter().map(|pending| Unit {
                order: pending.order,
                what: match pending.change.bytes() {
                    Some((offset, bytes)) => What::Sector { file: *id, offset, len: bytes.len() },
                    None => What::Len { file: *id },
                },
            }));
        }
        let names = self.directory.pending.iter();
        units.extend(names.map(|pending| Unit { order: pending.order, what: What::Name }));
        units.sort_unstable_by_key(|unit| unit.order);
        units
    }

    fn decide(&self, policy: &CrashPolicy, units: &[Unit], rng: &mut Rng) -> Vec<Fate> {
        let all = |keep: &dyn Fn(usize, What) -> bool| -> Vec<Fate> {
            let units = units.iter().enumerate();
            units.map(|(nth, unit)| Fate::kept_if(keep(nth, unit.what))).collect()
        };
        let end = units.len().saturating_add(1);
        match policy {
            CrashPolicy::AllLost => all(&|_, _| false),
            CrashPolicy::AllKept => all(&|_, _| true),
            CrashPolicy::Prefix => {
                let until = rng.index(end);
                all(&|nth, _| nth < until)
            }
            CrashPolicy::Suffix => {
                let from = rng.index(end);
                all(&|nth, _| nth >= from)
            }
            CrashPolicy::MissingOne(missing) => all(&|nth, _| nth != *missing),
            CrashPolicy::OnlyOne(only) => {
                let unit = units.get(*only).map(|unit| unit.what);
                let visible = matches!(unit, Some(What::Sector { .. }));
                all(&|nth, what| nth == *only || (visible && !matches!(what, What::Sector { .. })))
            }
            CrashPolicy::HeadersOnly => all(&|_, what| self.in_header(what) != Some(false)),
            CrashPolicy::PayloadsOnly => all(&|_, what| self.in_header(what) != Some(true)),
            CrashPolicy::OneFileKept => {
                let drawn = draw_file(units, rng);
                all(&|_, what| file_of(what).is_none_or(|file| Some(file) == drawn))
            }
            CrashPolicy::OneFileLost => {
                let drawn = draw_file(units, rng);
                all(&|_, what| file_of(what).is_none_or(|file| Some(file) != drawn))
            }
            CrashPolicy::RandomSectors => self.random_versions(units, rng, false),
            CrashPolicy::StaleBytes => self.random_versions(units, rng, true),
            CrashPolicy::TornSectors => torn(units, rng),
            CrashPolicy::SizeWithoutData => all(&|_, what| !matches!(what, What::Sector { .. })),
            CrashPolicy::DataWithoutSize => {
                let coin = |unit: &Unit| match unit.what {
                    What::Len { .. } => Fate::kept_if(rng.chance(1, 2)),
                    What::Sector { .. } | What::Name => Fate::Kept,
                };
                units.iter().map(coin).collect()
            }
            CrashPolicy::NamesOnly => all(&|_, what| matches!(what, What::Name)),
            CrashPolicy::NamesLost => all(&|_, what| !matches!(what, What::Name)),
        }
    }

    fn in_header(&self, what: What) -> Option<bool> {
        match what {
            What::Sector { offset, .. } => Some(offset < self.header_len),
            What::Len { .. } | What::Name => None,
        }
    }

    /// Of each sector a version: the writes up to a drawn one. Lengths and names are kept
    /// three times in four, since much of the rest cannot be seen without them.
    fn random_versions(&self, units: &[Unit], rng: &mut Rng, lens_kept: bool) -> Vec<Fate> {
        let mut versions: BTreeMap<(FileId, u64), u64> = BTreeMap::new();
        for unit in units {
            if let What::Sector { file, offset, .. } = unit.what {
                count(versions.entry((file, offset / self.sector_len)).or_default());
            }
        }
        for left in versions.values_mut() {
            *left = rng.below(left.saturating_add(1));
        }
        let mut decide = |unit: &Unit| match unit.what {
            What::Sector { file, offset, .. } => {
                let left = versions.entry((file, offset / self.sector_len)).or_default();
                let kept = *left > 0;
                *left = left.saturating_sub(1);
                Fate::kept_if(kept)
            }
            What::Len { .. } if lens_kept => Fate::Kept,
            What::Len { .. } | What::Name => Fate::kept_if(rng.chance(3, 4)),
        };
        units.iter().map(&mut decide).collect()
    }

    /// Fills room that was gained but never synced with what may lie in it: nothing, junk, or
    /// what was there before. Survivors are written over it. Of a huge reservation the first
    /// sectors are enough.
    fn leave_stale_bytes(
        &self,
        file: &File,
        image: &mut Image,
        rng: &mut Rng,
        counters: &mut Counters,
    ) {
        const SECTORS_MAX: usize = 4096;
        let end = file.pending.iter().fold(image.len(), |end, pending| match pending.change {
            Change::Len(len) => end.max(len),
            Change::Bytes { .. } | Change::Settle(_) => end,
        });
        let mut at = image.len();
        let mut bytes = vec![0; index(self.sector_len)];
        for _ in 0..SECTORS_MAX {
            let len =
                self.sector_len.saturating_sub(at % self.sector_len).min(end.saturating_sub(at));
            let Some(sector) = bytes.get_mut(..index(len)).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            match rng.below(3) {
                0 => sector.fill(0),
                1 => rng.fill(sector),
                _ => {
                    sector.fill(0);
                    file.former.read(at, sector);
                }
            }
            if sector.iter().any(|byte| *byte != 0) {
                count(&mut counters.stale);
                image.write(at, sector);
            }
            at = at.saturating_add(len);
        }
    }
}

fn apply(change: &Change, fate: Fate, image: &mut Image, counters: &mut Counters) {
    match fate {
        Fate::Lost => count(&mut counters.lost),
        Fate::Kept => {
            count(&mut counters.kept);
            change.apply(image);
        }
        Fate::Head(split) | Fate::Tail(split) => {
            count(&mut counters.torn);
            let Some((head, tail)) =
                change.bytes().and_then(|(_, all)| all.split_at_checked(split))
            else {
                return;
            };
            let offset = change.bytes().map_or(0, |(offset, _)| offset);
            if matches!(fate, Fate::Head(_)) {
                image.write(offset, head);
            } else {
                image.write(offset.saturating_add(wide(split)), tail);
            }
        }
    }
}

/// Sectors are torn now and then, one of them for certain; lengths and names are kept.
fn torn(units: &[Unit], rng: &mut Rng) -> Vec<Fate> {
    let tearable: Vec<usize> = units
        .iter()
        .enumerate()
        .filter(|(_, unit)| matches!(unit.what, What::Sector { len: 2.., .. }))
        .map(|(nth, _)| nth)
        .collect();
    let chosen = rng.pick(&tearable).copied();
    let mut decide = |(nth, unit): (usize, &Unit)| match unit.what {
        What::Len { .. } | What::Name => Fate::Kept,
        What::Sector { len, .. } => {
            let draw = if Some(nth) == chosen { 0 } else { rng.below(4) };
            match draw {
                0 if len > 1 => {
                    let split = rng.index(len.saturating_sub(1)).saturating_add(1);
                    if rng.chance(1, 2) { Fate::Head(split) } else { Fate::Tail(split) }
                }
                1 => Fate::Lost,
                _ => Fate::Kept,
            }
        }
    };
    units.iter().enumerate().map(&mut decide).collect()
}

fn file_of(what: What) -> Option<FileId> {
    match what {
        What::Sector { file, .. } | What::Len { file } => Some(file),
        What::Name => None,
    }
}

fn draw_file(units: &[Unit], rng: &mut Rng) -> Option<FileId> {
    let mut files: Vec<FileId> = units.iter().filter_map(|unit| file_of(unit.what)).collect();
    files.sort_unstable();
    files.dedup();
    rng.pick(&files).copied()
}

#[cfg(test)]
mod tests;
