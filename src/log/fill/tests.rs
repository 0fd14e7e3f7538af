use super::{Needed, PIECE_MIN, Pace, ZEROS_PER_BYTE, fill};
use crate::storage::latch::{AtomicU64, Mutex, Ordering};
use crate::storage::{Eviction, StorageFile};
use std::io::{self, IoSlice, IoSliceMut};

const LEN: u64 = 32 * PIECE_MIN;

/// A file of which only the length is kept, and the length at each sync.
#[derive(Debug, Default)]
struct Lengths {
    len: Mutex<u64>,
    synced: Mutex<Vec<u64>>,
    /// What each sync finds the appends to have written meanwhile.
    appended: AtomicU64,
    each: u64,
    fails: bool,
    needed: Needed,
    /// After so many syncs the file is not needed any more.
    stops_after: Option<usize>,
}

impl StorageFile for Lengths {
    fn read_at(&self, _: u64, _: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, offset: u64, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let taken = bytes.iter().map(|slice| slice.len()).sum();
        assert!(bytes.iter().all(|slice| slice.iter().all(|&byte| byte == 0)), "only zeros");
        let mut len = self.len.lock();
        assert!(offset <= *len, "no gap");
        *len = (*len).max(offset + taken as u64);
        Ok(taken)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.fails {
            return Err(io::Error::other("a sync that fails"));
        }
        let mut synced = self.synced.lock();
        synced.push(*self.len.lock());
        if self.stops_after == Some(synced.len()) {
            self.needed.stop();
        }
        drop(synced);
        self.appended.fetch_add(self.each, Ordering::Relaxed);
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.set_len(offset + len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        *self.len.lock() = len;
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(*self.len.lock())
    }

    fn evict(&self) -> io::Result<Eviction> {
        Ok(Eviction::Unverified)
    }
}

impl Lengths {
    /// Fills it beside appends that write `each` bytes during a sync; the lengths that were synced,
    /// and the whole.
    fn beside(each: u64) -> Vec<u64> {
        let file = Self { each, ..Self::default() };
        fill(&file, LEN, true, false, Pace::beside(&file.appended, LEN, LEN / 2), &file.needed)
            .expect("it is filled");
        assert_eq!(*file.len.lock(), LEN);
        let mut synced = file.synced.lock().clone();
        synced.push(LEN);
        synced
    }
}

fn pieces(synced: &[u64]) -> Vec<u64> {
    synced.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_file_that_somebody_waits_for_is_filled_at_once() {
    let file = Lengths::default();
    fill(&file, LEN, true, false, Pace::AtOnce, &file.needed).expect("it is filled");
    assert_eq!((*file.len.lock(), file.synced.lock().len()), (LEN, 0));
}

#[test]
fn beside_few_appends_no_piece_is_longer_than_the_least() {
    for each in [0, 1000, PIECE_MIN / ZEROS_PER_BYTE] {
        let synced = Lengths::beside(each);
        assert!(pieces(&synced).iter().all(|&piece| piece <= PIECE_MIN), "{synced:?}");
    }
}

#[test]
fn appends_in_a_hurry_find_the_file_ready_before_they_need_it() {
    for each in [PIECE_MIN / 3, PIECE_MIN, LEN / 8, LEN / 4, LEN / 2, u64::MAX / 64] {
        // As many syncs as there were before the last piece: so much was appended then.
        let syncs = Lengths::beside(each).len() as u64 - 1;
        let late = each.saturating_mul(syncs.saturating_sub(1));
        assert!(late <= LEN / ZEROS_PER_BYTE, "{syncs} syncs beside {each} bytes each");
    }
}

#[test]
fn what_is_there_of_a_spare_is_not_written_again() {
    let file = Lengths { len: Mutex::new(LEN - 8192), ..Lengths::default() };
    fill(&file, LEN, true, false, Pace::beside(&file.appended, LEN, LEN / 2), &file.needed)
        .expect("it is filled");
    assert_eq!((*file.len.lock(), file.synced.lock().len()), (LEN, 0));
}

/// Zeros of a piece whose sync failed may be lost and marked clean: nothing may be built on the
/// file. Nothing of the log is in it, so the log goes on.
#[test]
fn a_failed_sync_between_pieces_ends_the_preparation_and_not_the_log() {
    let file = Lengths { fails: true, ..Lengths::default() };
    let outcome =
        fill(&file, LEN, true, false, Pace::beside(&file.appended, LEN, LEN / 2), &file.needed);
    assert!(matches!(outcome, Err(super::Trouble::Failed(_))), "{outcome:?}");
}

#[test]
fn a_file_that_is_not_needed_any_more_is_given_up_at_the_next_call() {
    let file = Lengths { stops_after: Some(3), ..Lengths::default() };
    fill(&file, LEN, true, false, Pace::beside(&file.appended, LEN, LEN / 2), &file.needed)
        .expect_err("it is not filled");
    assert_eq!(file.synced.lock().last(), Some(&*file.len.lock()), "nothing is written after that");
    // Also where all is written at once, and only the sync of it is left.
    let file = Lengths { stops_after: Some(0), ..Lengths::default() };
    file.needed.stop();
    fill(&file, LEN, true, false, Pace::AtOnce, &file.needed).expect_err("nor is this");
    assert_eq!(*file.len.lock(), 0);
    file.needed.resume();
    fill(&file, LEN, true, false, Pace::AtOnce, &file.needed).expect("it is needed again");
}
