//! The names: those that are durable, those that are seen, and the way from the one to the other.

use crate::file::FileId;
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
}

impl Directory {
    /// A directory whose device and cache agree.
    pub(crate) fn at_rest(durable: Names) -> Self {
        Self { current: durable.clone(), durable, pending: Vec::new() }
    }

    pub(crate) fn change(&mut self, change: NameChange, order: &mut u64) {
        change.apply(&mut self.current);
        self.pending.push(PendingName { order: *order, change });
        *order = order.saturating_add(1);
    }

    pub(crate) fn sync(&mut self) {
        for pending in self.pending.drain(..) {
            pending.change.apply(&mut self.durable);
        }
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
    fn a_file_never_has_two_names() {
        let mut names = Names::from([("a".to_owned(), 1)]);
        // The first of two renames (a to b, b to c) was lost.
        NameChange::Rename { to: "c".to_owned(), file: 1 }.apply(&mut names);
        assert_eq!(names, Names::from([("c".to_owned(), 1)]));
    }
}
