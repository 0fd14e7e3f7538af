//! Boundaries that drawn runs seldom meet: the end of a block of the search after a broken place, the
//! pieces in which files are copied, the last frame of a closed segment, which no frame follows, and the
//! end of a segment that is trimmed while a scan stands in it, longer than what is read ahead.

use super::repairs::{copy, files, records, repair, settled};
use seawall::{Durability, Error, Log, LogView, Lsn, Options, Verdict};
use seawall_sim::{CrashKind, Seed, SimDisk, environment};

/// Bytes that the search reads at once.
const BLOCK: u64 = 256 << 10;
/// Bytes of a frame header, and of one with a mark.
const HEADER: u64 = 20;
const MARKED_HEADER: u64 = 32;

fn options() -> Options {
    Options::new()
        .segment_len(4 << 20)
        .first_segment_len(4 << 20)
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

/// The last frame of a closed segment is another one, as long and with checks that hold: what stood
/// there before it was written over. Only the header of the next segment names the check of the
/// frame that belongs there.
///
/// # Errors
/// Where a reader shows it, or an open or a verification finds nothing wrong.
pub(crate) fn another_last_frame_of_a_closed_segment() -> Result<(), String> {
    let options = || options().segment_len(16 << 10);
    // Appends until a second segment begins; says where the last frame of the first one is.
    let history = |other: Option<usize>| -> Result<(SimDisk, Vec<Lsn>), String> {
        let disk = SimDisk::new(Seed::new(1));
        let log = Log::open_in(environment(&disk, 1), options())
            .map_err(|error| format!("open: {error:?}"))?;
        let mut lsns = Vec::new();
        while log.segments().len() < 2 {
            let byte = if other == Some(lsns.len()) { 2 } else { 1 };
            lsns.push(append(&log, 1000, byte)?);
        }
        log.sync().map_err(|error| format!("sync: {error:?}"))?;
        disk.crash_now(CrashKind::Kill);
        drop(log);
        Ok((settled(&disk), lsns))
    };
    let (disk, lsns) = history(None)?;
    let place = lsns.len().checked_sub(2).ok_or("one record fills a segment")?;
    let (other, others) = history(Some(place))?;
    let [last, end] = lsns.get(place..).and_then(|lsns| lsns.try_into().ok()).ok_or("no pair")?;
    if lsns != others {
        return Err(format!("the histories differ in their addresses: {lsns:?}, {others:?}"));
    }
    let name = format!("{:020}.seg", 1);
    let (from, to) = (8192 + last.get(), 8192 + end.get());
    let read = |disk: &SimDisk| disk.read_durable(&name).ok_or("no file");
    let index = |at: u64| usize::try_from(at).map_err(|error| error.to_string());
    let bytes = read(&other)?;
    let stale = bytes.get(index(from)?..index(to)?).ok_or("the file is too short")?;
    disk.overwrite_durably(&name, from, stale).map_err(|error| format!("{error:?}"))?;

    let mut view =
        LogView::open_in(&environment(&disk, 2)).map_err(|error| format!("{error:?}"))?;
    let report = view.verify(|_| {}).map_err(|error| format!("verify: {error:?}"))?;
    if report.verdict == Verdict::Clean {
        return Err("verify calls a segment clean that ends in another frame".to_owned());
    }
    let scan = view.scan(Lsn::FIRST).map_err(|error| format!("{error:?}"))?;
    let ends: Vec<_> = scan.filter_map(Result::err).collect();
    if !matches!(ends.as_slice(), [Error::Damaged { .. }]) {
        return Err(format!("a scan over another last frame ends with {ends:?}"));
    }
    Ok(())
}

/// A scan stands in a segment while it is trimmed and the log goes on in recycled files.
///
/// # Errors
/// Where the scan is shown anything but what was appended there, up to a word that it was trimmed.
pub(crate) fn scan_across_a_trim() -> Result<(), String> {
    const LEN: usize = 10_000;
    let disk = SimDisk::new(Seed::new(1));
    let options = Options::new()
        // Longer than what is read ahead.
        .segment_len(1 << 20)
        .first_segment_len(1 << 20)
        .spares_max(2)
        .idle_mark(None);
    let log =
        Log::open_in(environment(&disk, 1), options).map_err(|error| format!("open: {error:?}"))?;
    let append_all = |count: usize, byte: u8| -> Result<(), String> {
        for _ in 0..count {
            log.append_at(&[byte; LEN], Durability::Buffered)
                .map_err(|error| format!("append: {error:?}"))?;
        }
        log.sync().map(drop).map_err(|error| format!("sync: {error:?}"))
    };
    append_all(120, 1)?;
    let mut scan = log.scan(Lsn::FIRST).map_err(|error| format!("scan: {error:?}"))?;
    if !matches!(scan.next(), Some(Ok(first)) if first.bytes == [1; LEN][..]) {
        return Err("a scan does not show the first record".to_owned());
    }
    log.trim(log.watermarks().durable).map_err(|error| format!("trim: {error:?}"))?;
    append_all(250, 2)?;
    for record in scan {
        match record {
            Ok(record) if record.bytes == [1; LEN][..] => {}
            Ok(record) => return Err(format!("a scan shows other bytes at {}", record.lsn)),
            Err(Error::Trimmed { .. }) => return Ok(()),
            Err(error) => return Err(format!("a scan in a trimmed segment gets {error:?}")),
        }
    }
    Err("a scan in a trimmed segment ends without a word".to_owned())
}
