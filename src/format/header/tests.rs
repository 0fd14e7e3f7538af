//! The header's bytes, each of its laws alone, and that nothing else is ever taken for one.

use super::*;
use crate::format::content::Content;
use crate::position::{Home, Lineage};
use proptest::prelude::*;

/// The example of `docs/FORMAT.md`, computed by a second implementation.
const GOLDEN: [u8; HEADER_LEN] = *b"SEAWALL\0\x01\0\0\0\0\0\0\0\
    \x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\
    \x02\0\0\0\0\0\0\0\0\x10\0\0\x02\0\0\0\
    \xef\xcd\xab\x89\x67\x45\x23\x01\0\x40\0\0\0\0\0\0\
    \0\x10\0\0\0\0\0\0\x11\xee\xff\xc0\0\0\0\0\
    \0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\x28\x86\x65\xdf\xd1\x07\x0e\x5b";

fn golden() -> SegmentHeader {
    SegmentHeader {
        version: VERSION,
        log: LogId::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
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

/// The same with everything that an extension states: the second example of the document.
const EXTENDED_GOLDEN: [u8; HEADER_LEN] = *b"SEAWALL\0\x01\0\0\0\x01\0\0\0\
    \x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\
    \x02\0\0\0\0\0\0\0\0\x10\0\0\x02\0\0\0\
    \xef\xcd\xab\x89\x67\x45\x23\x01\0\x40\0\0\0\0\0\0\
    \0\x10\0\0\0\0\0\0\x11\xee\xff\xc0\0\0\0\0\
    \0\x08\0\0\0\0\0\0streams\0\
    \xef\xbe\xad\xde\x34\x12\x01\0\x88\x77\x66\x55\x44\x33\x22\x11\
    \0\0\0\0\x01\0\0\0\xb1\x8a\x8e\xcb\x49\x28\x93\xe7";

fn extended() -> Extension {
    Extension {
        content: Content::new("streams", 1).expect("a name"),
        lineage: Lineage::from_value(0x0001_1234_dead_beef).expect("a lineage"),
        home: Home::new(0x1122_3344_5566_7788),
    }
}

/// The golden header with these bytes at `at`, and a check that holds.
fn altered(at: usize, with: &[u8]) -> [u8; HEADER_LEN] {
    altered_in(GOLDEN, at, with)
}

fn altered_in(of: [u8; HEADER_LEN], at: usize, with: &[u8]) -> [u8; HEADER_LEN] {
    let mut bytes = of;
    bytes[at..at + with.len()].copy_from_slice(with);
    let check = crc64(&bytes[..120]);
    bytes[120..].copy_from_slice(&check.to_le_bytes());
    bytes
}

fn any_extension() -> impl Strategy<Value = Extension> {
    let content = prop_oneof![
        Just(Content::RAW),
        ("[a-zA-Z0-9-]{1,8}", any::<u16>())
            .prop_map(|(name, version)| Content::new(&name, version).expect("a name")),
    ];
    let lineage = any::<u64>().prop_map(|value| Lineage::from_value(value).unwrap_or_default());
    let home =
        prop_oneof![Just(Home::UNKNOWN), Just(Home::COPIED), any::<u64>().prop_map(Home::new)];
    (content, lineage, home).prop_map(|(content, lineage, home)| Extension {
        content,
        lineage,
        home,
    })
}

fn any_header() -> impl Strategy<Value = SegmentHeader> {
    let aligned = (0..u64::MAX / 16).prop_map(|eighth| Lsn::new(eighth * 8));
    let file_len = (4..=layout::FILE_LEN_MAX / layout::BLOCK).prop_map(|n| n * layout::BLOCK);
    (
        (any::<[u8; 16]>(), 1..=u64::MAX, any::<u64>(), file_len),
        (aligned.clone(), any::<bool>(), any::<u32>(), aligned),
        any_extension(),
    )
        .prop_map(
            |((log, number, salt, file_len), (prev_end, jump, prev_check, trim), extension)| {
                let jumped = prev_end.checked_add(Lsn::JUMP).expect("half the address space");
                SegmentHeader {
                    version: VERSION,
                    log: LogId::new(log),
                    number: SegmentId::new(number),
                    base: if jump { jumped } else { prev_end },
                    salt: Salt::new(salt),
                    file_len,
                    prev_end,
                    prev_check,
                    skipped: 0,
                    unproven: 0,
                    trim: Lsn::new(trim.get().min(prev_end.get())),
                    extension,
                }
            },
        )
}

#[test]
fn bytes_of_a_header_are_pinned() {
    assert_eq!(golden().encode(), GOLDEN);
    assert_eq!(SegmentHeader::decode(&GOLDEN), Ok(golden()));
}

#[test]
fn bytes_of_an_extended_header_are_pinned() {
    let header = SegmentHeader { extension: extended(), ..golden() };
    assert_eq!(header.encode(), EXTENDED_GOLDEN);
    assert_eq!(SegmentHeader::decode(&EXTENDED_GOLDEN), Ok(header));
}

#[test]
fn each_field_of_an_extension_alone_sets_the_flag() {
    let all = extended();
    let nothing = Extension::default();
    for extension in [
        Extension { content: all.content, ..nothing },
        Extension { lineage: all.lineage, ..nothing },
        Extension { home: all.home, ..nothing },
    ] {
        let header = SegmentHeader { extension, ..golden() };
        assert_eq!(header.encode()[12..16], [1, 0, 0, 0], "{extension:?}");
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }
    assert_eq!(golden().encode()[12..16], [0; 4]);
}

#[test]
fn header_blocks_hold_two_copies_and_zeros() {
    let blocks = golden().blocks();
    assert_eq!(blocks.len(), 8192);
    for copy in blocks.chunks(4096) {
        assert_eq!(copy[..HEADER_LEN], GOLDEN);
        assert!(copy[HEADER_LEN..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn any_flipped_bit_is_an_error() {
    for bit in 0..HEADER_LEN * 8 {
        for mut bytes in [GOLDEN, EXTENDED_GOLDEN] {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn bytes_behind_the_header_are_not_looked_at() {
    let mut block = golden().blocks();
    block[HEADER_LEN..].fill(0xff);
    assert_eq!(SegmentHeader::decode(&block), Ok(golden()));
}

#[test]
fn every_shorter_prefix_is_short() {
    for have in 0..HEADER_LEN {
        let expected = Err(HeaderError::Short { have });
        assert_eq!(SegmentHeader::decode(&GOLDEN[..have]), expected);
    }
}

#[test]
fn zeros_are_no_header() {
    assert_eq!(SegmentHeader::decode(&[0; 4096]), Err(HeaderError::Zeros));
}

#[test]
fn law_1_magic_and_check_match() {
    let other = altered(0, b"SEAWALK\0");
    assert_eq!(SegmentHeader::decode(&other), Err(HeaderError::Magic));
    let mut bytes = GOLDEN;
    bytes[127] ^= 0x80;
    let found = u64::from_le_bytes([0x28, 0x86, 0x65, 0xdf, 0xd1, 0x07, 0x0e, 0xdb]);
    let expected = found ^ (1 << 63);
    let error = HeaderError::Check { expected, found };
    assert_eq!(SegmentHeader::decode(&bytes), Err(error));
}

#[test]
fn law_2_an_intact_header_of_another_version_is_refused_by_name() {
    for found in [0, 2, u32::MAX] {
        let bytes = altered(8, &found.to_le_bytes());
        let refused = HeaderError::Version { found, newest: VERSION };
        assert_eq!(SegmentHeader::decode(&bytes), Err(refused));
    }
}

#[test]
fn law_2_a_later_version_is_refused_by_name_whatever_the_rest_means() {
    let mut unknown = [0xa5; 112];
    unknown[..4].copy_from_slice(&2_u32.to_le_bytes());
    let bytes = altered(8, &unknown);
    let refused = HeaderError::Version { found: 2, newest: VERSION };
    assert_eq!(SegmentHeader::decode(&bytes), Err(refused));
}

/// The upgrade rule, with a next version that is made up: it changes nothing but its number.
#[test]
fn a_program_of_the_next_version_reads_this_one_and_refuses_the_one_after() {
    let next = VERSION + 1;
    let bytes = |version: u32| altered(8, &version.to_le_bytes());
    let read = |version: u32| SegmentHeader::decode_by(&bytes(version), next, EXTENDED);
    assert_eq!(read(VERSION), Ok(golden()), "what is older is read");
    assert_eq!(read(next), Ok(SegmentHeader { version: next, ..golden() }));
    for version in [VERSION, next] {
        let again = read(version).map(|header| header.encode());
        assert_eq!(again, Ok(bytes(version)), "who rewrites a copy leaves its version");
    }
    for found in [0, next + 1, u32::MAX] {
        let refused = HeaderError::Version { found, newest: next };
        assert_eq!(read(found), Err(refused));
        assert!(refused.to_string().contains(&format!("version {found}, ")));
        assert!(refused.to_string().ends_with(&format!("version {next}")));
    }
}

#[test]
fn law_2_unknown_flags_are_refused_by_name() {
    for found in [2, 3, 1 << 31] {
        for of in [GOLDEN, EXTENDED_GOLDEN] {
            let bytes = altered_in(of, 12, &u32::to_le_bytes(found));
            assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Flags { found }));
        }
    }
}

/// What a log with a content says to a library from before there were any.
#[test]
fn a_program_that_knows_no_flag_refuses_an_extension_by_name_and_reads_the_rest() {
    let refused = HeaderError::Flags { found: 1 };
    assert_eq!(SegmentHeader::decode_by(&EXTENDED_GOLDEN, VERSION, 0), Err(refused));
    assert_eq!(refused.to_string(), "the header has unknown flags 0x1");
    assert_eq!(SegmentHeader::decode_by(&GOLDEN, VERSION, 0), Ok(golden()));
}

#[test]
fn law_2_zeros_are_zero() {
    for at in 88..120 {
        let error = HeaderError::Field { field: "zeros" };
        assert_eq!(SegmentHeader::decode(&altered(at, &[1])), Err(error), "byte {at}");
    }
}

#[test]
fn law_2_zeros_of_an_extension_are_zero() {
    for at in 118..120 {
        let error = HeaderError::Field { field: "zeros" };
        let bytes = altered_in(EXTENDED_GOLDEN, at, &[1]);
        assert_eq!(SegmentHeader::decode(&bytes), Err(error), "byte {at}");
    }
}

#[test]
fn law_7_the_flag_extended_stands_with_an_extension_and_never_alone() {
    let alone = altered(12, &EXTENDED.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&alone), Err(HeaderError::Field { field: "flags" }));
    let without = altered_in(EXTENDED_GOLDEN, 12, &[0]);
    assert_eq!(SegmentHeader::decode(&without), Err(HeaderError::Field { field: "zeros" }));
}

#[test]
fn law_7_each_field_of_an_extension_refuses_what_it_cannot_be() {
    for (field, at, value) in [
        ("content", 88, *b"\0treams\0"),
        ("content", 88, *b"str ams\0"),
        ("content", 88, *b"str\0ams\0"),
        ("content", 88, *b"stre\xc3\xa4ms"),
        ("content", 88, [0; 8]),
        ("lineage", 96, 1_u64.to_le_bytes()),
        ("lineage", 96, ((1_u64 << 48) - 1).to_le_bytes()),
    ] {
        let error = HeaderError::Field { field };
        let bytes = altered_in(EXTENDED_GOLDEN, at, &value);
        assert_eq!(SegmentHeader::decode(&bytes), Err(error), "{field} {value:x?}");
    }
}

#[test]
fn laws_3_to_6_each_refuse_their_field_by_name() {
    let max = layout::FILE_LEN_MAX;
    for (field, at, value) in [
        ("number", 32, 0),
        ("base", 40, 0x1008),
        ("base", 40, 0xff8),
        ("base", 40, 0x2_0000_1008),
        ("base", 40, 0x4_0000_1000),
        ("base", 40, 0x1001),
        ("prev_end", 64, 0x1004),
        ("trim", 80, 0x801),
        ("trim", 80, 0x1008),
        ("file_len", 56, 0),
        ("file_len", 56, 12288),
        ("file_len", 56, 16385),
        ("file_len", 56, 16384 + 512),
        ("file_len", 56, max + 4096),
        ("file_len", 56, u64::MAX - 4095),
    ] {
        let error = HeaderError::Field { field };
        let bytes = altered(at, &u64::to_le_bytes(value));
        assert_eq!(SegmentHeader::decode(&bytes), Err(error), "{field} {value:#x}");
    }
}

#[test]
fn law_4_an_unaligned_end_is_refused_though_the_base_follows_from_it() {
    let mut bytes = altered(64, &0x1004_u64.to_le_bytes());
    bytes = {
        let mut moved = bytes;
        moved[40..48].copy_from_slice(&0x1004_u64.to_le_bytes());
        let check = crc64(&moved[..120]);
        moved[120..].copy_from_slice(&check.to_le_bytes());
        moved
    };
    let error = HeaderError::Field { field: "prev_end" };
    assert_eq!(SegmentHeader::decode(&bytes), Err(error));
}

#[test]
fn law_5_a_jump_past_the_address_space_is_refused() {
    let mut header = golden();
    header.prev_end = Lsn::new(u64::MAX - 7);
    header.base = Lsn::new((u64::MAX - 7).wrapping_add(Lsn::JUMP));
    let error = HeaderError::Field { field: "base" };
    assert_eq!(SegmentHeader::decode(&header.encode()), Err(error));
}

/// It was: such a header was valid, and adding a frame's length to its LSN overflowed. (Found by
/// the fuzz target `decode_frame`, at its last place.)
#[test]
fn law_6_every_lsn_of_the_segment_exists() {
    let mut header = golden();
    let decoded_at = |header: &mut SegmentHeader, base| {
        (header.base, header.prev_end) = (Lsn::new(base), Lsn::new(base));
        SegmentHeader::decode(&header.encode())
    };
    let last = u64::MAX - 7 - header.file_len;
    assert!(decoded_at(&mut header, last).is_ok());
    let error = HeaderError::Field { field: "base" };
    assert_eq!(decoded_at(&mut header, last + 8), Err(error));
    assert_eq!(decoded_at(&mut header, u64::MAX - 7), Err(error));
}

#[test]
fn the_least_and_greatest_of_each_field_are_valid() {
    let mut least = golden();
    least.number = SegmentId::FIRST;
    (least.base, least.prev_end, least.trim) = (Lsn::FIRST, Lsn::FIRST, Lsn::FIRST);
    (least.file_len, least.prev_check, least.salt) = (layout::SEGMENT_LEN_MIN, 0, Salt::new(0));
    least.log = LogId::new([0; 16]);
    let mut greatest = golden();
    greatest.number = SegmentId::new(u64::MAX);
    greatest.prev_end = Lsn::new(u64::MAX - 7 - layout::FILE_LEN_MAX);
    (greatest.base, greatest.trim) = (greatest.prev_end, greatest.prev_end);
    (greatest.file_len, greatest.prev_check) = (layout::FILE_LEN_MAX, u32::MAX);
    greatest.salt = Salt::new(u64::MAX);
    greatest.extension = Extension {
        content: Content::new("zzzzzzzz", u16::MAX).expect("a name"),
        lineage: Lineage::from_value(u64::MAX).expect("a lineage"),
        home: Home::COPIED,
    };
    for header in [least, greatest] {
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }
}

proptest! {
    #[test]
    fn headers_round_trip(header in any_header()) {
        prop_assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(at in 8..120_usize, with in any::<[u8; 8]>(),
        extended in any::<bool>()) {
        let of = if extended { EXTENDED_GOLDEN } else { GOLDEN };
        let bytes = altered_in(of, at.min(112), &with);
        if let Ok(header) = SegmentHeader::decode(&bytes) {
            prop_assert_eq!(header.encode(), bytes);
        }
    }

    #[test]
    fn decode_never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
    }

    #[test]
    fn decode_never_panics_on_any_fields_behind_a_check_that_holds(rest in any::<[u8; 32]>(),
        at in 12..89_usize, extended in any::<bool>()) {
        let of = if extended { EXTENDED_GOLDEN } else { GOLDEN };
        let _ = SegmentHeader::decode(&altered_in(of, at, &rest));
    }
}
