//! `seawall verify`: reads every byte that means something, and says what it is worth.

use crate::damage::DamagedRange;
use crate::device::Device;
use crate::exit::{self, Failure, Status};
use crate::progress;
use crate::render;
use seawall::{Damage, Error, LogView, Verdict, Verification};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Read the whole log and say whether every acknowledged record can be read back.
///
/// Never writes, takes no lock, and may run beside a writer. Reads as every program does, through the
/// page cache, and asks the device for some blocks of its own: if it fails, the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall verify log && echo all there\n  \
       seawall verify log --json | jq .damage",
))]
pub(crate) struct Verify {
    /// The directory of the log.
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a verification found, ready to be shown.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) view: LogView,
    pub(crate) found: Verification,
    pub(crate) damage: Vec<DamagedRange>,
    pub(crate) device: Device,
}

impl Verify {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let verified = Verified::read(&self.dir)?;
        let shown = if self.json { verified.show_json() } else { verified.show() };
        match (shown, verified.status(), verified.device.failed) {
            (Err(failure), ..) if !matches!(failure, Failure::Unread) => Err(failure),
            // It verifies, and yet nothing of it may be there tomorrow.
            (_, Status::Clean | Status::Torn, Some(errno)) => Err(Failure::Advised {
                error: Error::Io {
                    action: "read from the device of",
                    name: self.dir.display().to_string(),
                    source: Arc::new(errno.into()),
                },
                hint: "what verifies stands in memory: `seawall copy` the log to another disk before \
                       this one is unmounted or the machine restarts, then see to the disk",
            }),
            (_, status, _) => Ok(status),
        }
    }
}

impl Verified {
    /// Verifies the log in `dir`, with a progress bar.
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        let mut view = LogView::open(dir)?;
        let bar = progress::bar("verify", view.frame_bytes());
        let found = view.verify(|progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        })?;
        drop(bar);
        let damage = found.damage.iter().filter_map(DamagedRange::of).collect();
        let device = Device::ask(dir, &view);
        Ok(Self { view, found, damage, device })
    }

    pub(crate) fn status(&self) -> Status {
        match self.found.verdict {
            Verdict::Clean => Status::Clean,
            Verdict::TornTail => Status::Torn,
            // What a later version of the library may call a log is no better.
            _ => Status::Damaged,
        }
    }

    pub(crate) fn verdict(&self) -> &'static str {
        match self.found.verdict {
            Verdict::Clean => "clean",
            Verdict::TornTail => "torn-tail",
            _ => "damaged",
        }
    }

    /// Whether a repair was here, and found all that is gone.
    fn is_recorded(&self) -> bool {
        let recorded = |range: &DamagedRange| range.cause == Damage::Gap;
        !self.damage.is_empty() && self.damage.iter().all(recorded)
    }

    fn advice(&self) -> &'static str {
        match self.found.verdict {
            Verdict::Clean if self.view.id().is_none() => {
                "no segment has begun here: if records should be here, this is the wrong \
                 directory, or its files are gone"
            }
            Verdict::Clean => "nothing to do",
            Verdict::TornTail => {
                "nothing to do: the next open for writing cuts the tail, of which nobody was told"
            }
            _ if self.is_recorded() => {
                "nothing to do: a repair recorded it, and the log opens and goes on; what the \
                 repair found stands in the quarantine"
            }
            _ => {
                "restore the directory from a copy; `seawall cat` gives what is left, `seawall \
                 repair` says what can be done"
            }
        }
    }

    fn show(&self) -> Result<(), Failure> {
        let found = &self.found;
        let verdict = match found.verdict {
            Verdict::Clean => "clean: everything verifies",
            Verdict::TornTail => "torn tail: everything before it verifies",
            _ => "damaged: acknowledged records cannot be read back",
        };
        let mut text = format!(
            "{verdict}\n  records  {} ({} bytes)\n  frames   {}\n  segments {}\n  \
             LSN      first {}, end {}, proven durable to {}\n  read     {}\n",
            found.records,
            found.record_bytes,
            found.frames,
            self.view.segments().len(),
            found.first,
            found.end,
            found.proven,
            self.device.told()
        );
        for range in &self.damage {
            // Writing into a string does not fail.
            let _whole = writeln!(text, "damage: {range}");
        }
        let _whole = writeln!(text, "{}", self.advice());
        render::text(&text)
    }

    fn show_json(&self) -> Result<(), Failure> {
        let found = &self.found;
        render::document(&json!({
            "verdict": self.verdict(),
            "records": found.records,
            "record_bytes": found.record_bytes,
            "frames": found.frames,
            "segments": self.view.segments().len(),
            "first": found.first.get(),
            "end": found.end.get(),
            "proven": found.proven.get(),
            "damage": self.damage.iter().map(DamagedRange::json).collect::<Vec<_>>(),
            "device": {
                "files": self.device.files,
                "answered": self.device.answered,
                "error": self.device.failed.map(|errno| errno.to_string()),
            },
            "advice": self.advice(),
        }))
    }
}
