//! What is pending and what becomes of it, in words: for pictures. Decides nothing by itself.

use super::{Fate, Scene, Unit, What};
use crate::crash::CrashPolicy;
use crate::directory::NameChange;
use crate::file::{Change, FileId};
use crate::image::wide;
use crate::report::Survived;
use crate::rng::Rng;

/// One unit that was pending at a crash, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFate {
    /// The file; `None` for a change of a name.
    pub file: Option<String>,
    /// What it is.
    pub what: String,
    /// Where in the file.
    pub offset: u64,
    /// How much of it.
    pub len: u64,
    /// What became of it.
    pub survived: Survived,
}

impl Scene<'_> {
    /// Every unit, in the order it was asked for, with the fate that the policy gives it.
    pub(crate) fn told(&self, policy: &CrashPolicy, rng: &mut Rng) -> Vec<UnitFate> {
        let changes: Vec<(FileId, &Change)> = (self.files.iter())
            .flat_map(|(id, file)| file.pending.iter().map(|pending| (*id, &pending.change)))
            .collect();
        let (units, fates) = self.fates(policy, rng);
        let told = units.iter().zip(fates).map(|(unit, fate)| {
            let survived = match fate {
                Fate::Kept => Survived::Kept,
                Fate::Lost | Fate::Junk => Survived::Lost,
                Fate::Head(_) | Fate::Tail(_) | Fate::Pieces(_) => Survived::Torn,
            };
            let change = changes.get(unit.place);
            UnitFate { survived, ..self.tell(unit, change.copied(), changes.len()) }
        });
        told.collect()
    }

    fn tell(&self, unit: &Unit, change: Option<(FileId, &Change)>, sectors: usize) -> UnitFate {
        let survived = Survived::Kept;
        let Some((id, change)) = change else {
            let what = self.name_change(unit.place.saturating_sub(sectors));
            return UnitFate { file: None, what, offset: 0, len: 0, survived };
        };
        let file = Some(self.name_of(id));
        match (unit.what, change) {
            (What::Sector { offset, len, .. }, _) => {
                let what = format!("sector {}", offset / self.sector_len.max(1));
                UnitFate { file, what, offset, len: wide(len), survived }
            }
            (_, Change::Len(len)) => {
                UnitFate { file, what: "length".to_owned(), offset: 0, len: *len, survived }
            }
            _ => UnitFate { file, what: "cut".to_owned(), offset: 0, len: 0, survived },
        }
    }

    fn name_change(&self, nth: usize) -> String {
        match self.directory.pending.get(nth).map(|pending| &pending.change) {
            Some(NameChange::Create { name, .. }) => format!("create {name}"),
            Some(NameChange::Rename { to, .. }) => format!("rename to {to}"),
            Some(NameChange::Remove { name, .. }) => format!("remove {name}"),
            None => String::new(),
        }
    }

    /// The name it has, or had, or nobody can reach it any more.
    fn name_of(&self, id: FileId) -> String {
        let mut names = self.directory.current.iter().chain(&self.directory.durable);
        let name = names.find(|(_, other)| **other == id).map(|(name, _)| name.clone());
        name.unwrap_or_else(|| "a file without a name".to_owned())
    }
}
