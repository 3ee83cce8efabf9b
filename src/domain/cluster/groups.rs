//! Groups: what is probed once, however many Secrets hold it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use super::Created;
use super::caps::{Caps, Flips};
use super::claims::{Claim, Told};
use super::holder::{Candidate, Hold, Holder};
use super::pulls::Pull;
use super::registry_use::RegistryUse;
use crate::domain::credential::CredentialId;
use crate::domain::exchange::Manifest;
use crate::domain::image::{Reference, Registry};

/// A credential, as sent to one registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// Where it is sent.
    pub registry: Registry,
    /// What is sent.
    pub credential: CredentialId,
}

/// Which credentials are probed (`--probe.which`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Those of Secrets that a Pod or ServiceAccount names.
    #[default]
    Referenced,
    /// All of them.
    All,
    /// Those that an image of a pod needs, for `check --image`.
    InUse,
    /// None: dates and faults only.
    None,
}

/// What changed since the last look: to be compared with what is wanted now.
#[derive(Debug, Default)]
pub struct Changes {
    /// Groups that came, went, or are needed for other manifests.
    pub groups: Vec<Group>,
    /// Registries that are to be pinged, or looked at without a credential, from now on or no more.
    pub registries: Vec<Registry>,
    /// What pods have pulled, each alike once.
    pub pulls: Vec<Pull>,
    /// Credentials that a pull has just failed with, as far as we know.
    pub failures: Vec<Group>,
}

#[derive(Debug, Default)]
struct Use {
    holders: BTreeMap<Arc<Holder>, Hold>,
    /// The holder whose name is the group's label.
    owner: Option<Arc<Holder>>,
    referenced: u32,
    /// Namespaces that want it asked and have a place for it.
    admitted: u32,
    manifests: BTreeMap<Manifest, u32>,
}

/// Every group that a Secret holds.
#[derive(Debug, Default)]
pub(super) struct Groups {
    which: Which,
    settled: bool,
    caps: Caps,
    uses: HashMap<Group, Use>,
    registries: HashMap<Registry, RegistryUse>,
    changed: HashSet<Group>,
    changed_registries: HashSet<Registry>,
    pulls: HashSet<Pull>,
    failures: HashSet<Group>,
}

impl Groups {
    pub(super) fn new(which: Which) -> Self {
        Self {
            which,
            ..Self::default()
        }
    }

    pub(super) fn settle(&mut self) {
        self.settled = true;
        self.caps.settle();
    }

    #[cfg(test)]
    pub(super) fn caps_are_idle(&self) -> bool {
        self.caps.is_idle()
    }

    pub(super) fn lift_caps(&mut self) {
        self.caps.lift();
    }

    pub(super) fn changes(&mut self) -> Changes {
        Changes {
            groups: self.changed.drain().collect(),
            registries: self.changed_registries.drain().collect(),
            pulls: self.pulls.drain().collect(),
            failures: self.failures.drain().collect(),
        }
    }

    pub(super) fn has_changes(&self) -> bool {
        let are_wanted = !self.changed.is_empty() || !self.changed_registries.is_empty();
        are_wanted || !self.pulls.is_empty() || !self.failures.is_empty()
    }

    pub(super) fn wants(&self, group: &Group) -> bool {
        let Some(used) = self.uses.get(group) else {
            return false;
        };
        match self.which {
            Which::Referenced | Which::All => used.admitted > 0,
            Which::InUse => !used.manifests.is_empty(),
            Which::None => false,
        }
    }

    pub(super) fn is_referenced(&self, group: &Group) -> bool {
        self.uses.get(group).is_some_and(|used| used.referenced > 0)
    }

    /// Something would have the group asked, and none of the namespaces that hold it has a place.
    pub(super) fn is_over_caps(&self, group: &Group) -> bool {
        let is_demanded = |used: &Use| match self.which {
            Which::Referenced => used.referenced > 0,
            Which::All => true,
            Which::InUse | Which::None => false,
        };
        let used = self.uses.get(group);
        used.is_some_and(|used| used.admitted == 0 && is_demanded(used))
    }

    pub(super) fn which(&self) -> Which {
        self.which
    }

    pub(super) fn wants_registry(&self, registry: &Registry) -> bool {
        let used = self.registries.get(registry);
        used.is_some_and(|used| used.is_wanted(self.which))
    }

    pub(super) fn uses_registry(&self, registry: &Registry) -> bool {
        self.registries
            .get(registry)
            .is_some_and(|used| used.claims > 0)
    }

    /// Of the manifests that pods pull from there without a credential, the first after this one,
    /// around the end; none while the registry is not to be asked.
    pub(super) fn anonymous_manifest(
        &self,
        registry: &Registry,
        after: Option<&Manifest>,
    ) -> Option<&Manifest> {
        let used = self.registries.get(registry)?;
        let pulled = used.is_wanted(self.which).then_some(&used.anonymous)?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = pulled.range((start, Bound::Unbounded));
        let (manifest, _) = rest.next().or_else(|| pulled.first_key_value())?;
        Some(manifest)
    }

    /// Some pod pulls this manifest without a credential.
    pub(super) fn pulls_anonymously(&self, registry: &Registry, manifest: &Manifest) -> bool {
        let used = self.registries.get(registry);
        used.is_some_and(|used| used.anonymous.contains_key(manifest))
    }

    /// The manifests there of which it matters whether they are public; none while the registry is not
    /// to be asked.
    pub(super) fn questions(&self, registry: &Registry) -> impl Iterator<Item = &Manifest> {
        let used = self.registries.get(registry);
        let used = used.filter(|used| used.is_wanted(self.which));
        used.into_iter().flat_map(|used| used.questions.keys())
    }

    /// A container was started from this repository.
    pub(super) fn has_started_from(&self, registry: &Registry, repository: &str) -> bool {
        let used = self.registries.get(registry);
        used.is_some_and(|used| used.started.contains_key(repository))
    }

    /// Repositories there that containers were started from.
    pub(super) fn started(&self, registry: &Registry) -> impl Iterator<Item = &str> {
        let used = self.registries.get(registry);
        used.into_iter()
            .flat_map(|used| used.started.keys().map(String::as_str))
    }

    pub(super) fn registries(&self) -> impl Iterator<Item = &Registry> {
        self.registries.keys()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Group, &Holder)> {
        self.uses
            .iter()
            .filter_map(|(group, used)| Some((group, &**used.owner.as_ref()?)))
    }

    /// Those of one registry, wanted or not.
    pub(super) fn at(&self, registry: &Registry) -> impl Iterator<Item = Group> {
        let used = self.registries.get(registry);
        let credentials = used.into_iter().flat_map(|used| &used.credentials);
        credentials.map(|credential| Group {
            registry: registry.clone(),
            credential: *credential,
        })
    }

    pub(super) fn owner(&self, group: &Group) -> Option<&Holder> {
        self.uses.get(group)?.owner.as_deref()
    }

    pub(super) fn holders(&self, group: &Group) -> impl Iterator<Item = &Arc<Holder>> {
        self.uses
            .get(group)
            .into_iter()
            .flat_map(|used| used.holders.keys())
    }

    pub(super) fn manifests(&self, group: &Group) -> impl Iterator<Item = &Manifest> {
        self.uses
            .get(group)
            .into_iter()
            .flat_map(|used| used.manifests.keys())
    }

    pub(super) fn uses_manifest(&self, group: &Group, manifest: &Manifest) -> bool {
        self.uses
            .get(group)
            .is_some_and(|used| used.manifests.contains_key(manifest))
    }

    /// An image of a pod names the registry.
    pub(super) fn use_registry(
        &mut self,
        registry: &Registry,
        namespace: &Arc<str>,
        created: Created,
    ) {
        self.touch_registry(registry, |used| used.claims += 1);
        let flips = self.caps.demand_host(namespace, registry, created);
        self.turn(flips);
    }

    pub(super) fn drop_registry(&mut self, registry: &Registry, namespace: &Arc<str>) {
        let flips = self.caps.withdraw_host(namespace, registry);
        self.turn(flips);
        self.touch_registry(registry, |used| used.claims = used.claims.saturating_sub(1));
    }

    /// An entry whose key names the registry holds the credential.
    pub(super) fn hold(&mut self, group: &Group, holder: &Arc<Holder>, is_referenced: bool) {
        self.change(group, holder, |hold| {
            hold.literal += 1;
            hold.referenced = is_referenced || hold.claims > 0;
        });
    }

    pub(super) fn let_go(&mut self, group: &Group, holder: &Arc<Holder>) {
        self.change(group, holder, |hold| {
            hold.literal = hold.literal.saturating_sub(1)
        });
    }

    /// Whether anything names the holder's Secret has changed.
    pub(super) fn reference(&mut self, group: &Group, holder: &Arc<Holder>, is_referenced: bool) {
        if self
            .uses
            .get(group)
            .is_some_and(|used| used.holders.contains_key(holder))
        {
            self.change(group, holder, |hold| {
                hold.referenced = is_referenced || hold.claims > 0
            });
        }
    }

    /// A claim tries these candidates. One credential held by several of them counts for each.
    pub(super) fn take(&mut self, image: &Reference, candidates: &[Candidate]) {
        if candidates.is_empty() {
            self.touch_registry(image.registry(), |used| {
                *used.anonymous.entry(manifest_of(image)).or_default() += 1;
            });
        }
        for candidate in candidates {
            let group = group_of(image, candidate);
            self.change(&group, &candidate.holder, |hold| {
                hold.claims += 1;
                hold.referenced = true;
            });
            // Whoever has it asked for others' sake must not ask for the images of this one.
            let used = self.uses.get_mut(&group);
            let Some(used) = used.filter(|_| candidate.holder.mark.is_none()) else {
                continue;
            };
            *used.manifests.entry(manifest_of(image)).or_default() += 1;
        }
    }

    /// A claim does not try these candidates any more.
    pub(super) fn give_back(&mut self, image: &Reference, candidates: &[Candidate]) {
        if candidates.is_empty() {
            self.touch_registry(image.registry(), |used| {
                drop_one(&mut used.anonymous, &manifest_of(image));
            });
        }
        for candidate in candidates {
            let group = group_of(image, candidate);
            if let Some(used) = self.uses.get_mut(&group)
                && candidate.holder.mark.is_none()
            {
                drop_one(&mut used.manifests, &manifest_of(image));
            }
            // Whether the Secret is still named is told by `reference`.
            self.change(&group, &candidate.holder, |hold| {
                hold.claims = hold.claims.saturating_sub(1);
            });
        }
    }

    /// A pod pulled this image just now.
    pub(super) fn pulled(&mut self, image: &Reference, candidates: &[Candidate]) {
        let candidates = candidates.iter().map(|one| group_of(image, one));
        self.pulls.insert(Pull {
            registry: image.registry().clone(),
            candidates: candidates.collect(),
        });
    }

    /// A pull of this image has just failed.
    pub(super) fn failed(&mut self, image: &Reference, candidates: &[Candidate]) {
        let groups = candidates.iter().map(|one| group_of(image, one));
        self.failures.extend(groups);
    }

    /// Takes in what is to be told of a claim now.
    pub(super) fn review(&mut self, claim: &mut Claim) {
        let telling = claim.telling();
        self.tell(claim, telling);
    }

    /// Nobody makes this claim any more.
    pub(super) fn close(&mut self, claim: &mut Claim) {
        self.tell(claim, Told::default());
    }

    fn tell(&mut self, claim: &mut Claim, telling: Told) {
        let before = std::mem::replace(&mut claim.told, telling);
        if before == telling {
            return;
        }
        let image = &claim.image;
        self.touch_registry(image.registry(), |used| {
            let manifest = manifest_of(image);
            count(
                &mut used.questions,
                &manifest,
                before.is_question,
                telling.is_question,
            );
            let repository = manifest.repository;
            count(
                &mut used.started,
                &repository,
                before.has_started,
                telling.has_started,
            );
        });
    }

    /// Changes why a holder holds, and all that follows from it: its namespace's places, the holder
    /// list, the count of referenced holders, the owner, the registry's use.
    fn change(&mut self, group: &Group, holder: &Arc<Holder>, change: impl FnOnce(&mut Hold)) {
        let is_new = !self.uses.contains_key(group);
        let used = self.uses.entry(group.clone()).or_default();
        let hold = used.holders.entry(Arc::clone(holder)).or_default();
        let before = *hold;
        change(hold);
        let after = *hold;
        used.referenced =
            used.referenced + u32::from(after.counts(holder)) - u32::from(before.counts(holder));
        if !after.is_held() {
            used.holders.remove(holder);
        }
        used.keep_owner(self.settled);
        let is_empty = used.holders.is_empty();
        self.changed.insert(group.clone());
        if is_new != is_empty {
            self.touch_registry(&group.registry, |used| match is_new {
                true => drop(used.credentials.insert(group.credential)),
                false => drop(used.credentials.remove(&group.credential)),
            });
        }
        let demands = |hold: Hold| hold.demands(holder, self.which);
        let flips = match (demands(before), demands(after)) {
            (false, true) => self.caps.demand(group, holder),
            (true, false) => self.caps.withdraw(group, holder),
            _ => Flips::default(),
        };
        self.turn(flips);
        if is_empty {
            self.uses.remove(group);
        }
    }

    /// Takes in what namespaces have places for now, or no more.
    fn turn(&mut self, flips: Flips) {
        for (group, is_admitted) in flips.groups {
            let Some(used) = self.uses.get_mut(&group) else {
                continue;
            };
            let was_asked = used.admitted > 0;
            step(&mut used.admitted, is_admitted);
            let is_asked = used.admitted > 0;
            if was_asked != is_asked {
                self.touch_registry(&group.registry, |used| step(&mut used.asked, is_asked));
                self.changed.insert(group);
            }
        }
        for (registry, is_admitted) in flips.hosts {
            self.touch_registry(&registry, |used| step(&mut used.admitted, is_admitted));
        }
    }

    fn touch_registry(&mut self, registry: &Registry, change: impl FnOnce(&mut RegistryUse)) {
        let used = self.registries.entry(registry.clone()).or_default();
        let wished = used.wishes(self.which);
        change(used);
        let has_changed = used.wishes(self.which) != wished;
        if used.is_over() {
            self.registries.remove(registry);
        }
        if has_changed {
            self.changed_registries.insert(registry.clone());
        }
    }
}

impl Use {
    /// Before the lists have come in, the oldest holder names the group; from then on a name stays
    /// until its holder is gone, so that series do not change theirs for a newcomer. Who has a mark
    /// gives way to anybody with a weaker one.
    fn keep_owner(&mut self, settled: bool) {
        let first = self.holders.keys().next();
        let is_as_good = |owner: &Holder| first.is_some_and(|first| owner.mark <= first.mark);
        let stays = settled
            && self
                .owner
                .as_ref()
                .is_some_and(|owner| self.holders.contains_key(owner) && is_as_good(owner));
        if !stays {
            self.owner = first.cloned();
        }
    }
}

fn step(count: &mut u32, is_one_more: bool) {
    *count = if is_one_more {
        *count + 1
    } else {
        count.saturating_sub(1)
    };
}

fn drop_one<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn count<K: Ord + Clone>(counts: &mut BTreeMap<K, u32>, key: &K, before: bool, after: bool) {
    match (before, after) {
        (false, true) => *counts.entry(key.clone()).or_default() += 1,
        (true, false) => drop_one(counts, key),
        (true, true) | (false, false) => {}
    }
}

fn group_of(image: &Reference, candidate: &Candidate) -> Group {
    Group {
        registry: image.registry().clone(),
        credential: candidate.credential,
    }
}

pub(super) fn manifest_of(image: &Reference) -> Manifest {
    Manifest {
        repository: image.repository().to_owned(),
        reference: image.manifest().to_owned(),
    }
}
