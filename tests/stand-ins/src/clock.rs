//! The wall clock, for creation timestamps and issue dates; timers are `tokio::time`.

use chrono::{DateTime, SecondsFormat, Utc};

/// The only place of this crate that reads the wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a stand-in dates its objects as a real server does; nothing is judged by it"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// `instant` as Kubernetes and registries write it: `2026-11-23T07:00:00Z`.
pub(crate) fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
