//! What a power cut leaves: the fate of every pending unit is decided, and the units that survive
//! are applied in the order they were asked for.

mod told;

pub use told::UnitFate;

use crate::counters::{Counters, count};
use crate::crash::CrashPolicy;
use crate::directory::{Directory, NameChange, Names};
use crate::file::{Change, File, FileId};
use crate::image::{index, wide};
use crate::medium::{HurtKind, Medium};
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// Its place in the row of all files' changes, then those of names.
    place: usize,
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
    /// Of 64 pieces those are new whose bit is set.
    Pieces(u64),
    /// Lost, and what is there is junk.
    Junk,
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
    /// Names and lengths survive in the order of the calls, and lengths with their data.
    pub(crate) in_journal: bool,
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
    ) -> (Names, BTreeMap<FileId, Medium>) {
        let (units, fates) = self.fates(policy, rng);
        count_reordered(&units, &fates, counters);
        let mut by_place = vec![Fate::Lost; units.len()];
        for (unit, fate) in units.iter().zip(fates) {
            if let Some(place) = by_place.get_mut(unit.place) {
                *place = fate;
            }
        }
        let sectors: usize = self.files.values().map(|file| file.pending.len()).sum();
        let (mut of_files, of_names) = by_place.split_at(sectors.min(by_place.len()));

        let mut names = self.directory.durable.clone();
        for (pending, fate) in self.directory.pending.iter().zip(of_names) {
            if *fate == Fate::Lost {
                count(&mut counters.names_lost);
                count(match pending.change {
                    NameChange::Create { .. } => &mut counters.creates_lost,
                    NameChange::Rename { .. } => &mut counters.renames_lost,
                    NameChange::Remove { .. } => &mut counters.removes_lost,
                });
            } else {
                count(&mut counters.names_kept);
                pending.change.apply(&mut names);
            }
        }

        let named: BTreeSet<FileId> = names.values().copied().collect();
        let mut media = BTreeMap::new();
        for (id, file) in self.files {
            let (fates, rest) = of_files.split_at(file.pending.len().min(of_files.len()));
            of_files = rest;
            if named.contains(id) {
                let stale = *policy == CrashPolicy::StaleBytes && !self.in_journal;
                media.insert(*id, self.leave(file, fates, stale, rng, counters));
            }
        }
        (names, media)
    }

    fn fates(&self, policy: &CrashPolicy, rng: &mut Rng) -> (Vec<Unit>, Vec<Fate>) {
        let units = self.units();
        let mut fates = self.decide(policy, &units, rng);
        if self.in_journal {
            self.in_order_of_journal(&units, &mut fates);
        }
        (units, fates)
    }

    /// What is left of one file.
    fn leave(
        &self,
        file: &File,
        fates: &[Fate],
        stale: bool,
        rng: &mut Rng,
        counters: &mut Counters,
    ) -> Medium {
        let mut medium = file.durable.clone();
        if file.pending.is_empty() {
            medium.clip();
            return medium;
        }
        if stale {
            self.leave_stale_bytes(file, &mut medium, rng, counters);
        }
        for (pending, fate) in file.pending.iter().zip(fates) {
            apply(&pending.change, *fate, &mut medium, counters);
        }
        count_apart(file, fates, medium.len(), counters);
        medium.clip();
        for (pending, fate) in file.pending.iter().zip(fates) {
            if *fate == Fate::Junk
                && let Some((offset, bytes)) = pending.change.bytes()
            {
                let mut junk = vec![0; bytes.len()];
                rng.fill(&mut junk);
                medium.hurt(HurtKind::Garbage, offset, &junk);
                count(&mut counters.garbage);
                count(&mut counters.damages);
            }
        }
        medium
    }

    fn units(&self) -> Vec<Unit> {
        let mut units = Vec::with_capacity(self.unit_count());
        let mut push = |order, what| {
            let place = units.len();
            units.push(Unit { order, what, place });
        };
        for (id, file) in self.files {
            for pending in &file.pending {
                let what = match pending.change.bytes() {
                    Some((offset, bytes)) => What::Sector { file: *id, offset, len: bytes.len() },
                    None => What::Len { file: *id },
                };
                push(pending.order, what);
            }
        }
        for pending in &self.directory.pending {
            push(pending.order, What::Name);
        }
        units.sort_unstable_by_key(|unit| unit.order);
        units
    }

    /// Behind the first name or length that is lost there is none, and a length that survives
    /// has the data behind the old end with it.
    fn in_order_of_journal(&self, units: &[Unit], fates: &mut [Fate]) {
        let mut torn_off = false;
        let mut lengthened = BTreeSet::new();
        for (unit, fate) in units.iter().zip(fates.iter_mut()) {
            if matches!(unit.what, What::Sector { .. }) {
                continue;
            }
            torn_off |= *fate == Fate::Lost;
            *fate = Fate::kept_if(!torn_off);
            if let (What::Len { file }, false) = (unit.what, torn_off) {
                lengthened.insert(file);
            }
        }
        for (unit, fate) in units.iter().zip(fates) {
            if let What::Sector { file, offset, len } = unit.what
                && lengthened.contains(&file)
            {
                let end = offset.saturating_add(wide(len));
                if self.files.get(&file).is_some_and(|file| end > file.durable.len()) {
                    *fate = Fate::Kept;
                }
            }
        }
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
            CrashPolicy::Units(kept) => {
                all(&|nth, _| kept.get(nth / 64).is_some_and(|word| (word >> (nth % 64)) & 1 == 1))
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
            CrashPolicy::ShearedSectors => sheared(units, rng),
            CrashPolicy::Garbage => with_junk(units, rng),
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
        medium: &mut Medium,
        rng: &mut Rng,
        counters: &mut Counters,
    ) {
        const SECTORS_MAX: usize = 4096;
        let end = file.pending.iter().fold(medium.len(), |end, pending| match pending.change {
            Change::Len(len) => end.max(len),
            Change::Bytes { .. } | Change::Settle(_) => end,
        });
        let mut at = medium.len();
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
                medium.write(at, sector);
            }
            at = at.saturating_add(len);
        }
    }
}

fn apply(change: &Change, fate: Fate, medium: &mut Medium, counters: &mut Counters) {
    let (offset, all) = change.bytes().unwrap_or_default();
    match fate {
        Fate::Lost | Fate::Junk => count(&mut counters.lost),
        Fate::Kept => {
            count(&mut counters.kept);
            change.persist(medium);
        }
        Fate::Head(split) => {
            count(&mut counters.torn);
            medium.write(offset, all.get(..split).unwrap_or_default());
        }
        Fate::Tail(split) => {
            count(&mut counters.torn);
            let tail = all.get(split..).unwrap_or_default();
            medium.write(offset.saturating_add(wide(split)), tail);
        }
        Fate::Pieces(bits) => {
            count(&mut counters.torn);
            let len = all.len().div_ceil(64).max(1);
            for (nth, piece) in all.chunks(len).enumerate() {
                if bits.checked_shr(u32::try_from(nth).unwrap_or(0)).unwrap_or(0) & 1 == 1 {
                    let at = offset.saturating_add(wide(nth.saturating_mul(len)));
                    medium.write(at, piece);
                }
            }
        }
    }
}

/// What was kept although something before it was lost.
fn count_reordered(units: &[Unit], fates: &[Fate], counters: &mut Counters) {
    let (mut lost, mut name_lost) = (false, false);
    for (unit, fate) in units.iter().zip(fates) {
        let gone = matches!(fate, Fate::Lost | Fate::Junk);
        if lost && !gone {
            count(&mut counters.reordered);
        }
        lost |= gone;
        if matches!(unit.what, What::Name) {
            if name_lost && !gone {
                count(&mut counters.names_reordered);
            }
            name_lost |= gone;
        }
    }
}

/// Writes of which a part was lost, and what became of lengths and data without each other.
fn count_apart(file: &File, fates: &[Fate], len: u64, counters: &mut Counters) {
    let (mut len_kept, mut data_lost, mut data_beyond) = (false, false, false);
    let mut write: Option<(&Arc<Vec<u8>>, bool, bool)> = None;
    for (pending, fate) in file.pending.iter().zip(fates) {
        let kept = !matches!(fate, Fate::Lost | Fate::Junk);
        let Change::Bytes { offset, data, .. } = &pending.change else {
            len_kept |= kept;
            continue;
        };
        let end =
            pending.change.bytes().map_or(*offset, |(at, all)| at.saturating_add(wide(all.len())));
        data_lost |= !kept && end > file.durable.len() && *offset < len;
        data_beyond |= kept && end > len;
        let same = write.filter(|(before, _, _)| Arc::ptr_eq(before, data));
        let (any_kept, any_lost) = same.map_or((false, false), |(_, kept, lost)| (kept, lost));
        if same.is_some() && !(any_kept && any_lost) && (any_kept || kept) && (any_lost || !kept) {
            count(&mut counters.torn_writes);
        }
        write = Some((data, any_kept || kept, any_lost || !kept));
    }
    if len_kept && data_lost {
        count(&mut counters.sizes_without_data);
    }
    if data_beyond {
        count(&mut counters.data_without_size);
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

/// One sector is sheared for certain, and others now and then; lengths and names are kept.
fn sheared(units: &[Unit], rng: &mut Rng) -> Vec<Fate> {
    let count =
        units.iter().filter(|unit| matches!(unit.what, What::Sector { len: 2.., .. })).count();
    let chosen = rng.index(count);
    let mut nth: usize = 0;
    let mut decide = |unit: &Unit| match unit.what {
        What::Len { .. } | What::Name => Fate::Kept,
        What::Sector { len: 2.., .. } => {
            let this = nth == chosen;
            nth = nth.saturating_add(1);
            match rng.below(4) {
                0 if !this => Fate::Lost,
                1 if !this => Fate::Kept,
                _ => Fate::Pieces(rng.next_u64()),
            }
        }
        What::Sector { .. } => Fate::kept_if(rng.chance(1, 2)),
    };
    units.iter().map(&mut decide).collect()
}

/// Half of the sectors are lost, half of those hold junk; lengths and names are kept.
fn with_junk(units: &[Unit], rng: &mut Rng) -> Vec<Fate> {
    let mut decide = |unit: &Unit| match unit.what {
        What::Len { .. } | What::Name => Fate::Kept,
        What::Sector { .. } => match rng.below(4) {
            0 => Fate::Lost,
            1 => Fate::Junk,
            _ => Fate::Kept,
        },
    };
    units.iter().map(&mut decide).collect()
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
