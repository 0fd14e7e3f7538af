//! Opening a hostile directory of 1 MiB takes less than 16 MiB of memory, whatever its bytes say; and
//! it is over soon: what is read is counted, not timed. On the real disk, where a sparse file is one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "makes the files of hostile directories")]

use checks::bounds::{Cost, Counted, Tally, measured};
use checks::mend::{FRAMES_START, Place, frames_of, header_of, mend_frame};
use seawall::format::checksum::FrameSeed;
use seawall::format::extension::Extension;
use seawall::format::header::{SegmentHeader, VERSION};
use seawall::format::layout;
use seawall::format::name::FileName;
use seawall::format::trailer::TRAILER_LEN;
use seawall::position::{LogId, Salt};
use seawall::storage::Environment;
use seawall::{Log, LogView, Lsn, Options, Row, SegmentId, Verdict};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The bodies of the fuzz targets, for their counters.
#[path = "../../fuzz/src/lib.rs"]
pub mod checks;

/// Bytes of a directory.
const DIRECTORY_LEN: usize = 1 << 20;
/// What opening it may hold at once.
const PEAK_MAX: u64 = 16 << 20;

/// A hostile directory: its name, what is said of it, and what makes its files.
type Hostile = (&'static str, Said, fn(&Path));

/// The rows of the table that are met, at least how many records are shown, and the verdict: a directory
/// that is refused for another reason than the one it was made for would cost little.
type Said = (&'static [Row], usize, Verdict);

const DIRECTORIES: [Hostile; 13] = [
    ("zeros", (&[Row::Unborn], 0, Verdict::Clean), |dir| write(dir, 1, &vec![0; DIRECTORY_LEN])),
    ("noise", (&[Row::HeaderLost], 0, Verdict::Damaged), |dir| {
        write(dir, 1, &noise(DIRECTORY_LEN))
    }),
    ("a header over noise", (&[Row::Undecodable], 0, Verdict::TornTail), |dir| {
        write(dir, 1, &over(header(1, 0, 1 << 20), &noise(1 << 20)))
    }),
    ("a header that states the longest file", (&[Row::Shortened], 0, Verdict::Damaged), |dir| {
        write(dir, 1, &over(header(1, 0, layout::FILE_LEN_MAX), &vec![0; DIRECTORY_LEN]));
    }),
    ("a sparse file of the longest length", (&[Row::Zeros], 0, Verdict::Clean), sparse),
    ("frames that state the longest body", (&[Row::Shortened], 0, Verdict::Damaged), |dir| {
        write(dir, 1, &claims(header(1, 0, layout::FILE_LEN_MAX), &[0x1000_0004]));
    }),
    (
        "a header at every place, each with a body that does not verify",
        (&[Row::Zeros], 0, Verdict::Damaged),
        |dir| {
            write(dir, 1, &claims(header(1, 0, 1 << 20), &[0x8_0000, 0x4_0000, 0x1_0000]));
            write(dir, 2, &successor(1 << 20));
        },
    ),
    (
        "a closed segment whose successor says that it is far longer",
        (&[Row::Zeros, Row::Shortened], 0, Verdict::Damaged),
        |dir| {
            write(dir, 1, &claims(header(1, 0, layout::FILE_LEN_MAX), &[0x7_0000]));
            write(dir, 2, &successor(layout::FILE_LEN_MAX));
        },
    ),
    ("every second record damaged", (&[Row::Closed], 20_000, Verdict::Damaged), |dir| {
        damaged(dir, true)
    }),
    (
        "every second record damaged, in the last segment",
        (&[Row::Undecodable], 20_000, Verdict::Damaged),
        |dir| damaged(dir, false),
    ),
    ("thousands of small files", (&[Row::HeaderLost], 0, Verdict::Damaged), |dir| {
        for number in 1..2000 {
            write(dir, number * 2, &noise(512));
        }
    }),
    ("thousands of tiny files", (&[Row::HeaderLost], 0, Verdict::Damaged), |dir| {
        for number in 1..20_000 {
            write(dir, number * 2, &noise(48));
        }
    }),
    (
        "many segments that only have headers, each missing the one before",
        (&[Row::Zeros, Row::Missing], 0, Verdict::Damaged),
        |dir| {
            for number in 1..60 {
                write(dir, number * 3, &over(header(number * 3, number * 512, 16384), &[0; 16384]));
            }
        },
    ),
];

fn write(dir: &Path, number: u64, bytes: &[u8]) {
    std::fs::write(dir.join(FileName::Segment(SegmentId::new(number)).text()), bytes).unwrap();
}

/// Bytes that repeat nowhere near.
fn noise(len: usize) -> Vec<u8> {
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn header(number: u64, prev_end: u64, file_len: u64) -> SegmentHeader {
    SegmentHeader {
        version: VERSION,
        log: LogId::new([7; 16]),
        number: SegmentId::new(number),
        base: Lsn::new(prev_end),
        salt: Salt::new(number),
        file_len,
        prev_end: Lsn::new(prev_end),
        prev_check: 0,
        skipped: 0,
        unproven: 0,
        trim: Lsn::FIRST,
        extension: Extension::default(),
    }
}

fn over(header: SegmentHeader, bytes: &[u8]) -> Vec<u8> {
    let mut file = header.blocks();
    file.extend_from_slice(bytes.get(FRAMES_START..).unwrap_or_default());
    file
}

/// A segment 2 that says that segment 1 is full up to this length.
fn successor(file_len: u64) -> Vec<u8> {
    over(header(2, layout::frame_room(file_len), 16384), &[0; 16384])
}

/// A valid header of a frame every 24 bytes, over bodies of the stated lengths that do not verify.
fn claims(header: SegmentHeader, lens: &[u32]) -> Vec<u8> {
    let mut file = over(header, &noise(DIRECTORY_LEN));
    let seed = FrameSeed::new(header.log, header.salt);
    for (nth, place) in (FRAMES_START..file.len() - 24).step_by(24).enumerate() {
        let lsn = Lsn::new((place - FRAMES_START) as u64);
        let frame = &mut file[place..place + 24];
        frame[4..8].copy_from_slice(&lens[nth % lens.len()].to_le_bytes());
        frame[16..20].copy_from_slice(&[1, 0, 0, 0]);
        mend_frame(frame, Place { seed, lsn }, Some(0)).unwrap();
    }
    file
}

/// A real log of records of a few bytes, of which every fourth does not verify.
fn damaged(dir: &Path, closed: bool) {
    let len = DIRECTORY_LEN as u64;
    let options = Options::new().first_segment_len(len).segment_len(len).idle_mark(None);
    // Whether a next file is ready would depend on how fast it is made.
    let options = options.prepare_ahead(false);
    let log = Log::open(dir, options.durability(seawall::Durability::Buffered)).unwrap();
    let full = |log: &Log| log.segments().len() > 1;
    let far = |log: &Log| log.watermarks().accepted.get() >= 900_000;
    while !(if closed { full(&log) } else { far(&log) }) {
        log.append(b"record").unwrap();
    }
    // What follows is marked, and states that all before was durable.
    log.sync().unwrap();
    log.append(b"last").unwrap();
    log.sync().unwrap();
    drop(log);
    let path = dir.join(FileName::Segment(SegmentId::FIRST).text());
    let mut file = std::fs::read(&path).unwrap();
    if !closed {
        // Without its close record, so that all of it is looked at when it is opened.
        let end = file.len();
        file[end - TRAILER_LEN..].fill(0);
    }
    let standing = frames_of(&file, &header_of(&file).unwrap());
    for place in standing.iter().step_by(4).filter(|place| place.offset < 900_000) {
        file[place.offset + 20] ^= 1;
    }
    std::fs::write(&path, file).unwrap();
}

/// Nothing but a header, and a length of 2 GiB that is all hole.
fn sparse(dir: &Path) {
    write(dir, 1, &header(1, 0, layout::FILE_LEN_MAX).blocks());
    let path = dir.join(FileName::Segment(SegmentId::FIRST).text());
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(layout::FILE_LEN_MAX).unwrap();
}

fn counted(dir: &Path) -> (Environment, Arc<Tally>) {
    let mut environment = Environment::existing(dir).unwrap();
    let tally = Arc::new(Tally::default());
    environment.storage = Arc::new(Counted::new(environment.storage, Arc::clone(&tally)));
    environment.threads = false;
    (environment, tally)
}

/// Files and their bytes, holes among them.
fn size_of_all(dir: &Path) -> (u64, u64) {
    let entries = std::fs::read_dir(dir).unwrap();
    let lens = entries.map(|entry| entry.unwrap().metadata().unwrap().len());
    lens.fold((0, 0), |(files, bytes), len| (files + 1, bytes + len))
}

fn scan(view: &LogView) {
    let mut scan = view.scan(Lsn::FIRST).unwrap();
    loop {
        match scan.next_ref() {
            Ok(Some(_)) => {}
            Err(error) if error.is_damage() => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// A way to open it: its name, and what does it.
type Way = (&'static str, fn(Environment));

/// Each as a program would do it; what they say is not looked at here.
const WAYS: [Way; 5] = [
    ("plan a repair", |environment| drop(Log::plan_repair(&environment))),
    ("diagnose", |environment| drop(LogView::diagnose(&environment))),
    ("view, scan", |environment| drop(LogView::open_in(&environment).map(|view| scan(&view)))),
    ("view, verify", |environment| {
        drop(LogView::open_in(&environment).map(|mut view| view.verify(|_| {})));
    }),
    ("open", |environment| drop(Log::open_in(environment, Options::new()))),
];

fn hold_said(name: &str, dir: &Path, (rows, records, verdict): Said) {
    let environment = Environment::existing(dir).unwrap();
    let (findings, _) = LogView::diagnose(&environment).unwrap();
    let met: BTreeSet<Row> = findings.iter().map(|finding| finding.row).collect();
    assert_eq!(met, rows.iter().copied().collect(), "{name}");
    let mut view = LogView::open_in(&environment).unwrap();
    let shown = view.scan(Lsn::FIRST).unwrap().filter(Result::is_ok).count();
    assert!(shown >= records, "{name}: {shown} records");
    assert_eq!(view.verify(|_| {}).unwrap().verdict, verdict, "{name}");
}

#[test]
fn opening_any_hostile_directory_of_one_mebibyte_takes_little_memory_and_reads_it_a_few_times() {
    for (name, said, make) in DIRECTORIES {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        make(dir.path());
        let (files, bytes) = size_of_all(dir.path());
        hold_said(name, dir.path(), said);
        for (way, open) in WAYS {
            // A writer syncs each file that nothing vouches for, which takes a disk minutes.
            if way == "open" && files > 10_000 {
                continue;
            }
            let (environment, tally) = counted(dir.path());
            let ((), memory) = measured(|| open(environment));
            let cost = Cost { memory, read: tally.read(), calls: tally.calls() };
            println!(
                "{name}: {way}: {} KiB of memory, each byte read {} times, {} calls",
                memory >> 10,
                cost.read / bytes,
                cost.calls
            );
            assert!(memory < PEAK_MAX, "{name}, {way}: {memory} bytes of memory");
            cost.hold(bytes, files);
        }
    }
}
