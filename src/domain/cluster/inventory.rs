//! What a Secret or file holds, entry by entry and without any credential, for reports: also the
//! entries that are never sent, which the graph does not keep.

use chrono::{DateTime, Utc};

use super::groups::Group;
use super::{Cluster, Named, ObjectName, SecretSeen};
use crate::domain::docker_config::{Fault, FaultSet};
use crate::domain::exchange::{Manifest, Step};
use crate::domain::expiry::{Declared, Expiry, Sources};
use crate::domain::image::Reference;
use crate::domain::keyring::Key;
use crate::domain::outcome::Outcome;
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

impl Holding {
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
        }
    }
}

impl Cluster {
    /// What the entries of one Secret under one key answered for an image: of its manifest, or of
    /// the login where it was not reached. In the order of the entries; those that are never sent
    /// are left out, and `None` is one that has not answered.
    pub fn answers(
        &self,
        verdicts: &Verdicts,
        object: &ObjectName,
        key: &Key,
        image: &Reference,
        now: DateTime<Utc>,
    ) -> Vec<Option<Outcome>> {
        let name = Named {
            namespace: object.namespace.as_str().into(),
            name: object.name.as_str().into(),
        };
        let Some(secret) = self.secrets.get(&name) else {
            return Vec::new();
        };
        let manifest = Manifest {
            repository: image.repository().to_owned(),
            reference: image.manifest().to_owned(),
        };
        let of_key = secret.entries.iter().filter(|entry| entry.key == *key);
        of_key
            .map(|entry| {
                if entry.expiry.is_expired_inside_at(now) {
                    return Some(Outcome::Expired);
                }
                let group = Group {
                    registry: image.registry().clone(),
                    credential: entry.credential,
                };
                answer(verdicts.of(&group)?, &manifest)
            })
            .collect()
    }
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
