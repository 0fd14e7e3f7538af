//! Padding: a void frame that ends each commit, so that no two of them share a block.

use super::{Closing, Machine, after};
use crate::format::frame::{FrameKind, HEADER_LEN, frame_len};
use crate::format::frame_writer::{FrameSpec, place_frame};
use crate::format::layout;

/// The shortest void frame.
const VOID_LEN_MIN: u64 = frame_len(0, false);
const _: () = assert!(VOID_LEN_MIN == 24);

/// The longest that pads: where fewer bytes than the shortest are left, it fills the next block too.
const PAD_LEN_MAX: usize = 4120;
const _: () = assert!(PAD_LEN_MAX as u64 == layout::BLOCK + VOID_LEN_MIN);

static ZEROS: [u8; PAD_LEN_MAX] = [0; PAD_LEN_MAX];

impl Machine {
    /// Ends what is about to be written at the end of a block, if commits own theirs. The close mark
    /// is not padded: it is the last frame.
    pub(super) fn pad(&mut self) {
        let closes = matches!(self.closing, Closing::Marked(_));
        let Some(active) = self.active.filter(|_| self.own_blocks && !closes) else { return };
        let at = self.marks.accepted;
        let len = pad_len(active.offset(at), active.offset(active.record_limit()));
        let Some(body) = usize::try_from(len).ok().and_then(|len| len.checked_sub(HEADER_LEN))
        else {
            return;
        };
        let body = ZEROS.get(..body).unwrap_or(&ZEROS);
        self.note_start(at);
        place_frame(&mut self.pending, FrameSpec::of(FrameKind::Void), &[body]);
        // No mark rides in it: one that is due still is.
        self.marks.accepted = after(at, len);
        // What was allowed did not count these bytes.
        self.look_again();
    }
}

/// How long the void frame is that fills up the block in which frames end, at this byte of the file; 0
/// for none. `limit`: where the room for records ends, which it never crosses. There is no next record
/// for this segment then.
fn pad_len(end: u64, limit: u64) -> u64 {
    let left = layout::block_aligned(end) - end;
    let few = left > 0 && left < VOID_LEN_MIN;
    let wanted = match left {
        _ if few && planted!("few-bytes-left-unpadded") => 0,
        left if few => left + layout::BLOCK,
        left => left,
    };
    let len = wanted.min(limit.saturating_sub(end));
    if len < VOID_LEN_MIN { 0 } else { len }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_filled_up_to_its_end_and_where_no_frame_fits_to_the_next_one() {
        let limit = (16 << 10) - 576;
        for (end, len) in [
            (8192, 0),
            (8200, 4088),
            (8224, 4064),
            (12288 - 24, 24),
            (12288 - 16, 3536),
            (limit - 24, 24),
            (limit - 16, 0),
            (limit, 0),
            (limit + 40, 0),
        ] {
            assert_eq!(pad_len(end, limit), len, "from {end}");
        }
        let far = 1 << 20;
        for end in (8192..8192 + 3 * 4096).step_by(8) {
            let len = pad_len(end, far);
            assert!((end + len).is_multiple_of(layout::BLOCK), "{end}");
            assert!(len == 0 || (24..=4096 + 16).contains(&len), "{end}: {len}");
            assert_eq!(len == 0, end.is_multiple_of(layout::BLOCK), "{end}");
        }
    }
}
