//! The events of a log as metrics, through the `metrics` facade.

use super::{Observer, Recovered, SegmentEvent};
use crate::position::Lsn;
use metrics::{Counter, Gauge, Histogram, Unit};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Counts what a log does with the `metrics` facade: the feature `metrics`.
///
/// | name | kind | counts |
/// |---|---|---|
/// | `seawall_append_bytes_total` | counter | bytes of frames handed to the kernel |
/// | `seawall_write_duration_seconds` | histogram | one write |
/// | `seawall_fsync_duration_seconds` | histogram | one sync of a commit |
/// | `seawall_segments` | gauge | segments that are part of the log |
/// | `seawall_segments_begun_total`, `_closed_total`, `_sealed_total`, `_removed_total` | counter | |
/// | `seawall_removed_bytes_total` | counter | bytes of files that were trimmed away |
/// | `seawall_trim_lsn` | gauge | the durable trim point |
/// | `seawall_recovery_duration_seconds` | gauge | the last open |
/// | `seawall_recovery_scanned_bytes`, `seawall_recovery_cut_bytes` | gauge | the last open |
/// | `seawall_poisoned` | gauge | 1 once the log stopped for good |
/// | `seawall_observer_missed_total` | counter | events that were left out |
///
/// Each has the label `log`.
///
/// Its metrics belong to the recorder that was installed when it was made.
#[derive(Clone)]
pub struct MetricsObserver {
    append_bytes: Counter,
    writes: Histogram,
    syncs: Histogram,
    segments: Gauge,
    begun: Counter,
    closed: Counter,
    sealed: Counter,
    removed: Counter,
    removed_bytes: Counter,
    trim: Gauge,
    recovery: Gauge,
    scanned: Gauge,
    cut: Gauge,
    poisoned: Gauge,
    missed: Counter,
}

impl MetricsObserver {
    /// For the log that the label `log` names.
    #[must_use]
    pub fn new(log: impl Into<String>) -> Self {
        let log: String = log.into();
        let counter = |name: &'static str, unit: Unit, what: &'static str| {
            metrics::describe_counter!(name, unit, what);
            metrics::counter!(name, "log" => log.clone())
        };
        let gauge = |name: &'static str, unit: Unit, what: &'static str| {
            metrics::describe_gauge!(name, unit, what);
            metrics::gauge!(name, "log" => log.clone())
        };
        let histogram = |name: &'static str, what: &'static str| {
            metrics::describe_histogram!(name, Unit::Seconds, what);
            metrics::histogram!(name, "log" => log.clone())
        };
        let (bytes, count, seconds) = (Unit::Bytes, Unit::Count, Unit::Seconds);
        Self {
            append_bytes: counter(
                "seawall_append_bytes_total",
                bytes,
                "Bytes of frames handed to the kernel",
            ),
            writes: histogram("seawall_write_duration_seconds", "One write of frames"),
            syncs: histogram("seawall_fsync_duration_seconds", "One sync of a commit"),
            segments: gauge("seawall_segments", count, "Segments that are part of the log"),
            begun: counter("seawall_segments_begun_total", count, "Segments that were begun"),
            closed: counter("seawall_segments_closed_total", count, "Segments that were closed"),
            sealed: counter("seawall_segments_sealed_total", count, "Segments that were sealed"),
            removed: counter(
                "seawall_segments_removed_total",
                count,
                "Segments that were trimmed away",
            ),
            removed_bytes: counter(
                "seawall_removed_bytes_total",
                bytes,
                "Bytes of files that were trimmed away",
            ),
            trim: gauge("seawall_trim_lsn", bytes, "The durable trim point"),
            recovery: gauge("seawall_recovery_duration_seconds", seconds, "The last open"),
            scanned: gauge("seawall_recovery_scanned_bytes", bytes, "Read by the last open"),
            cut: gauge("seawall_recovery_cut_bytes", bytes, "Cut by the last open"),
            poisoned: gauge("seawall_poisoned", count, "1 once the log stopped for good"),
            missed: counter("seawall_observer_missed_total", count, "Events that were left out"),
        }
    }
}

impl Observer for MetricsObserver {
    fn opened(&self, recovered: &Recovered) {
        self.segments.set(float(recovered.segments));
        self.trim.set(float(recovered.trim.get()));
        self.recovery.set(recovered.took.as_secs_f64());
        self.scanned.set(float(recovered.bytes_scanned));
        self.cut.set(float(recovered.bytes_cut));
        self.poisoned.set(0.0);
    }

    fn segment(&self, event: SegmentEvent) {
        match event {
            SegmentEvent::Begun(_) => {
                self.begun.increment(1);
                self.segments.increment(1.0);
            }
            SegmentEvent::Closed(_) => self.closed.increment(1),
            SegmentEvent::Sealed(_) => self.sealed.increment(1),
            SegmentEvent::Removed { span, .. } => {
                self.removed.increment(1);
                self.removed_bytes.increment(span.bytes);
                self.segments.decrement(1.0);
            }
        }
    }

    fn wrote(&self, bytes: u64, took: Duration) {
        self.append_bytes.increment(bytes);
        self.writes.record(took.as_secs_f64());
    }

    fn synced(&self, took: Duration) {
        self.syncs.record(took.as_secs_f64());
    }

    fn trimmed(&self, trim: Lsn) {
        self.trim.set(float(trim.get()));
    }

    fn poisoned(&self, _cause: &(dyn Error + 'static)) {
        self.poisoned.set(1.0);
    }

    fn missed(&self, events: u64) {
        self.missed.increment(events);
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsObserver").finish_non_exhaustive()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; 2^53 bytes are shown exactly")]
const fn float(value: u64) -> f64 {
    value as f64
}
