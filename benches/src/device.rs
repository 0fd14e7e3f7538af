//! What the disk itself does: one flush, one small write that is durable.

use crate::failure::Result;
use crate::ground::Ground;
use crate::reference::{prepared, write_through};
use crate::slice::{Latencies, latencies, note, real};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Bytes of the file that is written to.
const LEN: u64 = 8 << 20;

/// How long the disk takes, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Device {
    /// A sync that finds nothing to write: the flush of the device's cache, where the file
    /// system asks for it.
    pub flush: Latencies,
    /// A write of 4 KiB into a file that is there, and a sync.
    pub write_and_sync: Latencies,
    /// One write of 4 KiB that is durable when it returns.
    pub write_through: Latencies,
}

/// Looks at each in turns for `time` in all.
///
/// # Errors
/// What the operating system says.
pub fn look(ground: &Ground, time: Duration) -> Result<Device> {
    let plot = ground.plot()?;
    let file = prepared(&plot.path().join("device"), LEN)?;
    let block = [0x5a; 4096];
    let mut device =
        Device { flush: latencies(), write_and_sync: latencies(), write_through: latencies() };
    let start = Instant::now();
    let mut offset = 0;
    while start.elapsed() < time {
        timed(&mut device.flush, || file.sync_data())?;
        timed(&mut device.write_and_sync, || {
            file.write_all_at(&block, offset)?;
            file.sync_data()
        })?;
        timed(&mut device.write_through, || write_through(&file, &block, offset + 4096))?;
        offset = (offset + 8192) % LEN;
    }
    Ok(device)
}

fn timed(into: &mut Latencies, call: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let start = Instant::now();
    call()?;
    note(into, start.elapsed());
    Ok(())
}

/// The time below which this part of the calls stayed, in seconds.
#[must_use]
pub fn quantile(of: &Latencies, part: f64) -> f64 {
    real(of.value_at_quantile(part)) / 1e9
}
