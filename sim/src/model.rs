//! What a log must show after anything, told from what was said to it and what it answered. Shares
//! no code with the library: it knows records, answers and crashes, no frames and no segments.
//!
//! ```text
//!   an append                        after a power cut     after a kill
//!   returned at Sync, or was synced  there                 there
//!   was shown to a reader as durable there                 there
//!   returned at Os or Interval       there, or cut off     there
//!   returned at Buffered             there, or cut off     there, or cut off
//!   is under way                     there whole, or absent, in any place
//!   returned an error                there whole, or absent, and so for ever
//!   was missing at an earlier open   absent                absent
//! ```
//!
//! *Cut off*: with it everything behind it is gone. What an open shows is durable from then on.
//! Appends that are under way at the same time have no order until one is told.
//!
//! A record says who it is: its bytes are drawn from the number of its append and its place in the
//! batch, so the model keeps lengths, no bytes.

use crate::oracle::Violation;
use crate::subject::seawall_log::Tags;
use seawall::{Lsn, Record, RecordRef, Tag};
use std::fmt;

/// How sure an append is of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sure {
    /// It is under way.
    UnderWay,
    /// It returned: a reader of the same process sees it.
    Accepted,
    /// A kill does not take it.
    Kill,
    /// A power cut does not take it.
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lives,
    /// Its append returned an error after which nothing is known.
    Failed,
    /// Its append returned an error that says it is not in the log: as long as this process lives
    /// it is not shown. What a crash leaves of it is another matter.
    Refused,
    /// Cut off, trimmed, or absent after an error: it must never be shown again.
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Its records' lengths, in `Model::lens`.
    from: u32,
    count: u32,
    tags: Tags,
    lsn: Option<Lsn>,
    /// Where a follower was shown it that does not wait for its write.
    early: Option<Lsn>,
    /// When it began everything up to this append was acknowledged as durable.
    behind: Option<Lsn>,
    sure: Sure,
    fate: Fate,
    /// The look in which it was shown last.
    shown_in: u32,
}

/// The number of an append.
pub(crate) type EntryId = u32;

/// Everything that was said to a log and answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    entries: Vec<Entry>,
    lens: Vec<u32>,
    /// Every address that was ever told to anybody, in order.
    told: Vec<(Lsn, EntryId)>,
    trim: Lsn,
    /// The last append that was acknowledged as durable.
    acknowledged: Option<Lsn>,
    /// Trims that were asked for and not answered, or with an error.
    trims_asked: Vec<Lsn>,
    /// Entries before are all gone.
    first_live: usize,
    looks: u32,
    /// Which tags records have.
    tags: Tags,
    /// The medium lies: a suffix may be missing, and addresses may recur.
    pub(crate) lying: bool,
}

pub(crate) fn broken<T>(promise: &'static str, what: impl fmt::Display) -> Result<T, Violation> {
    Err(Violation { promise, what: what.to_string() })
}

/// The least length of the first record of an append: room for its number.
pub(crate) const FIRST_LEN_MIN: u32 = 4;

/// The word of a record at a multiple of 8: no two words of any two records are alike but by
/// chance.
fn word(entry: EntryId, index: u32, at: usize) -> u64 {
    let place =
        (u64::from(index) << 40) ^ u64::try_from(at).unwrap_or(0) ^ (u64::from(entry) << 20);
    let mixed = place.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let mixed = (mixed ^ (mixed >> 32)) & 0xFFFF_FFFF_0000_0000;
    mixed | u64::from(entry.wrapping_add(1))
}

/// The bytes of a record.
pub(crate) fn record(entry: EntryId, index: u32, len: u32) -> Vec<u8> {
    let len = usize::try_from(len).unwrap_or(0);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&word(entry, index, bytes.len()).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn is_record(bytes: &[u8], entry: EntryId, index: u32, len: u32) -> bool {
    if bytes.len() != usize::try_from(len).unwrap_or(usize::MAX) {
        return false;
    }
    let (words, rest) = bytes.as_chunks::<8>();
    let whole = words
        .iter()
        .enumerate()
        .all(|(nth, bytes)| u64::from_le_bytes(*bytes) == word(entry, index, nth * 8));
    let last = word(entry, index, words.len() * 8).to_le_bytes();
    whole && last.starts_with(rest)
}

/// One look at everything a log shows.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    model: &'a mut Model,
    number: u32,
    before: Option<(Lsn, u32)>,
    /// The append whose records come now, and the next of them.
    current: Option<(EntryId, u32)>,
    first: Option<Lsn>,
    /// Where the last entry began that was shown without a doubt.
    highest: Option<Lsn>,
    pub(crate) records: u64,
    /// It is a reader without the lock that looks: it may see what a failing write left.
    pub(crate) outside: bool,
}

impl Model {
    /// That of a log to which nothing was said, and whose records will have these tags.
    pub(crate) fn of(tags: Tags) -> Self {
        Self { tags, ..Self::default() }
    }

    /// An append is about to be made, of records of these lengths.
    pub(crate) fn begin(&mut self, lens: &[u32]) -> EntryId {
        self.begin_with(lens, self.tags)
    }

    /// The same by a call that gives no tags.
    pub(crate) fn begin_untagged(&mut self, lens: &[u32]) -> EntryId {
        self.begin_with(lens, Tags::None)
    }

    fn begin_with(&mut self, lens: &[u32], tags: Tags) -> EntryId {
        let id = EntryId::try_from(self.entries.len()).unwrap_or(EntryId::MAX);
        let from = u32::try_from(self.lens.len()).unwrap_or(u32::MAX);
        let count = u32::try_from(lens.len()).unwrap_or(u32::MAX);
        self.lens.extend_from_slice(lens);
        let (sure, fate) = (Sure::UnderWay, Fate::Lives);
        let (lsn, early, behind) = (None, None, self.acknowledged);
        self.entries.push(Entry { from, count, tags, lsn, early, behind, sure, fate, shown_in: 0 });
        id
    }

    /// The bytes of an append.
    pub(crate) fn records(&self, id: EntryId) -> Vec<Vec<u8>> {
        let lens = self.lens_of(id);
        (0..).zip(lens).map(|(index, &len)| record(id, index, len)).collect()
    }

    /// The tags of an append's records.
    pub(crate) fn tags(&self, id: EntryId) -> Vec<Tag> {
        (0..).take(self.lens_of(id).len()).map(|index| self.tag_of(id, index)).collect()
    }

    fn tag_of(&self, id: EntryId, index: u32) -> Tag {
        self.entry(id).map_or(Tag::NONE, |entry| entry.tags.of(id, index))
    }

    fn lens_of(&self, id: EntryId) -> &[u32] {
        let Some(entry) = self.entry(id) else { return &[] };
        let from = entry.from as usize;
        self.lens.get(from..from + entry.count as usize).unwrap_or_default()
    }

    fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(id as usize)
    }

    fn entry_mut(&mut self, id: EntryId) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)
    }

    /// It returned an address.
    pub(crate) fn acknowledge(
        &mut self,
        id: EntryId,
        lsn: Lsn,
        sure: Sure,
    ) -> Result<(), Violation> {
        let Some(entry) = self.entry_mut(id) else { return Ok(()) };
        if entry.lsn.or(entry.early).is_some_and(|known| known != lsn) {
            return broken("G4", format_args!("append {id} was shown elsewhere than at {lsn}"));
        }
        entry.lsn = Some(lsn);
        entry.sure = entry.sure.max(sure);
        if sure == Sure::Power {
            self.acknowledged = self.acknowledged.max(Some(lsn));
        }
        self.tell(lsn, id)
    }

    /// It returned an error: its records are absent, or there as a whole.
    pub(crate) fn failed(&mut self, id: EntryId) {
        if let Some(entry) = self.entry_mut(id).filter(|entry| entry.fate == Fate::Lives) {
            entry.fate = Fate::Failed;
        }
    }

    /// It returned an error that says that its records are not in the log.
    pub(crate) fn refused(&mut self, id: EntryId) {
        if let Some(entry) = self.entry_mut(id).filter(|entry| entry.fate == Fate::Lives) {
            entry.fate = Fate::Refused;
        }
    }

    /// Everything that returned an address before `end` is now this sure.
    pub(crate) fn sure_before(&mut self, end: Lsn, sure: Sure) {
        for entry in self.live_mut() {
            if entry.fate == Fate::Lives && entry.lsn.is_some_and(|lsn| lsn < end) {
                entry.sure = entry.sure.max(sure);
            }
        }
    }

    fn live_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().skip(self.first_live)
    }

    /// A trim is about to be asked for.
    pub(crate) fn begin_trim(&mut self, to: Lsn) {
        self.trims_asked.push(to);
    }

    /// Whether anybody ever asked for a trim to this point, or behind it.
    pub(crate) fn may_be_trimmed(&self, point: Lsn) -> bool {
        let asked = self.trims_asked.iter().copied().max().unwrap_or_default();
        point <= asked.max(self.trim)
    }

    /// It was acknowledged.
    pub(crate) fn trimmed(&mut self, to: Lsn) {
        self.trim = self.trim.max(to);
        let trim = self.trim;
        self.trims_asked.retain(|&asked| asked > trim);
    }

    /// The addresses that are known, in order, of what was not lost.
    pub(crate) fn addresses(&self) -> Vec<(Lsn, EntryId)> {
        let numbered = (0..).zip(&self.entries).skip(self.first_live);
        let known = numbered.filter(|(_, entry)| entry.fate == Fate::Lives);
        let trim = self.trim;
        let mut known: Vec<_> = known
            .filter_map(|(id, entry): (EntryId, &Entry)| Some((entry.lsn?, id)))
            .filter(|(lsn, _)| *lsn >= trim)
            .collect();
        known.sort_unstable();
        known
    }

    /// Whether anybody ever trimmed, or tried to.
    pub(crate) fn was_trimmed(&self) -> bool {
        self.trim > Lsn::FIRST || !self.trims_asked.is_empty()
    }

    /// When an append began everything up to this one was acknowledged as durable.
    pub(crate) fn behind(&self, id: EntryId) -> Option<Lsn> {
        self.entry(id)?.behind
    }

    /// Whether these are the records of an append.
    pub(crate) fn are_records(&self, id: EntryId, shown: &[Record]) -> bool {
        let lens = self.lens_of(id);
        shown.len() == lens.len()
            && (0..).zip(lens).zip(shown).all(|((index, &len), record)| {
                is_record(&record.bytes, id, index, len) && record.tag == self.tag_of(id, index)
            })
    }

    /// Whether this is the first record of an append.
    pub(crate) fn is_first_record(&self, id: EntryId, record: &Record) -> bool {
        record.tag == self.tag_of(id, 0)
            && self.lens_of(id).first().is_some_and(|&len| is_record(&record.bytes, id, 0, len))
    }

    /// A reader that goes on for ever was shown the beginning of an append.
    pub(crate) fn shown(&mut self, id: EntryId, lsn: Lsn, durable: bool) -> Result<(), Violation> {
        let lying = self.lying;
        let Some(entry) = self.entry_mut(id) else { return Ok(()) };
        if matches!(entry.fate, Fate::Gone | Fate::Refused) && !lying {
            return broken("G2", format_args!("append {id} is not in the log, and shown at {lsn}"));
        }
        entry.lsn.get_or_insert(lsn);
        if durable && entry.fate == Fate::Lives {
            entry.sure = Sure::Power;
        }
        self.tell(lsn, id)
    }

    /// The same of a reader that is shown what a write may still lose: it is no promise.
    pub(crate) fn shown_early(&mut self, id: EntryId, lsn: Lsn) -> Result<(), Violation> {
        let lying = self.lying;
        let Some(entry) = self.entry_mut(id) else { return Ok(()) };
        let known = *entry.lsn.or(entry.early).get_or_insert(lsn);
        entry.early = Some(known);
        if matches!(entry.fate, Fate::Gone | Fate::Refused) && !lying {
            return broken("G2", format_args!("append {id} is not in the log, and shown at {lsn}"));
        }
        if known != lsn && !lying {
            return broken("G4", format_args!("append {id} is at {known}, and shown at {lsn}"));
        }
        Ok(())
    }

    /// How many appends were begun.
    pub(crate) fn begun(&self) -> usize {
        self.entries.len()
    }

    fn tell(&mut self, lsn: Lsn, id: EntryId) -> Result<(), Violation> {
        match self.told.binary_search_by_key(&lsn, |&(lsn, _)| lsn) {
            Ok(at) => match self.told.get_mut(at) {
                Some((_, other)) if *other != id && !self.lying => {
                    broken("G4", format_args!("LSN {lsn} names appends {other} and {id}"))
                }
                Some((_, other)) => {
                    *other = id;
                    Ok(())
                }
                None => Ok(()),
            },
            Err(at) => {
                self.told.insert(at, (lsn, id));
                Ok(())
            }
        }
    }

    /// The append that was told to be at this address, if one was.
    pub(crate) fn told_at(&self, lsn: Lsn) -> Option<EntryId> {
        let at = self.told.binary_search_by_key(&lsn, |&(lsn, _)| lsn).ok()?;
        self.told.get(at).map(|&(_, id)| id)
    }

    /// Begins to compare what a log shows, record by record.
    pub(crate) fn look(&mut self) -> Look<'_> {
        self.looks += 1;
        let number = self.looks;
        Look {
            model: self,
            number,
            before: None,
            current: None,
            first: None,
            highest: None,
            records: 0,
            outside: false,
        }
    }

    /// Whether one of all records that were ever appended is as said. Makes all of them.
    pub(crate) fn any_record(&self, is: impl Fn(Tag, &[u8]) -> bool) -> bool {
        let ids = (0..).take(self.entries.len());
        let mut records = ids.flat_map(|id| self.tags(id).into_iter().zip(self.records(id)));
        records.any(|(tag, bytes)| is(tag, &bytes))
    }

    /// Whether somebody appended a record of these bytes with this tag, in any place of a batch.
    pub(crate) fn wrote(&self, tag: Tag, bytes: &[u8]) -> bool {
        let Some(number) = bytes.first_chunk::<4>().map(|number| u32::from_le_bytes(*number))
        else {
            return true;
        };
        let Some(id) = number.checked_sub(1) else { return false };
        (0..)
            .zip(self.lens_of(id))
            .any(|(index, &len)| is_record(bytes, id, index, len) && tag == self.tag_of(id, index))
    }

    /// A record is shown with the tag that it was appended with.
    fn has_tag(&self, id: EntryId, index: u32, (lsn, tag): (Lsn, Tag)) -> Result<(), Violation> {
        let expected = self.tag_of(id, index);
        if tag == expected {
            return Ok(());
        }
        let what =
            format!("record {index} of append {id} at LSN {lsn} has tag {tag}, not {expected}");
        broken("G2", what)
    }

    /// Which appends the bytes of a first record may be of, whatever became of it.
    pub(crate) fn identify(&self, bytes: &[u8]) -> Option<EntryId> {
        let tag = bytes.first_chunk::<4>().map(|tag| u32::from_le_bytes(*tag))?;
        let id = tag.checked_sub(1)?;
        let len = *self.lens_of(id).first()?;
        is_record(bytes, id, 0, len).then_some(id)
    }
}

impl Look<'_> {
    /// The next record that is shown.
    ///
    /// # Errors
    /// The promise that is broken.
    pub(crate) fn record(&mut self, record: RecordRef<'_>) -> Result<(), Violation> {
        let RecordRef { lsn, index, tag, bytes, .. } = record;
        self.records += 1;
        if self.before.is_some_and(|before| before >= (lsn, index)) {
            return broken("G2", format_args!("LSN {lsn} comes twice or too late"));
        }
        self.before = Some((lsn, index));
        self.first.get_or_insert(lsn);
        if let Some((id, next)) = self.current {
            let len = self.model.lens_of(id).get(next as usize).copied().unwrap_or_default();
            if !is_record(bytes, id, next, len) {
                return broken("G3", format_args!("append {id} is interrupted at LSN {lsn}"));
            }
            self.model.has_tag(id, next, (lsn, tag))?;
            self.advance(id, next + 1);
            return Ok(());
        }
        let Some(id) = self.model.identify(bytes) else {
            return broken("G2", format_args!("nobody appended what is shown at LSN {lsn}"));
        };
        self.model.has_tag(id, 0, (lsn, tag))?;
        let (number, lying) = (self.number, self.model.lying);
        let Some(entry) = self.model.entry_mut(id) else { return Ok(()) };
        // On a disk that lies a trim may be lost with the rest of its suffix, and so may the void frame
        // that was written over an append which failed.
        if entry.fate == Fate::Gone && !lying {
            let what = format!("append {id} was gone and is back at LSN {lsn}");
            return broken(if entry.lsn.is_some() { "G9" } else { "G2" }, what);
        }
        if entry.shown_in == number {
            return broken("G2", format_args!("append {id} is shown twice, again at LSN {lsn}"));
        }
        if entry.lsn.is_some_and(|known| known != lsn) {
            let was = entry.lsn.unwrap_or_default();
            return broken("G4", format_args!("append {id} was at {was} and is shown at {lsn}"));
        }
        entry.shown_in = number;
        entry.lsn = Some(lsn);
        if entry.fate == Fate::Lives {
            self.highest = Some(lsn);
        }
        self.model.tell(lsn, id)?;
        self.advance(id, 1);
        Ok(())
    }

    fn advance(&mut self, id: EntryId, next: u32) {
        let count = self.model.entry(id).map_or(0, |entry| entry.count);
        self.current = (next < count).then_some((id, next));
    }

    /// That was everything. `needed`: what at least must have been shown. `settles`: it was the
    /// first look after a crash, so what was shown is durable and what was not is gone.
    ///
    /// # Errors
    /// The promise that is broken.
    pub(crate) fn end(self, needed: Sure, settles: bool) -> Result<(), Violation> {
        if let Some((id, next)) = self.current {
            return broken("G3", format_args!("append {id} ends before its record {next}"));
        }
        let Self { model, number, first, highest, outside, .. } = self;
        if !settles && !outside {
            let shown = |entry: &&Entry| entry.fate == Fate::Refused && entry.shown_in == number;
            if let Some(entry) = model.entries.iter().skip(model.first_live).find(shown) {
                let lsn = entry.lsn.unwrap_or_default();
                return broken("G2", format_args!("LSN {lsn} was refused, and is there"));
            }
        }
        // A trim that was under way happened, or it did not.
        let happened = model.trims_asked.iter().copied().filter(|&asked| match first {
            Some(first) => first >= asked,
            None => model.could_be_empty_from(asked, needed),
        });
        let begin = happened.max().unwrap_or_default().max(model.trim);
        if let Some(first) = first.filter(|&first| first < begin && !model.lying) {
            return broken(
                "G9",
                format_args!("LSN {first} was trimmed, up to {begin}, and is back"),
            );
        }
        let lying = model.lying;
        let mut missing_lives = Vec::new();
        for (id, entry) in (0_u32..).zip(&mut model.entries).skip(model.first_live) {
            if entry.fate == Fate::Gone {
                continue;
            }
            if entry.shown_in == number {
                if settles {
                    entry.sure = Sure::Power;
                    entry.fate = Fate::Lives;
                }
                continue;
            }
            let trimmed = entry.lsn.is_some_and(|lsn| lsn < begin);
            if entry.fate == Fate::Lives && !trimmed {
                let told = entry.lsn.filter(|_| entry.sure > Sure::UnderWay);
                if entry.sure >= needed.max(Sure::Accepted) && !lying {
                    let lsn = entry.lsn.unwrap_or_default();
                    let what = format!("append {id} at LSN {lsn} was promised and is not there");
                    return broken("G1", what);
                }
                if let Some(lsn) = told {
                    missing_lives.push((id, lsn));
                }
            }
            if settles {
                entry.fate = Fate::Gone;
            }
        }
        if let (Some(highest), true) = (highest, settles)
            && let Some((id, lsn)) = missing_lives.iter().find(|(_, lsn)| *lsn < highest)
        {
            let what =
                format!("append {id} at {lsn} is missing, one behind it, at {highest}, is not");
            return broken("G3", what);
        }
        if settles {
            model.trim = begin;
            model.trims_asked.retain(|&asked| asked > begin);
            while model.entries.get(model.first_live).is_some_and(|e| e.fate == Fate::Gone) {
                model.first_live += 1;
            }
        }
        Ok(())
    }
}

impl Model {
    /// What the last look showed is this sure: it was read at a level that says so.
    pub(crate) fn last_look_is(&mut self, sure: Sure) {
        let looks = self.looks;
        for entry in self.live_mut() {
            if entry.shown_in == looks && entry.fate == Fate::Lives {
                entry.sure = entry.sure.max(sure);
            }
        }
    }

    fn could_be_empty_from(&self, lsn: Lsn, needed: Sure) -> bool {
        self.entries
            .iter()
            .skip(self.first_live)
            .filter(|entry| entry.fate == Fate::Lives && entry.lsn.is_none_or(|at| at >= lsn))
            .all(|entry| entry.sure < needed.max(Sure::Accepted))
    }
}
