//! Bytes to values and back: the on-disk format, and nothing that touches a disk.
//!
//! No I/O, no clock, no allocation sized by bytes that were not verified. Every decoder takes
//! any bytes at all and answers with a value or a typed error; the fuzzers live here.
//! `docs/FORMAT.md` states the same bytes for writers of other readers.

pub mod batch;
pub mod checksum;
pub mod content;
pub mod control;
pub mod extension;
pub mod frame;
pub mod frame_writer;
pub mod gap;
pub mod header;
pub mod layout;
pub mod name;
pub mod tag;
pub mod trailer;
