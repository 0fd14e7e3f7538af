//! Locks, condition variables and threads under a scheduler that decides who goes on, so that
//! orders of threads can be explored and replayed. The faces are those of `parking_lot`.
//!
//! Two things happen here that real machines do as well, seldom: a waiter returns although
//! nobody told it to, and a wait with a limit ends at any moment. What is drawn for them comes
//! from the scheduler, so that a schedule says everything.

use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use shuttle::rand::RngCore;
use shuttle::{future, rand, thread};

pub(crate) use shuttle::sync::atomic::AtomicU64;
pub(crate) use shuttle::thread::{JoinHandle, ThreadId, yield_now};
pub(crate) use std::sync::atomic::Ordering;

/// A number below `end`, which is not 0, from the scheduler.
fn draw(end: u64) -> u64 {
    rand::thread_rng().next_u64() % end
}

/// A scheduling point.
fn point() {
    // To this scheduler time does not exist: it is a switch, and no hint as a yield would be.
    thread::sleep(Duration::ZERO);
}

/// Whether the scheduler found a mistake and unwinds the threads: it takes no calls then.
pub(crate) fn execution_is_over() -> bool {
    std::thread::panicking()
}

#[derive(Debug)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    #[track_caller]
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, held: Some(self.take()) }
    }

    fn take(&self) -> shuttle::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` while it is given away for a time.
    held: Option<shuttle::sync::MutexGuard<'a, T>>,
}

impl<T> MutexGuard<'_, T> {
    pub(crate) fn unlocked<R>(guard: &mut Self, body: impl FnOnce() -> R) -> R {
        guard.held = None;
        let result = body();
        guard.held = Some(guard.mutex.take());
        result
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("nobody sees the guard while it is given away")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("nobody sees the guard while it is given away")
    }
}

/// One wait of one thread.
#[derive(Debug)]
struct Waiter {
    told: AtomicBool,
    waker: parking_lot::Mutex<Option<Waker>>,
    thread: thread::Thread,
}

impl Waiter {
    fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    fn tell(&self) {
        self.told.store(true, Ordering::Relaxed);
        match self.waker.lock().take() {
            Some(waker) => waker.wake(),
            None => self.thread.unpark(),
        }
    }

    /// Blocks until it is told.
    fn sleep(&self) {
        future::block_on(poll_fn(|context| {
            if self.is_told() {
                return Poll::Ready(());
            }
            *self.waker.lock() = Some(context.waker().clone());
            Poll::Pending
        }));
    }
}

#[derive(Debug)]
pub(crate) struct Condvar {
    waiting: parking_lot::Mutex<Vec<Arc<Waiter>>>,
    /// So many waits may still end although nobody said so. It is none in most executions:
    /// such wake-ups would hide the ones that are missing.
    unfounded: AtomicU32,
}

impl Condvar {
    pub(crate) fn new() -> Self {
        let unfounded = if draw(4) == 0 { 1 + u32::try_from(draw(6)).unwrap_or(0) } else { 0 };
        Self { waiting: parking_lot::Mutex::default(), unfounded: AtomicU32::new(unfounded) }
    }

    pub(crate) fn notify_one(&self) {
        point();
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            return;
        }
        let count = waiting.len() as u64;
        let chosen = usize::try_from(if count > 1 { draw(count) } else { 0 }).unwrap_or(0);
        let waiter = waiting.swap_remove(chosen);
        // Telling somebody may be a scheduling point.
        drop(waiting);
        waiter.tell();
    }

    pub(crate) fn notify_all(&self) {
        point();
        let told = std::mem::take(&mut *self.waiting.lock());
        told.iter().for_each(|waiter| waiter.tell());
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.wait_with(guard, None);
    }

    /// How long `_limit` is does not matter: it is over at some scheduling point.
    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _limit: Duration) {
        const PATIENCE: [u32; 8] = [0, 0, 1, 2, 4, 8, 16, 32];
        let chosen = usize::try_from(draw(PATIENCE.len() as u64)).unwrap_or(0);
        self.wait_with(guard, PATIENCE.get(chosen).copied());
    }

    fn wait_with<T>(&self, guard: &mut MutexGuard<'_, T>, mut patience: Option<u32>) {
        let waiter = Arc::new(Waiter {
            told: AtomicBool::new(false),
            waker: parking_lot::Mutex::new(None),
            thread: thread::current(),
        });
        // The scheduling point of this stands before it takes effect: nobody can tell anything
        // between the release and the entry in the list, and before it nobody is told.
        guard.held = None;
        self.waiting.lock().push(Arc::clone(&waiter));
        while !waiter.is_told() {
            if let Some(left) = patience {
                if left == 0 {
                    break;
                }
                patience = Some(left - 1);
                yield_now();
            } else if self.unfounded.load(Ordering::Relaxed) > 0 {
                // The scheduler may wake it at any point, but does not count on that: where all
                // others are blocked, it is a deadlock still.
                thread::park();
                if !waiter.is_told() {
                    let left = self.unfounded.load(Ordering::Relaxed);
                    self.unfounded.store(left.saturating_sub(1), Ordering::Relaxed);
                    break;
                }
            } else {
                waiter.sleep();
            }
        }
        self.waiting.lock().retain(|other| !Arc::ptr_eq(other, &waiter));
        guard.held = Some(guard.mutex.take());
    }
}

pub(crate) fn current_id() -> ThreadId {
    thread::current().id()
}

pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}
