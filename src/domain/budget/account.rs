//! One account: its refusals of a day, and the entries of Secrets by which it is known.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{EntryId, MOST_HOLDERS, REMEMBERED, Remembered, Standing, Toll};
use crate::domain::credential::AccountName;
use crate::domain::image::Registry;

/// A tenant chooses keys: whoever has a longer name is known by its first bytes.
const LONGEST_HOLDER: usize = 400;

/// The times of a Secret's changes have whole seconds.
const GRAIN: TimeDelta = TimeDelta::seconds(1);

/// A name as the ledger has it.
pub(super) fn holder_name(name: &str) -> Arc<str> {
    name[..name.floor_char_boundary(LONGEST_HOLDER)].into()
}

/// A login that was, or may have been, refused.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: EntryId,
    /// When the registry counted it, at the latest.
    pub(super) at: DateTime<Utc>,
    /// The oldest entry that held the credential; none once it worked after all.
    pub(super) holder: Option<Arc<str>>,
    pub(super) kind: Kind,
    /// Since when these bytes were refused when it was sent.
    pub(super) since: Option<DateTime<Utc>>,
}

/// What is known of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No answer yet; or none ever, where the process that sent it ended before.
    Asked(Standing),
    /// Sent, and the answer did not come: it may have been a refusal.
    Unanswered,
    /// Refused.
    Refused,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) registry: Registry,
    /// None as long as only the ledger knows it; several where one entry held several.
    pub(super) names: Vec<AccountName>,
    pub(super) holders: Vec<Held>,
    pub(super) entries: Vec<Entry>,
}

/// An entry of a Secret, and since when its bytes are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) name: Arc<str>,
    pub(super) since: Option<DateTime<Utc>>,
}

impl Account {
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            registry,
            names: Vec::new(),
            holders: Vec::new(),
            entries: Vec::new(),
        }
    }

    pub(super) fn has(&self, id: EntryId) -> bool {
        self.entries.iter().any(|entry| entry.id == id)
    }

    pub(super) fn is_held_by(&self, holder: &str) -> bool {
        self.holders.iter().any(|held| *held.name == *holder)
    }

    /// Takes these in while there is room, the first of them in any case; returns what is known of
    /// them now.
    pub(super) fn hold(&mut self, holders: &[String]) -> Vec<Arc<str>> {
        let mut taken = Vec::new();
        for (place, name) in holders.iter().map(|name| holder_name(name)).enumerate() {
            if !self.is_held_by(&name) {
                if self.holders.len() >= MOST_HOLDERS && !(place == 0 && self.make_room()) {
                    continue;
                }
                let (name, since) = (name.clone(), None);
                self.holders.push(Held { name, since });
            }
            taken.push(name);
        }
        taken
    }

    /// Those that were refused stay, for the order in which credentials are tried.
    fn make_room(&mut self) -> bool {
        let entries = &self.entries;
        let is_named = |held: &Held| {
            entries
                .iter()
                .any(|one| one.holder.as_ref() == Some(&held.name))
        };
        let Some(place) = self.holders.iter().position(|held| !is_named(held)) else {
            return false;
        };
        self.holders.remove(place);
        true
    }

    pub(super) fn let_go(&mut self, holder: &str) {
        self.holders.retain(|held| *held.name != *holder);
        self.acquit(holder);
    }

    /// The holder's present bytes are not the refused ones. The refusals count all the same.
    fn acquit(&mut self, holder: &str) {
        for entry in &mut self.entries {
            entry.holder = entry.holder.take().filter(|name| **name != *holder);
        }
        for held in self.holders.iter_mut().filter(|held| *held.name == *holder) {
            held.since = None;
        }
    }

    /// Returns whether the place is free again.
    pub(super) fn answered(&mut self, id: EntryId, toll: Toll, now: DateTime<Utc>) -> bool {
        let Some(place) = self.entries.iter().position(|entry| entry.id == id) else {
            return false;
        };
        let was_proven = self.entries[place].kind == Kind::Asked(Standing::Proven);
        match toll {
            Toll::Refused => {
                let entry = &mut self.entries[place];
                (entry.at, entry.kind) = (now, Kind::Refused);
                let since = entry.since.unwrap_or(now);
                let holder = entry.holder.clone();
                let mut holders = self.holders.iter_mut();
                if let Some(held) = holders.find(|held| Some(&held.name) == holder.as_ref()) {
                    held.since = Some(since);
                }
                return false;
            }
            // A login that worked a while ago and now gets no answer has met an outage.
            Toll::Unanswered if !was_proven => {
                let entry = &mut self.entries[place];
                (entry.at, entry.kind) = (now, Kind::Unanswered);
                return false;
            }
            Toll::Accepted | Toll::Unanswered | Toll::NotSent => {}
        }
        let entry = self.entries.remove(place);
        if toll == Toll::Accepted
            && let Some(holder) = entry.holder
        {
            self.acquit(&holder);
        }
        true
    }

    /// How often a credential of these holders was refused, or may have been, and when last.
    pub(super) fn refused(&self, holders: &[String]) -> (usize, Option<DateTime<Utc>>) {
        let is_one = |entry: &&Entry| {
            let holder = entry.holder.as_deref();
            holder.is_some_and(|known| holders.iter().any(|name| *holder_name(name) == *known))
        };
        let settled = self
            .entries
            .iter()
            .filter(|entry| !matches!(entry.kind, Kind::Asked(_)));
        let times: Vec<_> = settled.filter(is_one).map(|entry| entry.at).collect();
        (times.len(), times.iter().max().copied())
    }

    /// The newest login was the first of its holder.
    pub(super) fn was_a_new_one_last(&self) -> bool {
        let newest = self.entries.iter().max_by_key(|entry| entry.at);
        newest.is_some_and(|newest| {
            let same = |entry: &&Entry| entry.holder == newest.holder;
            newest.holder.is_some() && self.entries.iter().filter(same).count() == 1
        })
    }

    /// What other processes learned of what this holder holds; nothing if it changed since.
    pub(super) fn remembered(
        &self,
        holder: &str,
        changed: Option<DateTime<Utc>>,
        origin: u32,
    ) -> Option<Remembered> {
        let held = self.holders.iter().find(|held| *held.name == *holder)?;
        let refusals = self.entries.iter().filter(|entry| {
            entry.kind == Kind::Refused
                && entry.id.origin != origin
                && entry.holder.as_deref() == Some(holder)
                && held.since.is_none_or(|since| entry.at + GRAIN >= since)
        });
        let times: Vec<_> = refusals.map(|entry| entry.at).collect();
        let (first, last) = (*times.iter().min()?, *times.iter().max()?);
        if changed.is_some_and(|changed| changed + GRAIN > last) {
            return None;
        }
        let since = held.since.unwrap_or(first);
        // Older refusals are no longer there to be counted.
        let forgotten = u32::from(since + REMEMBERED <= last) * 2;
        Some(Remembered {
            first: since.min(first),
            last,
            times: u32::try_from(times.len()).unwrap_or(u32::MAX) + forgotten,
            is_certain: changed.is_some(),
        })
    }

    /// Takes all of another account that turned out to be this one.
    pub(super) fn merge(&mut self, other: Self) {
        for held in other.holders {
            if !self.is_held_by(&held.name) {
                self.holders.push(held);
            }
        }
        for entry in other.entries {
            if !self.has(entry.id) {
                self.entries.push(entry);
            }
        }
    }

    pub(super) fn follow(&mut self, back: TimeDelta) {
        for entry in &mut self.entries {
            entry.at -= back;
            entry.since = entry.since.map(|since| since - back);
        }
        for held in &mut self.holders {
            held.since = held.since.map(|since| since - back);
        }
    }

    /// Drops what is older than a day, but for logins of ours that are under way.
    pub(super) fn forget_old(&mut self, origin: u32, now: DateTime<Utc>) {
        self.entries.retain(|entry| {
            let is_under_way = matches!(entry.kind, Kind::Asked(_)) && entry.id.origin == origin;
            is_under_way || entry.at + REMEMBERED > now
        });
    }
}
