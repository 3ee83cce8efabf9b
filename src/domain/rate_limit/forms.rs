//! The forms in which quotas are sent.
//!
//! Docker Hub (`ratelimit-limit: 100;w=21600`, docs.docker.com/docker-hub/usage/pulls), the IETF's
//! fields in their drafts (draft-ietf-httpapi-ratelimit-headers: 03 `RateLimit-Limit: 10, 10;w=1`,
//! 07 `RateLimit: limit=10, remaining=5, reset=1`, 10 `RateLimit: "burst";r=5;t=1`), GitLab's and
//! GitHub's (`RateLimit-Reset` or `X-RateLimit-Reset` as a Unix time), ACR's
//! `x-ms-ratelimit-remaining-calls-per-second`, and GHCR's sentence in the body of a 429. The first
//! of these that tells anything is read. A number that is none makes its quota untold, never 0.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::list::{Item, items, number};
use super::{LONGEST_WINDOW, Quota, distinct};

/// Later than this a reset is a Unix time, and no count of seconds.
const EARLIEST_UNIX_TIME: u64 = 1_000_000_000;

/// What was sent, by name; several headers of one name in their order.
#[derive(Clone, Debug, Default)]
pub struct Sent<'a> {
    /// `RateLimit`.
    pub fields: Vec<&'a str>,
    /// `RateLimit-Policy`.
    pub policies: Vec<&'a str>,
    /// `RateLimit-Limit`, which Docker Hub writes in lower case.
    pub limit: Vec<&'a str>,
    /// `RateLimit-Remaining`.
    pub remaining: Vec<&'a str>,
    /// `RateLimit-Reset`.
    pub reset: Vec<&'a str>,
    /// `X-RateLimit-Limit`.
    pub x_limit: Vec<&'a str>,
    /// `X-RateLimit-Remaining`.
    pub x_remaining: Vec<&'a str>,
    /// `X-RateLimit-Reset`.
    pub x_reset: Vec<&'a str>,
    /// `x-ms-ratelimit-remaining-calls-per-second`.
    pub calls_per_second: Vec<&'a str>,
    /// The body of a 429, in lower case.
    pub refusal: Option<&'a str>,
}

/// The quotas of one answer that came at `now`, each policy once.
pub fn read(sent: &Sent<'_>, now: DateTime<Utc>) -> Vec<Quota> {
    let forms: [&dyn Fn() -> Vec<Quota>; 5] = [
        &|| named(&sent.fields, &sent.policies),
        &|| combined(&sent.fields, &sent.policies, now),
        &|| {
            let (limit, remaining, reset) = (&sent.limit, &sent.remaining, &sent.reset);
            listed(limit, &sent.policies, remaining, reset, now)
        },
        &|| listed(&sent.x_limit, &[], &sent.x_remaining, &sent.x_reset, now),
        &|| calls_per_second(&sent.calls_per_second),
    ];
    let mut told = forms.iter().map(|form| distinct(form()));
    let told = told.find(|quotas| !quotas.is_empty());
    told.or_else(|| Some(vec![in_words(sent.refusal?)?]))
        .unwrap_or_default()
}

/// `RateLimit: "burst";r=5;t=1` with `RateLimit-Policy: "burst";q=10;w=1`, joined by name.
fn named(fields: &[&str], policies: &[&str]) -> Vec<Quota> {
    let is_named = |item: &Item<'_>| item.value.starts_with('"');
    let policies: Vec<_> = items(policies).into_iter().filter(is_named).collect();
    let mut quotas: Vec<(&str, Quota)> = policies
        .iter()
        .filter_map(|item| Some((item.value, of_policy(item)?)))
        .collect();
    for item in items(fields).into_iter().filter(is_named) {
        let known = quotas.iter().position(|(name, _)| *name == item.value);
        let is_policy = policies.iter().any(|policy| policy.value == item.value);
        let place = match known {
            Some(place) => place,
            // Its policy is nonsense, or counts something else.
            None if is_policy => continue,
            None => {
                quotas.push((item.value, Quota::default()));
                quotas.len() - 1
            }
        };
        let quota = &mut quotas[place].1;
        quota.remaining = item.number("r");
        quota.resets_after = item.number("t").and_then(within_reason);
    }
    quotas.into_iter().map(|(_, quota)| quota).collect()
}

/// `"burst";q=10;w=1`. A policy of bytes or of connections says nothing of pulls.
fn of_policy(item: &Item<'_>) -> Option<Quota> {
    let unit = item.parameter("qu").unwrap_or_default().trim_matches('"');
    let counts_requests = matches!(unit, "" | "requests");
    windowed(item, |item| item.number("q"), limited).filter(|_| counts_requests)
}

/// `RateLimit-Limit: 10, 10;w=1, 50;w=60` with `RateLimit-Remaining: 5` and `RateLimit-Reset: 1`, or
/// the windows in `RateLimit-Policy`, or with the remaining ones as `5;w=1, 40;w=60`.
fn listed(
    limits: &[&str],
    policies: &[&str],
    remaining: &[&str],
    reset: &[&str],
    now: DateTime<Utc>,
) -> Vec<Quota> {
    let limits = [items(limits), items(policies)].concat();
    let limits = limits
        .iter()
        .filter_map(|item| windowed(item, plain, limited));
    let mut quotas = in_force_first(limits.collect());
    for item in items(remaining) {
        if let Some(told) = windowed(&item, plain, left) {
            take_remaining(&mut quotas, told);
        }
    }
    if let Some(first) = quotas.first_mut() {
        let reset = items(reset);
        first.resets_after = reset.first().and_then(|item| reset_of(item.value, now));
    }
    quotas
}

/// The first limit is the one in force; where it comes again with its window, that is what it means.
fn in_force_first(mut limits: Vec<Quota>) -> Vec<Quota> {
    if let [first, rest @ ..] = &*limits
        && first.window.is_none()
        && let Some(place) = rest.iter().position(|quota| quota.limit == first.limit)
    {
        let with_window = limits.remove(place + 1);
        limits[0] = with_window;
    }
    limits
}

/// What is left belongs to the limit of its window, without one to the limit in force.
fn take_remaining(quotas: &mut Vec<Quota>, told: Quota) {
    let is_meant = |quota: &&mut Quota| told.window.is_none() || quota.window == told.window;
    match quotas.iter_mut().find(is_meant) {
        Some(quota) => quota.remaining = quota.remaining.or(told.remaining),
        None => quotas.push(told),
    }
}

/// `RateLimit: limit=10, remaining=5, reset=1`.
fn combined(fields: &[&str], policies: &[&str], now: DateTime<Utc>) -> Vec<Quota> {
    let items = items(fields);
    let value_of = |name: &str| -> Vec<&str> {
        let pairs = items.iter().filter_map(|item| item.value.split_once('='));
        let wanted = pairs.filter(|(key, _)| key.trim() == name);
        wanted.map(|(_, value)| value.trim()).collect()
    };
    let (limit, remaining) = (value_of("limit"), value_of("remaining"));
    if limit.is_empty() && remaining.is_empty() {
        return Vec::new();
    }
    listed(&limit, policies, &remaining, &value_of("reset"), now)
}

/// `166.6`: of calls, only whole ones can be made.
fn calls_per_second(values: &[&str]) -> Vec<Quota> {
    let whole = |text: &&str| {
        let text = text.trim();
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_decimal = part.bytes().all(|byte| byte.is_ascii_digit());
        number(whole).filter(|_| is_decimal)
    };
    let remaining = values.first().and_then(whole);
    vec![Quota {
        remaining,
        window: Some(Duration::from_secs(1)),
        ..Quota::default()
    }]
}

/// GHCR's `toomanyrequests: retry-after: 985.86us, allowed: 44000/minute`.
fn in_words(text: &str) -> Option<Quota> {
    let (_, said) = text.split_once("toomanyrequests")?;
    let (_, allowed) = said.split_once("allowed: ")?;
    let (count, per) = allowed.split_once('/')?;
    let unit = per.split(|c: char| !c.is_ascii_lowercase()).next()?;
    let window = match unit {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return None,
    };
    Some(Quota {
        limit: Some(number(count).filter(|limit| *limit > 0)?),
        remaining: Some(0),
        window: Some(Duration::from_secs(window)),
        resets_after: None,
    })
}

/// Seconds, or a Unix time.
fn reset_of(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let told = number(text)?;
    let seconds = match told {
        EARLIEST_UNIX_TIME.. => told.checked_sub(u64::try_from(now.timestamp()).ok()?)?,
        seconds => seconds,
    };
    within_reason(seconds)
}

fn within_reason(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds)).filter(|time| *time <= LONGEST_WINDOW)
}

/// A limit of 0 is how some say that there is none.
fn limited(limit: u64) -> Option<Quota> {
    (limit > 0).then(|| Quota {
        limit: Some(limit),
        ..Quota::default()
    })
}

fn left(remaining: u64) -> Option<Quota> {
    Some(Quota {
        remaining: Some(remaining),
        ..Quota::default()
    })
}

fn window_of(text: &str) -> Option<Duration> {
    within_reason(number(text)?).filter(|window| !window.is_zero())
}

/// What `count` finds in an item, with the window of its parameter `w`; none if either is nonsense.
fn windowed(
    item: &Item<'_>,
    count: impl Fn(&Item<'_>) -> Option<u64>,
    of: impl Fn(u64) -> Option<Quota>,
) -> Option<Quota> {
    let told = of(count(item)?)?;
    let window = match item.parameter("w") {
        None => None,
        Some(text) => Some(window_of(text)?),
    };
    Some(Quota { window, ..told })
}

fn plain(item: &Item<'_>) -> Option<u64> {
    number(item.value)
}
