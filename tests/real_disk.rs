//! The log on a real disk, through its public face only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "the directory is looked at behind the log")]

use parking_lot::Mutex;
use seawall::format::checksum::FrameSeed;
use seawall::format::layout::FRAMES_START;
use seawall::format::name::FileName;
use seawall::storage::{DirLock, DirState, Entry, OpenMode, Posix, Storage, StorageFile};
use seawall::{Durability, Environment, Error, Log, LogView, Lsn, Options, Verdict};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

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
        let how = if run > 0 { "closed cleanly" } else { "created" };
        assert!(log.report().to_string().contains(how), "{}", log.report());
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

#[test]
fn the_interval_is_kept_also_when_no_further_append_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let interval = Durability::Interval(std::time::Duration::from_millis(2));
    let log = Log::open(dir.path(), small().durability(interval)).unwrap();
    let mut follower = log.follow(Lsn::FIRST).unwrap();
    for index in 0..20_u8 {
        let receipt = log.append(&[index; 10]).unwrap();
        // Followers of such a log are shown what is durable: nobody else will sync.
        let shown = follower.next().unwrap().unwrap();
        assert_eq!((shown.lsn, shown.bytes.as_ref()), (receipt.lsn, [index; 10].as_slice()));
        assert!(log.watermarks().durable >= receipt.end);
    }
}

#[test]
fn an_idle_log_states_its_durable_end_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small()).unwrap();
    let receipt = log.append(b"the newest commit").unwrap();
    // The mark is a frame of its own, behind the record.
    while log.watermarks().durable == receipt.end {
        std::thread::yield_now();
    }
    let marked = log.watermarks();
    let view = LogView::open(dir.path()).unwrap();
    assert_eq!(view.proven(), receipt.end, "the record is vouched for");
    assert_eq!(view.end(), marked.durable);
    assert_eq!(log.watermarks(), marked, "a mark is not marked");
}

#[test]
fn waiting_for_durability_starts_the_sync() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small().durability(Durability::Buffered)).unwrap();
    let receipt = log.append(b"buffered").unwrap();
    assert!(log.watermarks().durable < receipt.end);
    log.wait_durable(receipt.end).unwrap();
    assert!(log.watermarks().durable >= receipt.end);
    assert!(log.wait_durable(receipt.end.checked_add(8).unwrap()).is_err());
}

#[test]
fn a_batch_larger_than_a_segment_and_the_buffer_is_one_piece() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small().batch_frame_max(64 << 10)).unwrap();
    log.append(b"before").unwrap();
    let batch: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n; 50_000]).collect();
    let receipt = log.append_batch(&batch).unwrap();
    log.append(b"behind").unwrap();
    let read: Vec<_> = log.read_batch(receipt.lsn).unwrap();
    assert!(read.iter().map(|record| &record.bytes).eq(batch.iter()));
    log.close().unwrap();
    drop(log);
    let log = Log::open(dir.path(), small()).unwrap();
    assert_eq!(collect(&log).len(), 42);
    assert_eq!(log.read(receipt.lsn).unwrap().bytes, batch[0]);
}

#[test]
fn what_is_too_large_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small()).unwrap();
    let before = log.append(b"before").unwrap();
    let record = vec![0; usize::try_from(seawall::RECORD_LEN_MAX).unwrap() + 1];
    assert!(matches!(log.append(&record), Err(Error::TooLarge { .. })));
    let half = &record[..record.len() / 2];
    assert!(matches!(log.append_batch(&[half, half, half, half]), Err(Error::TooLarge { .. })));
    let behind = log.append(b"behind").unwrap();
    assert!(behind.lsn.since(before.end).unwrap() <= 64, "at most an idle mark lies between");
}

#[test]
fn an_empty_batch_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small()).unwrap();
    let receipt = log.append_batch::<&[u8]>(&[]).unwrap();
    assert_eq!((receipt.lsn, receipt.end), (Lsn::FIRST, Lsn::FIRST));
    log.close().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let interval = |micros| Durability::Interval(std::time::Duration::from_micros(micros));
    for (name, options) in [
        ("segment_len", small().segment_len((16 << 10) - 4096)),
        ("segment_len", small().segment_len((16 << 10) + 512)),
        ("segment_len", small().segment_len(2 << 30)),
        ("buffer_max", small().buffer_max(4095)),
        ("write_at", small().write_at(1 << 30)),
        ("batch_frame_max", small().batch_frame_max(63)),
        ("open_files_max", small().open_files_max(0)),
        ("idle_mark", small().idle_mark(Some(std::time::Duration::MAX))),
        ("durability", small().durability(interval(1))),
    ] {
        let error = Log::open(dir.path(), options).unwrap_err();
        assert!(matches!(error, Error::Option { option, .. } if option == name), "{name}: {error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn files_beyond_what_options_allow_are_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let files = |ending: &str| {
        let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().ends_with(ending)).count()
    };
    // And one more, which is no such file: the reserve.
    let spares = || files(".spare") - 1;
    let log = Log::open(dir.path(), small().spares_max(3)).unwrap();
    let mut last = Lsn::FIRST;
    for index in 0..100_u8 {
        last = log.append(&[index; 3000]).unwrap().lsn;
    }
    assert!(files(".seg") > 8);
    log.trim(last).unwrap();
    assert_eq!(log.stats().spares, spares());
    assert!((1..=3).contains(&spares()), "{} spares", spares());
    log.close().unwrap();
    drop(log);
    let log = Log::open(dir.path(), small().spares_max(1)).unwrap();
    assert_eq!(spares(), 1, "what an earlier run kept beyond this one's limit is removed");
    assert_eq!(collect(&log).last().unwrap(), &vec![99; 3000]);
}

#[test]
fn addresses_that_are_none_are_told_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small()).unwrap();
    let first = log.append(&[1; 100]).unwrap();
    let second = log.append(&[2; 100]).unwrap();
    for lsn in [first.lsn.get() + 8, second.lsn.get() + 16, 1] {
        let error = log.read(Lsn::new(lsn)).unwrap_err();
        assert!(matches!(error, Error::NoRecord { .. }), "{lsn}: {error:?}");
    }
    let error = log.read(Lsn::new(1 << 40)).unwrap_err();
    assert!(matches!(error, Error::Beyond { .. }), "{error:?}");
    // A scan may start between two records.
    let from = Lsn::new(first.lsn.get() + 8);
    let records: Vec<_> = log.scan(from).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].lsn, second.lsn);
}

#[test]
fn what_was_trimmed_is_told_by_every_way_to_read_it_and_no_trim_goes_beyond_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small().idle_mark(None)).unwrap();
    log.append(&[0; 3000]).unwrap();
    let lsn = log.append(&[1; 3000]).unwrap().lsn;
    while log.segments().len() < 4 {
        log.append(&[2; 3000]).unwrap();
    }
    let end = log.watermarks().accepted;
    let error = log.trim(end.checked_add(8).unwrap()).unwrap_err();
    assert!(matches!(error, Error::Beyond { end: told, .. } if told == end), "{error:?}");
    assert_eq!(log.read(lsn).unwrap().bytes, [1; 3000].as_slice(), "nothing was trimmed");

    let trim = log.segments()[2].base();
    log.trim(trim).unwrap();
    for told in [
        log.read(lsn).err(),
        log.read_batch(lsn).err(),
        log.scan(lsn).err(),
        log.follow(lsn).err(),
        LogView::open(dir.path()).unwrap().scan(lsn).err(),
    ] {
        let told = told.expect("what was trimmed is not read");
        assert!(matches!(told, Error::Trimmed { trim: point, .. } if point == trim), "{told:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn no_more_files_are_held_open_for_reading_than_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small()).unwrap();
    let mut lsns = Vec::new();
    while log.segments().len() < 8 {
        lsns.push(log.append(&[7; 3000]).unwrap().lsn);
    }
    log.close().unwrap();
    drop(log);

    let log = Log::open(dir.path(), small().open_files_max(2)).unwrap();
    let last = FileName::Segment(log.segments().last().unwrap().number()).text();
    let dir = dir.path().canonicalize().unwrap();
    // The segment that is written to is open for other reasons.
    let held = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let paths = open.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
        let closed = |path: &std::path::PathBuf| {
            path.extension().is_some_and(|ending| ending == "seg") && !path.ends_with(&last)
        };
        paths.filter(|path| path.starts_with(&dir)).filter(closed).count()
    };
    let mut most = 0;
    for &lsn in lsns.iter().chain(lsns.iter().rev()) {
        log.read(lsn).unwrap();
        most = most.max(held());
    }
    assert_eq!(collect(&log).len(), lsns.len());
    assert_eq!(most.max(held()), 2);
}

#[test]
fn an_intact_frame_of_an_unknown_kind_refuses_the_log_by_name_and_nothing_is_changed() {
    let (dir, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = Log::open(dir.path(), small().idle_mark(None).prepare_ahead(false)).unwrap();
    log.append(b"known").unwrap();
    // As a crash would leave it.
    let name = FileName::Segment(log.segments()[0].number()).text();
    let path = image.path().join(&name);
    std::fs::copy(dir.path().join(&name), &path).unwrap();
    let view = LogView::open(image.path()).unwrap();
    let (header, end) = (view.segments()[0].header, view.end());

    let mut covered = [0; 16];
    covered[12] = 9; // kind
    let check = FrameSeed::new(header.log, header.salt).header_check(end, &covered);
    let at = FRAMES_START + end.since(header.base).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&check.to_le_bytes(), at).unwrap();
    file.write_all_at(&covered, at + 4).unwrap();

    let before = std::fs::read(&path).unwrap();
    for error in
        [Log::open(image.path(), small()).unwrap_err(), LogView::open(image.path()).unwrap_err()]
    {
        assert!(matches!(&error, Error::Unknown { name: told, .. } if *told == name), "{error:?}");
    }
    assert!(std::fs::read(&path).unwrap() == before);
    assert_eq!(std::fs::read_dir(image.path()).unwrap().count(), 1);
}

/// A directory that is listed late: the first answer is older than what is opened then.
#[derive(Debug)]
struct Late {
    disk: Posix,
    first: Mutex<Option<Vec<Entry>>>,
}

impl Storage for Late {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        self.disk.open(name, mode)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename_new(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        match self.first.lock().take() {
            Some(entries) => Ok(entries),
            None => self.disk.list(),
        }
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }

    fn lock(&self) -> io::Result<Box<dyn DirLock>> {
        self.disk.lock()
    }

    fn state(&self) -> io::Result<Option<DirState>> {
        self.disk.state()
    }

    fn place(&self) -> String {
        self.disk.place()
    }
}

/// A reader listed the one segment there was. Before it opened it, a writer had gone on, trimmed it
/// and removed it. The reader found nothing of its list, and called the log empty and clean.
#[test]
fn a_reader_that_a_trim_overtook_looks_again_and_shows_no_empty_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small().spares_max(0).prepare_ahead(false)).unwrap();
    log.append(b"first").unwrap();
    let disk = Posix::open(dir.path()).unwrap();
    let first = Mutex::new(Some(disk.list().unwrap()));
    while log.segments().len() < 3 {
        log.append(&[7; 3000]).unwrap();
    }
    log.trim(log.segments()[1].base()).unwrap();
    let environment = Environment {
        storage: Arc::new(Late { disk, first }),
        ..Environment::existing(dir.path()).unwrap()
    };
    let view = LogView::open_in(&environment).unwrap();
    assert_eq!(view.segments().len(), 2);
    assert_eq!(view.trim_point(), log.segments()[0].base());
}

#[test]
fn a_log_that_must_exist_is_opened_where_it_is_and_begun_nowhere() {
    let scratch = tempfile::tempdir().unwrap();
    let (missing, empty) = (scratch.path().join("missing"), scratch.path().join("empty"));
    std::fs::create_dir(&empty).unwrap();
    let demanded = || Options::new().must_exist(true);
    for dir in [&missing, &empty] {
        let refused = Log::open(dir, demanded()).unwrap_err();
        assert!(
            matches!(&refused, Error::NoLog { dir: named } if *named == dir.display().to_string())
        );
    }
    let environment = Environment::existing(&empty).unwrap();
    let refused = Log::open_in(environment, demanded()).unwrap_err();
    assert!(matches!(refused, Error::NoLog { .. }), "{refused}");
    assert!(!missing.exists(), "no directory is made");
    assert_eq!(empty.read_dir().unwrap().count(), 0, "no file is made");

    let log = Log::open(&missing, Options::new()).unwrap();
    assert!(log.report().created);
    let lsn = log.append(b"begun").unwrap().lsn;
    log.close().unwrap();
    let log = Log::open(&missing, demanded()).unwrap();
    assert!(!log.report().created);
    assert_eq!(log.read(lsn).unwrap().bytes, "begun");
}
