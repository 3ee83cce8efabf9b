//! Instants as tools write them: RFC 3339, a day, Unix seconds or milliseconds.
//!
//! What lies before 1970 or after 9999 is no date of a credential and is not read as one: RFC 3339
//! cannot spell it, and such values are units confused or sentinels for "none".

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::{Number, Value};

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

/// More than this is milliseconds: as seconds it would be the year 5138, as milliseconds 1973.
const MILLISECONDS_FROM: f64 = 1e11;

/// The longest value that is looked at: RFC 3339 with nanoseconds and an offset has 35 bytes.
const LONGEST: usize = 64;

/// A declared value: RFC 3339, `YYYY-MM-DD` (its first instant in UTC, as GitLab ends tokens), Unix
/// seconds or milliseconds.
pub(super) fn declared(value: &str) -> Option<DateTime<Utc>> {
    let value = value.trim();
    if value.len() > LONGEST {
        return None;
    }
    let rfc3339 = || {
        DateTime::parse_from_rfc3339(value)
            .ok()
            .map(|date| date.to_utc())
    };
    let day = || {
        let day = NaiveDate::parse_from_str(value, "%Y-%m-%d").ok()?;
        Some(day.and_time(NaiveTime::MIN).and_utc())
    };
    text(value)
        .or_else(rfc3339)
        .or_else(day)
        .filter(|date| (1..=LAST_SECOND).contains(&date.timestamp()))
}

/// Unix seconds, or milliseconds where the number is too large for seconds; as number or as text.
pub(super) fn seconds_or_milliseconds(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Number(number) => scaled(number.as_f64()?),
        Value::String(value) => text(value.trim()),
        _ => None,
    }
}

/// A NumericDate (RFC 7519 section 2): seconds, possibly with a fraction.
pub(super) fn numeric_date(number: &Number) -> Option<DateTime<Utc>> {
    unix(number.as_f64()?)
}

/// Unix seconds as decimal text.
pub(super) fn seconds(text: &str) -> Option<DateTime<Utc>> {
    is_decimal(text).then(|| text.parse().ok().and_then(unix))?
}

fn text(value: &str) -> Option<DateTime<Utc>> {
    is_decimal(value).then(|| value.parse().ok().and_then(scaled))?
}

/// Digits, and at most a fraction: neither `inf` nor `1e9`, which Rust reads as numbers too.
fn is_decimal(value: &str) -> bool {
    value.len() <= LONGEST
        && value.starts_with(|first: char| first.is_ascii_digit())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn scaled(number: f64) -> Option<DateTime<Utc>> {
    unix(if number > MILLISECONDS_FROM {
        number / 1000.0
    } else {
        number
    })
}

/// A fraction of a second is dropped: no one acts on it, and floats would invent nanoseconds.
fn unix(seconds: f64) -> Option<DateTime<Utc>> {
    // `as` saturates, and NaN becomes 0: both fall outside of the range.
    let seconds = seconds as i64;
    (1..=LAST_SECOND)
        .contains(&seconds)
        .then(|| DateTime::from_timestamp(seconds, 0))?
}
