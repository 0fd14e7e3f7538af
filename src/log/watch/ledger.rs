//! What a log knows of its own files, and when the names are listed. Pure: no I/O.

use crate::format::frame::MARKED_HEADER_LEN;
use crate::format::header::SegmentHeader;
use crate::format::trailer::Trailer;
use crate::position::SegmentId;
use std::collections::BTreeSet;

/// Syncs from one look by name to the next, where nothing else asks for one.
const SYNCS_PER_LOOK: u32 = 64;

/// Names that each sync earns, and each look by name. A list is paid for with the names in it, so
/// that its cost is lost in that of the syncs however many segments there are.
const EARNED_BY_SYNC: i64 = 16;
const EARNED_BY_LOOK: i64 = 256;

/// No more is saved up than this.
const EARNED_MAX: i64 = 1 << 16;

/// What stands where a frame would go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) segment: SegmentId,
    pub(super) offset: u64,
    pub(super) bytes: [u8; MARKED_HEADER_LEN],
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The first and the last segment whose file must be there.
    pub(super) numbers: Option<(SegmentId, SegmentId)>,
    /// Numbers between them that no segment has, without their ends.
    pub(super) skipped: Vec<(SegmentId, SegmentId)>,
    /// The last of the files behind a tail that recovery cut, until the next segment begins.
    pub(super) dropped: Option<SegmentId>,
    /// The next segment, once a file has its name or is about to get it.
    pub(super) coming: Option<SegmentId>,
    /// The header of the segment that is written to.
    pub(super) own: Option<SegmentHeader>,
    /// The header that was drawn for the next one: a part of it may be on disk.
    pub(super) drawn: Option<SegmentHeader>,
    /// The close record that recovery found, until it is erased.
    pub(super) close_record: Option<(SegmentId, Trailer)>,
    /// What stood after the end of a segment that an unclean end left, until the next one begins.
    pub(super) tail: Option<Tail>,
    /// This run wrote a close record, or tried to.
    pub(super) close_tried: bool,
    /// The file system counts the links of directories, and of files, as far as was seen.
    pub(super) counts_directories: bool,
    pub(super) counts_files: bool,
    /// The state of the names that is known.
    pub(super) names: Option<i128>,
    /// Changes of names by this log that are under way, in both lanes.
    pub(super) changing: u32,
    /// The state before the first of them, and the newest after one of them.
    pub(super) before: Option<i128>,
    pub(super) after: Option<i128>,
    /// Names that may be listed; below zero while a list is paid off.
    pub(super) earned: i64,
    pub(super) syncs: u32,
}

impl Ledger {
    /// A segment begins; what stood after the end of the one before, if that ended in a crash.
    pub(super) fn began(&mut self, header: &SegmentHeader) -> Option<Tail> {
        let first = self.numbers.map_or(header.number, |(first, _)| first);
        self.numbers = Some((first, header.number));
        self.skipped.extend(skipped(header));
        self.dropped = None;
        self.own = Some(*header);
        self.coming = None;
        self.drawn = None;
        self.close_tried = false;
        self.tail.take()
    }

    /// Whether the file system counts the links of files: one was seen that has one.
    pub(super) fn has_counted_files(&mut self, linked: bool) -> bool {
        self.counts_files |= linked;
        self.counts_files
    }

    /// Counts a sync; whether a look by name is due.
    pub(super) fn look_due(&mut self, names: Option<i128>) -> bool {
        self.syncs += 1;
        self.earn(EARNED_BY_SYNC);
        let due = self.syncs >= SYNCS_PER_LOOK || self.names_changed(names) && self.earned >= 0;
        if due {
            self.syncs = 0;
        }
        due
    }

    /// Counts a look by name; whether the names are to be listed.
    pub(super) fn list_due(&mut self, names: Option<i128>, always: bool) -> bool {
        self.earn(EARNED_BY_LOOK);
        // Where no state tells of changes, a list does.
        let blind = names.is_none() && self.list_is_paid();
        always || blind || self.names_changed(names) && self.earned >= 0
    }

    /// Whether a list of all names has been earned.
    pub(super) fn list_is_paid(&self) -> bool {
        let known = self.numbers.map_or(0, |(first, last)| last.get() - first.get());
        self.earned >= i64::try_from(known).unwrap_or(i64::MAX)
    }

    /// This log changes names. Changes that overlap are one: the state between them
    /// could be the work of either.
    pub(super) fn change_begins(&mut self, before: Option<i128>) {
        if self.changing == 0 {
            (self.before, self.after) = (before, None);
        }
        self.changing += 1;
    }

    /// One of the changes is made.
    pub(super) fn change_ends(&mut self, after: Option<i128>) {
        self.changing -= 1;
        self.after = self.after.max(after);
        // Otherwise another changed a name meanwhile: the next look lists them.
        if self.changing == 0 && self.names == self.before {
            self.names = self.after;
        }
    }

    fn earn(&mut self, names: i64) {
        self.earned = self.earned.saturating_add(names).min(EARNED_MAX);
    }

    fn names_changed(&self, names: Option<i128>) -> bool {
        names.is_some() && names != self.names && self.changing == 0
    }

    /// So many names were listed; the state is that of the directory before.
    pub(super) fn listed(&mut self, count: u64, names: Option<i128>) {
        self.earned = self.earned.saturating_sub_unsigned(count);
        if self.changing == 0 {
            self.names = names;
        }
    }

    /// The segments whose names are missing, and the names beyond the last segment.
    pub(super) fn compare(
        &self,
        names: impl Iterator<Item = SegmentId> + Clone,
    ) -> (Vec<SegmentId>, Vec<SegmentId>) {
        let there = names.clone().filter(|&number| self.holds(number)).count() as u64;
        let missing = match self.numbers {
            Some((first, last)) if there <= last.get() - first.get() - self.skipped_between() => {
                let there: BTreeSet<SegmentId> = names.clone().collect();
                let all = (first.get()..=last.get()).map(SegmentId::new);
                let all = all.filter(|&number| self.holds(number));
                all.filter(|number| !there.contains(number)).collect()
            }
            _ => Vec::new(),
        };
        (missing, names.filter(|&number| self.is_beyond(number)).collect())
    }

    /// Whether the file of this segment must be there.
    pub(super) fn holds(&self, number: SegmentId) -> bool {
        let skipped =
            |&(before, behind): &(SegmentId, SegmentId)| before < number && number < behind;
        self.numbers.is_some_and(|(first, last)| (first..=last).contains(&number))
            && !self.skipped.iter().any(skipped)
    }

    /// How many numbers from the first to the last no segment has.
    fn skipped_between(&self) -> u64 {
        let first = self.numbers.map_or(SegmentId::FIRST, |(first, _)| first);
        let inside = self.skipped.iter().filter(|(before, _)| *before >= first);
        inside.map(|(before, behind)| behind.get() - before.get() - 1).sum()
    }

    /// Whether this log has no segment of this number, and is not making one.
    pub(super) fn is_beyond(&self, number: SegmentId) -> bool {
        self.numbers.is_none_or(|(_, last)| number > last)
            && self.dropped.is_none_or(|dropped| number > dropped)
            && self.coming != Some(number)
    }
}

/// The numbers between which this header says that there are no segments.
pub(super) fn skipped(header: &SegmentHeader) -> Option<(SegmentId, SegmentId)> {
    (header.skipped > 0).then(|| (SegmentId::new(header.prev_number()), header.number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_changes_that_overlap_call_for_no_list() {
        let mut ledger = Ledger { names: Some(1), ..Ledger::default() };
        ledger.change_begins(Some(1));
        ledger.change_begins(Some(2));
        ledger.change_ends(Some(3));
        assert!(!ledger.names_changed(Some(3)), "one of them is under way");
        ledger.change_ends(Some(4));
        assert!(!ledger.names_changed(Some(4)));
    }

    #[test]
    fn what_another_changed_before_an_own_change_calls_for_a_list() {
        let mut ledger = Ledger { names: Some(1), ..Ledger::default() };
        ledger.change_begins(Some(2));
        ledger.change_ends(Some(3));
        assert!(ledger.names_changed(Some(3)));
    }
}
