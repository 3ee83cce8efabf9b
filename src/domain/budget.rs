//! How many logins may still be refused, per account and per registry.
//!
//! Registries, and the directories behind them, lock accounts after a few wrong logins, whoever
//! sends them. So every login takes a place here before it is sent and holds it as if it were
//! refused; the answer turns it into a refusal or gives it back. What is counted is therefore never
//! less than what a registry counts, and no window ever holds more than its limit.
//!
//! The text form of all this, the ledger, outlives the process: see [`ledger`].

mod account;
mod changes;
mod ledger;
#[cfg(test)]
mod tests;
mod toll;
mod waiting;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::cluster::Group;
use super::credential::AccountName;
use super::image::Registry;
use account::{Account, Entry, Kind};
pub use changes::Changes;
pub use ledger::{Broken, Full};
pub use toll::{Toll, toll};
use waiting::{Order, Rank, Stage, Waiting};
use window::{Place, Window};

/// How long a refusal is remembered: the longest window.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// A login that is entered has its answer within this, or is given up: a write, a wait for one of
/// the registry's places, a ping and the login, each within its own bound.
const ANSWERED_WITHIN: TimeDelta = TimeDelta::seconds(120);

/// Between two rounds of forgetting.
const HOUSEKEEPING: TimeDelta = TimeDelta::seconds(10);

/// Holders of an account that are kept, so that it is known again after a restart.
pub const MOST_HOLDERS: usize = 8;

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    account: [Window; 2],
    registry: Window,
    /// Entries of one account that this process may make, all in all.
    in_one_run: Option<usize>,
}

impl Limits {
    /// The daemon's (docs/promises.md). Active Directory locks after 3 to 10 wrong passwords within
    /// half an hour, JFrog's Artifactory after a few; GitLab bans an address for 30 in 3 minutes.
    pub const DAEMON: Self = Self {
        account: [
            Window {
                span: TimeDelta::minutes(30),
                most: 2,
                kept_free: 0,
            },
            Window {
                span: REMEMBERED,
                most: 8,
                kept_free: 1,
            },
        ],
        registry: Window {
            span: TimeDelta::minutes(10),
            most: 20,
            kept_free: 4,
        },
        in_one_run: None,
    };

    /// Those of a command that a person runs: each account once, unless the login is good.
    pub const ONE_RUN: Self = Self {
        in_one_run: Some(1),
        ..Self::DAEMON
    };
}

/// Names one login that was entered: which process, and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    origin: u32,
    number: u32,
}

/// Whether a login is known to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// This process saw it work, and nothing else since: it needs a place, but is not written down
    /// before it is sent.
    Proven,
    /// Anything else: it may be refused.
    Unproven,
}

/// A login that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// Which credential, and where.
    pub group: &'a Group,
    /// Whose.
    pub account: &'a AccountName,
    /// `namespace/name#key` of entries that hold it, the oldest first; eight are enough.
    pub holders: &'a [String],
    /// Whether it is known to work.
    pub standing: Standing,
    /// Since when these very bytes are refused.
    pub first_rejected: Option<DateTime<Utc>>,
}

/// There is no place for a login now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// When to ask again: when there will be one, or may be where others are in the way.
    pub until: DateTime<Utc>,
    /// Who has taken it.
    pub by: Taken,
}

/// Who has taken the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Logins that were refused: the budget is used up.
    ByRefusals,
    /// Logins that have no answer yet, or that go first: a matter of seconds.
    ByOthers,
}

/// What the ledger tells of a credential that an earlier process asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Its first refusal.
    pub first: DateTime<Utc>,
    /// Its newest.
    pub last: DateTime<Utc>,
    /// How often it was refused in a row, as far as is known.
    pub times: u32,
    /// The Secret says that its bytes have not changed since.
    pub is_certain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AccountId(u64);

/// All refusals of the last day, and who may still be.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    origin: u32,
    last_number: u32,
    last_account: u64,
    accounts: BTreeMap<AccountId, Account>,
    names: HashMap<(Registry, AccountName), AccountId>,
    holders: HashMap<(Registry, Arc<str>), AccountId>,
    /// User names of which a login was seen working, and when last.
    proven: HashMap<(Registry, AccountName), DateTime<Utc>>,
    waiting: Waiting,
    kept_house: DateTime<Utc>,
}

impl Budget {
    /// Nothing remembered. `origin` is a random number: it tells what this process wrote from what
    /// another did.
    pub fn new(limits: Limits, origin: u32) -> Self {
        Self {
            limits,
            origin,
            last_number: 0,
            last_account: 0,
            accounts: BTreeMap::new(),
            names: HashMap::new(),
            holders: HashMap::new(),
            proven: HashMap::new(),
            waiting: Waiting::default(),
            kept_house: DateTime::UNIX_EPOCH,
        }
    }

    /// Takes a place for a login. It counts as refused from now on, until [`Budget::answered`].
    /// Without one the login waits, and its group is remembered as waiting.
    pub fn enter(&mut self, login: &Login<'_>, now: DateTime<Utc>) -> Result<EntryId, Shortage> {
        self.forget_old(now);
        let registry = &login.group.registry;
        self.recognise(registry, login.account, login.holders);
        let rank = self.rank(login);
        let place = self
            .place_of(login.account, rank, login.group, now)
            .and(self.place_at(&self.at_registry(registry), rank.standing, now));
        if let Err(shortage) = place.or_shortage(now) {
            let account = login.account.clone();
            self.waiting.add(login.group.clone(), account, rank);
            return Err(shortage);
        }
        self.waiting.remove(login.group);
        Ok(self.take(login, now))
    }

    /// The answer to a login that was entered. Returns whether it gave its place back.
    pub fn answered(&mut self, id: EntryId, toll: Toll, now: DateTime<Utc>) -> bool {
        let Some(account) = self.accounts.values_mut().find(|one| one.has(id)) else {
            return false;
        };
        let is_free = account.answered(id, toll, now);
        if toll == Toll::Accepted {
            let registry = account.registry.clone();
            let names = account.names.iter();
            let several = names.filter(|name| name.has_several_credentials());
            for name in several.cloned().collect::<Vec<_>>() {
                self.proven.insert((registry.clone(), name), now);
            }
        }
        is_free
    }

    /// Takes an entry back: its login was never sent.
    pub fn withdraw(&mut self, id: EntryId) {
        for account in self.accounts.values_mut() {
            account.entries.retain(|entry| entry.id != id);
        }
    }

    /// Whether every limit holds with this entry among the others: another process may have made
    /// some meanwhile.
    pub fn fits(&self, id: EntryId, now: DateTime<Utc>) -> bool {
        let Some(account) = self.accounts.values().find(|one| one.has(id)) else {
            return false;
        };
        let entries: Vec<_> = account.entries.iter().collect();
        let mut windows = self.limits.account.iter();
        windows.all(|window| window.holds(&entries, now))
            && self
                .limits
                .registry
                .holds(&self.at_registry(&account.registry), now)
    }

    /// Of the logins that wait at this registry, those that have a place now: as many as it has
    /// places, one of each account. All of them, since whoever is named may be slow to come, and the
    /// next answer would name the same one again.
    pub fn next_waiting(&self, registry: &Registry, now: DateTime<Utc>) -> Vec<Group> {
        let entries = self.at_registry(registry);
        let places = self.limits.registry.free(&entries, now);
        let order_of = |name: &AccountName| self.order_of(registry, name);
        let mut firsts: Vec<_> = self.waiting.firsts(registry, order_of).collect();
        firsts.sort_by_key(|(_, group, rank)| (rank.standing, rank.refused, *group));
        let fitting = firsts.into_iter().filter(|(account, group, rank)| {
            self.place_at(&entries, rank.standing, now).is_free(now)
                && self.place_of(account, *rank, group, now).is_free(now)
        });
        let named = fitting.take(places);
        named.map(|(_, group, _)| group.clone()).collect()
    }

    /// The logins that wait for a place of this account.
    pub fn waiting_with(&self, registry: &Registry, account: &AccountName) -> Vec<Group> {
        self.waiting.of(registry, account).cloned().collect()
    }

    /// Nobody wants the login any more.
    pub fn stop_waiting(&mut self, group: &Group) {
        self.waiting.remove(group);
    }

    /// Some account of the ledger has not been met yet: its name is not known.
    pub fn has_strangers(&self) -> bool {
        self.accounts.values().any(|one| one.names.is_empty())
    }

    /// These entries hold a credential of this account: what the ledger has under one of them is
    /// this account's.
    pub fn recognise<S: AsRef<str>>(
        &mut self,
        registry: &Registry,
        name: &AccountName,
        holders: &[S],
    ) {
        let key = (registry.clone(), name.clone());
        for holder in holders {
            let holder = account::holder_name(holder.as_ref());
            let Some(&known) = self.holders.get(&(registry.clone(), holder.clone())) else {
                continue;
            };
            let own = self.names.get(&key).copied();
            if own == Some(known) {
                continue;
            }
            if self
                .accounts
                .get(&known)
                .is_some_and(|one| one.names.is_empty())
            {
                self.adopt(&key, own, known);
            } else if let Some(account) = self.accounts.get_mut(&known) {
                // It has the credential of another account now.
                account.let_go(&holder);
                self.holders.remove(&(registry.clone(), holder));
            }
        }
    }

    /// What an earlier process learned of a credential, by the entries that hold it and the time of
    /// their last change.
    pub fn remembered(
        &self,
        registry: &Registry,
        holders: impl Iterator<Item = (String, Option<DateTime<Utc>>)>,
    ) -> Option<Remembered> {
        let known = holders.filter_map(|(holder, changed)| {
            let holder = account::holder_name(&holder);
            let id = self.holders.get(&(registry.clone(), holder.clone()))?;
            self.accounts
                .get(id)?
                .remembered(&holder, changed, self.origin)
        });
        known.max_by_key(|known| known.last)
    }

    /// Follows a clock that was set back by so much.
    pub fn follow(&mut self, back: TimeDelta) {
        for account in self.accounts.values_mut() {
            account.follow(back);
        }
        for at in self.proven.values_mut() {
            *at -= back;
        }
        self.kept_house = DateTime::UNIX_EPOCH;
    }

    fn rank(&self, login: &Login<'_>) -> Rank {
        let account = self.account(&login.group.registry, login.account);
        let (times, refused) = match account {
            Some(account) => account.refused(login.holders),
            None => (0, None),
        };
        Rank {
            standing: login.standing,
            stage: match (times, login.first_rejected) {
                (0, _) => Stage::New,
                // What is remembered is the entry's, and its bytes may have been corrected since.
                (1, _) | (_, None) => Stage::Unconfirmed,
                (_, Some(_)) => Stage::Confirmed,
            },
            refused,
        }
    }

    fn order_of(&self, registry: &Registry, name: &AccountName) -> Order {
        let account = self.account(registry, name);
        match account.is_some_and(Account::was_a_new_one_last) {
            true => Order::UnconfirmedFirst,
            false => Order::NewFirst,
        }
    }

    fn account(&self, registry: &Registry, name: &AccountName) -> Option<&Account> {
        let key = (registry.clone(), name.clone());
        self.names.get(&key).and_then(|id| self.accounts.get(id))
    }

    /// The place of a login in its account's windows, after those that go before it.
    fn place_of(&self, name: &AccountName, rank: Rank, group: &Group, now: DateTime<Utc>) -> Place {
        let key = (group.registry.clone(), name.clone());
        let Some(account) = self.account(&group.registry, name) else {
            return Place::free(now);
        };
        let entries: Vec<_> = account.entries.iter().collect();
        let order = self.order_of(&group.registry, name);
        let ahead = self.waiting.before(rank, order, group, name);
        let mut place = Place::free(now);
        for window in self.limits.account {
            let kept_free = match rank.standing {
                Standing::Unproven if self.proven.contains_key(&key) => window.kept_free,
                Standing::Unproven | Standing::Proven => 0,
            };
            place = place.and(window.place(kept_free, ahead, &entries, now));
        }
        let Some(most) = self.limits.in_one_run else {
            return place;
        };
        let own = entries
            .into_iter()
            .filter(|entry| entry.id.origin == self.origin);
        let whole_run = Window {
            span: REMEMBERED,
            most,
            kept_free: 0,
        };
        place.and(whole_run.place(0, 0, &own.collect::<Vec<_>>(), now))
    }

    /// The place of a login in its registry's window, whose entries these are.
    fn place_at(&self, entries: &[&Entry], standing: Standing, now: DateTime<Utc>) -> Place {
        let window = self.limits.registry;
        let kept_free = match standing {
            Standing::Unproven => window.kept_free,
            Standing::Proven => 0,
        };
        window.place(kept_free, 0, entries, now)
    }

    fn at_registry(&self, registry: &Registry) -> Vec<&Entry> {
        let accounts = self.accounts.values();
        let here = accounts.filter(|account| account.registry == *registry);
        here.flat_map(|account| &account.entries).collect()
    }

    fn take(&mut self, login: &Login<'_>, now: DateTime<Utc>) -> EntryId {
        self.last_number = self.last_number.wrapping_add(1);
        let id = EntryId {
            origin: self.origin,
            number: self.last_number,
        };
        let registry = &login.group.registry;
        let key = (registry.clone(), login.account.clone());
        let account_id = match self.names.get(&key) {
            Some(known) => *known,
            None => {
                let new = self.add(Account::new(registry.clone()));
                self.name(new, key);
                new
            }
        };
        let Some(account) = self.accounts.get_mut(&account_id) else {
            return id;
        };
        let holders = account.hold(login.holders);
        account.entries.push(Entry {
            id,
            at: now + ANSWERED_WITHIN,
            holder: login.holders.first().map(|name| account::holder_name(name)),
            kind: Kind::Asked(login.standing),
            since: login.first_rejected,
        });
        for holder in holders {
            self.holders.insert((registry.clone(), holder), account_id);
        }
        id
    }

    fn add(&mut self, account: Account) -> AccountId {
        self.last_account += 1;
        let id = AccountId(self.last_account);
        self.accounts.insert(id, account);
        id
    }

    fn name(&mut self, id: AccountId, key: (Registry, AccountName)) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.names.push(key.1.clone());
        }
        self.names.insert(key, id);
    }

    /// A stranger is this account.
    fn adopt(
        &mut self,
        key: &(Registry, AccountName),
        own: Option<AccountId>,
        stranger: AccountId,
    ) {
        let Some(own) = own else {
            self.name(stranger, key.clone());
            return;
        };
        if let Some(stranger) = self.accounts.remove(&stranger)
            && let Some(account) = self.accounts.get_mut(&own)
        {
            account.merge(stranger);
        }
        for id in self.holders.values_mut().filter(|id| **id == stranger) {
            *id = own;
        }
    }

    fn forget_old(&mut self, now: DateTime<Utc>) {
        if self.kept_house <= now && now < self.kept_house + HOUSEKEEPING {
            return;
        }
        self.kept_house = now;
        for account in self.accounts.values_mut() {
            account.forget_old(self.origin, now);
        }
        self.accounts
            .retain(|_, account| !account.entries.is_empty());
        let Self {
            accounts,
            names,
            holders,
            proven,
            ..
        } = self;
        names.retain(|_, id| accounts.contains_key(id));
        holders.retain(|(_, name), id| accounts.get(id).is_some_and(|one| one.is_held_by(name)));
        proven.retain(|_, at| *at + REMEMBERED > now);
    }
}
