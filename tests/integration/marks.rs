//! Annotations on Secrets, ServiceAccounts and Namespaces, set and taken back while the binary runs:
//! what it shows, and what reaches the registry.

use std::path::PathBuf;

use http::Method;
use regcred_stand_ins::api_server::{ApiServer, Resource};
use regcred_stand_ins::objects::{annotated, docker_config, namespace, pod, pull_secret};
use regcred_stand_ins::objects::{dockercfg, dockercfg_secret, service_account};
use regcred_stand_ins::registry::{Behaviour, Registry};
use regcred_stand_ins::scrape::Page;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::end_to_end::Namespace;
use super::exporter::{Exporter, PATIENCE};
use super::real_api_server::RealApiServer;

const IGNORE: (&str, &str) = ("regcred-exporter.io/ignore", "true");
const NO_PROBE: (&str, &str) = ("regcred-exporter.io/probe", "false");

/// How OpenShift marks what it generates, from 4.16 on and before.
const OPENSHIFT_NOW: &str = "openshift.io/internal-registry-auth-token.service-account";
const OPENSHIFT_BEFORE: &str = "openshift.io/token-secret.name";

type Wish = (&'static str, &'static str);

/// Every object that may carry a wish, with each wish; and one without.
const CASES: [(&str, Option<(Resource, Wish)>); 7] = [
    ("marks-plain", None),
    ("marks-secret-ignore", Some((Resource::Secrets, IGNORE))),
    ("marks-secret-probe", Some((Resource::Secrets, NO_PROBE))),
    (
        "marks-account-ignore",
        Some((Resource::ServiceAccounts, IGNORE)),
    ),
    (
        "marks-account-probe",
        Some((Resource::ServiceAccounts, NO_PROBE)),
    ),
    ("marks-space-ignore", Some((Resource::Namespaces, IGNORE))),
    ("marks-space-probe", Some((Resource::Namespaces, NO_PROBE))),
];

/// A cluster under either server. Each namespace has a ServiceAccount `default` that lists `pull`,
/// and a Pod under it that names it.
enum Cluster {
    StandIn(ApiServer, TempDir),
    Real(Vec<Namespace>),
}

impl Cluster {
    async fn stand_in() -> Self {
        let api = ApiServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), api.kubeconfig()).unwrap();
        for (name, _) in CASES {
            api.apply(namespace(name));
            api.apply(service_account(name, "default", &["pull"]));
        }
        Self::StandIn(api, folder)
    }

    async fn real() -> Self {
        let server = RealApiServer::shared().await;
        let mut namespaces = Vec::new();
        for (name, _) in CASES {
            let namespace = Namespace::new(server, name).await;
            namespace
                .list_on_service_account(&["pull".to_owned()])
                .await;
            namespaces.push(namespace);
        }
        Self::Real(namespaces)
    }

    fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::StandIn(_, folder) => folder.path().join("kubeconfig"),
            Self::Real(namespaces) => namespaces[0].kubeconfig(),
        }
    }

    async fn deploy(&self, number: usize, config: &str, image: &str) {
        let (name, _) = CASES[number];
        match self {
            Self::StandIn(api, _) => {
                api.apply(pull_secret(name, "pull", config));
                api.apply(pod(name, "web", image, &["pull"]));
            }
            Self::Real(namespaces) => {
                namespaces[number].secret("pull", config).await;
                namespaces[number].pod("web", image, &["pull"]).await;
            }
        }
    }

    /// Other bytes, whatever annotations there are.
    async fn rotate(&self, number: usize, config: &str) {
        let (name, _) = CASES[number];
        match self {
            Self::StandIn(api, _) => {
                let mut secret = api.find(Resource::Secrets, name, "pull").unwrap();
                secret["data"] = pull_secret(name, "pull", config)["data"].take();
                api.apply(secret);
            }
            Self::Real(namespaces) => namespaces[number].rotate("pull", config).await,
        }
    }

    /// Sets the wish of a case, or takes it back.
    async fn wish(&self, number: usize, is_set: bool) {
        let (name, Some((resource, (annotation, value)))) = CASES[number] else {
            return;
        };
        let value = if is_set { json!(value) } else { Value::Null };
        let object = match resource {
            Resource::Secrets => "pull",
            Resource::ServiceAccounts => "default",
            _ => name,
        };
        match self {
            Self::StandIn(api, _) => {
                let within = if object == name { "" } else { name };
                let mut found = api.find(resource, within, object).unwrap();
                found["metadata"]["annotations"] = match is_set {
                    true => json!({ annotation: value }),
                    false => json!({}),
                };
                api.apply(found);
            }
            Self::Real(namespaces) => {
                let path = match resource {
                    Resource::Secrets => format!("/api/v1/namespaces/{name}/secrets/{object}"),
                    Resource::ServiceAccounts => {
                        format!("/api/v1/namespaces/{name}/serviceaccounts/{object}")
                    }
                    _ => format!("/api/v1/namespaces/{name}"),
                };
                let patch = json!({"metadata": {"annotations": { annotation: value }}});
                namespaces[number].send(Method::PATCH, &path, &patch).await;
            }
        }
    }
}

fn user(number: usize, turn: &str) -> String {
    format!("{turn}-{number}")
}

/// One login, and an entry that no kubelet can use.
fn config(host: &str, user: &str) -> String {
    docker_config(&[(host, user, "right"), ("https://", "nobody", "x")])
}

fn valid(page: &Page, number: usize) -> Option<f64> {
    page.value(
        "regcred_credential_valid",
        &[("secret_namespace", CASES[number].0)],
    )
}

/// A namespace is shown as its wish has it, or as any other where that does not count now.
fn is_shown(page: &Page, number: usize, counts: bool) -> bool {
    let (name, wish) = CASES[number];
    let count = |metric: &str| page.count(metric, &[("secret_namespace", name)]);
    let wish = wish.filter(|_| counts).map(|(_, wish)| wish);
    let skipped = [("secret_namespace", name), ("why", "ignored")];
    let is_skipped = page.count("regcred_credential_skipped", &skipped) == 1;
    let told = (
        count("regcred_credential_info"),
        count("regcred_secret_fault"),
        count("regcred_secret_last_change_timestamp_seconds"),
    );
    let expected = if wish == Some(IGNORE) {
        (0, 0, 0)
    } else {
        (1, 1, 1)
    };
    is_skipped == wish.is_some()
        && valid(page, number).is_none() == wish.is_some()
        && told == expected
}

async fn wishes_are_obeyed(cluster: Cluster) {
    let users = (0..CASES.len()).fold(Behaviour::bearer(), |behaviour, number| {
        let behaviour = behaviour.user(&user(number, "first"), "right");
        behaviour.user(&user(number, "second"), "right")
    });
    let registry = Registry::start(users.manifest("team/app", "1")).await;
    let host = registry.host();
    // One conversation may need two tokens.
    let asked = |turn: &str| -> Vec<usize> {
        let all = 0..CASES.len();
        let is_asked = |number: &usize| registry.logins(&user(*number, turn)) > 0;
        all.filter(is_asked).collect()
    };
    // A Secret carries its wish before it is there; the others are there before their Secret.
    for (number, (_, wish)) in CASES.iter().enumerate() {
        let is_secrets = wish.is_some_and(|(resource, _)| resource == Resource::Secrets);
        if !is_secrets {
            cluster.wish(number, true).await;
        }
        let image = format!("{host}/team/app:1");
        let config = config(host, &user(number, "first"));
        cluster.deploy(number, &config, &image).await;
        if is_secrets {
            cluster.wish(number, true).await;
        }
    }
    let only: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
    let only = format!("--namespaces={}", only.join(","));
    let exporter = Exporter::start(&cluster.kubeconfig(), &[&only]).await;
    exporter.ready().await;

    let all =
        |page: &Page, counts: bool| (0..CASES.len()).all(|number| is_shown(page, number, counts));
    exporter
        .until("each as it wishes", PATIENCE, |page| all(page, true))
        .await;
    assert_eq!(asked("first"), [0]);

    for number in 0..CASES.len() {
        cluster.wish(number, false).await;
    }
    exporter
        .until("all verdicts", PATIENCE, |page| all(page, false))
        .await;
    assert_eq!(asked("first").len(), CASES.len());

    for number in 0..CASES.len() {
        cluster.wish(number, true).await;
    }
    exporter
        .until("each as it wishes again", PATIENCE, |page| all(page, true))
        .await;
    // Other bytes would be asked at once. Those of the last are there when the first have an answer.
    for number in (0..CASES.len()).rev() {
        let config = config(host, &user(number, "second"));
        cluster.rotate(number, &config).await;
    }
    let is_asked = |_: &Page| !asked("second").is_empty();
    exporter.until("the new login", PATIENCE, is_asked).await;
    let (_, page) = exporter
        .until("all as before", PATIENCE, |page| all(page, true))
        .await;
    assert_eq!(asked("second"), [0]);
    assert_eq!(page.count("regcred_probe_outcome", &[("step", "token")]), 1);
}

#[tokio::test]
async fn wishes_are_obeyed_in_a_stand_in_cluster() {
    wishes_are_obeyed(Cluster::stand_in().await).await;
}

#[tokio::test]
async fn wishes_are_obeyed_in_a_real_cluster() {
    wishes_are_obeyed(Cluster::real().await).await;
}

#[tokio::test]
async fn a_wish_that_is_misspelt_is_named_once_and_what_openshift_made_is_left_alone() {
    let registry = Registry::start(Behaviour::bearer().user("bot", "right")).await;
    let api = ApiServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let generated = |name: &str, annotation: &str| {
        let config = dockercfg(&[(registry.host(), "serviceaccount", "token")]);
        annotated(
            dockercfg_secret("a", name, &config),
            annotation,
            "of-default",
        )
    };
    let config = docker_config(&[(registry.host(), "bot", "right")]);
    let misspelt = annotated(pull_secret("a", "pull", &config), NO_PROBE.0, "S3CRET no");
    api.apply_all([
        generated("default-dockercfg-x1", OPENSHIFT_NOW),
        generated("default-dockercfg-x2", OPENSHIFT_BEFORE),
        misspelt.clone(),
        service_account(
            "a",
            "default",
            &["pull", "default-dockercfg-x1", "default-dockercfg-x2"],
        ),
    ]);
    let exporter = Exporter::start(&kubeconfig, &[]).await;
    exporter.ready().await;
    let is_valid = |page: &Page| {
        let pull = [("secret_name", "pull")];
        page.value("regcred_credential_valid", &pull) == Some(1.0)
    };
    let (_, page) = exporter.until("the verdict", PATIENCE, is_valid).await;
    let generated = [("why", "openshift_generated")];
    assert_eq!(page.count("regcred_credential_skipped", &generated), 2);
    assert_eq!(registry.logins("serviceaccount"), 0);

    api.apply(misspelt);
    api.apply(annotated(
        pull_secret("a", "last", &config),
        NO_PROBE.0,
        "false",
    ));
    let has_last = |page: &Page| page.count("regcred_credential_skipped", &[]) == 3;
    exporter.until("the last Secret", PATIENCE, has_last).await;
    let log = exporter.log();
    let told = log.lines().filter(|line| line.contains("asks for nothing"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(
        told[0].contains("name=pull") && told[0].contains(NO_PROBE.0),
        "{told:?}"
    );
    assert!(!log.contains("S3CRET"), "{log}");
}

#[tokio::test]
async fn a_registry_on_localhost_is_the_nodes_and_is_shown_so() {
    let registry = Registry::start(Behaviour::bearer().user("bot", "right")).await;
    let api = ApiServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let hosts = [registry.host(), "localhost:5000"];
    let config = docker_config(&hosts.map(|host| (host, "bot", "right")));
    api.apply(pull_secret("a", "pull", &config));
    api.apply(service_account("a", "default", &["pull"]));
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let exporter = Exporter::start_with(&[&kubeconfig]).await;
    exporter.ready().await;
    let is_shown = |page: &Page| {
        let node_local = [("why", "node_local")];
        page.count("regcred_credential_skipped", &node_local) == hosts.len()
    };
    exporter.until("both shown", PATIENCE, is_shown).await;
    assert_eq!(registry.connections(), 0);
}
