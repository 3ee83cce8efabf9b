//! The ledger: the budget as text, for who keeps it while the process is away.
//!
//! It names accounts by the entries of Secrets that hold them, `namespace/name#key`: no user name,
//! no hash, nothing of a credential. JSON with a version, times in seconds after `base`:
//!
//! ```json
//! {"version":1,"base":1800000000,"origins":[7],"accounts":[
//!   {"registry":"docker.io","holders":[["shop/pull#docker.io",-300]],"logins":[[0,0,0,12],[60,0,0,13,1]]}]}
//! ```
//!
//! A holder is its name and since when its bytes are refused; a login is its time, its holder's
//! place in the list or -1, the place in `origins` of the process that sent it, that process' number
//! for it, and 1 where no answer is known. What cannot be read is [`Broken`]: nobody guesses.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::account::{Account, Entry, Held, Kind, holder_name};
use super::{AccountId, Budget, EntryId, MOST_HOLDERS, REMEMBERED, Standing};
use crate::domain::image::Registry;

const VERSION: u32 = 1;

/// The annotations of an object hold 256 KiB in all (Kubernetes'
/// apimachinery/pkg/api/validation/objectmeta.go, TotalAnnotationSizeLimitB); the rest is for others.
const LONGEST: usize = 200 * 1024;

/// Of one account; no limit of ours leaves more, and other processes may be counted twice.
const MOST_LOGINS: usize = 64;

/// The ledger would be longer than who keeps it can bear: nothing may be entered until some of it is
/// a day old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The text is no ledger, or that of a later version: whatever it remembered is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    version: u32,
    base: i64,
    origins: Vec<u32>,
    accounts: Vec<AccountText>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AccountText {
    registry: String,
    holders: Vec<(String, Option<i64>)>,
    logins: Vec<Vec<i64>>,
}

impl Budget {
    /// The text of all that is counted, logins under way that may be refused included.
    pub fn to_text(&self, now: DateTime<Utc>) -> Result<String, Full> {
        let whole = self.written(now, MOST_HOLDERS);
        if whole.len() <= LONGEST {
            return Ok(whole);
        }
        let short = self.written(now, 1);
        if short.len() <= LONGEST {
            Ok(short)
        } else {
            Err(Full)
        }
    }

    fn written(&self, now: DateTime<Utc>, most_holders: usize) -> String {
        let mut origins = Vec::new();
        let accounts = self.accounts.values();
        let accounts = accounts
            .filter_map(|account| account_text(account, now, most_holders, &mut origins))
            .collect();
        let text = Text {
            version: VERSION,
            base: now.timestamp(),
            origins,
            accounts,
        };
        // Numbers and strings: there is nothing that could not be written.
        serde_json::to_string(&text).unwrap_or_default()
    }

    /// Takes in what is kept: all of an earlier process, or what another one wrote meanwhile. Of
    /// what this process entered, it alone knows what became.
    pub fn take_in(&mut self, text: &str, now: DateTime<Utc>) -> Result<(), Broken> {
        let text = read(text)?;
        let base = DateTime::from_timestamp(text.base, 0).ok_or(Broken)?;
        for account in self.accounts.values_mut() {
            let own = self.origin;
            account.entries.retain(|entry| entry.id.origin == own);
        }
        let known: HashMap<EntryId, AccountId> = self
            .accounts
            .iter()
            .flat_map(|(id, account)| account.entries.iter().map(|entry| (entry.id, *id)))
            .collect();
        let mut seen: HashSet<EntryId> = known.keys().copied().collect();
        for account in text.accounts {
            let mut account = account_of(account, &text.origins, base, now)?;
            let mut ids = account.entries.iter().map(|entry| entry.id);
            let by_login = ids.find_map(|id| known.get(&id).copied());
            let origin = self.origin;
            account
                .entries
                .retain(|entry| entry.id.origin != origin && seen.insert(entry.id));
            self.join(account, by_login);
        }
        self.kept_house = DateTime::UNIX_EPOCH;
        Ok(())
    }

    /// An account of the ledger is one that is known, by a login or by a holder, or a stranger.
    fn join(&mut self, account: Account, by_login: Option<AccountId>) {
        if account.entries.is_empty() {
            return;
        }
        let registry = account.registry.clone();
        let names: Vec<Arc<str>> = account
            .holders
            .iter()
            .map(|held| held.name.clone())
            .collect();
        let mut holders = names.iter();
        let mut by_holder =
            || holders.find_map(|name| self.holders.get(&(registry.clone(), name.clone())));
        let known = by_login.or_else(|| by_holder().copied());
        let id = match known.and_then(|id| Some((id, self.accounts.get_mut(&id)?))) {
            Some((id, known)) => {
                known.merge(account);
                id
            }
            None => self.add(account),
        };
        for name in names {
            self.holders.entry((registry.clone(), name)).or_insert(id);
        }
    }
}

fn account_text(
    account: &Account,
    now: DateTime<Utc>,
    most_holders: usize,
    origins: &mut Vec<u32>,
) -> Option<AccountText> {
    let is_kept =
        |entry: &&Entry| entry.kind != Kind::Asked(Standing::Proven) && entry.at + REMEMBERED > now;
    let entries: Vec<_> = account.entries.iter().filter(is_kept).collect();
    if entries.is_empty() {
        return None;
    }
    let mut holders: Vec<&Held> = account.holders.iter().collect();
    // Those that were refused first: where there is room for one only, it is one of them.
    holders.sort_by_key(|held| held.since.is_none());
    holders.truncate(most_holders);
    let logins = entries.iter().map(|entry| {
        let of_holder = |name: &Arc<str>| holders.iter().position(|held| held.name == *name);
        let holder = entry.holder.as_ref().and_then(of_holder);
        let origin = place_of(entry.id.origin, origins);
        let mut login = vec![
            after(entry.at, now),
            holder.map_or(-1, |place| place as i64),
            origin as i64,
            i64::from(entry.id.number),
        ];
        if entry.kind != Kind::Refused {
            login.push(1);
        }
        login
    });
    let logins = logins.collect();
    let named = |held: &&Held| {
        (
            held.name.to_string(),
            held.since.map(|since| after(since, now)),
        )
    };
    Some(AccountText {
        registry: account.registry.as_str().to_owned(),
        holders: holders.iter().map(named).collect(),
        logins,
    })
}

/// Whole seconds, never earlier than it was.
fn after(at: DateTime<Utc>, base: DateTime<Utc>) -> i64 {
    let part = i64::from(at.timestamp_subsec_nanos() > 0);
    at.timestamp() + part - base.timestamp()
}

fn place_of(origin: u32, origins: &mut Vec<u32>) -> usize {
    origins
        .iter()
        .position(|known| *known == origin)
        .unwrap_or_else(|| {
            origins.push(origin);
            origins.len() - 1
        })
}

fn read(text: &str) -> Result<Text, Broken> {
    if text.len() > 2 * LONGEST {
        return Err(Broken);
    }
    let text: Text = serde_json::from_str(text).map_err(|_| Broken)?;
    if text.version == VERSION {
        Ok(text)
    } else {
        Err(Broken)
    }
}

fn account_of(
    text: AccountText,
    origins: &[u32],
    base: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Account, Broken> {
    if text.holders.len() > MOST_HOLDERS || text.logins.len() > MOST_LOGINS {
        return Err(Broken);
    }
    let time = |after: i64| {
        let after = TimeDelta::try_seconds(after).ok_or(Broken)?;
        // Nothing was counted in the future; a clock may have been set back.
        Ok(base.checked_add_signed(after).ok_or(Broken)?.min(now))
    };
    let mut account = Account::new(Registry::from_domain(&text.registry));
    for (name, since) in &text.holders {
        account.holders.push(Held {
            name: holder_name(name),
            since: since.map(time).transpose()?,
        });
    }
    for login in &text.logins {
        let (at, holder, origin, number, kind) = match login[..] {
            [at, holder, origin, number] => (at, holder, origin, number, Kind::Refused),
            [at, holder, origin, number, 1] => (at, holder, origin, number, Kind::Unanswered),
            _ => return Err(Broken),
        };
        let origin = usize::try_from(origin)
            .ok()
            .and_then(|place| origins.get(place));
        let holder = usize::try_from(holder).ok();
        let holder = holder.and_then(|place| account.holders.get(place));
        account.entries.push(Entry {
            id: EntryId {
                origin: *origin.ok_or(Broken)?,
                number: u32::try_from(number).map_err(|_| Broken)?,
            },
            at: time(at)?,
            holder: holder.map(|held| held.name.clone()),
            kind,
            since: None,
        });
    }
    Ok(account)
}
