//! Any set of files, opened in every way. `fuzz/run` runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seawall_fuzz::recover_directory::run(input));
