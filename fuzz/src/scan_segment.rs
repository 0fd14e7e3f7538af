//! Target `scan_segment`: any bytes as one segment file, walked by the codecs alone.

use super::bounds::without_memory;
use super::decode_frame::hold_error;
use super::decode_trailer;
use super::mend::{BLOCK, FRAMES_START, header_of, mend_header, mend_segment};
use seawall::format::checksum::FrameSeed;
use seawall::format::frame::{self, FrameError, FrameKind};
use seawall::format::header::{HEADER_LEN, HeaderError, SegmentHeader};
use seawall::format::layout;
use seawall::format::trailer::{TRAILER_LEN, Trailer, TrailerError};
use seawall::position::Lsn;

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

/// Bytes of an input that are headers and trailer.
const FIXED_LEN: usize = 2 * HEADER_LEN + TRAILER_LEN;
/// The longest file that a header alone makes.
const FILE_MAX: u64 = 64 << 10;

/// The input is a segment file without its padding, tried as it is and mended.
///
/// # Panics
/// Where the format breaks a promise.
pub fn run(input: &[u8]) {
    let mut file = expanded(input);
    let _ = scan(&file);
    mend_segment(&mut file);
    let _ = scan(&file);
}

/// The file: both copies of the header, each at the begin of its block, the trailer, then the frames
/// follow each other in the input. A short input is a short file, as it stands.
#[must_use]
pub fn expanded(input: &[u8]) -> Vec<u8> {
    let Some((fixed, frames)) = input.split_at_checked(FIXED_LEN) else {
        return input.to_vec();
    };
    let (first, rest) = fixed.split_at(HEADER_LEN);
    let (second, trailer) = rest.split_at(HEADER_LEN);
    let mut file = first.to_vec();
    file.resize(BLOCK, 0);
    file.extend_from_slice(second);
    file.resize(FRAMES_START, 0);
    file.extend_from_slice(frames);
    let mut mended = file.clone();
    mend_header(&mut mended);
    // As long as the header says, once its checks hold, if that is not much.
    let stated = header_of(&mended).map(|header| header.file_len).filter(|&len| len <= FILE_MAX);
    let stated = stated.and_then(|len| usize::try_from(len).ok());
    file.resize(file.len().max(stated.unwrap_or(0)), 0);
    if let Some(place) = stated.and_then(|len| file.get_mut(len - TRAILER_LEN..len)) {
        place.copy_from_slice(trailer);
    }
    file
}

/// The input that [`expanded`] makes this file of, if there is one: behind the frames only zeros.
#[must_use]
pub fn without_padding(file: &[u8]) -> Vec<u8> {
    let part = |from: usize, len: usize| file.get(from..from + len).unwrap_or_default();
    let trailer_at = file.len().saturating_sub(TRAILER_LEN);
    let frames = part(FRAMES_START, trailer_at.saturating_sub(FRAMES_START));
    let used = frames.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let mut input = part(0, HEADER_LEN).to_vec();
    input.extend_from_slice(part(BLOCK, HEADER_LEN));
    input.extend_from_slice(part(trailer_at, TRAILER_LEN));
    input.extend_from_slice(part(FRAMES_START, used));
    input
}

/// The walk that recovery makes, from the codecs alone.
///
/// # Panics
/// Where the format breaks a promise.
#[must_use]
pub fn scan(file: &[u8]) -> Scan {
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
        let decoded = without_memory(|| frame::decode_frame(rest, seed, scan.end));
        let decoded = decoded.inspect_err(|error| hold_error(rest, *error));
        let decoded = decoded.and_then(|(frame, body)| {
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
    let trailer = without_memory(|| Trailer::decode(bytes));
    if let Err(error) = trailer {
        decode_trailer::hold_error(bytes, error);
    }
    trailer
}

/// The bytes of the first valid copy of the header.
fn copy_bytes(file: &[u8]) -> [u8; HEADER_LEN] {
    let bytes = [0, BLOCK].into_iter().filter_map(|at| file.get(at..));
    let mut valid = bytes.filter(|bytes| SegmentHeader::decode(bytes).is_ok());
    *valid.next().and_then(<[u8]>::first_chunk).expect("one copy is valid")
}
