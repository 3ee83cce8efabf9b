//! What may be the matter: the situations behind an answer, as far as the answer leaves them open.

use super::Outcome;

/// One thing that may be the matter. An outcome says what was answered; where registries give one
/// answer to several of these, all of them stand beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Situation {
    /// No credential was sent, and the repository is not public.
    CredentialNeeded,
    /// User name or password are not right.
    WrongPassword,
    /// They were right once: expired, revoked, rotated.
    ExpiredCredential,
    /// The login is good and may not pull this.
    NoRight,
    /// There is no such repository, project or namespace.
    RepositoryAbsent,
    /// There is no such tag or digest.
    TagAbsent,
    /// Too many requests, or a quota is used up.
    OverLimit,
    /// Too many failed logins: locked, suspended, banned.
    LockedOut,
    /// The registry keeps this image from everybody: a finding of its scanner, a rule.
    Withheld,
    /// The registry does not talk to our address.
    AddressRefused,
    /// The namespace was switched off.
    NamespaceDisabled,
}

impl Situation {
    /// Every situation.
    pub const ALL: [Self; 11] = [
        Self::CredentialNeeded,
        Self::WrongPassword,
        Self::ExpiredCredential,
        Self::NoRight,
        Self::RepositoryAbsent,
        Self::TagAbsent,
        Self::OverLimit,
        Self::LockedOut,
        Self::Withheld,
        Self::AddressRefused,
        Self::NamespaceDisabled,
    ];

    /// Its spelling, in logs and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CredentialNeeded => "credential_needed",
            Self::WrongPassword => "wrong_password",
            Self::ExpiredCredential => "expired_credential",
            Self::NoRight => "no_right",
            Self::RepositoryAbsent => "repository_absent",
            Self::TagAbsent => "tag_absent",
            Self::OverLimit => "over_limit",
            Self::LockedOut => "locked_out",
            Self::Withheld => "withheld",
            Self::AddressRefused => "address_refused",
            Self::NamespaceDisabled => "namespace_disabled",
        }
    }

    /// The same for people, in the middle of a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::CredentialNeeded => "an image that is not public",
            Self::WrongPassword => "a wrong password",
            Self::ExpiredCredential => "a credential that has expired or was revoked",
            Self::NoRight => "a missing right",
            Self::RepositoryAbsent => "no such repository",
            Self::TagAbsent => "no such tag",
            Self::OverLimit => "too many requests",
            Self::LockedOut => "an account that is locked",
            Self::Withheld => "a policy of the registry",
            Self::AddressRefused => "an address that may not ask",
            Self::NamespaceDisabled => "a namespace that is switched off",
        }
    }
}

/// What one answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The label.
    pub outcome: Outcome,
    /// The situations that this registry answers so. Empty where it worked, and where the answer is
    /// none of a registry's; one where the answer leaves no doubt.
    pub may_mean: &'static [Situation],
    /// False where nobody could look it up: told from memory, or by likeness.
    pub is_verified: bool,
}

impl Meaning {
    /// What says nothing beyond its outcome.
    pub const fn plain(outcome: Outcome) -> Self {
        Self {
            outcome,
            may_mean: &[],
            is_verified: true,
        }
    }

    /// The registry answers several situations alike: which of them it is cannot be told from here.
    pub fn leaves_doubt(&self) -> bool {
        self.may_mean.len() > 1
    }

    /// What it may mean, in words and in one line; empty without doubt.
    pub fn doubt(&self) -> String {
        let words: Vec<_> = self.may_mean.iter().map(|one| one.as_str()).collect();
        match self.leaves_doubt() {
            true => words.join(" or "),
            false => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn situations_are_spelt_once() {
        let mut words: Vec<_> = Situation::ALL.iter().map(|one| one.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Situation::ALL.len());
    }

    #[test]
    fn doubt_is_told_where_there_is_some() {
        let check = |may_mean: &'static [Situation], expected: &str| {
            let meaning = Meaning {
                may_mean,
                ..Meaning::plain(Outcome::Forbidden)
            };
            assert_eq!(meaning.doubt(), expected);
        };
        check(&[], "");
        check(&[Situation::NoRight], "");
        check(
            &[Situation::NoRight, Situation::RepositoryAbsent],
            "no_right or repository_absent",
        );
    }
}
