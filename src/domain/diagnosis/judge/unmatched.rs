//! Nothing that the Pod names matches the image: where would the credential be?

use std::sync::Arc;

use super::Judge;
use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Detail, Diagnosis, Found, Named, Unnamed, Word};
use crate::domain::docker_config::{Effect, FaultKind, FaultSet};
use crate::domain::outcome::Outcome;

impl Judge<'_> {
    /// Nothing that the Pod names matches: where would the credential be? A mirror pod cannot name any:
    /// its node has it, or not. What may be there and is not seen may be it.
    pub(super) fn no_candidate(&self) -> Option<Diagnosis> {
        let is_mirror = self.waiting.is_some_and(|waiting| waiting.is_mirror);
        let is_unseen = |named: &Named| matches!(named.found, Found::Unseen);
        let is_blind = !self.case.sees_secrets || self.case.named.iter().any(is_unseen);
        // A node that has a credential of its own and was not refused is not in want of one.
        let has_own = self.case.has_node_credentials
            && self.waiting.is_some_and(|waiting| waiting.reason.is_some())
            && !self.was_refused();
        if is_mirror || is_blind || has_own || self.is_public() {
            return None;
        }
        self.not_named()
            .or_else(|| self.elsewhere())
            .or_else(|| self.skipped())
            .or_else(|| self.mismatch())
            .or_else(|| self.missing())
            .or_else(|| self.denied_or_absent())
    }

    /// It is in the namespace, and the Pod does not name it.
    fn not_named(&self) -> Option<Diagnosis> {
        let case = self.case;
        let listed = case.unnamed.iter().find(|secret| secret.is_listed);
        let first = case.unnamed.first()?;
        let found = |cause, secret: &Unnamed| {
            Diagnosis::of(cause)
                .about(self.here(&secret.name))
                .at_key(&secret.key)
        };
        if case.named.is_empty() {
            return Some(match listed {
                Some(listed) => found(Cause::StalePod, listed),
                None => found(Cause::ServiceAccountNotConfigured, first),
            });
        }
        let meant = case.unnamed.iter().find(|secret| secret.is_meant);
        let (word, secret) = match (meant, listed) {
            (Some(meant), _) => (Word::NameTypo, meant),
            (None, Some(listed)) => (Word::PodListHidesServiceAccount, listed),
            (None, None) => (Word::NotListed, first),
        };
        Some(found(Cause::SecretNotReferenced, secret).with(Detail::Word(word)))
    }

    fn elsewhere(&self) -> Option<Diagnosis> {
        let secret = self.case.elsewhere.first()?;
        Some(Diagnosis::of(Cause::SecretInOtherNamespace).about(secret.clone()))
    }

    /// One that the Pod names is there, and the kubelet passes it or the entry over.
    fn skipped(&self) -> Option<Diagnosis> {
        for named in &self.case.named {
            match &named.found {
                Found::OtherType(_) => {
                    let fault = Detail::Fault(FaultKind::WrongSecretType);
                    let found = Diagnosis::of(Cause::MalformedSecret).with(fault);
                    return Some(found.about(self.here(&named.name)));
                }
                Found::PullSecret(secret) if secret.is_ignored => {}
                Found::PullSecret(secret) => {
                    if let Some((key, faults)) = &secret.useless {
                        let found = self.malformed(&named.name, *faults, Effect::EntryUseless);
                        return Some(found.at_key(key));
                    }
                    if secret.is_empty && !secret.faults.is_empty() {
                        let worst = secret.faults.worst().unwrap_or(Effect::SecretIgnored);
                        return Some(self.malformed(&named.name, secret.faults, worst));
                    }
                }
                Found::Unseen | Found::Absent => {}
            }
        }
        None
    }

    pub(super) fn malformed(&self, name: &Arc<str>, faults: FaultSet, effect: Effect) -> Diagnosis {
        let found = Diagnosis::of(Cause::MalformedSecret).about(self.here(name));
        match faults.iter().find(|fault| fault.effect() == effect) {
            Some(fault) => found.with(Detail::Fault(fault)),
            None => found,
        }
    }

    /// The Secrets that the Pod names are sound, and none of their keys means this image. Without a
    /// key that nearly does, all of them must be there: an absent one may be the one that is missing.
    fn mismatch(&self) -> Option<Diagnosis> {
        let case = self.case;
        if case.has_node_credentials || case.named.is_empty() {
            return None;
        }
        if let Some(near) = &case.near {
            let found = Diagnosis::of(Cause::RegistryMismatch).with(Detail::Rule(near.rule));
            return Some(found.about(near.secret.clone()).at_key(&near.key));
        }
        let are_all_sound = case.named.iter().all(Named::is_sound);
        let first = case.named.first().filter(|_| are_all_sound)?;
        let found = Diagnosis::of(Cause::RegistryMismatch);
        let found = found.about(self.here(&first.name));
        self.needs_credential().then_some(found)
    }

    fn missing(&self) -> Option<Diagnosis> {
        let case = self.case;
        if case.has_node_credentials || !self.needs_credential() {
            return None;
        }
        let absent = case.named.iter().find(|named| named.is_absent());
        let found = Diagnosis::of(Cause::MissingPullSecret);
        Some(match absent {
            Some(named) => found.about(self.here(&named.name)),
            None => found,
        })
    }

    /// The registry does not say which, and nothing else does.
    fn denied_or_absent(&self) -> Option<Diagnosis> {
        if self.case.has_node_credentials {
            return None;
        }
        let told = self.case.anonymous?.meaning;
        (told.outcome != Outcome::Ok && told.leaves_doubt())
            .then(|| Diagnosis::of(Cause::DeniedOrAbsent))
    }
}
