//! Observers that take too long, panic, or cause what they see.

#![allow(clippy::panic, reason = "that is what an observer does here")]

use super::*;
use crate::storage::latch::Mutex;

/// Lets more happen while it looks at an event of three bytes, and counts what it sees.
#[derive(Debug, Default)]
struct Busy {
    of: Mutex<Option<Arc<Observing>>>,
    wrote: AtomicU64,
    missed: Mutex<Vec<u64>>,
    nested: u64,
}

impl Observer for Busy {
    fn wrote(&self, bytes: u64, _took: Duration) {
        self.wrote.fetch_add(1, Ordering::SeqCst);
        if bytes == 3 {
            let of = self.of.lock().clone().unwrap();
            for _ in 0..self.nested {
                of.wrote(1, Duration::ZERO);
            }
            // As a call of the log from within an event does.
            of.deliver();
        }
    }

    fn missed(&self, events: u64) {
        self.missed.lock().push(events);
    }
}

#[derive(Debug, Default)]
struct Panics(AtomicU64);

impl Observer for Panics {
    fn wrote(&self, _bytes: u64, _took: Duration) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("an observer that panics");
    }
}

fn observing(observers: Vec<Arc<dyn Observer>>) -> Arc<Observing> {
    let dir = tempfile::tempdir().unwrap();
    let environment = Environment::existing(dir.path()).unwrap();
    Observing::of(&Environment { observers, ..environment }).unwrap()
}

#[test]
fn what_an_observer_causes_comes_after_what_it_looks_at() {
    let busy = Arc::new(Busy { nested: 10, ..Busy::default() });
    let observing = observing(vec![busy.clone()]);
    *busy.of.lock() = Some(Arc::clone(&observing));
    observing.wrote(3, Duration::ZERO);
    observing.wrote(2, Duration::ZERO);
    assert_eq!(busy.wrote.load(Ordering::SeqCst), 0, "noted, and not delivered");
    observing.deliver();
    assert_eq!(busy.wrote.load(Ordering::SeqCst), 12);
    assert!(busy.missed.lock().is_empty());
    *busy.of.lock() = None;
}

#[test]
fn events_that_find_no_room_are_counted_and_reported() {
    let nested = WAITING_MAX as u64 + 7;
    let busy = Arc::new(Busy { nested, ..Busy::default() });
    let observing = observing(vec![busy.clone()]);
    *busy.of.lock() = Some(Arc::clone(&observing));
    observing.wrote(3, Duration::ZERO);
    observing.deliver();
    assert_eq!(busy.wrote.load(Ordering::SeqCst), 1 + WAITING_MAX as u64);
    assert_eq!(*busy.missed.lock(), [7]);
    *busy.of.lock() = None;
}

#[test]
fn an_observer_that_panics_is_called_once_and_the_others_as_ever() {
    let (panics, busy) = (Arc::new(Panics::default()), Arc::new(Busy::default()));
    let observing = observing(vec![panics.clone(), busy.clone()]);
    for _ in 0..5 {
        observing.wrote(1, Duration::ZERO);
        observing.deliver();
    }
    assert_eq!(panics.0.load(Ordering::SeqCst), 1);
    assert_eq!(busy.wrote.load(Ordering::SeqCst), 5);
}

#[test]
fn nothing_is_kept_where_nobody_looks() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Observing::of(&Environment::real(dir.path()).unwrap()).is_none());
}
