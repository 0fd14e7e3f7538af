//! Any bytes as one frame. Run it with
//! `cargo +nightly fuzz run decode_frame -- -malloc_limit_mb=8`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| seawall_fuzz::decode_frame(input));
