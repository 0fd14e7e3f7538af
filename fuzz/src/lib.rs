//! What arbitrary bytes may not do: the bodies of the fuzz targets, one file each.
//!
//! No fuzzer is needed to compile this. `sim/tests/fuzz_corpora` includes it by its path, so that a
//! stable `cargo test` replays every corpus, and one input means the same in both.
//!
//! Random bytes hardly ever pass a check. So the targets try every input twice, as it is and
//! *mended*, with checks put in that hold over whatever else it says; or they take it for a list
//! of changes to a real log, some of which mend.

pub mod bounds;
pub mod decisions;
pub mod decode_frame;
pub mod decode_segment_header;
pub mod decode_trailer;
pub mod directory;
pub mod mend;
pub mod recover_directory;
mod rescue;
pub mod round_trip;
pub mod scan_segment;
pub mod sources;

/// A target: its name, and what it makes of an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target whose corpus a test replays.
pub const TARGETS: [Target; 7] = [
    ("decode_frame", decode_frame::run),
    ("decode_segment_header", decode_segment_header::run),
    ("decode_trailer", decode_trailer::run),
    ("scan_segment", scan_segment::run),
    ("recover_directory", recover_directory::run),
    ("round_trip", round_trip::run),
    ("decisions", decisions::run),
];
