//! Producers append; consumers follow, each at its own pace, and end when the log is closed.
//!
//! `cargo run --example follow`

use seawall::{Durability, Follower, Log, Lsn, Options};
use std::error::Error;
use std::thread;

/// Adds up what it reads, and says where a later consumer could go on.
fn consume(mut follower: Follower) -> seawall::Result<(u64, u64, Lsn)> {
    let (mut records, mut bytes) = (0, 0);
    // Sleeps while there is nothing to read; no polling.
    while let Some(record) = follower.next()? {
        records += 1;
        bytes += record.bytes.len() as u64;
    }
    Ok((records, bytes, follower.position()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    // A follower sees what the log's level promises: here what the kernel has.
    let options = Options::new().durability(Durability::Os).segment_len(1 << 20);
    let log = Log::open(scratch.path().join("log"), options)?;

    thread::scope(|scope| -> seawall::Result<()> {
        let mut consumers = Vec::new();
        for _ in 0..2 {
            let follower = log.follow(Lsn::FIRST)?;
            consumers.push(scope.spawn(move || consume(follower)));
        }
        let mut producers = Vec::new();
        for producer in 0..3 {
            let log = log.clone();
            producers.push(scope.spawn(move || -> seawall::Result<()> {
                for nth in 0..10_000 {
                    log.append(format!("record {nth} of producer {producer}").as_bytes())?;
                }
                Ok(())
            }));
        }
        for producer in producers {
            producer.join().expect("a producer does not panic")?;
        }
        log.close()?;
        for consumer in consumers {
            let (records, bytes, position) = consumer.join().expect("a consumer does not panic")?;
            println!("read {records} records of {bytes} bytes, up to {position}");
        }
        Ok(())
    })?;
    Ok(())
}
