//! Logs whose headers name what the records mean: bugs that take one content for another.

use super::scenes::{left, opened, segment, small};
use seawall::format::header::SegmentHeader;
use seawall::storage::{OpenMode, Storage, read_full, write_full};
use seawall::{Content, Error, Log};
use seawall_sim::{Seed, SimDisk, environment};

/// Writes another header over both copies of a segment's.
fn restate(disk: &SimDisk, number: u64, change: impl FnOnce(&mut SegmentHeader)) {
    let file = disk.open(&segment(number), OpenMode::Write).unwrap();
    let mut bytes = [0; 128];
    read_full(&*file, 0, &mut bytes).unwrap();
    let mut header = SegmentHeader::decode(&bytes).unwrap();
    change(&mut header);
    write_full(&*file, 0, &[&header.blocks()]).unwrap();
    file.sync_all().unwrap();
}

/// A log of two segments, of which the second says that its records are those of another program.
pub(crate) fn segment_of_another_content() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, small());
    while log.segments().len() < 2 {
        log.append(&[7; 3000]).unwrap();
    }
    let disk = left(&disk, log);
    let content = Content::new("streams", 1).unwrap();
    restate(&disk, 2, |header| header.extension.content = content);
    match Log::open_in(environment(&disk, 2), small()) {
        Err(Error::Damaged { segment, .. }) if segment.get() == 2 => None,
        outcome => Some(format!("segment 2 has another content, and opening says {outcome:?}")),
    }
}

/// A log of streams is opened by a program that appends raw records.
pub(crate) fn raw_append_to_streams() -> Option<String> {
    let disk = SimDisk::new(Seed::new(1));
    let streams = small().content(Content::new("streams", 1).unwrap());
    let log = opened(&disk, 1, streams);
    log.append(b"only streams know what this means").unwrap();
    let disk = left(&disk, log);
    let before = disk.image_hash();
    match Log::open_in(environment(&disk, 2), small()) {
        Err(Error::Content { expected, found })
            if expected.is_raw() && found.name() == "streams" && disk.image_hash() == before =>
        {
            None
        }
        outcome => Some(format!("a log of streams, opened for raw records: {outcome:?}")),
    }
}
