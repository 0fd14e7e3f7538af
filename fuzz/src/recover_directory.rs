//! Target `recover_directory`: any set of files, opened in every way that the library has.
//!
//! Readers come first and change nothing; what they saw is what every way of opening has to show.
//! A way of opening is one function of the list [`WAYS`].

use super::bounds::{Cost, Counted, Tally, measured};
use super::directory::Files;
use super::mend::BLOCK;
use super::rescue;
use super::sources::options;
use seawall::format::batch::BatchRecords;
use seawall::format::checksum::FrameSeed;
use seawall::format::frame::{FrameKind, decode_frame};
use seawall::format::header::SegmentHeader;
use seawall::format::layout;
use seawall::format::name::FileName;
use seawall::storage::Environment;
use seawall::{
    Content, Decision, Disturbance, Error, Finding, Log, LogView, Lsn, Options, RecoveryReport,
    Result, Segment, SegmentId, Verdict, decide,
};
use seawall_sim::{CrashKind, SimDisk, environment};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records by address.
pub(super) type Records = BTreeMap<(Lsn, u32), Vec<u8>>;

/// What a scan shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) records: Records,
    /// Each damaged range.
    pub(super) damage: Vec<(SegmentId, Lsn, Lsn)>,
    /// Why it ended early: something of another version.
    pub(super) refused: Option<String>,
}

/// What a reader saw, and made of it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) shown: Shown,
    pub(super) torn: bool,
    /// How far it is proven durable.
    pub(super) proven: Lsn,
    /// Why an open for writing would refuse.
    pub(super) fatal: Option<Error>,
    /// The damage that a verification names, which reads more than an open has to.
    pub(super) named: Vec<Error>,
}

impl Seen {
    /// An open was refused: readers saw the same reason. Of damage an open names the range that a
    /// verification names, where that can be read. A verification that refused an earlier segment
    /// names nothing; the range is a part of the one that the survey knows then, or that of it.
    fn hold_refused(&self, error: &Error) {
        let fatal = self.fatal.as_ref().expect("no reader saw a reason to refuse");
        let named = self.named.iter().any(|named| named.to_string() == error.to_string());
        let same = error.to_string() == fatal.to_string();
        // Either may be the longer one: a reader loses what a survey takes for whole, and the other way round.
        let within = is_within(error, fatal) || is_within(fatal, error);
        let within = self.shown.refused.is_some() && within;
        assert!(same || named || within, "{error} and not {fatal}, nor {:?}", self.named);
        assert_eq!(error.is_damage(), fatal.is_damage());
    }

    /// Whether a reader was told of anything that is wrong.
    pub(super) fn is_harmed(&self) -> bool {
        self.fatal.is_some() || !self.shown.damage.is_empty() || self.shown.refused.is_some()
    }
}

/// Whether one damaged range is a part of another, in the same segment.
fn is_within(part: &Error, whole: &Error) -> bool {
    let range = |error: &Error| match error {
        Error::Damaged { segment, from, to, .. } => Some((*segment, *from, *to)),
        _ => None,
    };
    let (Some((one, from, to)), Some((other, first, end))) = (range(part), range(whole)) else {
        return false;
    };
    one == other && first <= from && to <= end
}

/// A directory, and a disk that holds it and is never opened itself.
pub(super) struct Case {
    pub(super) files: Files,
    pristine: SimDisk,
}

impl Case {
    pub(super) fn of(files: Files) -> Self {
        Self { pristine: files.disk(), files }
    }

    /// The same directory on a disk of its own.
    pub(super) fn disk(&self) -> SimDisk {
        self.pristine.after_kill()
    }

    pub(super) fn assert_unchanged(&self, disk: &SimDisk) {
        assert_eq!(disk.image_hash(), self.pristine.image_hash(), "a byte changed");
    }
}

/// A way of opening, held against what a reader saw.
type Way = (&'static str, fn(&Case, &Seen));

const WAYS: [Way; 6] = [
    ("open, and again", open_twice),
    ("open, refusing what may be torn or damaged", open_unless_ambiguous),
    ("open, append, close, and again", go_on),
    ("open, trim, and again", trim),
    ("repair, read, and open", rescue::repair),
    ("copy, and read", rescue::copy),
];

/// The input describes the directory.
///
/// # Panics
/// Where the library breaks a promise.
pub fn run(input: &[u8]) {
    hold(Files::described_by(input));
}

/// Opens these files in every way.
///
/// # Panics
/// Where the library breaks a promise.
pub fn hold(files: Files) {
    let case = Case::of(files);
    let Some(seen) = read_only(&case) else { return };
    for (_, way) in WAYS {
        way(&case, &seen);
    }
}

/// The disk that holds the files, and an environment that counts.
pub(super) fn counted(disk: &SimDisk) -> (Environment, Arc<Tally>) {
    let tally = Arc::new(Tally::default());
    let mut environment = environment(disk, 1);
    environment.storage = Arc::new(Counted::new(environment.storage, Arc::clone(&tally)));
    (environment, tally)
}

/// Readers: the diagnosis, a view, its scans, a verification. `None` where they refuse.
fn read_only(case: &Case) -> Option<Seen> {
    let disk = case.disk();
    let (environment, tally) = counted(&disk);
    let (seen, memory) = measured(|| look(case, &environment));
    case.assert_unchanged(&disk);
    hold_cost(&case.files, memory, &tally);
    seen
}

/// Both limits of one way of opening and reading, with all it returns, and the memory of the
/// simulated disk and of this module.
fn hold_cost(files: &Files, memory: u64, tally: &Tally) {
    hold_cost_of(1, files, 0, memory, tally);
}

/// The same of what looks at everything so many times, and made so many bytes.
pub(super) fn hold_cost_of(times: u64, files: &Files, made: u64, memory: u64, tally: &Tally) {
    let cost = Cost { memory, read: tally.read() / times, calls: tally.calls() / times };
    cost.hold(files.len() + made, files.files.len() as u64);
}

fn look(case: &Case, environment: &Environment) -> Option<Seen> {
    let files = &case.files;
    let (findings, first) = LogView::diagnose(environment).expect("the disk answers");
    findings.iter().for_each(|finding| hold_finding(files, finding));
    let mut view = match LogView::open_in(environment) {
        Ok(view) => view,
        Err(error) => {
            hold_refusal(&error);
            let first = first.expect("a diagnosis says why readers refuse");
            assert!(same_error(&first, &error), "{first:?} and not {error:?}");
            refuse_to_write(case, &error);
            return None;
        }
    };
    assert_eq!(view.findings(), findings, "two looks at the same bytes differ");
    let shown = scan_view(files, &view);
    let proven = view.scan_proven(Lsn::FIRST).expect("nothing was trimmed");
    let proven: Vec<_> =
        proven.map_while(|record| record.ok().map(|record| (record.lsn, record.index))).collect();
    assert!(shown.records.keys().take(proven.len()).eq(proven.iter()) || !shown.damage.is_empty());

    let named = match view.verify(|_| {}) {
        Ok(verified) => {
            assert_eq!(shown.refused, None);
            assert_eq!(verified.records, shown.records.len() as u64);
            let bytes: usize = shown.records.values().map(Vec::len).sum();
            assert_eq!(verified.record_bytes, bytes as u64);
            let fatal = view.damage().is_some();
            let damaged = fatal || !shown.damage.is_empty();
            assert_eq!(verified.verdict == Verdict::Damaged, damaged, "{:?}", verified.verdict);
            assert_eq!(verified.damage.is_empty(), !damaged);
            verified.damage.iter().for_each(|error| hold_damage(files, error));
            assert!(verified.first <= verified.end || damaged);
            assert!(verified.proven <= verified.end);
            verified.damage
        }
        Err(error) => {
            hold_refusal(&error);
            assert_eq!(shown.refused, Some(error.to_string()), "the verification refuses alone");
            Vec::new()
        }
    };
    let fatal = view.damage().cloned();
    Some(Seen { shown, torn: view.is_torn(), proven: view.proven(), fatal, named })
}

/// What no reader and no writer goes on with: another version, another log, no regular file.
fn hold_refusal(error: &Error) {
    let typed = matches!(error, Error::Unknown { .. } | Error::Foreign { .. } | Error::Io { .. });
    assert!(typed, "a reader refuses with {error:?}");
}

/// What a reader refuses a writer refuses as well, and changes nothing.
fn refuse_to_write(case: &Case, error: &Error) {
    let disk = case.disk();
    let found = Log::open_in(environment(&disk, 1), options_of(&disk));
    let found = found.expect_err("a writer opens what readers refuse");
    assert!(same_error(&found, error), "{found:?} and not {error:?}");
    case.assert_unchanged(&disk);
}

/// The same, but for who found it: what cannot be opened is met by readers in other words. And only
/// they read on before a segment that is lost, and may meet a later version there.
fn same_error(one: &Error, reader: &Error) -> bool {
    let io = |error: &Error| matches!(error, Error::Io { .. });
    let before_damage = one.is_damage() && matches!(reader, Error::Unknown { .. });
    one.to_string() == reader.to_string() || io(one) && io(reader) || before_damage
}

fn hold_finding(files: &Files, finding: &Finding) {
    assert_eq!(finding.decision, decide(finding.row, finding.proven_beyond));
    let parsed = FileName::parse(&finding.name);
    let Some(FileName::Segment(id)) = parsed else {
        unreachable!("{} is no segment", finding.name);
    };
    hold_offset(files, id, finding.offset);
}

/// A byte that is, or could be, in the file of a segment.
fn hold_offset(files: &Files, id: SegmentId, offset: u64) {
    let len = files.segment(id).map_or(0, |bytes| bytes.len() as u64);
    let stated = header_in(files, id).map_or(0, |header| header.file_len);
    assert!(offset <= len.max(stated), "byte {offset} of segment {id}, which has {len}");
}

/// What a file says of the segment that its name says; of another, if of none.
fn header_in(files: &Files, id: SegmentId) -> Option<SegmentHeader> {
    header_for(files.segment(id)?, id)
}

fn header_for(file: &[u8], id: SegmentId) -> Option<SegmentHeader> {
    let copy = |at| SegmentHeader::decode(file.get(at..).unwrap_or_default()).ok();
    let copies = [copy(0), copy(BLOCK)];
    let ours: Vec<_> = copies.into_iter().flatten().filter(|header| header.number == id).collect();
    // Of two that differ the first frame tells the right one.
    let first = ours.iter().find(|header| begins(file, header)).or(ours.first());
    first.or(copies.iter().flatten().next()).copied()
}

/// Whether the check of the first frame is that of a segment with this header.
fn begins(file: &[u8], header: &SegmentHeader) -> bool {
    let start = usize::try_from(layout::FRAMES_START).expect("a small number");
    let first = file.get(start..).and_then(|frames| frames.first_chunk::<20>());
    let Some((check, covered)) = first.and_then(|first| first.split_first_chunk::<4>()) else {
        return false;
    };
    let covered = covered.first_chunk().expect("sixteen bytes are left");
    let expected = FrameSeed::new(header.log, header.salt).header_check(header.base, covered);
    (*check, *covered) != ([0; 4], [0; 16]) && expected == u32::from_le_bytes(*check)
}

fn hold_damage(files: &Files, error: &Error) {
    let Error::Damaged { segment, offset, from, to, .. } = error else {
        unreachable!("{error:?} is no damage");
    };
    assert!(from <= to, "damage from {from} to {to}");
    hold_offset(files, *segment, *offset);
}

/// Reads all records of a view; each is looked up in the bytes of the files.
pub(super) fn scan_view(files: &Files, view: &LogView) -> Shown {
    let mut scan = view.scan(Lsn::FIRST).expect("from the beginning on");
    shown(files, view.segments(), |each| match scan.next_ref() {
        Ok(Some(record)) => {
            each.record(record.lsn, record.index, record.bytes);
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(error) => Err(error),
    })
}

/// The same of an open log.
fn scan_log(files: &Files, log: &Log) -> Shown {
    let mut scan = log.scan(Lsn::FIRST).expect("from the beginning on");
    let segments = log.segments();
    shown(files, &segments, |each| match scan.next_ref() {
        Ok(Some(record)) => {
            each.record(record.lsn, record.index, record.bytes);
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(error) => Err(error),
    })
}

/// Where records are looked up, and kept.
struct Each<'a> {
    files: &'a Files,
    segments: &'a [Segment],
    shown: Shown,
    last: Option<(Lsn, u32)>,
}

impl Each<'_> {
    fn record(&mut self, lsn: Lsn, index: u32, bytes: &[u8]) {
        let address = (lsn, index);
        assert!(self.last < Some(address), "{address:?} after {:?}", self.last);
        self.last = Some(address);
        assert!(self.stands(lsn, index, bytes), "{address:?} was shown and is in no file");
        self.shown.records.insert(address, bytes.to_vec());
    }

    /// Whether the record is in the file, where its address says.
    fn stands(&self, lsn: Lsn, index: u32, bytes: &[u8]) -> bool {
        // Hostile headers may say that two segments hold the same addresses.
        self.segments.iter().any(|segment| self.stands_in(segment, lsn, index, bytes))
    }

    fn stands_in(&self, segment: &Segment, lsn: Lsn, index: u32, bytes: &[u8]) -> bool {
        let seed = FrameSeed::new(segment.header.log, segment.header.salt);
        let offset = lsn.since(segment.base()).map(|from_base| layout::FRAMES_START + from_base);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok()).unwrap_or(usize::MAX);
        let there = self.files.segment(segment.number()).and_then(|file| file.get(offset..));
        match there.map(|there| decode_frame(there, seed, lsn)) {
            Some(Ok((frame, body))) if frame.kind == FrameKind::Record => {
                index == 0 && body == bytes
            }
            Some(Ok((frame, body))) if frame.kind == FrameKind::Batch => {
                let nth = usize::try_from(index).unwrap_or(usize::MAX);
                BatchRecords::new(body).nth(nth).is_some_and(|record| record == Ok(bytes))
            }
            _ => false,
        }
    }
}

fn shown(
    files: &Files,
    segments: &[Segment],
    mut next: impl FnMut(&mut Each<'_>) -> Result<bool>,
) -> Shown {
    let mut each = Each { files, segments, shown: Shown::default(), last: None };
    // A record takes four bytes, a damaged range eight: a scan that goes on longer never ends.
    let steps = files.len() / 4 + 8 * segments.len() as u64 + 16;
    for _ in 0..steps {
        match next(&mut each) {
            Ok(true) => {}
            Ok(false) => return each.shown,
            Err(error) if error.is_damage() => {
                hold_damage(files, &error);
                if let Error::Damaged { segment, from, to, .. } = error {
                    each.shown.damage.push((segment, from, to));
                }
            }
            Err(error) => {
                hold_refusal(&error);
                each.shown.refused = Some(error.to_string());
                return each.shown;
            }
        }
    }
    unreachable!("{steps} steps, and the scan goes on");
}

/// As the program opens the log whose records are in it.
pub(super) fn options_of(disk: &SimDisk) -> Options {
    let view = LogView::open_in(&environment(disk, 1));
    let content = view.ok().and_then(|view| view.content());
    options().content(content.unwrap_or_default())
}

/// Another program is refused, with nothing changed.
fn hold_to_content(disk: &SimDisk, options: &Options) {
    if options.content.is_raw() {
        return;
    }
    let before = Files::of(disk);
    let raw = Log::open_in(environment(disk, 1), options.clone().content(Content::RAW));
    assert!(raw.is_err(), "a log of {} is opened for raw records", options.content);
    assert!(Files::of(disk) == before, "who refuses changed a byte");
}

/// Opens for writing; `None` where it refuses as it must, with nothing changed.
fn open(files: &Files, seen: &Seen, disk: &SimDisk) -> Option<(Log, RecoveryReport)> {
    let before = Files::of(disk);
    let options = options_of(disk);
    hold_to_content(disk, &options);
    let (environment, tally) = counted(disk);
    let (opened, memory) = measured(|| Log::open_in(environment, options));
    hold_cost(files, memory, &tally);
    match opened {
        Ok(log) => {
            assert!(seen.fatal.is_none(), "opened although {:?}", seen.fatal);
            let report = log.report().clone();
            report.findings.iter().for_each(|finding| hold_finding(files, finding));
            assert_eq!(report.tail_ambiguous, seen.torn);
            assert!(report.findings.iter().all(|finding| finding.decision != Decision::Damage));
            hold_kept(&before, &Files::of(disk), &report);
            Some((log, report))
        }
        // What is named like a spare and is no file is in the way of one that becomes one.
        Err(error @ Error::Io { .. }) => {
            hold_obstacle(files, &error);
            None
        }
        Err(error) => {
            seen.hold_refused(&error);
            hold_damage(files, &error);
            assert!(Files::of(disk) == before, "who refuses changed a byte");
            None
        }
    }
}

/// What was there is there, but for files below the trim point, header copies that did not
/// verify, and files that are no part of the log.
fn hold_kept(before: &Files, after: &Files, report: &RecoveryReport) {
    for (name, bytes) in &before.files {
        let Some(FileName::Segment(id)) = FileName::parse(name) else { continue };
        let kept = after.files.get(name);
        if report.removed.contains(&id) {
            assert!(kept.is_none());
            let unneeded = below(before, id, report.trim) || passed_over(before, id);
            assert!(unneeded, "segment {id} was removed, and was needed");
        } else if report.rebuilt.contains(&id) {
            let kept = kept.expect("a segment whose header was mended");
            let start = usize::try_from(layout::FRAMES_START).expect("a small number");
            assert_eq!(kept.len(), bytes.len());
            assert!(kept.get(start..) == bytes.get(start..), "frames of segment {id} changed");
            assert_eq!(header_for(kept, id), header_for(bytes, id), "the good header copy changed");
        } else if kept.is_none() {
            let header = header_for(bytes, id);
            let ours = header.is_some_and(|header| header.number == id);
            assert!(!ours, "segment {id} is gone");
            let frames = bytes.get(8192..12288).unwrap_or_default();
            // Behind a clean close what has no header is no part of the log, whatever it holds.
            let mut found = report.findings.iter();
            let aside = found.any(|it| it.name == *name && it.decision == Decision::Spare);
            assert!(header.is_some() || aside || frames.iter().all(|&byte| byte == 0));
        } else {
            assert!(kept == Some(bytes), "bytes of segment {id} changed");
        }
    }
}

/// Whether a header with a higher number says that the trim point is not in this file.
fn below(files: &Files, id: SegmentId, trim: Lsn) -> bool {
    files.files.keys().any(|name| {
        let Some(FileName::Segment(other)) = FileName::parse(name) else { return false };
        let header = header_in(files, other);
        other > id && header.is_some_and(|header| header.number == other && header.prev_end <= trim)
    })
}

/// Whether a header says that no segment has this number.
fn passed_over(files: &Files, id: SegmentId) -> bool {
    files.files.keys().any(|name| {
        let Some(FileName::Segment(other)) = FileName::parse(name) else { return false };
        let header = header_in(files, other).filter(|header| header.number == other);
        header.is_some_and(|header| header.prev_number() < id.get() && id < other)
    })
}

/// The process dies; the next one finds this.
fn killed(log: Log, disk: &SimDisk) -> SimDisk {
    disk.crash_now(CrashKind::Kill);
    drop(log);
    disk.after_kill()
}

/// What one open shows the next one shows, and what readers saw.
pub(super) fn open_twice(case: &Case, seen: &Seen) {
    let files = &case.files;
    let mut disk = case.disk();
    let mut first: Option<RecoveryReport> = None;
    for _ in 0..2 {
        let Some((log, report)) = open(files, seen, &disk) else { return };
        let shown = scan_log(files, &log);
        assert!(shown == seen.shown, "a writer shows something else than readers");
        if let Some(first) = first.replace(report.clone()) {
            assert_eq!((first.end, first.next, first.trim), (report.end, report.next, report.trim));
            assert!(report.removed.is_empty() && report.rebuilt.is_empty(), "done only once");
        }
        disk = killed(log, &disk);
    }
}

/// A tail that may be torn or damaged is refused on demand, and only that.
fn open_unless_ambiguous(case: &Case, seen: &Seen) {
    let disk = case.disk();
    let opened = Log::open_in(environment(&disk, 1), options_of(&disk).refuse_ambiguous_tail(true));
    match opened {
        Ok(_) => assert!(seen.fatal.is_none() && !seen.torn),
        Err(Error::AmbiguousTail { .. }) => {
            assert!(seen.fatal.is_none() && seen.torn);
            case.assert_unchanged(&disk);
        }
        Err(error @ Error::Io { .. }) => hold_obstacle(&case.files, &error),
        Err(error) => {
            seen.hold_refused(&error);
            case.assert_unchanged(&disk);
        }
    }
}

/// What may keep an open log from going on: the end of the addresses, as near as a header says, and
/// what is no regular file and has a name that the log needs. And frames with checks that hold, made up
/// after an end that the log states, are what another writer leaves.
pub(super) fn hold_obstacle(files: &Files, error: &Error) {
    let named = files.others.iter().any(|name| FileName::parse(name).is_some());
    let overwritten = matches!(error, Error::Disturbed { how: Disturbance::Overwritten, .. });
    let stopped = matches!(error, Error::Exhausted { .. })
        || named && matches!(error, Error::Io { .. })
        || overwritten;
    assert!(stopped, "an open log stops with {error:?}");
}

/// New records come behind the old ones, and the next open shows both.
pub(super) fn go_on(case: &Case, seen: &Seen) {
    let (files, disk) = (&case.files, case.disk());
    let Some((log, report)) = open(files, seen, &disk) else { return };
    let mut expected = seen.shown.records.clone();
    // Each of the long ones needs a segment of its own.
    let new: [&[u8]; 4] = [b"new", &[1; 5000], &[2; 5000], b""];
    for bytes in new {
        match log.append(bytes) {
            Ok(receipt) => {
                assert!(receipt.lsn >= report.next, "{} is before {}", receipt.lsn, report.next);
                assert!(expected.insert((receipt.lsn, 0), bytes.to_vec()).is_none());
            }
            Err(error) => return hold_obstacle(files, &error),
        }
    }
    if let Err(error) = log.close() {
        return hold_obstacle(files, &error);
    }
    let after = Files::of(&disk);
    let closed = LogView::open_in(&environment(&disk, 1));
    let mut view = closed.expect("a log that was closed");
    let shown = scan_view(&after, &view);
    if shown.refused.is_none() && seen.shown.refused.is_none() {
        assert!(shown.records == expected, "records came or went");
        assert_eq!(shown.damage, seen.shown.damage);
    }
    assert!(view.is_clean() && !view.is_torn() && view.damage().is_none());
    if let Ok(verified) = view.verify(|_| {}) {
        let whole = seen.shown.damage.is_empty();
        let verdict = if whole { Verdict::Clean } else { Verdict::Damaged };
        assert_eq!(verified.verdict, verdict, "of a log that was closed");
    }
    let again =
        Log::open_in(environment(&disk, 2), options_of(&disk)).expect("a log that was closed");
    assert!(again.report().clean);
    if seen.shown.refused.is_none() {
        assert!(scan_log(&after, &again).records == expected, "records came or went");
    }
}

/// Whether only zeros stand behind the end of the last segment, up to its close record.
fn zeros_behind(files: &Files, log: &Log, end: Lsn) -> bool {
    let segments = log.segments();
    let Some(last) = segments.last() else { return true };
    let offset = layout::FRAMES_START + end.since(last.base()).unwrap_or(0);
    let trailer = layout::trailer_offset(last.header.file_len);
    let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    let behind =
        files.segment(last.number()).and_then(|file| file.get(place(offset)..place(trailer)));
    behind.is_none_or(|behind| behind.iter().all(|&byte| byte == 0))
}

/// What is trimmed stays away, what is not stays. Of sound logs only: damage that a clean close
/// hid from the first open is met by the second one, before the trim frame.
fn trim(case: &Case, seen: &Seen) {
    if !seen.shown.damage.is_empty() || seen.shown.refused.is_some() {
        return;
    }
    let (files, disk) = (&case.files, case.disk());
    let Some((log, report)) = open(files, seen, &disk) else { return };
    let Some(&(point, _)) = seen.shown.records.keys().nth(seen.shown.records.len() / 2) else {
        return;
    };
    if report.clean && !zeros_behind(files, &log, report.end) {
        // The log goes on in this file, and comes to what was made to stand there.
        return;
    }
    if let Err(error) = log.trim(point) {
        return hold_obstacle(files, &error);
    }
    let expected = seen.shown.records.range((point, 0)..);
    let disk = killed(log, &disk);
    let view = LogView::open_in(&environment(&disk, 1)).expect("a log that was trimmed");
    assert!(view.trim_point() >= point.max(report.trim));
    let after = Files::of(&disk);
    let shown = scan_view(&after, &view);
    assert!(view.damage().is_none(), "{:?}", view.damage());
    let kept: Vec<_> = shown.records.range((point, 0)..).collect();
    assert!(kept == expected.collect::<Vec<_>>(), "records behind the trim point went");
}
