//! From what is held and what was answered to the lines of a report.

use std::collections::{BTreeMap, HashMap};

use super::{Answer, Asked, Line, is_useless, source, upshot_of};
use crate::domain::cluster::{Held, Holding, Login, ObjectName};
use crate::domain::docker_config::{FaultKind, FaultSet};
use crate::domain::expiry::Expiry;
use crate::domain::image::Registry;
use crate::domain::keyring::Key;
use crate::domain::outcome::Outcome;
use crate::domain::rows::{CredentialRow, Rows, Skipped};
use crate::domain::shortcoming::Upshot;

/// Secrets that pods name and that have another type: nothing of them is ever read.
pub(super) fn of_other_types<'a>(
    holdings: &'a [Holding],
    rows: &'a Rows,
) -> impl Iterator<Item = Line> + 'a {
    let is_held = |namespace: &str, name: &str| {
        holdings
            .iter()
            .any(|held| held.object.namespace == namespace && held.object.name == name)
    };
    rows.secrets
        .iter()
        .filter(|row| row.faults.contains(FaultKind::WrongSecretType))
        .filter(move |row| !is_held(&row.namespace, &row.name))
        .map(|row| Line {
            faults: row.faults,
            ..Line::of_whole(&ObjectName {
                namespace: row.namespace.to_string(),
                name: row.name.to_string(),
            })
        })
}

/// Rows by the entry that they are about.
pub(super) struct Index<'a, L> {
    credentials: HashMap<(&'a str, &'a str, &'a str), Vec<&'a CredentialRow>>,
    asked: Asked,
    /// How the entries of one key fared: a row has only the worst of them.
    logins: L,
}

impl<'a, L> Index<'a, L>
where
    L: Fn(&ObjectName, &Key, &Registry) -> Vec<Login>,
{
    pub(super) fn of(rows: &'a Rows, asked: Asked, logins: L) -> Self {
        let mut credentials: HashMap<_, Vec<_>> = HashMap::new();
        for row in &rows.credentials {
            credentials
                .entry((&*row.namespace, &*row.name, &*row.key))
                .or_default()
                .push(row);
        }
        Self {
            credentials,
            asked,
            logins,
        }
    }

    /// Lines of each entry that could be read, then of each that could not, then of the whole.
    pub(super) fn lines(&self, holding: &Holding) -> Vec<Line> {
        let mut lines: Vec<Line> = holding
            .entries
            .iter()
            .flat_map(|held| self.lines_of(holding, held))
            .collect();
        let is_read = |label: &str| holding.entries.iter().any(|held| held.label == label);
        let mut whole = Line::of_whole(&holding.object);
        for fault in &holding.faults {
            let Some(label) = &fault.key else {
                whole.faults.insert(fault.kind);
                continue;
            };
            if is_read(label) {
                continue;
            }
            let of_label = |line: &&mut Line| line.key.as_deref() == Some(label);
            match lines.iter_mut().find(of_label) {
                Some(line) => {
                    line.faults.insert(fault.kind);
                }
                None => lines.push(Line {
                    registry: Key::normalise(label).ok().and_then(|key| registry_of(&key)),
                    key: Some(label.clone()),
                    faults: FaultSet::from_iter([fault.kind]),
                    ..Line::of_whole(&holding.object)
                }),
            }
        }
        if !whole.faults.is_empty() {
            lines.push(whole);
        }
        lines
    }

    fn lines_of(&self, holding: &Holding, held: &Held) -> Vec<Line> {
        let line = Line {
            registry: held.key.as_ref().and_then(registry_of),
            key: Some(holding.shown_key(held).to_owned()),
            answer: match holding.is_ignored() {
                true => Answer::Skipped(Skipped::Ignored),
                false => self.without_row(held),
            },
            faults: held.faults,
            expiry: held.expiry,
            ..Line::of_whole(&holding.object)
        };
        let object = &holding.object;
        let found = held.key.as_ref().and_then(|key| {
            let name = (&*object.namespace, &*object.name, key.as_str());
            Some((key, self.credentials.get(&name)?, holding.place(held)?))
        });
        let Some((key, rows, place)) = found else {
            return vec![line];
        };
        rows.iter()
            .map(|row| {
                let mut logins = (self.logins)(object, key, &row.registry);
                let login = (place < logins.len()).then(|| logins.swap_remove(place));
                Line {
                    registry: Some(row.registry.as_str().to_owned()),
                    answer: self.answer(row.skipped, login.as_ref()),
                    fault: login.as_ref().and_then(|login| login.fault),
                    may_mean: login.as_ref().map_or(&[], |login| login.may_mean),
                    refused_manifests: login.as_ref().map_or(0, refused_manifests),
                    anonymous: login.map(|login| login.anonymous).unwrap_or_default(),
                    ..line.clone()
                }
            })
            .collect()
    }

    fn without_row(&self, held: &Held) -> Answer {
        let has_registry = || held.key.as_ref().and_then(Key::registry).is_some();
        match self.asked {
            _ if is_useless(held.faults) => Answer::Useless,
            Asked::Nobody => Answer::NotAsked,
            Asked::Registries if has_registry() => Answer::Missing,
            Asked::Registries => Answer::NoRegistry,
        }
    }

    fn answer(&self, skipped: Option<Skipped>, login: Option<&Login>) -> Answer {
        if let Some(outcome) = login.and_then(|login| login.outcome) {
            return Answer::Given(outcome);
        }
        // A row that shares its labels may be skipped for the date of another entry.
        let skipped = skipped.filter(|skipped| *skipped != Skipped::ExpiredInside);
        match (self.asked, skipped) {
            (Asked::Nobody, _) => Answer::NotAsked,
            (Asked::Registries, Some(skipped)) => Answer::Skipped(skipped),
            // The registry answered the ping and asked for nothing.
            (Asked::Registries, None) if login.is_some_and(|login| login.was_asked) => {
                Answer::NotNeeded
            }
            (Asked::Registries, None) => Answer::Missing,
        }
    }
}

fn refused_manifests(login: &Login) -> u64 {
    let is_refused = |outcome: Outcome| upshot_of(outcome) == Upshot::Broken;
    let refused = login
        .repositories
        .iter()
        .filter(|(outcome, _)| outcome.is_some_and(is_refused));
    refused.map(|(_, count)| count).sum()
}

impl Line {
    fn of_whole(object: &ObjectName) -> Self {
        Self {
            source: source(object),
            registry: None,
            key: None,
            answer: Answer::Useless,
            fault: None,
            may_mean: &[],
            faults: FaultSet::default(),
            expiry: Expiry::UNKNOWN,
            refused_manifests: 0,
            anonymous: BTreeMap::new(),
        }
    }
}

fn registry_of(key: &Key) -> Option<String> {
    key.registry().map(|registry| registry.as_str().to_owned())
}
