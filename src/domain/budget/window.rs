//! The windows of the budget: so many refusals within so long, and when there is a place in one.

use chrono::{DateTime, TimeDelta, Utc};

use super::account::{Entry, Kind};
use super::{Shortage, Taken};

/// The longest wait beyond the time at which no refusal stands in the way.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// So many refusals within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) span: TimeDelta,
    pub(super) most: usize,
    /// Of these, places that only logins seen working may take: where stale copies use up all there
    /// is, the good credential beside them must still be looked at.
    pub(super) kept_free: usize,
}

/// When there is a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: DateTime<Utc>,
    /// The same if every login without an answer worked, and nobody went first.
    at_best: DateTime<Utc>,
}

impl Place {
    pub(super) fn free(now: DateTime<Utc>) -> Self {
        Self {
            at: now,
            at_best: now,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            at: self.at.max(other.at),
            at_best: self.at_best.max(other.at_best),
        }
    }

    pub(super) fn is_free(self, now: DateTime<Utc>) -> bool {
        self.at <= now
    }

    pub(super) fn or_shortage(self, now: DateTime<Utc>) -> Result<(), Shortage> {
        if self.is_free(now) {
            return Ok(());
        }
        let by = match self.at_best > now {
            true => Taken::ByRefusals,
            false => Taken::ByOthers,
        };
        // Whoever has no answer yet has one within seconds, and whoever goes first may never come:
        // what they hold is looked at again soon, not when all of it would have to be a refusal.
        Err(Shortage {
            until: self.at.min(self.at_best + PATIENCE),
            by,
        })
    }
}

impl Window {
    /// When a login has a place among these, `ahead` others having taken theirs.
    pub(super) fn place(
        &self,
        kept_free: usize,
        ahead: usize,
        entries: &[&Entry],
        now: DateTime<Utc>,
    ) -> Place {
        let most = self.most.saturating_sub(kept_free);
        let stamps = entries.iter().map(|entry| entry.at).collect();
        let settled = entries
            .iter()
            .filter(|entry| !matches!(entry.kind, Kind::Asked(_)));
        let settled = settled.map(|entry| entry.at).collect();
        Place {
            at: self.free_at(most.saturating_sub(ahead), stamps, now),
            at_best: self.free_at(most, settled, now),
        }
    }

    /// When fewer than `most` of these lie within the window that ends then.
    fn free_at(
        &self,
        most: usize,
        mut stamps: Vec<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> DateTime<Utc> {
        stamps.sort_unstable_by(|a, b| b.cmp(a));
        match most.checked_sub(1) {
            None => now + self.span,
            Some(last) => stamps.get(last).map_or(now, |at| now.max(*at + self.span)),
        }
    }

    pub(super) fn holds(&self, entries: &[&Entry], now: DateTime<Utc>) -> bool {
        self.recent(entries, now) <= self.most
    }

    /// Places that nobody has taken.
    pub(super) fn free(&self, entries: &[&Entry], now: DateTime<Utc>) -> usize {
        self.most.saturating_sub(self.recent(entries, now))
    }

    fn recent(&self, entries: &[&Entry], now: DateTime<Utc>) -> usize {
        let recent = entries.iter().filter(|entry| entry.at + self.span > now);
        recent.count()
    }
}
