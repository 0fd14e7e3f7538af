//! Whether a log is where it was, which lineage goes on with it, and which lineages its segments
//! are of.
//!
//! A copy has the id of its log, and both may go on. What tells them apart is where the last
//! segment was begun: its header notes a number for the directory and for the file, which no copy
//! has.

use super::survey::Segment;
use crate::error::{Error, Result};
use crate::format::checksum::crc64;
use crate::format::extension::Extension;
use crate::format::header::SegmentHeader;
use crate::position::{Home, Lineage, Lsn};
use crate::storage::{Environment, Identity, Storage, StorageFile};
use std::io;

/// Where a segment is that is begun in this file: unknown where the system tells either too little.
///
/// # Errors
/// What the system says.
pub(super) fn home(storage: &dyn Storage, file: &dyn StorageFile) -> io::Result<Home> {
    let (Some(directory), Some(file)) = (storage.identity()?, file.identity()?) else {
        return Ok(Home::UNKNOWN);
    };
    let file = planted!("home-of-the-directory-alone", file => directory);
    let mut bytes = Vec::with_capacity(48);
    for Identity { system, number, born } in [directory, file] {
        for value in [system, number, born] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
    let home = Home::new(crc64(&bytes));
    // Both mean something else.
    Ok(if home == Home::UNKNOWN || home == Home::COPIED { Home::new(1) } else { home })
}

/// The lineage that a run is of which goes on after the segment of this header, whose file is
/// `here`, and whether it is a new one.
///
/// # Errors
/// [`Error::Io`] where the system has no randomness to give.
pub(super) fn going_on(
    environment: &Environment,
    last: &SegmentHeader,
    here: Home,
) -> Result<(Lineage, bool)> {
    let Extension { lineage, home, .. } = last.extension;
    if !is_away(home, here) {
        return Ok((lineage, false));
    }
    let mut drawn = [0; 8];
    let filled = environment.entropy.fill(&mut drawn);
    filled.map_err(|e| Error::io("draw a lineage for", environment.storage.place(), e))?;
    Ok((lineage.raised(u64::from_le_bytes(drawn)), true))
}

/// Whether a segment that notes this home is known to have been begun elsewhere, or to be a copy.
fn is_away(noted: Home, here: Home) -> bool {
    match noted {
        Home::UNKNOWN => false,
        Home::COPIED => !planted!("copy-goes-on-as-its-log"),
        _ => here != Home::UNKNOWN && here != noted,
    }
}

/// The lineages of these segments, oldest first, each with the first LSN that is of it.
pub(super) fn lineages<'a>(segments: impl IntoIterator<Item = &'a Segment>) -> Vec<(Lineage, Lsn)> {
    let mut all: Vec<(Lineage, Lsn)> = Vec::new();
    for segment in segments {
        let lineage = segment.header.extension.lineage;
        if all.last().is_none_or(|&(before, _)| before != lineage) {
            all.push((lineage, segment.base()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_is_raised_where_a_copy_is_known_and_nowhere_else() {
        let (one, other) = (Home::new(7), Home::new(8));
        for (noted, here, away) in [
            (Home::UNKNOWN, Home::UNKNOWN, false),
            (Home::UNKNOWN, one, false),
            (one, Home::UNKNOWN, false),
            (one, one, false),
            (one, other, true),
            (Home::COPIED, Home::UNKNOWN, true),
            (Home::COPIED, one, true),
        ] {
            assert_eq!(is_away(noted, here), away, "{noted:?}, {here:?}");
        }
    }
}
