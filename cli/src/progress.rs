//! Progress bars: on standard error, for people at a terminal, nowhere else.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::io::IsTerminal;

/// A bar over `total` of anything, with a message that changes; or, without a total, only that.
pub(crate) fn counter(total: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let shape = if total.is_some() { "{wide_bar} {msg}" } else { "{spinner} {msg}" };
    let style = ProgressStyle::with_template(shape);
    ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr())
        .with_finish(ProgressFinish::AndClear)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

const SHAPE: &str = "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";

/// A bar over `total` bytes, gone when dropped; it shows nothing where no person looks.
pub(crate) fn bar(what: &'static str, total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(SHAPE);
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
        .with_message(what)
        .with_finish(ProgressFinish::AndClear)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
