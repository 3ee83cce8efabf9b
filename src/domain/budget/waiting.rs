//! Logins that wait for a place, and which of an account's is next.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::Standing;
use crate::domain::cluster::Group;
use crate::domain::credential::AccountName;
use crate::domain::image::Registry;

/// Who goes first: what is known to work, then what was never refused, then what was refused the
/// longest ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) standing: Standing,
    pub(super) refused: Option<DateTime<Utc>>,
}

type OfAccount = HashMap<Group, Rank>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Waiting(HashMap<Registry, HashMap<AccountName, OfAccount>>);

impl Waiting {
    pub(super) fn add(&mut self, group: Group, account: AccountName, rank: Rank) {
        let accounts = self.0.entry(group.registry.clone()).or_default();
        accounts.entry(account).or_default().insert(group, rank);
    }

    pub(super) fn remove(&mut self, group: &Group) {
        let Some(accounts) = self.0.get_mut(&group.registry) else {
            return;
        };
        accounts.retain(|_, waiting| {
            waiting.remove(group);
            !waiting.is_empty()
        });
        if accounts.is_empty() {
            self.0.remove(&group.registry);
        }
    }

    /// How many of the account go before a login of this rank.
    pub(super) fn before(&self, rank: Rank, group: &Group, account: &AccountName) -> usize {
        let accounts = self.0.get(&group.registry);
        let waiting = accounts.and_then(|accounts| accounts.get(account));
        let others = waiting
            .into_iter()
            .flatten()
            .filter(|(other, _)| *other != group);
        others.filter(|(_, theirs)| **theirs < rank).count()
    }

    /// All of one account.
    pub(super) fn of(
        &self,
        registry: &Registry,
        account: &AccountName,
    ) -> impl Iterator<Item = &Group> {
        let accounts = self.0.get(registry);
        let waiting = accounts.and_then(|accounts| accounts.get(account));
        waiting.into_iter().flatten().map(|(group, _)| group)
    }

    /// The next one of each account that has a login waiting.
    pub(super) fn firsts(
        &self,
        registry: &Registry,
    ) -> impl Iterator<Item = (&AccountName, &Group, Rank)> {
        let accounts = self.0.get(registry).into_iter().flatten();
        accounts.filter_map(|(account, waiting)| {
            let first = waiting
                .iter()
                .min_by_key(|(group, rank)| (**rank, *group))?;
            Some((account, first.0, *first.1))
        })
    }
}
