//! The bugs that can be planted, and who must find each: proof that the tests have teeth.
//!
//! A bug is a line of the library that is wrong when it is asked for (`seawall::planted`, there
//! when built with `--cfg seawall_planted`), or a storage that cheats. `tests/planted.rs` shows of
//! each that some run tells it.

use crate::sabotage::Sabotage;
use crate::subject::Class;

/// One bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedBug {
    /// What it is called.
    pub name: &'static str,
    /// How it is planted.
    pub way: Way,
    /// Who must find it.
    pub judge: Judge,
    /// What must go wrong in a run for it to be found.
    pub class: Class,
    /// The promise that breaks: G1 to G12, or a word.
    pub promise: &'static str,
    /// Whether runs in which nothing crashes are unharmed.
    pub needs_crash: bool,
    /// What the bug is.
    pub story: &'static str,
}

/// How a bug is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A line of the library, by the bug's name.
    Line,
    /// A storage that cheats.
    Sabotage(Sabotage),
}

/// Who must find a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// Random runs from seeds.
    Campaign,
    /// A search that tries every case of something small.
    Exhaustive,
    /// A search over the orders of threads.
    Shuttle,
    /// A process of its own, or two; they are in `tests/planted.rs`.
    Process,
    /// A run made for it, in `tests/planted.rs`: what it needs comes together too seldom by chance.
    Scene,
    /// Two runs of one seed, compared call by call.
    Meta,
}

impl PlantedBug {
    const fn of(
        class: Class,
        name: &'static str,
        promise: &'static str,
        story: &'static str,
    ) -> Self {
        let (way, judge, needs_crash) = (Way::Line, Judge::Campaign, false);
        Self { name, way, judge, class, promise, needs_crash, story }
    }

    const fn by(mut self, sabotage: Sabotage) -> Self {
        self.way = Way::Sabotage(sabotage);
        self
    }

    const fn judged(mut self, judge: Judge) -> Self {
        self.judge = judge;
        self
    }

    const fn at_once(mut self) -> Self {
        self.needs_crash = false;
        self
    }
}

const fn crash(name: &'static str, promise: &'static str, story: &'static str) -> PlantedBug {
    let bug = PlantedBug::of(Class::Crash, name, promise, story);
    PlantedBug { needs_crash: true, ..bug }
}

const fn error(name: &'static str, promise: &'static str, story: &'static str) -> PlantedBug {
    PlantedBug::of(Class::Errors, name, promise, story)
}

const fn media(name: &'static str, promise: &'static str, story: &'static str) -> PlantedBug {
    PlantedBug::of(Class::Media, name, promise, story)
}

const fn threads(name: &'static str, promise: &'static str, story: &'static str) -> PlantedBug {
    PlantedBug::of(Class::Crash, name, promise, story).judged(Judge::Shuttle)
}

/// All of them.
#[rustfmt::skip]
pub const BUGS: &[PlantedBug] = &[
    // What is acknowledged, and when.
    crash("ack-before-sync", "G1", "An append returns when its record is written and not yet synced.")
        .at_once(),
    crash("watermark-at-submission", "G1", "The durable watermark moves when a sync is issued and not when it is done."),
    crash("old-descriptor-synced", "G5", "After a rotation the file of the old segment is synced in place of the new one.")
        .at_once().by(Sabotage::OldDescriptorSynced),
    crash("no-dir-sync-after-create", "G1", "The directory is not synced after a file was made.")
        .by(Sabotage::SyncDirSkippedAfterCreate),
    crash("no-dir-sync-after-rename", "G1", "The directory is not synced after a file got another name.")
        .by(Sabotage::SyncDirSkippedAfterRename),
    crash("dir-before-content", "G5", "The directory is synced before the content of a new file is.")
        .by(Sabotage::DirSyncedBeforeContent),
    crash("header-before-predecessor-synced", "G1", "The header of segment n + 1 is written before n is synced.")
        .at_once(),
    crash("unlink-before-trim-is-durable", "G5", "Files are removed before the trim point is durable.")
        .at_once(),
    crash("mark-claims-more-than-durable", "G5", "A mark states what was accepted, not what is durable."),
    crash("idle-mark-stops-interval", "G1", "An idle mark arms the interval, of which nobody takes notice: nothing is synced by itself any more.")
        .at_once(),
    crash("write-back-taken-for-a-sync", "G1", "Early write-back counts as a sync, also for what was written while it ran.")
        .at_once(),
    // Rotation that does not wait.
    crash("header-always-vouches", "G5", "A header that is written before the segment before it is synced says that it was.")
        .at_once(),
    crash("header-not-synced-before-its-frames", "G1", "A header is written and not synced before the first frame behind it."),
    crash("synced-over-a-segment-that-is-not", "G1", "What is written last is synced and reported as durable, although a segment before it is not synced.")
        .at_once(),
    media("acknowledged-before-a-mark-vouches", "G1", "What follows a header that does not vouch is reported as durable without a mark that vouches.")
        .judged(Judge::Exhaustive),
    crash("trim-in-a-header-that-does-not-vouch", "G5", "The header of the next segment states a trim before the one before it is synced, and files go on its word."),
    error("trim-frame-left", "G9", "A segment with a trim frame that is not synced is left, and no later header states the trim.")
        .judged(Judge::Scene),
    error("rewritten-and-left", "G5", "A segment is left with frames in place of others, whose write failed and which a crash may bring back.")
        .judged(Judge::Scene),
    crash("shortened-before-it-is-synced", "G5", "A segment is sealed and shortened before it is synced."),
    crash("close-syncs-its-segment-alone", "G1", "A clean close syncs the last segment, and none that was left before it was synced."),
    crash("recycled-before-its-removal-is-durable", "G5", "A trimmed file is written over for the next segment before the directory is synced: its old name may come back.")
        .at_once(),
    crash("kept-behind-a-cut", "G2", "What follows a segment that a crash cut short stays part of the log."),
    media("marks-behind-a-cut-ignored", "G1", "Marks in the segments behind a tail prove nothing."),
    crash("last-segment-alone-made-stable", "G1", "An open syncs and evicts the last segment, and none before it that nothing vouches for."),
    media("last-check-not-compared", "G1", "A segment may end with another frame than the header behind it states, where that does not vouch.")
        .judged(Judge::Exhaustive),
    crash("dropped-number-used-again", "G5", "The segment behind a cut gets the number of one that was dropped with the tail."),
    error("durable-behind-a-failed-sync", "G7", "A sync that returns behind one that failed moves the durable watermark still.")
        .judged(Judge::Scene),
    error("accepted-during-sync-counted", "invariant", "A sync counts for what was accepted while it ran."),
    error("two-syncs-in-flight", "G7", "Two syncs of one descriptor at once: the error goes to one, the other says that all is well.")
        .judged(Judge::Scene),
    error("sync-error-only-to-leader", "G7", "Of those who wait for a sync that fails one is told, and the log goes on."),
    error("poison-checked-before-lock", "G7", "Whether a sync failed is asked before the lock is taken, and not again."),
    error("failed-sync-retried", "G7", "A failed sync is tried again, and the second answer is believed.")
        .by(Sabotage::SyncErrorRetried),
    error("reopen-without-evict", "G7", "An open judges the page cache and not the device.")
        .by(Sabotage::EvictDoesNothing),
    // Writes that fail.
    error("short-write-taken-as-full", "G1", "A write that took less than it was given counts as whole.")
        .by(Sabotage::ShortWriteReportedFull),
    error("eintr-restarts-from-zero", "G1", "An interrupted write goes on with the rest, at the first offset."),
    error("appends-behind-half-written", "G1", "What failed is left as it is, half written, and later appends go behind it."),
    error("failed-append-not-voided", "G2", "An append that failed is written again with the next: it was told to be absent, and is there."),
    error("failed-write-tried-for-ever", "progress", "A write that failed is made again and again while the disk takes nothing, though no caller asks for it.")
        .judged(Judge::Scene),
    error("leftovers-of-failed-batch", "G3", "Of a batch whose write failed only the first frame becomes void."),
    error("mark-lost-with-voided-frame", "G5", "The mark in a frame that became void is not stated again.")
        .judged(Judge::Scene),
    error("close-mark-not-covered", "G5", "After a close that failed the log goes on behind the close mark, which hides what follows.")
        .judged(Judge::Scene),
    error("scan-hides-what-was-withheld", "G1", "A scan that could not hand buffered records over ends early and in silence."),
    error("through-told-unlooked", "G1", "An append that is written in one turn is told that all is well, whatever became of its write."),
    error("through-past-a-close-record", "G1", "A close record whose write failed is still on disk when the next append is written in one turn."),
    error("failure-told-once", "G2", "The first who asks about an append that failed is told so, the second that all is well.")
        .judged(Judge::Scene),
    error("unwinding-driver-leaves-the-lane", "progress", "A thread that panics in a call of the disk leaves its lane taken: all others wait for ever.")
        .judged(Judge::Scene),
    crash("mark-of-a-round-address-overdone", "G5", "The mark in a frame whose address is a multiple of 65,536 claims what was accepted."),
    error("mark-over-a-failed-close-overdone", "G5", "The mark behind a close that failed claims what was accepted, the close mark too, and not what is durable.")
        .at_once(),
    crash("rest-of-a-short-write-misplaced", "G5", "What a short write left over is written where the write began.")
        .at_once(),
    crash("unclean-end-closed-without-a-record", "G7", "A log that is opened after a crash, and closed with nothing appended, has no close record: each open reads its tail again.").at_once()
        .judged(Judge::Scene),
    error("failed-sync-of-a-close-forgiven", "G7", "A close whose last sync failed says so as if a write had failed, and the log goes on.")
        .judged(Judge::Scene),
    error("trim-waits-for-next-segment", "G8", "On a full disk a trim waits for the next segment, as records do, and fails because there is no room."),
    error("reserve-used-for-records", "G8", "On a full disk records take the file that is kept for trims."),
    error("reserve-not-made-again", "G8", "A trim used the reserve, and records go on without another."),
    error("trim-fails-while-files-go", "G8", "A trim on a full disk fails while the files of an earlier one, which give it room, are being removed.")
        .judged(Judge::Scene),
    error("reserve-forgotten-by-recovery", "G8", "A crash comes between a trim that used the reserve and the removal of its files: the open that removes them makes no reserve of one.")
        .judged(Judge::Scene),
    error("trim-not-in-the-header-it-began", "G8", "A segment begins in the reserve for a trim, and its header does not state the trim: a crash leaves neither."),
    error("trim-in-memory-removes-files", "G5", "A trim that found no room to be stated removes files all the same."),
    // Bytes.
    media("length-trusted-before-check", "G5", "The fields of a frame header are used whatever its check."),
    media("length-allocated-at-once", "G10", "A length from disk sizes memory before the bytes are there.")
        .judged(Judge::Process),
    media("check-without-lsn", "G1", "The check of a frame leaves its place out: a misdirected write verifies."),
    media("check-without-salt", "G2", "The check of a frame leaves the salt out: frames of another use of the segment verify.")
        .judged(Judge::Scene),
    crash("zeros-decode-as-frame", "G2", "Zeros are an empty record.")
        .at_once(),
    media("chain-ends-with-its-segment", "G2", "No reader compares the last check of a segment with what the next header names.")
        .judged(Judge::Scene),
    crash("header-names-no-frame", "G5", "A header names 0 as the check of the frame before it.").at_once(),
    media("chain-not-checked", "G2", "Nobody compares a frame's `prev` with the check of the frame before.")
        .judged(Judge::Scene),
    media("mark-check-not-checked", "G5", "A mark is believed without its own check.")
        .judged(Judge::Exhaustive),
    media("one-header-copy", "G5", "The second copy of a header is not written."),
    media("first-of-two-copies-taken", "G1", "Of two valid copies of a header that differ the first is believed, also where the frames are of the second.")
        .judged(Judge::Scene),
    crash("trim-not-in-headers", "G5", "Headers carry no trim point.")
        .at_once(),
    // Recovery.
    crash("first-without-last", "G3", "Recovery takes frames of a batch whose last frame is missing."),
    crash("tail-cut-in-memory-only", "G4", "After an unclean end the same segment goes on where its valid frames end: no header says that it was cut."),
    crash("lsn-reused-after-cut", "G4", "The segment after an unclean end begins without a jump."),
    crash("length-taken-for-content", "G5", "A file of full length counts as begun, though its header was never written.").at_once(),
    crash("close-record-proves-its-mark", "G5", "A close record is believed for the close mark before it, which is synced with it and may be torn.")
        .judged(Judge::Exhaustive),
    crash("first-named-before-its-sync", "G1", "The first segment of a log gets its name before it is synced."),
    crash("first-header-states-the-usual-length", "G1", "The header of a first segment that is short states the length that later ones have.")
        .at_once(),
    crash("close-record-left", "G4", "The close record is still there while the log goes on.")
        .at_once(),
    crash("cut-before-its-record-is-synced", "G5", "A close cuts the file before the record that is to end it is synced.")
        .judged(Judge::Scene),
    error("seal-believed-from-the-cache", "G5", "An open takes the seal of a short file for durable whose sync failed.")
        .judged(Judge::Scene),
    error("unfinished-cut-left", "G5", "The record of a cut that was not made stays in the file, and ends it once it is shortened."),
    crash("short-file-gone-on-in", "G5", "A run goes on in a file that a close cut.").at_once(),
    crash("short-end-keeps-its-record", "G5", "The close record of a short file stays, and says that nothing follows, though a segment does.")
        .at_once(),
    crash("record-of-a-short-end-left-by-recovery", "G5", "A crash comes between a segment's begin and the seal of the short file before it, and the next open leaves the record there."),
    media("close-record-of-another-salt", "G5", "A close record of another use of the file is believed.")
        .judged(Judge::Exhaustive),
    media("short-closed-segment-accepted", "G5", "Recovery goes on past a closed segment that lacks its end."),
    media("damage-taken-for-torn-tail", "G5", "Whatever does not verify at the end is torn, also below a mark."),
    media("torn-header-deletes-segment", "G5", "A last segment without a good header is used anew, with all that was acknowledged in it."),
    media("missing-middle-unnoticed", "G5", "Nobody counts the segments: one in the middle may be missing."),
    crash("hash-map-order", "order", "A hash map decides in which order segments are looked at.")
        .judged(Judge::Meta).at_once(),
    crash("wall-clock-order", "order", "The time of day decides in which order files are removed.")
        .judged(Judge::Meta),
    crash("lock-ignored", "G11", "Everyone gets the lock of a directory.")
        .by(Sabotage::LockIgnored).at_once(),
    crash("lock-ignored-by-second-process", "G11", "The lock holds inside of one process only.")
        .judged(Judge::Process).at_once(),
    crash("open-judges-what-is-not-synced", "G5", "An open after a kill judges what the page cache shows, does not sync it, and the next header claims it."),
    media("mark-astride-two-blocks-missed", "G5", "The search behind a broken place does not see a mark whose header lies in two of its blocks.")
        .judged(Judge::Scene),
    crash("unseen-taken-for-verified", "G7", "An open says that it judged what the device has, though the system did not let it look.")
        .at_once(),
    media("spare-removed-before-the-verdict", "G5", "An open removes a spare before it knows whether the log is refused."),
    media("repair-before-the-verdict", "G5", "An open repairs what it can before it knows whether the log is refused."),
    // Whose log it is, and which of its copies.
    media("content-of-one-segment-taken-for-all", "G5", "The first header says what the records mean: a segment that says otherwise is read with the others.")
        .judged(Judge::Scene),
    crash("content-not-checked", "G2", "A program appends to a log whose records mean something else.")
        .judged(Judge::Scene).at_once(),
    crash("copy-goes-on-as-its-log", "G4", "Who goes on with a copy does not look whether its headers say that it is one.")
        .at_once(),
    crash("copy-keeps-the-home-of-its-log", "G4", "A copy does not say that it is one: where the system tells no file from another, two of them give out the same names.")
        .at_once(),
    crash("home-of-the-directory-alone", "G4", "The place of a segment is its directory: files that were put back there from a backup are not noticed.")
        .judged(Judge::Scene).at_once(),
    crash("raised-log-goes-on-in-its-segment", "G4", "A raised lineage goes on in a segment whose header states the one before.")
        .at_once(),
    media("repaired-end-unmarked", "G4", "A repair that makes the end of a log anew does not say so: what was lost after it had LSNs that are given out again.")
        .judged(Judge::Scene),
    media("raise-leaves-the-close-record", "G5", "A copy that goes on leaves the close record: the segment after it can lose its headers without a word.")
        .judged(Judge::Scene),
    // Padding, tags, and kinds of later releases.
    crash("few-bytes-left-unpadded", "G5", "A commit that leaves fewer bytes of its block than a void frame needs is not padded: the next one shares it.").at_once(),
    crash("one-tag-for-a-whole-batch", "G2", "All records of a batch get the tag of the first one.").at_once(),
    crash("tag-lost-when-read-thoroughly", "G1", "A record that is read by its address, and not at once, comes without its tag.")
        .judged(Judge::Scene).at_once(),
    crash("tag-lost-in-frames-made-apart", "G2", "Records that are made into frames before the lock is taken lose their tags.").at_once(),
    media("mark-beside-a-tag-missed", "G5", "The search after a broken place knows no marked frame with a tag: what it proves durable is cut."),
    crash("skippable-kind-refused", "G5", "A frame of a kind that may be passed over is taken for one of a later version, and refuses the log.")
        .judged(Judge::Scene).at_once(),
    crash("skippable-kind-ends-the-log", "G1", "A frame of a kind that may be passed over is taken for the end: what stands behind it is cut.")
        .judged(Judge::Scene),
    // Readers.
    crash("follower-waits-for-a-sync", "G1", "A follower that is to be shown what the system's memory has is shown what was synced only.")
        .at_once(),
    crash("follower-waits-for-a-write", "G1", "A follower that is to be shown what is accepted is shown what was written only.")
        .at_once(),
    crash("follower-shown-what-is-on-its-way", "G1", "A follower that is to be shown what the system has is shown what is still on its way there.")
        .at_once(),
    crash("follower-shown-what-is-not-synced", "G1", "A follower that is to be shown what is durable is shown what was written.")
        .at_once(),
    error("void-shown-from-memory", "G2", "What is in memory for followers stays there when its write fails: they are shown what is not in the log."),
    media("half-batch-visible", "G3", "Behind damage a reader is shown the rest of a batch whose beginning is gone."),
    media("bad-record-skipped", "G5", "A reader passes over what does not verify and says nothing."),
    error("view-calls-unacknowledged-damage", "G5", "A view calls it damage that the next run did not keep what nobody was told of."),
    crash("quick-read-unseeded", "G1", "A read by address believes a frame that is whole, of whatever log, place and use of the file.")
        .judged(Judge::Scene).at_once(),
    media("neighbour-read-instead", "G1", "Of many addresses, one that cannot be read is answered with the record before it.")
        .judged(Judge::Scene),
    crash("beyond-the-end-is-silence", "G4", "A scan or a follower that begins beyond the end waits, or shows nothing, in silence.").at_once()
        .judged(Judge::Scene),
    crash("closed-handle-reads", "G5", "Readers of a log that was closed go on reading, whoever recycles its files by now.").at_once()
        .judged(Judge::Scene),
    // What others do to the files of an open log.
    crash("vanished-file-unnoticed", "G1", "The log does not look whether the directory and the files of an open log still have their names.")
        .judged(Judge::Scene).at_once(),
    crash("second-writer-unnoticed", "G11", "The log does not look whether what it wrote is still there, or another writer came by another path.")
        .judged(Judge::Scene).at_once(),
    // Disks that copy on write.
    error("holes-taken-for-room", "G8", "A spare that gave room back is used again with its holes: on a full disk records fail in it, and trims after them.")
        .judged(Judge::Scene),
    error("room-not-given-back", "G8", "Where writes are copies, a full disk ends trims, appends and closes although the last segment has room.")
        .judged(Judge::Scene).at_once(),
    // Repairs and copies.
    media("gap-breaks-chain", "G5", "A gap has a check of its own, and not the one that the frame behind it states of the frame before.")
        .judged(Judge::Scene),
    media("seal-proves-nothing", "G5", "A last segment with a seal is taken for the last there ever was: the newest file can be gone without a word."),
    media("header-loss-taken-for-unborn", "G5", "A file of zeros at its beginning is taken for one that waits, whatever stands behind them."),
    media("close-record-ends-nothing", "G5", "A file that was made ready and is hurt keeps a log from opening that was closed before it."),
    media("repair-before-quarantine-is-durable", "G1", "A repair puts new files in place before the copies of the old ones are synced.")
        .judged(Judge::Scene),
    media("repair-rename-before-content", "G1", "A repair gives a new file the name of a segment before it is synced.")
        .judged(Judge::Scene),
    error("copy-beyond-proven", "G1", "A copy of a live log ends where its frames do, and not where they are proven durable.")
        .judged(Judge::Scene),
    media("copy-read-back-from-the-cache", "G1", "A copy is read back from the page cache: what the disk made of it is not seen.")
        .judged(Judge::Scene),
    media("copy-writes-one-piece-over-the-other", "G1", "A copy of a segment of several MiB writes each of its pieces to the same place.")
        .judged(Judge::Scene),
    media("repair-copies-one-piece-alone", "G1", "A repair of a segment of several MiB takes its first piece over, and no other.")
        .judged(Judge::Scene),
    media("repair-read-back-from-the-cache", "G1", "A repair compares the copy of an original with the page cache's, and not with the device's.")
        .judged(Judge::Scene),
    crash("copy-begins-with-its-first-segment", "G5", "A copy writes its segments under their names, the first one first: cut off half way it opens as a shorter log.")
        .judged(Judge::Scene),
    crash("copy-ends-cleanly", "G4", "A copy of a closed log is closed: log and copy give the same addresses out again.")
        .judged(Judge::Scene),
    // Files.
    crash("recycled-while-read", "G1", "A trimmed segment is recycled while a reader stands in it.").at_once()
        .judged(Judge::Scene),
    crash("stale-spare-not-zeroed", "progress", "A recycled file keeps its old headers and first frames until the new header comes: the log takes them for another writer's.")
        .at_once(),
    crash("prepared-file-grows-in-place", "G5", "A prepared file that is too short grows under its name.")
        .judged(Judge::Scene),
    crash("spare-used-twice", "progress", "A spare that was used stays on the list.").at_once(),
    // Orders of threads.
    threads("lost-wakeup", "progress", "A waiter looks, and sleeps after the event that it waits for was told."),
    threads("two-leaders", "G7", "Two threads drive the commit lane at once."),
    threads("follower-told-ok", "G7", "A waiter whose leader's sync failed is told that all is well."),
    threads("left-counted-with-the-one-before", "G1", "A sync of a segment that was left counts for those that were left while it ran, too."),
    threads("left-synced-and-no-one-woken", "progress", "Who waits while the other lane syncs what was left is not woken when that is done."),
    threads("left-synced-opens-one-door", "progress", "A sync behind segments that were left wakes those of the last group alone: others wait for it since an earlier one."),
    threads("rotation-races-batch", "G3", "A rotation comes between the frames of a batch."),
    threads("close-races-append", "G1", "An append is accepted behind the close mark."),
    threads("reader-before-bytes", "G1", "A reader is let in before the bytes are in the file."),
    threads("cancelled-waiter", "progress", "Who stops waiting takes the wakeup of another along."),
    threads("abandoned-waiter", "progress", "A thread that waits for a ticket when the last handle goes and the log gives up is not woken, and waits for ever."),
    threads("write-back-shares-the-descriptor", "G7", "Early write-back syncs through the descriptor of the commits: of two syncs at once one may say that all is well."),
    threads("handover-forgotten", "progress", "A leader goes home with its own group done, and wakes nobody for the next."),
    threads("turn-not-given-back", "progress", "A leader whose callers arrived early still counts as waiting for them: nobody may lead."),
    threads("wants-lost-while-gathering", "progress", "A leader lets others arrive, and does not ask again for what a failure dropped meanwhile."),
    threads("told-by-watermark-alone", "G7", "A woken appender looks at the watermark alone, and not whether its frame became void below it."),
    threads("address-outside-the-lock", "G4", "A buffered append asks again where the log ends once it let go of the lock: the address is that of another record."),
    threads("count-looked-at-too-late", "progress", "An appender looks at the count of its door once the lock is free: the event has just been counted."),
    threads("sync-behind-a-write-opens-one-door", "progress", "A sync that rides behind a write wakes those who wait for the write alone."),
    threads("follower-looks-at-the-count-too-late", "progress", "A follower looks at the count of its door once the lock is free: its round has just begun."),
    threads("round-ends-without-a-look", "progress", "Who ends a round of followers does not look whether the next one is due."),
    threads("turn-kept-by-who-sleeps-again", "progress", "A follower that was woken for nothing it can show sleeps again, and wakes no other."),
    threads("failure-calls-no-follower", "progress", "Followers are woken by records alone, and not when a failure or a close ends the log."),
    threads("follower-enters-after-it-looked", "progress", "A poll of a follower looks at the log and enters its waker in two steps: what becomes visible between them calls no waker."),
    threads("cancel-looked-at-before-the-count", "progress", "A follower looks whether it was cancelled, and then at the count that it sleeps with: a cancel between the two wakes no thread."),
    threads("timeout-drops-a-record", "G1", "A follower whose time is over looks once more, and forgets what it found."),
    threads("timed-out-follower-keeps-its-turn", "progress", "A follower whose time is over goes without passing its turn on: those behind it in the round are never woken."),
    threads("waker-lost-before-it-is-entered", "progress", "A poll looks at the outcome and enters its waker in two steps: what comes true between them calls no waker."),
    threads("ticket-answered-by-watermark-alone", "G2", "A ticket is answered by the watermark, which also moves over the void that stands for its failed write."),
    threads("stale-submit-accepted", "G2", "A submit is taken behind a failed write that its caller has not seen."),
    threads("dropped-ticket-never-written", "progress", "A ticket that no caller waits for is written by none."),
    threads("tickets-left-to-others", "progress", "A leader goes home with its own group done, and the log's own thread, which looks after polled tickets, is not woken."),
    threads("failure-calls-no-waker", "progress", "Wakers are called when a watermark moves, and not when a write fails."),
    threads("call-during-a-turn-forgotten", "progress", "Who calls shared threads for a log that has its turn just then is forgotten: the log rests with work to do."),
    threads("through-beside-a-write", "order", "An append that is written in one turn does not look whether a write is under way."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_stories_are_told() {
        let names: BTreeSet<_> = BUGS.iter().map(|bug| bug.name).collect();
        assert_eq!(names.len(), BUGS.len());
        for bug in BUGS {
            assert!(bug.story.ends_with('.'), "{}", bug.name);
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(bug.name.chars().all(plain), "{}", bug.name);
        }
    }

    #[cfg(seawall_planted)]
    #[test]
    fn the_table_and_the_library_know_the_same_lines() {
        let ours: BTreeSet<_> =
            BUGS.iter().filter(|bug| bug.way == Way::Line).map(|bug| bug.name).collect();
        let theirs: BTreeSet<_> = seawall::planted::NAMES.iter().copied().collect();
        assert_eq!(ours, theirs);
    }
}
