//! The words that the code knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use regcred_exporter::domain::attempts::Happening;
use regcred_exporter::domain::cause::Cause;
use regcred_exporter::domain::certificate::{Certificate, Validity};
use regcred_exporter::domain::cluster::{Resource, Uid};
use regcred_exporter::domain::diagnosis::{Detail, Word};
use regcred_exporter::domain::docker_config::{Effect, FaultKind};
use regcred_exporter::domain::exchange::{Asked, Exchange, Purpose, Response, Step};
use regcred_exporter::domain::expiry::{Confidence, CredentialKind, ExpirySource};
use regcred_exporter::domain::image::Registry;
use regcred_exporter::domain::keyring::Rule;
use regcred_exporter::domain::outcome::Outcome;
use regcred_exporter::domain::owner::Workload;
use regcred_exporter::domain::provider::Provider;
use regcred_exporter::domain::pull_failure::Reason;
use regcred_exporter::domain::rate_limit::{Quota, QuotaPolicy, Told};
use regcred_exporter::domain::rows::{
    AtRiskRow, BlockedNodesRow, BlockedRow, CredentialRow, GroupRow, OwnCredentialRow, PodCounts,
    PodRows, QuotaRow, ReferenceRow, RegistryRow, Rows, SecretRow, Skipped, StartedNodesRow,
    WorkloadRow,
};
use regcred_exporter::domain::watches::{WatchError, WatchHealth};
use regcred_exporter::metrics::{Metrics, Snapshot, Task};

/// One metric as a page shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metric {
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: String,
    pub(crate) labels: BTreeSet<String>,
}

/// Everything that a document may name.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// By the name that a query uses: a counter's ends in `_total`.
    pub(crate) metrics: BTreeMap<String, Metric>,
    /// The values of each label whose values are ours.
    pub(crate) closed: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// `--probe.interval` and `REGCRED_PROBE_INTERVAL`.
    pub(crate) flags: BTreeSet<String>,
    pub(crate) alerts: BTreeSet<String>,
    /// Names of recorded series.
    pub(crate) rules: BTreeSet<String>,
}

impl Vocabulary {
    /// Every name that a sample has.
    pub(crate) fn series(&self) -> BTreeSet<String> {
        let all = self.metrics.iter().flat_map(|(name, metric)| {
            let parts: &[&str] = match metric.kind.as_str() {
                "histogram" => &["", "_bucket", "_sum", "_count"],
                _ => &[""],
            };
            parts.iter().map(move |part| format!("{name}{part}"))
        });
        all.collect()
    }

    /// The metric of a sample's name.
    pub(crate) fn of_series(&self, series: &str) -> Option<&Metric> {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| series.strip_suffix(part));
        self.metrics
            .get(series)
            .or_else(|| self.metrics.get(of_histogram?))
    }
}

pub(crate) fn closed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    fn all<T: Copy>(values: &[T], spell: impl Fn(T) -> &'static str) -> BTreeSet<&'static str> {
        values.iter().map(|value| spell(*value)).collect()
    }
    let mut outcomes = all(&Outcome::ALL, Outcome::as_str);
    outcomes.insert("not_probed");
    BTreeMap::from([
        ("outcome", outcomes),
        ("step", all(&Step::ALL, Step::as_str)),
        ("why", all(&Skipped::ALL, Skipped::as_str)),
        ("fault", all(FaultKind::ALL, FaultKind::as_str)),
        ("effect", all(&Effect::ALL, Effect::as_str)),
        ("source", all(&ExpirySource::ALL, ExpirySource::as_str)),
        ("confidence", all(&Confidence::ALL, Confidence::as_str)),
        ("provider", all(&Provider::ALL, Provider::as_str)),
        ("resource", all(&Resource::ALL, Resource::as_str)),
        ("error", all(&WatchError::ALL, WatchError::as_str)),
        ("task", all(&Task::ALL, Task::as_str)),
        ("cause", all(Cause::ALL, Cause::as_str)),
        ("state", ["using", "at_risk", "blocked"].into()),
        ("detail", {
            let mut details = all(Word::ALL, Word::as_str);
            details.extend(all(&Rule::ALL, Rule::as_str));
            details
        }),
        ("reason", {
            let mut reasons = all(Reason::ALL, Reason::as_str);
            // Never counted.
            reasons.remove(Reason::Backoff.as_str());
            reasons
        }),
        (
            "policy",
            QuotaPolicy::all().map(QuotaPolicy::as_str).collect(),
        ),
        ("kind", {
            let mut kinds = all(&CredentialKind::ALL, CredentialKind::as_str);
            // Of `reference_missing`.
            kinds.extend(["Pod", "ServiceAccount"]);
            kinds
        }),
    ])
}

/// The table of docs/faults.md.
pub(crate) fn faults() -> String {
    let rows = FaultKind::ALL.iter().map(|kind| {
        let (word, effect) = (kind.as_str(), kind.effect().as_str());
        format!(
            "| `{word}` | `{effect}` | {} | {} |\n",
            kind.explanation(),
            kind.fix()
        )
    });
    let head = "| Fault | Effect | What is the matter | What to do |\n|---|---|---|---|\n";
    head.to_owned() + &rows.collect::<String>()
}

/// What is on a page with one of everything.
pub(crate) fn exported() -> BTreeMap<String, Metric> {
    let mut text = String::new();
    let shown = Metrics::of(Duration::from_secs(900), one_of_everything);
    shown
        .probe
        .finished(&one_request(), &[(Step::Token, Outcome::Ok)]);
    shown.probe.ledger_is(true);
    shown.pull.happened(&Happening::Failed {
        namespace: "a".into(),
        registry: Some(registry()),
        reason: Reason::Dns,
        attempts: 1,
    });
    shown.encode(&mut text).unwrap();
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            family = match kind {
                "counter" => format!("{name}_total"),
                _ => name.to_owned(),
            };
            metrics.entry(family.clone()).or_default().kind = kind.to_owned();
        } else if !line.starts_with('#') {
            let labels = line.split_once('{').map_or("", |(_, rest)| rest);
            let names = labels
                .split("=\"")
                .filter_map(|part| part.rsplit(['"', ',', '{']).next());
            let names =
                names.filter(|name| !name.is_empty() && !name.contains('}') && *name != "le");
            metrics
                .get_mut(&family)
                .unwrap()
                .labels
                .extend(names.map(str::to_owned));
        }
    }
    metrics
}

fn one_request() -> Exchange {
    Exchange {
        registry: registry(),
        asked: vec![Asked {
            step: Step::Token,
            manifest: None,
            purpose: Purpose::Login,
            answer: Ok(Response {
                status: 200,
                ..Response::default()
            }),
        }],
        certificates: Vec::new(),
        took: Duration::from_secs(1),
    }
}

fn registry() -> Registry {
    Registry::from_domain("registry.example.com")
}

fn pods() -> PodRows {
    let namespace: Arc<str> = "a".into();
    PodRows {
        blocked: vec![BlockedRow {
            namespace: namespace.clone(),
            registry: None,
            cause: Cause::Unknown,
            pods: 1,
        }],
        own_credential: vec![OwnCredentialRow {
            namespace: namespace.clone(),
            registry: registry(),
            pods: 1,
        }],
        workloads: vec![WorkloadRow {
            namespace: namespace.clone(),
            workload: Workload {
                kind: "Deployment".into(),
                name: "web".into(),
            },
            registry: None,
            cause: Cause::SecretNotReferenced,
            detail: Some(Detail::Word(Word::NameTypo)),
            secret: Some("pull".into()),
            pods: 1,
        }],
        at_risk: vec![AtRiskRow {
            namespace,
            registry: registry(),
            cause: Cause::ExpiredCredentials,
            pods: 1,
        }],
        blocked_nodes: vec![BlockedNodesRow {
            registry: registry(),
            cause: Cause::Network,
            nodes: 1,
        }],
        started_nodes: vec![StartedNodesRow {
            registry: registry(),
            nodes: 1,
        }],
    }
}

fn one_of_everything() -> Snapshot {
    let name: Arc<str> = "a".into();
    let registry = registry();
    let when = DateTime::from_timestamp(1_800_000_000, 0);
    Snapshot {
        rows: Rows {
            credentials: vec![CredentialRow {
                namespace: name.clone(),
                name: name.clone(),
                key: name.clone(),
                registry: registry.clone(),
                kind: "basic",
                provider: Provider::Unknown.as_str(),
                credential: name.clone(),
                mark: None,
                skipped: Some(Skipped::Ignored),
                valid: Some(true),
                outcome: Some(Outcome::Ok),
                expires: when,
                issued: when,
                pods: PodCounts::default(),
            }],
            groups: vec![GroupRow {
                credential: name.clone(),
                registry: registry.clone(),
                repositories: BTreeMap::from([(None, 1)]),
                source: ExpirySource::ALL[0],
                confidence: Confidence::ALL[0],
                first_rejected: when,
                steps: vec![(Step::Token, Outcome::Ok, Some(200))],
                last_run: when,
                last_success: when,
                next_run: when,
            }],
            secrets: vec![SecretRow {
                uid: Uid::default(),
                is_named: true,
                namespace: name.clone(),
                name: name.clone(),
                faults: FaultKind::ALL.iter().copied().collect(),
                changed: when,
            }],
            references: vec![ReferenceRow {
                namespace: name.clone(),
                kind: "Pod",
                name,
                count: 1,
            }],
            quotas: vec![QuotaRow {
                registry: registry.clone(),
                account: "a".into(),
                policy: QuotaPolicy::UNKNOWN,
                told: Told {
                    quota: Quota {
                        limit: Some(100),
                        remaining: Some(76),
                        window: Some(Duration::from_secs(60)),
                        resets_after: None,
                    },
                    observed: DateTime::UNIX_EPOCH,
                    retry_after: when,
                },
            }],
            registries: vec![RegistryRow {
                is_budget_exhausted: true,
                registry,
                in_use: true,
                up: Some(true),
                is_vantage_blind: Some(true),
                certificates: vec![Certificate {
                    host: "registry.example.com:443".into(),
                    validity: Validity {
                        not_before: DateTime::UNIX_EPOCH,
                        not_after: DateTime::UNIX_EPOCH,
                    },
                }],
            }],
            pods: pods(),
            objects: BTreeMap::from([("pods", 1)]),
        },
        gone: BTreeSet::new(),
        watches: BTreeMap::from([("pods", WatchHealth::default())]),
    }
}
