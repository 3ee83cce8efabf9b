//! What the program knows, behind one lock.
//!
//! Reached through [`Shared::read`] and [`Shared::update`] only: short, synchronous, no await and
//! no logging inside. A panic inside one does not lock the others out.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};

use crate::domain::attempts::{Attempts, Happening};
use crate::domain::cluster::{
    Change, Cluster, Examination, Known, Mark, ObjectName, Reading, Resource, Sight,
};
use crate::domain::findings::Finding;
use crate::domain::node_credentials::NodeCredentials;
use crate::domain::overview::{Chosen, Filter, MOST_FINDINGS, Overview};
use crate::domain::probe_log::ProbeLog;
use crate::domain::quotas::Quotas;
use crate::domain::rows::{Listed, Unsorted};
use crate::domain::verdict::Verdicts;
use crate::domain::watches::{WatchHealth, Watches};

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
    /// What was asked of them lately.
    pub probe_log: ProbeLog,
    /// What nodes have themselves.
    pub node_credentials: NodeCredentials,
    /// How long we have looked.
    pub sight: Sight,
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

    /// Takes in one change; returns what came to light by it, for whoever counts. An object whose
    /// reading panics is set aside, and what it was before with it: the others are none of its.
    pub fn take(&mut self, change: Change, now: DateTime<Utc>) -> Taken {
        self.take_by(change, now, Cluster::read)
    }

    fn take_by(
        &mut self,
        change: Change,
        now: DateTime<Utc>,
        read: impl FnOnce(&Cluster, Change) -> Reading,
    ) -> Taken {
        let Self {
            cluster, attempts, ..
        } = self;
        let (object, removal) = change.brought().unzip();
        let is_ignored = |namespace: &str, account: &str| {
            cluster.mark_of(namespace, account) == Some(Mark::Ignored)
        };
        // Attempts are kept by Pod, so that one whose message panics is wrong about itself at most.
        let observe = AssertUnwindSafe(|| attempts.observe(&change, now, is_ignored));
        let happened = catch_unwind(observe).ok();
        // Only looks at the graph, so that there is nothing half done.
        let reading = catch_unwind(AssertUnwindSafe(|| read(cluster, change))).ok();
        let has_panicked = happened.is_none() || reading.is_none();
        match (reading, removal) {
            (Some(reading), _) => cluster.take(reading),
            (None, Some(removal)) => cluster.apply(removal),
            (None, None) => {}
        }
        Taken {
            happened: happened.unwrap_or_default(),
            set_aside: has_panicked.then(|| object.unwrap_or_default()),
        }
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
            secrets: self.has_secrets(),
            referrers: has(Resource::Pods) && has(Resource::ServiceAccounts),
        };
        let pods = self.examine(now);
        let (verdicts, quotas) = (&self.verdicts, &self.quotas);
        self.cluster.rows(verdicts, quotas, pods, listed, now)
    }

    /// Everything at a glance, of the findings those that are wanted; `in_order` puts the rest together
    /// when the lock is gone.
    pub fn glance(&self, filter: &Filter, now: DateTime<Utc>) -> Glance {
        let mut examination = self.examine(now);
        let mut blocked = examination.blocked();
        blocked.retain(|finding| finding.is_told && filter.takes(finding));
        let mut at_risk = examination.at_risk(None);
        at_risk.retain(|finding| filter.takes(finding));
        let mut choose = |mut found: Vec<Finding>| {
            found.sort_by(|a, b| a.order().cmp(&b.order()));
            let left_out = found.len().saturating_sub(MOST_FINDINGS);
            found.truncate(MOST_FINDINGS);
            let explain = |finding| examination.explain(finding);
            Chosen {
                found: found.into_iter().map(explain).collect(),
                left_out,
            }
        };
        let chosen = (choose(blocked), choose(at_risk));
        Glance {
            chosen,
            rows: self.rows(now),
            watches: self.watches.by_resource(),
            now,
        }
    }

    /// Looks at all Pods.
    pub fn examine(&self, now: DateTime<Utc>) -> Examination<'_> {
        let known = Known {
            verdicts: &self.verdicts,
            node_credentials: &self.node_credentials,
            has_secrets: self.has_secrets(),
            sight: self.sight,
            now,
        };
        self.cluster.examine(&self.attempts, known)
    }

    fn has_secrets(&self) -> bool {
        let has = |resource| self.watches.has_listed(resource);
        has(Resource::DockerConfigJsonSecrets) && has(Resource::DockerCfgSecrets)
    }
}

/// What was copied for a glance.
#[derive(Debug)]
pub struct Glance {
    chosen: (Chosen, Chosen),
    rows: Unsorted,
    watches: BTreeMap<&'static str, WatchHealth>,
    now: DateTime<Utc>,
}

impl Glance {
    /// Put together; needs no lock.
    pub fn in_order(self) -> Overview {
        let rows = self.rows.in_order();
        Overview::of(self.chosen, rows, &self.watches, self.now)
    }
}

/// What came of a change.
#[derive(Debug, Default)]
pub struct Taken {
    /// What counters move by.
    pub happened: Vec<Happening>,
    /// The object whose reading panicked.
    pub set_aside: Option<ObjectName>,
}

impl From<State> for Shared {
    fn from(state: State) -> Self {
        Self(Arc::new(RwLock::new(state)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cluster::{ContainerSeen, PodSeen, Uid, Watch};

    fn pod(uid: u128, image: &str) -> Change {
        let watch = Watch {
            resource: Resource::Pods,
            namespace: None,
        };
        let seen = PodSeen {
            uid: Uid(uid),
            object: ObjectName {
                namespace: "shop".to_owned(),
                name: format!("web-{uid}"),
            },
            containers: vec![ContainerSeen {
                image: image.to_owned(),
                ..ContainerSeen::default()
            }],
            ..PodSeen::default()
        };
        Change::PodApplied(watch, seen)
    }

    #[test]
    fn an_object_whose_reading_panics_is_set_aside_with_what_it_was_and_comes_back() {
        let (mut state, now) = (State::default(), DateTime::UNIX_EPOCH);
        let pods = |state: &State| state.rows(now).in_order().objects["pods"];
        for uid in [1, 2] {
            let taken = state.take(pod(uid, "r.example/app:1"), now);
            assert_eq!(taken.set_aside, None);
        }
        let read = |_: &Cluster, _| panic!("S3CRET");
        let taken = state.take_by(pod(1, "r.example/app:2"), now, read);
        assert_eq!(taken.set_aside.unwrap().name, "web-1");
        assert_eq!(pods(&state), 1);
        state.take(pod(3, "r.example/app:1"), now);
        state.take(pod(1, "r.example/app:3"), now);
        assert_eq!(pods(&state), 3);
    }
}
