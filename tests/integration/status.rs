//! The status listener over sockets: what it shows, to whom, and that nobody's words become markup.

mod browser;
mod schema;

use std::sync::{Arc, Mutex};

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use regcred_exporter::clock::Clock;
use regcred_exporter::domain::cluster::{Cluster, ObjectName};
use regcred_exporter::domain::demand::Demand;
use regcred_exporter::domain::node_credentials::NodeCredentials;
use regcred_exporter::metrics::Metrics;
use regcred_exporter::state::{Shared, State};
use regcred_exporter::web::{self, StatusSite};
use regcred_stand_ins::objects::{namespace, pod, pull_secret};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::prober::World;
use super::scenarios::begin;

/// A listener over a state.
struct Page {
    address: String,
    asked: Arc<Mutex<Vec<Demand>>>,
    shutdown: CancellationToken,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Page {
    async fn of(shared: &Shared) -> Self {
        let clock = Clock::by_hand(chrono::DateTime::from_timestamp(1_800_000_600, 0).unwrap());
        let metrics = {
            let clock = clock.clone();
            Metrics::new(
                shared.clone(),
                move || clock.now(),
                std::time::Duration::from_secs(900),
            )
        };
        let asked: Arc<Mutex<Vec<Demand>>> = Arc::default();
        let ask = {
            let (shared, asked) = (shared.clone(), Arc::clone(&asked));
            move |demand: Demand| {
                let concerned = shared.read(|state| state.cluster.concerned(&demand));
                asked.lock().unwrap().push(demand);
                concerned
            }
        };
        let site = StatusSite::new(shared.clone(), metrics.panics, move || clock.now(), ask);
        let listener = web::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let page = Self {
            address: listener.address().to_string(),
            asked,
            shutdown: CancellationToken::new(),
        };
        tokio::spawn(listener.serve(site, page.shutdown.clone()));
        page
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (http::response::Parts, String) {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:8080");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = sender
            .send_request(request.body(Empty::<Bytes>::new()).unwrap())
            .await
            .unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> String {
        let (head, body) = self.ask("GET", path, &[]).await;
        assert_eq!(head.status, 200, "{path}: {body}");
        body
    }
}

fn empty() -> Shared {
    Shared::from(State::new(Cluster::default()))
}

/// A Pod of each namespace that waits since its node has no room, and one whose words are hostile.
async fn world() -> World {
    let world = World::new();
    let disk = "failed to extract layer: write /var/lib/app: no space left on device";
    let evil = format!(
        "</script><img src=x onerror=alert(1)> '\"\u{202e}\u{1b}[31m no space left on device {}",
        "x".repeat(70_000)
    );
    let objects = [
        namespace("shop"),
        pod("shop", "web-1", "r.example.com/team/app:1", &[])
            .uid("00000000-0000-4000-8000-000000000001")
            .waiting("ErrImagePull", disk)
            .build(),
        pod(
            "dark",
            "web-2",
            "other.example.com/team/app:1",
            &["<b>pull</b>"],
        )
        .uid("00000000-0000-4000-8000-000000000002")
        .waiting("ErrImagePull", &evil)
        .build(),
        pull_secret(
            "dark",
            "<b>pull</b>",
            "{\"auths\":{\"other.example.com\":{\"username\":\"<i>bot</i>\",\"password\":\"c4n4ry\"}}}",
        ),
    ];
    begin(&world, &objects, NodeCredentials::only([]));
    world
}

#[tokio::test]
async fn it_answers_this_machine_only_and_lets_no_other_site_in() {
    let page = Page::of(&empty()).await;
    for host in ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.1"] {
        let (head, _) = page.ask("GET", "/", &[("host", host)]).await;
        assert_eq!(head.status, 421, "{host}");
    }
    let cross = [("sec-fetch-site", "cross-site")];
    let (head, _) = page.ask("POST", "/", &cross).await;
    assert_eq!(head.status, 403);
    let (head, _) = page.ask("POST", "/", &[]).await;
    assert_eq!(
        (head.status.as_u16(), &head.headers["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
    let (head, _) = page.ask("GET", "/gone", &[]).await;
    assert_eq!(head.status, 404);
    let (head, _) = page.ask("GET", "/?cause=bad_luck", &[]).await;
    assert_eq!(head.status, 400);
    let (head, body) = page.ask("HEAD", "/", &[]).await;
    assert_eq!((head.status.as_u16(), &*body), (200, ""));
}

#[tokio::test]
async fn whoever_wants_to_know_now_says_what_and_comes_from_here() {
    let mut world = world().await;
    world.pass(chrono::TimeDelta::minutes(2)).await;
    let page = Page::of(world.shared()).await;
    let path = |query: &str| format!("/api/v1/probes{query}");
    let json = [("accept", "application/json")];
    let (head, body) = page.ask("POST", &path(""), &json).await;
    assert_eq!((head.status.as_u16(), &*body), (202, "{\"asked\":1}\n"));
    assert_eq!(head.headers["content-type"], "application/json");
    let of_secret = path("?secret=dark%2F%3Cb%3Epull%3C%2Fb%3E");
    let browser = [
        ("accept", "text/html,*/*"),
        ("origin", "http://localhost:8080"),
    ];
    let (head, _) = page.ask("POST", &of_secret, &browser).await;
    let location = head.headers["location"].to_str().unwrap();
    assert_eq!((head.status.as_u16(), location), (303, "/"));
    let secret = ObjectName {
        namespace: "dark".to_owned(),
        name: "<b>pull</b>".to_owned(),
    };
    let asked = [Demand::All, Demand::Secret(secret)];
    assert_eq!(*page.asked.lock().unwrap(), asked);
    for (query, status) in [
        ("?secret=shop/none", 404),
        ("?secret=none", 400),
        ("?all", 400),
    ] {
        let (head, _) = page.ask("POST", &path(query), &json).await;
        assert_eq!(head.status, status, "{query}");
    }
    let cross = [("origin", "http://evil.example")];
    let (head, _) = page.ask("POST", &of_secret, &cross).await;
    assert_eq!(head.status, 403);
    let (head, _) = page.ask("GET", &of_secret, &[]).await;
    assert_eq!(
        (head.status.as_u16(), &head.headers["allow"]),
        (405, &"POST".parse().unwrap())
    );
    assert_eq!(page.asked.lock().unwrap().len(), 3, "and one of nobody's");
}

#[tokio::test]
async fn nothing_is_kept_framed_or_fetched() {
    let page = Page::of(&empty()).await;
    for path in [
        "/",
        "/api/v1/findings",
        "/debug/probes",
        "/style.css",
        "/gone",
    ] {
        let (head, _) = page
            .ask("GET", path, &[("origin", "http://evil.example")])
            .await;
        let header = |name: &str| head.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(
            !head
                .headers
                .keys()
                .any(|name| name.as_str().starts_with("access-control"))
        );
    }
}

#[tokio::test]
async fn an_empty_cluster_has_an_empty_page() {
    let page = Page::of(&empty()).await;
    let html = page.get("/").await;
    assert_eq!(html.matches("<p class=\"good\">None.</p>").count(), 2);
    assert!(html.contains("No registry has been asked yet."));
    let found: Value = serde_json::from_str(&page.get("/api/v1/findings").await).unwrap();
    assert_eq!(found["findings"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn findings_are_filtered_by_the_address() {
    let mut world = world().await;
    world.pass(chrono::TimeDelta::minutes(2)).await;
    let page = Page::of(world.shared()).await;
    let pods = |text: String| -> Vec<String> {
        let document: Value = serde_json::from_str(&text).unwrap();
        let found = document["findings"].as_array().unwrap();
        found
            .iter()
            .map(|one| one["pod"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(pods(page.get("/api/v1/findings").await), ["web-2", "web-1"]);
    assert_eq!(
        pods(page.get("/api/v1/findings?namespace=shop").await),
        ["web-1"]
    );
    assert_eq!(
        pods(
            page.get("/api/v1/findings?registry=other.example.com")
                .await
        ),
        ["web-2"]
    );
    assert_eq!(
        pods(page.get("/api/v1/findings?cause=network").await),
        Vec::<String>::new()
    );
    let html = page.get("/?namespace=shop").await;
    assert!(html.contains("web-1") && !html.contains("web-2"));
    assert!(html.contains("value=\"shop\""));
}

#[tokio::test]
async fn what_tenants_wrote_is_text_and_no_secret_is_there() {
    let mut world = world().await;
    world.pass(chrono::TimeDelta::minutes(2)).await;
    let page = Page::of(world.shared()).await;
    let html = page.get("/").await;
    assert!(html.contains("&lt;b&gt;pull&lt;/b&gt;"));
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;"));
    for never in [
        "<img",
        "<script",
        "<b>pull",
        "onerror=\"",
        "\u{202e}",
        "\u{1b}",
        "c4n4ry",
        "bot",
    ] {
        assert!(!html.contains(never), "{never:?}");
    }
    assert!(html.len() < 200_000);
    for path in ["/api/v1/findings", "/debug/probes"] {
        let text = page.get(path).await;
        assert!(!text.contains("c4n4ry") && !text.contains("bot"), "{path}");
    }
}

#[tokio::test]
async fn the_steps_of_probes_are_told_without_what_was_sent() {
    let mut world = World::new();
    let registry = super::prober::registry("bot", "c4n4ry").await;
    world.apply(super::prober::deploy("shop", &registry, "bot", "wr0ng"));
    world.pass(chrono::TimeDelta::minutes(1)).await;
    let page = Page::of(world.shared()).await;
    let text = page.get("/debug/probes").await;
    assert!(text.contains(registry.host()), "{text}");
    assert!(text.contains("login shop/pull#127.0.0.1"), "{text}");
    assert!(text.contains("token unauthorized (401)"), "{text}");
    assert!(
        !text.contains("wr0ng") && !text.contains("c4n4ry"),
        "{text}"
    );
}

/// The schema that documents the API names each member, and no other.
#[test]
fn the_schema_is_of_these_objects() {
    let text = include_str!("../../docs/findings.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let finding = &schema["$defs"]["finding"];
    let expected = [
        "anonymous_would_work",
        "answered_by",
        "cause",
        "container",
        "detail",
        "evidence",
        "fix",
        "image",
        "namespace",
        "node",
        "owner",
        "pod",
        "registry",
        "secret",
        "state",
        "workload",
    ];
    assert_eq!(keys(&finding["properties"]), expected);
    assert_eq!(
        finding["required"].as_array().unwrap().len(),
        expected.len()
    );
    let causes = finding["properties"]["cause"]["enum"].as_array().unwrap();
    let all: Vec<_> = regcred_exporter::domain::cause::Cause::ALL
        .iter()
        .map(|cause| Value::from(cause.as_str()))
        .collect();
    assert_eq!(*causes, all);
    assert_eq!(
        keys(&schema["properties"]),
        ["at", "findings", "left_out", "unseen"]
    );
}
