//! What a trim is answered.

use super::*;
use crate::log::attempts::try_admit_trim;

#[test]
fn a_trim_that_is_stated_is_not_answered_with_a_failure_that_came_later() {
    let mut machine = begun(Durability::Sync);
    let first = append(&mut machine, b"one");
    append(&mut machine, b"two");
    sync(&mut machine);
    let before = machine.grave_failures();
    assert!(matches!(try_admit_trim(&mut machine, before, first.end), Some(Ok((Some(_), _)))));
    sync(&mut machine);

    let failure = Arc::new(Failure {
        action: "prepare",
        name: "2.seg".to_owned(),
        error: Arc::new(error(ENOSPC)),
    });
    machine.fail(&failure);
    assert!(matches!(try_admit_trim(&mut machine, before, first.end), Some(Ok((None, _)))));
    let beyond = after(first.end, 8);
    let answer = try_admit_trim(&mut machine, before, beyond);
    assert!(matches!(answer, Some(Err(Error::Full { .. }))), "{answer:?}");
    machine.poison(error(EIO));
    let answer = try_admit_trim(&mut machine, before, first.end);
    assert!(matches!(answer, Some(Err(Error::Poisoned { .. }))), "{answer:?}");
}
