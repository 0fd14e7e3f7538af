//! One frame: the smallest unit that is wholly present after a crash, or absent.
//!
//! All integers are little-endian. Offsets are from the start of the frame, which is a multiple
//! of 8; zeros pad it to the next one.
//!
//! ```text
//!   0       4          8            12     16     17      18      20        +12      +body_len
//!   +-------+----------+------------+------+------+-------+-------+---------+--------+
//!   | check | body_len | body_check | prev | kind | flags | tag   | mark    | body   |
//!   | u32   | u32      | u32        | u32  | u8   | u8    | u16   | 0, 12 B |        |
//!   +-------+----------+------------+------+------+-------+-------+---------+--------+
//!                                                                  |
//!                                             +---------+------------+
//!                                   the mark: | durable | mark_check |
//!                                             | u64     | u32        |
//!                                             +---------+------------+
//! ```
//!
//! - `check`: CRC-32C of log id, salt, LSN and bytes 4 to 19.
//! - `body_check`: CRC-32C of the body. Bodies of void and gap are never looked at: a void has a 0, a
//!   gap what gives it the check that it needs (see `gap.rs`).
//! - `prev`: the `check` of the frame before, or for the first frame of a segment `prev_check`
//!   of its header; a ghost behind a cut tail, or a write that was lost in the middle, breaks it.
//! - `kind`: 1 record, 2 batch, 3 void, 4 idle mark, 5 trim, 6 close mark, 7 gap. Kinds 64 to 127 are
//!   for later releases: a reader that does not know one passes over the frame (see `kind.rs`).
//! - `flags`: bit 0 *continues* (the batch goes on in the next frame; kind 2 only), bit 1
//!   *marked* (a mark follows the header). An idle mark and a close mark are always marked, a
//!   void and a gap never. Kinds 64 to 127 have no flags.
//! - `tag`: a number that the floor above the log gives to the records, kinds 1 and 2 only; 0 where it
//!   gives none. Zeros in kinds 3 to 7; anything in kinds 64 to 127.
//! - `durable`: the log was durable up to here *before this frame was written*; always the end
//!   of a batch. `mark_check`: CRC-32C of log id, salt, the letters `mark`, LSN and `durable`.
//!
//! A frame is valid if and only if: (1) `check` matches; (2) `kind` and `flags` are known and
//! agree, and `tag` is 0 where no tag stands; (3) `body_len` is at most 256 MiB + 4 (void and gap: 2 GiB), and
//! the frame ends inside the segment's room for frames; (4) a mark's own check matches, and
//! `durable` is a multiple of 8 and not beyond the frame; (5) `body_check` matches; (6) the body
//! is valid for its kind; (7) `prev` is the check before it. A frame read alone, by its LSN, is
//! held to (1) to (6). Zeros never decode: no kind is 0, and a header of zeros is told apart
//! before its check is looked at.

use super::batch::{BatchError, BatchRecords};
use super::checksum::{FrameSeed, NearChecks, body_check};
use super::tag::Tag;
use super::{control, layout};
use crate::position::Lsn;

mod kind;
pub use kind::{FrameKind, SkippableKind};

/// Bytes of a frame header without a mark.
pub const HEADER_LEN: usize = 20;
/// Bytes of a mark.
pub const MARK_LEN: usize = 12;
/// Bytes of a frame header with a mark.
pub const MARKED_HEADER_LEN: usize = HEADER_LEN + MARK_LEN;
/// The whole length of a close mark, by which a close record finds it.
pub const CLOSE_MARK_LEN: u64 = 40;

const _: () = assert!(MARKED_HEADER_LEN as u64 + 8 == CLOSE_MARK_LEN, "header, mark, trim");
const _: () = assert!(CLOSE_MARK_LEN.is_multiple_of(8), "frames start at multiples of 8");
const _: () = assert!(CLOSE_MARK_LEN <= layout::CONTROL_ROOM / 8, "eight control frames fit");

const CONTINUES: u8 = 1;
const MARKED: u8 = 2;

/// A frame header whose own checks hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The check, which the next frame carries as `prev`.
    pub check: u32,
    /// Bytes of the body.
    pub body_len: u32,
    /// Check of the body.
    pub body_check: u32,
    /// Check of the frame before.
    pub prev: u32,
    /// What the frame is.
    pub kind: FrameKind,
    /// Whether the batch goes on in the next frame.
    pub continues: bool,
    /// How far the log was durable before this frame was written.
    pub mark: Option<Lsn>,
    /// The tag of its records; of a skippable kind the two bytes in that place, whatever they mean
    /// there. 0 for every other kind.
    pub tag: Tag,
}

/// Why bytes are no valid frame. Offsets count from the start of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end before the frame does.
    #[error("the frame needs {needed} bytes, there are {have}")]
    Short {
        /// Bytes that are needed, as far as known.
        needed: u64,
        /// Bytes there are.
        have: u64,
    },
    /// The header is all zeros: nothing was written here.
    #[error("the frame header is all zeros")]
    Zeros,
    /// The header's check does not match.
    #[error("the frame's check is {found:#010x}, its header gives {expected:#010x}")]
    Check {
        /// What the bytes give.
        expected: u32,
        /// What is stored.
        found: u32,
    },
    /// A verified header of a kind this version does not define.
    #[error("the frame is of unknown kind {found}")]
    Kind {
        /// The kind.
        found: u8,
    },
    /// A verified header with flags this version does not define for the kind.
    #[error("the frame has flags {found:#04x}, unknown for its kind")]
    Flags {
        /// The flags.
        found: u8,
    },
    /// A verified header whose body is longer than any.
    #[error("the frame's body of {len} bytes is longer than allowed")]
    TooLong {
        /// The length.
        len: u32,
    },
    /// The mark's own check does not match, or it marks what it cannot.
    #[error("the frame's mark does not verify")]
    Mark,
    /// The body's check does not match.
    #[error("the body's check is {found:#010x}, its bytes give {expected:#010x}")]
    Body {
        /// What the bytes give.
        expected: u32,
        /// What is stored.
        found: u32,
    },
    /// The body verifies but is none of its kind.
    #[error("the body is not valid for the frame's kind")]
    Content,
    /// The records of a batch do not tile it.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The chain is broken: another frame stood before this one.
    #[error("the frame follows check {found:#010x}, the frame before has {expected:#010x}")]
    Chain {
        /// The check of the frame before.
        expected: u32,
        /// What is stored.
        found: u32,
    },
}

impl FrameError {
    /// Whether the frame is intact but of a later version of the format.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Kind { .. } | Self::Flags { .. })
    }
}

impl FrameHeader {
    /// Reads and verifies a header, laws (1) to (4) but for the segment's end. Needs 20 bytes,
    /// 32 if marked.
    ///
    /// # Errors
    /// [`FrameError`]; never `Body`, `Content`, `Batch` or `Chain`.
    pub fn decode(bytes: &[u8], seed: FrameSeed, lsn: Lsn) -> Result<Self, FrameError> {
        let have = bytes.len() as u64;
        let short = |needed: usize| FrameError::Short { needed: needed as u64, have };
        let (header, rest) =
            bytes.split_first_chunk::<HEADER_LEN>().ok_or_else(|| short(HEADER_LEN))?;
        let (&found, covered) = header.split_first_chunk().ok_or_else(|| short(HEADER_LEN))?;
        let covered: &[u8; 16] = covered.first_chunk().ok_or_else(|| short(HEADER_LEN))?;
        let found = u32::from_le_bytes(found);
        // Before the check: at one LSN in 2^32 the check of sixteen zeros is 0, and zeros would
        // pass for an intact frame of an unknown kind, which refuses the log.
        if found == 0 && *covered == [0; 16] {
            return Self::zeros();
        }
        let expected = seed.header_check(lsn, covered);
        if expected != found && !planted!("length-trusted-before-check") {
            return Err(FrameError::Check { expected, found });
        }
        let ([body_len, body_check, prev], last) = fields(covered);
        let [kind, flags, tag @ ..] = last.to_le_bytes();
        let tag = Tag::new(u16::from_le_bytes(tag));
        let known = FrameKind::from_byte(kind);
        let known = planted!("skippable-kind-refused", known => {
            known.filter(|kind| !matches!(kind, FrameKind::Skippable(_)))
        });
        let kind = known.ok_or(FrameError::Kind { found: kind })?;
        let (continues, marked) = (flags & CONTINUES != 0, flags & MARKED != 0);
        let agree = flags & !(CONTINUES | MARKED) == 0
            && (!continues || kind == FrameKind::Batch)
            && match kind {
                FrameKind::IdleMark | FrameKind::CloseMark => marked,
                FrameKind::Void | FrameKind::Gap | FrameKind::Skippable(_) => !marked,
                FrameKind::Record | FrameKind::Batch | FrameKind::Trim => true,
            }
            && (tag == Tag::NONE || kind.has_tag());
        if !agree {
            return Err(FrameError::Flags { found: flags });
        }
        let longest = if kind.is_hollow() { layout::FILE_LEN_MAX } else { layout::BODY_LEN_MAX };
        if u64::from(body_len) > longest {
            return Err(FrameError::TooLong { len: body_len });
        }
        let mark = if marked {
            let mark = rest.first_chunk().ok_or_else(|| short(MARKED_HEADER_LEN))?;
            Some(decode_mark(mark, seed, lsn)?)
        } else {
            None
        };
        Ok(Self { check: found, body_len, body_check, prev, kind, continues, mark, tag })
    }

    /// Whether bytes 16 to 19 of a header, as a number, are those of a marked frame, its checks
    /// aside: what a search asks of every place before it computes one. Never `false` where
    /// [`decode`](Self::decode) finds a mark; without branches, so that many can be asked at once.
    /// Kinds that may be marked are all below 8; a tag may be any.
    #[inline]
    pub(crate) const fn may_be_marked(last: u32) -> bool {
        const KINDS: u32 = 7;
        const TAG: u32 = 0xFFFF << 16;
        const FREE: u32 = KINDS | (CONTINUES as u32) << 8 | TAG;
        const _: () = assert!(FrameKind::Gap.byte() as u32 <= KINDS, "three bits hold every kind");
        last & !FREE == (MARKED as u32) << 8
    }

    /// What these bytes would say of a record, if no check were asked.
    #[cfg(seawall_planted)]
    pub(crate) fn unchecked(bytes: &[u8]) -> Result<Self, FrameError> {
        let covered = bytes.get(4..).and_then(|rest| rest.first_chunk());
        let ([body_len, body_check, prev], _) = fields(covered.unwrap_or(&[0; 16]));
        let (kind, continues, mark) = (FrameKind::Record, false, None);
        Ok(Self { check: 0, body_len, body_check, prev, kind, continues, mark, tag: Tag::NONE })
    }

    /// What a header of zeros is: none.
    fn zeros() -> Result<Self, FrameError> {
        if planted!("zeros-decode-as-frame") {
            let (kind, continues, mark) = (FrameKind::Record, false, None);
            return Ok(Self {
                check: 0,
                body_len: 0,
                body_check: 0,
                prev: 0,
                kind,
                continues,
                mark,
                tag: Tag::NONE,
            });
        }
        Err(FrameError::Zeros)
    }

    /// Bytes before the body.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        if self.mark.is_some() { MARKED_HEADER_LEN } else { HEADER_LEN }
    }

    /// Bytes of header and body, without padding.
    #[must_use]
    pub const fn unpadded_len(&self) -> u64 {
        self.header_len() as u64 + self.body_len as u64
    }

    /// Bytes from this frame's LSN to the next one's.
    #[must_use]
    pub const fn frame_len(&self) -> u64 {
        layout::frame_aligned(self.unpadded_len())
    }

    /// Laws (5) and (6): holds `body` to its check and its kind.
    ///
    /// # Errors
    /// [`FrameError::Body`], [`FrameError::Content`], [`FrameError::Batch`].
    pub fn verify_body(&self, body: &[u8]) -> Result<(), FrameError> {
        if self.kind.is_hollow() {
            return Ok(());
        }
        let expected = body_check(body);
        if expected != self.body_check {
            return Err(FrameError::Body { expected, found: self.body_check });
        }
        let fits = match self.kind {
            FrameKind::Record
            | FrameKind::Void
            | FrameKind::Gap
            // What its body means is not known here.
            | FrameKind::Skippable(_) => true,
            FrameKind::Batch => {
                BatchRecords::check(body)?;
                true
            }
            FrameKind::IdleMark => body.is_empty(),
            FrameKind::Trim | FrameKind::CloseMark => control::decode_trim(body).is_some(),
        };
        if fits { Ok(()) } else { Err(FrameError::Content) }
    }

    /// Law (7).
    ///
    /// # Errors
    /// [`FrameError::Chain`].
    pub fn verify_chain(&self, before: u32) -> Result<(), FrameError> {
        if self.prev == before || planted!("chain-not-checked") {
            Ok(())
        } else {
            Err(FrameError::Chain { expected: before, found: self.prev })
        }
    }
}

/// A record that [`PlainRecords`] knew at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainRecord {
    /// The check, which the next frame carries as `prev`.
    pub check: u32,
    /// Bytes before the body.
    pub header_len: usize,
    /// Bytes of header and body, without padding.
    pub unpadded_len: usize,
    /// The tag.
    pub tag: Tag,
}

/// Knows the frames that logs consist of: records, each whole, valid and in order. A scan spends
/// its time here.
#[derive(Clone, Copy, Debug)]
pub struct PlainRecords {
    checks: NearChecks,
}

impl PlainRecords {
    /// Those of the segment with this seed.
    #[must_use]
    pub fn new(seed: FrameSeed) -> Self {
        Self { checks: NearChecks::new(seed, u32::from(PLAIN)) }
    }

    /// The frame at the start of `bytes`, if it is a record without a mark that lies wholly in
    /// them, is valid, laws (1) to (6), and follows the check `before`, law (7). `None` for every
    /// other frame, good or bad: [`FrameHeader::decode`] tells.
    #[must_use]
    #[inline(always)]
    pub fn at(&mut self, bytes: &[u8], lsn: Lsn, before: u32) -> Option<PlainRecord> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let (check, covered) = header.split_first_chunk()?;
        let ([len, body_check_found, prev], last) = fields(covered.first_chunk()?);
        let check = u32::from_le_bytes(*check);
        let (kind, tag) = split_last(last);
        if kind != PLAIN || prev != before {
            return None;
        }
        let body = rest.get(..usize::try_from(len).ok()?)?;
        let holds = check == self.checks.header_check(lsn, len, body_check_found, prev, tag)
            && u64::from(len) <= layout::BODY_LEN_MAX
            && body_check(body) == body_check_found;
        let (header_len, unpadded_len) = (HEADER_LEN, HEADER_LEN + body.len());
        holds.then_some(PlainRecord { check, header_len, unpadded_len, tag: Tag::new(tag) })
    }

    /// As [`at`](Self::at), if it is a record with a mark.
    #[must_use]
    pub fn marked_at(&self, bytes: &[u8], lsn: Lsn, before: u32) -> Option<PlainRecord> {
        let seed = self.checks.seed();
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let (check, covered) = header.split_first_chunk()?;
        let covered = covered.first_chunk()?;
        let ([len, body_check_found, prev], last) = fields(covered);
        let check = u32::from_le_bytes(*check);
        let (kind, tag) = split_last(last);
        if kind != PLAIN_MARKED || prev != before || check != seed.header_check(lsn, covered) {
            return None;
        }
        let (mark, rest) = rest.split_first_chunk()?;
        decode_mark(mark, seed, lsn).ok()?;
        let body = rest.get(..usize::try_from(len).ok()?)?;
        let holds = u64::from(len) <= layout::BODY_LEN_MAX && body_check(body) == body_check_found;
        let (header_len, unpadded_len) = (MARKED_HEADER_LEN, MARKED_HEADER_LEN + body.len());
        holds.then_some(PlainRecord { check, header_len, unpadded_len, tag: Tag::new(tag) })
    }
}

/// Kind and flags of a record without a mark, as one number.
const PLAIN: u16 = u16::from_le_bytes([FrameKind::Record.byte(), 0]);
/// The same with a mark.
const PLAIN_MARKED: u16 = u16::from_le_bytes([FrameKind::Record.byte(), MARKED]);

/// Kind and flags, and the tag, out of the last four bytes of a header.
#[inline]
const fn split_last(last: u32) -> (u16, u16) {
    let [kind, flags, tag0, tag1] = last.to_le_bytes();
    (u16::from_le_bytes([kind, flags]), u16::from_le_bytes([tag0, tag1]))
}

/// `body_len`, `body_check` and `prev`; kind, flags and tag as one number.
#[inline]
fn fields(covered: &[u8; 16]) -> ([u32; 3], u32) {
    let [l0, l1, l2, l3, b0, b1, b2, b3, p0, p1, p2, p3, k0, k1, k2, k3] = *covered;
    let of = |bytes: [u8; 4]| u32::from_le_bytes(bytes);
    ([of([l0, l1, l2, l3]), of([b0, b1, b2, b3]), of([p0, p1, p2, p3])], of([k0, k1, k2, k3]))
}

fn decode_mark(mark: &[u8; MARK_LEN], seed: FrameSeed, lsn: Lsn) -> Result<Lsn, FrameError> {
    let [d0, d1, d2, d3, d4, d5, d6, d7, c0, c1, c2, c3] = *mark;
    let durable = Lsn::new(u64::from_le_bytes([d0, d1, d2, d3, d4, d5, d6, d7]));
    let check = u32::from_le_bytes([c0, c1, c2, c3]);
    let holds = (check == seed.mark_check(lsn, durable) || planted!("mark-check-not-checked"))
        && durable <= lsn
        && durable.is_aligned();
    if holds { Ok(durable) } else { Err(FrameError::Mark) }
}

/// Bytes a frame with this body takes, padding included.
#[must_use]
pub const fn frame_len(body_len: u64, marked: bool) -> u64 {
    let header = if marked { MARKED_HEADER_LEN } else { HEADER_LEN };
    layout::frame_aligned(header as u64 + body_len)
}

/// Verifies the frame at the start of `bytes` as a whole, laws (1) to (6), and returns its body.
///
/// # Errors
/// [`FrameError`]; never `Chain`.
pub fn decode_frame(
    bytes: &[u8],
    seed: FrameSeed,
    lsn: Lsn,
) -> Result<(FrameHeader, &[u8]), FrameError> {
    let header = FrameHeader::decode(bytes, seed, lsn)?;
    let short = FrameError::Short { needed: header.unpadded_len(), have: bytes.len() as u64 };
    let end = usize::try_from(header.unpadded_len()).map_err(|_| short)?;
    let body = bytes.get(header.header_len()..end).ok_or(short)?;
    header.verify_body(body)?;
    Ok((header, body))
}

#[cfg(test)]
mod tests;
