//! The dictionaries: words of the format that a fuzzer would need long to find by itself.

use seawall::format::frame::{FrameKind, SkippableKind};
use seawall::format::header::{EXTENDED, MAGIC, VERSION};
use seawall::format::layout;
use seawall::format::name::FileName;
use seawall::position::{Home, Lineage, Lsn, SegmentId};
use std::fmt::Write;

type Word = (String, Vec<u8>);

/// The dictionary of a target, as libFuzzer reads it.
pub(crate) fn of(target: &str) -> String {
    let words = match target {
        "decode_frame" => frame(),
        "decode_segment_header" => header(),
        "decode_trailer" => trailer(),
        "scan_segment" => [header(), frame(), trailer()].concat(),
        "recover_directory" => [changes(), frame(), limits()].concat(),
        "decisions" => decisions(),
        _ => [frame(), limits()].concat(),
    };
    let mut text = String::from("# Made by the test `fuzz_corpora`.\n");
    for (name, bytes) in words {
        text += &name;
        text += "=\"";
        for byte in bytes {
            let _ = write!(text, "\\x{byte:02x}");
        }
        text += "\"\n";
    }
    text
}

fn word(name: &str, bytes: &[u8]) -> Word {
    (name.to_owned(), bytes.to_vec())
}

/// Kind and flags stand next to each other; a tag, or zeros, follow.
fn frame() -> Vec<Word> {
    let mut words = Vec::new();
    for kind in FrameKind::ALL {
        for flags in 0..4_u8 {
            let name = format!("{kind:?}_{flags}").to_lowercase();
            words.push((name, vec![kind.byte(), flags, 0, 0]));
        }
    }
    words.push(word("record_tagged", &[FrameKind::Record.byte(), 0, 7, 1]));
    words.push(word("batch_tagged", &[FrameKind::Batch.byte(), 1, 7, 1]));
    for kind in [SkippableKind::MIN, SkippableKind::MAX] {
        words.push((format!("skippable_{}", kind.get()), vec![kind.get(), 0, 7, 1]));
    }
    let longest = u32::try_from(layout::BODY_LEN_MAX).expect("it is stored in 32 bits");
    words.push(word("body_len_max", &longest.to_le_bytes()));
    words.push(word("body_len_hollow", &0x7fff_fff8_u32.to_le_bytes()));
    words
}

fn header() -> Vec<Word> {
    let mut words = vec![word("magic", &MAGIC), word("version", &VERSION.to_le_bytes())];
    words.extend(limits());
    words.push(word("extended", &EXTENDED.to_le_bytes()));
    words.push(word("content", b"streams\0"));
    words.push(word("lineage", &Lineage::FIRST.raised(0).get().to_le_bytes()));
    words.push(word("copied", &Home::COPIED.get().to_le_bytes()));
    words
}

fn trailer() -> Vec<Word> {
    vec![
        word("trailer_magic", b"SWTRAIL\0"),
        word("seal", &1_u64.to_le_bytes()),
        word("close_record", &2_u64.to_le_bytes()),
    ]
}

fn limits() -> Vec<Word> {
    vec![
        word("jump", &Lsn::JUMP.to_le_bytes()),
        word("file_len_min", &layout::SEGMENT_LEN_MIN.to_le_bytes()),
        word("segment_len_max", &layout::SEGMENT_LEN_MAX.to_le_bytes()),
        word("file_len_max", &layout::FILE_LEN_MAX.to_le_bytes()),
        word("highest", &(u64::MAX - 7).to_le_bytes()),
    ]
}

/// Begins of changes, and what names are made of.
fn changes() -> Vec<Word> {
    let mut words: Vec<_> =
        (0..16_u8).map(|kind| (format!("change_{kind}"), vec![kind, 0])).collect();
    words.push(word("name_last", FileName::Segment(SegmentId::new(u64::MAX)).text().as_bytes()));
    words
}

/// How lives end: a power cut or a kill, what becomes of the call, what survives, two bytes for the
/// rest. And eight times the first thing that can be decided, or the last.
fn decisions() -> Vec<Word> {
    vec![
        word("cut_all_lost", &[0xff, 0, 0, 1, 2]),
        word("cut_some_lost", &[0xff, 0, 0xff, 0x80, 1, 2]),
        word("kill", &[0, 0, 0, 1, 2]),
        word("first", &[0; 8]),
        word("last", &[0xff; 8]),
    ]
}
