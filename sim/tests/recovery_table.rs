//! Every cell of the recovery table that can be is reached from bytes on a simulated disk, never
//! from made-up facts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall::format::checksum::FrameSeed;
use seawall::format::frame::{FrameKind, HEADER_LEN};
use seawall::format::frame_writer::{FrameSpec, finish_run, place_frame};
use seawall::format::header::SegmentHeader;
use seawall::format::layout;
use seawall::format::name::FileName;
use seawall::storage::{EntryKind, OpenMode, Storage, write_full};
use seawall::{Decision, Durability, Log, LogView, Lsn, Options, Row, SegmentId, decide};
use seawall_sim::{
    Concern, CrashKind, CrashPolicy, EIO, FaultPlan, Operation, Seed, SimDisk, environment,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const SEGMENT: u64 = 16 << 10;

fn options() -> Options {
    Options::new()
        .segment_len(SEGMENT)
        .batch_frame_max(256)
        .idle_mark(None)
        .prepare_ahead(false)
        .spares_max(0)
}

fn name(number: u64) -> String {
    FileName::Segment(SegmentId::new(number)).text()
}

/// Three segments and a bit, every append durable; returns the addresses.
fn written(disk: &SimDisk) -> (Log, Vec<Lsn>) {
    let log = Log::open_in(environment(disk, 1), options()).unwrap();
    let lsns = (0..10_u8).map(|n| log.append(&[n; 2500]).unwrap().lsn).collect();
    (log, lsns)
}

/// The disk after the process died, all of it on the device.
fn killed(disk: &SimDisk, log: Log) -> SimDisk {
    disk.crash_now(CrashKind::Kill);
    drop(log);
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

fn three_segments() -> (SimDisk, Vec<Lsn>) {
    let disk = SimDisk::new(Seed::new(1));
    let (log, lsns) = written(&disk);
    assert!(log.segments().len() >= 3);
    (killed(&disk, log), lsns)
}

fn header(disk: &SimDisk, number: u64) -> SegmentHeader {
    SegmentHeader::decode(&disk.read_durable(&name(number)).unwrap()).unwrap()
}

fn put_header(disk: &SimDisk, number: u64, header: &SegmentHeader) {
    disk.overwrite_durably(&name(number), 0, &header.blocks()).unwrap();
}

fn last(disk: &SimDisk) -> u64 {
    disk.names().iter().filter(|name| name.ends_with(".seg")).count() as u64
}

fn offset(disk: &SimDisk, number: u64, lsn: Lsn) -> u64 {
    8192 + lsn.since(header(disk, number).base).unwrap()
}

/// A later version of the header: everything else intact.
fn newer(disk: &SimDisk, number: u64) {
    let mut bytes = header(disk, number).encode();
    bytes[8] = 2;
    let check = seawall::format::checksum::crc64(&bytes[..120]).to_le_bytes();
    bytes[120..].copy_from_slice(&check);
    for at in [0, 4096] {
        disk.overwrite_durably(&name(number), at, &bytes).unwrap();
    }
}

fn images() -> Vec<(&'static str, SimDisk)> {
    let mut images = Vec::new();
    let mut image = |what, disk: SimDisk| images.push((what, disk));

    let (disk, _) = three_segments();
    image("a kill", disk);

    let disk = SimDisk::new(Seed::new(1));
    let (log, lsns) = written(&disk);
    log.trim(lsns[9]).unwrap();
    disk.crash_now(CrashKind::Power);
    let mut rng = Seed::new(3).rng(Concern::CrashResolution);
    let (trimmed, before) = {
        let disk = SimDisk::new(Seed::new(1));
        let (log, lsns) = written(&disk);
        let before = killed_copy(&disk);
        log.trim(lsns[9]).unwrap();
        (killed(&disk, log), before)
    };
    drop(log);
    // The removal of the first file comes undone.
    let first = before.read_durable(&name(1)).unwrap();
    restore(&trimmed, &name(1), &first);
    image("a removed file is back", trimmed);
    image("cut power in a trim", disk.after_power_cut(&CrashPolicy::NamesLost, &mut rng));

    let disk = SimDisk::new(Seed::new(1));
    let (log, _) = written(&disk);
    log.close().unwrap();
    drop(log);
    image("a clean close", disk.after_kill());

    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    log.append(b"written over with zeros").unwrap();
    log.close().unwrap();
    drop(log);
    disk.overwrite_durably(&name(1), 8192, &[0; 4096]).unwrap();
    image("a closed log loses all its frames", disk);

    // After a clean close the same segment goes on; then its next frame rots.
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    log.append(b"before").unwrap();
    log.close().unwrap();
    drop(log);
    let log = Log::open_in(environment(&disk, 2), options()).unwrap();
    let hurt = log.append(b"first of the second run").unwrap().lsn;
    log.append(b"second").unwrap();
    log.append(b"third").unwrap();
    let disk = killed(&disk, log);
    disk.flip_bit(&name(1), offset(&disk, 1, hurt) + 30, 1).unwrap();
    image("rot right behind a close mark", disk);

    let (disk, lsns) = three_segments();
    let tail = last(&disk);
    disk.flip_bit(&name(tail), offset(&disk, tail, lsns[9]) + 100, 1).unwrap();
    image("the newest commit rots", disk);

    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    let lsns: Vec<_> = (0..3_u8).map(|n| log.append(&[n; 100]).unwrap().lsn).collect();
    let disk = killed(&disk, log);
    disk.flip_bit(&name(1), offset(&disk, 1, lsns[1]) + 50, 1).unwrap();
    image("an acknowledged frame in the tail rots", disk);

    for (what, acknowledged) in [("a batch is torn", false), ("a batch rots", true)] {
        let disk = SimDisk::new(Seed::new(1));
        let log = Log::open_in(environment(&disk, 1), options()).unwrap();
        log.append(b"before").unwrap();
        let batch = log.append_batch(&[[7; 200], [8; 200], [9; 200]]).unwrap();
        if acknowledged {
            log.append(b"behind").unwrap();
            log.append(b"and behind that").unwrap();
        }
        let disk = killed(&disk, log);
        disk.flip_bit(&name(1), offset(&disk, 1, batch.lsn) + 300, 0).unwrap();
        image(what, disk);
    }

    let (disk, _) = three_segments();
    disk.truncate_durably(&name(last(&disk)), 12 << 10).unwrap();
    image("the last file is cut short", disk);
    let (disk, _) = three_segments();
    disk.truncate_durably(&name(1), 12 << 10).unwrap();
    image("a closed file is cut short", disk);

    for (what, skip) in [("the newest cannot be read", 0), ("an old one cannot be read", 3)] {
        let (disk, _) = three_segments();
        let suffix = if skip == 0 { name(last(&disk)) } else { name(1) };
        disk.fail(FaultPlan::new(Operation::Read, EIO).suffix(&suffix).times(100));
        image(what, disk);
    }

    for number in [1, 3] {
        let (disk, _) = three_segments();
        let number = if number == 3 { last(&disk) } else { number };
        newer(&disk, number);
        image("a header of a later version", disk);
    }

    let (disk, _) = three_segments();
    let mut odd = header(&disk, 1);
    odd.prev_end = Lsn::new(4096);
    odd.base = Lsn::new(4096);
    put_header(&disk, 1, &odd);
    image("the first segment follows something", disk);
    let (disk, _) = three_segments();
    let mut odd = header(&disk, 2);
    odd.prev_end = odd.prev_end.checked_add(1 << 20).unwrap();
    odd.base = odd.prev_end;
    put_header(&disk, 2, &odd);
    image("a segment follows more than the one before can hold", disk);

    for beyond in [true, false] {
        let (disk, _) = three_segments();
        let number = if beyond { last(&disk) + 1 } else { 2 };
        if beyond {
            restore(&disk, &name(number), &vec![0; 16 << 10]);
        }
        put_header(&disk, number, &header(&disk, 1));
        image("a file has another's header", disk);
    }

    for beyond in [true, false] {
        let (disk, _) = three_segments();
        let number = if beyond { last(&disk) + 1 } else { 2 };
        if beyond {
            restore(&disk, &name(number), &vec![0; 16 << 10]);
        } else {
            disk.overwrite_durably(&name(number), 0, &vec![0; 12 << 10]).unwrap();
        }
        image("a file never began", disk);
    }

    for beyond in [true, false] {
        let (disk, _) = three_segments();
        let number = if beyond { last(&disk) } else { 2 };
        disk.overwrite_durably(&name(number), 0, &vec![0xa5; 8 << 10]).unwrap();
        image("both headers are gone", disk);
    }

    for newest in [true, false] {
        let (disk, _) = three_segments();
        let number = if newest { last(&disk) } else { 2 };
        disk.flip_bit(&name(number), 4096 + 40, 3).unwrap();
        image("one header copy rots", disk);
    }

    let (disk, _) = three_segments();
    disk.remove(&name(2)).unwrap();
    image("a segment is missing", disk);

    let (disk, lsns) = left_unsynced(false);
    let end = offset(&disk, 1, lsns[2]);
    disk.overwrite_durably(&name(1), end, &[0; 2520]).unwrap();
    image("a segment that was left before it was synced is torn", again(&disk));
    // The next header says that what is behind goes with it, and the process dies before the files go.
    let log = Log::open_in(environment(&disk, 9), unsynced()).unwrap();
    assert!(!log.report().dropped.is_empty(), "{}", log.report());
    log.append(b"behind the cut").unwrap();
    image("dropped files are still there", killed(&disk, log));

    let (disk, lsns) = left_unsynced(true);
    let begin = offset(&disk, 2, *lsns.iter().find(|lsn| **lsn >= header(&disk, 2).base).unwrap());
    disk.overwrite_durably(&name(2), begin, &[0; 2520]).unwrap();
    image("what was durable in a segment that was left is gone", disk);
    images
}

fn unsynced() -> Options {
    options().durability(Durability::Os).unsynced_max(1 << 20)
}

/// Three segments, none of which was synced before the next one began; with a sync in the second, if asked
/// for.
fn left_unsynced(synced: bool) -> (SimDisk, Vec<Lsn>) {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), unsynced()).unwrap();
    let append = |n: u8| log.append(&[n; 2500]).unwrap().lsn;
    let mut lsns: Vec<_> = (0..4).map(append).collect();
    if synced {
        log.sync().unwrap();
    }
    lsns.extend((4..8).map(append));
    assert!(log.segments().len() >= 3);
    (killed(&disk, log), lsns)
}

/// The same bytes on a disk of their own.
fn again(disk: &SimDisk) -> SimDisk {
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    disk.after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

fn killed_copy(disk: &SimDisk) -> SimDisk {
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    disk.after_kill().after_power_cut(&CrashPolicy::AllKept, &mut rng)
}

fn restore(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let file = storage.open(name, OpenMode::Create).unwrap();
    write_full(&*file, 0, &[bytes]).unwrap();
    file.sync_all().unwrap();
    storage.sync_dir().unwrap();
}

/// Cells that cannot be, and why.
const IMPOSSIBLE: [(Row, bool, &str); 2] = [
    (Row::Trimmed, true, "what was trimmed is judged before anything could be proven"),
    (Row::Missing, false, "a number is missed only because a later header proves it"),
];

#[test]
fn every_possible_cell_of_the_recovery_table_is_reached_from_bytes() {
    let mut reached: BTreeMap<(Row, bool), &str> = BTreeMap::new();
    for (what, disk) in images() {
        let (findings, fatal) = LogView::diagnose(&environment(&disk, 7)).unwrap();
        for finding in &findings {
            assert_eq!(finding.decision, decide(finding.row, finding.proven_beyond), "{what}");
            reached.entry((finding.row, finding.proven_beyond)).or_insert(what);
        }
        surplus_spares(&disk);
        let before = disk.image_hash();
        // The writer decides alike: it opens exactly where nothing forbids it.
        let refuses = findings.iter().any(|finding| {
            matches!(finding.decision, Decision::Damage | Decision::Report | Decision::Refuse)
        });
        assert_eq!(fatal.is_some(), refuses, "{what}: {fatal:?} {findings:?}");
        let opened = Log::open_in(environment(&disk, 8), options().durability(Durability::Sync));
        assert_eq!(opened.is_err(), refuses, "{what}: {:?}", opened.err());
        assert!(
            !refuses || disk.image_hash() == before,
            "{what}: a refused open changed something"
        );
    }
    let mut unreached = Vec::new();
    for row in Row::ALL {
        for proven in [false, true] {
            let impossible = IMPOSSIBLE.iter().find(|cell| (cell.0, cell.1) == (row, proven));
            let how = match (reached.get(&(row, proven)), impossible) {
                (Some(what), None) => format!("reached: {what}"),
                (None, Some((_, _, why))) => format!("impossible: {why}"),
                (Some(what), Some(_)) => panic!("{row:?} {proven} was called impossible: {what}"),
                (None, None) => {
                    unreached.push((row, proven));
                    "NOT REACHED".to_owned()
                }
            };
            let column = if proven { "W > E " } else { "W <= E" };
            println!(
                "{row:<14} {column} {:<8} {how}",
                format!("{:?}", decide(row, proven)),
                row = format!("{row:?}")
            );
        }
    }
    assert!(unreached.is_empty(), "{unreached:?}");
}

/// More spares than the options keep.
fn surplus_spares(disk: &SimDisk) {
    for nth in 0..4 {
        disk.put_foreign(&FileName::Spare(1000 + nth).text(), EntryKind::File).unwrap();
    }
}

/// A directory with all that an open puts in order, by the way: a file below the trim point, a bad
/// header copy, spares beyond what the options keep; and damage, if that is asked for.
fn disorder(damaged: bool) -> SimDisk {
    let disk = SimDisk::new(Seed::new(1));
    let (log, lsns) = written(&disk);
    let below = disk.read_durable(&name(1)).unwrap();
    log.trim(lsns[6]).unwrap();
    for nth in 0..3 {
        log.append(&[nth; 100]).unwrap();
    }
    assert!(!disk.names().contains(&name(1)));
    let newest = log.segments().last().unwrap().number().get();
    let disk = killed(&disk, log);
    let file = disk.open(&name(1), OpenMode::Create).unwrap();
    write_full(&*file, 0, &[&below]).unwrap();
    file.sync_all().unwrap();
    disk.sync_dir().unwrap();
    surplus_spares(&disk);
    disk.flip_bit(&name(newest), 4096 + 40, 1).unwrap();
    if damaged {
        disk.flip_bit(&name(newest), 8192 + 30, 1).unwrap();
    }
    disk
}

#[test]
fn a_refused_open_leaves_what_it_would_have_put_in_order_as_it_was() {
    let disk = disorder(true);
    let before = (disk.image_hash(), disk.names());
    let error = Log::open_in(environment(&disk, 8), options()).unwrap_err();
    assert!(error.is_damage(), "{error:?}");
    assert_eq!((disk.image_hash(), disk.names()), before);

    let disk = disorder(false);
    let names = disk.names().len();
    let log = Log::open_in(environment(&disk, 8), options()).unwrap();
    let report = log.report();
    assert_eq!((report.rebuilt.len(), report.removed.len()), (1, 1), "{report:?}");
    assert!(disk.names().len() < names - 1, "{:?}", disk.names());
}

/// No log writes this: batches fit into segments. But who made it up is not believed either.
#[test]
fn a_batch_that_the_end_of_its_segment_cuts_off_is_none() {
    let disk = SimDisk::new(Seed::new(1));
    let log = Log::open_in(environment(&disk, 1), options()).unwrap();
    log.append(b"before").unwrap();
    let disk = killed(&disk, log);
    let header = header(&disk, 1);
    let room = usize::try_from(layout::frame_room(header.file_len)).unwrap();
    let mut frames = Vec::new();
    place_frame(&mut frames, FrameSpec::of(FrameKind::Record), &[b"the last that holds"]);
    let whole = frames.len();
    let len = room - whole - HEADER_LEN - 4;
    let record = vec![7; len];
    let prefix = u32::try_from(len).unwrap().to_le_bytes();
    let spec = FrameSpec { continues: true, ..FrameSpec::of(FrameKind::Batch) };
    place_frame(&mut frames, spec, &[&prefix, &record]);
    assert_eq!(frames.len(), room);
    let seed = FrameSeed::new(header.log, header.salt);
    let (_, count) = finish_run(&mut frames, seed, header.base, header.prev_check);
    assert_eq!(count, 2);
    disk.overwrite_durably(&name(1), layout::FRAMES_START, &frames).unwrap();

    let view = LogView::open_in(&environment(&disk, 2)).unwrap();
    let rows: Vec<_> = view.findings().iter().map(|finding| finding.row).collect();
    assert_eq!(rows, [Row::HalfBatch]);
    assert_eq!(view.end(), header.base.checked_add(whole as u64).unwrap());
    let log = Log::open_in(environment(&disk, 2), options()).unwrap();
    assert_eq!(log.scan(Lsn::FIRST).unwrap().map(Result::unwrap).count(), 1);
    assert!(log.report().cut.is_some());
}
