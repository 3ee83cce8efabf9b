//! Attempts to pull that failed, each counted once, and who waits for one now.
//!
//! Two sources tell of one attempt, and neither tells of all (reference: client-go
//! tools/record/events_cache.go; measured on a kubelet 1.20.2 that failed for an hour, which wrote
//! four Events in its first 91 s and none after, while each attempt showed in the Pod's status):
//!
//! - **T**, transitions of a container's waiting reason into a failed pull;
//! - **E**, what the counts of its `Failed to pull image` Events grew by.
//!
//! An attempt is one back-off step of one container of one Pod, and of those there were
//! [max(T, E)](pod::Trouble::attempts): the counter moves by the growth of the maximum, inside the
//! update that takes the change in. So either source may be late, missing or repeated, and their
//! order does not matter.
//!
//! What a Pod had at our start is where it begins. What is kept of it dies with it, but for the
//! time in which an Event may still come that tells again of what was counted.

mod departed;
mod pod;
mod spoken;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::cluster::{Change, EventSeen, PodSeen, Resource, Uid, Watch};
use super::image::Registry;
use super::name::Names;
use super::pull_failure::Reason;
use departed::Departed;
use pod::{Seen, Trouble};
pub use pod::{Told, Waiting};
use spoken::Spoken;
pub use spoken::is_of_a_failed_pull;
pub(crate) use waiting::waits_for;

/// What came to light by one change: counters move by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Pulls failed.
    Failed {
        /// Of a Pod in this namespace.
        namespace: Arc<str>,
        /// That of the image; `None` where its name is none.
        registry: Option<Registry>,
        /// What the newest of their messages says.
        reason: Reason,
        /// So many attempts, at least one.
        attempts: u64,
    },
    /// A container runs whose pulls had failed.
    Recovered {
        /// That of the image.
        registry: Registry,
        /// Since its first failure that we know of; never negative.
        after: TimeDelta,
    },
}

/// Every Pod that is in trouble, or was, for as long as it is there.
#[derive(Debug, Default)]
pub struct Attempts {
    names: Names,
    pods: HashMap<Uid, Trouble>,
    lists: HashMap<Watch, List>,
    departed: Departed,
    /// When the Pods were first listed: what is older is none of ours.
    began: Option<DateTime<Utc>>,
}

/// How a watch's lists stand.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    /// Lists begun.
    epoch: u32,
    /// One ended whole, so that the next is no beginning.
    is_known: bool,
}

impl Attempts {
    /// Takes in one change. Of Pods that `is_ignored` knows by namespace and ServiceAccount nothing
    /// is told; the ServiceAccount is empty where only an Event names the Pod.
    pub fn observe(
        &mut self,
        change: &Change,
        now: DateTime<Utc>,
        is_ignored: impl FnOnce(&str, &str) -> bool,
    ) -> Vec<Happening> {
        match change {
            Change::ListStarted(watch) => self.list_started(watch, now),
            Change::ListFinished(watch) => self.list_finished(watch, now),
            Change::PodApplied(watch, seen) => {
                let happened = self.pod_applied(watch, seen, now);
                let is_told = happened.is_empty()
                    || !is_ignored(&seen.object.namespace, &seen.service_account);
                return if is_told { happened } else { Vec::new() };
            }
            Change::PodDeleted(uid) => self.pod_deleted(*uid, now),
            Change::EventApplied(watch, seen) => {
                let happened = self.event_applied(watch, seen, now);
                let account = self
                    .pods
                    .get(&seen.pod)
                    .map_or("", Trouble::service_account);
                let is_told = happened.is_empty() || !is_ignored(&seen.object.namespace, account);
                return if is_told { happened } else { Vec::new() };
            }
            Change::SecretApplied(..)
            | Change::SecretDeleted(..)
            | Change::ServiceAccountApplied(..)
            | Change::ServiceAccountDeleted(..)
            | Change::NamespaceApplied(..)
            | Change::NamespaceDeleted(..)
            | Change::NameLookedUp(..) => {}
        }
        Vec::new()
    }

    /// The containers that wait for an image now, of each Pod in the kubelet's order.
    pub fn waiting(&self) -> impl Iterator<Item = (Uid, Waiting<'_>)> {
        let pods = self.pods.iter();
        pods.flat_map(|(uid, pod)| pod.waiting().map(|waiting| (*uid, waiting)))
    }

    /// What is known of why a container waits: by the newest message that told a cause.
    pub fn told(&self, pod: Uid, container: &str) -> Option<&Told> {
        self.pods.get(&pod)?.told(container)
    }

    fn list_started(&mut self, watch: &Watch, now: DateTime<Utc>) {
        if watch.resource == Resource::Pods {
            self.began.get_or_insert(now);
        }
        self.lists.entry(watch.clone()).or_default().epoch += 1;
    }

    fn list_finished(&mut self, watch: &Watch, now: DateTime<Utc>) {
        let list = self.lists.entry(watch.clone()).or_default();
        list.is_known = true;
        if watch.resource != Resource::Pods {
            return;
        }
        let epoch = list.epoch;
        let scope = watch.namespace.as_deref();
        let is_gone = |pod: &Trouble| {
            pod.is_older_than(epoch) && scope.is_none_or(|of| *of == **pod.namespace())
        };
        let gone = self.pods.iter().filter(|(_, pod)| is_gone(pod));
        let gone: Vec<Uid> = gone.map(|(uid, _)| *uid).collect();
        for uid in gone {
            self.pod_deleted(uid, now);
        }
    }

    fn pod_applied(&mut self, watch: &Watch, seen: &PodSeen, now: DateTime<Utc>) -> Vec<Happening> {
        let list = self.lists.get(watch).copied().unwrap_or_default();
        if seen.uid == Uid::default() {
            return Vec::new();
        }
        if !self.pods.contains_key(&seen.uid) {
            if !waiting::is_any_in_trouble(seen) {
                return Vec::new();
            }
            let namespace = self.names.intern(&seen.object.namespace);
            self.pods.insert(seen.uid, Trouble::of(namespace));
        }
        let Some(pod) = self.pods.get_mut(&seen.uid) else {
            return Vec::new();
        };
        let is_new = self
            .began
            .is_some_and(|began| seen.created.is_some_and(|at| at >= began));
        if pod.is_departed() {
            self.departed.is_back(pod.namespace());
        }
        let names = &mut self.names;
        pod.seen(Seen {
            pod: seen,
            service_account: names.intern(&seen.service_account),
            epoch: list.epoch,
            is_beginning: !list.is_known && !is_new,
            is_new,
            now,
        })
    }

    fn pod_deleted(&mut self, uid: Uid, now: DateTime<Utc>) {
        let Some(pod) = self.pods.get_mut(&uid) else {
            return;
        };
        if pod.is_departed() {
            return;
        }
        pod.depart(now);
        let namespace = pod.namespace().clone();
        if !self.departed.add(uid, namespace, now) {
            self.pods.remove(&uid);
        }
        self.forget(now);
    }

    fn event_applied(
        &mut self,
        watch: &Watch,
        seen: &EventSeen,
        now: DateTime<Utc>,
    ) -> Vec<Happening> {
        self.forget(now);
        let Some(spoken) = Spoken::of(seen) else {
            return Vec::new();
        };
        if !self.pods.contains_key(&seen.pod) {
            let namespace = self.names.intern(&seen.object.namespace);
            if !self.departed.add(seen.pod, namespace.clone(), now) {
                return Vec::new();
            }
            let mut pod = Trouble::of(namespace);
            pod.depart(now);
            self.pods.insert(seen.pod, pod);
        }
        let Some(pod) = self.pods.get_mut(&seen.pod) else {
            return Vec::new();
        };
        let is_known = self.lists.get(watch).is_some_and(|list| list.is_known);
        let is_old = |at: DateTime<Utc>| self.began.is_some_and(|began| at < began);
        let fresh = match (pod.is_new(), is_known) {
            (true, _) => u64::from(seen.count),
            (false, false) => 0,
            // The rest of its count is from before our start.
            (false, true) if seen.first.is_some_and(is_old) => 1,
            (false, true) => u64::from(seen.count),
        };
        pod.heard(&spoken, fresh, now).into_iter().collect()
    }

    /// Lets go of what no Event can tell again.
    fn forget(&mut self, now: DateTime<Utc>) {
        let pods = &mut self.pods;
        self.departed.forget(now, |uid| {
            let departed = pods.get(&uid).and_then(Trouble::departed);
            if departed.is_some_and(|at| departed::is_over(at, now)) {
                pods.remove(&uid);
            }
            departed
        });
    }
}
