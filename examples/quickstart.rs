//! Opens a log, appends, reads back by address and in order, closes, opens again.
//!
//! `cargo run --example quickstart [DIR]`: DIR is made if it is missing, and kept.

use seawall::{Log, Lsn, Options};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let dir = given.unwrap_or_else(|| scratch.path().join("log"));

    // Each append is durable when it returns, unless the options say otherwise.
    let log = Log::open(&dir, Options::new())?;
    println!("{}", log.report());
    let receipt = log.append(b"a deed")?;
    println!("durable at {}", receipt.lsn);

    // The address is all that is needed to get it back.
    let record = log.read(receipt.lsn)?;
    assert_eq!(record.bytes, "a deed");

    // These two survive together or not at all.
    log.append_batch(&["debit 5", "credit 5"])?;

    // A scan that borrows copies nothing; as an iterator it yields records to keep.
    let mut scan = log.scan(Lsn::FIRST)?;
    while let Some(record) = scan.next_ref()? {
        println!("{:>8}.{}  {}", record.lsn, record.index, String::from_utf8_lossy(record.bytes));
    }

    // What is no longer needed may go, once a segment is full of it.
    log.trim(receipt.end)?;

    // A close says how it went, and spares the next open the scan of the tail.
    log.close()?;
    let log = Log::open(&dir, Options::new())?;
    println!("{}", log.report());
    println!("{} records", log.scan(Lsn::FIRST)?.count());
    log.close()?;
    Ok(())
}
