//! What a copy or a repair wrote is read back from the device and not from the page cache; and an
//! open says whether it could be sure of that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "read_back/mod.rs"]
mod checks;
mod repairs;

use checks::KINDS;

// Each kind by itself: one that the page cache shows too would be noticed without a look at the
// device, and stand for the others.

#[test]
fn a_copy_on_a_disk_that_returns_other_bytes_is_noticed_for_each_kind_of_damage() {
    for kind in KINDS {
        let seen = checks::copies(kind).unwrap();
        println!("{kind}: {seen:?}");
        assert!(seen.noticed > 3, "{kind}: {seen:?}");
    }
}

#[test]
fn a_repair_on_a_disk_that_returns_other_bytes_is_noticed_for_each_kind_of_damage() {
    for kind in KINDS {
        // Much of a segment is zeros: a lost write there changes nothing.
        let seen = checks::repairs(kind).unwrap();
        println!("{kind}: {seen:?}");
        assert!(seen.noticed > 0, "{kind}: {seen:?}");
    }
}
