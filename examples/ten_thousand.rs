//! Ten thousand clients wait for their appends on one thread, and each is looked at only when its own
//! record is durable.
//!
//! `cargo run --release --example ten_thousand`

use parking_lot::Mutex;
use seawall::{Batch, Durability, Failures, Log, Options, Refused, Ticket};
use std::error::Error;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};

const CLIENTS: usize = 10_000;

/// Who may go on.
struct Ready {
    clients: Mutex<Vec<usize>>,
    thread: Thread,
}

struct Client {
    nth: usize,
    ready: Arc<Ready>,
}

impl Wake for Client {
    fn wake(self: Arc<Self>) {
        self.ready.clients.lock().push(self.nth);
        self.ready.thread.unpark();
    }
}

fn submit(log: &Log, record: &[u8]) -> seawall::Result<Ticket> {
    let mut batch = Batch::new();
    batch.push(record);
    loop {
        match log.submit(&batch, Durability::Sync, Failures::ANY) {
            Ok(ticket) => return Ok(ticket),
            Err(Refused::Busy { need }) => log.wait_room(need)?,
            Err(Refused::Never(error)) => return Err(error),
            Err(refused) => unreachable!("no failure is too old for it: {refused}"),
        }
    }
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let log = Log::open(scratch.path().join("log"), Options::new())?;
    let ready = Arc::new(Ready { clients: Mutex::new(Vec::new()), thread: thread::current() });
    let mut tickets: Vec<(Ticket, Waker)> = Vec::with_capacity(CLIENTS);
    for nth in 0..CLIENTS {
        let client = Client { nth, ready: Arc::clone(&ready) };
        let ticket = submit(&log, &(nth as u64).to_le_bytes())?;
        tickets.push((ticket, Waker::from(Arc::new(client))));
    }

    // Each is looked at once, to leave its waker; then whenever that was called.
    let mut looks: Vec<usize> = (0..CLIENTS).collect();
    let (mut durable, mut polls) = (0, 0);
    while durable < CLIENTS {
        for nth in looks.drain(..) {
            let (ticket, waker) = &mut tickets[nth];
            polls += 1;
            if let Poll::Ready(outcome) = ticket.poll(Durability::Sync, waker) {
                outcome?;
                durable += 1;
            }
        }
        if durable < CLIENTS {
            looks = std::mem::take(&mut *ready.clients.lock());
            if looks.is_empty() {
                thread::park();
            }
        }
    }

    let (last, _) = &tickets[CLIENTS - 1];
    assert!(log.watermarks().durable >= last.end());
    assert!(polls <= 2 * CLIENTS, "nobody is asked in vain: {polls}");
    println!("{CLIENTS} clients are answered after {polls} polls");
    log.close()?;
    Ok(())
}
