//! Any bytes as one frame, at any place. Run it with
//! `cargo +nightly fuzz run decode_frame -- -malloc_limit_mb=8`.

#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};

/// A place and the bytes that stand there: on disk the place is the first byte of the input, so
/// that stable tests replay the same corpora without this crate.
#[derive(Debug)]
struct Frame(Vec<u8>);

impl<'a> Arbitrary<'a> for Frame {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let place = u8::arbitrary(input)?;
        let len = input.len();
        Ok(Self([&[place], input.bytes(len)?].concat()))
    }
}

libfuzzer_sys::fuzz_target!(|frame: Frame| seawall_fuzz::decode_frame(&frame.0));
