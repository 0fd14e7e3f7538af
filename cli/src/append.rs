//! `seawall append`: standard input into the log, in groups of what is already there.

use crate::exit::{self, Failure, Status};
use crate::input::{Framing, Input};
use crate::level::Level;
use crate::output::Output;
use crate::progress;
use crate::stop::{Stop, Wait};
use seawall::{Durability, Log, Lsn, Options};
use std::io::Write;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Bytes the log may hold before it hands them over: reading goes on meanwhile.
const BUFFER_MAX: u64 = 8 << 20;

/// Append standard input to the log, one record for each line.
///
/// The newline belongs to the record, so that `cat` gives back the input byte for byte; a last
/// line without one is a record too. Makes DIR if it is missing.
///
/// Ctrl-C and SIGTERM end the input early: lines that were read whole are synced, the log is
/// closed, and the exit code is 130.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall append log < events.txt\n  \
       journalctl -fo json | seawall append log --sync interval=5ms\n  \
       producer | seawall append log --sync always --ack | consumer",
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
    /// Print the LSN of each record, on a line of its own, once it counts.
    #[arg(long)]
    ack: bool,
    /// Length of new segment files: a multiple of 4096 from 16384 to 1073741824.
    #[arg(long, value_name = "BYTES", default_value_t = Options::default().segment_len)]
    segment_len: u64,
    /// Say nothing on standard error unless something is wrong.
    #[arg(long, short)]
    quiet: bool,
}

/// What went into the log.
#[derive(Debug, Default)]
struct Appended {
    records: u64,
    bytes: u64,
    first: Option<Lsn>,
    last: Option<Lsn>,
}

impl Append {
    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let stop = Stop::new()?;
        let framing = if self.frames { Framing::Frames } else { Framing::Lines };
        let mut input = Input::new(framing)?;
        let mut acks = if self.ack { Some(Output::new()?) } else { None };
        let options = Options::new()
            .durability(self.sync.of_log())
            .segment_len(self.segment_len)
            .buffer_max(BUFFER_MAX)
            // Each group is synced: the zeros are paid once, and not by every sync.
            .zeros_ahead((self.sync == Level::Always).then_some(true));
        let log = Log::open(&self.dir, options)?;
        self.say_cut(&log);
        let mut appended = Appended::default();
        let outcome = self.pump(&log, &stop, &mut input, acks.as_mut(), &mut appended);
        // Whatever ended the input, what came before it is kept and synced.
        let closed = log.close();
        if matches!(closed, Ok(())) {
            self.say_summary(&appended, &input);
        }
        match (outcome, closed) {
            // Nobody is left to be told, but what follows in a script must not take it for done.
            (Err(Failure::Unread), Ok(())) => Ok(Status::Unheard),
            (Err(failure), _) => Err(failure),
            (Ok(_), Err(error)) => Err(error.into()),
            (Ok(status), Ok(())) => Ok(status),
        }
    }

    fn pump(
        &self,
        log: &Log,
        stop: &Stop,
        input: &mut Input,
        mut acks: Option<&mut Output>,
        appended: &mut Appended,
    ) -> Result<Status, Failure> {
        let total = input.len_left().filter(|_| !self.quiet);
        let bar = total.map(|total| progress::bar("append", total));
        let mut group = Vec::new();
        let mut lsns = Vec::new();
        loop {
            if stop.or_readable(input.as_fd())? == Wait::Stopped {
                return Ok(Status::Interrupted);
            }
            let read = input.read()?;
            let cut = input.group(&mut group);
            lsns.clear();
            self.append_group(log, input, &group, &mut lsns, appended)?;
            if let Some(acks) = &mut acks {
                acknowledge(acks, &lsns)?;
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
        lsns: &mut Vec<Lsn>,
        appended: &mut Appended,
    ) -> Result<(), Failure> {
        let Some((last, others)) = group.split_last() else {
            return Ok(());
        };
        let mut append = |place: &Range<usize>, level| {
            let record = input.record(place);
            let lsn = log.append_at(record, level)?.lsn;
            appended.records += 1;
            appended.bytes += record.len() as u64;
            appended.first.get_or_insert(lsn);
            appended.last = Some(lsn);
            if self.ack {
                lsns.push(lsn);
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

    fn say_cut(&self, log: &Log) {
        if let Some(cut) = log.report().cut.filter(|_| !self.quiet) {
            eprintln!(
                "note: a crash had left a torn tail, of which nobody was told: {} bytes of \
                 segment {} behind LSN {} were dropped",
                cut.bytes, cut.segment, cut.from
            );
        }
    }

    fn say_summary(&self, appended: &Appended, input: &Input) {
        if self.quiet {
            return;
        }
        let Appended { records, bytes, first, last } = appended;
        eprint!("appended {records} records, {bytes} bytes");
        if let (Some(first), Some(last)) = (first, last) {
            eprint!(", LSN {first} to {last}");
        }
        eprintln!("; all synced, the log is closed");
        if input.pending_len() > 0 {
            eprintln!("note: {} bytes of an unfinished record were left out", input.pending_len());
        }
    }
}

fn acknowledge(acks: &mut Output, lsns: &[Lsn]) -> Result<(), Failure> {
    for lsn in lsns {
        writeln!(acks, "{lsn}").map_err(crate::output::failed)?;
    }
    acks.hand_over()
}
