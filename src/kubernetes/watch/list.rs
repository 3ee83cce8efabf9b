//! Lists read item by item from the body: one page, or all of them once.
//!
//! `resourceVersion` is left unset, which means the newest. With "0" the API server answers from
//! its cache, may go back in time (what was deleted comes back after its restart, what was applied
//! a moment ago is not there for `check`), and until 1.34 ignores `limit`. Lists are rare: once at
//! the start and after a 410.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use kube::Client;
use kube::client::Body;
use tokio::time::timeout;

use super::objects::{Objects, Sink};
use super::pace::{Backoff, Cadence};
use super::scope::{self, Scope, escaped};
use crate::config::ClusterSource;
use crate::domain::cluster::{Change, Resource, Watch};
use crate::kubernetes::client::{self, Reason, Refusal};
use crate::kubernetes::decode::{self, Items, NoList, Wanted};
use crate::state::Shared;

/// client-go's page size; the API server holds a page in memory, we an item.
const PAGE: u32 = 500;

pub(super) const JSON: &str = "application/json";

/// How often a one-shot list is begun before its reason is told.
const ATTEMPTS: u32 = 3;

/// Where a list stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// The token of the next page; none at the beginning.
    more: Option<String>,
    /// All in one page. A token grew too old on the way (410): the next list may take as long, so
    /// that it must not depend on one. We hold one item of it either way.
    in_one: bool,
}

impl Cursor {
    pub(super) fn is_at_start(&self) -> bool {
        self.more.is_none()
    }

    /// Where to begin again after a failure.
    pub(super) fn again(&self, reason: Reason) -> Self {
        Self {
            more: None,
            in_one: self.in_one || (reason == Reason::Gone && self.more.is_some()),
        }
    }

    fn query(&self) -> String {
        match (&self.more, self.in_one) {
            (None, true) => String::new(),
            (None, false) => format!("limit={PAGE}"),
            (Some(more), _) => format!("limit={PAGE}&continue={}", escaped(more)),
        }
    }
}

/// What follows a page.
pub(super) enum Listed {
    /// Another one.
    More(Cursor),
    /// Nothing: the list is whole, and a watch goes on from this resource version.
    Whole(String),
}

/// Reads one page, its items going to `objects` one by one.
pub(super) async fn page(
    client: &Client,
    objects: &mut Objects,
    cursor: &Cursor,
) -> Result<Listed, Refusal> {
    if cursor.is_at_start() {
        objects.bound(Change::ListStarted);
    }
    let path = objects.path() + &cursor.query();
    let response = match objects.are_secrets() {
        true => client::get_alone(client, &path, JSON).await?,
        false => client::get(client, &path, JSON).await?,
    };
    if !is_json(response.headers()) {
        return Err(Reason::Malformed.into());
    }
    let head = items(response.into_body(), objects).await?;
    objects.flush();
    let head = decode::list_head(&head).ok_or(Reason::Malformed)?;
    if !head.kind.ends_with("List") || head.resource_version.is_empty() {
        return Err(Reason::Malformed.into());
    }
    if head.more.is_some() {
        return Ok(Listed::More(Cursor {
            more: head.more,
            in_one: cursor.in_one,
        }));
    }
    objects.bound(Change::ListFinished);
    objects.flush();
    Ok(Listed::Whole(head.resource_version))
}

/// Gives the items on, returns the list without them.
async fn items(mut body: Body, objects: &mut Objects) -> Result<Vec<u8>, Reason> {
    let mut items = Items::default();
    while let Some(bytes) = timeout(client::PIECE, client::piece(&mut body))
        .await
        .map_err(|_| Reason::Timeout)??
    {
        items
            .feed(&bytes, |piece| objects.item(piece))
            .map_err(|NoList| Reason::Malformed)?;
    }
    items.finish().map_err(|NoList| Reason::Malformed)
}

pub(super) fn is_json(headers: &http::HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with(JSON))
}

/// Whether Events are listed once, too. They tell of attempts, which only somebody who stays can
/// count; and of why a Pod waits whose kubelet does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// They are.
    Listed,
    /// They are not.
    LeftOut,
}

/// Does every list once, without watches, and says which failed and why: one-shot commands.
///
/// The same changes as the daemon's lists give, in the same order; health goes to `shared`. A
/// server that cannot be reached is not asked again for the next list.
pub async fn list_once(
    client: &Client,
    source: &ClusterSource,
    (wanted, events): (Wanted, Events),
    shared: &Shared,
    sink: &Sink,
) -> BTreeMap<Watch, Reason> {
    let (scope, wanted) = (Arc::new(Scope::of(source)), Arc::new(wanted));
    let mut failed = BTreeMap::new();
    let mut unreachable = None;
    let is_listed = |watch: &Watch| watch.resource != Resource::Events || events == Events::Listed;
    let watches = scope::watches(source).into_iter();
    for watch in watches.filter(is_listed) {
        shared.update(|state| state.watches.expect(watch.clone()));
        let mut objects = Objects::new(watch.clone(), &scope, &wanted, shared, sink);
        let outcome = match unreachable {
            Some(reason) => Err(reason),
            None => whole_list(client, &mut objects).await,
        };
        match outcome {
            Ok(()) => shared.update(|state| state.watches.listed(&watch)),
            Err(reason) => {
                shared.update(|state| state.watches.failed(&watch, reason.watch_error()));
                unreachable = Some(reason).filter(|reason| reason.is_unreachable());
                failed.insert(watch, reason);
            }
        }
    }
    failed
}

/// A list that was throttled or grew too old is begun again, up to [`ATTEMPTS`] times.
async fn whole_list(client: &Client, objects: &mut Objects) -> Result<(), Reason> {
    let (cadence, mut backoff) = (Cadence::default(), Backoff::default());
    let mut cursor = Cursor::default();
    let mut attempts = 1;
    while attempts <= ATTEMPTS {
        match page(client, objects, &cursor).await {
            Ok(Listed::Whole(_)) => return Ok(()),
            Ok(Listed::More(next)) => cursor = next,
            Err(refusal) => {
                objects.flush();
                let passes = matches!(refusal.reason, Reason::Gone | Reason::Throttled);
                if !passes || attempts == ATTEMPTS {
                    return Err(refusal.reason);
                }
                attempts += 1;
                cursor = cursor.again(refusal.reason);
                let wait = backoff.next(&cadence);
                tokio::time::sleep(refusal.retry_after.unwrap_or(wait)).await;
            }
        }
    }
    Err(Reason::Throttled)
}
