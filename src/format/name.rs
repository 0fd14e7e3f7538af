//! The names of the files of a log.
//!
//! ```text
//!  00000000000000000007.seg      segment 7: twenty decimal digits, so that names sort
//!  00000000000000000003.spare    a file that waits to become a segment; its content is nothing
//!  18446744073709551615.spare    the reserve: a spare of the shortest length, for trims alone
//! ```
//!
//! A name is one of these if and only if it is exactly so long, all its digits are decimal, the
//! number fits 64 bits and is at least 1. Every other name is foreign and left alone.

use crate::position::SegmentId;

/// The number in the name of the reserve. No segment has it, so no other spare gets the name.
pub const RESERVE: u64 = u64::MAX;

/// What a file of a log is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileName {
    /// A segment.
    Segment(SegmentId),
    /// A spare.
    Spare(u64),
}

impl FileName {
    /// The reserve: a spare that nothing but the beginning of a segment for a trim may use.
    pub const RESERVE: Self = Self::Spare(RESERVE);

    /// The name as text.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Segment(id) => format!("{:020}.seg", id.get()),
            Self::Spare(number) => format!("{number:020}.spare"),
        }
    }

    /// What this name says, or `None` if it is foreign.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (digits, ending) = name.split_at_checked(20)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u64 = digits.parse().ok().filter(|&number| number > 0)?;
        match ending {
            ".seg" => Some(Self::Segment(SegmentId::new(number))),
            ".spare" => Some(Self::Spare(number)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_pinned() {
        let segment = FileName::Segment(SegmentId::new(7));
        assert_eq!(segment.text(), "00000000000000000007.seg");
        assert_eq!(FileName::Spare(3).text(), "00000000000000000003.spare");
        assert_eq!(
            FileName::parse("18446744073709551615.seg").map(FileName::text).as_deref(),
            Some("18446744073709551615.seg")
        );
    }

    #[test]
    fn names_round_trip_and_sort_by_number() {
        for name in [FileName::Segment(SegmentId::new(7)), FileName::Spare(u64::MAX)] {
            assert_eq!(FileName::parse(&name.text()), Some(name));
        }
        let name = |number| FileName::Segment(SegmentId::new(number)).text();
        assert!(name(9) < name(10) && name(99) < name(100));
    }

    #[test]
    fn names_that_almost_match_are_foreign() {
        for name in [
            "7.seg",
            "0000000000000000007.seg",
            "000000000000000000007.seg",
            "00000000000000000000.seg",
            "00000000000000000000.spare",
            "00000000000000000007",
            "00000000000000000007.",
            "00000000000000000007.spares",
            "18446744073709551616.seg",
            "0000000000000000000٧.seg",
            " 0000000000000000007.seg",
            "-0000000000000000007.seg",
            "+0000000000000000007.seg",
            "00000000000000000007.SEG",
            "00000000000000000007.seg~",
            "99999999999999999999.seg",
            "lost+found",
            "0000000000000000000é.seg",
            "",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_two_names_mean_the_same_file(
            name in "[0-9]{18,21}\\.(seg|spare|tmp)|\\PC{0,30}",
        ) {
            if let Some(parsed) = FileName::parse(&name) {
                proptest::prop_assert_eq!(parsed.text(), name);
            }
        }
    }
}
