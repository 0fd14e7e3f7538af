//! `seawall trim`: forgets the head of the log, so that its files go.

use crate::exit::{self, Failure, Status};
use crate::render;
use crate::size;
use indicatif::HumanBytes;
use seawall::storage::{Posix, Storage};
use seawall::{Content, Durability, Error, Log, LogView, Lsn, Options, Segment};
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The unit in which a file system counts what a file takes.
const BLOCK_LEN: u64 = 512;

/// Forget the head of the log: records that are no longer needed, in whole segments.
///
/// A segment file goes once all of it lies before the point; the last one always stays. The log must
/// have no writer. Works on a full disk. What is trimmed cannot be brought back.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(
    "  seawall trim log --keep-bytes 10GiB --dry-run\n  \
       seawall trim log --keep-bytes 10GiB\n  \
       seawall trim log --before 8589934592",
))]
pub(crate) struct Trim {
    /// The directory of the log.
    dir: PathBuf,
    #[command(flatten)]
    until: Until,
    /// Say what would go, and change nothing. Takes no lock, and may run beside a writer.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How much is forgotten.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Until {
    /// Forget what lies before this LSN.
    #[arg(long, value_name = "LSN")]
    before: Option<Lsn>,
    /// Keep the last segments that hold at least so many bytes of the log; forget the others. Units
    /// are K, M, G and T (or KiB and so on) of 1,024, and KB, MB, GB and TB of 1,000.
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    keep_bytes: Option<u64>,
}

/// What a trim did, or would do.
#[derive(Debug)]
struct Done {
    trim: Lsn,
    first: Lsn,
    segments: u64,
    freed: u64,
}

impl Trim {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn run(&self) -> Result<Status, Failure> {
        let done = if self.dry_run { self.plan()? } else { self.trim()? };
        match self.show(&done) {
            Ok(()) | Err(Failure::Unread) => Ok(Status::Clean),
            Err(failure) => Err(failure),
        }
    }

    fn plan(&self) -> Result<Done, Failure> {
        let view = LogView::open(&self.dir)?;
        if view.id().is_none() {
            return Err(no_log(Error::NoLog { dir: self.dir.display().to_string() }));
        }
        if let Some(error) = view.damage() {
            return Err(error.clone().into());
        }
        // As it is opened to be trimmed, its records are raw ones.
        if let Some(found) = view.content().filter(|content| !content.is_raw()) {
            return Err(Error::Content { expected: Content::RAW, found }.into());
        }
        let (segments, end) = (view.segments(), view.end());
        let point = self.until.point(segments, end);
        if point > end {
            return Err(beyond(Error::Beyond { lsn: point, end }));
        }
        let gone = gone(segments, point);
        let freed = gone.iter().map(|segment| self.len_on_disk(&file_name(segment))).sum();
        let trim = view.trim_point().max(point);
        let first = begin(segments.get(gone.len()), trim);
        Ok(Done { trim, first, segments: gone.len() as u64, freed })
    }

    fn trim(&self) -> Result<Done, Failure> {
        let view = LogView::open(&self.dir)?;
        // What has to be written after a crash goes into a segment no longer than those that are
        // there: it may have to fit into what little room is left.
        let usual = Options::default().segment_len;
        let segment_len = view.segments().last().map_or(usual, |last| last.header.file_len);
        let before = self.used()?;
        let options = Options::new()
            .durability(Durability::Sync)
            .segment_len(segment_len.min(usual))
            .must_exist(true)
            .spares_max(0)
            .prepare_ahead(false)
            .zeros_ahead(Some(false))
            .idle_mark(None);
        let log = Log::open(&self.dir, options).map_err(no_log)?;
        let point = self.until.point(&log.segments(), log.watermarks().accepted);
        let trimmed = log.trim(point).map_err(beyond)?;
        let first = begin(log.segments().first(), trimmed.trim);
        log.close()?;
        let freed = before.saturating_sub(self.used()?);
        Ok(Done { trim: trimmed.trim, first, segments: trimmed.files, freed })
    }

    /// What the files of the directory take on the disk.
    fn used(&self) -> Result<u64, Failure> {
        let entries = Posix::open(&self.dir).and_then(|dir| dir.list()).map_err(|source| {
            let name = self.dir.display().to_string();
            Error::Io { action: "list", name, source: source.into() }
        })?;
        Ok(entries.iter().map(|entry| self.len_on_disk(&entry.name)).sum())
    }

    /// What a file takes on the disk: nothing, once it is gone.
    fn len_on_disk(&self, name: &str) -> u64 {
        let meta = self.dir.join(name).symlink_metadata();
        meta.map_or(0, |meta| meta.blocks().saturating_mul(BLOCK_LEN))
    }

    fn show(&self, done: &Done) -> Result<(), Failure> {
        let &Done { trim, first, segments, freed } = done;
        if self.json {
            return render::document(&json!({
                "dry_run": self.dry_run,
                "trim": trim.get(),
                "first": first.get(),
                "segments": segments,
                "bytes_freed": freed,
            }));
        }
        let (begins, removed) = match self.dry_run {
            true => ("would begin", "would be removed"),
            false => ("begins", "removed"),
        };
        let mut text = format!(
            "the log {begins} at LSN {first}; {segments} segments {removed}, {} freed\n",
            HumanBytes(freed)
        );
        if segments == 0 {
            text += "no whole segment lies before the point\n";
        }
        if self.dry_run {
            text += "nothing was changed: the same without --dry-run does it\n";
        }
        render::text(&text)
    }
}

impl Until {
    /// Where the log is to begin.
    fn point(&self, segments: &[Segment], end: Lsn) -> Lsn {
        match (self.before, self.keep_bytes) {
            (Some(before), _) => before,
            (None, keep) => begin_of_last(segments, end, keep.unwrap_or(u64::MAX)),
        }
    }
}

/// Where the last segments begin that hold at least `keep` bytes together.
fn begin_of_last(segments: &[Segment], end: Lsn, keep: u64) -> Lsn {
    let mut held: u64 = 0;
    let mut ends_at = end;
    for segment in segments.iter().rev() {
        // Between two segments addresses may jump: those bytes were never there.
        held = held.saturating_add(ends_at.since(segment.base()).unwrap_or(0));
        if held >= keep {
            return segment.base();
        }
        ends_at = segment.header.prev_end;
    }
    Lsn::FIRST
}

/// The segments that a trim to this point removes.
fn gone(segments: &[Segment], point: Lsn) -> &[Segment] {
    let successors = segments.iter().skip(1);
    let count = successors.take_while(|next| next.header.prev_end <= point).count();
    segments.get(..count).unwrap_or_default()
}

/// Where the log begins whose first segment is this one: the trim point may lie before a jump.
fn begin(first: Option<&Segment>, trim: Lsn) -> Lsn {
    match first {
        Some(segment) if segment.header.prev_end == trim => segment.base(),
        _ => trim,
    }
}

fn file_name(segment: &Segment) -> String {
    seawall::format::name::FileName::Segment(segment.number()).text()
}

fn no_log(error: Error) -> Failure {
    match error {
        Error::NoLog { .. } => {
            let hint = "is its file system mounted, and is the path right? nothing was made";
            Failure::Advised { error, hint }
        }
        error => error.into(),
    }
}

fn beyond(error: Error) -> Failure {
    match error {
        Error::Beyond { .. } => {
            let hint = "`seawall inspect` shows where the segments begin and where the log ends; \
                        nothing was trimmed";
            Failure::Advised { error, hint }
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall::format::extension::Extension;
    use seawall::format::header::{SegmentHeader, VERSION};
    use seawall::{LogId, SegmentId};

    /// Segments with these bases and ends of predecessors.
    fn segments(places: &[(u64, u64)]) -> Vec<Segment> {
        let segment = |(number, &(base, prev_end)): (u64, &(u64, u64))| {
            let header = SegmentHeader {
                version: VERSION,
                log: LogId::new([0; 16]),
                number: SegmentId::new(number),
                base: Lsn::new(base),
                salt: seawall::Salt::new(1),
                file_len: 16384,
                prev_end: Lsn::new(prev_end),
                prev_check: 0,
                skipped: 0,
                unproven: 0,
                trim: Lsn::FIRST,
                extension: Extension::default(),
            };
            Segment::new(header, None, 16384)
        };
        (1..).zip(places).map(segment).collect()
    }

    #[test]
    fn the_last_bytes_are_kept_in_whole_segments_and_jumps_do_not_count() {
        // The third begins after a jump: 200 to 10,000 was never there.
        let segments = segments(&[(0, 0), (100, 100), (10_000, 200), (10_100, 10_100)]);
        let end = Lsn::new(10_150);
        for (keep, begin, gone_count) in [
            (0, 10_100, 3),
            (50, 10_100, 3),
            (51, 10_000, 2),
            (150, 10_000, 2),
            (151, 100, 1),
            (250, 100, 1),
            (251, 0, 0),
            (u64::MAX, 0, 0),
        ] {
            let point = begin_of_last(&segments, end, keep);
            assert_eq!(point, Lsn::new(begin), "{keep}");
            assert_eq!(gone(&segments, point).len(), gone_count, "{keep}");
        }
        assert_eq!(begin_of_last(&[], Lsn::FIRST, 0), Lsn::FIRST);
        assert_eq!(gone(&segments, Lsn::new(99)).len(), 0);
        assert_eq!(gone(&segments, end).len(), 3, "the last one stays");
    }
}
