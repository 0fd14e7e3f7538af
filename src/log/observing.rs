//! Brings the events of an open log to its observers, in order, and without the lock.
//!
//! ```text
//!   note      anywhere, under the lock or not: the event joins the queue
//!   deliver   without the lock: one thread at a time hands the queue out until it is empty
//! ```
//!
//! An observer is code of the caller. One that panics is not called again; one that calls the log from
//! within an event finds the queue being handed out, and what it causes comes next.

use super::action::Event;
use super::machine::Machine;
use super::report::RecoveryReport;
use crate::error::Error;
use crate::observer::{Observer, Recovered, SegmentEvent, SegmentSpan};
use crate::position::{Lsn, SegmentId};
use crate::storage::latch::{AtomicU64, Mutex, Ordering};
use crate::storage::{Clock, Environment};
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

/// So many events wait; those that come while as many do are counted and left out.
const WAITING_MAX: usize = 1 << 16;

/// The observers of a log.
#[derive(Debug)]
pub(crate) struct Observing {
    observers: Vec<Watcher>,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Watcher {
    observer: Arc<dyn Observer>,
    /// Not 0 once it panicked.
    panicked: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Notice>,
    /// Events that found no room behind those that wait.
    missed: u64,
    /// A thread hands the queue out.
    delivering: bool,
    /// The end of the log has been noted.
    poisoned: bool,
}

/// An event.
#[derive(Debug)]
enum Notice {
    Opened(Recovered),
    Segment(SegmentEvent),
    Wrote { bytes: u64, took: Duration },
    Synced { took: Duration },
    Trimmed(Lsn),
    Poisoned(Error),
    Missed(u64),
}

impl Notice {
    fn tell(&self, observer: &dyn Observer) {
        match self {
            Self::Opened(recovered) => observer.opened(recovered),
            Self::Segment(event) => observer.segment(*event),
            Self::Wrote { bytes, took } => observer.wrote(*bytes, *took),
            Self::Synced { took } => observer.synced(*took),
            Self::Trimmed(trim) => observer.trimmed(*trim),
            Self::Poisoned(error) => observer.poisoned(error),
            Self::Missed(events) => observer.missed(*events),
        }
    }
}

impl Observing {
    /// `None` where nobody looks.
    pub(crate) fn of(environment: &Environment) -> Option<Arc<Self>> {
        if environment.observers.is_empty() {
            return None;
        }
        let watcher = |observer: &Arc<dyn Observer>| Watcher {
            observer: Arc::clone(observer),
            panicked: AtomicU64::new(0),
        };
        Some(Arc::new(Self {
            observers: environment.observers.iter().map(watcher).collect(),
            clock: Arc::clone(&environment.clock),
            queue: Mutex::new(Queue::default()),
        }))
    }

    /// When something begins that is to be timed. Apart from the writes of a log that nobody looks at.
    #[cold]
    #[inline(never)]
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    pub(crate) fn opened(&self, report: &RecoveryReport) {
        self.note(Notice::Opened(Recovered {
            created: report.created,
            clean: report.clean,
            segments: report.segments,
            trim: report.trim,
            end: report.end,
            bytes_scanned: report.bytes_scanned,
            bytes_cut: report.cut.map_or(0, |cut| cut.bytes),
            tail_ambiguous: report.tail_ambiguous,
            took: report.took,
            ..Recovered::new(report.log)
        }));
        self.deliver();
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn wrote(&self, bytes: u64, since: Duration) {
        let took = self.now().saturating_sub(since);
        self.note(Notice::Wrote { bytes, took });
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn synced(&self, since: Duration) {
        let took = self.now().saturating_sub(since);
        self.note(Notice::Synced { took });
    }

    fn note(&self, notice: Notice) {
        let mut queue = self.queue.lock();
        if queue.waiting.len() < WAITING_MAX {
            queue.waiting.push_back(notice);
        } else {
            queue.missed += 1;
        }
    }

    /// Notes that the log stopped, if it did and that is new.
    pub(crate) fn look(&self, machine: &Machine) {
        if let Some(error) = machine.poisoned()
            && !std::mem::replace(&mut self.queue.lock().poisoned, true)
        {
            self.note(Notice::Poisoned(error));
        }
    }

    /// Hands out what waits, unless another thread does, or an observer of this one called the log.
    pub(crate) fn deliver(&self) {
        let mut first = true;
        loop {
            let mut queue = self.queue.lock();
            if std::mem::take(&mut first) && queue.delivering {
                return;
            }
            let notices = std::mem::take(&mut queue.waiting);
            let missed = std::mem::take(&mut queue.missed);
            queue.delivering = !notices.is_empty();
            drop(queue);
            if notices.is_empty() {
                return;
            }
            let missed = (missed > 0).then_some(Notice::Missed(missed));
            for notice in notices.iter().chain(&missed) {
                self.observers.iter().for_each(|watcher| watcher.call(notice));
            }
        }
    }
}

impl Watcher {
    fn call(&self, notice: &Notice) {
        if self.panicked.load(Ordering::Acquire) != 0 {
            return;
        }
        let told = panic::catch_unwind(AssertUnwindSafe(|| notice.tell(&*self.observer)));
        if let Err(payload) = told {
            self.panicked.store(1, Ordering::Release);
            // Its drop is code of the caller, too.
            std::mem::forget(payload);
        }
    }
}

/// What is to be compared with the machine once it has taken an event.
#[derive(Debug)]
pub(crate) struct Before {
    trim: Lsn,
    last: Option<(SegmentSpan, bool)>,
    files: Files,
}

/// What an event says of files.
#[derive(Debug)]
enum Files {
    Nothing,
    Sealed(SegmentId),
    Removed(Vec<SegmentEvent>),
}

impl Before {
    /// Looks at the machine that is about to take `event`.
    pub(crate) fn look(machine: &Machine, event: &Event) -> Self {
        let last = machine.live().back().map(|live| &live.segment);
        let files = match event {
            Event::Retired { segment, outcome: Ok(()), .. } => Files::Sealed(*segment),
            Event::Removed { done, .. } => {
                let trimmed = done.iter().filter(|removal| !removal.dropped);
                let removed = trimmed.map(|removal| SegmentEvent::Removed {
                    span: removal.span,
                    recycled: removal.keep_as.is_some(),
                });
                Files::Removed(removed.collect())
            }
            _ => Files::Nothing,
        };
        Self {
            trim: machine.durable_trim_point(),
            last: last.map(|segment| (machine.span(segment), segment.closed.is_none())),
            files,
        }
    }

    /// Notes what became of it.
    pub(crate) fn compare(self, machine: &mut Machine, observing: &Observing) {
        let note = |event| observing.note(Notice::Segment(event));
        let last = machine.live().back().map(|live| live.segment);
        let number = self.last.map(|(span, _)| span.number);
        if let Some(last) = last
            && number < Some(last.number())
        {
            if let Some((span, true)) = self.last {
                note(SegmentEvent::Closed(SegmentSpan { end: last.header.prev_end, ..span }));
            }
            note(SegmentEvent::Begun(SegmentSpan { end: last.base(), ..machine.span(&last) }));
        }
        match self.files {
            Files::Nothing => {}
            Files::Sealed(number) => {
                // One that was trimmed away meanwhile is reported as that.
                if let Some(segment) = machine.live_of(number).map(|live| live.segment) {
                    note(SegmentEvent::Sealed(machine.span(&segment)));
                }
            }
            Files::Removed(events) => events.into_iter().for_each(note),
        }
        let trim = machine.durable_trim_point();
        if trim > self.trim {
            observing.note(Notice::Trimmed(trim));
        }
        observing.look(machine);
    }
}

#[cfg(test)]
mod tests;
