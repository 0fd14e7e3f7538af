//! `seawall append`: standard input into the log, in groups of what is already there.

use crate::exit::{self, Failure, Status};
use crate::input::{Framing, Input};
use crate::level::Level;
use crate::output::{Output, say};
use crate::progress;
use crate::stop::{Stop, Wait};
use seawall::{Durability, Error, Log, Lsn, Options, Receipt};
use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Bytes the log may hold before it hands them over: reading goes on meanwhile.
const BUFFER_MAX: u64 = 8 << 20;

/// Append standard input to the log, one record for each line.
///
/// The newline belongs to the record, so that `cat` gives back the input byte for byte; a last
/// line without one is a record too. Makes DIR if it is missing, and says so where it begins a new
/// log; --existing refuses instead.
///
/// Ctrl-C, SIGTERM and SIGHUP end the input early: lines that were read whole are synced, the log is
/// closed, and the exit code is 130. If an error ends it, every record that is in the log on
/// stable storage is acknowledged: what --ack did not print may be appended again.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall append log < events.txt\n  \
       journalctl -fo json | seawall append log --sync interval=5ms\n  \
       producer | seawall append log --sync always --ack | consumer\n  \
       seawall append /mnt/data/log --existing < events.txt",
))]
pub(crate) struct Append {
    /// The directory of the log.
    dir: PathBuf,
    /// Each line is a record (the default).
    #[arg(long, conflicts_with = "frames")]
    lines: bool,
    /// Each record is a u32, little-endian, and so many bytes.
    #[arg(long)]
    frames: bool,
    /// When a record counts: `always` on stable storage (lines that wait share one sync); `os`
    /// in the kernel's hands, with one sync at the end; `interval=5ms` the same, but on stable
    /// storage at most so much later.
    #[arg(long, value_name = "LEVEL", default_value = "os")]
    sync: Level,
    /// Append to a log that is there, and never begin a new one: for a directory whose file system
    /// may not be mounted.
    #[arg(long)]
    existing: bool,
    /// Print the LSN of each record, on a line of its own, once it counts.
    #[arg(long)]
    ack: bool,
    /// Greatest length of new segment files: a multiple of 4096 from 16384 to 1073741824.
    #[arg(long, value_name = "BYTES", default_value_t = Options::default().segment_len)]
    segment_len: u64,
    /// Length of the first file that is begun; each next one is four times as long, up to the above.
    #[arg(long, value_name = "BYTES", default_value_t = Options::default().first_segment_len)]
    first_segment_len: u64,
    /// Say nothing on standard error unless something is wrong.
    #[arg(long, short)]
    quiet: bool,
}

/// What the log took.
#[derive(Debug, Default)]
struct Taken {
    records: u64,
    bytes: u64,
    first: Option<Lsn>,
    last: Option<Lsn>,
    /// With `--ack`: what is not acknowledged yet, in order.
    unacknowledged: Vec<Receipt>,
}

impl Append {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let stop = Stop::new()?;
        let framing = if self.frames { Framing::Frames } else { Framing::Lines };
        let mut input = Input::new(framing)?;
        let mut acks = if self.ack { Some(Output::new()?) } else { None };
        let options = Options::new()
            .durability(self.sync.of_log())
            .segment_len(self.segment_len)
            .first_segment_len(self.first_segment_len)
            .must_exist(self.existing)
            .buffer_max(BUFFER_MAX)
            // Each group is synced: the zeros are paid once, and not by every sync.
            .zeros_ahead((self.sync == Level::Always).then_some(true));
        let log = Log::open(&self.dir, options).map_err(|error| self.advised(error))?;
        self.say_opened(&log);
        let mut taken = Taken::default();
        let outcome = self.pump(&log, &stop, &mut input, acks.as_mut(), &mut taken);
        // Whatever ended the input, what came before it is kept and synced.
        let closed = close(&log);
        let durable = log.watermarks().durable;
        if outcome.is_err() || closed.is_err() {
            // What is in the log is acknowledged, so that what is not may be sent again.
            let acknowledged =
                acks.as_mut().map_or(Ok(()), |acks| taken.acknowledge(acks, durable));
            self.say_ended_early(&taken, closed.is_ok(), durable);
            if closed.is_err() && self.ack {
                // Dropping the log tries to close it once more, and must not write what was not
                // acknowledged. The process ends at once.
                std::mem::forget(log);
            }
            return match (outcome, closed, acknowledged) {
                // No reader is left, but what follows in a script must not take it for done.
                (Err(Failure::Unread), Ok(()), _) => Ok(Status::Unheard),
                (Err(failure), _, _) => Err(failure),
                (Ok(_), Err(error), _) => Err(error.into()),
                (Ok(status), Ok(()), _) => Ok(status),
            };
        }
        self.say_summary(&taken, &input);
        outcome
    }

    fn pump(
        &self,
        log: &Log,
        stop: &Stop,
        input: &mut Input,
        mut acks: Option<&mut Output>,
        taken: &mut Taken,
    ) -> Result<Status, Failure> {
        let total = input.len_left().filter(|_| !self.quiet);
        let bar = total.map(|total| progress::bar("append", total));
        let mut group = Vec::new();
        loop {
            if stop.or_readable(input.as_fd())? == Wait::Stopped {
                return Ok(Status::Interrupted);
            }
            let read = input.read()?;
            let cut = input.group(&mut group);
            self.append_group(log, input, &group, taken)?;
            if let Some(acks) = &mut acks {
                taken.acknowledge(acks, Lsn::new(u64::MAX))?;
            }
            if let (Some(bar), Some(len)) = (&bar, read) {
                bar.inc(len as u64);
            }
            cut?;
            if read.is_none() {
                return Ok(Status::Clean);
            }
        }
    }

    /// Appends a group; returns once all of it counts.
    fn append_group(
        &self,
        log: &Log,
        input: &Input,
        group: &[Range<usize>],
        taken: &mut Taken,
    ) -> Result<(), Failure> {
        let Some((last, others)) = group.split_last() else {
            return Ok(());
        };
        let mut append = |place: &Range<usize>, level| {
            let record = input.record(place);
            let receipt = log.append_at(record, level)?;
            taken.records += 1;
            taken.bytes += record.len() as u64;
            taken.first.get_or_insert(receipt.lsn);
            taken.last = Some(receipt.lsn);
            if self.ack {
                taken.unacknowledged.push(receipt);
            }
            Ok::<_, Failure>(())
        };
        for place in others {
            append(place, Durability::Buffered)?;
        }
        // The last takes the others along.
        append(
            last,
            match self.sync {
                Level::Always => Durability::Sync,
                Level::Os | Level::Interval(_) => Durability::Os,
            },
        )
    }

    fn advised(&self, error: Error) -> Failure {
        match error {
            Error::NoLog { .. } => Failure::Advised {
                error,
                hint: "is its file system mounted, and is the path right? To begin a new log there, \
                       append without --existing; nothing was made",
            },
            error => error.into(),
        }
    }

    fn say_opened(&self, log: &Log) {
        if self.quiet {
            return;
        }
        if log.report().created {
            say!("note: there was no log in {}: a new one begins", self.dir.display());
        }
        if let Some(cut) = log.report().cut {
            say!(
                "note: a crash had left a torn tail, which was never acknowledged: {} bytes of \
                 segment {} after LSN {} were dropped",
                cut.bytes,
                cut.segment,
                cut.from
            );
        }
    }

    fn say_summary(&self, taken: &Taken, input: &Input) {
        if self.quiet {
            return;
        }
        say!("appended {taken}; all synced, the log is closed");
        if input.pending_len() > 0 {
            say!("note: {} bytes of an unfinished record were left out", input.pending_len());
        }
    }

    /// Says how far the work came that an error ended.
    fn say_ended_early(&self, taken: &Taken, closed: bool, durable: Lsn) {
        if self.quiet {
            return;
        }
        match (taken.records, closed) {
            (0, _) => say!("nothing was appended"),
            (_, true) => say!("appended {taken}; all of these are synced, and the log is closed"),
            (_, false) => say!(
                "took {taken}; what is before LSN {durable} is synced, the rest may be lost, and \
                 the log is not closed"
            ),
        }
    }
}

impl Taken {
    /// Prints the LSNs of the records that end at `end` or before, and forgets them.
    fn acknowledge(&mut self, acks: &mut Output, end: Lsn) -> Result<(), Failure> {
        let count = self.unacknowledged.partition_point(|receipt| receipt.end <= end);
        // What cannot be printed now will not be printed later either.
        for receipt in self.unacknowledged.drain(..count) {
            writeln!(acks, "{}", receipt.lsn).map_err(crate::output::failed)?;
        }
        acks.hand_over()
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, bytes, first, last, .. } = self;
        write!(f, "{records} records, {bytes} bytes")?;
        match (first, last) {
            (Some(first), Some(last)) => write!(f, ", LSN {first} to {last}"),
            _ => Ok(()),
        }
    }
}

/// Closes the log. Where that fails, what the kernel has already is synced.
fn close(log: &Log) -> Result<(), Error> {
    let closed = log.close();
    if matches!(closed, Err(Error::Full { .. } | Error::Io { .. })) {
        // The watermark states how far it came.
        let _synced = log.wait_durable(log.watermarks().written);
    }
    closed
}
