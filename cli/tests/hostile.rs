//! The command in surroundings that are against it: what it says, how it ends, and that it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{Ran, copy, ended, feed, files, patch, run, segment, start};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Longer than any command here takes on the slowest machine: who is not back then never is.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Commands that only read.
const READERS: [&str; 4] = ["cat", "inspect", "verify", "repair"];

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// Said where libtest does not catch it: what is skipped must be seen.
#[expect(clippy::explicit_write, reason = "libtest catches what eprintln! prints")]
fn skip(what: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {what}").unwrap();
}

/// Waits for the end; one that never comes is made, and has no exit code.
fn watched(child: Child) -> Ran {
    let pid = Pid::from_child(&child);
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                kill_process(pid, Signal::KILL).unwrap();
            }
        });
        let ran = ended(child);
        drop(done);
        ran
    })
}

/// Runs what `command` says, with this input.
fn run_to_end(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A command that refuses its input closes the pipe.
            let _refused = stdin.write_all(input);
        });
        watched(child)
    })
}

fn seawall() -> Command {
    Command::new(env!("CARGO_BIN_EXE_seawall"))
}

/// The commands that make files of what they read: a copy into `dest`, and a repair.
fn makers(dir: &Path, dest: &Path) -> [Command; 2] {
    let (mut copy, mut repair) = (seawall(), seawall());
    copy.arg("copy").arg(dir).arg(dest);
    repair.args(["repair", "--apply"]).arg(dir);
    [copy, repair]
}

/// A command that says what is wrong, names it, and says what to do.
#[track_caller]
fn assert_told(ran: Ran, code: i32, names: &str, hint: &str) {
    let case = format!("{:?}: {}", ran.code, ran.stderr);
    let ran = ran.expect(code);
    let line = |begin| ran.stderr.split('\n').find_map(|line: &str| line.strip_prefix(begin));
    assert!(line("error: ").is_some_and(|told| told.contains(names)), "not {names}: {case}");
    assert!(line("hint: ").is_some_and(|told| told.contains(hint)), "not {hint}: {case}");
}

/// Lines of a log of several segments.
fn lines() -> Vec<u8> {
    let lines = (0..60).map(|nth| format!("{nth} {:x>1000}\n", ""));
    lines.collect::<String>().into_bytes()
}

fn make_log(dir: &Path) {
    feed("append", dir, &["--segment-len", "32768"], &lines()).expect(0);
    assert!(files(dir).len() >= 2);
}

#[test]
fn what_is_no_file_of_a_log_and_has_the_name_of_one_is_told_by_every_command() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    make_log(&dir);
    let path = dir.join(segment(1));
    let aside = scratch.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    let fifo = |path: &Path| {
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    };
    let link = |path: &Path| symlink(scratch.path().join("aside"), path).unwrap();
    let kinds: [&dyn Fn(&Path); 3] = [&fifo, &link, &|path| fs::create_dir(path).unwrap()];
    for make in kinds {
        make(&path);
        for command in READERS.into_iter().chain(["append", "follow"]) {
            let ran = run_to_end(seawall().arg(command).arg(&dir), b"line\n");
            assert_told(ran, 1, &segment(1), "move that away");
        }
        let dest = scratch.path().join("copy");
        for mut maker in makers(&dir, &dest) {
            assert_told(run_to_end(&mut maker, b""), 1, &segment(1), "move that away");
        }
        assert!(!dest.exists() && !dir.join("quarantine").exists());
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
    }
    fs::rename(&aside, &path).unwrap();
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, lines());
}

#[test]
fn a_path_that_is_no_directory_is_named_and_the_hint_says_why() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    fs::write(at("file"), "no log").unwrap();
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    symlink("loop", at("loop")).unwrap();
    for (path, hint) in [
        (at("file"), "not a file"),
        (at("fifo"), "not a file"),
        (at("file/below"), "not a file"),
        (PathBuf::from("/dev/zero"), "not a file"),
        (at("missing/below"), "there is no such directory"),
        (at("loop"), "check the path"),
        (at(&"x".repeat(256)), "check the path"),
        (at(&"x/".repeat(3000)), "check the path"),
        (scratch.path().join(OsStr::from_bytes(b"\xff/\xff")), "there is no such directory"),
    ] {
        for command in READERS.into_iter().chain(["append", "follow"]) {
            let ran = run_to_end(seawall().arg(command).arg(&path), b"line\n");
            assert_told(ran, 1, &path.display().to_string(), hint);
        }
        for mut maker in makers(&path, &at("copy")) {
            assert_told(run_to_end(&mut maker, b""), 1, &path.display().to_string(), hint);
        }
        assert!(!at("copy").exists());
    }
    // Only `append` makes the directory.
    let missing = scratch.path().join(OsStr::from_bytes(b"not \xff UTF-8"));
    for command in READERS.into_iter().chain(["follow"]) {
        let ran = run_to_end(seawall().arg(command).arg(&missing), b"");
        assert_told(ran, 1, &missing.display().to_string(), "there is no such directory");
    }
    feed("append", &missing, &[], b"line\n").expect(0);
    assert_eq!(run("cat", &missing, &[]).expect(0).stdout, b"line\n");
}

#[test]
fn a_quarantine_that_leads_out_of_the_log_is_not_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, elsewhere) = (scratch.path().join("log"), scratch.path().join("elsewhere"));
    make_log(&dir);
    patch(&dir.join(segment(1)), |bytes| bytes[8192 + 3000] ^= 1);
    fs::create_dir(&elsewhere).unwrap();
    // What a repair that was cut off leaves, and the next removes.
    fs::write(elsewhere.join(format!("{}.old.partial", segment(1))), "not ours").unwrap();
    let before = (files(&dir), files(&elsewhere));
    let place = dir.join("quarantine");
    let kinds: [&dyn Fn(); 4] = [
        &|| symlink(&elsewhere, &place).unwrap(),
        &|| symlink("nowhere", &place).unwrap(),
        &|| fs::write(&place, "a file").unwrap(),
        &|| mknodat(CWD, &place, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap(),
    ];
    for make in kinds {
        make();
        let mut repair = seawall();
        let told = run_to_end(repair.args(["repair", "--apply"]).arg(&dir), b"");
        assert_told(told, 1, &place.display().to_string(), "--quarantine");
        fs::remove_file(&place).unwrap();
        assert!((files(&dir), files(&elsewhere)) == before, "something was changed");
    }
    assert!(!dir.join("nowhere").exists());
    run("repair", &dir, &["--apply"]).expect(0);
    assert_eq!(files(&place).len(), 1);
}

#[test]
fn a_copy_to_what_is_no_empty_directory_is_refused_and_changes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let dir = at("log");
    make_log(&dir);
    fs::write(at("file"), "no log").unwrap();
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/file"), "somebody's").unwrap();
    let before = files(&dir);
    for (dest, hint) in [
        (at("file"), "not a file"),
        (at("fifo"), "not a file"),
        (at("dangling"), "there is no such directory"),
        (at("missing/below"), "there is no such directory"),
        (at("full"), "not there yet"),
        (dir.clone(), "not there yet"),
    ] {
        let [mut copy, _] = makers(&dir, &dest);
        assert_told(run_to_end(&mut copy, b""), 1, &dest.display().to_string(), hint);
    }
    assert!(files(&dir) == before && !at("nowhere").exists());
    assert_eq!(fs::read(at("full/file")).unwrap(), b"somebody's");
    assert_eq!(fs::read(at("file")).unwrap(), b"no log");
}

#[test]
fn a_directory_that_another_process_has_is_named_and_can_be_read() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    let link = scratch.path().join("link");
    symlink("log", &link).unwrap();
    let mut writer = start("append", &dir, &["--ack", "--quiet"]);
    let mut stdin = writer.stdin.take().unwrap();
    let mut acks = BufReader::new(writer.stdout.take().unwrap());
    stdin.write_all(b"line\n").unwrap();
    acks.read_line(&mut String::new()).unwrap();
    for path in [&dir, &link] {
        let ran = run_to_end(seawall().arg("append").arg(path), b"line\n");
        assert_told(ran, 4, &path.display().to_string(), "end the other writer");
        let dest = scratch.path().join("copy");
        let [mut copy, _] = makers(path, &dest);
        run_to_end(&mut copy, b"").expect(0);
        fs::remove_dir_all(&dest).unwrap();
        assert_eq!(run("cat", path, &[]).expect(0).stdout, b"line\n");
        run("verify", path, &[]).expect(0);
    }
    drop(stdin);
    watched(writer).expect(0);
}

/// A file system that can only be read, around `dir`, for one command.
fn on_read_only(dir: &Path, command: &[&OsStr]) -> Command {
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 99
        shift
        exec \"$@\"";
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    unshare.arg(dir).args(command);
    unshare
}

#[test]
fn a_read_only_file_system_is_told_by_append_and_does_not_keep_from_reading() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, empty) = (scratch.path().join("log"), scratch.path().join("empty"));
    make_log(&dir);
    fs::create_dir(&empty).unwrap();
    let probe = on_read_only(scratch.path(), &[OsStr::new("true")]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        skip("a read-only file system: `unshare` may not mount here");
        return;
    }
    let binary = OsStr::new(env!("CARGO_BIN_EXE_seawall"));
    let run_there = |command: &str, dir: &Path| {
        let command = [binary, OsStr::new(command), dir.as_os_str()];
        run_to_end(&mut on_read_only(scratch.path(), &command), b"line\n")
    };
    let damaged = scratch.path().join("damaged");
    copy(&dir, &damaged);
    patch(&damaged.join(segment(1)), |bytes| bytes[8192 + 3000] ^= 1);
    let before = files(&dir);
    for command in READERS {
        run_there(command, &dir).expect(0);
        run_there(command, &empty).expect(0);
    }
    assert_eq!(run_there("cat", &dir).expect(0).stdout, lines());
    let make_there = |words: &[&OsStr]| {
        let command: Vec<&OsStr> = std::iter::once(&binary).chain(words).copied().collect();
        run_to_end(&mut on_read_only(scratch.path(), &command), b"")
    };
    let [repair, apply, copy] = ["repair", "--apply", "copy"].map(OsStr::new);
    make_there(&[repair, apply, dir.as_os_str()]).expect(0);
    let told = make_there(&[repair, apply, damaged.as_os_str()]);
    assert_told(told, 1, "quarantine", "read-only");
    let dest = scratch.path().join("copy");
    let told = make_there(&[copy, dir.as_os_str(), dest.as_os_str()]);
    assert_told(told, 1, &dest.display().to_string(), "read-only");
    let elsewhere = tempfile::tempdir().unwrap();
    make_there(&[copy, dir.as_os_str(), elsewhere.path().as_os_str()]).expect(0);
    assert_eq!(run("cat", elsewhere.path(), &[]).expect(0).stdout, lines());
    assert_told(run_there("append", &dir), 1, ".seg", "read-only");
    assert_told(run_there("append", &empty), 1, ".spare", "read-only");
    let missing = scratch.path().join("missing");
    assert_told(run_there("append", &missing), 1, &missing.display().to_string(), "read-only");
    assert!(files(&dir) == before);
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
}

/// A place that everybody may enter, with the binary in it, and how somebody without rights runs
/// it. Modes do not bind root.
struct Unprivileged {
    scratch: tempfile::TempDir,
    binary: PathBuf,
}

impl Unprivileged {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let binary = scratch.path().join("seawall");
        fs::copy(env!("CARGO_BIN_EXE_seawall"), &binary).unwrap();
        let place = Self { scratch, binary };
        place.allow("", 0o755);
        place.allow("seawall", 0o755);
        fs::create_dir(place.scratch.path().join("copies")).unwrap();
        place.allow("copies", 0o777);
        place
    }

    fn dir(&self) -> PathBuf {
        self.scratch.path().join("log")
    }

    fn allow(&self, name: &str, mode: u32) {
        let path = self.scratch.path().join(name);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn allow_files(&self, mode: u32) {
        for name in files(&self.dir()).keys() {
            self.allow(&format!("log/{name}"), mode);
        }
    }

    fn run(&self, command: &str, dir: &Path, input: &[u8]) -> Ran {
        let mut seawall = Command::new(&self.binary);
        seawall.args(command.split(' ')).arg(dir).current_dir("/");
        match command {
            "append" => seawall.args(["--segment-len", "32768"]),
            "copy" => seawall.arg(self.scratch.path().join("copies/copy")),
            _ => &mut seawall,
        };
        if geteuid().is_root() {
            // The supplementary groups go with it.
            seawall.gid(NOBODY).uid(NOBODY);
        }
        run_to_end(&mut seawall, input)
    }

    /// `false`, and said, where the drop of rights does not work: in some containers.
    fn works(&self) -> bool {
        fs::create_dir(self.scratch.path().join("closed")).unwrap();
        self.allow("closed", 0);
        let mut probe = Command::new("ls");
        probe.arg(self.scratch.path().join("closed"));
        if geteuid().is_root() {
            probe.gid(NOBODY).uid(NOBODY);
        }
        let refused = probe.output().is_ok_and(|output| !output.status.success());
        self.allow("closed", 0o755);
        if !refused {
            skip("modes of files: everything is allowed here, to everybody");
        }
        refused
    }
}

#[test]
fn modes_that_forbid_are_told_with_the_name_of_what_they_forbid() {
    let place = Unprivileged::new();
    if !place.works() {
        return;
    }
    let dir = place.dir();
    make_log(&dir);

    // The directory may not be opened.
    place.allow("log", 0);
    for command in READERS.into_iter().chain(["append", "follow", "copy", "repair --apply"]) {
        let ran = place.run(command, &dir, b"line\n");
        assert_told(ran, 1, &dir.display().to_string(), "may open the directory");
    }

    // It may be read, and nothing else.
    place.allow("log", 0o755);
    place.allow_files(0o444);
    place.allow("log", 0o555);
    let before = files(&dir);
    assert_eq!(place.run("cat", &dir, b"").expect(0).stdout, lines());
    for command in READERS {
        place.run(command, &dir, b"").expect(0);
    }
    assert_told(place.run("append", &dir, b"line\n"), 1, ".seg", "owner of the log");
    place.run("copy", &dir, b"").expect(0);
    let copied = place.scratch.path().join("copies/copy");
    assert_eq!(run("cat", &copied, &[]).expect(0).stdout, lines());
    fs::remove_dir_all(copied).unwrap();
    place.allow("copies", 0o555);
    assert_told(place.run("copy", &dir, b""), 1, "copies/copy", "may open the directory");
    place.allow("copies", 0o777);
    assert!(files(&dir) == before);

    // What is damaged cannot be kept where nothing may be made.
    let damage = || patch(&dir.join(segment(1)), |bytes| bytes[8192 + 3000] ^= 1);
    if geteuid().is_root() {
        damage();
        let told = place.run("repair --apply", &dir, b"");
        assert_told(told, 1, "quarantine", "owner of the log");
        damage();
    }

    // One segment may not be read.
    place.allow(&format!("log/{}", segment(1)), 0);
    for command in READERS.into_iter().chain(["copy", "repair --apply"]) {
        assert_told(place.run(command, &dir, b""), 1, &segment(1), "owner of the log");
    }
    place.allow(&format!("log/{}", segment(1)), 0o444);

    // Nothing may be made where the log should be.
    let missing = place.scratch.path().join("missing");
    let told = place.run("append", &missing, b"line\n");
    if geteuid().is_root() {
        assert_told(told, 1, &missing.display().to_string(), "may open the directory");
    }
}

#[test]
fn a_directory_that_takes_no_new_file_stops_append_at_the_next_segment_and_loses_nothing() {
    let place = Unprivileged::new();
    if !place.works() {
        return;
    }
    let dir = place.dir();
    make_log(&dir);
    // Other users' leftovers, which nobody but root looks into.
    fs::create_dir(dir.join("lost+found")).unwrap();
    place.allow("log/lost+found", 0);
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        }
    }
    place.allow("log", 0o555);
    for command in READERS {
        place.run(command, &dir, b"").expect(0);
    }
    let told = place.run("append", &dir, &lines());
    assert_told(told, 1, ".seg", "owner of the log");
    let kept = place.run("cat", &dir, b"").expect(0).stdout;
    let (first, rest) = kept.split_at(lines().len());
    assert!(first == lines() && lines().starts_with(rest));
    place.run("verify", &dir, b"").expect(0);
    place.allow("log", 0o755);
    place.allow("log/lost+found", 0o755);
}

#[test]
fn a_directory_that_is_removed_under_append_or_follow_ends_them_with_a_reason() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    let mut writer = start("append", &dir, &["--ack", "--segment-len", "32768"]);
    let mut stdin = writer.stdin.take().unwrap();
    let mut acks = BufReader::new(writer.stdout.take().unwrap());
    stdin.write_all(b"line\n").unwrap();
    acks.read_line(&mut String::new()).unwrap();
    let mut follower = start("follow", &dir, &["--poll", "1"]);
    let mut printed = BufReader::new(follower.stdout.take().unwrap());
    printed.read_line(&mut String::new()).unwrap();

    fs::remove_dir_all(&dir).unwrap();
    assert_told(watched(follower), 1, "no longer part of the log", "follow again");
    thread::scope(|scope| {
        scope.spawn(move || {
            // It ends in the middle of this.
            let _refused = stdin.write_all(&lines().repeat(10));
        });
        scope.spawn(move || acks.read_to_end(&mut Vec::new()));
        assert_told(watched(writer), 3, "was removed", "restore");
    });
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing was made anew");
}

#[test]
fn foreign_files_change_nothing_that_is_printed() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, among) = (scratch.path().join("log"), scratch.path().join("among"));
    make_log(&dir);
    copy(&dir, &among);
    let names: Vec<OsString> = [
        &b"0000000000000000001.seg"[..],
        b"00000000000000000001.SEG",
        b"+0000000000000000001.seg",
        b"00000000000000000001.seg\n",
        b"18446744073709551616.seg",
        b"0000000000000000000\xff.seg",
        b"-",
        b"LOCK",
    ]
    .map(|name| OsStr::from_bytes(name).to_owned())
    .into();
    for name in &names {
        fs::write(among.join(name), "no segment").unwrap();
    }
    fs::create_dir(among.join("lost+found")).unwrap();
    for command in READERS {
        let (alone, crowded) = (run(command, &dir, &[]), run(command, &among, &[]));
        assert_eq!(alone.expect(0).stdout, crowded.expect(0).stdout, "{command}");
    }
}
