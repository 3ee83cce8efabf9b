//! Something matches: what the registry answers to each credential, and which of the failures decides.

use super::{Judge, about};
use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Detail, Diagnosis, Proof, Tried};
use crate::domain::outcome::{Meaning, Outcome, Situation};

impl Judge<'_> {
    /// Something matches: all of it fails, or there is nothing to tell.
    pub(super) fn candidates(&self) -> Option<Diagnosis> {
        let tried = &self.case.candidates;
        let mut failures = Vec::with_capacity(tried.len());
        for one in tried {
            failures.push((self.failure(one)?, one));
        }
        if let Some((_, locked)) = failures.iter().find(|(_, one)| one.is_locked()) {
            return Some(about(Cause::LockedOut, locked));
        }
        // The first of those that got furthest.
        let furthest = failures.iter().map(|(failure, _)| failure.stage()).max()?;
        let (failure, one) = failures.iter().find(|(one, _)| one.stage() == furthest)?;
        Some(match failure {
            Failure::Login(cause) if *cause == Cause::InvalidCredentials => self.invalid(one),
            // No login makes it appear.
            Failure::Manifest(Cause::ImageNotFound) => Diagnosis::of(Cause::ImageNotFound),
            Failure::Login(cause) | Failure::Manifest(cause) => about(*cause, one),
        })
    }

    /// A login that is refused and whose entry has a fault is refused for the fault.
    fn invalid(&self, tried: &Tried) -> Diagnosis {
        match tried.faults.iter().next() {
            Some(fault) => about(Cause::MalformedSecret, tried).with(Detail::Fault(fault)),
            None => about(Cause::InvalidCredentials, tried),
        }
    }

    /// How one of them fails; `None` where it works, or that is not known.
    fn failure(&self, tried: &Tried) -> Option<Failure> {
        if tried.expired_inside.is_some() {
            return Some(Failure::Login(Cause::ExpiredCredentials));
        }
        if tried.is_not_asked {
            return None;
        }
        if let Some(manifest) = tried.manifest.filter(|_| tried.is_good()) {
            return self.of_manifest(manifest).map(Failure::Manifest);
        }
        let login = tried.login?;
        let is_certain = tried.is_believed || self.was_refused();
        let cause = match login.outcome {
            Outcome::LockedOut => Cause::LockedOut,
            Outcome::Expired => Cause::ExpiredCredentials,
            Outcome::Unauthorized | Outcome::Forbidden if is_certain => {
                match login.may_mean == [Situation::ExpiredCredential] {
                    true => Cause::ExpiredCredentials,
                    false => Cause::InvalidCredentials,
                }
            }
            _ => return None,
        };
        Some(Failure::Login(cause))
    }

    /// What the answer about this manifest, after a good login, comes to.
    fn of_manifest(&self, answer: Meaning) -> Option<Cause> {
        let exists = self.case.proof;
        let is_this_there = exists == Some(Proof::Manifest);
        match answer.outcome {
            Outcome::Expired => Some(Cause::ExpiredCredentials),
            Outcome::LockedOut => Some(Cause::LockedOut),
            Outcome::Unauthorized | Outcome::Forbidden => {
                let may_be_absent = answer.may_mean(Situation::RepositoryAbsent);
                Some(match exists.is_some() || !may_be_absent {
                    true => Cause::PermissionDenied,
                    false => Cause::DeniedOrAbsent,
                })
            }
            Outcome::NotFound if is_this_there => Some(Cause::PermissionDenied),
            Outcome::NotFound if answer.may_hide() => Some(Cause::DeniedOrAbsent),
            Outcome::NotFound => Some(Cause::ImageNotFound),
            _ => None,
        }
    }
}

/// How an entry fails.
enum Failure {
    /// At the login.
    Login(Cause),
    /// After it.
    Manifest(Cause),
}

impl Failure {
    fn stage(&self) -> u8 {
        match self {
            Self::Login(_) => 0,
            Self::Manifest(_) => 1,
        }
    }
}
