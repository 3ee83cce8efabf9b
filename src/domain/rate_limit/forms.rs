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

use super::{LONGEST_WINDOW, MOST_QUOTAS, Quota, distinct};

/// Every number that a double holds exactly has fewer digits.
const MOST_DIGITS: usize = 15;

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
    let (fields, policies) = (items(fields), items(policies));
    let is_named = |item: &&Item<'_>| item.value.starts_with('"');
    let mut quotas: Vec<(&str, Quota)> = Vec::new();
    for item in policies.iter().filter(is_named) {
        // Quotas of bytes or of connections say nothing of pulls.
        let counts_requests = item.parameter("qu").is_none_or(|unit| {
            let unit = unit.trim_matches('"');
            unit.is_empty() || unit == "requests"
        });
        if let Some(quota) = item.windowed("w", |item| item.number("q"), limited)
            && counts_requests
        {
            quotas.push((item.value, quota));
        }
    }
    for item in fields.iter().filter(is_named) {
        let policy = policies.iter().find(|policy| policy.value == item.value);
        let known = quotas.iter().position(|(name, _)| *name == item.value);
        let place = match (policy, known) {
            // Its policy is nonsense, or counts something else.
            (Some(_), None) => continue,
            (_, Some(place)) => place,
            (None, None) => {
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
    let remaining = items(remaining);
    let mut quotas: Vec<Quota> = limits.iter().filter_map(Item::limit).collect();
    // The first is the one that will be reached first; where it comes again with its window, that
    // is what it means.
    if let [first, rest @ ..] = &*quotas
        && first.window.is_none()
        && let Some(place) = rest.iter().position(|quota| quota.limit == first.limit)
    {
        let first = quotas.remove(place + 1);
        quotas[0] = first;
    }
    for item in &remaining {
        let Some(told) = item.windowed("w", |item| number(item.value), left) else {
            continue;
        };
        let same_window = |quota: &Quota| told.window.is_none() || quota.window == told.window;
        match quotas.iter_mut().find(|quota| same_window(quota)) {
            Some(quota) => quota.remaining = quota.remaining.or(told.remaining),
            None => quotas.push(told),
        }
    }
    let reset = items(reset);
    if let [first, ..] = &mut *quotas {
        first.resets_after = reset.first().and_then(|item| reset_of(item.value, now));
    }
    quotas
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

/// An item of a list (RFC 9651) with its parameters; `100;w=60` and `"burst";q=100;w=60`.
#[derive(Clone, Debug)]
struct Item<'a> {
    value: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Item<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = split(text, ';');
        let value = parts.next().unwrap_or_default();
        let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
        Self {
            value,
            parameters: pairs
                .map(|(name, value)| (name.trim(), value.trim()))
                .collect(),
        }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut named = self.parameters.iter().filter(|(known, _)| *known == name);
        named.next().map(|(_, value)| *value)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.parameter(name).and_then(number)
    }

    fn limit(&self) -> Option<Quota> {
        self.windowed("w", |item| number(item.value), limited)
    }

    /// What `count` finds with the window of this parameter; none if either is nonsense.
    fn windowed(
        &self,
        window: &str,
        count: impl Fn(&Self) -> Option<u64>,
        of: impl Fn(u64) -> Option<Quota>,
    ) -> Option<Quota> {
        let told = of(count(self)?)?;
        let window = match self.parameter(window) {
            None => None,
            Some(text) => Some(window_of(text)?),
        };
        Some(Quota { window, ..told })
    }
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

/// Digits and nothing else: neither sign nor unit, part or exponent.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(is_digit);
    is_number.then(|| text.parse().ok()).flatten()
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// The items of all headers of one name; of a list that is longer than any honest one, none.
fn items<'a>(values: &[&'a str]) -> Vec<Item<'a>> {
    let all = values.iter().flat_map(|value| split(value, ','));
    let items: Vec<_> = all
        .filter(|text| !text.is_empty())
        .take(MOST_QUOTAS + 1)
        .map(Item::parse)
        .collect();
    if items.len() > MOST_QUOTAS {
        return Vec::new();
    }
    items
}

/// Parts between separators that stand in no quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    let parts = text.split(move |c: char| {
        let is_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !is_escaped => escaped = true,
            '"' if !is_escaped => quoted = !quoted,
            _ => {}
        }
        c == separator && !quoted
    });
    parts.map(str::trim)
}
