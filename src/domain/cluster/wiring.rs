//! Who names which Secret, whether it is there or not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Named;
use crate::domain::docker_config::SecretKind;

/// What can name a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Pod,
    ServiceAccount,
}

/// How many name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NamedBy {
    pub(super) pods: u32,
    pub(super) service_accounts: u32,
}

impl NamedBy {
    fn count(&mut self, by: By) -> &mut u32 {
        match by {
            By::Pod => &mut self.pods,
            By::ServiceAccount => &mut self.service_accounts,
        }
    }

    fn is_nobody(self) -> bool {
        self == Self::default()
    }
}

/// Names of Secrets, who lists them, and which of them no watch holds.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    by_name: HashMap<Named, NamedBy>,
    missing: BTreeSet<Named>,
    /// The types of those missing names that the API server knows.
    found: BTreeMap<Named, Arc<str>>,
}

impl Wiring {
    /// One more names it. Returns `Some(true)` when it was not referenced before: whether it is
    /// there is then to be told by [`Wiring::exists`].
    pub(super) fn named_by(&mut self, name: &Named, by: By) -> Option<bool> {
        let entry = self.by_name.entry(name.clone()).or_default();
        let is_first = entry.is_nobody();
        *entry.count(by) += 1;
        is_first.then_some(true)
    }

    /// One less names it. Returns `Some(false)` when it is not referenced any more.
    pub(super) fn dropped_by(&mut self, name: &Named, by: By) -> Option<bool> {
        let entry = self.by_name.get_mut(name)?;
        let count = entry.count(by);
        *count = count.saturating_sub(1);
        if !entry.is_nobody() {
            return None;
        }
        self.by_name.remove(name);
        self.missing.remove(name);
        self.found.remove(name);
        Some(false)
    }

    /// A Secret of this name came or went.
    pub(super) fn exists(&mut self, name: &Named, exists: bool) {
        if exists {
            self.missing.remove(name);
            self.found.remove(name);
        } else if self.is_referenced(name) {
            self.missing.insert(name.clone());
        }
    }

    /// The API server said of which type the Secret is; `None`: there is none of this name.
    pub(super) fn looked_up(&mut self, name: Named, found: Option<Arc<str>>) {
        match found {
            Some(kind) if self.missing.contains(&name) => {
                self.found.insert(name, kind);
            }
            Some(_) | None => {
                self.found.remove(&name);
            }
        }
    }

    pub(super) fn is_referenced(&self, name: &Named) -> bool {
        self.by_name.contains_key(name)
    }

    /// Listed, and held by no watch.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Named> {
        self.missing.iter()
    }

    /// Listed, and absent or of another type. A pull secret that its watch has not brought, since
    /// it lags behind or set the object aside, is neither.
    pub(super) fn unusable(&self) -> impl Iterator<Item = &Named> {
        let is_there = |name| {
            self.found
                .get(name)
                .is_some_and(|kind| is_pull_secret(kind))
        };
        self.missing.iter().filter(move |name| !is_there(*name))
    }

    /// Who lists it.
    pub(super) fn naming(&self, name: &Named) -> NamedBy {
        self.by_name.get(name).copied().unwrap_or_default()
    }

    /// Listed, and there with a type that no kubelet reads.
    pub(super) fn of_other_types(&self) -> impl Iterator<Item = &Named> {
        let others = self.found.iter().filter(|(_, kind)| !is_pull_secret(kind));
        others.map(|(name, _)| name)
    }
}

fn is_pull_secret(kind: &str) -> bool {
    SecretKind::ALL
        .iter()
        .any(|known| known.type_name() == kind)
}
