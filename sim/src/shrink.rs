//! Makes a failing run small: edits it, plays it, and keeps the edit if the *same promise* breaks.
//!
//! ```text
//!   drop lives · drop runs of operations, halves first · drop mishaps and harm
//!   fewer crashes · a simpler policy · an earlier crash · smaller operations · plainer options
//! ```
//!
//! Round and round until no edit helps. Every edit makes the run smaller by some measure, so this
//! ends.

use crate::crash::{CrashKind, CrashPolicy, InFlight};
use crate::disk::{EvictionBehaviour, SectorSize};
use crate::faults::CallNoise;
use crate::options::Preset;
use crate::oracle::Violation;
use crate::play::play;
use crate::sabotage::Sabotage;
use crate::scenario::{End, Life, Place, Scenario, Setup};
use crate::subject::Subject;

/// A run that was made small.
#[derive(Debug)]
pub struct Shrunk<S: Subject> {
    /// The run.
    pub scenario: Scenario<S>,
    /// What breaks in it.
    pub violation: Violation,
    /// How many runs were played on the way.
    pub played: u64,
    /// How many edits were kept.
    pub kept: u64,
}

/// Shrinks a run in which a promise breaks. `go_on` is asked before every play with the number of
/// plays so far; when it says no, what was reached is returned. `None` if the run goes well.
#[must_use]
pub fn shrink<S: Subject>(
    scenario: &Scenario<S>,
    sabotage: Option<Sabotage>,
    go_on: impl FnMut(u64) -> bool,
) -> Option<Shrunk<S>> {
    let (life, violation) = play(scenario, sabotage).err()?;
    let mut scenario = scenario.clone();
    scenario.lives.truncate(life + 1);
    let mut shrinker =
        Shrinker { best: scenario, violation, sabotage, played: 1, kept: 0, go_on, stopped: false };
    loop {
        let before = shrinker.kept;
        shrinker.round();
        if shrinker.kept == before || shrinker.stopped {
            break;
        }
    }
    let Shrinker { best: scenario, violation, played, kept, .. } = shrinker;
    Some(Shrunk { scenario, violation, played, kept })
}

struct Shrinker<S: Subject, G> {
    best: Scenario<S>,
    violation: Violation,
    sabotage: Option<Sabotage>,
    played: u64,
    kept: u64,
    go_on: G,
    stopped: bool,
}

impl<S: Subject, G: FnMut(u64) -> bool> Shrinker<S, G> {
    /// Plays an edit; keeps it if the same promise breaks.
    fn attempt(&mut self, edited: Scenario<S>) -> bool {
        if self.stopped || !(self.go_on)(self.played) {
            self.stopped = true;
            return false;
        }
        self.played += 1;
        match play(&edited, self.sabotage) {
            Err((life, violation)) if violation.promise == self.violation.promise => {
                self.best = edited;
                self.best.lives.truncate(life + 1);
                self.violation = violation;
                self.kept += 1;
                true
            }
            _ => false,
        }
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Scenario<S>)) -> bool {
        let mut edited = self.best.clone();
        edit(&mut edited);
        edited != self.best && self.attempt(edited)
    }

    fn round(&mut self) {
        self.fewer_lives();
        self.fewer_ops();
        self.fewer_mishaps();
        self.simpler_ends();
        self.plainer_setup();
        self.smaller_ops();
        self.plainer_options();
    }

    fn fewer_lives(&mut self) {
        let mut nth = 0;
        while nth < self.best.lives.len() {
            let gone = self.edit(|scenario| {
                scenario.lives.remove(nth);
            });
            // Or it goes on where it was cut off.
            let merged = !gone
                && nth + 1 < self.best.lives.len()
                && self.edit(|scenario| {
                    let next = scenario.lives.remove(nth + 1);
                    if let Some(life) = scenario.lives.get_mut(nth) {
                        merge(life, next);
                    }
                });
            if !gone && !merged {
                nth += 1;
            }
        }
    }

    fn fewer_ops(&mut self) {
        for life in 0..self.best.lives.len() {
            let count = |best: &Scenario<S>| best.lives.get(life).map_or(0, |life| life.ops.len());
            let mut chunk = count(&self.best).div_ceil(2);
            while chunk > 0 {
                let mut from = 0;
                while from < count(&self.best) {
                    let gone = self.edit(|scenario| {
                        if let Some(life) = scenario.lives.get_mut(life) {
                            drop_ops(life, from, chunk);
                        }
                    });
                    if !gone {
                        from += chunk;
                    }
                }
                chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
            }
        }
    }

    fn fewer_mishaps(&mut self) {
        for life in 0..self.best.lives.len() {
            let mut nth = 0;
            while self.best.lives.get(life).is_some_and(|life| nth < life.mishaps.len()) {
                let gone = self.edit(|scenario| {
                    if let Some(life) = scenario.lives.get_mut(life) {
                        life.mishaps.remove(nth);
                    }
                });
                if !gone {
                    nth += 1;
                }
            }
        }
    }

    fn simpler_ends(&mut self) {
        for life in 0..self.best.lives.len() {
            let Some(Some(end)) = self.best.lives.get(life).map(|life| life.end.clone()) else {
                continue;
            };
            for simpler in simpler_ends(&end) {
                self.edit(|scenario| {
                    if let Some(life) = scenario.lives.get_mut(life) {
                        life.end = Some(simpler);
                    }
                });
            }
        }
    }

    fn plainer_setup(&mut self) {
        let plain: [fn(&mut Setup); 5] = [
            |setup| setup.noise = CallNoise::NONE,
            |setup| setup.slow = false,
            |setup| setup.eviction = EvictionBehaviour::Seen,
            |setup| setup.sector = SectorSize::Small,
            |setup| setup.preset = Preset::Posix,
        ];
        for edit in plain {
            self.edit(|scenario| edit(&mut scenario.setup));
        }
    }

    fn smaller_ops(&mut self) {
        for life in 0..self.best.lives.len() {
            let mut nth = 0;
            while let Some(op) = self.best.lives.get(life).and_then(|life| life.ops.get(nth)) {
                for simpler in S::simpler_op(&op.clone()) {
                    let kept = self.edit(|scenario| {
                        let ops = scenario.lives.get_mut(life).map(|life| &mut life.ops);
                        if let Some(op) = ops.and_then(|ops| ops.get_mut(nth)) {
                            *op = simpler;
                        }
                    });
                    if kept {
                        break;
                    }
                }
                nth += 1;
            }
        }
    }

    fn plainer_options(&mut self) {
        for options in S::simpler_options(&self.best.options.clone()) {
            self.edit(|scenario| scenario.options = options);
        }
    }
}

fn merge<Op>(life: &mut Life<Op>, next: Life<Op>) {
    let shift = life.ops.len();
    life.mishaps.extend(next.mishaps.into_iter().map(|(at, mishap)| (at + shift, mishap)));
    life.ops.extend(next.ops);
    life.end =
        next.end.map(|end| End { place: Place { op: end.place.op + shift, ..end.place }, ..end });
}

fn drop_ops<Op>(life: &mut Life<Op>, from: usize, count: usize) {
    let until = (from + count).min(life.ops.len());
    life.ops.drain(from..until);
    // Operations count from 1.
    let moved = |op: usize| if op > until { op - (until - from) } else { op.min(from + 1) };
    for (at, _) in &mut life.mishaps {
        *at = moved(*at);
    }
    if let Some(end) = &mut life.end {
        end.place.op = moved(end.place.op).min(life.ops.len());
    }
}

/// The simplest first.
fn simpler_ends(end: &End) -> Vec<End> {
    let mut simpler = Vec::new();
    let mut push = |changed: End| {
        if changed != *end {
            simpler.push(changed);
        }
    };
    for nth in 0..end.harm.len() {
        let mut harm = end.harm.clone();
        harm.remove(nth);
        push(End { harm, ..end.clone() });
    }
    push(End { place: Place { call: None, ..end.place }, ..end.clone() });
    push(End { in_flight: InFlight::NotBegun, ..end.clone() });
    // Only what is simpler than it is now, or two of them would take turns for ever.
    let plain = [CrashPolicy::AllLost, CrashPolicy::AllKept, CrashPolicy::NamesLost];
    let rank = plain.iter().position(|policy| *policy == end.policy).unwrap_or(plain.len());
    for policy in plain.into_iter().take(rank) {
        push(End { kind: CrashKind::Power, policy, ..end.clone() });
    }
    if let Some(call) = end.place.call {
        for earlier in [0, call / 2, call.saturating_sub(1)] {
            if earlier < call {
                push(End { place: Place { call: Some(earlier), ..end.place }, ..end.clone() });
            }
        }
    }
    push(End { seed: 0, ..end.clone() });
    simpler
}
