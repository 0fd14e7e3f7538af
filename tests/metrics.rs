//! The observers of the features `metrics` and `tracing`.

#![cfg(all(feature = "metrics", feature = "tracing"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod watched;

use parking_lot::Mutex;
use seawall::observer::{MetricsObserver, TracingObserver};
use seawall::{Durability, Log, Options};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tracing::Level;
use watched::{Call, On, Watcher};

type Values = Arc<Mutex<BTreeMap<String, Vec<f64>>>>;

/// Keeps what is recorded: the least recorder that there is.
#[derive(Debug, Default)]
struct Recorder(Values);

/// One metric.
struct Metric {
    name: String,
    values: Values,
}

impl Metric {
    fn update(&self, new: impl FnOnce(f64) -> f64) {
        let mut values = self.values.lock();
        let values = values.entry(self.name.clone()).or_insert_with(|| vec![0.0]);
        values[0] = new(values[0]);
    }
}

fn float(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap())
}

impl metrics::CounterFn for Metric {
    fn increment(&self, value: u64) {
        self.update(|old| old + float(value));
    }

    fn absolute(&self, value: u64) {
        self.update(|_| float(value));
    }
}

impl metrics::GaugeFn for Metric {
    fn increment(&self, value: f64) {
        self.update(|old| old + value);
    }

    fn decrement(&self, value: f64) {
        self.update(|old| old - value);
    }

    fn set(&self, value: f64) {
        self.update(|_| value);
    }
}

impl metrics::HistogramFn for Metric {
    fn record(&self, value: f64) {
        self.values.lock().entry(self.name.clone()).or_default().push(value);
    }
}

impl Recorder {
    fn metric(&self, key: &metrics::Key) -> Arc<Metric> {
        let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
        assert_eq!(labels, [("log", "orders")], "{key}");
        Arc::new(Metric { name: key.name().to_owned(), values: Arc::clone(&self.0) })
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn describe_gauge(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn describe_histogram(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(self.metric(key))
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.metric(key))
    }

    fn register_histogram(
        &self,
        key: &metrics::Key,
        _: &metrics::Metadata<'_>,
    ) -> metrics::Histogram {
        metrics::Histogram::from_arc(self.metric(key))
    }
}

fn options() -> Options {
    Options::new()
        .segment_len(32 << 10)
        .first_segment_len(32 << 10)
        .durability(Durability::Sync)
        .idle_mark(None)
}

#[test]
fn the_metrics_are_those_of_the_table_and_count_what_was_done() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let recorder = Recorder::default();
    let observer = metrics::with_local_recorder(&recorder, || MetricsObserver::new("orders"));
    let (environment, watcher) = Watcher::environment(dir.path());
    let environment = environment.threads(false).observer(Arc::new(observer));
    let log = Log::open_in(environment, options()).unwrap();
    while log.segments().len() < 5 {
        log.append(&[7; 3000]).unwrap();
    }
    log.tend().unwrap();
    let trimmed = log.trim(log.segments()[3].base()).unwrap();
    let stats = log.stats();
    let written = log.watermarks().written.get();
    let value = |name: &str| recorder.0.lock().get(name).unwrap_or_else(|| panic!("{name}"))[0];
    for (name, expected) in [
        ("seawall_append_bytes_total", written),
        ("seawall_segments", stats.segments as u64),
        ("seawall_segments_begun_total", 5),
        ("seawall_segments_closed_total", 4),
        ("seawall_segments_sealed_total", 4),
        ("seawall_segments_removed_total", 3),
        ("seawall_removed_bytes_total", trimmed.bytes),
        ("seawall_trim_lsn", trimmed.trim.get()),
        ("seawall_recovery_scanned_bytes", 0),
        ("seawall_recovery_cut_bytes", 0),
        ("seawall_poisoned", 0),
    ] {
        assert!((value(name) - float(expected)).abs() < 0.5, "{name} {}", value(name));
    }
    assert!(value("seawall_recovery_duration_seconds") > 0.0);
    let counts = watcher.take_counts();
    let histogram = |name: &str| recorder.0.lock().get(name).unwrap().len() as u64;
    // The header of the first segment is written before its file has its name.
    let headers = 4;
    assert_eq!(
        histogram("seawall_fsync_duration_seconds"),
        counts.of(On::Segment, Call::SyncData) - headers
    );
    assert!(histogram("seawall_write_duration_seconds") > 20);
    assert!(!recorder.0.lock().contains_key("seawall_observer_missed_total"));
    watcher.fail(On::Segment, Call::SyncData, 5);
    assert!(log.append(b"not durable").unwrap_err().is_poisoned());
    assert!((value("seawall_poisoned") - 1.0).abs() < 0.5);
}

/// Keeps the events of one target.
#[derive(Clone, Debug, Default)]
struct Subscriber(Arc<Mutex<Vec<(Level, String)>>>);

#[derive(Default)]
struct Text(String);

impl tracing::field::Visit for Text {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl tracing::Subscriber for Subscriber {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "seawall"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.0.lock().push((*event.metadata().level(), text.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn the_events_of_tracing_have_their_level_and_their_numbers() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let subscriber = Subscriber::default();
    let (environment, watcher) = Watcher::environment(dir.path());
    let environment = environment.threads(false).observer(Arc::new(TracingObserver::new()));
    let trim = tracing::subscriber::with_default(subscriber.clone(), || {
        let log = Log::open_in(environment, options()).unwrap();
        while log.segments().len() < 3 {
            log.append(&[7; 3000]).unwrap();
        }
        log.tend().unwrap();
        let trim = log.trim(log.segments()[1].base()).unwrap().trim;
        watcher.fail(On::Segment, Call::SyncData, 5);
        log.append(b"not durable").unwrap_err();
        trim
    });
    let events = subscriber.0.lock().clone();
    let of = |level: Level, word: &str| {
        let of = |(at, text): &&(Level, String)| *at == level && text.contains(word);
        events.iter().filter(of).count()
    };
    assert_eq!(of(Level::INFO, " message=log opened"), 1, "{events:?}");
    assert_eq!(of(Level::INFO, " message=segment begun number=3"), 1, "{events:?}");
    assert_eq!(of(Level::DEBUG, " message=segment closed"), 2);
    assert_eq!(of(Level::DEBUG, " message=segment sealed number=1 base=0"), 1);
    assert_eq!(of(Level::INFO, " message=segment removed number=1 base=0"), 1);
    assert_eq!(of(Level::INFO, &format!(" message=trimmed trim={trim}")), 1);
    assert!(of(Level::DEBUG, " message=synced seconds=") > 10);
    assert!(of(Level::TRACE, " message=written bytes=") > 10);
    assert_eq!(of(Level::ERROR, " message=the log stopped cause="), 1);
    assert_eq!(of(Level::WARN, ""), 0);
}
