//! What a status means, registry by registry: the rows of docs/registries.md as code.
//!
//! A row that names what the answer says goes before one that does not, a provider's own before
//! what holds anywhere. Where a row lists several situations, the registry answers them alike.

mod rows;

use super::{Meaning, Outcome, Situation};
use crate::domain::challenge::ChallengeError;
use crate::domain::exchange::{ErrorCode, Phrase, Response};
use crate::domain::provider::Provider;

/// Which question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// `/v2/` without a credential.
    Ping,
    /// The login.
    Login,
    /// A token for one repository, after a good login.
    Token,
    /// A manifest, after a good login.
    Manifest,
    /// A token for one repository, for nobody.
    TokenForNobody,
    /// A manifest, for nobody.
    ManifestForNobody,
}

/// What the answer must say for the row to hold.
#[derive(Clone, Copy, Debug)]
enum Saying {
    Anything,
    Phrase(Phrase),
    Code(ErrorCode),
    Error(ChallengeError),
}

/// One answer and its meaning.
#[derive(Clone, Copy, Debug)]
struct Row {
    at: &'static [At],
    statuses: &'static [u16],
    saying: Saying,
    meaning: Meaning,
}

/// The meaning of an answer; `None` where no row has its status.
pub(super) fn look_up(provider: Provider, at: At, answer: &Response) -> Option<Meaning> {
    let own = rows::of(provider);
    let find = |wanted: fn(&Row) -> bool| {
        let mut all = own.iter().chain(rows::ANYWHERE);
        all.find(|row| wanted(row) && row.holds(at, answer))
    };
    let told = find(Row::is_told).or_else(|| find(|row| !row.is_told()));
    told.map(|row| row.meaning)
}

/// Whether the body of a manifest's refusal decides between rows of this provider.
pub(super) fn body_decides(provider: Provider, status: u16) -> bool {
    let by_body = |row: &&Row| matches!(row.saying, Saying::Phrase(_) | Saying::Code(_));
    let mut rows = rows::of(provider).iter().filter(by_body);
    rows.any(|row| row.at.contains(&At::Manifest) && row.statuses.contains(&status))
}

impl Row {
    const fn on(
        at: &'static [At],
        statuses: &'static [u16],
        outcome: Outcome,
        may_mean: &'static [Situation],
    ) -> Self {
        Self {
            at,
            statuses,
            saying: Saying::Anything,
            meaning: Meaning {
                outcome,
                may_mean,
                is_verified: true,
            },
        }
    }

    const fn phrase(self, phrase: Phrase) -> Self {
        Self {
            saying: Saying::Phrase(phrase),
            ..self
        }
    }

    const fn code(self, code: ErrorCode) -> Self {
        Self {
            saying: Saying::Code(code),
            ..self
        }
    }

    const fn error(self, error: ChallengeError) -> Self {
        Self {
            saying: Saying::Error(error),
            ..self
        }
    }

    /// From memory or by likeness: nothing public was found that says so.
    const fn unverified(self) -> Self {
        let meaning = Meaning {
            is_verified: false,
            ..self.meaning
        };
        Self { meaning, ..self }
    }

    fn is_told(&self) -> bool {
        !matches!(self.saying, Saying::Anything)
    }

    fn holds(&self, at: At, answer: &Response) -> bool {
        let is_said = match self.saying {
            Saying::Anything => true,
            Saying::Phrase(phrase) => answer.phrases.contains(&phrase),
            Saying::Code(code) => answer.codes.contains(&code),
            Saying::Error(error) => answer.challenges.iter().any(|one| one.error == Some(error)),
        };
        is_said && self.at.contains(&at) && self.statuses.contains(&answer.status)
    }
}
