use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error};

/// Length and step of a window: `1h` tumbles, `24h/1h` slides by an hour. Windows start at multiples of the step since
/// the epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Length, milliseconds.
    pub size_ms: i64,
    /// From one start to the next, milliseconds.
    pub slide_ms: i64,
}

/// Units of a duration, the largest first.
const UNITS: [(&str, i64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

fn duration_ms(text: &str) -> Option<i64> {
    let (number, unit_ms) = UNITS.iter().find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, ms)))?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(*unit_ms).filter(|ms| (1..=31 * 86_400_000).contains(ms))
}

impl WindowSize {
    /// The longest panes that these windows can be put together from, milliseconds.
    pub fn pane_ms(windows: &[Self]) -> i64 {
        windows.iter().map(|window| window.slide_ms).fold(0, gcd).max(1)
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl FromStr for WindowSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let help = "give a length such as 1h, or length and step such as 24h/1h, of s, m, h and d, at most 31d";
        let (size, slide) = text.split_once('/').unwrap_or((text, text));
        let (size_ms, slide_ms) = (duration_ms(size).ok_or(help)?, duration_ms(slide).ok_or(help)?);
        if size_ms % slide_ms != 0 {
            return Err("the length must be a multiple of the step");
        }
        Ok(Self { size_ms, slide_ms })
    }
}

impl fmt::Display for WindowSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |ms: i64| {
            // A day is written as hours, as people say it of windows.
            let (unit, unit_ms) = UNITS[1..].iter().find(|(_, unit_ms)| ms % unit_ms == 0).unwrap_or(&("s", 1_000));
            format!("{}{unit}", ms / unit_ms)
        };
        match self.size_ms == self.slide_ms {
            true => f.write_str(&part(self.size_ms)),
            false => write!(f, "{}/{}", part(self.size_ms), part(self.slide_ms)),
        }
    }
}

impl<'de> Deserialize<'de> for WindowSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_tumble_or_slide() {
        let window = |text: &str| text.parse::<WindowSize>().map(|window| (window.size_ms, window.slide_ms));
        assert_eq!(window("1h"), Ok((3_600_000, 3_600_000)));
        assert_eq!(window("24h/15m"), Ok((86_400_000, 900_000)));
        for wrong in ["", "h", "0h", "1h/7m", "-1h", "+1h", "1 h", "32d", "1h/", "/1h", "9999999999999999d"] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
        for name in ["1h", "24h/15m", "90s", "24h"] {
            assert_eq!(name.parse::<WindowSize>().unwrap().to_string(), name);
        }
        assert_eq!("1d".parse::<WindowSize>().unwrap().to_string(), "24h");
    }
}
