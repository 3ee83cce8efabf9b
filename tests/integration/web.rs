//! The metrics listener on real sockets.
//!
//! Where a test must meet a scrape half-way it holds it in `look`, the function by which a scrape
//! copies the state.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows tests by their mark, and not what they call"
)]

mod manners;

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc as blocking};
use std::time::Duration;

use flate2::read::GzDecoder;
use futures_util::FutureExt as _;
use regcred_exporter::config;
use regcred_exporter::lifecycle::Readiness;
use regcred_exporter::metrics::{Metrics, Snapshot};
use regcred_exporter::web::{self, Limits, Site};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::metrics::{Samples, credential, healthy};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// More than anything may take here.
const PATIENCE: Duration = Duration::from_secs(20);

// === a running listener ===

struct Running {
    address: SocketAddr,
    readiness: Readiness,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

async fn start(limits: Limits, look: impl Fn() -> Snapshot + Send + Sync + 'static) -> Running {
    let settings = config::Web {
        listen: Vec::new(),
        telemetry_path: "/metrics".to_owned(),
        status: None,
    };
    let shutdown = CancellationToken::new();
    let readiness = Readiness::new(shutdown.clone());
    let metrics = Metrics::of(Duration::from_secs(900), look);
    let site = Site::with_limits(&settings, metrics, readiness.clone(), limits);
    let listener = web::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    Running {
        address: listener.address(),
        readiness,
        serving: tokio::spawn(listener.serve(site, shutdown.clone())),
        shutdown,
    }
}

/// Holds scrapes: tells when one begins, lets each go on when it is told to.
struct Held {
    begun: mpsc::UnboundedReceiver<()>,
    go_on: blocking::Sender<()>,
}

fn held() -> (Held, impl Fn() -> Snapshot + Send + Sync + 'static) {
    let (tell, begun) = mpsc::unbounded_channel();
    let (go_on, wait) = blocking::channel();
    let wait = Mutex::new(wait);
    let look = move || {
        tell.send(()).unwrap();
        // An error means that the test is over.
        let _ = wait.lock().unwrap().recv();
        healthy()
    };
    (Held { begun, go_on }, look)
}

// === a raw client ===

struct Client(TcpStream);

#[derive(Debug)]
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Client {
    async fn connect(running: &Running) -> Self {
        Self(TcpStream::connect(running.address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads one answer; `None` when the connection ends before it is whole.
    async fn answer(&mut self, with_body: bool) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut answer = Answer {
            head,
            body: Vec::new(),
        };
        if with_body {
            let length = answer.header("content-length").unwrap().parse().unwrap();
            answer.body.resize(length, 0);
            self.0.read_exact(&mut answer.body).await.ok()?;
        }
        Some(answer)
    }

    /// What still comes until the connection ends.
    async fn ends(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let read = self.0.read_to_end(&mut rest);
        let _ = time::timeout(PATIENCE, read)
            .await
            .expect("the connection ends");
        rest
    }
}

impl Answer {
    fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let (_, value) = lines.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers: String = headers.collect();
    format!("{method} {path} HTTP/1.1\r\nHost: exporter\r\n{headers}\r\n")
}

async fn get(running: &Running, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut client = Client::connect(running).await;
    client.send(&request("GET", path, headers)).await;
    client.answer(true).await.unwrap()
}

/// The page in text 0.0.4, as a socket gives it.
pub(crate) fn text_page(snapshot: Snapshot) -> String {
    let snapshot = Mutex::new(Some(snapshot));
    let look = move || snapshot.lock().unwrap().take().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async move {
        let running = start(Limits::default(), look).await;
        get(&running, "/metrics", &[]).await.text().to_owned()
    })
}

// === formats ===

#[tokio::test]
async fn a_client_gets_the_format_it_likes_best() {
    let running = start(Limits::default(), healthy).await;
    let prometheus = "application/openmetrics-text;version=1.0.0,\
                      application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

    let open = get(&running, "/metrics", &[("Accept", prometheus)]).await;
    assert_eq!(open.status(), 200);
    assert_eq!(open.header("content-type"), Some(OPEN_METRICS));
    assert_eq!(open.header("vary"), Some("Accept, Accept-Encoding"));
    assert!(open.text().contains("# TYPE regcred_probes counter\n"));
    assert!(open.text().ends_with("# EOF\n"));

    for accept in [
        "*/*",
        "text/plain",
        "application/openmetrics-text;q=0.1,text/plain;q=0.2",
    ] {
        let text = get(&running, "/metrics", &[("Accept", accept)]).await;
        assert_eq!(text.header("content-type"), Some(TEXT), "{accept}");
        assert!(
            text.text()
                .contains("# TYPE regcred_probes_total counter\n")
        );
        assert!(!text.text().contains("# EOF"));
    }
}

#[tokio::test]
async fn both_formats_hold_the_same_samples_packed_or_not() {
    let running = start(Limits::default(), healthy).await;
    let open = [("Accept", "application/openmetrics-text")];
    let expected = names(get(&running, "/metrics", &open).await.text());
    assert_eq!(names(get(&running, "/metrics", &[]).await.text()), expected);

    let packed = get(&running, "/metrics", &[("Accept-Encoding", "gzip;q=0.5")]).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(packed.body.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(names(&text), expected);
    assert!(packed.body.len() * 2 < text.len());

    let plain = get(&running, "/metrics", &[("Accept-Encoding", "gzip;q=0")]).await;
    assert_eq!(plain.header("content-encoding"), None);
}

/// Samples without their values: those of the process differ from scrape to scrape.
fn names(page: &str) -> Vec<String> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
        .collect()
}

// === routes ===

#[tokio::test]
async fn every_path_answers_and_no_other() {
    let running = start(Limits::default(), healthy).await;
    running.readiness.reach();
    for path in ["/livez", "/readyz", "/healthz", "/-/healthy", "/-/ready"] {
        let answer = get(&running, path, &[]).await;
        assert_eq!((answer.status(), answer.text()), (200, "ok\n"), "{path}");
    }
    for path in ["/metrics/", "/favicon.ico", "/../metrics", "//", "*"] {
        assert_eq!(get(&running, path, &[]).await.status(), 404, "{path}");
    }
    let with_query = get(&running, "/metrics?name[]=up", &[]).await;
    assert_eq!(with_query.status(), 200);
}

#[tokio::test]
async fn the_landing_page_links_to_the_metrics_and_runs_nothing() {
    let running = start(Limits::default(), healthy).await;
    let page = get(&running, "/", &[]).await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    assert!(page.text().contains("<a href=\"/metrics\">"));
    assert!(page.text().contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let running = start(Limits::default(), healthy).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        for path in ["/metrics", "/readyz", "/"] {
            let mut client = Client::connect(&running).await;
            client
                .send(&request(method, path, &[("Content-Length", "0")]))
                .await;
            let answer = client.answer(true).await.unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
    }
    let mut client = Client::connect(&running).await;
    client
        .send(&request("POST", "/nowhere", &[("Content-Length", "0")]))
        .await;
    assert_eq!(client.answer(true).await.unwrap().status(), 404);
}

#[tokio::test]
async fn head_tells_the_headers_and_encodes_nothing() {
    let running = start(Limits::default(), || panic!("no scrape")).await;
    let mut client = Client::connect(&running).await;
    let accept = [
        ("Accept", "application/openmetrics-text"),
        ("Accept-Encoding", "gzip"),
    ];
    client.send(&request("HEAD", "/metrics", &accept)).await;
    let head = client.answer(false).await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.header("content-type"), Some(OPEN_METRICS));
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    assert_eq!(head.header("content-length"), None);

    // Nothing of a body is left on the connection.
    client.send(&request("HEAD", "/livez", &[])).await;
    let head = client.answer(false).await.unwrap();
    assert_eq!(
        (head.status(), head.header("content-length")),
        (200, Some("3"))
    );
    client.send(&request("GET", "/livez", &[])).await;
    assert_eq!(client.answer(true).await.unwrap().text(), "ok\n");
}

#[tokio::test]
async fn readiness_is_a_latch() {
    let running = start(Limits::default(), healthy).await;
    assert_eq!(get(&running, "/readyz", &[]).await.status(), 503);
    assert_eq!(get(&running, "/livez", &[]).await.status(), 200);
    running.readiness.reach();
    assert_eq!(get(&running, "/readyz", &[]).await.status(), 200);
    assert_eq!(get(&running, "/-/ready", &[]).await.status(), 200);
}

#[tokio::test]
async fn several_addresses_show_one_site() {
    let running = start(Limits::default(), healthy).await;
    let taken = web::bind(running.address).await.unwrap_err();
    assert_eq!(
        taken.to_string(),
        format!("failed to bind {}", running.address)
    );

    let settings = config::Web {
        listen: Vec::new(),
        telemetry_path: "/".to_owned(),
        status: None,
    };
    let metrics = Metrics::of(Duration::from_secs(900), healthy);
    let site = Site::new(&settings, metrics, running.readiness.clone());
    for _ in 0..2 {
        let listener = web::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let mut stream = TcpStream::connect(listener.address()).await.unwrap();
        tokio::spawn(listener.serve(site.clone(), running.shutdown.clone()));
        stream
            .write_all(request("GET", "/", &[]).as_bytes())
            .await
            .unwrap();
        let answer = Client(stream).answer(true).await.unwrap();
        assert_eq!(answer.header("content-type"), Some(TEXT));
    }
}

// === bounds ===

#[tokio::test]
async fn who_is_slow_to_ask_is_cut() {
    let limits = Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let running = start(limits, healthy).await;
    for sent in [
        "",
        "GET /met",
        "GET /metrics HTTP/1.1\r\nHost: exporter\r\nX-Slow: ",
    ] {
        let mut client = Client::connect(&running).await;
        client.send(sent).await;
        let rest = client.ends().await;
        assert!(
            !String::from_utf8(rest).unwrap().contains(" 200 "),
            "{sent}"
        );
    }
}

#[tokio::test]
async fn who_has_nothing_more_to_ask_is_cut() {
    let limits = Limits {
        head: Duration::from_millis(500),
        ..Limits::default()
    };
    let running = start(limits, healthy).await;
    let mut client = Client::connect(&running).await;
    client.send(&request("GET", "/livez", &[])).await;
    assert_eq!(client.answer(true).await.unwrap().status(), 200);
    assert!(client.ends().await.is_empty());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let running = start(Limits::default(), healthy).await;
    let long = "x".repeat(20_000);
    let many: Vec<_> = (0..100)
        .map(|number| (format!("X-{number}"), "1"))
        .collect();
    let many: Vec<_> = many
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let long_path = format!("/{long}");
    for request in [
        request("GET", "/livez", &[("X-Long", &long)]),
        request("GET", "/livez", &many),
        request("GET", &long_path, &[]),
    ] {
        let mut client = Client::connect(&running).await;
        client.send(&request).await;
        let answer = client.answer(false).await;
        let status = answer.map(|answer| answer.status());
        assert!(matches!(status, None | Some(414 | 431)), "{status:?}");
    }
    assert_eq!(get(&running, "/livez", &[]).await.status(), 200);
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let running = start(Limits::default(), healthy).await;
    let mut client = Client::connect(&running).await;
    for path in ["/metrics", "/livez", "/metrics"] {
        client.send(&request("GET", path, &[])).await;
        assert_eq!(client.answer(true).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_another_to_end() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let running = start(limits, healthy).await;
    let mut first = Client::connect(&running).await;
    first.send(&request("GET", "/livez", &[])).await;
    first.answer(true).await.unwrap();

    let mut second = Client::connect(&running).await;
    second.send(&request("GET", "/livez", &[])).await;
    first.send(&request("GET", "/metrics", &[])).await;
    first.answer(true).await.unwrap();
    assert!(second.answer(true).now_or_never().is_none());

    drop(first);
    assert_eq!(second.answer(true).await.unwrap().status(), 200);
}

#[tokio::test]
async fn four_scrapes_run_at_once_and_the_fifth_waits_its_turn() {
    let limits = Limits {
        turn: Duration::from_millis(200),
        ..Limits::default()
    };
    let (mut held, look) = held();
    let running = Arc::new(start(limits, look).await);
    let mut four = Vec::new();
    for _ in 0..4 {
        let running = Arc::clone(&running);
        four.push(tokio::spawn(
            async move { get(&running, "/metrics", &[]).await },
        ));
    }
    for _ in 0..4 {
        held.begun.recv().await.unwrap();
    }

    let fifth = get(&running, "/metrics", &[]).await;
    assert_eq!(
        (fifth.status(), fifth.header("retry-after")),
        (503, Some("5"))
    );
    assert!(held.begun.try_recv().is_err());
    assert_eq!(get(&running, "/livez", &[]).await.status(), 200);

    for _ in 0..5 {
        held.go_on.send(()).unwrap();
    }
    for scrape in four {
        assert_eq!(scrape.await.unwrap().status(), 200);
    }
    assert_eq!(get(&running, "/metrics", &[]).await.status(), 200);
}

#[tokio::test]
async fn a_fifth_scrape_is_answered_when_one_of_four_is_done() {
    let (mut held, look) = held();
    let running = Arc::new(start(Limits::default(), look).await);
    let mut five = Vec::new();
    for _ in 0..5 {
        let running = Arc::clone(&running);
        five.push(tokio::spawn(
            async move { get(&running, "/metrics", &[]).await },
        ));
    }
    for _ in 0..4 {
        held.begun.recv().await.unwrap();
    }
    assert!(held.begun.try_recv().is_err());
    held.go_on.send(()).unwrap();
    held.begun.recv().await.unwrap();
    drop(held);
    for scrape in five {
        assert_eq!(scrape.await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn who_does_not_read_the_answer_is_cut_and_gives_back_the_turn() {
    let limits = Limits {
        answer: Duration::from_millis(500),
        scrapes: 1,
        ..Limits::default()
    };
    let large = Mutex::new(true);
    let look = move || {
        let mut snapshot = healthy();
        if std::mem::take(&mut *large.lock().unwrap()) {
            let name = "x".repeat(2_000);
            let many = (0..2_000).map(|number| credential(&name, &number.to_string(), "ghcr.io"));
            snapshot.rows.credentials = many.collect(); // some 24 MB, more than sockets hold
        }
        snapshot
    };
    let running = start(limits, look).await;
    let mut idle = Client::connect(&running).await;
    idle.send(&request("GET", "/metrics", &[])).await;
    let head = idle.answer(false).await.unwrap();
    assert_eq!(head.status(), 200);

    // The only turn is free again only when the first is cut.
    let mut second = Client::connect(&running).await;
    second.send(&request("GET", "/metrics", &[])).await;
    assert_eq!(second.answer(true).await.unwrap().status(), 200);
    let length: usize = head.header("content-length").unwrap().parse().unwrap();
    assert!(idle.ends().await.len() < length);
}

#[tokio::test]
async fn a_panic_in_a_scrape_costs_that_scrape_only_and_is_counted() {
    let first = Mutex::new(true);
    let look = move || {
        let panics = std::mem::take(&mut *first.lock().unwrap());
        assert!(!panics, "on purpose");
        healthy()
    };
    let running = start(Limits::default(), look).await;
    assert_eq!(get(&running, "/metrics", &[]).await.status(), 500);
    let page = get(&running, "/metrics", &[]).await;
    let samples = Samples::parse(page.text());
    let panics = samples.value("regcred_panics_total", &[("task", "scrape")]);
    assert_eq!(panics, Some("1"));
}

// === shutdown ===

#[tokio::test]
async fn shutdown_cuts_no_scrape_and_takes_no_new_one() {
    let (mut held, look) = held();
    let mut running = start(Limits::default(), look).await;
    running.readiness.reach();
    let mut idle = Client::connect(&running).await;
    idle.send(&request("GET", "/readyz", &[])).await;
    assert_eq!(idle.answer(true).await.unwrap().status(), 200);

    let mut scrape = Client::connect(&running).await;
    scrape.send(&request("GET", "/metrics", &[])).await;
    held.begun.recv().await.unwrap();
    running.shutdown.cancel();
    assert!(idle.ends().await.is_empty());
    assert!(!running.readiness.is_ready());
    assert!(TcpStream::connect(running.address).await.is_err());
    assert!((&mut running.serving).now_or_never().is_none());

    held.go_on.send(()).unwrap();
    let page = scrape.answer(true).await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().contains("regcred_credential_valid"));
    assert!(scrape.ends().await.is_empty());
    running.serving.await.unwrap();
}
