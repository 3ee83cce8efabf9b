//! What one namespace may have asked of registries: a Secret is a tenant's input, and ten thousand of
//! them are no reason to knock at ten thousand doors.
//!
//! Which credentials and hosts have a place is stable: the oldest when the lists come in, and from
//! then on a newcomer waits until one leaves. Files have no namespace and no cap: whoever runs us
//! wrote them.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::mem;
use std::sync::Arc;

use super::Created;
use super::groups::Group;
use super::holder::Holder;
use crate::domain::credential::CredentialId;
use crate::domain::image::Registry;

/// Distinct credentials of one namespace that are sent anywhere (docs/promises.md).
const MOST_CREDENTIALS: usize = 64;

/// Distinct registries that the Secrets and Pods of one namespace have us ask.
const MOST_HOSTS: usize = 20;

/// Every namespace's places.
#[derive(Debug, Default)]
pub(super) struct Caps {
    lifted: bool,
    settled: bool,
    namespaces: HashMap<Arc<str>, Namespace>,
}

/// What a namespace has places for now (true), or no more (false).
#[derive(Debug, Default)]
pub(super) struct Flips {
    pub(super) groups: Vec<(Group, bool)>,
    /// Registries that its Pods name.
    pub(super) hosts: Vec<(Registry, bool)>,
}

#[derive(Debug)]
struct Namespace {
    credentials: Places<Arc<Holder>, CredentialId>,
    hosts: Places<Created, Registry>,
    groups: HashMap<Group, Demand>,
    by_pods: HashMap<Registry, Demand>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    count: u32,
    admitted: bool,
}

impl Caps {
    /// Nothing is capped from now on; to be called before anything is demanded.
    pub(super) fn lift(&mut self) {
        self.lifted = true;
    }

    /// The lists are in: from now on nobody is pushed out.
    pub(super) fn settle(&mut self) {
        self.settled = true;
    }

    /// One more entry would have the group asked.
    pub(super) fn demand(&mut self, group: &Group, holder: &Arc<Holder>) -> Flips {
        let may_push_out = !self.settled;
        let namespace = self.namespace(&holder.namespace);
        namespace.groups.entry(group.clone()).or_default().count += 1;
        let credentials = namespace
            .credentials
            .enter(&group.credential, holder, may_push_out);
        let hosts = namespace
            .hosts
            .enter(&group.registry, &holder.created, may_push_out);
        namespace.flips(Some(group), credentials, hosts)
    }

    /// One entry less.
    pub(super) fn withdraw(&mut self, group: &Group, holder: &Holder) -> Flips {
        let Some(namespace) = self.namespaces.get_mut(&holder.namespace) else {
            return Flips::default();
        };
        if let Some(demand) = namespace.groups.get_mut(group) {
            demand.count -= 1;
        }
        let credentials = namespace.credentials.leave(&group.credential);
        let hosts = namespace.hosts.leave(&group.registry);
        let flips = namespace.flips(Some(group), credentials, hosts);
        self.drop_idle(&holder.namespace);
        flips
    }

    /// One more image of its Pods names the registry.
    pub(super) fn demand_host(
        &mut self,
        namespace: &Arc<str>,
        registry: &Registry,
        created: Created,
    ) -> Flips {
        let may_push_out = !self.settled;
        let namespace = self.namespace(namespace);
        namespace.by_pods.entry(registry.clone()).or_default().count += 1;
        let mut hosts = namespace.hosts.enter(registry, &created, may_push_out);
        hosts.push(registry.clone());
        namespace.flips(None, Vec::new(), hosts)
    }

    /// One image less.
    pub(super) fn withdraw_host(&mut self, name: &Arc<str>, registry: &Registry) -> Flips {
        let Some(namespace) = self.namespaces.get_mut(name) else {
            return Flips::default();
        };
        if let Some(demand) = namespace.by_pods.get_mut(registry) {
            demand.count -= 1;
        }
        let mut hosts = namespace.hosts.leave(registry);
        hosts.push(registry.clone());
        let flips = namespace.flips(None, Vec::new(), hosts);
        self.drop_idle(name);
        flips
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.namespaces.is_empty()
    }

    fn namespace(&mut self, name: &Arc<str>) -> &mut Namespace {
        let is_capped = !self.lifted && !name.is_empty();
        self.namespaces
            .entry(Arc::clone(name))
            .or_insert_with(|| Namespace::new(is_capped))
    }

    fn drop_idle(&mut self, name: &str) {
        let is_idle = |held: &Namespace| held.groups.is_empty() && held.by_pods.is_empty();
        if self.namespaces.get(name).is_some_and(is_idle) {
            self.namespaces.remove(name);
        }
    }
}

impl Namespace {
    fn new(is_capped: bool) -> Self {
        let most = |cap| if is_capped { cap } else { usize::MAX };
        Self {
            credentials: Places::new(most(MOST_CREDENTIALS)),
            hosts: Places::new(most(MOST_HOSTS)),
            groups: HashMap::new(),
            by_pods: HashMap::new(),
        }
    }

    /// What has changed for these. A credential or host that got or lost its place concerns at most
    /// what is inside on the other side: without a place there, it was not asked and is not.
    fn flips(
        &mut self,
        group: Option<&Group>,
        credentials: Vec<CredentialId>,
        hosts: Vec<Registry>,
    ) -> Flips {
        let mut flips = Flips::default();
        let mut concerned: BTreeSet<Group> = group.cloned().into_iter().collect();
        let is_capped = self.hosts.most < usize::MAX;
        if is_capped {
            let inside = || self.hosts.inside().chain(&hosts);
            concerned.extend(
                credentials
                    .iter()
                    .flat_map(|id| inside().map(|host| group_of(host, *id))),
            );
            let inside = || self.credentials.inside().chain(&credentials);
            concerned.extend(
                hosts
                    .iter()
                    .flat_map(|host| inside().map(|id| group_of(host, *id))),
            );
        }
        for group in concerned {
            let is_in =
                self.credentials.is_in(&group.credential) && self.hosts.is_in(&group.registry);
            if let Some(is_admitted) = turn(&mut self.groups, &group, is_in) {
                flips.groups.push((group, is_admitted));
            }
        }
        for host in hosts {
            let is_in = self.hosts.is_in(&host);
            if let Some(is_admitted) = turn(&mut self.by_pods, &host, is_in) {
                flips.hosts.push((host, is_admitted));
            }
        }
        flips
    }
}

/// Notes whether a demand is admitted now, and tells it if that is new. One that is made no more is
/// dropped.
fn turn<K: Eq + Hash>(demands: &mut HashMap<K, Demand>, key: &K, is_in: bool) -> Option<bool> {
    let demand = demands.get_mut(key)?;
    let is_made = demand.count > 0;
    let is_admitted = is_in && is_made;
    let was_admitted = mem::replace(&mut demand.admitted, is_admitted);
    if !is_made {
        demands.remove(key);
    }
    (was_admitted != is_admitted).then_some(is_admitted)
}

fn group_of(registry: &Registry, credential: CredentialId) -> Group {
    Group {
        registry: registry.clone(),
        credential,
    }
}

/// So many places, and who waits for one, by rank.
#[derive(Debug)]
struct Places<R, K> {
    most: usize,
    ranks: HashMap<K, (R, u32)>,
    inside: BTreeSet<(R, K)>,
    waiting: BTreeSet<(R, K)>,
}

impl<R: Ord + Clone, K: Ord + Hash + Clone> Places<R, K> {
    fn new(most: usize) -> Self {
        Self {
            most,
            ranks: HashMap::new(),
            inside: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }

    fn inside(&self) -> impl Iterator<Item = &K> {
        self.inside.iter().map(|(_, key)| key)
    }

    fn is_in(&self, key: &K) -> bool {
        let rank = self.ranks.get(key);
        rank.is_some_and(|(rank, _)| self.inside.contains(&(rank.clone(), key.clone())))
    }

    /// One more reason for a place. Returns whose place has changed.
    fn enter(&mut self, key: &K, rank: &R, may_push_out: bool) -> Vec<K> {
        match self.ranks.get_mut(key) {
            None => {
                self.ranks.insert(key.clone(), (rank.clone(), 1));
                self.waiting.insert((rank.clone(), key.clone()));
            }
            Some((held, count)) => {
                *count += 1;
                if !may_push_out || *held <= *rank {
                    return Vec::new();
                }
                let before = (mem::replace(held, rank.clone()), key.clone());
                let queue = if self.inside.remove(&before) {
                    &mut self.inside
                } else {
                    self.waiting.remove(&before);
                    &mut self.waiting
                };
                queue.insert((rank.clone(), key.clone()));
            }
        }
        self.fill(may_push_out)
    }

    /// One reason less; the last frees the place for who waits longest.
    fn leave(&mut self, key: &K) -> Vec<K> {
        let Some((_, count)) = self.ranks.get_mut(key) else {
            return Vec::new();
        };
        *count -= 1;
        if *count == 0
            && let Some((rank, _)) = self.ranks.remove(key)
        {
            let place = (rank, key.clone());
            self.inside.remove(&place);
            self.waiting.remove(&place);
        }
        self.fill(false)
    }

    fn fill(&mut self, may_push_out: bool) -> Vec<K> {
        let mut moved = Vec::new();
        while self.inside.len() < self.most
            && let Some(first) = self.waiting.pop_first()
        {
            moved.push(first.1.clone());
            self.inside.insert(first);
        }
        while may_push_out
            && self.waiting.first() < self.inside.last()
            && let Some(first) = self.waiting.pop_first()
            && let Some(last) = self.inside.pop_last()
        {
            moved.extend([first.1.clone(), last.1.clone()]);
            self.inside.insert(first);
            self.waiting.insert(last);
        }
        moved
    }
}
