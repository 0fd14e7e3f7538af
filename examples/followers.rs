//! Ten thousand followers on one thread: each is looked at only when there is something for it, and all of
//! them together hold one copy of what is new.
//!
//! `cargo run --release --example followers`

use parking_lot::Mutex;
use seawall::{Durability, Follower, Log, Lsn, Options};
use std::error::Error;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};

const FOLLOWERS: usize = 10_000;
const RECORDS: usize = 20;

/// Who may go on.
struct Ready {
    followers: Mutex<Vec<usize>>,
    thread: Thread,
}

struct Seat {
    nth: usize,
    ready: Arc<Ready>,
}

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.ready.followers.lock().push(self.nth);
        self.ready.thread.unpark();
    }
}

/// Follows them all to the end of the log: how many records they were shown, and how many were cancelled.
fn follow(followers: &mut [(Follower, Waker)], ready: &Ready) -> seawall::Result<(usize, usize)> {
    // Each is looked at once, to leave its waker; then whenever that was called.
    let mut looks: Vec<usize> = (0..followers.len()).collect();
    let (mut open, mut shown, mut cancelled) = (followers.len(), 0, 0);
    while open > 0 {
        for nth in looks.drain(..) {
            let (follower, waker) = &mut followers[nth];
            loop {
                match follower.poll_next(waker) {
                    Poll::Ready(Ok(Some(_))) => shown += 1,
                    // The log is closed.
                    Poll::Ready(Ok(None)) => {
                        open -= 1;
                        break;
                    }
                    Poll::Ready(Err(seawall::Error::Cancelled)) => {
                        (open, cancelled) = (open - 1, cancelled + 1);
                        break;
                    }
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => break,
                }
            }
        }
        if open > 0 {
            looks = std::mem::take(&mut *ready.followers.lock());
            if looks.is_empty() {
                thread::park();
            }
        }
    }
    Ok((shown, cancelled))
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let log = Log::open(scratch.path().join("log"), Options::new())?;
    let ready = Arc::new(Ready { followers: Mutex::new(Vec::new()), thread: thread::current() });
    let mut followers: Vec<(Follower, Waker)> = Vec::with_capacity(FOLLOWERS);
    for nth in 0..FOLLOWERS {
        // Half of them want what no power cut takes, the others what is accepted: they are told at once, and
        // may be told of what a crash takes back.
        let level = if nth % 2 == 0 { Durability::Sync } else { Durability::Buffered };
        let seat = Seat { nth, ready: Arc::clone(&ready) };
        followers.push((log.follow_at(Lsn::FIRST, level)?, Waker::from(Arc::new(seat))));
    }
    // A stop for one of them, which any thread may use.
    let canceller = followers[0].0.canceller();

    let append = || -> seawall::Result<()> {
        for nth in 0..RECORDS {
            log.append(format!("record {nth}").as_bytes())?;
        }
        canceller.cancel();
        log.close()
    };
    let (shown, cancelled) = thread::scope(|scope| -> seawall::Result<_> {
        let appender = scope.spawn(append);
        let outcome = follow(&mut followers, &ready)?;
        appender.join().expect("the appender does not panic")?;
        Ok(outcome)
    })?;
    // Its canceller may come when it has seen the end.
    assert!(cancelled <= 1);
    assert_eq!(shown, FOLLOWERS * RECORDS);
    println!("{FOLLOWERS} followers were shown {RECORDS} records each");
    Ok(())
}
