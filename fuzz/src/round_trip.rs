//! Target `round_trip`: what is encoded is decoded again, equal; and no turned bit passes for the
//! same.

use super::mend::Place;
use arbitrary::{Arbitrary, Unstructured};
use seawall::format::batch::BatchRecords;
use seawall::format::content::Content;
use seawall::format::control::{decode_trim, encode_trim};
use seawall::format::extension::Extension;
use seawall::format::frame::{FrameHeader, FrameKind, SkippableKind, decode_frame};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame, void_batch};
use seawall::format::header::{SegmentHeader, VERSION};
use seawall::format::layout;
use seawall::format::tag::Tag;
use seawall::format::trailer::{Trailer, TrailerKind};
use seawall::position::{Home, Lineage, LogId, Lsn, Salt, SegmentId};

/// What is encoded.
#[derive(Debug, Arbitrary)]
struct Written<'a> {
    place: u8,
    prev: u32,
    frames: Vec<Frame<'a>>,
    header: Header,
    trailer: (bool, u64, u64, u32, u64),
    /// The bit to turn, of all bits.
    bit: u32,
    extension: Stated,
}

/// What the header states beside what every header does.
#[derive(Debug, Arbitrary)]
struct Stated {
    name: [u8; 8],
    name_len: u8,
    version: u16,
    raises: u16,
    drawn: u64,
    home: u64,
}

#[derive(Debug, Arbitrary)]
enum Frame<'a> {
    Record { body: &'a [u8], mark: Option<u16>, tag: u16 },
    Batch { records: Vec<&'a [u8]>, continues: bool, mark: Option<u16>, tag: u16 },
    Void { body: &'a [u8] },
    IdleMark { mark: u16 },
    Trim { point: u64, mark: Option<u16> },
    CloseMark { point: u64, mark: u16 },
    Gap { body: &'a [u8] },
    Skippable { kind: u8, body: &'a [u8], tag: u16 },
}

#[derive(Debug, Arbitrary)]
struct Header {
    log: [u8; 16],
    number: u64,
    salt: u64,
    blocks: u32,
    prev_end: u64,
    jump: bool,
    prev_check: u32,
    trim: u64,
}

/// The input is drawn from.
///
/// # Panics
/// Where what is decoded differs from what was encoded.
pub fn run(input: &[u8]) {
    if let Ok(written) = Written::arbitrary(&mut Unstructured::new(input)) {
        frames(&written);
        header(&written.header, &written.extension, written.bit);
        trailer(&written);
    }
}

/// What a frame is to say when it is decoded.
struct Told {
    spec: FrameSpec,
    body: Vec<u8>,
    /// The records of a batch.
    records: Vec<Vec<u8>>,
}

fn told(frame: &Frame<'_>, lsn: Lsn) -> Told {
    let aligned = |point: u64| Lsn::new(point / Lsn::ALIGN * Lsn::ALIGN);
    let marking = |mark: Option<u16>| {
        mark.map(|back| aligned(lsn.get().saturating_sub(u64::from(back) * Lsn::ALIGN)))
    };
    let of = |kind, mark: Option<u16>| FrameSpec::of(kind).marking(marking(mark));
    let (spec, body) = match frame {
        Frame::Record { body, mark, tag } => {
            (of(FrameKind::Record, *mark).tagged(Tag::new(*tag)), body.to_vec())
        }
        Frame::Batch { records, continues, mark, tag } => {
            let mut spec = of(FrameKind::Batch, *mark).tagged(Tag::new(*tag));
            spec.continues = *continues;
            let mut body = Vec::new();
            // A batch has at least one record.
            let none = [&[][..]];
            for record in if records.is_empty() { &none[..] } else { records } {
                let len = u32::try_from(record.len()).expect("an input is short");
                body.extend_from_slice(&len.to_le_bytes());
                body.extend_from_slice(record);
            }
            let mut records: Vec<_> = records.iter().map(|record| record.to_vec()).collect();
            if records.is_empty() {
                records.push(Vec::new());
            }
            return Told { spec, body, records };
        }
        Frame::Void { body } => (FrameSpec::of(FrameKind::Void), body.to_vec()),
        Frame::IdleMark { mark } => (of(FrameKind::IdleMark, Some(*mark)), Vec::new()),
        Frame::Trim { point, mark } => {
            (of(FrameKind::Trim, *mark), encode_trim(aligned(*point)).to_vec())
        }
        Frame::CloseMark { point, mark } => {
            (of(FrameKind::CloseMark, Some(*mark)), encode_trim(aligned(*point)).to_vec())
        }
        Frame::Gap { body } => (FrameSpec::of(FrameKind::Gap), body.to_vec()),
        Frame::Skippable { kind, body, tag } => {
            let kind = SkippableKind::new(64 + kind % 64).expect("from 64 to 127");
            (FrameSpec::of(FrameKind::Skippable(kind)).tagged(Tag::new(*tag)), body.to_vec())
        }
    };
    Told { spec, body, records: Vec::new() }
}

fn frames(written: &Written<'_>) {
    let Place { seed, lsn } = Place::chosen(written.place % 3);
    let (mut run, mut all) = (Vec::new(), Vec::new());
    for frame in &written.frames {
        let start = run.len();
        let here = lsn.checked_add(start as u64).expect("far from the end of the addresses");
        let told = told(frame, here);
        place_frame(&mut run, told.spec, &[&told.body]);
        all.push((start, here, told));
    }
    let (last, count) = finish_run(&mut run, seed, lsn, written.prev);
    assert_eq!(count, all.len() as u64);

    let mut prev = written.prev;
    for (start, here, told) in &all {
        let (header, body) = decode_frame(&run[*start..], seed, *here).expect("it was encoded");
        header.verify_chain(prev).expect("in a chain");
        prev = header.check;
        assert_eq!(header.kind, told.spec.kind);
        assert_eq!((header.continues, header.mark), (told.spec.continues, told.spec.mark));
        assert_eq!(header.tag, told.spec.tag);
        assert_eq!(header.body_len as usize, told.body.len());
        assert!(header.kind.is_hollow() || body == told.body);
        if header.kind == FrameKind::Batch {
            let records: Result<Vec<_>, _> = BatchRecords::new(body).collect();
            assert_eq!(
                records.as_deref(),
                Ok(&told.records.iter().map(Vec::as_slice).collect::<Vec<_>>()[..])
            );
        }
        if let FrameKind::Trim | FrameKind::CloseMark = header.kind {
            assert_eq!(
                decode_trim(body).map(encode_trim).map(|point| point.to_vec()),
                Some(told.body.clone())
            );
        }
    }
    assert_eq!(prev, last);

    // One bit of the run: the frame it is in does not verify, or the bit is one that nobody reads.
    if run.is_empty() {
        return;
    }
    let bit = written.bit as usize % (run.len() * 8);
    let at = bit / 8;
    let holder = all.partition_point(|(start, ..)| *start <= at) - 1;
    let (start, here, told) = &all[holder];
    let unread = |header: &FrameHeader| {
        let body = start + header.header_len();
        let end = start + usize::try_from(header.unpadded_len()).expect("a short frame");
        at >= end || header.kind.is_hollow() && at >= body
    };
    let whole = FrameHeader::decode(&run[*start..], seed, *here).expect("it was encoded");
    run[at] ^= 1 << (bit % 8);
    match decode_frame(&run[*start..], seed, *here) {
        Ok((header, body)) => {
            assert!(unread(&whole), "bit {bit} was turned unseen");
            assert!(header == whole && (header.kind.is_hollow() || body == told.body));
        }
        Err(_) => assert!(!unread(&whole), "bit {bit} is not looked at"),
    }
    run[at] ^= 1 << (bit % 8);

    // What stands elsewhere, or in another use of the file, does not verify.
    let elsewhere = here.checked_add(8 * (1 + u64::from(written.bit >> 8))).expect("near");
    assert!(FrameHeader::decode(&run[*start..], seed, elsewhere).is_err());

    // Appends that failed: the same lengths, and nothing in them.
    let records_only = |told: &Told| told.spec.kind.holds_records() && !told.spec.continues;
    if records_only(told) {
        let len = usize::try_from(whole.frame_len()).expect("a short frame");
        let mut void = Vec::new();
        place_frame(&mut void, told.spec, &[&told.body]);
        void_batch(&mut void);
        let _ = finish_run(&mut void, seed, *here, written.prev);
        assert_eq!(void.len(), len);
        let (header, _) = decode_frame(&void, seed, *here).expect("it was encoded");
        assert_eq!((header.kind, header.mark), (FrameKind::Void, None));
        assert_eq!(header.tag, Tag::NONE);
        assert_eq!(header.frame_len(), whole.frame_len());
    }
}

fn extension(of: &Stated) -> Extension {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789--";
    let letters = of.name.iter().map(|&byte| char::from(LETTERS[usize::from(byte) % 64]));
    let name: String = letters.take(usize::from(of.name_len) % 9).collect();
    let content = match name.as_str() {
        "" => Content::RAW,
        name => Content::new(name, of.version).expect("letters of names alone"),
    };
    let lineage = match of.raises {
        0 => Lineage::FIRST,
        raises => {
            let before = Lineage::from_value(u64::from(raises - 1) << 48);
            before.expect("a count of raises").raised(of.drawn)
        }
    };
    Extension { content, lineage, home: Home::new(of.home) }
}

fn header(of: &Header, stated: &Stated, bit: u32) {
    let prev_end = Lsn::new((of.prev_end >> 2) / Lsn::ALIGN * Lsn::ALIGN);
    let blocks = layout::SEGMENT_LEN_MIN / layout::BLOCK
        + u64::from(of.blocks)
            % ((layout::FILE_LEN_MAX - layout::SEGMENT_LEN_MIN) / layout::BLOCK + 1);
    let header = SegmentHeader {
        version: VERSION,
        log: LogId::new(of.log),
        number: SegmentId::new(of.number.max(1)),
        base: Lsn::new(prev_end.get() + if of.jump { Lsn::JUMP } else { 0 }),
        salt: Salt::new(of.salt),
        file_len: blocks * layout::BLOCK,
        prev_end,
        prev_check: of.prev_check,
        skipped: 0,
        unproven: 0,
        trim: Lsn::new((of.trim % (prev_end.get() + 1)) / Lsn::ALIGN * Lsn::ALIGN),
        extension: extension(stated),
    };
    let mut bytes = header.encode();
    assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
    let bit = bit as usize % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit} was turned unseen");
}

fn trailer(written: &Written<'_>) {
    let (close, salt, end, last_check, frames) = written.trailer;
    let kind = if close { TrailerKind::Close } else { TrailerKind::Seal { frames } };
    let end = Lsn::new(end / Lsn::ALIGN * Lsn::ALIGN);
    let trailer = Trailer { kind, salt: Salt::new(salt), end, last_check };
    let mut bytes = trailer.encode();
    assert_eq!(Trailer::decode(&bytes), Ok(trailer));
    let bit = written.bit as usize % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    assert!(Trailer::decode(&bytes).is_err(), "bit {bit} was turned unseen");
}
