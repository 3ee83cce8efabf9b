//! Logins that wait for a place, and which of an account's is next.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::Standing;
use crate::domain::cluster::Group;
use crate::domain::credential::AccountName;
use crate::domain::image::Registry;

/// What decides who goes first: what is known to work, and then by [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    pub(super) standing: Standing,
    pub(super) stage: Stage,
    /// When it was refused last.
    pub(super) refused: Option<DateTime<Utc>>,
}

/// How far the verdict on a login that waits has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Never refused.
    New,
    /// Refused once, which is no verdict yet.
    Unconfirmed,
    /// Refused again.
    Confirmed,
}

/// Whose turn it is at an account, what is confirmed being last in any case and what was refused the
/// longest ago first.
///
/// They alternate: with new ones first, twenty stale copies of a password would use up the places of
/// a day and none would be told; with the others first, the good one among them would never be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    NewFirst,
    UnconfirmedFirst,
}

impl Rank {
    fn key(self, order: Order) -> (Standing, u8, Option<DateTime<Utc>>) {
        let place = match (self.stage, order) {
            (Stage::New, Order::NewFirst) | (Stage::Unconfirmed, Order::UnconfirmedFirst) => 0,
            (Stage::New | Stage::Unconfirmed, _) => 1,
            (Stage::Confirmed, _) => 2,
        };
        (self.standing, place, self.refused)
    }
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
    pub(super) fn before(
        &self,
        rank: Rank,
        order: Order,
        group: &Group,
        account: &AccountName,
    ) -> usize {
        let accounts = self.0.get(&group.registry);
        let waiting = accounts.and_then(|accounts| accounts.get(account));
        let others = waiting
            .into_iter()
            .flatten()
            .filter(|(other, _)| *other != group);
        let own = rank.key(order);
        others.filter(|(_, theirs)| theirs.key(order) < own).count()
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
        order_of: impl Fn(&AccountName) -> Order,
    ) -> impl Iterator<Item = (&AccountName, &Group, Rank)> {
        let accounts = self.0.get(registry).into_iter().flatten();
        accounts.filter_map(move |(account, waiting)| {
            let order = order_of(account);
            let first = waiting
                .iter()
                .min_by_key(|(group, rank)| (rank.key(order), *group))?;
            Some((account, first.0, *first.1))
        })
    }
}
