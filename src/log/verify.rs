//! Reads every byte of a log that means something, and says what it is worth. Never writes, safe
//! beside a live writer.

use super::decide::Decision;
use super::survey::Segment;
use super::view::LogView;
use crate::error::{Error, Result};
use crate::position::{Lsn, SegmentId};
use std::collections::BTreeSet;

/// Looks at a whole log this often before it gives up on a writer that trims faster.
const PASSES_MAX: usize = 64;

/// What a log is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// Everything verifies.
    Clean,
    /// Everything verifies up to a torn tail, of which nothing proves that it was acknowledged.
    TornTail,
    /// Acknowledged records are gone.
    Damaged,
}

/// What a verification found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verification {
    /// The verdict.
    pub verdict: Verdict,
    /// Each damaged range, in order, as [`Error::Damaged`].
    pub damage: Vec<Error>,
    /// Records that verify.
    pub records: u64,
    /// Frames that verify, of all kinds.
    pub frames: u64,
    /// Bytes of records that verify.
    pub record_bytes: u64,
    /// Where the log begins.
    pub first: Lsn,
    /// Where the valid frames end.
    pub end: Lsn,
    /// How far the log is proven durable.
    pub proven: Lsn,
}

/// How far a verification has come, in bytes of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub done: u64,
    /// Bytes to read in all.
    pub total: u64,
}

/// Where the damage begins that an error tells of.
fn place_of(error: &Error) -> Option<(Lsn, SegmentId)> {
    match error {
        Error::Damaged { from, segment, .. } => Some((*from, *segment)),
        _ => None,
    }
}

impl LogView {
    /// Reads every frame, header and close record of the log. `progress` is called now and
    /// then.
    ///
    /// # Errors
    /// As [`open`](Self::open): damage is a verdict, not an error.
    pub fn verify(&mut self, mut progress: impl FnMut(Progress)) -> Result<Verification> {
        for _ in 1..PASSES_MAX {
            match self.pass(&mut progress) {
                // The writer trimmed what was being read: look at what there is now.
                Err(Error::Trimmed { .. } | Error::Diverged { .. }) => self.refresh()?,
                other => return other,
            }
        }
        self.pass(&mut progress)
    }

    fn pass(&self, progress: &mut impl FnMut(Progress)) -> Result<Verification> {
        let total = self.frame_bytes();
        let mut found = Verification {
            verdict: Verdict::Clean,
            damage: Vec::new(),
            records: 0,
            frames: 0,
            record_bytes: 0,
            first: self.first(),
            end: self.end(),
            proven: self.proven(),
        };
        let mut scan = self.scan(Lsn::FIRST)?;
        let mut next_report = 0;
        loop {
            match scan.next_ref() {
                Ok(Some(record)) => {
                    found.records += 1;
                    found.record_bytes += record.bytes.len() as u64;
                }
                Ok(None) => break,
                Err(error) if error.is_damage() => found.damage.push(error),
                Err(error) => return Err(error),
            }
            let done = found.record_bytes.min(total);
            if done >= next_report {
                progress(Progress { done, total });
                next_report = done + (1 << 20);
            }
        }
        progress(Progress { done: total, total });
        found.frames = scan.frames();
        found.damage = self.named(std::mem::take(&mut found.damage));
        let damaged = !found.damage.is_empty()
            || self.findings().iter().any(|finding| finding.decision == Decision::Damage);
        found.verdict = if damaged {
            Verdict::Damaged
        } else if self.is_torn() {
            Verdict::TornTail
        } else {
            Verdict::Clean
        };
        Ok(found)
    }

    /// Every damaged range, in order, where reading found these. What the survey alone can see (a header
    /// that is lost, a file cut short at its end) is not always crossed by a scan.
    fn named(&self, mut read: Vec<Error>) -> Vec<Error> {
        let crossed: BTreeSet<_> = read.iter().filter_map(place_of).map(|p| p.1).collect();
        let untold =
            |error: &&Error| place_of(error).is_none_or(|(_, segment)| !crossed.contains(&segment));
        read.extend(self.all_damage().iter().filter(untold).cloned());
        read.sort_by_key(place_of);
        read
    }

    /// The first range that [`verify`](Self::verify) names of the segment of which this error tells: a survey
    /// does not read closed segments, and knows less. Reads that segment, or the one before if it is lost.
    ///
    /// # Errors
    /// What reading says.
    pub(super) fn range_of(&self, refusal: &Error) -> Result<Option<Error>> {
        let Some((_, segment)) = place_of(refusal) else { return Ok(None) };
        let mut older = self.segments().iter().rev().filter(|it| it.number() <= segment);
        let from = older.next().map_or(Lsn::FIRST, |it| it.base().max(self.trim_point()));
        let newer = self.segments().iter().find(|it| it.number() > segment);
        let to = newer.map_or(Lsn::new(u64::MAX), Segment::base);
        let mut scan = self.scan(from)?;
        let mut read = Vec::new();
        loop {
            match scan.next_ref() {
                Ok(Some(record)) if record.lsn >= to => break,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if error.is_damage() => read.push(error),
                Err(error) => return Err(error),
            }
        }
        let of_segment = |error: &Error| place_of(error).is_some_and(|place| place.1 == segment);
        Ok(self.named(read).into_iter().find(of_segment))
    }
}
