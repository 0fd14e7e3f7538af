//! Criterion's groups: append, batch, scan, random_read, open, each with a `reference` beside it.
//!
//! ```text
//! cargo bench --bench log                      all, about three minutes
//! cargo bench --bench log -- scan              one group
//! cargo bench --bench log -- --quick           all, roughly
//! ```
//!
//! For ratios ask `cargo bench --bench ratios`, which runs both sides in turns.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that cannot go on ends")]

mod ground;
mod reference;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ground::{copied, filled, in_threads, ready, record, scratch, xorshift};
use reference::{Coalesced, PerRecord, Reading, WriteThrough};
use seawall::{Durability, Log, Lsn, Options};
use std::hint::black_box;
use std::time::Duration;

const LENS: [usize; 3] = [100, 256, 10 << 10];
const INTERVAL: Durability = Durability::Interval(Duration::from_millis(100));

fn short() -> Criterion {
    ground::warn_of_memory();
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .without_plots()
}

/// Criterion asks for `count` appends in all: each thread makes its share.
fn shared<T>(threads: usize, count: u64, append: impl Fn() -> T + Sync) -> Duration {
    in_threads(threads, count.div_ceil(threads as u64), append)
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    let levels = [
        ("buffered", Durability::Buffered, &[1, 8][..]),
        ("os", Durability::Os, &[1]),
        ("interval", INTERVAL, &[1]),
        ("sync", Durability::Sync, &[1, 2, 8, 32]),
    ];
    for (level, durability, threads) in levels {
        for (len, &threads) in
            LENS.into_iter().flat_map(|len| threads.iter().map(move |t| (len, t)))
        {
            group.throughput(Throughput::Bytes(len as u64));
            let bytes = record(len);
            let row = format!("{len} B/{threads} threads");
            let dir = scratch();
            group.bench_function(BenchmarkId::new(format!("{level}/seawall"), &row), |b| {
                let log = ready(&dir.path().join("seawall"), durability);
                b.iter_custom(|count| shared(threads, count, || log.append(&bytes).unwrap()));
            });
            let path = dir.path().join("reference");
            group.bench_function(BenchmarkId::new(format!("{level}/reference"), &row), |b| {
                let log = Least::create(&path, durability);
                b.iter_custom(|count| shared(threads, count, || log.append(&[&bytes])));
            });
        }
    }
    group.finish();
}

/// The reference of a level.
enum Least {
    Coalesced(Coalesced),
    PerRecord(PerRecord),
    WriteThrough(WriteThrough),
}

impl Least {
    fn create(path: &std::path::Path, level: Durability) -> Self {
        match level {
            Durability::Buffered => Self::Coalesced(Coalesced::create(path).unwrap()),
            Durability::Os | Durability::Interval(_) => {
                Self::PerRecord(PerRecord::create(path).unwrap())
            }
            Durability::Sync => Self::WriteThrough(WriteThrough::create(path).unwrap()),
        }
    }

    fn append<R: AsRef<[u8]>>(&self, records: &[R]) {
        match self {
            Self::Coalesced(log) => {
                records.iter().for_each(|record| log.append(record.as_ref()).unwrap());
            }
            Self::PerRecord(log) => log.append(records).unwrap(),
            Self::WriteThrough(log) => log.append(records).unwrap(),
        }
    }
}

fn batch(c: &mut Criterion) {
    let mut group = c.benchmark_group("batch");
    for (level, durability) in [("os", Durability::Os), ("sync", Durability::Sync)] {
        for count in [10, 100, 1000] {
            group.throughput(Throughput::Elements(count as u64));
            let records = vec![record(100); count];
            let dir = scratch();
            group.bench_function(BenchmarkId::new(format!("{level}/seawall"), count), |b| {
                let log = ready(&dir.path().join("seawall"), durability);
                b.iter(|| log.append_batch(&records).unwrap());
            });
            let path = dir.path().join("reference");
            group.bench_function(BenchmarkId::new(format!("{level}/reference"), count), |b| {
                let log = Least::create(&path, durability);
                b.iter(|| log.append(&records));
            });
        }
    }
    group.finish();
}

fn scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("scan");
    for len in [256, 4 << 10] {
        let count = (32 << 20) / len as u64;
        group.throughput(Throughput::Bytes(32 << 20));
        let dir = scratch();
        let (log, _) = filled(&dir.path().join("seawall"), &record(len), count);
        group.bench_function(BenchmarkId::new("borrowed", len), |b| {
            b.iter(|| {
                let (mut scan, mut bytes) = (log.scan(Lsn::FIRST).unwrap(), 0);
                while let Some(record) = scan.next_ref().unwrap() {
                    bytes += record.bytes.len();
                }
                bytes
            });
        });
        group.bench_function(BenchmarkId::new("bytes", len), |b| {
            b.iter(|| {
                let scan = log.scan(Lsn::FIRST).unwrap();
                scan.map(|record| black_box(record.unwrap().bytes).len()).sum::<usize>()
            });
        });
        let path = dir.path().join("reference");
        let mut reference = Reading::create(&path, &record(len), count).unwrap();
        group.bench_function(BenchmarkId::new("reference", len), |b| {
            b.iter(|| {
                let mut bytes = 0;
                reference.scan(|record| bytes += record.len()).unwrap();
                bytes
            });
        });
    }
    group.finish();
}

fn random_read(c: &mut Criterion) {
    let mut group = c.benchmark_group("random_read");
    let (len, count) = (256, (32 << 20) / 256);
    let dir = scratch();
    let (log, lsns) = filled(&dir.path().join("seawall"), &record(len), count);
    let path = dir.path().join("reference");
    let reference = Reading::create(&path, &record(len), count).unwrap();
    let frame = (len + reference::HEADER) as u64;
    for threads in [1, 2] {
        group.throughput(Throughput::Elements(1));
        let reads = |times: u64, read: &(dyn Fn(u64) + Sync)| {
            in_threads(threads, 1, || {
                let mut state = 0x9e37_79b9_7f4a_7c15;
                let each = times.div_ceil(threads as u64);
                (0..each).for_each(|_| read(xorshift(&mut state) % count));
            })
        };
        group.bench_function(BenchmarkId::new("seawall", threads), |b| {
            b.iter_custom(|times| {
                reads(times, &|nth| {
                    drop(black_box(log.read(lsns[usize::try_from(nth).unwrap()]).unwrap()));
                })
            });
        });
        group.bench_function(BenchmarkId::new("reference", threads), |b| {
            b.iter_custom(|times| {
                reads(times, &|nth| {
                    black_box(reference.read(nth * frame, &mut [0; 4096]).unwrap());
                })
            });
        });
    }
    group.finish();
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    let (short, whole) = (1_000, (63 << 20) / 4024);
    let rows = [
        ("clean close", true, whole),
        ("kill, 4 MiB written", false, short),
        ("kill, 63 MiB written", false, whole),
    ];
    for (row, clean, count) in rows {
        let (live, dir) = (scratch(), scratch());
        let (ours, least) = (dir.path().join("ours"), dir.path().join("least"));
        let options = Options::new().durability(Durability::Buffered).idle_mark(None);
        let bytes = record(4000);
        let writer = Log::open(live.path(), options.clone()).unwrap();
        (0..count).for_each(|_| drop(writer.append(&bytes)));
        writer.sync().unwrap();
        if clean {
            writer.close().unwrap();
        }
        copied(live.path(), &ours);
        drop(writer);
        group.bench_function(BenchmarkId::new("seawall", row), |b| {
            // What is opened is dropped outside the measurement.
            b.iter_batched(
                || (),
                |()| {
                    let log = Log::open(&ours, options.clone()).unwrap();
                    assert_eq!(log.report().clean, clean, "{}", log.report());
                    log
                },
                BatchSize::PerIteration,
            );
        });
        std::fs::create_dir_all(&least).unwrap();
        Reading::create(&least.join("log"), &bytes, count).unwrap().pad().unwrap();
        let last = (count - 1) * (bytes.len() + reference::HEADER) as u64;
        group.bench_function(BenchmarkId::new("reference", row), |b| {
            b.iter(|| {
                if clean {
                    Reading::open_closed(&least, "log", last).unwrap() as u64
                } else {
                    Reading::open_killed(&least, "log").unwrap()
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = groups;
    config = short();
    targets = append, batch, scan, random_read, open
}
criterion_main!(groups);
