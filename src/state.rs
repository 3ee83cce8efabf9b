//! What the program knows, behind one lock.
//!
//! Reached through [`Shared::read`] and [`Shared::update`] only: short, synchronous, no await and
//! no logging inside. A panic inside one does not lock the others out.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};

use crate::domain::attempts::{Attempts, Happening};
use crate::domain::cluster::{Change, Cluster, Mark, Resource};
use crate::domain::quotas::Quotas;
use crate::domain::rows::{Listed, Unsorted};
use crate::domain::verdict::Verdicts;
use crate::domain::watches::Watches;

/// Everything that a scrape, a page or a report shows.
#[derive(Debug, Default)]
pub struct State {
    /// Objects and how they hang together.
    pub cluster: Cluster,
    /// What Pods went through to get their images.
    pub attempts: Attempts,
    /// What the registries said.
    pub verdicts: Verdicts,
    /// What they told of quotas.
    pub quotas: Quotas,
    /// How the watches fare.
    pub watches: Watches,
}

/// A handle on the one [`State`].
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<RwLock<State>>);

impl Shared {
    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Nothing known yet.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            ..Self::default()
        }
    }

    /// Takes in one change; returns what came to light by it, for whoever counts.
    pub fn take(&mut self, change: Change, now: DateTime<Utc>) -> Vec<Happening> {
        let Self {
            cluster, attempts, ..
        } = self;
        let is_ignored = |namespace: &str, account: &str| {
            cluster.mark_of(namespace, account) == Some(Mark::Ignored)
        };
        let happened = attempts.observe(&change, now, is_ignored);
        cluster.apply(change);
        happened
    }

    /// Keeps, of these namespaces, those that are not there any more. While we do not see namespaces,
    /// none is taken for gone.
    pub fn retain_gone(&self, namespaces: &mut BTreeSet<Arc<str>>) {
        let are_seen = self.watches.has_listed(Resource::Namespaces);
        namespaces.retain(|name| are_seen && !self.cluster.has_namespace(name));
    }

    /// Copies out what is shown of credentials, to be put in order when the lock is gone.
    pub fn rows(&self, now: DateTime<Utc>) -> Unsorted {
        let has = |resource| self.watches.has_listed(resource);
        let listed = Listed {
            secrets: has(Resource::DockerConfigJsonSecrets) && has(Resource::DockerCfgSecrets),
            referrers: has(Resource::Pods) && has(Resource::ServiceAccounts),
        };
        let is_ignored = |namespace: &str, account: &str| {
            self.cluster.mark_of(namespace, account) == Some(Mark::Ignored)
        };
        let rows = self.cluster.rows(&self.verdicts, &self.quotas, listed, now);
        rows.with_blocked(self.attempts.blocked(is_ignored))
    }
}

impl From<State> for Shared {
    fn from(state: State) -> Self {
        Self(Arc::new(RwLock::new(state)))
    }
}
