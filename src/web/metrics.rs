//! `/metrics`: waits for its turn, encodes on a thread of its own, survives a panic.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY};
use http::{Method, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::{task, time};
use tracing::{error, warn};

use super::body::Body;
use super::exposition::Exposition;
use super::negotiation::{Coding, Format};
use super::{Inner, Request, Response, text};
use crate::metrics::Task;

/// Why there is no exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// No turn within the bound: four others are being written or read, slowly.
    Busy,
    /// Encoding panicked.
    Panicked,
    /// Encoding failed, which a writer to memory has no reason for.
    Failed,
}

pub(super) async fn answer(site: &Inner, request: &Request) -> Response {
    let format = Format::accepted(request.headers());
    let coding = Coding::accepted(request.headers());
    if *request.method() == Method::HEAD {
        return exposition(format, coding, Body::new(Vec::new()));
    }
    let metrics = site.metrics.clone();
    let write = move |out: &mut Exposition| metrics.encode(out);
    let (turns, patience) = (Arc::clone(&site.scrapes), site.limits.turn);
    match scrape(turns, patience, Exposition::new(format, coding), write).await {
        Ok((pieces, turn)) => exposition(format, coding, Body::new(pieces).taking(turn)),
        Err(Failure::Busy) => {
            warn!("Scrape refused, too many are under way");
            let mut response = text(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many scrapes at once\n",
            );
            let later = HeaderValue::from_static("5");
            response.headers_mut().insert(RETRY_AFTER, later);
            response
        }
        Err(failure) => {
            if failure == Failure::Panicked {
                site.metrics.panics.caught(Task::Scrape);
            }
            error!(?failure, "Scrape failed");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "failed to write metrics, see the log\n",
            )
        }
    }
}

fn exposition(format: Format, coding: Coding, body: Body) -> Response {
    let mut response = text(StatusCode::OK, "").map(|_| body);
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(format.content_type());
    headers.insert(CONTENT_TYPE, content_type);
    let vary = HeaderValue::from_static("Accept, Accept-Encoding");
    headers.insert(VARY, vary);
    if coding == Coding::Gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Writes an exposition when it is its turn. The turn is kept by the thread that writes, so that a
/// client that leaves does not let in another, and goes with the pieces until they are sent.
async fn scrape(
    turns: Arc<Semaphore>,
    patience: Duration,
    mut exposition: Exposition,
    write: impl FnOnce(&mut Exposition) -> fmt::Result + Send + 'static,
) -> Result<(Vec<Bytes>, OwnedSemaphorePermit), Failure> {
    let turn = time::timeout(patience, turns.acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(Failure::Busy);
    };
    let written = task::spawn_blocking(move || {
        write(&mut exposition)?;
        Ok((exposition.finish()?, turn))
    });
    match written.await {
        Ok(written) => written.map_err(|fmt::Error| Failure::Failed),
        Err(_) => Err(Failure::Panicked),
    }
}
