//! The kinds of frames, and what each number means to a reader that does not know it.
//!
//! ```text
//!   1 to 7       known, see `FrameKind`
//!   64 to 127    skippable: a reader that does not know the kind passes over the frame
//!   all others   unknown: a reader that does not know the kind refuses the log
//! ```

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameKind {
    /// One record: the body is its bytes.
    Record,
    /// Records that live or die together, or a part of them.
    Batch,
    /// Stands where appends failed; holds nothing.
    Void,
    /// Carries a mark while the log is idle.
    IdleMark,
    /// States a trim point.
    Trim,
    /// The last frame before a clean close.
    CloseMark,
    /// Stands where a repair found damage; readers get an error here.
    Gap,
    /// Of a later release; holds no record, and is passed over as an idle mark is. This library
    /// writes none.
    Skippable(SkippableKind),
}

/// The number of a kind that a reader may pass over: 64 to 127.
///
/// Later releases may give one a meaning, as long as a reader that passes over the frame reads the
/// same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SkippableKind(u8);

impl SkippableKind {
    /// The lowest.
    pub const MIN: Self = Self(64);
    /// The highest.
    pub const MAX: Self = Self(127);

    /// The kind with this number, if it is one of these.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number >= Self::MIN.0 && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl FrameKind {
    /// Every kind that has a meaning in this version.
    pub const ALL: [Self; 7] = [
        Self::Record,
        Self::Batch,
        Self::Void,
        Self::IdleMark,
        Self::Trim,
        Self::CloseMark,
        Self::Gap,
    ];

    /// The number that stands for it on disk.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Record => 1,
            Self::Batch => 2,
            Self::Void => 3,
            Self::IdleMark => 4,
            Self::Trim => 5,
            Self::CloseMark => 6,
            Self::Gap => 7,
            Self::Skippable(kind) => kind.0,
        }
    }

    /// The kind with this number; `None` for one that refuses the log.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Record,
            2 => Self::Batch,
            3 => Self::Void,
            4 => Self::IdleMark,
            5 => Self::Trim,
            6 => Self::CloseMark,
            7 => Self::Gap,
            _ => match SkippableKind::new(byte) {
                Some(kind) => Self::Skippable(kind),
                None => return None,
            },
        })
    }

    /// Whether the body is covered by no check.
    #[must_use]
    pub const fn is_hollow(self) -> bool {
        matches!(self, Self::Void | Self::Gap)
    }

    /// Whether the body holds records.
    #[must_use]
    pub const fn holds_records(self) -> bool {
        matches!(self, Self::Record | Self::Batch)
    }

    /// Whether the last two bytes of the header are its own to use; zeros stand there otherwise.
    #[must_use]
    pub const fn has_tag(self) -> bool {
        matches!(self, Self::Record | Self::Batch | Self::Skippable(_))
    }
}
