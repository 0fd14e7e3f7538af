//! A spare gave the room of its last blocks back, and its log begins a segment in it on a full disk.

use seawall::storage::{OpenMode, Storage};
use seawall::{Error, Log, Options};
use seawall_sim::{Seed, SimDisk, environment};

const SEGMENT: u64 = 64 << 10;

fn last_trim(log: &Log) -> Result<(), String> {
    let last = log.segments().last().map(seawall::Segment::base).ok_or("an empty log")?;
    log.trim(last).map(drop).map_err(|error| format!("a trim: {error:?}"))
}

/// The spare is refused where its holes cannot be filled, before a record relies on it.
///
/// # Errors
/// Where a record finds no room in a segment that was begun, or a trim fails.
pub(crate) fn spare_with_holes() -> Result<(), String> {
    let disk = SimDisk::new(Seed::new(11));
    let options = Options::new().segment_len(SEGMENT).idle_mark(None).prepare_ahead(false);
    let log = Log::open_in(environment(&disk, 1), options).map_err(|error| format!("{error:?}"))?;
    let append = || log.append(&[1; 1000]);
    while log.segments().len() < 4 {
        append().map_err(|error| format!("an append: {error:?}"))?;
    }
    last_trim(&log)?;
    // The reserve has the highest number of all.
    let spares = disk.names().into_iter().filter(|name| name.starts_with("0000"));
    let spares: Vec<_> = spares.filter(|name| name.ends_with(".spare")).collect();
    if spares.is_empty() {
        return Err("no spare is left".to_owned());
    }
    for spare in spares {
        let file = disk.open(&spare, OpenMode::Write).map_err(|error| error.to_string())?;
        file.punch(SEGMENT / 2, SEGMENT / 2).map_err(|error| error.to_string())?;
    }
    disk.set_capacity(Some(disk.used()));
    for _ in 0..300 {
        match append() {
            Ok(_) => {}
            Err(Error::Full { action: "prepare", .. }) => return last_trim(&log),
            Err(error) => return Err(format!("an append: {error:?}")),
        }
    }
    Err("the disk is not full".to_owned())
}
