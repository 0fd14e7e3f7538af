//! What was asked of a disk, call by call, and what it answered.

use crate::faults::Operation;
use crate::hash::Fingerprint;
use std::io;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number of the call, from 0.
    pub step: u64,
    /// What was called.
    pub operation: Operation,
    /// On which name: that of the descriptor when it was opened; the old name of a rename.
    pub name: String,
    /// Where: the offset, 0 where there is none.
    pub offset: u64,
    /// How much was asked: bytes or the new length, 0 where there is none.
    pub len: u64,
    /// The count, length or number of a descriptor answered (0 where there is none), or the
    /// errno.
    pub result: Result<u64, i32>,
}

/// All calls as one number, and each for itself if that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    print: Fingerprint,
    events: Option<Vec<Event>>,
}

impl Trace {
    pub(crate) const fn new() -> Self {
        Self { print: Fingerprint::new(), events: None }
    }

    pub(crate) fn record(&mut self, wanted: bool) {
        self.events = wanted.then(Vec::new);
    }

    pub(crate) fn note(&mut self, step: u64, call: &Call<'_>, result: Result<u64, i32>) {
        let print = &mut self.print;
        print.word(operation_number(call.operation));
        print.word(call.names_print);
        print.word(call.offset);
        print.word(call.len);
        match result {
            Ok(value) => print.word(value),
            Err(errno) => print.word(!u64::from(errno.unsigned_abs())),
        }
        if let Some(events) = &mut self.events {
            events.push(Event {
                step,
                operation: call.operation,
                name: call.name.to_owned(),
                offset: call.offset,
                len: call.len,
                result,
            });
        }
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.clone().unwrap_or_default()
    }

    pub(crate) fn hash(&self) -> u64 {
        self.print.value()
    }
}

/// A call about to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) name: &'a str,
    /// The second name of a rename, else the first again.
    pub(crate) other: &'a str,
    /// The names as one number.
    pub(crate) names_print: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl<'a> Call<'a> {
    pub(crate) fn new(operation: Operation, name: &'a str) -> Self {
        Self::known(operation, name, name_print(name))
    }

    /// As [`new`](Self::new), for a name whose [`name_print`] is at hand.
    pub(crate) const fn known(operation: Operation, name: &'a str, names_print: u64) -> Self {
        Self { operation, name, other: name, names_print, offset: 0, len: 0 }
    }

    pub(crate) const fn at(self, offset: u64, len: u64) -> Self {
        Self { offset, len, ..self }
    }

    pub(crate) fn to(self, other: &'a str) -> Self {
        let names_print = self.names_print.rotate_left(1) ^ name_print(other);
        Self { other, names_print, ..self }
    }
}

/// A name as a number.
pub(crate) fn name_print(name: &str) -> u64 {
    let mut print = Fingerprint::new();
    print.bytes(name.as_bytes());
    print.value()
}

/// What of an answer goes into the trace.
pub(crate) trait Answer {
    fn value(&self) -> u64;
}

impl Answer for u64 {
    fn value(&self) -> u64 {
        *self
    }
}

impl Answer for usize {
    fn value(&self) -> u64 {
        crate::image::wide(*self)
    }
}

impl Answer for Vec<seawall::storage::Entry> {
    fn value(&self) -> u64 {
        crate::image::wide(self.len())
    }
}

impl Answer for () {
    fn value(&self) -> u64 {
        0
    }
}

/// The errno of an error of this crate, all of which have one.
pub(crate) fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or_default()
}

fn operation_number(operation: Operation) -> u64 {
    match operation {
        Operation::Open => 1,
        Operation::Create => 2,
        Operation::Rename => 3,
        Operation::Remove => 4,
        Operation::List => 5,
        Operation::SyncDir => 6,
        Operation::Lock => 7,
        Operation::Read => 8,
        Operation::Write => 9,
        Operation::SyncData => 10,
        Operation::SyncAll => 11,
        Operation::Allocate => 12,
        Operation::SetLen => 13,
        Operation::Len => 14,
        Operation::Evict => 15,
        Operation::Punch => 16,
    }
}
