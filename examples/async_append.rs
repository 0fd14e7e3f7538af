//! Appends from async code: the tasks of a runtime wait for their records, and no thread does.
//!
//! `cargo run --release --example async_append`

use seawall::{Batch, Durability, Failures, Log, Options, Receipt, Refused};
use std::error::Error;

/// Appends a record and waits until it is durable. Needs no runtime: the ticket is a plain future, and
/// so is the wait for room.
pub(crate) async fn append(log: &Log, record: &[u8]) -> seawall::Result<Receipt> {
    loop {
        // Borrows the record only until it is submitted: nothing of it is kept across an await.
        let mut batch = Batch::new();
        batch.push(record);
        let submitted = log.submit(&batch, Durability::Sync, Failures::ANY);
        match submitted {
            Ok(ticket) => return ticket.await,
            Err(Refused::Busy { need }) => log.room(need).await?,
            Err(Refused::Never(error)) => return Err(error),
            Err(refused) => unreachable!("no failure is too old for it: {refused}"),
        }
    }
}

/// A client of a server: one record after the other, each durable before the next.
pub(crate) async fn client(log: Log, client: u32, records: u32) -> seawall::Result<Receipt> {
    let mut last = None;
    for nth in 0..records {
        let receipt = append(&log, format!("record {nth} of client {client}").as_bytes()).await?;
        assert!(last < Some(receipt), "later records are at higher addresses");
        last = Some(receipt);
    }
    Ok(last.expect("a client appends something"))
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    const CLIENTS: u32 = 1000;
    let scratch = tempfile::tempdir()?;
    // Opening and closing wait for the disk: before and after the runtime has work.
    let log = Log::open(scratch.path().join("log"), Options::new())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let clients: Vec<_> =
            (0..CLIENTS).map(|nth| tokio::spawn(client(log.clone(), nth, 5))).collect();
        for client in clients {
            let receipt = client.await.expect("no client panics")?;
            assert!(log.watermarks().durable >= receipt.end);
        }
        Ok::<_, seawall::Error>(())
    })?;
    println!("{} durable records of {CLIENTS} clients", log.scan(log.first())?.count());
    log.close()?;
    Ok(())
}
