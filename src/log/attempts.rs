//! One try at what a call wants from the machine: the answer, or `None` where the lane is to be driven
//! first. The waiting calls and the stepped ones ask the same.

use super::holds::Holder;
use super::machine::{Accepted, Goal, Machine, Refusal};
use crate::error::{Error, Result};
use crate::position::Lsn;

/// Whether `goal` is reached or never will be; asks for it otherwise.
pub(crate) fn try_reach(machine: &mut Machine, goal: Goal) -> Option<Result<()>> {
    machine.outcome(goal).or_else(|| {
        machine.request(goal);
        None
    })
}

/// As [`try_reach`] for what belongs to no append: a grave failure since `before` ends it.
pub(crate) fn try_reach_all(machine: &mut Machine, goal: Goal, before: u64) -> Option<Result<()>> {
    machine.outcome(goal).or_else(|| grave_failure_since(machine, before).map(Err)).or_else(|| {
        machine.request(goal);
        None
    })
}

/// Whether the machine takes what it is given, or never will; it is to be asked again otherwise.
pub(crate) fn try_admit<T>(
    machine: &mut Machine,
    before: u64,
    accept: &mut impl FnMut(&mut Machine) -> Result<T, Refusal>,
) -> Option<Result<T>> {
    if let Some(error) = failure_since(machine, before) {
        return Some(Err(error));
    }
    match accept(machine) {
        Ok(taken) => Some(Ok(taken)),
        Err(Refusal::Never(error)) => Some(Err(error)),
        Err(Refusal::Wait) => None,
    }
}

/// A trim that was taken: its frame, if it has one, and who kept it from going further.
pub(crate) type TrimTaken = (Option<Accepted>, Vec<Holder>);

/// As [`try_admit`] for a trim, which no refused record concerns. It ends where a holder begins.
pub(crate) fn try_admit_trim(
    machine: &mut Machine,
    before: u64,
    asked: Lsn,
) -> Option<Result<TrimTaken>> {
    let point = machine.held_to(asked);
    // What failed since then may have been another's: it is no answer to a trim that is stated.
    let stated = machine.has_trimmed(point);
    if let Some(error) = grave_failure_since(machine, before).filter(|_| !stated) {
        return Some(Err(error));
    }
    match machine.accept_trim(point) {
        Ok(taken) => Some(Ok((taken, machine.holds().before(asked)))),
        Err(Refusal::Never(error)) => Some(Err(error)),
        Err(Refusal::Wait) => None,
    }
}

pub(crate) fn grave_failure_since(machine: &Machine, before: u64) -> Option<Error> {
    let failed = machine.grave_failures() > before;
    machine.poisoned().or_else(|| machine.last_grave_failure().filter(|_| failed))
}

fn failure_since(machine: &Machine, before: u64) -> Option<Error> {
    let failed = machine.failures() > before;
    machine.poisoned().or_else(|| machine.last_failure().filter(|_| failed))
}
