//! The events of a log as events of `tracing`, with the target `seawall`.

use super::{Observer, Recovered, SegmentEvent};
use crate::position::Lsn;
use std::error::Error;
use std::time::Duration;
use tracing::{debug, error, info, trace, warn};

/// Tells `tracing` what a log does: the feature `tracing`. The target is `seawall`. An open, a trim and a
/// segment that is begun or removed have the level INFO, other events of segments and syncs DEBUG,
/// writes TRACE, an ambiguous tail and missed events WARN, the end of a log that stopped ERROR.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingObserver;

impl TracingObserver {
    /// One for any number of logs.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Observer for TracingObserver {
    fn opened(&self, recovered: &Recovered) {
        let Recovered { log, created, clean, segments, trim, end, .. } = *recovered;
        let Recovered { bytes_scanned, bytes_cut, tail_ambiguous, took, .. } = *recovered;
        info!(
            target: "seawall", %log, created, clean, segments, trim = trim.get(), end = end.get(),
            bytes_scanned, bytes_cut, seconds = took.as_secs_f64(), "log opened"
        );
        if tail_ambiguous {
            warn!(
                target: "seawall", %log, end = end.get(),
                "the cut tail may be damage to the newest commit"
            );
        }
    }

    fn segment(&self, event: SegmentEvent) {
        let span = event.span();
        let (number, base, end, bytes) =
            (span.number.get(), span.base.get(), span.end.get(), span.bytes);
        match event {
            SegmentEvent::Begun(_) => {
                info!(target: "seawall", number, base, end, bytes, "segment begun");
            }
            SegmentEvent::Closed(_) => {
                debug!(target: "seawall", number, base, end, bytes, "segment closed");
            }
            SegmentEvent::Sealed(_) => {
                debug!(target: "seawall", number, base, end, bytes, "segment sealed");
            }
            SegmentEvent::Removed { recycled, .. } => {
                info!(target: "seawall", number, base, end, bytes, recycled, "segment removed");
            }
        }
    }

    fn wrote(&self, bytes: u64, took: Duration) {
        trace!(target: "seawall", bytes, seconds = took.as_secs_f64(), "written");
    }

    fn synced(&self, took: Duration) {
        debug!(target: "seawall", seconds = took.as_secs_f64(), "synced");
    }

    fn trimmed(&self, trim: Lsn) {
        info!(target: "seawall", trim = trim.get(), "trimmed");
    }

    fn poisoned(&self, cause: &(dyn Error + 'static)) {
        error!(target: "seawall", cause, "the log stopped");
    }

    fn missed(&self, events: u64) {
        warn!(target: "seawall", events, "events were left out");
    }
}
