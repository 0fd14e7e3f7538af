//! The two threads of a log, joined when it closes. One keeps deadlines: it ends the interval,
//! marks an idle log, calls followers, looks after tickets, does what a call left undone because it would
//! not wait. The other keeps files: it prepares the next segment, retires and removes old ones. They are two because
//! preparing a file takes longer than any interval.

use super::idle::Idleness;
use super::options::Durability;
use super::shared::{Guard, Shared, Tender};
use crate::storage::latch::{self, JoinHandle};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Starts both.
///
/// # Errors
/// What the operating system says when it cannot.
pub(crate) fn start(shared: &Arc<Shared>, threads: &mut Vec<JoinHandle<()>>) -> io::Result<()> {
    let (deadlines, files) = (Arc::clone(shared), Arc::clone(shared));
    threads.push(latch::spawn("seawall-time", move || keep_deadlines(&deadlines))?);
    threads.push(latch::spawn("seawall-files", move || keep_files(&files))?);
    Ok(())
}

fn keep_files(shared: &Shared) {
    let mut state = shared.lock();
    while !state.threads_stop {
        if !shared.tend_step(&mut state) {
            state.upkeep_rests = true;
            state.wait(&shared.upkeep);
            state.upkeep_rests = false;
        }
    }
}

fn keep_deadlines(shared: &Shared) {
    let mut state = shared.lock();
    let mut idleness = shared.options.idle_mark.map(Idleness::new);
    while !state.threads_stop {
        // Work that a call left undone because it would not wait for it.
        if std::mem::take(&mut state.handed_over) {
            shared.step_for_others(&mut state);
            continue;
        }
        let now = shared.clock.now();
        // A clock that went back holds nothing up: an interval is never longer than it is.
        if let Durability::Interval(interval) = shared.options.durability {
            let latest = now.saturating_add(interval);
            state.interval_ends = state.interval_ends.map(|ends| ends.min(latest));
        }
        // Failures here are told to whoever appends or syncs next, through the machine.
        if state.interval_ends.is_some_and(|ends| ends <= now) {
            let _told_to_the_next_caller = shared.end_interval(&mut state);
            continue;
        }
        if state.audience.due_by(now) {
            shared.call_followers_late(&mut state);
            continue;
        }
        if state.tickets.due_by(now) {
            shared.look_after_tickets(&mut state, now);
            continue;
        }
        let mark_at = idle_deadline(&state, idleness.as_mut(), now);
        if mark_at.is_some_and(|at| at <= now) {
            let _told_to_the_next_caller = shared.mark_idle(&mut state);
            idleness.iter_mut().for_each(Idleness::on_marked);
            continue;
        }
        let followers_at = state.audience.due_at();
        let deadlines = [state.interval_ends, mark_at, followers_at, state.tickets.due_at];
        match deadlines.into_iter().flatten().min() {
            Some(deadline) => {
                state.tender = Tender::Until(deadline);
                state.wait_for(&shared.tender, deadline.saturating_sub(now));
            }
            None => {
                state.tender = Tender::Rests;
                state.wait(&shared.tender);
            }
        }
        state.tender = Tender::Awake;
    }
}

/// When the log counts as idle, if nothing is appended until then.
fn idle_deadline(
    state: &Guard<'_>,
    idleness: Option<&mut Idleness>,
    now: Duration,
) -> Option<Duration> {
    let idleness = idleness.filter(|_| state.machine.idle_mark_due())?;
    Some(idleness.deadline(state.machine.watermarks().accepted, now))
}
