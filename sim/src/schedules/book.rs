//! What was said to the log by all threads, what it answered, and what it must therefore show.
//!
//! Unlike [`Model`](crate::Model), which follows one thread, this one does not know in which order
//! appends were accepted: it takes what the addresses say, and what each thread knows of its own.

use crate::crash::CrashKind;
use crate::oracle::Shown;
use parking_lot::Mutex;
use seawall::{Durability, Error, Lsn, Receipt};
use std::collections::BTreeMap;

/// Which append: of which thread, its how manieth.
type Name = (u8, u8);

/// What an append was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing yet.
    None,
    Done {
        lsn: Lsn,
        end: Lsn,
        sure: Durability,
    },
    /// It is not in the log, and never will be.
    Absent,
    /// It could not be written: it is not in the log, unless the disk died meanwhile.
    Failed,
    /// It is in the log whole, or not at all.
    Open,
}

#[derive(Debug)]
struct Entry {
    records: u8,
    answer: Answer,
    /// A reader was shown it there, as durable.
    shown_durable: Option<Lsn>,
}

#[derive(Debug, Default)]
struct Pages {
    entries: BTreeMap<Name, Entry>,
    /// Everything that ends here or before was said to be durable.
    durable: Option<Lsn>,
    /// Everything before may be gone.
    trim: Option<Lsn>,
    /// Everything before is gone.
    trimmed: Option<Lsn>,
    poisoned: bool,
}

/// The book.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Pages>);

/// The bytes of record `index` of an append.
fn record((thread, nth): Name, index: u8, records: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![thread, nth, index, records];
    let fill = thread.wrapping_mul(31).wrapping_add(nth).wrapping_mul(31).wrapping_add(index);
    bytes.resize(len.max(bytes.len()), fill);
    bytes
}

/// Which append this is, and which record of it; its bytes must be as they were made.
fn told(bytes: &[u8]) -> (Name, u8, u8) {
    let &[thread, nth, index, records, ..] = bytes else {
        unreachable!("a record nobody appended: {bytes:?}");
    };
    assert_eq!(
        bytes,
        record((thread, nth), index, records, bytes.len()),
        "bytes of ({thread}, {nth})"
    );
    ((thread, nth), index, records)
}

impl Book {
    /// The records of an append that is about to be made.
    pub(super) fn begin(&self, name: Name, records: u8, len: usize) -> Vec<Vec<u8>> {
        let entry = Entry { records, answer: Answer::None, shown_durable: None };
        self.0.lock().entries.insert(name, entry);
        (0..records).map(|index| record(name, index, records, len)).collect()
    }

    /// The append returned.
    pub(super) fn appended(&self, name: Name, sure: Durability, result: &Result<Receipt, Error>) {
        let mut pages = self.0.lock();
        let answer = match result {
            Ok(receipt) => {
                assert!(receipt.end > receipt.lsn, "an append has a length");
                Answer::Done { lsn: receipt.lsn, end: receipt.end, sure }
            }
            Err(Error::Closed | Error::Busy | Error::TooLarge { .. }) => Answer::Absent,
            Err(Error::Io { .. } | Error::Full { .. }) => Answer::Failed,
            Err(Error::Poisoned { .. }) => Answer::Open,
            Err(error) => unreachable!("append {name:?}: {error:?}"),
        };
        let before = name.1.checked_sub(1).and_then(|nth| pages.entries.get(&(name.0, nth)));
        if let (Answer::Done { lsn, .. }, Some(Answer::Done { end, .. })) =
            (answer, before.map(|before| before.answer))
        {
            assert!(lsn >= end, "addresses of one thread grow");
        }
        if let Some(entry) = pages.entries.get_mut(&name) {
            entry.answer = answer;
        }
    }

    /// It is in the log whole, or not at all: its append was answered with no more than that.
    pub(super) fn unknown(&self, name: Name) {
        if let Some(entry) = self.0.lock().entries.get_mut(&name) {
            entry.answer = Answer::Open;
        }
    }

    /// Everything before was said to be durable.
    pub(super) fn durable(&self, end: Lsn) {
        let mut pages = self.0.lock();
        pages.durable = pages.durable.max(Some(end));
    }

    /// Whether somebody was told that a sync failed; from then on everybody is.
    pub(super) fn is_poisoned(&self) -> bool {
        self.0.lock().poisoned
    }

    pub(super) fn poisoned(&self) {
        self.0.lock().poisoned = true;
    }

    pub(super) fn trim_asked(&self, before: Lsn) {
        let mut pages = self.0.lock();
        pages.trim = pages.trim.max(Some(before));
    }

    pub(super) fn trimmed(&self, before: Lsn) {
        let mut pages = self.0.lock();
        pages.trimmed = pages.trimmed.max(Some(before));
    }

    pub(super) fn trim_point(&self) -> Option<Lsn> {
        self.0.lock().trim
    }

    /// Addresses that were told, and the first record of each.
    pub(super) fn addresses(&self) -> Vec<(Lsn, Name)> {
        let pages = self.0.lock();
        let entries = pages.entries.iter();
        entries
            .filter_map(|(&name, entry)| match entry.answer {
                Answer::Done { lsn, .. } => Some((lsn, name)),
                _ => None,
            })
            .collect()
    }

    /// A record was read at an address that was told for this append.
    pub(super) fn read(name: Name, bytes: &[u8]) {
        let (found, index, _) = told(bytes);
        assert_eq!((found, index), (name, 0), "what stands at the address");
    }

    /// A reader that goes through the log in order was shown this; `durable` if it was told as
    /// something that no crash takes.
    pub(super) fn shown(&self, reader: &mut Reader, lsn: Lsn, bytes: &[u8], durable: bool) {
        let (name, index, records) = told(bytes);
        assert!(reader.at.is_none_or(|at| at < (lsn, index)), "{lsn} comes twice or too late");
        reader.at = Some((lsn, index));
        let expected = if index == 0 { None } else { Some((name, index - 1)) };
        if index > 0 || reader.inside.is_some_and(|(_, last)| last + 1 < reader.records) {
            assert_eq!(reader.inside, expected, "batches are whole");
        }
        (reader.inside, reader.records) = (Some((name, index)), records);
        let last = reader.last.insert(name.0, name.1);
        assert!(last.is_none_or(|last| last <= name.1), "{name:?} comes behind {last:?}");
        let mut pages = self.0.lock();
        let entry = pages.entries.get_mut(&name).expect("it was appended");
        assert_eq!(entry.records, records);
        assert!(entry.answer != Answer::Absent, "{name:?} was refused, and is shown");
        if let (Answer::Done { lsn: told, .. }, 0) = (entry.answer, index) {
            assert_eq!(told, lsn, "the address of {name:?}");
        }
        if durable && index == 0 {
            entry.shown_durable = Some(lsn);
        }
    }

    /// How many records were acknowledged, in all.
    pub(super) fn acknowledged(&self) -> usize {
        let pages = self.0.lock();
        let done = |entry: &&Entry| matches!(entry.answer, Answer::Done { .. });
        pages.entries.values().filter(done).map(|entry| usize::from(entry.records)).sum()
    }

    /// The log was opened again and shows this: all of it, in order. Without a crash nothing is
    /// missing, and nothing is there that was not acknowledged, unless the log was poisoned.
    pub(super) fn settle(&self, after: Option<CrashKind>, shown: &[Shown]) {
        let mut reader = Reader::default();
        let mut places = BTreeMap::new();
        for record in shown {
            self.shown(&mut reader, record.lsn, &record.bytes, false);
            let (name, index, records) = told(&record.bytes);
            if index == 0 {
                let twice = places.insert(name, record.lsn);
                assert!(twice.is_none(), "{name:?} is there twice");
            }
            assert!(record.lsn >= Lsn::FIRST && index < records);
        }
        if let Some((name, last)) = reader.inside {
            assert_eq!(last + 1, reader.records, "the batch {name:?} ends early");
        }
        let pages = self.0.lock();
        let needed = match after {
            None => Durability::Buffered,
            Some(CrashKind::Kill) => Durability::Os,
            Some(CrashKind::Power) => Durability::Sync,
        };
        let mut cut_off = None;
        for (name, entry) in &pages.entries {
            let place = places.get(name).copied();
            match entry.answer {
                Answer::Done { lsn, .. } if pages.trim.is_some_and(|trim| lsn < trim) => {}
                Answer::Done { lsn, end, sure } => {
                    let sure = if pages.durable.is_some_and(|durable| end <= durable) {
                        Durability::Sync
                    } else {
                        sure
                    };
                    let promised = sure >= needed || entry.shown_durable.is_some();
                    match place {
                        Some(found) => assert_eq!(found, lsn, "G4: the address of {name:?}"),
                        None => {
                            assert!(!promised, "G1: {name:?} at {lsn} was promised ({sure:?})");
                            cut_off = Some(cut_off.map_or(lsn, |before: Lsn| before.min(lsn)));
                        }
                    }
                }
                Answer::Failed if after.is_none() => {
                    assert!(place.is_none(), "{name:?} failed, and is there");
                }
                Answer::Open | Answer::None | Answer::Failed => {
                    let kept =
                        entry.shown_durable.filter(|&lsn| pages.trim.is_none_or(|t| lsn >= t));
                    assert!(place.is_some() || kept.is_none(), "G1: {name:?} was shown");
                }
                Answer::Absent => assert!(place.is_none(), "{name:?} was refused, and is there"),
            }
        }
        if let (Some(trimmed), Some(first)) = (pages.trimmed, shown.first()) {
            assert!(first.lsn >= trimmed, "G9: {} was trimmed, up to {trimmed}", first.lsn);
        }
        if let Some(cut_off) = cut_off {
            for (name, lsn) in &places {
                let done = pages.entries.get(name).map(|entry| entry.answer);
                let acknowledged = matches!(done, Some(Answer::Done { .. }));
                assert!(
                    *lsn < cut_off || !acknowledged,
                    "G3: {name:?} is there at {lsn}, what was at {cut_off} is not"
                );
            }
        }
    }
}

/// What a reader was shown last.
#[derive(Debug, Default)]
pub(super) struct Reader {
    at: Option<(Lsn, u8)>,
    inside: Option<(Name, u8)>,
    records: u8,
    last: BTreeMap<u8, u8>,
}
