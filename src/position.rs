//! Where things are: the newtypes every floor speaks in, and nothing else.

use std::fmt;

/// A log sequence number: the logical byte position of a frame in the endless log.
///
/// LSNs only grow, are multiples of 8, and are *not* dense: after an unclean end the next
/// frame stands [`Lsn::JUMP`] bytes further on. An LSN never names two records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(u64);

impl Lsn {
    /// The position of the first frame of every log.
    pub const FIRST: Self = Self(0);

    /// How far the log jumps after an end that was not clean (2^33).
    ///
    /// Bytes that were accepted but never synced may have been seen under their LSNs. They
    /// never exceed a quarter of this, so that what follows a jump is beyond all of them. A
    /// constant of the format.
    pub const JUMP: u64 = 1 << 33;

    /// Frames, and so LSNs, stand at multiples of this.
    pub const ALIGN: u64 = 8;

    /// The LSN with this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The LSN `bytes` further on, or `None` past the end of the address space.
    #[must_use]
    pub fn checked_add(self, bytes: u64) -> Option<Self> {
        self.0.checked_add(bytes).map(Self)
    }

    /// How many bytes lie between `earlier` and here, or `None` if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }

    /// Whether a frame can stand here.
    #[must_use]
    pub const fn is_aligned(self) -> bool {
        self.0.is_multiple_of(Self::ALIGN)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lsn({:#x})", self.0)
    }
}

impl std::str::FromStr for Lsn {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The number of a segment: 1 for the first of a log, then one more each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(u64);

impl SegmentId {
    /// The first segment of every log.
    pub const FIRST: Self = Self(1);

    /// The segment with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The segment after this one. Saturates, which no log lives to see.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SegmentId({})", self.0)
    }
}

/// One use of one file: drawn anew for every segment, so that what an earlier use left in the
/// file never verifies.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Salt(u64);

impl Salt {
    /// The salt with this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Salt({:#018x})", self.0)
    }
}

/// Which log a segment belongs to: drawn once, when the log is created.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogId([u8; 16]);

impl LogId {
    /// The id with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn get(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

/// A line of runs of a log: raised whenever a copy, or a state that was put back, is opened for
/// writing, so that log id, lineage and LSN together name one record for ever.
///
/// The upper 16 bits count how often it was raised, the lower 48 are drawn, so that two copies of
/// one log differ. 0 is the log as it began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lineage(u64);

impl Lineage {
    /// The log as it began.
    pub const FIRST: Self = Self(0);

    const DRAWN_BITS: u32 = 48;

    /// The lineage with this value, which is 0 or counts one raise at least.
    #[must_use]
    pub const fn from_value(value: u64) -> Option<Self> {
        if value == 0 || value >> Self::DRAWN_BITS > 0 { Some(Self(value)) } else { None }
    }

    /// The next one, with numbers that were drawn, of which 48 bits count. After 65,535 raises only
    /// the drawn bits differ.
    #[must_use]
    pub const fn raised(self, drawn: u64) -> Self {
        let last = u64::MAX >> Self::DRAWN_BITS;
        let raises = self.raises();
        let raises = if raises < last { raises + 1 } else { last };
        Self(raises << Self::DRAWN_BITS | drawn & (u64::MAX >> (64 - Self::DRAWN_BITS)))
    }

    /// How often it was raised.
    #[must_use]
    pub const fn raises(self) -> u64 {
        self.0 >> Self::DRAWN_BITS
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drawn = self.0 & (u64::MAX >> (64 - Self::DRAWN_BITS));
        write!(f, "{}-{drawn:012x}", self.raises())
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lineage({self})")
    }
}

/// Where a segment was begun: a number for its directory and its file, which a copy does not have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Home(u64);

impl Home {
    /// Nothing was known of the place.
    pub const UNKNOWN: Self = Self(0);

    /// The file was made by a copy or a repair: it is at home nowhere.
    pub const COPIED: Self = Self(u64::MAX);

    /// The home with this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Home({:#018x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_lineage_is_another_one_and_a_valid_one() {
        let drawn = 0xabcd_0123_4567_89ef;
        let once = Lineage::FIRST.raised(drawn);
        assert_eq!(once.get(), 0x0001_0123_4567_89ef);
        assert_eq!(once.to_string(), "1-0123456789ef");
        assert_eq!(Lineage::FIRST.raised(0).to_string(), "1-000000000000");
        assert_eq!(Lineage::from_value(once.get()), Some(once));
        assert_ne!(once.raised(drawn), once);
        assert_ne!(once.raised(1), once.raised(2));
        let mut last = Lineage::from_value(u64::MAX).expect("a lineage");
        last = last.raised(3);
        assert_eq!((last.raises(), last.to_string()), (65_535, "65535-000000000003".to_owned()));
    }

    #[test]
    fn what_counts_no_raise_and_is_not_zero_is_no_lineage() {
        assert_eq!(Lineage::from_value(0), Some(Lineage::FIRST));
        for value in [1, (1 << 48) - 1] {
            assert_eq!(Lineage::from_value(value), None);
        }
        assert!(Lineage::from_value(1 << 48).is_some());
    }
}
