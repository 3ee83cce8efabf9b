//! The main job on real parts: the real binary, a real API server over etcd, a real registry.

use std::path::PathBuf;
use std::time::Duration;

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use regcred_stand_ins::objects::{docker_config, namespace, pod, pull_secret, service_account};
use regcred_stand_ins::scrape::Page;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::exporter::{Exporter, command};
use super::real_api_server::RealApiServer;
use super::real_registry::RealRegistry;
use super::watch::client_of;

/// The promise for one Secret.
const SOON: Duration = Duration::from_secs(5);

/// One namespace of a real cluster, for one test.
pub(super) struct Namespace {
    client: Client,
    pub(super) name: String,
    folder: TempDir,
}

impl Namespace {
    /// A fresh namespace with its `default` ServiceAccount, which pods need.
    pub(super) async fn new(server: &RealApiServer, name: &str) -> Self {
        let client = client_of(&server.kubeconfig()).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), server.kubeconfig()).unwrap();
        let new = Self {
            client,
            name: name.to_owned(),
            folder,
        };
        new.send(Method::POST, "/api/v1/namespaces", &namespace(name))
            .await;
        new.create("serviceaccounts", &service_account(name, "default", &[]))
            .await;
        new
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    async fn create(&self, resource: &str, object: &Value) {
        let path = format!("/api/v1/namespaces/{}/{resource}", self.name);
        self.send(Method::POST, &path, object).await;
    }

    pub(super) async fn secret(&self, name: &str, config: &str) {
        self.create("secrets", &pull_secret(&self.name, name, config))
            .await;
    }

    /// Changes what a Secret holds.
    pub(super) async fn rotate(&self, name: &str, config: &str) {
        let patch = json!({"stringData": {".dockerconfigjson": config}});
        let path = format!("/api/v1/namespaces/{}/secrets/{name}", self.name);
        self.send(Method::PATCH, &path, &patch).await;
    }

    async fn delete(&self, resource: &str, name: &str) {
        let path = format!("/api/v1/namespaces/{}/{resource}/{name}", self.name);
        self.send(Method::DELETE, &path, &json!({})).await;
    }

    pub(super) async fn pod(&self, name: &str, image: &str, secrets: &[&str]) {
        self.create("pods", &pod(&self.name, name, image, secrets).build())
            .await;
    }

    /// What the namespace's ServiceAccount lists.
    pub(super) async fn list_on_service_account(&self, secrets: &[String]) {
        let names: Vec<_> = secrets.iter().map(|name| json!({"name": name})).collect();
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/default", self.name);
        self.send(Method::PATCH, &path, &json!({"imagePullSecrets": names}))
            .await;
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) {
        let kind = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap();
        let answer = self
            .client
            .send(request)
            .await
            .expect("the API server answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    /// An exporter that sees this namespace only, since others use the server at the same time.
    async fn exporter(&self, flags: &[&str]) -> Exporter {
        let only = format!("--namespaces={}", self.name);
        let flags: Vec<_> = std::iter::once(&*only)
            .chain(flags.iter().copied())
            .collect();
        Exporter::start(&self.kubeconfig(), &flags).await
    }
}

fn valid(page: &Page, secret: &str) -> Option<f64> {
    page.value("regcred_credential_valid", &[("secret_name", secret)])
}

fn has_outcome(page: &Page, credential: &str, step: &str, outcome: &str) -> bool {
    let labels = [
        ("credential", credential),
        ("step", step),
        ("outcome", outcome),
    ];
    page.count("regcred_probe_outcome", &labels) == 1
}

#[tokio::test]
async fn a_secret_has_its_verdict_at_once_however_it_comes_changes_and_goes() {
    let server = RealApiServer::shared().await;
    let registry = RealRegistry::plain(&[("bot", "first")]).await;
    registry.push("bot", "first", "team/app", "1").await;
    let host = registry.host();
    let ns = Namespace::new(server, "verdict").await;
    let exporter = ns.exporter(&[]).await;
    exporter.ready().await;

    ns.secret("pull", &docker_config(&[(&host, "bot", "first")]))
        .await;
    ns.pod("app", &format!("{host}/team/app:1"), &["pull"])
        .await;
    let (took, page) = exporter
        .until("a verdict", SOON, |page| valid(page, "pull") == Some(1.0))
        .await;
    println!("new Secret: verdict after {took:?}");
    assert_eq!(
        page.value("regcred_registry_up", &[("registry", &host)]),
        Some(1.0)
    );
    let product = [("registry", host.as_str()), ("provider", "distribution")];
    assert_eq!(page.count("regcred_credential_info", &product), 1);
    let found = |page: &Page| has_outcome(page, "verdict/pull", "manifest", "ok");
    exporter
        .until("its manifest", Duration::from_secs(300), found)
        .await;

    registry.set_users(&[("bot", "second")]);
    ns.rotate("pull", &docker_config(&[(&host, "bot", "wrong")]))
        .await;
    let refused = |page: &Page| has_outcome(page, "verdict/pull", "token", "unauthorized");
    let (took, _) = exporter.until("the refusal", SOON, refused).await;
    println!("rotated to a wrong password: refused after {took:?}");
    ns.rotate("pull", &docker_config(&[(&host, "bot", "second")]))
        .await;
    let (took, _) = exporter
        .until("the mend", SOON, |page| valid(page, "pull") == Some(1.0))
        .await;
    println!("rotated to the right password: verdict after {took:?}");

    ns.delete("secrets", "pull").await;
    let gone = |page: &Page| page.count("regcred_credential_info", &[]) == 0;
    let (took, page) = exporter.until("the series to go", SOON, gone).await;
    println!("deleted: gone after {took:?}");
    assert_eq!(page.count("regcred_probe_outcome", &[]), 0);
    let labels = [
        ("pod_namespace", "verdict"),
        ("kind", "Pod"),
        ("name", "pull"),
    ];
    assert_eq!(page.value("regcred_reference_missing", &labels), Some(1.0));
}

#[tokio::test]
async fn a_registry_behind_a_private_authority_is_trusted_when_told_to() {
    let server = RealApiServer::shared().await;
    let registry = RealRegistry::tls(&[("bot", "right")]).await;
    registry.push("bot", "right", "team/app", "1").await;
    let host = registry.host();
    let ns = Namespace::new(server, "private-ca").await;
    ns.secret("pull", &docker_config(&[(&host, "bot", "right")]))
        .await;
    ns.pod("app", &format!("{host}/team/app:1"), &["pull"])
        .await;

    let blind = ns.exporter(&[]).await;
    let unknown = |page: &Page| has_outcome(page, "private-ca/pull", "ping", "tls");
    let (_, page) = blind.until("a TLS fault", SOON, unknown).await;
    assert_eq!(
        valid(&page, "pull"),
        None,
        "no verdict on a credential that was never sent"
    );

    let trusting = Exporter::spawn(
        command()
            .env("SSL_CERT_FILE", registry.ca())
            .arg(format!("--kubeconfig={}", ns.kubeconfig().display()))
            .args(["--probe.allow=127.0.0.0/8", "--namespaces=private-ca"]),
    )
    .await;
    trusting
        .until("a verdict", SOON, |page| valid(page, "pull") == Some(1.0))
        .await;
}

#[tokio::test]
async fn five_hundred_secrets_that_change_in_one_second_are_all_judged_within_two_minutes() {
    let server = RealApiServer::shared().await;
    let users: Vec<_> = (0..500)
        .map(|n| (format!("bot-{n}"), format!("right-{n}")))
        .collect();
    let pairs: Vec<_> = users
        .iter()
        .map(|(user, password)| (&**user, &**password))
        .collect();
    let registry = RealRegistry::plain(&pairs).await;
    let host = registry.host();
    // One namespace has places for 64 (docs/adr/0031).
    let mut many = Vec::new();
    for n in 0..10 {
        let ns = Namespace::new(server, &format!("many-{n}")).await;
        let names: Vec<_> = (0..50).map(|n| format!("pull-{n}")).collect();
        for name in &names {
            ns.secret(name, r#"{"auths":{}}"#).await;
        }
        ns.list_on_service_account(&names).await;
        many.push(ns);
    }
    let names: Vec<_> = many.iter().map(|ns| &*ns.name).collect();
    let only = format!("--namespaces={}", names.join(","));
    let exporter = Exporter::start(&many[0].kubeconfig(), &[&only]).await;
    exporter.ready().await;

    let started = Instant::now();
    let changes = users.iter().enumerate().map(|(n, (user, password))| {
        let config = docker_config(&[(&host, user, password)]);
        let ns = &many[n / 50];
        async move { ns.rotate(&format!("pull-{}", n % 50), &config).await }
    });
    futures_util::future::join_all(changes).await;
    println!("500 changed in {:?}", started.elapsed());
    let judged = |page: &Page| {
        page.series
            .iter()
            .filter(|series| series.is("regcred_credential_valid", &[]) && series.value == 1.0)
            .count()
            == 500
    };
    let left = Duration::from_secs(120).saturating_sub(started.elapsed());
    exporter.until("500 verdicts", left, judged).await;
    println!("500 judged in {:?}", started.elapsed());
    assert_eq!(registry.answered("/v2/", 200), 500, "one login each");
}

#[tokio::test]
async fn an_api_server_that_is_gone_for_a_minute_leaves_the_page_true_and_comes_back() {
    let server = RealApiServer::start().await;
    let registry = RealRegistry::plain(&[("bot", "right")]).await;
    let host = registry.host();
    let ns = Namespace::new(&server, "outage").await;
    ns.secret("pull", &docker_config(&[(&host, "bot", "right")]))
        .await;
    ns.list_on_service_account(&["pull".to_owned()]).await;
    let exporter = Exporter::start(&ns.kubeconfig(), &[]).await;
    exporter.ready().await;
    exporter
        .until("a verdict", SOON, |page| valid(page, "pull") == Some(1.0))
        .await;

    server.stop();
    let all = |page: &Page, up: f64| {
        let resources = ["namespaces", "pods", "secrets", "serviceaccounts"];
        resources
            .iter()
            .all(|resource| page.value("regcred_watch_up", &[("resource", resource)]) == Some(up))
    };
    let (took, _) = exporter
        .until("watch_up to fall", SOON, |page| all(page, 0.0))
        .await;
    println!("watch_up fell after {took:?}");
    let back = Instant::now() + Duration::from_secs(60);
    while Instant::now() < back {
        let page = exporter.page().await;
        assert!(all(&page, 0.0));
        assert_eq!(valid(&page, "pull"), Some(1.0), "the verdict is kept");
        assert_eq!(
            exporter.status("/readyz").await,
            200,
            "readiness is a latch"
        );
        sleep(Duration::from_secs(1)).await;
    }

    server.start_again().await;
    let (took, _) = exporter
        .until("watch_up to rise", Duration::from_secs(60), |page| {
            all(page, 1.0)
        })
        .await;
    println!("watch_up rose after {took:?}");
    ns.secret("new", &docker_config(&[(&host, "bot", "wrong")]))
        .await;
    ns.list_on_service_account(&["pull".to_owned(), "new".to_owned()])
        .await;
    let refused = |page: &Page| has_outcome(page, "outage/new", "token", "unauthorized");
    exporter.until("what is new since", SOON, refused).await;
}
