//! The status listener: the page for people, findings as JSON, what was asked of registries lately.
//!
//! It shows every tenant's names, so it listens on loopback unless told otherwise: who may forward a
//! port may see it. No script, nothing from elsewhere, nothing kept by a browser; a page of another
//! site can neither read it nor ask anything of it.

mod host;
mod query;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
};
use http::{Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::{task, time};

use super::body::Body;
use super::{Limits, Pages, Request, Response, text};
use crate::domain::demand::Demand;
use crate::domain::overview::{Filter, Overview};
use crate::metrics::{Panics, Task};
use crate::report::{findings, page, probes};
use crate::state::Shared;

/// A style of our own, a form to ourselves, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// What the listener shows; clones share their limits.
#[derive(Clone)]
pub struct StatusSite(Arc<Inner>);

struct Inner {
    shared: Shared,
    panics: Panics,
    now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    ask: Box<dyn Fn(Demand) -> usize + Send + Sync>,
    limits: Limits,
    connections: Arc<Semaphore>,
    looks: Arc<Semaphore>,
}

impl StatusSite {
    /// A site with the product's limits. `ask` takes what somebody wants to know now, and says how many
    /// logins that is.
    pub fn new(
        shared: Shared,
        panics: Panics,
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
        ask: impl Fn(Demand) -> usize + Send + Sync + 'static,
    ) -> Self {
        let limits = Limits::default();
        Self(Arc::new(Inner {
            shared,
            panics,
            now: Box::new(now),
            ask: Box::new(ask),
            connections: Arc::new(Semaphore::new(limits.connections)),
            // A look costs what a scrape does.
            looks: Arc::new(Semaphore::new(limits.scrapes)),
            limits,
        }))
    }

    /// Has something asked now. Whoever pressed the button comes back to the page.
    fn demanded(&self, request: &Request) -> Response {
        let demand = match query::demand(request.uri().query().unwrap_or_default()) {
            Ok(demand) => demand,
            Err(complaint) => return text(StatusCode::BAD_REQUEST, complaint),
        };
        let asked = (self.0.ask)(demand);
        if asked == 0 {
            return text(StatusCode::NOT_FOUND, "no login that is probed is of it\n");
        }
        if host::is_for_people(request.headers()) {
            let mut response = text(StatusCode::SEE_OTHER, "");
            let page = HeaderValue::from_static("/");
            response.headers_mut().insert(LOCATION, page);
            return response;
        }
        let mut response = answer("application/json", format!("{{\"asked\":{asked}}}\n"));
        *response.status_mut() = StatusCode::ACCEPTED;
        response
    }

    /// The whole answer, made on a thread that may take its time.
    async fn shown(&self, shows: Shows, filter: Filter) -> Response {
        let looks = Arc::clone(&self.0.looks);
        let Ok(Ok(turn)) = time::timeout(self.0.limits.turn, looks.acquire_owned()).await else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "too many looks at once\n");
        };
        let inner = Arc::clone(&self.0);
        let made = task::spawn_blocking(move || {
            let made = inner.make(shows, &filter);
            drop(turn);
            made
        });
        match made.await {
            Ok(body) => answer(shows.kind(), body),
            Err(_) => {
                self.0.panics.caught(Task::Scrape);
                text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "failed to write the page, see the log\n",
                )
            }
        }
    }
}

impl Inner {
    fn make(&self, shows: Shows, filter: &Filter) -> String {
        let now = (self.now)();
        let overview = || -> Overview {
            let glance = self.shared.read(|state| state.glance(filter, now));
            glance.in_order()
        };
        match shows {
            Shows::Page => page::write(&overview(), filter),
            Shows::Findings => findings::document(&overview()),
            Shows::Probes => self.shared.read(|state| probes::write(&state.probe_log)),
            Shows::Style => page::STYLE.to_owned(),
        }
    }
}

impl Pages for StatusSite {
    async fn answer(&self, request: &Request) -> Response {
        let path = request.uri().path();
        let shows = Shows::at(path);
        if shows.is_none() && path != page::DEMAND_PATH {
            return guarded(text(StatusCode::NOT_FOUND, "not found\n"));
        }
        if !host::is_ours(request.headers()) {
            let refusal = "ask for localhost: kubectl port-forward does\n";
            return guarded(text(StatusCode::MISDIRECTED_REQUEST, refusal));
        }
        if *request.method() == Method::POST && host::is_cross_site(request.headers()) {
            return guarded(text(StatusCode::FORBIDDEN, "not from another site\n"));
        }
        let shows = match (shows, request.method()) {
            (Some(shows), &(Method::GET | Method::HEAD)) => shows,
            (None, &Method::POST) => return guarded(self.demanded(request)),
            (Some(_), _) => return guarded(only("GET, HEAD")),
            (None, _) => return guarded(only("POST")),
        };
        let filter = match query::filter(request.uri().query().unwrap_or_default()) {
            Ok(filter) => filter,
            Err(complaint) => return guarded(text(StatusCode::BAD_REQUEST, complaint)),
        };
        let response = self.shown(shows, filter).await;
        guarded(match *request.method() {
            Method::HEAD => response.map(|_| Body::from("")),
            _ => response,
        })
    }

    fn limits(&self) -> Limits {
        self.0.limits
    }

    fn connections(&self) -> &Arc<Semaphore> {
        &self.0.connections
    }

    fn panicked(&self) {
        self.0.panics.caught(Task::Connection);
    }
}

/// What there is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Page,
    Findings,
    Probes,
    Style,
}

impl Shows {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Page),
            "/api/v1/findings" => Some(Self::Findings),
            "/debug/probes" => Some(Self::Probes),
            page::STYLE_PATH => Some(Self::Style),
            _ => None,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Page => "text/html; charset=utf-8",
            Self::Findings => "application/json",
            Self::Probes => "text/plain; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
        }
    }
}

fn only(methods: &'static str) -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "not by this method\n");
    let allowed = HeaderValue::from_static(methods);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

fn answer(kind: &'static str, body: String) -> Response {
    let mut response = text(StatusCode::OK, "").map(|_| Body::from(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The same whatever is answered.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (HeaderName::from_static("x-frame-options"), "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
