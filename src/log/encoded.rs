//! Records that are long together, made into frames before the log's lock is taken: what is done under
//! it moves them and copies nothing, so that no other call waits for hundreds of MiB. Knows no LSN; checks are
//! filled in when a run is written, as ever.

use crate::format::batch;
use crate::format::frame::{FrameKind, frame_len};
use crate::format::frame_writer::{FrameSpec, close_frame, open_frame, place_record};
use crate::format::tag::{Part, Tag};
use crate::position::Lsn;

/// Frames of one append, placed.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    /// Where its frames begin.
    pub(crate) starts: Vec<u64>,
}

impl Encoded {
    pub(crate) fn of_record(record: &impl Part) -> Self {
        let mut bytes = Vec::new();
        place_record(&mut bytes, record.tag(), record.bytes());
        Self { bytes, starts: vec![0] }
    }

    /// Of a batch, in frames with bodies of at most `body_max`, where its records allow that.
    pub(crate) fn of_batch<P: Part>(records: &[P], body_max: u64) -> Self {
        let lens = || records.iter().map(|record| (record.tag(), record.len()));
        let (mut bytes, mut starts, mut rest) = (Vec::new(), Vec::new(), records);
        let len =
            batch::cut(lens(), body_max).map(|cut| frame_len(cut.body_len, false)).sum::<u64>();
        bytes.reserve(usize::try_from(len).unwrap_or(0));
        for cut in batch::cut(lens(), body_max) {
            let (frame, behind) = rest.split_at_checked(cut.records).unwrap_or((rest, &[]));
            starts.push(bytes.len() as u64);
            let tag = cut.tag;
            let tag = planted!("tag-lost-in-frames-made-apart", tag => Tag::NONE);
            place_batch_frame(&mut bytes, frame, (tag, !cut.last), None);
            rest = behind;
        }
        Self { bytes, starts }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// Appends one frame of a batch, with its checks empty.
pub(crate) fn place_batch_frame<P: Part>(
    run: &mut Vec<u8>,
    records: &[P],
    (tag, continues): (Tag, bool),
    mark: Option<Lsn>,
) {
    let start = open_frame(run, FrameSpec { kind: FrameKind::Batch, continues, mark, tag });
    for record in records {
        let record = record.bytes();
        let len = u32::try_from(record.len()).expect("records are bounded before");
        run.extend_from_slice(&len.to_le_bytes());
        run.extend_from_slice(record);
    }
    close_frame(run, start);
}
