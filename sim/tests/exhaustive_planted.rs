//! Planted bugs that the search of everything must find, within two operations or at rest. Build
//! with `--cfg seawall_planted`.

#![cfg(seawall_planted)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall_sim::exhaustive::bytes;
use seawall_sim::{Exhaustive, play};
use std::num::NonZeroUsize;

const JOBS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// Found by crashes in workloads of two operations.
const BY_CRASHES: [&str; 5] = [
    "ack-before-sync",
    "watermark-at-submission",
    "lsn-reused-after-cut",
    "close-record-left",
    "close-record-proves-its-mark",
];

/// Found by bits and records at rest.
const AT_REST: [&str; 7] = [
    "mark-check-not-checked",
    "close-record-of-another-salt",
    "length-trusted-before-check",
    "one-header-copy",
    "damage-taken-for-torn-tail",
    "acknowledged-before-a-mark-vouches",
    "last-check-not-compared",
];

/// One test, since what is planted is planted in the whole process.
#[test]
fn what_is_planted_is_found() {
    let mut missed = Vec::new();
    for name in BY_CRASHES {
        assert!(seawall::planted::plant(name), "{name}");
        let search = Exhaustive { nested_ops: 1, deep_ops: 0, ..Exhaustive::new(2) };
        match search.run(NonZeroUsize::MIN, &|_, _| true).1 {
            Some(failure) => {
                println!("{name}: {failure}");
                let (life, violation) = play(&failure.scenario, None).expect_err(name);
                assert_eq!((life, violation.promise), (failure.life, failure.violation.promise));
            }
            None => missed.push(name),
        }
    }
    for name in AT_REST {
        assert!(seawall::planted::plant(name), "{name}");
        match bytes(JOBS) {
            Err(violation) => println!("{name}: {violation}"),
            Ok(_) => missed.push(name),
        }
    }
    seawall::planted::plant("");
    assert!(missed.is_empty(), "nothing notices {missed:?}");
    assert!(bytes(JOBS).is_ok());
}
