//! The facts about one claim, gathered for a judge.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::claims::{Claim, ClaimId};
use super::groups::{Group, manifest_of};
use super::holder::Candidate;
use super::mark::Mark;
use super::secrets::{Entry, Secret};
use super::{Cluster, Named, Resource};
use crate::domain::diagnosis::{
    Anonymous, Case, Found, Named as NamedSecret, Near, Proof, PullSecret, SecretId, Tried,
    Unnamed, is_typo,
};
use crate::domain::docker_config::{FaultSet, SecretKind};
use crate::domain::image::{Reference, Registry};
use crate::domain::keyring::{self, Key};
use crate::domain::node_credentials::NodeCredentials;
use crate::domain::outcome::{Meaning, Outcome};
use crate::domain::verdict::{Verdict, Verdicts};

/// So many Secrets of a namespace are looked at for one that would do: who fills a namespace with more
/// makes no scrape slow.
const SECRETS_MOST: usize = 512;

/// So many entries of them all are held against one image.
const ENTRIES_OF_ALL_MOST: usize = 4_096;

/// So many names are compared with so many others, to find the one that was meant.
const NAMES_MOST: usize = 16;

/// So many entries of one Secret are held against an image that none of them matches.
const ENTRIES_MOST: usize = 64;

/// So many registries of a Secret are named.
const REGISTRIES_MOST: usize = 8;

/// So many Secrets elsewhere are named.
const ELSEWHERE_MOST: usize = 8;

/// Everything beside the graph that decides.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What the registries said.
    pub verdicts: &'a Verdicts,
    /// What nodes have themselves.
    pub node_credentials: &'a NodeCredentials,
    /// Secrets have come in whole: what is not there is absent.
    pub has_secrets: bool,
    /// How long we have looked.
    pub sight: Sight,
    /// Now.
    pub now: DateTime<Utc>,
}

/// How long somebody has looked at the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// All the time: what has just begun has to settle, and a refusal is confirmed by a second one.
    #[default]
    Watched,
    /// Once. All lists came in whole, so that what is not there is absent; since when a Pod waits is
    /// not known; and nobody waits for five minutes until a refusal is confirmed.
    Once,
}

/// What logins read: repository by repository, the tags and digests. Made once for a look, and for
/// those registries only that it is about.
#[derive(Debug, Default)]
pub(super) struct Readable<'a>(HashMap<Registry, HashMap<&'a str, HashSet<&'a str>>>);

impl<'a> Readable<'a> {
    fn proof(
        &mut self,
        cluster: &'a Cluster,
        known: Known<'a>,
        image: &Reference,
    ) -> Option<Proof> {
        let registry = image.registry();
        if !self.0.contains_key(registry) {
            let mut read: HashMap<&str, HashSet<&str>> = HashMap::new();
            for group in cluster.groups.at(registry) {
                let verdict = known.verdicts.of(&group);
                for manifest in verdict.into_iter().flat_map(Verdict::read) {
                    let references = read.entry(&manifest.repository).or_default();
                    references.insert(&manifest.reference);
                }
            }
            self.0.insert(registry.clone(), read);
        }
        let references = self.0.get(registry)?.get(image.repository());
        match references {
            Some(references) if references.contains(image.manifest()) => Some(Proof::Manifest),
            Some(_) => Some(Proof::Credential),
            None => cluster
                .groups
                .has_started_from(registry, image.repository())
                .then_some(Proof::Container),
        }
    }
}

impl Cluster {
    pub(super) fn case<'a>(
        &'a self,
        id: ClaimId,
        account: &str,
        readable: &mut Readable<'a>,
        known: Known<'a>,
    ) -> Option<Case> {
        let claim = self.claims.get(id)?;
        let image = &*claim.image;
        let named = self.named_secrets(claim, known);
        let standing = known.verdicts.standing(image.registry());
        let candidates = claim.candidates.iter();
        let candidates = candidates
            .map(|one| self.tried(claim, one, known))
            .collect::<Vec<_>>();
        // What stands beside the list matters only where nothing of the list does.
        let (unnamed, elsewhere, near) = match candidates.is_empty() {
            true => (
                self.unnamed(claim, account, &named, known),
                self.elsewhere(claim, &named, known),
                self.near(claim),
            ),
            false => Default::default(),
        };
        let answer = known
            .verdicts
            .anonymous
            .answer(image.registry(), image.repository());
        Some(Case {
            namespace: claim.namespace.clone(),
            image: image.clone(),
            named,
            candidates,
            unnamed,
            elsewhere,
            near,
            sees_secrets: known.has_secrets,
            proof: readable.proof(self, known, image),
            anonymous: answer.map(|answer| Anonymous {
                meaning: answer.meaning,
                is_of_this: answer.reference == image.manifest(),
            }),
            guards_all: standing.is_some_and(|standing| standing.guards_all),
            has_node_credentials: known.node_credentials.cover(image),
            is_up: standing.and_then(|standing| standing.up),
            ping: standing.and_then(|standing| Some((standing.last_ping?, standing.fault))),
            nearest: None,
        })
    }

    fn named_secrets(&self, claim: &Claim, known: Known<'_>) -> Vec<NamedSecret> {
        let mut seen = HashSet::new();
        let names = claim
            .secrets
            .iter()
            .filter(|name| seen.insert(Arc::clone(name)));
        names
            .map(|name| NamedSecret {
                name: name.clone(),
                found: self.found(claim, name, known),
            })
            .collect()
    }

    fn found(&self, claim: &Claim, name: &Arc<str>, known: Known<'_>) -> Found {
        let named = Named {
            namespace: claim.namespace.clone(),
            name: name.clone(),
        };
        if let Some(secret) = self.secrets.get(&named) {
            return Found::PullSecret(of_pull_secret(secret, &claim.image));
        }
        match self.wiring.answer(&named) {
            _ if !known.has_secrets => Found::Unseen,
            // That no watch brings it does not say that it is not there: it may have another type.
            None => Found::Unseen,
            Some(Some(kind)) if super::wiring::is_pull_secret(kind) => Found::Unseen,
            Some(Some(kind)) => Found::OtherType(kind.clone()),
            Some(None) => Found::Absent,
        }
    }

    fn tried(&self, claim: &Claim, candidate: &Candidate, known: Known<'_>) -> Tried {
        let holder = &candidate.holder;
        let group = Group {
            registry: claim.image.registry().clone(),
            credential: candidate.credential,
        };
        let name = Named {
            namespace: holder.namespace.clone(),
            name: holder.name.clone(),
        };
        let secret = self.secrets.get(&name);
        let entry = secret.and_then(|secret| secret.entry(&holder.key, candidate.credential));
        let is_told = holder.mark != Some(Mark::Ignored);
        let verdict = known.verdicts.of(&group).filter(|_| holder.mark.is_none());
        let expiry = entry.map(|entry| entry.expiry).filter(|_| is_told);
        let manifest = manifest_of(&claim.image);
        Tried {
            secret: SecretId {
                namespace: holder.namespace.clone(),
                name: holder.name.clone(),
            },
            key: holder.key.clone(),
            faults: entry
                .filter(|_| is_told)
                .map_or_else(FaultSet::default, |entry| entry.faults),
            expired_inside: expiry
                .filter(|expiry| expiry.is_expired_inside_at(known.now))
                .and_then(|expiry| expiry.inside),
            login: verdict.and_then(login),
            is_confirmed: verdict.is_some_and(|verdict| verdict.works() == Some(false)),
            is_believed: verdict.is_some_and(|verdict| match known.sight {
                Sight::Watched => verdict.works() == Some(false),
                Sight::Once => verdict.is_refused(),
            }),
            first_refused: verdict.and_then(Verdict::first_rejected),
            manifest: verdict.and_then(|verdict| verdict.manifest_meaning(&manifest)),
            is_fresh: verdict.is_none_or(|verdict| verdict.is_fresh_at(known.now)),
            is_not_asked: holder.mark.is_some() || !self.groups.wants(&group),
        }
    }

    /// Secrets of the namespace with a key for the image that the Pod does not name.
    fn unnamed(
        &self,
        claim: &Claim,
        account: &str,
        named: &[NamedSecret],
        known: Known<'_>,
    ) -> Vec<Unnamed> {
        let account = Named {
            namespace: claim.namespace.clone(),
            name: account.into(),
        };
        let listed = self
            .service_accounts
            .get(&account)
            .map(|account| &account.pull_secrets);
        let first = Named {
            namespace: claim.namespace.clone(),
            name: Arc::from(""),
        };
        let here = self.secrets.range(first..);
        let here = here.take_while(|(name, _)| name.namespace == claim.namespace);
        let here = here.take(SECRETS_MOST);
        let own: HashSet<&Arc<str>> = claim.secrets.iter().collect();
        let others = here.filter(|(name, secret)| {
            secret.mark != Some(Mark::Ignored) && !own.contains(&name.name)
        });
        let others = others.scan(0, |looked_at, (name, secret)| {
            within(looked_at, secret).then_some((name, secret))
        });
        let mut found: Vec<Unnamed> = others
            .filter_map(|(name, secret)| {
                let entry = matching(secret, &claim.image)?;
                Some(Unnamed {
                    name: name.name.clone(),
                    key: entry.key.as_str().into(),
                    is_listed: listed.is_some_and(|listed| listed.contains(&name.name)),
                    is_meant: false,
                    has_failed: self.has_failed(secret, entry, &claim.image, known),
                })
            })
            .collect();
        found.sort_by(|a, b| {
            let rank = |one: &Unnamed| (one.has_failed, !one.is_listed);
            rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
        });
        let absent = named
            .iter()
            .filter(|named| matches!(named.found, Found::Absent));
        let absent: Vec<&str> = absent.map(|named| &*named.name).take(NAMES_MOST).collect();
        for one in found.iter_mut().take(NAMES_MOST) {
            one.is_meant = absent.iter().any(|written| is_typo(written, &one.name));
        }
        found
    }

    /// Where a name that the Pod lists, and that is absent here, exists with a key for the image.
    fn elsewhere(&self, claim: &Claim, named: &[NamedSecret], known: Known<'_>) -> Vec<SecretId> {
        let absent = named
            .iter()
            .filter(|named| matches!(named.found, Found::Absent));
        let (mut found, mut looked_at) = (Vec::new(), 0);
        for name in absent.take(SECRETS_MOST) {
            let namespaces = self.namespaces_of.get(&name.name);
            for namespace in namespaces.into_iter().flatten().take(SECRETS_MOST) {
                let there = Named {
                    namespace: namespace.clone(),
                    name: name.name.clone(),
                };
                let secret = self.secrets.get(&there);
                let Some(secret) = secret.filter(|secret| secret.mark != Some(Mark::Ignored))
                else {
                    continue;
                };
                if !within(&mut looked_at, secret) {
                    return found;
                }
                let works = |entry| !self.has_failed(secret, entry, &claim.image, known);
                if matching(secret, &claim.image).is_some_and(works) {
                    found.push(SecretId {
                        namespace: there.namespace,
                        name: there.name,
                    });
                }
                if found.len() == ELSEWHERE_MOST {
                    return found;
                }
            }
        }
        found
    }

    /// The nearest key of the Secrets that the Pod names.
    fn near(&self, claim: &Claim) -> Option<Near> {
        let secrets = claim.secrets.iter().filter_map(|name| {
            let named = Named {
                namespace: claim.namespace.clone(),
                name: name.clone(),
            };
            let secret = self.secrets.get(&named)?;
            (secret.mark != Some(Mark::Ignored)).then_some((named, secret))
        });
        let secrets: Vec<_> = secrets.collect();
        let entries = secrets.iter().flat_map(|(name, secret)| {
            let entries = secret.entries.iter().take(ENTRIES_MOST);
            entries.map(move |entry| (&entry.key, name))
        });
        let nearest = keyring::near_misses(entries, claim.image.name())
            .into_iter()
            .next()?;
        Some(Near {
            secret: SecretId {
                namespace: nearest.item.namespace.clone(),
                name: nearest.item.name.clone(),
            },
            key: nearest.key.as_str().into(),
            rule: nearest.rule,
        })
    }

    fn has_failed(
        &self,
        secret: &Secret,
        entry: &Entry,
        image: &Reference,
        known: Known<'_>,
    ) -> bool {
        let group = Group {
            registry: image.registry().clone(),
            credential: entry.credential,
        };
        let verdict = known
            .verdicts
            .of(&group)
            .filter(|_| entry.holder.mark.is_none());
        secret.poisons_all
            || entry.expiry.is_expired_inside_at(known.now)
            || verdict.is_some_and(|verdict| verdict.works() == Some(false))
    }
}

/// One Secret more may be looked at.
fn within(looked_at: &mut usize, secret: &Secret) -> bool {
    *looked_at += secret.entries.len().max(1);
    *looked_at <= ENTRIES_OF_ALL_MOST
}

/// The newest answer to the login that tells something: silence leaves what is known.
fn login(verdict: &Verdict) -> Option<Meaning> {
    let newest = verdict.login_meaning();
    let is_conclusive = newest.is_some_and(|newest| newest.outcome.is_conclusive());
    match verdict.works() {
        Some(false) if !is_conclusive => Some(Meaning::plain(Outcome::Unauthorized)),
        _ => newest,
    }
}

/// The entry of a Secret that the kubelet would try for the image.
fn matching<'s>(secret: &'s Secret, image: &Reference) -> Option<&'s Entry> {
    let may_match = |entry: &&Entry| {
        let registry = entry.registry.as_ref();
        registry.is_none_or(|registry| registry == image.registry())
    };
    let entries = secret.entries.iter().filter(may_match);
    let entries = entries.map(|entry| (&entry.key, entry));
    keyring::lookup(entries, image.name()).into_iter().next()
}

fn of_pull_secret(secret: &Secret, image: &Reference) -> PullSecret {
    let is_ignored = secret.mark == Some(Mark::Ignored);
    let meant = secret
        .useless
        .iter()
        .find(|entry| is_meant(entry.key.as_ref(), &entry.label, image));
    PullSecret {
        kind: match secret.record.resource {
            Resource::DockerCfgSecrets => SecretKind::DockerCfg,
            _ => SecretKind::DockerConfigJson,
        },
        faults: match is_ignored {
            true => FaultSet::default(),
            false => secret.faults,
        },
        poisons_all: secret.poisons_all,
        is_empty: secret.entries.is_empty(),
        useless: meant.map(|entry| (entry.label.as_ref().into(), entry.faults)),
        registries: match is_ignored {
            true => Vec::new(),
            false => registries(secret),
        },
        is_ignored,
        owner: secret.owner.clone(),
        changed: secret.changed,
        manager: secret.manager.clone(),
    }
}

fn registries(secret: &Secret) -> Vec<Registry> {
    let sent = secret.entries.iter().map(|entry| &entry.key);
    let useless = secret.useless.iter().filter_map(|entry| entry.key.as_ref());
    let named: BTreeSet<Registry> = sent.chain(useless).filter_map(Key::registry).collect();
    named.into_iter().take(REGISTRIES_MOST).collect()
}

/// An entry that is never sent was evidently written for this image.
fn is_meant(key: Option<&Key>, label: &str, image: &Reference) -> bool {
    match key {
        Some(key) => {
            key.matches(image.name())
                || key
                    .registry()
                    .is_some_and(|registry| registry == *image.registry())
                || !keyring::near_misses([(key, ())], image.name()).is_empty()
        }
        None => label.contains(image.registry().as_str()),
    }
}
