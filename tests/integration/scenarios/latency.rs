//! How long it takes from what a kubelet writes to the right cause on the page, through a real API
//! server, over 200 Pods.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use regcred_exporter::domain::diagnosis::SETTLING;
use regcred_stand_ins::kubelet::Kubelet;
use regcred_stand_ins::objects::{
    PodBuilder, docker_config, namespace, pod, pull_secret, service_account,
};
use regcred_stand_ins::registry::{Behaviour, Registry};
use regcred_stand_ins::scrape::Page;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::exporter::Exporter;
use crate::real_api_server::{Admin, RealApiServer};

const PODS: usize = 200;

/// What a Pod names, what its node says, and the cause.
const CASES: [(&str, &[&str], &str, &str); 6] = [
    ("team/app:1", &["gone"], "refused", "secret_not_referenced"),
    ("team/app:1", &["wrong"], "refused", "invalid_credentials"),
    (
        "team/app:1",
        &["regcerd"],
        "refused",
        "secret_not_referenced",
    ),
    ("team/app:1", &["limited"], "refused", "permission_denied"),
    ("team/app:2", &["regcred"], "not_found", "image_not_found"),
    ("team/app:1", &["regcred"], "dns", "network"),
];

/// A namespace with one Pod of each case after the other.
struct Scene {
    admin: Admin,
    registry: Registry,
}

impl Scene {
    async fn new(server: &RealApiServer) -> Self {
        let behaviour = Behaviour::basic()
            .user("bot", "right")
            .user_for("limited", "right", &["other/app"])
            .manifest("team/app", "1");
        let scene = Self {
            admin: server.admin().await,
            registry: Registry::start(behaviour).await,
        };
        let host = scene.registry.host();
        scene.send("/api/v1/namespaces", namespace("late")).await;
        scene
            .send(
                &path("serviceaccounts"),
                service_account("late", "default", &[]),
            )
            .await;
        for (name, user, password) in [
            ("regcred", "bot", "right"),
            ("wrong", "old", "wrong"),
            ("limited", "limited", "right"),
        ] {
            let config = docker_config(&[(host, user, password)]);
            scene
                .send(&path("secrets"), pull_secret("late", name, &config))
                .await;
        }
        // It came from there, so that the repository exists.
        let proof = scene.pod(PODS, &format!("{host}/team/app:1"), &["regcred"]);
        scene.send(&path("pods"), proof.clone().build()).await;
        scene.status(PODS, proof.running()).await;
        scene
    }

    async fn send(&self, path: &str, object: serde_json::Value) {
        self.admin.send(Method::POST, path, &object).await;
    }

    fn pod(&self, number: usize, image: &str, secrets: &[&str]) -> PodBuilder {
        pod("late", &format!("web-{number}"), image, secrets)
    }

    async fn status(&self, number: usize, pod: PodBuilder) {
        let status = json!({ "status": pod.build()["status"] });
        let path = path(&format!("pods/web-{number}/status"));
        self.admin.send(Method::PATCH, &path, &status).await;
    }

    /// Makes a Pod, of which its kubelet then says that an attempt has failed.
    async fn fail(&self, number: usize) {
        let (image, secrets, says, _) = CASES[number % CASES.len()];
        let host = self.registry.host();
        let image = format!("{host}/{image}");
        let cause = match says {
            "refused" => format!(
                "pulling from host {host} failed with status code [manifests 1]: 401 Unauthorized"
            ),
            "not_found" => format!("{image}: not found"),
            _ => format!(
                "failed to do request: dial tcp: lookup {host} on 10.96.0.10:53: no such host"
            ),
        };
        let pod = self.pod(number, &image, secrets);
        self.send(&path("pods"), pod.clone().build()).await;
        let kubelet = Kubelet::ALL[number % 4];
        let error = kubelet.error(&image, &cause);
        self.status(number, kubelet.failed(pod, "app", &error))
            .await;
    }
}

fn path(rest: &str) -> String {
    format!("/api/v1/namespaces/late/{rest}")
}

/// The cause that the page shows of each Pod.
fn causes(page: &Page) -> BTreeMap<&str, &str> {
    let wanted = [("pod_namespace", "late")];
    let series = page
        .series
        .iter()
        .filter(|one| one.is("regcred_workload_blocked_pods", &wanted));
    series
        .map(|one| (&*one.labels["workload_name"], &*one.labels["cause"]))
        .collect()
}

#[tokio::test]
async fn the_right_cause_is_there_a_second_after_it_has_settled() {
    let server = RealApiServer::start().await;
    let scene = Scene::new(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig()).unwrap();
    let exporter = Exporter::start(&kubeconfig, &["--probe.confirm-after=2s"]).await;
    exporter.ready().await;
    let mut waiting: BTreeMap<String, (usize, Instant)> = BTreeMap::new();
    let mut took: Vec<Duration> = Vec::new();
    let (begun, mut made) = (Instant::now(), 0);
    while took.len() < PODS {
        // Ten a second.
        if made < PODS && begun.elapsed() >= Duration::from_millis(100) * made as u32 {
            scene.fail(made).await;
            waiting.insert(format!("web-{made}"), (made, Instant::now()));
            made += 1;
        }
        let page = exporter.page().await;
        let causes = causes(&page);
        waiting.retain(|pod, (number, since)| {
            let is_right = causes.get(&**pod) == Some(&CASES[*number % CASES.len()].3);
            if is_right {
                took.push(since.elapsed());
            }
            !is_right
        });
        let found = |pod: &String| (pod.clone(), causes.get(&**pod).copied());
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "not found: {:?}",
            waiting.keys().map(found).collect::<Vec<_>>()
        );
        sleep(Duration::from_millis(20)).await;
    }
    took.sort();
    let (median, worst) = (took[PODS / 2], took[PODS - 1]);
    println!("{PODS} Pods: the right cause after {median:?} in the middle, {worst:?} at worst");
    let settling = SETTLING.to_std().unwrap();
    assert!(median <= settling + Duration::from_secs(1), "{median:?}");
    assert!(worst <= settling + Duration::from_secs(5), "{worst:?}");
}
