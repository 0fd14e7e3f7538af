//! One contract, two disks: the same calls give the same answers on the real disk and on a
//! simulated one on which nothing goes wrong.
//!
//! What the contract leaves open is not compared: how much one call moves (so data goes
//! through `read_full` and `write_full`), the order of a listing, and whether pages were seen
//! to leave. The calls are drawn from a fixed seed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use seawall::storage::{
    DirLock, EntryKind, OpenMode, Posix, Storage, StorageFile, read_full, write_full,
};
use seawall_sim::{CallNoise, Seed, SimDisk};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;

/// How many descriptors are open at most.
const SLOTS: usize = 3;

/// One call.
#[derive(Clone, Debug)]
enum Step {
    Open(usize, String, OpenMode),
    Close(usize),
    Write(usize, u64, Vec<Vec<u8>>),
    WriteNothing(usize),
    Read(usize, u64, usize),
    ReadVectored(usize, u64, Vec<usize>),
    SetLen(usize, u64),
    Allocate(usize, u64, u64),
    Len(usize),
    SyncData(usize),
    SyncAll(usize),
    Evict(usize),
    Rename(String, String),
    Remove(String),
    List,
    SyncDir,
    Lock,
    Unlock,
}

/// What a call answered, as far as the contract says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Done,
    NoDescriptor,
    Bytes(Vec<u8>),
    Len(u64),
    Names(Vec<(String, EntryKind)>),
}

/// A disk, and what is open on it.
struct Side {
    storage: Arc<dyn Storage>,
    slots: Vec<Option<Arc<dyn StorageFile>>>,
    lock: Option<Box<dyn DirLock>>,
}

impl Side {
    fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, slots: (0..SLOTS).map(|_| None).collect(), lock: None }
    }

    /// The answer, or the errno.
    fn make(&mut self, step: &Step) -> Result<Answer, Option<i32>> {
        self.call(step).map_err(|error| error.raw_os_error())
    }

    fn call(&mut self, step: &Step) -> io::Result<Answer> {
        match step {
            Step::Open(slot, name, mode) => {
                let file = self.storage.open(name, *mode)?;
                self.slots[*slot] = Some(file);
            }
            Step::Close(slot) => self.slots[*slot] = None,
            Step::Rename(from, to) => self.storage.rename(from, to)?,
            Step::Remove(name) => self.storage.remove(name)?,
            Step::List => {
                let entries = self.storage.list()?.into_iter();
                let mut names: Vec<_> = entries.map(|entry| (entry.name, entry.kind)).collect();
                names.sort_by(|a, b| a.0.cmp(&b.0));
                return Ok(Answer::Names(names));
            }
            Step::SyncDir => self.storage.sync_dir()?,
            // A second one must be refused, so the first is not let go.
            Step::Lock => {
                let lock = self.storage.lock()?;
                self.lock = Some(lock);
            }
            Step::Unlock => self.lock = None,
            Step::Write(slot, ..)
            | Step::WriteNothing(slot)
            | Step::Read(slot, ..)
            | Step::ReadVectored(slot, ..)
            | Step::SetLen(slot, ..)
            | Step::Allocate(slot, ..)
            | Step::Len(slot)
            | Step::SyncData(slot)
            | Step::SyncAll(slot)
            | Step::Evict(slot) => match &self.slots[*slot] {
                Some(file) => return on_file(&**file, step),
                None => return Ok(Answer::NoDescriptor),
            },
        }
        Ok(Answer::Done)
    }
}

fn on_file(file: &dyn StorageFile, step: &Step) -> io::Result<Answer> {
    match step {
        Step::Write(_, offset, parts) => {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            write_full(file, *offset, &parts)?;
        }
        Step::WriteNothing(_) => {
            let count = file.write_at(3, &[IoSlice::new(b"")])?;
            assert_eq!((count, file.write_at(3, &[])?), (0, 0));
        }
        Step::Read(_, offset, len) => {
            let mut bytes = vec![7; *len];
            let count = read_full(file, *offset, &mut bytes)?;
            bytes.truncate(count);
            return Ok(Answer::Bytes(bytes));
        }
        Step::ReadVectored(_, offset, lens) => return read_vectored(file, *offset, lens),
        Step::SetLen(_, len) => file.set_len(*len)?,
        Step::Allocate(_, offset, len) => file.allocate(*offset, *len)?,
        Step::Len(_) => {
            assert_eq!(file.is_empty()?, file.len()? == 0);
            return Ok(Answer::Len(file.len()?));
        }
        Step::SyncData(_) => file.sync_data()?,
        Step::SyncAll(_) => file.sync_all()?,
        Step::Evict(_) => {
            // Only clean pages leave, so that nothing may change after a sync.
            file.sync_all()?;
            file.evict()?;
        }
        _ => unreachable!("the other steps are no calls on a file"),
    }
    Ok(Answer::Done)
}

/// One vectored call, completed by plain ones where it came up short.
fn read_vectored(file: &dyn StorageFile, offset: u64, lens: &[usize]) -> io::Result<Answer> {
    let mut buffers: Vec<Vec<u8>> = lens.iter().map(|len| vec![7; *len]).collect();
    let mut slices: Vec<IoSliceMut<'_>> =
        buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
    let count = loop {
        match file.read_at(offset, &mut slices) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    let mut bytes = buffers.concat();
    assert!(bytes[count..].iter().all(|byte| *byte == 7), "bytes past the count are untouched");
    let rest = u64::try_from(count).unwrap();
    let more = read_full(file, offset.saturating_add(rest), &mut bytes[count..])?;
    assert!(count > 0 || more == 0, "0 only at the end");
    bytes.truncate(count + more);
    Ok(Answer::Bytes(bytes))
}

/// Whatever is there now, seen through fresh descriptors.
fn compare_all(real: &mut Side, sim: &mut Side) {
    let names = real.make(&Step::List);
    assert_eq!(names, sim.make(&Step::List), "at the end: names");
    let Ok(Answer::Names(names)) = names else { panic!("a listing") };
    for (name, _) in names {
        let open = Step::Open(0, name.clone(), OpenMode::Read);
        assert_eq!(real.make(&open), sim.make(&open));
        let len = real.make(&Step::Len(0));
        assert_eq!(len, sim.make(&Step::Len(0)), "at the end: length of {name:?}");
        let Ok(Answer::Len(len)) = len else { panic!("a length") };
        for step in [Step::Read(0, 0, 100_000), Step::Read(0, len.saturating_sub(9000), 10_000)] {
            assert!(real.make(&step) == sim.make(&step), "at the end: bytes of {name:?}");
        }
    }
}

/// How often each kind of call had each kind of answer: `"Write Done"`, `"Open errno 17"`.
type Tally = BTreeMap<String, u32>;

fn tally(tally: &mut Tally, step: &Step, answer: &Result<Answer, Option<i32>>) {
    let step = format!("{step:?}");
    let step = step.split('(').next().unwrap_or_default();
    let answer = match answer {
        Ok(Answer::Done) => "done".to_owned(),
        Ok(Answer::NoDescriptor) => "no descriptor".to_owned(),
        Ok(Answer::Bytes(bytes)) if bytes.is_empty() => "no bytes".to_owned(),
        Ok(Answer::Bytes(_)) => "bytes".to_owned(),
        Ok(Answer::Len(_)) => "length".to_owned(),
        Ok(Answer::Names(_)) => "names".to_owned(),
        Err(errno) => format!("errno {}", errno.unwrap_or_default()),
    };
    *tally.entry(format!("{step}: {answer}")).or_default() += 1;
}

fn run(dir: &std::path::Path, noise: CallNoise, steps: &[Step]) -> Tally {
    let disk = SimDisk::new(Seed::new(1));
    disk.set_call_noise(noise);
    let _ = std::fs::remove_dir_all(dir);
    let mut real = Side::new(Arc::new(Posix::create(dir).unwrap()));
    let mut sim = Side::new(Arc::new(disk));
    let mut answers = Tally::new();
    for (nth, step) in steps.iter().enumerate() {
        let (expected, got) = (real.make(step), sim.make(step));
        tally(&mut answers, step, &expected);
        assert!(got == expected, "call {nth}, {step:?}: real {expected:?}, simulated {got:?}");
    }
    compare_all(&mut real, &mut sim);
    answers
}

fn slot() -> impl Strategy<Value = usize> {
    0..SLOTS
}

fn mode() -> impl Strategy<Value = OpenMode> {
    prop_oneof![
        1 => Just(OpenMode::Read),
        3 => Just(OpenMode::Write),
        4 => Just(OpenMode::Create),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => Just("a".to_owned()),
        5 => Just("b".to_owned()),
        3 => Just("00000001.log".to_owned()),
        1 => Just("s\u{e9}gment \u{1f30a}\n".to_owned()),
        1 => Just("n".repeat(255)),
        1 => prop::sample::select(vec!["", ".", "..", "a/b", "/a", "a/", "a\0b", "missing"])
            .prop_map(str::to_owned),
        1 => Just("n".repeat(256)),
    ]
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..20_000_u64,
        3 => (0..6_u64, 0..3_u64).prop_map(|(page, by)| (page * 4096 + by).saturating_sub(1)),
        1 => Just(5 << 32),
    ]
}

fn part() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), prop_oneof![Just(0), 1..20_usize, 500..6000_usize]).prop_map(|(first, len)| {
        std::iter::successors(Some(first), |byte| Some(byte.wrapping_mul(5).wrapping_add(3)))
            .take(len)
            .collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let len = || prop_oneof![8 => offset(), 1 => Just(0), 1 => Just(u64::MAX)];
    prop_oneof![
        10 => (slot(), name(), mode()).prop_map(|(slot, name, mode)| Step::Open(slot, name, mode)),
        2 => slot().prop_map(Step::Close),
        10 => (slot(), offset(), prop::collection::vec(part(), 0..5))
            .prop_map(|(slot, offset, parts)| Step::Write(slot, offset, parts)),
        1 => slot().prop_map(Step::WriteNothing),
        8 => (slot(), len(), 0..20_000_usize)
            .prop_map(|(slot, offset, len)| Step::Read(slot, offset, len)),
        4 => (slot(), len(), prop::collection::vec(0..5000_usize, 0..5))
            .prop_map(|(slot, offset, lens)| Step::ReadVectored(slot, offset, lens)),
        3 => (slot(), len()).prop_map(|(slot, len)| Step::SetLen(slot, len)),
        3 => (slot(), len(), prop_oneof![8 => 1..30_000_u64, 1 => Just(0)])
            .prop_map(|(slot, offset, len)| Step::Allocate(slot, offset, len)),
        3 => slot().prop_map(Step::Len),
        1 => slot().prop_map(Step::SyncData),
        1 => slot().prop_map(Step::SyncAll),
        1 => slot().prop_map(Step::Evict),
        4 => (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => name().prop_map(Step::Remove),
        2 => Just(Step::List),
        1 => Just(Step::SyncDir),
        2 => Just(Step::Lock),
        2 => Just(Step::Unlock),
    ]
}

/// Every sequence begins with one file and a descriptor of each kind, else most calls would
/// find nothing to work on.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let open = |slot, mode| Step::Open(slot, "a".to_owned(), mode);
    let first = [open(0, OpenMode::Create), open(1, OpenMode::Write), open(2, OpenMode::Read)];
    prop::collection::vec(step(), 1..=37)
        .prop_map(move |drawn| first.iter().cloned().chain(drawn).collect())
}

/// Runs drawn sequences of calls; on failure the shortest one found is shown.
fn compare(cases: u32, noise: CallNoise) -> Tally {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let path = dir.path().join("log");
    let answers = RefCell::new(Tally::new());
    TestRunner::new_with_rng(config, rng)
        .run(&steps(), |steps| {
            for (answer, count) in run(&path, noise, &steps) {
                *answers.borrow_mut().entry(answer).or_default() += count;
            }
            Ok(())
        })
        .unwrap();
    answers.into_inner()
}

#[test]
fn both_disks_answer_every_call_alike() {
    let answers = compare(512, CallNoise::NONE);
    // What was never asked was never compared.
    let expected = [
        ("Open: done", 500),
        ("Open: errno 17", 50), // EEXIST
        ("Open: errno 22", 20), // EINVAL: no plain name
        ("Open: errno 36", 20), // ENAMETOOLONG
        ("Write: done", 500),
        ("Write: errno 9", 50), // EBADF: opened for reading
        ("Read: bytes", 300),
        ("ReadVectored: bytes", 100),
        ("SetLen: done", 100),
        ("SetLen: errno 22", 20), // EINVAL: opened for reading
        ("SetLen: errno 27", 20), // EFBIG
        ("Allocate: done", 100),
        ("SyncData: done", 50),
        ("SyncAll: done", 50),
        ("Evict: done", 50),
        ("Rename: done", 100),
        ("Remove: done", 50),
        ("List: names", 100),
        ("Lock: errno 11", 50), // EWOULDBLOCK
    ];
    for (answer, least) in expected {
        let count = answers.get(answer).copied().unwrap_or_default();
        assert!(count >= least, "{answer:?} came {count} times only, of {answers:#?}");
    }
}

#[test]
fn short_and_interrupted_calls_change_no_answer() {
    compare(128, CallNoise::even(300));
}

#[test]
fn more_parts_than_one_call_takes_are_written_alike() {
    let dir = tempfile::tempdir().unwrap();
    let parts: Vec<Vec<u8>> = (0..2500_u32).map(|i| i.to_le_bytes()[..3].to_vec()).collect();
    let name = "a".to_owned();
    let steps = [
        Step::Open(0, name, OpenMode::Create),
        Step::Write(0, 1, parts),
        Step::ReadVectored(0, 0, vec![3; 2500]),
    ];
    run(&dir.path().join("log"), CallNoise::NONE, &steps);
}

/// What the lineage of a log stands on: where a system tells files apart at all, the same file is
/// the same one under every name, and another file in its place is not.
#[test]
fn a_file_keeps_its_identity_under_another_name_and_gives_it_to_no_other() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let real = |dir: &tempfile::TempDir| -> Arc<dyn Storage> {
        Arc::new(Posix::open(dir.path()).unwrap())
    };
    let simulated = |seed| -> Arc<dyn Storage> { Arc::new(SimDisk::new(Seed::new(seed))) };
    for (disk, elsewhere) in [(real(&dir), real(&other)), (simulated(1), simulated(2))] {
        let Some(place) = disk.identity().unwrap() else {
            eprintln!("SKIPPED: nothing tells files apart in {}", disk.place());
            continue;
        };
        assert_ne!(elsewhere.identity().unwrap(), Some(place));
        let of = |file: &dyn StorageFile| file.identity().unwrap().unwrap();
        let file = disk.open("a", OpenMode::Create).unwrap();
        let first = of(&*file);
        write_full(&*file, 0, &[b"content"]).unwrap();
        disk.rename("a", "b").unwrap();
        assert_eq!(of(&*disk.open("b", OpenMode::Read).unwrap()), first);
        let second = disk.open("a", OpenMode::Create).unwrap();
        assert_ne!(of(&*second), first, "two files");
        disk.remove("b").unwrap();
        drop(file);
        let again = of(&*disk.open("b", OpenMode::Create).unwrap());
        // A real disk gives the number away again; then the time of birth is another, if the
        // system's clock has moved on.
        assert!(again != first || again.born == first.born && first.born > 0, "put back in place");
        assert_eq!(disk.identity().unwrap(), Some(place));
    }
}
