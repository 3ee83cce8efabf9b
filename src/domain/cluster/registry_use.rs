//! What a registry is needed for.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::Which;
use crate::domain::credential::CredentialId;
use crate::domain::exchange::Manifest;

#[derive(Debug, Default)]
pub(super) struct RegistryUse {
    pub(super) claims: u32,
    /// What Secrets hold for it.
    pub(super) credentials: BTreeSet<CredentialId>,
    /// Of these, those that are asked.
    pub(super) asked: u32,
    /// Namespaces whose Pods name it and that have a place for it.
    pub(super) admitted: u32,
    /// Manifests that some claim has no candidate for: they are pulled without a credential.
    pub(super) anonymous: BTreeMap<Manifest, u32>,
    /// Of these, those of which it matters whether they are public.
    pub(super) questions: BTreeMap<Manifest, u32>,
    /// Repositories that containers were started from, by the claims of which that is so.
    pub(super) started: BTreeMap<String, u32>,
}

impl RegistryUse {
    pub(super) fn is_wanted(&self, which: Which) -> bool {
        match which {
            Which::Referenced | Which::All => self.admitted > 0 || self.asked > 0,
            Which::InUse => self.claims > 0,
            Which::None => false,
        }
    }

    /// What is to be asked of it: a ping, a look, and about how many manifests.
    pub(super) fn wishes(&self, which: Which) -> (bool, bool, usize) {
        let is_wanted = self.is_wanted(which);
        let questions = if is_wanted { self.questions.len() } else { 0 };
        (
            is_wanted,
            is_wanted && !self.anonymous.is_empty(),
            questions,
        )
    }

    /// Nothing names it any more.
    pub(super) fn is_over(&self) -> bool {
        self.claims == 0 && self.credentials.is_empty() && self.asked == 0 && self.admitted == 0
    }
}
