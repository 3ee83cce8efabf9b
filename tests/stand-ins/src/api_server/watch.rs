//! Watches: JSON lines of what changes, bookmarks, and the end at the time-out.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

use bytes::Bytes;
use futures_util::stream;
use hyper::{Response, StatusCode};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{self, Instant};

use super::fault::{FaultId, What};
use super::item::Item;
use super::list::is_selected;
use super::query::Query;
use super::resource::Resource;
use super::route::Route;
use super::status::{Failure, typed_response};
use super::store::{Change, Signal};
use super::{Inner, Pace};
use crate::http::{Body, chunked, full};
use crate::listener::lock;

/// A real server picks 30 to 60 minutes when a watch names no time-out.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1_800);

pub(crate) fn watch(
    inner: &Arc<Inner>,
    route: Route,
    query: Query,
    fault: Option<(FaultId, What)>,
) -> Result<Response<Body>, Failure> {
    let mut lines = VecDeque::new();
    let mut silenced_by = None;
    match fault {
        Some((_, What::EndWatchAtOnce)) => return Ok(stream_of(full(""))),
        Some((_, What::GoneInStream)) => return Ok(stream_of(full(gone_line()))),
        Some((_, What::GarbageLine)) => lines.push_back(garbage_line()),
        Some((id, What::Silence)) => silenced_by = Some(id),
        _ => {}
    }
    let subscription = match lock(&inner.store).subscribe(route.resource, query.version) {
        Ok(subscription) => subscription,
        // What is too old is said in the stream, after a 200.
        Err(failure) if failure.code == 410 => return Ok(stream_of(full(error_line(&failure)))),
        Err(failure) => return Err(failure),
    };
    for change in &subscription.missed {
        lines.extend(change_line(change, &route, &query));
    }
    let deadline = Instant::now() + query.timeout.unwrap_or(DEFAULT_TIMEOUT);
    let open = Open {
        bookmarks: (query.bookmarks && route.resource.has_bookmarks())
            .then(|| Bookmarks::new(*lock(&inner.pace), deadline)),
        deadline,
        lines,
        present: subscription.present.into_iter(),
        signals: subscription.signals,
        faults: inner.faults.subscribe(),
        silenced_by,
        inner: inner.clone(),
        route,
        query,
    };
    Ok(stream_of(chunked(stream::unfold(open, Open::next))))
}

fn stream_of(body: Body) -> Response<Body> {
    typed_response(StatusCode::OK, body)
}

struct Open {
    inner: Arc<Inner>,
    route: Route,
    query: Query,
    lines: VecDeque<Bytes>,
    /// Written only when its turn comes: a generated cluster does not fit into lines.
    present: vec::IntoIter<Arc<Item>>,
    signals: mpsc::UnboundedReceiver<Signal>,
    faults: watch::Receiver<()>,
    silenced_by: Option<FaultId>,
    bookmarks: Option<Bookmarks>,
    deadline: Instant,
}

impl Open {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        loop {
            self.faults.borrow_and_update();
            if self
                .inner
                .faults
                .silences(&self.route, &self.query, self.silenced_by)
            {
                self.faults.changed().await.ok()?;
                continue;
            }
            if let Some(line) = self.lines.pop_front() {
                return Some((Ok(line), self));
            }
            if let Some(item) = self.present.next() {
                if is_selected(&item, &self.route, &self.query) {
                    self.lines.push_back(line("ADDED", &item.typed_text()));
                }
                continue;
            }
            let bookmark_at = self.bookmarks.as_ref().map(|bookmarks| bookmarks.next);
            tokio::select! {
                biased;
                signal = self.signals.recv() => match signal? {
                    Signal::Change(change) => {
                        self.lines.extend(change_line(&change, &self.route, &self.query));
                    }
                    Signal::Say(bytes) => self.lines.push_back(bytes),
                    Signal::End => return None,
                },
                changed = self.faults.changed() => changed.ok()?,
                () = sleep_until(bookmark_at) => self.bookmark(),
                () = time::sleep_until(self.deadline) => return None,
            }
        }
    }

    /// Queues a bookmark, unless a change has come in: a bookmark must not overtake it.
    fn bookmark(&mut self) {
        let store = lock(&self.inner.store);
        if self.signals.is_empty() {
            self.lines
                .push_back(bookmark_line(self.route.resource, store.version()));
            if let Some(bookmarks) = &mut self.bookmarks {
                bookmarks.schedule(Instant::now(), self.deadline);
            }
        }
    }
}

/// When bookmarks are due, by the rule of the real watch cache.
struct Bookmarks {
    pace: Pace,
    next: Instant,
}

impl Bookmarks {
    fn new(pace: Pace, deadline: Instant) -> Self {
        let now = Instant::now();
        let mut bookmarks = Self { pace, next: now };
        bookmarks.schedule(now, deadline);
        bookmarks
    }

    fn schedule(&mut self, now: Instant, deadline: Instant) {
        let regular = now + self.pace.bookmark_every;
        let last = deadline
            .checked_sub(self.pace.bookmark_before_end)
            .filter(|last| *last > now);
        self.next = last.map_or(regular, |last| last.min(regular));
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// What a change is to this watch: an object that enters or leaves its selector comes or goes.
fn change_line(change: &Change, route: &Route, query: &Query) -> Option<Bytes> {
    let selected =
        |item: &Option<Arc<Item>>| item.clone().filter(|item| is_selected(item, route, query));
    match (selected(&change.before), selected(&change.after)) {
        (None, None) => None,
        (None, Some(after)) => Some(line("ADDED", &after.typed_text())),
        (Some(_), Some(after)) => Some(line("MODIFIED", &after.typed_text())),
        (Some(before), None) => {
            let last = before.at_version(change.version);
            Some(line("DELETED", &last.typed_text()))
        }
    }
}

fn line(kind: &str, object: &[u8]) -> Bytes {
    let mut line = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
    line.extend_from_slice(object);
    line.extend_from_slice(b"}\n");
    line.into()
}

/// Nothing but a version; a Pod's carries Go's nil containers, as on a real server.
fn bookmark_line(resource: Resource, version: u64) -> Bytes {
    let mut object = json!({
        "kind": resource.kind(),
        "apiVersion": resource.api_version(),
        "metadata": { "resourceVersion": version.to_string(), "creationTimestamp": null },
    });
    if resource == Resource::Pods {
        object["spec"] = json!({ "containers": null });
        object["status"] = json!({});
    }
    line("BOOKMARK", object.to_string().as_bytes())
}

fn error_line(failure: &Failure) -> Bytes {
    line("ERROR", failure.status().to_string().as_bytes())
}

pub(crate) fn gone_line() -> Bytes {
    error_line(&Failure::too_old(1, 2))
}

pub(crate) fn garbage_line() -> Bytes {
    Bytes::from_static(b"{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\n")
}
