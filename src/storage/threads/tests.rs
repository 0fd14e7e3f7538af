use super::*;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A member whose turns a test makes: each is announced, and rests as the test says.
struct Puppet {
    name: &'static str,
    turns: Sender<(&'static str, Work)>,
    rests: Mutex<Receiver<Rest>>,
}

/// What a test holds of it.
struct Strings {
    member: Member,
    rests: Sender<Rest>,
}

type Turns = Receiver<(&'static str, Work)>;

impl Tended for Puppet {
    fn turn(&self, work: Work) -> Rest {
        // The receiver is gone where the test is over.
        let _nobody = self.turns.send((self.name, work));
        match work {
            // A test that is over lets it go.
            Work::Time => self.rests.lock().recv().unwrap_or(Rest::UntilCalled),
            Work::Files => Rest::UntilCalled,
        }
    }
}

fn enter(threads: &Threads, name: &'static str, turns: &Sender<(&'static str, Work)>) -> Strings {
    let (rests, receiver) = channel();
    let member = threads.enter();
    let turns = turns.clone();
    member.begin(Arc::new(Puppet { name, turns, rests: Mutex::new(receiver) }));
    Strings { member, rests }
}

/// The next turn of the kind that a test makes.
fn next(turns: &Turns) -> &'static str {
    loop {
        if let (name, Work::Time) = turns.recv().expect("a member is alive") {
            return name;
        }
    }
}

#[test]
fn who_has_much_to_do_holds_nobody_up_for_longer_than_one_turn() {
    let (sender, turns) = channel();
    let threads = Threads::new(2).unwrap();
    let busy = enter(&threads, "busy", &sender);
    assert_eq!(next(&turns), "busy");
    // It is at work; these come meanwhile.
    let others = ["first", "second"].map(|name| enter(&threads, name, &sender));
    for other in &others {
        other.rests.send(Rest::UntilCalled).unwrap();
    }
    for _ in 0..3 {
        busy.rests.send(Rest::Again).unwrap();
    }
    let order: Vec<_> = (0..5).map(|_| next(&turns)).collect();
    assert_eq!(order, ["first", "second", "busy", "busy", "busy"]);
    drop(busy.rests);
    busy.member.leave();
}

#[test]
fn who_is_called_during_its_turn_has_another_one() {
    let (sender, turns) = channel();
    let threads = Threads::new(2).unwrap();
    let one = enter(&threads, "one", &sender);
    assert_eq!(next(&turns), "one");
    one.member.call(Work::Time);
    one.member.call(Work::Time);
    one.rests.send(Rest::UntilCalled).unwrap();
    assert_eq!(next(&turns), "one");
    one.rests.send(Rest::For(Duration::from_secs(3600))).unwrap();
    one.member.call(Work::Time);
    assert_eq!(next(&turns), "one", "a call ends a rest");
    one.rests.send(Rest::For(Duration::from_millis(1))).unwrap();
    assert_eq!(next(&turns), "one", "so does the clock");
    drop(one.rests);
    one.member.leave();
}

#[test]
fn a_turn_that_does_not_end_keeps_one_thread_of_its_kind() {
    let (sender, turns) = channel();
    let threads = Threads::new(4).unwrap();
    let stuck = enter(&threads, "stuck", &sender);
    assert_eq!(next(&turns), "stuck");
    // Called as often as one likes: it keeps no second thread.
    stuck.member.call(Work::Time);
    let other = enter(&threads, "other", &sender);
    for _ in 0..3 {
        assert_eq!(next(&turns), "other");
        other.rests.send(Rest::For(Duration::from_millis(1))).unwrap();
    }
    assert_eq!(next(&turns), "other");
    drop(other.rests);
    other.member.leave();
    drop(stuck.rests);
    stuck.member.leave();
}

#[test]
fn who_left_has_no_turn_and_a_panic_ends_no_thread() {
    struct Panics;
    impl Tended for Panics {
        fn turn(&self, _: Work) -> Rest {
            panic!("a log whose storage panics");
        }
    }
    let (sender, turns) = channel();
    let threads = Threads::new(2).unwrap();
    let panics = threads.enter();
    panics.begin(Arc::new(Panics));
    let one = enter(&threads, "one", &sender);
    assert_eq!(next(&turns), "one");
    one.rests.send(Rest::UntilCalled).unwrap();
    one.member.leave();
    one.member.call(Work::Time);
    panics.call(Work::Time);
    panics.leave();
    let last = enter(&threads, "last", &sender);
    assert_eq!(next(&turns), "last");
    drop(last.rests);
    last.member.leave();
    assert_eq!(format!("{threads:?}"), "Threads { logs: 0, .. }");
}

#[test]
fn who_leaves_waits_for_a_turn_that_is_under_way() {
    let (sender, turns) = channel();
    let threads = Threads::new(2).unwrap();
    let one = enter(&threads, "one", &sender);
    assert_eq!(next(&turns), "one");
    std::thread::scope(|scope| {
        let leaves = scope.spawn(|| one.member.leave());
        // It gives the member up and waits, which it does under one lock.
        let is_there =
            |state: &State| state.members.get(&one.member.id).map(|it| it.tended.is_some());
        while is_there(&threads.0.pool.state.lock()) == Some(true) {
            std::thread::yield_now();
        }
        assert_eq!(is_there(&threads.0.pool.state.lock()), Some(false), "it waits");
        one.rests.send(Rest::Again).unwrap();
        leaves.join().unwrap();
    });
    assert!(threads.0.pool.state.lock().members.is_empty());
}

#[test]
fn a_member_may_leave_and_drop_the_threads_in_its_own_turn() {
    struct Leaves(Mutex<Option<Member>>, Sender<()>);
    impl Tended for Leaves {
        fn turn(&self, work: Work) -> Rest {
            if work == Work::Time
                && let Some(member) = self.0.lock().take()
            {
                member.leave();
                drop(member);
                self.1.send(()).unwrap();
            }
            Rest::UntilCalled
        }
    }
    let (sender, receiver) = channel();
    let threads = Threads::new(2).unwrap();
    let member = threads.enter();
    let leaves = Arc::new(Leaves(Mutex::new(Some(member.clone())), sender));
    drop(threads);
    member.begin(leaves);
    drop(member);
    receiver.recv().unwrap();
}
