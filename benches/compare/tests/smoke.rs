//! Every peer writes 1,000 records in one process, and another reads them back equal.

use seawall_compare::child::{Starter, Then};
use seawall_compare::peer::{Can, Promise};
use seawall_compare::peers;
use seawall_compare::proof::{KILLED_AFTER, written_and_read};
use std::path::Path;

fn starter() -> Starter {
    Starter::new(Path::new(env!("CARGO_BIN_EXE_seawall-compare")).to_owned())
}

#[test]
fn records_are_read_back_equal_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    for known in peers::all() {
        for promise in Promise::ALL {
            if let Can::Yes(how) = known.abilities.append(promise) {
                let read = written_and_read(&starter(), dir.path(), &known, promise, Then::Ends);
                let read = read.map_err(|failure| failure.to_string());
                assert_eq!(read, Ok(KILLED_AFTER), "{} as {promise}: {how}", known.name);
            }
        }
    }
}

#[test]
fn what_the_kernel_has_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    for known in peers::all() {
        for promise in [Promise::Os, Promise::Durable] {
            if let Can::Yes(how) = known.abilities.append(promise) {
                let read = written_and_read(&starter(), dir.path(), &known, promise, Then::Killed);
                let read = read.map_err(|failure| failure.to_string());
                assert_eq!(read, Ok(KILLED_AFTER), "{} as {promise}: {how}", known.name);
            }
        }
    }
}
