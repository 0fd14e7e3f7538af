//! Puts checks that hold into bytes that say anything, so that what they say is what is judged.
//!
//! Random bytes hardly ever pass a check. Whoever makes a file on purpose makes its checks too.

use seawall::format::checksum::{FrameSeed, body_check, crc64};
use seawall::format::frame;
use seawall::format::header::{HEADER_LEN, SegmentHeader};
use seawall::format::layout;
use seawall::format::trailer::TRAILER_LEN;
use seawall::position::{LogId, Lsn, Salt};

/// Bytes of a header block.
pub const BLOCK: usize = 4096;
/// Where frames begin in a segment file.
pub const FRAMES_START: usize = 8192;

/// A place where a frame can stand: log, salt and LSN.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What its checks start from.
    pub seed: FrameSeed,
    /// Where it stands.
    pub lsn: Lsn,
}

impl Place {
    /// How many places there are to choose from.
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

/// Puts checks that hold into the frame at the start of `bytes`, and `prev` if given. `None`
/// where no whole header is, or only zeros.
#[must_use]
pub fn mend_frame(bytes: &mut [u8], place: Place, prev: Option<u32>) -> Option<()> {
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

/// The first valid copy of the header of a segment file.
#[must_use]
pub fn header_of(file: &[u8]) -> Option<SegmentHeader> {
    let copy = |at| SegmentHeader::decode(file.get(at..).unwrap_or_default()).ok();
    copy(0).or_else(|| copy(BLOCK))
}

/// Puts checks that hold into both copies of the header.
pub fn mend_header(file: &mut [u8]) {
    for at in [0, BLOCK] {
        mend_crc64::<HEADER_LEN>(file.get_mut(at..).unwrap_or_default());
    }
}

/// Puts checks that hold into headers, trailer and the frames of the walk.
pub fn mend_segment(file: &mut [u8]) {
    mend_header(file);
    let Some(header) = header_of(file) else {
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

/// Headers and trailers end with a CRC-64 of all before it.
pub fn mend_crc64<const LEN: usize>(bytes: &mut [u8]) {
    if let Some(bytes) = bytes.first_chunk_mut::<LEN>() {
        let (covered, check) = bytes.split_at_mut(LEN - 8);
        check.copy_from_slice(&crc64(covered).to_le_bytes());
    }
}

/// A frame that verifies where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Byte in the file.
    pub offset: usize,
    /// Its place.
    pub lsn: Lsn,
    /// Check of the frame before.
    pub prev: u32,
}

/// The frames of the chain of a segment file, and, as the last, the place behind them.
#[must_use]
pub fn frames_of(file: &[u8], header: &SegmentHeader) -> Vec<Standing> {
    let seed = FrameSeed::new(header.log, header.salt);
    let mut here = Standing { offset: FRAMES_START, lsn: header.base, prev: header.prev_check };
    let mut all = vec![here];
    while let Some(Ok((frame, _))) =
        file.get(here.offset..).map(|rest| frame::decode_frame(rest, seed, here.lsn))
    {
        let len = usize::try_from(frame.frame_len()).unwrap_or(usize::MAX);
        let next = here.lsn.checked_add(frame.frame_len());
        let (Ok(()), Some(lsn)) = (frame.verify_chain(here.prev), next) else {
            break;
        };
        here = Standing { offset: here.offset.saturating_add(len), lsn, prev: frame.check };
        all.push(here);
    }
    all
}
