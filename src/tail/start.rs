//! Where to start: `beginning`, `end`, an offset, a time, or a time ago.

use std::str::FromStr;

use jiff::Timestamp;

use crate::clock::now_ms;

/// Where to start in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    Beginning,
    /// Behind the newest record that can be read committed.
    End,
    /// At this offset.
    Offset(i64),
    /// At the first record that is not older, milliseconds since the epoch.
    TimeMs(i64),
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beginning" => return Ok(Self::Beginning),
            "end" => return Ok(Self::End),
            _ => {}
        }
        if let Ok(offset) = text.parse() {
            return if offset < 0 { Err("an offset is 0 or more".into()) } else { Ok(Self::Offset(offset)) };
        }
        let help = |_| {
            "say beginning, end, an offset (with --partition), a time ago such as -15m, or a time such as \
             2026-01-31T12:00:00Z"
                .to_owned()
        };
        parse_time(text).map(Self::TimeMs).map_err(help)
    }
}

/// A time, milliseconds since the epoch: RFC 3339, or how long ago in seconds, minutes, hours, days or weeks (`90s`,
/// `15m`, `2h`, `3d`, `1w`, with or without a minus sign).
///
/// # Errors
/// What is allowed.
pub fn parse_time(text: &str) -> Result<i64, String> {
    match time_ago_ms(text) {
        Some(ago_ms) => Ok(now_ms().saturating_sub(ago_ms)),
        None => text
            .parse()
            .map(Timestamp::as_millisecond)
            .map_err(|_| "say a time ago such as 15m, 2h or 3d, or a time such as 2026-01-31T12:00:00Z".into()),
    }
}

fn time_ago_ms(text: &str) -> Option<i64> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, unit_ms) = [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)]
        .into_iter()
        .find_map(|(unit, unit_ms)| Some((text.strip_suffix(unit)?, unit_ms)))?;
    // No sign: `--5m` is nothing.
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_told_apart() {
        assert_eq!("beginning".parse(), Ok(Start::Beginning));
        assert_eq!("end".parse(), Ok(Start::End));
        assert_eq!("123".parse(), Ok(Start::Offset(123)));
        assert_eq!("2026-01-31T12:00:00+02:00".parse(), Ok(Start::TimeMs(1_769_853_600_000)));
        assert_eq!("1970-01-01T00:00:00.25Z".parse(), Ok(Start::TimeMs(250)));
        for wrong in
            ["", "-5", "--5m", "5", "m", "+5m", "yesterday", "5y", "99999999999999999d", "2026-13-01T00:00:00Z"]
        {
            assert_eq!(wrong.parse::<Start>().is_ok(), wrong == "5", "{wrong:?}");
        }
    }

    #[test]
    fn a_time_ago_counts_from_now() {
        for (text, ago_ms) in [("90s", 90_000), ("-15m", 900_000), ("2h", 7_200_000), ("3d", 259_200_000)] {
            let off_ms = now_ms() - ago_ms - parse_time(text).unwrap();
            assert!((0..10_000).contains(&off_ms), "{text}: {off_ms}");
        }
    }
}
