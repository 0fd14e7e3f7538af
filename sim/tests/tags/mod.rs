//! Tags by every way of writing and reading that drawn runs seldom take: records and batches so long
//! that they are made into frames apart, or read the thorough way.

use super::repairs::{options, settled};
use seawall::{Batch, Durability, Failures, Log, LogView, Lsn, Record, Tag};
use seawall_sim::{CrashKind, Seed, SimDisk, environment};

/// Longer than what is read the quick way.
const LONG: usize = (1 << 20) + 5000;

fn answered<T>(what: &str, answer: seawall::Result<T>) -> Result<T, String> {
    answer.map_err(|error| format!("{what}: {error:?}"))
}

fn expect(what: &str, found: &[(Tag, u8)], expected: &[(Tag, u8)]) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("G1: {what}: {found:?}, not {expected:?}")) }
}

/// Its tag, and the first byte, by which it is known here.
fn of(record: &Record) -> (Tag, u8) {
    (record.tag, record.bytes.first().copied().unwrap_or(0))
}

/// # Errors
/// The way of reading that gives another tag.
pub(crate) fn come_back() -> Result<(), String> {
    let disk = SimDisk::new(Seed::new(1));
    let options = options().segment_len(8 << 20).buffer_max(1 << 20);
    let log = answered("open", Log::open_in(environment(&disk, 1), options.clone()))?;
    let tag = Tag::new;
    let long = |byte: u8| vec![byte; LONG];
    let mut expected = Vec::new();
    let mut addresses = Vec::new();
    for (number, record) in [(7, vec![b'a'; 100]), (0x1234, long(b'b')), (0, vec![b'c'; 100])] {
        expected.push((tag(number), record[0]));
        let receipt = answered("append", log.append_tagged(tag(number), &record))?;
        addresses.push(receipt.lsn);
        // Not durable yet, or not even written, and read by its address.
        let read = answered("read", log.read(receipt.lsn))?;
        expect("a read by address", &[of(&read)], &expected[expected.len() - 1..])?;
    }
    let at = Durability::Buffered;
    for batch in [
        vec![(tag(1), vec![b'd'; 10]), (tag(1), vec![b'e'; 10]), (tag(2), vec![b'f'; 10])],
        vec![(tag(3), long(b'g')), (tag(3), vec![b'h'; 10]), (tag(0xffff), vec![b'i'; 10])],
    ] {
        let wanted: Vec<_> = batch.iter().map(|(tag, record)| (*tag, record[0])).collect();
        let receipt = answered("append", log.append_batch_tagged_at(&batch, at))?;
        let read = answered("read", log.read_batch(receipt.lsn))?;
        expect("a batch by address", &read.iter().map(of).collect::<Vec<_>>(), &wanted)?;
        for (nth, wanted) in (0..).zip(&wanted) {
            let one = answered("read", log.read_in_batch(receipt.lsn, nth))?;
            expect("a record of a batch", &[of(&one)], &[*wanted])?;
        }
        expected.extend(wanted);
    }
    let mut batch = Batch::new();
    batch.push_tagged(tag(5), &[b"j", b"oined"]).push(b"k").push_tagged(tag(6), &[b"l"]);
    let submitted = log.submit(&batch, Durability::Sync, Failures::ANY);
    let ticket = submitted.map_err(|refused| format!("submit: {refused:?}"))?;
    answered("wait", ticket.wait(Durability::Sync))?;
    for (nth, wanted) in (0..).zip([(tag(5), b'j'), (Tag::NONE, b'k'), (tag(6), b'l')]) {
        let (lsn, index) = ticket.place(nth).ok_or("a ticket knows no place")?;
        let one = answered("read", log.read_in_batch(lsn, index))?;
        expect("a record of a ticket", &[of(&one)], &[wanted])?;
        expected.push(wanted);
    }
    answered("sync", log.sync())?;
    let many: Result<Vec<_>, _> = log.read_many(&addresses).into_iter().collect();
    let many: Vec<_> = answered("read", many)?.iter().map(of).collect();
    expect("many addresses", &many, &expected[..3])?;
    all("a scan", answered("scan", log.scan(Lsn::FIRST))?.collect(), &expected)?;
    let mut follower = answered("follow", log.follow(Lsn::FIRST))?;
    let mut followed = Vec::new();
    while let Some(record) = answered("follow", follower.try_next())? {
        followed.push(Ok(record));
    }
    all("a follower", followed, &expected)?;
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = settled(&disk);
    let view = answered("view", LogView::open_in(&environment(&disk, 2)))?;
    all("a view", answered("scan", view.scan(Lsn::FIRST))?.collect(), &expected)?;
    let log = answered("open", Log::open_in(environment(&disk, 3), options))?;
    all("a scan after an open", answered("scan", log.scan(Lsn::FIRST))?.collect(), &expected)
}

fn all(
    what: &str,
    found: Vec<seawall::Result<Record>>,
    expected: &[(Tag, u8)],
) -> Result<(), String> {
    let found: Result<Vec<_>, _> = found.into_iter().collect();
    expect(what, &answered(what, found)?.iter().map(of).collect::<Vec<_>>(), expected)
}
