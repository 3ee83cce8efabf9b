//! Quotas as registries tell them: what a header says, and what is kept of it per account.
//!
//! A registry may send anything. Of its text only numbers get further than this file: the name of a
//! policy is read to tell which numbers belong together, and is never shown.

mod forms;
mod list;
mod news;
mod standing;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use forms::{Sent, read};
pub use news::news;
pub use standing::{QuotaStanding, Told};

/// Quotas of one answer that are looked at. Honest registries send one or two.
pub const MOST_QUOTAS: usize = 8;

/// A window longer than this is nonsense: no quota that we know of is counted over more than a month.
const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 86_400);

/// What one answer told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// Each policy once, at most [`MOST_QUOTAS`].
    pub quotas: Vec<Quota>,
    /// Whose quota it is.
    pub payer: Payer,
}

/// One quota: so many requests within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests allowed within the window.
    pub limit: Option<u64>,
    /// Of these, still left.
    pub remaining: Option<u64>,
    /// The window.
    pub window: Option<Duration>,
    /// From the answer until the quota is fresh again.
    pub resets_after: Option<Duration>,
}

/// Who is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payer {
    /// Our own address: the request carried no credential, or the registry says that it counts by
    /// address all the same.
    #[default]
    Address,
    /// The account that was logged in with.
    Login,
}

impl Payer {
    /// From `docker-ratelimit-source`, the address or the UUID that Docker Hub counted. What it is
    /// goes no further: it is somebody's address, or names a user.
    pub fn from_source(text: &str) -> Self {
        let host = text.trim().split('/').next().unwrap_or_default();
        match host.parse::<IpAddr>() {
            Ok(_) => Self::Address,
            Err(_) => Self::Login,
        }
    }
}

impl Quota {
    /// The label of its policy.
    pub fn policy(&self) -> QuotaPolicy {
        QuotaPolicy::of(self.window)
    }

    /// It has a number: where only a `Retry-After` came, there is none.
    pub fn is_told(&self) -> bool {
        self.limit.is_some() || self.remaining.is_some()
    }

    /// The part that is left, in parts of a million; untold comes last.
    fn share_left(&self) -> u128 {
        match (self.remaining, self.limit) {
            (Some(remaining), Some(limit)) if limit > 0 => {
                u128::from(remaining) * 1_000_000 / u128::from(limit)
            }
            (Some(0), _) => 0,
            (Some(_), _) => u128::MAX - 1,
            (None, _) => u128::MAX,
        }
    }
}

/// The `policy` label: a window of a closed list. A registry chooses neither its text nor how many
/// there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuotaPolicy(usize);

/// Windows that have a name of their own, in seconds.
const WINDOWS: [(u64, &str); 14] = [
    (1, "1s"),
    (10, "10s"),
    (60, "1m"),
    (300, "5m"),
    (600, "10m"),
    (900, "15m"),
    (1800, "30m"),
    (3600, "1h"),
    (3 * 3600, "3h"),
    (6 * 3600, "6h"),
    (12 * 3600, "12h"),
    (86_400, "1d"),
    (7 * 86_400, "7d"),
    (30 * 86_400, "30d"),
];

impl QuotaPolicy {
    /// A window that is not in the list; `regcred_ratelimit_window_seconds` tells it.
    pub const OTHER: Self = Self(WINDOWS.len());
    /// No window was told.
    pub const UNKNOWN: Self = Self(WINDOWS.len() + 1);

    /// Every policy.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..WINDOWS.len() + 2).map(Self)
    }

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match WINDOWS.get(self.0) {
            Some((_, label)) => label,
            None if self == Self::OTHER => "other",
            None => "unknown",
        }
    }

    fn of(window: Option<Duration>) -> Self {
        let Some(window) = window else {
            return Self::UNKNOWN;
        };
        let place = |(seconds, _): &(u64, _)| Duration::from_secs(*seconds) == window;
        WINDOWS.iter().position(place).map_or(Self::OTHER, Self)
    }
}

/// What one conversation told of one payer, all of its answers taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaNews {
    /// Whose quota it is.
    pub payer: Payer,
    /// Each policy once.
    pub quotas: Vec<Quota>,
    /// The last answer was a 429 that is no lockout.
    pub limited: Option<Limited>,
    /// Nothing but a ping was answered: it is no pull, and no quota's business.
    pub only_ping: bool,
}

impl QuotaNews {
    /// The payer's own quota is used up: nobody else has to wait for that.
    pub fn is_used_up(&self) -> bool {
        let is_told = self.quotas.iter().any(|quota| quota.remaining == Some(0));
        self.limited
            .is_some_and(|limited| limited.names_quota || is_told)
    }
}

/// The registry has had enough of a payer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limited {
    /// It says that a quota is used up. Any other 429 says only that we were fast.
    pub names_quota: bool,
    /// `Retry-After`, as it was sent.
    pub retry_after: Option<DateTime<Utc>>,
}

/// Each policy once: of two with one label the tighter one, since it is what stops a pull.
fn distinct(mut quotas: Vec<Quota>) -> Vec<Quota> {
    quotas.retain(Quota::is_told);
    quotas.sort_by_key(|quota| (quota.policy(), quota.share_left()));
    quotas.dedup_by_key(|quota| quota.policy());
    quotas.truncate(MOST_QUOTAS);
    quotas
}
