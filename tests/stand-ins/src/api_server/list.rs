//! Lists: pages of one consistent snapshot, sent item by item.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time;

use super::fault::What;
use super::item::Item;
use super::query::Query;
use super::route::Route;
use super::status::{Failure, typed_response};
use super::store::Store;
use super::table::Form;
use crate::http::{Body, chunked};
use crate::listener::lock;

/// Small items travel together up to about this size.
const CHUNK: usize = 32 * 1024;

pub(crate) fn list(
    store: &Mutex<Store>,
    route: &Route,
    query: &Query,
    form: Form,
    fault: Option<&What>,
) -> Result<Response<Body>, Failure> {
    if matches!(fault, Some(What::ExpiredContinue)) {
        return Err(Failure::expired_continue());
    }
    let page = Page::read(&mut lock(store), route, query)?;
    let mut metadata = json!({ "resourceVersion": page.version.to_string() });
    if let Some(next) = page.next {
        metadata["continue"] = json!(next);
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    let writer = Writer {
        form,
        open: Some(form.open(route.resource, &metadata)),
        items: page.items.into(),
        is_first: true,
        pause: match fault {
            Some(What::SlowList(pause)) => Some(*pause),
            _ => None,
        },
        padding: match fault {
            Some(What::HugeItem(bytes)) => *bytes,
            _ => 0,
        },
        breaks: matches!(fault, Some(What::BrokenList)),
        is_over: false,
    };
    let body = chunked(stream::unfold(writer, Writer::next));
    Ok(typed_response(StatusCode::OK, body))
}

struct Page {
    items: Vec<Arc<Item>>,
    version: u64,
    next: Option<String>,
    remaining: Option<usize>,
}

impl Page {
    fn read(store: &mut Store, route: &Route, query: &Query) -> Result<Self, Failure> {
        if let Some(asked) = query.version
            && asked > store.version()
        {
            return Err(Failure::too_large(asked, store.version()));
        }
        match &query.continues {
            Some(token) => {
                let (version, start) = read_token(token)?;
                let snapshot = store
                    .snapshot(route.resource, version)
                    .ok_or_else(Failure::expired_continue)?;
                let from = snapshot.partition_point(|item| item.key < start);
                Ok(Self::select(snapshot[from..].iter(), version, route, query))
            }
            None => {
                let version = store.version();
                let page = Self::select(store.items(route.resource), version, route, query);
                if page.next.is_some() {
                    store.take_snapshot(route.resource);
                }
                Ok(page)
            }
        }
    }

    fn select<'a>(
        items: impl Iterator<Item = &'a Arc<Item>>,
        version: u64,
        route: &Route,
        query: &Query,
    ) -> Self {
        let mut matching = items.filter(|item| is_selected(item, route, query));
        let limit = if query.limit == 0 {
            usize::MAX
        } else {
            query.limit
        };
        let items: Vec<Arc<Item>> = matching.by_ref().take(limit).cloned().collect();
        let rest = matching.count();
        let last = items.last().filter(|_| rest > 0);
        Self {
            next: last.map(|last| write_token(version, &last.key)),
            // A real server does not count what a selector leaves.
            remaining: (rest > 0 && query.selector.is_empty()).then_some(rest),
            items,
            version,
        }
    }
}

/// Whether an item is in the scope of a request.
pub(crate) fn is_selected(item: &Item, route: &Route, query: &Query) -> bool {
    route
        .namespace
        .as_ref()
        .is_none_or(|namespace| item.namespace == *namespace)
        && query.selector.matches(|field| item.field(field))
}

fn write_token(version: u64, last: &str) -> String {
    let token = json!({
        "v": "meta.k8s.io/v1",
        "rv": version,
        "start": format!("{last}\0"),
    });
    URL_SAFE_NO_PAD.encode(token.to_string())
}

fn read_token(token: &str) -> Result<(u64, String), Failure> {
    let invalid = || Failure::bad_request("continue key is not valid: illegal base64 or JSON");
    let text = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let token: Value = serde_json::from_slice(&text).map_err(|_| invalid())?;
    let version = token["rv"].as_u64().ok_or_else(invalid)?;
    let start = token["start"].as_str().ok_or_else(invalid)?;
    Ok((version, start.to_owned()))
}

struct Writer {
    form: Form,
    open: Option<Bytes>,
    items: VecDeque<Arc<Item>>,
    is_first: bool,
    pause: Option<Duration>,
    padding: usize,
    breaks: bool,
    is_over: bool,
}

impl Writer {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if let Some(open) = self.open.take() {
            return Some((Ok(open), self));
        }
        if self.is_over {
            return if self.breaks {
                Some((Err(io::ErrorKind::ConnectionReset.into()), self))
            } else {
                None
            };
        }
        let mut chunk = BytesMut::new();
        while chunk.len() < CHUNK {
            if let Some(pause) = self.pause
                && !self.items.is_empty()
            {
                if !chunk.is_empty() {
                    break;
                }
                time::sleep(pause).await;
            }
            let Some(item) = self.items.pop_front() else {
                chunk.put_slice(b"]}\n");
                self.is_over = true;
                break;
            };
            if !self.is_first {
                chunk.put_u8(b',');
            }
            self.is_first = false;
            if self.breaks && self.items.len() <= 1 {
                let text = self.form.item(&item);
                chunk.put_slice(&text[..text.len() / 2]);
                self.is_over = true;
                break;
            }
            self.put_item(&mut chunk, &item);
        }
        Some((Ok(chunk.freeze()), self))
    }

    fn put_item(&mut self, chunk: &mut BytesMut, item: &Item) {
        let text = self.form.item(item);
        let padding = std::mem::take(&mut self.padding);
        if padding == 0 {
            chunk.put_slice(&text);
            return;
        }
        chunk.put_slice(&text[..text.len() - 1]);
        chunk.put_slice(b",\"padding\":\"");
        chunk.put_bytes(b'x', padding);
        chunk.put_slice(b"\"}");
    }
}
