//! How a command ends when something around it fails: what is in the log is acknowledged, and
//! what cannot be said stops no work.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{Ran, ended, feed, patch, run, segment, start};
use rustix::process::{Pid, Signal, kill_process};
use seawall::format::layout::FRAMES_START;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn scratch() -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    (scratch, dir)
}

/// Runs `append` where no file may grow beyond 64 KiB: longer ones are refused with `EFBIG`.
fn append_under_a_limit(dir: &Path, options: &[&str], input: &[u8]) -> Ran {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("input");
    std::fs::write(&file, input).unwrap();
    // Ignored, the signal of the limit becomes an error of the call. The unit is 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$@\"";
    let child = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_seawall"), "append"])
        .arg(dir)
        .args(options)
        .stdin(File::open(file).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    ended(child)
}

/// The LSN of each record that the log holds.
fn lsns(dir: &Path) -> Vec<u64> {
    let lines = run("cat", dir, &["--json"]).json_lines();
    lines.iter().map(|line| line["lsn"].as_u64().unwrap()).collect()
}

fn acknowledged(ran: &Ran) -> Vec<u64> {
    ran.text().lines().map(|lsn| lsn.parse().unwrap()).collect()
}

#[test]
fn what_is_in_the_log_is_acknowledged_when_an_append_fails() {
    // One read brings all of it, so that one group holds what fits and what does not.
    let small: Vec<u8> = (0..20).flat_map(|n| format!("record {n}\n").into_bytes()).collect();
    let too_long = [vec![b'x'; 100_000], b"\n".to_vec()].concat();
    let rest = b"never reached\n".to_vec();
    for level in ["os", "always", "interval=5ms"] {
        let (_scratch, dir) = scratch();
        let options = ["--ack", "--sync", level, "--segment-len", "16384"];
        let input = [small.clone(), too_long.clone(), rest.clone()].concat();
        let ran = append_under_a_limit(&dir, &options, &input).expect(1);
        let acked = acknowledged(&ran);
        assert_eq!(acked.len(), 20, "{level}: {}", ran.stderr);
        assert_eq!(acked, lsns(&dir), "{level}: acknowledged is what the log holds");
        assert!(ran.stderr.contains("appended 20 records"), "{level}: {}", ran.stderr);
        assert!(ran.stderr.contains("all of these are synced"), "{level}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: "), "{level}: {}", ran.stderr);

        // The caller sends again what was not acknowledged: nothing is there twice.
        let again = [too_long.clone(), rest.clone()].concat();
        let ran = feed("append", &dir, &options, &again).expect(0);
        assert_eq!(acknowledged(&ran).len(), 2);
        assert_eq!(run("cat", &dir, &[]).expect(0).stdout, input, "{level}");
    }
}

#[test]
fn an_append_that_did_nothing_does_not_say_that_it_is_done() {
    let (_scratch, dir) = scratch();
    let options = ["--ack", "--segment-len", "131072"];
    let ran = append_under_a_limit(&dir, &options, b"one\ntwo\n").expect(1);
    assert_eq!(ran.text(), "");
    assert!(!ran.stderr.contains("all synced"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was appended"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
}

#[test]
fn frames_before_one_that_is_cut_short_are_acknowledged() {
    let (_scratch, dir) = scratch();
    let input = b"\x01\0\0\0a\x01\0\0\0b\x09\0\0\0cut";
    let ran = feed("append", &dir, &["--frames", "--ack"], input).expect(1);
    assert_eq!(acknowledged(&ran), lsns(&dir));
    assert_eq!(acknowledged(&ran).len(), 2);
}

/// Runs a command with standard error, and perhaps standard output, on a disk without room.
fn run_unheard(command: &str, dir: &Path, options: &[&str], input: &[u8], stdout: Stdio) -> Ran {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .arg(command)
        .arg(dir)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(full)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _refused = stdin.write_all(input);
    drop(stdin);
    ended(child)
}

/// A log of 999 records over several segments, with one of the middle destroyed.
fn damaged(dir: &Path) {
    let input: String = (0..999).map(|n| format!("{n:054}\n")).collect();
    feed("append", dir, &["--segment-len", "16384"], input.as_bytes()).expect(0);
    patch(&dir.join(segment(2)), |bytes| {
        bytes[usize::try_from(FRAMES_START).unwrap() + 40] ^= 1;
    });
}

#[test]
fn a_damaged_log_is_read_whole_where_standard_error_takes_nothing() {
    let (_scratch, dir) = scratch();
    damaged(&dir);
    let heard = run("cat", &dir, &[]).expect(3);
    assert!(heard.stderr.contains("damage: "), "{}", heard.stderr);
    let unheard = run_unheard("cat", &dir, &[], b"", Stdio::piped()).expect(3);
    assert!(heard.stdout == unheard.stdout, "all readable records are printed");
    assert!(unheard.stdout.len() > 998 * 50);
    for command in ["verify", "inspect", "repair", "append"] {
        let heard = run(command, &dir, &[]);
        let unheard = run_unheard(command, &dir, &[], b"", Stdio::piped());
        assert_eq!(heard.code, unheard.code, "{command}");
        assert!(heard.stdout == unheard.stdout, "{command}");
    }
    let mut follow = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .args(["follow".as_ref(), dir.as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::options().write(true).open("/dev/full").unwrap())
        .spawn()
        .unwrap();
    let mut printed = vec![0; heard.stdout.len()];
    follow.stdout.as_mut().unwrap().read_exact(&mut printed).unwrap();
    assert!(printed == heard.stdout);
    kill_process(Pid::from_child(&follow), Signal::INT).unwrap();
    ended(follow).expect(3);
}

#[test]
fn a_torn_log_takes_input_where_standard_error_takes_nothing() {
    let (_scratch, dir) = scratch();
    let mut writer = start("append", &dir, &["--ack", "--quiet"]);
    let mut stdin = writer.stdin.take().unwrap();
    let mut acks = BufReader::new(writer.stdout.take().unwrap());
    stdin.write_all(b"one\n").unwrap();
    acks.read_line(&mut String::new()).unwrap();
    kill_process(Pid::from_child(&writer), Signal::KILL).unwrap();
    ended(writer);
    // Half of a frame after the last one, as a crash leaves it.
    let torn = run("inspect", &dir, &["--json"]).json()["end"].as_u64().unwrap() + FRAMES_START;
    patch(&dir.join(segment(1)), |bytes| {
        let at = usize::try_from(torn).unwrap();
        bytes[at + 64..at + 80].fill(0xAA);
    });
    let told = run("append", &dir, &[]).expect(0);
    assert!(told.stderr.contains("torn tail"), "{}", told.stderr);
    run_unheard("append", &dir, &[], b"two\n", Stdio::piped()).expect(0);
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"one\ntwo\n");
}

#[test]
fn acknowledgements_that_cannot_be_written_end_the_append_and_keep_the_log() {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let (_scratch, dir) = scratch();
    run_unheard("append", &dir, &["--ack"], b"one\n", full()).expect(1);
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"one\n");
    assert_eq!(run("inspect", &dir, &["--json"]).expect(0).json()["clean"], true);
    for command in ["cat", "verify", "inspect", "repair"] {
        run_unheard(command, &dir, &[], b"", full()).expect(1);
    }
}

#[test]
fn a_terminal_that_hung_up_ends_no_work() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let (scratch, dir) = scratch();
    damaged(&dir);
    let input = scratch.path().join("input");
    std::fs::write(&input, vec![b'\n'; 5000]).unwrap();
    let terminal = || {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().write(true).open(name.to_str().unwrap()).unwrap();
        drop(master);
        slave
    };
    for (command, dir, code) in
        [("cat", &dir, 3), ("verify", &dir, 3), ("append", &scratch.path().join("other"), 0)]
    {
        let child = Command::new(env!("CARGO_BIN_EXE_seawall"))
            .arg(command)
            .arg(dir)
            .stdin(File::open(&input).unwrap())
            .stdout(Stdio::piped())
            .stderr(terminal())
            .spawn()
            .unwrap();
        ended(child).expect(code);
    }
    run("verify", &scratch.path().join("other"), &[]).expect(0);
}

#[test]
fn a_log_that_must_exist_is_never_begun() {
    let (scratch, dir) = scratch();
    let refused = feed("append", &dir, &["--existing"], b"one\n").expect(1);
    assert!(refused.stderr.contains("there is no log in"), "{}", refused.stderr);
    assert!(refused.stderr.contains("mounted"), "{}", refused.stderr);
    assert!(!dir.exists(), "a refused append makes nothing");
    // The mount point without its file system.
    let refused = feed("append", scratch.path(), &["--existing"], b"one\n").expect(1);
    assert!(refused.stderr.contains("there is no log in"), "{}", refused.stderr);
    assert_eq!(scratch.path().read_dir().unwrap().count(), 0);

    let new = feed("append", &dir, &[], b"one\n").expect(0);
    assert!(new.stderr.contains("a new one begins"), "{}", new.stderr);
    let old = feed("append", &dir, &["--existing"], b"two\n").expect(0);
    assert!(!old.stderr.contains("a new one begins"), "{}", old.stderr);
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"one\ntwo\n");
}

#[test]
fn every_signal_that_ends_a_session_ends_append_cleanly() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (_scratch, dir) = scratch();
        let mut child = start("append", &dir, &["--ack"]);
        let mut stdin = child.stdin.take().unwrap();
        let mut acks = BufReader::new(child.stdout.take().unwrap());
        stdin.write_all(b"whole\nunfinished").unwrap();
        acks.read_line(&mut String::new()).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        ended(child).expect(130);
        assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"whole\n");
        assert_eq!(run("inspect", &dir, &["--json"]).expect(0).json()["clean"], true, "{signal:?}");
    }
}

#[test]
fn a_hangup_that_nohup_ignores_is_ignored() {
    let (_scratch, dir) = scratch();
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_seawall"), "append"])
        .arg(&dir)
        .arg("--ack")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut acks = BufReader::new(child.stdout.take().unwrap());
    stdin.write_all(b"before\n").unwrap();
    acks.read_line(&mut String::new()).unwrap();
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    stdin.write_all(b"after\n").unwrap();
    drop(stdin);
    ended(child).expect(0);
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"before\nafter\n");
}
