//! What arbitrary bytes may not do to the format: the bodies of the fuzz targets.
//!
//! No fuzzer is needed to compile this file. `tests/fuzz_corpora.rs` includes it by its path, so
//! that a stable `cargo test` replays every corpus, and one input means the same in both.
//!
//! Random bytes hardly ever pass a check. So every input is tried twice: as it is, and *mended*,
//! with checks put in that hold over whatever else it says. The second half is what reaches the
//! laws behind the checks.

use seawall::format::batch::BatchRecords;
use seawall::format::checksum::{FrameSeed, body_check, crc64};
use seawall::format::control::decode_trim;
use seawall::format::frame::{self, FrameError, FrameHeader, FrameKind};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::format::header::{self, HeaderError, SegmentHeader};
use seawall::format::layout;
use seawall::format::trailer::{TRAILER_LEN, Trailer, TrailerError};
use seawall::position::{LogId, Lsn, Salt};

const BLOCK: usize = 4096;
const FRAMES_START: usize = 8192;

/// A place where a frame can stand: log, salt and LSN.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What its checks start from.
    pub seed: FrameSeed,
    /// Where it stands.
    pub lsn: Lsn,
}

impl Place {
    /// How many places an input of [`decode_frame`] chooses from with its first byte.
    pub const COUNT: u8 = 4;

    /// The place that this byte chooses. The last one is near the end of the address space: no
    /// valid header lets a frame of a whole input reach over it.
    #[must_use]
    pub fn chosen(choice: u8) -> Self {
        let (log, salt, lsn) = match choice % Self::COUNT {
            0 => (0, 0, 0),
            1 => (1, 0x0123_4567_89ab_cdef, 0x2_0000_1000),
            2 => (1, 0xfedc_ba98_7654_3210, 0x2_0000_1000),
            _ => (0xff, u64::MAX, u64::MAX - 0xf_ffff),
        };
        Self { seed: FrameSeed::new(LogId::new([log; 16]), Salt::new(salt)), lsn: Lsn::new(lsn) }
    }
}

/// Target `decode_frame`: the first byte chooses the place, the others are the frame.
///
/// # Panics
/// Where the decoder breaks a promise.
pub fn decode_frame(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    hold_frame(bytes, choice);
    let mut mended = bytes.to_vec();
    let place = Place::chosen(choice);
    if mend_frame(&mut mended, place, None).is_some() {
        let error = frame::decode_frame(&mended, place.seed, place.lsn).err();
        let checked = matches!(error, Some(FrameError::Check { .. } | FrameError::Body { .. }));
        assert!(!checked, "a mended frame fails a check: {error:?}");
        hold_frame(&mended, choice);
    }
}

fn hold_frame(bytes: &[u8], choice: u8) {
    let place = Place::chosen(choice);
    match frame::decode_frame(bytes, place.seed, place.lsn) {
        Ok((header, body)) => {
            hold_decoded(bytes, place, &header, body);
            for other in 0..Place::COUNT {
                let other_place = Place::chosen(other);
                let there = FrameHeader::decode(bytes, other_place.seed, other_place.lsn);
                let same = other == choice % Place::COUNT;
                assert_eq!(there.is_ok(), same, "a frame verifies at place {other}");
            }
        }
        Err(error) => hold_error(bytes, error),
    }
}

fn hold_decoded(bytes: &[u8], place: Place, header: &FrameHeader, body: &[u8]) {
    let start = header.header_len();
    let inside = bytes.get(start..start + body.len()).expect("the body is inside");
    assert!(std::ptr::eq(inside, body), "the body is a slice of the input");
    assert_eq!(body.len() as u64, u64::from(header.body_len));
    assert_eq!(header.unpadded_len(), (start + body.len()) as u64);
    assert!(header.frame_len().is_multiple_of(Lsn::ALIGN));
    assert!((0..8).contains(&(header.frame_len() - header.unpadded_len())));
    assert!(!header.kind.holds_records() || body.len() as u64 <= layout::BODY_LEN_MAX);
    assert!(header.mark.is_none_or(|durable| durable <= place.lsn));
    assert!(!header.continues || header.kind == FrameKind::Batch);
    match header.kind {
        FrameKind::IdleMark | FrameKind::CloseMark => assert!(header.mark.is_some()),
        FrameKind::Void | FrameKind::Gap => assert!(header.mark.is_none()),
        FrameKind::Record | FrameKind::Batch | FrameKind::Trim => {}
    }
    if let FrameKind::Trim | FrameKind::CloseMark = header.kind {
        assert!(decode_trim(body).is_some_and(Lsn::is_aligned));
    }
    if header.kind == FrameKind::Batch {
        let count = BatchRecords::check(body).expect("the batch was verified");
        assert!(count >= 1 && count <= body.len() as u64 / 4);
    }
    if header.kind.is_hollow() {
        return;
    }
    let spec = FrameSpec { kind: header.kind, continues: header.continues, mark: header.mark };
    let mut again = Vec::new();
    place_frame(&mut again, spec, &[body]);
    let (check, _) = finish_run(&mut again, place.seed, place.lsn, header.prev);
    assert_eq!(check, header.check);
    let unpadded = start + body.len();
    assert_eq!(again.get(..unpadded), bytes.get(..unpadded), "encodes the same");
}

fn hold_error(bytes: &[u8], error: FrameError) {
    let longest = layout::FILE_LEN_MAX + 32;
    match error {
        FrameError::Short { needed, have } => {
            assert_eq!(have, bytes.len() as u64);
            assert!(needed > have && needed <= longest);
        }
        FrameError::Zeros => assert_eq!(bytes.get(..20), Some(&[0; 20][..])),
        FrameError::Check { expected, found } | FrameError::Body { expected, found } => {
            assert_ne!(expected, found);
        }
        FrameError::TooLong { len } => assert!(u64::from(len) > layout::BODY_LEN_MAX),
        FrameError::Batch(error) => assert!(error.left <= bytes.len()),
        FrameError::Kind { .. } | FrameError::Flags { .. } => assert!(error.is_unknown()),
        FrameError::Mark | FrameError::Content => {}
        FrameError::Chain { .. } => unreachable!("a frame alone has no chain"),
    }
}

/// Puts checks that hold into the frame at the start of `bytes`, and `prev` if given. `None`
/// where no whole header is, or only zeros.
fn mend_frame(bytes: &mut [u8], place: Place, prev: Option<u32>) -> Option<()> {
    let (header, rest) = bytes.split_first_chunk_mut::<20>()?;
    if *header == [0; 20] {
        return None;
    }
    let marked = header[17] & 2 != 0;
    let rest = if marked {
        let (mark, rest) = rest.split_first_chunk_mut::<12>()?;
        let (durable, check) = mark.split_first_chunk_mut::<8>()?;
        let durable = Lsn::new(u64::from_le_bytes(*durable));
        check.copy_from_slice(&place.seed.mark_check(place.lsn, durable).to_le_bytes());
        rest
    } else {
        rest
    };
    let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let body = usize::try_from(len).ok().and_then(|len| rest.get(..len));
    if let Some(body) = body {
        header[8..12].copy_from_slice(&body_check(body).to_le_bytes());
    }
    if let Some(prev) = prev {
        header[12..16].copy_from_slice(&prev.to_le_bytes());
    }
    let (check, covered) = header.split_first_chunk_mut::<4>()?;
    let covered: &[u8; 16] = covered.first_chunk()?;
    *check = place.seed.header_check(place.lsn, covered).to_le_bytes();
    Some(())
}

/// What a walk over a segment file met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The first valid copy of the header, or why the first is none.
    pub header: Result<SegmentHeader, HeaderError>,
    /// LSN and kind of every valid frame of the chain, in order.
    pub frames: Vec<(Lsn, FrameKind)>,
    /// Where the valid run ends.
    pub end: Lsn,
    /// The check of its last frame.
    pub last_check: u32,
    /// Why it ends; `None` if no further frame fits.
    pub stop: Option<FrameError>,
    /// What stands in the trailer's place.
    pub trailer: Result<Trailer, TrailerError>,
}

impl Scan {
    /// Whether the trailer speaks of this use of the file and agrees with the frames.
    #[must_use]
    pub fn trailer_agrees(&self) -> bool {
        matches!((&self.header, &self.trailer), (Ok(header), Ok(trailer))
            if trailer.salt == header.salt
                && trailer.end == self.end
                && trailer.last_check == self.last_check)
    }
}

/// Target `scan_segment`: the input is a whole segment file. Returns what the walk over the input
/// as it is met.
///
/// # Panics
/// Where the format breaks a promise.
pub fn scan_segment(input: &[u8]) -> Scan {
    let met = scan(input);
    let mut mended = input.to_vec();
    mend_segment(&mut mended);
    let _ = scan(&mended);
    met
}

/// The walk that recovery will make, from the codecs alone.
fn scan(file: &[u8]) -> Scan {
    let copy = |at| SegmentHeader::decode(file.get(at..).unwrap_or_default());
    let header = copy(0).or_else(|error| copy(BLOCK).map_err(|_| error));
    let trailer = trailer_of(file, header.as_ref().ok());
    let mut scan = Scan {
        end: header.as_ref().map_or(Lsn::FIRST, |header| header.base),
        last_check: header.as_ref().map_or(0, |header| header.prev_check),
        header,
        frames: Vec::new(),
        stop: None,
        trailer,
    };
    if let Ok(header) = scan.header {
        assert_eq!(header.encode(), copy_bytes(file), "a valid header encodes the same");
        walk(file, &header, &mut scan);
    }
    if let Ok(trailer) = scan.trailer {
        assert!(trailer.end.is_aligned());
        assert_eq!(Trailer::decode(&trailer.encode()), Ok(trailer));
    }
    // One entry a frame, and a frame has 24 bytes at least.
    let memory = scan.frames.capacity() * size_of::<(Lsn, FrameKind)>();
    assert!(memory <= 2 * file.len() + 64, "{memory} bytes for {}", file.len());
    scan
}

fn walk(file: &[u8], header: &SegmentHeader, scan: &mut Scan) {
    let seed = FrameSeed::new(header.log, header.salt);
    let room = file.get(FRAMES_START..).unwrap_or_default();
    let room_len = usize::try_from(layout::frame_room(header.file_len)).unwrap_or(usize::MAX);
    let mut rest = room.get(..room_len).unwrap_or(room);
    let mut read = 0;
    while !rest.is_empty() {
        let whole = rest.len();
        let decoded = frame::decode_frame(rest, seed, scan.end).and_then(|(frame, body)| {
            frame.verify_chain(scan.last_check)?;
            Ok((frame, body.len()))
        });
        let frame = match decoded {
            Ok((frame, body_len)) => {
                read += frame.header_len() + body_len;
                frame
            }
            Err(error) => {
                read += whole.min(32);
                scan.stop = Some(error);
                break;
            }
        };
        let behind = usize::try_from(frame.frame_len()).ok().and_then(|len| rest.get(len..));
        let next = scan.end.checked_add(frame.frame_len());
        let (Some(behind), Some(next)) = (behind, next) else {
            let (needed, have) = (frame.frame_len(), whole as u64);
            scan.stop = Some(FrameError::Short { needed, have });
            break;
        };
        assert!(behind.len() < whole && next > scan.end, "the walk advances");
        assert!(scan.end.is_aligned());
        let offset = (room.len().min(room_len) - whole) as u64;
        assert_eq!(scan.end.since(header.base), Some(offset), "LSNs are positions");
        scan.frames.push((scan.end, frame.kind));
        scan.last_check = frame.check;
        scan.end = next;
        rest = behind;
    }
    assert!(read <= file.len(), "{read} bytes read of {} by the walk", file.len());
}

/// The trailer stands at the end of the length in the header, else of the file.
fn trailer_of(file: &[u8], header: Option<&SegmentHeader>) -> Result<Trailer, TrailerError> {
    let len = header.map_or(file.len() as u64, |header| header.file_len);
    let at = usize::try_from(layout::trailer_offset(len)).ok();
    let bytes = at.and_then(|at| file.get(at..)).unwrap_or_default();
    let trailer = Trailer::decode(bytes);
    if let Err(TrailerError::Short { have }) = trailer {
        assert!(have < TRAILER_LEN);
    }
    trailer
}

/// The bytes of the first valid copy of the header.
fn copy_bytes(file: &[u8]) -> [u8; header::HEADER_LEN] {
    let bytes = [0, BLOCK].into_iter().filter_map(|at| file.get(at..));
    let mut valid = bytes.filter(|bytes| SegmentHeader::decode(bytes).is_ok());
    *valid.next().and_then(<[u8]>::first_chunk).expect("one copy is valid")
}

/// Puts checks that hold into headers, trailer and the frames of the walk.
fn mend_segment(file: &mut [u8]) {
    for at in [0, BLOCK] {
        mend_crc64::<{ header::HEADER_LEN }>(file.get_mut(at..).unwrap_or_default());
    }
    let copy = |at| SegmentHeader::decode(file.get(at..).unwrap_or_default());
    let Ok(header) = copy(0).or_else(|_| copy(BLOCK)) else {
        return;
    };
    let at = usize::try_from(layout::trailer_offset(header.file_len)).unwrap_or(usize::MAX);
    mend_crc64::<TRAILER_LEN>(file.get_mut(at..).unwrap_or_default());
    let seed = FrameSeed::new(header.log, header.salt);
    let (mut lsn, mut prev) = (header.base, header.prev_check);
    let mut rest = file.get_mut(FRAMES_START..).unwrap_or_default();
    while mend_frame(rest, Place { seed, lsn }, Some(prev)).is_some() {
        let Ok((frame, _)) = frame::decode_frame(rest, seed, lsn) else {
            return;
        };
        let behind = usize::try_from(frame.frame_len()).ok().and_then(|len| rest.get_mut(len..));
        let (Some(behind), Some(next)) = (behind, lsn.checked_add(frame.frame_len())) else {
            return;
        };
        (rest, lsn, prev) = (behind, next, frame.check);
    }
}

/// Both headers and trailers end with a CRC-64 of all before it.
fn mend_crc64<const LEN: usize>(bytes: &mut [u8]) {
    if let Some(bytes) = bytes.first_chunk_mut::<LEN>() {
        let (covered, check) = bytes.split_at_mut(LEN - 8);
        check.copy_from_slice(&crc64(covered).to_le_bytes());
    }
}
