//! Makes a damaged log open again, and lets it say what is gone.
//!
//! Nothing is healed: what cannot be read back stays lost, and a gap in its place says so to every
//! reader. A repair only makes files that say what is known. `gather` finds out what is gone,
//! `plan` (pure) decides what is to stand there, `apply` makes the files, and `prospect` looks at the log
//! as it will be before it is.
//!
//! Every file that is replaced is first copied to a *quarantine*, another storage, and is stable
//! there before anything of the log is changed. The new files are written beside the old ones, and
//! take their names only when all of them are stable. So at every crash point each name stands for
//! the old file or the new one, and a repair that runs again finishes what one began.

mod apply;
mod gather;
mod plan;
mod prospect;

pub use plan::{RepairStep, Rewrite, StandIn};

use super::handle::Log;
use super::lock::locked;
use super::sparing::Sparing;
use super::survey::{Access, survey};
use super::verify::Progress;
use super::view::LogView;
use crate::error::{Error, Result};
use crate::format::name::FileName;
use crate::storage::{Environment, OpenMode, Storage};

/// Looks of a plan at a log that is trimmed meanwhile, at most.
const LOOKS_MAX: usize = 16;

/// What a repair would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairPlan {
    /// The files that would be made, oldest segment first; none for a log that needs no repair.
    pub steps: Vec<RepairStep>,
}

/// What a repair did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Repaired {
    /// The files that were made, oldest segment first; none for a log that needed no repair.
    pub steps: Vec<RepairStep>,
    /// The names of the originals in the quarantine.
    pub quarantined: Vec<String>,
    /// What still keeps the log from opening: damage that grew meanwhile, or what no repair is for, such as
    /// a directory with the name of a spare.
    pub left: Option<Error>,
}

impl Log {
    /// What a repair of this log would do. Reads the whole log, takes no lock, changes nothing.
    ///
    /// # Errors
    /// [`Error::Unrepairable`] where no gap can say what is gone; [`Error::Unknown`],
    /// [`Error::Foreign`] for files that are not for this program or log; [`Error::Io`];
    /// [`Error::Trimmed`], [`Error::Diverged`] where a writer was faster at every look.
    pub fn plan_repair(environment: &Environment) -> Result<RepairPlan> {
        for _ in 1..LOOKS_MAX {
            match planned(&LogView::open_in(environment)?) {
                Err(Error::Trimmed { .. } | Error::Diverged { .. }) => {}
                told => return told,
            }
        }
        planned(&LogView::open_in(environment)?)
    }

    /// Makes a damaged log open again. Every file that is replaced is first copied to
    /// `quarantine` (which may be on another disk), under its name with `label` behind it: one to
    /// 32 letters, digits or `-`, to tell one repair from another. What is gone is then said by a
    /// gap, so that readers get [`Error::Damaged`] there, now and later. All records that a reader
    /// showed before are shown afterwards, at the same addresses; but not the last one of a segment
    /// that ends otherwise than its successor says, which is another than was acknowledged, and not
    /// what stands behind damage that is shorter than any frame, which no log ever had.
    ///
    /// Before anything is changed the log as it will be is read, beside the log as it is: a repair that
    /// would not open it, that would have to be repeated, or after which a record that is shown and
    /// proven would be missing without a word, is refused.
    ///
    /// A log that is sound is left as it is. After a crash, repair again: at any moment each file
    /// is the old one or the new one, and the old one is in the quarantine.
    ///
    /// The lock of the log is held meanwhile, and that of the quarantine, so that this is no directory that
    /// another repair uses, nor that of the log.
    ///
    /// It takes as much room beside the log as the damaged files do, and as much again in the
    /// quarantine.
    ///
    /// # Errors
    /// [`Error::Locked`] while a writer has the log, or somebody else the quarantine; as [`plan_repair`](Self::plan_repair);
    /// [`Error::Full`] where there is no room; [`Error::Option`] for a label. The log was not
    /// changed then. But where a rename of the new files, or the sync of the directory behind
    /// them, fails ([`Error::Io`]) some of it may be repaired: repair again.
    pub fn repair(
        environment: &Environment,
        quarantine: &dyn Storage,
        label: &str,
        mut progress: impl FnMut(Progress),
    ) -> Result<Repaired> {
        if !is_label(label) {
            let (option, value) = ("label", label.to_owned());
            let rule = "one to 32 letters, digits or '-'";
            return Err(Error::Option { option, value, rule });
        }
        let storage = Sparing::over(&environment.storage);
        let environment = &Environment { storage, ..environment.clone() };
        let storage = &*environment.storage;
        let _lock = locked(storage)?;
        // Two repairs that keep their originals in one place could take each other's.
        let _lock_of_the_quarantine = locked(quarantine)?;
        from_the_device(storage)?;
        let view = LogView::open_in(environment)?;
        let RepairPlan { steps } = planned(&view)?;
        let quarantined = match view.id() {
            Some(log) if !steps.is_empty() => {
                apply::apply(environment, &view, log, &steps, quarantine, label, &mut progress)?
            }
            _ => Vec::new(),
        };
        // What a writer would refuse, which is more than a reader does.
        let left = survey(storage, Access::Writer).map_or_else(Some, |survey| survey.fatal);
        Ok(Repaired { steps, quarantined, left })
    }
}

/// What tells one repair from another: part of a file's name, without a dot.
fn is_label(label: &str) -> bool {
    label.len() <= 32 && is_of_label(label)
}

/// The same, with a number behind it if it was used before.
fn is_of_label(part: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    !part.is_empty() && part.bytes().all(plain)
}

fn planned(view: &LogView) -> Result<RepairPlan> {
    let steps = plan::plan(&gather::gather(view)?)?;
    if steps.is_empty()
        && let Some(Error::Damaged { segment, .. }) = view.damage()
    {
        let why = "nothing that is left says what is gone";
        return Err(Error::Unrepairable { name: FileName::Segment(*segment).text(), why });
    }
    Ok(RepairPlan { steps })
}

/// Lets what follows be read from the device: what is only in the page cache proves nothing.
fn from_the_device(storage: &dyn Storage) -> Result<()> {
    let survey = survey(storage, Access::Writer)?;
    for segment in &survey.segments {
        let name = FileName::Segment(segment.number()).text();
        let file = storage.open(&name, OpenMode::Read).map_err(|e| Error::io("open", &*name, e))?;
        file.evict().map_err(|e| Error::io("evict", name, e))?;
    }
    Ok(())
}
