//! The header of a gap, made so that every frame around it stays as it is.
//!
//! The frame behind a gap states the check of a frame that is gone, and a successor's header that
//! of a last frame that is gone. So the gap takes that check for its own: of a gap nobody looks at
//! `body_check`, and whatever else its header says, one value of those four bytes gives any check
//! that is wanted, since CRC-32C maps them one to one.

use super::checksum::FrameSeed;
use super::frame::{FrameKind, HEADER_LEN};
use super::layout;
use crate::position::Lsn;

/// The shortest gap: a header, and padding to where the next frame can start.
pub const GAP_LEN_MIN: u64 = layout::frame_aligned(HEADER_LEN as u64);

/// A stretch of frames that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapFrame {
    /// Where the gap begins.
    pub from: Lsn,
    /// Where it ends.
    pub to: Lsn,
    /// Check of the frame before.
    pub prev: u32,
    /// The check that what follows states of the frame before it.
    pub check: u32,
}

impl GapFrame {
    /// The header; zeros follow it up to where the gap ends. `None` for a length that no gap has.
    #[must_use]
    pub fn encode(&self, seed: FrameSeed) -> Option<[u8; HEADER_LEN]> {
        let len = self.to.since(self.from)?;
        if len < GAP_LEN_MIN || !len.is_multiple_of(Lsn::ALIGN) || !self.from.is_aligned() {
            return None;
        }
        let body_len = len.checked_sub(HEADER_LEN as u64)?;
        let body_len = u32::try_from(body_len).ok()?;
        if u64::from(body_len) > layout::FILE_LEN_MAX {
            return None;
        }
        let covered = |body_check: u32| {
            let fields = [body_len, body_check, self.prev, u32::from(FrameKind::Gap.byte())];
            let mut covered = [0; 16];
            for (place, field) in covered.chunks_exact_mut(4).zip(fields) {
                place.copy_from_slice(&field.to_le_bytes());
            }
            covered
        };
        let check = |body_check| seed.header_check(self.from, &covered(body_check));
        let body_check = choose(self.check, check)?;
        let body_check = if planted!("gap-breaks-chain") { 0 } else { body_check };
        let mut header = [0; HEADER_LEN];
        let (first, rest) = header.split_at_mut(4);
        first.copy_from_slice(&check(body_check).to_le_bytes());
        rest.copy_from_slice(&covered(body_check));
        Some(header)
    }
}

/// The argument for which `check` gives `wanted`. A check is affine: what a bit of the argument
/// adds to it does not depend on the others. So this is elimination over 32 bits.
fn choose(wanted: u32, check: impl Fn(u32) -> u32) -> Option<u32> {
    let none = check(0);
    // By highest bit: what a choice adds to the check, and the choice.
    let mut adding = [None; 32];
    for bit in 0..32 {
        let (mut added, mut choice) = (check(1 << bit) ^ none, 1_u32 << bit);
        while let Some(top) = added.checked_ilog2() {
            let place = adding.get_mut(usize::try_from(top).ok()?)?;
            let Some((other, chosen)) = *place else {
                *place = Some((added, choice));
                break;
            };
            (added, choice) = (added ^ other, choice ^ chosen);
        }
    }
    let (mut left, mut argument) = (wanted ^ none, 0);
    while let Some(top) = left.checked_ilog2() {
        let (added, choice) = (*adding.get(usize::try_from(top).ok()?)?)?;
        (left, argument) = (left ^ added, argument ^ choice);
    }
    Some(argument)
}

#[cfg(test)]
mod tests {
    use super::super::frame::FrameHeader;
    use super::*;
    use crate::position::{LogId, Salt};
    use proptest::prelude::*;

    fn seed() -> FrameSeed {
        FrameSeed::new(LogId::new([7; 16]), Salt::new(0x1234))
    }

    fn gap(from: u64, to: u64) -> GapFrame {
        GapFrame { from: Lsn::new(from), to: Lsn::new(to), prev: 1, check: 2 }
    }

    #[test]
    fn bytes_of_a_gap_are_pinned() {
        let gap = GapFrame { check: 0x0102_0304, ..gap(0x1000, 0x1040) };
        let bytes = gap.encode(seed()).unwrap();
        assert_eq!(bytes[..8], [4, 3, 2, 1, 44, 0, 0, 0]);
        assert_eq!(bytes[12..], [1, 0, 0, 0, 7, 0, 0, 0]);
    }

    #[test]
    fn lengths_that_no_gap_has_are_refused() {
        for (from, to) in [(8, 8), (8, 16), (8, 24), (64, 8), (8, 33), (9, 33), (0, 3 << 30)] {
            assert_eq!(gap(from, to).encode(seed()), None, "{from}..{to}");
        }
        assert!(gap(8, 32).encode(seed()).is_some());
    }

    proptest! {
        #[test]
        fn a_gap_has_the_check_that_is_wanted_and_verifies(
            from in 0..1_u64 << 40,
            len in 3..1_u64 << 28,
            prev: u32,
            check: u32,
            salt: u64,
        ) {
            let seed = FrameSeed::new(LogId::new([7; 16]), Salt::new(salt));
            let from = Lsn::new(from * 8);
            let gap = GapFrame { from, to: Lsn::new(from.get() + len * 8), prev, check };
            let header = FrameHeader::decode(&gap.encode(seed).unwrap(), seed, from).unwrap();
            prop_assert_eq!((header.kind, header.check, header.prev), (FrameKind::Gap, check, prev));
            prop_assert_eq!(header.frame_len(), len * 8);
        }
    }
}
