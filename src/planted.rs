//! Bugs that can be planted, one at a time, to prove that a test would notice them.
//!
//! Nothing of this is in a normal build: there `planted!` is `false`, and this module holds the
//! macro alone. Built with `--cfg seawall_planted` it is a question to one number, which [`plant`]
//! sets. A name stands in [`NAMES`] and at one place in the code; the place is a compile error if
//! the name is not in the table. What each bug is, and who must find it, says the table of the
//! simulator.

/// Whether the bug of this name is planted; or, with a value, that value made wrong if it is.
#[cfg(not(seawall_planted))]
macro_rules! planted {
    ($name:literal) => {
        false
    };
    ($name:literal, $right:ident => $wrong:expr) => {
        $right
    };
}

/// Whether the bug of this name is planted; or, with a value, that value made wrong if it is.
#[cfg(seawall_planted)]
macro_rules! planted {
    ($name:literal) => {{
        const BUG: usize = $crate::planted::index_of($name);
        $crate::planted::is(BUG)
    }};
    ($name:literal, $right:ident => $wrong:expr) => {
        if planted!($name) { $wrong } else { $right }
    };
}

#[cfg(seawall_planted)]
pub use table::{NAMES, plant};
#[cfg(seawall_planted)]
pub(crate) use table::{by_clock, by_hash, index_of, is};

#[cfg(seawall_planted)]
mod table {
    use std::hash::{BuildHasher, Hash, RandomState};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Every bug that is a line of the library.
    pub const NAMES: &[&str] = &[
        // What is acknowledged, and when.
        "ack-before-sync",
        "watermark-at-submission",
        "accepted-during-sync-counted",
        "two-syncs-in-flight",
        "sync-error-only-to-leader",
        "poison-checked-before-lock",
        "header-before-predecessor-synced",
        "unlink-before-trim-is-durable",
        "mark-claims-more-than-durable",
        "idle-mark-stops-interval",
        "unclean-end-closed-without-a-record",
        "write-back-taken-for-a-sync",
        "durable-behind-a-failed-sync",
        // Whose log it is, and which of its copies.
        "content-of-one-segment-taken-for-all",
        "content-not-checked",
        "copy-goes-on-as-its-log",
        "copy-keeps-the-home-of-its-log",
        "repaired-end-unmarked",
        "home-of-the-directory-alone",
        "raised-log-goes-on-in-its-segment",
        "raise-leaves-the-close-record",
        // Writes that fail.
        "eintr-restarts-from-zero",
        "appends-behind-half-written",
        "failed-append-not-voided",
        "failed-write-tried-for-ever",
        "leftovers-of-failed-batch",
        "mark-lost-with-voided-frame",
        "close-mark-not-covered",
        "scan-hides-what-was-withheld",
        "through-told-unlooked",
        "through-past-a-close-record",
        "failure-told-once",
        "unwinding-driver-leaves-the-lane",
        "mark-over-a-failed-close-overdone",
        "mark-of-a-round-address-overdone",
        "failed-sync-of-a-close-forgiven",
        "rest-of-a-short-write-misplaced",
        "trim-waits-for-next-segment",
        "reserve-used-for-records",
        "reserve-not-made-again",
        "trim-fails-while-files-go",
        "reserve-forgotten-by-recovery",
        "trim-not-in-the-header-it-began",
        "trim-in-memory-removes-files",
        // Bytes.
        "length-trusted-before-check",
        "length-allocated-at-once",
        "check-without-lsn",
        "check-without-salt",
        "zeros-decode-as-frame",
        "chain-not-checked",
        "chain-ends-with-its-segment",
        "header-names-no-frame",
        "mark-check-not-checked",
        "one-header-copy",
        "first-of-two-copies-taken",
        "trim-not-in-headers",
        // Recovery.
        "first-without-last",
        "short-closed-segment-accepted",
        "damage-taken-for-torn-tail",
        "tail-cut-in-memory-only",
        "lsn-reused-after-cut",
        "torn-header-deletes-segment",
        "missing-middle-unnoticed",
        "length-taken-for-content",
        "close-record-left",
        "close-record-proves-its-mark",
        "first-named-before-its-sync",
        "first-header-states-the-usual-length",
        "close-record-of-another-salt",
        "seal-proves-nothing",
        "header-loss-taken-for-unborn",
        "close-record-ends-nothing",
        "hash-map-order",
        "wall-clock-order",
        "lock-ignored-by-second-process",
        "repair-before-the-verdict",
        "spare-removed-before-the-verdict",
        "unseen-taken-for-verified",
        "open-judges-what-is-not-synced",
        "mark-astride-two-blocks-missed",
        // Rotation that does not wait.
        "header-always-vouches",
        "header-not-synced-before-its-frames",
        "synced-over-a-segment-that-is-not",
        "acknowledged-before-a-mark-vouches",
        "trim-in-a-header-that-does-not-vouch",
        "trim-frame-left",
        "rewritten-and-left",
        "shortened-before-it-is-synced",
        "cut-before-its-record-is-synced",
        "short-file-gone-on-in",
        "unfinished-cut-left",
        "seal-believed-from-the-cache",
        "short-end-keeps-its-record",
        "record-of-a-short-end-left-by-recovery",
        "close-syncs-its-segment-alone",
        "recycled-before-its-removal-is-durable",
        "kept-behind-a-cut",
        "marks-behind-a-cut-ignored",
        "last-segment-alone-made-stable",
        "last-check-not-compared",
        "dropped-number-used-again",
        "left-counted-with-the-one-before",
        "left-synced-and-no-one-woken",
        "left-synced-opens-one-door",
        // Padding, tags, and kinds of later releases.
        "few-bytes-left-unpadded",
        "one-tag-for-a-whole-batch",
        "tag-lost-when-read-thoroughly",
        "tag-lost-in-frames-made-apart",
        "mark-beside-a-tag-missed",
        "skippable-kind-refused",
        "skippable-kind-ends-the-log",
        // Readers.
        "half-batch-visible",
        "follower-waits-for-a-sync",
        "follower-waits-for-a-write",
        "follower-shown-what-is-on-its-way",
        "follower-shown-what-is-not-synced",
        "void-shown-from-memory",
        "bad-record-skipped",
        "view-calls-unacknowledged-damage",
        "quick-read-unseeded",
        "neighbour-read-instead",
        "beyond-the-end-is-silence",
        "closed-handle-reads",
        // What others do to the files of an open log.
        "vanished-file-unnoticed",
        "second-writer-unnoticed",
        "room-not-given-back",
        // Repairs and copies.
        "gap-breaks-chain",
        "repair-before-quarantine-is-durable",
        "repair-rename-before-content",
        "copy-beyond-proven",
        "copy-read-back-from-the-cache",
        "copy-writes-one-piece-over-the-other",
        "repair-copies-one-piece-alone",
        "repair-read-back-from-the-cache",
        "copy-begins-with-its-first-segment",
        "copy-ends-cleanly",
        // Files.
        "recycled-while-read",
        "stale-spare-not-zeroed",
        "prepared-file-grows-in-place",
        "holes-taken-for-room",
        "spare-used-twice",
        // Orders of threads.
        "lost-wakeup",
        "two-leaders",
        "follower-told-ok",
        "rotation-races-batch",
        "close-races-append",
        "reader-before-bytes",
        "cancelled-waiter",
        "abandoned-waiter",
        "write-back-shares-the-descriptor",
        "handover-forgotten",
        "turn-not-given-back",
        "wants-lost-while-gathering",
        "told-by-watermark-alone",
        "count-looked-at-too-late",
        "address-outside-the-lock",
        "through-beside-a-write",
        "sync-behind-a-write-opens-one-door",
        "follower-looks-at-the-count-too-late",
        "round-ends-without-a-look",
        "turn-kept-by-who-sleeps-again",
        "failure-calls-no-follower",
        "follower-enters-after-it-looked",
        "cancel-looked-at-before-the-count",
        "timeout-drops-a-record",
        "timed-out-follower-keeps-its-turn",
        "waker-lost-before-it-is-entered",
        "ticket-answered-by-watermark-alone",
        "stale-submit-accepted",
        "dropped-ticket-never-written",
        "tickets-left-to-others",
        "failure-calls-no-waker",
        "call-during-a-turn-forgotten",
    ];

    /// None.
    const NO_BUG: usize = usize::MAX;

    static PLANTED: AtomicUsize = AtomicUsize::new(NO_BUG);

    /// Plants the bug of this name in place of the one before; no name removes it. `false` for a
    /// name that is none, which changes nothing.
    ///
    /// It holds for the whole process: tests that plant take turns.
    pub fn plant(name: &str) -> bool {
        let bug = NAMES.iter().position(|known| *known == name);
        let bug = if name.is_empty() { Some(NO_BUG) } else { bug };
        bug.inspect(|&bug| PLANTED.store(bug, Ordering::Relaxed)).is_some()
    }

    pub(crate) fn is(bug: usize) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug
    }

    /// The place of a name in the table, found when compiling.
    ///
    /// # Panics
    /// For a name that is not there: an error of the compiler.
    #[expect(clippy::panic, reason = "it runs in the compiler alone")]
    pub(crate) const fn index_of(name: &str) -> usize {
        let mut index = 0;
        let mut rest = NAMES;
        while let [first, others @ ..] = rest {
            if same(first.as_bytes(), name.as_bytes()) {
                return index;
            }
            index += 1;
            rest = others;
        }
        panic!("no such bug in the table")
    }

    const fn same(mut one: &[u8], mut other: &[u8]) -> bool {
        while let ([a, more @ ..], [b, others @ ..]) = (one, other) {
            if *a != *b {
                return false;
            }
            (one, other) = (more, others);
        }
        one.is_empty() && other.is_empty()
    }

    /// In the order of a hash map: another in each process, and each time.
    pub(crate) fn by_hash<T: Hash>(mut items: Vec<T>) -> Vec<T> {
        let state = RandomState::new();
        items.sort_by_key(|item| state.hash_one(item));
        items
    }

    /// In an order that the time of day decides.
    #[expect(clippy::disallowed_methods, reason = "the planted bug is that somebody looks")]
    pub(crate) fn by_clock<T>(mut items: Vec<T>) -> Vec<T> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.map_or(0, |since| since.subsec_nanos() as usize);
        let len = items.len().max(1);
        items.rotate_left(nanos / 64 % len);
        items
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn names_are_unique_and_each_is_found_at_its_place() {
            for (index, name) in NAMES.iter().enumerate() {
                assert_eq!(index_of(name), index, "{name} stands there twice");
            }
        }

        #[test]
        fn a_name_that_is_none_is_refused() {
            assert!(!plant("no-such-bug"));
            assert!(!plant("ack-before"));
            assert!(plant(""));
        }
    }
}
