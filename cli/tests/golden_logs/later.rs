//! The golden logs with tags, and with frames of kinds that later releases may use.

use super::{GoldenLog, empty, file, header, killed, offset, open, settled};
use seawall::format::checksum::FrameSeed;
use seawall::format::frame::{FrameKind, SkippableKind};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::{Receipt, Tag};
use seawall_sim::SimDisk;

pub(crate) fn all() -> impl Iterator<Item = GoldenLog> {
    let logs = [
        ("tagged", "records with tags, and batches in which the tag changes, closed", tagged()),
        ("later-kinds", "kinds of later releases before, between and after records", later()),
        (
            "torn-later-kind",
            "the newest frame, of a kind of a later release, is torn",
            torn_later(),
        ),
        ("torn-batch-later-kind", "such a kind where the newest batch goes on", in_a_batch()),
        ("refused-later-flag", "a frame of such a kind with a flag", with_a_flag()),
    ];
    logs.into_iter().map(|(name, story, disk)| GoldenLog { name, story, disk })
}

fn tagged() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    let tag = Tag::new;
    log.append_tagged(tag(1), b"a record").unwrap();
    log.append(b"without a tag").unwrap();
    log.append_batch_tagged(&[(tag(2), "one"), (tag(2), "two")]).unwrap();
    log.append_batch_tagged(&[(tag(2), "three"), (tag(0xffff), "four"), (tag(0), "five")]).unwrap();
    let long = |byte, number| (tag(number), [byte; 150]);
    log.append_batch_tagged(&[long(b'a', 3), long(b'b', 3), long(b'c', 4)]).unwrap();
    log.close().unwrap();
    settled(&disk)
}

fn skippable(number: u8) -> FrameSpec {
    FrameSpec::of(FrameKind::Skippable(SkippableKind::new(number).unwrap()))
}

/// The disk after the process ended behind this record, with these frames written after it.
fn going_on(disk: &SimDisk, last: Receipt, frames: &[(FrameSpec, &[u8])]) -> SimDisk {
    let header = header(disk, 1);
    let bytes = disk.read_durable(&file(1)).unwrap();
    let last_at = usize::try_from(offset(disk, 1, last.lsn)).unwrap();
    let check = u32::from_le_bytes(*bytes[last_at..].first_chunk().unwrap());
    let mut run = Vec::new();
    for (spec, body) in frames {
        place_frame(&mut run, *spec, &[body]);
    }
    let _ = finish_run(&mut run, FrameSeed::new(header.log, header.salt), last.end, check);
    disk.overwrite_durably(&file(1), offset(disk, 1, last.end), &run).unwrap();
    settled(disk)
}

fn first_record() -> (SimDisk, Receipt) {
    let disk = empty();
    let log = open(&disk, 1);
    let receipt = log.append(b"first").unwrap();
    (killed(&disk, log), receipt)
}

fn later() -> SimDisk {
    let (disk, first) = first_record();
    let part = FrameSpec { continues: true, ..FrameSpec::of(FrameKind::Batch) };
    let tag = Tag::new(0x1234);
    let frames: [(FrameSpec, &[u8]); 6] = [
        (skippable(64), b"of a later release"),
        (FrameSpec::of(FrameKind::Record).tagged(tag), b"second"),
        (skippable(127).tagged(tag), b""),
        (part, b"\x05\0\0\0third"),
        (FrameSpec::of(FrameKind::Batch), b"\x06\0\0\0fourth"),
        (skippable(99), b"at the end"),
    ];
    let disk = going_on(&disk, first, &frames);
    // This run goes on in a segment of its own, and the frames stand in a closed one.
    let log = open(&disk, 2);
    let last = log.append(b"behind the jump").unwrap();
    log.sync().unwrap();
    assert!(last.lsn > first.end);
    killed(&disk, log)
}

fn torn_later() -> SimDisk {
    let (disk, first) = first_record();
    let disk = going_on(&disk, first, &[(skippable(64), b"of a later release")]);
    disk.flip_bit(&file(1), offset(&disk, 1, first.end) + 25, 0).unwrap();
    disk
}

fn in_a_batch() -> SimDisk {
    let (disk, first) = first_record();
    let part = FrameSpec { continues: true, ..FrameSpec::of(FrameKind::Batch) };
    let frames: [(FrameSpec, &[u8]); 3] = [
        (part, b"\x05\0\0\0begun"),
        (skippable(64), b"of a later release"),
        (FrameSpec::of(FrameKind::Batch), b"\x03\0\0\0end"),
    ];
    going_on(&disk, first, &frames)
}

fn with_a_flag() -> SimDisk {
    let (disk, first) = first_record();
    let disk = going_on(&disk, first, &[(skippable(64), b"of a later release")]);
    let (header, at) = (header(&disk, 1), offset(&disk, 1, first.end));
    let bytes = disk.read_durable(&file(1)).unwrap();
    let mut covered: [u8; 16] = *bytes[usize::try_from(at).unwrap() + 4..].first_chunk().unwrap();
    covered[13] = 1;
    let check = FrameSeed::new(header.log, header.salt).header_check(first.end, &covered);
    disk.overwrite_durably(&file(1), at, &check.to_le_bytes()).unwrap();
    disk.overwrite_durably(&file(1), at + 4, &covered).unwrap();
    disk
}
