//! Seawall beside published logs and stores, on the same workloads, in turns.
//!
//! `peer` is what a log must do to be compared, `peers` those that are; `workload` is what is
//! measured, `slice` how; `job` and `child` do that in a process for each measurement; `proof` looks
//! whether promises are kept, `rounds` says who is measured when, `print` shows it.

pub mod child;
pub mod job;
pub mod peer;
pub mod peers;
pub mod print;
pub mod proof;
pub mod record;
pub mod rounds;
mod slice;
pub mod strace;
pub mod workload;
