//! Tells what stands at an address where nothing verifies: damage, or the middle of a frame.
//!
//! The frames around it tell. The next header after it that verifies states the check of the
//! frame before, and if a header with this very check stands before the address, at its place
//! and reaching to the next one, then the address lies inside that frame. This costs about the
//! bytes of one frame. Where it proves nothing, the frames of the segment are walked up to the
//! address.

use super::scan::{FrameScan, ScanError, Span};
use super::shared::Shared;
use super::source::Source;
use super::walk::Extents;
use crate::error::Result;
use crate::format::frame::{FrameHeader, FrameKind};
use crate::position::Lsn;
use crate::storage::{StorageFile, read_full};
use std::io;
use std::sync::Arc;

/// So many bytes before and after an address are looked at: first few, then, if they do not tell,
/// many. A walk over frames that are longer costs less than a look at each place in them.
const LOOKS: [u64; 2] = [16 << 10, 1 << 20];

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A frame begins there, or perhaps.
    Frame,
    /// It lies inside a gap that ends here: any frame may have begun there.
    Gap { to: Lsn },
    /// None begins there.
    Nothing,
}

/// What is at `lsn`, where nothing verifies, as far as the frames around it tell.
pub(super) fn stands_at(shared: &Arc<Shared>, end: Lsn, lsn: Lsn) -> Result<Standing> {
    let mut source = Source::new(Arc::clone(shared), end, false);
    let Some(extent) = source.extent(lsn)? else {
        return Ok(Standing::Nothing);
    };
    let (file, span) = (extent.file, extent.span);
    let last = extent.end_check.or_else(|| {
        let state = shared.state.lock();
        let written = state.machine.watermarks().written;
        (written == span.limit).then(|| state.machine.last_check())
    });
    for reach in LOOKS {
        // What cannot be read here is met again, and told, by the walk.
        if let Ok(Some(standing)) = look_around(&*file, &span, lsn, last, reach) {
            return Ok(standing);
        }
    }
    let scan = FrameScan::new(file, span, span.base, Some(extent.prev_check));
    Ok(walk_to(scan, lsn))
}

/// What is at `lsn` by what stands at most `reach` bytes before and after it. `last` is the
/// check of the last frame before the limit.
fn look_around(
    file: &dyn StorageFile,
    span: &Span,
    lsn: Lsn,
    last: Option<u32>,
    reach: u64,
) -> io::Result<Option<Standing>> {
    let start = Lsn::new(lsn.get().saturating_sub(reach)).max(span.base);
    let end = lsn.checked_add(reach).map_or(span.limit, |end| end.min(span.limit));
    let len = end.since(start).and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    let mut bytes = vec![0; len];
    let count = read_full(file, span.offset(start), &mut bytes)?;
    let from = |at: Lsn| {
        let index = at.since(start).and_then(|index| usize::try_from(index).ok());
        bytes.get(..count).and_then(|bytes| bytes.get(index?..)).unwrap_or_default()
    };
    let header_at = |at: Lsn| FrameHeader::decode(from(at), span.seed, at).ok();
    // Its header stands: what does not verify is its body, or what it follows.
    if header_at(lsn).is_some() {
        return Ok(Some(Standing::Frame));
    }
    let units = |lsn: Lsn| lsn.get() / Lsn::ALIGN;
    let places = |from, to| (units(from)..units(to)).map(|unit| Lsn::new(unit * Lsn::ALIGN));
    let after = places(lsn, end).find_map(|at| Some((at, header_at(at)?.prev)));
    let at_limit = || last.filter(|_| end == span.limit).map(|check| (end, check));
    let Some((next, check)) = after.or_else(at_limit) else {
        return Ok(None);
    };
    let holds = |at: &Lsn| {
        let header = from(*at).starts_with(&check.to_le_bytes()).then(|| header_at(*at))??;
        (at.checked_add(header.frame_len()) == Some(next)).then_some(header.kind)
    };
    let around = places(start, lsn).rev().find_map(|at| holds(&at));
    Ok(around.map(|kind| match kind {
        FrameKind::Gap => Standing::Gap { to: next },
        _ => Standing::Nothing,
    }))
}

/// The same by all frames before it.
fn walk_to(mut scan: FrameScan, lsn: Lsn) -> Standing {
    let mut in_gap = false;
    while scan.position() < lsn {
        match scan.next() {
            Ok(Some((_, header))) => in_gap = header.kind == FrameKind::Gap,
            Ok(None) => return Standing::Nothing,
            // Damage before it: the address may well be right.
            Err(ScanError::Io(_) | ScanError::Frame(_)) => return Standing::Frame,
        }
    }
    let to = scan.position();
    if to == lsn {
        Standing::Frame
    } else if in_gap {
        Standing::Gap { to }
    } else {
        Standing::Nothing
    }
}
