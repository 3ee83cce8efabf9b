//! What a Secret or file holds, entry by entry and without any credential, for reports: also the
//! entries that are never sent, which the graph does not keep.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::groups::Group;
use super::mark::Mark;
use super::secrets::{self, Entry};
use super::{Cluster, Named, ObjectName, SecretSeen, rows};
use crate::domain::docker_config::{Fault, FaultSet};
use crate::domain::exchange::{Manifest, NetworkFault, Step};
use crate::domain::expiry::{Declared, Expiry, Sources};
use crate::domain::image::{Reference, Registry};
use crate::domain::keyring::Key;
use crate::domain::outcome::{Outcome, Situation};
use crate::domain::verdict::{Verdict, Verdicts};

/// What one Secret or file holds.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Whose it is.
    pub object: ObjectName,
    /// The entries that could be read, in their order.
    pub entries: Vec<Held>,
    /// What is wrong, entry by entry and as a whole.
    pub faults: Vec<Fault>,
    /// The kubelet drops every credential of every Secret of a pod that names this one.
    pub poisons_all: bool,
    /// What wants it left alone; see [`Holding::told`].
    pub mark: Option<Mark>,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Held {
    /// The key as written, fit to be shown.
    pub label: String,
    /// The key as the kubelet indexes it; none if it drops the entry.
    pub key: Option<Key>,
    /// What is wrong with it.
    pub faults: FaultSet,
    /// Until when it works.
    pub expiry: Expiry,
}

/// How one entry fared at one registry.
#[derive(Clone, Debug)]
pub struct Login {
    /// The newest answer to the login, or what kept it from happening.
    pub outcome: Option<Outcome>,
    /// What that answer leaves open.
    pub may_mean: &'static [Situation],
    /// What exactly, where there was no answer.
    pub fault: Option<NetworkFault>,
    /// There has been a conversation, even if the registry wanted no login.
    pub was_asked: bool,
    /// Repositories in use by their last manifest outcome; `None` was not asked for.
    pub repositories: BTreeMap<Option<Outcome>, u64>,
    /// Of a refused login, whether each repository in use can be pulled from without it; none of
    /// those for which nobody can tell.
    pub anonymous: BTreeMap<String, bool>,
}

impl Held {
    /// The kubelet sends it, and to somebody who could accept it.
    fn is_sent(&self) -> bool {
        secrets::is_sent(self.faults)
    }
}

impl Holding {
    /// The key of one of its entries as reports show it: as the kubelet indexes it, but as written
    /// where that leaves it in doubt which entry is meant, or is nothing.
    pub fn shown_key<'a>(&self, held: &'a Held) -> &'a str {
        let is_same = |other: &&Held| other.key == held.key;
        match &held.key {
            Some(key) if self.entries.iter().filter(is_same).count() == 1 => key.as_str(),
            _ => &held.label,
        }
    }

    /// Where one of its entries stands among those of its key that are sent: its place in
    /// [`Cluster::answers`] and [`Cluster::logins`].
    pub fn place(&self, held: &Held) -> Option<usize> {
        let is_rival = |other: &&Held| other.key == held.key && other.is_sent();
        let mut rivals = self.entries.iter().filter(is_rival);
        rivals.position(|other| std::ptr::eq(other, held))
    }

    /// Reads a Secret.
    pub fn of(seen: &SecretSeen, sources: &Sources) -> Self {
        let parsed = &seen.docker_config;
        let declared = Declared {
            annotations: &seen.annotations,
            data: &seen.expiry_data,
        };
        let entries = parsed.entries.iter().map(|entry| Held {
            label: entry.label(),
            key: entry.key.clone(),
            faults: entry.faults,
            expiry: Expiry::of(&entry.credential, &declared, sources),
        });
        Self {
            object: seen.object.clone(),
            entries: entries.collect(),
            poisons_all: parsed.poisons_all(),
            faults: parsed.faults.clone(),
            mark: None,
        }
    }

    /// As much of it as a mark lets be told.
    #[must_use]
    pub fn told(&self, mark: Option<Mark>) -> Self {
        match mark {
            Some(Mark::Ignored) => self.ignored(),
            mark => Self {
                mark,
                ..self.clone()
            },
        }
    }

    /// Nothing of it is told but that it is so.
    pub fn is_ignored(&self) -> bool {
        self.mark == Some(Mark::Ignored)
    }

    /// The entries that are sent, without anything that is found of them.
    fn ignored(&self) -> Self {
        let sent = self.entries.iter().filter(|held| held.is_sent());
        let entries = sent.map(|held| Held {
            faults: FaultSet::default(),
            expiry: Expiry::UNKNOWN,
            ..held.clone()
        });
        Self {
            object: self.object.clone(),
            entries: entries.collect(),
            faults: Vec::new(),
            poisons_all: false,
            mark: Some(Mark::Ignored),
        }
    }
}

impl Cluster {
    /// What the entries of one Secret under one key answered for an image: of its manifest, or of
    /// the login where it was not reached, with what exactly stands behind it. In the order of the
    /// entries; those that are never sent are left out, and `None` is one that has not answered.
    pub fn answers(
        &self,
        verdicts: &Verdicts,
        object: &ObjectName,
        key: &Key,
        image: &Reference,
        now: DateTime<Utc>,
    ) -> Vec<Option<(Outcome, Option<NetworkFault>)>> {
        let manifest = Manifest {
            repository: image.repository().to_owned(),
            reference: image.manifest().to_owned(),
        };
        self.entries_of(object, key)
            .map(|entry| {
                if entry.holder.mark == Some(Mark::Ignored) {
                    return None;
                }
                if entry.expiry.is_expired_inside_at(now) {
                    return Some((Outcome::Expired, None));
                }
                if entry.holder.mark.is_some() {
                    return None;
                }
                let group = Group {
                    registry: image.registry().clone(),
                    credential: entry.credential,
                };
                let verdict = verdicts.of(&group)?;
                let outcome = answer(verdict, &manifest)?;
                Some((outcome, verdict.fault_behind(outcome)))
            })
            .collect()
    }

    /// How the entries of one Secret under one key fared at a registry, in the same order: a row
    /// has only the worst of them.
    pub fn logins(
        &self,
        verdicts: &Verdicts,
        object: &ObjectName,
        key: &Key,
        registry: &Registry,
        now: DateTime<Utc>,
    ) -> Vec<Login> {
        self.entries_of(object, key)
            .map(|entry| {
                let group = Group {
                    registry: registry.clone(),
                    credential: entry.credential,
                };
                // What others have asked is no news of one that has a mark.
                let is_asked = entry.holder.mark.is_none();
                let verdict = verdicts.of(&group).filter(|_| is_asked);
                let manifests = || self.groups.manifests(&group);
                let expiry = match entry.holder.mark {
                    Some(Mark::Ignored) => Expiry::UNKNOWN,
                    _ => entry.expiry,
                };
                let outcome = rows::outcome(verdict, &expiry, now);
                Login {
                    outcome,
                    may_mean: verdict.map_or(&[], |verdict| verdict.left_open(outcome)),
                    fault: verdict.and_then(|verdict| verdict.fault_behind(outcome?)),
                    was_asked: verdict.is_some_and(Verdict::was_asked),
                    repositories: verdict
                        .map(|verdict| verdict.repositories(manifests()))
                        .unwrap_or_default(),
                    anonymous: verdict
                        .filter(|verdict| verdict.is_refused())
                        .map(|_| public(verdicts, registry, manifests()))
                        .unwrap_or_default(),
                }
            })
            .collect()
    }

    /// The entries of one Secret under one key that are sent, in their order.
    fn entries_of(&self, object: &ObjectName, key: &Key) -> impl Iterator<Item = &Entry> {
        let name = Named {
            namespace: object.namespace.as_str().into(),
            name: object.name.as_str().into(),
        };
        let entries = self.secrets.get(&name).map(|secret| &secret.entries);
        let of_key = move |entry: &&Entry| entry.key == *key;
        entries.into_iter().flatten().filter(of_key)
    }
}

fn public<'a>(
    verdicts: &Verdicts,
    registry: &Registry,
    manifests: impl Iterator<Item = &'a Manifest>,
) -> BTreeMap<String, bool> {
    manifests
        .filter_map(|manifest| {
            let repository = &manifest.repository;
            let would_work = verdicts.anonymous.would_work(registry, repository)?;
            Some((repository.clone(), would_work))
        })
        .collect()
}

/// The step that got furthest speaks; a ping that went well says nothing of the image.
fn answer(verdict: &Verdict, manifest: &Manifest) -> Option<Outcome> {
    verdict.manifest(manifest).or_else(|| {
        let (step, outcome, _) = verdict.steps().last()?;
        match step {
            Step::Ping => why_no_login(*outcome),
            Step::Token | Step::Manifest => (*outcome != Outcome::Ok).then_some(*outcome),
        }
    })
}

/// What a ping says of a login that it kept from happening. Nothing was sent, so that whatever was
/// refused is no verdict on the credential: the registry did not behave like one.
pub(super) fn why_no_login(ping: Outcome) -> Option<Outcome> {
    match ping {
        Outcome::Ok => None,
        conclusive if conclusive.is_conclusive() => Some(Outcome::RegistryError),
        inconclusive => Some(inconclusive),
    }
}
