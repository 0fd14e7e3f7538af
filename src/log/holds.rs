//! Who needs the head of the log, and from where on: the trim point goes no further.
//!
//! ```text
//!   enter     at or after every trim point that is stated or under way, under the lock of the log
//!   advance   only forwards
//!   release   the next trim may pass
//! ```
//!
//! A handful: all are looked at each time.

use crate::position::Lsn;
use std::collections::BTreeMap;

/// A holder of a trim point: its name, and the first LSN that it needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Holder {
    /// From here on the log stays.
    pub lsn: Lsn,
    /// The name that it gave.
    pub name: String,
}

/// The holders of a log, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    holders: BTreeMap<u64, Holder>,
    entered: u64,
}

impl Holds {
    /// Enters a holder; returns its number.
    pub(crate) fn enter(&mut self, name: String, lsn: Lsn) -> u64 {
        self.entered += 1;
        self.holders.insert(self.entered, Holder { lsn, name });
        self.entered
    }

    /// Where this holder stands.
    pub(crate) fn lsn(&self, number: u64) -> Option<Lsn> {
        self.holders.get(&number).map(|holder| holder.lsn)
    }

    /// Moves a holder on; one that stands further on stays there.
    pub(crate) fn advance(&mut self, number: u64, to: Lsn) {
        if let Some(holder) = self.holders.get_mut(&number) {
            holder.lsn = holder.lsn.max(to);
        }
    }

    pub(crate) fn release(&mut self, number: u64) {
        self.holders.remove(&number);
    }

    /// The smallest LSN that is held.
    pub(crate) fn first(&self) -> Option<Lsn> {
        self.holders.values().map(|holder| holder.lsn).min()
    }

    /// Those that hold anything before `lsn`, by where they stand.
    pub(crate) fn before(&self, lsn: Lsn) -> Vec<Holder> {
        let mut holders: Vec<_> =
            self.holders.values().filter(|holder| holder.lsn < lsn).cloned().collect();
        holders.sort();
        holders
    }

    /// All of them, by where they stand.
    pub(crate) fn all(&self) -> Vec<Holder> {
        let mut holders: Vec<_> = self.holders.values().cloned().collect();
        holders.sort();
        holders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_hold_counts_until_it_moves_on_or_goes() {
        let mut holds = Holds::default();
        assert_eq!(holds.first(), None);
        let snapshot = holds.enter("snapshot".to_owned(), Lsn::new(800));
        let replica = holds.enter("replica".to_owned(), Lsn::new(160));
        assert_eq!(holds.first(), Some(Lsn::new(160)));
        holds.advance(replica, Lsn::new(80));
        assert_eq!(holds.lsn(replica), Some(Lsn::new(160)), "a hold never goes back");
        let names = |holders: Vec<Holder>| {
            holders.into_iter().map(|holder| holder.name).collect::<Vec<_>>()
        };
        assert_eq!(names(holds.before(Lsn::new(800))), ["replica"]);
        assert_eq!(names(holds.before(Lsn::new(801))), ["replica", "snapshot"]);
        holds.advance(replica, Lsn::new(1000));
        assert_eq!(holds.first(), Some(Lsn::new(800)));
        assert_eq!(names(holds.all()), ["snapshot", "replica"]);
        holds.release(snapshot);
        assert_eq!(holds.first(), Some(Lsn::new(1000)));
        holds.release(snapshot);
        assert_eq!((holds.lsn(snapshot), holds.lsn(replica)), (None, Some(Lsn::new(1000))));
    }
}
