//! The list/watch loop against the stand-in API server: what it asks, what it tells, what it
//! survives.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use regcred_exporter::config::ClusterSource;
use regcred_exporter::domain::cluster::{Change, ObjectName, Resource, Uid, Watch};
use regcred_exporter::domain::watches::{WatchError, WatchHealth};
use regcred_exporter::kubernetes::client::{self, ConnectError, Reason};
use regcred_exporter::kubernetes::decode::Wanted;
use regcred_exporter::kubernetes::watch::{Cadence, Events, Sink, Watcher, list_once};
use regcred_exporter::state::Shared;
use regcred_stand_ins::api_server::{ApiServer, Fault, Resource as Served, Verb};
use regcred_stand_ins::{eventually, objects};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What the changes add up to, by the rules of the graph: a delete removes a uid, the end of a list
/// sweeps what its own watch had and the list did not bring.
#[derive(Default)]
pub(crate) struct Seen {
    objects: BTreeMap<Uid, (Watch, ObjectName)>,
    fresh: HashMap<Watch, BTreeSet<Uid>>,
    lists: usize,
}

impl Seen {
    fn apply(&mut self, change: Change) {
        match change {
            Change::ListStarted(watch) => {
                self.fresh.insert(watch, BTreeSet::new());
            }
            Change::ListFinished(watch) => {
                let fresh = self.fresh.remove(&watch).unwrap_or_default();
                self.objects
                    .retain(|uid, (of, _)| *of != watch || fresh.contains(uid));
                self.lists += 1;
            }
            Change::PodApplied(watch, pod) => self.applied(watch, pod.uid, pod.object),
            Change::SecretApplied(watch, secret) => self.applied(watch, secret.uid, secret.object),
            Change::ServiceAccountApplied(watch, account) => {
                self.applied(watch, account.uid, account.object);
            }
            Change::NamespaceApplied(watch, namespace) => {
                let object = ObjectName {
                    namespace: String::new(),
                    name: namespace.name,
                };
                self.applied(watch, namespace.uid, object);
            }
            Change::PodDeleted(uid)
            | Change::SecretDeleted(uid, _)
            | Change::ServiceAccountDeleted(uid, _)
            | Change::NamespaceDeleted(uid, _) => {
                self.objects.remove(&uid);
            }
            Change::EventApplied(..) | Change::NameLookedUp(..) => {}
        }
    }

    fn applied(&mut self, watch: Watch, uid: Uid, object: ObjectName) {
        if let Some(fresh) = self.fresh.get_mut(&watch) {
            fresh.insert(uid);
        }
        self.objects.insert(uid, (watch, object));
    }
}

/// Watchers at work, and what they told.
pub(crate) struct Rig {
    pub(crate) shared: Shared,
    seen: Arc<Mutex<Seen>>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Rig {
    /// Starts all watchers of a source.
    pub(crate) fn start(client: &Client, source: &ClusterSource, cadence: &Cadence) -> Self {
        let (shared, seen) = (Shared::default(), Arc::new(Mutex::new(Seen::default())));
        let sink = sink(&seen);
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for watcher in Watcher::all(client, source, Wanted::least(), &shared, &sink) {
            tasks.spawn(watcher.with_cadence(cadence.clone()).run(shutdown.clone()));
        }
        Self {
            shared,
            seen,
            shutdown,
            tasks,
        }
    }

    /// The objects of a resource as `namespace/name`, sorted.
    pub(crate) fn names(&self, resource: Resource) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = seen
            .objects
            .values()
            .filter(|(watch, _)| watch.resource == resource)
            .map(|(_, object)| format!("{}/{}", object.namespace, object.name))
            .collect();
        names.sort();
        names
    }

    fn lists(&self) -> usize {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lists
    }

    pub(crate) fn health(&self, resource: Resource) -> WatchHealth {
        self.shared.read(|state| {
            let watch = cluster(resource);
            state.watches.of(&watch).cloned().unwrap_or_default()
        })
    }

    fn errors(&self, resource: Resource, error: WatchError) -> u64 {
        let health = self.health(resource);
        health.restarts.get(&error).copied().unwrap_or_default()
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        eventually(what, || condition(self)).await;
    }

    pub(crate) async fn until_ready(&self) {
        self.until("ready", |rig| {
            rig.shared.read(|state| state.watches.is_ready())
        })
        .await;
    }

    async fn until_names(&self, resource: Resource, names: &[&str]) {
        self.until(&format!("{resource:?} to be {names:?}"), |rig| {
            rig.names(resource) == names
        })
        .await;
    }

    /// Ends every task, within the patience of `eventually`.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(5), async {
            while let Some(task) = self.tasks.join_next().await {
                task.unwrap();
            }
        });
        ended.await.expect("all watchers end at shutdown");
    }
}

fn sink(seen: &Arc<Mutex<Seen>>) -> Sink {
    let seen = Arc::clone(seen);
    Sink::new(move |changes| {
        assert!(!changes.is_empty());
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        changes.into_iter().for_each(|change| seen.apply(change));
    })
}

/// The watch of the whole cluster.
pub(crate) fn cluster(resource: Resource) -> Watch {
    Watch {
        resource,
        namespace: None,
    }
}

/// A back-off of milliseconds.
pub(crate) fn quick() -> Cadence {
    Cadence {
        backoff: Duration::from_millis(5)..=Duration::from_millis(50),
        at_once: Duration::from_millis(100),
        events_pause: Duration::from_millis(50),
        ..Cadence::default()
    }
}

/// A client of whatever a kubeconfig says.
pub(crate) async fn client_of(kubeconfig: &str) -> Client {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, kubeconfig).unwrap();
    let source = ClusterSource {
        kubeconfig: Some(path),
        ..ClusterSource::default()
    };
    client::connect(&source).await.unwrap().client
}

async fn rig(server: &ApiServer) -> Rig {
    let client = client_of(&server.kubeconfig()).await;
    Rig::start(&client, &ClusterSource::default(), &quick())
}

fn config() -> String {
    objects::docker_config(&[("registry.test", "robot", "password")])
}

fn secret(namespace: &str, name: &str) -> serde_json::Value {
    objects::pull_secret(namespace, name, &config())
}

/// A namespace `a` with one object of each kind.
async fn small_cluster() -> ApiServer {
    let server = ApiServer::start().await;
    server.apply_all([
        objects::namespace("a"),
        objects::service_account("a", "default", &["one"]),
        secret("a", "one"),
        objects::dockercfg_secret("a", "old", &objects::dockercfg(&[("r.test", "u", "p")])),
        objects::opaque_secret("a", "opaque", &[("k", "v")]),
        objects::pod("a", "web", "r.test/app:1", &["one"]).build(),
        objects::pod("a", "job", "r.test/job:1", &[])
            .phase("Succeeded")
            .build(),
    ]);
    server
}

const SECRETS: Resource = Resource::DockerConfigJsonSecrets;

#[tokio::test]
async fn what_is_there_is_listed_and_what_comes_is_watched() {
    let server = small_cluster().await;
    let rig = rig(&server).await;
    rig.until_ready().await;
    assert_eq!(rig.names(Resource::Namespaces), ["/a"]);
    assert_eq!(rig.names(Resource::ServiceAccounts), ["a/default"]);
    assert_eq!(rig.names(SECRETS), ["a/one"]);
    assert_eq!(rig.names(Resource::DockerCfgSecrets), ["a/old"]);
    assert_eq!(rig.names(Resource::Pods), ["a/web"]);

    server
        .until("all watches", |s| {
            s.open_watches(Served::Secrets) == 2 && s.open_watches(Served::Pods) == 1
        })
        .await;
    server.apply(secret("a", "two"));
    rig.until_names(SECRETS, &["a/one", "a/two"]).await;
    server.delete(Served::Secrets, "a", "one");
    rig.until_names(SECRETS, &["a/two"]).await;
    server.apply(
        objects::pod("a", "web", "r.test/app:1", &["one"])
            .phase("Failed")
            .build(),
    );
    rig.until_names(Resource::Pods, &[]).await;
    for resource in &Resource::ALL[..6] {
        let health = rig.health(*resource);
        assert!(health.up && health.listed && health.restarts.is_empty());
    }
    let first = &server.requests()[0];
    let agent = first.user_agent.as_deref().unwrap();
    assert!(agent.starts_with("regcred-exporter/"), "{agent}");
    rig.stop().await;
}

#[tokio::test]
async fn names_are_listed_before_what_names_them() {
    let server = small_cluster().await;
    let pause = Duration::from_millis(200);
    server.inject(Fault::slow_list(Served::Namespaces, pause));
    server.inject(Fault::slow_list(Served::Secrets, pause));
    let rig = rig(&server).await;
    rig.until_ready().await;
    let lists: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|request| request.verb == Some(Verb::List))
        .collect();
    let order: Vec<Served> = lists.iter().filter_map(|list| list.resource).collect();
    assert_eq!(
        order,
        [
            Served::Namespaces,
            Served::ServiceAccounts,
            Served::Secrets,
            Served::Secrets,
            Served::Pods,
            Served::Events
        ]
    );
    // Each list has one item, and its pause.
    assert!(lists[1].at - lists[0].at >= pause);
    assert!(lists[4].at - lists[3].at >= pause);
    rig.stop().await;
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let server = ApiServer::with_generated(10, 1_200, 2_000).await;
    let rig = rig(&server).await;
    rig.until_ready().await;
    assert_eq!(rig.names(Resource::Pods).len(), 1_200);
    let pages: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|r| r.verb == Some(Verb::List) && r.resource == Some(Served::Pods))
        .collect();
    assert_eq!(pages.len(), 3);
    for (index, page) in pages.iter().enumerate() {
        assert_eq!(page.parameter("limit").as_deref(), Some("500"));
        assert_eq!(page.parameter("continue").is_some(), index > 0);
        assert_eq!(page.parameter("resourceVersion"), None);
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_token_that_expires_on_the_way_makes_the_next_list_one_page() {
    let server = ApiServer::with_generated(1, 700, 500).await;
    let fault = server.inject(Fault::expired_continue(Served::Pods));
    let rig = rig(&server).await;
    rig.until_ready().await;
    assert_eq!(rig.names(Resource::Pods).len(), 700);
    assert_eq!(server.struck(fault), 1);
    assert_eq!(rig.errors(Resource::Pods, WatchError::Gone), 1);
    rig.stop().await;
}

#[tokio::test]
async fn both_kinds_of_410_mean_list_again() {
    for fault in [Fault::gone_as_status, Fault::gone_in_stream] {
        let server = small_cluster().await;
        let id = server.inject(fault(Served::Secrets).times(2));
        let rig = rig(&server).await;
        rig.until("both lists again", |rig| rig.lists() == 8).await;
        assert_eq!(server.struck(id), 2);
        assert_eq!(rig.errors(SECRETS, WatchError::Gone), 1);
        server
            .until("watched again", |s| s.open_watches(Served::Secrets) == 2)
            .await;
        assert!(rig.health(SECRETS).up);

        // An open stream may expire too.
        server.expire_watches(Served::Secrets);
        rig.until("both lists once more", |rig| rig.lists() == 10)
            .await;
        server.apply(secret("a", "two"));
        rig.until_names(SECRETS, &["a/one", "a/two"]).await;
        rig.stop().await;
    }
}

#[tokio::test]
async fn watches_that_end_at_once_neither_spin_nor_stay_up() {
    let server = small_cluster().await;
    let id = server.inject(Fault::end_watch_at_once(Served::Pods));
    let client = client_of(&server.kubeconfig()).await;
    let cadence = Cadence {
        backoff: Duration::from_millis(100)..=Duration::from_secs(1),
        ..Cadence::default()
    };
    let rig = Rig::start(&client, &ClusterSource::default(), &cadence);
    rig.until("told", |rig| {
        rig.errors(Resource::Pods, WatchError::EndedAtOnce) >= 2 && !rig.health(Resource::Pods).up
    })
    .await;
    // Two watches for each list, each after a longer wait.
    let calls = server.struck(id);
    assert!((4..=8).contains(&calls), "{calls}");
    server.heal_all();
    rig.until("up again", |rig| rig.health(Resource::Pods).up)
        .await;
    server
        .until("watched", |s| s.open_watches(Served::Pods) == 1)
        .await;
    assert!(rig.health(SECRETS).restarts.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn what_is_forbidden_stops_nothing_else_and_may_be_allowed_later() {
    let server = small_cluster().await;
    server.inject(Fault::forbidden(Served::Secrets));
    server.inject(Fault::forbidden(Served::Namespaces));
    let rig = rig(&server).await;
    rig.until_ready().await;
    let health = rig.health(SECRETS);
    assert!(health.forbidden && !health.listed && !health.up);
    rig.until_names(Resource::Pods, &["a/web"]).await;
    server.heal_all();
    rig.until_names(SECRETS, &["a/one"]).await;
    rig.until_names(Resource::Namespaces, &["/a"]).await;
    let health = rig.health(SECRETS);
    assert!(!health.forbidden && health.listed && health.up);
    rig.stop().await;
}

#[tokio::test]
async fn a_token_that_is_not_taken_says_nothing_of_rights() {
    let server = small_cluster().await;
    server.inject(Fault::status(Served::Secrets, 401, "Unauthorized", "no"));
    let rig = rig(&server).await;
    rig.until("refused", |rig| {
        rig.errors(SECRETS, WatchError::Unauthorized) > 0
    })
    .await;
    assert!(!rig.health(SECRETS).forbidden);
    rig.until_names(Resource::Pods, &["a/web"]).await;
    assert!(!rig.shared.read(|state| state.watches.is_ready()));
    server.heal_all();
    rig.until_ready().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_silent_server_is_noticed() {
    let server = small_cluster().await;
    let client = client_of(&server.kubeconfig()).await;
    let cadence = Cadence {
        watch: Duration::from_secs(1)..=Duration::from_secs(1),
        silence: Duration::from_millis(200),
        lived: Duration::from_millis(500),
        ..quick()
    };
    let rig = Rig::start(&client, &ClusterSource::default(), &cadence);
    rig.until_ready().await;
    let fault = server.inject(Fault::silence(Served::Secrets));
    server.apply(secret("a", "missed"));
    rig.until("noticed", |rig| {
        rig.errors(SECRETS, WatchError::Silent) >= 1
    })
    .await;
    assert_eq!(rig.errors(Resource::Pods, WatchError::Silent), 0);
    server.heal(fault);
    rig.until_names(SECRETS, &["a/missed", "a/one"]).await;
    rig.stop().await;
}

#[tokio::test]
async fn watches_that_end_in_time_are_followed_at_once_and_lists_are_not_repeated() {
    let server = small_cluster().await;
    let client = client_of(&server.kubeconfig()).await;
    let cadence = Cadence {
        watch: Duration::from_secs(1)..=Duration::from_secs(1),
        lived: Duration::from_millis(500),
        backoff: Duration::from_secs(60)..=Duration::from_secs(60),
        ..Cadence::default()
    };
    let rig = Rig::start(&client, &ClusterSource::default(), &cadence);
    server
        .until("a third watch", |s| s.count(Verb::Watch, Served::Pods) == 3)
        .await;
    assert_eq!(server.count(Verb::List, Served::Pods), 1);
    let watch = server
        .requests()
        .into_iter()
        .rfind(|r| r.verb == Some(Verb::Watch))
        .unwrap();
    assert_eq!(
        watch.parameter("allowWatchBookmarks").as_deref(),
        Some("true")
    );
    assert_eq!(watch.parameter("timeoutSeconds").as_deref(), Some("1"));
    assert!(rig.health(Resource::Pods).up);
    rig.stop().await;
}

#[tokio::test]
async fn a_restart_of_the_server_shows_and_passes() {
    let server = small_cluster().await;
    let rig = rig(&server).await;
    rig.until_ready().await;
    server.stop().await;
    rig.until("down", |rig| {
        Resource::ALL[..6].iter().all(|r| !rig.health(*r).up)
    })
    .await;
    assert_eq!(rig.names(SECRETS), ["a/one"], "what is known stays known");
    assert!(rig.shared.read(|state| state.watches.is_ready()));
    server.apply(secret("a", "two"));
    server.start_again().await;
    rig.until_names(SECRETS, &["a/one", "a/two"]).await;
    rig.until("up", |rig| {
        Resource::ALL[..6].iter().all(|r| rig.health(*r).up)
    })
    .await;
    assert_eq!(server.count(Verb::List, Served::Secrets), 2, "resumed");

    // This time the history is lost, and with it a delete.
    server.stop().await;
    rig.until("down", |rig| !rig.health(SECRETS).up).await;
    server.delete(Served::Secrets, "a", "one");
    server.compact();
    server.start_again().await;
    rig.until_names(SECRETS, &["a/two"]).await;
    rig.stop().await;
}

#[tokio::test]
async fn an_object_over_the_bound_is_passed_over_and_counted() {
    let server = small_cluster().await;
    server.inject(Fault::huge_item(Served::Pods, 4 << 20).once());
    server.apply(objects::pod("b", "web", "r.test/app:1", &[]).build());
    let rig = rig(&server).await;
    rig.until_ready().await;
    assert_eq!(rig.names(Resource::Pods), ["b/web"]);
    assert_eq!(rig.health(Resource::Pods).skipped, 1);

    let watched = |s: &ApiServer| s.open_watches(Served::Pods) == 1;
    server.until("watched", watched).await;
    let padding = "x".repeat(4 << 20);
    server.interject(
        Served::Pods,
        format!("{{\"type\":\"ADDED\",\"object\":{{\"metadata\":{{\"name\":\"{padding}\"}}}}}}\n"),
    );
    server.apply(objects::pod("b", "next", "r.test/app:1", &[]).build());
    rig.until_names(Resource::Pods, &["b/next", "b/web"]).await;
    assert_eq!(rig.health(Resource::Pods).skipped, 2);
    assert!(rig.health(Resource::Pods).restarts.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_counted_and_the_stream_goes_on() {
    let server = small_cluster().await;
    server.inject(Fault::garbage_line(Served::Secrets).selecting("dockerconfigjson"));
    let rig = rig(&server).await;
    rig.until("counted", |rig| rig.health(SECRETS).skipped == 1)
        .await;
    server.interject(
        Served::Secrets,
        "{\"type\":\"SURPRISE\",\"object\":{}}\n{\"type\":\"ADDED\",\"object\":[]}\n\
         {\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"\\ud800\n",
    );
    rig.until("counted", |rig| rig.health(SECRETS).skipped == 4)
        .await;
    server.apply(secret("a", "two"));
    rig.until_names(SECRETS, &["a/one", "a/two"]).await;
    assert!(rig.health(SECRETS).restarts.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let server = small_cluster().await;
    server.inject(Fault::too_many_requests(Served::Pods, 1).times(2));
    let rig = rig(&server).await;
    rig.until_ready().await;
    let asked: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|r| r.verb == Some(Verb::List) && r.resource == Some(Served::Pods))
        .map(|request| request.at)
        .collect();
    assert_eq!(asked.len(), 3, "no retries behind the loop's back");
    for pair in asked.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(990));
    }
    assert_eq!(rig.errors(Resource::Pods, WatchError::Throttled), 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_list_that_breaks_off_sweeps_nothing_and_is_begun_again() {
    let server = small_cluster().await;
    server.apply(secret("a", "two"));
    let rig = rig(&server).await;
    rig.until_ready().await;
    server
        .until("watched", |s| s.open_watches(Served::Secrets) == 2)
        .await;
    let id = server.inject(Fault::broken_list(Served::Secrets).times(4));
    server.expire_watches(Served::Secrets);
    server.until("broken", |s| s.struck(id) == 4).await;
    assert_eq!(rig.names(SECRETS), ["a/one", "a/two"]);
    rig.until("up", |rig| rig.health(SECRETS).up).await;
    assert_eq!(rig.names(SECRETS), ["a/one", "a/two"]);
    assert!(rig.errors(SECRETS, WatchError::Connection) >= 1);
    rig.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_told() {
    let server = small_cluster().await;
    let client = client_of(&server.kubeconfig()).await;
    server.inject(Fault::status(Served::Pods, 503, "ServiceUnavailable", "no").times(1));
    let rig = Rig::start(&client, &ClusterSource::default(), &quick());
    rig.until_names(Resource::Pods, &["a/web"]).await;
    assert_eq!(rig.errors(Resource::Pods, WatchError::Status), 1);
    rig.stop().await;
}

// === scopes ===

fn source(namespaces: &[&str], excluded: &[&str]) -> ClusterSource {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ClusterSource {
        namespaces: owned(namespaces),
        excluded: owned(excluded),
        ..ClusterSource::default()
    }
}

async fn three_namespaces() -> ApiServer {
    let server = ApiServer::start().await;
    for namespace in ["a", "b", "c"] {
        server.apply_all([
            objects::namespace(namespace),
            objects::service_account(namespace, "default", &[]),
            secret(namespace, "one"),
            objects::pod(namespace, "web", "r.test/app:1", &[]).build(),
        ]);
    }
    server
}

#[tokio::test]
async fn an_excluded_namespace_is_not_even_sent() {
    let server = three_namespaces().await;
    let client = client_of(&server.kubeconfig()).await;
    let rig = Rig::start(&client, &source(&[], &["b"]), &quick());
    rig.until_ready().await;
    assert_eq!(rig.names(Resource::Namespaces), ["/a", "/c"]);
    for resource in [SECRETS, Resource::Pods, Resource::ServiceAccounts] {
        assert_eq!(rig.names(resource).len(), 2);
    }
    for request in server.requests() {
        let selector = request.parameter("fieldSelector").unwrap_or_default();
        let is_selected = selector.contains("metadata.namespace!=b");
        assert_eq!(
            is_selected,
            request.resource != Some(Served::Namespaces),
            "{request:?}"
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn some_namespaces_are_asked_for_one_by_one() {
    let server = three_namespaces().await;
    server.inject(Fault::forbidden(Served::Namespaces));
    let client = client_of(&server.kubeconfig()).await;
    let rig = Rig::start(&client, &source(&["a", "c"], &[]), &quick());
    rig.until_ready().await;
    assert_eq!(rig.names(SECRETS), ["a/one", "c/one"]);
    assert_eq!(rig.names(Resource::Pods), ["a/web", "c/web"]);
    for request in server.requests() {
        let named = request.parameter("fieldSelector").unwrap_or_default();
        let is_scoped = request.path.starts_with("/api/v1/namespaces/a/")
            || request.path.starts_with("/api/v1/namespaces/c/")
            || named == "metadata.name=a"
            || named == "metadata.name=c";
        assert!(is_scoped, "{request:?}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn of_many_namespaces_the_rest_is_dropped_on_arrival() {
    let server = three_namespaces().await;
    let names: Vec<String> = (0..21).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["a"]).collect();
    let client = client_of(&server.kubeconfig()).await;
    let rig = Rig::start(&client, &source(&names, &[]), &quick());
    rig.until_ready().await;
    assert_eq!(rig.names(Resource::Namespaces), ["/a"]);
    assert_eq!(rig.names(SECRETS), ["a/one"]);
    assert_eq!(server.count(Verb::List, Served::Secrets), 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_secret_created_anew_with_the_other_type_stays() {
    let server = small_cluster().await;
    let rig = rig(&server).await;
    rig.until_ready().await;
    for round in 0..20 {
        server.delete(Served::Secrets, "a", "one");
        if round % 2 == 0 {
            let config = objects::dockercfg(&[("r.test", "u", "p")]);
            server.apply(objects::dockercfg_secret("a", "one", &config));
            rig.until_names(Resource::DockerCfgSecrets, &["a/old", "a/one"])
                .await;
            rig.until_names(SECRETS, &[]).await;
        } else {
            server.apply(secret("a", "one"));
            rig.until_names(SECRETS, &["a/one"]).await;
            rig.until_names(Resource::DockerCfgSecrets, &["a/old"])
                .await;
        }
    }
    rig.stop().await;
}

// === once ===

#[tokio::test]
async fn one_shot_lists_tell_what_failed() {
    let server = small_cluster().await;
    server.inject(Fault::forbidden(Served::Namespaces));
    server.inject(Fault::too_many_requests(Served::Pods, 0).once());
    let client = client_of(&server.kubeconfig()).await;
    let (shared, seen) = (Shared::default(), Arc::default());
    let source = ClusterSource::default();
    let failed = list_once(
        &client,
        &source,
        (Wanted::least(), Events::LeftOut),
        &shared,
        &sink(&seen),
    )
    .await;
    let expected = BTreeMap::from([(cluster(Resource::Namespaces), Reason::Forbidden)]);
    assert_eq!(failed, expected);
    assert_eq!(seen.lock().unwrap().objects.len(), 4);
    assert!(shared.read(|state| state.watches.is_ready()));
    assert_eq!(server.count(Verb::Watch, Served::Pods), 0);

    server.stop().await;
    let failed = list_once(
        &client,
        &source,
        (Wanted::least(), Events::LeftOut),
        &shared,
        &sink(&seen),
    )
    .await;
    assert_eq!(failed.len(), 5);
    assert!(failed.values().all(|reason| *reason == Reason::Connection));
}

#[tokio::test]
async fn a_bad_kubeconfig_is_told_in_plain_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    let connect = |context: Option<&str>| {
        let source = ClusterSource {
            kubeconfig: Some(path.clone()),
            context: context.map(str::to_owned),
            ..ClusterSource::default()
        };
        async move { client::connect(&source).await.err() }
    };
    let missing = connect(None).await;
    assert_eq!(missing, Some(ConnectError::Kubeconfig(path.clone())));
    std::fs::write(&path, "token: [s3cr3t").unwrap();
    let broken = connect(None).await.unwrap();
    assert_eq!(broken.to_string(), "invalid kubeconfig");
    let server = ApiServer::start().await;
    std::fs::write(&path, server.kubeconfig()).unwrap();
    assert_eq!(connect(None).await, None);
    assert_eq!(connect(Some("stand-in")).await, None);
    let other = connect(Some("other")).await.unwrap();
    assert_eq!(
        other.to_string(),
        "no usable context `other` in the kubeconfig"
    );
}
