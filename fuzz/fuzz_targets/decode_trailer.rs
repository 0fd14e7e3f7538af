//! Any bytes as a trailer: a close record, or a seal. `fuzz/run` runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seawall_fuzz::decode_trailer::run(input));
