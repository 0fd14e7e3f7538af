//! Runs that the input decides break no promise. `fuzz/run` runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seawall_fuzz::decisions::run(input));
