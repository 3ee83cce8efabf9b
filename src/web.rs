//! Two listeners. That for metrics: /metrics, health for kubelets and Prometheus, a landing page. That
//! for people: the [status] page and what belongs to it.
//!
//! HTTP/1.1 with keep-alive, which is what scrapers speak. Everyone who reaches the port may ask,
//! so everything is bounded: connections, request heads, the time for each, scrapes at once.
//! Shutdown cuts no answer that is under way.

mod body;
mod exposition;
mod health;
mod landing;
mod listener;
mod metrics;
mod negotiation;
mod status;

use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::config;
use crate::lifecycle::Readiness;
use crate::metrics::{Metrics, Task};

pub use body::Body;
pub use listener::{BindError, Listener, bind};
pub use status::StatusSite;

/// A request as hyper brings it.
pub type Request = http::Request<Incoming>;
/// An answer of ours.
pub type Response = http::Response<Body>;

/// Bounds on what clients may cost us; the defaults are the product's, tests lower them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, over all addresses; the next waits in the kernel's queue.
    pub connections: usize,
    /// From the first byte we wait for to the end of the head; an idle connection ends after it.
    pub head: Duration,
    /// From the first byte of an answer to its last. A scrape's turn lasts as long: four readers
    /// that do not read keep others waiting for no longer.
    pub answer: Duration,
    /// Scrapes at once.
    pub scrapes: usize,
    /// How long a scrape waits for its turn. Prometheus gives up after 10 s as a rule.
    pub turn: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            scrapes: 4,
            turn: Duration::from_secs(10),
        }
    }
}

/// What a listener shows, and the bounds under which it does.
pub trait Pages: Clone + Send + Sync + 'static {
    /// The answer to a request.
    fn answer(&self, request: &Request) -> impl Future<Output = Response> + Send;

    /// What clients may cost.
    fn limits(&self) -> Limits;

    /// Places for connections, over all addresses.
    fn connections(&self) -> &Arc<Semaphore>;

    /// A connection panicked.
    fn panicked(&self);
}

/// What the metrics listener shows; clones share their limits, one per address.
#[derive(Clone, Debug)]
pub struct Site(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    telemetry_path: String,
    metrics: Metrics,
    readiness: Readiness,
    limits: Limits,
    connections: Arc<Semaphore>,
    scrapes: Arc<Semaphore>,
}

impl Site {
    /// A site with the product's limits.
    pub fn new(settings: &config::Web, metrics: Metrics, readiness: Readiness) -> Self {
        Self::with_limits(settings, metrics, readiness, Limits::default())
    }

    /// A site with limits of one's own.
    pub fn with_limits(
        settings: &config::Web,
        metrics: Metrics,
        readiness: Readiness,
        limits: Limits,
    ) -> Self {
        Self(Arc::new(Inner {
            telemetry_path: settings.telemetry_path.clone(),
            metrics,
            readiness,
            limits,
            connections: Arc::new(Semaphore::new(limits.connections)),
            scrapes: Arc::new(Semaphore::new(limits.scrapes)),
        }))
    }
}

impl Pages for Site {
    async fn answer(&self, request: &Request) -> Response {
        let path = request.uri().path();
        let page = if path == self.0.telemetry_path {
            Page::Metrics
        } else if let Some(page) = Page::at(path) {
            page
        } else {
            return text(StatusCode::NOT_FOUND, "not found\n");
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            return response;
        }
        match page {
            Page::Metrics => metrics::answer(&self.0, request).await,
            Page::Alive => health::alive(),
            Page::Ready => health::ready(&self.0.readiness),
            Page::Landing => landing::page(&self.0.telemetry_path),
        }
    }

    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn connections(&self) -> &Arc<Semaphore> {
        &self.0.connections
    }

    fn panicked(&self) {
        self.0.metrics.panics.caught(Task::Connection);
    }
}

/// What there is to see.
#[derive(Clone, Copy, Debug)]
enum Page {
    Metrics,
    Alive,
    Ready,
    Landing,
}

impl Page {
    /// The fixed paths: Kubernetes' names and those of the Prometheus family.
    fn at(path: &str) -> Option<Self> {
        match path {
            "/livez" | "/healthz" | "/-/healthy" => Some(Self::Alive),
            "/readyz" | "/-/ready" => Some(Self::Ready),
            "/" => Some(Self::Landing),
            _ => None,
        }
    }
}

/// A short answer for people and kubelets.
fn text(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, plain);
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
