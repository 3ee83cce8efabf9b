//! The same scenarios through a real API server and the real binary, all at once: what a page shows
//! of each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;
use regcred_stand_ins::registry::Registry;
use regcred_stand_ins::scenario::Scenario;
use regcred_stand_ins::scrape::Page;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::exporter::Exporter;
use crate::real_api_server::{Admin, RealApiServer};

/// A cause has settled, and the registry was asked, well within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// One that the API server takes, with its registry and its namespace.
pub(super) struct Stage {
    pub(super) scenario: Scenario,
    registry: Registry,
    pub(super) namespace: String,
}

impl Stage {
    pub(super) async fn of(scenario: Scenario) -> Self {
        let namespace = format!("s-{}", scenario.name.replace('_', "-"));
        Self {
            registry: scenario.start().await,
            namespace,
            scenario,
        }
    }

    /// Makes its objects as users and kubelets do. ServiceAccounts list their Secrets after the Pods
    /// are there: admission would copy the list into those that have none.
    pub(super) async fn make(&self, admin: &Admin) {
        let (mut uids, mut lists) = (BTreeMap::new(), Vec::new());
        for mut object in self.scenario.objects(&self.namespace, self.registry.host()) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let namespace = text(&object["metadata"]["namespace"]);
            let name = text(&object["metadata"]["name"]);
            let path = |kind: &str| format!("/api/v1/namespaces/{namespace}/{kind}");
            match object["kind"].as_str().unwrap() {
                "Namespace" => {
                    admin
                        .send(Method::POST, "/api/v1/namespaces", &object)
                        .await;
                }
                "ServiceAccount" => {
                    let list = json!({ "imagePullSecrets": object["imagePullSecrets"].take() });
                    admin
                        .send(Method::POST, &path("serviceaccounts"), &object)
                        .await;
                    lists.push((path(&format!("serviceaccounts/{name}")), list));
                }
                "Secret" => {
                    admin.send(Method::POST, &path("secrets"), &object).await;
                }
                "Pod" => {
                    let status = json!({ "status": object["status"].take() });
                    let made = admin.send(Method::POST, &path("pods"), &object).await;
                    uids.insert(name.clone(), made["metadata"]["uid"].clone());
                    let path = path(&format!("pods/{name}/status"));
                    admin.send(Method::PATCH, &path, &status).await;
                }
                "Event" => {
                    let pod = text(&object["involvedObject"]["name"]);
                    object["involvedObject"]["uid"] = uids[&pod].clone();
                    admin.send(Method::POST, &path("events"), &object).await;
                }
                other => panic!("no scenario has a {other}"),
            }
        }
        for (path, list) in lists
            .iter()
            .filter(|(_, list)| list["imagePullSecrets"].is_array())
        {
            admin.send(Method::PATCH, path, list).await;
        }
    }

    /// What the page shows of its Pods: of those that wait `pod cause detail secret`, each a workload
    /// of its own or of its owner's name; of those at risk their number by cause.
    fn found(&self, page: &Page) -> BTreeSet<String> {
        let here = [("pod_namespace", self.namespace.as_str())];
        let blocked = page
            .series
            .iter()
            .filter(|one| one.is("regcred_workload_blocked_pods", &here));
        let blocked = blocked.map(|one| {
            let label = |name: &str| one.labels[name].as_str();
            format!(
                "blocked {} {} {}",
                label("cause"),
                label("detail"),
                label("secret_name")
            )
        });
        let at_risk = page
            .series
            .iter()
            .filter(|one| one.is("regcred_pods_at_risk", &here));
        let at_risk = at_risk.map(|one| format!("at_risk {}", one.labels["cause"]));
        blocked.chain(at_risk).collect()
    }

    fn expected(&self) -> BTreeSet<String> {
        let pods = self.scenario.expect.pods.values();
        pods.map(|pod| match &*pod.state {
            "at_risk" => format!("at_risk {}", pod.cause),
            _ => {
                let secret = pod.secret.rsplit('/').next().unwrap_or_default();
                format!("blocked {} {} {secret}", pod.cause, pod.detail)
            }
        })
        .collect()
    }
}

#[tokio::test]
async fn each_is_found_through_a_real_one() {
    let server = RealApiServer::start().await;
    let admin = server.admin().await;
    let mut stages = Vec::new();
    for scenario in super::all() {
        if scenario.expect.only_in_process.is_none() {
            stages.push(Stage::of(scenario).await);
        }
    }
    for stage in &stages {
        stage.make(&admin).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig()).unwrap();
    // Nobody waits for five minutes until a refusal is confirmed.
    let mut flags = vec![
        "--probe.confirm-after=2s".to_owned(),
        "--node-credentials=clouds".to_owned(),
    ];
    for stage in &stages {
        for pattern in &stage.scenario.expect.node_credentials {
            let pattern = pattern.replace("{registry}", stage.registry.host());
            flags.push(format!("--node-credentials={pattern}"));
        }
    }
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let exporter = Exporter::start(&kubeconfig, &flags).await;
    exporter.ready().await;
    let differing = |page: &Page| -> Vec<String> {
        let differing = stages
            .iter()
            .filter(|stage| stage.found(page) != stage.expected());
        let told = differing.map(|stage| {
            let (found, expected) = (stage.found(page), stage.expected());
            format!("{}: {found:?}, not {expected:?}", stage.scenario.name)
        });
        told.collect()
    };
    let started = Instant::now();
    let mut page = exporter.page().await;
    while !differing(&page).is_empty() {
        let left = differing(&page).join("\n");
        assert!(
            started.elapsed() < PATIENCE,
            "in {PATIENCE:?} not found:\n{left}"
        );
        sleep(Duration::from_millis(100)).await;
        page = exporter.page().await;
    }
    println!(
        "{} scenarios, all right after {:?}",
        stages.len(),
        started.elapsed()
    );
    assert_eq!(page.duplicates(), Vec::<String>::new());
}
