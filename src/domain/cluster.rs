//! The graph: which pods need which images, which Secrets they name, which credentials those hold.
//!
//! What a kubelet needs to pull is interned. A [`Claim`](claims::Claim) is what must hold for one
//! image of one namespace (service account, names of Secrets, reference); the claims of a pod are
//! its shape, and a pod is then a few words. A pod costs its containers, a Secret the claims that
//! name it; nothing is ever computed again for all.
//!
//! What depends on the outside is handed over as sets of what changed since the last look
//! ([`Cluster::changes`]): the graph itself neither waits nor calls.

mod apply;
mod caps;
mod case;
mod change;
mod claims;
mod departed;
mod examination;
mod groups;
mod holder;
mod inventory;
mod mark;
mod marking;
mod pulls;
mod quota_rows;
mod registry_use;
mod rows;
mod secrets;
mod slots;
#[cfg(test)]
mod tests;
mod vantage;
mod wiring;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use case::{Known, Sight};
pub use change::*;
pub use examination::Examination;
pub use groups::{Changes, Group, Which};
pub use inventory::{Held, Holding, Login};
pub use mark::{Mark, misspelt};
pub use pulls::Pull;

use super::credential::{Credential, Credentials};
use super::demand::Demand;
use super::exchange::Manifest;
use super::expiry::{Expiry, Sources};
use super::image::{Reference, Registry};
use super::name::Names;
use super::owner::Workload;
use claims::Claims;
use departed::Departed;
use groups::Groups;
use pulls::Progress;
use secrets::{Contents, Secret};
use wiring::Wiring;

/// Namespace and name, interned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// Every object we hold, and how they hang together.
#[derive(Debug, Default)]
pub struct Cluster {
    sources: Sources,
    names: Names,
    epochs: Epochs,
    pods: HashMap<Uid, Pod>,
    claims: Claims,
    /// In order, so that those of a namespace stand together.
    secrets: BTreeMap<Named, Secret>,
    /// Where there are Secrets of a name.
    namespaces_of: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    service_accounts: HashMap<Named, ServiceAccount>,
    namespaces: HashMap<Arc<str>, Namespace>,
    departed: Departed,
    wiring: Wiring,
    credentials: Credentials,
    groups: Groups,
}

/// One change with whatever is to be read in it read.
#[derive(Debug)]
#[must_use = "nothing is taken in yet"]
pub struct Reading(Read);

#[derive(Debug)]
enum Read {
    Secret(Watch, Uid, ObjectName, Contents),
    Pod(Watch, Box<PodSeen>, BTreeSet<Reference>),
    Plain(Change),
}

/// Which list of which watch brought or confirmed a record.
#[derive(Clone, Copy, Debug)]
struct Record {
    uid: Uid,
    resource: Resource,
    epoch: u32,
}

#[derive(Debug)]
struct Pod {
    record: Record,
    namespace: Arc<str>,
    shape: claims::ShapeId,
    progress: Progress,
    places: claims::Places,
    name: Box<str>,
    node: Option<Arc<str>>,
    workload: Workload,
    is_mirror: bool,
    is_terminating: bool,
}

#[derive(Debug)]
struct ServiceAccount {
    record: Record,
    pull_secrets: Arc<[Arc<str>]>,
    /// What its own annotations ask for.
    own: Option<Mark>,
    /// The stronger of its own and its namespace's.
    mark: Option<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Namespace {
    record: Record,
    mark: Option<Mark>,
}

/// Counts lists, so that the end of one can tell what it did not bring.
#[derive(Debug, Default)]
struct Epochs {
    by_watch: HashMap<Watch, u32>,
    last: u32,
}

impl Epochs {
    fn begin(&mut self, watch: Watch) {
        self.last += 1;
        self.by_watch.insert(watch, self.last);
    }

    fn of(&self, watch: &Watch) -> u32 {
        self.by_watch.get(watch).copied().unwrap_or_default()
    }
}

/// What a conversation needs to know of a group.
#[derive(Clone, Debug)]
pub struct Target {
    /// What is sent.
    pub credential: Arc<Credential>,
    /// The name of its oldest holder: the phase of its schedule comes from it.
    pub holder: String,
    /// Its date.
    pub expiry: Expiry,
    /// A pod's image names the registry.
    pub in_use: bool,
}

impl Cluster {
    /// An empty graph that reads declared dates from `sources` and wants `which` credentials probed.
    pub fn new(sources: Sources, which: Which) -> Self {
        Self {
            sources,
            groups: Groups::new(which),
            ..Self::default()
        }
    }

    /// Has everything asked that any namespace wants, for a look that somebody waits for; to be called
    /// while the graph is empty.
    #[must_use]
    pub fn without_caps(mut self) -> Self {
        self.groups.lift_caps();
        self
    }

    /// The namespace in whose turn the group is asked: that of its oldest holder.
    pub fn namespace_of(&self, group: &Group) -> Option<&Arc<str>> {
        self.groups.owner(group).map(|owner| &owner.namespace)
    }

    /// Takes in one change.
    pub fn apply(&mut self, change: Change) {
        let reading = self.read(change);
        self.take(reading);
    }

    /// Reads what somebody wrote into an object. Nothing of the graph is touched, so that whatever goes
    /// wrong here goes wrong with this object alone.
    pub fn read(&self, change: Change) -> Reading {
        Reading(match change {
            Change::SecretApplied(watch, seen) => {
                let (uid, object) = (seen.uid, seen.object.clone());
                Read::Secret(watch, uid, object, Contents::of(seen, &self.sources))
            }
            Change::PodApplied(watch, seen) => {
                let images = claims::images(&seen);
                Read::Pod(watch, Box::new(seen), images)
            }
            change => Read::Plain(change),
        })
    }

    /// Takes in what was read.
    pub fn take(&mut self, Reading(read): Reading) {
        match read {
            Read::Secret(watch, uid, object, contents) => {
                self.apply_secret(&watch, uid, &object, contents);
            }
            Read::Pod(watch, seen, images) => self.apply_pod(&watch, &seen, images),
            Read::Plain(change) => self.apply_plain(change),
        }
    }

    fn apply_plain(&mut self, change: Change) {
        match change {
            Change::ListStarted(watch) => self.epochs.begin(watch),
            Change::ListFinished(watch) => self.sweep(&watch),
            Change::PodDeleted(uid) => self.delete_pod(uid),
            // They are read apart; Events tell of attempts, which are no part of the graph.
            Change::PodApplied(..) | Change::SecretApplied(..) | Change::EventApplied(..) => {}
            Change::SecretDeleted(uid, object) => self.delete_secret(uid, &object),
            Change::ServiceAccountApplied(watch, account) => {
                self.apply_service_account(&watch, &account);
            }
            Change::ServiceAccountDeleted(uid, object) => {
                self.delete_service_account(uid, &object);
            }
            Change::NamespaceApplied(watch, namespace) => {
                self.apply_namespace(&watch, &namespace);
            }
            Change::NamespaceDeleted(uid, name) => self.delete_namespace(uid, &name),
            Change::NameLookedUp(object, found) => {
                let name = self.named(&object);
                let found = found.map(|kind| self.names.intern(&kind));
                self.wiring.looked_up(name, found);
            }
        }
    }

    /// The Pod of this name; a look at all of them.
    pub fn pod_of(&self, name: &ObjectName) -> Option<Uid> {
        let is_it = |pod: &Pod| *pod.name == *name.name && *pod.namespace == *name.namespace;
        let mut pods = self.pods.iter();
        pods.find(|(_, pod)| is_it(pod)).map(|(uid, _)| *uid)
    }

    /// Whether there is a Namespace of this name.
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains_key(name)
    }

    /// What changed for the prober since the last call.
    pub fn changes(&mut self) -> Changes {
        self.groups.changes()
    }

    /// Whether there is anything for [`Cluster::changes`] to tell.
    pub fn has_changes(&self) -> bool {
        self.groups.has_changes()
    }

    /// From now on the label of a credential stays with the holder it has: until every list has
    /// come in, the oldest holder may still be on its way.
    pub fn settle(&mut self) {
        self.groups.settle();
    }

    /// The group is to be probed.
    pub fn wants(&self, group: &Group) -> bool {
        self.groups.wants(group)
    }

    /// A Secret holds the credential, whether it is to be probed or not.
    pub fn holds(&self, group: &Group) -> bool {
        self.groups.owner(group).is_some()
    }

    /// The registry is named by a wanted credential or by a pod's image.
    pub fn wants_registry(&self, registry: &Registry) -> bool {
        self.groups.wants_registry(registry)
    }

    /// A pod's image names the registry.
    pub fn uses_registry(&self, registry: &Registry) -> bool {
        self.groups.uses_registry(registry)
    }

    /// A manifest that a pod pulls from there without a credential: the first after this one, around
    /// the end. None while no pod does, or the registry is not to be asked.
    pub fn anonymous_manifest(
        &self,
        registry: &Registry,
        after: Option<&Manifest>,
    ) -> Option<&Manifest> {
        self.groups.anonymous_manifest(registry, after)
    }

    /// Manifests there that pods pull without a credential and of which it matters whether they are
    /// public: pods wait for them, or were meant to have one.
    pub fn questions(&self, registry: &Registry) -> impl Iterator<Item = &Manifest> {
        self.groups.questions(registry)
    }

    /// A pod pulls this manifest without a credential.
    pub fn pulls_anonymously(&self, registry: &Registry, manifest: &Manifest) -> bool {
        self.groups.pulls_anonymously(registry, manifest)
    }

    /// What a conversation about the group needs; `None` when the group is gone.
    pub fn target(&self, group: &Group) -> Option<Target> {
        let owner = self.groups.owner(group)?;
        Some(Target {
            credential: Arc::clone(self.credentials.get(group.credential)?),
            holder: owner.to_ledger(),
            expiry: self.expiry_of(owner, group).unwrap_or(Expiry::UNKNOWN),
            in_use: self.groups.uses_registry(&group.registry),
        })
    }

    /// Every credential at every registry, wanted or not.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().map(|(group, _)| group)
    }

    /// Every entry that holds the credential, the oldest first, as the ledger names it, with the
    /// time of its Secret's last change.
    pub fn holders<'a>(
        &'a self,
        group: &'a Group,
    ) -> impl Iterator<Item = (String, Option<DateTime<Utc>>)> + 'a {
        self.groups.holders(group).map(|holder| {
            let secret = self.secrets.get(&Named {
                namespace: holder.namespace.clone(),
                name: holder.name.clone(),
            });
            let changed = secret.and_then(|secret| secret.changed);
            (holder.to_ledger(), changed)
        })
    }

    /// The demand is for this credential.
    pub fn is_for(&self, demand: &Demand, group: &Group) -> bool {
        match demand {
            Demand::All => true,
            Demand::Registry(registry) => group.registry == *registry,
            Demand::Secret(secret) => self.groups.holders(group).any(|holder| {
                (&*holder.namespace, &*holder.name) == (&*secret.namespace, &*secret.name)
            }),
        }
    }

    /// How many of the credentials that are wanted the demand is for.
    pub fn concerned(&self, demand: &Demand) -> usize {
        let wanted = self.groups().filter(|group| self.wants(group));
        wanted.filter(|group| self.is_for(demand, group)).count()
    }

    /// The manifests that pods need this credential for.
    pub fn manifests(&self, group: &Group) -> impl Iterator<Item = &Manifest> {
        self.groups.manifests(group)
    }

    /// The group is needed for this manifest.
    pub fn uses_manifest(&self, group: &Group, manifest: &Manifest) -> bool {
        self.groups.uses_manifest(group, manifest)
    }

    /// Names of Secrets that are listed and that no watch holds: whether they exist with another
    /// type is to be asked.
    pub fn unresolved(&self) -> Vec<ObjectName> {
        self.wiring
            .missing()
            .map(|named| named.to_object())
            .collect()
    }

    /// Of these, those of which the API server has not said anything yet.
    pub fn unanswered(&self) -> Vec<ObjectName> {
        let missing = self.wiring.missing();
        let open = missing.filter(|name| self.wiring.answer(name).is_none());
        open.map(Named::to_object).collect()
    }

    fn expiry_of(&self, owner: &holder::Holder, group: &Group) -> Option<Expiry> {
        let name = Named {
            namespace: owner.namespace.clone(),
            name: owner.name.clone(),
        };
        Some(
            self.secrets
                .get(&name)?
                .entry(&owner.key, group.credential)?
                .expiry,
        )
    }

    fn record(&self, watch: &Watch, uid: Uid) -> Record {
        Record {
            uid,
            resource: watch.resource,
            epoch: self.epochs.of(watch),
        }
    }

    fn named(&mut self, object: &ObjectName) -> Named {
        Named {
            namespace: self.names.intern(&object.namespace),
            name: self.names.intern(&object.name),
        }
    }
}

impl Named {
    fn to_object(&self) -> ObjectName {
        ObjectName {
            namespace: self.namespace.to_string(),
            name: self.name.to_string(),
        }
    }
}

/// Older first; objects without a date (files) before all others.
type Created = Option<DateTime<Utc>>;
