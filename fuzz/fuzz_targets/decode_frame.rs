//! Any bytes as one frame, at any of a few places. `fuzz/run` runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seawall_fuzz::decode_frame::run(input));
