//! What is measured: the list of workloads, and what each asks of a peer.

use crate::peer::{Abilities, Can, Promise};
use serde::{Deserialize, Serialize};

/// What is done in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Appends one by one.
    Append {
        /// What each promises.
        promise: Promise,
        /// How many threads append to the same log.
        threads: usize,
    },
    /// Appends in batches, by one thread.
    Batch {
        /// What each promises.
        promise: Promise,
        /// Records in one.
        count: usize,
    },
    /// Reads everything in order.
    Scan,
    /// Reads records by address, in no order.
    Read {
        /// How many threads do.
        threads: usize,
    },
    /// Opens a log and appends the first record.
    Open {
        /// Whether the last run closed it; else it was killed.
        clean: bool,
    },
}

/// How the speed of a workload is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Records a second.
    Records,
    /// Bytes of records a second.
    Bytes,
    /// Seconds for one.
    Seconds,
}

/// A workload.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name, of which `--workload` takes any part.
    pub name: &'static str,
    /// What is done.
    pub work: Work,
}

const fn append(name: &'static str, promise: Promise, threads: usize) -> Workload {
    Workload { name, work: Work::Append { promise, threads } }
}

const fn batch(name: &'static str, promise: Promise, count: usize) -> Workload {
    Workload { name, work: Work::Batch { promise, count } }
}

/// All workloads; records are of 256 bytes.
pub const ALL: [Workload; 19] = [
    append("append buffered, 1 thread", Promise::Buffered, 1),
    append("append buffered, 8 threads", Promise::Buffered, 8),
    append("append os, 1 thread", Promise::Os, 1),
    batch("batch os, 10 records", Promise::Os, 10),
    batch("batch os, 100 records", Promise::Os, 100),
    batch("batch os, 1000 records", Promise::Os, 1000),
    batch("batch durable, 10 records", Promise::Durable, 10),
    batch("batch durable, 100 records", Promise::Durable, 100),
    batch("batch durable, 1000 records", Promise::Durable, 1000),
    append("append durable, 1 thread", Promise::Durable, 1),
    append("append durable, 2 threads", Promise::Durable, 2),
    append("append durable, 8 threads", Promise::Durable, 8),
    append("append durable, 32 threads", Promise::Durable, 32),
    append("append durable, 128 threads", Promise::Durable, 128),
    Workload { name: "scan", work: Work::Scan },
    Workload { name: "random read, 1 thread", work: Work::Read { threads: 1 } },
    Workload { name: "random read, 2 threads", work: Work::Read { threads: 2 } },
    Workload { name: "open after a clean close", work: Work::Open { clean: true } },
    Workload { name: "open after a kill", work: Work::Open { clean: false } },
];

impl Work {
    /// Whether a peer can do it.
    #[must_use]
    pub const fn of(self, abilities: &Abilities) -> Can {
        match self {
            Self::Append { promise, .. } => abilities.append(promise),
            Self::Batch { promise: Promise::Durable, .. } => abilities.batch_durable,
            Self::Batch { .. } => abilities.batch_os,
            Self::Scan => abilities.scan,
            Self::Read { .. } => abilities.read,
            Self::Open { .. } => Can::Yes("open, append"),
        }
    }

    /// The promise that is compared, if one is.
    #[must_use]
    pub const fn promise(self) -> Option<Promise> {
        match self {
            Self::Append { promise, .. } | Self::Batch { promise, .. } => Some(promise),
            Self::Scan | Self::Read { .. } | Self::Open { .. } => None,
        }
    }

    /// How its speed is told.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Scan => Unit::Bytes,
            Self::Open { .. } => Unit::Seconds,
            Self::Append { .. } | Self::Batch { .. } | Self::Read { .. } => Unit::Records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn no_workload_has_the_name_of_another() {
        for (at, workload) in ALL.iter().enumerate() {
            assert!(ALL.iter().skip(at + 1).all(|other| other.name != workload.name));
        }
    }
}
