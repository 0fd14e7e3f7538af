//! When a log counts as idle. Pure: no clock, no I/O.
//!
//! A mark costs a sync of its own. An appender that comes once in a while, and less often than a log
//! waits before it marks its end, would pay for two syncs with each append. So a log waits for twice as
//! long as its appender last let it wait, unless that was so long that one more sync is nothing.

use crate::position::Lsn;
use std::time::Duration;

/// The longest wait, in waits of a log of which nothing is known.
const LONGEST: u32 = 1000;

/// What is known of the pauses between appends.
#[derive(Debug)]
pub(crate) struct Idleness {
    /// What a log waits of which nothing is known.
    after: Duration,
    /// Where the log ended when it was last looked at, and since when it is known to.
    since: Option<(Lsn, Duration)>,
    /// The same of the append before the last mark.
    marked: Option<Duration>,
    /// How long the last mark was followed by no append, with the wait before it.
    pause: Duration,
}

impl Idleness {
    pub(super) const fn new(after: Duration) -> Self {
        Self { after, since: None, marked: None, pause: Duration::ZERO }
    }

    /// When a log that ends here, and has no mark there, is to be marked if nothing is appended until then.
    pub(super) fn deadline(&mut self, end: Lsn, now: Duration) -> Duration {
        let since = match self.since {
            // A clock that went back holds nothing up.
            Some((lsn, since)) if lsn == end => since.min(now),
            _ => {
                if let Some(before) = self.marked.take() {
                    self.pause = now.saturating_sub(before);
                }
                now
            }
        };
        self.since = Some((end, since));
        since.saturating_add(self.wait())
    }

    /// The end is marked.
    pub(super) fn on_marked(&mut self) {
        self.marked = self.since.take().map(|(_, since)| since);
    }

    fn wait(&self) -> Duration {
        let twice = self.pause.saturating_mul(2);
        let longest = self.after.saturating_mul(LONGEST);
        if twice <= longest { twice.max(self.after) } else { self.after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_millis(10);

    /// Marks of a log to which so many records are appended, each after one of these pauses in turn: what
    /// the thread does that keeps deadlines, on a clock of its own.
    fn marks(pauses: &[Duration], appends: u32) -> u32 {
        let mut idleness = Idleness::new(AFTER);
        let (mut now, mut end, mut marks) = (Duration::ZERO, 0, 0);
        // While it waits for a deadline it does not see appends.
        let mut deadline: Option<Duration> = None;
        for (_, pause) in (0..appends).zip(pauses.iter().cycle()) {
            let next = now + *pause;
            while let Some(at) = deadline.filter(|&at| at < next) {
                let again = idleness.deadline(Lsn::new(end), at);
                deadline = Some(again);
                if again <= at {
                    idleness.on_marked();
                    (marks, end, deadline) = (marks + 1, end + 32, None);
                }
            }
            (now, end) = (next, end + 320);
            if deadline.is_none() {
                deadline = Some(idleness.deadline(Lsn::new(end), now));
            }
        }
        marks
    }

    #[test]
    fn an_appender_that_is_slower_than_the_mark_pays_for_a_few_marks_alone() {
        for millis in [11, 15, 20, 100, 999, 4_999] {
            let marks = marks(&[Duration::from_millis(millis)], 1000);
            assert!((1..=2).contains(&marks), "{millis} ms: {marks} marks of 1000 appends");
        }
        let uneven = [12, 70, 15, 33].map(Duration::from_millis);
        let marks = marks(&uneven, 1000);
        assert!((1..=4).contains(&marks), "{marks} marks");
    }

    #[test]
    fn a_faster_appender_pays_for_none_and_one_that_comes_seldom_for_each() {
        assert_eq!(marks(&[Duration::from_millis(9)], 1000), 0);
        // One sync more in six seconds is nothing, and the newest record is vouched for.
        assert_eq!(marks(&[Duration::from_secs(6)], 100), 99);
    }

    #[test]
    fn a_log_that_is_idle_is_marked_once_and_soon_whatever_its_appender_did() {
        let mut idleness = Idleness::new(AFTER);
        let at = |millis| Duration::from_millis(millis);
        assert_eq!(idleness.deadline(Lsn::new(8), at(0)), at(10));
        assert_eq!(idleness.deadline(Lsn::new(8), at(7)), at(10), "looking again changes nothing");
        idleness.on_marked();
        assert_eq!(
            idleness.deadline(Lsn::new(80), at(30)),
            at(30 + 60),
            "twice the pause of 30 ms"
        );
        idleness.on_marked();
        // A pause of an hour is no pace.
        assert_eq!(idleness.deadline(Lsn::new(800), at(3_600_000)), at(3_600_010));
        // A clock that went back.
        assert_eq!(idleness.deadline(Lsn::new(800), at(5)), at(15));
    }
}
