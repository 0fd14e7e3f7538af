//! What the records of a log mean: a name and a version, stated in every header.
//!
//! ```text
//!   0                 8
//!   +-----------------+        in the header at byte 88; its version, a u16, at byte 116
//!   | name            |
//!   | 8 B             |
//!   +-----------------+
//! ```
//!
//! A content is valid if and only if: (1) the name is 1 to 8 ASCII letters, digits or `-`, and the
//! bytes after them are zeros; or (2) all of it is zeros, the version too: raw records, which mean
//! what each user of the log makes of them.

use std::fmt;

/// The longest name, in bytes.
pub const NAME_MAX: usize = 8;

/// What the records of a log mean, and by which version of that meaning. The log itself gives it no
/// meaning: it refuses to be opened for writing by a program that expects another one.
///
/// ```
/// use seawall::Content;
///
/// let content = Content::new("streams", 1).unwrap();
/// assert_eq!((content.name(), content.version()), ("streams", 1));
/// assert_eq!(content.to_string(), "`streams` version 1");
/// assert_eq!(Content::RAW.to_string(), "raw records");
/// assert!(Content::new("no spaces", 1).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Content {
    name: [u8; NAME_MAX],
    version: u16,
}

/// Why something is no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a content has 1 to {NAME_MAX} ASCII letters, digits or '-'")]
pub struct ContentError;

impl Content {
    /// Records that mean what the user of the log makes of them: the content of a log that names
    /// none.
    pub const RAW: Self = Self { name: [0; NAME_MAX], version: 0 };

    /// The content with this name and version.
    ///
    /// # Errors
    /// [`ContentError`] for a name that a header cannot state.
    pub fn new(name: &str, version: u16) -> Result<Self, ContentError> {
        let mut bytes = [0; NAME_MAX];
        bytes.get_mut(..name.len()).ok_or(ContentError)?.copy_from_slice(name.as_bytes());
        match Self::from_bytes(bytes, version) {
            Some(content) if !content.is_raw() && content.name() == name => Ok(content),
            _ => Err(ContentError),
        }
    }

    /// The content that a header states by these bytes, if they are one.
    pub(crate) fn from_bytes(name: [u8; NAME_MAX], version: u16) -> Option<Self> {
        let len = name.iter().position(|&byte| byte == 0).unwrap_or(NAME_MAX);
        let (letters, padding) = name.split_at_checked(len)?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let raw = len == 0 && version != 0;
        let valid = letters.iter().all(plain) && padding.iter().all(|&byte| byte == 0) && !raw;
        valid.then_some(Self { name, version })
    }

    pub(crate) const fn name_bytes(&self) -> [u8; NAME_MAX] {
        self.name
    }

    /// Its name; empty for [`RAW`](Self::RAW).
    #[must_use]
    pub fn name(&self) -> &str {
        let len = self.name.iter().position(|&byte| byte == 0).unwrap_or(NAME_MAX);
        self.name.get(..len).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Its version; 0 for [`RAW`](Self::RAW).
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// Whether it is [`RAW`](Self::RAW).
    #[must_use]
    pub fn is_raw(&self) -> bool {
        *self == Self::RAW
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_raw() {
            return f.write_str("raw records");
        }
        write!(f, "`{}` version {}", self.name(), self.version)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_digits_and_hyphens_and_no_longer_than_its_field() {
        for name in ["a", "streams", "eight-88", "--------", "Z"] {
            let content = Content::new(name, 7).expect(name);
            assert_eq!((content.name(), content.version()), (name, 7));
            assert_eq!(Content::from_bytes(content.name_bytes(), 7), Some(content));
        }
        for name in ["", "nine-9999", "a b", "a\0", "\0", "a\0b", "ä", "a.b", "\u{1}"] {
            assert_eq!(Content::new(name, 7), Err(ContentError), "{name:?}");
        }
    }

    #[test]
    fn zeros_are_raw_records_and_have_no_version() {
        assert_eq!(Content::from_bytes([0; 8], 0), Some(Content::RAW));
        assert_eq!(Content::from_bytes([0; 8], 1), None);
        assert_eq!(Content::from_bytes(*b"\0streams", 1), None);
        assert_eq!(Content::from_bytes(*b"a\0b\0\0\0\0\0", 1), None);
        assert!(Content::RAW.is_raw() && Content::RAW.name().is_empty());
    }
}
