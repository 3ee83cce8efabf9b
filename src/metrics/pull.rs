//! Pulls that failed and containers that recovered: what the kubelets say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use tokio::time::Instant;

use super::by_registry::{ByRegistry, KEPT};
use super::series::{Family, Page, family};
use crate::domain::attempts::Happening;
use crate::domain::image::Registry;
use crate::domain::pull_failure::Reason;

const FAILURES: Family = family(
    "pull_failures",
    "Attempts to pull an image that failed, each once, by what the node said of it",
);
const BY_NAMESPACE: Family = family(
    "namespace_pull_failures",
    "The same by namespace, from the first failure on",
);
const RECOVERIES: Family = family(
    "pull_recoveries",
    "Containers that run after their pulls had failed",
);
const RECOVERY: Family = family(
    "pull_recovery_seconds",
    "From the first failed attempt of a container until it runs",
);
/// Upper bounds in seconds. A kubelet tries again after 10, 20, 40, 80, 160 and then every 300 s: up
/// to a minute it was a hiccup, up to ten somebody may have looked, after an hour somebody has mended
/// it.
const BUCKETS: [f64; 4] = [60.0, 600.0, 3_600.0, f64::INFINITY];

/// Namespaces that have counters of their own; failures in others are in the counters by registry.
const NAMESPACES: usize = 2_000;

/// One count for each reason.
type ByReason = [u64; Reason::ALL.len()];

/// Counts what Pods went through; clones share one set of numbers.
#[derive(Clone, Debug, Default)]
pub struct Pulls(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    registries: ByRegistry<OfRegistry>,
    namespaces: BTreeMap<Arc<str>, OfNamespace>,
}

#[derive(Clone, Debug, Default)]
struct OfRegistry {
    failures: ByReason,
    recoveries: u64,
    seconds: f64,
    within: [u64; BUCKETS.len()],
}

#[derive(Debug, Default)]
struct OfNamespace {
    failures: ByReason,
    gone_since: Option<Instant>,
}

impl Pulls {
    /// Families that leave registries out.
    pub(super) const CAPPED: [&str; 3] = [FAILURES.name, RECOVERIES.name, RECOVERY.name];

    /// Counts it.
    pub fn happened(&self, happening: &Happening) {
        let mut counts = self.lock();
        match happening {
            Happening::Failed {
                namespace,
                registry,
                reason,
                attempts,
            } => {
                let of_registry = match registry {
                    Some(registry) => counts.registries.of(registry),
                    None => counts.registries.other(),
                };
                of_registry.failures[*reason as usize] += attempts;
                let has_room = counts.namespaces.len() < NAMESPACES;
                if has_room || counts.namespaces.contains_key(namespace) {
                    let of_namespace = counts.namespaces.entry(Arc::clone(namespace)).or_default();
                    of_namespace.failures[*reason as usize] += attempts;
                    of_namespace.gone_since = None;
                }
            }
            Happening::Recovered { registry, after } => {
                counts.registries.of(registry).recovered(*after);
            }
        }
    }

    /// The namespaces that have counters.
    pub(super) fn namespaces(&self) -> BTreeSet<Arc<str>> {
        self.lock().namespaces.keys().cloned().collect()
    }

    /// Writes the counters, with those at zero of registries that Pods pull from now, and without
    /// those of namespaces that are `gone` for an hour. Returns how many registries have none of
    /// their own.
    pub(super) fn encode(
        &self,
        page: &mut Page<'_>,
        in_use: &BTreeSet<&Registry>,
        gone: &BTreeSet<Arc<str>>,
        now: Instant,
    ) -> Result<u64, fmt::Error> {
        let mut counts = self.lock();
        let left_out = counts.registries.named(in_use, now);
        counts.forget(gone, now);
        let by_registry = counts.registries.all();
        let by_namespace: Vec<_> = counts
            .namespaces
            .iter()
            .map(|(namespace, of)| (Arc::clone(namespace), of.failures))
            .collect();
        drop(counts);

        page.counters(
            FAILURES,
            by_registry.iter().flat_map(|(registry, of)| {
                let of_reason = |reason: Reason| {
                    let labels = [("registry", registry.as_str()), ("reason", reason.as_str())];
                    (labels, of.failures[reason as usize])
                };
                counted().map(of_reason)
            }),
        )?;
        page.counters(
            BY_NAMESPACE,
            by_namespace.iter().flat_map(|(namespace, failures)| {
                let happened = counted().filter(|reason| failures[*reason as usize] > 0);
                happened.map(move |reason| {
                    let labels = [("pod_namespace", &**namespace), ("reason", reason.as_str())];
                    (labels, failures[reason as usize])
                })
            }),
        )?;
        page.counters(
            RECOVERIES,
            by_registry
                .iter()
                .map(|(name, of)| ([("registry", name.as_str())], of.recoveries)),
        )?;
        page.histograms::<_, { BUCKETS.len() }>(
            RECOVERY,
            by_registry.iter().map(|(name, of)| {
                let buckets = std::array::from_fn(|at| (BUCKETS[at], of.within[at]));
                (
                    [("registry", name.as_str())],
                    (of.seconds, of.recoveries, buckets),
                )
            }),
        )?;
        Ok(left_out)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Forgets namespaces that have been gone for an hour, so that one that is made anew soon goes on.
    fn forget(&mut self, gone: &BTreeSet<Arc<str>>, now: Instant) {
        self.namespaces.retain(|namespace, of| {
            if !gone.contains(namespace) {
                of.gone_since = None;
                return true;
            }
            now - *of.gone_since.get_or_insert(now) < KEPT
        });
    }
}

impl OfRegistry {
    fn recovered(&mut self, after: TimeDelta) {
        let seconds = after.as_seconds_f64();
        self.recoveries += 1;
        self.seconds += seconds;
        if let Some(place) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            self.within[place] += 1;
        }
    }
}

/// Every reason that can be counted.
fn counted() -> impl Iterator<Item = Reason> {
    let all = Reason::ALL.iter().copied();
    all.filter(|reason| *reason != Reason::Backoff)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Metrics, Snapshot};
    use super::*;
    use crate::domain::rows::{RegistryRow, Rows};

    fn failed(namespace: &str, registry: Option<&str>) -> Happening {
        Happening::Failed {
            namespace: namespace.into(),
            registry: registry.map(Registry::from_domain),
            reason: Reason::Dns,
            attempts: 2,
        }
    }

    /// The samples of the page that begin so.
    fn page(pulls: &Pulls, in_use: &[&str], prefix: &str) -> Vec<String> {
        let rows = in_use.iter().map(|host| RegistryRow {
            registry: Registry::from_domain(host),
            in_use: true,
            up: None,
            is_vantage_blind: None,
            certificates: Vec::new(),
            is_budget_exhausted: false,
        });
        let registries: Vec<_> = rows.collect();
        let look = move || Snapshot {
            rows: Rows {
                registries: registries.clone(),
                ..Rows::default()
            },
            ..Snapshot::default()
        };
        let mut text = String::new();
        let metrics = Metrics::with(pulls.clone(), Duration::ZERO, look);
        metrics.encode(&mut text).unwrap();
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("regcred_"));
        let lines = lines.filter(|line| line.starts_with(prefix));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn what_pods_pull_from_is_at_zero_for_every_reason_but_the_one_that_is_never_counted() {
        let lines = |prefix| page(&Pulls::default(), &["r.example"], prefix);
        let failures = lines("pull_failures_total");
        assert_eq!(failures.len(), Reason::ALL.len() - 1);
        assert!(
            failures
                .iter()
                .all(|line| line.ends_with(" 0") && !line.contains("backoff"))
        );
        assert_eq!(
            lines("pull_recoveries"),
            ["pull_recoveries_total{registry=\"r.example\"} 0"]
        );
        assert!(lines("namespace_").is_empty());
    }

    #[test]
    fn an_image_whose_name_is_none_is_counted_under_other() {
        let pulls = Pulls::default();
        pulls.happened(&failed("shop", None));
        let lines = page(&pulls, &[], "pull_failures_total");
        let line = "pull_failures_total{registry=\"other\",reason=\"dns\"} 2".to_owned();
        assert!(lines.contains(&line), "{lines:?}");
    }

    #[test]
    fn a_namespace_has_what_happened_and_is_forgotten_an_hour_after_it_is_gone() {
        let (pulls, start) = (Pulls::default(), Instant::now());
        pulls.happened(&failed("shop", Some("r.example")));
        let line = "namespace_pull_failures_total{pod_namespace=\"shop\",reason=\"dns\"} 2";
        assert_eq!(page(&pulls, &[], "namespace_"), [line]);
        let gone = BTreeSet::from([Arc::from("shop")]);
        let forget = |gone: &BTreeSet<_>, at| pulls.lock().forget(gone, start + at);
        forget(&gone, Duration::ZERO);
        forget(&BTreeSet::new(), KEPT / 2);
        forget(&gone, KEPT);
        forget(&gone, KEPT * 2 - Duration::from_secs(1));
        assert_eq!(pulls.namespaces().len(), 1);
        forget(&gone, KEPT * 2);
        assert!(pulls.namespaces().is_empty());
    }

    #[test]
    fn namespaces_beyond_the_cap_are_counted_by_registry_only() {
        let pulls = Pulls::default();
        for number in 0..=NAMESPACES {
            pulls.happened(&failed(&format!("n{number}"), Some("r.example")));
        }
        assert_eq!(pulls.namespaces().len(), NAMESPACES);
        let lines = page(&pulls, &[], "pull_failures_total");
        let total = 2 * (NAMESPACES + 1);
        let line = format!("pull_failures_total{{registry=\"r.example\",reason=\"dns\"}} {total}");
        assert!(lines.contains(&line));
    }

    #[test]
    fn recoveries_fall_into_buckets_of_the_kubelets_patience() {
        let pulls = Pulls::default();
        for seconds in [5, 61, 100_000] {
            pulls.happened(&Happening::Recovered {
                registry: Registry::from_domain("r.example"),
                after: TimeDelta::seconds(seconds),
            });
        }
        let lines = page(&pulls, &[], "pull_recover");
        for line in [
            "pull_recoveries_total{registry=\"r.example\"} 3",
            "pull_recovery_seconds_bucket{le=\"60.0\",registry=\"r.example\"} 1",
            "pull_recovery_seconds_bucket{le=\"600.0\",registry=\"r.example\"} 2",
            "pull_recovery_seconds_bucket{le=\"3600.0\",registry=\"r.example\"} 2",
            "pull_recovery_seconds_bucket{le=\"+Inf\",registry=\"r.example\"} 3",
            "pull_recovery_seconds_count{registry=\"r.example\"} 3",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line} in {lines:#?}");
        }
    }
}
