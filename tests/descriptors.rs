//! A process with few descriptors: readers give back what they hold, and everything goes on. In a
//! process of its own, since the limit is one of the process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seawall::{Durability, Log, LogView, Lsn, Options, Verdict};

const DESCRIPTORS: u64 = 128;
const LOGS: usize = 4;
const SEGMENTS: usize = 50;

fn options() -> Options {
    Options::new().segment_len(16 << 10).durability(Durability::Os).idle_mark(None)
}

/// Reads every record of the log by address: so its readers hold as many files as they may.
fn read_all(log: &Log, lsns: &[Lsn]) {
    for (nth, &lsn) in lsns.iter().enumerate() {
        assert_eq!(log.read(lsn).unwrap().bytes, vec![u8::try_from(nth % 251).unwrap(); 3000]);
    }
}

fn fill(log: &Log, lsns: &mut Vec<Lsn>, segments: usize) {
    let until = log.segments().len() + segments;
    while log.segments().len() < until {
        lsns.push(log.append(&vec![u8::try_from(lsns.len() % 251).unwrap(); 3000]).unwrap().lsn);
    }
}

#[test]
fn logs_go_on_where_readers_took_the_last_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let limit = Rlimit { current: Some(DESCRIPTORS), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let of = |nth: usize| dir.path().join(format!("log-{nth}"));
    let open = |nth: usize| (Log::open(of(nth), options()).unwrap(), Vec::new());
    let mut logs: Vec<(Log, Vec<Lsn>)> = (0..LOGS).map(open).collect();
    for (log, lsns) in &mut logs {
        fill(log, lsns, SEGMENTS);
    }
    // Four times 50 files, of which 128 at most can be open.
    logs.iter().for_each(|(log, lsns)| read_all(log, lsns));
    for (log, lsns) in &mut logs {
        fill(log, lsns, 3);
    }
    logs.iter().for_each(|(log, lsns)| read_all(log, lsns));
    // A scan of each goes on although its file was taken away.
    let mut scans: Vec<_> = logs.iter().map(|(log, _)| log.scan(Lsn::FIRST).unwrap()).collect();
    for scan in &mut scans {
        assert!(scan.next().unwrap().is_ok());
    }
    logs.iter().for_each(|(log, lsns)| read_all(log, lsns));
    for (scan, (_, lsns)) in scans.into_iter().zip(&logs) {
        assert_eq!(scan.map(Result::unwrap).count(), lsns.len() - 1);
    }
    // So do views, trims, opens, closes.
    logs.iter().for_each(|(log, lsns)| read_all(log, lsns));
    let view = LogView::open(of(0)).unwrap().verify(|_| ()).unwrap();
    assert_eq!(view.verdict, Verdict::Clean);
    for (log, _) in &logs {
        log.trim(log.segments()[5].base()).unwrap();
    }
    logs.iter().for_each(|(log, lsns)| {
        let kept = lsns.iter().filter(|&&lsn| lsn >= log.segments()[0].base());
        assert!(kept.map(|&lsn| log.read(lsn)).all(|read| read.is_ok()));
    });
    let (other, _) = open(LOGS);
    other.append(b"one more").unwrap();
    other.close().unwrap();
    logs.iter().for_each(|(log, _)| log.close().unwrap());
}
