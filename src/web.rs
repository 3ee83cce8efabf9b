//! The metrics listener: /metrics, health for kubelets and Prometheus, a landing page.
//!
//! HTTP/1.1 with keep-alive, which is what scrapers speak. Everyone who reaches the port may ask,
//! so everything is bounded: connections, request heads, the time for each, scrapes at once.
//! Shutdown cuts no answer that is under way.

mod body;
mod exposition;
mod health;
mod landing;
mod metrics;
mod negotiation;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config;
use crate::lifecycle::Readiness;
use crate::metrics::{Metrics, Task};

use body::{Answering, Body};

type Request = http::Request<Incoming>;
type Response = http::Response<Body>;

/// A scraper sends some 400 bytes; 8 KiB leave room for a proxy's additions.
const LARGEST_HEAD: usize = 8 * 1024;

/// Headers of one request.
const MOST_HEADERS: usize = 64;

/// Pause after the kernel could not give us a connection, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Bounds on what clients may cost us; the defaults are the product's, tests lower them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, over all addresses; the next waits in the kernel's queue.
    pub connections: usize,
    /// From the first byte we wait for to the end of the head; an idle connection ends after it.
    pub head: Duration,
    /// From the head to the last byte of the answer.
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
            answer: Duration::from_secs(60),
            scrapes: 4,
            turn: Duration::from_secs(10),
        }
    }
}

/// What the listener shows; clones share their limits, one per address.
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

// === impl Listener ===

/// The address is taken, not ours to take, or not there.
#[derive(Debug, thiserror::Error)]
#[error("failed to bind {address}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// A bound address. Connections queue in the kernel until [`Listener::serve`].
#[must_use = "a listener answers nobody until it serves"]
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

/// Takes an address; with port 0, a free one. `[::]` means every address of ours, and is `0.0.0.0`
/// on a kernel without IPv6.
pub async fn bind(address: SocketAddr) -> Result<Listener, BindError> {
    let error = |source| BindError { address, source };
    let bound = match TcpListener::bind(address).await {
        Err(without) if address.ip().is_unspecified() && is_no_family(&without) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    };
    let listener = bound.map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok(Listener { listener, address })
}

fn is_no_family(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

impl Listener {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`, then takes no more connections and returns when the answers under
    /// way have been sent. Dropped earlier, it cuts them: the caller sets the grace.
    pub async fn serve(self, site: Site, shutdown: CancellationToken) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            let (stream, place) = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = connections.join_next() => {
                    ended_well(&site, ended);
                    continue;
                }
                accepted = self.accept(&site) => accepted,
            };
            let conversation = converse(stream, site.clone(), graceful.watcher());
            connections.spawn(async move {
                conversation.await;
                drop(place);
            });
        }
        drop(self.listener);
        graceful.shutdown().await;
        while let Some(ended) = connections.join_next().await {
            ended_well(&site, ended);
        }
    }

    async fn accept(&self, site: &Site) -> (TcpStream, OwnedSemaphorePermit) {
        let places = Arc::clone(&site.0.connections);
        let place = places.acquire_owned().await;
        let place = place.expect("the semaphore of connections is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(error) => {
                    warn!(address = %self.address, %error, "Failed to accept a connection");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn ended_well(site: &Site, ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        site.0.metrics.panics.caught(Task::Connection);
    }
}

/// One connection, from its first byte to its end.
async fn converse(stream: TcpStream, site: Site, watcher: Watcher) {
    let limits = site.0.limits;
    let (answering, due) = watch::channel(None);
    let service = service_fn(move |request: Request| {
        let site = site.clone();
        let answering = Answering::until(Instant::now() + limits.answer, &answering);
        async move {
            let response = site.answer(&request).await;
            Ok::<_, Infallible>(response.map(|body| body.held_by(answering)))
        }
    });
    // Pieces are written one by one: without this the last waits for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let connection = pin!(watcher.watch(connection));
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                debug!(%error, "Connection ended");
            }
        }
        () = overdue(due) => debug!("Connection cut, its answer took too long"),
    }
}

/// Returns when an answer is still under way past its time.
async fn overdue(mut due: watch::Receiver<Option<Instant>>) {
    loop {
        let Ok(Some(at)) = due.wait_for(Option::is_some).await.map(|at| *at) else {
            return std::future::pending().await;
        };
        let sent = due.wait_for(|due| *due != Some(at));
        if time::timeout_at(at, sent).await.is_err() {
            return;
        }
    }
}
