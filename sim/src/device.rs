//! What is made of a sync, by the presets: the order of a journal, a device that lies, a device
//! that never forgets; and what the system writes back before it is told to.

use crate::counters::{Counters, count};
use crate::crash::CrashPolicy;
use crate::directory::Names;
use crate::file::{File, FileId};
use crate::image::wide;
use crate::medium::Medium;
use crate::options::{DiskOptions, Preset};
use crate::rng::{Concern, Rng};
use crate::state::State;
use std::collections::{BTreeMap, VecDeque};

/// Names and files as they were durable at one moment.
type Snapshot = (Names, BTreeMap<FileId, Medium>);

/// The syncs that a lying device may still undo; nothing on any other.
#[derive(Clone, Debug)]
pub(crate) struct Device(Option<Box<Lies>>);

#[derive(Clone, Debug)]
struct Lies {
    /// What is really on the medium, and then what it was told at each sync since.
    told: VecDeque<Snapshot>,
    rng: Rng,
}

/// A device's cache is not endless: older syncs are on the medium.
const TOLD_MAX: usize = 64;

impl Device {
    pub(crate) fn new(options: DiskOptions) -> Self {
        Self((options.preset == Preset::Lying).then(|| {
            let told = VecDeque::from([Snapshot::default()]);
            Box::new(Lies { told, rng: options.seed.rng(Concern::Device) })
        }))
    }

    /// That of a machine that starts with these files: its cache is empty.
    pub(crate) fn restarted(&self, names: &Names, files: &BTreeMap<FileId, File>) -> Self {
        Self(self.0.as_ref().map(|lies| {
            let told = VecDeque::from([snapshot(names, files)]);
            Box::new(Lies { told, rng: lies.rng.clone() })
        }))
    }

    /// A sync said `Ok`.
    fn told_durable(
        &mut self,
        names: &Names,
        files: &BTreeMap<FileId, File>,
        counters: &mut Counters,
    ) {
        let Some(lies) = &mut self.0 else {
            return;
        };
        lies.told.push_back(snapshot(names, files));
        if lies.rng.chance(1, 6) {
            count(&mut counters.drains);
            lies.told.drain(..lies.told.len().saturating_sub(1));
        }
        while lies.told.len() > TOLD_MAX {
            lies.told.pop_front();
        }
    }

    /// What a power cut goes back to, if that is further than the last sync.
    pub(crate) fn fall_back(
        &self,
        policy: &CrashPolicy,
        rng: &mut Rng,
        counters: &mut Counters,
    ) -> Option<Snapshot> {
        let lies = self.0.as_ref()?;
        let last = lies.told.len().saturating_sub(1);
        let kept = match policy {
            CrashPolicy::AllLost => 0,
            CrashPolicy::AllKept => last,
            _ if rng.chance(1, 2) => last,
            _ => rng.index(last.saturating_add(1)),
        };
        let undone = last.saturating_sub(kept);
        counters.flushes_lost = counters.flushes_lost.saturating_add(wide(undone));
        let mut earlier = lies.told.get(kept).filter(|_| undone > 0)?.clone();
        earlier.1.values_mut().for_each(Medium::clip);
        Some(earlier)
    }

    /// Calls this for every file of every moment.
    pub(crate) fn each_medium(&mut self, change: impl Fn(&mut Medium)) {
        let snapshots = self.0.iter_mut().flat_map(|lies| &mut lies.told);
        snapshots.flat_map(|(_, files)| files.values_mut()).for_each(change);
    }

    /// A name is there that always was.
    pub(crate) fn put(&mut self, name: &str, file: FileId) {
        for (names, files) in self.0.iter_mut().flat_map(|lies| &mut lies.told) {
            names.insert(name.to_owned(), file);
            files.insert(file, Medium::default());
        }
    }
}

fn snapshot(names: &Names, files: &BTreeMap<FileId, File>) -> Snapshot {
    let media = names.values().filter_map(|id| Some((*id, files.get(id)?.durable.clone())));
    (names.clone(), media.collect())
}

impl State {
    /// A sync is about to say `Ok`, and all it promised is durable.
    pub(crate) fn told_durable(&mut self) {
        let counters = &mut self.faults.counters;
        self.device.told_durable(&self.directory.durable, &self.files, counters);
    }

    /// A call on a file returned.
    pub(crate) fn file_changed(&mut self, id: FileId) {
        if self.options.preset == Preset::PowerSafe
            && let Some(file) = self.files.get_mut(&id)
        {
            file.sync_all();
        }
    }

    /// A call on a name returned.
    pub(crate) fn names_changed(&mut self) {
        if self.options.preset == Preset::PowerSafe {
            self.directory.sync();
        }
    }

    /// All names and lengths up to now, with the data that lengths wait for.
    pub(crate) fn commit_journal(&mut self) {
        self.directory.sync();
        for file in self.files.values_mut().filter(|file| file.has_pending_len()) {
            file.sync_all();
        }
    }

    /// The system writes back what it pleases.
    pub(crate) fn write_back_some(&mut self, rng: &mut Rng) {
        let counters = &mut self.faults.counters;
        let sector_len = self.options.sector_len();
        let in_journal = self.options.preset == Preset::Journalled;
        for file in self.files.values_mut() {
            if rng.chance(3, 4) {
                file.write_back_some(sector_len, !in_journal, rng, counters);
            }
        }
        if !rng.chance(1, 2) {
            return;
        }
        let done = if in_journal {
            let done = wide(self.directory.pending.len());
            self.commit_journal();
            done
        } else {
            self.directory.sync_some(false, rng)
        };
        let counters = &mut self.faults.counters;
        counters.names_written_back = counters.names_written_back.saturating_add(done);
    }
}

#[cfg(test)]
mod tests;
