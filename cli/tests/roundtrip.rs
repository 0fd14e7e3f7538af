//! What goes in comes out, byte for byte; and what is wrong is told by exit codes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{Draw, copy, ended, feed, files, patch, run, segment, start};
use rustix::process::{Pid, Signal, kill_process};
use seawall::format::checksum::crc64;
use seawall::format::header::HEADER_LEN;
use seawall::format::layout::{BLOCK, FRAMES_START};
use seawall::{Log, Options};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn scratch() -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    (scratch, dir)
}

/// Appends `input` and insists that `cat` gives it back.
#[track_caller]
fn assert_comes_back(input: &[u8], options: &[&str]) {
    let (_scratch, dir) = scratch();
    feed("append", &dir, options, input).expect(0);
    let cat = run("cat", &dir, &[]).expect(0);
    assert!(cat.stdout == input, "{} bytes in, {} out", input.len(), cat.stdout.len());
    run("verify", &dir, &[]).expect(0);
}

fn framed(records: &[&[u8]]) -> Vec<u8> {
    let mut input = Vec::new();
    for record in records {
        input.extend_from_slice(&u32::try_from(record.len()).unwrap().to_le_bytes());
        input.extend_from_slice(record);
    }
    input
}

/// Lines of all lengths, half of them not UTF-8.
fn many_lines(draw: &mut Draw, count: u64) -> Vec<u8> {
    let mut input = Vec::new();
    for index in 0..count {
        let len = if draw.below(50) == 0 { draw.below(9000) } else { draw.below(120) };
        let mut line = draw.bytes(usize::try_from(len).unwrap());
        let text = index % 2 == 0;
        for byte in &mut line {
            *byte = if text { b' ' + *byte % 95 } else { *byte };
            if *byte == b'\n' {
                *byte = 0;
            }
        }
        input.append(&mut line);
        input.push(b'\n');
    }
    input
}

#[test]
fn what_was_appended_comes_back_whatever_it_is() {
    for input in
        [&b""[..], b"\n", b"\n\n\n", b"one\ntwo\n", b"one\n\nno newline", b"x", b"\xFF\xFE\0\n\x80"]
    {
        for level in ["os", "always", "interval=5ms"] {
            assert_comes_back(input, &["--lines", "--sync", level]);
        }
    }
}

#[test]
fn many_lines_come_back_across_many_segments_at_every_level() {
    let input = many_lines(&mut Draw::new(1), 4000);
    for level in ["os", "always", "interval=5ms"] {
        let (_scratch, dir) = scratch();
        // In two runs: the second goes on behind the first.
        let (head, tail) = input.split_at(input.len() / 3);
        let options = ["--segment-len", "32768", "--sync", level, "--ack"];
        let acks = feed("append", &dir, &options, head).expect(0);
        let more = feed("append", &dir, &options, tail).expect(0);
        let cat = run("cat", &dir, &[]).expect(0);
        assert!(cat.stdout == input, "{level}");

        let lsns: Vec<u64> = [acks.text(), more.text()]
            .into_iter()
            .flat_map(|acks| acks.lines().map(|lsn| lsn.parse().unwrap()))
            .collect();
        let printed: Vec<u64> = run("cat", &dir, &["--json"])
            .json_lines()
            .iter()
            .map(|line| line["lsn"].as_u64().unwrap())
            .collect();
        assert_eq!(lsns, printed, "every record is acknowledged once, with its LSN");
        assert!(lsns.is_sorted_by(|a, b| a < b));

        let seen = run("inspect", &dir, &["--json"]).expect(0).json();
        assert!(seen["segments"].as_array().unwrap().len() > 10);
        assert_eq!(seen["clean"], true);
        assert_eq!(seen["end"], seen["proven"]);
    }
}

#[test]
fn a_line_of_64_mib_is_one_record() {
    let mut input = b"before\n".to_vec();
    input.resize(64 << 20, b'x');
    input.extend_from_slice(b"\nafter\n");
    let (_scratch, dir) = scratch();
    feed("append", &dir, &[], &input).expect(0);
    assert!(run("cat", &dir, &[]).expect(0).stdout == input);
    let found = run("verify", &dir, &["--json"]).expect(0).json();
    assert_eq!(found["records"], 3);
    assert_eq!(found["device"]["error"], serde_json::Value::Null);
    assert!(found["device"]["files"].as_u64() >= Some(1));
    assert!(run("verify", &dir, &[]).expect(0).text().contains("through the page cache"));
}

#[test]
fn frames_hold_any_bytes_and_one_that_is_cut_short_is_named() {
    let (_scratch, dir) = scratch();
    let records: [&[u8]; 4] = [b"a\nb", b"", b"\xFF\0", b"last"];
    let mut input = framed(&records);
    feed("append", &dir, &["--frames"], &input).expect(0);
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, records.concat());
    let lens: Vec<_> = run("cat", &dir, &["--json"]).json_lines();
    let lens: Vec<_> = lens.iter().map(|line| line["len"].as_u64().unwrap()).collect();
    assert_eq!(lens, [3, 0, 2, 4]);

    let offset = input.len();
    input.extend_from_slice(&framed(&[b"never whole"])[..9]);
    let refused = feed("append", &dir, &["--frames"], &input).expect(1);
    assert!(refused.stderr.contains(&format!("frame 5, which begins at byte {offset}")));
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    let kept = [records.concat(), records.concat()].concat();
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, kept, "what came before it is kept");
    let refused = feed("append", &dir, &["--frames"], b"\xFF\xFF\xFF\xFFxx").expect(1);
    assert!(refused.stderr.contains("frame 1 of the input, at byte 0"), "{}", refused.stderr);
}

#[test]
fn from_and_limit_choose_records_and_json_tells_them() {
    let (_scratch, dir) = scratch();
    let acks = feed("append", &dir, &["--ack"], b"zero\none\n\xFFtwo\nthree\n").expect(0);
    let lsns: Vec<&str> = acks.text().lines().collect();
    let cat = |options: &[&str]| run("cat", &dir, options).expect(0).stdout;
    assert_eq!(cat(&["--from", lsns[1]]), b"one\n\xFFtwo\nthree\n");
    assert_eq!(cat(&["--from", lsns[1], "--limit", "2"]), b"one\n\xFFtwo\n");
    assert_eq!(cat(&["--limit", "0"]), b"");
    assert_eq!(cat(&["--proven"]), b"zero\none\n\xFFtwo\nthree\n");
    let between = (lsns[0].parse::<u64>().unwrap() + 8).to_string();
    assert_eq!(cat(&["--from", &between, "--limit", "1"]), b"one\n");

    let lines = run("cat", &dir, &["--json", "--from", lsns[1], "--limit", "2"]).json_lines();
    assert_eq!(lines[0]["text"], "one\n");
    assert_eq!(lines[0]["lsn"].to_string(), lsns[1]);
    assert_eq!(lines[0]["index"], 0);
    assert_eq!(lines[1]["hex"], "ff74776f0a");
    assert_eq!(lines[1]["text"], serde_json::Value::Null);

    let beyond = run("cat", &dir, &["--from", "1000000"]).expect(1);
    assert!(beyond.stderr.contains("beyond the end"), "{}", beyond.stderr);
}

#[test]
fn usage_errors_exit_with_1_and_help_with_0() {
    let (_scratch, dir) = scratch();
    for (command, options) in [
        ("append", &["--sync", "sometimes"][..]),
        ("append", &["--lines", "--frames"]),
        ("append", &["--segment-len", "4096"]),
        ("cat", &["--limit", "-1"]),
        ("conquer", &[]),
    ] {
        let refused = run(command, &dir, options).expect(1);
        assert!(refused.stderr.starts_with("error: "), "{}", refused.stderr);
    }
    for command in ["append", "cat", "copy", "follow", "inspect", "verify", "repair", "trim"] {
        let help = run(command, &dir, &["--help"]).expect(0);
        for part in ["Examples:", "Exit codes:", "damage"] {
            assert!(help.text().contains(part), "{command} --help lacks {part}");
        }
        if !matches!(command, "append" | "copy" | "trim") {
            let refused = run(command, &dir, &[]).expect(1);
            assert!(refused.stderr.contains("No such file or directory"), "{}", refused.stderr);
            assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
        }
    }
    assert!(!dir.exists(), "a refused command makes nothing");
}

#[test]
fn a_second_writer_exits_with_4_and_harms_nothing() {
    let (_scratch, dir) = scratch();
    let mut first = start("append", &dir, &["--ack", "--sync", "always"]);
    let mut stdin = first.stdin.take().unwrap();
    let mut acks = BufReader::new(first.stdout.take().unwrap());
    stdin.write_all(b"mine\n").unwrap();
    acks.read_line(&mut String::new()).unwrap();
    let refused = feed("append", &dir, &[], b"theirs\n").expect(4);
    assert!(refused.stderr.contains("locked"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"mine\n");
    stdin.write_all(b"still mine\n").unwrap();
    drop(stdin);
    acks.read_to_string(&mut String::new()).unwrap();
    ended(first).expect(0);
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"mine\nstill mine\n");
}

#[test]
fn a_newer_format_exits_with_5_and_not_a_byte_is_changed() {
    let (_scratch, dir) = scratch();
    feed("append", &dir, &["--segment-len", "32768"], b"from the future\n").expect(0);
    patch(&dir.join(segment(1)), |bytes| {
        for copy_at in [0, usize::try_from(BLOCK).unwrap()] {
            let header = &mut bytes[copy_at..copy_at + HEADER_LEN];
            header[8..12].copy_from_slice(&2_u32.to_le_bytes());
            let check = crc64(&header[..HEADER_LEN - 8]);
            header[HEADER_LEN - 8..].copy_from_slice(&check.to_le_bytes());
        }
    });
    let before = files(&dir);
    for command in ["append", "cat", "follow", "inspect", "verify", "repair"] {
        let refused = run(command, &dir, &[]).expect(5);
        assert!(refused.stderr.contains("version 2"), "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
        assert!(files(&dir) == before, "{command} changed something");
    }
}

/// A directory as a crash leaves it, with these records durable in its only segment; where their
/// frames stand in the file, and where they end.
fn crashed(dir: &Path, records: &[&[u8]]) -> Vec<usize> {
    let scratch = tempfile::tempdir().unwrap();
    let options = Options::new().segment_len(32 << 10).idle_mark(None).prepare_ahead(false);
    let log = Log::open(scratch.path(), options).unwrap();
    let mut places = Vec::new();
    for record in records {
        let receipt = log.append(record).unwrap();
        places.push(usize::try_from(FRAMES_START + receipt.lsn.get()).unwrap());
        places.push(usize::try_from(FRAMES_START + receipt.end.get()).unwrap());
    }
    places.dedup();
    copy(scratch.path(), dir);
    places
}

#[test]
fn a_torn_tail_exits_with_2_until_the_next_append_has_cut_it() {
    let (_scratch, dir) = scratch();
    let places = crashed(&dir, &[b"one\n", b"two\n"]);
    run("verify", &dir, &[]).expect(0);
    let end = *places.last().unwrap();
    patch(&dir.join(segment(1)), |bytes| bytes[end..end + 100].fill(0xA5));
    for command in ["verify", "inspect", "repair"] {
        let before = files(&dir);
        let told = run(command, &dir, &[]).expect(2);
        assert!(told.text().contains("torn") && told.text().contains("open"), "{}", told.text());
        run(command, &dir, &["--json"]).expect(2).json();
        assert!(files(&dir) == before, "{command} changed something");
    }
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"one\ntwo\n");
    let cut = feed("append", &dir, &[], b"three\n").expect(0);
    assert!(cut.stderr.contains("torn tail"), "{}", cut.stderr);
    run("verify", &dir, &[]).expect(0);
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"one\ntwo\nthree\n");
}

#[test]
fn a_flipped_bit_in_an_acknowledged_record_exits_with_3_and_is_named() {
    let (_scratch, dir) = scratch();
    let places = crashed(&dir, &[b"one\n", b"two\n", b"three\n", b"four\n"]);
    patch(&dir.join(segment(1)), |bytes| bytes[places[1] + 18] ^= 4);
    let lost = format!("LSN {} to {}", places[1] - 8192, places[2] - 8192);

    let cat = run("cat", &dir, &[]).expect(3);
    // Whether `four` is told is not asked: no mark stands behind it.
    assert!(cat.stdout.starts_with(b"one\nthree\n"), "the rest is still told");
    assert!(cat.stderr.contains(&lost), "{}", cat.stderr);
    for command in ["verify", "repair"] {
        let told = run(command, &dir, &[]).expect(3);
        assert!(told.text().contains(&lost), "{}", told.text());
    }
    run("inspect", &dir, &[]).expect(3);
    let damage = run("verify", &dir, &["--json"]).expect(3).json()["damage"].clone();
    assert_eq!(damage[0]["segment"], 1);
    assert_eq!(damage[0]["offset"], places[1]);
    let steps = run("repair", &dir, &["--json"]).expect(3).json()["steps"].clone();
    assert_eq!(steps[0]["action"], "rewrite-with-gap");
    assert_eq!(steps[0]["gaps"][0]["from"], places[1] - 8192);
    assert_eq!(steps[0]["gaps"][0]["to"], places[2] - 8192);

    let before = files(&dir);
    let refused = feed("append", &dir, &[], b"five\n").expect(3);
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    assert!(files(&dir) == before, "a refused open changes nothing");
}

#[test]
fn a_missing_segment_exits_with_3_and_a_copy_is_asked_for() {
    let (_scratch, dir) = scratch();
    let input = many_lines(&mut Draw::new(2), 2000);
    feed("append", &dir, &["--segment-len", "32768"], &input).expect(0);
    std::fs::remove_file(dir.join(segment(2))).unwrap();
    let told = run("repair", &dir, &[]).expect(3);
    assert!(told.text().contains("restore 00000000000000000002.seg"), "{}", told.text());
    run("verify", &dir, &[]).expect(3);
    run("inspect", &dir, &[]).expect(3);
    let cat = run("cat", &dir, &[]).expect(3);
    assert!(cat.stderr.contains("00000000000000000002.seg"), "{}", cat.stderr);
    let lost = input.len() - cat.stdout.len();
    assert!((10_000..32_768).contains(&lost), "all but one segment is told, not {lost} bytes");
}

#[test]
fn a_reader_that_goes_away_ends_cat_and_follow_quietly() {
    let (_scratch, dir) = scratch();
    feed("append", &dir, &[], &many_lines(&mut Draw::new(3), 20_000)).expect(0);
    for command in ["cat", "follow"] {
        let mut child = start(command, &dir, &["--json"]);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        drop(stdout);
        let ran = ended(child).expect(0);
        assert_eq!(ran.stderr, "", "{command}");
    }
}

#[test]
fn acknowledgements_that_nobody_reads_end_append_and_lose_nothing() {
    let (_scratch, dir) = scratch();
    let mut child = start("append", &dir, &["--ack", "--quiet"]);
    let mut stdin = child.stdin.take().unwrap();
    drop(child.stdout.take());
    stdin.write_all(b"one\n").unwrap();
    let ran = ended(child).expect(141);
    assert_eq!(ran.stderr, "");
    assert_eq!(run("cat", &dir, &[]).expect(0).stdout, b"one\n");
    assert_eq!(run("inspect", &dir, &["--json"]).expect(0).json()["clean"], true);
}

fn interrupt(child: &std::process::Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

#[test]
fn ctrl_c_ends_append_with_all_whole_lines_kept_and_the_log_closed() {
    let (_scratch, dir) = scratch();
    let mut child = start("append", &dir, &["--ack"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut acks = BufReader::new(child.stdout.take().unwrap());
    stdin.write_all(b"one\ntwo\nunfinis").unwrap();
    acks.read_line(&mut String::new()).unwrap();
    interrupt(&child);
    let ran = ended(child).expect(130);
    assert!(!ran.stderr.contains("error"), "{}", ran.stderr);
    let cat = run("cat", &dir, &[]).expect(0);
    assert_eq!(cat.stdout, b"one\ntwo\n");
    assert_eq!(run("inspect", &dir, &["--json"]).expect(0).json()["clean"], true);
}

#[test]
fn follow_prints_what_other_processes_append_across_rotations_until_ctrl_c() {
    let (_scratch, dir) = scratch();
    let input = many_lines(&mut Draw::new(4), 3000);
    let pieces: Vec<&[u8]> = input.chunks(input.len() / 4 + 1).collect();
    let options = ["--segment-len", "32768", "--quiet"];
    feed("append", &dir, &options, pieces[0]).expect(0);
    let mut follow = start("follow", &dir, &["--poll", "1"]);
    let mut stdout = follow.stdout.take().unwrap();
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            feed("append", &dir, &options, piece).expect(0);
        }
        let mut printed = vec![0; piece.len()];
        stdout.read_exact(&mut printed).unwrap();
        assert!(printed == *piece, "piece {index}");
    }
    interrupt(&follow);
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    assert_eq!(ended(follow).expect(0).stderr, "");
}
