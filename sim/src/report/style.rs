//! The colours of a page in both schemes, and its style sheet.
//!
//! Responsible for everything being readable by anyone: the colours are a table, so that a test
//! can measure them. Knows nothing of what is shown in them.

use std::fmt;

/// A colour: its variable, and its value on a light and on a dark screen.
pub(super) struct Colour {
    pub(super) name: &'static str,
    pub(super) light: &'static str,
    pub(super) dark: &'static str,
}

const fn colour(name: &'static str, light: &'static str, dark: &'static str) -> Colour {
    Colour { name, light, dark }
}

/// What others stand on. `op` is the inside of a client's bar.
pub(super) const GROUNDS: [Colour; 4] = [
    colour("ground", "#ffffff", "#14171b"),
    colour("panel", "#f5f6f8", "#1c2127"),
    colour("stripe", "#eceff3", "#232931"),
    colour("op", "#dbe6f7", "#2a3a54"),
];

/// What is written or drawn on them and has to be told from them.
pub(super) const INKS: [Colour; 9] = [
    colour("ink", "#1a1d21", "#e8eaed"),
    colour("dim", "#4d545d", "#b3bac4"),
    colour("read", "#565d66", "#a9b1bb"),
    colour("write", "#1a57b0", "#86b7ff"),
    colour("sync", "#0d6631", "#63d297"),
    colour("name", "#7236a8", "#cda8ff"),
    colour("alarm", "#a9201a", "#ff978e"),
    colour("kept", "#0a624e", "#5fd3b0"),
    colour("torn", "#7a4f00", "#f2b84b"),
];

/// Lines that only divide.
const LINES: [Colour; 1] = [colour("line", "#cfd4db", "#3a424d")];

const RULES: &str = include_str!("style.css");

/// The style sheet.
pub(super) struct Style;

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || GROUNDS.iter().chain(&INKS).chain(&LINES);
        f.write_str(":root{color-scheme:light dark")?;
        all().try_for_each(|colour| write!(f, ";--{}:{}", colour.name, colour.light))?;
        f.write_str("}\n@media (prefers-color-scheme:dark){:root{color-scheme:dark")?;
        all().try_for_each(|colour| write!(f, ";--{}:{}", colour.name, colour.dark))?;
        write!(f, "}}}}\n{RULES}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As WCAG 2 defines it: from 1 to 21.
    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn luminance(hex: &str) -> f64 {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    #[test]
    fn every_ink_is_readable_on_every_ground_in_both_schemes() {
        for ink in &INKS {
            for ground in &GROUNDS {
                for (on, under) in [(ink.light, ground.light), (ink.dark, ground.dark)] {
                    let ratio = contrast(on, under);
                    assert!(ratio >= 4.5, "{} on {}: {ratio:.2}", ink.name, ground.name);
                }
            }
        }
    }

    #[test]
    fn every_colour_that_is_used_exists() {
        let sheet = Style.to_string();
        for used in sheet.split("var(--").skip(1) {
            let name = used.split(')').next().unwrap();
            assert!(sheet.contains(&format!("--{name}:")), "{name}");
        }
    }

    #[test]
    fn no_text_is_smaller_than_eleven_pixels() {
        for size in RULES.split("font-size:").skip(1) {
            let size = size.split(['p', ';', '}']).next().unwrap();
            assert!(size.parse::<f64>().unwrap() >= 11.0, "{size}");
        }
    }
}
