//! The end of an interval while another thread is at the disk, on threads of the log's own and on shared ones.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod watched;

use parking_lot::{Condvar, Mutex};
use seawall::storage::Clock;
use seawall::{Durability, Error, Log, Options, Threads};
use std::sync::Arc;
use std::time::Duration;
use watched::{Call, On, Watcher};

const INTERVAL: Duration = Duration::from_millis(2);
const EIO: i32 = 5;

/// A clock that the test sets, and that counts how often it was asked since then.
#[derive(Debug, Default)]
struct Hand {
    now: Mutex<(Duration, usize)>,
    asked: Condvar,
}

impl Hand {
    fn go_on(&self, time: Duration) {
        let mut now = self.now.lock();
        *now = (now.0 + time, 0);
    }

    fn wait_until_asked(&self, times: usize) {
        let mut now = self.now.lock();
        while now.1 < times {
            self.asked.wait(&mut now);
        }
    }
}

impl Clock for Hand {
    fn now(&self) -> Duration {
        let mut now = self.now.lock();
        now.1 += 1;
        self.asked.notify_all();
        now.0
    }
}

#[test]
fn a_write_that_fails_meanwhile_leaves_no_record_of_others_unsynced() {
    for share in [false, true] {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (mut environment, watcher) = Watcher::environment(dir.path());
        let clock = Arc::new(Hand::default());
        environment.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        if share {
            environment.shared_threads = Some(Threads::new(2).unwrap());
        }
        let options = Options::new().durability(Durability::Interval(INTERVAL)).idle_mark(None);
        let log = Log::open_in(environment, options).unwrap();
        let kept = log.append(b"written, and to be synced").unwrap();
        std::thread::scope(|scope| {
            watcher.hold(On::Segment, Call::Write);
            let fails = scope.spawn(|| log.append(b"its write fails"));
            watcher.wait_for_held(On::Segment, Call::Write);
            // The interval is over. It is noticed at one look at the clock, and at the next one the thread that
            // keeps the deadlines has found the disk to be taken.
            clock.go_on(10 * INTERVAL);
            clock.wait_until_asked(2);
            watcher.fail(On::Segment, Call::Write, EIO);
            watcher.release(On::Segment, Call::Write);
            assert!(matches!(fails.join().unwrap(), Err(Error::Io { .. })));
        });
        watcher.stop_failing();
        while log.watermarks().durable < kept.end {
            clock.go_on(INTERVAL);
            std::thread::yield_now();
        }
        log.close().unwrap();
    }
}
