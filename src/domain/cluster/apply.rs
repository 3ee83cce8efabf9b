//! One change taken in: an object put in the place of what it was, or removed, and everything that
//! hangs on it looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::claims::{Claim, ClaimId, Places, ShapeId};
use super::groups::Groups;
use super::mark::Mark;
use super::pulls::Progress;
use super::secrets::{self, Contents, Secret};
use super::wiring::{By, Wiring};
use super::{
    Cluster, Created, Named, Namespace, NamespaceSeen, ObjectName, Pod, PodSeen, Record, Resource,
    ServiceAccount, ServiceAccountSeen, Uid, Watch,
};
use crate::domain::image::Reference;
use crate::domain::owner::{self, Workload};

impl Cluster {
    pub(super) fn apply_pod(&mut self, watch: &Watch, pod: &PodSeen, images: BTreeSet<Reference>) {
        let record = self.record(watch, pod.uid);
        let namespace = self.names.intern(&pod.object.namespace);
        let mark = self.mark_of_account(&namespace, &pod.service_account);
        let (secrets, groups) = (&self.secrets, &mut self.groups);
        let names = &mut self.names;
        let places = Places::of(pod, &images);
        let shape = self.claims.acquire(pod, images, mark, names, |claim| {
            link(claim, secrets, groups, pod.created);
        });
        let progress = self.progress_of(pod, shape);
        self.claims.stands(shape, places);
        self.note_failures(pod.uid, shape, places);
        let (kind, name) = owner::workload(pod);
        let workload = Workload {
            kind: self.names.intern(kind),
            name: self.names.intern(name),
        };
        let node = pod.node.as_deref().map(|node| self.names.intern(node));
        for name in self.claims.secrets_named(shape) {
            self.rewire(&name, |wiring| wiring.named_by(&name, By::Pod, mark, 1));
        }
        if let Some(before) = self.pods.insert(
            pod.uid,
            Pod {
                record,
                namespace,
                shape,
                progress,
                places,
                name: pod.object.name.as_str().into(),
                node,
                workload,
                is_mirror: pod.mirror,
                is_terminating: pod.terminating,
            },
        ) {
            self.release_shape(before.shape, before.places);
        }
        self.review_shape(shape);
    }

    /// A pull that has just failed is news of the credentials it was tried with.
    fn note_failures(&mut self, uid: Uid, shape: ShapeId, places: Places) {
        let before = self.pods.get(&uid);
        let before = before.filter(|before| before.shape == shape);
        let before = before.map_or_else(Places::default, |before| before.places);
        for place in places.newly_failing(before) {
            let claim = self.claims.of_shape(shape).get(place).copied();
            if let Some(claim) = claim.and_then(|claim| self.claims.get(claim)) {
                self.groups.failed(&claim.image, &claim.candidates);
            }
        }
    }

    /// Takes in how the pods of a shape stand now.
    pub(super) fn review_shape(&mut self, shape: ShapeId) {
        let claims = self.claims.of_shape(shape).to_vec();
        self.review(&claims);
    }

    pub(super) fn review(&mut self, claims: &[ClaimId]) {
        for id in claims {
            if let Some(claim) = self.claims.get_mut(*id) {
                self.groups.review(claim);
            }
        }
    }

    /// How far its containers have come; notes what they pulled on the way. With another image a
    /// pod begins anew.
    fn progress_of(&mut self, pod: &PodSeen, shape: ShapeId) -> Progress {
        let before = self.pods.get(&pod.uid);
        let Some(before) = before.filter(|before| before.shape == shape) else {
            return Progress::of(&pod.containers);
        };
        let mut progress = before.progress;
        for container in progress.advance(&pod.containers) {
            if let Some(claim) = self.claims.of_image(shape, &container.image) {
                self.groups.pulled(&claim.image, &claim.candidates);
            }
        }
        progress
    }

    pub(super) fn delete_pod(&mut self, uid: Uid) {
        if let Some(pod) = self.pods.remove(&uid) {
            self.release_shape(pod.shape, pod.places);
        }
    }

    fn release_shape(&mut self, shape: ShapeId, places: Places) {
        self.claims.stands_no_more(shape, places);
        self.review_shape(shape);
        let named = self.claims.secrets_named(shape);
        let account = self.claims.account_of(shape);
        let (mark, _) = self.claims.marked(shape);
        for mut claim in self.claims.release(shape) {
            unlink(&mut claim, &mut self.groups);
        }
        // After the claims: while one of them holds a credential, its Secret counts as named.
        for name in named {
            self.rewire(&name, |wiring| wiring.dropped_by(&name, By::Pod, mark, 1));
        }
        if let Some(account) = account
            && self.claims.account_of(shape).is_none()
        {
            self.shape_left(&account);
        }
    }

    /// Changes who names a Secret; what it holds is wanted or not accordingly.
    pub(super) fn rewire(&mut self, name: &Named, change: impl FnOnce(&mut Wiring)) {
        let before = self.wiring.naming(name);
        change(&mut self.wiring);
        let after = self.wiring.naming(name);
        let secret = self.secrets.get(name);
        self.wiring.exists(name, secret.is_some());
        if before.is_referenced != after.is_referenced {
            for (group, holder) in secret.into_iter().flat_map(Secret::literal_groups) {
                self.groups.reference(&group, holder, after.is_referenced);
            }
        }
        if before.mark != after.mark {
            self.mark_secret(name);
        }
    }

    pub(super) fn apply_service_account(&mut self, watch: &Watch, account: &ServiceAccountSeen) {
        let record = self.record(watch, account.uid);
        let name = self.named(&account.object);
        let own = Mark::of(&account.annotations);
        let of_namespace = self.mark_of_namespace(&name.namespace);
        let mark = own.max(of_namespace);
        let pull_secrets: Arc<[Arc<str>]> = distinct(&account.pull_secrets)
            .map(|secret| self.names.intern(secret))
            .collect();
        self.name_all(&name.namespace, &pull_secrets, mark);
        let new = ServiceAccount {
            record,
            pull_secrets,
            own,
            mark,
        };
        let before = self.service_accounts.insert(name.clone(), new);
        let before_mark = match &before {
            Some(before) => before.mark,
            None => self.departed.of_account(&name).max(of_namespace),
        };
        self.departed.account_is_back(&name);
        if let Some(before) = before {
            self.drop_all(&name.namespace, &before.pull_secrets, before.mark);
        }
        if before_mark != mark {
            self.mark_pods(&name.namespace, Some(&name.name));
        }
    }

    pub(super) fn delete_service_account(&mut self, uid: Uid, object: &ObjectName) {
        let name = self.named(object);
        if self
            .service_accounts
            .get(&name)
            .is_some_and(|held| held.record.uid == uid)
            && let Some(account) = self.service_accounts.remove(&name)
        {
            self.drop_all(&name.namespace, &account.pull_secrets, account.mark);
            self.account_departed(&name, account.own);
        }
    }

    fn name_all(&mut self, namespace: &Arc<str>, secrets: &[Arc<str>], mark: Option<Mark>) {
        for name in of_namespace(namespace, secrets) {
            self.rewire(&name, |wiring| {
                wiring.named_by(&name, By::ServiceAccount, mark, 1);
            });
        }
    }

    fn drop_all(&mut self, namespace: &Arc<str>, secrets: &[Arc<str>], mark: Option<Mark>) {
        for name in of_namespace(namespace, secrets) {
            self.rewire(&name, |wiring| {
                wiring.dropped_by(&name, By::ServiceAccount, mark, 1);
            });
        }
    }

    pub(super) fn apply_secret(
        &mut self,
        watch: &Watch,
        uid: Uid,
        object: &ObjectName,
        contents: Contents,
    ) {
        let record = self.record(watch, uid);
        let name = self.named(object);
        if let Some(held) = self.secrets.get(&name)
            && held.succeeds(&record, contents.created)
        {
            return;
        }
        let mark = self.mark_of_secret(&name, contents.own);
        let (names, credentials) = (&mut self.names, &mut self.credentials);
        let secret = Secret::holding(contents, record, &name, mark, names, credentials);
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

    pub(super) fn delete_secret(&mut self, uid: Uid, object: &ObjectName) {
        let name = self.named(object);
        if self
            .secrets
            .get(&name)
            .is_some_and(|held| held.record.uid == uid)
        {
            self.remove_secret(&name);
        }
    }

    fn remove_secret(&mut self, name: &Named) {
        self.replace_secret(name, None);
        self.left(&name.namespace);
    }

    /// Puts another Secret, or none, in the place of one, whose credentials are given back.
    fn replace_secret(&mut self, name: &Named, secret: Option<Secret>) {
        if let Some(before) = self.swap_secret(name, secret) {
            before.release(&mut self.credentials);
        }
    }

    /// Puts another Secret, or none, in the place of one; every claim that names it is looked at
    /// again. New uses are taken before old ones are given back, so that what stays the same is
    /// never gone in between.
    pub(super) fn swap_secret(&mut self, name: &Named, secret: Option<Secret>) -> Option<Secret> {
        let is_referenced = self.wiring.naming(name).is_referenced;
        if let Some(new) = &secret {
            new.hold(&mut self.groups, is_referenced);
        }
        let exists = secret.is_some();
        let before = match secret {
            Some(new) => {
                let namespaces = self.namespaces_of.entry(name.name.clone()).or_default();
                namespaces.insert(name.namespace.clone());
                self.secrets.insert(name.clone(), new)
            }
            None => {
                if let Some(namespaces) = self.namespaces_of.get_mut(&name.name) {
                    namespaces.remove(&name.namespace);
                    if namespaces.is_empty() {
                        self.namespaces_of.remove(&name.name);
                    }
                }
                self.secrets.remove(name)
            }
        };
        for claim in self.claims.naming(name) {
            let Some(claim) = self.claims.get_mut(claim) else {
                continue;
            };
            let candidates = secrets::candidates(&self.secrets, claim);
            self.groups.take(&claim.image, &candidates);
            self.groups.give_back(&claim.image, &claim.candidates);
            claim.candidates = candidates;
            self.groups.review(claim);
        }
        if let Some(before) = &before {
            before.let_go(&mut self.groups);
        }
        self.wiring.exists(name, exists);
        before
    }

    pub(super) fn apply_namespace(&mut self, watch: &Watch, seen: &NamespaceSeen) {
        let record = self.record(watch, seen.uid);
        let name = self.names.intern(&seen.name);
        let before = self.mark_of_namespace(&name);
        let mark = Mark::of(&seen.annotations);
        let namespace = Namespace { record, mark };
        self.namespaces.insert(name.clone(), namespace);
        self.departed.namespace_is_back(&name);
        if before != mark {
            self.mark_all(&name);
        }
    }

    pub(super) fn delete_namespace(&mut self, uid: Uid, name: &str) {
        let is_it = |held: &Namespace| held.record.uid == uid;
        if self.namespaces.get(name).is_some_and(is_it)
            && let Some((name, namespace)) = self.namespaces.remove_entry(name)
        {
            self.namespace_departed(name, namespace.mark);
        }
    }

    /// Removes what belongs to the watch and its newest list did not bring.
    pub(super) fn sweep(&mut self, watch: &Watch) {
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
                stale.iter().for_each(|name| self.remove_secret(name));
            }
            // They are no part of the graph.
            Resource::Events => {}
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
                let stale: Vec<_> = self
                    .namespaces
                    .iter()
                    .filter(|(name, namespace)| is_stale(&namespace.record, name))
                    .map(|(name, namespace)| (namespace.record.uid, name.clone()))
                    .collect();
                for (uid, name) in stale {
                    self.delete_namespace(uid, &name);
                }
            }
        }
    }
}

/// Takes in a claim that is new, with all that follows from it.
pub(super) fn link(
    claim: &mut Claim,
    secrets: &BTreeMap<Named, Secret>,
    groups: &mut Groups,
    created: Created,
) {
    claim.candidates = secrets::candidates(secrets, claim);
    groups.use_registry(claim.image.registry(), &claim.namespace, created);
    groups.take(&claim.image, &claim.candidates);
}

/// Takes out one that nobody makes any more.
pub(super) fn unlink(claim: &mut Claim, groups: &mut Groups) {
    groups.close(claim);
    groups.give_back(&claim.image, &claim.candidates);
    groups.drop_registry(claim.image.registry(), &claim.namespace);
}

pub(super) fn of_namespace(namespace: &Arc<str>, secrets: &[Arc<str>]) -> Vec<Named> {
    let named = |name: &Arc<str>| Named {
        namespace: namespace.clone(),
        name: name.clone(),
    };
    secrets.iter().map(named).collect()
}

/// Names in order, each once.
fn distinct(names: &[String]) -> impl Iterator<Item = &str> {
    names
        .iter()
        .enumerate()
        .filter(|(n, name)| !names[..*n].contains(name))
        .map(|(_, name)| &**name)
}
