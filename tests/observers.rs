//! What observers of an open log see, and what they may do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod watched;

use parking_lot::Mutex;
use seawall::observer::{Observer, Recovered, SegmentEvent};
use seawall::storage::Clock;
use seawall::{Durability, Environment, Error, Log, Lsn, Options};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use watched::{Call, On, Watcher};

const SEGMENT: u64 = 32 << 10;
const EIO: i32 = 5;

fn options(level: Durability) -> Options {
    Options::new()
        .segment_len(SEGMENT)
        .first_segment_len(SEGMENT)
        .durability(level)
        .idle_mark(None)
        .zeros_ahead(Some(false))
}

#[derive(Debug)]
enum Saw {
    Opened(Recovered),
    Segment(SegmentEvent),
    Wrote(u64),
    Synced(Duration),
    Trimmed(Lsn),
    Poisoned(Error),
}

/// Keeps all that it sees.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<Saw>>);

impl Observer for Notes {
    fn opened(&self, recovered: &Recovered) {
        self.0.lock().push(Saw::Opened(*recovered));
    }

    fn segment(&self, event: SegmentEvent) {
        self.0.lock().push(Saw::Segment(event));
    }

    fn wrote(&self, bytes: u64, _took: Duration) {
        self.0.lock().push(Saw::Wrote(bytes));
    }

    fn synced(&self, took: Duration) {
        self.0.lock().push(Saw::Synced(took));
    }

    fn trimmed(&self, trim: Lsn) {
        self.0.lock().push(Saw::Trimmed(trim));
    }

    fn poisoned(&self, cause: &(dyn std::error::Error + 'static)) {
        self.0.lock().push(Saw::Poisoned(cause.downcast_ref::<Error>().unwrap().clone()));
    }
}

impl Notes {
    fn taken(&self) -> Vec<Saw> {
        std::mem::take(&mut self.0.lock())
    }
}

/// Each look at it takes a millisecond.
#[derive(Debug, Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn wall(&self) -> Option<Duration> {
        Some(Duration::from_secs(1_000_000_000))
    }
}

#[test]
fn segments_are_begun_closed_sealed_and_removed_in_this_order_with_their_numbers() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let notes = Arc::new(Notes::default());
    let (environment, watcher) = Watcher::environment(dir.path());
    let environment =
        environment.threads(false).clock(Arc::new(Ticking::default())).observer(notes.clone());
    let log = Log::open_in(environment, options(Durability::Os)).unwrap();
    let [Saw::Opened(opened)] = &notes.taken()[..] else { panic!("it is opened, no more") };
    assert_eq!((opened.log, opened.created, opened.segments), (log.id(), true, 0));
    assert_eq!(log.wall_clock(), Some(Duration::from_secs(1_000_000_000)));
    while log.segments().len() < 6 {
        log.append(&[7; 3000]).unwrap();
    }
    log.tend().unwrap();
    let segments = log.segments();
    let trim = segments[4].base();
    let trimmed = log.trim(trim).unwrap();
    assert_eq!(trimmed.files, 4);
    let end = log.watermarks().written;

    let (mut steps, mut wrote, mut syncs, mut trims) = (BTreeMap::new(), 0, 0, Vec::new());
    let mut last_begun = None;
    for saw in notes.taken() {
        match saw {
            Saw::Segment(event) => {
                let (number, span) = (event.span().number, event.span());
                let of: &mut Vec<_> = steps.entry(number).or_default();
                let step = match event {
                    SegmentEvent::Begun(_) => {
                        assert!(last_begun < Some(number));
                        last_begun = Some(number);
                        assert_eq!(span.base, span.end);
                        "begun"
                    }
                    SegmentEvent::Closed(_) => "closed",
                    SegmentEvent::Sealed(_) => "sealed",
                    SegmentEvent::Removed { .. } => "removed",
                    other => panic!("{other:?}"),
                };
                of.push(step);
                let nth = segments.iter().position(|segment| segment.number() == number).unwrap();
                assert_eq!(span.base, segments[nth].base());
                if step != "begun" {
                    assert_eq!(Some(span.end), segments[nth].closed.map(|end| end.lsn), "{step}");
                }
                if matches!(step, "sealed" | "removed") {
                    assert_eq!(span.bytes, segments[nth].file_len, "{step}");
                }
            }
            Saw::Wrote(bytes) => wrote += bytes,
            Saw::Synced(took) => {
                assert_eq!(took, Duration::from_millis(1), "by the clock of the environment");
                syncs += 1;
            }
            Saw::Trimmed(trim) => trims.push(trim),
            other => panic!("{other:?}"),
        }
    }
    let all: Vec<_> = steps.into_values().collect();
    let (removed, left) = all.split_at(4);
    assert!(removed.iter().all(|steps| steps == &["begun", "closed", "sealed", "removed"]));
    assert_eq!(left, [vec!["begun", "closed", "sealed"], vec!["begun"]]);
    assert_eq!(wrote, end.get(), "each byte of the log was written once");
    // All but those of the headers, of which the first is written before its file has its name.
    let headers = segments.len() as u64 - 1;
    assert_eq!(syncs, watcher.take_counts().of(On::Segment, Call::SyncData) - headers);
    assert_eq!(trims, [trim]);

    log.close().unwrap();
    assert!(notes.taken().iter().all(|saw| matches!(saw, Saw::Wrote(_) | Saw::Synced(_))));
}

#[test]
fn a_log_that_stopped_is_reported_once_with_its_reason() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let notes = Arc::new(Notes::default());
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment.observer(notes.clone()), options(Durability::Sync)).unwrap();
    log.append(b"durable").unwrap();
    watcher.fail(On::Segment, Call::SyncData, EIO);
    for _ in 0..3 {
        assert!(log.append(b"not durable").unwrap_err().is_poisoned());
    }
    watcher.stop_failing();
    assert!(log.close().unwrap_err().is_poisoned());
    drop(log);
    let poisoned: Vec<_> = notes
        .taken()
        .into_iter()
        .filter_map(|saw| if let Saw::Poisoned(error) = saw { Some(error) } else { None })
        .collect();
    let [Error::Poisoned { cause }] = &poisoned[..] else { panic!("{poisoned:?}") };
    assert_eq!(cause.raw_os_error(), Some(EIO));
}

/// Panics at the nth event, whatever it is.
#[derive(Debug)]
struct Panics {
    left: AtomicU64,
    calls: AtomicU64,
}

impl Panics {
    fn call(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        assert_ne!(self.left.fetch_sub(1, Ordering::SeqCst), 0, "an observer that panics");
    }
}

impl Observer for Panics {
    fn opened(&self, _recovered: &Recovered) {
        self.call();
    }

    fn segment(&self, _event: SegmentEvent) {
        self.call();
    }

    fn wrote(&self, _bytes: u64, _took: Duration) {
        self.call();
    }

    fn synced(&self, _took: Duration) {
        self.call();
    }

    fn trimmed(&self, _trim: Lsn) {
        self.call();
    }
}

#[test]
fn an_observer_that_panics_at_any_event_takes_nothing_from_the_log() {
    for level in [Durability::Os, Durability::Sync] {
        for nth in 0..12 {
            let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let panics = Arc::new(Panics { left: AtomicU64::new(nth), calls: AtomicU64::new(0) });
            let notes = Arc::new(Notes::default());
            let environment = Environment::real(dir.path()).unwrap();
            let environment = environment.observer(panics.clone()).observer(notes.clone());
            let log = Log::open_in(environment, options(level)).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        for _ in 0..15 {
                            log.append(&[1; 3000]).unwrap();
                        }
                    });
                }
            });
            log.trim(log.segments()[2].base()).unwrap();
            log.sync().unwrap();
            assert_eq!(log.scan(log.first()).unwrap().filter(Result::is_err).count(), 0);
            log.close().unwrap();
            assert_eq!(panics.calls.load(Ordering::SeqCst), nth + 1);
            let saw = notes.taken();
            assert!(saw.iter().any(|saw| matches!(saw, Saw::Trimmed(_))), "{saw:?}");
        }
    }
}

/// Appends a record for each segment that begins, and trims to it when it is sealed.
#[derive(Debug, Default)]
struct Keeper {
    log: OnceLock<Log>,
    begun: Mutex<Vec<Lsn>>,
}

impl Observer for Keeper {
    fn segment(&self, event: SegmentEvent) {
        let log = self.log.get().unwrap();
        match event {
            SegmentEvent::Begun(_) => {
                let note = log.append_at(b"a segment begins", Durability::Sync).unwrap();
                self.begun.lock().push(note.lsn);
                let hold = log.hold("keeper", note.lsn).unwrap();
                assert!(log.stats().segments > 0);
                drop(hold);
            }
            // By the close, too, which waits for it.
            SegmentEvent::Sealed(span) => match log.trim(span.base) {
                Ok(_) | Err(Error::Closed) => {}
                Err(error) => panic!("{error}"),
            },
            _ => {}
        }
    }
}

#[test]
fn an_observer_may_append_and_trim_from_within_an_event() {
    for (level, threads) in
        [(Durability::Buffered, false), (Durability::Os, true), (Durability::Sync, true)]
    {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let keeper = Arc::new(Keeper::default());
        let environment = Environment::real(dir.path()).unwrap().threads(threads);
        let log = Log::open_in(environment.observer(keeper.clone()), options(level)).unwrap();
        keeper.log.set(log.clone()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..40 {
                        log.append(&[1; 3000]).unwrap();
                    }
                });
            }
        });
        log.tend().unwrap();
        log.close().unwrap();
        let begun = keeper.begun.lock().clone();
        assert!(begun.len() > 5, "{begun:?}");
        assert!(begun.is_sorted());
        drop(log);
        let log = Log::open(dir.path(), options(level)).unwrap();
        assert!(log.first() > Lsn::FIRST);
        for lsn in begun.into_iter().filter(|lsn| *lsn >= log.first()) {
            assert_eq!(log.read(lsn).unwrap().bytes, "a segment begins");
        }
        log.close().unwrap();
    }
}
