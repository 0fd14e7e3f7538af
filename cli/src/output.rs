//! Standard output, in large pieces, and notes on standard error; either may have no reader any
//! more, or no room.

use crate::exit::Failure;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes that are collected before they are written.
const BUFFER_LEN: usize = 256 << 10;

/// Standard output without the line buffering of [`std::io::Stdout`].
#[derive(Debug)]
pub(crate) struct Output(BufWriter<File>);

impl Output {
    /// # Errors
    /// [`Failure::Io`] if there is no standard output.
    pub(crate) fn new() -> Result<Self, Failure> {
        let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
        Ok(Self(BufWriter::with_capacity(BUFFER_LEN, stdout.into())))
    }

    /// # Errors
    /// [`Failure::Unread`] once nobody reads; [`Failure::Io`].
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).map_err(failed)
    }

    /// Hands over what was collected.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub(crate) fn hand_over(&mut self) -> Result<(), Failure> {
        self.0.flush().map_err(failed)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

/// Prints a line on standard error, as `eprintln!` does, which panics where that fails.
macro_rules! say {
    ($($line:tt)*) => {
        $crate::output::say_line(format_args!($($line)*))
    };
}
pub(crate) use say;

/// Prints a line on standard error. A note that cannot be written must not stop the work that it
/// is about: the exit code states the outcome in any case.
pub(crate) fn say_line(line: fmt::Arguments<'_>) {
    // In one piece, so that the lines of two processes do not mix.
    let _unread = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// What an error of standard output means.
pub(crate) fn failed(source: io::Error) -> Failure {
    match source.kind() {
        io::ErrorKind::BrokenPipe => Failure::Unread,
        _ => Failure::Io { action: "write to standard output", source },
    }
}
