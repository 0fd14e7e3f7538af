//! What an open log reports to its owner: events, for metrics, traces and retention.
//!
//! ```text
//!   a thread does the disk's work --> the log takes the result --> lock free: observers are called
//!   opened      once, before the log is handed out
//!   segment     Begun --> Closed --> Sealed --> Removed          of one segment, in this order
//!   wrote, synced, trimmed, poisoned
//! ```
//!
//! Events come in the order in which the log learnt of them, one at a time, on whichever thread did the
//! work. Those of a call may come a moment after the call returned to another thread.

mod recovered;
mod span;

#[cfg(feature = "metrics")]
mod measured;
#[cfg(feature = "tracing")]
mod traced;

#[cfg(feature = "metrics")]
pub use measured::MetricsObserver;
pub use recovered::Recovered;
pub use span::{SegmentEvent, SegmentSpan};
#[cfg(feature = "tracing")]
pub use traced::TracingObserver;

use crate::position::Lsn;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Learns what an open log does. Give it to [`Environment::observer`](crate::Environment::observer).
///
/// Every method does nothing by default. They are called without any lock of the log, one at a time, by
/// the thread that did the disk's work, which may be one that waits for its own append: so they should be
/// quick. They may call the log, but must not close it or drop its last handle.
///
/// An observer that panics is not called again; the panic is printed as ever, and the log goes on. One
/// that does not keep up [misses](Self::missed) events: 65,536 wait for it at most.
pub trait Observer: Send + Sync + fmt::Debug {
    /// The log was opened, and recovered if that was needed.
    fn opened(&self, recovered: &Recovered) {
        let _ = recovered;
    }

    /// Something happened to a segment.
    fn segment(&self, event: SegmentEvent) {
        let _ = event;
    }

    /// Frames were handed to the kernel: so many bytes, in so much time. One write may hold the frames
    /// of many appends.
    fn wrote(&self, bytes: u64, took: Duration) {
        let _ = (bytes, took);
    }

    /// A commit was made durable: so long took its sync. Syncs of headers and files that are prepared
    /// are not counted.
    fn synced(&self, took: Duration) {
        let _ = took;
    }

    /// Everything before this LSN is trimmed, and no crash takes that back.
    fn trimmed(&self, trim: Lsn) {
        let _ = trim;
    }

    /// The log stopped for good. `cause` is a [`seawall::Error`](crate::Error) that
    /// [is poisoned](crate::Error::is_poisoned). Where it stopped because a thread panicked in its
    /// storage, this comes with the next piece of work that ends, or with the close.
    fn poisoned(&self, cause: &(dyn Error + 'static)) {
        let _ = cause;
    }

    /// So many events were left out, because earlier ones took too long.
    fn missed(&self, events: u64) {
        let _ = events;
    }
}
