//! Numbers of bytes, as people write them.

/// Units, the longer of two that end alike first: of 1,024 as `KiB` or `K`, of 1,000 as `KB`, the
/// way `head` and `truncate` have them.
const UNITS: [(&str, u64); 13] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
    ("B", 1),
];

/// Reads `4096`, `64MiB`, `10G` or `5GB`.
///
/// # Errors
/// A sentence about what is wrong.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find_map(|(unit, len)| Some((text.strip_suffix(unit)?, *len)));
    let (number, unit_len) = unit.unwrap_or((text, 1));
    let number = number.trim().parse::<u64>();
    let number = number.map_err(|_| "it must be a whole number, as in 4096, 64MiB or 10G")?;
    number.checked_mul(unit_len).ok_or_else(|| "that is more than any disk holds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_anything_else_is_refused() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("7B", 7),
            ("1K", 1024),
            ("1KiB", 1024),
            ("1KB", 1000),
            ("64 MiB", 64 << 20),
            ("10G", 10 << 30),
            ("5GB", 5_000_000_000),
            ("2T", 2 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "G", "-1", "1.5G", "1k", "1 KiBB", "99999999999T", "0x10"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
