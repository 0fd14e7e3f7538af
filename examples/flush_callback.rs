//! A callback once a record is durable: no thread waits, and no runtime is needed.
//!
//! `cargo run --example flush_callback`

use parking_lot::Mutex;
use seawall::{Batch, Durability, Failures, Log, Options, Receipt, Refused, Ticket};
use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Poll, Wake, Waker};

type Callback = Box<dyn FnOnce(seawall::Result<Receipt>) + Send>;

/// A ticket, and what is to be called with its outcome. It is its own waker.
struct Flush(Mutex<Option<(Ticket, Callback)>>);

impl Flush {
    fn look(self: &Arc<Self>) {
        let waker = Waker::from(Arc::clone(self));
        // Held while the ticket is polled: a wake that comes meanwhile waits here, and looks again.
        let mut waiting = self.0.lock();
        let Some((ticket, _)) = &mut *waiting else { return };
        let Poll::Ready(outcome) = ticket.poll(Durability::Sync, &waker) else { return };
        let receipt = ticket.receipt();
        if let Some((_, callback)) = waiting.take() {
            drop(waiting);
            callback(outcome.map(|()| receipt));
        }
    }
}

impl Wake for Flush {
    /// Called by the thread that synced, without any lock of the log: the callback should be quick. It
    /// may submit, and must not wait for the log.
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

/// Appends a record; `callback` is called once it is durable, or will not be.
fn append_then(
    log: &Log,
    record: &[u8],
    callback: impl FnOnce(seawall::Result<Receipt>) + Send + 'static,
) -> seawall::Result<()> {
    let mut batch = Batch::new();
    batch.push(record);
    let ticket = loop {
        match log.submit(&batch, Durability::Sync, Failures::ANY) {
            Ok(ticket) => break ticket,
            // The one place where this waits: the buffer is full.
            Err(Refused::Busy { need }) => log.wait_room(need)?,
            Err(Refused::Never(error)) => return Err(error),
            Err(refused) => unreachable!("no failure is too old for it: {refused}"),
        }
    };
    Arc::new(Flush(Mutex::new(Some((ticket, Box::new(callback)))))).look();
    Ok(())
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let log = Log::open(scratch.path().join("log"), Options::new())?;
    let (durable, receipts) = mpsc::channel();
    for nth in 0..1000_u32 {
        let durable = durable.clone();
        append_then(&log, &nth.to_le_bytes(), move |outcome| {
            // For instance: the answer to a client.
            durable.send((nth, outcome)).ok();
        })?;
    }
    drop(durable);
    let mut called = 0;
    for (nth, outcome) in receipts {
        let receipt = outcome?;
        assert!(log.watermarks().durable >= receipt.end);
        assert_eq!(log.read(receipt.lsn)?.bytes, nth.to_le_bytes().as_slice());
        called += 1;
    }
    assert_eq!(called, 1000);
    println!("{called} callbacks");
    log.close()?;
    Ok(())
}
