//! Picks the headers that tell of quotas, bounded, for `domain::rate_limit` to read.

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;

use crate::domain::rate_limit::{self, Payer, RateLimit, Sent};

/// A value that is longer tells nothing: the longest honest ones have a hundred bytes.
const MAX_VALUE_BYTES: usize = 512;

/// Headers of one name that are looked at.
const MOST_VALUES: usize = 8;

/// Quotas of an answer that came at `now`, to a request without a credential. `text` is its body in
/// lower case.
pub(super) fn read(status: u16, headers: &HeaderMap, text: &str, now: DateTime<Utc>) -> RateLimit {
    let of = |name| values(headers, name);
    let sent = Sent {
        fields: of("ratelimit"),
        policies: of("ratelimit-policy"),
        limit: of("ratelimit-limit"),
        remaining: of("ratelimit-remaining"),
        reset: of("ratelimit-reset"),
        x_limit: of("x-ratelimit-limit"),
        x_remaining: of("x-ratelimit-remaining"),
        x_reset: of("x-ratelimit-reset"),
        calls_per_second: of("x-ms-ratelimit-remaining-calls-per-second"),
        refusal: (status == 429).then_some(text),
    };
    RateLimit {
        quotas: rate_limit::read(&sent, now),
        payer: Payer::Address,
    }
}

/// Whose quota it is that an answer to a credential tells of.
pub(in crate::registry) fn payer(headers: &HeaderMap) -> Payer {
    let source = values(headers, "docker-ratelimit-source");
    source
        .first()
        .map_or(Payer::Login, |text| Payer::from_source(text))
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let all = headers.get_all(name).iter().take(MOST_VALUES);
    all.filter_map(|value| value.to_str().ok())
        .filter(|text| text.len() <= MAX_VALUE_BYTES)
        .collect()
}
