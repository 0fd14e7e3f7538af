//! What people and other programs do to the files of a log: mix up names, bring back old copies,
//! write with a newer version. No disk does this; an operator at night does. Headers are made anew
//! with valid checks, since a broken one is only rot.

use crate::damage::Hurt;
use crate::disk::SimDisk;
use crate::medium::HurtKind;
use crate::rng::Rng;
use seawall::format::checksum::crc64;
use seawall::format::header::{HEADER_LEN, SegmentHeader};
use seawall::format::name::FileName;
use seawall::{LogId, Lsn, SegmentId};

/// Where the second copy of a header stands.
const SECOND: u64 = 4096;
/// Where the version stands in a header, and where its check.
const VERSION_AT: usize = 8;
const CHECK_AT: usize = HEADER_LEN - 8;

/// Does one such thing to a drawn segment; returns what is no longer as it was written.
pub(super) fn tamper(disk: &SimDisk, rng: &mut Rng) -> Option<Hurt> {
    let names = disk.names();
    let segments: Vec<(String, SegmentHeader)> = names
        .iter()
        .filter(|name| matches!(FileName::parse(name), Some(FileName::Segment(_))))
        .filter_map(|name| {
            let bytes = disk.read_durable(name)?;
            Some((name.clone(), SegmentHeader::decode(&bytes).ok()?))
        })
        .collect();
    let (name, header) = rng.pick(&segments)?;
    if rng.chance(1, 4) {
        // Both copies at once: what no single fault of a disk does.
        for at in [0, SECOND] {
            disk.hurt_at(name, at, HurtKind::Garbage, rng).ok()?;
        }
        return None;
    }
    let mut bytes = match rng.below(5) {
        0 => SegmentHeader { log: LogId::new([7; 16]), ..*header }.encode(),
        1 => {
            let number = SegmentId::new(header.number.get() + 1 + rng.below(3));
            SegmentHeader { number, ..*header }.encode()
        }
        // The end of the segment before is said to be elsewhere, and this one to begin there.
        moved @ (2 | 3) => {
            let by = 8 * (1 + rng.below(8000));
            let end = header.prev_end.get();
            let end = if moved == 2 { end.saturating_sub(by) } else { end.saturating_add(by) };
            let (base, prev_end) = (Lsn::new(end), Lsn::new(end));
            SegmentHeader { base, prev_end, ..*header }.encode()
        }
        _ => header.encode(),
    };
    if bytes == header.encode() {
        *bytes.get_mut(VERSION_AT)? = 2;
        let check = crc64(bytes.get(..CHECK_AT)?).to_le_bytes();
        bytes.get_mut(CHECK_AT..)?.copy_from_slice(&check);
    }
    for at in [0, SECOND] {
        disk.overwrite_durably(name, at, &bytes).ok()?;
    }
    let len = SECOND + u64::try_from(HEADER_LEN).unwrap_or(0);
    Some(Hurt { name: name.clone(), offset: 0, len, kind: HurtKind::Overwritten })
}
