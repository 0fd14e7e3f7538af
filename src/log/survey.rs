//! Gathers what a directory holds and lets the table judge it: which files are the log, where it
//! ends, what is missing. Changes nothing.
//!
//! The writer's survey first makes stable and evicts what it will judge, so that what it accepts
//! is durable before anybody sees it. A survey without the lock does neither, and calls nothing
//! damage that a second look does not confirm.

use super::decide::{Decision, Row, decide};
use super::header_blocks::{HeaderState, Headers};
use super::lineage::home;
use super::tail::{self, TailFacts};
use crate::error::{Damage, Error, Result};
use crate::format::content::Content;
use crate::format::header::SegmentHeader;
use crate::format::layout;
use crate::format::name::FileName;
use crate::position::{Home, LogId, Lsn, SegmentId};
use crate::storage::{EntryKind, Eviction, OpenMode, Storage, StorageFile};
use std::collections::BTreeMap;
use std::sync::Arc;

mod behind;
mod unvouched;

pub(crate) use behind::Waiting;
use unvouched::Walked;

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The holder of the writer lock.
    Writer,
    /// Anybody, beside a writer or not.
    Reader,
}

/// A segment that is part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment {
    /// What its header says.
    pub header: SegmentHeader,
    /// Where its frames end and the check of the last one, once that can no longer change.
    pub closed: Option<SegmentEnd>,
    /// Length of its file in bytes.
    pub file_len: u64,
}

/// Where a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentEnd {
    /// Behind its last frame.
    pub lsn: Lsn,
    /// Check of its last frame.
    pub check: u32,
}

impl Segment {
    /// A segment with this header.
    #[must_use]
    pub const fn new(header: SegmentHeader, closed: Option<SegmentEnd>, file_len: u64) -> Self {
        Self { header, closed, file_len }
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> SegmentId {
        self.header.number
    }

    /// LSN of its first frame.
    #[must_use]
    pub const fn base(&self) -> Lsn {
        self.header.base
    }
}

/// Something the table had to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The file.
    pub name: String,
    /// Byte in the file.
    pub offset: u64,
    /// What was found.
    pub row: Row,
    /// Whether something proves that acknowledged bytes stood there.
    pub proven_beyond: bool,
    /// What follows.
    pub decision: Decision,
}

/// Everything known about a directory.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) log: Option<LogId>,
    /// The log, oldest first. All but the last are closed.
    pub(crate) segments: Vec<Segment>,
    pub(crate) tail: Option<TailFacts>,
    pub(crate) trim: Lsn,
    /// Files below the trim point, oldest first.
    pub(crate) trimmed: Vec<SegmentId>,
    /// Files behind a tail that is cut, oldest first: they stay until a header passes over them.
    pub(crate) dropped: Vec<SegmentId>,
    /// Files that a header passes over, oldest first.
    pub(crate) passed_over: Vec<SegmentId>,
    /// Named for the next segment, not begun; with its length.
    pub(crate) unborn: Option<(SegmentId, u64)>,
    /// Named like segments, no part of the log.
    pub(crate) strays: Vec<SegmentId>,
    pub(crate) spares: Vec<u64>,
    /// A file has the name of the reserve.
    pub(crate) reserve: bool,
    /// One header copy is bad.
    pub(crate) rebuild: Vec<SegmentId>,
    pub(crate) findings: Vec<Finding>,
    /// The first finding that forbids to go on.
    pub(crate) fatal: Option<Error>,
    /// Every damage. A file that is bad and followed by a good one counts once, as a segment that
    /// is missing.
    pub(crate) damage: Vec<Error>,
    /// Whether all that was judged came from the device.
    pub(crate) verified: bool,
    /// The file behind the last segment that was found to wait.
    pub(crate) waiting: Option<Waiting>,
    /// Segments were listed, and all of them were gone when they were to be read.
    pub(crate) overtaken: bool,
    /// Where the file of the last segment is; what a reader does not ask.
    pub(crate) here: Home,
    /// How far anything in the segments that were walked proves the log to be durable.
    stated: Lsn,
    /// A spare's name that a writer cannot use.
    blocked: Option<String>,
}

struct Surveyed {
    file: Option<Arc<dyn StorageFile>>,
    headers: Headers,
    /// What its frames end in, where nothing proves that they are whole.
    tail: Option<TailFacts>,
    /// Where it is, if a writer asks.
    here: Home,
}

impl Surveyed {
    const fn of(headers: Headers) -> Self {
        Self { file: None, headers, tail: None, here: Home::UNKNOWN }
    }
}

/// Looks at the whole directory.
///
/// # Errors
/// What listing, syncing or evicting says. What is wrong with the log itself is in
/// [`Survey::fatal`].
pub(crate) fn survey(storage: &dyn Storage, access: Access) -> Result<Survey> {
    survey_again(storage, access, None)
}

/// The same, by one who found this file waiting a moment ago: it is not read as a whole once more.
///
/// # Errors
/// As [`survey`].
pub(crate) fn survey_again(
    storage: &dyn Storage,
    access: Access,
    waiting: Option<Waiting>,
) -> Result<Survey> {
    let mut survey = Survey { verified: true, waiting, ..Survey::default() };
    let mut files = survey.list(storage, access)?;
    // Where nothing is, nothing is judged: a new log syncs the directory before its first record.
    let empty = files.is_empty() && survey.spares.is_empty() && !survey.reserve;
    if access == Access::Writer && !empty {
        storage.sync_dir().map_err(|e| Error::io("sync", storage.place(), e))?;
    }
    let listed = !files.is_empty();
    survey.read_headers(storage, access, &mut files)?;
    survey.overtaken = listed && files.is_empty();
    survey.judge(&mut files);
    // Behind what the segments say, which readers say as well.
    if let Some(name) = survey.blocked.take() {
        survey.fail(Error::io("use", name, no_regular_file()));
    }
    Ok(survey)
}

/// What the disk itself says of such a file when it is opened.
fn no_regular_file() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file")
}

impl Survey {
    fn list(
        &mut self,
        storage: &dyn Storage,
        access: Access,
    ) -> Result<BTreeMap<SegmentId, Surveyed>> {
        let mut files = BTreeMap::new();
        let entries = storage.list().map_err(|e| Error::io("list", storage.place(), e))?;
        for entry in entries {
            match (FileName::parse(&entry.name), entry.kind) {
                (Some(FileName::Segment(id)), EntryKind::File) => {
                    files.insert(id, Surveyed::of(Headers::unread()));
                }
                (Some(FileName::Segment(id)), EntryKind::Other) => {
                    let state = HeaderState::Unreadable(no_regular_file());
                    files.insert(id, Surveyed::of(Headers { state, file_len: 0 }));
                }
                (Some(FileName::RESERVE), EntryKind::File) => self.reserve = true,
                (Some(FileName::Spare(number)), EntryKind::File) => self.spares.push(number),
                // A writer would come upon it when it needs the name, in the middle of its work.
                (Some(FileName::Spare(_)), EntryKind::Other) if access == Access::Writer => {
                    self.blocked.get_or_insert(entry.name);
                }
                (Some(FileName::Spare(_)), EntryKind::Other) | (None, _) => {}
            }
        }
        self.spares.sort_unstable();
        Ok(files)
    }

    /// From the newest down. Until a good header is met that vouches, or a mark that does, nothing proves that
    /// the files are whole: those the writer makes stable and reads from the device, and those are walked.
    fn read_headers(
        &mut self,
        storage: &dyn Storage,
        access: Access,
        files: &mut BTreeMap<SegmentId, Surveyed>,
    ) -> Result<()> {
        let mut walked = Walked::default();
        let newest_first: Vec<_> = files.keys().rev().copied().collect();
        let ids = planted!("hash-map-order", newest_first => crate::planted::by_hash(newest_first));
        for id in ids {
            let Some(surveyed) = files.get_mut(&id) else {
                continue;
            };
            if walked.passes_over(id) {
                surveyed.headers.state = HeaderState::PassedOver;
                continue;
            }
            if matches!(surveyed.headers.state, HeaderState::Unreadable(_)) {
                continue;
            }
            let name = FileName::Segment(id).text();
            let alone = planted!("last-segment-alone-made-stable") && walked.end_of(id).is_some();
            let judged = access == Access::Writer && !walked.settled && !alone;
            let mode = if judged { OpenMode::Write } else { OpenMode::Read };
            let file = match storage.open(&name, mode) {
                Ok(file) => file,
                // A reader's list may be older than a trim.
                Err(e) if access == Access::Reader && e.kind() == std::io::ErrorKind::NotFound => {
                    files.remove(&id);
                    continue;
                }
                Err(e) => return Err(Error::io("open", name, e)),
            };
            if judged {
                if !planted!("open-judges-what-is-not-synced") {
                    file.sync_all().map_err(|e| Error::io("sync", &name, e))?;
                }
                let evicted = file.evict().map_err(|e| Error::io("evict", &name, e))?;
                self.verified &= evicted == Eviction::Seen || planted!("unseen-taken-for-verified");
            }
            surveyed.headers = Headers::read(&*file, id);
            let known = surveyed.headers.known();
            if judged && known.is_some() {
                surveyed.here =
                    home(storage, &*file).map_err(|e| Error::io("look where it is:", &name, e))?;
            }
            match known {
                Some(header) => {
                    let closed = walked.end_of(id);
                    surveyed.tail =
                        (!walked.settled).then(|| tail::examine(&file, &header, closed));
                    walked.below(&header, surveyed.tail.as_ref());
                }
                None if !walked.settled
                    && matches!(surveyed.headers.state, HeaderState::Unborn(_)) =>
                {
                    surveyed.file = Some(file);
                }
                None => {}
            }
        }
        self.stated = walked.proven;
        Ok(())
    }

    fn judge(&mut self, files: &mut BTreeMap<SegmentId, Surveyed>) {
        let known: Vec<(SegmentId, SegmentHeader)> = files
            .iter()
            .filter_map(|(&id, surveyed)| surveyed.headers.known().map(|header| (id, header)))
            .collect();
        self.log = known.first().map(|(_, header)| header.log);
        let last = known.last().copied();
        let mut stop = self.stop(files, &known);
        if let Some((id, _)) = last
            && let Some(surveyed) = files.get_mut(&id)
        {
            self.tail = surveyed.tail.take();
            self.here = surveyed.here;
        }
        let cut = stop.as_ref().filter(|stop| stop.is_cut()).map(|stop| stop.tail.end);
        self.look_behind(files, last, cut);
        self.judge_unread(files, last);
        self.judge_owner(&known);
        if self.fatal.is_some() {
            return;
        }
        let cut = stop.as_ref().filter(|stop| stop.is_cut());
        self.judge_trim(&known, cut.map(|stop| stop.tail.trim));
        self.judge_content(&known);
        // A file is below the trim point when a header with a higher number says so.
        let begin = known
            .iter()
            .rev()
            .find(|(_, header)| header.prev_end <= self.trim)
            .map_or(SegmentId::FIRST, |&(id, _)| id);
        let mut before: Option<Segment> = None;
        for (&id, surveyed) in &*files {
            if matches!(surveyed.headers.state, HeaderState::PassedOver) {
                self.find(id, 0, Row::Dropped, true);
                self.passed_over.push(id);
                continue;
            }
            if id < begin {
                self.find(id, 0, Row::Trimmed, false);
                self.trimmed.push(id);
                continue;
            }
            let behind = known.partition_point(|&(other, _)| other <= id);
            let successor = known.get(behind).map(|&(_, header)| header);
            self.judge_file(id, &surveyed.headers, successor, &mut before, last.map(|l| l.0));
        }
        if let Some((id, header)) = last {
            self.judge_successor(id.next(), files);
            match stop.take_if(|stop| stop.is_cut()) {
                Some(stop) if self.is_sound_behind(stop.id) && !planted!("kept-behind-a-cut") => {
                    let (id, header) = (stop.id, stop.header);
                    self.cut(stop, files);
                    self.judge_tail(id, &header);
                }
                _ => self.judge_tail(id, &header),
            }
        }
        if let Some(mut stop) = stop {
            self.judge_stop(&mut stop);
        }
    }

    /// The trim point: what the last segment states, since every header states at least what those
    /// before it did. One that states less contradicts them: nothing is removed on its word, nor on
    /// theirs, which would go with their files.
    ///
    /// `cut`: what is stated up to the end of a log that ends in an earlier segment.
    fn judge_trim(&mut self, known: &[(SegmentId, SegmentHeader)], cut: Option<Lsn>) {
        let Some(tail) = &self.tail else { return };
        self.trim = cut.unwrap_or(tail.trim);
        for (before, after) in known.iter().zip(known.iter().skip(1)) {
            let (from, to) = (after.1.trim, before.1.trim);
            if to > from {
                self.find(after.0, 0, Row::Contradiction, true);
                let (segment, cause) = (after.0, Damage::Discontinuous);
                self.fail(Error::Damaged { segment, offset: 0, from, to, cause });
            }
        }
    }

    /// Whether the records of all segments mean the same: a header that says otherwise contradicts
    /// the one before it.
    fn judge_content(&mut self, known: &[(SegmentId, SegmentHeader)]) {
        for (before, after) in known.iter().zip(known.iter().skip(1)) {
            let same = before.1.extension.content == after.1.extension.content;
            if !same && !planted!("content-of-one-segment-taken-for-all") {
                self.find(after.0, 0, Row::Contradiction, true);
                let (segment, at, cause) = (after.0, after.1.base, Damage::Discontinuous);
                self.fail(Error::Damaged { segment, offset: 0, from: at, to: at, cause });
            }
        }
    }

    /// What could not be read, or is not for this program, comes before anything else: what it
    /// would have said might change every other judgement.
    fn judge_unread(
        &mut self,
        files: &BTreeMap<SegmentId, Surveyed>,
        last: Option<(SegmentId, SegmentHeader)>,
    ) {
        for (&id, surveyed) in files {
            let proven = last.is_some_and(|(last, _)| last > id);
            let name = FileName::Segment(id).text();
            match &surveyed.headers.state {
                HeaderState::Unreadable(error) => {
                    self.find(id, 0, Row::Unreadable, proven);
                    let copy = std::io::Error::new(error.kind(), error.to_string());
                    let error =
                        error.raw_os_error().map_or(copy, std::io::Error::from_raw_os_error);
                    self.fail(Error::io("read", name, error));
                }
                HeaderState::Unknown(what) => {
                    self.find(id, 0, Row::Unknown, proven);
                    self.fail(Error::Unknown { name, what: what.to_string() });
                }
                _ => {}
            }
        }
        let refused = |tail: &TailFacts| matches!(tail.row, Row::Unreadable | Row::Unknown);
        if let Some((last, header)) = last.filter(|_| self.tail.as_ref().is_some_and(refused)) {
            self.judge_tail(last, &header);
        }
    }

    /// Whether all headers are of one log. Comes before the trim point: what another log says of
    /// its own would take this one's files for trimmed.
    fn judge_owner(&mut self, known: &[(SegmentId, SegmentHeader)]) {
        let Some(expected) = self.log else { return };
        for &(id, header) in known.iter().filter(|(_, header)| header.log != expected) {
            let proven = known.last().is_some_and(|&(last, _)| last > id);
            self.find(id, 0, Row::Unknown, proven);
            let name = FileName::Segment(id).text();
            self.fail(Error::Foreign { name, expected, found: header.log });
        }
    }

    fn judge_file(
        &mut self,
        id: SegmentId,
        headers: &Headers,
        successor: Option<SegmentHeader>,
        before: &mut Option<Segment>,
        last: Option<SegmentId>,
    ) {
        let is_next = last.is_some_and(|last| last.next() == id);
        let sealed = is_next && self.tail.as_ref().is_some_and(|tail| tail.sealed.is_some());
        let proven = successor.is_some() || sealed;
        let from = self.lost_from(before.as_ref(), last);
        let to = successor.map_or(from, |header| header.prev_end);
        let damaged = |cause: Damage| Error::Damaged { segment: id, offset: 0, from, to, cause };
        let header = match &headers.state {
            HeaderState::Good(header) => *header,
            HeaderState::OneCopy(header) => {
                self.find(id, 0, Row::OneCopy, proven);
                self.rebuild.push(id);
                *header
            }
            HeaderState::Unread
            | HeaderState::PassedOver
            | HeaderState::Unreadable(_)
            | HeaderState::Unknown(_) => return,
            HeaderState::OtherNumber(_) | HeaderState::NeverBegun => {
                if self.find(id, 0, Row::NotLog, proven) == Decision::Damage {
                    self.tell(damaged(Damage::Discontinuous), successor.is_some());
                } else {
                    self.strays.push(id);
                }
                return;
            }
            HeaderState::Unborn(_) => {
                if self.find(id, 0, Row::Unborn, proven) == Decision::Damage {
                    self.tell(damaged(Damage::Missing), successor.is_some());
                } else if last.map_or(SegmentId::FIRST, SegmentId::next) == id {
                    self.unborn = Some((id, headers.file_len));
                } else if last.is_none_or(|last| id > last) {
                    // A segment is prepared when the one before it has begun: that is gone.
                    self.miss(last.map_or(SegmentId::FIRST, SegmentId::next), from, to);
                } else {
                    self.strays.push(id);
                }
                return;
            }
            HeaderState::Lost(_)
                if last.is_some_and(|last| last.next() == id)
                    && planted!("torn-header-deletes-segment") =>
            {
                self.unborn = Some((id, headers.file_len));
                return;
            }
            HeaderState::Lost(cause) => {
                self.find(id, 0, Row::HeaderLost, proven);
                return self.tell(damaged((*cause).into()), successor.is_some());
            }
        };
        self.judge_order(id, &header, before.as_ref());
        let closed = successor
            .filter(|next| next.prev_number() == id.get())
            .map(|next| SegmentEnd { lsn: next.prev_end, check: next.prev_check });
        let segment = Segment { header, closed, file_len: headers.file_len };
        if let Some(end) = closed {
            self.judge_closed(&segment, end);
        }
        *before = Some(segment);
        self.segments.push(segment);
    }

    /// From where on records are lost with a file that should have gone on behind this segment.
    fn lost_from(&self, before: Option<&Segment>, last: Option<SegmentId>) -> Lsn {
        match (before, &self.tail) {
            (None, _) => self.trim,
            (Some(Segment { closed: Some(end), .. }), _) => end.lsn,
            (Some(segment), Some(tail)) if Some(segment.number()) == last => {
                tail.sealed.map_or(tail.end, |seal| seal.lsn)
            }
            // Its own frames tell how far it goes: its readers find out.
            (Some(segment), _) => segment.base(),
        }
    }

    /// Whether the segment follows the one before it, or rightly begins the log.
    fn judge_order(&mut self, id: SegmentId, header: &SegmentHeader, before: Option<&Segment>) {
        let missing = match before {
            Some(before) if before.number().get() == header.prev_number() => None,
            Some(_) if planted!("missing-middle-unnoticed") => None,
            Some(before) => Some((before.number().next(), before.base())),
            None if id == SegmentId::FIRST || header.prev_end <= self.trim => None,
            None => Some((SegmentId::new(header.prev_number()), self.trim)),
        };
        if let Some((segment, from)) = missing {
            self.find(segment, 0, Row::Missing, true);
            let cause = Damage::Missing;
            self.fail(Error::Damaged { segment, offset: 0, from, to: header.prev_end, cause });
        }
        if id == SegmentId::FIRST && header.prev_end != Lsn::FIRST {
            self.find(id, 0, Row::Contradiction, false);
            let (from, to, cause) = (Lsn::FIRST, header.prev_end, Damage::Discontinuous);
            self.fail(Error::Damaged { segment: id, offset: 0, from, to, cause });
        }
    }

    /// Whether a closed segment can hold what its successor says it does.
    fn judge_closed(&mut self, segment: &Segment, end: SegmentEnd) {
        let id = segment.number();
        let from = segment.base();
        let len = end.lsn.since(from);
        let Some(len) = len.filter(|&len| len <= layout::frame_room(segment.header.file_len))
        else {
            self.find(id, 0, Row::Contradiction, true);
            let cause = Damage::Discontinuous;
            let to = end.lsn.max(from);
            return self.fail(Error::Damaged { segment: id, offset: 0, from, to, cause });
        };
        let expected = layout::FRAMES_START + len;
        let found = segment.file_len;
        if found < expected && !planted!("short-closed-segment-accepted") {
            self.find(id, found, Row::Shortened, true);
            let kept = found.saturating_sub(layout::FRAMES_START) / Lsn::ALIGN * Lsn::ALIGN;
            let from = from.checked_add(kept).unwrap_or(from);
            let cause = Damage::Short { expected, found };
            let to = end.lsn;
            self.fail(Error::Damaged { segment: id, offset: found, from, to, cause });
        }
    }

    fn judge_tail(&mut self, id: SegmentId, header: &SegmentHeader) {
        let Some(tail) = &mut self.tail else { return };
        let (row, proven) = (tail.row, tail.is_proven_beyond());
        let offset = layout::FRAMES_START + tail.end.since(header.base).unwrap_or(0);
        let name = FileName::Segment(id).text();
        let to = match row {
            // Nothing says how far the frames went.
            Row::Shortened => tail.room_end,
            _ => tail.proven_beyond.unwrap_or(tail.end).max(tail.end),
        };
        let error = match decide(row, proven) {
            Decision::Damage => Some(Error::Damaged {
                segment: id,
                offset,
                from: tail.end,
                to,
                cause: tail.damage.clone(),
            }),
            Decision::Report => {
                let error = tail.error.take().unwrap_or_else(|| std::io::Error::other("unread"));
                Some(Error::io("read", name, error))
            }
            Decision::Refuse => Some(Error::Unknown { name, what: tail.unknown() }),
            _ => None,
        };
        self.find(id, offset, row, proven);
        if let Some(error) = error {
            self.fail(error);
        }
    }

    fn find(&mut self, id: SegmentId, offset: u64, row: Row, proven_beyond: bool) -> Decision {
        let decision = decide(row, proven_beyond);
        let name = FileName::Segment(id).text();
        self.findings.push(Finding { name, offset, row, proven_beyond, decision });
        decision
    }

    fn fail(&mut self, error: Error) {
        let error = in_order(error);
        if error.is_damage() {
            self.damage.push(error.clone());
        }
        self.forbid(error);
    }

    fn tell(&mut self, error: Error, of_a_neighbour: bool) {
        if of_a_neighbour { self.forbid(error) } else { self.fail(error) }
    }

    /// As [`fail`](Self::fail), where what is damaged is told of a neighbour as well.
    fn forbid(&mut self, error: Error) {
        let error = in_order(error);
        self.fatal.get_or_insert(error);
    }

    /// Whether bytes would be cut that nothing tells from damage.
    pub(crate) fn tail_ambiguous(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| {
            let cut = matches!(tail.row, Row::Undecodable | Row::HalfBatch | Row::Torn);
            cut && !tail.is_proven_beyond()
        })
    }

    /// What the records mean, as all headers say; `None` where there is none.
    pub(crate) fn content(&self) -> Option<Content> {
        self.segments.first().map(|segment| segment.header.extension.content)
    }

    /// How far the log is proven durable.
    pub(crate) fn proven(&self) -> Lsn {
        let tail = self.tail.as_ref();
        tail.map_or(Lsn::FIRST, |tail| tail.proven().max(self.stated.min(tail.end)))
    }
}

/// Where headers contradict each other, so do the ends of what is between them.
fn in_order(mut error: Error) -> Error {
    if let Error::Damaged { from, to, .. } = &mut error {
        *to = (*to).max(*from);
    }
    error
}
