//! A Secret as the graph holds it: its entries with interned credentials, its faults, its dates.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::claims::Claim;
use super::groups::{Group, Groups};
use super::holder::{Candidate, Holder};
use super::mark::Mark;
use super::{Created, Named, Record, SecretSeen};
use crate::domain::credential::{Credential, CredentialId, Credentials};
use crate::domain::docker_config::{Effect, FaultSet};
use crate::domain::expiry::{self, CredentialKind, Declared, Expiry, Sources};
use crate::domain::image::Registry;
use crate::domain::keyring::{self, Key};
use crate::domain::name::Names;
use crate::domain::owner::{Marks, SecretOwner};

/// One Secret of a pull-secret type, or one docker config file.
#[derive(Clone, Debug)]
pub(super) struct Secret {
    pub(super) record: Record,
    /// What its own annotations ask for.
    pub(super) own: Option<Mark>,
    /// The strongest mark that applies to it.
    pub(super) mark: Option<Mark>,
    pub(super) entries: Box<[Entry]>,
    pub(super) faults: FaultSet,
    pub(super) changed: Option<DateTime<Utc>>,
    /// Under which name its data was written last.
    pub(super) manager: Option<Arc<str>>,
    /// Who would write it anew.
    pub(super) owner: Option<Arc<SecretOwner>>,
    /// Entries that are never sent, or to nobody.
    pub(super) useless: Box<[Useless]>,
    pub(super) created: Created,
    /// The kubelet drops every credential of every Secret of a pod that names this one.
    pub(super) poisons_all: bool,
}

/// An entry that the kubelet never sends, or not to anybody who could accept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Useless {
    /// The key as the kubelet indexes it; none where it drops the entry.
    pub(super) key: Option<Key>,
    /// The key as written, fit to be shown.
    pub(super) label: Box<str>,
    /// What is wrong with it.
    pub(super) faults: FaultSet,
}

/// So many of them are kept of one Secret: they are told of, nothing hangs on them.
const USELESS_MOST: usize = 64;

/// One entry that the kubelet would send to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Key,
    /// Where a login with it goes; `None` for a glob.
    pub(super) registry: Option<Registry>,
    pub(super) credential: CredentialId,
    pub(super) kind: CredentialKind,
    pub(super) expiry: Expiry,
    /// What makes it suspicious.
    pub(super) faults: FaultSet,
    pub(super) holder: Arc<Holder>,
}

/// What a Secret says, read whole before anything of the graph is touched: a tenant wrote it, and
/// whatever goes wrong in reading it must leave the graph as it was.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(super) own: Option<Mark>,
    pub(super) created: Created,
    entries: Vec<Content>,
    useless: Vec<Useless>,
    faults: FaultSet,
    changed: Option<DateTime<Utc>>,
    manager: Option<String>,
    owner: Option<SecretOwner>,
    poisons_all: bool,
}

#[derive(Debug)]
struct Content {
    key: Key,
    credential: Credential,
    kind: CredentialKind,
    expiry: Expiry,
    faults: FaultSet,
}

impl Contents {
    /// Reads a Secret.
    pub(super) fn of(seen: SecretSeen, sources: &Sources) -> Self {
        let parsed = seen.docker_config;
        let (poisons_all, faults) = (parsed.poisons_all(), parsed.fault_set());
        let declared = Declared {
            annotations: &seen.annotations,
            data: &seen.expiry_data,
        };
        let (mut entries, mut useless) = (Vec::new(), Vec::new());
        for entry in parsed.entries {
            match entry.key.clone().filter(|_| is_sent(entry.faults)) {
                Some(key) => entries.push(Content {
                    key,
                    kind: expiry::kind(&entry.credential),
                    expiry: Expiry::of(&entry.credential, &declared, sources),
                    faults: entry.faults,
                    credential: entry.credential,
                }),
                // What is never sent, or to nobody, is a fault and no credential.
                None if useless.len() < USELESS_MOST => useless.push(Useless {
                    label: entry.label().into(),
                    key: entry.key,
                    faults: entry.faults,
                }),
                None => {}
            }
        }
        let (changed, manager) = seen.changed.unzip();
        let owner = SecretOwner::of(Marks {
            owner: seen.owner.as_ref(),
            annotations: &seen.annotations,
            labels: &seen.labels,
            manager: manager.as_deref(),
        });
        Self {
            own: Mark::of_secret(seen.kind, &seen.annotations),
            created: seen.created,
            entries,
            useless,
            faults,
            changed: changed.or(seen.created),
            manager,
            owner,
            poisons_all,
        }
    }
}

impl Secret {
    /// Interns what it holds.
    pub(super) fn holding(
        contents: Contents,
        record: Record,
        name: &Named,
        mark: Option<Mark>,
        names: &mut Names,
        credentials: &mut Credentials,
    ) -> Self {
        let entries = contents.entries.into_iter().map(|content| Entry {
            registry: content.key.registry(),
            kind: content.kind,
            expiry: content.expiry,
            faults: content.faults,
            holder: Arc::new(Holder {
                mark,
                created: contents.created,
                namespace: name.namespace.clone(),
                name: name.name.clone(),
                key: names.intern(content.key.as_str()),
            }),
            credential: credentials.intern(content.credential),
            key: content.key,
        });
        Self {
            record,
            own: contents.own,
            mark,
            entries: entries.collect(),
            faults: contents.faults,
            changed: contents.changed,
            manager: contents.manager.map(|manager| names.intern(&manager)),
            owner: contents.owner.map(Arc::new),
            useless: contents.useless.into(),
            created: contents.created,
            poisons_all: contents.poisons_all,
        }
    }

    /// The same Secret under another mark. Whatever it interned is shared by both: one of them is
    /// to be released.
    pub(super) fn marked(&self, mark: Option<Mark>) -> Self {
        let mut marked = self.clone();
        marked.mark = mark;
        for entry in &mut marked.entries {
            entry.holder = Arc::new(Holder {
                mark,
                ..Holder::clone(&entry.holder)
            });
        }
        marked
    }

    /// The other one is what this one replaced, under its name and with another type: told by the
    /// watch of that type, which lags behind.
    pub(super) fn succeeds(&self, other: &Record, created: Created) -> bool {
        self.record.uid != other.uid
            && self.record.resource != other.resource
            && self.created > created
    }

    /// Nothing that a registry or a kubelet could notice differs.
    pub(super) fn holds_the_same(&self, other: &Self) -> bool {
        self.entries == other.entries && self.poisons_all == other.poisons_all
    }

    /// Takes over what may change without the credentials.
    pub(super) fn refresh(&mut self, newer: Self) {
        self.record = newer.record;
        self.own = newer.own;
        self.mark = newer.mark;
        self.changed = newer.changed;
        self.created = newer.created;
        self.faults = newer.faults;
        self.manager = newer.manager;
        self.owner = newer.owner;
        self.useless = newer.useless;
    }

    /// The group of each entry whose key names a registry, with its holder.
    pub(super) fn literal_groups(&self) -> impl Iterator<Item = (Group, &Arc<Holder>)> {
        self.entries.iter().filter_map(|entry| {
            let registry = entry.registry.clone()?;
            Some((
                Group {
                    registry,
                    credential: entry.credential,
                },
                &entry.holder,
            ))
        })
    }

    /// Enters its literal entries as holders.
    pub(super) fn hold(&self, groups: &mut Groups, is_referenced: bool) {
        for (group, holder) in self.literal_groups() {
            groups.hold(&group, holder, is_referenced);
        }
    }

    /// Takes them out again.
    pub(super) fn let_go(&self, groups: &mut Groups) {
        for (group, holder) in self.literal_groups() {
            groups.let_go(&group, holder);
        }
    }

    /// Gives its credentials back.
    pub(super) fn release(&self, credentials: &mut Credentials) {
        for entry in &self.entries {
            credentials.release(entry.credential);
        }
    }

    /// The entry of one credential under one key.
    pub(super) fn entry(&self, key: &str, credential: CredentialId) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.credential == credential && entry.key.as_str() == key)
    }
}

/// The kubelet sends the entry, and to somebody who could accept it.
pub(super) fn is_sent(faults: FaultSet) -> bool {
    faults
        .worst()
        .is_none_or(|effect| effect < Effect::EntryUseless)
}

/// The entries that the kubelet tries for a claim, in its order; none when one of the Secrets that
/// the pod names cannot be parsed (pkg/credentialprovider/secrets: the error drops them all).
pub(super) fn candidates(secrets: &BTreeMap<Named, Secret>, claim: &Claim) -> Box<[Candidate]> {
    let named: Vec<&Secret> = claim
        .secrets
        .iter()
        .filter_map(|name| {
            secrets.get(&Named {
                namespace: claim.namespace.clone(),
                name: name.clone(),
            })
        })
        .collect();
    if named.iter().any(|secret| secret.poisons_all) {
        return Box::default();
    }
    let entries = named
        .iter()
        .flat_map(|secret| &secret.entries)
        .map(|entry| (&entry.key, entry));
    keyring::lookup(entries, claim.image.name())
        .into_iter()
        // `localhost/app` falls back to Docker Hub's entry in a kubelet (keyring.go). We log in
        // with it at Docker Hub only: a credential never goes to a host its key does not name.
        .filter(|entry| {
            entry
                .registry
                .as_ref()
                .is_none_or(|registry| registry == claim.image.registry())
        })
        .map(|entry| Candidate {
            credential: entry.credential,
            holder: Arc::clone(&entry.holder),
        })
        .collect()
}
