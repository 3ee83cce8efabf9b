//! Who names which Secret, whether it is there or not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Named;
use super::mark::Mark;
use crate::domain::docker_config::SecretKind;

/// What can name a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Pod,
    ServiceAccount,
}

/// All of them.
const BY: [By; 2] = [By::Pod, By::ServiceAccount];

/// How many name it: for each mark that they may have themselves, none first, Pods and
/// ServiceAccounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NamedBy([[u32; 2]; 1 + Mark::ALL.len()]);

impl NamedBy {
    fn count(&mut self, by: By, mark: Option<Mark>) -> &mut u32 {
        &mut self.0[place(mark)][by as usize]
    }

    fn has(&self, mark: Option<Mark>) -> bool {
        self.0[place(mark)] != [0, 0]
    }

    fn is_nobody(self) -> bool {
        self == Self::default()
    }

    /// Of those whose findings are told.
    fn told(&self, by: By) -> u32 {
        let told = &self.0[..place(Some(Mark::Ignored))];
        told.iter().map(|counts| counts[by as usize]).sum()
    }
}

fn place(mark: Option<Mark>) -> usize {
    mark.map_or(0, |mark| 1 + mark as usize)
}

/// What being named makes of a Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Naming {
    /// Somebody without a mark names it.
    pub(super) is_referenced: bool,
    /// All who name it have a mark: the weakest of these.
    pub(super) mark: Option<Mark>,
}

/// Names of Secrets, who lists them, and which of them no watch holds.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    by_name: HashMap<Named, NamedBy>,
    missing: BTreeSet<Named>,
    /// What the API server said of missing names, of those that it was asked for: the type; `None` where
    /// there is none of the name.
    answers: BTreeMap<Named, Option<Arc<str>>>,
}

impl Wiring {
    /// So many more name it. Whether it is there is then to be told by [`Wiring::exists`].
    pub(super) fn named_by(&mut self, name: &Named, by: By, mark: Option<Mark>, count: u32) {
        let named = self.by_name.entry(name.clone()).or_default();
        *named.count(by, mark) += count;
    }

    /// So many less name it.
    pub(super) fn dropped_by(&mut self, name: &Named, by: By, mark: Option<Mark>, count: u32) {
        let Some(named) = self.by_name.get_mut(name) else {
            return;
        };
        let left = named.count(by, mark);
        *left = left.saturating_sub(count);
        if named.is_nobody() {
            self.by_name.remove(name);
        }
    }

    /// A Secret of this name came or went.
    pub(super) fn exists(&mut self, name: &Named, exists: bool) {
        if exists || !self.is_told(name) {
            self.missing.remove(name);
            self.answers.remove(name);
        } else if !self.missing.contains(name) {
            self.missing.insert(name.clone());
        }
    }

    /// The API server said of which type the Secret is; `None`: there is none of this name.
    pub(super) fn looked_up(&mut self, name: Named, found: Option<Arc<str>>) {
        if self.missing.contains(&name) {
            self.answers.insert(name, found);
        }
    }

    /// Somebody names it, with or without a mark.
    pub(super) fn is_named(&self, name: &Named) -> bool {
        self.by_name.contains_key(name)
    }

    /// What that makes of it.
    pub(super) fn naming(&self, name: &Named) -> Naming {
        let Some(named) = self.by_name.get(name) else {
            return Naming::default();
        };
        let is_referenced = named.has(None);
        let weakest = Mark::ALL.into_iter().find(|mark| named.has(Some(*mark)));
        Naming {
            is_referenced,
            mark: weakest.filter(|_| !is_referenced),
        }
    }

    fn is_told(&self, name: &Named) -> bool {
        let is_told = |named: &NamedBy| BY.iter().any(|by| named.told(*by) > 0);
        self.by_name.get(name).is_some_and(is_told)
    }

    /// Listed, and held by no watch.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Named> {
        self.missing.iter()
    }

    /// Listed, and absent or of another type. A pull secret that its watch has not brought, since
    /// it lags behind or set the object aside, is neither.
    pub(super) fn unusable(&self) -> impl Iterator<Item = &Named> {
        let is_there = |name| {
            let kind = self.answers.get(name).and_then(Option::as_ref);
            kind.is_some_and(|kind| is_pull_secret(kind))
        };
        self.missing.iter().filter(move |name| !is_there(*name))
    }

    /// How many list it whose findings are told.
    pub(super) fn told(&self, name: &Named, by: By) -> u32 {
        self.by_name.get(name).map_or(0, |named| named.told(by))
    }

    /// What the API server said of a listed Secret that no watch holds: its type, or that there is none.
    /// `None` before it was asked.
    pub(super) fn answer(&self, name: &Named) -> Option<Option<&Arc<str>>> {
        self.answers.get(name).map(Option::as_ref)
    }

    /// Listed, and there with a type that no kubelet reads.
    pub(super) fn of_other_types(&self) -> impl Iterator<Item = &Named> {
        let types = self.answers.iter();
        let types = types.filter_map(|(name, kind)| Some((name, kind.as_ref()?)));
        types
            .filter(|(_, kind)| !is_pull_secret(kind))
            .map(|(name, _)| name)
    }
}

pub(super) fn is_pull_secret(kind: &str) -> bool {
    SecretKind::ALL
        .iter()
        .any(|known| known.type_name() == kind)
}
