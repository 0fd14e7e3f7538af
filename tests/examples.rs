//! The examples run, and the async one under two executors that have nothing in common.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "counts the threads of this process")]

mod executor;

#[path = "../examples/async_append.rs"]
mod async_append;
#[path = "../examples/flush_callback.rs"]
mod flush_callback;
#[path = "../examples/followers.rs"]
mod followers;
#[path = "../examples/retention.rs"]
mod retention;
#[path = "../examples/ten_thousand.rs"]
mod ten_thousand;

use executor::{block_on, join_all};
use seawall::{Error, Log, Lsn, Options, Receipt};
use std::collections::BTreeSet;

#[test]
fn every_example_of_waiting_and_of_retention_runs_to_its_end() {
    retention::main().unwrap();
    flush_callback::main().unwrap();
    ten_thousand::main().unwrap();
    followers::main().unwrap();
    async_append::main().unwrap();
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn opened() -> (tempfile::TempDir, Log) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = Log::open(dir.path(), Options::new().segment_len(1 << 20)).unwrap();
    (dir, log)
}

/// All records of the clients are there, once, and those of a client are in order.
fn check(log: &Log, clients: u32, records: u32, last: &[Receipt]) {
    let ends: BTreeSet<_> = last.iter().map(|receipt| receipt.end).collect();
    assert_eq!(ends.len(), clients as usize);
    assert!(ends.last() <= Some(&log.watermarks().durable));
    let mut next = vec![0; clients as usize];
    for record in log.scan(Lsn::FIRST).unwrap() {
        let text = String::from_utf8(record.unwrap().bytes.to_vec()).unwrap();
        let words: Vec<_> = text.split(' ').collect();
        let (nth, client): (u32, usize) = (words[1].parse().unwrap(), words[4].parse().unwrap());
        assert_eq!(next[client], nth, "{text}");
        next[client] += 1;
    }
    assert!(next.iter().all(|&count| count == records), "{next:?}");
}

#[test]
fn async_appends_run_under_an_executor_of_fifty_lines() {
    const CLIENTS: u32 = 200;
    let (_dir, log) = opened();
    let clients = (0..CLIENTS).map(|nth| async_append::client(log.clone(), nth, 5));
    let last: Result<Vec<_>, Error> = block_on(join_all(clients)).into_iter().collect();
    check(&log, CLIENTS, 5, &last.unwrap());
    log.close().unwrap();
}

#[test]
fn async_appends_run_under_tokio_and_take_no_thread_of_their_own() {
    const CLIENTS: u32 = 2000;
    for workers in [None, Some(2)] {
        let (_dir, log) = opened();
        let runtime = match workers {
            None => tokio::runtime::Builder::new_current_thread().build().unwrap(),
            Some(workers) => {
                tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap()
            }
        };
        let last = runtime.block_on(async {
            let client = |nth| tokio::spawn(async_append::client(log.clone(), nth, 3));
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            tokio::task::yield_now().await;
            // Other tests of this process have theirs, too: a few, and not one for each client.
            assert!(threads() < 100, "{} threads", threads());
            let mut last = Vec::new();
            for client in clients {
                last.push(client.await.unwrap().unwrap());
            }
            last
        });
        check(&log, CLIENTS, 3, &last);
        log.close().unwrap();
    }
}

#[test]
fn a_task_that_is_cancelled_takes_no_other_along() {
    let (_dir, log) = opened();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for nth in 0..50 {
            let cancelled = tokio::spawn(async_append::client(log.clone(), 1000 + nth, 1000));
            let kept = tokio::spawn(async_append::client(log.clone(), nth, 5));
            tokio::task::yield_now().await;
            cancelled.abort();
            assert!(cancelled.await.unwrap_err().is_cancelled());
            kept.await.unwrap().unwrap();
        }
    });
    log.close().unwrap();
    assert!(matches!(block_on(async_append::append(&log, b"later")), Err(Error::Closed)));
}
