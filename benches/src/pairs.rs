//! Slices of ours and of the reference in turns, so that whatever the machine does otherwise
//! meets both.

use crate::failure::Result;
use crate::rows::Sides;
use crate::slice::Slice;
use std::time::{Duration, Instant};

/// Two slices, one right after the other.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What the log did.
    pub ours: Slice,
    /// What the least code did.
    pub reference: Slice,
}

impl Pair {
    /// Measures one: the first of a series, and every second one after it, begins with the
    /// reference, the others with ours.
    ///
    /// # Errors
    /// What either side says.
    pub fn measure(nth: usize, sides: &mut Sides, slice: Duration) -> Result<Self> {
        let Sides { ours, reference } = sides;
        if nth.is_multiple_of(2) {
            let reference = reference(slice)?;
            Ok(Self { ours: ours(slice)?, reference })
        } else {
            Ok(Self { ours: ours(slice)?, reference: reference(slice)? })
        }
    }
}

/// Measures pairs for as long as `more` wants them, now one side first, now the other. `more` is
/// told how many there are, and how long the last one took with everything around it.
///
/// # Errors
/// What either side or `more` says.
pub fn alternate(
    sides: &mut Sides,
    slice: Duration,
    mut more: impl FnMut(usize, Duration) -> Result<bool>,
) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    let mut last = Duration::ZERO;
    while more(pairs.len(), last)? {
        let start = Instant::now();
        pairs.push(Pair::measure(pairs.len(), sides, slice)?);
        last = start.elapsed();
    }
    Ok(pairs)
}

/// Drops the pairs in which the reference took three times its best: the machine did something
/// else then.
pub(crate) fn undisturbed(pairs: &[Pair]) -> Vec<&Pair> {
    let best = pairs.iter().map(|pair| pair.reference.rate()).fold(0.0, f64::max);
    pairs.iter().filter(|pair| pair.reference.rate() * 3.0 > best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slice::Side;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn slice(operations: u64) -> Slice {
        Slice { operations, took: Duration::from_secs(1), latencies: None }
    }

    #[test]
    fn sides_take_turns_in_going_first() {
        let order = Rc::new(RefCell::new(String::new()));
        let side = |letter| -> Side {
            let order = Rc::clone(&order);
            Box::new(move |_| {
                order.borrow_mut().push(letter);
                Ok(slice(1))
            })
        };
        let mut sides = Sides { ours: side('o'), reference: side('r') };
        let pairs = alternate(&mut sides, Duration::ZERO, |done, _| Ok(done < 4));
        assert_eq!(pairs.unwrap().len(), 4);
        assert_eq!(*order.borrow(), "roorroor");
    }

    #[test]
    fn pairs_with_a_slow_reference_are_left_out() {
        let pair = |reference| Pair { ours: slice(50), reference: slice(reference) };
        let pairs = [pair(100), pair(34), pair(33), pair(90)];
        assert_eq!(undisturbed(&pairs).len(), 3);
    }
}
