//! What was read, taken into the state that the daemon would have, with what the report needs of it
//! beside; and what is planned, as the API server would make it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::manifest::Manifests;
use crate::config::Check;
use crate::domain::cluster::{
    Change, Cluster, ContainerSeen, Holding, ObjectName, PodSeen, Resource, Sight, Uid, Watch,
};
use crate::domain::expiry::Sources;
use crate::domain::image::Reference;
use crate::state::{Shared, State};

/// The ServiceAccount of a pod that names none.
const DEFAULT_ACCOUNT: &str = "default";

/// Takes changes in: into the graph, and entry by entry for the report.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    pub(super) shared: Shared,
    pub(super) sources: Arc<Sources>,
    seen: Arc<Mutex<Seen>>,
    /// Images or workloads were asked about: the cluster's own pods do not count.
    only_ours: bool,
}

/// What the report needs of the changes.
#[derive(Debug, Default)]
pub(super) struct Seen {
    holdings: Vec<Holding>,
    /// `imagePullSecrets` of each ServiceAccount.
    accounts: BTreeMap<ObjectName, Vec<String>>,
    namespaces: BTreeSet<String>,
    /// Annotations of ours, by kind and name.
    annotations: BTreeMap<(Kind, ObjectName), Annotations>,
}

type Annotations = BTreeMap<String, String>;

/// What has annotations that say what we may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Secret,
    ServiceAccount,
    Namespace,
}

impl Seen {
    /// What is applied leaves alone what it does not name: the annotations that are there, and the list of
    /// a ServiceAccount.
    fn merge(&self, change: &mut Change) {
        let (kind, object, annotations) = match change {
            Change::SecretApplied(_, seen) => {
                (Kind::Secret, seen.object.clone(), &mut seen.annotations)
            }
            Change::ServiceAccountApplied(_, seen) => {
                if seen.pull_secrets.is_empty()
                    && let Some(listed) = self.accounts.get(&seen.object)
                {
                    seen.pull_secrets.clone_from(listed);
                }
                let object = seen.object.clone();
                (Kind::ServiceAccount, object, &mut seen.annotations)
            }
            Change::NamespaceApplied(_, seen) => (
                Kind::Namespace,
                namespace(&seen.name),
                &mut seen.annotations,
            ),
            _ => return,
        };
        for (name, value) in self.annotations.get(&(kind, object)).into_iter().flatten() {
            annotations
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
    }
}

fn namespace(name: &str) -> ObjectName {
    ObjectName {
        namespace: String::new(),
        name: name.to_owned(),
    }
}

impl Intake {
    pub(super) fn of(asked: &Check) -> Self {
        let settings = &asked.settings;
        let cluster = Cluster::new(settings.expiry.clone(), settings.probe.which).without_caps();
        let mut state = State::new(cluster);
        state.node_credentials = settings.node_credentials.clone();
        state.sight = Sight::Once;
        Self {
            shared: Shared::from(state),
            sources: Arc::new(settings.expiry.clone()),
            seen: Arc::default(),
            only_ours: !(asked.images.is_empty() && asked.manifests.is_empty()),
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Namespaces were listed, and there is none of those that are looked at.
    pub(super) fn has_no_namespace(&self) -> bool {
        let is_listed = |state: &State| state.watches.has_listed(Resource::Namespaces);
        self.shared.read(is_listed) && self.seen().namespaces.is_empty()
    }

    /// Takes in what manifests bring, over what is there, and their workloads with the pull secrets
    /// that the API server would give to their Pods.
    pub(super) fn plan(&self, manifests: Manifests, notes: &mut Vec<String>) -> Vec<PodSeen> {
        // What a Secret of another type is matters once somebody names it.
        let is_answer = |change: &Change| matches!(change, Change::NameLookedUp(..));
        let (answers, mut brought): (Vec<_>, Vec<_>) =
            manifests.brought.into_iter().partition(is_answer);
        brought
            .iter_mut()
            .for_each(|change| self.seen().merge(change));
        self.take(brought);
        let mut planned = manifests.planned;
        let is_listed = |state: &State| state.watches.has_listed(Resource::ServiceAccounts);
        let sees_accounts = self.shared.read(is_listed);
        notes.extend(self.namespaces_to_make(&planned));
        let mut absent = BTreeSet::new();
        for pod in &mut planned {
            let account = ObjectName {
                namespace: pod.object.namespace.clone(),
                name: pod.service_account.clone(),
            };
            let seen = self.seen();
            match seen.accounts.get(&account) {
                // (k8s plugin/pkg/admission/serviceaccount: `Admit`).
                Some(listed) if pod.pull_secrets.is_empty() => pod.pull_secrets.clone_from(listed),
                // The default one is made with its namespace.
                None if sees_accounts && account.name != DEFAULT_ACCOUNT => {
                    absent.insert(account);
                }
                Some(_) | None => {}
            }
        }
        notes.extend(absent.iter().map(|ObjectName { namespace, name }| {
            format!(
                "There is no ServiceAccount {namespace}/{name}: the API server makes no Pod that \
                 wants it."
            )
        }));
        let watch = Watch {
            resource: Resource::Pods,
            namespace: None,
        };
        let pods = planned.iter().cloned();
        self.take(
            pods.map(|pod| Change::PodApplied(watch.clone(), pod))
                .collect(),
        );
        self.take(answers);
        planned
    }

    fn namespaces_to_make(&self, planned: &[PodSeen]) -> Vec<String> {
        let is_listed = |state: &State| state.watches.has_listed(Resource::Namespaces);
        if !self.shared.read(is_listed) {
            return Vec::new();
        }
        let seen = self.seen();
        let names: BTreeSet<_> = planned.iter().map(|pod| &pod.object.namespace).collect();
        let absent = names
            .into_iter()
            .filter(|name| !seen.namespaces.contains(*name));
        absent
            .map(|name| format!("There is no namespace {name}: it must be made first."))
            .collect()
    }

    pub(super) fn take(&self, changes: Vec<Change>) {
        for change in changes {
            match &change {
                Change::SecretApplied(_, secret) => {
                    let holding = Holding::of(secret, &self.sources);
                    let annotated = (Kind::Secret, secret.object.clone());
                    let mut seen = self.seen();
                    seen.holdings.push(holding);
                    seen.annotations
                        .insert(annotated, secret.annotations.clone());
                }
                Change::ServiceAccountApplied(_, account) => {
                    let (object, listed) = (account.object.clone(), account.pull_secrets.clone());
                    let annotated = (Kind::ServiceAccount, object.clone());
                    let mut seen = self.seen();
                    seen.accounts.insert(object, listed);
                    seen.annotations
                        .insert(annotated, account.annotations.clone());
                }
                Change::NamespaceApplied(_, applied) => {
                    let annotated = (Kind::Namespace, namespace(&applied.name));
                    let mut seen = self.seen();
                    seen.namespaces.insert(applied.name.clone());
                    seen.annotations
                        .insert(annotated, applied.annotations.clone());
                }
                Change::PodApplied(_, pod) if self.only_ours && !is_ours(pod.uid) => continue,
                _ => {}
            }
            self.shared.update(|state| state.cluster.apply(change));
        }
    }
}

impl Seen {
    /// Everything, in the order of names; files in the order given.
    pub(super) fn all(&mut self) -> Vec<Holding> {
        let mut holdings = mem::take(&mut self.holdings);
        if holdings
            .iter()
            .any(|holding| !holding.object.namespace.is_empty())
        {
            holdings.sort_by(|a, b| a.object.cmp(&b.object));
        }
        holdings
    }

    /// What a new pod would name: the list of its ServiceAccount, in that order. Where there is
    /// none, as for files, everything, as if the pod named it all.
    pub(super) fn of_a_new_pod(&mut self) -> (Vec<Holding>, Vec<String>) {
        let all = self.all();
        let is_cluster = all
            .iter()
            .any(|holding| !holding.object.namespace.is_empty());
        if !is_cluster {
            return (all, Vec::new());
        }
        let is_default = |(account, _): &(&ObjectName, _)| account.name == DEFAULT_ACCOUNT;
        let listed = self.accounts.iter().find(is_default);
        let listed = listed.map_or(&[][..], |(_, listed)| listed);
        if listed.is_empty() {
            let note = format!(
                "ServiceAccount {DEFAULT_ACCOUNT} lists no pull secret: a pod must name them \
                 itself. Shown is what a pod that names all of them would try."
            );
            return (all, vec![note]);
        }
        let mut notes = Vec::new();
        let mut named = Vec::new();
        for name in listed {
            match all.iter().find(|holding| holding.object.name == *name) {
                Some(holding) => named.push(holding.clone()),
                None => notes.push(format!(
                    "ServiceAccount {DEFAULT_ACCOUNT} lists {name}, which is no pull secret of \
                     the namespace: the kubelet passes it over."
                )),
            }
        }
        (named, notes)
    }
}

/// No pod of a cluster has it: a uid there is a random UUID.
pub(super) const OUR_POD: Uid = Uid(1);

/// Those of workloads that are not applied yet are counted from [`OUR_POD`] on.
fn is_ours(uid: Uid) -> bool {
    (OUR_POD.0..1 << 64).contains(&uid.0)
}

/// A pod that has these images and names these Secrets.
pub(super) fn pods(images: &[Reference], namespace: &str, holdings: &[Holding]) -> Vec<Change> {
    let containers = images.iter().enumerate().map(|(n, image)| ContainerSeen {
        name: format!("image-{n}"),
        image: image.to_string(),
        ..ContainerSeen::default()
    });
    let pod = PodSeen {
        uid: OUR_POD,
        object: ObjectName {
            namespace: namespace.to_owned(),
            name: "check".to_owned(),
        },
        service_account: DEFAULT_ACCOUNT.to_owned(),
        pull_secrets: holdings
            .iter()
            .map(|holding| holding.object.name.clone())
            .collect(),
        containers: containers.collect(),
        ..PodSeen::default()
    };
    let watch = Watch {
        resource: Resource::Pods,
        namespace: None,
    };
    vec![Change::PodApplied(watch, pod)]
}
