//! Any bytes as one segment file. `fuzz/run` runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seawall_fuzz::scan_segment::run(input));
