//! One change taken in: an object put in the place of what it was, or removed, and everything that
//! hangs on it looked at again.

use std::sync::Arc;

use super::claims::ShapeId;
use super::secrets::{self, Secret};
use super::wiring::{By, Wiring};
use super::{
    Cluster, Named, NamespaceSeen, ObjectName, Pod, PodSeen, Record, Resource, SecretSeen,
    ServiceAccount, ServiceAccountSeen, Uid, Watch,
};

impl Cluster {
    pub(super) fn apply_pod(&mut self, watch: &Watch, pod: &PodSeen) {
        let record = self.record(watch, pod.uid);
        let (secrets, groups) = (&self.secrets, &mut self.groups);
        let shape = self.claims.acquire(pod, &mut self.names, |claim| {
            claim.candidates = secrets::candidates(secrets, claim);
            groups.use_registry(claim.image.registry(), &claim.namespace, pod.created);
            groups.take(&claim.image, &claim.candidates);
        });
        let namespace = self.names.intern(&pod.object.namespace);
        for name in self.claims.secrets_named(shape) {
            self.rewire(&name, By::Pod, Wiring::named_by);
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

    pub(super) fn delete_pod(&mut self, uid: Uid) {
        if let Some(pod) = self.pods.remove(&uid) {
            self.release_shape(pod.shape);
        }
    }

    fn release_shape(&mut self, shape: ShapeId) {
        let named = self.claims.secrets_named(shape);
        for claim in self.claims.release(shape) {
            self.groups.give_back(&claim.image, &claim.candidates);
            self.groups
                .drop_registry(claim.image.registry(), &claim.namespace);
        }
        // After the claims: while one of them holds a credential, its Secret counts as named.
        for name in named {
            self.rewire(&name, By::Pod, Wiring::dropped_by);
        }
    }

    /// Changes who names a Secret; what it holds is wanted or not accordingly.
    fn rewire(
        &mut self,
        name: &Named,
        by: By,
        change: fn(&mut Wiring, &Named, By) -> Option<bool>,
    ) {
        let Some(is_referenced) = change(&mut self.wiring, name, by) else {
            return;
        };
        let secret = self.secrets.get(name);
        self.wiring.exists(name, secret.is_some());
        for (group, holder) in secret.into_iter().flat_map(Secret::literal_groups) {
            self.groups.reference(&group, holder, is_referenced);
        }
    }

    pub(super) fn apply_service_account(&mut self, watch: &Watch, account: &ServiceAccountSeen) {
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

    pub(super) fn delete_service_account(&mut self, uid: Uid, object: &ObjectName) {
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
        change: fn(&mut Wiring, &Named, By) -> Option<bool>,
    ) {
        let namespace = self.names.intern(namespace);
        for name in pull_secrets {
            let name = Named {
                namespace: namespace.clone(),
                name: name.clone(),
            };
            self.rewire(&name, By::ServiceAccount, change);
        }
    }

    pub(super) fn apply_secret(&mut self, watch: &Watch, seen: SecretSeen) {
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

    pub(super) fn delete_secret(&mut self, uid: Uid, object: &ObjectName) {
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

    pub(super) fn apply_namespace(&mut self, watch: &Watch, namespace: &NamespaceSeen) {
        let record = self.record(watch, namespace.uid);
        let name = self.names.intern(&namespace.name);
        self.namespaces.insert(name, record);
    }

    pub(super) fn delete_namespace(&mut self, uid: Uid, name: &str) {
        if self
            .namespaces
            .get(name)
            .is_some_and(|held| held.uid == uid)
        {
            self.namespaces.remove(name);
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

/// Names in order, each once.
fn distinct(names: &[String]) -> impl Iterator<Item = &str> {
    names
        .iter()
        .enumerate()
        .filter(|(n, name)| !names[..*n].contains(name))
        .map(|(_, name)| &**name)
}
