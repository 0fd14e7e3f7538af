//! What a power cut decides about, one pending unit at a time: which units matter at all, which
//! sets of them are kept, and when two disks are the same to whoever starts next.

use crate::directory::NameChange;
use crate::disk::SimDisk;
use crate::file::{Change, File, FileId, Pending};
use crate::hash::Fingerprint;
use crate::image::{index, wide};
use std::collections::BTreeMap;

/// The units of a crash point.
#[derive(Clone, Debug)]
pub(super) struct Units {
    /// How many there are, with those that change nothing.
    all: usize,
    /// The numbers of those that matter, and whether each is a sector.
    telling: Vec<(usize, bool)>,
}

impl Units {
    /// How many matter.
    pub(super) fn telling(&self) -> usize {
        self.telling.len()
    }

    /// The sets of kept units to be tried; `true`: these are all the sets there are.
    ///
    /// Beyond `cap` units: none and all, each unit alone missing and alone kept (if it is a sector
    /// also with all lengths and names, without which it is not seen), the first ones up to each
    /// moment, and the last ones from there.
    pub(super) fn sets(&self, cap: usize) -> (Vec<Vec<u64>>, bool) {
        let count = self.telling.len();
        if count <= cap {
            let sets = 0..1_u64 << count;
            let sets = sets.map(|set| self.words(|nth, _| (set >> nth) & 1 == 1));
            return (sets.collect(), true);
        }
        let mut sets = vec![self.words(|_, _| false), self.words(|_, _| true)];
        for (one, &(_, is_sector)) in self.telling.iter().enumerate() {
            sets.push(self.words(|nth, _| nth != one));
            sets.push(self.words(|nth, _| nth == one));
            if is_sector {
                sets.push(self.words(|nth, sector| nth == one || !sector));
            }
            sets.push(self.words(|nth, _| nth < one));
            sets.push(self.words(|nth, _| nth >= one));
        }
        sets.sort_unstable();
        sets.dedup();
        (sets, false)
    }

    /// Units that do not matter are lost.
    fn words(&self, kept: impl Fn(usize, bool) -> bool) -> Vec<u64> {
        let mut words = vec![0; self.all.div_ceil(64)];
        for (nth, &(unit, is_sector)) in self.telling.iter().enumerate() {
            if kept(nth, is_sector)
                && let Some(word) = words.get_mut(unit / 64)
            {
                *word |= 1 << (unit % 64);
            }
        }
        words
    }
}

impl SimDisk {
    /// The units that a power cut would decide about now.
    pub(super) fn units(&self) -> Units {
        let inner = self.lock_inner();
        let mut units = Vec::new();
        for file in inner.state.files.values() {
            for pending in &file.pending {
                let is_sector = matches!(pending.change, Change::Bytes { .. });
                units.push((pending.order, !changes_nothing(file, pending), is_sector));
            }
        }
        for pending in &inner.state.directory.pending {
            units.push((pending.order, true, false));
        }
        units.sort_unstable();
        let telling = units.iter().enumerate().filter(|(_, (_, telling, _))| *telling);
        let telling = telling.map(|(nth, &(_, _, is_sector))| (nth, is_sector)).collect();
        Units { all: units.len(), telling }
    }

    /// A fingerprint of all that the next process, and every power cut from now on, can make of
    /// this disk: what is durable, and what is pending in which order. It guards against chance
    /// only.
    pub(super) fn state_print(&self) -> u64 {
        let inner = self.lock_inner();
        let (state, mut print) = (&inner.state, Fingerprint::new());
        // Files have numbers that count up for ever: here they count from the first name on.
        let mut numbers: BTreeMap<FileId, u64> = BTreeMap::new();
        let mut number = |file: FileId| {
            let next = wide(numbers.len());
            *numbers.entry(file).or_insert(next)
        };
        for (name, file) in &state.directory.durable {
            print.bytes(name.as_bytes());
            print.word(number(*file));
        }
        let mut changes = Vec::new();
        for pending in &state.directory.pending {
            let (kind, name, file) = match &pending.change {
                NameChange::Create { name, file } => (1, name, file),
                NameChange::Rename { to, file } => (2, to, file),
                NameChange::Remove { name, file } => (3, name, file),
            };
            print.word(kind);
            print.bytes(name.as_bytes());
            print.word(number(*file));
            changes.push((pending.order, 0));
        }
        for (id, nth) in &numbers {
            let Some(file) = state.files.get(id) else { continue };
            print.word(*nth);
            file.durable.image().fingerprint(&mut print);
            for pending in &file.pending {
                changes.push((pending.order, nth + 1));
                match &pending.change {
                    Change::Bytes { .. } => {
                        if let Some((offset, bytes)) = pending.change.bytes() {
                            print.word(offset);
                            print.bytes(bytes);
                        }
                    }
                    Change::Len(len) => print.word(!len),
                    Change::Settle(image) => image.fingerprint(&mut print),
                }
            }
        }
        changes.sort_unstable();
        changes.iter().for_each(|(_, whose)| print.word(*whose));
        print.value()
    }
}

/// Zeros where there are zeros, whatever else survives: kept or lost, it leaves the same. Segments
/// are made ready with tens of such sectors.
fn changes_nothing(file: &File, pending: &Pending) -> bool {
    let Some((offset, bytes)) = pending.change.bytes() else { return false };
    if bytes.iter().any(|byte| *byte != 0) {
        return false;
    }
    let end = offset.saturating_add(wide(bytes.len()));
    let mut before = vec![0; bytes.len()];
    file.durable.image().read(offset, &mut before);
    before.iter().all(|byte| *byte == 0)
        && file.pending.iter().all(|other| match other.change.bytes() {
            Some((at, others)) => {
                let others_end = at.saturating_add(wide(others.len()));
                let (from, to) = (offset.max(at), end.min(others_end));
                let shared = index(from.saturating_sub(at))..index(to.saturating_sub(at));
                from >= to || others.get(shared).unwrap_or_default().iter().all(|byte| *byte == 0)
            }
            None => matches!(other.change, Change::Len(_)),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::CrashPolicy;
    use crate::rng::Seed;
    use crate::testing;
    use seawall::storage::{OpenMode, Storage, write_full};
    use std::collections::BTreeSet;

    fn written() -> SimDisk {
        let disk = SimDisk::new(Seed::new(1));
        let file = disk.open("a", OpenMode::Create).unwrap();
        write_full(&*file, 0, &[&[0; 4096]]).unwrap();
        write_full(&*file, 700, &[&[1; 100]]).unwrap();
        disk
    }

    #[test]
    fn zeros_onto_zeros_do_not_matter_unless_something_else_is_pending_there() {
        let disk = written();
        let units = disk.units();
        // The name, the length, eight sectors of zeros of which one lies below the bytes.
        assert_eq!((units.all, units.telling()), (11, 4));
        disk.sync_dir().unwrap();
        assert_eq!(disk.units().telling(), 3);
    }

    #[test]
    fn leaving_units_out_leaves_no_image_out() {
        let (disk, mut rng) = (written(), testing::rng(1));
        let (sets, all) = disk.units().sets(8);
        assert!(all);
        let print = |policy: &CrashPolicy, rng: &mut crate::rng::Rng| {
            disk.after_power_cut(policy, rng).state_print()
        };
        let few: BTreeSet<u64> =
            sets.into_iter().map(|set| print(&CrashPolicy::Units(set), &mut rng)).collect();
        let every: BTreeSet<u64> =
            (0..1 << 11).map(|set| print(&CrashPolicy::Units(vec![set]), &mut rng)).collect();
        assert_eq!(few, every);
    }

    #[test]
    fn two_disks_are_the_same_only_if_the_same_is_pending() {
        let disk = written();
        let same = written();
        assert_eq!(disk.state_print(), same.state_print());
        same.write_back("a").unwrap();
        assert_ne!(disk.state_print(), same.state_print());
        assert_eq!(disk.image_hash(), same.image_hash());
    }
}
