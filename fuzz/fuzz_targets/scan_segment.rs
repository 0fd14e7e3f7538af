//! Any bytes as one segment file. Run it with
//! `cargo +nightly fuzz run scan_segment -- -malloc_limit_mb=8`: no single allocation may be
//! larger, whatever lengths the input states.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = seawall_fuzz::scan_segment(input);
});
