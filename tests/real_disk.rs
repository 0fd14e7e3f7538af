//! The log on a real disk, through its public face only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall::{Durability, Log, LogView, Lsn, Options, Verdict};

fn small() -> Options {
    Options::new().segment_len(32 << 10).buffer_max(64 << 10)
}

fn collect(log: &Log) -> Vec<Vec<u8>> {
    log.scan(Lsn::FIRST).unwrap().map(|record| record.unwrap().bytes.to_vec()).collect()
}

#[test]
fn what_was_appended_is_read_back_across_segments_and_opens() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for run in 0..4_u8 {
        let log = Log::open(dir.path(), small()).unwrap();
        assert_eq!(log.report().clean, run > 0, "{}", log.report());
        assert_eq!(collect(&log), expected);
        for index in 0..200_u8 {
            let record = vec![index ^ run; usize::from(index) * 7];
            let receipt = log.append(&record).unwrap();
            assert_eq!(log.read(receipt.lsn).unwrap().bytes, record);
            expected.push(record);
        }
        let batch: Vec<Vec<u8>> = (0..50).map(|n| vec![n; 3000]).collect();
        log.append_batch(&batch).unwrap();
        expected.extend(batch);
        assert_eq!(collect(&log), expected);
        log.close().unwrap();
    }
    let mut view = LogView::open(dir.path()).unwrap();
    let found = view.verify(|_| {}).unwrap();
    assert_eq!(found.verdict, Verdict::Clean, "{found:?}");
    assert_eq!(found.records, expected.len() as u64);
}

#[test]
fn levels_batches_and_unclean_ends_keep_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for level in [Durability::Buffered, Durability::Os, Durability::Sync] {
        let log = Log::open(dir.path(), small().durability(level)).unwrap();
        for index in 0..500_u32 {
            let record = index.to_le_bytes().repeat(20);
            log.append(&record).unwrap();
            expected.push(record);
        }
        log.sync().unwrap();
        assert_eq!(collect(&log), expected);
        // No clean close: the thread and the lock go with the handle.
        drop(log);
    }
    let log = Log::open(dir.path(), small()).unwrap();
    assert_eq!(collect(&log), expected);
}
