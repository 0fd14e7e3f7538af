//! Log id, lineage and LSN name one record, whatever is copied, restored or repaired.

#[path = "lineage/mod.rs"]
mod lineage;

use lineage::{Tally, search};

#[test]
fn no_name_is_given_to_two_records_in_a_thousand_histories_of_copies_and_restored_states() {
    let mut tally = Tally::default();
    search(0..1000, &mut tally).unwrap();
    println!("{tally:?}");
    assert!(tally.records > 10_000 && tally.raised > 500 && tally.copies > 500, "{tally:?}");
    assert!(tally.put_back > 100 && tally.repairs > 20, "{tally:?}");
}
