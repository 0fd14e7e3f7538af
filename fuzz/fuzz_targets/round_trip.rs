//! What is encoded is decoded again. `fuzz/run` runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seawall_fuzz::round_trip::run(input));
