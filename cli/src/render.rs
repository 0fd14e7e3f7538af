//! Records on standard output: as they are, or one JSON object a line.

use crate::exit::Failure;
use crate::output::{Output, failed};
use seawall::{RecordRef, Tag};
use serde::Serialize;
use std::fmt::Write as _;

/// One line of `--json`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    lsn: u64,
    index: u32,
    len: usize,
    /// Absent where the record has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

/// Prints one record.
///
/// # Errors
/// As [`Output::put`].
pub(crate) fn record(
    output: &mut Output,
    record: &RecordRef<'_>,
    json: bool,
) -> Result<(), Failure> {
    if !json {
        return output.put(record.bytes);
    }
    let text = std::str::from_utf8(record.bytes).ok();
    let line = Line {
        lsn: record.lsn.get(),
        index: record.index,
        len: record.bytes.len(),
        tag: (record.tag != Tag::NONE).then(|| record.tag.get()),
        text,
        hex: text.is_none().then(|| hex(record.bytes)),
    };
    serde_json::to_writer(&mut *output, &line).map_err(|error| failed(error.into()))?;
    output.put(b"\n")
}

/// Prints one JSON document, for people too.
///
/// # Errors
/// As [`Output::put`].
pub(crate) fn document(value: &serde_json::Value) -> Result<(), Failure> {
    let mut output = Output::new()?;
    serde_json::to_writer_pretty(&mut output, value).map_err(|error| failed(error.into()))?;
    output.put(b"\n")?;
    output.hand_over()
}

/// Prints lines.
///
/// # Errors
/// As [`Output::put`].
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut output = Output::new()?;
    output.put(text.as_bytes())?;
    output.hand_over()
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string does not fail.
        let _whole = write!(digits, "{byte:02x}");
    }
    digits
}
