use super::*;
use crate::storage::latch::Mutex;

/// A clock that stands where it was put.
#[derive(Debug)]
struct At(Mutex<Duration>);

impl Default for At {
    fn default() -> Self {
        Self(Mutex::new(Duration::ZERO))
    }
}

impl Clock for At {
    fn now(&self) -> Duration {
        *self.0.lock()
    }
}

fn lsn(at: u64) -> Lsn {
    Lsn::new(at)
}

fn entered(rounds: &mut Rounds, at: u64) -> (Place, Arc<Seat>) {
    let seat = Arc::new(Seat::new());
    (rounds.enter(lsn(at), Arc::clone(&seat)), seat)
}

/// Whether calling this waker calls that seat.
fn calls(waker: Option<Waker>, seat: &Arc<Seat>) -> bool {
    let seen = seat.now();
    waker.is_some_and(|waker| {
        waker.wake();
        seat.now() != seen
    })
}

const NOW: Duration = Duration::from_secs(1);

#[test]
fn one_is_woken_by_an_event_and_each_wakes_the_next() {
    let mut rounds = Rounds::new(true);
    let (first, first_seat) = entered(&mut rounds, 64);
    let (second, second_seat) = entered(&mut rounds, 64);
    let (beyond, beyond_seat) = entered(&mut rounds, 128);
    assert!(!rounds.await_what_is_before(lsn(64)), "there is nothing behind it");
    assert!(rounds.await_what_is_before(lsn(72)));
    assert!(calls(rounds.begin(lsn(72), NOW), &first_seat));
    assert!(!rounds.listen(), "a round is under way");
    assert!(calls(rounds.leave(first), &second_seat));
    assert!(!rounds.is_over());
    assert!(rounds.leave(second).is_none());
    assert!(rounds.is_over());
    rounds.end(&At::default());
    assert!(!rounds.await_what_is_before(lsn(128)));
    assert!(calls(rounds.begin(lsn(136), NOW), &beyond_seat));
    assert!(rounds.leave(beyond).is_none());
    assert!(rounds.is_over());
}

#[test]
fn who_wakes_by_itself_takes_nobodys_turn() {
    let mut rounds = Rounds::new(true);
    let places: Vec<_> = (0..4).map(|_| entered(&mut rounds, 0)).collect();
    // Before the round, and while another one has the turn.
    assert!(rounds.leave(places[0].0).is_none());
    assert!(calls(rounds.begin(lsn(8), NOW), &places[1].1));
    assert!(rounds.leave(places[2].0).is_none());
    assert!(!rounds.is_over());
    assert!(calls(rounds.leave(places[1].0), &places[3].1));
    // Twice does no harm.
    assert!(rounds.leave(places[1].0).is_none());
    assert!(!rounds.is_over());
    assert!(rounds.leave(places[3].0).is_none());
    assert!(rounds.is_over());
}

#[test]
fn a_round_of_many_is_followed_by_a_pause() {
    let mut rounds = Rounds::new(true);
    let count = FEW + 1;
    let clock = At::default();
    let round = |rounds: &mut Rounds, at: u64| {
        let places: Vec<_> = (0..count).map(|_| entered(rounds, at).0).collect();
        let begun = rounds.begin(lsn(at + 8), clock.now()).is_some();
        (places, begun)
    };
    *clock.0.lock() = NOW;
    let (places, begun) = round(&mut rounds, 0);
    assert!(begun);
    *clock.0.lock() = NOW + Duration::from_millis(2);
    places.into_iter().for_each(|place| drop(rounds.leave(place)));
    assert!(rounds.is_over());
    rounds.end(&clock);
    let (_, begun) = round(&mut rounds, 8);
    assert!(!begun, "nine times two milliseconds are not over");
    assert_eq!(rounds.due_at(), Some(NOW + Duration::from_millis(20)));
    assert!(!rounds.due_by(NOW + Duration::from_millis(19)));
    assert!(rounds.due_by(NOW + Duration::from_millis(20)));
    rounds.look_again();
    assert!(rounds.begin(lsn(16), NOW + Duration::from_millis(20)).is_some());
}

#[test]
fn the_end_of_a_log_calls_also_those_who_wait_for_what_never_comes() {
    let mut rounds = Rounds::new(true);
    let (first, first_seat) = entered(&mut rounds, 0);
    let (_, last_seat) = entered(&mut rounds, 1 << 40);
    assert!(calls(rounds.begin_at_once(), &first_seat));
    assert!(rounds.begin_at_once().is_none(), "its end looks again");
    assert!(calls(rounds.leave(first), &last_seat));
}
