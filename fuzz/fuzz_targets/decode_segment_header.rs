//! Any bytes as one copy of a segment's header. `fuzz/run` runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seawall_fuzz::decode_segment_header::run(input));
