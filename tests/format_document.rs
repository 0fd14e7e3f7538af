//! The worked example of `docs/FORMAT.md` is what the code writes and reads.

use seawall::format::checksum::{FrameSeed, body_check, crc64};
use seawall::format::content::Content;
use seawall::format::extension::Extension;
use seawall::format::frame::{FrameHeader, FrameKind, SkippableKind, decode_frame};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::format::gap::GapFrame;
use seawall::format::header::{SegmentHeader, VERSION};
use seawall::format::layout;
use seawall::position::{Home, Lineage, LogId, Lsn, Salt, SegmentId};

const DOCUMENT: &str = include_str!("../docs/FORMAT.md");

/// One line of an example: offset, bytes, what they mean.
struct Line {
    offset: usize,
    bytes: Vec<u8>,
    meaning: &'static str,
}

fn hex(text: &str) -> usize {
    usize::from_str_radix(text, 16).expect("hexadecimal digits")
}

/// The lines of the fenced block below this heading.
fn example(heading: &str) -> Vec<Line> {
    let (_, section) =
        DOCUMENT.split_once(&format!("\n### {heading}\n")).expect("the heading is there");
    let (_, block) = section.split_once("```text\n").expect("a block follows");
    let (block, _) = block.split_once("```").expect("the block ends");
    let line = |line: &'static str| {
        let mut columns = line.split(" | ");
        let mut column = || columns.next().expect("three columns");
        let (offset, bytes, meaning) = (column(), column(), column());
        let byte = |text| u8::try_from(hex(text)).expect("two digits");
        Line { offset: hex(offset), bytes: bytes.split(' ').map(byte).collect(), meaning }
    };
    block.lines().map(line).collect()
}

/// All bytes of an example, whose offsets must tile them.
fn bytes_of(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        assert_eq!(line.offset, bytes.len(), "offset of {}", line.meaning);
        bytes.extend_from_slice(&line.bytes);
    }
    bytes
}

/// The fields that an example states, without padding and zeros.
fn fields_of(lines: &[Line]) -> Vec<(&'static str, &'static str)> {
    let field = |line: &Line| line.meaning.split_once(" = ");
    lines.iter().filter_map(field).collect()
}

fn header() -> SegmentHeader {
    SegmentHeader {
        version: VERSION,
        log: LogId::new(std::array::from_fn(|at| u8::try_from(at).expect("16 bytes"))),
        number: SegmentId::new(2),
        base: Lsn::new(0x2_0000_1000),
        salt: Salt::new(0x0123_4567_89ab_cdef),
        file_len: 16384,
        prev_end: Lsn::new(0x1000),
        prev_check: 0xc0ff_ee11,
        skipped: 0,
        unproven: 0,
        trim: Lsn::new(0x800),
        extension: Extension::default(),
    }
}

fn stated(fields: &[(&'static str, String)], lines: &[Line]) {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(fields_of(lines), fields);
}

#[test]
fn header_of_the_worked_example_is_what_the_code_makes() {
    let lines = example("A header");
    let bytes = bytes_of(&lines);
    assert_eq!(bytes, header().encode());
    let read = SegmentHeader::decode(&bytes).expect("a valid header");
    let hex = |value: u64| format!("{value:#x}");
    stated(
        &[
            ("magic", "SEAWALL".to_owned()),
            ("version", VERSION.to_string()),
            ("flags", "0".to_owned()),
            ("log id", read.log.to_string()),
            ("number", read.number.to_string()),
            ("base", hex(read.base.get())),
            ("salt", hex(read.salt.get())),
            ("file_len", read.file_len.to_string()),
            ("prev_end", hex(read.prev_end.get())),
            ("prev_check", hex(u64::from(read.prev_check))),
            ("skipped", read.skipped.to_string()),
            ("trim", hex(read.trim.get())),
            ("check", hex(crc64(&bytes[..120]))),
        ],
        &lines,
    );
}

#[test]
fn extended_header_of_the_worked_example_is_what_the_code_makes() {
    let lines = example("An extended header");
    let bytes = bytes_of(&lines);
    let extension = Extension {
        content: Content::new("streams", 1).expect("a name"),
        lineage: Lineage::from_value(0x0001_1234_dead_beef).expect("a lineage"),
        home: Home::new(0x1122_3344_5566_7788),
    };
    assert_eq!(bytes, SegmentHeader { extension, ..header() }.encode());
    let read = SegmentHeader::decode(&bytes).expect("a valid header").extension;
    let of_the_extension = ["content", "lineage", "home", "content_version", "check", "flags"];
    let mut fields = fields_of(&lines);
    fields.retain(|(name, _)| of_the_extension.contains(name));
    let values = [
        ("flags", "1".to_owned()),
        ("content", read.content.name().to_owned()),
        ("lineage", read.lineage.to_string()),
        ("home", format!("{:#x}", read.home.get())),
        ("content_version", read.content.version().to_string()),
        ("check", format!("{:#x}", crc64(&bytes[..120]))),
    ];
    assert_eq!(fields, values.each_ref().map(|(name, value)| (*name, value.as_str())));
}

#[test]
fn marked_record_of_the_worked_example_is_what_the_code_makes() {
    let lines = example("A marked record");
    let bytes = bytes_of(&lines);
    let header = header();
    let seed = FrameSeed::new(header.log, header.salt);
    let (lsn, durable) = (Lsn::new(0x2_0000_1088), Lsn::new(0x2_0000_1048));
    let (read, body) = decode_frame(&bytes, seed, lsn).expect("a valid frame");
    let spec = FrameSpec::of(FrameKind::Record).marking(Some(durable));
    let mut made = Vec::new();
    place_frame(&mut made, spec, &[b"marked"]);
    let _ = finish_run(&mut made, seed, lsn, read.prev);
    assert_eq!(bytes, made);
    let hex = |value: u32| format!("{value:#x}");
    stated(
        &[
            ("check", hex(read.check)),
            ("body_len", read.body_len.to_string()),
            ("body_check", hex(body_check(body))),
            ("prev", hex(read.prev)),
            ("kind", read.kind.byte().to_string()),
            ("flags", "2".to_owned()),
            ("tag", read.tag.to_string()),
            ("durable", format!("{:#x}", read.mark.expect("a mark").get())),
            ("mark_check", hex(seed.mark_check(lsn, durable))),
            ("body", String::from_utf8_lossy(body).into_owned()),
        ],
        &lines,
    );
}

#[test]
fn gap_of_the_worked_example_is_what_the_code_makes() {
    let lines = example("A gap");
    let header = header();
    let seed = FrameSeed::new(header.log, header.salt);
    let (from, to) = (header.base, Lsn::new(0x2_0000_1088));
    let behind = bytes_of(&example("A marked record"));
    let (behind, _) = decode_frame(&behind, seed, to).expect("a valid frame");
    let gap = GapFrame { from, to, prev: header.prev_check, check: behind.prev };
    let bytes = bytes_of(&lines);
    assert_eq!(bytes, gap.encode(seed).expect("a length that gaps have"));
    let read = FrameHeader::decode(&bytes, seed, from).expect("a valid header");
    assert_eq!(read.frame_len(), to.get() - from.get());
    let hex = |value: u32| format!("{value:#x}");
    stated(
        &[
            ("check", hex(read.check)),
            ("body_len", read.body_len.to_string()),
            ("body_check", hex(read.body_check)),
            ("prev", hex(read.prev)),
            ("kind", read.kind.byte().to_string()),
            ("flags", "0".to_owned()),
        ],
        &lines,
    );
}

#[test]
fn kinds_in_the_document_are_those_of_the_code() {
    let (_, table) = DOCUMENT.split_once("\n### Kinds\n").expect("the table");
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split('|').map(str::trim);
        Some((cells.next()?.parse::<u8>().ok()?, cells.next()?))
    });
    let names: Vec<_> = rows.take(FrameKind::ALL.len()).collect();
    let expected = FrameKind::ALL.map(|kind| {
        let name = match kind {
            FrameKind::Record => "record",
            FrameKind::Batch => "batch",
            FrameKind::Void => "void",
            FrameKind::IdleMark => "idle mark",
            FrameKind::Trim => "trim",
            FrameKind::CloseMark => "close mark",
            FrameKind::Gap => "gap",
            FrameKind::Skippable(_) => unreachable!("it has no meaning in this version"),
        };
        (kind.byte(), name)
    });
    assert_eq!(names, expected);
    let range =
        |from: SkippableKind, to: SkippableKind| format!("Kinds {} to {}", from.get(), to.get());
    assert!(table.contains(&range(SkippableKind::MIN, SkippableKind::MAX)), "kinds to pass over");
}

#[test]
fn numbers_in_the_document_are_those_of_the_code() {
    let mib = |len: u64| format!("{} MiB", len >> 20);
    for (statement, value) in [
        ("one record", mib(layout::RECORD_LEN_MAX)),
        ("one batch", mib(layout::BATCH_LEN_MAX)),
        ("body of one frame", format!("{} + 4", mib(layout::BODY_LEN_MAX - 4))),
        ("body of a void", format!("{} GiB", layout::FILE_LEN_MAX >> 30)),
        (
            "segment file, by options",
            format!(
                "{} KiB to {} GiB",
                layout::SEGMENT_LEN_MIN >> 10,
                layout::SEGMENT_LEN_MAX >> 30
            ),
        ),
        ("segment file, any", format!("{} GiB", layout::FILE_LEN_MAX >> 30)),
        ("bytes accepted", format!("{} GiB (2^33 / 4)", (Lsn::JUMP / 4) >> 30)),
    ] {
        let row = DOCUMENT
            .lines()
            .find(|line| line.starts_with(&format!("| {statement}")))
            .unwrap_or_else(|| panic!("a row for {statement}"));
        let stated = row.trim_end_matches('|').rsplit('|').next();
        assert_eq!(stated.map(str::trim), Some(value.as_str()), "{statement}");
    }
    for check in
        [format!("`{:#X}`", body_check(b"123456789")), format!("`{:#X}`", crc64(b"123456789"))]
    {
        let check = check.replace("0X", "0x");
        assert!(DOCUMENT.contains(&check), "{check} is not in the table of checks");
    }
}
