//! Work that was taken from a log and dropped: done or not, no call waits for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use seawall::log::stepped::{Answer, Call, Lane, Stepped};
use seawall::{Durability, Error, Log, Lsn, Options};
use seawall_sim::{Seed, SimDisk, environment};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Dropped {
    Undone,
    Done,
}

const LEVELS: [Durability; 3] = [Durability::Buffered, Durability::Os, Durability::Sync];

fn options(level: Durability) -> Options {
    Options::new().segment_len(16 << 10).durability(level).idle_mark(None).spares_max(1)
}

/// A log of which one piece of work is dropped.
struct Story {
    log: Stepped,
    left: u64,
    dropped: Dropped,
}

impl Story {
    fn take(&mut self, lane: Lane) {
        let Some(work) = self.log.take(lane) else { return };
        self.left = self.left.wrapping_sub(1);
        match (self.left, self.dropped) {
            (0, Dropped::Undone) => drop(work),
            (0, Dropped::Done) => drop(work.perform()),
            _ => self.log.give_back(work.perform()),
        }
    }

    fn answer(&mut self, mut call: Call) -> Result<Answer, Error> {
        for _ in 0..1000 {
            if let Some(answer) = self.log.poll(&mut call) {
                return answer;
            }
            self.take(Lane::Commit);
            self.take(Lane::Upkeep);
        }
        unreachable!("a call that gets no answer: {call:?}");
    }

    /// What was acknowledged; and whether any call reported something wrong.
    fn play(&mut self, level: Durability) -> (Vec<(Lsn, Vec<u8>)>, bool) {
        let (mut acknowledged, mut wrong) = (Vec::new(), false);
        for nth in 0..24_u8 {
            let record = vec![nth; 1500];
            match self.answer(self.log.begin_append(record.clone(), level)) {
                Ok(Answer::Appended(receipt)) => acknowledged.push((receipt.lsn, record)),
                Ok(answer) => unreachable!("{answer:?}"),
                Err(_) => wrong = true,
            }
            if nth == 18
                && let Some(&(lsn, _)) = acknowledged.get(10)
            {
                wrong |= self.answer(self.log.begin_trim(lsn)).is_err();
            }
        }
        wrong |= self.answer(self.log.begin_sync()).is_err();
        (acknowledged, wrong)
    }
}

/// Whether so many pieces of work were taken.
fn drops(level: Durability, nth: u64, dropped: Dropped) -> bool {
    let disk = SimDisk::new(Seed::new(7));
    let log = Stepped::new(Log::open_in(environment(&disk, 1), options(level)).unwrap());
    let mut story = Story { log, left: nth + 1, dropped };
    let (acknowledged, wrong) = story.play(level);
    let came = story.left == 0 || story.left > nth + 1;
    let how = format!("{level:?}, piece {nth} {dropped:?}");
    assert!(!(wrong && dropped == Dropped::Done), "{how}: what is done is given back");
    // No call waits for what was dropped.
    let closed = story.log.log().close();
    let sound = matches!(closed, Ok(()) | Err(Error::Poisoned { .. }));
    assert!(sound, "{how}: a close reports {closed:?}");
    drop(story);
    let log = Log::open_in(environment(&disk, 2), options(level)).unwrap();
    let trim = log.scan(Lsn::FIRST).unwrap().next().map_or(Lsn::FIRST, |first| first.unwrap().lsn);
    let kept = acknowledged.iter().filter(|(lsn, _)| *lsn >= trim);
    // What is only buffered may be gone where the log was poisoned.
    for (lsn, record) in kept.filter(|_| closed.is_ok() || level > Durability::Buffered) {
        assert_eq!(log.read(*lsn).unwrap().bytes, *record, "{how}: {lsn}");
    }
    came
}

#[test]
fn work_that_is_dropped_undone_has_failed_and_keeps_no_close_waiting() {
    for level in LEVELS {
        let count = (0..).take_while(|&nth| drops(level, nth, Dropped::Undone)).count();
        assert!(count > 10, "{level:?}: {count} pieces");
    }
}

#[test]
fn work_that_is_done_and_dropped_is_given_back() {
    for level in LEVELS {
        let count = (0..).take_while(|&nth| drops(level, nth, Dropped::Done)).count();
        assert!(count > 10, "{level:?}: {count} pieces");
    }
}
