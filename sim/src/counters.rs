//! How often each fault really happened: a run in which nothing went wrong proves little.

use crate::faults::Operation;
use std::collections::BTreeMap;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// How often each fault really happened.
        #[derive(
            Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize,
        )]
        #[serde(default)]
        #[non_exhaustive]
        pub struct Counters {
            /// Calls failed by a [`FaultPlan`](crate::FaultPlan), with any errno.
            pub planned: BTreeMap<Operation, u64>,
            $($(#[$doc])* pub $name: u64,)+
        }

        impl Counters {
            /// Every counter with its name, those at zero too, in an order that stays. Of
            /// [`planned`](Self::planned) each kind of call is one, under the name of the call.
            #[must_use]
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                let failed = Operation::ALL.iter().map(|operation| {
                    (operation.word(), self.planned.get(operation).copied().unwrap_or_default())
                });
                failed.chain([$((stringify!($name), self.$name)),+]).collect()
            }

            /// Adds those of another run.
            pub fn add(&mut self, other: &Self) {
                for (operation, count) in &other.planned {
                    let sum = self.planned.entry(*operation).or_default();
                    *sum = sum.saturating_add(*count);
                }
                $(self.$name = self.$name.saturating_add(other.$name);)+
            }
        }
    };
}

counters! {
    /// Reads cut short by noise.
    short_reads,
    /// Writes cut short, by noise or for want of room.
    short_writes,
    /// Holes that gave room back.
    holes_punched,
    /// Reads and writes interrupted by noise.
    interrupted,
    /// Calls failed by plan with `EIO`.
    eio,
    /// Reads among them.
    eio_on_read,
    /// Writes among them.
    eio_on_write,
    /// Syncs among them, of files and of the directory.
    eio_on_sync,
    /// Calls failed by plan with `ENOSPC`.
    enospc,
    /// Calls failed by plan with `EDQUOT`.
    edquot,
    /// Calls failed by plan with `EINTR`.
    eintr,
    /// Reads failed because a sector cannot be read.
    unreadable_reads,
    /// Calls refused for want of room with `ENOSPC`, syncs included.
    no_space,
    /// Calls refused for want of room with `EDQUOT`, syncs included.
    over_quota,
    /// Creates refused for want of room, by either errno.
    no_room_to_create,
    /// Syncs that found no room for what a write was told it had.
    no_room_in_sync,
    /// Times a limit was lifted.
    room_returned,
    /// Failing writes that left bytes behind.
    failed_writes_left_bytes,
    /// Failing writes that left all of their bytes, as their plan said.
    failed_writes_landed,
    /// Failing writes that left the new length with zeros in it.
    failed_writes_left_length,
    /// Failing creates that made the entry.
    failed_creates_made,
    /// Failing renames that happened.
    failed_renames_made,
    /// Failing removes that happened.
    failed_removes_made,
    /// Failing allocations and cuts that changed the length.
    failed_lengths_set,
    /// Failing syncs of the directory that made some entries durable.
    failed_dir_syncs_partial,
    /// Files whose write-back failed, in a sync or in the background.
    failed_write_backs,
    /// Syncs that told a write-back error of an earlier moment.
    late_errors,
    /// Sectors and lengths that the system wrote back by itself.
    written_back,
    /// Changes of names that the system made durable by itself.
    names_written_back,
    /// Damages done to data at rest, of every kind.
    damages,
    /// Bits that rotted.
    bit_rot,
    /// Sectors that can no longer be read.
    latent_sectors,
    /// Writes that landed elsewhere.
    misdirected_writes,
    /// Reads that returned another sector's bytes.
    misdirected_reads,
    /// Writes that were acknowledged, synced and never made.
    lost_writes,
    /// Sectors that hold junk.
    garbage,
    /// Times that the device's own cache was drained, on a disk that lies.
    drains,
    /// Syncs that said `Ok` and that the crash before this disk undid.
    flushes_lost,
    /// Sector writes and lengths that the crash before this disk kept whole.
    kept,
    /// Sector writes and lengths that it took.
    lost,
    /// Sector writes that it mixed with what was there: sheared sectors.
    torn,
    /// Write calls of which it kept some sectors and took others.
    torn_writes,
    /// Changes that it kept although it took one that was asked for earlier.
    reordered,
    /// Lengths that it kept without all of the data before them.
    sizes_without_data,
    /// Data that it kept on the medium, behind the length it left.
    data_without_size,
    /// Changes of names that it kept.
    names_kept,
    /// Changes of names that it took.
    names_lost,
    /// Creates among them.
    creates_lost,
    /// Renames among them.
    renames_lost,
    /// Removes among them: names that came back.
    removes_lost,
    /// Changes of names that it kept although it took an earlier one.
    names_reordered,
    /// Sectors in which it left stale bytes.
    stale,
    /// Calls that took much longer than others.
    slow_calls,
    /// Calls that were stuck.
    stuck_calls,
}

/// One more.
pub(crate) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

impl Counters {
    /// Whether a sync or a write-back of a file failed: what the page cache held may be gone.
    pub(crate) fn lost_pages(&self) -> bool {
        let failed = |operation| self.planned.contains_key(&operation);
        failed(Operation::SyncData)
            || failed(Operation::SyncAll)
            || self.failed_write_backs + self.no_room_in_sync > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_every_one_is_listed_once() {
        let mut sum = Counters::default();
        let mut one = Counters { lost: 2, stuck_calls: 1, ..Counters::default() };
        one.planned.insert(Operation::Rename, 3);
        sum.add(&one);
        sum.add(&one);
        let told: Vec<_> = sum.list().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(told, [("rename", 6), ("lost", 4), ("stuck_calls", 2)]);
        let mut names: Vec<_> = sum.list().into_iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
