//! Ctrl-C, SIGTERM and SIGHUP, as something to wait for beside input and time, or as a flag to look at.
//!
//! The handler writes a byte into a socket, and whoever waits polls that socket along with what
//! it waits for: a signal that arrives just before the wait is not missed. SIGHUP stays ignored
//! where it was ignored from the start: `nohup` asks for that.

use crate::exit::Failure;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Tells when to stop.
#[derive(Debug)]
pub(crate) struct Stop {
    told: UnixStream,
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A signal came.
    Stopped,
    /// Input, or its end, is there; or standard output lost its reader.
    Ready,
    /// Neither, in the time given.
    Elapsed,
}

/// A flag that a signal sets; the second one ends the process.
///
/// # Errors
/// [`Failure::Io`] if the handlers cannot be put in place.
pub(crate) fn flag() -> Result<Arc<AtomicBool>, Failure> {
    let told = Arc::new(AtomicBool::new(false));
    for signal in signals() {
        let end = signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&told));
        end.and_then(|_| signal_hook::flag::register(signal, Arc::clone(&told)))
            .map_err(|source| Failure::Io { action: "handle signals", source })?;
    }
    Ok(told)
}

/// The signals that end the work.
fn signals() -> impl Iterator<Item = c_int> {
    let hangup_counts = !is_ignored(SIGHUP);
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(move |&signal| signal != SIGHUP || hangup_counts)
}

/// Whether this process was started with the signal ignored. Where the system does not say
/// so, the signal counts.
fn is_ignored(signal: c_int) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

impl Stop {
    /// From here on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// [`Failure::Io`] if the handlers cannot be put in place.
    pub(crate) fn new() -> Result<Self, Failure> {
        let place = || {
            let (told, tell) = UnixStream::pair()?;
            for signal in signals() {
                signal_hook::low_level::pipe::register(signal, tell.try_clone()?)?;
            }
            Ok(Self { told })
        };
        place().map_err(|source| Failure::Io { action: "handle signals", source })
    }

    /// Waits until `input` can be read without blocking, or ends.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub(crate) fn or_readable(&self, input: BorrowedFd<'_>) -> Result<Wait, Failure> {
        self.wait(input, PollFlags::IN, None)
    }

    /// Waits for `time`, or until `output` has no reader any more.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub(crate) fn or_unread(
        &self,
        output: BorrowedFd<'_>,
        time: Duration,
    ) -> Result<Wait, Failure> {
        // An error condition is told whether it is asked for or not.
        self.wait(output, PollFlags::empty(), Some(time))
    }

    fn wait(
        &self,
        other: BorrowedFd<'_>,
        event: PollFlags,
        time: Option<Duration>,
    ) -> Result<Wait, Failure> {
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        loop {
            let mut waits = [
                PollFd::from_borrowed_fd(self.told.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(other, event),
            ];
            match poll(&mut waits, time.as_ref()) {
                Ok(0) => return Ok(Wait::Elapsed),
                Ok(_) => {
                    let [told, _] = &waits;
                    let stopped = !told.revents().is_empty();
                    return Ok(if stopped { Wait::Stopped } else { Wait::Ready });
                }
                // The signal that interrupted this has written its byte by now.
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => {
                    let source = io::Error::from(errno);
                    return Err(Failure::Io { action: "wait", source });
                }
            }
        }
    }
}
