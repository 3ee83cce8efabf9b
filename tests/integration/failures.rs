//! Pulls that fail, as kubelets tell of them through an API server: what is counted, and who waits.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use regcred_exporter::clock::Clock;
use regcred_exporter::config::ClusterSource;
use regcred_exporter::domain::attempts::Happening;
use regcred_exporter::domain::cluster::{Change, Resource, Watch};
use regcred_exporter::domain::watches::WatchError;
use regcred_exporter::kubernetes::decode::Wanted;
use regcred_exporter::kubernetes::watch::{Cadence, Sink, Watcher};
use regcred_exporter::state::Shared;
use regcred_stand_ins::api_server::{ApiServer, Fault, Resource as Served, Verb};
use regcred_stand_ins::eventually;
use regcred_stand_ins::kubelet::{Container, Kubelet, Recorded};
use regcred_stand_ins::objects::{PodBuilder, namespace, pod, service_account};
use regcred_stand_ins::scrape::Page;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::exporter::Exporter;
use super::real_api_server::{Admin, RealApiServer};
use super::watch::client_of;

const UID: &str = "11111111-1111-1111-1111-111111111111";
const APP: Container<'_> = Container {
    pod: ("shop", "web-1", UID),
    name: "app",
    image: "registry.example.com/team/app:1",
};

/// Watchers at work, and how many attempts they told of.
struct Rig {
    shared: Shared,
    attempts: Arc<Mutex<u64>>,
    shutdown: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Rig {
    async fn start(server: &ApiServer, cadence: &Cadence) -> Self {
        let (shared, attempts) = (Shared::default(), Arc::new(Mutex::new(0)));
        let (state, total, clock) = (shared.clone(), Arc::clone(&attempts), Clock::system());
        let sink = Sink::new(move |changes: Vec<Change>| {
            let mut total = total.lock().unwrap();
            let take = |change| state.update(|state| state.take(change, clock.now()));
            for happening in changes.into_iter().flat_map(|change| take(change).happened) {
                if let Happening::Failed { attempts, .. } = happening {
                    *total += attempts;
                }
            }
        });
        let client = client_of(&server.kubeconfig()).await;
        let (source, shutdown) = (ClusterSource::default(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        for watcher in Watcher::all(&client, &source, Wanted::least(), &shared, &sink) {
            tasks.spawn(watcher.with_cadence(cadence.clone()).run(shutdown.clone()));
        }
        Self {
            shared,
            attempts,
            shutdown,
            _tasks: tasks,
        }
    }

    fn attempts(&self) -> u64 {
        *self.attempts.lock().unwrap()
    }

    fn errors(&self, error: WatchError) -> u64 {
        let watch = Watch {
            resource: Resource::Events,
            namespace: None,
        };
        self.shared.read(|state| {
            let health = state.watches.of(&watch);
            health
                .and_then(|health| health.restarts.get(&error).copied())
                .unwrap_or_default()
        })
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// What is a minute of Events here; under `make load` it is one.
fn minute() -> Duration {
    match std::env::var_os(SECONDS) {
        Some(_) => Cadence::default().events_pause,
        None => Duration::from_millis(200),
    }
}

fn cadence() -> Cadence {
    Cadence {
        backoff: Duration::from_millis(1)..=Duration::from_millis(5),
        events_pause: minute(),
        ..Cadence::default()
    }
}

/// Waits until Events have been listed so often.
async fn listed(server: &ApiServer, times: usize) {
    let deadline = Instant::now() + 2 * minute() + Duration::from_secs(10);
    while lists(server).len() < times {
        assert!(Instant::now() < deadline, "waited in vain for list {times}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn web() -> PodBuilder {
    let later = (Clock::system().now() + TimeDelta::minutes(1)).to_rfc3339();
    pod("shop", "web-1", APP.image, &[])
        .uid(UID)
        .created_at(&later)
}

fn seen(count: u32) -> Value {
    let now = Clock::system().now();
    let recorded = Recorded {
        name: "web-1.17c0",
        count,
        seen: (now, now),
    };
    Kubelet::V1_28.event(
        &APP,
        &Kubelet::V1_28.error(APP.image, "401 Unauthorized"),
        recorded,
    )
}

/// When each list of Events was begun.
fn lists(server: &ApiServer) -> Vec<Instant> {
    let requests = server.requests().into_iter();
    let lists = requests.filter(|request| {
        request.verb == Some(Verb::List) && request.resource == Some(Served::Events)
    });
    lists.map(|list| list.at).collect()
}

fn shortest_pause(lists: &[Instant]) -> Duration {
    let pauses = lists.windows(2).map(|pair| pair[1] - pair[0]);
    pauses.min().unwrap()
}

#[tokio::test]
async fn events_that_are_to_be_listed_every_minute_are_and_nothing_is_counted_again() {
    let server = ApiServer::start().await;
    let rig = Rig::start(&server, &cadence()).await;
    let is_watched = |s: &ApiServer| s.open_watches(Served::Events) == 1;
    server.until("Events are watched", is_watched).await;
    let error = Kubelet::V1_28.error(APP.image, "401 Unauthorized");
    server.apply(Kubelet::V1_28.failed(web(), "app", &error));
    server.apply(Kubelet::V1_28.backing_off(web(), &APP, &error));
    server.apply(seen(7));
    eventually("seven attempts", || rig.attempts() == 7).await;
    for minute in 1..=10 {
        server.expire_watches(Served::Events);
        listed(&server, minute + 1).await;
        server.until("watched again", is_watched).await;
    }
    assert_eq!((rig.errors(WatchError::Gone), rig.attempts()), (10, 7));
    let shortest = shortest_pause(&lists(&server));
    println!(
        "10 lists again, no two within {shortest:?} of each other; 7 attempts before and after"
    );
    assert!(shortest >= minute());
    server.apply(seen(8));
    eventually("the eighth", || rig.attempts() == 8).await;
}

#[tokio::test]
async fn whatever_goes_wrong_with_their_watch_events_are_listed_once_a_minute_at_most() {
    for fault in [
        Fault::gone_as_status,
        Fault::gone_in_stream,
        Fault::end_watch_at_once,
    ] {
        let server = ApiServer::start().await;
        server.inject(fault(Served::Events));
        let _rig = Rig::start(&server, &cadence()).await;
        listed(&server, 4).await;
        assert!(shortest_pause(&lists(&server)) >= minute());
    }
}

#[tokio::test]
async fn events_begin_anew_with_the_watch_that_finds_its_server_silent() {
    let server = ApiServer::start().await;
    let cadence = Cadence {
        watch: Duration::from_secs(1)..=Duration::from_secs(1),
        silence: Duration::from_millis(100),
        ..cadence()
    };
    let watches = |server: &ApiServer| {
        let requests = server.requests().into_iter();
        let watches = requests.filter(|request| {
            request.verb == Some(Verb::Watch) && request.resource == Some(Served::Events)
        });
        watches.count()
    };
    server.inject(Fault::silence(Served::Pods).once());
    let _rig = Rig::start(&server, &cadence).await;
    eventually("a second watch of Events", || watches(&server) == 2).await;
    assert_eq!(lists(&server).len(), 1);
}

#[tokio::test]
async fn without_the_right_to_see_events_attempts_are_told_by_the_status() {
    let server = ApiServer::start().await;
    server.inject(Fault::forbidden(Served::Events));
    let rig = Rig::start(&server, &cadence()).await;
    eventually("ready", || {
        rig.shared.read(|state| state.watches.is_ready())
    })
    .await;
    assert_eq!(rig.errors(WatchError::Forbidden), 1);
    let error = Kubelet::V1_37.error(APP.image, "401 Unauthorized");
    for _ in 0..3 {
        server.apply(Kubelet::V1_37.failed(web(), "app", &error));
        server.apply(Kubelet::V1_37.backing_off(web(), &APP, &error));
    }
    eventually("three attempts", || rig.attempts() == 3).await;
}

// === on the real API server ===

/// How long kubelets write in the test of their load; `make load` says 300.
const SECONDS: &str = "REGCRED_LOAD_SECONDS";

/// Attempts a second.
const RATE: usize = 20;

const PODS: usize = 200;

/// What runtimes say, and what it is.
const CAUSES: [(&str, &str, &str); 5] = [
    (
        "failed to authorize: failed to fetch oauth token: unexpected status from GET request to \
         https://registry.example.com/token: 401 Unauthorized",
        "unauthorized",
        "unknown",
    ),
    (
        "failed to do request: Head \"https://registry.example.com/v2/team/app/manifests/1\": dial tcp: lookup \
         registry.example.com on 10.0.0.10:53: no such host",
        "dns",
        "network",
    ),
    (
        "unexpected status from HEAD request to https://registry.example.com/v2/team/app/manifests/1: \
         429 Too Many Requests",
        "rate_limited",
        "rate_limited",
    ),
    (
        "failed to do request: Head \"https://registry.example.com/v2/team/app/manifests/1\": tls: failed to \
         verify certificate: x509: certificate signed by unknown authority",
        "tls",
        "tls",
    ),
    (
        "unexpected status from HEAD request to https://registry.example.com/v2/team/app/manifests/1: \
         503 Service Unavailable",
        "registry_error",
        "registry_unavailable",
    ),
];

/// A namespace of a real cluster, its kubelets, and the truth about its Pods.
struct Nodes {
    admin: Admin,
    namespace: String,
    pods: Vec<Node>,
}

/// One Pod and the kubelet that tries to start it.
struct Node {
    name: String,
    uid: String,
    kubelet: Kubelet,
    cause: usize,
    attempts: u32,
    first: DateTime<Utc>,
    is_blocked: bool,
}

impl Nodes {
    async fn new(server: &RealApiServer, name: &str) -> Self {
        let nodes = Self {
            admin: server.admin().await,
            namespace: name.to_owned(),
            pods: Vec::new(),
        };
        nodes
            .admin
            .send(Method::POST, "/api/v1/namespaces", &namespace(name))
            .await;
        let path = nodes.path("serviceaccounts");
        nodes
            .admin
            .send(Method::POST, &path, &service_account(name, "default", &[]))
            .await;
        nodes
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    async fn add(&mut self, number: usize) {
        let name = format!("web-{number}");
        let object = pod(&self.namespace, &name, APP.image, &[]).build();
        let made = self
            .admin
            .send(Method::POST, &self.path("pods"), &object)
            .await;
        self.pods.push(Node {
            name,
            uid: made["metadata"]["uid"].as_str().unwrap().to_owned(),
            kubelet: Kubelet::ALL[number % Kubelet::ALL.len()],
            cause: number % CAUSES.len(),
            attempts: 0,
            first: Clock::system().now(),
            is_blocked: false,
        });
    }

    async fn status(&self, node: &Node, status: PodBuilder) {
        let path = self.path(&format!("pods/{}/status", node.name));
        let status = json!({ "status": status.build()["status"] });
        self.admin.send(Method::PATCH, &path, &status).await;
    }

    /// The next attempt of a Pod fails: its status says so, an Event tells, it backs off.
    async fn attempt(&mut self, number: usize) {
        let node = &mut self.pods[number];
        node.attempts += 1;
        node.is_blocked = true;
        let node = &self.pods[number];
        let error = node.kubelet.error(APP.image, CAUSES[node.cause].0);
        let object = || pod(&self.namespace, &node.name, APP.image, &[]);
        self.status(node, node.kubelet.failed(object(), "app", &error))
            .await;
        let container = Container {
            pod: (&self.namespace, &node.name, &node.uid),
            ..APP
        };
        let event_name = format!("{}.17c0", node.name);
        let recorded = Recorded {
            name: &event_name,
            count: node.attempts,
            seen: (node.first, Clock::system().now()),
        };
        let event = node.kubelet.event(&container, &error, recorded);
        match node.attempts {
            1 => {
                self.admin
                    .send(Method::POST, &self.path("events"), &event)
                    .await
            }
            _ => {
                let patch =
                    json!({ "count": event["count"], "lastTimestamp": event["lastTimestamp"] });
                let path = self.path(&format!("events/{event_name}"));
                self.admin.send(Method::PATCH, &path, &patch).await
            }
        };
        self.status(node, node.kubelet.backing_off(object(), &container, &error))
            .await;
    }

    /// A Pod gets its image and runs.
    async fn recover(&mut self, number: usize) {
        self.pods[number].is_blocked = false;
        let node = &self.pods[number];
        let object = pod(&self.namespace, &node.name, APP.image, &[]);
        self.status(node, object.running()).await;
    }

    /// Attempts by reason.
    fn attempts(&self) -> BTreeMap<&'static str, u64> {
        let mut truth = BTreeMap::new();
        for node in self.pods.iter().filter(|node| node.attempts > 0) {
            *truth.entry(CAUSES[node.cause].1).or_default() += u64::from(node.attempts);
        }
        truth
    }

    /// Pods that wait, by cause.
    fn blocked(&self) -> BTreeMap<&'static str, u64> {
        let mut truth = BTreeMap::new();
        for node in self.pods.iter().filter(|node| node.is_blocked) {
            *truth.entry(CAUSES[node.cause].2).or_default() += 1;
        }
        truth
    }
}

/// What a page says, by the value of a label; zeros are left out.
fn told<'p>(page: &'p Page, metric: &str, label: &str) -> BTreeMap<&'p str, u64> {
    let series = page.series.iter().filter(|series| series.is(metric, &[]));
    series
        .filter(|series| series.value > 0.0)
        .map(|series| (series.labels[label].as_str(), series.value as u64))
        .collect()
}

/// 200 Pods on kubelets of four versions, 20 attempts a second. After each second the page must say
/// what was written, as soon as the API server has told it.
#[tokio::test]
async fn what_kubelets_write_is_what_is_counted_and_who_waits_is_who_is_shown() {
    let seconds = std::env::var(SECONDS).map_or(60, |seconds| seconds.parse().unwrap());
    let server = RealApiServer::shared().await;
    let mut nodes = Nodes::new(server, "failures").await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig()).unwrap();
    let exporter = start(&kubeconfig).await;
    for number in 0..PODS {
        nodes.add(number).await;
    }
    let begun = Instant::now();
    let (mut next, mut longest) = (0, Duration::ZERO);
    for second in 0..seconds {
        sleep_until(begun + Duration::from_secs(second)).await;
        for _ in 0..RATE {
            nodes.attempt(next % PODS).await;
            next += 1;
        }
        // Every third second one of them gets through.
        if second % 3 == 2 {
            nodes.recover((next * 7) % PODS).await;
        }
        let is_true = |page: &Page| {
            told(page, "regcred_pull_failures_total", "reason") == nodes.attempts()
                && told(page, "regcred_pods_blocked", "cause") == nodes.blocked()
        };
        let (took, _) = exporter
            .until("the truth", Duration::from_secs(5), is_true)
            .await;
        longest = longest.max(took);
    }
    let page = exporter.page().await;
    println!(
        "{} attempts of {PODS} Pods in {:?}; the page was true at most {longest:?} after the last write",
        nodes.attempts().values().sum::<u64>(),
        begun.elapsed(),
    );
    let by_namespace = told(&page, "regcred_namespace_pull_failures_total", "reason");
    assert_eq!(by_namespace, nodes.attempts());
    // A start anew counts nothing of it, and shows all who wait.
    drop(exporter);
    let exporter = start(&kubeconfig).await;
    let is_true = |page: &Page| told(page, "regcred_pods_blocked", "cause") == nodes.blocked();
    let (_, page) = exporter
        .until("who waits", Duration::from_secs(5), is_true)
        .await;
    assert_eq!(
        told(&page, "regcred_pull_failures_total", "reason"),
        BTreeMap::new()
    );
}

async fn start(kubeconfig: &Path) -> Exporter {
    let flags = ["--namespaces=failures", "--probe.which=none"];
    let exporter = Exporter::start(kubeconfig, &flags).await;
    exporter.ready().await;
    exporter
}
