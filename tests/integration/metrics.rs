//! What /metrics says: names and labels of docs/metrics.md, no label set twice, nothing unbounded.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows tests by their mark, and not what they call"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use regcred_exporter::domain::attempts::Happening;
use regcred_exporter::domain::cause::Cause;
use regcred_exporter::domain::certificate::{Certificate, Validity};
use regcred_exporter::domain::cluster::Uid;
use regcred_exporter::domain::diagnosis::{Detail, Word};
use regcred_exporter::domain::docker_config::{FaultKind, FaultSet};
use regcred_exporter::domain::exchange::{
    Asked, DnsFault, Exchange, NetworkFault, Purpose, Response, Step,
};
use regcred_exporter::domain::expiry::{Confidence, ExpirySource};
use regcred_exporter::domain::image::Registry;
use regcred_exporter::domain::outcome::Outcome;
use regcred_exporter::domain::owner::Workload;
use regcred_exporter::domain::pull_failure::Reason;
use regcred_exporter::domain::rate_limit::{Quota, QuotaPolicy, Told};
use regcred_exporter::domain::rows::{
    AtRiskRow, BlockedNodesRow, BlockedRow, CredentialRow, GroupRow, OwnCredentialRow, PodCounts,
    PodRows, QuotaRow, ReferenceRow, RegistryRow, Rows, SecretRow, Skipped, StartedNodesRow,
    WorkloadRow,
};
use regcred_exporter::domain::watches::{WatchError, WatchHealth};
use regcred_exporter::lifecycle;
use regcred_exporter::metrics::{Metrics, Snapshot, Task};

/// One row of each kind about Pods.
fn pods() -> PodRows {
    let (namespace, registry): (Arc<str>, _) = ("team-b".into(), Registry::from_domain("ghcr.io"));
    let cause = Cause::Network;
    PodRows {
        blocked: vec![BlockedRow {
            namespace: namespace.clone(),
            registry: Some(registry.clone()),
            cause,
            pods: 3,
        }],
        own_credential: vec![OwnCredentialRow {
            namespace: namespace.clone(),
            registry: registry.clone(),
            pods: 1,
        }],
        workloads: vec![WorkloadRow {
            namespace: namespace.clone(),
            workload: Workload {
                kind: "Deployment".into(),
                name: "web".into(),
            },
            registry: Some(registry.clone()),
            cause,
            detail: Some(Detail::Word(Word::Dns)),
            secret: None,
            pods: 3,
        }],
        at_risk: vec![AtRiskRow {
            namespace,
            registry: registry.clone(),
            cause: Cause::ExpiredCredentials,
            pods: 2,
        }],
        blocked_nodes: vec![BlockedNodesRow {
            registry: registry.clone(),
            cause,
            nodes: 2,
        }],
        started_nodes: vec![StartedNodesRow { registry, nodes: 4 }],
    }
}

/// Every family that is exported, its type in OpenMetrics, its labels in order of the alphabet.
#[rustfmt::skip]
const CONTRACT: &[(&str, &str, &str)] = &[
    ("process_cpu_seconds", "counter", ""),
    ("process_max_fds", "gauge", ""),
    ("process_open_fds", "gauge", ""),
    ("process_resident_memory_bytes", "gauge", ""),
    ("process_start_time_seconds", "gauge", ""),
    ("process_threads", "gauge", ""),
    ("process_virtual_memory_bytes", "gauge", ""),
    ("regcred_blocked_nodes", "gauge", "cause registry"),
    ("regcred_build_info", "gauge", "revision rust_version version"),
    ("regcred_credential_expiry_info", "gauge", "confidence credential registry source"),
    ("regcred_credential_expiry_timestamp_seconds", "gauge", "key registry secret_name secret_namespace"),
    ("regcred_credential_first_rejected_timestamp_seconds", "gauge", "credential registry"),
    ("regcred_credential_info", "gauge", "credential key kind provider registry secret_name secret_namespace"),
    ("regcred_credential_issued_timestamp_seconds", "gauge", "key registry secret_name secret_namespace"),
    ("regcred_credential_pods", "gauge", "key registry secret_name secret_namespace state"),
    ("regcred_credential_repositories", "gauge", "credential outcome registry"),
    ("regcred_credential_skipped", "gauge", "key registry secret_name secret_namespace why"),
    ("regcred_credential_valid", "gauge", "key registry secret_name secret_namespace"),
    ("regcred_dropped_series", "gauge", "metric"),
    ("regcred_login_budget_exhausted", "gauge", "registry"),
    ("regcred_login_refusals", "counter", "registry"),
    ("regcred_namespace_pull_failures", "counter", "pod_namespace reason"),
    ("regcred_objects", "gauge", "resource"),
    ("regcred_panics", "counter", "task"),
    ("regcred_pods_at_risk", "gauge", "cause pod_namespace registry"),
    ("regcred_pods_blocked", "gauge", "cause pod_namespace registry"),
    ("regcred_pods_blocked_by_own_credential", "gauge", "pod_namespace registry"),
    ("regcred_probe_duration_seconds", "histogram", "registry"),
    ("regcred_probe_http_status_code", "gauge", "credential registry step"),
    ("regcred_probe_interval_seconds", "gauge", ""),
    ("regcred_probe_last_run_timestamp_seconds", "gauge", "credential registry"),
    ("regcred_probe_last_success_timestamp_seconds", "gauge", "credential registry"),
    ("regcred_probe_next_run_timestamp_seconds", "gauge", "credential registry"),
    ("regcred_probe_outcome", "gauge", "credential outcome registry step"),
    ("regcred_probes", "counter", "outcome registry"),
    ("regcred_pull_failures", "counter", "reason registry"),
    ("regcred_pull_recoveries", "counter", "registry"),
    ("regcred_pull_recovery_seconds", "histogram", "registry"),
    ("regcred_ratelimit_observed_timestamp_seconds", "gauge", "account policy registry"),
    ("regcred_ratelimit_requests_limit", "gauge", "account policy registry"),
    ("regcred_ratelimit_requests_remaining", "gauge", "account policy registry"),
    ("regcred_ratelimit_retry_after_timestamp_seconds", "gauge", "account policy registry"),
    ("regcred_ratelimit_window_seconds", "gauge", "account policy registry"),
    ("regcred_reference_missing", "gauge", "kind name pod_namespace"),
    ("regcred_registry_certificate_not_after_timestamp_seconds", "gauge", "host registry"),
    ("regcred_registry_certificate_not_before_timestamp_seconds", "gauge", "host registry"),
    ("regcred_registry_requests", "counter", "code registry step"),
    ("regcred_registry_up", "gauge", "registry"),
    ("regcred_registry_vantage_blind", "gauge", "registry"),
    ("regcred_secret_fault", "gauge", "effect fault secret_name secret_namespace"),
    ("regcred_secret_last_change_timestamp_seconds", "gauge", "secret_name secret_namespace"),
    ("regcred_started_nodes", "gauge", "registry"),
    ("regcred_watch_forbidden", "gauge", "resource"),
    ("regcred_watch_restarts", "counter", "error resource"),
    ("regcred_watch_up", "gauge", "resource"),
    ("regcred_workload_blocked_pods", "gauge", "cause detail pod_namespace registry secret_name workload_kind workload_name"),
];

// === a page, read back ===

/// Samples of an OpenMetrics page.
#[derive(Debug)]
pub(crate) struct Samples {
    types: BTreeMap<String, String>,
    values: BTreeMap<(String, BTreeMap<String, String>), String>,
}

impl Samples {
    /// Fails the test where a label set is there twice.
    pub(crate) fn parse(page: &str) -> Self {
        let mut samples = Self {
            types: BTreeMap::new(),
            values: BTreeMap::new(),
        };
        for line in page.lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').unwrap();
                let before = samples.types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} twice");
            } else if !line.starts_with('#') {
                let (name, labels, value) = sample(line);
                let before = samples.values.insert((name, labels), value);
                assert_eq!(before, None, "{line} twice");
            }
        }
        samples
    }

    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<&str> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let key = (name.to_owned(), labels.collect());
        self.values.get(&key).map(String::as_str)
    }

    /// Labels of every sample of this name.
    fn labels(&self, name: &str) -> Vec<&BTreeMap<String, String>> {
        let samples = self.values.keys().filter(|(known, _)| known == name);
        samples.map(|(_, labels)| labels).collect()
    }

    /// Samples that have this label, but for some that are not its object's own.
    fn count(&self, label: (&str, &str), not: &[&str]) -> usize {
        let has = |labels: &BTreeMap<String, String>| {
            labels.get(label.0).is_some_and(|value| value == label.1)
                && not.iter().all(|label| !labels.contains_key(*label))
        };
        self.values.keys().filter(|(_, labels)| has(labels)).count()
    }
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, String) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.split_once("=\"").unwrap();
            let mut value = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next().unwrap() {
                    (end, '"') => break end,
                    (_, '\\') => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        escaped => escaped,
                    }),
                    (_, plain) => value.push(plain),
                }
            };
            let label = label.trim_start_matches(',').to_owned();
            assert_eq!(labels.insert(label, value), None, "{line}");
            rest = &quoted[end + 1..];
        }
        rest = &rest[1..];
    }
    (name.to_owned(), labels, rest[1..].to_owned())
}

fn samples(metrics: &Metrics) -> Samples {
    let mut page = String::new();
    metrics.encode(&mut page).unwrap();
    assert!(page.ends_with("# EOF\n"));
    Samples::parse(&page)
}

// === rows to show ===

fn at(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 500_000_000)
}

pub(crate) fn credential(namespace: &str, name: &str, registry: &str) -> CredentialRow {
    CredentialRow {
        namespace: namespace.into(),
        name: name.into(),
        key: registry.into(),
        registry: Registry::from_domain(registry),
        kind: "basic",
        provider: "distribution",
        credential: format!("{namespace}/{name}").into(),
        mark: None,
        skipped: None,
        valid: Some(true),
        outcome: Some(Outcome::Ok),
        expires: at(2_000_000_000),
        issued: at(1_700_000_000),
        pods: PodCounts::default(),
    }
}

fn group(credential: &str, registry: &str) -> GroupRow {
    let steps = Step::ALL.map(|step| (step, Outcome::Ok, Some(200)));
    GroupRow {
        credential: credential.into(),
        registry: Registry::from_domain(registry),
        repositories: BTreeMap::from([(Some(Outcome::Ok), 3)]),
        source: ExpirySource::Ecr,
        confidence: Confidence::Exact,
        first_rejected: None,
        steps: steps.to_vec(),
        last_run: at(1_800_000_000),
        last_success: at(1_800_000_000),
        next_run: at(1_800_000_900),
    }
}

fn secret(namespace: &str, name: &str) -> SecretRow {
    SecretRow {
        uid: Uid::default(),
        is_named: true,
        namespace: namespace.into(),
        name: name.into(),
        faults: FaultSet::default(),
        changed: at(1_700_000_000),
    }
}

fn registry(name: &str) -> RegistryRow {
    RegistryRow {
        registry: Registry::from_domain(name),
        in_use: true,
        is_budget_exhausted: false,
        up: Some(true),
        is_vantage_blind: Some(false),
        certificates: vec![certificate(&format!("{name}:443"))],
    }
}

fn certificate(host: &str) -> Certificate {
    Certificate {
        host: host.into(),
        validity: Validity {
            not_before: at(1_700_000_000).unwrap(),
            not_after: at(1_900_000_000).unwrap(),
        },
    }
}

fn quota(account: &str) -> QuotaRow {
    QuotaRow {
        registry: Registry::from_domain("docker.io"),
        account: account.into(),
        policy: QuotaPolicy::UNKNOWN,
        told: Told {
            quota: Quota {
                limit: Some(100),
                remaining: Some(76),
                window: Some(Duration::from_secs(21_600)),
                resets_after: None,
            },
            observed: at(1_800_000_000).unwrap(),
            retry_after: at(1_800_000_900),
        },
    }
}

/// One sound Secret with one entry, probed.
pub(crate) fn healthy() -> Snapshot {
    let rows = Rows {
        credentials: vec![credential("team-a", "pull", "ghcr.io")],
        groups: vec![group("team-a/pull", "ghcr.io")],
        secrets: vec![secret("team-a", "pull")],
        references: Vec::new(),
        registries: vec![registry("ghcr.io")],
        quotas: Vec::new(),
        pods: PodRows::default(),
        objects: BTreeMap::from([("pods", 20), ("secrets", 1)]),
    };
    let health = WatchHealth {
        up: true,
        listed: true,
        ..WatchHealth::default()
    };
    Snapshot {
        rows,
        watches: BTreeMap::from([("pods", health.clone()), ("secrets", health)]),
        gone: BTreeSet::new(),
    }
}

/// Every kind of series at once.
fn everything() -> Snapshot {
    let mut all = healthy();
    all.rows.credentials[0].skipped = Some(Skipped::ExpiredInside);
    all.rows.groups[0].first_rejected = at(1_700_000_000);
    all.rows.groups[0].repositories.insert(None, 1);
    all.rows.secrets[0].faults.insert(FaultKind::NoAuths);
    all.rows.quotas.push(quota("anonymous"));
    all.rows.pods = pods();
    all.rows.references.push(ReferenceRow {
        namespace: "team-b".into(),
        kind: "ServiceAccount",
        name: "pul".into(),
        count: 2,
    });
    all
}

fn metrics(look: impl Fn() -> Snapshot + Send + Sync + 'static) -> Metrics {
    Metrics::of(Duration::from_secs(900), look)
}

fn exchange(registry: &str, asked: Vec<Asked>) -> Exchange {
    Exchange {
        registry: Registry::from_domain(registry),
        asked,
        certificates: Vec::new(),
        took: Duration::from_millis(300),
    }
}

fn asked(step: Step, answer: Result<u16, NetworkFault>) -> Asked {
    Asked {
        step,
        manifest: None,
        purpose: Purpose::Login,
        answer: answer.map(|status| Response {
            status,
            ..Response::default()
        }),
    }
}

// === names ===

#[test]
fn names_types_and_labels_are_the_documented_ones() {
    let metrics = metrics(everything);
    metrics.pull.happened(&Happening::Failed {
        namespace: "team-b".into(),
        registry: Some(Registry::from_domain("ghcr.io")),
        reason: Reason::Dns,
        attempts: 1,
    });
    let samples = samples(&metrics);
    let mut exported = BTreeSet::new();
    for (family, kind) in &samples.types {
        let of_family = |name: &str| {
            let suffix = name.strip_prefix(family.as_str());
            suffix.is_some_and(|suffix| match kind.as_str() {
                "counter" => suffix == "_total",
                "histogram" => ["_bucket", "_count", "_sum"].contains(&suffix),
                _ => suffix.is_empty(),
            })
        };
        let names = samples.values.keys().filter(|(name, _)| of_family(name));
        let sets: BTreeSet<_> = names
            .map(|(_, labels)| {
                let own = labels.keys().filter(|label| *label != "le");
                own.map(String::as_str).collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(
            sets.len(),
            1,
            "{family} has label sets of several shapes: {sets:?}"
        );
        let labels = sets.into_iter().next().unwrap();
        exported.insert((family.clone(), kind.clone(), labels));
    }
    let owned = |(name, kind, labels): &(&str, &str, &str)| {
        (name.to_string(), kind.to_string(), labels.to_string())
    };
    let contract: BTreeSet<_> = CONTRACT.iter().map(owned).collect();
    let missing: Vec<_> = contract.difference(&exported).collect();
    let surplus: Vec<_> = exported.difference(&contract).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{missing:#?} {surplus:#?}"
    );
}

#[test]
fn families_without_samples_are_left_out() {
    let samples = samples(&metrics(Snapshot::default));
    assert!(!samples.types.contains_key("regcred_credential_info"));
    assert!(!samples.types.contains_key("regcred_probes"));
    let interval = samples.value("regcred_probe_interval_seconds", &[]);
    assert_eq!(interval, Some("900.0"));
}

#[test]
fn times_are_unix_seconds() {
    let samples = samples(&metrics(healthy));
    let labels = [("credential", "team-a/pull"), ("registry", "ghcr.io")];
    let last = samples.value("regcred_probe_last_run_timestamp_seconds", &labels);
    assert_eq!(last, Some("1800000000.5"));
}

#[test]
fn promtool_finds_nothing_to_say() {
    let promtool = super::tools::path("REGCRED_PROMTOOL");
    // promtool reads text 0.0.4; web.rs has the same page from a socket.
    let page = super::web::text_page(everything());
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let said = child.wait_with_output().unwrap();
    let mut text = String::from_utf8(said.stdout).unwrap();
    text += &String::from_utf8(said.stderr).unwrap();
    assert!(said.status.success() && text.is_empty(), "{text}");
}

// === label sets ===

#[test]
fn of_rows_that_collide_the_first_is_shown_and_the_rest_is_counted() {
    let look = || {
        let mut all = everything();
        let rows = &mut all.rows;
        rows.credentials.push(CredentialRow {
            kind: "identity_token",
            valid: Some(false),
            ..rows.credentials[0].clone()
        });
        rows.groups.push(rows.groups[0].clone());
        rows.groups[0].steps.push((Step::Ping, Outcome::Dns, None));
        rows.secrets.push(rows.secrets[0].clone());
        rows.references.push(rows.references[0].clone());
        rows.registries.push(rows.registries[0].clone());
        rows.quotas.push(rows.quotas[0].clone());
        all
    };
    let samples = samples(&metrics(look));
    let labels = [
        ("secret_namespace", "team-a"),
        ("secret_name", "pull"),
        ("key", "ghcr.io"),
        ("registry", "ghcr.io"),
    ];
    assert_eq!(
        samples.value("regcred_credential_valid", &labels),
        Some("1")
    );
    assert_eq!(samples.labels("regcred_probe_outcome").len(), 3);
    for (metric, dropped) in [
        ("credential_info", "1"),
        ("credential_expiry_info", "1"),
        ("probe_outcome", "1"),
        ("secret_fault", "1"),
        ("reference_missing", "1"),
        ("registry_up", "1"),
        ("ratelimit_requests_limit", "1"),
    ] {
        let count = samples.value("regcred_dropped_series", &[("metric", metric)]);
        assert_eq!(count, Some(dropped), "{metric}");
    }
}

#[test]
fn label_values_come_back_as_they_were() {
    let path = "/home/\"me\"/a\\b\\n/c\nd,e=\"f\"} 1 # {/ü/config.json";
    let look = move || {
        let mut all = healthy();
        all.rows.credentials = vec![credential("", path, "ghcr.io")];
        all
    };
    let samples = samples(&metrics(look));
    let names = samples.labels("regcred_credential_valid");
    assert_eq!(names[0]["secret_name"], path);
    assert_eq!(names[0]["secret_namespace"], "");
}

#[test]
fn a_healthy_credential_stays_within_the_series_budget() {
    let look = || {
        let mut all = healthy();
        all.rows.quotas = ["team-a/pull", "anonymous"]
            .map(|account| QuotaRow {
                registry: Registry::from_domain("ghcr.io"),
                ..quota(account)
            })
            .to_vec();
        all
    };
    let metrics = metrics(look);
    let steps = Step::ALL.map(|step| (step, Outcome::Ok));
    let all = Step::ALL.map(|step| asked(step, Ok(200)));
    metrics
        .probe
        .finished(&exchange("ghcr.io", all.to_vec()), &steps);
    let samples = samples(&metrics);
    assert!(samples.count(("secret_name", "pull"), &[]) <= 9);
    assert!(samples.count(("credential", "team-a/pull"), &["secret_name"]) <= 12);
    // What an account has of a quota is a fact of its own; that of our address is the registry's.
    assert!(samples.count(("account", "team-a/pull"), &[]) <= 5);
    let others = ["secret_name", "credential", "account"];
    let registry = samples.count(("registry", "ghcr.io"), &others)
        + samples.count(("account", "anonymous"), &[]);
    println!("series of one healthy registry: {registry}");
    assert!(registry <= 65, "{registry}");
    assert!(samples.labels("regcred_pods_blocked").is_empty());
    assert!(
        samples
            .labels("regcred_namespace_pull_failures_total")
            .is_empty()
    );
}

/// 5,000 Secrets with 60 credentials at 20 registries, in 200 namespaces, and Pods that all run.
#[test]
fn a_healthy_city_has_series_by_secret_credential_and_registry_and_none_by_namespace_or_pod() {
    const SECRETS: usize = 5_000;
    const CREDENTIALS: usize = 60;
    const REGISTRIES: usize = 20;
    let host = |number: usize| format!("r{}.example", number % REGISTRIES);
    let look = move || {
        let of = |number: usize| {
            let owner = number % CREDENTIALS;
            let row = credential(
                &format!("n{}", number % 200),
                &format!("pull-{number}"),
                &host(owner),
            );
            CredentialRow {
                credential: format!("n{owner}/pull-{owner}").into(),
                ..row
            }
        };
        let mut all = healthy();
        all.rows.credentials = (0..SECRETS).map(of).collect();
        let named = |number| secret(&format!("n{}", number % 200), &format!("pull-{number}"));
        all.rows.secrets = (0..SECRETS).map(named).collect();
        let of = |owner| group(&format!("n{owner}/pull-{owner}"), &host(owner));
        all.rows.groups = (0..CREDENTIALS).map(of).collect();
        all.rows.registries = (0..REGISTRIES)
            .map(|number| registry(&host(number)))
            .collect();
        all
    };
    let metrics = metrics(look);
    for number in 0..REGISTRIES {
        let steps = Step::ALL.map(|step| asked(step, Ok(200)));
        let outcomes = Step::ALL.map(|step| (step, Outcome::Ok));
        metrics
            .probe
            .finished(&exchange(&host(number), steps.to_vec()), &outcomes);
    }
    let samples = samples(&metrics);
    let with = |label: &str| {
        let keys = samples.values.keys();
        keys.filter(|(_, labels)| labels.contains_key(label))
            .count()
    };
    let by_secret = with("secret_name");
    let by_credential = with("credential") - SECRETS; // `credential_info` is the Secrets'
    let by_registry = with("registry") - by_credential - (by_secret - SECRETS);
    println!(
        "{} series: {by_secret} by Secret ({} each), {by_credential} by credential ({} each), \
         {by_registry} by registry ({} each), {} by namespace",
        samples.values.len(),
        by_secret / SECRETS,
        by_credential / CREDENTIALS,
        by_registry / REGISTRIES,
        with("pod_namespace"),
    );
    assert!(by_secret <= 9 * SECRETS);
    assert!(by_credential <= 12 * CREDENTIALS);
    assert!(by_registry <= 65 * REGISTRIES);
    assert_eq!((with("pod_namespace"), with("pod")), (0, 0));
}

#[test]
fn credentials_over_the_cap_are_left_out_and_counted() {
    let look = || {
        let mut all = healthy();
        let many = (0..20_002).map(|number| credential("a", &number.to_string(), "ghcr.io"));
        all.rows.credentials = many.collect();
        all
    };
    let samples = samples(&metrics(look));
    assert_eq!(samples.labels("regcred_credential_valid").len(), 20_000);
    let dropped = samples.value("regcred_dropped_series", &[("metric", "credential_info")]);
    assert_eq!(dropped, Some("2"));
}

#[test]
fn accounts_over_the_cap_are_left_out_and_counted() {
    let look = || {
        let mut all = healthy();
        all.rows.quotas = (0..20_002)
            .map(|number| quota(&number.to_string()))
            .collect();
        all
    };
    let samples = samples(&metrics(look));
    let limits = samples.labels("regcred_ratelimit_requests_limit");
    assert_eq!(limits.len(), 20_000);
    let labels = [("metric", "ratelimit_requests_limit")];
    let dropped = samples.value("regcred_dropped_series", &labels);
    assert_eq!(dropped, Some("2"));
}

// === counters ===

#[test]
fn closed_vocabularies_are_at_zero_from_the_first_scrape() {
    let samples = samples(&metrics(healthy));
    for outcome in Outcome::ALL {
        let labels = [("registry", "ghcr.io"), ("outcome", outcome.as_str())];
        assert_eq!(samples.value("regcred_probes_total", &labels), Some("0"));
    }
    for error in WatchError::ALL {
        let labels = [("resource", "pods"), ("error", error.as_str())];
        assert_eq!(
            samples.value("regcred_watch_restarts_total", &labels),
            Some("0")
        );
    }
    for task in Task::ALL {
        let labels = [("task", task.as_str())];
        assert_eq!(samples.value("regcred_panics_total", &labels), Some("0"));
    }
    let registry = [("registry", "ghcr.io")];
    assert_eq!(
        samples.value("regcred_login_refusals_total", &registry),
        Some("0")
    );
    assert_eq!(
        samples.value("regcred_probe_duration_seconds_count", &registry),
        Some("0")
    );
    for step in Step::ALL {
        let labels = [
            ("registry", "ghcr.io"),
            ("step", step.as_str()),
            ("code", "none"),
        ];
        assert_eq!(
            samples.value("regcred_registry_requests_total", &labels),
            Some("0")
        );
    }
}

#[test]
fn a_conversation_counts_once_and_each_of_its_requests() {
    let metrics = metrics(healthy);
    let conversation = vec![
        asked(Step::Ping, Ok(401)),
        asked(Step::Token, Ok(401)),
        asked(Step::Manifest, Err(NetworkFault::Dns(DnsFault::NoSuchHost))),
    ];
    let outcomes = [
        (Step::Ping, Outcome::Ok),
        (Step::Token, Outcome::Unauthorized),
    ];
    metrics
        .probe
        .finished(&exchange("ghcr.io", conversation), &outcomes);
    metrics.panics.caught(Task::Conversation);

    let samples = samples(&metrics);
    let value = |name: &str, labels: &[(&str, &str)]| {
        let labels = [&[("registry", "ghcr.io")], labels].concat();
        samples.value(name, &labels).map(str::to_owned)
    };
    let probes = |outcome| value("regcred_probes_total", &[("outcome", outcome)]);
    assert_eq!(probes("unauthorized").as_deref(), Some("1"));
    assert_eq!(probes("ok").as_deref(), Some("0"));
    let requests = |step, code| {
        value(
            "regcred_registry_requests_total",
            &[("step", step), ("code", code)],
        )
    };
    assert_eq!(requests("ping", "401").as_deref(), Some("1"));
    assert_eq!(requests("token", "401").as_deref(), Some("1"));
    assert_eq!(requests("manifest", "none").as_deref(), Some("1"));
    assert_eq!(
        value("regcred_login_refusals_total", &[]).as_deref(),
        Some("1")
    );
    let took = |le| value("regcred_probe_duration_seconds_bucket", &[("le", le)]);
    assert_eq!(took("0.25").as_deref(), Some("0"));
    assert_eq!(took("1.0").as_deref(), Some("1"));
    assert_eq!(took("+Inf").as_deref(), Some("1"));
    assert_eq!(
        value("regcred_probe_duration_seconds_sum", &[]).as_deref(),
        Some("0.3")
    );
    let panics = samples.value("regcred_panics_total", &[("task", "conversation")]);
    assert_eq!(panics, Some("1"));
}

#[test]
fn an_hour_long_conversation_is_counted_above_the_last_bound() {
    let metrics = metrics(healthy);
    let mut long = exchange("ghcr.io", Vec::new());
    long.took = Duration::from_secs(3600);
    metrics.probe.finished(&long, &[]);
    let samples = samples(&metrics);
    let took = |le| {
        let labels = [("registry", "ghcr.io"), ("le", le)];
        samples.value("regcred_probe_duration_seconds_bucket", &labels)
    };
    assert_eq!((took("10.0"), took("+Inf")), (Some("0"), Some("1")));
}

#[test]
fn a_hostile_registry_does_not_choose_how_many_series_we_have() {
    let metrics = metrics(healthy);
    let all = (100..1000).map(|status| asked(Step::Ping, Ok(status)));
    metrics
        .probe
        .finished(&exchange("ghcr.io", all.collect()), &[]);
    let samples = samples(&metrics);
    let codes = samples.labels("regcred_registry_requests_total");
    let pings = codes.iter().filter(|labels| labels["step"] == "ping");
    assert_eq!(pings.count(), 12 + 2);
    let other = [("registry", "ghcr.io"), ("step", "ping"), ("code", "other")];
    assert_eq!(
        samples.value("regcred_registry_requests_total", &other),
        Some("888")
    );
}

#[test]
fn registries_over_the_cap_share_other_and_are_told() {
    let look = || {
        let mut all = healthy();
        let many = (0..202).map(|number| registry(&format!("r{number}.example.com")));
        all.rows.registries = many.collect();
        all
    };
    let metrics = metrics(look);
    samples(&metrics);
    let late = exchange("late.example.com", Vec::new());
    metrics.probe.finished(&late, &[(Step::Ping, Outcome::Ok)]);
    let samples = samples(&metrics);
    assert_eq!(samples.labels("regcred_login_refusals_total").len(), 201);
    let other = [("registry", "other"), ("outcome", "ok")];
    assert_eq!(samples.value("regcred_probes_total", &other), Some("1"));
    for metric in [
        "probes",
        "registry_requests",
        "probe_duration_seconds",
        "login_refusals",
    ] {
        let dropped = samples.value("regcred_dropped_series", &[("metric", metric)]);
        assert_eq!(dropped, Some("2"), "{metric}");
    }
    // Each has its own `up`: an alert on the registry after the last must work.
    assert_eq!(samples.labels("regcred_registry_up").len(), 202);
}

// === the process ===

/// Set in the copy of this binary that runs without root's rights.
const UNPRIVILEGED: &str = "REGCRED_TEST_UNPRIVILEGED";

#[test]
fn process_metrics_survive_hardening() {
    if std::env::var_os(UNPRIVILEGED).is_none() && run_unprivileged() {
        return;
    }
    lifecycle::harden().unwrap();
    let samples = samples(&metrics(Snapshot::default));
    for (name, kind, _) in CONTRACT
        .iter()
        .filter(|(name, ..)| name.starts_with("process_"))
    {
        let suffix = if *kind == "counter" { "_total" } else { "" };
        let value = samples.value(&format!("{name}{suffix}"), &[]);
        let value: f64 = value
            .unwrap_or_else(|| panic!("{name} is gone"))
            .parse()
            .unwrap();
        assert!(
            value > 0.0 || *name == "process_cpu_seconds",
            "{name} {value}"
        );
    }
}

/// Runs the test that calls it once more as nobody; false where that cannot be done, because we
/// are not root, or nobody may not read the directory of this binary.
fn run_unprivileged() -> bool {
    use std::os::unix::process::CommandExt;

    let started = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "metrics::process_metrics_survive_hardening"])
        .env(UNPRIVILEGED, "1")
        .uid(65534)
        .output();
    let Ok(ended) = started else {
        return false;
    };
    let mut said = String::new();
    write!(said, "{}", String::from_utf8_lossy(&ended.stdout)).unwrap();
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}"
    );
    true
}
