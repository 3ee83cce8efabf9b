//! Until when the certificates of registries and of their token endpoints are good.

use std::fmt;

use chrono::{DateTime, Utc};

use super::series::{Family, Page, family, seconds};
use crate::domain::certificate::Validity;
use crate::domain::rows::RegistryRow;

const NOT_AFTER: Family = family(
    "registry_certificate_not_after_timestamp_seconds",
    "Unix time until which the host's certificate is good: the earliest end in the chain that verified, the host's own when none did",
);
const NOT_BEFORE: Family = family(
    "registry_certificate_not_before_timestamp_seconds",
    "Unix time from which the host's certificate is good: the latest beginning in the chain that verified, the host's own when none did",
);

/// Both dates of each host.
pub(super) fn certificates(page: &mut Page<'_>, rows: &[&RegistryRow]) -> fmt::Result {
    let mut dates = |family, date: fn(&Validity) -> DateTime<Utc>| {
        page.gauges(
            family,
            rows.iter().flat_map(|row| {
                row.certificates.iter().map(move |certificate| {
                    let registry = ("registry", row.registry.as_str());
                    let labels = [registry, ("host", &*certificate.host)];
                    (labels, seconds(date(&certificate.validity)))
                })
            }),
        )
    };
    dates(NOT_AFTER, |validity| validity.not_after)?;
    dates(NOT_BEFORE, |validity| validity.not_before)
}
