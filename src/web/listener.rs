//! A bound address and its connections.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::body::Sending;
use super::{Pages, Request};

/// A scraper sends some 400 bytes; 8 KiB leave room for a proxy's additions.
const LARGEST_HEAD: usize = 8 * 1024;

/// Headers of one request.
const MOST_HEADERS: usize = 64;

/// Pause after the kernel could not give us a connection, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

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
    pub async fn serve(self, site: impl Pages, shutdown: CancellationToken) {
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

    async fn accept(&self, site: &impl Pages) -> (TcpStream, OwnedSemaphorePermit) {
        let places = Arc::clone(site.connections());
        let place = places.acquire_owned().await;
        let place = place.expect("the semaphore of connections is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!(address = %self.address, %error, "Failed to accept a connection");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn ended_well(site: &impl Pages, ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        site.panicked();
    }
}

/// One connection, from its first byte to its end.
async fn converse(stream: TcpStream, site: impl Pages, watcher: Watcher) {
    let limits = site.limits();
    let (sending, due) = watch::channel(None);
    let service = service_fn(move |request: Request| {
        let (site, sending) = (site.clone(), sending.clone());
        async move {
            let response = site.answer(&request).await;
            let sending = Sending::until(Instant::now() + limits.answer, sending);
            Ok::<_, Infallible>(response.map(|body| body.held_by(sending)))
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

/// Returns when an answer is still being sent past its time.
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
