//! The graph: which pods need which images, which Secrets they name, which credentials those hold.
//!
//! What a kubelet needs to pull is interned. A [`Claim`](claims::Claim) is what must hold for one
//! image of one namespace (service account, names of Secrets, reference); the claims of a pod are
//! its shape, and a pod is then a few words. A pod costs its containers, a Secret the claims that
//! name it; nothing is ever computed again for all.
//!
//! What depends on the outside is handed over as sets of what changed since the last look
//! ([`Cluster::changes`]): the graph itself neither waits nor calls.

mod change;
mod claims;
mod groups;
mod inventory;
mod rows;
mod secrets;
mod slots;
#[cfg(test)]
mod tests;
mod wiring;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use change::*;
pub use groups::{Changes, Group, Which};
pub use inventory::{Held, Holding, Login};

use super::credential::{Credential, Credentials};
use super::exchange::Manifest;
use super::expiry::{Expiry, Sources};
use super::image::Registry;
use super::name::Names;
use claims::Claims;
use groups::Groups;
use secrets::Secret;
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
    secrets: HashMap<Named, Secret>,
    service_accounts: HashMap<Named, ServiceAccount>,
    namespaces: HashMap<Arc<str>, Record>,
    wiring: Wiring,
    credentials: Credentials,
    groups: Groups,
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
}

#[derive(Debug)]
struct ServiceAccount {
    record: Record,
    pull_secrets: Arc<[Arc<str>]>,
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

    /// Takes in one change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::ListStarted(watch) => self.epochs.begin(watch),
            Change::ListFinished(watch) => self.sweep(&watch),
            Change::PodApplied(watch, pod) => self.apply_pod(&watch, &pod),
            Change::PodDeleted(uid) => self.delete_pod(uid),
            Change::SecretApplied(watch, secret) => self.apply_secret(&watch, secret),
            Change::SecretDeleted(uid, object) => self.delete_secret(uid, &object),
            Change::ServiceAccountApplied(watch, account) => {
                self.apply_service_account(&watch, &account);
            }
            Change::ServiceAccountDeleted(uid, object) => {
                self.delete_service_account(uid, &object);
            }
            Change::NamespaceApplied(watch, namespace) => {
                let record = self.record(&watch, namespace.uid);
                self.namespaces
                    .insert(self.names.intern(&namespace.name), record);
            }
            Change::NamespaceDeleted(uid, name) => {
                if self
                    .namespaces
                    .get(&*name)
                    .is_some_and(|held| held.uid == uid)
                {
                    self.namespaces.remove(&*name);
                }
            }
            Change::NameLookedUp(object, found) => {
                let name = self.named(&object);
                let found = found.map(|kind| self.names.intern(&kind));
                self.wiring.looked_up(name, found);
            }
        }
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

    /// What a conversation about the group needs; `None` when the group is gone.
    pub fn target(&self, group: &Group) -> Option<Target> {
        let owner = self.groups.owner(group)?;
        Some(Target {
            credential: Arc::clone(self.credentials.get(group.credential)?),
            holder: format!("{owner}#{}", owner.key),
            expiry: self.expiry_of(owner, group).unwrap_or(Expiry::UNKNOWN),
            in_use: self.groups.uses_registry(&group.registry),
        })
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

    fn expiry_of(&self, owner: &groups::Holder, group: &Group) -> Option<Expiry> {
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

    fn apply_pod(&mut self, watch: &Watch, pod: &PodSeen) {
        let record = self.record(watch, pod.uid);
        let (secrets, groups) = (&self.secrets, &mut self.groups);
        let shape = self.claims.acquire(pod, &mut self.names, |claim| {
            claim.candidates = secrets::candidates(secrets, claim);
            groups.use_registry(claim.image.registry());
            groups.take(&claim.image, &claim.candidates);
        });
        let namespace = self.names.intern(&pod.object.namespace);
        for name in self.claims.secrets_named(shape) {
            self.rewire(&name, wiring::By::Pod, Wiring::named_by);
        }
        if let Some(before) = self.pods.insert(
            pod.uid,
            Pod {
                record,
                namespace,
                shape,
            },
        ) {
            self.release_shape(before.shape);
        }
    }

    fn delete_pod(&mut self, uid: Uid) {
        if let Some(pod) = self.pods.remove(&uid) {
            self.release_shape(pod.shape);
        }
    }

    fn release_shape(&mut self, shape: claims::ShapeId) {
        let named = self.claims.secrets_named(shape);
        for claim in self.claims.release(shape) {
            self.groups.give_back(&claim.image, &claim.candidates);
            self.groups.drop_registry(claim.image.registry());
        }
        // After the claims: while one of them holds a credential, its Secret counts as named.
        for name in named {
            self.rewire(&name, wiring::By::Pod, Wiring::dropped_by);
        }
    }

    /// Changes who names a Secret; what it holds is wanted or not accordingly.
    fn rewire(
        &mut self,
        name: &Named,
        by: wiring::By,
        change: fn(&mut Wiring, &Named, wiring::By, bool) -> Option<bool>,
    ) {
        let exists = self.secrets.contains_key(name);
        if let Some(is_referenced) = change(&mut self.wiring, name, by, exists)
            && let Some(secret) = self.secrets.get(name)
        {
            for (group, holder) in secret.literal_groups() {
                self.groups.reference(&group, holder, is_referenced);
            }
        }
    }

    fn apply_service_account(&mut self, watch: &Watch, account: &ServiceAccountSeen) {
        let record = self.record(watch, account.uid);
        let name = self.named(&account.object);
        let pull_secrets: Arc<[Arc<str>]> = distinct(&account.pull_secrets)
            .map(|secret| self.names.intern(secret))
            .collect();
        self.name_all(&name.namespace, &pull_secrets, Wiring::named_by);
        let before = self.service_accounts.insert(
            name,
            ServiceAccount {
                record,
                pull_secrets,
            },
        );
        if let Some(before) = before {
            self.name_all(
                &account.object.namespace,
                &before.pull_secrets,
                Wiring::dropped_by,
            );
        }
    }

    fn delete_service_account(&mut self, uid: Uid, object: &ObjectName) {
        let name = self.named(object);
        if self
            .service_accounts
            .get(&name)
            .is_some_and(|held| held.record.uid == uid)
            && let Some(account) = self.service_accounts.remove(&name)
        {
            self.name_all(&name.namespace, &account.pull_secrets, Wiring::dropped_by);
        }
    }

    fn name_all(
        &mut self,
        namespace: &str,
        pull_secrets: &[Arc<str>],
        change: fn(&mut Wiring, &Named, wiring::By, bool) -> Option<bool>,
    ) {
        let namespace = self.names.intern(namespace);
        for name in pull_secrets {
            let name = Named {
                namespace: namespace.clone(),
                name: name.clone(),
            };
            self.rewire(&name, wiring::By::ServiceAccount, change);
        }
    }

    fn apply_secret(&mut self, watch: &Watch, seen: SecretSeen) {
        let record = self.record(watch, seen.uid);
        let name = self.named(&seen.object);
        if let Some(held) = self.secrets.get(&name)
            && held.succeeds(&record, seen.created)
        {
            return;
        }
        let secret = Secret::read(
            record,
            &name,
            seen,
            &self.sources,
            &mut self.names,
            &mut self.credentials,
        );
        if let Some(held) = self.secrets.get(&name)
            && held.holds_the_same(&secret)
        {
            // The same bytes (a resync, an annotation): nothing to ask a registry for. Its ids were
            // interned once more and go back.
            secret.release(&mut self.credentials);
            if let Some(held) = self.secrets.get_mut(&name) {
                held.refresh(secret);
            }
            return;
        }
        self.replace_secret(&name, Some(secret));
    }

    fn delete_secret(&mut self, uid: Uid, object: &ObjectName) {
        let name = self.named(object);
        if self
            .secrets
            .get(&name)
            .is_some_and(|held| held.record.uid == uid)
        {
            self.replace_secret(&name, None);
        }
    }

    /// Puts another Secret, or none, in the place of one; every claim that names it is looked at
    /// again. New uses are taken before old ones are given back, so that what stays the same is
    /// never gone in between.
    fn replace_secret(&mut self, name: &Named, secret: Option<Secret>) {
        let is_referenced = self.wiring.is_referenced(name);
        if let Some(new) = &secret {
            new.hold(&mut self.groups, is_referenced);
        }
        let exists = secret.is_some();
        let before = match secret {
            Some(new) => self.secrets.insert(name.clone(), new),
            None => self.secrets.remove(name),
        };
        for claim in self.claims.naming(name) {
            let Some(claim) = self.claims.get_mut(claim) else {
                continue;
            };
            let candidates = secrets::candidates(&self.secrets, claim);
            self.groups.take(&claim.image, &candidates);
            self.groups.give_back(&claim.image, &claim.candidates);
            claim.candidates = candidates;
        }
        if let Some(before) = before {
            before.let_go(&mut self.groups);
            before.release(&mut self.credentials);
        }
        self.wiring.exists(name, exists);
    }

    /// Removes what belongs to the watch and its newest list did not bring.
    fn sweep(&mut self, watch: &Watch) {
        let epoch = self.epochs.of(watch);
        let is_stale = |record: &Record, namespace: &str| {
            record.resource == watch.resource
                && record.epoch < epoch
                && watch
                    .namespace
                    .as_deref()
                    .is_none_or(|scope| scope == namespace)
        };
        match watch.resource {
            Resource::Pods => {
                let stale: Vec<_> = self
                    .pods
                    .iter()
                    .filter(|(_, pod)| is_stale(&pod.record, &pod.namespace))
                    .map(|(uid, _)| *uid)
                    .collect();
                stale.into_iter().for_each(|uid| self.delete_pod(uid));
            }
            Resource::DockerConfigJsonSecrets | Resource::DockerCfgSecrets | Resource::Files => {
                let stale: Vec<_> = self
                    .secrets
                    .iter()
                    .filter(|(name, secret)| is_stale(&secret.record, &name.namespace))
                    .map(|(name, _)| name.clone())
                    .collect();
                stale
                    .iter()
                    .for_each(|name| self.replace_secret(name, None));
            }
            Resource::ServiceAccounts => {
                let stale: Vec<_> = self
                    .service_accounts
                    .iter()
                    .filter(|(name, account)| is_stale(&account.record, &name.namespace))
                    .map(|(name, account)| (account.record.uid, name.to_object()))
                    .collect();
                for (uid, object) in stale {
                    self.delete_service_account(uid, &object);
                }
            }
            Resource::Namespaces => {
                self.namespaces
                    .retain(|name, record| !is_stale(record, name));
            }
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

/// Names in order, each once.
fn distinct(names: &[String]) -> impl Iterator<Item = &str> {
    names
        .iter()
        .enumerate()
        .filter(|(n, name)| !names[..*n].contains(name))
        .map(|(_, name)| &**name)
}

/// Older first; objects without a date (files) before all others.
type Created = Option<DateTime<Utc>>;
