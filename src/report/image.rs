//! For one image: the entries that the kubelet would try, in its order, and the keys that nearly
//! match.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Asked, Soon, is_useless, source, upshot_of};
use crate::domain::cluster::{Cluster, Held, Holding, Mark};
use crate::domain::docker_config::FaultKind;
use crate::domain::exchange::NetworkFault;
use crate::domain::expiry::Expiry;
use crate::domain::image::Reference;
use crate::domain::keyring::{self, Key, Rule};
use crate::domain::outcome::Outcome;
use crate::domain::rows::Skipped;
use crate::domain::shortcoming::{Shortcoming, Upshot};
use crate::domain::verdict::Verdicts;

/// What a kubelet would do to pull one image.
#[derive(Clone, Debug)]
pub struct ImageReport {
    /// As the kubelet reads it.
    pub image: String,
    /// What it tries, in this order; none when a Secret spoils them all.
    pub candidates: Vec<Candidate>,
    /// Keys that were evidently meant for it and do not match, nearest first.
    pub near_misses: Vec<Near>,
    /// A Secret was too large to be read whole: there may be more candidates.
    pub is_cut: bool,
    /// Whether registries were asked.
    pub asked: Asked,
    /// What anybody is given, where it was asked.
    anonymous: Option<bool>,
}

/// One entry that the kubelet tries.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// `namespace/name`, or the file.
    pub source: String,
    /// Normalised key, or as written where entries of one Secret share it.
    pub key: String,
    /// Of the manifest, or of the login where it was refused; none when nobody was asked, be it about
    /// this one only, or when the entry is empty and the kubelet pulls anonymously with it.
    pub outcome: Option<Outcome>,
    /// What exactly, where there was no answer.
    pub fault: Option<NetworkFault>,
    /// Until when it works.
    pub expiry: Expiry,
    /// The entry holds nothing that could be sent.
    pub is_useless: bool,
    /// Why it is not to be asked, where that is so.
    pub skipped: Option<Skipped>,
}

/// A key that nearly matches.
#[derive(Clone, Debug)]
pub struct Near {
    /// `namespace/name`, or the file.
    pub source: String,
    /// Normalised key.
    pub key: String,
    /// The first rule that it breaks.
    pub rule: Rule,
}

impl ImageReport {
    /// What the kubelet would try of these Secrets, which must come in the pod's order, as far as
    /// they are told.
    pub fn of(
        image: &Reference,
        holdings: &[Holding],
        cluster: &Cluster,
        verdicts: &Verdicts,
        asked: Asked,
        now: DateTime<Utc>,
    ) -> Self {
        let is_poisoned = holdings.iter().any(|holding| holding.poisons_all);
        let tried = if is_poisoned {
            Vec::new()
        } else {
            keyring::lookup(entries(holdings), image.name())
        };
        let candidates = tried
            .into_iter()
            .map(|(holding, key, held)| {
                let answer = holding.place(held).and_then(|place| {
                    let answers = cluster.answers(verdicts, &holding.object, key, image, now);
                    answers.get(place).copied().flatten()
                });
                Candidate {
                    source: source(&holding.object),
                    key: holding.shown_key(held).to_owned(),
                    outcome: answer.map(|(outcome, _)| outcome),
                    fault: answer.and_then(|(_, fault)| fault),
                    expiry: held.expiry,
                    is_useless: is_useless(held.faults),
                    skipped: holding.mark.map(Mark::skipped),
                }
            })
            .collect();
        let told = holdings.iter().filter(|holding| !holding.is_ignored());
        let near_misses = keyring::near_misses(entries(told), image.name())
            .into_iter()
            .map(|near| Near {
                source: source(&near.item.0.object),
                key: near.key.as_str().to_owned(),
                rule: near.rule,
            })
            .collect();
        Self {
            image: image.to_string(),
            candidates,
            near_misses,
            is_cut: !is_poisoned && holdings.iter().any(is_cut),
            asked,
            anonymous: verdicts
                .anonymous
                .would_work(image.registry(), image.repository()),
        }
    }

    /// Whether it could be pulled without a credential; `None` where one of the candidates works,
    /// where none is refused, and where nobody can tell.
    pub fn anonymous_would_work(&self) -> Option<bool> {
        self.anonymous.filter(|_| self.upshot() == Upshot::Broken)
    }

    /// One candidate that works is enough. Without any the kubelet pulls anonymously, which nobody
    /// meant who named a Secret.
    pub(super) fn upshot(&self) -> Upshot {
        let unread = self.is_cut.then_some(Upshot::Unclear);
        let upshots = self.candidates.iter().map(|one| self.upshot_of(one));
        let upshots = upshots.chain(unread);
        upshots.min().unwrap_or(Upshot::Broken)
    }

    /// What one candidate comes to, by itself.
    pub(super) fn upshot_of(&self, candidate: &Candidate) -> Upshot {
        match candidate.outcome {
            Some(outcome) => upshot_of(outcome),
            None if candidate.is_useless => Upshot::Broken,
            // What is not asked on purpose is no shortcoming.
            None if candidate.skipped.is_some() => Upshot::Works,
            None => match self.asked {
                Asked::Registries => Upshot::Unclear,
                Asked::Nobody => Upshot::Works,
            },
        }
    }

    /// What is wrong with it.
    pub(super) fn shortcomings(&self, soon: Soon) -> BTreeSet<Shortcoming> {
        let of_broken = |one: &Candidate| match one.outcome {
            Some(_) => Shortcoming::Refused,
            None => Shortcoming::Fault,
        };
        match self.upshot() {
            Upshot::Broken if self.candidates.is_empty() => [Shortcoming::NoCandidate].into(),
            Upshot::Broken => self.candidates.iter().map(of_broken).collect(),
            Upshot::Unclear => [Shortcoming::Inconclusive].into(),
            Upshot::Works if self.expires(soon) => [Shortcoming::Expires].into(),
            Upshot::Works => BTreeSet::new(),
        }
    }

    /// Every candidate that works does so for a while only: one that goes on is enough.
    pub(super) fn expires(&self, soon: Soon) -> bool {
        let works = |one: &&Candidate| self.upshot_of(one) == Upshot::Works;
        let mut working = self.candidates.iter().filter(works).peekable();
        working.peek().is_some() && working.all(|one| soon.has(&one.expiry, one.outcome.is_some()))
    }
}

fn is_cut(holding: &Holding) -> bool {
    let mut kinds = holding.faults.iter().map(|fault| fault.kind);
    kinds.any(|kind| kind == FaultKind::TooLarge)
}

type Entry<'a> = (&'a Holding, &'a Key, &'a Held);

fn entries<'a>(
    holdings: impl IntoIterator<Item = &'a Holding>,
) -> impl Iterator<Item = (&'a Key, Entry<'a>)> {
    holdings.into_iter().flat_map(|holding| {
        holding.entries.iter().filter_map(move |held| {
            let key = held.key.as_ref()?;
            Some((key, (holding, key, held)))
        })
    })
}
