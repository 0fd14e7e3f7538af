//! A close whose record may be on disk although its write failed.

use super::*;

/// Records are appended, and the write of the close record fails.
fn left(level: Durability) -> Machine {
    let mut machine = begun(level);
    append(&mut machine, b"looks ahead");
    sync(&mut machine);
    // Takes the mark that is due, so that nothing but the close record is in the way.
    append(&mut machine, b"before the close");
    machine.request_close();
    loop {
        match machine.poll_commit().unwrap() {
            Action::WriteCloseRecord { .. } => break,
            action => machine.on_event(done(action)),
        }
    }
    machine.on_event(Event::CloseRecorded(Err(Trouble::Failed(error(EIO)))));
    assert!(machine.close_record_left && machine.closing == Closing::Open);
    machine
}

#[test]
fn no_append_is_written_in_one_turn_while_a_close_record_may_be_on_disk() {
    let mut machine = left(Durability::Os);
    assert_eq!(machine.allowance, 0);
    assert!(machine.append_through(b"past it").is_none());
    let accepted = append(&mut machine, b"takes a look");
    assert!(accepted.due, "the next append looks again");
    assert!(machine.append_through(b"past it").is_none());
    machine.request(accepted.goal.unwrap());
    let Some(erase @ Action::EraseCloseRecord { .. }) = machine.poll_commit() else {
        panic!("the close record goes first");
    };
    assert!(machine.append_through(b"beside the erasure").is_none());
    machine.on_event(done(erase));
    settle(&mut machine);
    append(&mut machine, b"looks ahead");
    assert!(machine.append_through(b"as ever").is_some());
}

#[test]
fn no_append_has_an_allowance_until_the_close_record_is_erased() {
    let levels = [Durability::Buffered, Durability::Os, Durability::Sync];
    for level in levels {
        let mut machine = left(level);
        for failing in [true, true, false] {
            assert!(machine.append_quietly(b"quietly").is_none(), "{level:?}");
            append(&mut machine, b"looks");
            assert_eq!(machine.allowance, 0, "{level:?}");
            let Some(erase @ Action::EraseCloseRecord { .. }) = machine.poll_commit() else {
                panic!("the close record goes first");
            };
            let event =
                if failing { Event::Erased(Err(Trouble::Failed(error(EIO)))) } else { done(erase) };
            machine.on_event(event);
            assert_eq!(machine.close_record_left, failing);
        }
        settle(&mut machine);
        append(&mut machine, b"looks ahead");
        assert!(machine.allowance > 0, "{level:?}");
    }
}
