//! Who holds a credential: one entry of one Secret, and why it counts.

use std::fmt;
use std::sync::Arc;

use super::Created;
use super::groups::Which;
use super::mark::Mark;
use crate::domain::credential::CredentialId;

/// One entry of one Secret that holds a credential. Ordered by age, so that the first is the oldest;
/// those with a mark come after all others, or a tenant could give its name to what others hold and
/// hide it with that.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Holder {
    pub(super) mark: Option<Mark>,
    pub(super) created: Created,
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) key: Arc<str>,
}

/// `namespace/name`; a file is its path.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

impl Holder {
    /// `namespace/name#key`.
    pub(super) fn to_ledger(&self) -> String {
        format!("{self}#{}", self.key)
    }
}

/// An entry that the kubelet tries for a claim.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) credential: CredentialId,
    pub(super) holder: Arc<Holder>,
}

/// Why a holder holds: its key names the registry, and images match it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hold {
    pub(super) literal: u32,
    pub(super) claims: u32,
    pub(super) referenced: bool,
}

impl Hold {
    pub(super) fn is_held(self) -> bool {
        self.literal > 0 || self.claims > 0
    }

    fn is_referenced(self) -> bool {
        self.referenced && self.is_held()
    }

    /// Is a reason to look after the credential.
    pub(super) fn counts(self, holder: &Holder) -> bool {
        self.is_referenced() && holder.mark.is_none()
    }

    /// Would have the credential sent, if its namespace has a place for it.
    pub(super) fn demands(self, holder: &Holder, which: Which) -> bool {
        match which {
            _ if holder.mark.is_some() => false,
            Which::Referenced => self.is_referenced(),
            Which::All => self.is_held(),
            Which::InUse | Which::None => false,
        }
    }
}
