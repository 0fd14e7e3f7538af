//! SIGKILL, again and again, over one directory: what was acknowledged is there, once, in order,
//! at its LSN; what is there was fed; no LSN ever names two records. Some lives in between end
//! cleanly, so that kills also meet what a clean end leaves behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{Draw, ended, run, start};
use rustix::process::{Pid, Signal, kill_process};
use seawall::{LogView, Lsn, Verdict};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ChildStdin;
use std::sync::mpsc;
use std::thread;

const ROUNDS: u64 = 300;
const KILLS_MIN: u64 = 200;
const SEED: u64 = 0x5EA_3A11;
/// A feeder that nobody stops for so long has missed the kill.
const FED_MAX: u64 = 1 << 26;

/// A record's name: which run fed it, as which line.
type Name = (u64, u64);

/// The line with this name. It can be made again from its name alone.
fn line((round, counter): Name) -> Vec<u8> {
    let mut draw = Draw::new(SEED ^ (round << 32) ^ counter);
    let mut line = format!("{round} {counter} ").into_bytes();
    let len = match draw.below(40) {
        _ if has_large_lines(round) => draw.below(150_000),
        0 => draw.below(6000),
        _ => draw.below(300),
    };
    line.extend(draw.bytes(usize::try_from(len).unwrap()).iter().map(|b| b'a' + b % 26));
    line.push(b'\n');
    line
}

/// Writes that a kill may catch half done, and records that need segments of their own.
const fn has_large_lines(round: u64) -> bool {
    round % 16 == 7
}

const fn segment_len(round: u64) -> &'static str {
    if round % 32 == 23 { "1048576" } else { "32768" }
}

/// When a round ends.
#[derive(Clone, Copy, Debug)]
enum End {
    KillAfterAcks(usize),
    KillAfterBytes(u64),
    /// The input ends, and the log is closed.
    Clean,
}

/// How a round is fed.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// As fast as the pipe takes it.
    Flood,
    /// So many lines at a time, the next once they are acknowledged.
    Groups(usize),
}

/// Feeds lines until the pipe breaks, or once for a clean end; returns how many it began to write.
fn feed_until_killed(
    mut stdin: ChildStdin,
    round: u64,
    pace: Pace,
    end: End,
    acked: &mpsc::Receiver<()>,
    pid: Pid,
) -> u64 {
    let (mut begun, mut fed) = (0, 0);
    while fed < FED_MAX {
        let mut bytes = Vec::new();
        let count = match pace {
            Pace::Flood => 16,
            Pace::Groups(count) => count,
        };
        for _ in 0..count {
            bytes.extend_from_slice(&line((round, begun)));
            begun += 1;
        }
        let mut killed = false;
        if let End::KillAfterBytes(bound) = end
            && fed + bytes.len() as u64 >= bound
        {
            bytes.truncate(usize::try_from(bound - fed).unwrap());
            killed = true;
        }
        fed += bytes.len() as u64;
        if matches!(end, End::Clean) {
            stdin.write_all(&bytes).unwrap();
            return begun;
        }
        if stdin.write_all(&bytes).is_err() {
            return begun;
        }
        if killed {
            kill_process(pid, Signal::KILL).unwrap();
            return begun;
        }
        if matches!(pace, Pace::Groups(_)) {
            for _ in 0..count {
                if acked.recv().is_err() {
                    return begun;
                }
            }
        }
    }
    panic!("round {round} was not killed");
}

/// One life of the binary; returns the acknowledged LSNs and how many lines were begun.
fn live_and_die(dir: &Path, round: u64, pace: Pace, end: End) -> (Vec<Lsn>, u64) {
    let mut options = vec!["--lines", "--sync", "always", "--ack", "--quiet"];
    options.extend(["--segment-len", segment_len(round)]);
    let mut child = start("append", dir, &options);
    let pid = Pid::from_child(&child);
    let stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (tell, acked) = mpsc::channel();
    let mut lsns = Vec::new();
    let begun = thread::scope(|scope| {
        let feeder = scope.spawn(move || feed_until_killed(stdin, round, pace, end, &acked, pid));
        let mut text = String::new();
        while stdout.read_line(&mut text).unwrap() > 0 {
            // The kill may have cut the last one short.
            let Some(lsn) = text.strip_suffix('\n') else { break };
            lsns.push(lsn.parse().unwrap());
            text.clear();
            if matches!(end, End::KillAfterAcks(count) if count == lsns.len()) {
                // What is acknowledged until it dies counts too.
                kill_process(pid, Signal::KILL).unwrap();
            }
            let _gone = tell.send(());
        }
        drop(tell);
        feeder.join().unwrap()
    });
    let ran = ended(child);
    let clean = matches!(end, End::Clean);
    assert_eq!((ran.code, ran.stderr.as_str()), (clean.then_some(0), ""), "round {round}");
    assert!(!clean || lsns.len() as u64 == begun, "round {round}: all is acknowledged");
    (lsns, begun)
}

/// Everything that all rounds have ever shown.
#[derive(Default)]
struct Oracle {
    /// What the log held after the last round: it may only grow.
    held: Vec<(Lsn, Name)>,
    /// What each LSN was ever seen or acknowledged to name.
    named: BTreeMap<Lsn, Name>,
}

impl Oracle {
    fn name(&mut self, lsn: Lsn, name: Name) {
        let before = self.named.insert(lsn, name).unwrap_or(name);
        assert_eq!(before, name, "LSN {lsn} names two records");
    }

    fn judge(&mut self, view: &LogView, round: u64, acked: &[Lsn], begun: u64) {
        for (&lsn, counter) in acked.iter().zip(0..) {
            self.name(lsn, (round, counter));
        }
        let mut scan = view.scan(Lsn::FIRST).unwrap();
        let (mut index, mut counter, mut behind) = (0, 0, None);
        while let Some(record) = scan.next_ref().unwrap() {
            assert!(behind < Some(record.lsn), "LSNs grow");
            behind = Some(record.lsn);
            let name = match self.held.get(index) {
                Some(&(lsn, name)) => {
                    assert_eq!(record.lsn, lsn, "record {index} keeps its place");
                    name
                }
                None => {
                    let name = (round, counter);
                    counter += 1;
                    self.name(record.lsn, name);
                    self.held.push((record.lsn, name));
                    name
                }
            };
            // Old records are compared now and then, by their place; new ones always.
            if name.0 == round || index % 64 == usize::try_from(round % 64).unwrap() {
                assert!(record.bytes == line(name), "record {name:?} has other bytes");
            }
            index += 1;
        }
        assert!(index >= self.held.len(), "round {round}: records of before are gone");
        assert!(counter <= begun, "round {round}: {counter} records, {begun} were fed");
        let acks = acked.len() as u64;
        assert!(acks <= counter, "round {round}: {acks} acknowledged, {counter} there");
        let fresh = &self.held[self.held.len() - usize::try_from(counter).unwrap()..];
        for (&lsn, held) in acked.iter().zip(fresh) {
            assert_eq!(lsn, held.0, "round {round}: {:?} stands elsewhere", held.1);
        }
    }
}

#[test]
fn no_kill_loses_invents_doubles_or_moves_a_record() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    let mut draw = Draw::new(SEED);
    let mut oracle = Oracle::default();
    let (mut kills, mut acks, mut torn, mut segments) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        let pace = match draw.below(3) {
            0 => Pace::Flood,
            _ => Pace::Groups(usize::try_from(1 + draw.below(40)).unwrap()),
        };
        let end = match draw.below(10) {
            0 | 1 => End::Clean,
            2..=5 => {
                let bound = if has_large_lines(round) { 20 } else { 400 };
                End::KillAfterAcks(usize::try_from(1 + draw.below(bound)).unwrap())
            }
            _ => End::KillAfterBytes(draw.below(if has_large_lines(round) {
                1_500_000
            } else {
                60_000
            })),
        };
        kills += u64::from(!matches!(end, End::Clean));
        let (acked, begun) = live_and_die(&dir, round, pace, end);
        let by_binary = round % 4 == 0 && dir.exists();
        if by_binary {
            let code = run("verify", &dir, &[]).code;
            assert!(matches!(code, Some(0 | 2)), "round {round}: {pace:?}, {end:?}: {code:?}");
            torn += u64::from(code == Some(2));
        }
        if !dir.exists() {
            assert!(acked.is_empty());
            continue;
        }
        let mut view = LogView::open(&dir).unwrap();
        if !by_binary {
            let found = view.verify(|_| {}).unwrap();
            assert!(found.verdict <= Verdict::TornTail, "round {round}: {pace:?}, {end:?}");
            torn += u64::from(found.verdict == Verdict::TornTail);
        }
        oracle.judge(&view, round, &acked, begun);
        acks += acked.len();
        segments = view.segments().len();
    }
    assert!(acks > 10_000 && segments > 200, "{acks} acknowledged, {segments} segments");
    assert!(kills >= KILLS_MIN, "{kills} kills");
    println!("{kills} kills, {acks} acknowledged, {segments} segments, {torn} torn tails");
    // Nothing is left that a clean life would trip over.
    harness::feed("append", &dir, &[], b"at last\n").expect(0);
    run("verify", &dir, &[]).expect(0);
}
