//! Where we stand: whether our own answers from a registry tell anything.

use chrono::{DateTime, TimeDelta, Utc};

use super::Cluster;
use crate::domain::image::Registry;
use crate::domain::outcome::Outcome;
use crate::domain::verdict::Verdicts;

/// How much older than the newest an answer may be to tell of now: a refused login has one every
/// four hours only.
const OLDER: TimeDelta = TimeDelta::hours(1);

impl Cluster {
    /// The newest ping told nothing, or none of the newest logins did: where the token endpoint is
    /// another host, a ping says little. Where nothing was asked yet, nothing is known of it.
    pub fn is_blind_to(&self, registry: &Registry, verdicts: &Verdicts) -> bool {
        let ping = verdicts.last_ping(registry);
        if ping.is_some_and(|ping| !ping.is_conclusive()) {
            return true;
        }
        let here = self.groups.at(registry);
        let asked = here.filter(|group| self.wants(group));
        let asked: Vec<_> = asked
            .filter_map(|group| verdicts.of(&group))
            .filter_map(|verdict| Some((verdict.last_run()?, verdict)))
            .collect();
        let Some(newest) = asked.iter().map(|(at, _)| *at).max() else {
            return false;
        };
        let mut recent = asked.iter().filter(|(at, _)| *at + OLDER > newest);
        recent.all(|(_, verdict)| verdict.is_blind())
    }

    /// Nodes reach the registry and we do not; `None` where we do not ask it, or where it is each
    /// node's own and nobody else can see it.
    pub(super) fn vantage(
        &self,
        registry: &Registry,
        verdicts: &Verdicts,
        now: DateTime<Utc>,
    ) -> Option<bool> {
        let is_blocked = verdicts.last_ping(registry) == Some(Outcome::Blocked);
        if !self.wants_registry(registry) || (registry.is_loopback() && is_blocked) {
            return None;
        }
        let is_reached = verdicts.pulls.has_recent_unseen(registry, now);
        Some(is_reached && self.is_blind_to(registry, verdicts))
    }
}
