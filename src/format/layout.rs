//! Where things stand in a segment file, and the limits that follow.
//!
//! ```text
//!  0        4096     8192                                            file_len-64  file_len
//!  +--------+--------+---------------------------+------------------+------------+
//!  | header | header | frames: LSN base, base+.. | room for control | trailer or |
//!  | copy 0 | copy 1 |                           | frames (512 B)   | close rec. |
//!  +--------+--------+---------------------------+------------------+------------+
//! ```
//!
//! The frame with LSN `l` stands at byte `8192 + (l - base)`. Records never enter the last
//! 576 bytes: trim frames and the close mark always find room there, full disk or not.

use crate::position::Lsn;

/// A block: the two header copies stand in different ones.
pub const BLOCK: u64 = 4096;
/// Where the first frame stands.
pub const FRAMES_START: u64 = 2 * BLOCK;
/// The trailer's place: the last bytes of the file.
pub const TRAILER_LEN: u64 = 64;
/// Room that only control frames may use: eight of them.
pub const CONTROL_ROOM: u64 = 8 * 64;
/// The shortest segment file: header blocks, first frame block, one more.
pub const SEGMENT_LEN_MIN: u64 = 4 * BLOCK;
/// The longest segment that options may ask for (1 GiB).
pub const SEGMENT_LEN_MAX: u64 = 1 << 30;
/// The longest file any valid header states: an oversized batch in a segment of its own.
pub const FILE_LEN_MAX: u64 = SEGMENT_LEN_MAX + (1 << 30);
/// The largest record (256 MiB).
pub const RECORD_LEN_MAX: u64 = 256 << 20;
/// The largest batch: records, four bytes for each, together (512 MiB).
pub const BATCH_LEN_MAX: u64 = 512 << 20;
/// The largest body of one frame: one record and its length in a batch.
pub const BODY_LEN_MAX: u64 = RECORD_LEN_MAX + 4;

const _: () = assert!(SEGMENT_LEN_MAX + BATCH_LEN_MAX <= Lsn::JUMP / 4, "rule F6");
const _: () = assert!(FRAMES_START.is_multiple_of(Lsn::ALIGN), "frames start aligned");
const _: () = assert!(TRAILER_LEN + CONTROL_ROOM < BLOCK, "the smallest segment holds records");

/// Rounds up to the next multiple of 8, where a frame can start.
#[must_use]
pub const fn frame_aligned(len: u64) -> u64 {
    len.div_ceil(Lsn::ALIGN) * Lsn::ALIGN
}

/// Rounds up to whole blocks.
#[must_use]
pub const fn block_aligned(len: u64) -> u64 {
    len.div_ceil(BLOCK) * BLOCK
}

/// Bytes for frames that hold records in a file of this length.
#[must_use]
pub const fn record_room(file_len: u64) -> u64 {
    frame_room(file_len).saturating_sub(CONTROL_ROOM)
}

/// Bytes for frames of any kind in a file of this length.
#[must_use]
pub const fn frame_room(file_len: u64) -> u64 {
    file_len.saturating_sub(FRAMES_START + TRAILER_LEN)
}

/// The shortest segment file whose [`record_room`] holds `len` bytes.
#[must_use]
pub const fn file_len_for(len: u64) -> u64 {
    let needed = block_aligned(FRAMES_START + len + CONTROL_ROOM + TRAILER_LEN);
    if needed < SEGMENT_LEN_MIN { SEGMENT_LEN_MIN } else { needed }
}

/// The length to which a clean close may cut a file whose frames end at byte `used`. Not below the shortest
/// segment: when it is trimmed it may have to become the reserve.
#[must_use]
pub const fn cut_len(used: u64) -> u64 {
    let needed = block_aligned(used + TRAILER_LEN);
    if needed < SEGMENT_LEN_MIN { SEGMENT_LEN_MIN } else { needed }
}

/// Where the trailer or close record stands in a file of this length.
#[must_use]
pub const fn trailer_offset(file_len: u64) -> u64 {
    file_len.saturating_sub(TRAILER_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_for_a_length_holds_it_and_no_shorter_segment_does() {
        for len in [0, 1, 3520, 3521, 7616, 7617, RECORD_LEN_MAX, BATCH_LEN_MAX] {
            let file_len = file_len_for(len);
            assert!(record_room(file_len) >= len, "{len}");
            assert!(file_len.is_multiple_of(BLOCK), "{len}");
            let shorter = file_len - BLOCK;
            assert!(shorter < SEGMENT_LEN_MIN || record_room(shorter) < len, "{len}");
        }
    }

    #[test]
    fn no_file_that_a_batch_can_ask_for_is_shorter_or_longer_than_a_header_may_state() {
        // It was: `file_len_for(0)` gave three blocks, which no valid header can state.
        assert_eq!(file_len_for(0), SEGMENT_LEN_MIN);
        assert!(file_len_for(BATCH_LEN_MAX + SEGMENT_LEN_MAX / 2) <= FILE_LEN_MAX);
    }

    #[test]
    fn limits_are_those_of_the_document() {
        let mib = [RECORD_LEN_MAX, BATCH_LEN_MAX, SEGMENT_LEN_MAX, FILE_LEN_MAX];
        assert_eq!(mib.map(|len| len >> 20), [256, 512, 1024, 2048]);
        assert_eq!(mib.map(|len| len % (1 << 20)), [0; 4]);
        assert_eq!((BODY_LEN_MAX, SEGMENT_LEN_MIN), (268_435_460, 16_384));
    }

    #[test]
    fn rooms_of_the_shortest_segment_are_as_documented() {
        assert_eq!(trailer_offset(SEGMENT_LEN_MIN), 16320);
        assert_eq!(frame_room(SEGMENT_LEN_MIN), 8128);
        assert_eq!(record_room(SEGMENT_LEN_MIN), 7616);
    }

    #[test]
    fn rooms_of_impossible_lengths_are_empty() {
        for file_len in [0, 1, FRAMES_START, FRAMES_START + TRAILER_LEN] {
            assert_eq!(frame_room(file_len), 0);
            assert_eq!(record_room(file_len), 0);
        }
        assert_eq!(trailer_offset(0), 0);
    }

    #[test]
    fn room_ends_where_a_frame_can_end() {
        for blocks in 4..64 {
            assert!(frame_room(blocks * BLOCK).is_multiple_of(Lsn::ALIGN));
        }
    }
}
