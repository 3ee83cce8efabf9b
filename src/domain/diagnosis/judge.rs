//! The order in which causes are looked for: the first that is proven is the cause.
//!
//! 1. What only the node can know, by its newest message.
//! 2. The way to the registry, by the same: nothing was asked there, so that no credential can have been
//!    the matter.
//! 3. The image itself, which is not there, whoever asks.
//! 4. A malformed Secret that keeps the kubelet from all of the Pod's.
//! 5. Nothing that the Pod names matches the image ([`unmatched`]).
//! 6. Something matches, and all of it fails: what got furthest decides ([`tried`]).
//! 7. Nothing is proven.
//!
//! docs/diagnosis.md says why each comes where it does.

mod tried;
mod unmatched;

use super::{Case, Detail, Diagnosis, Found, Named, Proof, PullSecret, SecretId, Tried, Waiting};
use crate::domain::cause::Cause;
use crate::domain::docker_config::Effect;
use crate::domain::outcome::{Meaning, Outcome, Situation};
use crate::domain::pull_failure::Reason;

/// Why a Pod that waits cannot pull.
pub fn judge(case: &Case, waiting: &Waiting<'_>) -> Diagnosis {
    by_message_only(waiting)
        .or_else(|| by_the_way(case, waiting))
        .or_else(|| {
            if !waiting.is_settled {
                return None;
            }
            let judge = Judge {
                case,
                waiting: Some(waiting),
            };
            let first = judge.absent().or_else(|| judge.poisoned());
            let own_word = || by_own_word(waiting);
            first
                .or_else(own_word)
                .or_else(|| match case.candidates.is_empty() {
                    true => judge.no_candidate(),
                    false => judge.candidates(),
                })
        })
        .or_else(|| by_own_word(waiting))
        .unwrap_or_else(|| Diagnosis::of(Cause::Unknown))
}

/// The same of an image of which nothing is known but what the node says.
pub fn by_message(waiting: &Waiting<'_>) -> Diagnosis {
    said(waiting)
}

/// Why a Pod whose container was started could not pull its image again; `None` where it could, and
/// where that is not certain. Nodes keep images, so that nothing is seen of it until a Pod comes to
/// another node.
pub fn would_fail(case: &Case) -> Option<Diagnosis> {
    let judge = Judge {
        case,
        waiting: None,
    };
    if let Some(found) = judge.poisoned() {
        return Some(found);
    }
    // One that names none was pulled somehow: what with, its node knows.
    let is_told = !case.named.is_empty() && !case.has_node_credentials;
    if !is_told || case.is_up != Some(true) {
        return None;
    }
    let found = if case.candidates.is_empty() {
        // Without a credential it would be refused: that is what makes a fault of theirs a danger.
        if !judge.needs_credential() {
            return None;
        }
        judge.no_candidate()
    } else {
        let is_certain = case.candidates.iter().all(|tried| tried.is_fresh);
        judge.candidates().filter(|_| is_certain)
    };
    found.filter(|found| found.cause.is_of_credentials())
}

/// Why a Pod that is not there yet could not pull its image on a node that does not have it; `None`
/// where it could. A node's own reasons are not known before there is one.
pub fn would_not_pull(case: &Case) -> Option<Diagnosis> {
    let judge = Judge {
        case,
        waiting: None,
    };
    if let Some(found) = judge.absent().or_else(|| judge.poisoned()) {
        return Some(found);
    }
    if judge.could_pull() {
        return None;
    }
    let found = match case.candidates.is_empty() {
        // Without its node's credentials, which are tried after all of the Pod's.
        _ if case.has_node_credentials => None,
        // No node was refused: that a credential is needed is for the registry to say.
        true if !judge.may_need_credential() => None,
        true => judge.no_candidate(),
        false => judge.candidates(),
    };
    Some(found.unwrap_or_else(|| Diagnosis::of(Cause::Unknown)))
}

/// What the newest message of the node proves, and nobody else can know.
fn by_message_only(waiting: &Waiting<'_>) -> Option<Diagnosis> {
    match waiting.reason? {
        Reason::InvalidImageName
        | Reason::PlatformMismatch
        | Reason::NeverPull
        | Reason::SignatureRejected
        | Reason::CorruptImage
        | Reason::NodeDiskFull
        | Reason::KubeletQps => Some(said(waiting)),
        _ => None,
    }
}

/// The way to the registry, or the registry itself, failed before a credential could matter. An
/// account that is locked is told by some registries in the words of a limit.
fn by_the_way(case: &Case, waiting: &Waiting<'_>) -> Option<Diagnosis> {
    match waiting.reason? {
        Reason::RateLimited => {
            let locked = case.candidates.iter().find(|tried| tried.is_locked());
            Some(match locked {
                Some(tried) => about(Cause::LockedOut, tried),
                None => said(waiting),
            })
        }
        Reason::Dns
        | Reason::Timeout
        | Reason::Connection
        | Reason::Tls
        | Reason::RegistryError => Some(said(waiting)),
        _ => None,
    }
}

/// A kubelet that says itself that it cannot read a pull secret; which one is not in its words.
fn by_own_word(waiting: &Waiting<'_>) -> Option<Diagnosis> {
    (waiting.reason? == Reason::MalformedSecret).then(|| said(waiting))
}

fn said(waiting: &Waiting<'_>) -> Diagnosis {
    let reason = waiting.reason.unwrap_or(Reason::Other);
    let found = Diagnosis::of(Cause::told_by(reason));
    match Detail::said(reason, waiting.text) {
        Some(detail) => found.with(detail),
        None => found,
    }
}

fn about(cause: Cause, tried: &Tried) -> Diagnosis {
    Diagnosis::of(cause)
        .about(tried.secret.clone())
        .at_key(&tried.key)
}

struct Judge<'a> {
    case: &'a Case,
    /// `None` where nothing waits: could it be pulled again?
    waiting: Option<&'a Waiting<'a>>,
}

impl Judge<'_> {
    fn said(&self, wanted: Reason) -> bool {
        self.waiting.and_then(|waiting| waiting.reason) == Some(wanted)
    }

    /// The node was refused: with what our own login was told, that makes two.
    fn was_refused(&self) -> bool {
        [Reason::Unauthorized, Reason::Forbidden, Reason::Expired]
            .into_iter()
            .any(|reason| self.said(reason))
    }

    /// The image is not there, whoever asks: the registry says so to anybody, or gives everything else
    /// of the repository to anybody.
    fn absent(&self) -> Option<Diagnosis> {
        let answer = self.case.anonymous?;
        // Somebody here can read this very manifest: it is the node that is told otherwise.
        if self.could_pull() || self.is_readable() {
            return None;
        }
        let is_absent = match answer.meaning.outcome {
            Outcome::Ok => self.said(Reason::NotFound),
            Outcome::NotFound => {
                let is_about_this = answer.is_of_this || self.said(Reason::NotFound);
                is_about_this && !answer.meaning.may_hide()
            }
            _ => false,
        };
        is_absent.then(|| Diagnosis::of(Cause::ImageNotFound))
    }

    /// The registry gives this very image to one of the candidates; without any, to anybody.
    fn could_pull(&self) -> bool {
        let is_ok = |meaning: Meaning| meaning.outcome == Outcome::Ok;
        let reads = |tried: &Tried| {
            let is_usable = tried.expired_inside.is_none() && !tried.is_not_asked;
            is_usable && tried.is_good() && tried.manifest.is_some_and(is_ok)
        };
        match self.case.candidates.is_empty() {
            true => self.is_given_to_anybody(),
            false => self.case.candidates.iter().any(reads),
        }
    }

    /// The registry gives this very image to somebody, whoever it is.
    fn is_readable(&self) -> bool {
        self.is_given_to_anybody() || self.case.proof == Some(Proof::Manifest)
    }

    fn is_given_to_anybody(&self) -> bool {
        let answer = self.case.anonymous;
        answer.is_some_and(|answer| answer.is_of_this && answer.meaning.outcome == Outcome::Ok)
    }

    fn is_public(&self) -> bool {
        let answer = self.case.anonymous;
        answer.is_some_and(|answer| answer.meaning.outcome == Outcome::Ok)
    }

    /// Nothing speaks against it: the registry does not give it to anybody, as far as it was asked, and
    /// that may be for want of a credential.
    fn may_need_credential(&self) -> bool {
        let told = self.case.anonymous.map(|answer| answer.meaning);
        let may_want = |meaning: Meaning| {
            meaning.outcome != Outcome::Ok && meaning.may_mean(Situation::CredentialNeeded)
        };
        self.needs_credential() || told.is_some_and(may_want)
    }

    /// Without a credential nobody gets it: the repository is there, and not for everybody.
    fn needs_credential(&self) -> bool {
        if self.is_public() {
            return false;
        }
        let told = self.case.anonymous.map(|answer| answer.meaning);
        let is_private = |meaning: Meaning| meaning.may_mean == [Situation::CredentialNeeded];
        let is_hidden = |meaning: Meaning| {
            self.case.proof.is_some() && meaning.may_mean(Situation::CredentialNeeded)
        };
        self.case.guards_all || told.is_some_and(|told| is_private(told) || is_hidden(told))
    }

    /// The kubelet makes no keyring of a Pod's Secrets where one of them cannot be read, and pulls nothing
    /// then, not even what is public (`MakeDockerKeyring` gives its error up, in every version). Where
    /// the node was told something else, the Secret was spoilt since: the next try ends here.
    fn poisoned(&self) -> Option<Diagnosis> {
        let named = self.pull_secrets();
        let (name, secret) = named.into_iter().find(|(_, secret)| secret.poisons_all)?;
        Some(self.malformed(name, secret.faults, Effect::PoisonsAll))
    }

    fn pull_secrets(&self) -> Vec<(&std::sync::Arc<str>, &PullSecret)> {
        let named = self.case.named.iter();
        named
            .filter_map(|named| match &named.found {
                Found::PullSecret(secret) if !secret.is_ignored => Some((&named.name, secret)),
                _ => None,
            })
            .collect()
    }

    fn here(&self, name: &std::sync::Arc<str>) -> SecretId {
        SecretId {
            namespace: self.case.namespace.clone(),
            name: name.clone(),
        }
    }
}

impl Case {
    /// One of the Secrets that the Pod names is not there.
    pub fn names_absent(&self) -> bool {
        self.named.iter().any(Named::is_absent)
    }
}

impl Named {
    fn is_absent(&self) -> bool {
        matches!(self.found, Found::Absent)
    }

    fn is_sound(&self) -> bool {
        match &self.found {
            Found::PullSecret(secret) => !secret.poisons_all && !secret.is_empty,
            Found::Unseen | Found::Absent | Found::OtherType(_) => false,
        }
    }
}

impl Tried {
    /// Its login works; where a registry wants none at `/v2/`, its manifests tell.
    fn is_good(&self) -> bool {
        let is_ok = |login: Meaning| login.outcome == Outcome::Ok;
        self.login.is_none_or(is_ok)
    }

    fn is_locked(&self) -> bool {
        let is_locked = |meaning: Meaning| meaning.outcome == Outcome::LockedOut;
        !self.is_not_asked
            && (self.login.is_some_and(is_locked) || self.manifest.is_some_and(is_locked))
    }
}

impl Meaning {
    fn may_mean(&self, situation: Situation) -> bool {
        self.may_mean.contains(&situation)
    }

    /// A `not found` that may be a "not for you".
    fn may_hide(&self) -> bool {
        self.may_mean(Situation::NoRight) || self.may_mean(Situation::CredentialNeeded)
    }
}
