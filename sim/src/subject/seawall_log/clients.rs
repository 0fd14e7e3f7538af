//! What clients do to the log: one method for each kind of operation, each holding the answer to
//! the oracle.

use super::{
    Asked, Level, Op, Out, Pending, SeawallLog, TRIES, TRIES_MAX, What, may_fail, unchanged,
};
use crate::model::{EntryId, Sure, broken};
use crate::oracle::Violation;
use crate::silence::{Check, is_silent};
use crate::subject::{Class, Stop, World};
use seawall::log::stepped::Answer;
use seawall::{Error, Log, LogView, Lsn, Tag, Verdict};
use std::time::Duration;

/// The levels that clients follow at.
const FOLLOWED: [Level; 3] = [Level::Buffered, Level::Os, Level::Sync];

/// What clients do.
impl SeawallLog {
    pub(super) fn act(&mut self, world: &World, op: &Op) -> Result<(), Stop> {
        match &op.what {
            What::Append(len, level) if self.options.direct => {
                self.append_directly(world, *len, *level)
            }
            What::Append(len, level) => self.begin_append(op.client, &[*len], *level, false),
            What::Batch(lens, level) if self.options.direct => {
                self.append_batch_directly(world, lens, *level)
            }
            What::Batch(lens, level) => self.begin_append(op.client, lens, *level, true),
            What::Sync => {
                let log = self.log()?;
                let end = log.log().watermarks().accepted;
                if self.options.direct {
                    let answer = log.log().sync().map(Answer::Durable);
                    return self.answered(world, Asked::Sync(end), answer);
                }
                self.begin(op.client, Pending { call: log.begin_sync(), asked: Asked::Sync(end) });
                Ok(())
            }
            What::Trim(share) => {
                let known = self.model.addresses();
                let Some(&(to, _)) = known.get(known.len() * usize::from(*share) / 256) else {
                    return Ok(());
                };
                let log = self.log()?;
                self.model.begin_trim(to);
                let asked = Asked::Trim(to);
                if self.options.direct {
                    let answer = log.log().trim(to).map(Answer::Trimmed);
                    return self.answered(world, asked, answer);
                }
                self.begin(op.client, Pending { call: log.begin_trim(to), asked });
                Ok(())
            }
            What::At(share) => {
                // A read of bytes that are on their way to the disk waits for them.
                self.bring_back();
                self.read_at(world, *share)
            }
            What::Read => {
                self.drive(world)?;
                self.compare(world, Sure::Accepted, false)
            }
            What::Follow => self.follow(world, op.client),
            What::Look => {
                self.drive(world)?;
                self.look(world)?;
                self.go_on_with_copies(world, true)
            }
            What::Tend => {
                self.drive(world)?;
                world.clock.advance(Duration::from_millis(20));
                let log = self.log()?;
                if let Err(error) = log.log().tend() {
                    return self.excuse(world, "progress", "tend", &error);
                }
                let marks = log.log().watermarks();
                if marks.durable == marks.accepted {
                    self.model.sure_before(marks.durable, Sure::Power);
                } else if self.options.level == Level::Interval && world.class == Class::Crash {
                    return broken("G1", "the interval is over, and not everything is durable")
                        .map_err(Stop::Broken);
                }
                Ok(())
            }
            What::Reopen => self.reopen(world),
            What::Direct(len, level) => self.append_directly(world, *len, *level),
            What::Try(len) => self.try_append(world, *len),
            What::Hold => self.read_held(world),
            What::OpenTwice => {
                let before = world.disk.content_hash();
                match Log::open_in(world.environment(), self.options.options()) {
                    Err(error @ Error::Locked { .. }) => Ok(unchanged(world, before, &error)?),
                    Err(error) => self.excuse(world, "G11", "a second open", &error),
                    Ok(_) => broken("G11", "two writers have the log open").map_err(Stop::Broken),
                }
            }
        }
    }

    fn begin_append(
        &mut self,
        client: u8,
        lens: &[u32],
        level: Level,
        batch: bool,
    ) -> Result<(), Stop> {
        let log = self.log()?;
        if self.clients.iter().all(Option::is_some) {
            return Ok(());
        }
        let id = self.model.begin(lens);
        let mut records: Vec<_> =
            self.model.tags(id).into_iter().zip(self.model.records(id)).collect();
        let call = if batch {
            log.begin_batch_tagged(records, level.durability())
        } else {
            let (tag, record) = records.pop().unwrap_or_default();
            log.begin_append_tagged(tag, record, level.durability())
        };
        let sure = self.sure_of(level);
        self.begin(client, Pending { call, asked: Asked::Append(id, sure) });
        Ok(())
    }

    fn sure_of(&self, level: Level) -> Sure {
        match level.max(self.options.level) {
            Level::Buffered => Sure::Accepted,
            Level::Os | Level::Interval => Sure::Kill,
            Level::Sync => Sure::Power,
        }
    }

    fn append_directly(&mut self, world: &World, len: u32, level: Level) -> Result<(), Stop> {
        self.bring_back();
        let log = self.log()?;
        let id = self.model.begin(&[len]);
        let record = self.model.records(id).pop().unwrap_or_default();
        let tag = self.model.tags(id).pop().unwrap_or_default();
        // Records without a tag go the way that most appends go.
        let answer = match tag {
            Tag::NONE => log.log().append_at(&record, level.durability()),
            tag => log.log().append_tagged_at(tag, &record, level.durability()),
        };
        let asked = Asked::Append(id, self.sure_of(level));
        self.answered(world, asked, answer.map(Answer::Appended))
    }

    fn append_batch_directly(
        &mut self,
        world: &World,
        lens: &[u32],
        level: Level,
    ) -> Result<(), Stop> {
        let log = self.log()?;
        let id = self.model.begin(lens);
        let records = self.model.records(id);
        let tags = self.model.tags(id);
        let answer = if tags.iter().all(|tag| *tag == Tag::NONE) {
            log.log().append_batch_at(&records, level.durability())
        } else {
            let records: Vec<_> = tags.into_iter().zip(records).collect();
            log.log().append_batch_tagged_at(&records, level.durability())
        };
        let asked = Asked::Append(id, self.sure_of(level));
        self.answered(world, asked, answer.map(Answer::Appended))
    }

    fn try_append(&mut self, world: &World, len: u32) -> Result<(), Stop> {
        self.bring_back();
        let log = self.log()?;
        let id = self.model.begin_untagged(&[len]);
        let record = self.model.records(id).pop().unwrap_or_default();
        match log.log().try_append(&record) {
            Err(Error::Busy) if self.poisoned_at.is_none() => {
                self.model.refused(id);
                Ok(())
            }
            Ok(receipt) if self.poisoned_at.is_some() => {
                let what = format!("{} is accepted though a sync failed", receipt.lsn);
                Err(Violation { promise: "G7", what }.into())
            }
            answer => {
                let asked = Asked::Append(id, self.sure_of(Level::Buffered));
                self.answered(world, asked, answer.map(Answer::Appended))
            }
        }
    }

    /// What is no longer there may be told as trimmed, or as ended elsewhere; never as damage.
    fn read_held(&mut self, world: &World) -> Result<(), Stop> {
        self.bring_back();
        let (mut scan, mut left) = match self.held.take() {
            Some(scan) => (scan, usize::MAX),
            None => {
                let view = match LogView::open_in(&world.environment()) {
                    Ok(view) => view,
                    Err(error) => return self.excuse(world, "G5", "a reader's open", &error),
                };
                match view.scan(Lsn::FIRST) {
                    Ok(scan) => (scan, 1),
                    Err(error) => return self.excuse(world, "G5", "a reader's scan", &error),
                }
            }
        };
        while left > 0 {
            left -= 1;
            match scan.next_ref() {
                Ok(Some(record)) => {
                    if !self.model.wrote(record.tag, record.bytes) {
                        let what =
                            format!("a reader is shown at {} what was never appended", record.lsn);
                        return Err(Violation { promise: "G2", what }.into());
                    }
                }
                Ok(None) | Err(Error::Trimmed { .. } | Error::Diverged { .. }) => return Ok(()),
                Err(error) => return self.excuse(world, "G5", "a reader that goes on", &error),
            }
        }
        self.held = Some(scan);
        Ok(())
    }

    /// The client, or the next that is free, has a call under way; nobody if none is.
    fn begin(&mut self, client: u8, pending: Pending) {
        let count = self.clients.len().max(1);
        let from = usize::from(client) % count;
        let free =
            (from..count).chain(0..from).find(|&nth| matches!(self.clients.get(nth), Some(None)));
        if let Some(slot) = free.and_then(|nth| self.clients.get_mut(nth)) {
            *slot = Some(pending);
        }
    }

    fn read_at(&mut self, world: &World, share: u8) -> Result<(), Stop> {
        let known = self.model.addresses();
        let nth = known.len() * usize::from(share) / 256;
        let Some(&(lsn, id)) = known.get(nth) else {
            return Ok(());
        };
        self.read_around(world, known.iter().skip(nth.saturating_sub(4)).take(9))?;
        let log = self.log()?;
        match log.log().read_batch(lsn) {
            Ok(read) => {
                if self.model.are_records(id, &read) {
                    return Ok(());
                }
                let what = format!("the address {lsn} gives other bytes than were appended");
                Err(Violation { promise: "G1", what }.into())
            }
            Err(Error::Trimmed { trim, .. }) if lsn < trim && self.model.may_be_trimmed(trim) => {
                Ok(())
            }
            Err(error) => self.excuse(world, "G1", "reading by address", &error),
        }
    }

    /// Reads neighbours at once, the last one first.
    fn read_around<'a>(
        &mut self,
        world: &World,
        near: impl DoubleEndedIterator<Item = &'a (Lsn, EntryId)>,
    ) -> Result<(), Stop> {
        let near: Vec<(Lsn, EntryId)> = near.rev().copied().collect();
        let lsns: Vec<Lsn> = near.iter().map(|&(lsn, _)| lsn).collect();
        let answers = self.log()?.log().read_many(&lsns);
        for (answer, (lsn, id)) in answers.into_iter().zip(near) {
            match answer {
                Ok(read) if self.model.is_first_record(id, &read) && read.lsn == lsn => {}
                Ok(_) => {
                    let what = format!("the address {lsn}, one of many, gives other bytes");
                    return Err(Violation { promise: "G1", what }.into());
                }
                Err(Error::Trimmed { trim, .. })
                    if lsn < trim && self.model.may_be_trimmed(trim) => {}
                Err(error) => self.excuse(world, "G1", "reading by many addresses", &error)?,
            }
        }
        Ok(())
    }

    /// Reads on at the level that its turn brings: which one it is follows from what was appended before.
    fn follow(&mut self, world: &World, client: u8) -> Result<(), Stop> {
        let log = self.log()?;
        let nth = usize::from(client) % self.followers.len().max(1);
        let own = match self.options.level {
            Level::Buffered => 0,
            Level::Os => 1,
            Level::Interval | Level::Sync => 2,
        };
        // The log's own twice as often as the others.
        let at = Some((self.model.begun() + usize::from(client)) % 4).filter(|at| *at < 3);
        let at = at.unwrap_or(own);
        let (Some(slots), Some(&level)) = (self.followers.get_mut(nth), FOLLOWED.get(at)) else {
            return Ok(());
        };
        let mut follower = match slots.get_mut(at).and_then(Option::take) {
            Some(follower) => follower,
            None => match log.log().follow_at(Lsn::FIRST, level.durability()) {
                Ok(follower) => follower,
                Err(error) => return self.excuse(world, "G2", "following", &error),
            },
        };
        let begin = follower.position();
        let (mut shown, mut last) = (Vec::new(), None);
        let marks = log.log().watermarks();
        let bound = match level {
            Level::Sync | Level::Interval => marks.durable,
            Level::Os => marks.written,
            Level::Buffered => marks.accepted,
        };
        loop {
            match follower.try_next() {
                Ok(Some(record)) => {
                    if record.lsn >= bound {
                        let what = format!(
                            "a follower at {level:?} is shown {}, beyond {bound}",
                            record.lsn
                        );
                        return Err(Violation { promise: "G1", what }.into());
                    }
                    if !self.model.wrote(record.tag, &record.bytes) {
                        let what = format!(
                            "a follower is shown at {} what was never appended",
                            record.lsn
                        );
                        return Err(Violation { promise: "G2", what }.into());
                    }
                    if log.log().is_failed(record.lsn) {
                        let what = format!("a follower is shown {}, which failed", record.lsn);
                        return Err(Violation { promise: "G2", what }.into());
                    }
                    shown.push(record.lsn);
                    // Where a batch has several frames the first one is its address.
                    if record.index == 0
                        && let Some(id) = self.model.identify(&record.bytes)
                        && last.replace(id) != Some(id)
                    {
                        if record.lsn < marks.written {
                            self.model.shown(id, record.lsn, record.lsn < marks.durable)?;
                        } else {
                            self.model.shown_early(id, record.lsn)?;
                        }
                    }
                }
                Ok(None) => break,
                // It starts over at what is left.
                Err(Error::Trimmed { .. }) => return Ok(()),
                Err(error) => return self.excuse(world, "G2", "following", &error),
            }
        }
        // What can be seen is shown at once, and not only in the end. What was on its way to the disk before
        // anybody followed is shown once it is there.
        let on_its_way = !matches!(self.commit, Out::Nowhere);
        let sight = if on_its_way { bound.min(marks.written) } else { bound };
        // One that has read nothing yet begins with what a trim leaves, also while that is under way.
        let gone = |lsn| begin == Lsn::FIRST && self.model.may_be_trimmed(lsn);
        let missing = (self.model.addresses().into_iter()).map(|(lsn, _)| lsn).find(|&lsn| {
            (begin..sight).contains(&lsn) && shown.binary_search(&lsn).is_err() && !gone(lsn)
        });
        let judged = !world.disk.is_dead() && !self.model.lying && !is_silent(Check::Follower);
        if let Some(lsn) = missing.filter(|_| judged) {
            let what =
                format!("a follower at {level:?} from {begin} is not shown {lsn}, before {sight}");
            return Err(Violation { promise: "G1", what }.into());
        }
        if let Some(slot) = self.followers.get_mut(nth).and_then(|slots| slots.get_mut(at)) {
            *slot = Some(follower);
        }
        Ok(())
    }

    fn reopen(&mut self, world: &World) -> Result<(), Stop> {
        self.answer(world)?;
        let log = self.log()?;
        match log.log().close() {
            Ok(()) => {
                let end = log.log().watermarks().durable;
                self.model.sure_before(end, Sure::Power);
            }
            Err(error) => {
                self.excuse(world, "progress", "close", &error)?;
                if !matches!(error, Error::Poisoned { .. }) {
                    // It is still open, and goes on.
                    return Ok(());
                }
            }
        }
        drop(log);
        let poisoned = self.poisoned_at.is_some();
        self.clients.clear();
        self.followers.clear();
        self.log = None;
        self.open_log(world)?;
        let needed = if poisoned || may_fail(world) { Sure::Power } else { Sure::Accepted };
        self.settle(world, needed)
    }

    /// Reads everything after an open, again if a call fails meanwhile: plans come to an end.
    pub(super) fn settle(&mut self, world: &World, needed: Sure) -> Result<(), Stop> {
        for tries in 0..TRIES_MAX {
            if tries == TRIES {
                world.disk.stop_failing();
                world.disk.set_limits(None);
            }
            if self.read_all(world, needed, true)? {
                return Ok(());
            }
        }
        broken("progress", "what is there cannot be read though no call fails any more")
            .map_err(Stop::Broken)
    }

    pub(super) fn compare(
        &mut self,
        world: &World,
        needed: Sure,
        settles: bool,
    ) -> Result<(), Stop> {
        self.read_all(world, needed, settles).map(|_| ())
    }

    /// Reads all that is accepted, and holds it to the model; `false` if a call failed on the way.
    fn read_all(&mut self, world: &World, needed: Sure, settles: bool) -> Result<bool, Stop> {
        let log = self.log()?;
        let mut scan = match log.log().scan_at(Lsn::FIRST, seawall::Durability::Buffered) {
            Ok(scan) => scan,
            Err(error) => {
                return self.excuse(world, "G5", "a scan", &error).map(|()| false);
            }
        };
        let mut look = self.model.look();
        loop {
            match scan.next_ref() {
                Ok(Some(record)) => look.record(record)?,
                Ok(None) => break,
                Err(error) => {
                    return self.excuse(world, "G5", "a scan", &error).map(|()| false);
                }
            }
        }
        // A scan ends where the disk takes nothing any more.
        if world.disk.is_dead() {
            return Err(Stop::Down);
        }
        look.end(needed, settles)?;
        Ok(true)
    }

    /// A reader without the lock raises no alarm and shows nothing the oracle would not; what it
    /// says is proven durable is.
    fn look(&mut self, world: &World) -> Result<(), Stop> {
        let environment = world.environment();
        let mut view = match LogView::open_in(&environment) {
            Ok(view) => view,
            Err(error) => return self.excuse(world, "G5", "a reader's open", &error),
        };
        match view.verify(|_| {}) {
            Ok(found) if found.verdict == Verdict::Damaged && world.class == Class::Crash => {
                let what = format!("crashes alone are reported as damage: {:?}", found.damage);
                return Err(Violation { promise: "G5", what }.into());
            }
            Ok(_) => {}
            Err(error) => return self.excuse(world, "G5", "verify", &error),
        }
        for proven in [false, true] {
            let scan = if proven { view.scan_proven(Lsn::FIRST) } else { view.scan(Lsn::FIRST) };
            let mut scan = match scan {
                Ok(scan) => scan,
                Err(error) => return self.excuse(world, "G5", "a reader's scan", &error),
            };
            let mut look = self.model.look();
            look.outside = true;
            loop {
                match scan.next_ref() {
                    Ok(Some(record)) => look.record(record)?,
                    Ok(None) => break,
                    Err(error) => return self.excuse(world, "G5", "a reader's scan", &error),
                }
            }
            look.end(Sure::Power, false).or_else(|violation| {
                // What is durable need not be proven yet; it must only not be wrong.
                if proven && violation.promise == "G1" { Ok(()) } else { Err(violation) }
            })?;
            if proven {
                self.model.last_look_is(Sure::Power);
            }
        }
        Ok(())
    }
}
