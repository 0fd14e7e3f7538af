//! A cheap look at a log that another process may write to: whether it is as it was when it was last
//! read. What a look costs does not depend on the length of the log.
//!
//! All that a writer does to a log shows in one of these places: the bytes after the last frame that
//! was seen, the beginning of the file after it, or the times and lengths of these two files. Where
//! no frame stands there are zeros, so zeros prove that nothing was appended, also just now. Bytes
//! that are no frame (a torn tail) prove it once they stayed the same for longer than any file system
//! takes to give a change another time.

use seawall::format::layout::FRAMES_START;
use seawall::format::name::FileName;
use seawall::storage::{OpenMode, Storage, read_full};
use seawall::{LogView, SegmentId};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Bytes that are looked at: no frame, and no header, has so many zeros at its beginning.
const LOOK_LEN: usize = 64;
/// The coarsest times of files in use count by so much.
const TIMES_COARSE: Duration = Duration::from_secs(2);
/// So often everything is read all the same, whatever the cheap look says.
const TRUST_MAX: Duration = Duration::from_secs(60);

/// One file of the log, as a cheap look shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    bytes: [u8; LOOK_LEN],
    len: u64,
    written: Option<SystemTime>,
}

/// What a look shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    /// The segment written to, after its last frame.
    tail: Seen,
    /// The file of the next segment, from its beginning, if it is there.
    next: Option<Seen>,
}

/// Knows what the last look showed.
#[derive(Debug)]
pub(crate) struct Idle {
    last: Option<Look>,
    /// Looks that showed the same, one after the other.
    same: u64,
    /// Looks since the log was read.
    trusted: u64,
    /// Looks in [`TIMES_COARSE`].
    settled: u64,
    /// Looks in [`TRUST_MAX`].
    trust_max: u64,
}

impl Idle {
    /// For looks this far apart.
    pub(crate) fn new(apart: Duration) -> Self {
        let looks = |time: Duration| {
            u64::try_from(time.as_nanos() / apart.as_nanos().max(1)).unwrap_or(u64::MAX)
        };
        Self {
            last: None,
            same: 0,
            trusted: 0,
            settled: looks(TIMES_COARSE).saturating_add(2),
            trust_max: looks(TRUST_MAX).max(1),
        }
    }

    /// Whether the log is as `view` shows it. Where that is not certain the log is to be read again.
    pub(crate) fn is_unchanged(
        &mut self,
        storage: &dyn Storage,
        dir: &Path,
        view: &LogView,
    ) -> bool {
        let look = Look::at(storage, dir, view);
        let same = look.is_some() && look == self.last;
        self.same = if same { self.same.saturating_add(1) } else { 0 };
        let settled = look.as_ref().is_some_and(Look::is_blank) || self.same >= self.settled;
        self.last = look;
        self.trusted = self.trusted.saturating_add(1);
        let unchanged = same && settled && self.trusted < self.trust_max;
        if !unchanged {
            self.trusted = 0;
        }
        unchanged
    }
}

impl Look {
    /// `None` where there is nothing to look at, or it cannot be read.
    fn at(storage: &dyn Storage, dir: &Path, view: &LogView) -> Option<Self> {
        let last = view.segments().last()?;
        let offset = FRAMES_START.checked_add(view.end().since(last.base())?)?;
        let tail = Seen::at(storage, dir, last.number(), offset)?;
        Some(Self { tail, next: Seen::at(storage, dir, last.number().next(), 0) })
    }

    /// Whether zeros stand wherever the next frame, or header, would.
    fn is_blank(&self) -> bool {
        let blank = |seen: &Seen| seen.bytes == [0; LOOK_LEN];
        blank(&self.tail) && self.next.as_ref().is_none_or(blank)
    }
}

impl Seen {
    /// Opens the file anew, as a file system of another machine may show it differently then.
    fn at(storage: &dyn Storage, dir: &Path, segment: SegmentId, offset: u64) -> Option<Self> {
        let name = FileName::Segment(segment).text();
        let file = storage.open(&name, OpenMode::Read).ok()?;
        let mut bytes = [0; LOOK_LEN];
        // What is short of the look at the end of a file stays zeros.
        read_full(&*file, offset, &mut bytes).ok()?;
        let meta = dir.join(name).symlink_metadata().ok()?;
        Some(Self { bytes, len: meta.len(), written: meta.modified().ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall::storage::Posix;
    use seawall::{Durability, Log, Options};

    struct Scene {
        scratch: tempfile::TempDir,
        log: Log,
        storage: Posix,
        view: LogView,
        idle: Idle,
    }

    impl Scene {
        fn new(options: Options) -> Self {
            let scratch = tempfile::tempdir().unwrap();
            let log = Log::open(scratch.path(), options.durability(Durability::Os)).unwrap();
            log.append(b"first").unwrap();
            let storage = Posix::open(scratch.path()).unwrap();
            let view = LogView::open(scratch.path()).unwrap();
            Self { scratch, log, storage, view, idle: Idle::new(Duration::from_secs(1)) }
        }

        fn is_unchanged(&mut self) -> bool {
            let dir = self.scratch.path();
            self.idle.is_unchanged(&self.storage, dir, &self.view)
        }

        /// Looks until the log counts as unchanged.
        fn rest(&mut self) {
            for _ in 0..10 {
                if self.is_unchanged() {
                    return;
                }
                self.view.refresh().unwrap();
            }
            panic!("a log that rests counts as unchanged");
        }
    }

    fn small() -> Options {
        Options::new().segment_len(16 << 10).idle_mark(None)
    }

    #[test]
    fn no_append_is_overlooked_and_a_log_that_rests_is_not_read() {
        for ahead in [false, true] {
            let mut scene = Scene::new(small().prepare_ahead(ahead).zeros_ahead(Some(ahead)));
            for len in (0..400).map(|n| n * 37 % 3000) {
                scene.rest();
                scene.log.append(&vec![b'x'; len]).unwrap();
                assert!(!scene.is_unchanged(), "a record of {len} bytes");
                scene.view.refresh().unwrap();
                assert_eq!(scene.view.end(), scene.log.watermarks().written);
            }
            assert!(scene.log.segments().len() > 20);
            scene.rest();
            scene.log.trim(scene.log.segments()[10].base()).unwrap();
            assert!(!scene.is_unchanged(), "a trim is seen");
            scene.rest();
            scene.log.close().unwrap();
            assert!(!scene.is_unchanged(), "a close is seen");
        }
    }

    #[test]
    fn an_append_right_after_the_log_was_read_is_not_overlooked() {
        let mut scene = Scene::new(small());
        for _ in 0..50 {
            // In one tick of the file system's clock: times alone would not tell.
            scene.view.refresh().unwrap();
            scene.log.append(b"just now").unwrap();
            assert!(!scene.is_unchanged());
            scene.view.refresh().unwrap();
            scene.log.append(b"and again").unwrap();
            assert!(!scene.is_unchanged());
        }
    }

    #[test]
    fn everything_is_read_now_and_then_whatever_a_look_says() {
        let mut scene = Scene::new(small());
        scene.rest();
        let trusted = (0..200).filter(|_| scene.is_unchanged()).count();
        assert!((190..200).contains(&trusted), "{trusted}");
    }
}
