//! Room on a disk that is full: the reserve, how long a segment may be, and trims that find no place
//! for a frame.
//!
//! ```text
//!   the reserve    a file of the shortest length, all of it written, made before a record is taken
//!   records        need it, and never take it
//!   a trim         that frees files and finds no other room begins a segment in it; the header of
//!                  that states the trim point, so both are one step; of the first file that is
//!                  freed the next reserve is made, which takes no room
//!                  that frees nothing, and finds no room, stays in memory
//! ```
//!
//! A close after an unclean end begins a segment as well, where there is room beside the reserve.
//!
//! A crash at any step leaves a reserve; or a file that has the next segment's name and was not
//! begun, which serves as one; or files below the trim point, of one of which the next open makes it.

use super::super::action::{Action, Outcome, Prepared, Source, Trouble};
use super::commit::{is_full, is_missing};
use super::{Closing, Failure, Machine, Next, Origin, Preparing, Refusal, segment_name};
use crate::format::header::SegmentHeader;
use crate::format::layout::{self, SEGMENT_LEN_MIN};
use crate::format::name::FileName;
use crate::log::options::Options;
use crate::position::{Home, Lsn, Salt};
use std::sync::Arc;

/// What is known of the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reserve {
    Absent,
    /// There, and not written by this run: a trim may take it, records may not count on it.
    There,
    /// A lane is at it.
    Making,
    /// All of it is written and synced.
    Ready,
}

/// What is known of the room on the disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) reserve: Reserve,
    /// Records wait for it.
    pub(super) reserve_wanted: bool,
    /// It is made of a spare, since a new file found no room.
    from_spare: bool,
    /// One was there before it was begun to be made anew, in place.
    was_there: bool,
    /// The length of a segment by the options, once it has grown to it.
    segment_len: u64,
    /// How many times as long each segment is as the one before.
    growth: u64,
    /// The length that the next segment shall have. It grows with what the run appends.
    grown: u64,
    /// The length that it is tried with at most: a whole one's, until that found no room.
    fits: u64,
    /// The first segment of a log was tried in one action.
    first_tried: bool,
    /// The disk was once found full: room is asked for before it is written.
    pub(super) short: bool,
    /// For a trim not even a segment of the shortest length found room but in the reserve.
    none: bool,
    /// For a trim only the shortest is tried.
    shortest: bool,
    /// No segment could be begun for the record of a close.
    none_for_close: bool,
}

impl Room {
    /// `last`: the length of the segment that the run goes on in.
    pub(super) fn new(options: &Options, zeros: bool, last: Option<u64>, reserve: bool) -> Self {
        let segment_len = options.segment_len;
        let growth = if zeros { GROWTH } else { u64::MAX };
        let grown = last.map_or(0, |len| len.saturating_mul(growth)).min(segment_len);
        Self {
            segment_len,
            growth,
            grown: grown.max(options.first_segment_len.min(segment_len)),
            fits: segment_len,
            first_tried: false,
            reserve: if reserve { Reserve::There } else { Reserve::Absent },
            reserve_wanted: false,
            from_spare: false,
            was_there: false,
            short: false,
            none: false,
            shortest: false,
            none_for_close: false,
        }
    }

    /// The length that the next segment is tried with.
    pub(super) fn file_len(&self) -> u64 {
        self.grown.min(self.fits)
    }

    /// What was found for a trim holds no longer.
    pub(super) const fn look_anew(&mut self) {
        (self.none, self.shortest) = (false, false);
    }
}

/// Each segment of a run is so many times as long as the one before, until it has the length of the
/// options. It is written with zeros while the one before fills, so the more, the less time there is for
/// each of its bytes. Where no zeros are written the second has the length of the options: it costs no
/// more than a short one, and each rotation waits for a sync.
const GROWTH: u64 = 4;

/// The next length to try where `asked` found no room: a power of two, not below `least`.
fn shorter(asked: u64, least: u64) -> Option<u64> {
    let half = asked.saturating_sub(1).checked_ilog2().map_or(0, |log| 1 << log);
    (asked > least).then(|| half.max(least))
}

impl Machine {
    /// Whether a record may be taken as far as the reserve is concerned; asks for it otherwise.
    pub(super) fn has_reserve(&mut self) -> bool {
        let ready =
            self.room.reserve == Reserve::Ready || self.begun && !Self::makes_reserve_again();
        self.room.reserve_wanted |= !ready;
        ready
    }

    pub(super) fn makes_reserve_again() -> bool {
        !planted!("reserve-not-made-again")
    }

    /// Whether a file is there that a trim may begin a segment in.
    pub(super) fn may_use_reserve(&self) -> bool {
        matches!(self.room.reserve, Reserve::There | Reserve::Ready)
    }

    /// The length of a segment for an append that needs one of `needed`. Where that is more than others
    /// get yet, some more like it are to find room.
    pub(super) fn len_for(&self, needed: u64) -> u64 {
        let room = &self.room;
        let wanted = if needed > room.grown {
            needed.saturating_mul(room.growth).min(room.segment_len)
        } else {
            room.grown
        };
        needed.max(wanted.min(room.fits))
    }

    /// Begins a new log in one action, where nothing is there that it could be made of. It is tried once:
    /// where it fails, the actions that it stands for say why.
    pub(super) fn first(&mut self) -> Option<Action> {
        let len = self.roll_wanted?;
        let nothing_there = self.origin == Origin::Fresh
            && self.live.is_empty()
            && self.spares.is_empty()
            && self.next == Next::Absent;
        if self.begun || self.room.first_tried || !nothing_there || !self.room.reserve_wanted {
            return None;
        }
        self.room.first_tried = true;
        self.room.was_there = self.room.reserve == Reserve::There;
        self.room.reserve = Reserve::Making;
        let file_len = self.len_for(layout::file_len_for(len));
        let source = Source::New(self.next_number().get());
        let preparation = self.preparation(source, file_len, false);
        let usual = planted!("first-header-states-the-usual-length");
        let stated = if usual { self.segment_len } else { file_len };
        // Its salt and its home are known once there is a file.
        let prepared = Prepared { file_len: stated, salt: Salt::new(0), home: Home::UNKNOWN };
        Some(Action::First { preparation, header: self.next_header(prepared) })
    }

    pub(super) fn on_first(&mut self, outcome: Outcome<SegmentHeader>) {
        self.commit_busy = false;
        match outcome {
            Ok(header) => {
                self.room.reserve = Reserve::Ready;
                self.room.reserve_wanted = false;
                self.on_began(header);
            }
            Err(Trouble::SyncFailed(cause)) => self.poison(cause),
            Err(Trouble::Failed(_)) => {
                let there = self.room.was_there;
                self.room.reserve = if there { Reserve::There } else { Reserve::Absent };
                self.upkeep_failures += 1;
            }
        }
    }

    /// Makes the reserve, unless the other lane does.
    pub(super) fn make_reserve(&mut self) -> Option<Action> {
        if matches!(self.room.reserve, Reserve::Making | Reserve::Ready) {
            return None;
        }
        let from = if self.room.from_spare { self.spares.pop() } else { None };
        self.room.was_there = self.room.reserve == Reserve::There;
        self.room.reserve = Reserve::Making;
        Some(Action::MakeReserve { from })
    }

    pub(super) fn on_reserve_made(&mut self, outcome: Outcome) {
        self.commit_busy = false;
        let from_spare = std::mem::take(&mut self.room.from_spare);
        match outcome {
            Ok(()) => {
                self.room.reserve = Reserve::Ready;
                self.room.reserve_wanted = false;
            }
            Err(Trouble::SyncFailed(cause)) => self.poison(cause),
            Err(Trouble::Failed(error)) => {
                let there = self.room.was_there;
                self.room.reserve = if there { Reserve::There } else { Reserve::Absent };
                let full = crate::error::is_full(&error);
                self.room.none_for_close |= self.closing != Closing::Open && !self.begun;
                if full && !there && !from_spare && !self.spares.is_empty() {
                    self.room.from_spare = true;
                    return;
                }
                let name = FileName::RESERVE.text();
                let action = "keep 16 KiB in reserve, which trims need, as";
                let failure = Arc::new(Failure { action, name, error: error.into() });
                if self.trim_wanted.is_some() && !full {
                    return self.fail(&failure);
                }
                // A trim that asked for it, and finds no room, does without.
                self.room.none |= self.trim_wanted.is_some();
                if self.room.reserve_wanted {
                    self.fail_records(&failure);
                }
            }
        }
    }

    /// What the removal of trimmed files made of the reserve.
    pub(super) fn on_reserve_recycled(&mut self, outcome: Outcome, recycled: bool) {
        self.room.reserve = match outcome {
            Ok(()) => Reserve::Ready,
            Err(_) if recycled => Reserve::There,
            Err(_) => Reserve::Absent,
        };
        match outcome {
            Ok(()) => self.room.reserve_wanted = false,
            Err(_) => self.upkeep_failures += 1,
        }
    }

    /// Whether files go with a trim to this point, once the next segment has begun.
    fn frees(&self, point: Lsn) -> bool {
        let end = match self.live.get(1) {
            Some(next) => next.segment.header.prev_end,
            None if self.live.is_empty() => return false,
            None => self.marks.accepted,
        };
        end <= point
    }

    /// No frame has room for this trim: the header of the next segment states it. `None` where it
    /// stays in memory, until the next header, trim frame or close mark: it frees nothing, and
    /// nothing is removed on its word.
    pub(super) fn trim_without_frame(&mut self, point: Lsn) -> Result<(), Refusal> {
        self.look_again();
        let unlinks = planted!("trim-in-memory-removes-files");
        if self.room.none && (unlinks || !self.frees(point)) {
            self.trim = point;
            self.room.look_anew();
            if unlinks {
                self.trim_durable = point;
                self.drop_trimmed();
            }
            return Ok(());
        }
        self.trim_wanted = self.trim_wanted.max(Some(point));
        Err(Refusal::Wait)
    }

    /// Begins a segment for a trim. What is left for trims alone is taken only if files go with it,
    /// since it is made anew of one of them.
    pub(super) fn roll_for_trim(&mut self, point: Lsn) -> Option<Action> {
        let frees = self.frees(point);
        match self.next {
            Next::Preparing => None,
            Next::Ready(_) if self.drawn.is_some() => self.begin(),
            _ if !frees && !self.may_use_reserve() => {
                if self.room.none {
                    None
                } else {
                    self.make_reserve()
                }
            }
            Next::Ready(_) => self.begin(),
            // The files that an earlier trim frees give room, and the first of them a reserve.
            _ if !self.may_use_reserve()
                && self.removal_pending()
                && !planted!("trim-fails-while-files-go") =>
            {
                None
            }
            Next::Named { file_len } if file_len >= SEGMENT_LEN_MIN => {
                Some(self.prepare(Source::Named, file_len, false))
            }
            Next::Named { .. } | Next::Absent if !self.room.none => {
                let source = self.source();
                let file_len =
                    if self.room.shortest { SEGMENT_LEN_MIN } else { self.room.file_len() };
                Some(self.prepare(source, file_len, false))
            }
            Next::Named { .. } | Next::Absent if frees && self.may_use_reserve() => {
                Some(self.prepare_reserve())
            }
            Next::Named { .. } | Next::Absent => None,
        }
    }

    /// Whether a close begins a segment, for its record to stand in: after an unclean end there is no
    /// other place for one, and without it each open reads the tail again.
    pub(super) fn closes_by_beginning(&self) -> bool {
        matches!(self.origin, Origin::Unclean { .. })
            && !self.begun
            && !self.room.none_for_close
            && !planted!("unclean-end-closed-without-a-record")
    }

    /// Begins a segment for a close. It is short, unless a file is there already; and what trims need is
    /// kept, so it may be left out.
    pub(super) fn roll_for_close(&mut self) -> Option<Action> {
        match self.next {
            Next::Preparing => None,
            Next::Ready(_) => self.begin(),
            _ if !self.may_use_reserve() => self.make_reserve(),
            Next::Named { file_len } if file_len >= SEGMENT_LEN_MIN => {
                Some(self.prepare(Source::Named, file_len, false))
            }
            Next::Named { .. } | Next::Absent => {
                let source = self.source();
                let spare = matches!(source, Source::Spare(_));
                let file_len = if spare { self.room.file_len() } else { SEGMENT_LEN_MIN };
                Some(self.prepare(source, file_len, false))
            }
        }
    }

    pub(super) fn prepare_reserve(&mut self) -> Action {
        self.room.reserve = Reserve::Absent;
        self.prepare(Source::Reserve, SEGMENT_LEN_MIN, false)
    }

    /// A preparation failed: shorter files are tried where there was no room, and who waits for
    /// what cannot be had is told.
    pub(super) fn on_preparation_failed(&mut self, preparing: Preparing, trouble: Trouble) {
        let Preparing { upkeep, closing, source, file_len: asked } = preparing;
        self.next = match source {
            // Full, it may be tried again; else another file takes its place.
            Source::Named if is_full(&trouble) => Next::Named { file_len: asked },
            Source::Named => Next::Named { file_len: 0 },
            Source::Spare(_) | Source::New(_) | Source::Reserve => Next::Absent,
        };
        match source {
            Source::Spare(_) if is_missing(&trouble) => return,
            Source::Spare(spare) => self.spares.push(spare),
            Source::Reserve if !is_missing(&trouble) => self.room.reserve = Reserve::There,
            Source::Named | Source::New(_) | Source::Reserve => {}
        }
        let name = segment_name(self.next_number());
        let error = match trouble {
            Trouble::SyncFailed(cause) => return self.poison(cause),
            Trouble::Failed(error) => Arc::new(error),
        };
        if self.closing != Closing::Open {
            // A close may have stopped this itself. What it begins for its own record goes well without, and
            // the next open reads the tail again.
            self.room.none_for_close |= closing;
            return;
        }
        let full = crate::error::is_full(&error) && source != Source::Reserve;
        if full {
            self.room.short = true;
        }
        let failure = Arc::new(Failure { action: "prepare", name, error });
        let wanted = self.roll_wanted.is_some() || self.trim_wanted.is_some();
        if upkeep && !wanted {
            // Nobody waits for it: whoever needs it asks again, and is told.
            self.upkeep_failures += 1;
            self.prepare_failed = true;
            return self.note_short(full, asked, SEGMENT_LEN_MIN);
        }
        if !full {
            self.prepare_failed = true;
            return self.fail(&failure);
        }
        if let Some(len) = self.roll_wanted {
            let least = layout::file_len_for(len);
            if asked > least {
                return self.note_short(true, asked, least);
            }
            self.prepare_failed = true;
            self.fail_records(&failure);
        }
        if let Some(point) = self.trim_wanted {
            self.note_short(true, asked, SEGMENT_LEN_MIN);
            self.room.none = self.room.shortest || asked <= SEGMENT_LEN_MIN;
            self.room.shortest = true;
            if self.room.none && self.frees(point) && !self.may_use_reserve() {
                self.fail(&failure);
            }
        }
    }

    fn note_short(&mut self, full: bool, asked: u64, least: u64) {
        if full && let Some(shorter) = shorter(asked, least) {
            self.room.fits = self.room.fits.min(shorter);
        }
    }

    /// Something was freed: a whole segment may find room again.
    pub(super) fn on_room_freed(&mut self) {
        self.prepare_failed = false;
        self.room.fits = self.segment_len;
        self.room.look_anew();
    }

    /// A segment of this length began. The next may be longer again, if it was a short one.
    pub(super) fn on_room_found(&mut self, file_len: u64) {
        self.prepare_failed = false;
        self.room.look_anew();
        let room = &mut self.room;
        if file_len >= room.file_len() {
            room.fits = (room.fits * 2).min(room.segment_len);
        }
        room.grown = room.grown.max(file_len).saturating_mul(room.growth).min(room.segment_len);
    }
}
