//! What a look may find wrong, and which shortcomings are a reason to fail: the rule behind the exit
//! codes of `check`.
//!
//! Words in, a verdict out: who looked, and at what, is not known here.

use std::collections::BTreeSet;

use chrono::TimeDelta;

/// Something that is not as whoever asked would have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shortcoming {
    /// A login or a manifest is refused or not there, or the credential has expired.
    Refused,
    /// The kubelet can make nothing of an entry, or of a whole Secret.
    Fault,
    /// A Secret is listed that is absent or of another type.
    Missing,
    /// No entry matches an image.
    NoCandidate,
    /// A date comes within the time that was asked about.
    Expires,
    /// Nobody can tell: there was no answer.
    Inconclusive,
    /// A list or a file could not be read.
    Unreadable,
}

impl Shortcoming {
    /// Every shortcoming.
    pub const ALL: [Self; 7] = [
        Self::Refused,
        Self::Fault,
        Self::Missing,
        Self::NoCandidate,
        Self::Expires,
        Self::Inconclusive,
        Self::Unreadable,
    ];

    /// The word: of `--fail-on`, where it has one, and the `type` in JUnit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Fault => "fault",
            Self::Missing => "missing",
            Self::NoCandidate => "no-candidate",
            Self::Expires => "expires",
            Self::Inconclusive => "inconclusive",
            Self::Unreadable => "unreadable",
        }
    }

    /// What it proves, by itself.
    pub fn upshot(self) -> Upshot {
        match self {
            Self::Refused | Self::Fault | Self::Missing | Self::NoCandidate => Upshot::Broken,
            // It will not work, and does.
            Self::Expires => Upshot::Works,
            Self::Inconclusive | Self::Unreadable => Upshot::Unclear,
        }
    }
}

/// All shortcomings in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Upshot {
    /// All that was asked for works.
    Works,
    /// Nothing is proven not to work, and something could not be told.
    Unclear,
    /// Something does not work.
    Broken,
}

/// The shortcomings that somebody wants to fail on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailOn {
    shortcomings: BTreeSet<Shortcoming>,
    expires_within: Option<TimeDelta>,
}

impl Default for FailOn {
    /// Whatever proves that something does not work.
    fn default() -> Self {
        let proves = |shortcoming: &Shortcoming| shortcoming.upshot() == Upshot::Broken;
        Self::nothing().with(Shortcoming::ALL.into_iter().filter(proves))
    }
}

impl FailOn {
    /// No shortcoming fails; what could not be read is unclear all the same, since nobody knows what
    /// else would have been found.
    pub fn nothing() -> Self {
        Self {
            shortcomings: BTreeSet::new(),
            expires_within: None,
        }
    }

    /// These fail too.
    #[must_use]
    pub fn with(mut self, shortcomings: impl IntoIterator<Item = Shortcoming>) -> Self {
        self.shortcomings.extend(shortcomings);
        self
    }

    /// A date within this time fails too; of several times the longest counts.
    #[must_use]
    pub fn with_expiry(self, within: TimeDelta) -> Self {
        let longest = self.expires_within.max(Some(within));
        Self {
            expires_within: longest,
            ..self.with([Shortcoming::Expires])
        }
    }

    /// Within which time a date is a shortcoming; none where nobody asked.
    pub fn expires_within(&self) -> Option<TimeDelta> {
        self.expires_within
    }

    /// What the shortcomings come to: broken where one of them is failed on, unclear where nobody can
    /// tell whether there is one.
    pub fn upshot(&self, found: &BTreeSet<Shortcoming>) -> Upshot {
        let is_inconclusive =
            found.contains(&Shortcoming::Inconclusive) && !self.shortcomings.is_empty();
        if !self.shortcomings.is_disjoint(found) {
            Upshot::Broken
        } else if is_inconclusive || found.contains(&Shortcoming::Unreadable) {
            Upshot::Unclear
        } else {
            Upshot::Works
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shortcoming::*;
    use super::Upshot::{Broken, Unclear, Works};
    use super::*;

    #[test]
    fn what_is_failed_on_decides() {
        let only =
            |shortcomings: &[Shortcoming]| FailOn::nothing().with(shortcomings.iter().copied());
        let default = FailOn::default;
        let nothing = FailOn::nothing;
        let expires = || FailOn::nothing().with_expiry(TimeDelta::days(14));
        #[rustfmt::skip]
        let rows: &[(FailOn, &[Shortcoming], Upshot)] = &[
            (default(), &[], Works),
            (default(), &[Refused], Broken),
            (default(), &[Fault], Broken),
            (default(), &[Missing], Broken),
            (default(), &[NoCandidate], Broken),
            (default(), &[Expires], Works),
            (default(), &[Inconclusive], Unclear),
            (default(), &[Unreadable], Unclear),
            (default(), &[Fault, Inconclusive, Unreadable], Broken),
            (only(&[Refused]), &[Fault, Missing, NoCandidate], Works),
            (only(&[Refused]), &[Fault, Inconclusive], Unclear),
            (only(&[Refused]), &[Refused, Inconclusive], Broken),
            (only(&[Inconclusive, Unreadable]), &[Refused], Works),
            (only(&[Inconclusive, Unreadable]), &[Inconclusive], Broken),
            (only(&[Inconclusive, Unreadable]), &[Unreadable], Broken),
            (expires(), &[Expires], Broken),
            (expires(), &[Refused, Fault], Works),
            (expires(), &[Inconclusive], Unclear),
            (nothing(), &[Refused, Fault, Missing, NoCandidate, Expires, Inconclusive], Works),
            (nothing(), &[Refused, Unreadable], Unclear),
        ];
        for (fail_on, found, expected) in rows {
            let found = found.iter().copied().collect();
            let got = fail_on.upshot(&found);
            assert_eq!(got, *expected, "{fail_on:?} {found:?}");
        }
    }

    #[test]
    fn of_several_times_the_longest_counts() {
        let (short, long) = (TimeDelta::days(1), TimeDelta::days(2));
        for order in [[short, long], [long, short]] {
            let fail_on = order
                .into_iter()
                .fold(FailOn::nothing(), FailOn::with_expiry);
            assert_eq!(fail_on.expires_within(), Some(long));
        }
        assert_eq!(FailOn::default().expires_within(), None);
    }
}
