//! The log as a state machine: no threads, no clock, no I/O.
//!
//! Appends are method calls that return small values. Disk work goes out as [`Action`]s and comes
//! back as [`Event`]s; whoever drives it (threads of the shell, one thread of a simulation) may
//! take any time between the two. Two lanes, at most one action each under way.
//!
//! ```text
//!   accepted >= written >= synced >= durable   always; each is the end of a batch
//!
//!   origin      Fresh, Unclean --roll--> begun        (the new header is the run's beginning)
//!               Clean --erase close record--> begun   (the same segment goes on; of another lineage: a
//!                                                      roll before the first record)
//!   first       of a new log: reserve, file and header in one action, since nothing comes before it
//!   length      of a run's first segment little, of each that follows four times as much, up to that of
//!               the options
//!   reserve     made before the first record of a run, and again before any that follow its use
//!   roll        write all, sync, prepare if nobody did, header, sync: then the next LSN; at levels that
//!               wait for no sync the segment is synced later (`unsynced`)
//!   trim        a frame; where there is no room for one: a roll, whose header states it
//!   close       write all, sync, close mark, close record, sync
//!   poisoned    a sync failed, or others disturbed the files: no action any more, every waiter
//!               gets the cause
//! ```
//!
//! No LSN is handed out before the run has begun, and none of a segment before both copies of
//! its header are durable; so an append may have to wait, and is then simply called again.

mod accept;
mod arrivals;
mod commit;
mod failed;
mod pad;
mod recent;
mod reserve;
mod retention;
mod short;
mod unsynced;
mod upkeep;

use super::action::Run;
use super::holds::Holds;
use super::options::{Durability, Options};
use super::survey::{Segment, SegmentEnd};
use crate::error::{Error, Result};
use crate::format::checksum::FrameSeed;
use crate::format::extension::Extension;
use crate::format::frame_writer::{PlacedFrame, placed_at};
use crate::format::header::SegmentHeader;
use crate::format::layout;
use crate::format::trailer::Trailer;
use crate::position::{LogId, Lsn, SegmentId};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

pub(crate) use accept::{Accepted, Refusal};
use arrivals::Arrivals;
use failed::Failed;
pub(crate) use recent::Newest;
use recent::Recent;
use reserve::Room;
use short::WantedSeal;
use unsynced::Unsynced;

/// Where the last run left the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// There is no segment yet.
    Fresh,
    /// The last segment ends in a close record, which is to be erased.
    Clean { end: SegmentEnd },
    /// The same, in a segment of an older version of the format: it stays as it is, and the next
    /// begins where it ends.
    Older { end: SegmentEnd },
    /// The last segment ends in a close record, and its file was cut there: the next begins where it ends, and
    /// then the record becomes a seal.
    Short { end: SegmentEnd },
    /// The last segment was closed by recovery; the next starts beyond a jump.
    Unclean { end: SegmentEnd },
}

/// All that recovery hands over.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) log: LogId,
    /// What the headers of this run state, but for the place of each.
    pub(crate) extension: Extension,
    /// The lineage is a new one: the last segment takes no records any more, also after a clean
    /// end.
    pub(crate) raised: bool,
    pub(crate) segments: Vec<Segment>,
    pub(crate) origin: Origin,
    pub(crate) trim: Lsn,
    pub(crate) unborn: Option<u64>,
    /// Segments behind a tail that was cut. Their files go once the next segment has begun, whose number
    /// is above theirs.
    pub(crate) dropped: Vec<SegmentId>,
    pub(crate) spares: Vec<u64>,
    /// There is a reserve, of the right length at least.
    pub(crate) reserve: bool,
}

/// So far apart, or a frame more, are the places in the buffer where a frame is known to begin.
const STARTS_APART: u64 = 16 << 10;

/// A segment that readers may ask for.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) segment: Segment,
    /// Readers that hold its file open.
    pub(crate) pins: u32,
}

/// The segment that is written to.
#[derive(Clone, Copy, Debug)]
struct Active {
    number: SegmentId,
    base: Lsn,
    seed: FrameSeed,
    header: SegmentHeader,
    /// How many it holds; not known of one that an earlier run began.
    frames: Option<u64>,
    /// The header of its successor may be on disk: its end is fixed.
    ended: bool,
    /// It is of the lineage of this run; no record goes into another one.
    takes_records: bool,
}

impl Active {
    fn new(header: SegmentHeader, frames: Option<u64>) -> Self {
        Self {
            number: header.number,
            base: header.base,
            seed: FrameSeed::new(header.log, header.salt),
            header,
            frames,
            ended: false,
            takes_records: true,
        }
    }

    /// No frame with records ends beyond.
    fn record_limit(&self) -> Lsn {
        if !self.takes_records {
            return self.base;
        }
        after(self.base, layout::record_room(self.header.file_len))
    }

    /// No frame ends beyond.
    fn frame_limit(&self) -> Lsn {
        after(self.base, layout::frame_room(self.header.file_len))
    }

    fn offset(&self, lsn: Lsn) -> u64 {
        layout::FRAMES_START + lsn.since(self.base).unwrap_or(0)
    }
}

/// The file of the next segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nobody cared yet.
    Absent,
    /// It has its name, and this length, but may hold a torn header.
    Named { file_len: u64 },
    /// Being made ready.
    Preparing,
    /// Ready.
    Ready(super::action::Prepared),
}

/// A preparation under way: by which lane, from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Preparing {
    upkeep: bool,
    /// For the record of a close.
    closing: bool,
    source: super::action::Source,
    file_len: u64,
}

/// How far a clean close has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    Draining,
    /// The close mark ends here.
    Marked(Lsn),
    /// The close record is durable; it is to end a file of this length.
    Recorded {
        file_len: u64,
        record: Trailer,
    },
    Closed,
}

/// What a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The kernel has everything before `end`; `lsn` tells whose failure it would be.
    Written { lsn: Lsn, end: Lsn },
    /// Everything before `end` is durable.
    Durable { lsn: Lsn, end: Lsn },
}

/// How far the log has come. Always durable <= written <= accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watermarks {
    /// Behind the last record that was accepted.
    pub accepted: Lsn,
    /// Everything before is in the kernel's hands.
    pub written: Lsn,
    /// Everything before is on stable storage.
    pub durable: Lsn,
}

#[derive(Debug)]
pub(crate) struct Machine {
    log: LogId,
    extension: Extension,
    level: Durability,
    segment_len: u64,
    buffer_max: u64,
    batch_frame_max: u64,
    write_at: u64,
    spares_max: usize,
    prepare_ahead: bool,
    zeros_ahead: bool,
    write_back: Option<u64>,
    own_blocks: bool,

    live: VecDeque<Live>,
    origin: Origin,
    begun: bool,
    active: Option<Active>,
    next: Next,
    /// The header that was drawn for the next segment: written again byte by byte if its first
    /// write failed, since a part of it may be on disk.
    drawn: Option<SegmentHeader>,
    spares: Vec<u64>,

    marks: Watermarks,
    unsynced: Unsynced,
    /// The durable watermark that the newest mark states.
    marked: Lsn,
    /// Check of the last written frame.
    chain: u32,
    /// Frames that were accepted and are in nobody's hands.
    pending: Vec<u8>,
    /// Those that go before them, in parts: long ones were made apart, and are moved here.
    front: Vec<Vec<u8>>,
    /// Bytes of all these.
    front_len: u64,
    /// No record that is longer is copied under the lock.
    apart: u64,
    pending_at: Lsn,
    /// Where some of the frames begin that are not written yet: a read of one of them looks for it
    /// from there.
    starts: VecDeque<Lsn>,
    /// The first frame from here on is the next of them.
    next_start: Lsn,
    /// Number of the group that fills `pending`.
    group: u64,
    arrivals: Arrivals,
    /// Bytes of frames that may be taken before anything has to be looked at again: room in the
    /// segment and in the buffer, a mark, a write that is due. Never too large; 0 is always right.
    allowance: u64,
    /// Frames whose write failed; they go before `pending`.
    retry: Option<Run>,
    /// What was accepted when a write last failed: that much is no reason to try again.
    tried: Lsn,
    in_flight: u64,
    /// An empty buffer to fill next.
    empty: Vec<u8>,
    recent: Recent,
    /// Frames whose appends have not returned, from where to where: they become void if they cannot
    /// be written.
    awaited: VecDeque<(Lsn, Lsn)>,
    failed: Failed,

    begin_wanted: bool,
    /// The write of a close record failed and may have left it on disk: it goes before anything
    /// is written that it does not know of. No append has an allowance meanwhile.
    close_record_left: bool,
    /// The close record of a short file, which becomes this before anything is written behind it.
    seal_wanted: Option<WantedSeal>,
    /// Bytes that a clean close gives back at least, by cutting the file.
    cut_at_close: Option<u64>,
    write_wanted: Lsn,
    sync_wanted: Lsn,
    roll_wanted: Option<u64>,
    wrote_last: bool,
    /// What was written when early write-back was last started.
    written_back: Lsn,
    commit_busy: bool,
    upkeep_busy: bool,
    /// Counts failures that are nobody's in particular; whoever waits and sees it move gets the
    /// last one.
    failures: u64,
    last_failure: Option<Arc<Failure>>,
    /// Those among them that are not of records alone, for which no room was found.
    grave_failures: u64,
    last_grave: Option<Arc<Failure>>,

    /// What readers are held to.
    trim: Lsn,
    /// The trim point that a crash leaves at least: no file goes on the word of another.
    trim_durable: Lsn,
    /// A trim that waits for the header of the next segment to state it.
    trim_wanted: Option<Lsn>,
    /// Files behind a tail that was cut: they are in the way of no number until the next segment begins.
    dropped: Vec<SegmentId>,
    /// Trim frames on their way: end of the frame, trim point.
    trims: VecDeque<(Lsn, Lsn)>,
    retire: VecDeque<super::action::Action>,
    remove: VecDeque<super::action::Removal>,
    /// What could not be removed.
    left_over: Vec<super::action::Removal>,
    removing: bool,
    /// The last action of the upkeep lane was a removal.
    removed_last: bool,
    remove_failure: Option<Failure>,
    preparing: Option<Preparing>,
    removed: u64,
    removed_bytes: u64,
    holds: Holds,
    prepare_failed: bool,
    room: Room,
    interval_armed: bool,

    closing: Closing,
    poisoned: Option<Arc<io::Error>>,
    upkeep_failures: u64,
}

/// The last failure that was nobody's in particular.
#[derive(Clone, Debug)]
struct Failure {
    action: &'static str,
    name: String,
    error: Arc<io::Error>,
}

impl Failure {
    fn told(&self) -> Error {
        Error::shared_io(self.action, self.name.clone(), Arc::clone(&self.error))
    }

    /// Whether who is told one need not be told the other.
    fn is_like(&self, other: &Self) -> bool {
        let errno = self.error.raw_os_error();
        let same_error = Arc::ptr_eq(&self.error, &other.error)
            || (errno.is_some() && errno == other.error.raw_os_error());
        same_error && (self.action, &self.name) == (other.action, &other.name)
    }
}

impl Machine {
    pub(crate) fn new(start: Start, options: &Options) -> Self {
        let (end, check) = match start.origin {
            Origin::Fresh => (Lsn::FIRST, 0),
            Origin::Clean { end }
            | Origin::Older { end }
            | Origin::Short { end }
            | Origin::Unclean { end } => (end.lsn, end.check),
        };
        let clean = matches!(start.origin, Origin::Clean { .. });
        let syncs = matches!(options.durability, Durability::Sync | Durability::Interval(_));
        let active = start.segments.last().filter(|_| clean);
        // Levels that never sync a commit need no written zeros.
        let zeros_ahead = options.zeros_ahead.unwrap_or(syncs);
        Self {
            log: start.log,
            extension: start.extension,
            level: options.durability,
            segment_len: options.segment_len,
            buffer_max: options.buffer_max,
            batch_frame_max: options.batch_frame_max,
            write_at: options.write_at,
            spares_max: options.spares_max,
            prepare_ahead: options.prepare_ahead,
            zeros_ahead,
            write_back: options.write_back.filter(|_| !syncs),
            own_blocks: options.own_blocks,
            active: active.map(|segment| {
                let in_place = planted!("raised-log-goes-on-in-its-segment");
                let takes_records = !start.raised || in_place;
                Active { takes_records, ..Active::new(segment.header, None) }
            }),
            live: start.segments.iter().map(|&segment| Live { segment, pins: 0 }).collect(),
            origin: start.origin,
            begun: false,
            next: start.unborn.map_or(Next::Absent, |file_len| Next::Named { file_len }),
            drawn: None,
            spares: start.spares,
            marks: Watermarks { accepted: end, written: end, durable: end },
            unsynced: Unsynced::new(end, options.unsynced_max),
            dropped: start.dropped,
            // A close record that is erased proves nothing any more: the first frame of the run
            // says again what is durable.
            marked: active.map_or(end, |segment| segment.base()),
            chain: check,
            pending: Vec::new(),
            front: Vec::new(),
            front_len: 0,
            apart: options.apart(),
            pending_at: end,
            starts: VecDeque::new(),
            next_start: end,
            group: 1,
            arrivals: Arrivals::default(),
            allowance: 0,
            retry: None,
            tried: end,
            in_flight: 0,
            empty: Vec::new(),
            recent: Recent::new(options.buffer_max),
            awaited: VecDeque::new(),
            failed: Failed::default(),
            begin_wanted: false,
            close_record_left: false,
            seal_wanted: None,
            cut_at_close: options.cut_at_close,
            write_wanted: end,
            sync_wanted: end,
            roll_wanted: None,
            wrote_last: false,
            written_back: end,
            commit_busy: false,
            upkeep_busy: false,
            failures: 0,
            last_failure: None,
            grave_failures: 0,
            last_grave: None,
            trim: start.trim,
            trim_durable: start.trim,
            trim_wanted: None,
            trims: VecDeque::new(),
            retire: VecDeque::new(),
            remove: VecDeque::new(),
            left_over: Vec::new(),
            removing: false,
            removed_last: false,
            remove_failure: None,
            preparing: None,
            removed: 0,
            removed_bytes: 0,
            holds: Holds::default(),
            prepare_failed: false,
            room: {
                let last = active.map(|segment| segment.header.file_len).or_else(|| {
                    let short = matches!(start.origin, Origin::Short { .. });
                    start.segments.last().filter(|_| short).map(|segment| segment.file_len)
                });
                Room::new(options, zeros_ahead, last, start.reserve)
            },
            interval_armed: false,
            closing: Closing::Open,
            poisoned: None,
            upkeep_failures: 0,
        }
    }

    /// Asks for what `goal` needs.
    pub(crate) fn request(&mut self, goal: Goal) {
        match goal {
            Goal::Written { end, .. } => {
                self.write_wanted = self.write_wanted.max(end.min(self.marks.accepted));
            }
            Goal::Durable { end, .. } => {
                self.sync_wanted = self.sync_wanted.max(end.min(self.marks.accepted));
                let plain = self.begun && self.in_flight == 0 && self.closing == Closing::Open;
                if planted!("two-syncs-in-flight") && plain && self.roll_wanted.is_none() {
                    self.commit_busy = false;
                }
            }
        }
    }

    /// Who waits for the durability of everything before `end` counts among the callers that groups
    /// wait for, as an append at level `Sync` does by itself.
    pub(crate) fn join(&mut self, end: Lsn) {
        if end > self.pending_at { self.arrivals.joined() } else { self.arrivals.boarded() }
    }

    /// Whether `goal` is reached, or never will be.
    pub(crate) fn outcome(&mut self, goal: Goal) -> Option<Result<()>> {
        let (Goal::Written { lsn, end } | Goal::Durable { lsn, end }) = goal;
        if let Some(failure) = self.failed.of(lsn) {
            let error = failure.told();
            if planted!("failure-told-once") {
                self.failed = Failed::default();
            }
            return Some(Err(error));
        }
        let reached = match goal {
            Goal::Written { .. } => self.marks.written >= end,
            Goal::Durable { .. } => self.marks.durable >= end,
        };
        if reached {
            return Some(Ok(()));
        }
        // The leader asks first, before it lets go of the lock.
        if planted!("follower-told-ok")
            && let Some(error) = self.poisoned.clone()
            && self
                .last_failure
                .replace(Arc::new(Failure { action: "", name: String::new(), error }))
                .is_some()
        {
            return Some(Ok(()));
        }
        self.told_poison().or_else(|| self.abandoned()).map(Err)
    }

    fn told_poison(&mut self) -> Option<Error> {
        if planted!("sync-error-only-to-leader") {
            return self.poisoned.take().map(|cause| Error::stopped(&cause));
        }
        self.poisoned()
    }

    /// What who still waits for something is told by a machine that does nothing any more.
    fn abandoned(&self) -> Option<Error> {
        (self.is_closed() && !planted!("abandoned-waiter")).then_some(Error::Closed)
    }

    /// Number of the group that fills.
    pub(crate) fn group(&self) -> u64 {
        self.group
    }

    /// The group that holds what ends at `end`; of older ones, the last that was taken.
    pub(crate) fn group_of(&self, end: Lsn) -> u64 {
        if end <= self.pending_at { self.group - 1 } else { self.group }
    }

    /// Whether a group that is to be synced could be taken now, but more callers are expected.
    pub(crate) fn arrivals_awaited(&self) -> bool {
        self.arrivals.awaited()
            && !self.commit_busy
            && self.begun
            && self.poisoned.is_none()
            && self.closing == Closing::Open
            && self.roll_wanted.is_none()
            && self.trim_wanted.is_none()
            && self.retry.is_none()
            && self.sync_wanted > self.marks.written
    }

    /// Counts the failures that were nobody's in particular.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// The last of them.
    pub(crate) fn last_failure(&self) -> Option<Error> {
        self.last_failure.as_ref().map(|failure| failure.told())
    }

    /// Counts those of them that concern not only records for which there is no room.
    pub(crate) fn grave_failures(&self) -> u64 {
        self.grave_failures
    }

    /// The last of those.
    pub(crate) fn last_grave_failure(&self) -> Option<Error> {
        self.last_grave.as_ref().map(|failure| failure.told())
    }

    /// Why what was taken right before `end` is not in the log, if its write failed.
    pub(crate) fn failed_before(&self, end: Lsn) -> Option<Error> {
        self.failed.before(end).map(Failure::told)
    }

    /// Whether what begins at `lsn` is not in the log because its write failed.
    pub(crate) fn is_failed(&self, lsn: Lsn) -> bool {
        self.failed.of(lsn).is_some()
    }

    /// What failed in this run, in order.
    pub(crate) fn failed_ranges(&self) -> Vec<Range<Lsn>> {
        self.failed.ranges().collect()
    }

    /// Where the last of it ends.
    pub(crate) fn failed_end(&self) -> Lsn {
        self.failed.end()
    }

    /// What failed behind `seen`, from where to where.
    pub(crate) fn failed_since(&self, seen: Lsn) -> Option<Range<Lsn>> {
        self.failed.since(seen)
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.is_some()
    }

    pub(crate) fn poisoned(&self) -> Option<Error> {
        self.poisoned.as_ref().map(Error::stopped)
    }

    /// Whether an action of either lane is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.commit_busy || self.upkeep_busy
    }

    /// Whether this run may hand out LSNs.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closing == Closing::Closed
    }

    /// Whether a reader may begin: behind a close the files may be another's at any moment.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub(crate) fn readable(&self) -> Result<()> {
        let closed = self.is_closed() && !planted!("closed-handle-reads");
        if closed { Err(Error::Closed) } else { Ok(()) }
    }

    pub(crate) fn watermarks(&self) -> Watermarks {
        self.marks
    }

    pub(crate) fn trim_point(&self) -> Lsn {
        self.trim
    }

    /// Whether a trim to this point is done, on a log that still acts: a crash does not take it back.
    pub(crate) fn has_trimmed(&self, point: Lsn) -> bool {
        let point = Lsn::new(point.get() / Lsn::ALIGN * Lsn::ALIGN);
        point <= self.trim_durable && self.poisoned.is_none() && self.closing == Closing::Open
    }

    pub(crate) fn durable_trim_point(&self) -> Lsn {
        self.trim_durable
    }

    pub(crate) fn log_id(&self) -> LogId {
        self.log
    }

    /// What the headers of this run state, but for the place of each.
    pub(crate) const fn extension(&self) -> Extension {
        self.extension
    }

    pub(crate) fn live(&self) -> &VecDeque<Live> {
        &self.live
    }

    /// The segment with this number, if it is still part of the log.
    pub(crate) fn live_of(&mut self, number: SegmentId) -> Option<&mut Live> {
        let nth = self.live.binary_search_by_key(&number, |live| live.segment.number());
        nth.ok().and_then(|nth| self.live.get_mut(nth))
    }

    pub(crate) fn live_mut(&mut self) -> &mut VecDeque<Live> {
        &mut self.live
    }

    pub(crate) fn upkeep_failures(&self) -> u64 {
        self.upkeep_failures
    }

    pub(crate) fn spares(&self) -> &[u64] {
        &self.spares
    }

    /// The frame at `lsn` if that is in memory, and in no file yet: `Some(None)` where no frame
    /// begins there. Cost: the frames of one [`STARTS_APART`].
    pub(crate) fn unwritten(&self, lsn: Lsn) -> Option<Option<PlacedFrame<'_>>> {
        let retry = self.retry.iter().flat_map(|run| parts(run.lsn, &run.front, &run.bytes));
        let mut parts = retry.chain(parts(self.pending_at, &self.front, &self.pending));
        parts.find_map(|(begin, bytes)| {
            let index = |lsn: Lsn| usize::try_from(lsn.since(begin)?).ok();
            let at = index(lsn).filter(|&at| at < bytes.len())?;
            let before = self.starts.partition_point(|start| *start <= lsn).checked_sub(1);
            let start = before.and_then(|nth| index(*self.starts.get(nth)?)).unwrap_or(0);
            Some(bytes.get(start..).and_then(|bytes| placed_at(bytes, at - start)))
        })
    }

    /// A frame begins at `lsn` that is not in a file yet.
    #[inline]
    fn note_start(&mut self, lsn: Lsn) {
        if lsn >= self.next_start {
            self.starts.push_back(lsn);
            self.next_start = after(lsn, STARTS_APART);
        }
    }

    /// Check of the last frame that was written.
    pub(crate) fn last_check(&self) -> u32 {
        self.chain
    }

    /// Whether a reader may begin at `from`: at the end of what is accepted, but not beyond.
    ///
    /// # Errors
    /// [`Error::Beyond`].
    pub(crate) fn within(&self, from: Lsn) -> Result<()> {
        let end = self.marks.accepted;
        if from > end && !planted!("beyond-the-end-is-silence") {
            return Err(Error::Beyond { lsn: from, end });
        }
        Ok(())
    }

    /// How far readers see at the log's own level.
    pub(crate) fn visible(&self, level: Durability) -> Lsn {
        match level {
            Durability::Buffered => self.marks.accepted,
            Durability::Os => self.marks.written,
            Durability::Interval(_) | Durability::Sync if planted!("reader-before-bytes") => {
                self.marks.written
            }
            Durability::Interval(_) | Durability::Sync => self.marks.durable,
        }
    }

    fn buffered(&self) -> u64 {
        self.in_flight + self.waiting()
    }

    /// Bytes that wait to be written.
    fn waiting(&self) -> u64 {
        self.pending_len() + self.retry.as_ref().map_or(0, |run| run.len)
    }

    fn pending_len(&self) -> u64 {
        self.front_len + self.pending.len() as u64
    }

    fn active_name(&self) -> String {
        self.active.map_or_else(String::new, |active| segment_name(active.number))
    }

    fn poison(&mut self, cause: io::Error) {
        self.poisoned.get_or_insert(Arc::new(cause));
        self.failures += 1;
        self.grave_failures += 1;
    }

    /// Records a failure for whoever waits for what just failed, and drops what was wanted: who
    /// still wants it asks again.
    fn fail(&mut self, failure: &Arc<Failure>) {
        self.fail_records(failure);
        self.grave_failures += 1;
        self.last_grave = Some(Arc::clone(failure));
        self.trim_wanted = None;
        self.room.look_anew();
        self.write_wanted = self.marks.written;
        self.sync_wanted = self.sync_wanted.min(self.marks.written);
        let marked =
            matches!(self.closing, Closing::Marked(_)) && !planted!("close-mark-not-covered");
        if self.closing != Closing::Closed {
            self.closing = Closing::Open;
        }
        if marked {
            self.cover_close_mark();
        }
    }

    /// Records wait for room that there is not. Nobody else is concerned: what was accepted is
    /// written and synced, trims go on.
    fn fail_records(&mut self, failure: &Arc<Failure>) {
        self.failures += 1;
        self.last_failure = Some(Arc::clone(failure));
        self.begin_wanted = false;
        self.roll_wanted = None;
        self.room.reserve_wanted = false;
    }

    fn check_invariants(&self) {
        let Watermarks { accepted, written, durable } = self.marks;
        let synced = self.unsynced.synced();
        assert!(durable <= synced, "invariant: durable <= synced");
        assert!(synced <= written, "invariant: synced <= written");
        assert!(written <= accepted, "invariant: written <= accepted");
        assert!(
            accepted.since(written) == Some(self.buffered()),
            "invariant: what is accepted and not written is in memory"
        );
        if let Some(active) = self.active {
            assert!(accepted <= active.frame_limit(), "invariant: frames end inside their segment");
        }
    }
}

/// The parts of a run, each with the LSN that it begins at.
fn parts<'a>(
    lsn: Lsn,
    front: &'a [Vec<u8>],
    last: &'a Vec<u8>,
) -> impl Iterator<Item = (Lsn, &'a Vec<u8>)> {
    front.iter().chain([last]).scan(lsn, |at, bytes| {
        let begin = *at;
        *at = after(begin, bytes.len() as u64);
        Some((begin, bytes))
    })
}

fn segment_name(number: SegmentId) -> String {
    crate::format::name::FileName::Segment(number).text()
}

fn after(lsn: Lsn, bytes: u64) -> Lsn {
    lsn.checked_add(bytes).expect("an LSN is a byte count: no log lives to overflow it")
}

#[cfg(test)]
mod tests;
