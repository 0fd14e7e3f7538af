//! Copies of the log that go on beside it: log id, lineage and LSN together name one record, whichever
//! of them gave the name.
//!
//! A copy is made of what a power cut would leave at that moment if it took nothing: as a program copies
//! files, or by the library, also of another copy. It is opened, appended to, trimmed and ended somehow,
//! and again at later moments of this life and of later ones, while the log itself goes on. All of it is
//! on disks of their own, with randomness of their own: no call of the life that it is beside, and no
//! draw, is another one for it.

use super::SeawallLog;
use crate::crash::{CrashKind, CrashPolicy};
use crate::disk::SimDisk;
use crate::environment::environment;
use crate::model::{Model, broken};
use crate::oracle::Violation;
use crate::rng::{Concern, Rng, Seed};
use crate::subject::{Class, Stop, World};
use seawall::storage::{OpenMode, Storage, write_full};
use seawall::{Durability, Error, Lineage, Log, LogView, Lsn, Options};
use std::collections::BTreeMap;
use std::io;

/// Part of a life's randomness that is for its copies alone.
const COPIES: u64 = 1 << 32;

/// At most so many copies of one log.
const COPIES_MAX: usize = 3;

/// Which log an address is in: a copy of a directory in which none has begun yet is another one.
type Of = ([u8; 16], Lineage);

/// A copy, and whether its system tells directories and files apart. Where it does not, files that are
/// copied go on unnoticed, which is a limit of the log: they are copied by the library alone.
#[derive(Clone, Debug)]
struct Copied {
    disk: SimDisk,
    identified: bool,
}

/// The copies there are, and the names that they gave.
#[derive(Debug, Default)]
pub(super) struct Copies {
    there: Vec<Copied>,
    /// Which record of the copies, by number, has this name.
    names: BTreeMap<(Of, Lsn), u64>,
    records: u64,
    /// Moments at which something was done here.
    moments: u64,
    /// What was done, each under its name among the faults, and not told yet.
    done: Vec<&'static str>,
}

impl Copied {
    /// The same on a disk that no other has.
    fn fork(&self) -> Self {
        Self { disk: self.disk.after_kill(), ..*self }
    }
}

impl Copies {
    /// The same copies on disks that no other has.
    pub(super) fn fork(&self) -> Self {
        Self {
            there: self.there.iter().map(Copied::fork).collect(),
            names: self.names.clone(),
            done: self.done.clone(),
            ..*self
        }
    }

    /// What was done since this was asked last.
    pub(super) fn done(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.done)
    }

    /// Copies what is on this disk, or another copy.
    fn copy(&mut self, disk: &SimDisk, rng: &mut Rng) -> io::Result<()> {
        let other = self.there.get(rng.index(2 * COPIES_MAX)).map(Copied::fork);
        let Copied { disk: from, identified } =
            other.unwrap_or_else(|| Copied { disk: disk.after_kill(), identified: true });
        let from = from.after_power_cut(&CrashPolicy::AllKept, rng);
        // A directory of its own, whose disk counts nothing and takes no time of the other.
        let files = SimDisk::new(Seed::new(rng.next_u64()));
        for name in from.names() {
            let Some(bytes) = from.read_durable(&name) else { continue };
            let file = files.open(&name, OpenMode::Create)?;
            write_full(&*file, 0, &[&bytes])?;
            file.sync_all()?;
        }
        files.sync_dir()?;
        if rng.chance(1, 2) && identified {
            self.there.push(Copied { disk: files, identified });
            self.done.push("copies_of_files");
            return Ok(());
        }
        let dest = SimDisk::new(Seed::new(rng.next_u64()));
        let identified = !rng.chance(1, 3);
        if !identified {
            dest.set_identity(None);
        }
        // What cannot be copied is asked for elsewhere.
        let view = LogView::open_in(&environment(&files, rng.next_u64()));
        if view.is_ok_and(|view| view.copy_to(&dest, |_| {}).is_ok()) {
            self.there.push(Copied { disk: dest, identified });
            self.done.push("copies");
        }
        Ok(())
    }

    /// One of the copies goes on. `of` is the log that is copied.
    fn go_on(
        &mut self,
        options: Options,
        model: &Model,
        of: Of,
        rng: &mut Rng,
    ) -> Result<(), Violation> {
        let which = rng.index(self.there.len().max(1));
        let Some(Copied { disk, .. }) = self.there.get(which).cloned() else { return Ok(()) };
        let Ok(log) = Log::open_in(environment(&disk, rng.next_u64()), options) else {
            // A log that is hurt, or whose last sync failed, may have been copied as it was.
            self.there.remove(which);
            return Ok(());
        };
        self.done.push("copies_gone_on");
        for _ in 0..rng.below(4) {
            let number = self.records;
            self.records += 1;
            let mut record = number.to_le_bytes().to_vec();
            record.resize(*rng.pick(&[8, 40, 700, 3000]).unwrap_or(&8), 0);
            let levels = [Durability::Buffered, Durability::Os, Durability::Sync];
            let level = *rng.pick(&levels).unwrap_or(&Durability::Sync);
            let lsn = log.append_at(&record, level).map_err(|error| refused(&error))?.lsn;
            let (of_segment, of_run) = (log.lineages().last().map(|last| last.0), log.lineage());
            if of_segment != Some(of_run) {
                let what = format_args!("{lsn} is of {of_run}, in a segment of {of_segment:?}");
                return broken("G4", what);
            }
            let name = (of_log(&log), lsn);
            if let Some(other) = self.names.insert(name, number) {
                let what = format_args!("{name:?} names records {other} and {number} of copies");
                return broken("G4", what);
            }
        }
        if rng.chance(1, 6) {
            log.trim(log.watermarks().accepted).map_err(|error| refused(&error))?;
        }
        let next = match rng.below(3) {
            0 => {
                log.close().map_err(|error| refused(&error))?;
                disk
            }
            1 => {
                disk.crash_now(CrashKind::Kill);
                disk.after_kill()
            }
            _ => {
                disk.crash_now(CrashKind::Power);
                disk.after_power_cut(&CrashPolicy::RandomSectors, rng)
            }
        };
        drop(log);
        if let Some(copied) = self.there.get_mut(which) {
            copied.disk = next;
        }
        self.hold(model, of)
    }

    /// No name that a copy gave is one that the log gave.
    fn hold(&self, model: &Model, of: Of) -> Result<(), Violation> {
        let ours = self.names.iter().filter(|((copy, _), _)| *copy == of);
        for (&(_, lsn), number) in ours {
            if let Some(id) = model.told_at(lsn) {
                let what = format_args!("{lsn} names append {id}, and record {number} of a copy");
                return broken("G4", what);
            }
        }
        Ok(())
    }
}

fn of_log(log: &Log) -> Of {
    (log.id().get(), log.lineage())
}

fn refused(error: &Error) -> Violation {
    let what = format!("a copy does not go on, on a sound disk: {error:?}");
    Violation { promise: "progress", what }
}

impl SeawallLog {
    /// A moment at which a copy may be made, and one of those that there are goes on.
    pub(super) fn go_on_with_copies(&mut self, world: &World, copies: bool) -> Result<(), Stop> {
        // On a medium that lies addresses recur; and of one that is hurt there is no copy to go on with.
        if self.model.lying || world.class == Class::Media {
            return Ok(());
        }
        let of = of_log(self.log()?.log());
        let ours = &mut self.copies;
        ours.moments += 1;
        let moment = Seed::new(world.entropy).child(COPIES | ours.moments);
        let mut rng = moment.rng(Concern::Errors);
        if copies && ours.there.len() < COPIES_MAX {
            ours.copy(&world.disk, &mut rng).map_err(|error| {
                let what = format!("a copy on a sound disk: {error:?}");
                Violation { promise: "progress", what }
            })?;
        }
        Ok(ours.go_on(self.options.options(), &self.model, of, &mut rng)?)
    }

    /// Nor is a name that the log gave since then one of a copy's.
    pub(super) fn names_hold(&self) -> Result<(), Stop> {
        if self.model.lying {
            return Ok(());
        }
        let of = of_log(self.log()?.log());
        Ok(self.copies.hold(&self.model, of)?)
    }
}
