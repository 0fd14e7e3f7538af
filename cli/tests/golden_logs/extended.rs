//! The golden logs whose headers state more than every header does: what the records mean, where a
//! segment was begun, and which copy went on.

use super::{GoldenLog, empty, killed, open, options, settled};
use seawall::{Content, Log, LogView};
use seawall_sim::{Seed, SimDisk, environment};

pub(crate) fn all() -> impl Iterator<Item = GoldenLog> {
    [
        ("streams", "records of streams, begun in a place that is known", streams()),
        ("copied", "a copy of a closed log, and nothing appended to it", copied(&closed())),
        ("three-lineages", "a copy that went on, and a copy of it that did", three_lineages()),
    ]
    .into_iter()
    .map(|(name, story, disk)| GoldenLog { name, story, disk })
}

fn streams() -> SimDisk {
    let disk = SimDisk::new(Seed::new(1));
    let content = Content::new("streams", 1).unwrap();
    let log = Log::open_in(environment(&disk, 1), options().content(content)).unwrap();
    log.append(b"only streams know what this means").unwrap();
    killed(&disk, log)
}

fn closed() -> SimDisk {
    let disk = empty();
    let log = open(&disk, 1);
    log.append(b"in the log and in its copies").unwrap();
    log.close().unwrap();
    settled(&disk)
}

fn copied(disk: &SimDisk) -> SimDisk {
    let dest = empty();
    LogView::open_in(&environment(disk, 9)).unwrap().copy_to(&dest, |_| {}).unwrap();
    settled(&dest)
}

fn three_lineages() -> SimDisk {
    let mut disk = closed();
    for run in [2, 3] {
        disk = copied(&disk);
        let log = open(&disk, run);
        log.append(format!("in the copy of run {run}").as_bytes()).unwrap();
        log.append(b"and a mark").unwrap();
        disk = killed(&disk, log);
    }
    disk
}
