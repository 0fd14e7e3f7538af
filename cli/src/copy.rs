//! `seawall copy`: what is proven durable, into a directory of its own.

use crate::exit::{self, Failure, Status};
use crate::progress;
use crate::render;
use seawall::{Copied, Environment, Error, LogView};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Copy a log into an empty or new directory, also while it is written to.
///
/// The copy ends where the log is proven durable; what was appended since is not in it. It is read
/// back from the disk, and opens only once it is whole. If it is cut off, or fails, remove DEST.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall copy log /backup/log.$(date +%F)\n  \
       seawall copy log copy && seawall verify copy\n  \
       seawall copy log copy --json | jq .end",
))]
pub(crate) struct Copy {
    /// The directory of the log.
    dir: PathBuf,
    /// The directory of the copy: made if it is missing, empty otherwise.
    dest: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Copy {
    pub(crate) fn dest(&self) -> &Path {
        &self.dest
    }

    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let view = LogView::open(&self.dir)?;
        let dest = Environment::real(&self.dest).map_err(|source| Error::Io {
            action: "open the directory",
            name: self.dest.display().to_string(),
            source: source.into(),
        })?;
        let bar = progress::bar("copy", view.frame_bytes());
        let copied = view.copy_to(&*dest.storage, |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        });
        drop(bar);
        let copied = copied.map_err(advised)?;
        match self.show(&view, copied) {
            Ok(()) | Err(Failure::Unread) => Ok(Status::Clean),
            Err(failure) => Err(failure),
        }
    }

    fn show(&self, view: &LogView, copied: Copied) -> Result<(), Failure> {
        let Copied { segments, first, end, bytes, .. } = copied;
        let left = view.end().since(end).unwrap_or(0);
        if self.json {
            return render::document(&json!({
                "segments": segments,
                "first": first.get(),
                "end": end.get(),
                "bytes": bytes,
                "source_end": view.end().get(),
            }));
        }
        let mut text = format!(
            "copied LSN {first} to {end} to {}: {segments} segments, {bytes} bytes of frames\n",
            self.dest.display()
        );
        if left > 0 {
            text += &format!(
                "not copied: {left} bytes up to LSN {}, which nothing proves durable yet\n",
                view.end()
            );
        }
        render::text(&text)
    }
}

/// What to do where a copy fails for what is not wrong with the log.
fn advised(error: Error) -> Failure {
    let hint = match &error {
        Error::Trimmed { .. } | Error::Diverged { .. } => {
            "the log went on meanwhile, and let go of what was to be copied: remove DEST and copy again"
        }
        Error::Full { .. } => "remove DEST, then make room there, or copy to another disk",
        Error::Io { action: "compare", .. } => "remove DEST; the log itself verifies",
        Error::Damaged { .. } => {
            "remove DEST; `seawall verify` lists every damaged range of the log, `seawall repair` says \
             what can be done, and a repaired log can be copied"
        }
        _ => return error.into(),
    };
    Failure::Advised { error, hint }
}
