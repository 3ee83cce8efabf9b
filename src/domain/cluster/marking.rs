//! Which mark applies to what, and what follows when that changes.

use std::sync::Arc;

use super::apply;
use super::claims::ShapeId;
use super::groups::Which;
use super::mark::Mark;
use super::wiring::By;
use super::{Cluster, Named, ObjectName, Uid};

impl Cluster {
    /// The strongest mark that applies to the Secret.
    pub fn mark_on(&self, secret: &ObjectName) -> Option<Mark> {
        let name = Named {
            namespace: secret.namespace.as_str().into(),
            name: secret.name.as_str().into(),
        };
        self.secrets.get(&name)?.mark
    }

    /// Of the Pod's ServiceAccount or namespace: with one, nothing is asked for its images.
    pub fn mark_of_pod(&self, uid: Uid) -> Option<Mark> {
        let (mark, _) = self.claims.marked(self.pods.get(&uid)?.shape);
        mark
    }

    /// Of a ServiceAccount and its Pods; of the namespace alone where it is empty.
    pub fn mark_of(&self, namespace: &str, account: &str) -> Option<Mark> {
        self.mark_of_named(&Named {
            namespace: namespace.into(),
            name: account.into(),
        })
    }

    pub(super) fn mark_of_namespace(&self, namespace: &str) -> Option<Mark> {
        match self.namespaces.get(namespace) {
            Some(namespace) => namespace.mark,
            None => self.departed.of_namespace(namespace),
        }
    }

    /// Of a ServiceAccount and its Pods; it may not be there (yet, or any more).
    pub(super) fn mark_of_account(&mut self, namespace: &Arc<str>, name: &str) -> Option<Mark> {
        let name = Named {
            namespace: namespace.clone(),
            name: self.names.intern(name),
        };
        self.mark_of_named(&name)
    }

    fn mark_of_named(&self, account: &Named) -> Option<Mark> {
        match self.service_accounts.get(account) {
            Some(account) => account.mark,
            None => {
                let own = self.departed.of_account(account);
                own.max(self.mark_of_namespace(&account.namespace))
            }
        }
    }

    /// Of a Secret with a mark of its own: what only those with a mark name has theirs. Not where
    /// Secrets count that nobody names: there anybody could silence one by naming it.
    pub(super) fn mark_of_secret(&self, name: &Named, own: Option<Mark>) -> Option<Mark> {
        let of_those_who_name_it = match self.groups.which() {
            Which::Referenced | Which::InUse => self.wiring.naming(name).mark,
            Which::All | Which::None => None,
        };
        own.max(self.mark_of_namespace(&name.namespace))
            .max(of_those_who_name_it)
    }

    /// Puts everything in a namespace under the marks that it has now.
    pub(super) fn mark_all(&mut self, namespace: &Arc<str>) {
        let is_here = |name: &&Named| name.namespace == *namespace;
        let accounts = self.service_accounts.keys().filter(is_here).cloned();
        for account in accounts.collect::<Vec<_>>() {
            self.mark_account(&account);
        }
        self.mark_pods(namespace, None);
        let secrets = self.secrets.keys().filter(is_here).cloned();
        for secret in secrets.collect::<Vec<_>>() {
            self.mark_secret(&secret);
        }
    }

    fn mark_account(&mut self, name: &Named) {
        let of_namespace = self.mark_of_namespace(&name.namespace);
        let Some(account) = self.service_accounts.get_mut(name) else {
            return;
        };
        let (before, after) = (account.mark, account.own.max(of_namespace));
        account.mark = after;
        if before == after {
            return;
        }
        let secrets = Arc::clone(&account.pull_secrets);
        for secret in apply::of_namespace(&name.namespace, &secrets) {
            self.rewire(&secret, |wiring| {
                wiring.dropped_by(&secret, By::ServiceAccount, before, 1);
                wiring.named_by(&secret, By::ServiceAccount, after, 1);
            });
        }
    }

    /// Of a namespace, or of one of its ServiceAccounts.
    pub(super) fn mark_pods(&mut self, namespace: &Arc<str>, account: Option<&str>) {
        for shape in self.claims.shapes_of(namespace, account) {
            let Some(account) = self.claims.account_of(shape) else {
                continue;
            };
            let mark = self.mark_of_account(&account.namespace, &account.name);
            self.mark_shape(shape, mark);
        }
    }

    fn mark_shape(&mut self, shape: ShapeId, after: Option<Mark>) {
        let (before, pods) = self.claims.marked(shape);
        if before == after {
            return;
        }
        let (secrets, groups) = (&self.secrets, &mut self.groups);
        let (over, left) = self.claims.mark(shape, after, |claim, created| {
            apply::link(claim, secrets, groups, created);
        });
        for mut claim in over {
            apply::unlink(&mut claim, &mut self.groups);
        }
        self.review(&left);
        self.review_shape(shape);
        for secret in self.claims.secrets_named(shape) {
            self.rewire(&secret, |wiring| {
                wiring.dropped_by(&secret, By::Pod, before, pods);
                wiring.named_by(&secret, By::Pod, after, pods);
            });
        }
    }

    pub(super) fn mark_secret(&mut self, name: &Named) {
        let Some(secret) = self.secrets.get(name) else {
            return;
        };
        let mark = self.mark_of_secret(name, secret.own);
        if secret.mark != mark {
            let marked = secret.marked(mark);
            // What it interned is the new one's.
            drop(self.swap_secret(name, Some(marked)));
        }
    }
}
