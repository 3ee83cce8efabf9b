//! Quotas of registries, by account.

use std::fmt;

use super::series::{Family, Label, Page, family, seconds};
use crate::domain::rows::QuotaRow;

pub(super) const LIMIT: Family = family(
    "ratelimit_requests_limit",
    "Requests that the registry allows the account within the window; absent when it tells none, as for plans without a limit",
);
const REMAINING: Family = family(
    "ratelimit_requests_remaining",
    "Requests that the account has left in the window; anonymous is the address of the exporter, not that of a node",
);
const WINDOW: Family = family(
    "ratelimit_window_seconds",
    "Length of the quota's window; absent when the registry tells none",
);
const OBSERVED: Family = family(
    "ratelimit_observed_timestamp_seconds",
    "Unix time at which the registry told of the quota; all of it is gone one window later",
);
const RETRY_AFTER: Family = family(
    "ratelimit_retry_after_timestamp_seconds",
    "Unix time before which the registry does not want to be asked again, an hour after its 429 at most",
);

/// What is told by registry, account and policy.
pub(super) fn quotas(page: &mut Page<'_>, rows: &[&QuotaRow]) -> fmt::Result {
    let told = rows.iter().map(|row| (labels(row), row.told));
    let limits = told
        .clone()
        .filter_map(|(labels, told)| Some((labels, told.quota.limit?)));
    page.gauges(LIMIT, limits)?;
    let remaining = told
        .clone()
        .filter_map(|(labels, told)| Some((labels, told.quota.remaining?)));
    page.gauges(REMAINING, remaining)?;
    let windows = told
        .clone()
        .filter_map(|(labels, told)| Some((labels, told.quota.window?.as_secs())));
    page.gauges(WINDOW, windows)?;
    let observed = told
        .clone()
        .filter(|(_, told)| told.quota.is_told())
        .map(|(labels, told)| (labels, seconds(told.observed)));
    page.gauges(OBSERVED, observed)?;
    let retry_after = told.filter_map(|(labels, told)| Some((labels, seconds(told.retry_after?))));
    page.gauges(RETRY_AFTER, retry_after)
}

fn labels(row: &QuotaRow) -> [Label<'_>; 3] {
    [
        ("registry", row.registry.as_str()),
        ("account", &row.account),
        ("policy", row.policy.as_str()),
    ]
}
