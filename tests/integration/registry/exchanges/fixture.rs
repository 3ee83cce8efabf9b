//! One file of tests/fixtures/exchanges: a provider, its answers by name, and which of them come in
//! which situation.

use std::collections::BTreeMap;

use regcred_exporter::domain::exchange::Purpose;
use regcred_exporter::domain::outcome::Situation;
use regcred_exporter::domain::provider::Provider;
use regcred_stand_ins::registry::{Answer, Behaviour, Step};
use serde::Deserialize;
use serde_json::Value;

/// A provider.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fixture {
    /// The label.
    pub(super) provider: String,
    pub(super) title: String,
    /// A name that it goes by.
    pub(super) host: String,
    pub(super) scheme: Scheme,
    #[serde(default)]
    realm_path: Option<String>,
    #[serde(default)]
    realm_elsewhere: bool,
    /// Where its habits are written down.
    pub(super) sources: Vec<String>,
    /// What an operator should know.
    pub(super) notes: String,
    answers: BTreeMap<String, Recorded>,
    pub(super) cases: Vec<Case>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scheme {
    Basic,
    Bearer,
}

/// An answer as it was seen.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
}

/// A situation, what is answered in it, and what is to be made of that.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    situation: String,
    /// Why there is none.
    pub(super) none: Option<String>,
    pub(super) steps: Option<Steps>,
    /// Outcome of the login, `-` for none.
    #[serde(default)]
    pub(super) login: String,
    /// Outcome of the manifest, `-` for none.
    #[serde(default)]
    pub(super) manifest: String,
    #[serde(default)]
    may_mean: Vec<String>,
    /// A public source shows it so.
    #[serde(default)]
    pub(super) verified: bool,
    pub(super) note: Option<String>,
}

/// The name of the answer to each request, in the order in which they are made.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Steps {
    ping: String,
    login: Option<String>,
    token: Option<String>,
    head: Option<String>,
    get: Option<String>,
}

impl Fixture {
    pub(super) fn of(provider: Provider) -> Self {
        let name = provider.as_str();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/exchanges");
        let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(super) fn provider(&self) -> Provider {
        let is_this = |one: &Provider| one.as_str() == self.provider;
        Provider::ALL.into_iter().find(is_this).unwrap()
    }

    /// A registry that answers so, each request once and in this order.
    pub(super) fn behaviour(&self, steps: &Steps) -> Behaviour {
        let mut behaviour = match self.scheme {
            Scheme::Basic => Behaviour::basic(),
            Scheme::Bearer => Behaviour::bearer(),
        };
        if let Some(path) = &self.realm_path {
            behaviour = behaviour.realm_path(path);
        }
        if self.realm_elsewhere {
            behaviour = behaviour.realm_elsewhere();
        }
        let login = match self.scheme {
            Scheme::Basic => Step::Ping,
            Scheme::Bearer => Step::Token,
        };
        let scripted = [
            (Step::Ping, Some(&steps.ping)),
            (login, steps.login.as_ref()),
            (Step::Token, steps.token.as_ref()),
            (Step::Manifest, steps.head.as_ref()),
            (Step::Manifest, steps.get.as_ref()),
        ];
        scripted
            .into_iter()
            .filter_map(|(step, name)| Some((step, self.answer(name?))))
            .fold(behaviour, |behaviour, (step, answer)| {
                behaviour.answer(step, answer.once())
            })
    }

    fn answer(&self, name: &str) -> Answer {
        let recorded = self.answers.get(name);
        let recorded = recorded.unwrap_or_else(|| panic!("{}: no answer {name}", self.provider));
        let is_type = |name: &str| name == "content-type";
        let declared = recorded.headers.get("content-type").map(String::as_str);
        let bare = Answer::status(recorded.status);
        let answer = match &recorded.body {
            None => bare,
            Some(Value::String(text)) => bare.body(declared.unwrap_or("text/plain"), text.clone()),
            Some(json) => bare.body(declared.unwrap_or("application/json"), json.to_string()),
        };
        let headers = recorded.headers.iter().filter(|(name, _)| !is_type(name));
        headers.fold(answer, |answer, (name, value)| answer.header(name, value))
    }

    /// `login 401` and the like: the answers behind the ping.
    pub(super) fn answered(&self, steps: &Steps) -> String {
        let named = [
            ("login", &steps.login),
            ("token", &steps.token),
            ("HEAD", &steps.head),
            ("GET", &steps.get),
        ];
        let status = |name: &String| self.answers[name].status;
        let parts = named
            .into_iter()
            .filter_map(|(step, name)| Some(format!("{step} {}", status(name.as_ref()?))));
        parts.collect::<Vec<_>>().join(", ")
    }
}

impl Case {
    pub(super) fn situation(&self) -> Situation {
        situation(&self.situation)
    }

    pub(super) fn may_mean(&self) -> Vec<Situation> {
        self.may_mean.iter().map(|word| situation(word)).collect()
    }

    pub(super) fn is_for_nobody(&self) -> bool {
        self.situation() == Situation::CredentialNeeded
    }

    /// The requests that are to be made, and no other.
    pub(super) fn purposes(&self, scheme: Scheme) -> Vec<Purpose> {
        let steps = self.steps.as_ref().unwrap();
        assert!(scheme == Scheme::Bearer || steps.token.is_none());
        let (token, head) = match self.is_for_nobody() {
            true => (Purpose::AnonymousToken, Purpose::AnonymousHead),
            false => (Purpose::ScopedToken, Purpose::Head),
        };
        let all = [
            (Purpose::AnonymousPing, true),
            (Purpose::Login, steps.login.is_some()),
            (token, steps.token.is_some()),
            (head, steps.head.is_some()),
            (Purpose::Get, steps.get.is_some()),
        ];
        let made = all.into_iter().filter(|(_, is_made)| *is_made);
        made.map(|(purpose, _)| purpose).collect()
    }
}

fn situation(word: &str) -> Situation {
    let is_this = |one: &Situation| one.as_str() == word;
    let found = Situation::ALL.into_iter().find(is_this);
    found.unwrap_or_else(|| panic!("no situation `{word}`"))
}
