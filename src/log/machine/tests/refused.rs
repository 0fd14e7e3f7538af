//! Who asks about a failed append, and how often, changes nothing.

use super::*;

fn fail_write(machine: &mut Machine, errno: i32) {
    let Some(Action::Write(write)) = machine.poll_commit() else { panic!("a write is wanted") };
    let failure = WriteFailure { written: 0, error: error(errno) };
    machine.on_event(Event::Wrote { run: write.run, outcome: Err(failure), synced: None });
}

/// Appends a record whose write fails.
fn failed(machine: &mut Machine, errno: i32) -> Accepted {
    let accepted = append(machine, b"refused");
    machine.request(accepted.goal.unwrap());
    fail_write(machine, errno);
    accepted
}

fn is_full(outcome: Option<Result<()>>) -> bool {
    matches!(outcome, Some(Err(Error::Full { action: "write", .. })))
}

#[test]
fn every_one_who_asks_about_a_failed_append_is_told_the_same() {
    let mut machine = begun(Durability::Sync);
    let kept = append(&mut machine, b"kept");
    sync(&mut machine);
    let lost = failed(&mut machine, ENOSPC);
    let (lsn, end) = (lost.lsn, lost.end);
    let goals = [Goal::Written { lsn, end }, Goal::Durable { lsn, end }];
    for _ in 0..3 {
        assert!(goals.iter().all(|&goal| is_full(machine.outcome(goal))));
        assert!(machine.failed_before(end).is_some());
    }
    let after = append(&mut machine, b"after it");
    sync(&mut machine);
    assert!(machine.marks.durable >= after.end, "what stands there is void, and durable");
    for _ in 0..3 {
        assert!(goals.iter().all(|&goal| is_full(machine.outcome(goal))));
        assert!(machine.failed_before(end).is_some());
        for sound in [kept, after] {
            assert!(matches!(machine.outcome(sound.goal.unwrap()), Some(Ok(()))));
            assert!(machine.failed_before(sound.end).is_none());
        }
    }
}

#[test]
fn batches_and_trims_that_failed_are_told_so_as_well() {
    let mut machine = begun(Durability::Sync);
    append(&mut machine, &[7; 4000]);
    sync(&mut machine);
    let batch = machine.append_batch(&[&[1; 100], &[2; 100]], Durability::Sync).unwrap();
    let trim = machine.accept_trim(Lsn::new(64)).unwrap().unwrap();
    machine.request(trim.goal.unwrap());
    fail_write(&mut machine, ENOSPC);
    sync(&mut machine);
    for _ in 0..3 {
        assert!(is_full(machine.outcome(batch.goal.unwrap())));
        assert!(is_full(machine.outcome(trim.goal.unwrap())));
    }
    assert_eq!(machine.trim, Lsn::FIRST);
}

#[test]
fn a_removal_that_failed_is_told_to_every_trim_that_waits_for_it() {
    let mut machine = begun(Durability::Sync);
    let room = usize::try_from(SEGMENT - 12_000).unwrap();
    append(&mut machine, &vec![0; room]);
    sync(&mut machine);
    assert!(matches!(machine.append(&vec![0; room], Durability::Sync), Err(Refusal::Wait)));
    settle(&mut machine);
    append(&mut machine, b"in the second segment");
    machine.accept_trim(machine.marks.accepted).unwrap();
    sync(&mut machine);
    machine.retry_removals();
    while let Some(action) = machine.poll_upkeep() {
        let event = match action {
            Action::Remove { files, .. } => {
                let outcome = Err(Trouble::Failed(error(EIO)));
                Event::Removed { done: Vec::new(), left: files, reserve: None, outcome }
            }
            action => done(action),
        };
        machine.on_event(event);
    }
    for _ in 0..3 {
        assert!(machine.remove_failure().is_some());
    }
    machine.retry_removals();
    assert!(machine.remove_failure().is_none(), "it is tried again");
    while let Some(action) = machine.poll_upkeep() {
        machine.on_event(done(action));
    }
    assert!(machine.remove_failure().is_none());
}
