//! A crash comes between a trim that used the reserve and the removal of its files; the open after it
//! removes them, and another program takes the room. The next trim needs a reserve.

use seawall::{Log, Options};
use seawall_sim::{CrashKind, InFlight, Seed, SimDisk, environment};

fn options() -> Options {
    Options::new().segment_len(16 << 10).idle_mark(None).prepare_ahead(false)
}

/// A disk that a log filled, in a run that was killed; nothing fits there any more.
fn full() -> SimDisk {
    let disk = SimDisk::new(Seed::new(3));
    disk.set_capacity(Some(100 << 10));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    while log.append(&[1; 1000]).is_ok() {}
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let disk = disk.after_kill();
    disk.set_capacity(Some(disk.used()));
    disk
}

/// In how many places the crash left files that the open removed; or what the trim after that said.
pub(crate) fn trims() -> Result<u32, String> {
    let mut met = 0;
    for step in 0..80 {
        let disk = full();
        disk.crash_inside(disk.steps() + step, CrashKind::Kill, InFlight::Whole);
        let opened = Log::open_in(environment(&disk, 2), options());
        if let Ok(log) = &opened {
            let _done_or_cut_off = log.trim(log.segments().last().unwrap().base());
        }
        disk.crash_now(CrashKind::Kill);
        drop(opened);
        let disk = disk.after_kill();
        let log = Log::open_in(environment(&disk, 3), options()).unwrap();
        if log.report().removed.is_empty() {
            continue;
        }
        met += 1;
        disk.set_capacity(Some(disk.used()));
        log.trim(log.watermarks().accepted).map_err(|error| format!("call {step}: {error}"))?;
    }
    Ok(met)
}
