//! The seeds of the corpora: what each target starts from, made of real frames, files and logs.

use super::checks::directory::Files;
use super::checks::mend::{Place, header_of};
use super::checks::{scan_segment, sources};
use seawall::format::checksum::FrameSeed;
use seawall::format::control::encode_trim;
use seawall::format::extension::Extension;
use seawall::format::frame::{FrameKind, SkippableKind};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame, void_batch};
use seawall::format::header::{SegmentHeader, VERSION};
use seawall::format::layout;
use seawall::format::tag::Tag;
use seawall::format::trailer::{Trailer, TrailerKind};
use seawall::position::{LogId, Lsn, Salt, SegmentId};

/// An input of a target.
pub(crate) struct Seed {
    pub(crate) target: &'static str,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// All of them.
pub(crate) fn seeds() -> Vec<Seed> {
    let mut all = Vec::new();
    let mut add = |target, seeds: Vec<(String, Vec<u8>)>| {
        all.extend(seeds.into_iter().map(|(name, bytes)| {
            let name = format!("seed-{name}");
            Seed { target, name, bytes }
        }));
    };
    let segments = segment_files().into_iter();
    add("decode_frame", frame_seeds());
    add("decode_segment_header", header_seeds());
    add("decode_trailer", trailer_seeds());
    let inputs =
        segments.map(|(name, file)| (name.to_owned(), scan_segment::without_padding(&file)));
    add("scan_segment", inputs.collect());
    add("recover_directory", directory_seeds());
    add("round_trip", round_trip_seeds());
    add("decisions", decision_seeds());
    all
}

/// The segments of every source, by a name for each.
fn real_segments() -> Vec<(String, &'static [u8])> {
    let mut all = Vec::new();
    for number in 0..sources::COUNT {
        let Files { files, .. } = sources::source(number);
        for (nth, bytes) in files.values().enumerate() {
            all.push((format!("log-{number}-file-{nth}"), bytes.as_slice()));
        }
    }
    all
}

fn header_seeds() -> Vec<(String, Vec<u8>)> {
    let real = real_segments().into_iter().map(|(name, file)| (name, file[..128].to_vec()));
    let mut seeds: Vec<_> = real.filter(|(_, bytes)| bytes[0] != 0).collect();
    let whole = seeds.last().expect("a real header").1.clone();
    // Each breaks one law, once the check has put its check in.
    for (law, at, with) in [
        ("law-2-version", 8, 2),
        ("law-2-flags", 12, 2),
        ("law-2-zeros", 100, 1),
        ("law-4-odd-prev-end", 64, 1),
        ("law-4-trim-beyond", 84, 0xff),
        ("law-5-base", 41, 0x77),
        ("law-6-file-len", 56, 1),
        ("law-6-base-too-high", 47, 0xff),
        ("law-7-flag-alone", 12, 1),
    ] {
        let mut bytes = whole.clone();
        bytes[at] = with;
        seeds.push((law.to_owned(), bytes));
    }
    // An extension as it should be, and one breach of each of its laws.
    let mut extended = whole.clone();
    extended[12] = 1;
    extended[88..95].copy_from_slice(b"streams");
    extended[96..112]
        .copy_from_slice(&[0xbe, 0xba, 0xfe, 0xca, 1, 2, 1, 0, 8, 7, 6, 5, 4, 3, 2, 1]);
    extended[116] = 1;
    for (law, at, with) in [
        ("extended", 88, b's'),
        ("extended-copied", 104, 0xff),
        ("law-2-zeros-of-an-extension", 112, 1),
        ("law-2-last-zeros-of-an-extension", 118, 1),
        ("law-7-no-flag", 12, 0),
        ("law-7-content", 91, b'_'),
        ("law-7-content-padding", 90, 0),
        ("law-7-lineage", 102, 0),
    ] {
        let mut bytes = extended.clone();
        bytes[at] = with;
        seeds.push((law.to_owned(), bytes));
    }
    extended[88..96].fill(0);
    seeds.push(("law-7-version-of-raw-records".to_owned(), extended));
    let mut no_number = whole;
    no_number[32..40].fill(0);
    seeds.push(("law-3-no-number".to_owned(), no_number));
    seeds.push(("zeros".to_owned(), vec![0; 128]));
    seeds
}

fn trailer_seeds() -> Vec<(String, Vec<u8>)> {
    let real = real_segments().into_iter();
    let trailers = real.map(|(name, file)| (name, file[file.len().saturating_sub(64)..].to_vec()));
    let mut seeds: Vec<_> = trailers.filter(|(_, bytes)| Trailer::decode(bytes).is_ok()).collect();
    let whole = seeds.last().expect("a real trailer").1.clone();
    for (law, at, with) in [
        ("law-2-kind", 8, 3),
        ("law-2-zeros", 12, 1),
        ("law-2-zeros-behind-check", 36, 1),
        ("law-2-frames-of-a-close-record", 40, 1),
        ("law-2-last-zeros", 48, 1),
        ("law-3-odd-end", 16, 1),
    ] {
        let mut bytes = whole.clone();
        bytes[8] = 2;
        bytes[40..48].fill(0);
        bytes[at] = with;
        seeds.push((law.to_owned(), bytes));
    }
    seeds.push(("zeros".to_owned(), vec![0; 64]));
    seeds
}

/// Every log as it is, and every kind of change.
fn directory_seeds() -> Vec<(String, Vec<u8>)> {
    let logs = (0..sources::COUNT).map(|number| (format!("log-{number}"), vec![number]));
    let mut seeds: Vec<_> = logs.collect();
    let changes: [(&str, &[u8]); 28] = [
        ("put", &[2, 0, 1, 0x10, 0x20, 4, 1, 2, 3, 4]),
        ("fill", &[2, 1, 2, 0x00, 0x20, 0x00, 0x10, 0xff]),
        ("cut", &[2, 2, 0, 0x00, 0x21]),
        ("lengthen-told", &[2, 3, 2, 4, 1]),
        ("lengthen", &[1, 3, 0, 40, 0]),
        ("remove-first", &[2, 4, 0]),
        ("remove-middle", &[2, 4, 1]),
        ("copy", &[2, 5, 1, 0, 9]),
        ("copy-to-spare", &[2, 5, 1, 5, 2]),
        ("rename", &[2, 6, 2, 0, 9]),
        ("rename-to-last-number", &[1, 6, 0, 0, 255]),
        ("header-version", &[1, 7, 0, 3, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
        ("header-other-log", &[2, 7, 1, 3, 2, 9, 9, 9, 9, 9, 9, 9, 9]),
        ("header-number", &[2, 7, 2, 3, 3, 7, 0, 0, 0, 0, 0, 0, 0]),
        ("header-file-len", &[1, 7, 0, 3, 5, 0, 0, 0, 0x80, 0, 0, 0, 0]),
        ("header-prev-end", &[2, 7, 2, 3, 7, 0, 0x10, 0, 0, 0, 0, 0, 0]),
        ("header-one-copy", &[2, 7, 1, 1, 11, 1, 0, 0, 0, 0, 0, 0, 0]),
        ("frame-length", &[2, 8, 1, 2, 0, 0xff, 0xff, 0xff, 0x0f]),
        ("frame-unknown-kind", &[2, 8, 2, 1, 2, 99, 0, 0, 0]),
        ("frame-new-length-mended", &[2, 8, 1, 0, 128, 0x40, 0, 0, 0]),
        ("gap-behind", &[1, 9, 0, 255, 0, 7, 0, 0, 0, 0, 1, 0, 0, 0]),
        ("mark-beyond", &[2, 9, 2, 255, 9, 4, 2, 1, 0, 0, 0, 0, 0, 0]),
        ("half-batch", &[4, 9, 1, 255, 0, 2, 1, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 65]),
        ("close-record", &[2, 10, 2, 0, 255, 0, 0, 0, 0]),
        ("close-record-beyond", &[2, 10, 2, 0, 255, 0, 0, 8, 0]),
        ("flip", &[2, 11, 1, 0x40, 0x20, 3]),
        ("sector-of-another", &[2, 12, 0, 17, 1, 17]),
        ("successor", &[1, 14, 0, 1, 255, 0, 0, 0, 0]),
    ];
    seeds.extend(changes.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    let more: [(&str, &[u8]); 6] = [
        ("successor-beyond", &[1, 14, 0, 4, 255, 16, 0, 0, 0]),
        ("successor-inside", &[1, 14, 0, 6, 2, 0, 0, 0, 0]),
        ("successor-trims", &[2, 14, 2, 4, 255, 0, 0, 1, 0]),
        ("directory-named-like-a-segment", &[2, 15, 0, 0, 3]),
        ("two-lost-headers", &[2, 1, 1, 0, 0, 0, 0x20, 1, 1, 2, 0, 0, 0, 0x20, 1]),
        ("many-changes", &[3, 11, 0, 0, 0x21, 1, 11, 1, 0, 0x22, 2, 13, 0, 2, 2, 0, 0x30, 4, 0]),
    ];
    seeds.extend(more.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    seeds
}

/// What is drawn from an input may be drawn from anything; frames are as good as noise.
fn round_trip_seeds() -> Vec<(String, Vec<u8>)> {
    let real = real_segments().into_iter().filter(|(_, file)| header_of(file).is_some());
    real.map(|(name, file)| (name, file[8192..8192 + 600].to_vec())).collect()
}

/// Nothing decided, and as many decisions as a seed of a campaign makes.
fn decision_seeds() -> Vec<(String, Vec<u8>)> {
    let drawn = (0..4_u64).map(|seed| {
        let mut bytes = vec![0; 1500];
        seawall_sim::Seed::new(seed).rng(seawall_sim::Concern::Workload).fill(&mut bytes);
        (format!("drawn-{seed}"), bytes)
    });
    std::iter::once(("nothing".to_owned(), Vec::new())).chain(drawn).collect()
}

const FILE_LEN: usize = 16384;
const FRAMES_START: usize = 8192;
const TWO_RECORDS: &[u8] = b"\x03\0\0\0one\x05\0\0\0three";

/// A segment file under construction.
struct Segment {
    header: SegmentHeader,
    run: Vec<u8>,
}

/// Where the frames of a finished file end.
#[derive(Clone, Copy)]
struct End {
    lsn: Lsn,
    check: u32,
    frames: u64,
}

impl Segment {
    fn new(number: u64, salt: u64) -> Self {
        let jump = if number == 1 { 0 } else { Lsn::JUMP };
        let prev_end = Lsn::new(if number == 1 { 0 } else { 0x1000 });
        let header = SegmentHeader {
            version: VERSION,
            log: LogId::new([1; 16]),
            number: SegmentId::new(number),
            base: Lsn::new(prev_end.get() + jump),
            salt: Salt::new(salt),
            file_len: FILE_LEN as u64,
            prev_end,
            prev_check: if number == 1 { 0 } else { 0xc0ff_ee11 },
            skipped: 0,
            unproven: 0,
            trim: Lsn::FIRST,
            extension: Extension::default(),
        };
        Self { header, run: Vec::new() }
    }

    fn here(&self) -> Lsn {
        Lsn::new(self.header.base.get() + self.run.len() as u64)
    }

    fn place(mut self, spec: FrameSpec, body: &[u8]) -> Self {
        place_frame(&mut self.run, spec, &[body]);
        self
    }

    fn record(self, body: &[u8]) -> Self {
        self.place(FrameSpec::of(FrameKind::Record), body)
    }

    fn one_of_each_kind(self) -> Self {
        let base = self.header.base;
        let mut part = FrameSpec::of(FrameKind::Batch);
        part.continues = true;
        let mut all = self
            .record(b"a record")
            .place(FrameSpec::of(FrameKind::Batch), TWO_RECORDS)
            .place(part, b"\x03\0\0\0two")
            .place(FrameSpec::of(FrameKind::Batch), b"\0\0\0\0")
            .place(FrameSpec::of(FrameKind::Record).marking(Some(base)), b"marked");
        let start = all.run.len();
        all = all.record(b"failed append");
        void_batch(&mut all.run[start..]);
        let here = Some(all.here());
        all.place(FrameSpec::of(FrameKind::IdleMark).marking(here), b"")
            .place(FrameSpec::of(FrameKind::Trim), &encode_trim(base))
            .place(FrameSpec::of(FrameKind::Gap), &[0; 12])
            .record(b"")
    }

    /// Records and a batch with tags, and kinds of later releases before, between and after them.
    fn tags_and_later_kinds(self) -> Self {
        let tagged = |kind, tag| FrameSpec::of(kind).tagged(Tag::new(tag));
        let later = |kind| FrameSpec::of(FrameKind::Skippable(kind));
        let part = FrameSpec { continues: true, ..tagged(FrameKind::Batch, 1) };
        self.place(later(SkippableKind::MIN), b"of a later release")
            .place(tagged(FrameKind::Record, 1), b"a record")
            .place(later(SkippableKind::MAX), b"")
            .place(part, TWO_RECORDS)
            .place(tagged(FrameKind::Batch, 0xffff), TWO_RECORDS)
            .record(b"without a tag")
    }

    fn close_mark(self) -> Self {
        let here = Some(self.here());
        let spec = FrameSpec::of(FrameKind::CloseMark).marking(here);
        self.place(spec, &encode_trim(Lsn::FIRST))
    }

    /// Writes this use of the file over what an earlier one left.
    fn finish_over(mut self, file: &mut [u8]) -> End {
        let seed = FrameSeed::new(self.header.log, self.header.salt);
        let lsn = self.here();
        let (check, frames) =
            finish_run(&mut self.run, seed, self.header.base, self.header.prev_check);
        file[..FRAMES_START].copy_from_slice(&self.header.blocks());
        file[FRAMES_START..FRAMES_START + self.run.len()].copy_from_slice(&self.run);
        End { lsn, check, frames }
    }

    fn finish(self) -> (Vec<u8>, End) {
        let mut file = vec![0; FILE_LEN];
        let end = self.finish_over(&mut file);
        (file, end)
    }
}

fn write_trailer(file: &mut [u8], salt: u64, kind: TrailerKind, end: End) {
    let trailer = Trailer { kind, salt: Salt::new(salt), end: end.lsn, last_check: end.check };
    file[FILE_LEN - 64..].copy_from_slice(&trailer.encode());
}

/// One use of a file that filled it with records, so that stale frames stand everywhere.
fn full_file(salt: u64) -> Vec<u8> {
    let mut segment = Segment::new(1, salt);
    while (segment.run.len() as u64) < layout::record_room(FILE_LEN as u64) {
        segment = segment.record(b"an earlier use of this file");
    }
    let (mut file, end) = segment.finish();
    let frames = end.frames;
    write_trailer(&mut file, salt, TrailerKind::Seal { frames }, end);
    file
}

/// Segment files, each a situation.
pub(crate) fn segment_files() -> Vec<(&'static str, Vec<u8>)> {
    let (fresh, _) = Segment::new(1, 1).finish();
    let (every_kind, _) = Segment::new(2, 2).one_of_each_kind().finish();

    let (mut torn, end) = Segment::new(2, 3).one_of_each_kind().record(&[0xaa; 1500]).finish();
    let tail = FRAMES_START
        + usize::try_from(end.lsn.since(Lsn::new(0x2_0000_1000)).expect("on"))
            .expect("a small file");
    // The sectors behind byte 1024 of the last record were lost.
    torn[(tail - 500).next_multiple_of(512)..].fill(0);

    // A leftover that verifies alone, but followed another frame than the one that stands there.
    let (mut ghost, _) = Segment::new(2, 9).record(b"first").record(b"lost").finish();
    let other = Segment::new(2, 9).record(b"other").record(b"ghost").finish().0;
    ghost[FRAMES_START + 32..].copy_from_slice(&other[FRAMES_START + 32..]);

    let mut recycled = full_file(4);
    recycled[..FRAMES_START + 4096].fill(0);
    let mut second = Segment::new(2, 5);
    for number in 0..150_u32 {
        second = second.record(&number.to_le_bytes());
    }
    // It ends where the stale frames begin to show: in the block behind the zeroed one.
    while second.run.len() < 4096 + 40 {
        second = second.record(b"a record of this use");
    }
    second.finish_over(&mut recycled);

    let (mut clean, end) = Segment::new(2, 6).one_of_each_kind().close_mark().finish();
    write_trailer(&mut clean, 6, TrailerKind::Close, end);
    let (mut first_copy_bad, _) = Segment::new(2, 7).record(b"a record").finish();
    first_copy_bad[100] ^= 1;
    let (tagged, _) = Segment::new(2, 10).tags_and_later_kinds().finish();
    vec![
        ("fresh", fresh),
        ("every-kind", every_kind),
        ("tags-and-later-kinds", tagged),
        ("torn-tail", torn),
        ("broken-chain", ghost),
        ("recycled", recycled),
        ("clean-closed", clean),
        ("sealed", full_file(8)),
        ("first-copy-bad", first_copy_bad),
    ]
}

/// Frames of every kind, and one breach of each law.
pub(crate) fn frame_seeds() -> Vec<(String, Vec<u8>)> {
    let place = Place::chosen(1);
    let mark = Some(place.lsn);
    let trim = encode_trim(Lsn::new(0x1000));
    let mut part = FrameSpec::of(FrameKind::Batch);
    part.continues = true;
    let tag = Tag::new(0x0107);
    let skippable = |kind| FrameSpec::of(FrameKind::Skippable(kind));
    let frames: [(&str, FrameSpec, &[u8]); 17] = [
        ("record", FrameSpec::of(FrameKind::Record), b"a record"),
        ("record-empty", FrameSpec::of(FrameKind::Record), b""),
        ("record-marked", FrameSpec::of(FrameKind::Record).marking(mark), b"marked"),
        ("batch", FrameSpec::of(FrameKind::Batch), TWO_RECORDS),
        ("batch-continues", part, TWO_RECORDS),
        ("batch-continues-marked", part.marking(mark), b"\0\0\0\0"),
        ("void", FrameSpec::of(FrameKind::Void), b"failed append"),
        ("idle-mark", FrameSpec::of(FrameKind::IdleMark).marking(mark), b""),
        ("trim", FrameSpec::of(FrameKind::Trim), &trim),
        ("trim-marked", FrameSpec::of(FrameKind::Trim).marking(mark), &trim),
        ("close-mark", FrameSpec::of(FrameKind::CloseMark).marking(mark), &trim),
        ("gap", FrameSpec::of(FrameKind::Gap), &[0; 12]),
        ("record-tagged", FrameSpec::of(FrameKind::Record).tagged(tag), b"a record"),
        ("record-tagged-marked", FrameSpec::of(FrameKind::Record).tagged(tag).marking(mark), b"x"),
        ("batch-tagged", part.tagged(tag), TWO_RECORDS),
        ("skippable-lowest", skippable(SkippableKind::MIN), b"of a later release"),
        ("skippable-highest", skippable(SkippableKind::MAX).tagged(tag), b""),
    ];
    let mut seeds: Vec<_> = frames
        .into_iter()
        .map(|(name, spec, body)| {
            let mut run = Vec::new();
            place_frame(&mut run, spec, &[body]);
            let _ = finish_run(&mut run, place.seed, place.lsn, 0xc0ff_ee11);
            run.insert(0, 1);
            (name.to_owned(), run)
        })
        .collect();
    // Each breaks one law, once the check has put its checks in.
    for (law, of, at, with) in [
        ("law-2-unknown-kind", "record", 16, 9),
        ("law-2-unknown-flag", "record", 17, 4),
        ("law-2-marked-void", "idle-mark", 16, 3),
        ("law-2-unmarked-idle-mark", "idle-mark", 17, 0),
        ("law-2-record-continues", "record", 17, 1),
        ("law-2-tagged-trim", "trim", 18, 1),
        ("law-2-kind-below-the-skippable", "record", 16, 63),
        ("law-2-kind-above-the-skippable", "record", 16, 128),
        ("law-2-skippable-with-a-flag", "skippable-lowest", 17, 2),
        ("law-3-too-long", "record", 7, 0x20),
        ("law-4-mark-beyond", "record-marked", 27, 0x7f),
        ("law-6-untiled-batch", "batch", 20, 0xff),
        ("law-6-odd-trim", "trim", 20, 1),
    ] {
        let whole = seeds.iter().find(|seed| seed.0 == of);
        let mut bytes = whole.expect("a seed of this name").1.clone();
        bytes[1 + at] = with;
        seeds.push((law.to_owned(), bytes));
    }
    seeds.push(("zeros".to_owned(), vec![0; 65]));
    seeds
}
