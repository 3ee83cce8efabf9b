//! Durations as Prometheus writes them: `30s`, `15m`, `1h30m`, `1d`.

use std::time::Duration;

/// Milliseconds of each unit, largest first.
const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Numbers with units, the larger unit first, each at most once; as Prometheus reads them.
pub(super) fn parse(text: &str) -> Result<Duration, &'static str> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = &UNITS[..];
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, tail) = split(rest, |byte| byte.is_ascii_digit());
        let (unit, tail) = split(tail, |byte| byte.is_ascii_alphabetic());
        let count: u64 = number.parse().map_err(|_| NO_DURATION)?;
        let index = units.iter().position(|(name, _)| *name == unit);
        let index = index.ok_or(if unit.is_empty() {
            NO_UNIT
        } else {
            NO_DURATION
        })?;
        let part = count.checked_mul(units[index].1).ok_or(TOO_LONG)?;
        total = total.checked_add(part).ok_or(TOO_LONG)?;
        units = &units[index + 1..];
        rest = tail;
    }
    if text.is_empty() {
        return Err(NO_DURATION);
    }
    Ok(Duration::from_millis(total))
}

/// The shortest text that [`parse`] reads as this duration; what is below a millisecond is left out.
pub(super) fn format(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    // Weeks are read and not written: `14d` says more than `2w`.
    for (unit, size) in &UNITS[1..] {
        if left >= *size {
            text.push_str(&format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

const NO_DURATION: &str = "is no duration such as 30s, 15m or 1h30m";
const NO_UNIT: &str = "has no unit; 30s, 15m and 1h30m are durations";
const TOO_LONG: &str = "is too long a duration";

fn split(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !belongs(byte));
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, seconds, written) in [
            ("30s", 30, "30s"),
            ("15m", 900, "15m"),
            ("1h30m", 5_400, "1h30m"),
            ("90m", 5_400, "1h30m"),
            ("1d", 86_400, "1d"),
            ("2w", 14 * 86_400, "14d"),
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("1000ms", 1, "1s"),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_secs(seconds), "{text}");
            assert_eq!(format(duration), written, "{text}");
            assert_eq!(parse(written), Ok(duration), "{written}");
        }
        assert_eq!(format(Duration::from_millis(1_500)), "1s500ms");
    }

    #[test]
    fn others_are_refused() {
        for (text, problem) in [
            ("", NO_DURATION),
            ("s", NO_DURATION),
            ("5", NO_UNIT),
            ("1h30", NO_UNIT),
            ("5x", NO_DURATION),
            ("-5s", NO_DURATION),
            ("1.5h", NO_UNIT),
            ("5 s", NO_UNIT),
            ("30m1h", NO_DURATION),
            ("1s1s", NO_DURATION),
            ("5\u{e4}", NO_UNIT),
            ("99999999999999999999s", NO_DURATION),
            ("9999999999999999w", TOO_LONG),
        ] {
            assert_eq!(parse(text), Err(problem), "{text}");
        }
    }
}
