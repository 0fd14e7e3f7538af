//! `seawall follow`: records as they arrive, from another process.
//!
//! A reader without the lock cannot be woken by the writer, so it looks again now and then, cheaply
//! ([`idle`](crate::idle)), and reads the log where something changed. It resumes where it stood; what became of that place meanwhile (trimmed, or lost in a crash of
//! the machine) is an error, never a silent gap.

use crate::damage::DamagedRange;
use crate::exit::{self, Failure, Status};
use crate::idle::Idle;
use crate::output::{Output, say};
use crate::render;
use crate::stop::{Stop, Wait};
use seawall::storage::Posix;
use seawall::{Error, LogView, Lsn};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Print records as they are appended, by whatever process, until Ctrl-C.
///
/// Looks at the log every --poll milliseconds; never writes to it and takes no lock. A look that finds
/// something new reads the segment that is being written; one that does not costs next to nothing. Ends quietly, with 0, on
/// Ctrl-C and when nobody reads its output any more; with 3 if damage was met on the way.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall follow log\n  \
       seawall follow log --json --from 8192 --poll 1000",
))]
pub(crate) struct Follow {
    /// The directory of the log, which must exist.
    dir: PathBuf,
    /// Begin at this LSN, or at the first record behind it. 0 is the beginning of the log, also
    /// of a trimmed one.
    #[arg(long, value_name = "LSN", default_value_t = Lsn::FIRST)]
    from: Lsn,
    /// Print one JSON object a line, as `cat --json` does.
    #[arg(long)]
    json: bool,
    /// Milliseconds between two looks.
    #[arg(long, value_name = "MS", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    poll: u64,
}

impl Follow {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let stop = Stop::new()?;
        let mut output = Output::new()?;
        let mut view = LogView::open(&self.dir)?;
        if self.from > view.end() && view.damage().is_none() {
            return Err(Error::Beyond { lsn: self.from, end: view.end() }.into());
        }
        let mut at = self.from;
        let mut status = Status::Clean;
        let wait = Duration::from_millis(self.poll);
        let storage = Posix::open(&self.dir).map_err(|source| Error::Io {
            action: "open the directory",
            name: self.dir.display().to_string(),
            source: source.into(),
        })?;
        let mut idle = Idle::new(wait);
        loop {
            match self.print_new(&view, &mut at, &mut output, &mut status) {
                Err(Failure::Unread) => return Ok(status),
                // The writer trimmed what was being read, or ended it elsewhere: the next look
                // tells which, and whether anything was missed.
                Err(Failure::Log(Error::Trimmed { .. } | Error::Diverged { .. })) => {}
                other => other?,
            }
            loop {
                if stop.or_unread(output.as_fd(), wait)? != Wait::Elapsed {
                    return Ok(status);
                }
                if !idle.is_unchanged(&storage, &self.dir, &view) {
                    break;
                }
            }
            view.refresh()?;
            at = resume(&view, at)?;
        }
    }

    fn print_new(
        &self,
        view: &LogView,
        at: &mut Lsn,
        output: &mut Output,
        status: &mut Status,
    ) -> Result<(), Failure> {
        let mut scan = view.scan(*at)?;
        loop {
            match scan.next_ref() {
                Ok(Some(record)) => render::record(output, &record, self.json)?,
                Ok(None) => {
                    *at = (*at).max(scan.position());
                    return output.hand_over();
                }
                Err(error) => {
                    output.hand_over()?;
                    let Some(range) = DamagedRange::of(&error) else {
                        *at = (*at).max(scan.position());
                        return Err(error.into());
                    };
                    say!("damage: {range}");
                    *status = Status::Damaged;
                }
            }
        }
    }
}

/// Where to go on, after a fresh look, when everything before `at` was printed.
fn resume(view: &LogView, at: Lsn) -> Result<Lsn, Failure> {
    let Some(first) = view.segments().first() else {
        // The log may not have begun. If it had, its files were taken away.
        return if at == Lsn::FIRST { Ok(at) } else { Err(Failure::Lost { from: Lsn::FIRST }) };
    };
    if at != Lsn::FIRST && at < view.first() {
        // Behind an unclean end the log jumps: nothing stood between.
        let in_jump = at >= first.header.prev_end && view.trim_point() <= first.base();
        let trimmed = Error::Trimmed { lsn: at, trim: view.first() };
        return if in_jump { Ok(first.base()) } else { Err(trimmed.into()) };
    }
    let holder = view.segments().iter().rev().find(|segment| segment.base() <= at);
    match holder.and_then(|segment| segment.closed) {
        Some(closed) if closed.lsn < at => Err(Failure::Lost { from: closed.lsn }),
        _ => Ok(at),
    }
}
