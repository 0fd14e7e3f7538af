//! The names: those that are durable, those that are seen, and the way from the one to the other.

use crate::file::FileId;
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Which name stands for which file.
pub(crate) type Names = BTreeMap<String, FileId>;

/// A name that changed since the directory was synced.
#[derive(Clone, Debug)]
pub(crate) struct PendingName {
    /// The place in the order of everything asked of this disk.
    pub(crate) order: u64,
    pub(crate) change: NameChange,
}

/// How it changed.
#[derive(Clone, Debug)]
pub(crate) enum NameChange {
    Create { name: String, file: FileId },
    Rename { to: String, file: FileId },
    Remove { name: String, file: FileId },
}

impl NameChange {
    /// Each change carries its file, so that it means something when those before it are lost.
    pub(crate) fn apply(&self, names: &mut Names) {
        match self {
            Self::Create { name, file } => {
                names.insert(name.clone(), *file);
            }
            Self::Rename { to, file } => {
                // Atomic, also when an earlier rename of the file is lost: never two names.
                names.retain(|_, other| other != file);
                names.insert(to.clone(), *file);
            }
            Self::Remove { name, file } => {
                if names.get(name) == Some(file) {
                    names.remove(name);
                }
            }
        }
    }

    /// Whether it would undo what another one does to the same name or file.
    fn is_about(&self, other: &Self) -> bool {
        self.file() == other.file() || self.name() == other.name()
    }

    fn name(&self) -> &str {
        match self {
            Self::Create { name, .. }
            | Self::Rename { to: name, .. }
            | Self::Remove { name, .. } => name,
        }
    }

    fn file(&self) -> FileId {
        match self {
            Self::Create { file, .. } | Self::Rename { file, .. } | Self::Remove { file, .. } => {
                *file
            }
        }
    }
}

/// One flat directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    pub(crate) durable: Names,
    pub(crate) current: Names,
    pub(crate) pending: Vec<PendingName>,
    /// Names changed so often since the disk was started.
    pub(crate) changes: u64,
    /// The directory itself was removed: no name can be made in it any more.
    pub(crate) removed: bool,
}

impl Directory {
    /// A directory whose device and cache agree.
    pub(crate) fn at_rest(durable: Names) -> Self {
        Self { current: durable.clone(), durable, ..Self::default() }
    }

    pub(crate) fn change(&mut self, change: NameChange, order: &mut u64) {
        change.apply(&mut self.current);
        self.changes = self.changes.saturating_add(1);
        self.pending.push(PendingName { order: *order, change });
        *order = order.saturating_add(1);
    }

    pub(crate) fn sync(&mut self) {
        // Where some changes were durable early, the two may differ although nothing is pending.
        if !self.pending.is_empty() || self.durable != self.current {
            self.pending.clear();
            self.durable.clone_from(&self.current);
        }
    }

    /// Makes some of the changes durable, any of them or the first ones; returns how many.
    pub(crate) fn sync_some(&mut self, in_order: bool, rng: &mut Rng) -> u64 {
        let count = self.pending.len();
        let mut done: u64 = 0;
        let first = rng.index(count.saturating_add(1));
        let goes: Vec<bool> =
            (0..count).map(|nth| if in_order { nth < first } else { rng.chance(1, 2) }).collect();
        let mut left: Vec<PendingName> = Vec::with_capacity(count);
        for (pending, goes) in self.pending.drain(..).zip(goes) {
            if goes {
                // What came before it, of the same name or file, is settled by it: done later,
                // it would undo what is durable.
                left.retain(|earlier| !earlier.change.is_about(&pending.change));
                pending.change.apply(&mut self.durable);
                done = done.saturating_add(1);
            } else {
                left.push(pending);
            }
        }
        self.pending = left;
        done
    }

    /// Puts a name there that was always there.
    pub(crate) fn put(&mut self, name: &str, file: FileId) {
        self.current.insert(name.to_owned(), file);
        self.durable.insert(name.to_owned(), file);
        self.changes = self.changes.saturating_add(1);
    }

    /// Every file that has a name now or may have one after a crash.
    pub(crate) fn reachable(&self) -> BTreeSet<FileId> {
        let pending = self.pending.iter().map(|pending| pending.change.file());
        self.current.values().chain(self.durable.values()).copied().chain(pending).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_is_durable_early_is_never_undone_by_an_older_one() {
        for seed in 0..200 {
            let mut rng = crate::testing::rng(seed);
            let (mut directory, mut order) = (Directory::default(), 0);
            for file in 1..6 {
                let name = ["a", "b"][rng.index(2)].to_owned();
                let to = ["b", "c"][rng.index(2)].to_owned();
                directory.change(NameChange::Create { name, file }, &mut order);
                directory.change(NameChange::Rename { to, file }, &mut order);
                directory.sync_some(false, &mut rng);
            }
            let mut names = directory.durable.clone();
            directory.pending.iter().for_each(|pending| pending.change.apply(&mut names));
            let files: BTreeSet<_> = names.values().collect();
            assert_eq!(files.len(), names.len(), "no file has two names");
            directory.sync();
            assert_eq!(directory.durable, directory.current);
        }
    }

    #[test]
    fn a_file_never_has_two_names() {
        let mut names = Names::from([("a".to_owned(), 1)]);
        // The first of two renames (a to b, b to c) was lost.
        NameChange::Rename { to: "c".to_owned(), file: 1 }.apply(&mut names);
        assert_eq!(names, Names::from([("c".to_owned(), 1)]));
    }
}
