//! The golden logs whose last file a clean close cut.

use super::{GoldenLog, empty, file, killed, options, put_file, settled};
use seawall::format::layout;
use seawall::{Durability, Log, Options};
use seawall_sim::{SimDisk, environment};

pub(crate) fn all() -> impl Iterator<Item = GoldenLog> {
    let logs = [
        ("cut-at-close", "a clean close cut the file, and its record ends it", cut()),
        (
            "cut-and-gone-on",
            "the next run began a segment, and a seal ends the cut file",
            gone_on(),
        ),
        ("cut-and-begun", "the same, but for the seal and all frames: a crash was faster", begun()),
        ("damaged-cut", "the record that ended a cut file is gone", without_record()),
        ("damaged-cut-newest", "what was begun behind a cut file is gone", without_newest()),
    ];
    logs.into_iter().map(|(name, story, disk)| GoldenLog { name, story, disk })
}

fn cutting() -> Options {
    options().segment_len(64 << 10).first_segment_len(64 << 10).cut_at_close(Some(1))
}

fn cut() -> SimDisk {
    let disk = empty();
    let log = Log::open_in(environment(&disk, 1), cutting()).unwrap();
    for nth in 0..30 {
        log.append(&[nth; 400]).unwrap();
    }
    log.close().unwrap();
    settled(&disk)
}

fn gone_on() -> SimDisk {
    let disk = cut();
    let log = Log::open_in(environment(&disk, 2), cutting()).unwrap();
    log.append_at(b"behind a cut file", Durability::Sync).unwrap();
    killed(&disk, log)
}

fn begun() -> SimDisk {
    let (before, after) = (cut(), gone_on());
    let mut newest = after.read_durable(&file(2)).unwrap();
    let frames = usize::try_from(layout::FRAMES_START).unwrap();
    newest[frames..].fill(0);
    put_file(&before, &file(2), &newest);
    settled(&before)
}

fn without_record() -> SimDisk {
    let disk = cut();
    let len = disk.read_durable(&file(1)).unwrap().len() as u64;
    disk.overwrite_durably(&file(1), layout::trailer_offset(len), &[0; 64]).unwrap();
    settled(&disk)
}

fn without_newest() -> SimDisk {
    let disk = gone_on();
    disk.remove_file(&file(2)).unwrap();
    settled(&disk)
}
