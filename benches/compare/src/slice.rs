//! One measurement of one peer.
//!
//! What is not synced is measured in bursts of 48 MiB, each into a log of its own, until the time is
//! over: so no peer pays for write-back that another has not yet begun. What is synced or read at
//! random runs for half the time first, so that preparing files or indexes is not part of it.

use crate::job::{Sample, fill, log_dir};
use crate::peer::{Address, Outcome, Peer, Promise};
use crate::record::{RECORD_LEN, record, xorshift};
use crate::workload::Work;
use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Bytes of records in a burst.
const BURST: u64 = 48 << 20;

/// Calls between two looks at the clock, where one costs about as much as a call.
const STRIDE: u64 = 64;

/// How many times longer than what it measures a slice may take.
const PATIENCE: f64 = 4.0;

/// Measures.
///
/// # Errors
/// What the peer says.
pub(crate) fn measure<P: Peer>(
    work: Work,
    dir: &Path,
    seconds: f64,
    filled: u64,
) -> Outcome<Sample> {
    match work {
        Work::Append { promise, threads } => {
            appends::<P>(dir, seconds, Shape { promise, threads, batch: 0 })
        }
        Work::Batch { promise, count } => {
            appends::<P>(dir, seconds, Shape { promise, threads: 1, batch: count })
        }
        Work::Scan => scan::<P>(dir, seconds, filled),
        Work::Read { threads } => read::<P>(dir, seconds, filled, threads),
        Work::Open { .. } => Err("an open is measured in a process of its own".into()),
    }
}

/// How records are appended.
#[derive(Clone, Copy)]
struct Shape {
    promise: Promise,
    threads: usize,
    /// Records in one call; 0 for a call that is no batch.
    batch: usize,
}

impl Shape {
    fn records_a_call(self) -> u64 {
        self.batch.max(1) as u64
    }
}

fn appends<P: Peer>(dir: &Path, seconds: f64, shape: Shape) -> Outcome<Sample> {
    if shape.promise == Promise::Durable {
        let log = P::open(&log_dir(dir), shape.promise)?;
        log.append(0, &record(0))?;
        let run = Run {
            warm_up: Duration::from_secs_f64(seconds / 2.0),
            time: Duration::from_secs_f64(seconds),
            calls_max: u64::MAX,
            stride: 1,
        };
        let mut latencies = Vec::new();
        let sample = together(&log, shape, run, &mut latencies)?;
        latencies.sort_unstable();
        let at = latencies.len() * 99 / 100;
        let p99 = latencies.get(at).map(|latency| latency.as_secs_f64());
        // The process ends here, and the directory goes: nobody needs the close.
        std::mem::forget(log);
        return Ok(Sample { p99, ..sample });
    }
    let begun = Instant::now();
    let mut sum = Sample { operations: 0, seconds: 0.0, p99: None };
    for burst in 0.. {
        let dir = dir.join(format!("log-{burst}"));
        std::fs::create_dir_all(&dir)?;
        let log = P::open(&dir, shape.promise)?;
        log.append(0, &record(0))?;
        let calls = BURST / RECORD_LEN as u64 / shape.records_a_call() / shape.threads as u64;
        let time = Duration::from_secs_f64(seconds);
        let stride = (STRIDE / shape.records_a_call()).max(1);
        let run = Run { warm_up: Duration::ZERO, time, calls_max: calls, stride };
        let sample = together(&log, shape, run, &mut Vec::new())?;
        drop(log);
        std::fs::remove_dir_all(&dir)?;
        sum.operations += sample.operations;
        sum.seconds += sample.seconds;
        if sum.seconds >= seconds || begun.elapsed().as_secs_f64() > PATIENCE * seconds {
            break;
        }
    }
    Ok(sum)
}

/// How long threads append.
#[derive(Clone, Copy)]
struct Run {
    /// Not counted.
    warm_up: Duration,
    time: Duration,
    /// For each thread.
    calls_max: u64,
    /// Calls between two looks at the clock; each is a latency if it is 1.
    stride: u64,
}

/// What one thread did, and when.
struct Span {
    calls: u64,
    start: Instant,
    end: Instant,
    latencies: Vec<Duration>,
}

/// Threads append at the same time; what counts is from the first start to the last end.
fn together<P: Peer>(
    log: &P,
    shape: Shape,
    run: Run,
    latencies: &mut Vec<Duration>,
) -> Outcome<Sample> {
    let barrier = Barrier::new(shape.threads);
    let spans: Vec<Outcome<Span>> = std::thread::scope(|scope| {
        let start = |thread| {
            let barrier = &barrier;
            scope.spawn(move || one(log, thread, shape, run, barrier))
        };
        let threads: Vec<_> = (0..shape.threads).map(start).collect();
        threads.into_iter().map(|thread| thread.join().map_err(panicked)?).collect()
    });
    let mut sample = Sample { operations: 0, seconds: 0.0, p99: None };
    let (mut first, mut last) = (None, None);
    for span in spans {
        let span = span?;
        sample.operations += span.calls * shape.records_a_call();
        first = first.min(Some(span.start)).or(Some(span.start));
        last = last.max(Some(span.end));
        latencies.extend(span.latencies);
    }
    if let (Some(first), Some(last)) = (first, last) {
        sample.seconds = last.duration_since(first).as_secs_f64();
    }
    Ok(sample)
}

fn panicked(payload: Box<dyn std::any::Any + Send>) -> String {
    let words = payload.downcast_ref::<String>().cloned();
    let words = words.or_else(|| payload.downcast_ref::<&str>().map(|&words| words.to_owned()));
    format!("panicked: {}", words.unwrap_or_default())
}

fn one<P: Peer>(
    log: &P,
    thread: usize,
    shape: Shape,
    run: Run,
    barrier: &Barrier,
) -> Outcome<Span> {
    let bytes = record(thread as u64);
    let batch: Vec<Vec<u8>> = (0..shape.batch as u64).map(record).collect();
    let call = || {
        if shape.batch == 0 {
            log.append(thread, &bytes).map(|address| {
                black_box(address);
            })
        } else {
            log.append_batch(&batch)
        }
    };
    barrier.wait();
    let warm = Instant::now();
    let mut failed = None;
    while run.warm_up > Duration::ZERO && warm.elapsed() < run.warm_up && failed.is_none() {
        failed = call().err();
    }
    // Also on a failure: the others wait here.
    barrier.wait();
    if let Some(failure) = failed {
        return Err(failure);
    }
    let start = Instant::now();
    let mut span = Span { calls: 0, start, end: start, latencies: Vec::new() };
    while span.calls < run.calls_max && span.end.duration_since(start) < run.time {
        for _ in 0..run.stride.min(run.calls_max - span.calls) {
            call()?;
            span.calls += 1;
        }
        let now = Instant::now();
        if run.stride == 1 && run.calls_max == u64::MAX {
            span.latencies.push(now.duration_since(span.end));
        }
        span.end = now;
    }
    Ok(span)
}

/// A log of single appends, closed and opened again.
fn reopened<P: Peer>(dir: &Path, filled: u64, seconds: f64) -> Outcome<(P, Vec<Address>)> {
    let dir = log_dir(dir);
    let promise = P::abilities().weakest().ok_or("it appends at no promise")?;
    let log = P::open_for_random_reads(&dir, promise)?;
    let begun = Instant::now();
    let mut addresses = Vec::new();
    // Those that can only append durably would need minutes; a smaller log is no disadvantage.
    while (addresses.len() as u64) < filled
        && (promise != Promise::Durable || begun.elapsed().as_secs_f64() < PATIENCE * seconds)
    {
        addresses.push(log.append(0, &record(addresses.len() as u64))?);
    }
    log.close()?;
    Ok((P::open_for_random_reads(&dir, promise)?, addresses))
}

fn scan<P: Peer>(dir: &Path, seconds: f64, filled: u64) -> Outcome<Sample> {
    let dir = log_dir(dir);
    let promise = P::abilities().weakest().ok_or("it appends at no promise")?;
    let log = P::open(&dir, promise)?;
    fill(&log, filled, 0)?;
    log.close()?;
    let log = P::open(&dir, promise)?;
    let mut sample = Sample { operations: 0, seconds: 0.0, p99: None };
    while sample.seconds < seconds {
        let (mut count, mut sum) = (0_u64, 0_u64);
        let start = Instant::now();
        log.scan(|record| {
            count += 1;
            sum += u64::from(record.last().copied().unwrap_or_default());
        })?;
        let took = start.elapsed().as_secs_f64();
        black_box(sum);
        // Where reading consumes, there is one scan.
        if count == 0 && sample.operations > 0 {
            break;
        }
        if count != filled {
            return Err(format!("a scan showed {count} records of {filled}").into());
        }
        sample.operations += count;
        sample.seconds += took;
    }
    std::mem::forget(log);
    Ok(sample)
}

fn read<P: Peer>(dir: &Path, seconds: f64, filled: u64, threads: usize) -> Outcome<Sample> {
    let (log, addresses) = reopened::<P>(dir, filled, seconds)?;
    let barrier = Barrier::new(threads);
    let time = Duration::from_secs_f64(seconds);
    let reader = |thread: usize| -> Outcome<(u64, Instant, Instant)> {
        let mut state = 0x9e37_79b9_7f4a_7c15 + thread as u64;
        let count = addresses.len() as u64;
        let mut read = || -> Outcome<()> {
            let nth = usize::try_from(xorshift(&mut state) % count)?;
            let address = addresses.get(nth).copied().ok_or("no record")?;
            let mut len = 0;
            log.read(address, |record| len = black_box(record).len())?;
            if len == RECORD_LEN { Ok(()) } else { Err(format!("a record of {len} bytes").into()) }
        };
        let warm = Instant::now();
        let mut warmed = Ok(());
        while warm.elapsed() < time / 2 && warmed.is_ok() {
            warmed = (0..STRIDE).try_for_each(|_| read());
        }
        // Also on a failure: the others wait here.
        barrier.wait();
        warmed?;
        let start = Instant::now();
        let (mut reads, mut end) = (0, start);
        while end.duration_since(start) < time {
            (0..STRIDE).try_for_each(|_| read())?;
            reads += STRIDE;
            end = Instant::now();
        }
        Ok((reads, start, end))
    };
    let spans: Vec<Outcome<(u64, Instant, Instant)>> = std::thread::scope(|scope| {
        let reader = &reader;
        let readers: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || reader(thread))).collect();
        readers.into_iter().map(|reader| reader.join().map_err(panicked)?).collect()
    });
    let mut sample = Sample { operations: 0, seconds: 0.0, p99: None };
    for span in spans {
        let (reads, start, end) = span?;
        sample.operations += reads;
        sample.seconds = sample.seconds.max(end.duration_since(start).as_secs_f64());
    }
    std::mem::forget(log);
    Ok(sample)
}
