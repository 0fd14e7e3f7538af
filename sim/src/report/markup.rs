//! Text on its way into a page: escaped, clipped to a width, numbers made short.
//!
//! Responsible for no text ever becoming markup. Knows nothing of pages and timelines.

use crate::faults::{EDQUOT, EINTR, EIO, ENOSPC};
use std::fmt::{self, Write as _};

/// Text as HTML shows it: in an element or in a quoted attribute.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(character)?,
                // HTML has no way to write them, and a browser may read past a zero.
                control if control.is_control() => f.write_char('\u{fffd}')?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// How many columns of a fixed pitch text takes, estimated from above.
pub(super) fn columns(text: &str) -> u64 {
    text.chars().map(column).fold(0, u64::saturating_add)
}

fn column(character: char) -> u64 {
    // Latin to Georgian, and general punctuation to arrows and boxes; the rest may be wide.
    let narrow = matches!(character, '\0'..'\u{1100}' | '\u{2000}'..'\u{2600}');
    if narrow { 1 } else { 2 }
}

/// As much of the beginning as fits, with an ellipsis for the rest.
pub(super) fn clip(text: &str, room: u64) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    let mut clipped = fitting(text.chars(), room);
    if room > 0 {
        clipped.push('…');
    }
    clipped
}

/// As much of the end as fits: names of files differ there.
pub(super) fn clip_start(text: &str, room: u64) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    let end = fitting(text.chars().rev(), room);
    let ellipsis = if room > 0 { "…" } else { "" };
    ellipsis.chars().chain(end.chars().rev()).collect()
}

/// The first characters that leave room for an ellipsis.
fn fitting(characters: impl Iterator<Item = char>, room: u64) -> String {
    let mut taken = 0;
    characters
        .take_while(|character| {
            taken += column(*character);
            taken < room
        })
        .collect()
}

/// A number of bytes in at most four characters: `999`, `1.5K`, `64K`, `2G`.
pub(super) fn short_bytes(bytes: u64) -> String {
    let mut unit = 1_u64;
    for (name, next) in ["", "K", "M", "G", "T", "P", "E"].into_iter().zip(1..) {
        let whole = bytes / unit;
        if whole < 1000 || next == 7 {
            let tenth = bytes % unit * 10 / unit;
            return if name.is_empty() || whole >= 10 || tenth == 0 {
                format!("{whole}{name}")
            } else {
                format!("{whole}.{tenth}{name}")
            };
        }
        // 1000 K is longer than four characters, so it is 0.9 M.
        unit = unit.saturating_mul(1024);
    }
    bytes.to_string()
}

/// What an errno is called.
pub(super) fn errno_name(errno: i32) -> String {
    match errno {
        EIO => "EIO".to_owned(),
        ENOSPC => "ENOSPC".to_owned(),
        EDQUOT => "EDQUOT".to_owned(),
        EINTR => "EINTR".to_owned(),
        other => format!("errno {other}"),
    }
}

/// `1 call`, `2 calls`.
pub(super) fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Whether all cells of a column read as numbers, so that their digits belong below each other.
pub(super) fn is_numeric(rows: &[Vec<String>], column: usize) -> bool {
    let mut cells = rows.iter().filter_map(|row| row.get(column)).peekable();
    cells.peek().is_some()
        && cells.all(|cell| {
            cell.chars().next().is_some_and(|first| first.is_ascii_digit() || first == '-')
                && cell.chars().all(|c| c.is_ascii_digit() || " .,-+%'_x×smµn".contains(c))
        })
}

/// How many columns a table has.
pub(super) fn table_width(head: &[String], rows: &[Vec<String>]) -> usize {
    rows.iter().map(Vec::len).chain([head.len()]).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipped_text_never_takes_more_room_than_there_is() {
        for text in ["", "a", "append 7 records", "Größe→…", "\u{6d77}\u{5824}\u{6d77}\u{5824}"]
        {
            for room in 0..20 {
                assert!(columns(&clip(text, room)) <= room, "{text:?} in {room}");
                assert!(columns(&clip_start(text, room)) <= room, "{text:?} in {room}");
            }
        }
        assert_eq!(clip("append", 4), "app…");
        assert_eq!(clip_start("00000000000000000007.seg", 6), "…7.seg");
    }

    #[test]
    fn a_number_of_bytes_is_never_longer_than_four_characters() {
        let around = (0..64).flat_map(|bit| {
            let power = 1_u64 << bit;
            [power - 1, power, power + 1, power.saturating_mul(999), u64::MAX - power]
        });
        for bytes in around.chain(990..1100) {
            assert!(short_bytes(bytes).len() <= 4, "{bytes}: {}", short_bytes(bytes));
        }
        let shown = [0, 512, 999, 1000, 4096, 5632, 65_536, 1 << 30].map(short_bytes);
        assert_eq!(shown, ["0", "512", "999", "0.9K", "4K", "5.5K", "64K", "1G"]);
    }
}
