//! The one collector behind the prefix: rows in, series out, no label set twice.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::hash::Hash;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::time::Instant;

use super::series::{Family, Page, family};
use super::{
    Panics, Probes, Pulls, Snapshot, certificate, credential, pods, process, quota, watch,
};
use crate::domain::image::Registry;
use crate::domain::rows::Rows;

const DROPPED: Family = family(
    "dropped_series",
    "Left out now: registries without counters of their own, credentials over the cap, label sets that are there already",
);

/// Rows by Secret entry, by credential, and by account that are shown; the rest is counted.
const MOST_CREDENTIALS: usize = 20_000;

/// Workloads whose Pods wait that are shown; in the order of their names, the rest is counted.
const MOST_WORKLOADS: usize = 2_000;

/// Families that a cap can shorten; at zero from the start.
const CAPPED: [&str; 4] = [
    credential::INFO.name,
    credential::EXPIRY_INFO.name,
    quota::LIMIT.name,
    pods::WORKLOADS.name,
];

/// Shows the state and the pushed counters.
pub(super) struct Mirror {
    probe: Probes,
    pull: Pulls,
    panics: Panics,
    look: Box<dyn Fn() -> Snapshot + Send + Sync>,
}

impl Mirror {
    pub(super) fn new(
        probe: Probes,
        pull: Pulls,
        panics: Panics,
        look: impl Fn() -> Snapshot + Send + Sync + 'static,
    ) -> Self {
        Self {
            probe,
            pull,
            panics,
            look: Box::new(look),
        }
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").finish_non_exhaustive()
    }
}

impl Collector for Mirror {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self {
            probe,
            pull: pulls,
            panics,
            look,
        } = self;
        let Snapshot {
            rows,
            watches,
            gone,
        } = look();
        let Rows {
            credentials,
            groups,
            secrets,
            references,
            registries,
            quotas,
            pods: of_pods,
            objects,
        } = &rows;
        let mut dropped = Dropped::default();
        let mut page = Page::new(encoder);

        let mut shown = dropped.distinct(credential::INFO, credentials, |row| {
            (&row.namespace, &row.name, &row.key, &row.registry)
        });
        dropped.cap(credential::INFO, &mut shown);
        credential::credentials(&mut page, &shown)?;

        let mut shown = dropped.distinct(credential::EXPIRY_INFO, groups, |row| {
            (&row.credential, &row.registry)
        });
        dropped.cap(credential::EXPIRY_INFO, &mut shown);
        for row in &shown {
            dropped.count(
                credential::OUTCOME,
                row.steps.len() - credential::steps(row).count(),
            );
        }
        credential::groups(&mut page, &shown)?;

        let shown = dropped.distinct(credential::FAULT, secrets, |row| {
            (&row.namespace, &row.name)
        });
        credential::secrets(&mut page, &shown)?;

        let shown = dropped.distinct(credential::MISSING, references, |row| {
            (&row.namespace, row.kind, &row.name)
        });
        credential::references(&mut page, &shown)?;

        let shown = dropped.distinct(credential::UP, registries, |row| &row.registry);
        credential::registries(&mut page, &shown)?;
        certificate::certificates(&mut page, &shown)?;

        let mut shown = dropped.distinct(quota::LIMIT, quotas, |row| {
            (&row.registry, &row.account, row.policy)
        });
        dropped.cap(quota::LIMIT, &mut shown);
        quota::quotas(&mut page, &shown)?;

        let shown = dropped.distinct(pods::BLOCKED, &of_pods.blocked, |row| {
            (&row.namespace, &row.registry, row.cause)
        });
        pods::blocked(&mut page, &shown)?;
        let shown = dropped.distinct(pods::OWN_CREDENTIAL, &of_pods.own_credential, |row| {
            (&row.namespace, &row.registry)
        });
        pods::own_credential(&mut page, &shown)?;
        let mut shown = dropped.distinct(pods::WORKLOADS, &of_pods.workloads, |row| {
            let what = (&row.namespace, &row.workload, &row.registry);
            (what, row.cause, row.detail, &row.secret)
        });
        dropped.cap_at(MOST_WORKLOADS, pods::WORKLOADS, &mut shown);
        pods::workloads(&mut page, &shown)?;
        let shown = dropped.distinct(pods::AT_RISK, &of_pods.at_risk, |row| {
            (&row.namespace, &row.registry, row.cause)
        });
        pods::at_risk(&mut page, &shown)?;
        let blocked = dropped.distinct(pods::BLOCKED_NODES, &of_pods.blocked_nodes, |row| {
            (&row.registry, row.cause)
        });
        let started = dropped.distinct(pods::STARTED_NODES, &of_pods.started_nodes, |row| {
            &row.registry
        });
        pods::nodes(&mut page, &blocked, &started)?;

        watch::watches(&mut page, objects, &watches)?;
        let named: BTreeSet<&Registry> = registries.iter().map(|row| &row.registry).collect();
        let now = Instant::now();
        let left_out = probe.encode(&mut page, &named, now)?;
        dropped.registries(&Probes::CAPPED, left_out);
        let used = registries.iter().filter(|row| row.in_use);
        let used = used.map(|row| &row.registry).collect();
        let left_out = pulls.encode(&mut page, &used, &gone, now)?;
        dropped.registries(&Pulls::CAPPED, left_out);
        panics.encode(&mut page)?;
        process::build_info(&mut page)?;
        dropped.encode(&mut page)
    }
}

/// What this scrape leaves out, by metric.
#[derive(Debug, Default)]
struct Dropped(BTreeMap<&'static str, u64>);

impl Dropped {
    fn count(&mut self, family: Family, left_out: usize) {
        if left_out > 0 {
            *self.0.entry(family.name).or_default() += left_out as u64;
        }
    }

    /// The first row of each label set. That rows have no two alike is the promise of who makes
    /// them; a scraper would refuse the whole page for one that breaks it.
    fn distinct<'r, T, K: Eq + Hash>(
        &mut self,
        family: Family,
        rows: &'r [T],
        labels: impl Fn(&'r T) -> K,
    ) -> Vec<&'r T> {
        let mut seen = HashSet::with_capacity(rows.len());
        let first: Vec<_> = rows.iter().filter(|row| seen.insert(labels(row))).collect();
        self.count(family, rows.len() - first.len());
        first
    }

    fn cap<T>(&mut self, family: Family, rows: &mut Vec<T>) {
        self.cap_at(MOST_CREDENTIALS, family, rows);
    }

    fn cap_at<T>(&mut self, most: usize, family: Family, rows: &mut Vec<T>) {
        self.count(family, rows.len().saturating_sub(most));
        rows.truncate(most);
    }

    /// So many registries have no counters of their own.
    fn registries(&mut self, families: &[&'static str], left_out: u64) {
        for metric in families {
            *self.0.entry(metric).or_default() += left_out;
        }
    }

    fn encode(mut self, page: &mut Page<'_>) -> fmt::Result {
        for metric in CAPPED {
            self.0.entry(metric).or_default();
        }
        page.gauges(
            DROPPED,
            self.0
                .iter()
                .map(|(metric, count)| ([("metric", *metric)], *count)),
        )
    }
}
