//! raft-engine: a Raft group for each thread, as it is meant to be used; one file and one sync for
//! all of them. Entries carry their index in front of the record.

use crate::peer::{Abilities, Address, Can, Outcome, Peer, Promise};
use protobuf::well_known_types::BytesValue;
use raft_engine::env::DefaultFileSystem;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// More than any workload has threads.
const GROUPS: usize = 256;

/// How many records a scan asks for at once.
const FETCH: u64 = 1000;

const INDEX_LEN: usize = 8;

/// The engine, and the group of each thread.
pub(super) struct RaftEngine {
    engine: Engine<DefaultFileSystem>,
    sync: bool,
    groups: Vec<Mutex<Group>>,
}

struct Group {
    next: u64,
    batch: LogBatch,
}

/// Tells the engine the index of an entry.
struct Entries;

impl MessageExt for Entries {
    type Entry = BytesValue;

    fn index(entry: &Self::Entry) -> u64 {
        entry.value.first_chunk().map_or(0, |index| u64::from_le_bytes(*index))
    }
}

fn entry(index: u64, record: &[u8]) -> BytesValue {
    let mut value = Vec::with_capacity(INDEX_LEN + record.len());
    value.extend_from_slice(&index.to_le_bytes());
    value.extend_from_slice(record);
    BytesValue { value, ..BytesValue::default() }
}

fn record(entry: &BytesValue) -> &[u8] {
    entry.value.get(INDEX_LEN..).unwrap_or_default()
}

impl RaftEngine {
    fn put(&self, group: usize, records: &[impl AsRef<[u8]>]) -> Outcome<Address> {
        let slot = self.groups.get(group).ok_or("more threads than groups")?;
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let first = slot.next;
        let entries: Vec<_> =
            (first..).zip(records).map(|(index, record)| entry(index, record.as_ref())).collect();
        slot.batch.add_entries::<Entries>(group as u64 + 1, &entries)?;
        self.engine.write(&mut slot.batch, self.sync)?;
        slot.next += entries.len() as u64;
        Ok(Address(group as u64 + 1, first))
    }
}

impl Peer for RaftEngine {
    const NAME: &'static str = "raft-engine";
    const VERSION: &'static str = "0.4.2";
    const NOTE: &'static str = "CRC-32 for each batch; keeps an index of all entries in memory; a \
        group for each thread, so records of two threads have no common order";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::More("write(sync: false): the kernel has it"),
            os: Can::Yes("write(sync: false)"),
            durable: Can::Yes("write(sync: true)"),
            batch_os: Can::Yes("a LogBatch"),
            batch_durable: Can::Yes("a LogBatch"),
            scan: Can::Yes("fetch_entries_to"),
            read: Can::Yes("get_entry"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        let durable = promise == Promise::Durable;
        let config = Config {
            dir: dir.to_str().ok_or("the directory's name is no text")?.to_owned(),
            batch_compression_threshold: ReadableSize(0),
            // Files that were written before, so that a sync moves data and nothing else.
            prefill_for_recycle: durable,
            prefill_limit: durable.then_some(ReadableSize::mb(128)),
            target_file_size: ReadableSize::mb(64),
            ..Config::default()
        };
        let engine = Engine::open(config)?;
        let group = |group: u64| {
            let next = engine.last_index(group + 1).map_or(1, |last| last + 1);
            Mutex::new(Group { next, batch: LogBatch::default() })
        };
        let groups = (0..GROUPS as u64).map(group).collect();
        Ok(Self { sync: durable, groups, engine })
    }

    fn append(&self, thread: usize, record: &[u8]) -> Outcome<Address> {
        self.put(thread, &[record])
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        self.put(0, records).map(drop)
    }

    fn scan(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        for group in 1..=GROUPS as u64 {
            let (first, last) = (self.engine.first_index(group), self.engine.last_index(group));
            let (Some(first), Some(last)) = (first, last) else { continue };
            let mut entries = Vec::new();
            for from in (first..=last).step_by(usize::try_from(FETCH)?) {
                let end = (from + FETCH).min(last + 1);
                entries.clear();
                self.engine.fetch_entries_to::<Entries>(group, from, end, None, &mut entries)?;
                entries.iter().for_each(|entry| each(record(entry)));
            }
        }
        Ok(())
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        let entry = self.engine.get_entry::<Entries>(address.0, address.1)?;
        show(record(&entry.ok_or("the record is not there")?));
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        Ok(self.engine.sync()?)
    }
}
