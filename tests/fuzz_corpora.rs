//! Replays the corpora of the fuzz targets on a stable compiler, and makes their seeds.
//!
//! The files named `seed-*` in `fuzz/corpus/` are what [`seeds`] makes, byte for byte.
//! `SEAWALL_BLESS=1 cargo test --test fuzz_corpora committed` writes them anew: then bytes of the
//! format have changed, and the changelog says so.

#![expect(
    clippy::disallowed_methods,
    reason = "reads and writes the corpora, which are files of the repository, not of a log"
)]

use std::path::PathBuf;

use checks::Scan;
use seawall::format::checksum::FrameSeed;
use seawall::format::control::encode_trim;
use seawall::format::frame::{FrameError, FrameKind};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame, void_batch};
use seawall::format::header::SegmentHeader;
use seawall::format::layout;
use seawall::format::trailer::{Trailer, TrailerKind};
use seawall::position::{LogId, Lsn, Salt, SegmentId};

/// The bodies of the fuzz targets.
#[path = "../fuzz/src/lib.rs"]
pub mod checks;

const FILE_LEN: usize = 16384;
const FRAMES_START: usize = 8192;
const TWO_RECORDS: &[u8] = b"\x03\0\0\0one\x05\0\0\0three";

struct Seed {
    target: &'static str,
    name: String,
    bytes: Vec<u8>,
}

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
            log: LogId::new([1; 16]),
            number: SegmentId::new(number),
            base: Lsn::new(prev_end.get() + jump),
            salt: Salt::new(salt),
            file_len: FILE_LEN as u64,
            prev_end,
            prev_check: if number == 1 { 0 } else { 0xc0ff_ee11 },
            trim: Lsn::FIRST,
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

fn segment_seeds() -> Vec<(&'static str, Vec<u8>)> {
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
    vec![
        ("fresh", fresh),
        ("every-kind", every_kind),
        ("torn-tail", torn),
        ("broken-chain", ghost),
        ("recycled", recycled),
        ("clean-closed", clean),
        ("sealed", full_file(8)),
        ("first-copy-bad", first_copy_bad),
    ]
}

fn frame_seeds() -> Vec<(String, Vec<u8>)> {
    let place = checks::Place::chosen(1);
    let mark = Some(place.lsn);
    let trim = encode_trim(Lsn::new(0x1000));
    let mut part = FrameSpec::of(FrameKind::Batch);
    part.continues = true;
    let frames: [(&str, FrameSpec, &[u8]); 12] = [
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

fn seeds() -> Vec<Seed> {
    let frames = frame_seeds().into_iter().map(|(name, bytes)| Seed {
        target: "decode_frame",
        name: format!("seed-{name}"),
        bytes,
    });
    let segments = segment_seeds().into_iter().map(|(name, bytes)| Seed {
        target: "scan_segment",
        name: format!("seed-{name}"),
        bytes,
    });
    frames.chain(segments).collect()
}

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn check(target: &str, input: &[u8]) {
    match target {
        "decode_frame" => checks::decode_frame(input),
        _ => drop(checks::scan_segment(input)),
    }
}

fn segment(name: &str) -> Scan {
    let seeds = segment_seeds();
    let (_, bytes) = seeds.iter().find(|seed| seed.0 == name).expect("a seed of this name");
    checks::scan_segment(bytes)
}

#[test]
fn committed_seeds_are_what_the_generator_makes() {
    let bless = std::env::var_os("SEAWALL_BLESS").is_some_and(|value| value == "1");
    let mut names = Vec::new();
    for Seed { target, name, bytes } in seeds() {
        let path = corpus(target).join(&name);
        if bless {
            std::fs::create_dir_all(corpus(target)).expect("the corpus can be made");
            std::fs::write(&path, &bytes).expect("a seed can be written");
        }
        let committed = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(committed == bytes, "{name} of {target} is not what is made");
        names.push((target, name));
    }
    for target in ["decode_frame", "scan_segment"] {
        for entry in std::fs::read_dir(corpus(target)).expect("the corpus is there") {
            let name = entry.expect("an entry").file_name();
            let name = name.to_string_lossy().into_owned();
            let made = names.contains(&(target, name.clone()));
            assert_eq!(name.starts_with("seed-"), made, "{name} of {target}");
        }
    }
}

#[test]
fn every_input_of_the_corpora_passes_its_check() {
    for target in ["decode_frame", "scan_segment"] {
        let mut count = 0;
        for entry in std::fs::read_dir(corpus(target)).expect("the corpus is there") {
            let input = std::fs::read(entry.expect("an entry").path()).expect("an input");
            check(target, &input);
            count += 1;
        }
        assert!(count > 0, "the corpus of {target} is empty");
    }
}

#[test]
fn every_prefix_of_every_seed_passes_its_check() {
    for Seed { target, bytes, .. } in seeds() {
        for len in 0..bytes.len() {
            if target == "decode_frame" || len % 97 == 0 {
                check(target, &bytes[..len]);
            }
        }
    }
}

#[test]
fn frame_seeds_cover_every_kind_and_decode() {
    let place = checks::Place::chosen(1);
    let mut kinds = Vec::new();
    for (name, bytes) in frame_seeds() {
        let decoded = seawall::format::frame::decode_frame(&bytes[1..], place.seed, place.lsn);
        match decoded {
            Ok((header, _)) => kinds.push(header.kind),
            Err(error) if name == "zeros" => assert_eq!(error, FrameError::Zeros),
            Err(error) => assert!(name.starts_with("law-"), "{name}: {error}"),
        }
    }
    for kind in FrameKind::ALL {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

#[test]
fn segment_seeds_are_the_situations_they_are_named_for() {
    let fresh = segment("fresh");
    assert!(fresh.frames.is_empty() && fresh.stop == Some(FrameError::Zeros));

    let all = segment("every-kind");
    assert_eq!((all.frames.len(), all.stop), (10, Some(FrameError::Zeros)));

    let torn = segment("torn-tail");
    assert_eq!(torn.frames.len(), 10);
    assert!(matches!(torn.stop, Some(FrameError::Body { .. })));

    let ghost = segment("broken-chain");
    assert_eq!(ghost.frames.len(), 1);
    assert!(matches!(ghost.stop, Some(FrameError::Chain { .. })));

    let recycled = segment("recycled");
    assert!(recycled.frames.len() > 100);
    assert!(matches!(recycled.stop, Some(FrameError::Check { .. })));
    assert!(recycled.trailer.is_ok() && !recycled.trailer_agrees());

    let clean = segment("clean-closed");
    assert_eq!(clean.frames.last().map(|frame| frame.1), Some(FrameKind::CloseMark));
    assert!(clean.trailer_agrees());

    let sealed = segment("sealed");
    let frames = sealed.frames.len() as u64;
    assert!(sealed.trailer_agrees());
    assert!(sealed.trailer.is_ok_and(|trailer| trailer.kind == TrailerKind::Seal { frames }));

    let bad = segment("first-copy-bad");
    assert!(bad.header.is_ok() && bad.frames.len() == 1);
}
