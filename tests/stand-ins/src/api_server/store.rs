//! What the server holds: objects by resource, what changed lately, and who watches.
//!
//! Everything happens under one lock, so that a watch misses nothing between the changes it is
//! handed from the past and the first one it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use super::item::{Identity, Item, Make, key, place};
use super::resource::Resource;
use super::status::Failure;
use crate::clock;

/// Changes kept for each resource; a watch that resumes from before them is too old.
const HISTORY: usize = 4_096;

/// Paged lists that are kept consistent at a time.
const SNAPSHOTS: usize = 32;

/// See the module.
pub(crate) struct Store {
    version: u64,
    created: u64,
    collections: BTreeMap<Resource, Collection>,
    snapshots: VecDeque<Snapshot>,
    watchers: Vec<Watcher>,
}

#[derive(Default)]
struct Collection {
    items: BTreeMap<String, Arc<Item>>,
    history: VecDeque<Arc<Change>>,
    /// The newest version that is forgotten.
    floor: u64,
}

struct Snapshot {
    resource: Resource,
    version: u64,
    items: Arc<[Arc<Item>]>,
}

struct Watcher {
    resource: Resource,
    signals: mpsc::UnboundedSender<Signal>,
}

/// An object before and after; created without a before, deleted without an after.
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) before: Option<Arc<Item>>,
    pub(crate) after: Option<Arc<Item>>,
}

/// What an open watch is told.
pub(crate) enum Signal {
    Change(Arc<Change>),
    /// These bytes, as they are.
    Say(Bytes),
    /// End the stream cleanly.
    End,
}

/// A new watch: what it has missed, and where it hears of the rest.
pub(crate) struct Subscription {
    /// Present objects, for a watch that starts from no version.
    pub(crate) present: Vec<Arc<Item>>,
    pub(crate) missed: Vec<Arc<Change>>,
    pub(crate) signals: mpsc::UnboundedReceiver<Signal>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            // A cluster is never at its first version.
            version: 1_000,
            created: 0,
            collections: Resource::ALL
                .into_iter()
                .map(|resource| (resource, Collection::default()))
                .collect(),
            snapshots: VecDeque::new(),
            watchers: Vec::new(),
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn find(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Item>> {
        self.collection(resource)
            .items
            .get(&key(resource, namespace, name))
            .cloned()
    }

    /// Items behind the key `after`, in order of their keys.
    pub(crate) fn items(&self, resource: Resource) -> impl Iterator<Item = &Arc<Item>> {
        self.collection(resource).items.values()
    }

    /// Creates or replaces; another uid than the present one's replaces the object itself.
    pub(crate) fn put(&mut self, resource: Resource, object: Value) -> Arc<Item> {
        let (namespace, name) = place(resource, &object);
        let given_uid = object["metadata"]["uid"].as_str();
        let mut before = self.find(resource, &namespace, &name);
        if let (Some(present), Some(uid)) = (&before, given_uid)
            && present.uid != uid
        {
            self.remove(resource, &namespace, &name);
            before = None;
        }
        let uid = given_uid
            .map(str::to_owned)
            .or_else(|| before.as_ref().map(|present| present.uid.clone()));
        let created = object["metadata"]["creationTimestamp"]
            .as_str()
            .map(str::to_owned)
            .or_else(|| before.as_ref().map(|present| present.created.clone()));
        let identity = self.identity(uid, created);
        let after = Arc::new(Item::kept(resource, object, identity));
        self.replace(before, after.clone());
        after
    }

    /// The same object at a new version.
    pub(crate) fn touch(&mut self, resource: Resource, namespace: &str, name: &str) -> bool {
        let Some(before) = self.find(resource, namespace, name) else {
            return false;
        };
        self.version += 1;
        let after = Arc::new(before.at_version(self.version));
        self.replace(Some(before), after);
        true
    }

    pub(crate) fn generate(&mut self, resource: Resource, count: usize, make: &Make) {
        for index in 0..count {
            let identity = self.identity(None, None);
            let after = Arc::new(Item::generated(resource, make, index, identity));
            let before = self.find(resource, &after.namespace, &after.name);
            self.replace(before, after);
        }
    }

    pub(crate) fn remove(
        &mut self,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Item>> {
        let removed = self
            .collection_mut(resource)
            .items
            .remove(&key(resource, namespace, name))?;
        self.version += 1;
        self.record(
            resource,
            Change {
                version: self.version,
                before: Some(removed.clone()),
                after: None,
            },
        );
        Some(removed)
    }

    /// Forgets what changed and what half-read lists saw.
    pub(crate) fn compact(&mut self, resource: Resource) {
        let version = self.version;
        let collection = self.collection_mut(resource);
        collection.history.clear();
        collection.floor = version;
        self.snapshots
            .retain(|snapshot| snapshot.resource != resource);
    }

    /// The state of a resource now, for the pages of one list.
    pub(crate) fn take_snapshot(&mut self, resource: Resource) {
        let version = self.version;
        if self.snapshot(resource, version).is_some() {
            return;
        }
        if self.snapshots.len() == SNAPSHOTS {
            self.snapshots.pop_front();
        }
        let items = self.collection(resource).items.values().cloned().collect();
        self.snapshots.push_back(Snapshot {
            resource,
            version,
            items,
        });
    }

    pub(crate) fn snapshot(&self, resource: Resource, version: u64) -> Option<Arc<[Arc<Item>]>> {
        self.snapshots
            .iter()
            .find(|snapshot| snapshot.resource == resource && snapshot.version == version)
            .map(|snapshot| snapshot.items.clone())
    }

    /// A watch from `version` on, or from the present objects.
    pub(crate) fn subscribe(
        &mut self,
        resource: Resource,
        version: Option<u64>,
    ) -> Result<Subscription, Failure> {
        let current = self.version;
        let collection = self.collection(resource);
        let (mut present, mut missed) = (Vec::new(), Vec::new());
        match version {
            None => present = collection.items.values().cloned().collect(),
            Some(from) if from > current => return Err(Failure::too_large(from, current)),
            Some(from) if from < collection.floor => {
                return Err(Failure::too_old(from, collection.floor));
            }
            Some(from) => {
                let start = collection
                    .history
                    .partition_point(|each| each.version <= from);
                missed = collection.history.range(start..).cloned().collect();
            }
        }
        let (signals, inbox) = mpsc::unbounded_channel();
        self.watchers.push(Watcher { resource, signals });
        Ok(Subscription {
            present,
            missed,
            signals: inbox,
        })
    }

    /// Tells all open watches of a resource.
    pub(crate) fn tell(&mut self, resource: Resource, signal: impl Fn() -> Signal) {
        self.watchers.retain(|watcher| {
            watcher.resource != resource || watcher.signals.send(signal()).is_ok()
        });
    }

    /// Watches whose stream is open.
    pub(crate) fn open_watches(&self, resource: Resource) -> usize {
        self.watchers
            .iter()
            .filter(|watcher| watcher.resource == resource && !watcher.signals.is_closed())
            .count()
    }

    fn replace(&mut self, before: Option<Arc<Item>>, after: Arc<Item>) {
        let resource = after.resource;
        self.collection_mut(resource)
            .items
            .insert(after.key.clone(), after.clone());
        self.record(
            resource,
            Change {
                version: after.version,
                before,
                after: Some(after),
            },
        );
    }

    fn record(&mut self, resource: Resource, change: Change) {
        let change = Arc::new(change);
        let collection = self.collection_mut(resource);
        if collection.history.len() == HISTORY
            && let Some(oldest) = collection.history.pop_front()
        {
            collection.floor = oldest.version;
        }
        collection.history.push_back(change.clone());
        self.tell(resource, || Signal::Change(change.clone()));
    }

    fn identity(&mut self, uid: Option<String>, created: Option<String>) -> Identity {
        self.version += 1;
        Identity {
            uid: uid.unwrap_or_else(|| {
                self.created += 1;
                format!("5ca1ab1e-0000-4000-8000-{:012x}", self.created)
            }),
            created: created.unwrap_or_else(|| clock::rfc3339(clock::now())),
            version: self.version,
        }
    }

    fn collection(&self, resource: Resource) -> &Collection {
        &self.collections[&resource]
    }

    fn collection_mut(&mut self, resource: Resource) -> &mut Collection {
        self.collections
            .get_mut(&resource)
            .expect("there is a collection for each resource")
    }
}
