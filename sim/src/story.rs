//! The story of one run: it is played once more with every call of the disk written down, and told
//! life by life as a timeline. Knows how a run is played, and nothing of how a timeline looks.

use crate::crash::CrashKind;
use crate::faults::Operation;
use crate::oracle::Violation;
use crate::play::{Fate, Player, Stage, Tally};
use crate::report::{
    CallKind, FailureStory, PendingUnit, Timeline, TimelineCall, TimelineEnd, TimelineLife,
    TimelineOp,
};
use crate::sabotage::Sabotage;
use crate::scenario::{End, Life, Scenario};
use crate::subject::{Before, Subject};
use crate::trace::Event;

/// Whose operations the open and the close are; the store's clients come behind.
const PROCESS: usize = 0;

/// What happened in a run.
#[derive(Clone, Debug)]
pub struct Story {
    /// Life by life.
    pub timeline: Timeline,
    /// The promise that broke, and in which life.
    pub broken: Option<(usize, Violation)>,
}

impl Story {
    /// The story for a page: `replay` is the command line that tells it again, `scenario` the run.
    #[must_use]
    pub fn into_page(self, replay: String, scenario: String) -> FailureStory {
        let (promise, what) = match self.broken {
            Some((life, Violation { promise, what })) => {
                (promise.to_owned(), format!("in life {life}: {what}"))
            }
            None => (String::new(), "Every promise was kept in this run.".to_owned()),
        };
        FailureStory { promise, what, replay, scenario, timeline: self.timeline }
    }
}

/// Plays a scenario and tells what happened.
#[must_use]
pub fn tell<S: Subject>(scenario: &Scenario<S>, sabotage: Option<Sabotage>) -> Story {
    let mut tally = Tally::default();
    let mut player = Player { setup: &scenario.setup, sabotage, tally: &mut tally };
    let mut stage = player.stage::<S>(&scenario.options);
    let mut timeline = Timeline::default();
    let mut broken = None;
    for (nth, life) in scenario.lives.iter().enumerate() {
        stage.disk.record_events(true);
        let title = title(nth, &stage);
        let mut ends = Vec::new();
        let fate = player.life(&mut stage, life, |_, stage, _| {
            ends.push(stage.disk.steps());
            Ok(())
        });
        let mut told = Teller { stage: &stage, life, ends, fate: &fate }.tell();
        told.title = title;
        let end = life.end.as_ref().filter(|_| matches!(fate, Ok(Fate::CutOff)));
        if let Some(end) = end {
            told.end = Some(tell_end(end, &stage, &mut told.files));
        }
        timeline.lives.push(told);
        match (fate, end) {
            (Err(violation), _) => {
                mark(&mut timeline, nth, stage.opened, &violation);
                if violation.promise == "panic" {
                    std::mem::forget(stage);
                }
                broken = Some((nth, violation));
                break;
            }
            (Ok(_), None) => break,
            (Ok(_), Some(_)) if nth + 1 == scenario.lives.len() => break,
            (Ok(_), Some(end)) => stage = player.pass(&stage, end),
        }
    }
    let clients = timeline.lives.iter().flat_map(|life| &life.ops).map(|op| op.client).max();
    timeline.clients = vec!["process".to_owned()];
    timeline.clients.extend((0..clients.unwrap_or(0)).map(|nth| format!("client {nth}")));
    Story { timeline, broken }
}

/// The promise is told where it was lost: at the crash before the open that misses it.
fn mark(timeline: &mut Timeline, nth: usize, opened: bool, violation: &Violation) {
    let before = nth.checked_sub(1).filter(|_| !opened);
    let end = before.and_then(|nth| timeline.lives.get_mut(nth)).and_then(|l| l.end.as_mut());
    if let Some(end) = end {
        end.broke = Some(violation.to_string());
    }
    if let Some(life) = timeline.lives.get_mut(nth) {
        life.title.push_str(": ");
        life.title.push_str(violation.promise);
        life.title.push_str(" breaks");
    }
}

fn title<S>(nth: usize, stage: &Stage<S>) -> String {
    let passage = &stage.passage;
    let hurt = if stage.hurt.is_some() { ", then damaged" } else { "" };
    match (passage.before, passage.nested) {
        (Before::Nothing, _) => format!("Life {nth}, on an empty disk"),
        (Before::PowerCut, 0) => format!("Life {nth}, after a power cut{hurt}"),
        (Before::Kill, 0) => format!("Life {nth}, after a kill{hurt}"),
        (_, deep) => format!("Life {nth}, after crash {deep} in a row inside recovery{hurt}"),
    }
}

struct Teller<'a, S: Subject> {
    stage: &'a Stage<S>,
    life: &'a Life<S::Op>,
    /// The next step of the disk behind the open and each operation that was seen to end.
    ends: Vec<u64>,
    fate: &'a Result<Fate, Violation>,
}

impl<S: Subject> Teller<'_, S> {
    fn tell(mut self) -> TimelineLife {
        let events = self.stage.disk.events();
        let steps = self.stage.disk.steps();
        let answered = if self.stage.opened { self.stage.passage.ops + 1 } else { 0 };
        // Nobody looks behind the operation with which it ends.
        if self.ends.len() < answered {
            self.ends.push(steps);
        }
        let mut life = TimelineLife::default();
        let mut from = 0;
        for (number, &until) in self.ends.iter().enumerate() {
            let answer = answer(&events, from, until);
            life.ops.push(self.op(number, from, until, answer));
            from = until;
        }
        if let Some(answer) = self.unfinished(answered) {
            life.ops.push(self.op(answered, from, steps, answer));
        }
        life.calls = events.iter().map(|event| tell_call(event, &mut life.files)).collect();
        life
    }

    /// What is said of the operation that was under way, if there was one.
    fn unfinished(&self, answered: usize) -> Option<String> {
        let place = self.life.end.as_ref().map(|end| end.place);
        let behind = place.is_some_and(|place| place.call.is_none() && place.op < answered);
        match self.fate {
            Err(violation) => Some(violation.to_string()),
            Ok(Fate::CutOff) if behind || answered > self.life.ops.len() => None,
            Ok(Fate::CutOff) => Some(String::new()),
            Ok(Fate::Over) => Some("the store works, and is closed".to_owned()),
        }
    }

    fn op(&self, number: usize, first_step: u64, end_step: u64, answer: String) -> TimelineOp {
        let op = number.checked_sub(1).map(|nth| self.life.ops.get(nth));
        let (client, what) = match op {
            None => (PROCESS, "open, and read everything".to_owned()),
            Some(Some(op)) => {
                let (client, what) = S::describe(op);
                (client + 1, what)
            }
            Some(None) => (PROCESS, "work on without faults".to_owned()),
        };
        TimelineOp { client, first_step, end_step, what, answer }
    }
}

fn answer(events: &[Event], from: u64, until: u64) -> String {
    let during = events.iter().filter(|event| (from..until).contains(&event.step));
    match during.filter(|event| event.result.is_err()).count() {
        0 => "done".to_owned(),
        failed => format!("done; {failed} calls failed on the way"),
    }
}

fn tell_end<S>(end: &End, stage: &Stage<S>, files: &mut Vec<String>) -> TimelineEnd {
    let disk = &stage.disk;
    let cut = disk.cut_call();
    let (kind, mut policy) = match end.kind {
        CrashKind::Power => ("power cut", end.policy.to_string()),
        CrashKind::Kill => ("kill", "the page cache lives on".to_owned()),
    };
    if let Some(cut) = cut {
        policy.push_str(&format!("; the call under way: {cut}"));
    }
    for harm in &end.harm {
        let word = serde_json::to_value(harm.kind).ok();
        let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or("damage");
        policy.push_str(&format!("; then {word}"));
    }
    let pending = end.fates(disk).into_iter().map(|unit| PendingUnit {
        file: place(files, unit.file.as_deref().unwrap_or_default()),
        offset: unit.offset,
        len: unit.len,
        name: unit.what,
        survived: unit.survived,
    });
    TimelineEnd {
        // The call in which it came is the last that was made.
        step: disk.steps().saturating_sub(u64::from(cut.is_some())),
        kind: kind.to_owned(),
        policy,
        pending: pending.collect(),
        broke: None,
    }
}

fn tell_call(event: &Event, files: &mut Vec<String>) -> TimelineCall {
    let Event { step, operation, name, offset, len, result } = event;
    let kind = match operation {
        Operation::Read => CallKind::Read,
        Operation::Write => CallKind::Write,
        Operation::SyncData | Operation::SyncAll | Operation::SyncDir => CallKind::Sync,
        Operation::Create | Operation::Rename | Operation::Remove => CallKind::Name,
        Operation::Allocate | Operation::SetLen | Operation::Punch => CallKind::Length,
        _ => CallKind::Other,
    };
    let mut what = match operation {
        Operation::Read | Operation::Write | Operation::Punch => {
            format!("{operation} {len} bytes at {offset}")
        }
        Operation::Allocate | Operation::SetLen => format!("{operation} {len}"),
        Operation::Create | Operation::Rename | Operation::Remove | Operation::Open => {
            format!("{operation} {name}")
        }
        _ => operation.to_string(),
    };
    if let Ok(count) = result
        && matches!(operation, Operation::Read | Operation::Write)
        && count < len
    {
        what.push_str(&format!(": {count} of them"));
    }
    TimelineCall {
        step: *step,
        file: place(files, name),
        kind,
        offset: *offset,
        len: *len,
        failed: result.err(),
        what,
    }
}

/// The place of a file in the list; the directory has no name.
fn place(files: &mut Vec<String>, name: &str) -> usize {
    let name = if name.is_empty() { "directory" } else { name };
    files.iter().position(|other| other == name).unwrap_or_else(|| {
        files.push(name.to_owned());
        files.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Campaign;
    use crate::report::Survived;
    use crate::subject::Class;
    use crate::subject::seawall_log::SeawallLog;

    /// It shows at a crash, and not before: no file's content is wrong.
    const CHEAT: Option<Sabotage> = Some(Sabotage::SyncDirDoesNothing);

    fn failure() -> Scenario<SeawallLog> {
        let mut campaign = Campaign::<SeawallLog>::new();
        campaign.sabotage = CHEAT;
        campaign.draw.class = Some(Class::Crash);
        let cut_in_the_first_life = |scenario: &Scenario<SeawallLog>| {
            let first = tell(scenario, CHEAT).timeline.lives.swap_remove(0);
            first
                .end
                .is_some_and(|end| end.pending.iter().any(|unit| unit.survived != Survived::Kept))
        };
        let mut broken = (0..500).filter_map(|seed| campaign.run(seed..seed + 1).err());
        broken.find_map(|found| Some(found.scenario).filter(cut_in_the_first_life)).unwrap()
    }

    #[test]
    fn a_broken_promise_is_told_at_the_crash_that_broke_it_and_agrees_with_the_play() {
        let scenario = failure();
        let (life, violation) = crate::play::play(&scenario, CHEAT).unwrap_err();
        let story = tell(&scenario, CHEAT);
        assert_eq!(story.broken, Some((life, violation)));
        assert_eq!(story.timeline.lives.len(), life + 1);
        let first = &story.timeline.lives[0];
        let end = first.end.as_ref().unwrap();
        assert!(!end.pending.is_empty());
        assert!(end.pending.iter().any(|unit| unit.survived != Survived::Kept));
        let told = story.timeline.lives.iter().filter_map(|life| life.end.as_ref()?.broke.as_ref());
        assert_eq!(told.count(), 1);
        for life in &story.timeline.lives {
            assert!(life.calls.iter().enumerate().all(|(nth, call)| call.step == nth as u64));
            assert!(life.ops.windows(2).all(|pair| pair[0].end_step == pair[1].first_step));
            assert!(life.calls.iter().all(|call| call.file < life.files.len()));
        }
    }

    #[test]
    fn a_run_that_goes_well_is_told_to_its_end() {
        let scenario = failure();
        let story = tell(&scenario, None);
        assert!(story.broken.is_none());
        assert_eq!(story.timeline.lives.len(), scenario.lives.len());
        let failure = Some(story.into_page("again".to_owned(), String::new()));
        let report = crate::report::Report { failure, ..Default::default() };
        // It must not look as if a promise had broken.
        for shown in [crate::report::render(&report), report.text()] {
            let shown = shown.split_once("</style>").map_or(shown.as_str(), |(_, page)| page);
            // A call may fail all the same: one that makes a file opens it first.
            for word in ["roken", "class=\"broke\""] {
                assert!(!shown.contains(word), "{word} in {shown}");
            }
            assert!(shown.contains("No promise broke") && shown.contains("again"), "{shown}");
        }
    }
}
