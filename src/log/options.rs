//! What the owner of a log may choose, and the limits of the choice.

use crate::error::{Error, Result};
use crate::format::content::Content;
use crate::format::layout;
use std::time::Duration;

/// When an append returns, and so what it survives.
///
/// Ordered by strength. One append may ask for more than its log's level, never for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Returns once the record is copied into the log's buffer. A killed process loses what
    /// the buffer held.
    Buffered,
    /// Returns once the kernel has the record. Survives a killed process, not a power loss.
    Os,
    /// As [`Os`](Self::Os), and a sync follows within this time, also when no further append
    /// arrives: a power loss takes at most what was accepted in the last interval plus the
    /// time of one sync.
    Interval(Duration),
    /// Returns once the record, and everything needed to find it, is on stable storage.
    Sync,
}

/// How a log is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What the records of the log mean. A log that states another content is refused with
    /// [`Error::Content`]; a new log gets this one, for good. Default: [`Content::RAW`].
    pub content: Content,
    /// The level of the log. Default: [`Durability::Sync`].
    pub durability: Durability,
    /// The greatest length of a segment file, which all but the first few have: a multiple of 4096
    /// from 16 KiB to 1 GiB. Default 64 MiB.
    pub segment_len: u64,
    /// Length of the first segment that a run begins, but for one that goes on after a clean close; each one
    /// after it is four times as long as the one before, up to [`segment_len`](Self::segment_len), or has
    /// that length at once where no [zeros](Self::zeros_ahead) are written.
    /// A short one is made ready in a moment, so the first append of a log is quick, and a log of a few
    /// records takes little room. An append that needs more gets a longer one. A multiple of 4096
    /// from 16 KiB to 1 GiB; more than `segment_len` counts as that, and all segments have one length
    /// then. Default 256 KiB.
    pub first_segment_len: u64,
    /// Bytes that may be accepted and not yet handed to the kernel; an append that would exceed
    /// them waits, [`try_append`](crate::Log::try_append) says [`Error::Busy`]. A batch larger
    /// than this goes alone. From 4 KiB to 256 MiB. Default 4 MiB.
    pub buffer_max: u64,
    /// Buffered bytes at which an append at level [`Durability::Buffered`] hands them to the
    /// kernel. At most `buffer_max`. Default 512 KiB.
    pub write_at: u64,
    /// A batch longer than this is cut into frames of about this size. A read of one record of a
    /// batch reads the frame that it stands in, since a check covers the whole of it, and a scan
    /// needs memory for one frame; each frame takes 20 to 27 bytes more. From 64 bytes to 16 MiB.
    /// Default 4 KiB.
    pub batch_frame_max: u64,
    /// Files kept to be recycled as segments after a trim. Default 2.
    pub spares_max: usize,
    /// Files held open for reading. At least 1. Default 64.
    pub open_files_max: usize,
    /// How long no append must arrive until the log marks its durable end on disk, so that a
    /// rotten newest commit is distinguished from a torn one. A mark costs a sync, so where appends come
    /// less often than this the log waits for twice their last pause, but for no more than 1,000
    /// times this. `None`: never. Default 10 ms.
    pub idle_mark: Option<Duration>,
    /// Whether a new segment's file is written with zeros before it is used, so that syncing a
    /// commit moves its data and nothing else. `None`, the default: where the level syncs by
    /// itself ([`Durability::Sync`], [`Durability::Interval`]). Worth saying `true` where the
    /// level does not, but [`Log::sync`](crate::Log::sync) is called often.
    pub zeros_ahead: Option<bool>,
    /// Bytes handed to the kernel after which it is made to start writing them to the device,
    /// beside the appends, where the level does not sync by itself ([`Durability::Buffered`],
    /// [`Durability::Os`]): so that the sync at the end of a segment finds little left. At least
    /// 4096; `None`: never. Default 8 MiB.
    pub write_back: Option<u64>,
    /// Bytes that may be accepted and not synced where the level does not sync by itself, or at intervals
    /// ([`Durability::Buffered`], [`Durability::Os`], [`Durability::Interval`]): up to here the next segment
    /// begins before the one that is full is synced, which is done beside the appends. A power cut may
    /// take as much, as ever from some point on. 0, the default: each rotation waits for a sync. At most
    /// 2 GiB.
    pub unsynced_max: u64,
    /// Whether each commit (what one write hands to the kernel) ends with padding up to the next
    /// multiple of 4096 bytes of the file, so that no two commits share a block of it. Such a block is
    /// never written again while it may hold the only copy of an acknowledged record. Costs up to 4 KiB
    /// of disk and of addresses for each commit, so it is for logs with few or large ones. Default
    /// false.
    pub own_blocks: bool,
    /// Bytes of disk that a clean close gives back at least, by cutting what the last segment does not use;
    /// where it is less the file keeps its length. Such a close takes one more sync, and the next run
    /// begins a segment with its first append instead of going on in the last one. `None`: never. Default
    /// 1 MiB.
    pub cut_at_close: Option<u64>,
    /// Whether the next segment is prepared before it is needed. Default true.
    pub prepare_ahead: bool,
    /// Refuses to open, with [`Error::AmbiguousTail`], where bytes that do not verify would be
    /// cut from the tail although nothing proves that they were acknowledged. Default false: a
    /// torn tail never blocks opening.
    pub refuse_ambiguous_tail: bool,
    /// Refuses to begin a new log, with [`Error::NoLog`]: where the directory is missing, or holds
    /// no log, for instance because its file system is not mounted. A log exists once something was
    /// appended to it. Default false.
    pub must_exist: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            content: Content::RAW,
            durability: Durability::Sync,
            segment_len: 64 << 20,
            first_segment_len: 256 << 10,
            buffer_max: 4 << 20,
            write_at: 512 << 10,
            batch_frame_max: 4 << 10,
            spares_max: 2,
            open_files_max: 64,
            idle_mark: Some(Duration::from_millis(10)),
            zeros_ahead: None,
            write_back: Some(8 << 20),
            unsynced_max: 0,
            own_blocks: false,
            cut_at_close: Some(1 << 20),
            prepare_ahead: true,
            refuse_ambiguous_tail: false,
            must_exist: false,
        }
    }
}

impl Options {
    /// The defaults: every append durable on return, segments of up to 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`content`](Self::content).
    #[must_use]
    pub const fn content(mut self, content: Content) -> Self {
        self.content = content;
        self
    }

    /// Sets [`durability`](Self::durability).
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets [`segment_len`](Self::segment_len).
    #[must_use]
    pub const fn segment_len(mut self, bytes: u64) -> Self {
        self.segment_len = bytes;
        self
    }

    /// Sets [`first_segment_len`](Self::first_segment_len).
    #[must_use]
    pub const fn first_segment_len(mut self, bytes: u64) -> Self {
        self.first_segment_len = bytes;
        self
    }

    /// Bytes of records beyond which an append is made into frames before the lock is taken.
    pub(crate) fn apart(&self) -> u64 {
        (self.buffer_max / 4).min(1 << 20)
    }

    /// Sets [`buffer_max`](Self::buffer_max), and lowers `write_at` to it if needed.
    #[must_use]
    pub const fn buffer_max(mut self, bytes: u64) -> Self {
        self.buffer_max = bytes;
        if self.write_at > bytes {
            self.write_at = bytes;
        }
        self
    }

    /// Sets [`write_at`](Self::write_at).
    #[must_use]
    pub const fn write_at(mut self, bytes: u64) -> Self {
        self.write_at = bytes;
        self
    }

    /// Sets [`batch_frame_max`](Self::batch_frame_max).
    #[must_use]
    pub const fn batch_frame_max(mut self, bytes: u64) -> Self {
        self.batch_frame_max = bytes;
        self
    }

    /// Sets [`spares_max`](Self::spares_max).
    #[must_use]
    pub const fn spares_max(mut self, count: usize) -> Self {
        self.spares_max = count;
        self
    }

    /// Sets [`open_files_max`](Self::open_files_max).
    #[must_use]
    pub const fn open_files_max(mut self, count: usize) -> Self {
        self.open_files_max = count;
        self
    }

    /// Sets [`idle_mark`](Self::idle_mark).
    #[must_use]
    pub const fn idle_mark(mut self, after: Option<Duration>) -> Self {
        self.idle_mark = after;
        self
    }

    /// Sets [`zeros_ahead`](Self::zeros_ahead).
    #[must_use]
    pub const fn zeros_ahead(mut self, zeros: Option<bool>) -> Self {
        self.zeros_ahead = zeros;
        self
    }

    /// Sets [`write_back`](Self::write_back).
    #[must_use]
    pub const fn write_back(mut self, bytes: Option<u64>) -> Self {
        self.write_back = bytes;
        self
    }

    /// Sets [`unsynced_max`](Self::unsynced_max).
    #[must_use]
    pub const fn unsynced_max(mut self, bytes: u64) -> Self {
        self.unsynced_max = bytes;
        self
    }

    /// Sets [`own_blocks`](Self::own_blocks).
    #[must_use]
    pub const fn own_blocks(mut self, own: bool) -> Self {
        self.own_blocks = own;
        self
    }

    /// Sets [`prepare_ahead`](Self::prepare_ahead).
    #[must_use]
    pub const fn prepare_ahead(mut self, ahead: bool) -> Self {
        self.prepare_ahead = ahead;
        self
    }

    /// Sets [`cut_at_close`](Self::cut_at_close).
    #[must_use]
    pub const fn cut_at_close(mut self, at_least: Option<u64>) -> Self {
        self.cut_at_close = at_least;
        self
    }

    /// Sets [`refuse_ambiguous_tail`](Self::refuse_ambiguous_tail).
    #[must_use]
    pub const fn refuse_ambiguous_tail(mut self, refuse: bool) -> Self {
        self.refuse_ambiguous_tail = refuse;
        self
    }

    /// Sets [`must_exist`](Self::must_exist).
    #[must_use]
    pub const fn must_exist(mut self, must: bool) -> Self {
        self.must_exist = must;
        self
    }

    /// Holds every option to its rule.
    ///
    /// # Errors
    /// [`Error::Option`], naming the first that breaks it.
    pub fn validate(&self) -> Result<()> {
        let lengths = layout::SEGMENT_LEN_MIN..=layout::SEGMENT_LEN_MAX;
        let is_length = |len: u64| lengths.contains(&len) && len.is_multiple_of(layout::BLOCK);
        let rule = "a multiple of 4096 from 16384 to 1073741824";
        hold("segment_len", self.segment_len, is_length(self.segment_len), rule)?;
        let first = self.first_segment_len;
        hold("first_segment_len", first, is_length(first), rule)?;
        hold(
            "buffer_max",
            self.buffer_max,
            (4 << 10..=256 << 20).contains(&self.buffer_max),
            "from 4096 to 268435456",
        )?;
        let day = Duration::from_secs(24 * 3600);
        hold(
            "idle_mark",
            format_args!("{:?}", self.idle_mark),
            self.idle_mark.is_none_or(|after| after <= day),
            "at most a day",
        )?;
        hold("write_at", self.write_at, self.write_at <= self.buffer_max, "at most buffer_max")?;
        hold(
            "batch_frame_max",
            self.batch_frame_max,
            (64..=16 << 20).contains(&self.batch_frame_max),
            "from 64 to 16777216",
        )?;
        hold(
            "write_back",
            format_args!("{:?}", self.write_back),
            self.write_back.is_none_or(|bytes| bytes >= layout::BLOCK),
            "at least 4096",
        )?;
        hold(
            "unsynced_max",
            self.unsynced_max,
            self.unsynced_max <= 2 << 30,
            "at most 2147483648",
        )?;
        hold("open_files_max", self.open_files_max, self.open_files_max >= 1, "at least 1")?;
        if let Durability::Interval(interval) = self.durability {
            let allowed = Duration::from_micros(100)..=Duration::from_secs(3600);
            hold(
                "durability",
                format_args!("Interval({interval:?})"),
                allowed.contains(&interval),
                "an interval from 100 microseconds to one hour",
            )?;
        }
        Ok(())
    }
}

fn hold(
    option: &'static str,
    value: impl std::fmt::Display,
    holds: bool,
    rule: &'static str,
) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Option { option, value: value.to_string(), rule }) }
}
