//! How the watches fare, and how many objects they brought.

use std::collections::BTreeMap;
use std::fmt;

use super::series::{Family, Page, family};
use crate::domain::watches::{WatchError, WatchHealth};

const OBJECTS: Family = family("objects", "Objects held in memory");
const UP: Family = family(
    "watch_up",
    "1 if the watch is open; while it is 0 the page shows what was seen last",
);
const FORBIDDEN: Family = family(
    "watch_forbidden",
    "1 if the API server refuses us to list and watch this; what needs it stays unknown",
);
const RESTARTS: Family = family(
    "watch_restarts",
    "Lists and watches that ended by an error and were begun anew",
);

/// What is told by resource.
pub(super) fn watches(
    page: &mut Page<'_>,
    objects: &BTreeMap<&'static str, u64>,
    watches: &BTreeMap<&'static str, WatchHealth>,
) -> fmt::Result {
    let held = objects.iter();
    page.gauges(
        OBJECTS,
        held.map(|(resource, count)| ([("resource", *resource)], *count)),
    )?;
    page.gauges(UP, by_resource(watches, |health| health.up))?;
    page.gauges(FORBIDDEN, by_resource(watches, |health| health.forbidden))?;
    page.counters(
        RESTARTS,
        watches.iter().flat_map(|(resource, health)| {
            WatchError::ALL.into_iter().map(|error| {
                let count = health.restarts.get(&error).copied().unwrap_or_default();
                ([("resource", *resource), ("error", error.as_str())], count)
            })
        }),
    )
}

fn by_resource(
    watches: &BTreeMap<&'static str, WatchHealth>,
    claim: impl Fn(&WatchHealth) -> bool,
) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> {
    let one = move |(resource, health): (&&'static str, &WatchHealth)| {
        ([("resource", *resource)], u64::from(claim(health)))
    };
    watches.iter().map(one)
}
