//! `--sync`: how durable a record is before it counts.

use seawall::Durability;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How durable a record is before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// On stable storage.
    Always,
    /// Handed to the kernel; one sync at the end.
    Os,
    /// Handed to the kernel; on stable storage within this time.
    Interval(Duration),
}

impl Level {
    /// At what level the log is opened. Groups of records are raised beyond it as a whole, so
    /// that what waits on the pipe costs one write, or one sync.
    pub(crate) const fn of_log(self) -> Durability {
        match self {
            Self::Always | Self::Os => Durability::Buffered,
            Self::Interval(interval) => Durability::Interval(interval),
        }
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "always" => Ok(Self::Always),
            "os" => Ok(Self::Os),
            _ => {
                let interval = text.strip_prefix("interval=").and_then(duration);
                let forms = "`always`, `os` or `interval=5ms` (units: us, ms, s)";
                interval.map(Self::Interval).ok_or_else(|| format!("it must be {forms}"))
            }
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Os => f.write_str("os"),
            Self::Interval(interval) => write!(f, "interval={interval:?}"),
        }
    }
}

/// Reads `5ms` and the like.
fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(unit_at)?;
    let count: u64 = count.parse().ok()?;
    match unit {
        "us" => Some(Duration::from_micros(count)),
        "ms" => Some(Duration::from_millis(count)),
        "s" => Some(Duration::from_secs(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_anything_else_is_refused() {
        let five = Duration::from_millis(5);
        assert_eq!("always".parse(), Ok(Level::Always));
        assert_eq!("os".parse(), Ok(Level::Os));
        assert_eq!("interval=5ms".parse(), Ok(Level::Interval(five)));
        assert_eq!("interval=5000us".parse(), Ok(Level::Interval(five)));
        for text in ["", "never", "interval", "interval=", "interval=5", "interval=ms", "5ms"] {
            assert!(text.parse::<Level>().is_err(), "{text}");
        }
        assert!("interval=99999999999999999999s".parse::<Level>().is_err());
    }
}
