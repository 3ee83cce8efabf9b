//! When a registry wants to be asked again: `Retry-After`, or GHCR's words for it in the body.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::answer::Raw;

/// A body that asks for more than this does not mean us.
const MOST_BY_BODY: TimeDelta = TimeDelta::days(1);

/// The header, else a telling body of a 429 or 503, in lower case.
pub(super) fn read(raw: &Raw<'_>, body: &str) -> Option<DateTime<Utc>> {
    by_header(raw.headers, raw.at).or_else(|| match raw.status {
        429 | 503 => by_body(body, raw.at),
        _ => None,
    })
}

/// Seconds or an HTTP date; anything else, such as `485009h`, is none.
fn by_header(headers: &HeaderMap, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let delta = TimeDelta::try_seconds(text.parse().ok()?)?;
        return at.checked_add_signed(delta);
    }
    // IMF-fixdate, the one form that may be sent, is RFC 2822's with GMT
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some(date.with_timezone(&Utc))
}

/// `toomanyrequests: retry-after: 985.86us, allowed: 44000/minute` (falcosecurity/plugins#1069).
fn by_body(body: &str, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (_, rest) = body.split_once("retry-after:")?;
    let rest = rest.trim_start();
    let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | '"' | '}' | ';' | '\\');
    let duration = go_duration(rest.split(is_end).next()?)?;
    at.checked_add_signed(duration)
        .filter(|_| duration <= MOST_BY_BODY)
}

/// What Go's `time.Duration` prints, never negative here: `1h2m3.5s`, `985.86us`, `1.16ms`.
fn go_duration(text: &str) -> Option<TimeDelta> {
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let is_unit = |c: char| !(c.is_ascii_digit() || c == '.');
        let (number, after) = rest.split_at(rest.find(is_unit)?);
        let unit_ends = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(unit_ends.unwrap_or(after.len()));
        nanoseconds += number.parse::<f64>().ok()? * nanoseconds_of(unit)?;
        rest = after;
    }
    let seconds = nanoseconds / 1e9;
    // rounded up: to ask too early would be to disobey
    let milliseconds = (seconds * 1e3).ceil();
    (milliseconds <= MOST_BY_BODY.num_milliseconds() as f64 * 2.0)
        .then(|| TimeDelta::milliseconds(milliseconds as i64))
}

fn nanoseconds_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        // U+00B5 is what Go prints, U+03BC what it reads too
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }

    fn read_one(status: u16, header: Option<&str>, body: &str) -> Option<DateTime<Utc>> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(RETRY_AFTER, header.parse().unwrap());
        }
        let raw = Raw {
            status,
            headers: &headers,
            body: body.as_bytes(),
            at: at(),
        };
        read(&raw, body)
    }

    fn instant(text: Option<&str>) -> Option<DateTime<Utc>> {
        text.map(|text| text.parse().unwrap())
    }

    #[test]
    fn the_header_is_seconds_or_a_date() {
        let check = |text: &str, expected: Option<&str>| {
            let read = read_one(429, Some(text), "");
            assert_eq!(read, instant(expected), "{text}");
        };
        check("0", Some("2026-11-23T08:00:00Z"));
        check("120", Some("2026-11-23T08:02:00Z"));
        check(" 120 ", Some("2026-11-23T08:02:00Z"));
        check(
            "Mon, 23 Nov 2026 09:00:00 GMT",
            Some("2026-11-23T09:00:00Z"),
        );
        check("485009h", None);
        check("-5", None);
        check("1.5", None);
        check("", None);
        check("99999999999999999999", None);
        check("9223372036854775", None);
        check("soon", None);
    }

    #[test]
    fn the_body_is_read_where_the_header_tells_nothing() {
        let check = |body: &str, expected: Option<&str>| {
            assert_eq!(read_one(429, None, body), instant(expected), "{body}");
        };
        check(
            "toomanyrequests: retry-after: 985.86us, allowed: 44000/minute",
            Some("2026-11-23T08:00:00.001Z"),
        );
        check(
            r#"{"errors":[{"code":"toomanyrequests","message":"retry-after: 312.685µs, allowed: 44000/minute"}]}"#,
            Some("2026-11-23T08:00:00.001Z"),
        );
        check(
            "retry-after: 1.104056ms, allowed: 44000/minute",
            Some("2026-11-23T08:00:00.002Z"),
        );
        check("retry-after: 1s", Some("2026-11-23T08:00:01Z"));
        check("retry-after: 1m30s\"}", Some("2026-11-23T08:01:30Z"));
        check("retry-after:1h0m0.5s", Some("2026-11-23T09:00:00.500Z"));
        check("retry-after: 485009h", None);
        check("retry-after: 25h", None);
        check("retry-after: 99999999999999999999999999h", None);
        check("retry-after: 12", None);
        check("retry-after: s", None);
        check("retry-after: .s", None);
        check("retry-after: -1s", None);
        check("retry-after: soon", None);
        check("retry-after: 1y", None);
        check("retry-after:", None);
        check("try again later", None);
    }

    #[test]
    fn a_body_counts_only_where_the_registry_has_enough() {
        let body = "retry-after: 10s";
        let ten = instant(Some("2026-11-23T08:00:10Z"));
        assert_eq!(read_one(429, None, body), ten);
        assert_eq!(read_one(503, None, body), ten);
        assert_eq!(read_one(403, None, body), None);
        assert_eq!(read_one(200, None, body), None);
        let told = instant(Some("2026-11-23T08:01:00Z"));
        assert_eq!(read_one(429, Some("60"), body), told);
        assert_eq!(read_one(429, Some("485009h"), body), ten);
    }
}
