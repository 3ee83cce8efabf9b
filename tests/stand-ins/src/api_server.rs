//! A Kubernetes API server on a loopback socket, for Secrets, Pods, ServiceAccounts, Namespaces,
//! Events and Leases.
//!
//! What it claims to share with a real one (`tests/claims` holds it to that):
//! - lists: `limit` and `continue` over one consistent snapshot, `remainingItemCount` only without a
//!   selector, 410 for a token whose snapshot is compacted, items without kind and apiVersion in the
//!   order of etcd's keys, the metadata first in each;
//! - field selectors of each kind, joined by comma; 400 for a field that is not selectable;
//! - watches: resume from a resourceVersion, ERROR 410 in a 200 stream when that is compacted,
//!   ADDED of the present objects without one, DELETED and ADDED when an object leaves or enters the
//!   selector, `timeoutSeconds`, bookmarks each minute and 2 s before the end, none for Events;
//! - Tables with `includeObject`, partial object metadata, Status objects for every error;
//! - POST, PUT, merge PATCH and DELETE; 409 when a resourceVersion or uid does not hold, and a Lease
//!   that must name its version.
//!
//! What it does not: authentication and RBAC (but see [`Fault::forbidden`]), admission and validation,
//! discovery, label selectors, server-side apply, streaming lists (`sendInitialEvents`), Tables in
//! watches, the continue token inside a 410, `resourceVersion=0` ignoring `limit`, compression.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::listener::{Listener, lock};
use crate::{eventually, http, objects};

mod fault;
mod item;
mod list;
mod log;
mod query;
mod resource;
mod respond;
mod route;
mod selector;
mod status;
mod store;
mod table;
mod watch;
mod write;

pub use fault::{Fault, FaultId};
pub use log::RecordedRequest;
pub use resource::Resource;
pub use route::Verb;

use fault::Faults;
use log::Log;
use store::{Signal, Store};

/// See the module.
pub struct ApiServer {
    inner: Arc<Inner>,
    listener: Listener,
}

pub(crate) struct Inner {
    store: Mutex<Store>,
    faults: Faults,
    pace: Mutex<Pace>,
    log: Mutex<Log>,
}

/// When watches carry bookmarks.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    bookmark_every: Duration,
    bookmark_before_end: Duration,
}

/// What [`ApiServer::apply`] stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The object's uid.
    pub uid: String,
    /// Its resourceVersion now.
    pub resource_version: u64,
}

impl ApiServer {
    /// An empty cluster on a free port.
    pub async fn start() -> Self {
        let inner = Arc::new(Inner {
            store: Mutex::new(Store::new()),
            faults: Faults::new(),
            pace: Mutex::new(Pace {
                bookmark_every: Duration::from_secs(60),
                bookmark_before_end: Duration::from_secs(2),
            }),
            log: Mutex::new(Log::default()),
        });
        let served = inner.clone();
        let listener = Listener::start(Arc::new(move |stream| {
            let inner = served.clone();
            Box::pin(http::serve(stream, move |request| {
                respond::answer(inner.clone(), request)
            }))
        }));
        Self { inner, listener }
    }

    /// A cluster of `secrets` pull secrets and `pods` Pods of about `pod_bytes` each, in namespaces
    /// of 50 Pods; the objects are made anew whenever they are sent.
    pub async fn with_generated(secrets: usize, pods: usize, pod_bytes: usize) -> Self {
        let server = Self::start().await;
        let namespaces = pods.max(secrets).div_ceil(50).max(1);
        server.generate(Resource::Namespaces, namespaces, |index| {
            objects::namespace(&generated_namespace(index))
        });
        server.generate(Resource::Secrets, secrets, move |index| {
            let config = objects::docker_config(&[("registry.test", "robot", "password")]);
            let namespace = generated_namespace(index % namespaces);
            objects::pull_secret(&namespace, &format!("pull-{index}"), &config)
        });
        server.generate(Resource::Pods, pods, move |index| {
            let image = format!("registry.test/team/app-{}:1.0", index % 97);
            let namespace = generated_namespace(index % namespaces);
            let secret = format!("pull-{}", index % secrets.max(1));
            objects::pod(&namespace, &format!("app-{index}"), &image, &[&secret])
                .running()
                .padded_to(pod_bytes)
                .build()
        });
        server
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.listener.address().port()
    }

    /// The text of a kubeconfig file with one context, `stand-in`, and a bearer token.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: stand-in\n\
             clusters:\n- name: stand-in\n  cluster:\n    server: {}\n\
             users:\n- name: stand-in\n  user:\n    token: stand-in-token\n\
             contexts:\n- name: stand-in\n  context:\n    cluster: stand-in\n    user: stand-in\n",
            self.url()
        )
    }

    /// Creates or replaces an object by kind, namespace (`default` if none) and name, and tells the
    /// watches. A given uid or creationTimestamp is kept; another uid than the present one is another
    /// object: the old one is deleted first.
    ///
    /// # Panics
    /// When the kind is not served or the object has no name.
    pub fn apply(&self, object: impl Into<Value>) -> Applied {
        let object = object.into();
        let kind = object["kind"].as_str().unwrap_or_default();
        let resource = Resource::of_kind(kind)
            .unwrap_or_else(|| panic!("the stand-in does not serve kind `{kind}`"));
        let item = lock(&self.inner.store).put(resource, object);
        Applied {
            uid: item.uid.clone(),
            resource_version: item.version,
        }
    }

    /// Applies each.
    pub fn apply_all(&self, objects: impl IntoIterator<Item = impl Into<Value>>) {
        for object in objects {
            self.apply(object);
        }
    }

    /// Deletes an object (`namespace` is empty for Namespaces); false if there is none.
    pub fn delete(&self, resource: Resource, namespace: &str, name: &str) -> bool {
        lock(&self.inner.store)
            .remove(resource, namespace, name)
            .is_some()
    }

    /// Moves an object to a new resourceVersion without changing it; false if there is none.
    pub fn touch(&self, resource: Resource, namespace: &str, name: &str) -> bool {
        lock(&self.inner.store).touch(resource, namespace, name)
    }

    /// Adds `count` objects that `make` makes anew whenever they are sent. `make` must give the same
    /// object for the same number.
    pub fn generate(
        &self,
        resource: Resource,
        count: usize,
        make: impl Fn(usize) -> Value + Send + Sync + 'static,
    ) {
        let make: item::Make = Arc::new(make);
        lock(&self.inner.store).generate(resource, count, &make);
    }

    /// An object as a GET gives it.
    pub fn find(&self, resource: Resource, namespace: &str, name: &str) -> Option<Value> {
        let item = lock(&self.inner.store).find(resource, namespace, name);
        item.map(|item| item.value())
    }

    /// All objects of a resource, in list order.
    pub fn objects(&self, resource: Resource) -> Vec<Value> {
        let store = lock(&self.inner.store);
        store.items(resource).map(|item| item.value()).collect()
    }

    /// The newest resourceVersion.
    pub fn resource_version(&self) -> u64 {
        lock(&self.inner.store).version()
    }

    /// Forgets the watch history and half-read lists of every resource: a watch that resumes from an
    /// older version, or the next page of a list, gets 410. Open watches go on.
    pub fn compact(&self) {
        for resource in Resource::ALL {
            self.compact_only(resource);
        }
    }

    /// Like [`ApiServer::compact`] for one resource; a real server does this to Events alone every
    /// five minutes, since they are not in its watch cache.
    pub fn compact_only(&self, resource: Resource) {
        lock(&self.inner.store).compact(resource);
    }

    /// Closes the listener and every connection; the port stays reserved and refuses.
    pub async fn stop(&self) {
        self.listener.stop().await;
    }

    /// Listens again on the same port, with the same objects and history.
    pub async fn start_again(&self) {
        self.listener.start_again();
    }

    /// Breaks every connection; new ones are accepted.
    pub async fn cut_connections(&self) {
        self.listener.cut().await;
    }

    /// Puts a fault in force; of several that fit a request the oldest strikes.
    pub fn inject(&self, fault: Fault) -> FaultId {
        self.inner.faults.inject(fault)
    }

    /// Ends one fault.
    pub fn heal(&self, id: FaultId) {
        self.inner.faults.heal(|each, _| each == id);
    }

    /// Ends all faults.
    pub fn heal_all(&self) {
        self.inner.faults.heal(|_, _| true);
    }

    /// How many requests a fault has hit.
    pub fn struck(&self, id: FaultId) -> usize {
        self.inner.faults.struck(id)
    }

    /// Ends the open watches of a resource cleanly.
    pub fn end_watches(&self, resource: Resource) {
        lock(&self.inner.store).tell(resource, || Signal::End);
    }

    /// Sends an ERROR event of code 410 into the open watches of a resource and ends them.
    pub fn expire_watches(&self, resource: Resource) {
        let mut store = lock(&self.inner.store);
        store.tell(resource, || Signal::Say(watch::gone_line()));
        store.tell(resource, || Signal::End);
    }

    /// Sends these bytes, whatever they are, into the open watches of a resource.
    pub fn interject(&self, resource: Resource, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        lock(&self.inner.store).tell(resource, || Signal::Say(bytes.clone()));
    }

    /// For watches opened from now on: a bookmark `every` so often and `before_end` of the time-out.
    pub fn pace_bookmarks(&self, every: Duration, before_end: Duration) {
        *lock(&self.inner.pace) = Pace {
            bookmark_every: every,
            bookmark_before_end: before_end,
        };
    }

    /// Watches of a resource that are open now.
    pub fn open_watches(&self, resource: Resource) -> usize {
        lock(&self.inner.store).open_watches(resource)
    }

    /// The requests so far, oldest first (the newest 100,000).
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.inner.log).requests().cloned().collect()
    }

    /// How many requests of this kind came.
    pub fn count(&self, verb: Verb, resource: Resource) -> usize {
        lock(&self.inner.log).count(verb, resource)
    }

    /// Forgets the requests and counters so far.
    pub fn forget_requests(&self) {
        *lock(&self.inner.log) = Log::default();
    }

    /// Waits until `condition` holds; see [`eventually`].
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        eventually(what, || condition(self)).await;
    }
}

fn generated_namespace(index: usize) -> String {
    format!("team-{index:04}")
}
