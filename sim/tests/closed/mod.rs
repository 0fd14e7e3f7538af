//! Readers of a log that was closed, while another open trims it and recycles its files.

use seawall::log::{Follower, LogScan};
use seawall::{Error, Log, Lsn, Options, Record};
use seawall_sim::{Seed, SimDisk, environment};
use std::collections::BTreeMap;

const RECORDS: u8 = 40;

type Appended = BTreeMap<Lsn, Vec<u8>>;

fn options(spares_max: usize) -> Options {
    let options = Options::new().segment_len(16 << 10).spares_max(spares_max);
    options.idle_mark(None).prepare_ahead(false)
}

/// What a reader that is under way may be shown: what was appended, or that the log is closed.
fn wrong(appended: &Appended, shown: &Result<Record, Error>) -> Option<String> {
    match shown {
        Ok(record) if appended.get(&record.lsn).is_some_and(|bytes| record.bytes == *bytes) => None,
        Err(Error::Closed) => None,
        other => Some(format!("{other:?}")),
    }
}

fn scan_goes_wrong(appended: &Appended, mut scan: LogScan, read: usize) -> Option<String> {
    let mut shown = read;
    loop {
        match scan.next().transpose() {
            Ok(None) if shown == appended.len() => return None,
            Ok(None) => return Some(format!("a scan ends after {shown} records")),
            Ok(Some(record)) => {
                shown += 1;
                if let Some(how) = wrong(appended, &Ok(record)) {
                    return Some(format!("a scan shows {how}"));
                }
            }
            Err(Error::Closed) => {
                let stays = matches!(scan.next_ref(), Err(Error::Closed)) && scan.next().is_none();
                return (!stays).then(|| "a scan goes on after Closed".to_owned());
            }
            Err(error) => return Some(format!("a scan says {error:?}")),
        }
    }
}

fn follower_goes_wrong(appended: &Appended, mut follower: Follower, read: usize) -> Option<String> {
    let mut shown = read;
    loop {
        match follower.next() {
            Ok(None) if shown == appended.len() => return None,
            Ok(None) => return Some(format!("a follower ends after {shown} records")),
            Ok(Some(record)) => {
                shown += 1;
                if let Some(how) = wrong(appended, &Ok(record)) {
                    return Some(format!("a follower shows {how}"));
                }
            }
            Err(Error::Closed) => return None,
            Err(error) => return Some(format!("a follower says {error:?}")),
        }
    }
}

/// Whoever begins to read behind the close is told that it is too late, and nothing else.
fn late_reader_goes_wrong(log: &Log, appended: &Appended) -> Option<String> {
    let lsns: Vec<_> = appended.keys().copied().collect();
    let closed = |what: &str, error: Option<Error>| match error {
        Some(Error::Closed) => None,
        other => Some(format!("{what} of a closed log says {other:?}")),
    };
    closed("a scan", log.scan(Lsn::FIRST).err())
        .or_else(|| closed("a follower", log.follow(Lsn::FIRST).err()))
        .or_else(|| closed("a trim", log.trim(lsns[0]).err()))
        .or_else(|| lsns.iter().find_map(|&lsn| closed("a read", log.read(lsn).err())))
        .or_else(|| lsns.iter().find_map(|&lsn| closed("a read", log.read_batch(lsn).err())))
        .or_else(|| log.read_many(&lsns).into_iter().find_map(|r| closed("a read", r.err())))
}

/// Readers that were at any record when the log was closed, with descriptors that were kept and
/// without, over files that are removed and that are recycled. Says what goes wrong.
pub(crate) fn search() -> Option<String> {
    let stops = (0..=usize::from(RECORDS)).step_by(3);
    let cases = stops.flat_map(|stop| [(stop, 0, true), (stop, 2, true), (stop, 2, false)]);
    cases.into_iter().find_map(|(stop, spares_max, kept)| {
        let disk = SimDisk::new(Seed::new(1));
        let log = Log::open_in(environment(&disk, 1), options(spares_max)).unwrap();
        let append = |log: &Log, nth: u8| log.append(&[nth; 1000]).unwrap().lsn;
        let appended: Appended =
            (0..RECORDS).map(|nth| (append(&log, nth), vec![nth; 1000])).collect();
        let mut scan = log.scan(Lsn::FIRST).unwrap();
        let mut follower = log.follow(Lsn::FIRST).unwrap();
        for _ in 0..stop {
            scan.next_ref().unwrap().unwrap();
            follower.next().unwrap().unwrap();
        }
        if kept {
            appended.keys().for_each(|&lsn| drop(log.read(lsn).unwrap()));
        }
        log.close().unwrap();

        let other = Log::open_in(environment(&disk, 2), options(spares_max)).unwrap();
        let end = append(&other, 0);
        other.trim(end).unwrap();
        (0..60).for_each(|nth| _ = append(&other, 100 + nth));
        late_reader_goes_wrong(&log, &appended)
            .or_else(|| scan_goes_wrong(&appended, scan, stop))
            .or_else(|| follower_goes_wrong(&appended, follower, stop))
            .map(|how| format!("closed after {stop} records, {spares_max} spares: {how}"))
    })
}
