//! Claims of the API server.

use std::time::Duration;

use regcred_stand_ins::api_server::{ApiServer, Fault, Resource, Verb};
use regcred_stand_ins::objects::{
    docker_config, dockercfg_secret, event, lease, namespace, opaque_secret, pod, pull_secret,
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::client::{Watch, get, get_with, send};

const SECRETS: &str = "/api/v1/secrets";
const PODS: &str = "/api/v1/pods";
const PULL_SECRETS: &str = "type%3Dkubernetes.io%2Fdockerconfigjson";
const TABLE: (&str, &str) = (
    "accept",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
);

async fn with_pods(names: &[&str]) -> ApiServer {
    let server = ApiServer::start().await;
    for name in names {
        server.apply(pod("a", name, "ghcr.io/org/app:1", &[]));
    }
    server
}

fn config() -> String {
    docker_config(&[("ghcr.io", "bot", "pass")])
}

fn names(list: &Value) -> Vec<String> {
    list["items"]
        .as_array()
        .expect("a list has items")
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn version(list: &Value) -> String {
    list["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Path and query on a server, answered with 200.
async fn json(server: &ApiServer, path: &str) -> Value {
    let reply = get(&format!("{}{path}", server.url())).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

async fn status(server: &ApiServer, path: &str) -> (u16, Value) {
    let reply = get(&format!("{}{path}", server.url())).await;
    (reply.status, reply.json())
}

async fn watch(server: &ApiServer, path: &str, parameters: &str) -> Watch {
    Watch::open(&format!("{}{path}?watch=1&{parameters}", server.url())).await
}

#[tokio::test]
async fn pages_show_one_snapshot() {
    let server = with_pods(&["a", "b", "c", "d", "e"]).await;
    let first = json(&server, &format!("{PODS}?limit=2")).await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    server.delete(Resource::Pods, "a", "c");
    server.apply(pod("a", "bb", "nginx", &[]));
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = json(&server, &format!("{PODS}?limit=2&continue={token}")).await;
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(version(&second), version(&first));
    let token = second["metadata"]["continue"].as_str().unwrap();
    let last = json(&server, &format!("{PODS}?limit=2&continue={token}")).await;
    assert_eq!(names(&last), ["e"]);
    assert!(last["metadata"].get("continue").is_none());
    assert_eq!(
        names(&json(&server, PODS).await),
        ["a", "b", "bb", "d", "e"]
    );
}

#[tokio::test]
async fn a_compacted_continue_token_is_410() {
    let server = with_pods(&["a", "b"]).await;
    let first = json(&server, &format!("{PODS}?limit=1")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    server.compact();
    let (code, status) = status(&server, &format!("{PODS}?limit=1&continue={token}")).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
    let reply = get(&format!("{}{PODS}?continue=nonsense", server.url())).await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn lists_are_in_the_order_of_etcd_keys_and_without_types() {
    let server = ApiServer::start().await;
    for (namespace, name) in [("a", "x"), ("a-b", "x"), ("a", "b")] {
        server.apply(pod(namespace, name, "nginx", &[]));
    }
    let list = json(&server, PODS).await;
    let order: Vec<&Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["metadata"]["namespace"])
        .collect();
    assert_eq!(order, ["a-b", "a", "a"]);
    assert_eq!(list["kind"], "PodList");
    assert!(list["items"][0].get("kind").is_none());
    let one = json(&server, "/api/v1/namespaces/a/pods/x").await;
    assert_eq!(one["kind"], "Pod");
    assert_eq!(one["status"]["phase"], "Pending");
}

#[tokio::test]
async fn selectors_and_namespaces_narrow_lists() {
    let server = ApiServer::start().await;
    server.apply(pull_secret("a", "pull", &config()));
    server.apply(pull_secret("b", "pull", &config()));
    server.apply(dockercfg_secret("a", "legacy", "{}"));
    server.apply(opaque_secret("a", "opaque", &[("k", "v")]));
    let count = async |path: String| names(&json(&server, &path).await).len();
    assert_eq!(count(SECRETS.to_owned()).await, 4);
    assert_eq!(
        count(format!("{SECRETS}?fieldSelector={PULL_SECRETS}")).await,
        2
    );
    let narrow = format!("{PULL_SECRETS}%2Cmetadata.namespace%21%3Db");
    assert_eq!(count(format!("{SECRETS}?fieldSelector={narrow}")).await, 1);
    assert_eq!(count("/api/v1/namespaces/a/secrets".to_owned()).await, 3);
    let (code, _) = status(&server, &format!("{SECRETS}?fieldSelector=data%3Dx")).await;
    assert_eq!(code, 400);
    let (code, _) = status(&server, "/api/v1/nodes").await;
    assert_eq!(code, 404);
}

#[tokio::test]
async fn a_watch_tells_what_enters_and_leaves_its_selector() {
    let server = with_pods(&["a"]).await;
    let from = version(&json(&server, PODS).await);
    let selector = "fieldSelector=status.phase%21%3DSucceeded";
    let parameters = format!("resourceVersion={from}&{selector}");
    let mut watch = watch(&server, PODS, &parameters).await;
    let in_phase = |phase| pod("a", "a", "nginx", &[]).phase(phase);
    server.apply(in_phase("Running"));
    assert_eq!(watch.brief().await, "MODIFIED a");
    let left = server.apply(in_phase("Succeeded")).resource_version;
    let event = watch.event().await;
    assert_eq!(event["type"], "DELETED");
    assert_eq!(event["object"]["status"]["phase"], "Running");
    assert_eq!(
        event["object"]["metadata"]["resourceVersion"],
        left.to_string()
    );
    server.apply(in_phase("Running"));
    assert_eq!(watch.brief().await, "ADDED a");
    server.delete(Resource::Pods, "a", "a");
    assert_eq!(watch.brief().await, "DELETED a");
}

#[tokio::test]
async fn another_uid_is_another_object() {
    let server = with_pods(&["a"]).await;
    let mut watch = watch(&server, PODS, "").await;
    assert_eq!(watch.brief().await, "ADDED a");
    server.apply(pod("a", "a", "nginx", &[]).uid("11111111-0000-4000-8000-000000000000"));
    assert_eq!(watch.brief().await, "DELETED a");
    assert_eq!(watch.brief().await, "ADDED a");
}

#[tokio::test]
async fn a_watch_resumes_and_misses_nothing() {
    let server = with_pods(&["a"]).await;
    let from = version(&json(&server, PODS).await);
    server.apply(pod("a", "b", "nginx", &[]));
    server.apply(pull_secret("a", "not-a-pod", &config()));
    server.delete(Resource::Pods, "a", "a");
    let mut watch = watch(&server, PODS, &format!("resourceVersion={from}")).await;
    assert_eq!(watch.brief().await, "ADDED b");
    assert_eq!(watch.brief().await, "DELETED a");
    server.touch(Resource::Pods, "a", "b");
    assert_eq!(watch.brief().await, "MODIFIED b");
}

#[tokio::test]
async fn a_compacted_version_is_410_in_the_stream_and_open_watches_go_on() {
    let server = with_pods(&["a"]).await;
    let from = version(&json(&server, PODS).await);
    let parameters = format!("resourceVersion={from}");
    let mut open = watch(&server, PODS, &parameters).await;
    server.apply(pod("a", "b", "nginx", &[]));
    server.compact();
    assert_eq!(open.brief().await, "ADDED b");
    let mut late = watch(&server, PODS, &parameters).await;
    let event = late.event().await;
    assert_eq!(event["type"], "ERROR");
    assert_eq!(event["object"]["code"], 410);
    assert_eq!(late.line().await, None);
    let now = format!("resourceVersion={}", server.resource_version());
    let mut fresh = watch(&server, PODS, &now).await;
    server.apply(pod("a", "c", "nginx", &[]));
    assert_eq!(fresh.brief().await, "ADDED c");
}

#[tokio::test]
async fn bookmarks_carry_the_newest_version_but_not_for_events() {
    let server = with_pods(&["a"]).await;
    server.pace_bookmarks(Duration::from_millis(20), Duration::from_secs(2));
    let from = version(&json(&server, PODS).await);
    server.apply(namespace("elsewhere"));
    let parameters = format!("resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=1");
    let mut pods = watch(&server, PODS, &parameters).await;
    let bookmark = pods.event().await;
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(
        bookmark["object"]["metadata"]["resourceVersion"],
        server.resource_version().to_string()
    );
    assert_eq!(bookmark["object"]["spec"]["containers"], Value::Null);
    let mut events = watch(&server, "/api/v1/events", &parameters).await;
    assert_eq!(events.line().await, None);
}

#[tokio::test]
async fn a_watch_ends_at_its_timeout_after_a_last_bookmark() {
    let server = with_pods(&[]).await;
    server.pace_bookmarks(Duration::from_secs(60), Duration::from_millis(900));
    let start = Instant::now();
    let mut watch = watch(&server, PODS, "allowWatchBookmarks=1&timeoutSeconds=1").await;
    assert_eq!(watch.brief().await, "BOOKMARK");
    assert!(start.elapsed() < Duration::from_millis(900));
    assert_eq!(watch.line().await, None);
    assert!(start.elapsed() >= Duration::from_secs(1));
    server
        .until("the watch is gone", |server| {
            server.open_watches(Resource::Pods) == 0
        })
        .await;
}

#[tokio::test]
async fn a_table_without_objects_tells_the_type_and_nothing_else() {
    let server = ApiServer::start().await;
    server.apply(opaque_secret("a", "opq", &[("password", "hunter2")]));
    let url = format!(
        "{}/api/v1/namespaces/a/secrets?includeObject=None",
        server.url()
    );
    let list = get_with(&url, &[TABLE]).await;
    let table = list.json();
    assert_eq!(table["kind"], "Table");
    let columns: Vec<&Value> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| &column["name"])
        .collect();
    assert_eq!(columns, ["Name", "Type", "Data", "Age"]);
    let cells = &table["rows"][0]["cells"];
    assert_eq!(
        (&cells[0], &cells[1], &cells[2]),
        (&json!("opq"), &json!("Opaque"), &json!(1))
    );
    assert_eq!(table["rows"][0]["object"], Value::Null);
    let url = url.replace("secrets?", "secrets/opq?");
    assert_eq!(get_with(&url, &[TABLE]).await.json()["rows"], table["rows"]);
}

#[tokio::test]
async fn a_lease_is_written_under_its_version_only() {
    let server = ApiServer::start().await;
    let leases = format!(
        "{}/apis/coordination.k8s.io/v1/namespaces/a/leases",
        server.url()
    );
    let body = lease("a", "leader").to_string();
    let created = send("POST", &leases, &[], &body).await.unwrap();
    assert_eq!(created.status, 201);
    let again = send("POST", &leases, &[], &body).await.unwrap();
    assert_eq!(
        (again.status, &again.json()["reason"]),
        (409, &json!("AlreadyExists"))
    );
    let one = format!("{leases}/leader");
    let mut held = created.json();
    held["spec"]["holderIdentity"] = json!("me");
    let put = send("PUT", &one, &[], &held.to_string()).await.unwrap();
    assert_eq!(put.status, 200);
    assert_ne!(version(&put.json()), version(&held));
    let stale = send("PUT", &one, &[], &held.to_string()).await.unwrap();
    assert_eq!(
        (stale.status, &stale.json()["reason"]),
        (409, &json!("Conflict"))
    );
    let blind = send("PUT", &one, &[], &body).await.unwrap();
    assert_eq!(blind.status, 422);
    assert_eq!(
        server.find(Resource::Leases, "a", "leader").unwrap()["spec"]["holderIdentity"],
        "me"
    );
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names() {
    let server = ApiServer::start().await;
    server.apply(event("a", "web", "Failed", "no").name("web.1"));
    let url = format!("{}/api/v1/namespaces/a/events/web.1", server.url());
    let merge = [("content-type", "application/merge-patch+json")];
    let patched = send("PATCH", &url, &merge, r#"{"count":2,"source":null}"#)
        .await
        .unwrap()
        .json();
    assert_eq!(
        (&patched["count"], &patched["reason"]),
        (&json!(2), &json!("Failed"))
    );
    assert!(patched.get("source").is_none());
}

#[tokio::test]
async fn faults_strike_their_resource_and_heal() {
    let server = with_pods(&["a"]).await;
    let id = server.inject(Fault::forbidden(Resource::Pods));
    let (code, status) = status(&server, PODS).await;
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
    assert!(json(&server, SECRETS).await["items"].is_array());
    assert_eq!(server.struck(id), 1);
    server.heal(id);
    json(&server, PODS).await;
    server.inject(Fault::too_many_requests(Resource::Pods, 7).once());
    let reply = get(&format!("{}{PODS}", server.url())).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "7"));
    json(&server, PODS).await;
    server.inject(Fault::internal_error(Resource::Pods).in_namespace("b"));
    json(&server, PODS).await;
    json(&server, "/api/v1/namespaces/a/pods").await;
    let reply = get(&format!("{}/api/v1/namespaces/b/pods", server.url())).await;
    assert_eq!(reply.status, 500);
}

#[tokio::test]
async fn faulty_watches_fail_each_in_their_way() {
    let server = with_pods(&["a"]).await;
    server.inject(Fault::gone_as_status(Resource::Pods).once());
    let reply = get(&format!("{}{PODS}?watch=1", server.url())).await;
    assert_eq!(reply.status, 410);
    server.inject(Fault::gone_in_stream(Resource::Pods).once());
    let mut gone = watch(&server, PODS, "").await;
    assert_eq!(gone.event().await["object"]["code"], 410);
    assert_eq!(gone.line().await, None);
    server.inject(Fault::end_watch_at_once(Resource::Pods).once());
    assert_eq!(watch(&server, PODS, "").await.line().await, None);
    server.inject(Fault::garbage_line(Resource::Pods).once());
    let mut garbage = watch(&server, PODS, "").await;
    let line = garbage.line().await.unwrap();
    assert!(serde_json::from_str::<Value>(&line).is_err());
    assert_eq!(garbage.brief().await, "ADDED a");
    server.expire_watches(Resource::Pods);
    assert_eq!(garbage.event().await["type"], "ERROR");
    assert_eq!(garbage.line().await, None);
}

#[tokio::test]
async fn a_silent_watch_says_nothing_until_healed() {
    let server = with_pods(&[]).await;
    server.pace_bookmarks(Duration::from_millis(5), Duration::from_secs(2));
    let mut watch = watch(&server, PODS, "allowWatchBookmarks=1&timeoutSeconds=60").await;
    assert_eq!(watch.brief().await, "BOOKMARK");
    let id = server.inject(Fault::silence(Resource::Pods));
    server.apply(pod("a", "a", "nginx", &[]));
    let heard = async { while watch.brief().await == "BOOKMARK" {} };
    let silence = timeout(Duration::from_millis(100), heard).await;
    assert!(silence.is_err(), "a change was told");
    server.heal(id);
    while watch.brief().await == "BOOKMARK" {}
}

#[tokio::test]
async fn one_of_two_watches_of_a_resource_can_fall_silent() {
    let server = ApiServer::start().await;
    let select = |kind: &str| format!("fieldSelector=type%3Dkubernetes.io%2F{kind}");
    let mut legacy = watch(&server, SECRETS, &select("dockercfg")).await;
    let mut modern = watch(&server, SECRETS, &select("dockerconfigjson")).await;
    let fault = Fault::silence(Resource::Secrets).selecting("type=kubernetes.io/dockercfg");
    let id = server.inject(fault);
    server.apply(dockercfg_secret("a", "s", "{}"));
    server.delete(Resource::Secrets, "a", "s");
    server.apply(pull_secret("a", "s", &config()));
    assert_eq!(modern.brief().await, "ADDED s");
    server.heal(id);
    assert_eq!(legacy.brief().await, "ADDED s");
    assert_eq!(legacy.brief().await, "DELETED s");
}

#[tokio::test]
async fn faulty_lists_fail_each_in_their_way() {
    let server = with_pods(&["a", "b", "c"]).await;
    server.inject(Fault::broken_list(Resource::Pods).once());
    let url = format!("{}{PODS}", server.url());
    assert!(send("GET", &url, &[], "").await.is_err());
    server.inject(Fault::huge_item(Resource::Pods, 4 << 20).once());
    let reply = get(&url).await;
    assert!(reply.body.len() > 4 << 20);
    assert_eq!(names(&reply.json()), ["a", "b", "c"]);
    let pause = Duration::from_millis(30);
    server.inject(Fault::slow_list(Resource::Pods, pause).once());
    let start = Instant::now();
    assert_eq!(names(&get(&url).await.json()).len(), 3);
    assert!(start.elapsed() >= 3 * pause);
    server.inject(Fault::expired_continue(Resource::Pods));
    let first = json(&server, &format!("{PODS}?limit=1")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (code, _) = status(&server, &format!("{PODS}?limit=1&continue={token}")).await;
    assert_eq!(code, 410);
}

#[tokio::test]
async fn a_stopped_server_refuses_and_comes_back_on_its_port() {
    let server = with_pods(&["a"]).await;
    let url = format!("{}{PODS}", server.url());
    let mut open = watch(&server, PODS, "").await;
    assert_eq!(open.brief().await, "ADDED a");
    server.stop().await;
    let refused = send("GET", &url, &[], "").await;
    assert!(refused.is_err_and(|error| error.contains("connect")));
    server.start_again().await;
    assert_eq!(names(&get(&url).await.json()), ["a"]);
    assert!(timeout(Duration::from_secs(5), open.broken()).await.is_ok());
}

#[tokio::test]
async fn generated_objects_are_served_like_others() {
    let server = ApiServer::with_generated(30, 500, 10_000).await;
    let first = get(&format!("{}{PODS}?limit=100", server.url())).await;
    let size = first.body.len() / 100;
    assert!((9_000..11_000).contains(&size), "{size} bytes a pod");
    let mut list = first.json();
    let mut count = names(&list).len();
    while let Some(token) = list["metadata"]["continue"].as_str() {
        list = json(&server, &format!("{PODS}?limit=100&continue={token}")).await;
        count += names(&list).len();
    }
    assert_eq!(count, 500);
    let secrets = json(&server, &format!("{SECRETS}?fieldSelector={PULL_SECRETS}")).await;
    assert_eq!(names(&secrets).len(), 30);
    let from = format!("resourceVersion={}", server.resource_version());
    let mut watch = watch(&server, PODS, &from).await;
    assert!(server.touch(Resource::Pods, "team-0000", "app-0"));
    assert_eq!(watch.brief().await, "MODIFIED app-0");
}

#[tokio::test]
async fn requests_are_recorded_and_counted() {
    let server = with_pods(&[]).await;
    let url = format!(
        "{}{PODS}?limit=5&fieldSelector=metadata.name%3Da",
        server.url()
    );
    get_with(
        &url,
        &[
            ("authorization", "Bearer x"),
            ("accept", "application/json"),
        ],
    )
    .await;
    get(&format!("{}/version", server.url())).await;
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].is_authorized && !requests[1].is_authorized);
    assert_eq!(requests[0].verb, Some(Verb::List));
    assert_eq!(
        requests[0].parameter("fieldSelector").as_deref(),
        Some("metadata.name=a")
    );
    assert_eq!(server.count(Verb::List, Resource::Pods), 1);
    assert!(server.kubeconfig().contains(&server.url()));
}
