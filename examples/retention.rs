//! Retention with two holders: what a snapshot covers may go, unless a replica still needs it.
//!
//! `cargo run --example retention`

use seawall::{Hold, Log, Lsn, Options};
use std::error::Error;

/// A copy of the log elsewhere, which reads on when it can. It says how far it came, and the log keeps
/// the rest for it.
struct Replica {
    hold: Hold,
    records: usize,
}

impl Replica {
    fn join(log: &Log) -> seawall::Result<Self> {
        // From the beginning, wherever that is: no trim comes between this and the first read.
        Ok(Self { hold: log.hold("replica", Lsn::FIRST)?, records: 0 })
    }

    /// Reads so many records, and lets go of them.
    fn read(&mut self, log: &Log, count: usize) -> seawall::Result<()> {
        let mut scan = log.scan(self.hold.lsn())?;
        for record in scan.by_ref().take(count) {
            let _shipped = record?.bytes;
            self.records += 1;
        }
        self.hold.advance(scan.position())
    }
}

/// What the program's state was at an LSN, stored elsewhere. Recovery reads on from there.
struct Snapshot {
    hold: Hold,
}

impl Snapshot {
    fn store(&self, at: Lsn) -> seawall::Result<()> {
        // Once the new snapshot is durable, and not before:
        self.hold.advance(at)
    }
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let options = Options::new().segment_len(64 << 10).first_segment_len(64 << 10);
    let log = Log::open(scratch.path().join("log"), options)?;

    // Before anything is trimmed: holds are in memory, and each run takes its own.
    let snapshot = Snapshot { hold: log.hold("snapshot", Lsn::FIRST)? };
    let mut replica = Replica::join(&log)?;

    let records: Vec<Vec<u8>> = (0..1000_u32).map(|nth| vec![nth.to_le_bytes()[0]; 900]).collect();
    let receipt = log.append_batch(&records)?;
    snapshot.store(receipt.end)?;
    replica.read(&log, 300)?;

    // What would a trim do? The snapshot needs nothing of this any more; the replica does.
    let preview = log.preview_trim(receipt.end)?;
    for span in &preview.removed {
        println!("segment {} would go: {} bytes", span.number, span.bytes);
    }
    for holder in &preview.held_by {
        println!("{} holds {} bytes, from LSN {}", holder.name, preview.held_bytes(), holder.lsn);
    }
    let trimmed = log.trim(receipt.end)?;
    assert_eq!(trimmed.trim, replica.hold.lsn());
    assert_eq!(trimmed.files, preview.removed.len() as u64);

    // It catches up; or it is given up, and dropped.
    replica.read(&log, 700)?;
    assert_eq!(replica.records, 1000);
    drop(replica);
    let trimmed = log.trim(receipt.end)?;
    assert_eq!((trimmed.trim, trimmed.held_by.len()), (receipt.end, 0));
    println!("{} bytes are left of the log", log.stats().bytes);
    log.close()?;
    Ok(())
}
