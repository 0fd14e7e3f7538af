//! A range of the log that cannot be read back, as commands show it.

use seawall::format::name::FileName;
use seawall::{Damage, Error, Lsn, SegmentId};
use serde_json::{Value, json};
use std::fmt;

/// One damaged range.
#[derive(Clone, Debug)]
pub(crate) struct DamagedRange {
    pub(crate) segment: SegmentId,
    pub(crate) offset: u64,
    pub(crate) from: Lsn,
    pub(crate) to: Lsn,
    pub(crate) cause: Damage,
}

impl DamagedRange {
    /// The range this error tells of, if it tells of one.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Damaged { segment, offset, from, to, cause } => Some(Self {
                segment: *segment,
                offset: *offset,
                from: *from,
                to: *to,
                cause: cause.clone(),
            }),
            _ => None,
        }
    }

    /// The name of the file.
    pub(crate) fn file(&self) -> String {
        FileName::Segment(self.segment).text()
    }

    /// What is wrong, with what lies behind it.
    pub(crate) fn why(&self) -> String {
        let mut why = self.cause.to_string();
        let mut behind = std::error::Error::source(&self.cause);
        while let Some(error) = behind {
            why = format!("{why}: {error}");
            behind = error.source();
        }
        why
    }

    /// Which LSNs are lost. Where nothing is left that says how far the log went, none is named
    /// as the end.
    pub(crate) fn range(&self) -> String {
        let Self { from, to, .. } = self;
        if to > from {
            format!("LSN {from} to {to}")
        } else {
            format!("LSN {from} and whatever came after it")
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "segment": self.segment.get(),
            "file": self.file(),
            "offset": self.offset,
            "from": self.from.get(),
            "to": self.to.get(),
            "cause": self.why(),
            "recorded": self.cause == Damage::Gap,
        })
    }
}

impl fmt::Display for DamagedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, why) = (self.file(), self.why());
        let (Self { offset, .. }, range) = (self, self.range());
        write!(f, "{range}, {file} from byte {offset} on: {why}")
    }
}
