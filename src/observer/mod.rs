//! What an open log reports to its owner: facts in the words of every floor, and no more.

mod span;

pub use span::SegmentSpan;
