//! Each workload beside the least code that makes the same promise, in turns: one line each.
//!
//! ```text
//! cargo bench --bench ratios                    all, about two minutes
//! cargo bench --bench ratios -- durable scan    those with one of these words in their name
//! cargo bench --bench ratios -- --rounds 21     more rounds (5 unless told)
//! ```
//!
//! A round runs both, now one first, now the other. Rounds in which the reference took three
//! times its best are left out: the machine did something else then. The ratio is the median of
//! the rounds' ratios, time of ours to time of the reference: 1.00 is as fast, 2.00 takes twice
//! as long. Data lies under the target folder, or in `SEAWALL_BENCH_DIR`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod ground;
mod reference;

use ground::{copied, filled, in_threads, ready, record, scratch, timed, xorshift};
use reference::{Coalesced, PerRecord, Reading, WriteThrough, prepared, write_through};
use seawall::{Durability, Log, Lsn, Options};
use std::hint::black_box;
use std::time::Duration;

const INTERVAL: Durability = Durability::Interval(Duration::from_millis(100));

/// What was asked for on the command line.
struct Asked {
    words: Vec<String>,
    rounds: usize,
}

impl Asked {
    fn read() -> Self {
        let mut asked = Self { words: Vec::new(), rounds: 5 };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--rounds" => {
                    let rounds = args.next().and_then(|count| count.parse().ok());
                    asked.rounds = rounds.expect("--rounds COUNT");
                }
                // For the harness of other benches.
                flag if flag.starts_with("--") => {}
                word => asked.words.push(word.to_owned()),
            }
        }
        asked
    }

    fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    /// Runs both in turns, each of which says how long one operation took it, and prints the line.
    fn compare(
        &self,
        name: &str,
        mut ours: impl FnMut() -> Duration,
        mut reference: impl FnMut() -> Duration,
    ) {
        let mut rounds: Vec<(Duration, Duration)> = Vec::new();
        for round in 0..self.rounds.max(1) {
            rounds.push(if round.is_multiple_of(2) {
                let least = reference();
                (ours(), least)
            } else {
                (ours(), reference())
            });
        }
        let best = rounds.iter().map(|&(_, reference)| reference).min().unwrap();
        rounds.retain(|&(_, reference)| reference < best * 3);
        let ratio = median(rounds.iter().map(|(o, r)| o.as_secs_f64() / r.as_secs_f64()));
        println!(
            "{name:<44} {:>14} {:>14}   {ratio:>5.2}   {} of {} rounds",
            time(median(rounds.iter().map(|(ours, _)| ours.as_secs_f64()))),
            time(median(rounds.iter().map(|(_, reference)| reference.as_secs_f64()))),
            rounds.len(),
            self.rounds.max(1),
        );
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.1} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} us", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}

fn per(total: Duration, count: u64) -> Duration {
    total / u32::try_from(count).unwrap()
}

fn main() {
    let asked = Asked::read();
    ground::warn_of_memory();
    println!("{:<44} {:>14} {:>14}   ratio", "time of one operation", "seawall", "reference");
    buffered(&asked);
    handed_over(&asked);
    durable(&asked);
    batches(&asked);
    scans(&asked);
    random_reads(&asked);
    opens(&asked);
}

fn buffered(asked: &Asked) {
    for (len, threads) in [(100, 1), (256, 1), (10 << 10, 1), (100, 8), (256, 8), (10 << 10, 8)] {
        let name = format!("append buffered, {len} B, {threads} threads");
        // Three quarters of a segment, so that none is rotated.
        let each = (48 << 20) / (len as u64 + 32) / threads as u64;
        let bytes = record(len);
        let total = each * threads as u64;
        if asked.wants(&name) {
            asked.compare(
                &name,
                || {
                    let dir = scratch();
                    let log = ready(dir.path(), Durability::Buffered);
                    per(in_threads(threads, each, || log.append(&bytes).unwrap()), total)
                },
                || {
                    let dir = scratch();
                    let log = Coalesced::create(&dir.path().join("log")).unwrap();
                    per(in_threads(threads, each, || log.append(&bytes).unwrap()), total)
                },
            );
        }
    }
    let name = "append buffered, 256 B, across 4 segments";
    if asked.wants(name) {
        let (bytes, each) = (record(256), 4 * (64 << 20) / 288);
        asked.compare(
            name,
            || {
                let dir = scratch();
                let log = ready(dir.path(), Durability::Buffered);
                let appends = || (0..each).for_each(|_| drop(log.append(&bytes)));
                per(timed(appends), each)
            },
            || {
                let dir = scratch();
                let files = ["a", "b", "c", "d"];
                per(
                    timed(|| {
                        for file in files {
                            let log = Coalesced::create(&dir.path().join(file)).unwrap();
                            (0..each / 4).for_each(|_| log.append(&bytes).unwrap());
                            log.sync().unwrap();
                        }
                    }),
                    each,
                )
            },
        );
    }
}

fn handed_over(asked: &Asked) {
    for (level, durability) in [("os", Durability::Os), ("interval", INTERVAL)] {
        for len in [100, 256, 10 << 10] {
            let name = format!("append {level}, {len} B, 1 thread");
            if !asked.wants(&name) {
                continue;
            }
            let bytes = record(len);
            let each = ((24 << 20) / (len as u64 + 32)).min(50_000);
            asked.compare(
                &name,
                || {
                    let dir = scratch();
                    let log = ready(dir.path(), durability);
                    per(in_threads(1, each, || log.append(&bytes).unwrap()), each)
                },
                || {
                    let dir = scratch();
                    let log = PerRecord::create(&dir.path().join("log")).unwrap();
                    per(in_threads(1, each, || log.append(&[&bytes]).unwrap()), each)
                },
            );
        }
    }
}

fn durable(asked: &Asked) {
    let name = "append durable, 256 B, p50 to bare write";
    if asked.wants(name) {
        let dir = scratch();
        let log = ready(dir.path(), Durability::Sync);
        let file = prepared(&dir.path().join("bare")).unwrap();
        let (bytes, mut offset) = (record(256), 0);
        let frame = record(256 + 24);
        asked.compare(
            name,
            || middle(200, || log.append(&bytes).unwrap()),
            || {
                middle(200, || {
                    write_through(&file, &frame, offset).unwrap();
                    offset += frame.len() as u64;
                })
            },
        );
    }
    let sizes = [(100, 1), (256, 1), (10 << 10, 1), (256, 2), (256, 8), (256, 32), (10 << 10, 32)];
    for (len, threads) in sizes {
        let name = format!("append durable, {len} B, {threads} threads");
        if !asked.wants(&name) {
            continue;
        }
        let each = if threads == 1 { 200 } else { 100 };
        let (bytes, total) = (record(len), each * threads as u64);
        let dir = scratch();
        let log = ready(dir.path(), Durability::Sync);
        let reference = WriteThrough::create(&dir.path().join("reference")).unwrap();
        asked.compare(
            &name,
            || per(in_threads(threads, each, || log.append(&bytes).unwrap()), total),
            || per(in_threads(threads, each, || reference.append(&[&bytes]).unwrap()), total),
        );
    }
}

/// The median of `count` calls.
fn middle<T>(count: usize, mut call: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..count).map(|_| timed(&mut call)).collect();
    times.sort();
    times[count / 2]
}

fn batches(asked: &Asked) {
    for count in [10, 100, 1000] {
        let batch = vec![record(100); count];
        let name = format!("batch os, {count} x 100 B");
        if asked.wants(&name) {
            let calls = 100_000 / count as u64;
            asked.compare(
                &name,
                || {
                    let dir = scratch();
                    let log = ready(dir.path(), Durability::Os);
                    per(in_threads(1, calls, || log.append_batch(&batch).unwrap()), calls)
                },
                || {
                    let dir = scratch();
                    let log = PerRecord::create(&dir.path().join("log")).unwrap();
                    per(in_threads(1, calls, || log.append(&batch).unwrap()), calls)
                },
            );
        }
        let name = format!("batch durable, {count} x 100 B");
        if asked.wants(&name) {
            let dir = scratch();
            let log = ready(dir.path(), Durability::Sync);
            let reference = WriteThrough::create(&dir.path().join("reference")).unwrap();
            asked.compare(
                &name,
                || per(in_threads(1, 40, || log.append_batch(&batch).unwrap()), 40),
                || per(in_threads(1, 40, || reference.append(&batch).unwrap()), 40),
            );
        }
    }
}

fn scans(asked: &Asked) {
    for len in [256, 4 << 10] {
        let names = [format!("scan borrowed, {len} B"), format!("scan as Bytes, {len} B")];
        if !names.iter().any(|name| asked.wants(name)) {
            continue;
        }
        let dir = scratch();
        let count = (128 << 20) / len as u64;
        let (log, _) = filled(dir.path(), &record(len), count);
        let path = dir.path().join("reference");
        let mut reference = Reading::create(&path, &record(len), count).unwrap();
        let [borrowed, owned] = names;
        let mut least = || {
            let mut bytes = 0;
            let took = timed(|| reference.scan(|record| bytes += record.len()).unwrap());
            black_box(bytes);
            per(took, count)
        };
        if asked.wants(&borrowed) {
            let ours = || {
                per(
                    timed(|| {
                        let (mut scan, mut bytes) = (log.scan(Lsn::FIRST).unwrap(), 0);
                        while let Some(record) = scan.next_ref().unwrap() {
                            bytes += record.bytes.len();
                        }
                        black_box(bytes);
                    }),
                    count,
                )
            };
            asked.compare(&borrowed, ours, &mut least);
        }
        if asked.wants(&owned) {
            let ours = || {
                let scan = || log.scan(Lsn::FIRST).unwrap().map(|r| r.unwrap().bytes.len()).sum();
                per(timed(|| black_box::<usize>(scan())), count)
            };
            asked.compare(&owned, ours, &mut least);
        }
    }
}

fn random_reads(asked: &Asked) {
    for (len, threads) in [(256, 1), (256, 2), (2 << 10, 1)] {
        let name = format!("random read, {len} B, {threads} threads");
        if !asked.wants(&name) {
            continue;
        }
        let dir = scratch();
        let count = (64 << 20) / len as u64;
        let (log, lsns) = filled(dir.path(), &record(len), count);
        let path = dir.path().join("reference");
        let reference = Reading::create(&path, &record(len), count).unwrap();
        let frame = (len + reference::HEADER) as u64;
        let each = 50_000;
        let reads = |read: &(dyn Fn(u64) + Sync)| {
            let went = in_threads(threads, 1, || {
                let mut state = 0x9e37_79b9_7f4a_7c15;
                (0..each).for_each(|_| read(xorshift(&mut state) % count));
            });
            per(went, each * threads as u64)
        };
        asked.compare(
            &name,
            || {
                reads(&|nth| {
                    let lsn = lsns[usize::try_from(nth).unwrap()];
                    assert_eq!(log.read(lsn).unwrap().bytes.len(), len);
                })
            },
            || {
                reads(&|nth| {
                    assert_eq!(reference.read(nth * frame, &mut [0; 4096]).unwrap(), len);
                })
            },
        );
    }
}

fn opens(asked: &Asked) {
    let (short, whole) = (1_000, (63 << 20) / 4024);
    let rows = [
        ("open after a clean close", true, whole),
        ("open after a kill, 4 MiB written", false, short),
        ("open after a kill, 63 MiB written", false, whole),
    ];
    for (name, clean, count) in rows {
        if !asked.wants(name) {
            continue;
        }
        let dir = scratch();
        let (ours, least) = (dir.path().join("ours"), dir.path().join("least"));
        let bytes = record(4000);
        let live = scratch();
        let options = Options::new().durability(Durability::Buffered).idle_mark(None);
        let writer = Log::open(live.path(), options.clone()).unwrap();
        (0..count).for_each(|_| drop(writer.append(&bytes)));
        writer.sync().unwrap();
        if clean {
            writer.close().unwrap();
        }
        copied(live.path(), &ours);
        drop(writer);
        std::fs::create_dir_all(&least).unwrap();
        Reading::create(&least.join("log"), &bytes, count).unwrap().pad().unwrap();
        let last = (count - 1) * (4000 + reference::HEADER as u64);
        asked.compare(
            name,
            || {
                let mut opened = None;
                let took = timed(|| opened = Some(Log::open(&ours, options.clone()).unwrap()));
                let log = opened.unwrap();
                assert_eq!(log.report().clean, clean, "{}", log.report());
                took
            },
            || {
                timed(|| {
                    if clean {
                        assert_eq!(Reading::open_closed(&least, "log", last).unwrap(), 4000);
                    } else {
                        assert_eq!(Reading::open_killed(&least, "log").unwrap(), count);
                    }
                })
            },
        );
    }
}
