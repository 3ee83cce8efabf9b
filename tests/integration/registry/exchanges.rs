//! What registries answer in which situation, replayed over sockets through the client, and what we
//! make of it. The answers are in tests/fixtures/exchanges, in the shape in which public sources
//! show them; docs/registries.md is written from here.

mod fixture;
mod page;

use std::collections::BTreeSet;

use regcred_exporter::domain::credential::Credential;
use regcred_exporter::domain::exchange::{Exchange, Purpose};
use regcred_exporter::domain::image::Registry;
use regcred_exporter::domain::outcome::{Judgement, Meaning, Situation, classify};
use regcred_exporter::domain::provider::Provider;

use self::fixture::{Case, Fixture, Steps};
use super::bench::{Bench, PASSWORD, purposes};

/// The columns of the table; a provider may have more, of its own.
const COLUMNS: [Situation; 8] = [
    Situation::CredentialNeeded,
    Situation::WrongPassword,
    Situation::ExpiredCredential,
    Situation::NoRight,
    Situation::RepositoryAbsent,
    Situation::TagAbsent,
    Situation::OverLimit,
    Situation::LockedOut,
];

/// A provider, what its answers were taken for, and by what it was known.
struct Replayed {
    fixture: Fixture,
    cases: Vec<(Case, Option<Got>)>,
}

/// What came of one case.
struct Got {
    judgement: Judgement,
    /// By its answers alone, under a name that belongs to nobody.
    by_answer: Provider,
    purposes: Vec<Purpose>,
}

impl Got {
    /// The verdict that the case is about: the manifest's, if it came so far.
    fn meaning(&self) -> Meaning {
        let manifest = self.judgement.manifests.first();
        let manifest = manifest.map(|(_, meaning)| *meaning);
        manifest.or(self.judgement.login).unwrap()
    }

    fn words(&self) -> (String, String) {
        let word = |meaning: Option<Meaning>| meaning.map_or("-", |one| one.outcome.as_str());
        let manifest = self.judgement.manifests.first();
        (
            word(self.judgement.login).to_owned(),
            word(manifest.map(|(_, meaning)| *meaning)).to_owned(),
        )
    }
}

async fn replay_all() -> Vec<Replayed> {
    let bench = Bench::new();
    let mut all = Vec::new();
    for provider in Provider::ALL {
        let fixture = Fixture::of(provider);
        let mut cases = Vec::new();
        for case in fixture.cases.clone() {
            let got = match &case.steps {
                Some(steps) => Some(replay(&bench, &fixture, &case, steps).await),
                None => None,
            };
            cases.push((case, got));
        }
        all.push(Replayed { fixture, cases });
    }
    all
}

async fn replay(bench: &Bench, fixture: &Fixture, case: &Case, steps: &Steps) -> Got {
    let registry = bench.start(fixture.behaviour(steps)).await;
    let credential = match case.is_for_nobody() {
        true => Credential::basic(b"", b""),
        false => Credential::basic(b"bot", PASSWORD.as_bytes()),
    };
    let wants = ["org/app:1.0"];
    let exchange = bench.converse_as(registry.host(), credential, &wants).await;
    let by_answer = Provider::of(&exchange.registry, &exchange.asked);
    // the facts are those of the socket, the name is the one that the provider goes by
    let exchange = Exchange {
        registry: Registry::from_domain(&fixture.host),
        ..exchange
    };
    Got {
        judgement: classify(&exchange),
        by_answer,
        purposes: purposes(&exchange),
    }
}

#[tokio::test]
async fn every_situation_of_every_provider_is_told_as_expected() {
    for Replayed { fixture, cases } in replay_all().await {
        for (case, got) in cases {
            let Some(got) = got else { continue };
            let what = format!("{} {:?} {:?}", fixture.host, case.situation(), case.note);
            assert_eq!(got.purposes, case.purposes(fixture.scheme), "{what}");
            let (login, manifest) = got.words();
            let expected = (case.login.clone(), case.manifest.clone());
            assert_eq!((login, manifest), expected, "{what}");
            let meaning = got.meaning();
            assert_eq!(meaning.may_mean, case.may_mean(), "{what}");
            assert!(
                meaning.is_verified || !case.verified,
                "{what}: nobody could look up what decided this"
            );
            assert_eq!(got.judgement.provider.as_str(), fixture.provider, "{what}");
            // IBM's token endpoint is known by its own name only, which nothing on loopback has
            let by_answer = match fixture.provider() {
                Provider::Ibm => Provider::Unknown,
                told => told,
            };
            assert_eq!(got.by_answer, by_answer, "{what}");
        }
    }
}

#[test]
fn every_provider_has_every_situation_or_says_why_not() {
    for provider in Provider::ALL {
        let fixture = Fixture::of(provider);
        assert_eq!(fixture.provider, provider.as_str());
        let present: BTreeSet<_> = fixture.cases.iter().map(Case::situation).collect();
        for column in COLUMNS {
            assert!(present.contains(&column), "{provider:?} {column:?}");
        }
        for case in &fixture.cases {
            assert!(case.steps.is_some() != case.none.is_some(), "{provider:?}");
        }
    }
}

/// Where a registry answers two situations alike the verdict names both, and it names none for which
/// there is no such answer. Of an answer to nobody only the first is held: whether something private
/// is there is nobody's business at any registry.
#[tokio::test]
async fn what_is_answered_alike_is_said_to_be() {
    for Replayed { fixture, cases } in replay_all().await {
        let told: Vec<_> = cases
            .iter()
            .filter_map(|(case, got)| Some((case, got.as_ref()?)))
            .collect();
        for (case, got) in &told {
            let meaning = got.meaning();
            let what = format!("{} {:?} {meaning:?}", fixture.host, case.situation());
            assert!(meaning.may_mean.contains(&case.situation()), "{what}");
            if case.is_for_nobody() {
                continue;
            }
            for other in meaning.may_mean {
                let is_alike = |(case, other_got): &&(&Case, &Got)| {
                    case.situation() == *other
                        && other_got.meaning().outcome == meaning.outcome
                        && other_got.words() == got.words()
                };
                assert!(told.iter().any(|one| is_alike(&one)), "{what}: {other:?}");
            }
        }
    }
}

/// `UPDATE=1 cargo test --test integration docs_registries` writes it anew.
#[tokio::test]
async fn docs_registries_is_what_the_replay_found() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/registries.md");
    let expected = page::of(&replay_all().await);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, expected).unwrap();
        return;
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == expected,
        "docs/registries.md is not what the replay found; UPDATE=1 writes it anew"
    );
}
