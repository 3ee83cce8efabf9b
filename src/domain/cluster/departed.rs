//! What Namespaces and ServiceAccounts asked for that are gone, while something of theirs is left.
//!
//! Each kind of object has its own watch, and one may lag behind: of a namespace that is deleted the
//! end may be told before that of its Secrets. What is left of it is left alone on, until nothing is
//! left, or another one of its name says what it wants.

use std::collections::HashMap;
use std::sync::Arc;

use super::mark::Mark;
use super::{Cluster, Named};

/// The marks of those that are gone. None is kept for nothing.
#[derive(Debug, Default)]
pub(super) struct Departed {
    namespaces: HashMap<Arc<str>, Mark>,
    /// Without what their namespaces ask for.
    accounts: HashMap<Named, Mark>,
}

impl Departed {
    pub(super) fn of_namespace(&self, name: &str) -> Option<Mark> {
        self.namespaces.get(name).copied()
    }

    pub(super) fn of_account(&self, name: &Named) -> Option<Mark> {
        self.accounts.get(name).copied()
    }

    /// One of this name is there.
    pub(super) fn namespace_is_back(&mut self, name: &str) {
        self.namespaces.remove(name);
    }

    /// One of this name is there.
    pub(super) fn account_is_back(&mut self, name: &Named) {
        self.accounts.remove(name);
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.accounts.is_empty()
    }
}

impl Cluster {
    /// A Namespace is gone that had this mark.
    pub(super) fn namespace_departed(&mut self, name: Arc<str>, mark: Option<Mark>) {
        if let Some(mark) = mark.filter(|_| self.has_objects_in(&name)) {
            self.departed.namespaces.insert(name, mark);
        }
    }

    /// A ServiceAccount is gone that had this mark of its own.
    pub(super) fn account_departed(&mut self, name: &Named, own: Option<Mark>) {
        if let Some(mark) = own.filter(|_| self.has_pods_of(name)) {
            self.departed.accounts.insert(name.clone(), mark);
        }
        self.left(&name.namespace);
    }

    /// The last Pod of a shape of this ServiceAccount is gone.
    pub(super) fn shape_left(&mut self, account: &Named) {
        if self.departed.accounts.contains_key(account) && !self.has_pods_of(account) {
            self.departed.accounts.remove(account);
        }
        self.left(&account.namespace);
    }

    /// An object of the namespace is gone.
    pub(super) fn left(&mut self, namespace: &str) {
        if self.departed.namespaces.contains_key(namespace) && !self.has_objects_in(namespace) {
            self.departed.namespaces.remove(namespace);
        }
    }

    fn has_objects_in(&self, namespace: &str) -> bool {
        let is_in = |name: &Named| *name.namespace == *namespace;
        self.secrets.keys().any(is_in)
            || self.service_accounts.keys().any(is_in)
            || !self.claims.shapes_of(namespace, None).is_empty()
    }

    fn has_pods_of(&self, account: &Named) -> bool {
        let shapes = self
            .claims
            .shapes_of(&account.namespace, Some(&account.name));
        !shapes.is_empty()
    }
}
