//! Replays the corpora of the fuzz targets on a stable compiler, and makes their seeds.
//!
//! The files named `seed-*` in `fuzz/corpus/` are what `seeds` makes, byte for byte, and so are the
//! dictionaries. `SEAWALL_BLESS=1 cargo test -p seawall-sim --test fuzz_corpora committed` writes them
//! anew: then bytes of the format have changed, and the changelog says so. Every other file is
//! what a fuzzer kept (`kept-*`), or an input that once found a bug (`bug-*`).

#![expect(
    clippy::disallowed_methods,
    reason = "reads and writes the corpora, which are files of the repository, not of a log"
)]
#![allow(clippy::panic, reason = "a test that cannot go on fails")]

use checks::TARGETS;
use checks::mend::Place;
use checks::scan_segment::{Scan, expanded, scan, without_padding};
use seawall::format::frame::{FrameError, FrameKind, decode_frame};
use seawall::format::trailer::TrailerKind;
use seeds::{Seed, frame_seeds, seeds, segment_files};
use std::path::{Path, PathBuf};

/// The bodies of the fuzz targets.
#[path = "../../fuzz/src/lib.rs"]
pub mod checks;
#[path = "fuzz_corpora/dictionaries.rs"]
mod dictionaries;
#[path = "fuzz_corpora/seeds.rs"]
mod seeds;

/// The most files that a fuzzer kept, and the most bytes of one that is no seed, that a corpus has: what
/// `fuzz/run --keep` leaves.
const KEPT_MAX: usize = 60;
const INPUT_MAX: usize = 4096;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn corpus(target: &str) -> PathBuf {
    fuzz().join("corpus").join(target)
}

/// What stands in the corpus of a target, by name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(corpus(target)).expect("the corpus is there");
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).expect("an input"))
        })
        .collect();
    inputs.sort();
    inputs
}

fn check(target: &str) -> fn(&[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    found.expect("a target of this name").1
}

fn blessed() -> bool {
    std::env::var_os("SEAWALL_BLESS").is_some_and(|value| value == "1")
}

/// Holds a file of the repository against what is made, or writes it.
fn hold_committed(path: &Path, made: &[u8]) {
    let place = path.display();
    if blessed() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
        std::fs::write(path, made).expect("it can be written");
    }
    let committed = std::fs::read(path).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert!(committed == made, "{place} is not what is made");
}

fn segment(name: &str) -> Scan {
    let files = segment_files();
    let (_, bytes) = files.iter().find(|file| file.0 == name).expect("a file of this name");
    scan(bytes)
}

#[test]
fn committed_seeds_are_what_the_generator_makes() {
    let mut names = Vec::new();
    for Seed { target, name, bytes } in seeds() {
        hold_committed(&corpus(target).join(&name), &bytes);
        names.push((target, name));
    }
    for (target, _) in TARGETS {
        let inputs = inputs(target);
        let of_story = |name: &str| name.starts_with("seed-") || name.starts_with("bug-");
        let kept = inputs.iter().filter(|(name, _)| !of_story(name)).count();
        assert!(kept <= KEPT_MAX, "{kept} inputs were kept for {target}");
        for (name, input) in inputs {
            let made = names.contains(&(target, name.clone()));
            assert_eq!(name.starts_with("seed-"), made, "{name} of {target}");
            assert!(made || input.len() <= INPUT_MAX, "{name} of {target} is too long");
        }
    }
}

#[test]
fn committed_dictionaries_are_what_the_generator_makes() {
    for (target, _) in TARGETS {
        let path = fuzz().join("dictionaries").join(format!("{target}.dict"));
        hold_committed(&path, dictionaries::of(target).as_bytes());
    }
}

#[test]
fn every_target_has_a_body_and_a_binary() {
    for (target, _) in TARGETS {
        let binary = std::fs::read_to_string(fuzz().join(format!("fuzz_targets/{target}.rs")));
        let binary = binary.expect("the binary of a target");
        assert!(binary.contains(&format!("seawall_fuzz::{target}::run(input)")), "{target}");
    }
}

#[test]
fn every_input_of_the_corpora_passes_its_check() {
    for (target, check) in TARGETS {
        let inputs = inputs(target);
        assert!(!inputs.is_empty(), "the corpus of {target} is empty");
        for (name, input) in inputs {
            println!("{target}: {name}");
            check(&input);
        }
    }
}

#[test]
fn every_prefix_of_every_seed_passes_its_check() {
    for Seed { target, name, bytes } in seeds() {
        for len in 0..bytes.len() {
            println!("{target}: {len} bytes of {name}");
            if !matches!(target, "scan_segment" | "decisions") || len % 31 == 0 {
                check(target)(&bytes[..len]);
            }
        }
    }
}

#[test]
fn a_segment_without_its_padding_is_the_same_segment() {
    for (name, file) in segment_files() {
        let again = expanded(&without_padding(&file));
        assert_eq!(scan(&again), scan(&file), "{name}");
    }
}

#[test]
fn frame_seeds_cover_every_kind_and_decode() {
    let place = Place::chosen(1);
    let mut kinds = Vec::new();
    for (name, bytes) in frame_seeds() {
        let decoded = decode_frame(&bytes[1..], place.seed, place.lsn);
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
