//! Real logs, written through the library on a simulated disk, from which inputs start.

use super::directory::Files;
use seawall::{Durability, Log, Options};
use seawall_sim::{Concern, CrashKind, CrashPolicy, Seed, SimDisk, environment};
use std::sync::OnceLock;

/// The smallest segments there are, so that a log of some kilobytes has several.
#[must_use]
pub fn options() -> Options {
    Options::new().segment_len(16 << 10).batch_frame_max(256).idle_mark(None)
}

/// How many logs there are to start from.
pub const COUNT: u8 = 7;

/// The files of the log with this number; of the first there are none.
#[must_use]
pub fn source(number: u8) -> &'static Files {
    static SOURCES: OnceLock<Vec<Files>> = OnceLock::new();
    let all = SOURCES.get_or_init(|| {
        let none = Files::default();
        vec![none, closed(), three_segments(), trimmed(), torn(), recovered(), recycled()]
    });
    all.get(usize::from(number % COUNT)).expect("a number below the count")
}

/// A log of one segment, closed: records, batches, an empty record.
fn closed() -> Files {
    let log = Written::new(1);
    log.fill(6);
    log.log.append_batch(&[vec![1; 200], vec![2; 200], Vec::new()]).expect("a batch");
    log.log.append(b"").expect("an empty record");
    log.log.close().expect("the log closes");
    log.end(&CrashPolicy::AllKept)
}

/// A log of three segments that nobody closed.
fn three_segments() -> Files {
    let log = Written::new(2);
    log.until_segments(3);
    log.fill(5);
    log.end(&CrashPolicy::AllKept)
}

/// A log whose first segments were trimmed, then closed.
fn trimmed() -> Files {
    let log = Written::new(3);
    log.until_segments(4);
    let third = log.log.segments().get(2).map(seawall::Segment::base);
    log.log.trim(third.expect("a third segment")).expect("the trim");
    log.fill(3);
    log.log.close().expect("the log closes");
    log.end(&CrashPolicy::AllKept)
}

/// A log whose last appends a power cut tore.
fn torn() -> Files {
    let log = Written::new(4);
    log.until_segments(2);
    log.fill(3);
    for _ in 0..4 {
        log.log.append_at(&[0x5a; 700], Durability::Os).expect("an append");
    }
    log.end(&CrashPolicy::TornSectors)
}

/// A log that a crash ended, and that went on behind a jump.
fn recovered() -> Files {
    let log = Written::new(5);
    log.fill(8);
    log.log.append_at(&[0x5a; 900], Durability::Os).expect("an append");
    let log = log.crashed(&CrashPolicy::AllLost);
    log.fill(3);
    log.end(&CrashPolicy::AllKept)
}

/// A log in files of earlier segments, with leftovers behind its end.
fn recycled() -> Files {
    let log = Written::new(6);
    log.until_segments(4);
    let last = log.log.segments().last().map(seawall::Segment::base);
    log.log.trim(last.expect("a last segment")).expect("the trim");
    log.until_segments(2);
    log.fill(2);
    log.end(&CrashPolicy::AllKept)
}

/// A log under construction.
struct Written {
    seed: u64,
    disk: SimDisk,
    log: Log,
}

impl Written {
    fn new(seed: u64) -> Self {
        let disk = SimDisk::new(Seed::new(seed));
        // Of the files that are made of these bytes none is where its log began.
        disk.set_identity(None);
        Self::on(disk, seed)
    }

    fn on(disk: SimDisk, seed: u64) -> Self {
        let log = Log::open_in(environment(&disk, seed), options()).expect("the log opens");
        Self { seed, disk, log }
    }

    fn fill(&self, appends: u64) {
        let mut rng = Seed::new(self.seed ^ appends).rng(Concern::Workload);
        for _ in 0..appends {
            let mut record = vec![0; rng.index(300)];
            rng.fill(&mut record);
            self.log.append(&record).expect("an append");
        }
        self.log.append_batch(&[vec![7; 300], vec![8; 300]]).expect("a batch");
    }

    fn until_segments(&self, count: usize) {
        while self.log.segments().len() < count {
            self.fill(5);
        }
    }

    /// The power goes, and the log is opened again.
    fn crashed(self, policy: &CrashPolicy) -> Self {
        let after = self.cut(policy);
        Self::on(after, self.seed)
    }

    fn end(self, policy: &CrashPolicy) -> Files {
        Files::of(&self.cut(policy))
    }

    fn cut(&self, policy: &CrashPolicy) -> SimDisk {
        self.disk.crash_now(CrashKind::Power);
        let mut rng = Seed::new(self.seed).rng(Concern::CrashResolution);
        self.disk.after_power_cut(policy, &mut rng)
    }
}
