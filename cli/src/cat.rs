//! `seawall cat`: records to standard output.

use crate::damage::DamagedRange;
use crate::exit::{self, Failure, Status};
use crate::output::{Output, say};
use crate::render;
use seawall::{Error, LogView, Lsn};
use std::path::{Path, PathBuf};

/// Print records, as the bytes they are.
///
/// Never writes to the log, takes no lock, and may run beside a writer. Where acknowledged
/// records cannot be read back it says so on standard error, goes on behind them, and exits
/// with 3.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall cat log > events.txt\n  \
       seawall cat log --json --from 8192 --limit 10",
))]
pub(crate) struct Cat {
    /// The directory of the log.
    dir: PathBuf,
    /// Begin at this LSN, or at the first record behind it. 0 is the beginning of the log, also
    /// of a trimmed one.
    #[arg(long, value_name = "LSN", default_value_t = Lsn::FIRST)]
    from: Lsn,
    /// End after so many records.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print one JSON object a line: lsn, index, len, tag where it is not 0, and text, or hex where it
    /// is not UTF-8.
    #[arg(long)]
    json: bool,
    /// Print only what is proven durable: it is there after any crash of the writer.
    #[arg(long)]
    proven: bool,
}

impl Cat {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let view = LogView::open(&self.dir)?;
        if self.from > view.end() && view.damage().is_none() {
            return Err(Error::Beyond { lsn: self.from, end: view.end() }.into());
        }
        let mut output = Output::new()?;
        let mut scan =
            if self.proven { view.scan_proven(self.from)? } else { view.scan(self.from)? };
        let mut status = Status::Clean;
        let mut left = self.limit.unwrap_or(u64::MAX);
        while left > 0 {
            match scan.next_ref() {
                Ok(Some(record)) => {
                    left -= 1;
                    if let Err(failure) = render::record(&mut output, &record, self.json) {
                        return unread(failure, status);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    if let Err(failure) = output.hand_over() {
                        return unread(failure, status);
                    }
                    let Some(range) = DamagedRange::of(&error) else {
                        return Err(error.into());
                    };
                    say!("damage: {range}");
                    status = Status::Damaged;
                }
            }
        }
        if let Err(failure) = output.hand_over() {
            return unread(failure, status);
        }
        // A scan does not cross every damage: behind a lost last header there is nothing to read.
        // Of a range without a known end everything behind it is lost.
        let untold = view.damage().and_then(DamagedRange::of);
        let untold = untold.filter(|range| range.to > self.from || range.to == range.from);
        if let Some(range) = untold.filter(|_| status == Status::Clean && left > 0) {
            say!("damage: {range}");
            status = Status::Damaged;
        }
        if status == Status::Damaged {
            say!("hint: `seawall verify` lists every damaged range and says what to do");
        }
        Ok(status)
    }
}

/// A reader that has enough is no failure; what was found before it left still counts.
fn unread(failure: Failure, status: Status) -> Result<Status, Failure> {
    if matches!(failure, Failure::Unread) { Ok(status) } else { Err(failure) }
}
