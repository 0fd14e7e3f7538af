use super::*;
use crate::storage::{read_full, write_full};

/// An empty directory of its own for each test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("seawall-{}-{test}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn storage(&self) -> Posix {
        Posix::create(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

#[test]
fn what_was_written_is_read_back_after_eviction() {
    let scratch = Scratch::new("evict");
    let storage = scratch.storage();
    let file = storage.open("a", OpenMode::Create).unwrap();
    file.allocate(0, 4 << 20).unwrap();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    write_full(&*file, 5, &[&bytes]).unwrap();
    file.sync_all().unwrap();
    let eviction = file.evict().unwrap();
    let mut back = vec![0; bytes.len()];
    assert_eq!(read_full(&*file, 5, &mut back).unwrap(), bytes.len());
    assert!(back == bytes, "eviction ({eviction:?}) changes nothing on a sound disk");
    assert_eq!(file.len().unwrap(), 4 << 20);
    assert_eq!(storage.open("b", OpenMode::Create).unwrap().evict().unwrap(), Eviction::Seen);
}

/// A range that ends inside the last page leaves that page, and with it all that the cache keeps
/// in one piece with it: on ext4 and xfs the whole of a file that was written at once.
#[test]
fn an_eviction_asks_for_the_whole_file_whatever_its_length() {
    let scratch = Scratch::new("evict-whole");
    let storage = scratch.storage();
    for len in [1_usize, 4095, 4097, 65_537, (1 << 20) - 1, (1 << 20) + 100] {
        let name = format!("f{len}");
        let file = storage.open(&name, OpenMode::Create).unwrap();
        write_full(&*file, 0, &[&vec![7; len]]).unwrap();
        file.sync_all().unwrap();
        let eviction = file.evict().unwrap();
        if storage.keeps_no_pages() {
            println!("SKIPPED {len}: this file system has no pages to drop");
            continue;
        }
        assert_eq!(eviction, Eviction::Seen, "{len} bytes");
    }
}

#[test]
fn what_is_removed_has_no_name_and_the_names_have_changed() {
    let scratch = Scratch::new("state");
    let storage = scratch.storage();
    let file = storage.open("a", OpenMode::Create).unwrap();
    write_full(&*file, 0, &[b"four"]).unwrap();
    assert_eq!(file.state().unwrap(), FileState { linked: true, len: 4 });
    assert_eq!(errno(storage.rename_new("a", "a")), Some(Errno::EXIST.raw_os_error()));
    storage.open("b", OpenMode::Create).unwrap();
    assert_eq!(errno(storage.rename_new("a", "b")), Some(Errno::EXIST.raw_os_error()));
    storage.rename_new("a", "c").unwrap();
    assert!(file.state().unwrap().linked);
    storage.remove("c").unwrap();
    assert!(!file.state().unwrap().linked);
    assert!(storage.state().unwrap().unwrap().linked);
    storage.remove("b").unwrap();
    std::fs::remove_dir(&scratch.0).unwrap();
    assert!(!storage.state().unwrap().unwrap().linked);
}

impl Posix {
    /// Memory file systems, and overlays, whose pages belong to another file.
    fn keeps_no_pages(&self) -> bool {
        const TMPFS: i128 = 0x0102_1994;
        const OVERLAY: i128 = 0x794c_7630;
        #[cfg(target_os = "linux")]
        let kind = i128::from(rustix::fs::fstatfs(&self.dir).unwrap().f_type);
        #[cfg(not(target_os = "linux"))]
        let kind = TMPFS;
        [TMPFS, OVERLAY].contains(&kind)
    }
}

#[test]
fn only_plain_names_of_regular_files_are_opened() {
    let scratch = Scratch::new("names");
    let storage = scratch.storage();
    for name in ["", ".", "..", "a/b", "/etc/passwd", "a\0b"] {
        for mode in [OpenMode::Read, OpenMode::Write, OpenMode::Create] {
            assert_eq!(errno(storage.open(name, mode)), Some(Errno::INVAL.raw_os_error()));
        }
        assert_eq!(errno(storage.remove(name)), Some(Errno::INVAL.raw_os_error()));
        assert_eq!(errno(storage.rename(name, "x")), Some(Errno::INVAL.raw_os_error()));
    }

    rustix::fs::mkdirat(&storage.dir, "dir", DIR_MODE).unwrap();
    rustix::fs::symlinkat("dir", &storage.dir, "link").unwrap();
    let fifo = FileType::Fifo;
    rustix::fs::mknodat(&storage.dir, "fifo", fifo, FILE_MODE, 0).unwrap();
    assert_eq!(errno(storage.open("dir", OpenMode::Read)), Some(Errno::INVAL.raw_os_error()));
    assert_eq!(errno(storage.open("dir", OpenMode::Write)), Some(Errno::ISDIR.raw_os_error()));
    assert_eq!(errno(storage.open("link", OpenMode::Write)), Some(Errno::LOOP.raw_os_error()));
    assert_eq!(errno(storage.open("fifo", OpenMode::Read)), Some(Errno::INVAL.raw_os_error()));
    assert_eq!(errno(storage.open("fifo", OpenMode::Write)), Some(Errno::INVAL.raw_os_error()));

    storage.open("file", OpenMode::Create).unwrap();
    let mut entries = storage.list().unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let kinds: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    let (file, other) = (EntryKind::File, EntryKind::Other);
    assert_eq!(kinds, [("dir", other), ("fifo", other), ("file", file), ("link", other)]);
}

#[test]
fn one_opener_holds_the_lock() {
    let scratch = Scratch::new("lock");
    let storage = scratch.storage();
    let held = storage.lock().unwrap();
    assert_eq!(storage.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let other = Posix::open(&scratch.0).unwrap();
    assert_eq!(other.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(held);
    let _held = other.lock().unwrap();
    assert_eq!(storage.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_lock_of_another_process_is_seen_as_would_block() {
    let scratch = Scratch::new("flock");
    let storage = scratch.storage();
    // A second descriptor locked behind the back of the process-wide set stands for it.
    let foreign = open_dir(&storage.dir, ".").unwrap();
    rustix::fs::flock(&foreign, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(storage.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(foreign);
    storage.lock().unwrap();
}

#[test]
fn a_missing_directory_is_made_only_when_asked() {
    let scratch = Scratch::new("missing");
    assert_eq!(errno(Posix::open(&scratch.0)), Some(Errno::NOENT.raw_os_error()));
    Posix::create(&scratch.0).unwrap();
    Posix::create(&scratch.0).unwrap();
    let storage = Posix::open(&scratch.0).unwrap();
    assert_eq!(storage.place(), scratch.0.display().to_string());
    storage.sync_dir().unwrap();
}

#[test]
fn a_directory_within_another_is_made_there_and_no_link_is_followed() {
    let scratch = Scratch::new("within");
    let storage = scratch.storage();
    for name in ["", ".", "..", "a/b", "/tmp"] {
        assert_eq!(errno(storage.within(name)), Some(Errno::INVAL.raw_os_error()));
    }
    for _ in 0..2 {
        let within = storage.within("kept").unwrap();
        assert_eq!(within.place(), scratch.0.join("kept").display().to_string());
        within.open("a", OpenMode::Create).unwrap();
        assert!(scratch.0.join("kept/a").exists());
        within.remove("a").unwrap();
    }
    for (target, link) in [("kept", "link"), ("nowhere", "dangling")] {
        rustix::fs::symlinkat(target, &storage.dir, link).unwrap();
        assert_eq!(errno(storage.within(link)), Some(Errno::NOTDIR.raw_os_error()));
    }
    storage.open("file", OpenMode::Create).unwrap();
    assert_eq!(errno(storage.within("file")), Some(Errno::NOTDIR.raw_os_error()));
    assert!(!scratch.0.join("nowhere").exists());
}

#[test]
fn more_slices_than_the_system_takes_are_taken_in_part() {
    let scratch = Scratch::new("slices");
    let file = scratch.storage().open("a", OpenMode::Create).unwrap();
    let bytes = [7; 1];
    let slices = vec![IoSlice::new(&bytes); 3000];
    assert_eq!(file.write_at(0, &slices).unwrap(), SLICES_MAX);
    let parts = vec![bytes.as_slice(); 3000];
    write_full(&*file, 0, &parts).unwrap();
    assert_eq!(file.len().unwrap(), 3000);
}

#[test]
fn lengths_beyond_any_file_are_too_big() {
    let scratch = Scratch::new("big");
    let file = scratch.storage().open("a", OpenMode::Create).unwrap();
    let too_big = Some(Errno::FBIG.raw_os_error());
    assert_eq!(errno(file.set_len(u64::MAX)), too_big);
    assert_eq!(errno(file.allocate(u64::MAX, 1)), too_big);
    assert_eq!(errno(file.allocate(0, 0)), Some(Errno::INVAL.raw_os_error()));
}

#[test]
fn a_hole_reads_as_zeros_and_leaves_the_length() {
    let scratch = Scratch::new("hole");
    let storage = scratch.storage();
    storage.prefer_in_place();
    let file = storage.open("a", OpenMode::Create).unwrap();
    write_full(&*file, 0, &[&[7; 3 * 4096]]).unwrap();
    match file.punch(4096, 4096) {
        // Some file systems cannot.
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        Ok(()) => {
            let mut bytes = [1; 3 * 4096];
            assert_eq!(read_full(&*file, 0, &mut bytes).unwrap(), bytes.len());
            let (first, rest) = bytes.split_at(4096);
            let (hole, last) = rest.split_at(4096);
            assert!(first.iter().chain(last).all(|&byte| byte == 7));
            assert!(hole.iter().all(|&byte| byte == 0));
        }
    }
    assert_eq!(file.len().unwrap(), 3 * 4096);
}
