//! The least code that makes the same promise as the row beside it: what a figure is read against.
//!
//! A frame is length, CRC-32C and bytes; the check is computed by the function that the log uses.
//! There is no recovery policy and no proof of durability; so a row that is as fast as its
//! reference gives those for nothing.
//!
//! ```text
//!  Coalesced     `Buffered`, burst: frames gather in 256 KiB, one write when they are full
//!  Sustained     `Buffered` for ever: the same, and each 64 MiB are synced before the next
//!  PerRecord     `Os`: one write for each record or batch
//!  WriteThrough  `Sync`: leader and followers; one write-through write, into zeros written before
//!  Reading       scans in 256 KiB blocks, reads one record with one call, opens a directory
//! ```

mod coalesced;
mod per_record;
mod reading;
mod sustained;
mod write_through;

pub use coalesced::Coalesced;
pub use per_record::PerRecord;
pub use reading::Reading;
pub use sustained::Sustained;
pub use write_through::{WriteThrough, prepared, write_through};

use seawall::format::checksum::body_check;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Bytes that gather before a write, and that are read at once.
pub const BLOCK: usize = 256 << 10;
/// Length and check in front of each record.
pub const HEADER: usize = 8;
/// Bytes of zeros that durable writes go into, and of a segment.
pub const PREPARED: u64 = 64 << 20;

fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
}

#[inline]
fn push(buffer: &mut Vec<u8>, check: u32, record: &[u8]) {
    // A record that does not fit is not measured: 64 KiB is the longest.
    let len = u32::try_from(record.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&len.to_le_bytes());
    buffer.extend_from_slice(&check.to_le_bytes());
    buffer.extend_from_slice(record);
}
