//! Boundaries that the short segments of the other tests never meet: the end of a block of the
//! search behind a broken place, and the pieces in which files are copied.

use super::repairs::{copy, files, records, repair, settled};
use seawall::{Durability, Error, Log, Lsn, Options};
use seawall_sim::{CrashKind, Seed, SimDisk, environment};

/// Bytes that the search reads at once.
const BLOCK: u64 = 256 << 10;
/// Bytes of a frame header, and of one with a mark.
const HEADER: u64 = 20;
const MARKED_HEADER: u64 = 32;

fn options() -> Options {
    Options::new()
        .segment_len(4 << 20)
        .buffer_max(1 << 20)
        .durability(Durability::Os)
        .idle_mark(None)
        .prepare_ahead(false)
        .spares_max(0)
}

fn append(log: &Log, len: u64, byte: u8) -> Result<Lsn, String> {
    let len = usize::try_from(len).map_err(|error| error.to_string())?;
    let receipt = log.append(&vec![byte; len]).map_err(|error| format!("append: {error:?}"))?;
    Ok(receipt.lsn)
}

fn opened(disk: &SimDisk, run: u64) -> Result<Log, String> {
    Log::open_in(environment(disk, run), options()).map_err(|error| format!("open: {error:?}"))
}

/// A frame of this many bytes in all, which no mark rides in.
fn append_frame(log: &Log, frame_len: u64, byte: u8) -> Result<Lsn, String> {
    append(log, frame_len - HEADER, byte)
}

/// A broken frame, and behind it one mark, whose header lies before, astride or behind the end of the
/// first block that is searched: it proves each time that the broken frame was durable.
///
/// # Errors
/// Where an open takes the damage for a torn tail.
pub(crate) fn marks_around_the_end_of_a_block() -> Result<(), String> {
    const BROKEN: u64 = 120;
    // Twice its header to either side, in steps of frames.
    for back in (0..=2 * MARKED_HEADER).step_by(8) {
        let disk = SimDisk::new(Seed::new(1));
        let log = opened(&disk, 1)?;
        let first = append_frame(&log, BROKEN, 1)?;
        // Up to where the marked frame is to begin.
        let mut left = BLOCK + MARKED_HEADER - back - BROKEN;
        while left > 0 {
            let len = if left > 100_000 { 60_000 } else { left };
            append_frame(&log, len, 2)?;
            left -= len;
        }
        log.sync().map_err(|error| format!("sync: {error:?}"))?;
        let marked = append(&log, 50, 3)?;
        let expected = first.get() + BLOCK + MARKED_HEADER - back;
        if marked.get() != expected {
            return Err(format!("the mark is at {marked}, not at {expected}"));
        }
        disk.crash_now(CrashKind::Kill);
        drop(log);
        let disk = settled(&disk);
        let name = disk.names().first().cloned().unwrap_or_default();
        disk.flip_bit(&name, 8192 + first.get() + 40, 1).map_err(|error| error.to_string())?;
        match Log::open_in(environment(&disk, 2), options()) {
            Err(Error::Damaged { .. }) => {}
            other => return Err(format!("{back} bytes back: {other:?}")),
        }
    }
    Ok(())
}

/// Two segments of several pieces, with a frame astride each boundary between pieces.
fn large() -> Result<SimDisk, String> {
    let disk = SimDisk::new(Seed::new(2));
    let log = opened(&disk, 1)?;
    for nth in 0..80_u8 {
        append(&log, 77_777, nth)?;
    }
    log.close().map_err(|error| format!("close: {error:?}"))?;
    disk.crash_now(CrashKind::Kill);
    drop(log);
    Ok(settled(&disk))
}

/// Copies segments of several pieces.
///
/// # Errors
/// Where the copy is not the log.
pub(crate) fn copy_of_several_pieces() -> Result<(), String> {
    let disk = large()?;
    let dest = SimDisk::new(Seed::new(3));
    copy(&environment(&disk, 2), &dest).map_err(|error| format!("copy: {error:?}"))?;
    let (expected, shown) = (records(&disk).0, records(&settled(&dest)).0);
    if expected.len() != 80 || shown != expected {
        return Err(format!("{} records of {} are in the copy", shown.len(), expected.len()));
    }
    Ok(())
}

/// Repairs a segment of several pieces.
///
/// # Errors
/// Where more is gone than the broken record, or the original is not kept.
pub(crate) fn repair_of_several_pieces() -> Result<(), String> {
    let disk = large()?;
    let expected = records(&disk).0;
    let name = disk.names().first().cloned().unwrap_or_default();
    disk.flip_bit(&name, 8192 + 400_000, 1).map_err(|error| error.to_string())?;
    let original = files(&disk).get(&name).cloned();
    repair(&disk, "first").map_err(|error| format!("repair: {error:?}"))?;
    let after = settled(&disk);
    let kept = after.names().into_iter().find(|kept| kept.ends_with(&format!("{name}.first")));
    let kept = kept.and_then(|kept| after.read_durable(&kept));
    if kept != original {
        return Err("the original is not in the quarantine".to_owned());
    }
    let shown = records(&after).0;
    let right = shown.iter().all(|(place, bytes)| expected.get(place) == Some(bytes));
    if shown.len() + 1 != expected.len() || !right {
        return Err(format!("{} records of {} are left", shown.len(), expected.len()));
    }
    Ok(())
}
