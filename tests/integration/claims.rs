//! What we rely on in lists, watches, Tables and writes, held against the stand-in and the real API
//! server alike: one table, run twice. What the stand-in claims and the real server does not would
//! make every other test here worthless.

use std::pin::Pin;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use regcred_exporter::config::ClusterSource;
use regcred_exporter::domain::cluster::{ObjectName, Resource};
use regcred_exporter::kubernetes::table;
use regcred_exporter::kubernetes::watch::Cadence;
use regcred_stand_ins::api_server::{ApiServer, Fault, Resource as Served};
use regcred_stand_ins::objects;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::real_api_server::RealApiServer;
use crate::watch::{Rig, client_of, quick};

const PATIENCE: Duration = Duration::from_secs(90);

/// Either of the two.
enum Server {
    StandIn(ApiServer),
    Shared(&'static RealApiServer),
    Own(RealApiServer),
}

/// A server, an administrator's client, and a namespace of the claim's own.
struct Cluster {
    server: Server,
    client: Client,
}

type Claim = (
    &'static str,
    for<'a> fn(&'a Cluster, &'a str) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
);

macro_rules! claims {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |cluster, ns| Box::pin($name(cluster, ns)))),*]
    };
}

/// These disturb nobody.
const QUIET: &[Claim] = claims![
    a_list_comes_in_pages_of_one_snapshot,
    a_list_has_a_version_and_its_items_have_names_first,
    a_type_selector_finds_that_type_alone,
    a_namespace_can_be_left_out_by_selector,
    finished_pods_are_left_out_by_selector,
    a_name_selector_finds_one_or_none,
    a_field_that_is_not_selectable_is_refused,
    a_watch_goes_on_from_a_list,
    a_watch_can_be_resumed_from_any_of_its_versions,
    a_watch_by_type_tells_only_that_type,
    a_pod_that_leaves_the_selector_is_deleted,
    warnings_about_pods_that_failed_are_selected,
    a_watch_ends_in_time,
    nothing_is_compressed_unasked,
    a_table_tells_type_and_nothing_else,
    what_is_forbidden_is_403,
    a_lease_is_written_only_from_its_newest_version,
    a_name_created_anew_has_another_uid,
    our_loop_sees_what_is_there_and_what_comes,
    our_loop_keeps_a_secret_created_anew_with_the_other_type,
    our_loop_lists_a_type_of_many_in_pages,
];

/// These take their time.
const SLOW: &[Claim] = claims![a_quiet_watch_gets_a_bookmark_within_a_minute];

/// These compact or restart.
const LOUD: &[Claim] = claims![
    an_event_watch_from_before_a_compaction_is_410_in_the_stream,
    a_continue_token_from_before_a_compaction_is_410_by_status,
    our_loop_survives_a_restart,
];

#[tokio::test]
async fn the_stand_in_keeps_the_claims() {
    let server = ApiServer::start().await;
    let client = client_of(&server.kubeconfig()).await;
    let cluster = Cluster {
        server: Server::StandIn(server),
        client,
    };
    cluster.hold(QUIET).await;
    cluster.hold(LOUD).await;
}

#[tokio::test]
async fn the_real_api_server_keeps_the_claims() {
    let server = RealApiServer::shared().await;
    let cluster = Cluster {
        server: Server::Shared(server),
        client: client_of(&server.kubeconfig()).await,
    };
    cluster.hold(QUIET).await;
}

#[tokio::test]
async fn the_real_api_server_keeps_the_claims_about_lost_history() {
    let server = RealApiServer::start().await;
    let client = client_of(&server.kubeconfig()).await;
    let cluster = Cluster {
        server: Server::Own(server),
        client,
    };
    cluster.hold(LOUD).await;
}

#[tokio::test]
async fn both_keep_the_slow_claims() {
    let (stand_in, real) = (ApiServer::start().await, RealApiServer::shared().await);
    let stand_in = Cluster {
        client: client_of(&stand_in.kubeconfig()).await,
        server: Server::StandIn(stand_in),
    };
    let real = Cluster {
        client: client_of(&real.kubeconfig()).await,
        server: Server::Shared(real),
    };
    tokio::join!(stand_in.hold(SLOW), real.hold(SLOW));
}

impl Cluster {
    /// Every claim, one after the other, each in its namespace.
    async fn hold(&self, claims: &[Claim]) {
        for (index, (name, claim)) in claims.iter().enumerate() {
            let namespace = format!("claim-{index}-{}", fastrand::u32(..));
            self.create("/api/v1/namespaces", objects::namespace(&namespace))
                .await;
            // Pods are refused until it is there.
            let account = objects::service_account(&namespace, "default", &[]);
            self.create(&format!("{}/serviceaccounts", at(&namespace)), account)
                .await;
            println!("{name}");
            timeout(PATIENCE, claim(self, &namespace))
                .await
                .unwrap_or_else(|_| panic!("{name}: not in {PATIENCE:?}"));
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, text) = self.text(method, path, body, "application/json").await;
        (status, serde_json::from_slice(&text).unwrap_or_default())
    }

    async fn text(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> (u16, Vec<u8>) {
        let content = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let body = body.map_or_else(Body::empty, |body| {
            Body::from(body.to_string().into_bytes())
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept", accept)
            .header("content-type", content)
            .body(body)
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        assert!(!response.headers().contains_key("content-encoding"));
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, body.to_vec())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn create(&self, path: &str, object: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, Some(&object)).await;
        assert_eq!(status, 201, "{path}: {answer}");
        answer
    }

    async fn delete(&self, path: &str) {
        let (status, answer) = self.call(Method::DELETE, path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
    }

    /// The lines of a watch of so many seconds.
    async fn watch(&self, path: &str, version: &str, seconds: u32) -> Vec<Value> {
        let path = format!("{path}watch=1&resourceVersion={version}&timeoutSeconds={seconds}");
        let (status, text) = self
            .text(Method::GET, &path, None, "application/json")
            .await;
        assert_eq!(status, 200, "{path}");
        text.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    async fn secret(&self, ns: &str, name: &str) -> Value {
        let secret = objects::pull_secret(ns, name, r#"{"auths":{}}"#);
        self.create(&format!("{}/secrets", at(ns)), secret).await
    }

    async fn dockercfg(&self, ns: &str, name: &str) -> Value {
        let secret = objects::dockercfg_secret(ns, name, "{}");
        self.create(&format!("{}/secrets", at(ns)), secret).await
    }

    async fn pod(&self, ns: &str, name: &str) -> Value {
        // The stand-in's Pods have a status that a real server drops at creation.
        let pod = objects::pod(ns, name, "registry.test/app:1", &["one"]).build();
        self.create(&format!("{}/pods", at(ns)), pod).await
    }

    /// Sets `status.phase`, through the subresource where there is one.
    async fn phase(&self, ns: &str, name: &str, phase: &str) {
        let patch = json!({"status": {"phase": phase}});
        let subresource = match self.server {
            Server::StandIn(_) => "",
            Server::Shared(_) | Server::Own(_) => "/status",
        };
        let path = format!("{}/pods/{name}{subresource}", at(ns));
        let (status, answer) = self.call(Method::PATCH, &path, Some(&patch)).await;
        assert_eq!(status, 200, "{answer}");
    }

    fn compact(&self) {
        match &self.server {
            Server::StandIn(server) => server.compact(),
            Server::Own(server) => server.compact(),
            Server::Shared(_) => unreachable!("it is not ours to compact"),
        }
    }

    async fn stop(&self) {
        match &self.server {
            Server::StandIn(server) => server.stop().await,
            Server::Own(server) => server.stop(),
            Server::Shared(_) => unreachable!("it is not ours to stop"),
        }
    }

    async fn start_again(&self) {
        match &self.server {
            Server::StandIn(server) => server.start_again().await,
            Server::Own(server) => server.start_again().await,
            Server::Shared(_) => unreachable!("it is not ours to start"),
        }
    }

    fn rig(&self, ns: &str) -> Rig {
        let source = ClusterSource {
            namespaces: vec![ns.to_owned()],
            ..ClusterSource::default()
        };
        Rig::start(&self.client, &source, &quick())
    }
}

fn at(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}")
}

fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

fn names(objects: &Value) -> Vec<&str> {
    let items = objects["items"].as_array().unwrap();
    items
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .collect()
}

/// `TYPE name` of each line.
fn told(lines: &[Value]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            let name = line["object"]["metadata"]["name"].as_str();
            format!("{} {}", line["type"].as_str().unwrap(), name.unwrap_or("-"))
        })
        .collect()
}

const DOCKERCONFIGJSON: &str = "fieldSelector=type%3Dkubernetes.io%2Fdockerconfigjson";
const DOCKERCFG: &str = "fieldSelector=type%3Dkubernetes.io%2Fdockercfg";

// === lists ===

async fn a_list_comes_in_pages_of_one_snapshot(cluster: &Cluster, ns: &str) {
    for name in ["a", "b", "c", "d", "e"] {
        cluster.secret(ns, name).await;
    }
    let list = format!("{}/secrets?limit=2", at(ns));
    let first = cluster.get(&list).await;
    assert_eq!(names(&first), ["a", "b"]);
    cluster.secret(ns, "bb").await;
    cluster.delete(&format!("{}/secrets/e", at(ns))).await;
    let mut found = Vec::new();
    let mut page = first.clone();
    while let Some(more) = page["metadata"]["continue"].as_str() {
        page = cluster.get(&format!("{list}&continue={more}")).await;
        assert_eq!(version(&page), version(&first));
        found.extend(names(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(found, ["c", "d", "e"]);
    assert_eq!(
        names(&cluster.get(&format!("{}/secrets", at(ns))).await).len(),
        5
    );
}

async fn a_list_has_a_version_and_its_items_have_names_first(cluster: &Cluster, ns: &str) {
    cluster.secret(ns, "one").await;
    let path = format!("{}/secrets?limit=500", at(ns));
    let (_, text) = cluster
        .text(Method::GET, &path, None, "application/json")
        .await;
    let text = String::from_utf8(text).unwrap();
    let at = |needle: &str| {
        text.find(needle)
            .unwrap_or_else(|| panic!("{needle}: {text}"))
    };
    assert!(at("\"resourceVersion\"") < at("\"items\""));
    assert!(at("\"name\":\"one\"") < at("\"data\""));
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list["kind"], "SecretList");
    assert!(!version(&list).is_empty());
    assert!(list["items"][0].get("kind").is_none());
}

async fn a_type_selector_finds_that_type_alone(cluster: &Cluster, ns: &str) {
    cluster.secret(ns, "new").await;
    cluster.dockercfg(ns, "old").await;
    let opaque = objects::opaque_secret(ns, "opaque", &[("k", "v")]);
    cluster.create(&format!("{}/secrets", at(ns)), opaque).await;
    for (selector, name) in [(DOCKERCONFIGJSON, "new"), (DOCKERCFG, "old")] {
        let found = cluster.get(&format!("{}/secrets?{selector}", at(ns))).await;
        assert_eq!(names(&found), [name]);
    }
}

async fn a_namespace_can_be_left_out_by_selector(cluster: &Cluster, ns: &str) {
    cluster.secret(ns, "one").await;
    let everywhere = cluster
        .get(&format!("/api/v1/secrets?{DOCKERCONFIGJSON}"))
        .await;
    let elsewhere = cluster
        .get(&format!(
            "/api/v1/secrets?{DOCKERCONFIGJSON}%2Cmetadata.namespace%21%3D{ns}"
        ))
        .await;
    let of_ours = |list: &Value| {
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .filter(|item| item["metadata"]["namespace"] == ns)
            .count()
    };
    assert_eq!((of_ours(&everywhere), of_ours(&elsewhere)), (1, 0));
}

const UNFINISHED: &str = "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed";

async fn finished_pods_are_left_out_by_selector(cluster: &Cluster, ns: &str) {
    for (name, phase) in [
        ("a", "Running"),
        ("b", "Succeeded"),
        ("c", "Failed"),
        ("d", "Pending"),
    ] {
        cluster.pod(ns, name).await;
        cluster.phase(ns, name, phase).await;
    }
    let found = cluster.get(&format!("{}/pods?{UNFINISHED}", at(ns))).await;
    assert_eq!(names(&found), ["a", "d"]);
}

async fn a_name_selector_finds_one_or_none(cluster: &Cluster, ns: &str) {
    let named = |name: &str| format!("/api/v1/namespaces?fieldSelector=metadata.name%3D{name}");
    assert_eq!(names(&cluster.get(&named(ns)).await), [ns]);
    assert_eq!(cluster.get(&named("absent")).await["items"], json!([]));
}

async fn a_field_that_is_not_selectable_is_refused(cluster: &Cluster, ns: &str) {
    let path = format!("{}/serviceaccounts?fieldSelector=type%3Dx", at(ns));
    let (status, answer) = cluster.call(Method::GET, &path, None).await;
    assert_eq!((status, &answer["kind"]), (400, &json!("Status")));
}

// === watches ===

async fn a_watch_goes_on_from_a_list(cluster: &Cluster, ns: &str) {
    let secrets = format!("{}/secrets?", at(ns));
    let list = cluster.get(&secrets).await;
    cluster.secret(ns, "one").await;
    let annotated = json!({"metadata": {"annotations": {"a": "b"}}});
    let one = format!("{}/secrets/one", at(ns));
    cluster.call(Method::PATCH, &one, Some(&annotated)).await;
    cluster.delete(&one).await;
    let lines = cluster.watch(&secrets, version(&list), 1).await;
    assert_eq!(told(&lines), ["ADDED one", "MODIFIED one", "DELETED one"]);
    assert!(
        lines[2]["object"]["data"].is_object(),
        "a delete brings the whole object"
    );
}

async fn a_watch_can_be_resumed_from_any_of_its_versions(cluster: &Cluster, ns: &str) {
    let secrets = format!("{}/secrets?", at(ns));
    let list = cluster.get(&secrets).await;
    for name in ["a", "b", "c"] {
        cluster.secret(ns, name).await;
    }
    let lines = cluster.watch(&secrets, version(&list), 1).await;
    assert_eq!(told(&lines), ["ADDED a", "ADDED b", "ADDED c"]);
    let lines = cluster
        .watch(&secrets, version(&lines[0]["object"]), 1)
        .await;
    assert_eq!(told(&lines), ["ADDED b", "ADDED c"]);
}

async fn a_watch_by_type_tells_only_that_type(cluster: &Cluster, ns: &str) {
    let list = cluster.get(&format!("{}/secrets", at(ns))).await;
    cluster.secret(ns, "one").await;
    cluster.delete(&format!("{}/secrets/one", at(ns))).await;
    cluster.dockercfg(ns, "one").await;
    // Neither of two watches says in which order the other told its part.
    let list = &list;
    let by_type = |selector: &'static str| async move {
        let path = format!("{}/secrets?{selector}&", at(ns));
        told(&cluster.watch(&path, version(list), 1).await)
    };
    assert_eq!(
        by_type(DOCKERCONFIGJSON).await,
        ["ADDED one", "DELETED one"]
    );
    assert_eq!(by_type(DOCKERCFG).await, ["ADDED one"]);
}

async fn a_pod_that_leaves_the_selector_is_deleted(cluster: &Cluster, ns: &str) {
    let pods = format!("{}/pods?{UNFINISHED}&", at(ns));
    let list = cluster.get(&pods).await;
    let pod = cluster.pod(ns, "job").await;
    cluster.phase(ns, "job", "Running").await;
    cluster.phase(ns, "job", "Succeeded").await;
    let lines = cluster.watch(&pods, version(&list), 1).await;
    assert_eq!(told(&lines), ["ADDED job", "MODIFIED job", "DELETED job"]);
    assert_eq!(uid(&lines[2]["object"]), uid(&pod));
}

async fn warnings_about_pods_that_failed_are_selected(cluster: &Cluster, ns: &str) {
    const FAILED: &str =
        "fieldSelector=involvedObject.kind%3DPod%2Ctype%3DWarning%2Creason%3DFailed";
    let events = format!("{}/events?{FAILED}&", at(ns));
    let list = cluster.get(&events).await;
    let make = |event: objects::EventBuilder| {
        let path = format!("{}/events", at(ns));
        async move { cluster.create(&path, event.build()).await }
    };
    let event = |reason, name| objects::event(ns, "web", reason, "Failed to pull image").name(name);
    make(event("BackOff", "other-reason")).await;
    make(event("Failed", "no-warning").normal()).await;
    make(event("Failed", "wanted")).await;
    let lines = cluster.watch(&events, version(&list), 1).await;
    assert_eq!(told(&lines), ["ADDED wanted"]);
    assert_eq!(names(&cluster.get(&events).await), ["wanted"]);
}

async fn a_watch_ends_in_time(cluster: &Cluster, ns: &str) {
    let secrets = format!("{}/secrets?allowWatchBookmarks=true&", at(ns));
    let list = cluster.get(&secrets).await;
    let opened = Instant::now();
    cluster.watch(&secrets, version(&list), 2).await;
    let lived = opened.elapsed().as_secs_f64();
    assert!((1.9..4.0).contains(&lived), "{lived}");
}

/// A real server sends the first after a minute, and none at all in shorter watches (1.37.2).
async fn a_quiet_watch_gets_a_bookmark_within_a_minute(cluster: &Cluster, ns: &str) {
    let secrets = format!("{}/secrets?allowWatchBookmarks=true&", at(ns));
    let list = cluster.get(&secrets).await;
    cluster
        .dockercfg("default", &format!("{ns}-elsewhere"))
        .await;
    let lines = cluster.watch(&secrets, version(&list), 65).await;
    assert_eq!(told(&lines).first().map(String::as_str), Some("BOOKMARK -"));
    let number = |object: &Value| version(object).parse::<u64>().unwrap();
    assert!(
        number(&lines[0]["object"]) > number(&list),
        "it tells of what was not for us"
    );
}

async fn nothing_is_compressed_unasked(cluster: &Cluster, ns: &str) {
    // 128 KiB is where a real server begins to compress; `text` looks at the header.
    let padding = "x".repeat(200_000);
    let config = format!(r#"{{"auths":{{}},"padding":"{padding}"}}"#);
    let secret = objects::pull_secret(ns, "big", &config);
    cluster.create(&format!("{}/secrets", at(ns)), secret).await;
    let found = cluster.get(&format!("{}/secrets", at(ns))).await;
    assert_eq!(names(&found), ["big"]);
    assert_eq!(
        cluster
            .watch(&format!("{}/secrets?", at(ns)), "", 1)
            .await
            .len(),
        1
    );
}

// === Tables, rights, writes ===

async fn a_table_tells_type_and_nothing_else(cluster: &Cluster, ns: &str) {
    let opaque = objects::annotated(
        objects::opaque_secret(ns, "opaque", &[("k", "c4n4ry")]),
        "kubectl.kubernetes.io/last-applied-configuration",
        "c4n4ry",
    );
    cluster.create(&format!("{}/secrets", at(ns)), opaque).await;
    let path = format!(
        "{}/secrets?fieldSelector=metadata.name%3Dopaque&includeObject=None",
        at(ns)
    );
    let accept = "application/json;as=Table;g=meta.k8s.io;v=v1";
    let (status, text) = cluster.text(Method::GET, &path, None, accept).await;
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, 200);
    assert!(
        !text.contains("c4n4ry") && !text.contains(&objects::base64("c4n4ry")),
        "{text}"
    );

    let lookup = |name: &str| {
        let object = ObjectName {
            namespace: ns.to_owned(),
            name: name.to_owned(),
        };
        async move { table::lookup(&cluster.client, &object).await.unwrap() }
    };
    assert_eq!(lookup("opaque").await.as_deref(), Some("Opaque"));
    assert_eq!(lookup("absent").await, None);
    assert_eq!(lookup("opaque,metadata.name!=x").await, None);
    cluster.dockercfg(ns, "old").await;
    assert_eq!(
        lookup("old").await.as_deref(),
        Some("kubernetes.io/dockercfg")
    );
}

async fn what_is_forbidden_is_403(cluster: &Cluster, ns: &str) {
    let (nobody, fault) = match &cluster.server {
        Server::StandIn(server) => {
            let fault = server.inject(Fault::forbidden(Served::Secrets).in_namespace(ns));
            (server.kubeconfig(), Some(fault))
        }
        Server::Shared(server) => (server.kubeconfig_of_nobody(), None),
        Server::Own(server) => (server.kubeconfig_of_nobody(), None),
    };
    let client = client_of(&nobody).await;
    let source = ClusterSource {
        namespaces: vec![ns.to_owned()],
        ..ClusterSource::default()
    };
    let rig = Rig::start(&client, &source, &Cadence::default());
    rig.until("refused", |rig| {
        let sums = rig.shared.read(|state| state.watches.by_resource());
        sums["secrets"].forbidden && !sums["secrets"].listed
    })
    .await;
    rig.until_ready().await;
    rig.stop().await;
    if let (Server::StandIn(server), Some(fault)) = (&cluster.server, fault) {
        server.heal(fault);
    }
}

async fn a_lease_is_written_only_from_its_newest_version(cluster: &Cluster, ns: &str) {
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases");
    let first = cluster.create(&leases, objects::lease(ns, "ledger")).await;
    let path = format!("{leases}/ledger");
    let put = |mut lease: Value, holder: &'static str| {
        lease["spec"]["holderIdentity"] = json!(holder);
        let path = path.clone();
        async move { cluster.call(Method::PUT, &path, Some(&lease)).await }
    };
    let (status, second) = put(first.clone(), "a").await;
    assert_eq!(status, 200, "{second}");
    assert_ne!(version(&second), version(&first));
    let (status, refused) = put(first.clone(), "b").await;
    assert_eq!((status, &refused["reason"]), (409, &json!("Conflict")));
    let (status, third) = put(second, "c").await;
    assert_eq!(status, 200, "{third}");
    let mut without = third.clone();
    without["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    let (status, refused) = put(without, "d").await;
    assert_eq!(status, 422, "{refused}");
    let (status, refused) = cluster
        .call(Method::POST, &leases, Some(&objects::lease(ns, "ledger")))
        .await;
    assert_eq!((status, &refused["reason"]), (409, &json!("AlreadyExists")));
    assert_eq!(cluster.get(&path).await["spec"]["holderIdentity"], "c");
}

async fn a_name_created_anew_has_another_uid(cluster: &Cluster, ns: &str) {
    let first = cluster.secret(ns, "one").await;
    cluster.delete(&format!("{}/secrets/one", at(ns))).await;
    let second = cluster.dockercfg(ns, "one").await;
    assert_ne!(uid(&first), uid(&second));
    let digits = uid(&first).chars().filter(char::is_ascii_hexdigit).count();
    assert_eq!((digits, uid(&first).len()), (32, 36));
}

// === our loop ===

const NEW: Resource = Resource::DockerConfigJsonSecrets;
const OLD: Resource = Resource::DockerCfgSecrets;

async fn our_loop_sees_what_is_there_and_what_comes(cluster: &Cluster, ns: &str) {
    cluster.secret(ns, "one").await;
    cluster.pod(ns, "web").await;
    let rig = cluster.rig(ns);
    rig.until_ready().await;
    assert_eq!(rig.names(Resource::Namespaces), [format!("/{ns}")]);
    assert_eq!(
        rig.names(Resource::ServiceAccounts),
        [format!("{ns}/default")]
    );
    assert_eq!(rig.names(NEW), [format!("{ns}/one")]);
    assert_eq!(rig.names(Resource::Pods), [format!("{ns}/web")]);
    cluster.secret(ns, "two").await;
    rig.until("the new one", |rig| rig.names(NEW).len() == 2)
        .await;
    cluster.delete(&format!("{}/secrets/one", at(ns))).await;
    rig.until("one is gone", |rig| rig.names(NEW) == [format!("{ns}/two")])
        .await;
    cluster.phase(ns, "web", "Succeeded").await;
    rig.until("no pod", |rig| rig.names(Resource::Pods).is_empty())
        .await;
    rig.stop().await;
}

async fn our_loop_keeps_a_secret_created_anew_with_the_other_type(cluster: &Cluster, ns: &str) {
    let rig = cluster.rig(ns);
    rig.until_ready().await;
    let path = format!("{}/secrets/one", at(ns));
    let one = [format!("{ns}/one")];
    for _ in 0..5 {
        cluster.secret(ns, "one").await;
        rig.until("new", |rig| {
            rig.names(NEW) == one && rig.names(OLD).is_empty()
        })
        .await;
        cluster.delete(&path).await;
        cluster.dockercfg(ns, "one").await;
        rig.until("old", |rig| {
            rig.names(OLD) == one && rig.names(NEW).is_empty()
        })
        .await;
        cluster.delete(&path).await;
    }
    rig.stop().await;
}

async fn our_loop_lists_a_type_of_many_in_pages(cluster: &Cluster, ns: &str) {
    let secrets = format!("{}/secrets", at(ns));
    let many = (0..520).map(|index| {
        let secret = objects::pull_secret(ns, &format!("s{index}"), r#"{"auths":{}}"#);
        cluster.create(&secrets, secret)
    });
    futures_util::future::join_all(many).await;
    let rig = cluster.rig(ns);
    rig.until_ready().await;
    assert_eq!(rig.names(NEW).len(), 520);
    assert!(rig.names(OLD).is_empty());
    rig.stop().await;
}

// === lost history ===

async fn event(cluster: &Cluster, ns: &str, name: &str) {
    let event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": ns, "name": name},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": ns, "name": "web"},
        "type": "Warning", "reason": "Failed", "message": "m",
    });
    cluster.create(&format!("{}/events", at(ns)), event).await;
}

async fn an_event_watch_from_before_a_compaction_is_410_in_the_stream(cluster: &Cluster, ns: &str) {
    let events = format!("{}/events?", at(ns));
    let list = cluster.get(&events).await;
    for name in ["a", "b"] {
        event(cluster, ns, name).await;
    }
    cluster.compact();
    let lines = cluster.watch(&events, version(&list), 1).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["type"], "ERROR");
    assert_eq!(lines[0]["object"]["code"], 410);
}

async fn a_continue_token_from_before_a_compaction_is_410_by_status(cluster: &Cluster, ns: &str) {
    for name in ["a", "b", "c"] {
        event(cluster, ns, name).await;
    }
    let events = format!("{}/events?limit=1", at(ns));
    let page = cluster.get(&events).await;
    event(cluster, ns, "d").await;
    cluster.compact();
    let more = page["metadata"]["continue"].as_str().unwrap();
    let path = format!("{events}&continue={more}");
    let (status, answer) = cluster.call(Method::GET, &path, None).await;
    assert_eq!((status, &answer["reason"]), (410, &json!("Expired")));
}

async fn our_loop_survives_a_restart(cluster: &Cluster, ns: &str) {
    cluster.secret(ns, "one").await;
    cluster.secret(ns, "two").await;
    let rig = cluster.rig(ns);
    rig.until_ready().await;
    let is_up = |rig: &Rig| {
        let sums = rig.shared.read(|state| state.watches.by_resource());
        sums.values().map(|health| health.up).collect::<Vec<_>>()
    };
    rig.until("up", |rig| is_up(rig) == [true; 5]).await;
    cluster.stop().await;
    rig.until("down", |rig| is_up(rig) == [false; 5]).await;
    assert_eq!(rig.names(NEW).len(), 2);
    cluster.start_again().await;
    cluster.delete(&format!("{}/secrets/one", at(ns))).await;
    rig.until("up again, and one is gone", |rig| {
        is_up(rig) == [true; 5] && rig.names(NEW) == [format!("{ns}/two")]
    })
    .await;
    rig.stop().await;
}
