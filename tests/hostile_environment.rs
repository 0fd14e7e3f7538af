//! What surrounds a log may be anything: other files, other kinds of files, names that almost
//! match, paths that lead astray. Each is refused by a typed error that names it, or left alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "the directory is prepared behind the log")]

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use seawall::format::extension::Extension;
use seawall::format::header::{SegmentHeader, VERSION};
use seawall::format::layout;
use seawall::format::name::FileName;
use seawall::storage::{Environment, Posix};
use seawall::{
    Disturbance, Durability, Error, Log, LogId, LogView, Lsn, Options, Salt, SegmentId, Verdict,
};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

/// Longer than any case takes on the slowest machine: who is not back then waits for ever.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Runs a case in a thread of its own; one that never ends is told, and not waited for.
fn ends(case: impl FnOnce() + Send + 'static) {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        case();
        tell.send(()).unwrap();
    });
    match told.recv_timeout(PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        // A case that failed has dropped its end, and joining says why.
        _ => thread.join().unwrap_or_else(|why| std::panic::resume_unwind(why)),
    }
}

/// Said where libtest does not catch it: what is skipped must be seen.
#[expect(clippy::explicit_write, reason = "libtest catches what eprintln! prints")]
fn skip(what: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "SKIPPED: {what}").unwrap();
}

fn small() -> Options {
    Options::new().segment_len(32 << 10).buffer_max(64 << 10).idle_mark(None)
}

fn segment(number: u64) -> String {
    FileName::Segment(SegmentId::new(number)).text()
}

fn spare(number: u64) -> String {
    FileName::Spare(number).text()
}

/// A closed log of at least three segments, and its records.
fn make_log(dir: &Path) -> Vec<Vec<u8>> {
    let log = Log::open(dir, small()).unwrap();
    let mut records = Vec::new();
    while log.segments().len() < 3 {
        let record = vec![u8::try_from(records.len() % 251).unwrap(); 1000];
        log.append(&record).unwrap();
        records.push(record);
    }
    log.close().unwrap();
    records
}

fn records(dir: &Path) -> Vec<Vec<u8>> {
    let view = LogView::open(dir).unwrap();
    let scan = view.scan(Lsn::FIRST).unwrap();
    scan.map(|record| record.unwrap().bytes.to_vec()).collect()
}

fn last_segment(dir: &Path) -> u64 {
    LogView::open(dir).unwrap().segments().last().unwrap().number().get()
}

/// Names, kinds, lengths, times and link targets of a directory: what a change would change.
type Trace = BTreeMap<OsString, (u32, u64, SystemTime, Option<PathBuf>)>;

fn trace(dir: &Path) -> Trace {
    let entries = fs::read_dir(dir).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        let target = fs::read_link(entry.path()).ok();
        let seen = (about.mode(), about.len(), about.modified().unwrap(), target);
        (entry.file_name(), seen)
    });
    entries.collect()
}

/// Insists that neither a writer nor a reader takes it for a log, and that the name is told.
#[track_caller]
fn assert_refused(dir: &Path, name: &str) {
    let before = trace(dir);
    let errors = [Log::open(dir, small()).unwrap_err(), LogView::open(dir).unwrap_err()];
    for error in errors {
        assert!(matches!(&error, Error::Io { name: told, .. } if told == name), "{error:?}");
    }
    assert!(trace(dir) == before, "a refusal left a trace");
}

fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

/// Puts each kind of thing that is no regular file at a path, one after the other.
fn each_irregular(path: &Path, mut case: impl FnMut(&str)) {
    fs::create_dir(path).unwrap();
    case("directory");
    fs::remove_dir(path).unwrap();
    make_fifo(path);
    case("FIFO");
    fs::remove_file(path).unwrap();
    let socket = UnixListener::bind(path).unwrap();
    case("socket");
    drop(socket);
    fs::remove_file(path).unwrap();
    for target in ["/dev/zero", "no such file", path.to_str().unwrap()] {
        symlink(target, path).unwrap();
        case("symbolic link");
        fs::remove_file(path).unwrap();
    }
    // The numbers of /dev/zero.
    match mknodat(
        CWD,
        path,
        FileType::CharacterDevice,
        Mode::from_raw_mode(0o644),
        rustix::fs::makedev(1, 5),
    ) {
        Ok(()) => {
            case("device");
            fs::remove_file(path).unwrap();
        }
        Err(Errno::PERM) => skip("a device in place of a file: only root may make one"),
        Err(errno) => panic!("mknod: {errno}"),
    }
}

#[test]
fn a_directory_behind_a_symbolic_link_is_the_same_log_with_the_same_lock() {
    let scratch = tempfile::tempdir().unwrap();
    let (real, link) = (scratch.path().join("real"), scratch.path().join("link"));
    fs::create_dir(&real).unwrap();
    symlink("real", &link).unwrap();
    let expected = make_log(&link);
    assert_eq!(records(&real), expected);
    let log = Log::open(&real, small()).unwrap();
    assert!(matches!(Log::open(&link, small()), Err(Error::Locked { .. })));
    log.close().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_symbolic_link_in_place_of_a_segment_is_refused_and_never_followed() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("log");
        let expected = make_log(&dir);
        let last = last_segment(&dir);
        // Moved away, also out of the directory, and a link left in place: where it points to is
        // the very segment that belongs there.
        for number in [1, 2, last] {
            for away in [dir.join("moved"), scratch.path().join("outside")] {
                let path = dir.join(segment(number));
                fs::rename(&path, &away).unwrap();
                symlink(&away, &path).unwrap();
                let (bytes, written) =
                    (fs::read(&away).unwrap(), fs::metadata(&away).unwrap().modified().unwrap());
                assert_refused(&dir, &segment(number));
                assert!(fs::read(&away).unwrap() == bytes);
                assert_eq!(fs::metadata(&away).unwrap().modified().unwrap(), written);
                fs::rename(&away, &path).unwrap();
            }
        }
        assert_eq!(records(&dir), expected);
        // Where the next segment would be made.
        let outside = scratch.path().join("outside");
        fs::write(&outside, "nobody's business").unwrap();
        let next = dir.join(segment(last + 1));
        fs::remove_file(&next).ok();
        symlink(&outside, &next).unwrap();
        assert_refused(&dir, &segment(last + 1));
        assert_eq!(fs::read(&outside).unwrap(), b"nobody's business");
    });
}

#[test]
fn whatever_is_no_regular_file_in_place_of_a_segment_is_refused_by_name() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("log");
        let expected = make_log(&dir);
        let last = last_segment(&dir);
        let prepared = dir.join(segment(last + 1));
        fs::remove_file(&prepared).ok();
        for number in [1, 2, last, last + 1, last + 7] {
            let (path, aside) = (dir.join(segment(number)), scratch.path().join("aside"));
            let was_there = path.exists();
            if was_there {
                fs::rename(&path, &aside).unwrap();
            }
            each_irregular(&path, |_| assert_refused(&dir, &segment(number)));
            if was_there {
                fs::rename(&aside, &path).unwrap();
            }
        }
        assert_eq!(records(&dir), expected);
        // Alone in the directory it is no empty log either.
        let empty = scratch.path().join("empty");
        fs::create_dir(&empty).unwrap();
        each_irregular(&empty.join(segment(1)), |_| assert_refused(&empty, &segment(1)));
    });
}

#[test]
fn whatever_is_no_regular_file_in_place_of_a_spare_keeps_the_writer_away_alone() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("log");
        let expected = make_log(&dir);
        for number in [1, last_segment(&dir) + 2] {
            each_irregular(&dir.join(spare(number)), |what| {
                let before = trace(&dir);
                let error = Log::open(&dir, small()).unwrap_err();
                let reported = matches!(&error, Error::Io { name, .. } if *name == spare(number));
                assert!(reported, "{what}: {error:?}");
                assert_eq!(records(&dir), expected, "{what}");
                assert!(trace(&dir) == before, "{what}");
            });
        }
    });
}

/// Names that no file of a log has, however near they come.
fn foreign_names() -> Vec<OsString> {
    let mut names: Vec<OsString> = [
        "0000000000000000001.seg",
        "000000000000000000001.seg",
        "00000000000000000001.SEG",
        "00000000000000000001.Spare",
        "+0000000000000000001.seg",
        "-0000000000000000001.seg",
        " 0000000000000000001.seg",
        "00000000000000000001.seg ",
        "00000000000000000001.seg\n",
        "00000000000000000001.seg.bak",
        "00000000000000000001.seg~",
        ".00000000000000000001.seg",
        "00000000000000000000.seg",
        "00000000000000000000.spare",
        "18446744073709551616.seg",
        "99999999999999999999.spare",
        "0000000000000000000\u{663}.seg",
        "00000000000000000001seg",
        "00000000000000000001",
        ".seg",
        "LOCK",
        "CURRENT",
        ".DS_Store",
        "notes.txt",
        "\n",
    ]
    .into_iter()
    .map(OsString::from)
    .collect();
    names.push(OsStr::from_bytes(b"0000000000000000000\xff.seg").to_owned());
    names.push(OsStr::from_bytes(b"00000000000000000001.seg\xc3\x28").to_owned());
    names.push(OsStr::from_bytes(&[b'x'; 255]).to_owned());
    names
}

#[test]
fn foreign_files_are_left_alone_through_the_whole_life_of_a_log() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        for name in foreign_names() {
            fs::write(dir.join(&name), name.as_bytes()).unwrap();
        }
        for (index, make) in
            [make_fifo, |path: &Path| symlink("/dev/zero", path).unwrap()].into_iter().enumerate()
        {
            make(&dir.join(format!("irregular {index}")));
        }
        let lost_found = dir.join("lost+found");
        fs::create_dir(&lost_found).unwrap();
        // As root this hides nothing; the test of the command runs as somebody else.
        fs::set_permissions(&lost_found, fs::Permissions::from_mode(0o000)).unwrap();
        let before = trace(dir);

        let mut expected = Vec::new();
        for round in 0..3 {
            let log = Log::open(dir, small().spares_max(1)).unwrap();
            assert_eq!(log.report().created, round == 0);
            for nth in 0..100_u8 {
                expected.push(vec![nth; 1000]);
                log.append(&[nth; 1000]).unwrap();
            }
            let keep = log.segments()[1].base();
            let first = log.trim(keep).unwrap().first;
            let kept = log.scan(first).unwrap().count();
            expected.drain(..expected.len() - kept);
            log.close().unwrap();
            let mut view = LogView::open(dir).unwrap();
            assert_eq!(view.verify(|_| {}).unwrap().verdict, Verdict::Clean);
        }
        assert_eq!(records(dir), expected);
        let mut after = trace(dir);
        after.retain(|name, _| name.to_str().and_then(FileName::parse).is_none());
        assert!(after == before, "something foreign was touched");
        for name in foreign_names() {
            assert_eq!(fs::read(dir.join(&name)).unwrap(), name.as_bytes(), "{name:?}");
        }
        fs::set_permissions(&lost_found, fs::Permissions::from_mode(0o755)).unwrap();
    });
}

#[test]
fn a_hundred_thousand_foreign_files_hide_no_log() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        for nth in 0..100_000 {
            File::create(dir.join(format!("{nth:019}.seg"))).unwrap();
        }
        let expected = make_log(dir);
        let log = Log::open(dir, small()).unwrap();
        log.append(b"one more").unwrap();
        log.close().unwrap();
        let found = records(dir);
        assert_eq!(found.len(), expected.len() + 1);
        assert_eq!(found[..expected.len()], expected);
        assert!(fs::read_dir(dir).unwrap().count() > 100_000);
    });
}

#[test]
fn a_hundred_thousand_files_named_like_segments_are_damage_and_the_log_before_them_is_read() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        let expected = make_log(dir);
        let first = last_segment(dir) + 1;
        for number in first..first + 100_000 {
            File::create(dir.join(segment(number))).unwrap();
        }
        let view = LogView::open(dir).unwrap();
        assert!(view.damage().is_some());
        let scan = view.scan(Lsn::FIRST).unwrap();
        assert!(scan.map(|record| record.unwrap().bytes).eq(expected));
        // A writer syncs each of them before it judges: fewer, for the sake of the disk.
        for number in first + 1000..first + 100_000 {
            fs::remove_file(dir.join(segment(number))).unwrap();
        }
        let before = trace(dir);
        let error = Log::open(dir, small()).unwrap_err();
        // After a clean close the first of them may be the remains of a prepared file; no other can be.
        let second = SegmentId::new(first + 1);
        assert!(matches!(error, Error::Damaged { segment, .. } if segment == second), "{error:?}");
        assert!(trace(dir) == before);
    });
}

/// Gives a file the greatest length that its file system allows, all of it hole.
fn stretch(file: &File) -> u64 {
    let (mut fits, mut fails) = (0, u64::try_from(i64::MAX).unwrap());
    while fails - fits > 1 {
        let len = fits + (fails - fits) / 2;
        match file.set_len(len) {
            Ok(()) => fits = len,
            Err(_) => fails = len,
        }
    }
    file.set_len(fits).unwrap();
    fits
}

/// Nobody could read terabytes in the time there is: whoever tried would not come back.
#[test]
fn the_largest_sparse_file_is_no_segment_and_is_not_read_to_find_out() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        let path = dir.join(segment(1));
        let len = stretch(&File::create(&path).unwrap());
        assert!(len > 1 << 40, "{len} bytes are no test");
        let before = trace(dir);
        let error = Log::open(dir, small()).unwrap_err();
        assert!(error.is_damage(), "{error:?}");
        let mut view = LogView::open(dir).unwrap();
        assert_eq!(view.verify(|_| {}).unwrap().verdict, Verdict::Damaged);
        assert_eq!(view.scan(Lsn::FIRST).unwrap().count(), 0);
        assert!(trace(dir) == before);
    });
}

#[test]
fn a_hole_of_the_greatest_length_behind_a_segment_or_a_spare_changes_nothing() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        let mut expected = make_log(dir);
        let last = last_segment(dir);
        for number in [1, last] {
            stretch(&File::options().write(true).open(dir.join(segment(number))).unwrap());
        }
        stretch(&File::create(dir.join(spare(7))).unwrap());
        assert_eq!(records(dir), expected);
        let mut view = LogView::open(dir).unwrap();
        assert_eq!(view.verify(|_| {}).unwrap().verdict, Verdict::Clean);
        // The spare becomes a segment on the way, and the long last one is closed and shortened.
        let log = Log::open(dir, small()).unwrap();
        while log.segments().len() < 6 {
            log.append(&[7; 1000]).unwrap();
            expected.push(vec![7; 1000]);
        }
        log.close().unwrap();
        assert_eq!(records(dir), expected);
        assert!(!dir.join(spare(7)).exists());
    });
}

#[test]
fn a_header_that_states_the_greatest_length_bounds_what_is_read_by_it() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        let header = SegmentHeader {
            version: VERSION,
            log: LogId::new([7; 16]),
            number: SegmentId::FIRST,
            base: Lsn::FIRST,
            salt: Salt::new(7),
            file_len: layout::FILE_LEN_MAX,
            prev_end: Lsn::FIRST,
            prev_check: 0,
            skipped: 0,
            unproven: 0,
            trim: Lsn::FIRST,
            extension: Extension::default(),
        };
        let file = File::create(dir.join(segment(1))).unwrap();
        file.write_all_at(&header.blocks(), 0).unwrap();
        stretch(&file);
        let mut view = LogView::open(dir).unwrap();
        assert_eq!(view.verify(|_| {}).unwrap().verdict, Verdict::Clean);
        assert_eq!((view.end(), view.scan(Lsn::FIRST).unwrap().count()), (Lsn::FIRST, 0));
        let log = Log::open(dir, small()).unwrap();
        let lsn = log.append(b"behind it").unwrap().lsn;
        assert_eq!(log.read(lsn).unwrap().bytes, "behind it");
    });
}

/// It would be copied whole into the quarantine, terabytes of zeros until no room is left.
#[test]
fn a_file_longer_than_any_segment_is_refused_by_a_repair_and_nothing_is_changed() {
    ends(|| {
        let rot = |file: &File| file.write_all_at(b"rot", 8192 + 1000).unwrap();
        let headers = |file: &File| file.write_all_at(&[0xff; 8192], 0).unwrap();
        let harms: [fn(&File); 2] = [rot, headers];
        for harm in harms {
            let (scratch, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let dir = scratch.path();
            make_log(dir);
            let file = File::options().write(true).open(dir.join(segment(2))).unwrap();
            harm(&file);
            let environment = Environment::existing(dir).unwrap();
            file.set_len(layout::FILE_LEN_MAX).unwrap();
            assert_eq!(Log::plan_repair(&environment).unwrap().steps.len(), 1);
            stretch(&file);
            let before = trace(dir);
            let quarantine = Posix::open(kept.path()).unwrap();
            let planned = Log::plan_repair(&environment).map(|_| ());
            let repaired = Log::repair(&environment, &quarantine, "first", |_| {}).map(|_| ());
            for told in [planned, repaired] {
                assert!(matches!(told, Err(Error::Unrepairable { .. })), "{told:?}");
            }
            assert!(trace(dir) == before && trace(kept.path()).is_empty());
        }
    });
}

#[test]
fn paths_that_are_no_directory_are_told_with_the_path_and_nothing_is_made() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::write(at("file"), "no log").unwrap();
        make_fifo(&at("fifo"));
        symlink("nowhere", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let long = scratch.path().join("x".repeat(256));
        let deep = scratch.path().join("x/".repeat(3000));
        let before = trace(scratch.path());
        for (path, errno) in [
            (at("file"), Some(Errno::NOTDIR)),
            (at("file/log"), Some(Errno::NOTDIR)),
            (at("fifo"), Some(Errno::NOTDIR)),
            (PathBuf::from("/dev/zero"), Some(Errno::NOTDIR)),
            (at("missing/log"), Some(Errno::NOENT)),
            (at("dangling"), Some(Errno::NOENT)),
            (at("loop"), Some(Errno::LOOP)),
            (long, Some(Errno::NAMETOOLONG)),
            (deep, Some(Errno::NAMETOOLONG)),
            (PathBuf::new(), Some(Errno::NOENT)),
            (at("nul\0byte"), None),
        ] {
            for error in [Log::open(&path, small()).unwrap_err(), LogView::open(&path).unwrap_err()]
            {
                let Error::Io { action: "open the directory", name, source } = &error else {
                    panic!("{}: {error:?}", path.display());
                };
                assert_eq!(*name, path.display().to_string());
                if let Some(errno) = errno {
                    assert_eq!(source.raw_os_error(), Some(errno.raw_os_error()), "{name}");
                }
            }
        }
        // A reader makes nothing where nothing is.
        let error = LogView::open(at("missing")).unwrap_err();
        assert!(matches!(error, Error::Io { action: "open the directory", .. }), "{error:?}");
        assert!(trace(scratch.path()) == before);
    });
}

#[test]
fn a_directory_may_have_any_name_that_the_system_takes() {
    let scratch = tempfile::tempdir().unwrap();
    let mut deep = scratch.path().to_path_buf();
    // Near the longest path there is.
    while deep.as_os_str().len() < 3500 {
        deep.push("d".repeat(200));
    }
    fs::create_dir_all(&deep).unwrap();
    for name in [&b"not \xff\xfe UTF-8"[..], b"line\nbreak", b"-", b" ", &[b'x'; 255]] {
        for parent in [scratch.path(), &deep] {
            let dir = parent.join(OsStr::from_bytes(name));
            let expected = make_log(&dir);
            assert_eq!(records(&dir), expected);
            let log = Log::open(&dir, small()).unwrap();
            let error = Log::open(&dir, small()).unwrap_err();
            assert!(error.to_string().contains(&*dir.to_string_lossy()), "{error}");
            log.close().unwrap();
        }
    }
}

#[test]
fn a_log_goes_with_its_directory_and_never_back_to_the_old_path() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let (old, new) = (scratch.path().join("old"), scratch.path().join("new"));
        let log = Log::open(&old, small()).unwrap();
        log.append(b"before").unwrap();
        let mut view = LogView::open(&old).unwrap();
        fs::rename(&old, &new).unwrap();
        // Somebody else has the old path now.
        fs::create_dir(&old).unwrap();
        while log.segments().len() < 4 {
            log.append(&[7; 1000]).unwrap();
        }
        log.trim(log.segments()[2].base()).unwrap();
        view.refresh().unwrap();
        assert_eq!(view.segments().len(), log.segments().len());
        log.close().unwrap();
        assert_eq!(fs::read_dir(&old).unwrap().count(), 0);
        let mut view = LogView::open(&new).unwrap();
        assert_eq!(view.verify(|_| {}).unwrap().verdict, Verdict::Clean);
    });
}

#[test]
fn a_log_whose_directory_was_removed_acknowledges_nothing_more() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("log");
        let log = Log::open(&dir, small().prepare_ahead(false)).unwrap();
        let lsn = log.append(b"before").unwrap().lsn;
        fs::remove_dir_all(&dir).unwrap();
        let error = log.append_at(&[7; 1000], Durability::Sync).unwrap_err();
        let how = Disturbance::Removed;
        let about = dir.display().to_string();
        let told =
            matches!(&error, Error::Disturbed { name, how: it } if *name == about && *it == how);
        assert!(told, "{error:?}");
        // What the log still holds open it still reads; what it would open it does not find.
        let read = log.read(lsn);
        assert!(matches!(read, Ok(_) | Err(Error::Io { .. })), "{read:?}");
        assert!(log.append(&[7; 30_000]).is_err());
        let closed = log.close();
        assert!(matches!(closed, Err(Error::Disturbed { .. })), "{closed:?}");
        drop(log);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing was made anew");
    });
}

#[test]
fn a_segment_that_is_swapped_for_a_fifo_under_an_open_log_is_an_error_and_no_wait() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        make_log(dir);
        let log = Log::open(dir, small().open_files_max(1)).unwrap();
        let view = LogView::open(dir).unwrap();
        let (path, aside) = (dir.join(segment(1)), dir.join("aside"));
        fs::rename(&path, &aside).unwrap();
        make_fifo(&path);
        for error in [
            log.read(Lsn::FIRST).unwrap_err(),
            log.scan(Lsn::FIRST).unwrap().next().unwrap().unwrap_err(),
            view.scan(Lsn::FIRST).unwrap().next().unwrap().unwrap_err(),
        ] {
            assert!(matches!(&error, Error::Io { name, .. } if *name == segment(1)), "{error:?}");
        }
        fs::rename(&aside, &path).unwrap();
        log.read(Lsn::FIRST).unwrap();
    });
}

#[test]
fn what_takes_the_name_of_the_next_segment_stops_appends_until_it_is_gone() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        let options = small().prepare_ahead(false).durability(Durability::Sync);
        let log = Log::open(dir, options).unwrap();
        log.append(b"before").unwrap();
        let path = dir.join(segment(2));
        fs::create_dir(&path).unwrap();
        let mut acknowledged = 1;
        let error = loop {
            match log.append(&[7; 1000]) {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, Error::Io { name, .. } if *name == segment(2)), "{error:?}");
        assert_eq!(log.scan(Lsn::FIRST).unwrap().count(), acknowledged);
        fs::remove_dir(&path).unwrap();
        log.append(&[7; 1000]).unwrap();
        log.close().unwrap();
        assert_eq!(records(dir).len(), acknowledged + 1);
    });
}

#[test]
fn a_link_where_the_next_file_is_to_be_made_is_never_written_through() {
    ends(|| {
        let scratch = tempfile::tempdir().unwrap();
        let (dir, outside) = (scratch.path().join("log"), scratch.path().join("outside"));
        fs::write(&outside, "nobody's business").unwrap();
        let log = Log::open(&dir, small().prepare_ahead(false)).unwrap();
        log.append(b"before").unwrap();
        // The file is made under the one name, and gets the other when it is whole.
        let (made, named) = (dir.join(spare(2)), dir.join(segment(2)));
        symlink(&outside, &made).unwrap();
        symlink(&outside, &named).unwrap();
        let mut acknowledged = 1;
        let error = loop {
            match log.append(&[7; 1000]) {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, Error::Io { name, .. } if *name == segment(2)), "{error:?}");
        fs::remove_file(&made).unwrap();
        log.append(&[7; 1000]).unwrap();
        log.close().unwrap();
        assert!(fs::symlink_metadata(&named).unwrap().is_file(), "the link is gone");
        assert_eq!(records(&dir).len(), acknowledged + 1);
        assert_eq!(fs::read(&outside).unwrap(), b"nobody's business");
    });
}
